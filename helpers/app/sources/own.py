"""The user's own pictures: a folder, a zip, or a single file."""

import csv
import errno
import os
import shutil
import warnings
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

from tqdm.auto import tqdm

from helpers import images
from helpers.app import LeftOut, deep, metadata
from helpers.app.sources import originals
from helpers.app.sources.lists import encodable, write_refused
from helpers.batching import parallel_map
from helpers.files import replacing, write_csv

ORIGINS = "origins.csv"
BAD_NAME = {errno.ENAMETOOLONG, errno.EINVAL}  # the second one on Windows


def fetch(folder: Path, origin: str | os.PathLike | None) -> None:
    """Copy the readable pictures of `origin` that are new or changed.

    What is no readable picture, a result of `restore`, or called as another origin's picture is
    left out and listed in `refused.csv`, and the others go on.

    Parameters
    ----------
    folder : where they go
    origin : a folder, whose tree is kept, a zip, or a picture

    Raises
    ------
    FileNotFoundError : there is no `origin`, or no picture in it
    ValueError : no origin is given; no picture can be used; the lessons do not read the one that is
        named; the zip is broken
    """
    if not origin:
        raise ValueError(
            "fetch own needs --from with your pictures: a folder, a zip, or one picture"
        )
    origin = Path(origin)
    if not origin.exists():
        raise FileNotFoundError(f"there is no folder or file {origin}")
    if _is_zip(origin):
        refused, total = _from_zip(origin, folder)
    else:
        refused, total = _from_disk(origin, folder)
    write_refused(folder, refused, total)


def _origins(folder: Path) -> dict[str, str]:
    """Where each picture in `folder` came from, by its name."""
    table = folder / ORIGINS
    if not table.exists():
        return {}
    with table.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["origin"] for row in csv.DictReader(file)}


def _keep_origins(folder: Path, names: list[str], origin: Path) -> None:
    """Note where these pictures came from."""
    if not names:
        return
    known = _origins(folder)
    known |= dict.fromkeys(map(encodable, names), encodable(str(origin)))
    write_csv(folder / ORIGINS, ["file", "origin"], sorted(known.items()))


def _taken(target: Path, other: str | None, origin: Path) -> str | None:
    """Why a picture of `origin` may not come to `target`, which came from `other`; or None."""
    if not target.exists():
        return None
    if other == encodable(str(origin)):
        return None
    there = f"came from {other}" if other else "is there already, and fetch did not bring it"
    return f"{target} {there}; rename this one, or choose another folder by --to"


def _is_zip(origin: Path) -> bool:
    """Whether it is a zip, or calls itself one; a picture may be followed by a zip."""
    suffix = origin.suffix.lower()
    if suffix in images.SUFFIXES or not origin.is_file():
        return False
    return suffix == ".zip" or zipfile.is_zipfile(origin)


def _from_disk(origin: Path, folder: Path) -> tuple[list[tuple[str, str]], int]:
    """Copy a picture, or those of a folder; what was refused, and of how many."""
    if origin.is_file():
        if origin.suffix.lower() not in images.SUFFIXES:
            known = ", ".join(sorted(images.SUFFIXES))
            raise ValueError(f"{origin}: the lessons read {known}; save it as JPEG or PNG first")
        top = origin.parent
        found = [origin]
    else:
        top = origin
        warn_of_others(origin.rglob("*"))
        found = [path for path in images.find(origin) if not path.is_dir()]
    inside = folder.resolve()
    found = [path for path in found if not path.parent.resolve().is_relative_to(inside)]
    if not found:
        raise ValueError(f"all pictures of {origin} are already in {folder}; choose another --to")
    names = {path: path.relative_to(top).as_posix() for path in found}
    new = [path for path in found if not _is_copy(folder / names[path], path)]
    known = _origins(folder)
    refused = {}
    for path, problem in zip(new, parallel_map(_problem, new, "fetch own"), strict=True):
        target = folder / names[path]
        why = problem or _taken(target, known.get(encodable(names[path])), top.resolve())
        why = why or _copy(path, target)
        if why:
            refused[path] = why
    brought = [name for path, name in names.items() if path not in refused]
    _keep_origins(folder, brought, top.resolve())
    return [(str(path), why) for path, why in refused.items()], len(found)


def _is_copy(target: Path, path: Path) -> bool:
    """Whether `target` holds the bytes of `path`; not where that is a link to nowhere."""
    return path.is_file() and originals.is_copy(target, originals.of_file(path, path.name))


def _problem(path: Path) -> str | None:
    """Why a file cannot be used; None where it is a good picture."""
    if path.is_symlink() and not path.exists():
        return f"{path} is a link to {path.readlink()}, which is not there"
    return deep.problem(path) or _restored(path)


def _restored(path: Path) -> str | None:
    """Why a result of `restore` is no picture to learn from; None for any other."""
    with images.open_file(path) as file:
        label = metadata.of_picture(file).label
    return f"it is a result of restore, by {label}" if label else None


def _copy(path: Path, target: Path) -> str | None:
    """Copy a file with its time; why that cannot be, where the name is to blame."""
    try:
        with replacing(target) as part:
            shutil.copy2(path, part)
    except OSError as error:
        if error.errno not in BAD_NAME:
            raise
        return error.strerror
    return None


def _from_zip(origin: Path, folder: Path) -> tuple[list[tuple[str, str]], int]:
    """Unpack a zip's pictures; what was refused, and of how many."""
    refused = []
    with originals.opened(origin, folder) as files:
        warn_of_others(PurePosixPath(file.name) for file in files)
        pictures = []
        for file in files:
            if PurePosixPath(file.name).suffix.lower() in images.SUFFIXES:
                pictures.append(file)
        if not pictures:
            raise FileNotFoundError(f"no pictures in {origin}")
        known = _origins(folder)
        brought = []
        for file in tqdm(pictures, desc="fetch own", leave=False, delay=2):
            if why := _unpack(file, folder, known, origin.resolve()):
                refused.append((file.name, why))
            else:
                brought.append(file.name)
    _keep_origins(folder, brought, origin.resolve())
    return refused, len(pictures)


def _unpack(
    file: originals.Original, folder: Path, known: dict[str, str], origin: Path
) -> str | None:
    """Bring a picture out of a zip, where its name is not taken; why that cannot be."""
    if ".." in PurePosixPath(file.name).parts or PureWindowsPath(file.name).anchor:
        return f"{file.name} leads out of the folder"
    target = folder / file.name
    try:
        if not originals.is_copy(target, file):
            if why := _taken(target, known.get(encodable(file.name)), origin):
                return why
            originals.bring(file, target, partial(_check, name=file.name))
    except OSError as error:
        if error.errno not in BAD_NAME:
            raise
        return error.strerror
    except (ValueError, *originals.BROKEN) as error:
        return str(error) or f"{file.name} ends early"
    return None


def _check(part: Path, name: str) -> None:
    """ValueError that names the picture where `part` is none."""
    if why := deep.problem(part) or _restored(part):
        raise ValueError(why.replace(str(part), name))


def warn_of_others(paths: Iterable[PurePath], taken: set[str] = images.SUFFIXES) -> None:
    """Count in a warning the pictures that are not taken."""
    if what := deep.passed_over(paths, taken):
        warnings.warn(f"passed over: {what}; save them as JPEG or PNG first", LeftOut, stacklevel=6)
