"""Pictures: read and write any of them, crop, reduce, enlarge, find faces.

In memory a picture is RGB, height × width × 3, float32 in [0, 1]. uint8 exists only in files and in
stored batches; `to_uint8` and `to_float` are the one place where the two meet.
"""

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError
from skimage import color, data, feature, transform

from helpers.files import replacing

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif"}
PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
}
PHOTOMETRIC = 262  # A TIFF's tag
# Pillow's own reader mixes up the separate planes of a TIFF; libtiff does not
TiffImagePlugin.READ_LIBTIFF = True


def find(folder: str | os.PathLike, suffixes: set[str] = SUFFIXES) -> list[Path]:
    """Picture files under a folder. Lesson 01.

    Parameters
    ----------
    folder : path-like
        It is searched with all its folders.
    suffixes : set[str]
        Lower-case suffixes that count as pictures.

    Returns
    -------
    list[Path]
        The files, sorted.

    Raises
    ------
    FileNotFoundError
        Where there is no folder, or no picture in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in suffixes and not p.name.startswith(".")
    )
    if not found:
        raise FileNotFoundError(
            f"no pictures in {folder}; put some there ({', '.join(sorted(suffixes))})"
        )
    return found


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """A picture as a file keeps it. Lesson 02.

    Parameters
    ----------
    picture : np.ndarray
        Any shape, float; what lies outside [0, 1] is clipped.

    Returns
    -------
    np.ndarray
        The same shape, uint8 in [0, 255], rounded.
    """
    check_values(picture)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def to_float(picture: np.ndarray) -> np.ndarray:
    """Bytes as a picture in memory. Lesson 02.

    Parameters
    ----------
    picture : np.ndarray
        Any shape, uint8 in [0, 255].

    Returns
    -------
    np.ndarray
        The same shape, float32 in [0, 1].
    """
    picture = np.asarray(picture)
    if picture.dtype != np.uint8:
        raise ValueError(
            f"expected uint8, got {picture.dtype}; a picture of floats in [0, 1] stays as it is"
        )
    # Divided at once into float32: a second copy of a large picture is hundreds of megabytes
    return np.divide(picture, 255, dtype=np.float32)


def rounded(picture: np.ndarray) -> np.ndarray:
    """float in [0, 1] → float32 in [0, 1] in steps of 1/255, as a file of 8 bits keeps it."""
    return to_float(to_uint8(picture))


def read(path: str | os.PathLike) -> np.ndarray:
    """Any picture file, upright, with transparent pixels laid on white. Lesson 01.

    EXIF's orientation is applied, grey and palette become RGB, grey keeps 16 bits, colours keep 8,
    and of an animation the first frame is taken.

    Parameters
    ----------
    path : path-like
        A file that Pillow reads.

    Returns
    -------
    np.ndarray
        (h, w, 3), float32 in [0, 1].

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file that is no picture, is damaged, is too large, or holds values of unknown range.
    """
    with open_file(path) as file:
        return on_white(decode(file))


def open_file(path: str | os.PathLike) -> Image.Image:
    """Open a picture file by Pillow without decoding it; errors as in `read`."""
    with _in_words(path), warnings.catch_warnings():
        # Pillow warns from 89 megapixels on, where large phones are, and refuses from 179 on
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        file = Image.open(path)
        size = Path(path).stat().st_size
        # Few bytes would fill gigabytes; but a blank page of one bit, A4 at 1200 dpi, is no trap
        if file.width * file.height > max(
            150_000_000 if file.mode == "1" else 17_000_000, 2000 * size
        ):
            file.close()
            raise Image.DecompressionBombError(f"{file.width}×{file.height} in {size:,} bytes")
    return file


@contextmanager
def _in_words(path: str | os.PathLike) -> Iterator[None]:
    """Whatever Pillow raises about a file, as an error that says what to do."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except IsADirectoryError:
        raise ValueError(f"{path} is a folder; name a picture in it") from None
    except PermissionError:
        raise PermissionError(
            f"{path} may not be read; change its permissions or copy it"
        ) from None
    except UnidentifiedImageError:
        raise ValueError(
            f"{path} is not a picture that Pillow can read; open and save it as PNG or JPEG"
        ) from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} has too many pixels ({error}); make it smaller first") from None
    except Exception as error:  # Pillow's decoders raise errors of every class
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is damaged ({reason}); get the file again") from error


def pixels(image: Image.Image) -> np.ndarray | None:
    """An opened image as (h, w, 3 or 4) float32 in [0, 1], upright; None without a known range."""
    image = upright(image)
    if image.mode[0] not in "IF":
        return to_float(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    if image.mode in "IF":
        return None
    grey = np.asarray(image)
    most = 65535
    alpha = grey != image.info.get("transparency")  # A PNG may declare one grey transparent
    if image.format == "TIFF":
        most = 2 ** image.tag_v2[258][0] - 1  # BitsPerSample
        if not image.tag_v2.get(PHOTOMETRIC):  # White is zero
            grey = most - grey
    return np.stack([grey / most] * 3 + [alpha], axis=-1).astype(np.float32)


def decode(file: Image.Image, pixels: Callable = pixels) -> np.ndarray:
    """The pixels of an opened file as `pixels` decodes them; errors as in `read`."""
    with _in_words(file.filename):
        decoded = pixels(file)
    if decoded is None:
        kind = "float" if file.mode == "F" else "32-bit"
        if file.format == "TIFF" and 2 in file.tag_v2.get(339, ()):  # SampleFormat
            kind = "signed"
        raise ValueError(f"{file.filename} holds {kind} values; save it with 8 or 16 bits")
    return decoded


def upright(image: Image.Image) -> Image.Image:
    """Decode an opened image and turn it in place, as its EXIF asks."""
    image.load()
    with suppress(Exception):  # A damaged table of EXIF; the pixels are good
        ImageOps.exif_transpose(image, in_place=True)
    return image


def on_white(pixels: np.ndarray) -> np.ndarray:
    """(h, w, 3 or 4) float in [0, 1], what is transparent laid on white, as (h, w, 3)."""
    if pixels.shape[-1] == 3:
        return pixels
    alpha = pixels[..., 3:]
    return pixels[..., :3] * alpha + (1 - alpha)


def write(path: str | os.PathLike, picture: np.ndarray) -> Path:
    """Write a picture as the suffix says, whole or not at all. Lesson 01.

    Parameters
    ----------
    path : path-like
        The file, with one of `SUFFIXES`.
    picture : np.ndarray
        (h, w, 3), float in [0, 1].

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        For another shape or suffix.
    OSError
        Where the disk is full or the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{path.name}: unknown suffix {path.suffix!r}; use one of {', '.join(sorted(SUFFIXES))}"
        )
    check(picture)
    file = io.BytesIO()  # Pillow's own writers do not notice a full disk
    Image.fromarray(to_uint8(picture)).save(
        file, Image.registered_extensions()[path.suffix.lower()], quality=95
    )
    with replacing(path) as part:
        part.write_bytes(file.getvalue())
    return path


def check(picture: np.ndarray) -> None:
    """Raise ValueError unless this is a picture: (h, w, 3) as in `check_values`, not empty."""
    _check_shape(picture)
    check_values(picture)


def _check_shape(picture):
    """Raise ValueError unless the shape is a picture's."""
    shape = np.shape(picture)
    if len(shape) != 3 or shape[-1] != 3 or 0 in shape:
        raise ValueError(f"expected one picture, (height, width, 3), got an array of shape {shape}")


def check_values(picture: np.ndarray, lowest: float = -0.75, highest: float = 3) -> None:
    """Raise ValueError unless the values are floats in [0, 1] or what a network makes of them.

    A network overshoots a little below 0 and more above 1; values from -1 to 1 or up to 255 are
    another range.
    """
    values = np.asarray(picture)
    low = values.min(initial=0)
    high = values.max(initial=0)
    near = low >= lowest and high <= highest  # NaN compares as false
    if values.dtype.kind != "f" or not near:
        raise ValueError(
            f"expected floats in [0, 1], got {values.dtype} from {low} to {high}; images.to_float "
            "turns uint8 into floats, values up to 255 need a division by 255, what a network "
            "overshoots needs .clip(0, 1), and NaN comes from a training that has diverged"
        )


def square_crop(picture: np.ndarray) -> np.ndarray:
    """The largest centred square of a picture. Lesson 02.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3).

    Returns
    -------
    np.ndarray
        (min(h, w), min(h, w), 3), a view.
    """
    _check_shape(picture)
    h, w = picture.shape[:2]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return picture[top : top + side, left : left + side]


def crop_to_multiple(picture: np.ndarray, scale: int) -> np.ndarray:
    """Cut rows and columns at the bottom and right until both sides divide. Lesson 02.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3).
    scale : int
        What the sides have to divide by.

    Returns
    -------
    np.ndarray
        (h - h % scale, w - w % scale, 3), a view.
    """
    _check_shape(picture)
    h, w = picture.shape[:2]
    return picture[: h - h % scale, : w - w % scale]


def reduce(picture: np.ndarray, scale: int, method: str = "bicubic") -> np.ndarray:
    """Make a picture smaller: it is blurred before it is subsampled. Lesson 02.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    scale : int
        How many times smaller; both sides divide by it (`crop_to_multiple`).
    method : str
        "bicubic" (Pillow, with antialias: the benchmarks' down-scaler), "area" (the mean of each
        block) or "pyramid" (scikit-image's `pyramid_reduce`: Gaussian, then spline).

    Returns
    -------
    np.ndarray
        (h/scale, w/scale, 3), float32 in [0, 1].

    Raises
    ------
    ValueError
        Where a side does not divide by `scale`, and for another method.
    """
    check(picture)
    h, w = picture.shape[:2]
    if scale < 1 or h % scale or w % scale:
        raise ValueError(
            f"a {h}×{w} picture does not divide by {scale}; "
            f"crop_to_multiple(picture, {scale}) first"
        )
    if method == "pyramid":
        small = transform.pyramid_reduce(picture, downscale=scale, channel_axis=-1)
        return np.clip(small, 0, 1).astype(np.float32)
    return resize(picture, (h // scale, w // scale), method)


def enlarge(picture: np.ndarray, scale: int, method: str = "bicubic") -> np.ndarray:
    """Make a picture larger by Pillow; "bicubic" is the baseline of every table. Lesson 02.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    scale : int
        How many times larger.
    method : str
        As in `resize`.

    Returns
    -------
    np.ndarray
        (h·scale, w·scale, 3), float32 in [0, 1].
    """
    check(picture)
    return resize(picture, (picture.shape[0] * scale, picture.shape[1] * scale), method)


def resize(picture: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    """Bring a picture to a size by Pillow, antialiased where it reduces. Lesson 02.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    size : tuple[int, int]
        Height and width of the result.
    method : str
        "nearest", "bilinear", "bicubic" or "area".

    Returns
    -------
    np.ndarray
        (*size, 3), float in [0, 1].

    Raises
    ------
    ValueError
        For another method.
    """
    check(picture)
    if method not in PILLOW:
        raise ValueError(f"unknown way to resize {method!r}; use one of {', '.join(PILLOW)}")
    channels = [
        Image.fromarray(np.float32(picture[..., c])).resize(size[::-1], PILLOW[method])
        for c in range(3)
    ]
    return np.clip(np.stack(channels, axis=-1), 0, 1)


class Box(NamedTuple):
    """A rectangle in pixels."""

    top: int
    left: int
    height: int
    width: int


@cache
def _cascade() -> feature.Cascade:
    return feature.Cascade(data.lbp_frontal_face_cascade_filename())


def faces(picture: np.ndarray, neighbours: int = 4) -> list[Box]:
    """Upright frontal faces, of at least a tenth of the picture's short side. Lesson 06.

    scikit-image's cascade of local binary patterns (Viola and Jones 2001; Liao et al. 2007), on a
    copy whose long side is at most 512 pixels. It is sometimes wrong.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    neighbours : int
        Windows beside each other that must agree; more of them err less often and miss more.

    Returns
    -------
    list[Box]
        Largest first; empty where none is found.
    """
    check(picture)
    shrink = max(1.0, max(picture.shape[:2]) / 512)
    h, w = (max(1, round(n / shrink)) for n in picture.shape[:2])
    smallest = max(24, min(h, w) // 10)  # 24 is the cascade's own window
    if min(h, w) < smallest:
        return []
    grey = color.rgb2gray(resize(picture, (h, w), "area"))
    found = _cascade().detect_multi_scale(
        (grey * 255).astype(np.uint8),
        scale_factor=1.2,
        step_ratio=1,
        min_size=(smallest, smallest),
        max_size=(h, w),
        min_neighbor_number=neighbours,
    )
    boxes = [Box(*(round(f[k] * shrink) for k in ("r", "c", "height", "width"))) for f in found]
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda b: -b.height * b.width):
        if all(apart(box, other) for other in kept):  # the cascade finds a face more than once
            kept.append(box)
    return kept


def apart(box: Box, larger: Box) -> bool:
    """Whether the centre of `box` lies outside `larger`. Lesson 06."""
    down = box.top + box.height / 2 - larger.top
    right = box.left + box.width / 2 - larger.left
    return not (0 <= down <= larger.height and 0 <= right <= larger.width)


def crop_box(picture: np.ndarray, box: Box, margin: float = 0.0) -> np.ndarray:
    """The picture in `square_around` a box. Lesson 06.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3).
    box : Box
        As `faces` finds it.
    margin : float
        Added on each side, as a share of the box.

    Returns
    -------
    np.ndarray
        (n, n, 3), a view.
    """
    _check_shape(picture)
    top, left, side, _ = square_around(box, picture.shape, margin)
    return picture[top : top + side, left : left + side]


def square_around(box: Box, shape: tuple[int, ...], margin: float = 0.0) -> Box:
    """The square around a box, shifted and cut to fit the picture. Lesson 10.

    Parameters
    ----------
    box : Box
        As `faces` finds it.
    shape : tuple[int, ...]
        The picture's shape.
    margin : float
        Added on each side, as a share of the box.

    Returns
    -------
    Box
        Its sides are equal.
    """
    h, w = shape[:2]
    side = min(round(max(box.height, box.width) * (1 + 2 * margin)), h, w)
    top = min(max(box.top + box.height // 2 - side // 2, 0), h - side)
    left = min(max(box.left + box.width // 2 - side // 2, 0), w - side)
    return Box(top, left, side, side)
