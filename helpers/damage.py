"""What harms a picture: blur, motion, mosaic, blocks, noise, JPEG, and two changes that are known, night and autumn."""

import io
import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from helpers.images import Box, check, enlarge, reduce, to_float, to_uint8


def blocks(picture: np.ndarray, scale: int = 4) -> np.ndarray:
    """(h, w, 3) → the same shape in blocks of scale × scale: the damage of the Unsplash set's low pictures.

    Each block shows the mean of its middle 2×2 pixels, which is what OpenCV's linear reduction by an even factor
    leaves, without antialias, repeated. ValueError for an odd scale and a side that does not divide by `scale`.
    """
    check(picture)
    h, w = picture.shape[:2]
    if scale % 2 or h % scale or w % scale:
        raise ValueError(
            f"no blocks of {scale}×{scale} in a {h}×{w} picture; crop_to_multiple(picture, {scale}) first"
        )
    middle = np.s_[scale // 2 - 1 : scale // 2 + 1]
    small = picture.reshape(h // scale, scale, w // scale, scale, 3)[:, middle, :, middle].mean(
        axis=(1, 3)
    )
    return enlarge(small, scale, "nearest")


class Damage(NamedTuple):
    """A picture's damage: "blur" with σ, "motion" with a length and an angle, or "mosaic" with a block's side."""

    kind: str
    size: float  # in pixels
    angle: float = 0.0  # in degrees, counter-clockwise from the horizontal


def kernel(damage: Damage) -> np.ndarray:
    """The picture of a point after the damage, its point spread function: (n, n) float32, n odd, sum 1.

    A mosaic spreads each point otherwise; its kernel is the mean over all places, a pyramid of two blocks' width.
    ValueError for a σ that is not positive, a length below 1, a block that is no whole number from 1 on, and an
    unknown kind.
    """
    kind, size, angle = damage
    if kind == "blur" and size > 0:
        line = cv2.getGaussianKernel(2 * math.ceil(3 * size) + 1, size)
    elif kind == "mosaic" and size >= 1 and size == int(size):
        line = np.convolve(np.ones(int(size)), np.ones(int(size)))[:, None]
    elif kind == "motion" and size >= 1:
        n = int(size) // 2 + 1
        along = np.clip(size / 2 + 0.5 - np.abs(np.arange(-n, n + 1)), 0, 1)
        line = np.zeros((2 * n + 1, 2 * n + 1), np.float32)
        line[n] = along  # its ends carry the fraction of a pixel
        line = cv2.warpAffine(line, cv2.getRotationMatrix2D((n, n), angle, 1), line.shape)
    else:
        raise ValueError(
            f"no {kind} of {size} pixels; there are blur (σ > 0), motion (from 1) and mosaic (1, 2, 3 …)"
        )
    square = line if kind == "motion" else line @ line.T
    return (square / square.sum()).astype(np.float32)


def convolve(picture: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """`picture` under a symmetric `kernel` (n, n) of sum 1, mirrored at its borders; shape, range and dtype kept."""
    check(picture)
    result = cv2.filter2D(
        np.asarray(picture, np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT
    )
    return np.clip(result, 0, 1).astype(picture.dtype)


def blur(picture: np.ndarray, sigma: float) -> np.ndarray:
    """Out of focus: under a Gaussian of standard deviation `sigma` pixels. Errors as `kernel`'s."""
    return convolve(picture, kernel(Damage("blur", sigma)))


def motion(picture: np.ndarray, length: float, angle: float) -> np.ndarray:
    """Shaken: each point becomes a line of `length` pixels at `angle` degrees, counter-clockwise from the horizontal.

    Errors as `kernel`'s.
    """
    return convolve(picture, kernel(Damage("motion", length, angle)))


def mosaic(picture: np.ndarray, block: int, box: Box | None = None) -> np.ndarray:
    """Made unrecognisable: each block of block × block pixels shows its mean; only inside `box`, where one is given.

    Blocks are laid from the top left corner; those at the far edges may be cut. A copy of the same shape and dtype.
    ValueError for a block that is no whole number from 1 on.
    """
    check(picture)
    if block != int(block) or block < 1:
        raise ValueError(f"a mosaic of blocks of {block} pixels; take 1, 2, 3 …")
    top, left, h, w = box or (0, 0, *picture.shape[:2])
    part = np.asarray(picture[top : top + h, left : left + w], np.float32)
    block, (h, w) = int(block), part.shape[:2]
    whole = np.pad(part, ((0, -h % block), (0, -w % block), (0, 0)), "edge")
    result = picture.copy()
    result[top : top + h, left : left + w] = enlarge(
        reduce(whole, block, "area"), block, "nearest"
    )[:h, :w]
    return result


def _random(seed: str | int | Sequence[int]) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(seed.encode()) if isinstance(seed, str) else seed)


def draw(seed: str | int | Sequence[int]) -> Damage:
    """The damage that `seed` draws, one third each: blur of σ 1 to 3, motion of 5 to 15 pixels, mosaic of 3 to 6.

    A text, such as a file's stem, draws the same on every machine.
    """
    random = _random(seed)
    kind = random.integers(3)
    if kind == 0:
        return Damage("blur", random.uniform(1, 3))
    if kind == 1:
        return Damage("motion", random.uniform(5, 15), random.uniform(0, 180))
    return Damage("mosaic", int(random.integers(3, 7)))


def random_damage(picture: np.ndarray, seed: str | int | Sequence[int]) -> np.ndarray:
    """`picture` with the damage that `seed` draws; shape, range and dtype kept."""
    drawn = draw(seed)
    if drawn.kind == "mosaic":
        return mosaic(picture, drawn.size)
    return convolve(picture, kernel(drawn))


def add_noise(picture: np.ndarray, sigma: float, seed: str | int | Sequence[int]) -> np.ndarray:
    """A dark or cheap camera: Gaussian noise of standard deviation `sigma`, of 1, on each channel of each pixel.

    Drawn by `seed` as in `draw`; clipped to [0, 1], shape and dtype kept.
    """
    check(picture)
    grain = _random(seed).standard_normal(picture.shape, np.float32)
    return np.clip(picture + sigma * grain, 0, 1).astype(picture.dtype)


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    """What a JPEG file of `quality` (1 to 95) shows of `picture`, by Pillow with half the resolution for colour.

    Shape and dtype kept.
    """
    check(picture)
    file = io.BytesIO()
    Image.fromarray(to_uint8(picture)).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return to_float(np.asarray(Image.open(file))).astype(picture.dtype)


def small_noisy_jpeg(hr: np.ndarray, seed: str | int | Sequence[int]) -> np.ndarray:
    """(h, w, 3) → (h/2, w/2, 3): reduced by Pillow's bicubic, then noise of σ 8/255 drawn by `seed`, then JPEG.

    The JPEG is of quality 40. ValueError where a side is odd.
    """
    return jpeg(add_noise(reduce(hr, 2), 8 / 255, seed), 40)


# What a picture from a camera may have, each with the same chance: one damage alone twice as often as two together
CAMERA = [
    "",
    "blur",
    "noise",
    "jpeg",
    "blur",
    "noise",
    "jpeg",
    "blur noise",
    "blur jpeg",
    "noise jpeg",
]
CAMERA += ["blur noise jpeg", "blur noise jpeg"]


def camera(picture: np.ndarray, seed: str | int | Sequence[int]) -> np.ndarray:
    """A photograph as people have it: blurred, noisy and packed as JPEG, in this order, or a part of it, or nothing.

    Which of them, and how strong, `seed` draws as in `draw`: blur of σ 0.3 to 2 pixels, noise of σ 0 to 25 of 255 with
    the weak ones more often, JPEG of quality 25 to 96 whose blocks may begin anywhere. Rounded as a file of 8 bits;
    shape and dtype kept.
    """
    check(picture)
    random = _random(seed)
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
        result = jpeg(moved, int(random.integers(25, 97)))[top : top + h, left : left + w]
    return to_float(to_uint8(result)).astype(picture.dtype)


def night(picture: np.ndarray) -> np.ndarray:
    """A known night of our own: darker and bluer, colours half gone, and what was bright lit by lamps.

    Half of each colour and half of the luma, squared, times (0.3, 0.4, 0.65); where luma exceeds 0.65, fully from
    0.8 on, four fifths of it become lamp light, (1, 0.8, 0.45), blurred by σ 1.5. Shape, range and dtype kept.
    """
    check(picture)
    luma = picture @ np.float32([0.299, 0.587, 0.114])
    dark = np.float32([0.3, 0.4, 0.65]) * (0.5 * luma[..., None] + 0.5 * picture) ** 2
    lamps = cv2.GaussianBlur(np.clip((luma - 0.65) / 0.15, 0, 1), (0, 0), 1.5)[..., None]
    return (dark + 0.8 * lamps * (np.float32([1, 0.8, 0.45]) - dark)).astype(picture.dtype)


def autumn(picture: np.ndarray) -> np.ndarray:
    """Spring's foliage turned: greens become yellow to red, by colour alone; no leaf falls. Shape, range, dtype kept.

    A known recolouring of our own: hues from 60° to 160° become 50° to 10°, stronger and lighter, faded in at
    both ends and with the saturation.
    """
    check(picture)
    hue, saturation, value = np.moveaxis(
        cv2.cvtColor(np.asarray(picture, np.float32), cv2.COLOR_RGB2HSV), -1, 0
    )
    green = (
        np.clip((hue - 45) / 20, 0, 1)
        * np.clip((175 - hue) / 20, 0, 1)
        * np.clip((saturation - 0.08) / 0.15, 0, 1)
    )
    turned = (
        np.clip(50 - 0.4 * (hue - 60), 8, 50),
        np.clip(1.3 * saturation + 0.1, 0, 1),
        np.clip(1.15 * value, 0, 1),
    )
    turned = cv2.cvtColor(np.stack(turned, axis=-1), cv2.COLOR_HSV2RGB)
    return (picture + green[..., None] * (turned - picture)).astype(picture.dtype)


# What a network's card, a recipe and `degrade` call a damage: these are drawn by a seed, those are always the same
DRAWN = {"random_damage": random_damage, "small_noisy_jpeg": small_noisy_jpeg, "camera": camera}
FIXED = {"blocks": blocks, "autumn": autumn}


def degrade(hr: np.ndarray, scale: int, method: str, seed: str | int | Sequence[int]) -> np.ndarray:
    """The input that belongs to a target: (h, w, 3) → (h/scale, w/scale, 3).

    `method` names a function of `DRAWN`, which `seed` draws, one of `FIXED`, or a way to `reduce`. ValueError for the
    scale of another damage, and what `reduce` raises.
    """
    if method in DRAWN:
        lr = DRAWN[method](hr, seed)
    elif method in FIXED:
        lr = FIXED[method](hr)
    else:
        return reduce(hr, scale, method)
    if lr.shape[0] * scale != hr.shape[0]:
        raise ValueError(
            f"{method!r} is a damage of ×{hr.shape[0] // lr.shape[0]}, not of ×{scale}"
        )
    return lr
