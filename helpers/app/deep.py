"""Pictures of 16 bits a colour, which Pillow reads as 8: scanners make them, no lesson needs them.

Pillow's pictures hold 8 bits a colour, so a file is unpacked twice: first its high bytes, then its
low ones.
"""

import logging
import os
import sys

import numpy as np
import tifffile
from PIL import ExifTags, Image

from helpers import images

# TIFF's tags, and what they may say
WIDTH, HEIGHT, BITS, PLANAR, EXTRA = 256, 257, 258, 284, 338
SEPARATE, PREMULTIPLIED = 2, 1
# What tifffile cannot read is raised, and said once
logging.getLogger("tifffile").setLevel(logging.CRITICAL)


def read(path: str | os.PathLike) -> np.ndarray:
    """`images.read`, which keeps 16 bits a colour, too.

    Parameters
    ----------
    path : path-like
        A file that Pillow reads.

    Returns
    -------
    np.ndarray
        (h, w, 3), float32 in [0, 1], upright, transparent pixels laid on white.

    Raises
    ------
    FileNotFoundError, ValueError
        Where `images.read` raises them.
    """
    with images.open_file(path) as file:
        return images.on_white(images.decode(file, pixels))


def problem(path: str | os.PathLike) -> str | None:
    """Why `read` refuses the file; None where it is a good picture."""
    try:
        read(path)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def pixels(image: Image.Image) -> np.ndarray | None:
    """An opened image as (h, w, 3 or 4) float32 in [0, 1], upright; None for 32-bit values."""
    if image.mode in ("RGB", "RGBA"):
        # The tile is known only before it is loaded
        if image.format == "PNG" and ";16" in str(image.tile):
            return _png(image)
        if image.format == "TIFF" and 16 in image.tag_v2.get(BITS, ()):
            return _tiff(image)
    return images.pixels(image)


def _png(image: Image.Image) -> np.ndarray:
    """A PNG of 16 bits a colour."""
    layout = image.tile[0].args
    if layout.startswith("LA"):
        # Grey and alpha, two bytes each: unpacked as four channels, all in one pass
        _unpack(image, "RGBA")
        four = np.asarray(images.upright(image), np.float32)
        grey_high, grey_low, alpha_high, alpha_low = np.moveaxis(four, -1, 0)
        grey = 256 * grey_high + grey_low
        alpha = 256 * alpha_high + alpha_low
        return np.stack([grey, grey, grey, alpha], axis=-1) / 65535
    with Image.open(image.filename) as again:
        _unpack(again, layout.replace("16B", "16L"))  # Little-endian: the second byte
        deep = _joined(image, again)
    transparent = image.info.get("transparency")
    if transparent is not None:
        alpha = (np.rint(deep * 65535) != transparent).any(axis=-1, keepdims=True)
        deep = np.concatenate([deep, alpha.astype(np.float32)], axis=-1)
    return deep


def _tiff(image: Image.Image) -> np.ndarray:
    """A TIFF of 16 bits a colour.

    libtiff gives the bytes in this machine's order. Planes that are compressed by LZW, which
    tifffile does not know, keep 8 bits.
    """
    channels = "RGB"
    if image.mode == "RGBA":
        channels = "RGBA"
    elif len(image.tag_v2[BITS]) == 4:
        channels = "RGBX"
    high, low = ("L", "B") if sys.byteorder == "little" else ("B", "L")
    premultiplied = image.mode == "RGBA" and PREMULTIPLIED in image.tag_v2.get(EXTRA, ())
    _unpack(image, f"{channels};16{high}")
    if image.tag_v2.get(PLANAR) == SEPARATE:
        deep = _planes(image)
        if deep is None:
            deep = images.to_float(np.asarray(image))
    else:
        with Image.open(image.filename) as again:
            _unpack(again, f"{channels};16{low}")
            deep = _joined(image, again)
    if premultiplied:
        deep[..., :3] /= np.maximum(deep[..., 3:], 1 / 65535)
        deep[..., :3] = np.minimum(deep[..., :3], 1)
    return deep


def _unpack(image: Image.Image, layout: str) -> None:
    """Let an opened image be read as `layout` says, instead of as Pillow chose."""
    tile = image.tile[0]
    args = layout if isinstance(tile.args, str) else (layout, *tile.args[1:])
    image.tile = [tile._replace(args=args)]


def _joined(high: Image.Image, low: Image.Image) -> np.ndarray:
    """The high and the low bytes of 16-bit values as float32 in [0, 1], upright."""
    deep = np.asarray(images.upright(high), np.float32)
    deep *= 256
    deep += np.asarray(images.upright(low))
    deep /= 65535
    return deep


def _planes(image: Image.Image) -> np.ndarray | None:
    """A TIFF's separate 16-bit planes, upright; None where tifffile does not know them."""
    width, height = image.tag_v2[WIDTH], image.tag_v2[HEIGHT]
    with tifffile.TiffFile(image.filename) as file:
        page = file.pages[0]
        if page.dtype != np.uint16 or page.shape not in [(n, height, width) for n in (3, 4)]:
            return None
        try:
            # Zeros, as a file may lack some of its strips
            planes = page.asarray(out=np.zeros(page.shape, np.uint16))
        except ValueError:  # A compression for which it needs another package
            return None
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    turned = []
    for plane in planes:
        alone = Image.fromarray(plane)
        alone.getexif()[ExifTags.Base.Orientation] = orientation
        turned.append(np.asarray(images.upright(alone), np.float32))
    return np.stack(turned, axis=-1) / 65535
