"""What harms a picture: blur, motion, mosaic, blocks, noise, JPEG; and a known night."""

import io
import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from helpers.images import Box, check, enlarge, reduce, to_float, to_uint8

Seed = str | int | Sequence[int]  # a text, such as a file's stem, draws the same on every machine


def blocks(picture: np.ndarray, scale: int = 4) -> np.ndarray:
    """Blocks of one colour: the damage of the Unsplash set's low pictures.

    Each block shows the mean of its middle 2×2 pixels, which is what OpenCV's linear reduction by
    an even factor leaves, repeated.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    scale : int
        Side of the blocks in pixels, even.

    Returns
    -------
    ndarray
        Shape and range kept.

    Raises
    ------
    ValueError
        For an odd scale, and a side that does not divide by it. Lesson 05.
    """
    check(picture)
    h, w = picture.shape[:2]
    if scale % 2 or h % scale or w % scale:
        raise ValueError(
            f"no blocks of {scale}×{scale} in a {h}×{w} picture; "
            f"crop_to_multiple(picture, {scale}) first"
        )
    middle = slice(scale // 2 - 1, scale // 2 + 1)
    in_blocks = picture.reshape(h // scale, scale, w // scale, scale, 3)
    small = in_blocks[:, middle, :, middle].mean(axis=(1, 3))
    return enlarge(small, scale, "nearest")


class Damage(NamedTuple):
    """A picture's damage. Lesson 07."""

    kind: str  # "blur", "motion" or "mosaic"
    size: float  # in pixels: σ, the length of the line, or the side of the blocks
    angle: float = 0.0  # of a motion, in degrees, counter-clockwise from the horizontal


def kernel(damage: Damage) -> np.ndarray:
    """The picture of a point after the damage, its point spread function.

    A mosaic spreads each point otherwise; its kernel is the mean over all places.

    Parameters
    ----------
    damage : Damage
        A blur with σ > 0, a motion of at least 1 pixel, or a mosaic of 1, 2, 3 … pixels.

    Returns
    -------
    ndarray
        (n, n) float32, n odd, sum 1.

    Raises
    ------
    ValueError
        For another damage. Lesson 07.
    """
    kind, size, angle = damage
    if kind == "blur" and size > 0:
        profile = cv2.getGaussianKernel(2 * math.ceil(3 * size) + 1, size)
        square = profile @ profile.T
    elif kind == "mosaic" and size >= 1 and size == int(size):
        block = np.ones(int(size))
        profile = np.convolve(block, block)
        square = np.outer(profile, profile)
    elif kind == "motion" and size >= 1:
        n = int(size) // 2 + 1
        square = np.zeros((2 * n + 1, 2 * n + 1), np.float32)
        # the ends of the line carry the fraction of a pixel
        square[n] = np.clip(size / 2 + 0.5 - np.abs(np.arange(-n, n + 1)), 0, 1)
        turn = cv2.getRotationMatrix2D((n, n), angle, 1)
        square = cv2.warpAffine(square, turn, square.shape)
    else:
        raise ValueError(
            f"no {kind} of {size} pixels; "
            "there are blur (σ > 0), motion (from 1) and mosaic (1, 2, 3 …)"
        )
    return (square / square.sum()).astype(np.float32)


def convolve(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A picture under a symmetric kernel, mirrored at its borders.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    kernel : ndarray
        (n, n) float32 of sum 1.

    Returns
    -------
    ndarray
        Shape, range and dtype kept. Lesson 07.
    """
    check(picture)
    picture32 = np.asarray(picture, np.float32)
    result = cv2.filter2D(picture32, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return np.clip(result, 0, 1).astype(picture.dtype)


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Out of focus: under a Gaussian.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    sigma : float
        Standard deviation in pixels, above 0; ValueError otherwise.

    Returns
    -------
    ndarray
        Shape, range and dtype kept. Lesson 07.
    """
    return convolve(picture, kernel(Damage("blur", sigma)))


def motion(picture: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Shaken: each point becomes a line.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    length : float
        Of the line in pixels, from 1; ValueError otherwise.
    angle : float
        In degrees, counter-clockwise from the horizontal.

    Returns
    -------
    ndarray
        Shape, range and dtype kept. Lesson 07.
    """
    return convolve(picture, kernel(Damage("motion", length, angle)))


def mosaic(picture: np.ndarray, block: int, box: Box | None = None) -> np.ndarray:
    """Made unrecognisable: each block of pixels shows its mean.

    Blocks are laid from the top left corner; those at the far edges may be cut.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    block : int
        Side of the blocks in pixels, from 1.
    box : Box, optional
        Only inside it.

    Returns
    -------
    ndarray
        A copy; shape, range and dtype kept.

    Raises
    ------
    ValueError
        For a block that is no whole number from 1 on. Lesson 07.
    """
    check(picture)
    if block != int(block) or block < 1:
        raise ValueError(f"a mosaic of blocks of {block} pixels; take 1, 2, 3 …")
    block = int(block)
    top, left, h, w = box or (0, 0, *picture.shape[:2])
    inside = np.s_[top : top + h, left : left + w]
    part = np.asarray(picture[inside], np.float32)
    h, w = part.shape[:2]
    # blocks that are cut get whole ones' size by repeating their last pixels
    whole = np.pad(part, ((0, -h % block), (0, -w % block), (0, 0)), "edge")
    shown = enlarge(reduce(whole, block, "area"), block, "nearest")
    result = picture.copy()
    result[inside] = shown[:h, :w]
    return result


def _generator(seed: Seed) -> np.random.Generator:
    """NumPy's random generator for a seed that may be a text."""
    if isinstance(seed, str):
        seed = zlib.crc32(seed.encode())
    return np.random.default_rng(seed)


def draw(seed: Seed) -> Damage:
    """One damage at random: blur, motion or mosaic, each with the same chance.

    Parameters
    ----------
    seed : str, int or sequence of int
        A text, such as a file's stem, draws the same on every machine.

    Returns
    -------
    Damage
        A blur of σ 1 to 3, a motion of 5 to 15 pixels, or a mosaic of 3 to 6. Lesson 07.
    """
    random = _generator(seed)
    kind = random.integers(3)
    if kind == 0:
        return Damage("blur", random.uniform(1, 3))
    if kind == 1:
        return Damage("motion", random.uniform(5, 15), random.uniform(0, 180))
    return Damage("mosaic", int(random.integers(3, 7)))


def random_damage(picture: np.ndarray, seed: Seed) -> np.ndarray:
    """A picture with the damage that `draw` gives.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    seed : str, int or sequence of int
        As in `draw`.

    Returns
    -------
    ndarray
        Shape, range and dtype kept. Lesson 07.
    """
    damage = draw(seed)
    if damage.kind == "mosaic":
        return mosaic(picture, damage.size)
    return convolve(picture, kernel(damage))


def add_noise(picture: np.ndarray, sigma: float, seed: Seed) -> np.ndarray:
    """A dark or cheap camera: picture + `sigma` · Gaussian noise, clipped to [0, 1].

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    sigma : float
        Standard deviation of the noise; a level of 8 out of 255 is 8 / 255.
    seed : str, int or sequence of int
        As in `draw`.

    Returns
    -------
    ndarray
        Shape and dtype kept; each channel of each pixel has its own noise. Lesson 09.
    """
    check(picture)
    noise = _generator(seed).standard_normal(picture.shape, np.float32)
    return np.clip(picture + sigma * noise, 0, 1).astype(picture.dtype)


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """What a JPEG file shows of a picture: Pillow's, with half the resolution for colour.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    quality : int
        1 to 100, as Pillow takes it.

    Returns
    -------
    ndarray
        Shape and dtype kept. Lesson 09.
    """
    check(picture)
    file = io.BytesIO()
    Image.fromarray(to_uint8(picture)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return to_float(np.asarray(Image.open(file))).astype(picture.dtype)


def small_noisy_jpeg(hr: np.ndarray, seed: Seed) -> np.ndarray:
    """Half as large by Pillow's bicubic, then noise of σ 8/255, then JPEG of quality 40.

    Parameters
    ----------
    hr : ndarray
        (h, w, 3) float in [0, 1]; an odd side is a ValueError.
    seed : str, int or sequence of int
        As in `draw`.

    Returns
    -------
    ndarray
        (h/2, w/2, 3). Lesson 09.
    """
    return jpeg(add_noise(reduce(hr, 2), 8 / 255, seed), 40)


ALONE = ["blur", "noise", "jpeg"]
PAIRS = ["blur noise", "blur jpeg", "noise jpeg"]
# What `camera` does, each with the same chance: one damage alone twice as often as a pair
CAMERA = ["", *ALONE, *ALONE, *PAIRS, "blur noise jpeg", "blur noise jpeg"]


def camera(picture: np.ndarray, seed: Seed) -> np.ndarray:
    """A photograph as people have it: blurred, noisy and packed as JPEG, or a part of it.

    The blur is of σ 0.3 to 2 pixels; the noise of σ 0 to 25/255, more often weak; the JPEG of
    quality 25 to 96, and its blocks may begin anywhere. The result is rounded as a file of 8 bits.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].
    seed : str, int or sequence of int
        As in `draw`: which damage, and how strong.

    Returns
    -------
    ndarray
        Shape and dtype kept. It trains `photos_clean`.
    """
    check(picture)
    random = _generator(seed)
    kinds = CAMERA[random.integers(len(CAMERA))]
    result = picture
    if "blur" in kinds:
        result = blur(result, random.uniform(0.3, 2))
    if "noise" in kinds:
        sigma = 25 * random.uniform() ** 1.5
        result = add_noise(result, sigma / 255, random.integers(2**32))
    if "jpeg" in kinds:
        top, left = random.integers(8, size=2)
        h, w = picture.shape[:2]
        moved = np.pad(result, ((top, 0), (left, 0), (0, 0)), "symmetric")
        packed = jpeg(moved, int(random.integers(25, 97)))
        result = packed[top : top + h, left : left + w]
    return to_float(to_uint8(result)).astype(picture.dtype)


def night(picture: np.ndarray) -> np.ndarray:
    """A known night of our own: darker and bluer, and small bright spots are lit by lamps.

    dark = (0.22, 0.3, 0.5) · (luma/2 + colour/2)². Where luma exceeds its surroundings of 15 pixels
    (a white top-hat) by 0.2, fully from 0.5 on, nine tenths of it become lamp light,
    (1, 0.8, 0.45), blurred by σ 1.5. A sky is bright, but no spot: it becomes dark blue.

    Parameters
    ----------
    picture : ndarray
        (h, w, 3) float in [0, 1].

    Returns
    -------
    ndarray
        Shape, range and dtype kept. Lesson 08.
    """
    check(picture)
    luma = picture @ np.float32([0.299, 0.587, 0.114])
    dark = np.float32([0.22, 0.3, 0.5]) * (0.5 * luma[..., None] + 0.5 * picture) ** 2
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (15, 15))
    spots = cv2.morphologyEx(luma, cv2.MORPH_TOPHAT, disc)
    lamps = cv2.GaussianBlur(np.clip((spots - 0.2) / 0.3, 0, 1), (0, 0), 1.5)[..., None]
    return (dark + 0.9 * lamps * (np.float32([1, 0.8, 0.45]) - dark)).astype(picture.dtype)


# What a network's card, a recipe and `degrade` call a damage: a seed draws these, and those are
# always the same
DRAWN = {"random_damage": random_damage, "small_noisy_jpeg": small_noisy_jpeg, "camera": camera}
FIXED = {"blocks": blocks}


def degrade(hr: np.ndarray, scale: int, method: str, seed: Seed) -> np.ndarray:
    """The input that belongs to a target: reduced, or damaged.

    Parameters
    ----------
    hr : ndarray
        (h, w, 3) float in [0, 1].
    scale : int
        How many times smaller the input is on each side.
    method : str
        A function of `DRAWN`, which `seed` draws, one of `FIXED`, or a method of `images.reduce`.
    seed : str, int or sequence of int
        As in `draw`.

    Returns
    -------
    ndarray
        (h/scale, w/scale, 3).

    Raises
    ------
    ValueError
        For the scale of another damage, and what `images.reduce` raises. Lesson 02.
    """
    if method in DRAWN:
        lr = DRAWN[method](hr, seed)
    elif method in FIXED:
        lr = FIXED[method](hr)
    else:
        return reduce(hr, scale, method)
    own_scale = hr.shape[0] // lr.shape[0]
    if own_scale != scale:
        raise ValueError(f"{method!r} is a damage of ×{own_scale}, not of ×{scale}")
    return lr
