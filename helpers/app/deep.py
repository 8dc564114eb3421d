"""Pictures that Pillow alone reads wrongly or not at all: no lesson needs them, people have them.

They are of 16 bits a colour, of four inks, of phones (HEIC). Pillow's pictures hold 8 bits a
colour, so a file of 16 is unpacked twice: first its high bytes, then its low ones.
"""

import importlib.util
import logging
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePath

import numpy as np
import tifffile
from PIL import ExifTags, Image, TiffImagePlugin

from helpers import images
from helpers.app import colours

# TIFF's tags, and what they may say
WIDTH, HEIGHT, BITS, PLANAR, EXTRA, FORMAT = 256, 257, 258, 284, 338, 339
SEPARATE, PREMULTIPLIED, SIGNED = 2, 1, 2
COMPRESSION, WEBP = 259, 50001
# How a HEIC begins, after its length: its kind, and the brand that wrote it
HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
# How a TIFF begins that Pillow knows; "+" tells one that may be larger than 4 GiB
TIFF = {b"II*\0", b"MM\0*", b"II+\0"}
HEIC_SUFFIXES = {".heic", ".heif", ".hif", ".heics"}
# Other suffixes of what Pillow reads; the lessons find none of these
FURTHER = {".jfif", ".jpe", ".jif", ".apng"}
# Pictures that are counted where a folder holds them, and not taken
OTHERS = {".jxl", ".jp2", ".j2k", ".jpf", ".jpx", ".psd", ".psb", ".xcf", ".tga", ".mpo", ".ico"}
OTHERS |= {".ppm", ".pgm", ".pbm", ".pnm", ".pcx", ".dds", ".exr", ".svg", ".jxr", ".avifs"}
OTHERS |= {".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".raf", ".orf"}
OTHERS |= {".rw2", ".rwl", ".pef", ".srw", ".x3f", ".3fr", ".iiq", ".mrw", ".erf", ".kdc", ".dcr"}
OTHERS |= {".gpr", ".insp"} | HEIC_SUFFIXES | FURTHER
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
    with open_file(path) as file:
        return images.on_white(images.decode(file, pixels))


def open_file(path: str | os.PathLike) -> Image.Image:
    """`images.open_file`, which opens HEIC where pillow-heif is installed.

    Parameters
    ----------
    path : path-like
        A picture.

    Returns
    -------
    PIL.Image.Image
        Opened, not decoded.

    Raises
    ------
    FileNotFoundError, ValueError
        Where `images.open_file` raises them; for HEIC it says what to install, and for a TIFF that
        Pillow does not know what it holds or how it is packed.
    """
    if _is_heic(path):
        if not reads_heic():
            raise ValueError(
                f"{path} is HEIC, as iPhones write it; pip install pillow-heif, or save it as JPEG"
            )
        import pillow_heif

        pillow_heif.register_heif_opener()
    # HEIC's reader, which other libraries register, too, would take an AVIF by a brand of both
    Image.init()
    Image.ID.sort(key="HEIF".__eq__)
    try:
        file = images.open_file(path)
    except ValueError as error:
        found = _tiff_in_words(path)
        if found and "Pillow" in str(error):
            raise ValueError(f"{path} {found}") from None
        raise
    if file.format == "TIFF" and file.tag_v2.get(COMPRESSION) == WEBP:
        raise ValueError(f"{path} is a TIFF packed by WebP, which is not read here; save it by LZW")
    return file


def reads_heic() -> bool:
    """Whether pillow-heif is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def suffixes() -> set[str]:
    """What a folder's pictures are taken by: HEIC's suffixes, too, where pillow-heif is there."""
    return images.SUFFIXES | FURTHER | (HEIC_SUFFIXES if reads_heic() else set())


def passed_over(paths: Iterable[PurePath], taken: set[str]) -> str:
    """How many pictures of which suffixes are not taken, in words; "" where all are."""
    endings = [path.suffix.lower() for path in paths if not path.name.startswith(".")]
    counts = Counter(ending for ending in endings if ending in OTHERS - taken)
    return ", ".join(f"{count} {ending}" for ending, count in sorted(counts.items()))


def _is_heic(path: str | os.PathLike) -> bool:
    try:
        with Path(path).open("rb") as file:
            head = file.read(12)
            others = file.read(min(1000, max(0, int.from_bytes(head[:4], "big") - 12)))
    except OSError:  # Opening it will say what is wrong
        return False
    # AVIF may begin by a brand that both have, and names its own behind
    return head[4:8] == b"ftyp" and head[8:] in HEIC and b"avif" not in others


def _tiff_in_words(path: str | os.PathLike) -> str:
    """What a TIFF holds, or that it is damaged, and what to do; "" for any other file."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(16)
    except OSError:  # Opening it has said what is wrong
        return ""
    if head[:4] not in TIFF:
        return ""
    try:
        with tifffile.TiffFile(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of tags that are cut
            header = head if b"+" in head[:4] else head[:8]
            tags = TiffImagePlugin.ImageFileDirectory_v2(header)
            file.filehandle.seek(tags.next)
            tags.load(file.filehandle)
            page = file.pages[0]
            kinds = {"i": "signed values", "f": "floating-point values", "c": "complex values"}
            values = kinds.get(np.dtype(page.dtype or "u1").kind, "values")
            bits = tags[BITS][0]
    except Exception:  # A damaged file raises errors of many classes
        return "is damaged: the tags that tell its layout are cut or missing; get the file again"
    return (
        f"holds {values} of {bits} bits in a layout that Pillow cannot read; save it as a PNG of 8 "
        "or 16 bits"
    )


def problem(path: str | os.PathLike) -> str | None:
    """Why `read` refuses the file; None where it is a good picture."""
    try:
        read(path)
    except (ValueError, OSError) as error:
        return str(error)
    return None


def pixels(image: Image.Image) -> np.ndarray | None:
    """An opened image as (h, w, 3 or 4) float32 in [0, 1], upright; None without a known range."""
    deep = None
    if image.format == "TIFF" and SIGNED in image.tag_v2.get(FORMAT, ()):
        return None
    if image.format == "XBM":  # One is black, and Pillow takes it for white
        return 1 - images.pixels(image)
    if image.format == "PPM" and image.mode == "I":
        image = image.convert("I;16")  # Pillow brings its values to 16 bits
    if image.mode == "CMYK":
        return images.to_float(np.asarray(colours.from_inks(images.upright(image))))
    if image.mode in ("LA", "LAB") and image.format == "TIFF" and _is_separate(image):
        return _grey_and_alpha(image)
    if image.mode in ("RGB", "RGBA") and has_16_bits(image):
        deep = _png(image) if image.format == "PNG" else _tiff(image)
    if deep is None:
        deep = images.pixels(image)
    if deep is not None and image.format == "TIFF" and has_16_bits(image):
        _say_dark(image, deep)
    return deep


def has_16_bits(image: Image.Image) -> bool:
    """Whether an opened PNG or TIFF, not decoded yet, has 16 bits a colour."""
    if image.format == "PNG":  # The tile is known only before it is loaded
        return any("16" in str(tile.args) for tile in image.tile)
    return image.format == "TIFF" and 16 in image.tag_v2.get(BITS, ())


def _say_dark(image: Image.Image, deep: np.ndarray) -> None:
    """Warn of 12 bits kept in 16, which no TIFF tells: all but black, and right to the letter."""
    brightest = float(deep[..., :3].max())
    if 0 < brightest < 4096 / 65535:
        warnings.warn(
            f"{image.filename} is nearly black: its 16 bits reach {brightest:.1%} of white. A "
            "camera of 12 bits writes such files; multiply the values by 16 first",
            stacklevel=4,
        )


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
    if _is_separate(image):
        deep = _planes(image)
        if deep is None:
            deep = images.to_float(np.asarray(image))
        deep = deep[..., : len(image.mode)]  # A fourth plane need not be alpha
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


def _is_separate(image: Image.Image) -> bool:
    return image.tag_v2.get(PLANAR) == SEPARATE


def _grey_and_alpha(image: Image.Image) -> np.ndarray:
    """A TIFF of 8 bits in separate planes of grey and alpha, which Pillow mixes up."""
    planes = _planes(image, np.uint8, (2,))
    if planes is None:
        raise ValueError(f"no library here reads {image.mode} in separate planes packed like this")
    grey, alpha = np.moveaxis(planes, -1, 0)
    if not image.tag_v2.get(images.PHOTOMETRIC):  # White is zero
        grey = 1 - grey
    return np.stack([grey, grey, grey, alpha], axis=-1)


def _planes(image: Image.Image, kind: type = np.uint16, counts=(3, 4)) -> np.ndarray | None:
    """A TIFF's separate planes, upright, in [0, 1]; None where tifffile does not know them."""
    width, height = image.tag_v2[WIDTH], image.tag_v2[HEIGHT]
    with tifffile.TiffFile(image.filename) as file:
        page = file.pages[0]
        if page.dtype != kind or page.shape not in [(n, height, width) for n in counts]:
            return None
        try:
            # Zeros, as a file may lack some of its strips
            planes = page.asarray(out=np.zeros(page.shape, kind))
        except (ValueError, ImportError):  # A compression for which it needs another package
            return None
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    turned = []
    for plane in planes:
        alone = Image.fromarray(plane)
        alone.getexif()[ExifTags.Base.Orientation] = orientation
        turned.append(np.asarray(images.upright(alone), np.float32))
    return np.stack(turned, axis=-1) / np.iinfo(kind).max
