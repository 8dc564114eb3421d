"""Picture files through a network: metadata, portraits, folders, and which network to use."""

import errno
import io
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import keras
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from helpers import images
from helpers.app import LeftOut, colours, deep, deep_writer, film, metadata
from helpers.app.metadata import LABEL
from helpers.files import replacing
from helpers.tiles import Piece, apply, compose, geometry, pieces

AnyPath = str | os.PathLike
MARGIN = 0.4  # of a face's size, around it
# Degrees by which a picture is turned where no face is upright. With 4 neighbours these turns find
# a face in 4 more of 118 landscapes, with 6 in none
TILTS = (20, -20)
SURE = 6
# The longest side that a format can hold; what is longer, or in another format, becomes PNG
LARGEST = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
LARGEST |= dict.fromkeys((".png", ".tif", ".tiff"), 2**31 - 1)
OPAQUE = (".jpg", ".jpeg")
SUBFILE, PAGE = 254, 2  # A TIFF's tag that tells what a page is, and what it may say
# What a folder's files are taken by
SUFFIXES = images.SUFFIXES | film.SUFFIXES | deep.FURTHER


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


def faces(picture: np.ndarray) -> list[images.Box]:
    """Frontal faces, upright ones; where there are none, those that are tilted.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].

    Returns
    -------
    list[images.Box]
        As `images.faces` finds them, in the picture or in a small copy turned by `TILTS`. A square
        around a tilted face may begin outside the picture.
    """
    found = images.faces(picture)
    if found or min(picture.shape[:2]) < 2:
        return found
    shrink = max(1.0, max(picture.shape[:2]) / 512)
    height, width = (max(1, round(side / shrink)) for side in picture.shape[:2])
    small = images.resize(picture, (height, width), "area")
    for degrees in TILTS:
        turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
        turned = cv2.warpAffine(small, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
        for box in images.faces(turned, SURE):
            middle = (box.left + box.width / 2, box.top + box.height / 2, 1)
            right, down = cv2.invertAffineTransform(turn) @ middle
            side = round(shrink * box.height)
            top, left = round(shrink * down - side / 2), round(shrink * right - side / 2)
            box = images.Box(top, left, side, side)
            if all(images.apart(box, other) for other in found):
                found.append(box)
    return found


def _faces(model, picture, size: int | None = None, around=None) -> Iterator[Piece]:
    """The pieces of the whole picture, then its faces with their masks."""
    found = faces(picture)
    if not found:
        raise ValueError(
            "no face found (from the front, tilted by less than 30°, a tenth of the short side at "
            "least); crop it nearer"
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
    """Where `restore_file` puts the result, if nothing else is there.

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

    JPEG (quality 95, the source's resolution of colour), PNG, WebP (lossless where the source is)
    and TIFF keep their format; anything else becomes PNG, and so does what the format cannot hold
    (transparency in JPEG, the longest sides). 16 bits a colour stay in a PNG or TIFF, except grey
    ones with alpha; all else has 8. A grey picture stays grey. Where there was transparency it has
    an alpha channel, which Pillow's bicubic enlarges. Four inks become sRGB by their profile. Kept
    are EXIF about the shot, IPTC, XMP, comments, a PNG's texts, DPI, a profile of RGB or of grey,
    and a PNG's gamma. EXIF's Software says what restored it, XMP's DigitalSourceType that an
    algorithm altered it.

    A result of the same network from the same source is replaced, any other file is not: then the
    network's name is added to the result's.

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
        The result.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        Where the result would replace another picture's, and where `images.read`, `tiles.apply`,
        `portrait`, `film.rewrite` and `files.replacing` raise them.
    """
    source = Path(source)
    label = label or model.name
    with _opened(source) as file:
        natural = _target(source, file, to_folder, geometry(model).scale)
        place = _place(_beside(natural, label), source, label)
        return _restore(model, source, file, place, faces)


def restore_all(
    model: keras.Model,
    sources: Iterable[AnyPath],
    to: AnyPath | None = None,
    label: str = "",
    faces: dict | None = None,
    prepare: Callable[[np.ndarray, Path], np.ndarray] | None = None,
) -> tuple[list[Path], list[Path], list[Exception]]:
    """`restore_file` of each file, and of each picture, GIF and video in each folder. Lesson 10.

    A result that the same label made from the same content is kept, so that a stopped run can be
    repeated. A folder's results are no sources. A file that fails stops none of the others.

    Parameters
    ----------
    model : keras.Model
        A network that `tiles.apply` takes.
    sources : iterable of path-like
        Files and folders.
    to : path-like, optional
        The results' folder, which mirrors a folder's tree; for one picture also a file, by its
        suffix; without one, beside each source.
    label : str
        What restored it; without one, the network's name.
    faces : dict, optional
        Options of `portrait`: then only faces are restored.
    prepare : callable, optional
        prepare(picture, source): what the network is given instead; it may warn.

    Returns
    -------
    tuple[list[Path], list[Path], list[Exception]]
        The paths made, the paths kept, and an error for each file that failed.

    Raises
    ------
    FileNotFoundError
        For an empty folder, before anything is done.
    ValueError
        Where `tiles.geometry` does; for an empty name, and a file in `to` for several sources.
    """
    label = label or model.name
    scale = geometry(model).scale
    sources = named(sources, to)
    exact = exact_target(sources, to)
    found = [pair for source in sources for pair in found_in(Path(source), to)]
    targets: dict[Path, Path] = {}
    made: list[Path] = []
    kept: list[Path] = []
    failed: list[Exception] = []
    for source, folder in tqdm(found, "restore", unit="file", leave=False, delay=2):
        try:
            with _opened(source) as file:
                if exact:
                    names = [_checked(exact, source, file, scale)]
                else:
                    natural = _target(source, file, folder, scale)
                    other = targets.setdefault(natural, source)
                    if other != source:
                        raise ValueError(f"its result would replace that of {other}; rename one")
                    names = _beside(natural, label)
                place = _place(names, source, label)
                if place.done:
                    kept.append(place.target)
                else:
                    made.append(_restore(model, source, file, place, faces, prepare))
        except Exception as error:  # The next file may be good
            failed.append(with_path(error, source))
    return made, kept, failed


def named(sources: Iterable[AnyPath], to: AnyPath | None) -> list[AnyPath]:
    """The sources as a list; ValueError where a name is empty."""
    sources = list(sources)
    if "" in sources or to == "":
        raise ValueError('a name is empty (""); name a file or a folder, such as . for this one')
    return sources


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
    return _made(path).label


def _made(path: AnyPath) -> metadata.Made:
    """What a file tells of how it was made."""
    with suppress(Exception):  # What cannot be read was not made here
        if Path(path).suffix.lower() in film.SUFFIXES:
            return metadata.made(film.comments(path))
        with images.open_file(path) as file:
            return metadata.of_picture(file)
    return metadata.Made()


# Which files, and where their results go


def found_in(source: Path, to: AnyPath | None) -> list[tuple[Path, Path]]:
    """A file, or a folder's files, each with the folder for its result."""
    if not source.is_dir():
        return [(source, Path(to or source.parent))]
    target = Path(to or source)
    taken = SUFFIXES | deep.suffixes()
    say_passed_over(source)
    found = []
    results = 0
    for path in images.find(source, taken):
        if restored_by(path):
            results += 1
        else:
            found.append((path, target / path.parent.relative_to(source)))
    if not found:
        raise FileNotFoundError(
            f"{source} holds results of restore only; name the files to restore them once more"
        )
    results_land_among_sources = target.resolve().is_relative_to(source.resolve())
    if results and not results_land_among_sources:
        warnings.warn(
            f"{results} results of restore in {source} are passed over; name them to restore them "
            "once more",
            stacklevel=3,
        )
    return found


def say_passed_over(folder: Path) -> None:
    """Count in a warning the pictures in a folder that are not read here."""
    told = deep.passed_over(folder.rglob("*"), deep.suffixes())
    if not told:
        return
    how = "save them as JPEG or PNG"
    if any(suffix in told for suffix in deep.HEIC_SUFFIXES):
        how = f"for HEIC pip install pillow-heif, or {how}"
    warnings.warn(f"passed over in {folder}: {told}; {how}", LeftOut, stacklevel=4)


def exact_target(sources: list[AnyPath], to: AnyPath | None) -> Path | None:
    """The one result's file, where `to` is the name of a file and not of a folder."""
    if to is None or Path(to).is_dir():
        return None
    known = set(Image.registered_extensions()) | SUFFIXES | deep.OTHERS
    if Path(to).suffix.lower() not in known:
        return None
    if len(sources) != 1 or Path(sources[0]).is_dir():
        raise ValueError(f"{to} names one file, but several are restored; name a folder")
    return Path(to)


def _checked(exact: Path, source: Path, file: Image.Image | None, scale: int) -> Path:
    """The file that the reader named; ValueError where it cannot hold the result."""
    suffix = exact.suffix.lower()
    if film.moves(source, file):
        wanted = _target(source, file, exact.parent, scale).suffix
        if suffix not in film.KEPT or (
            suffix != wanted and source.suffix.lower() not in film.SUFFIXES
        ):
            raise ValueError(f"{source} moves, and {exact} cannot hold it; name a {wanted} file")
        return exact
    if suffix not in LARGEST:
        raise ValueError(f"{exact} cannot be written; name a file of {', '.join(LARGEST)}")
    if file is not None and not _holds(suffix, file, scale):
        raise ValueError(
            f"{exact} cannot hold the transparency, gamma or size of {source}; name a .png file"
        )
    return exact


def _holds(suffix: str, file: Image.Image, scale: int) -> bool:
    """Whether a still picture's result can be kept in a format."""
    if max(file.size) * scale > LARGEST.get(suffix, 0):
        return False
    if suffix in OPAQUE and file.has_transparency_data:
        return False
    return suffix == ".png" or not colours.meaning(file)


def _target(source: Path, file: Image.Image | None, to_folder: AnyPath, scale: int) -> Path:
    """`result_path` of an opened file."""
    suffix = source.suffix.lower()
    if film.moves(source, file):
        if suffix not in film.KEPT:
            suffix = ".mkv"
    elif not _holds(suffix, file, scale):
        suffix = ".png"
    ending = f"x{scale}" if scale > 1 else "restored"
    return Path(to_folder) / f"{source.stem}_{ending}{suffix}"


def _beside(natural: Path, label: str) -> list[Path]:
    """The names that a result may have, the first that is free: the network's comes in later."""
    names = [natural]
    for words in (label.split()[0], label):
        ending = re.sub(r"[^\w.-]+", "_", words)
        names.append(natural.with_name(f"{natural.stem}_{ending}{natural.suffix}"))
    return list(dict.fromkeys(names))


class Place(NamedTuple):
    """Where a result goes."""

    target: Path
    done: bool  # It is there already
    label: str  # with where it comes from, as the result tells


def _place(names: list[Path], source: Path, label: str) -> Place:
    """The first name that is free, or that this source's result by the same label has.

    Nothing else is ever replaced: ValueError where all names are taken.
    """
    content, place = metadata.origin(source, names[0].parent)
    said = LABEL.format(label) + metadata.FROM.format(content, place)
    there = [path for path in names if path.is_symlink() or path.exists()]
    ours = {}
    for path in there:
        made = _made(path)
        if made.label == label:
            ours[path] = made
    for path, made in ours.items():
        if made.content == content:
            return Place(path, True, said)
    for path, made in ours.items():
        if made.place in (place, ""):  # An early result does not tell its source
            return Place(path, False, said)
        raise ValueError(
            f"{path} is the result of another picture; rename {source.name}, or choose another "
            "folder by --to"
        )
    free = [path for path in names if path not in there]
    if not free:
        raise ValueError(
            f"{there[-1]} is there already, and restore did not make it from {source} by "
            f"{label.split()[0]}; rename it, or choose another name by --to"
        )
    return Place(free[0], False, said)


def with_path(error: Exception, source: Path) -> Exception:
    """The error, in words that name the file."""
    if getattr(error, "errno", None) == errno.ENAMETOOLONG:
        return ValueError(f"{source}: its result's name is too long; shorten the file's name")
    if str(source) in str(error):
        return error
    return ValueError(f"{source}: {str(error) or type(error).__name__}")


# One file, opened once and decoded once


def _opened(source: Path) -> AbstractContextManager[Image.Image | None]:
    """The opened picture; None for a video, which Pillow does not read."""
    if source.suffix.lower() in film.SUFFIXES:
        return nullcontext()
    return deep.open_file(source)


def _restore(
    model, source: Path, file: Image.Image | None, place: Place, faces, prepare=None
) -> Path:
    """`restore_file` of an opened file."""
    if film.moves(source, file):
        if faces is not None:
            raise ValueError(
                f"{source} moves, and a portrait stands still; restore it without portrait"
            )
        return film.rewrite(partial(draw, model), source, place.target, place.label)
    _say_pages(file)
    colours.say_light(file)
    scale = geometry(model).scale
    grey = colours.is_grey(file)
    is_deep = deep.has_16_bits(file) and deep_writer.holds(place.target, file, grey)
    picture, alpha = _picture_and_alpha(file)
    if prepare:
        picture = prepare(picture, source)
    size = (picture.shape[1] * scale, picture.shape[0] * scale)
    options = _options(file, size, scale, place, grey)
    file.close()  # Its pixels are a quarter of those in `picture`
    if faces is None:
        parts = pieces(model, picture, progress=True)
    else:
        parts = _faces(model, picture, **faces)
    with replacing(place.target) as part:
        mode = "L" if grey or colours.without_colour(picture) else "RGB"
        canvas = (deep_writer.Canvas if is_deep else Canvas)(size, mode)
        try:
            compose(parts, canvas)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from error
        del picture, parts
        if alpha is not None:
            alpha = alpha.resize(size, Image.Resampling.BICUBIC)
        # In memory first: Pillow's own writers do not notice a full disk
        part.write_bytes(canvas.encoded(grey, alpha, options))
    return place.target


def draw(model: keras.Model, picture: np.ndarray) -> np.ndarray:
    """`tiles.apply`, which leaves a grey picture grey.

    Parameters
    ----------
    model : keras.Model
        A network that `tiles.apply` takes.
    picture : np.ndarray
        (h, w, 3), float in [0, 1].

    Returns
    -------
    np.ndarray
        (h·scale, w·scale, 3), float32 in [0, 1].

    Raises
    ------
    ValueError
        Where `tiles.apply` does.
    """
    drawn = apply(model, picture)
    if colours.without_colour(picture):
        drawn = np.repeat(drawn.mean(axis=-1, keepdims=True), 3, axis=-1)
    return drawn


class Canvas:
    """A Pillow image as a canvas for `tiles.compose`: floats would take three times its memory.

    Of mode "RGB", or "L", which keeps the mean of the three colours.
    """

    def __init__(self, size: tuple[int, int], mode: str = "RGB"):
        self.image = Image.new(mode, size)

    def __getitem__(self, place: tuple[slice, slice]) -> np.ndarray:
        rows, columns = place
        box = (columns.start, rows.start, columns.stop, rows.stop)
        return images.to_float(np.asarray(self.image.crop(box).convert("RGB")))

    def __setitem__(self, place: tuple[slice, slice], pixels: np.ndarray) -> None:
        rows, columns = place
        if self.image.mode == "L":
            pixels = pixels.mean(axis=-1)
        self.image.paste(Image.fromarray(images.to_uint8(pixels)), (columns.start, rows.start))

    def encoded(self, grey: bool, alpha: Image.Image | None, options: dict) -> memoryview:
        """The file that Pillow saves with these options; with `grey`, of one colour."""
        image = self.image if grey else self.image.convert("RGB")
        if alpha is not None:
            image.putalpha(alpha)
        encoded = io.BytesIO()
        image.save(encoded, **options)
        return encoded.getbuffer()


def _picture_and_alpha(file: Image.Image) -> tuple[np.ndarray, Image.Image | None]:
    """An opened file's colours, (h, w, 3) float32 in [0, 1], and its alpha channel or None."""
    decoded = images.decode(file, deep.pixels)
    if decoded.shape[-1] == 3 or not file.has_transparency_data:
        return images.on_white(decoded), None
    # Laid on white, as `images.read` gives them, half transparent pixels would have a wrong colour
    alpha = decoded[..., 3]
    opaque = film.bleed(decoded[..., :3], alpha == 0)
    return opaque, Image.fromarray(images.to_uint8(alpha))


def _options(
    file: Image.Image, size: tuple[int, int], scale: int, place: Place, grey: bool
) -> dict:
    """How Pillow saves the result, and what it tells."""
    suffix = place.target.suffix.lower()
    options = metadata.kept(file, size, scale, suffix, place.label)
    options["format"] = Image.registered_extensions()[suffix]
    if profile := colours.profile(file, grey):
        options["icc_profile"] = profile
    elif file.info.get("icc_profile") and file.mode not in ("CMYK", "LAB"):
        warnings.warn(
            f"{file.filename}: its profile is damaged or for other colours than its pixels hold, "
            "and left out",
            stacklevel=4,
        )
    if suffix in OPAQUE:
        options |= {"quality": 95, "subsampling": colours.sampling(file)}
    elif suffix == ".webp":
        lossless = colours.is_lossless(file)
        options |= {"lossless": lossless, "quality": 75 if lossless else 95}
    elif suffix == ".png":
        # PNG's own level, 6, takes twice the time and makes the file a sixth smaller
        options["compress_level"] = 4
        for name, content in colours.meaning(file):
            options["pnginfo"].add(name, content)
    return options


def _say_pages(file: Image.Image) -> None:
    """Warn of further pages of a TIFF or pictures of an HEIC; smaller copies and masks are none."""
    pages = 1
    words = "pages, and only the first"
    if file.format == "HEIF":
        pages = file.n_frames
        words = "pictures, and only the main one"
    elif file.format == "TIFF" and file.n_frames > 1:
        kinds = []
        for page in range(file.n_frames):
            file.seek(page)
            kinds.append(file.tag_v2.get(SUBFILE, 0))
        pages = sum(kind in (0, PAGE) for kind in kinds)
        file.seek(0)
    if pages > 1:
        warnings.warn(
            f"{file.filename} has {pages} {words} is restored; save the others as files of their "
            "own",
            LeftOut,
            stacklevel=4,
        )
