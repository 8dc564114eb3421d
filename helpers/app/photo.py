"""Picture files through a network: metadata, portraits, folders, and which network to use."""

import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path

import keras
import numpy as np
from PIL import ExifTags, Image, PngImagePlugin
from tqdm.auto import tqdm

from helpers import images
from helpers.app import deep, film
from helpers.files import replacing
from helpers.tiles import Piece, apply, compose, geometry, pieces

AnyPath = str | os.PathLike
MARGIN = 0.4  # of a face's size, around it
# The longest side that a format can hold; what is longer, or in another format, becomes PNG
LARGEST = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
LARGEST |= dict.fromkeys((".png", ".tif", ".tiff"), 2**31 - 1)
TAG = ExifTags.Base
# What EXIF tells about the shot; its other tags lay out the old file's pixels
SHOT = {TAG.DocumentName, TAG.ImageDescription, TAG.Make, TAG.Model, TAG.Software, TAG.DateTime}
SHOT |= {TAG.XResolution, TAG.YResolution, TAG.ResolutionUnit, TAG.Rating, TAG.RatingPercent}
SHOT |= {TAG.Artist, TAG.HostComputer, TAG.Copyright}
SHOT |= {TAG.XPTitle, TAG.XPComment, TAG.XPAuthor, TAG.XPKeywords, TAG.XPSubject}
PACKET = "XML:com.adobe.xmp"  # PNG's name for XMP
LABEL = "Restored with {} by image-restoration-course"
RESTORED_BY = re.compile(LABEL.format("([^;]+?)"))
# IPTC's term for a picture in which an algorithm changed what a camera saw
ALTERED = b"http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
# XMP's properties that no longer hold, as elements and as attributes
STALE = rb"(?:tiff:\w+|exif:Pixel\w+|Iptc4xmpExt:DigitalSourceType)"
STALE = re.compile(rb"<(%b)>[^<]*</\1>|\s%b=(\"[^\"]*\"|'[^']*')" % (STALE, STALE))
RDF = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
RDF += b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
TERMS = b'<rdf:Description rdf:about="" '
TERMS += b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
TERMS += b'Iptc4xmpExt:DigitalSourceType="%b"/></rdf:RDF>' % ALTERED


def portrait(
    model: keras.Model,
    picture: np.ndarray,
    size: int | None = None,
    around: keras.Model | None = None,
) -> np.ndarray:
    """Restore the faces of a picture by one network, and all else by another.

    Each face is cropped with a margin, restored, and laid over the picture under a mask that is 1
    on the face and falls to 0 at the crop's edge, so that no seam is left. Lesson 10.

    Parameters
    ----------
    model : keras.Model
        The network for the faces, which `images.faces` finds.
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    size : int, optional
        A larger crop is reduced to so many pixels for `model`, and its result enlarged: for a
        damage wider than `model` was made for, such as a large face's blur.
    around : keras.Model, optional
        The network for all else, of the same scale; without one, bicubic.

    Returns
    -------
    np.ndarray
        (h·scale, w·scale, 3), float32 in [0, 1].

    Raises
    ------
    ValueError
        Where no face is found, the scales differ, and where `tiles.apply` does.
    """
    images.check(picture)
    height, width = picture.shape[:2]
    scale = geometry(model).scale
    canvas = np.zeros((height * scale, width * scale, 3), np.float32)
    return compose(_faces(model, picture, size, around), canvas)


def _faces(model, picture, size: int | None = None, around=None) -> Iterator[Piece]:
    """The pieces of the whole picture, then its faces with their masks."""
    found = images.faces(picture)
    if not found:
        raise ValueError(
            "no face found (upright, from the front, a tenth of the short side at least); "
            "crop it nearer"
        )
    scale = geometry(model).scale
    if around is None:
        enlarge = keras.layers.UpSampling2D(scale, interpolation="bicubic")
        around = keras.Sequential([keras.Input((None, None, 3)), enlarge])
    if geometry(around).scale != scale:
        raise ValueError(
            f"{around.name} enlarges {geometry(around).scale} times, not {scale} as {model.name}"
        )
    yield from pieces(around, picture, progress=True)
    height, width = picture.shape[:2]
    for box in found:
        top, left, side, _ = images.square_around(box, picture.shape, MARGIN)
        crop = picture[top : top + side, left : left + side]
        if size and side > size:
            crop = images.resize(crop, (size, size), "area")
        whole = side * scale
        face = images.resize(apply(model, crop), (whole, whole), "bicubic")
        feather = round(MARGIN * box.height) * scale
        # Not where the edge is the picture's own
        rows = _ramp(whole, feather, first=top > 0, last=top + side < height)
        columns = _ramp(whole, feather, first=left > 0, last=left + side < width)
        mask = np.minimum(rows[:, None], columns[None, :])
        yield Piece(top * scale, left * scale, face, mask)


def _ramp(n: int, width: int, first: bool, last: bool) -> np.ndarray:
    """(n,) of ones that rise from 0 over `width` pixels at the first end and fall at the last."""
    at = np.arange(n, dtype=np.float32)
    rise = np.full(n, n, np.float32)
    if first:
        rise = np.minimum(rise, at)
    if last:
        rise = np.minimum(rise, at[::-1])
    rise = np.clip(rise / max(1, min(width, n / 2)), 0, 1)
    return 0.5 - 0.5 * np.cos(np.pi * rise)


def result_path(source: AnyPath, to_folder: AnyPath, scale: int) -> Path:
    """Where `restore_file` puts the result.

    Parameters
    ----------
    source : path-like
        A picture, a GIF or a video.
    to_folder : path-like
        The result's folder.
    scale : int
        How many times the network enlarges.

    Returns
    -------
    Path
        `<stem>_x<scale>`, or at scale 1 `<stem>_restored`, with the suffix that it will have.

    Raises
    ------
    FileNotFoundError, ValueError
        Where `images.read` raises them.
    """
    source = Path(source)
    with _opened(source) as file:
        return _target(source, file, to_folder, scale)


def restore_file(
    model: keras.Model,
    source: AnyPath,
    to_folder: AnyPath,
    label: str = "",
    faces: dict | None = None,
) -> Path:
    """Restore a picture, a GIF or a video into a folder. Lesson 10.

    JPEG (quality 95), PNG, WebP and TIFF keep their format; anything else becomes PNG, and so does
    what the format cannot hold (transparency in JPEG, the longest sides). The result has 8 bits,
    and an alpha channel where there was transparency: Pillow's bicubic enlarges it. EXIF about the
    shot, DPI, an RGB profile, PNG's texts and XMP are kept. EXIF's Software says what restored it,
    XMP's DigitalSourceType that an algorithm altered it. An older result is replaced.

    Parameters
    ----------
    model : keras.Model
        A network that `tiles.apply` takes.
    source : path-like
        The file; what moves goes through `film.rewrite`.
    to_folder : path-like
        The result's folder.
    label : str
        What restored it, as `restored_by` reads it; without one, the network's name.
    faces : dict, optional
        Options of `portrait`: then only faces are restored.

    Returns
    -------
    Path
        The result, as `result_path` says.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        Where the result would be the source, and where `images.read`, `tiles.apply`, `portrait`,
        `film.rewrite` and `files.replacing` raise them.
    """
    source = Path(source)
    with _opened(source) as file:
        target = _target(source, file, to_folder, geometry(model).scale)
        return _restore(model, source, file, target, label, faces)


def restore_all(
    model: keras.Model,
    sources: Iterable[AnyPath],
    to: AnyPath | None = None,
    label: str = "",
    faces: dict | None = None,
) -> tuple[list[Path], list[Path], list[Exception]]:
    """`restore_file` of each file, and of each picture, GIF and video in each folder. Lesson 10.

    A result that is newer than its source and was `restored_by` the same label is kept, so that a
    stopped run can be repeated. Where results go into the folder that they come from, those in it
    are passed over. A file that fails stops none of the others.

    Parameters
    ----------
    model : keras.Model
        A network that `tiles.apply` takes.
    sources : iterable of path-like
        Files and folders.
    to : path-like, optional
        The results' folder, which mirrors a folder's tree; without one, beside each source.
    label : str
        What restored it; without one, the network's name.
    faces : dict, optional
        Options of `portrait`: then only faces are restored.

    Returns
    -------
    tuple[list[Path], list[Path], list[Exception]]
        The paths made, the paths kept, and an error for each file that failed.

    Raises
    ------
    FileNotFoundError
        For an empty folder, before anything is done.
    ValueError
        Where `tiles.geometry` does.
    """
    label = label or model.name
    scale = geometry(model).scale
    found = [pair for source in sources for pair in _found(Path(source), to)]
    targets: dict[Path, Path] = {}
    made: list[Path] = []
    kept: list[Path] = []
    failed: list[Exception] = []
    for source, folder in tqdm(found, "restore", unit="file", leave=False, delay=2):
        try:
            with _opened(source) as file:
                target = _target(source, file, folder, scale)
                other = targets.setdefault(target, source)
                if other != source:
                    raise ValueError(f"its result would replace that of {other}; rename one")
                if _up_to_date(target, source, label):
                    kept.append(target)
                else:
                    made.append(_restore(model, source, file, target, label, faces))
        except Exception as error:  # The next file may be good
            failed.append(_with_path(error, source))
    return made, kept, failed


def _found(source: Path, to: AnyPath | None) -> list[tuple[Path, Path]]:
    """A file, or a folder's files, each with the folder for its result."""
    if not source.is_dir():
        return [(source, Path(to or source.parent))]
    target = Path(to or source)
    results_land_among_sources = target.resolve().is_relative_to(source.resolve())
    found = []
    for path in images.find(source, images.SUFFIXES | film.SUFFIXES):
        if not (results_land_among_sources and restored_by(path)):
            found.append((path, target / path.parent.relative_to(source)))
    return found


def _up_to_date(target: Path, source: Path, label: str) -> bool:
    """Whether the result is there, newer than its source, and made in the same way."""
    if not target.exists() or target.stat().st_mtime <= source.stat().st_mtime:
        return False
    return restored_by(target) == label


def _with_path(error: Exception, source: Path) -> Exception:
    """The error, in words that name the file."""
    if str(source) in str(error):
        return error
    return ValueError(f"{source}: {str(error) or type(error).__name__}")


def restored_by(path: AnyPath) -> str:
    """What restored a picture, GIF or video last.

    Parameters
    ----------
    path : path-like
        Any file.

    Returns
    -------
    str
        The `label` that `restore_file` was given, or "" for a file that it did not make.
    """
    said = []
    with suppress(Exception):  # What cannot be read was not made here
        if Path(path).suffix.lower() in film.SUFFIXES:
            said = film.comments(path)
        else:
            with images.open_file(path) as file:
                software = file.info.get("Software") or file.getexif().get(TAG.Software)
                said = [software, file.info.get("comment")]
    matches = RESTORED_BY.findall(" ".join(map(str, said)))
    return matches[-1] if matches else ""


# One file, opened once and decoded once


def _opened(source: Path) -> AbstractContextManager[Image.Image | None]:
    """The opened picture; None for a video, which Pillow does not read."""
    if source.suffix.lower() in film.SUFFIXES:
        return nullcontext()
    return images.open_file(source)


def _has_alpha(file: Image.Image) -> bool:
    """Whether the result gets an alpha channel; 16-bit grey is laid on white instead."""
    return file.has_transparency_data and not file.mode.startswith("I")


def _target(source: Path, file: Image.Image | None, to_folder: AnyPath, scale: int) -> Path:
    """`result_path` of an opened file."""
    suffix = source.suffix.lower()
    if film.moves(source, file):
        if suffix not in film.KEPT:
            suffix = ".mkv"
    else:
        too_long = max(file.size) * scale > LARGEST.get(suffix, 0)
        if too_long or (_has_alpha(file) and suffix in (".jpg", ".jpeg")):
            suffix = ".png"
    ending = f"x{scale}" if scale > 1 else "restored"
    return Path(to_folder) / f"{source.stem}_{ending}{suffix}"


def _restore(
    model, source: Path, file: Image.Image | None, target: Path, label: str, faces: dict | None
) -> Path:
    """`restore_file` of an opened file into `target`."""
    label = LABEL.format(label or model.name)
    if target.exists() and target.samefile(source):
        raise ValueError(f"the result would replace its own source {source}; choose another folder")
    if film.moves(source, file):
        if faces is not None:
            raise ValueError(
                f"{source} moves, and a portrait stands still; restore it without portrait"
            )
        return film.rewrite(partial(apply, model), source, target, label)
    colours, alpha = _colours_and_alpha(file)
    height, width = colours.shape[:2]
    scale = geometry(model).scale
    size = (width * scale, height * scale)
    options = _metadata(file, size, target.suffix, label)
    file.close()  # Its pixels are a quarter of those in `colours`
    if faces is None:
        parts = pieces(model, colours, progress=True)
    else:
        parts = _faces(model, colours, **faces)
    with replacing(target) as part:
        canvas = Canvas(size)
        try:
            compose(parts, canvas)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error
        del colours, parts
        if alpha is not None:
            canvas.image.putalpha(alpha.resize(size, Image.Resampling.BICUBIC))
        encoded = io.BytesIO()  # Pillow's own writers do not notice a full disk
        kind = Image.registered_extensions()[target.suffix]
        # PNG's own level, 6, takes twice the time and makes the file a sixth smaller
        canvas.image.save(encoded, kind, quality=95, compress_level=4, **options)
        part.write_bytes(encoded.getbuffer())
    return target


class Canvas:
    """A Pillow image as a canvas for `tiles.compose`: floats would take three times its memory."""

    def __init__(self, size: tuple[int, int]):
        self.image = Image.new("RGB", size)

    def __getitem__(self, place: tuple[slice, slice]) -> np.ndarray:
        rows, columns = place
        box = (columns.start, rows.start, columns.stop, rows.stop)
        return images.to_float(np.asarray(self.image.crop(box)))

    def __setitem__(self, place: tuple[slice, slice], pixels: np.ndarray) -> None:
        rows, columns = place
        self.image.paste(Image.fromarray(images.to_uint8(pixels)), (columns.start, rows.start))


def _colours_and_alpha(file: Image.Image) -> tuple[np.ndarray, Image.Image | None]:
    """An opened file's colours, (h, w, 3) float32 in [0, 1], and its alpha channel or None."""
    decoded = images.decode(file, deep.pixels if ";16" in str(file.tile) else images.pixels)
    if decoded.shape[-1] == 3 or not _has_alpha(file):
        return images.on_white(decoded), None
    # Laid on white, as `images.read` gives them, half transparent pixels would have a wrong colour
    alpha = decoded[..., 3]
    colours = film.bleed(decoded[..., :3], alpha == 0)
    return colours, Image.fromarray(images.to_uint8(alpha))


# What is told about the picture


def _metadata(file: Image.Image, size: tuple[int, int], suffix: str, label: str) -> dict:
    """What is still true of the upright enlargement, and `label`, for Pillow's save."""
    options = {}
    try:
        exif = _exif(file.getexif(), size)
    except Exception as error:  # Pillow raises errors of every class for a damaged table
        warnings.warn(f"{file.filename}: its EXIF is damaged ({error}) and left out", stacklevel=3)
        exif = Image.Exif()
    software = str(exif.get(TAG.Software, "")).strip("\0 ")
    exif[TAG.Software] = f"{software}; {label}" if software else label
    xmp = _xmp(file.info.get("xmp") or b"")
    if suffix.startswith(".tif"):
        exif[TAG.XMLPacket] = xmp
    elif suffix == ".png":
        options["pnginfo"] = _png_texts(file, exif[TAG.Software], xmp)
    else:
        options["xmp"] = xmp
    options["exif"] = exif.tobytes()
    profile = file.info.get("icc_profile")
    if profile and file.mode in ("RGB", "RGBA", "P"):
        options["icc_profile"] = profile
    dpi = file.info.get("dpi")
    if dpi and all(0 < d < 65536 for d in dpi):
        options["dpi"] = tuple(float(d) for d in dpi)
    return options


def _png_texts(file: Image.Image, software: str, xmp: bytes) -> PngImagePlugin.PngInfo:
    """A PNG's texts, with what made it and its XMP."""
    texts = PngImagePlugin.PngInfo()
    old = getattr(file, "text", {})
    for key, text in (old | {"Software": software}).items():
        if key != PACKET and not key.startswith("Raw "):
            texts.add_text(key, str(text))
    texts.add_itxt(PACKET, xmp.decode("utf-8", "replace"))
    return texts


def _exif(old: Image.Exif, size: tuple[int, int]) -> Image.Exif:
    """The tags about the shot, with the new size and the pixels upright."""
    exif = Image.Exif()
    exif[TAG.Orientation] = 1
    for tag in SHOT.intersection(old):
        exif[tag] = old[tag]
    for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        table = dict(old.get_ifd(directory))
        table.pop(TAG.ExifInteroperabilityOffset, None)  # An offset into the old file
        for tag, pixels in zip((TAG.ExifImageWidth, TAG.ExifImageHeight), size, strict=True):
            if tag in table:
                table[tag] = pixels
        if table:
            exif[directory] = table
    if len(exif.tobytes()) > 65000:
        raise ValueError("longer than JPEG allows")
    return exif


def _xmp(old: bytes) -> bytes:
    """An XMP packet with what still holds, and that an algorithm altered the picture."""
    old = STALE.sub(b"", old)
    if b"</rdf:RDF>" not in old or len(old) > 60_000:  # A JPEG holds 65,502 bytes
        old = RDF
    return old.replace(b"</rdf:RDF>", TERMS)
