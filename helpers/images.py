"""Pictures: read and write any of them, crop, reduce, enlarge, find faces.

In memory a picture is RGB, height × width × 3, float32 in [0, 1]. uint8 exists only in files and in
stored batches; `to_uint8` and `to_float` are the one place where the two meet.
"""

import io
import logging
import os
import sys
import warnings
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import tifffile
from PIL import Image, TiffImagePlugin, UnidentifiedImageError
from skimage import color, data, feature, transform

from helpers.files import replacing

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif"}
PILLOW = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
}
# TIFF's tags, and what they may say
WIDTH, HEIGHT, BITS, PHOTOMETRIC, PLANAR, EXTRA = 256, 257, 258, 262, 284, 338
WHITE_IS_ZERO, SEPARATE, PREMULTIPLIED = 0, 2, 1
TiffImagePlugin.READ_LIBTIFF = (
    True  # Pillow's own reader mixes up separate planes of 16 bits; libtiff does not
)
logging.getLogger("tifffile").setLevel(
    logging.CRITICAL
)  # what it cannot read is raised, and said once


def find(folder: str | os.PathLike, suffixes: set[str] = SUFFIXES) -> list[Path]:
    """Picture files under `folder`, sorted; FileNotFoundError in words where there is none."""
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
    """float in [0, 1], clipped and rounded → uint8 in [0, 255]; errors as `check_values`'."""
    check_values(picture)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def to_float(picture: np.ndarray) -> np.ndarray:
    """uint8 in [0, 255] → float32 in [0, 1]; ValueError for another dtype."""
    picture = np.asarray(picture)
    if picture.dtype != np.uint8:
        raise ValueError(
            f"expected uint8, got {picture.dtype}; a picture of floats in [0, 1] stays as it is"
        )
    return np.divide(
        picture, 255, dtype=np.float32
    )  # no second copy: a large picture is hundreds of megabytes


def rounded(picture: np.ndarray) -> np.ndarray:
    """float in [0, 1] → float32 in [0, 1] in steps of 1/255, as a file of 8 bits keeps it."""
    return to_float(to_uint8(picture))


def read(path: str | os.PathLike) -> np.ndarray:
    """Any picture file as (h, w, 3) float32 in [0, 1], upright.

    EXIF orientation is applied, grey and palette become RGB, transparent pixels are laid on white,
    16 bits keep their depth, of an animation the first frame is taken. Raises FileNotFoundError where
    there is no such file, and ValueError in words for one that is no picture, is damaged, or is too large.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns from 89 megapixels on, where large phones are, and refuses from 179 on
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            file = Image.open(path)
        with file:
            if file.width * file.height > max(
                1 << 24, 2000 * path.stat().st_size
            ):  # few bytes would fill gigabytes
                claim = f"{file.width}×{file.height} in {path.stat().st_size:,} bytes"
                raise Image.DecompressionBombError(claim)
            pixels, turned = _pixels(file, path), orientation(file)
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
    except Exception as error:  # Pillow's decoders raise whatever they like
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is damaged ({reason}); get the file again") from error
    if pixels is None:
        raise ValueError(f"{path} holds 32-bit values of unknown range; save it with 8 or 16 bits")
    pixels = upright(pixels, turned)
    if pixels.shape[-1] == 4:
        alpha = pixels[..., 3:]
        pixels = pixels[..., :3] * alpha + (1 - alpha)
    return np.ascontiguousarray(pixels, np.float32)


def _pixels(image: Image.Image, path: Path) -> np.ndarray | None:
    """An opened Pillow image as (h, w, 3 or 4) float32 in [0, 1], as it lies in the file; None for 32-bit values."""
    if image.mode in ("RGB", "RGBA"):
        if image.format == "PNG" and ";16" in str(
            image.tile
        ):  # the tile is known only before it is loaded
            return _deep_png(image, path)
        if image.format == "TIFF" and 16 in image.tag_v2.get(BITS, ()):
            return _deep_tiff(image, path)
    image.load()
    if image.mode.startswith(("I", "F")):
        grey = np.asarray(image)
        if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
            return None
        alpha = grey != image.info.get("transparency", -1)  # a PNG may declare one grey transparent
        if image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            grey = 65535 - grey
        return np.stack([grey / 65535] * 3 + [alpha], axis=-1).astype(np.float32)
    return to_float(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _deep_png(image: Image.Image, path: Path) -> np.ndarray:
    """A PNG of 16 bits a channel. Pillow's pictures hold 8, so it unpacks the high bytes first, then the low ones."""
    layout = image.tile[0].args
    if layout.startswith(
        "LA"
    ):  # grey and alpha, two bytes each: unpacked as four channels, all in one pass
        image.tile = [image.tile[0]._replace(args="RGBA")]
        grey_high, grey_low, alpha_high, alpha_low = np.moveaxis(
            np.asarray(image, np.float32), -1, 0
        )
        grey, alpha = 256 * grey_high + grey_low, 256 * alpha_high + alpha_low
        return np.stack([grey, grey, grey, alpha], axis=-1) / 65535
    with Image.open(path) as again:
        again.tile = [
            again.tile[0]._replace(args=layout.replace("16B", "16L"))
        ]  # little-endian: the second byte
        deep = _joined(image, again)
    if (transparent := image.info.get("transparency")) is not None:
        alpha = (np.rint(deep * 65535) != transparent).any(axis=-1, keepdims=True)
        deep = np.concatenate([deep, alpha.astype(np.float32)], axis=-1)
    return deep


def _deep_tiff(image: Image.Image, path: Path) -> np.ndarray:
    """A TIFF of 16 bits a channel, whose high bytes are unpacked first, then the low ones.

    libtiff gives the bytes in this machine's order. Planes that are compressed by LZW, which tifffile does not know,
    keep 8 bits.
    """
    channels = "RGBA" if image.mode == "RGBA" else "RGBX" if len(image.tag_v2[BITS]) == 4 else "RGB"
    high, low = ("L", "B") if sys.byteorder == "little" else ("B", "L")
    _unpack(image, f"{channels};16{high}")
    if image.tag_v2.get(PLANAR) == SEPARATE:
        deep = _planes(path, image.tag_v2[WIDTH], image.tag_v2[HEIGHT])
        deep = to_float(np.asarray(image)) if deep is None else deep
    else:
        with Image.open(path) as again:
            _unpack(again, f"{channels};16{low}")
            deep = _joined(image, again)
    if image.mode == "RGBA" and PREMULTIPLIED in image.tag_v2.get(EXTRA, ()):
        deep[..., :3] /= np.maximum(deep[..., 3:], 1 / 65535)
        deep[..., :3] = np.minimum(deep[..., :3], 1)
    return deep


def _unpack(image: Image.Image, layout: str) -> None:
    """Let an opened TIFF be read as `layout` says, instead of as Pillow chose."""
    tile = image.tile[0]
    image.tile = [tile._replace(args=(layout, *tile.args[1:]))]


def _joined(high: Image.Image, low: Image.Image) -> np.ndarray:
    """The high and the low bytes of 16-bit values as float32 in [0, 1]."""
    deep = np.asarray(high, np.float32)
    deep *= 256
    deep += np.asarray(low)
    deep /= 65535
    return deep


def _planes(path: Path, width: int, height: int) -> np.ndarray | None:
    """A TIFF's separate 16-bit planes as (h, w, 3 or 4) float32 in [0, 1]; None where tifffile does not know them."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if page.dtype != np.uint16 or page.shape not in [(n, height, width) for n in (3, 4)]:
            return None
        try:
            planes = page.asarray(
                out=np.zeros(page.shape, np.uint16)
            )  # zeros: a file may lack some of its strips
        except ValueError:  # a compression for which it needs another package
            return None
    return np.moveaxis(planes, 0, -1).astype(np.float32) / 65535


def problem(path: str | os.PathLike) -> str | None:
    """Why `read` refuses the file; None where it is a good picture."""
    try:
        read(path)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def orientation(file: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, of an opened Pillow image; 1 where it has none or a damaged one."""
    try:
        return file.getexif().get(0x0112, 1)
    except Exception:  # Pillow trips over damaged tables in many ways, and the pixels are good
        return 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels as the EXIF orientation (1 to 8) asks."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def bleed(picture: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Give each hidden pixel the nearest visible one's colour, lest the enlarged edge take on what nobody saw."""
    if not hidden.any():
        return picture
    if hidden.all():
        return np.ones_like(picture)
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((nearest.max() + 1, 3), np.float32)
    colours[nearest[~hidden]] = picture[~hidden]
    return colours[nearest]


def write(path: str | os.PathLike, picture: np.ndarray) -> Path:
    """Write (h, w, 3) float in [0, 1] as the suffix says; returns the path.

    The file appears whole or not at all. Raises ValueError for another shape or suffix, and OSError that
    says what to do where the disk is full or the folder cannot be written.
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


def check_values(picture: np.ndarray, beyond: float = 0.5) -> None:
    """Raise ValueError unless the values are floats in [0, 1], outside by `beyond` at most."""
    values = np.asarray(picture)
    low, high = values.min(initial=0), values.max(initial=0)
    if (
        values.dtype.kind != "f" or not -beyond <= low <= high <= 1 + beyond
    ):  # NaN compares as false
        raise ValueError(
            f"expected floats in [0, 1], got {values.dtype} from {low} to {high}; images.to_float "
            "turns uint8 into floats, values up to 255 need a division by 255, and NaN comes from "
            "a training that has diverged"
        )


def square_crop(picture: np.ndarray) -> np.ndarray:
    """The largest centred square of a portrait, landscape or square picture; a view, not a copy."""
    _check_shape(picture)
    h, w = picture.shape[:2]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return picture[top : top + side, left : left + side]


def crop_to_multiple(picture: np.ndarray, scale: int) -> np.ndarray:
    """Cut rows and columns at the bottom and right until both sides divide by `scale`; a view."""
    _check_shape(picture)
    h, w = picture.shape[:2]
    return picture[: h - h % scale, : w - w % scale]


def reduce(picture: np.ndarray, scale: int, method: str = "bicubic") -> np.ndarray:
    """(h, w, 3) → (h/scale, w/scale, 3), blurred before it is subsampled.

    `method`: "bicubic" (Pillow, with antialias: the benchmarks' down-scaler), "area" (the mean of each block)
    or "pyramid" (scikit-image's `pyramid_reduce`: Gaussian, then spline; the portrait project's).
    ValueError where a side does not divide by `scale`: use `crop_to_multiple` first.
    """
    check(picture)
    h, w = picture.shape[:2]
    if scale < 1 or h % scale or w % scale:
        raise ValueError(
            f"a {h}×{w} picture does not divide by {scale}; crop_to_multiple(picture, {scale}) first"
        )
    if method == "pyramid":
        small = transform.pyramid_reduce(picture, downscale=scale, channel_axis=-1)
        return np.clip(small, 0, 1).astype(np.float32)
    return resize(picture, (h // scale, w // scale), method)


def enlarge(picture: np.ndarray, scale: int, method: str = "bicubic") -> np.ndarray:
    """(h, w, 3) → (h·scale, w·scale, 3) by Pillow; "bicubic" is every table's baseline."""
    check(picture)
    return resize(picture, (picture.shape[0] * scale, picture.shape[1] * scale), method)


def resize(picture: np.ndarray, size: tuple[int, int], method: str) -> np.ndarray:
    """(h, w, 3) → (*size, 3) by Pillow, in floating point, antialiased where it reduces."""
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


def faces(picture: np.ndarray) -> list[Box]:
    """Frontal faces as boxes, largest first; an empty list where none is found.

    scikit-image's bundled cascade of local binary patterns (Viola and Jones 2001; Liao et al. 2007), on a
    copy whose long side is at most 512 pixels. It looks for upright frontal faces of at least a tenth of the
    picture's short side, and is sometimes wrong.
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
    )
    boxes = [Box(*(round(f[k] * shrink) for k in ("r", "c", "height", "width"))) for f in found]
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda b: -b.height * b.width):
        if all(_apart(box, other) for other in kept):  # the cascade finds a face more than once
            kept.append(box)
    return kept


def _apart(box: Box, larger: Box) -> bool:
    """Whether the centre of `box` lies outside `larger`."""
    down = box.top + box.height / 2 - larger.top
    right = box.left + box.width / 2 - larger.left
    return not (0 <= down <= larger.height and 0 <= right <= larger.width)


def crop_box(picture: np.ndarray, box: Box, margin: float = 0.0) -> np.ndarray:
    """`square_around` of the picture; a view."""
    _check_shape(picture)
    top, left, side, _ = square_around(box, picture.shape, margin)
    return picture[top : top + side, left : left + side]


def square_around(box: Box, shape: tuple[int, ...], margin: float = 0.0) -> Box:
    """The square around `box`, `margin` of its size wider on each side, shifted and cut to fit the picture's shape."""
    h, w = shape[:2]
    side = min(round(max(box.height, box.width) * (1 + 2 * margin)), h, w)
    top = min(max(box.top + box.height // 2 - side // 2, 0), h - side)
    left = min(max(box.left + box.width // 2 - side // 2, 0), w - side)
    return Box(top, left, side, side)
