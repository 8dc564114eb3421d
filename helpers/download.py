"""One call for every source of pictures: `fetch("sample")` needs no network, no account and no wait."""

import csv
import os
import shutil
import stat
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

from skimage import data
from sklearn.datasets import load_sample_image
from tqdm.auto import tqdm

from helpers import ROOT, images, replacing

RAW = ROOT / "data" / "raw"


class Photograph(NamedTuple):
    """What is known of one embedded photograph; `split` holds in every lesson."""

    split: str
    author: str
    licence: str
    package: str


SAMPLE = {
    "coffee": Photograph("train", "Rachel Michetti", "CC0", "scikit-image"),
    "hubble": Photograph("train", "NASA", "public domain", "scikit-image"),
    "motorcycle": Photograph("train", "Middlebury 2014 stereo benchmark", "as published", "scikit-image"),
    "retina": Photograph("train", "Mikael Häggström", "CC0", "scikit-image"),
    "rocket": Photograph("train", "SpaceX", "public domain", "scikit-image"),
    "tissue": Photograph("train", "CMMI", "no known restrictions", "scikit-image"),
    "flower": Photograph("val", "vultilion", "CC BY 2.0", "scikit-learn"),
    "astronaut": Photograph("test", "NASA", "public domain", "scikit-image"),
    "chelsea": Photograph("test", "Stéfan van der Walt", "CC0", "scikit-image"),
    "china": Photograph("test", "danielbuechele", "CC BY 2.0", "scikit-learn"),
}
ELSEWHERE = {"hubble": "hubble_deep_field", "motorcycle": "stereo_motorcycle", "tissue": "immunohistochemistry"}


class Kaggle(NamedTuple):
    """The layout of one Kaggle set: a table, and for each of its columns the folder of the files it names."""

    page: str
    table: str
    folders: dict[str, str]

    def __str__(self) -> str:
        folders = " and ".join(f"{folder}/" for folder in self.folders.values())
        return f"{self.table} and {folders} as in https://www.kaggle.com/datasets/{self.page}"


KAGGLE = {
    "celeba": Kaggle("jessicali9530/celeba-dataset", "list_eval_partition.csv", {"image_id": "img_align_celeba"}),
    "unsplash": Kaggle(
        "quadeer15sh/image-super-resolution-from-unsplash",
        "image_data.csv",
        {"low_res": "low res", "high_res": "high res"},
    ),
}
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError)


def fetch(source: str, *, to: str | os.PathLike | None = None, origin: str | os.PathLike | None = None) -> Path:
    """Bring the pictures of `source` to `data/raw/<source>/` (or `to`) and return that folder.

    "sample": the photographs inside scikit-image and scikit-learn, with `SOURCES.csv` (who made each, under
    which licence). "own": the pictures of your folder `origin`; each is opened first, and the unreadable
    ones are listed in `refused.csv` with the reason. "celeba", "unsplash": your copy of the Kaggle set, `origin`
    being its folder or zip; the files are linked where the disk allows it, so do not edit them in place. What is
    already there is not fetched again.
    Raises ValueError for an unknown source and a broken or dangerous zip, and FileNotFoundError for an `origin`
    that is missing, empty or laid out in another way.
    """
    folder = Path(to) if to else RAW / source
    if source == "sample":
        return _fetch_sample(folder)
    if source == "own":
        if origin is None:
            raise ValueError("fetch own needs --from FOLDER, the folder with your pictures")
        return _fetch_own(Path(origin), folder)
    if source in KAGGLE:
        if origin is not None:
            return _fetch_kaggle(source, Path(origin), folder)
        if (folder / KAGGLE[source].table).exists():
            return folder
        raise ValueError(f"fetch {source} needs --from FOLDER or ZIP with {KAGGLE[source]}")
    raise ValueError(f"unknown source {source!r}; choose one of sample, own, {', '.join(KAGGLE)}")


def _fetch_sample(folder: Path) -> Path:
    for name, photograph in SAMPLE.items():
        path = folder / f"{name}.png"
        if path.exists():
            continue
        if photograph.package == "scikit-learn":
            pixels = load_sample_image(f"{name}.jpg")
        else:
            pixels = getattr(data, ELSEWHERE.get(name, name))()
        images.write(path, images.to_float(pixels[0] if isinstance(pixels, tuple) else pixels))
    rows = [[f"{name}.png", *photograph] for name, photograph in SAMPLE.items()]
    _write_csv(folder / "SOURCES.csv", ["file", *Photograph._fields], rows)
    return folder


def _fetch_own(origin: Path, folder: Path) -> Path:
    found = [path for path in images.find(origin) if folder.resolve() not in path.resolve().parents]
    if not found:
        raise ValueError(f"all pictures of {origin} are already in {folder}; choose another --to")
    refused = []
    for path in tqdm(found, desc="fetch own", leave=False, delay=2):
        target = folder / path.relative_to(origin)
        if _there(target, path.stat().st_size) and target.stat().st_mtime == path.stat().st_mtime:
            continue
        try:
            images.read(path)
        except (ValueError, OSError) as error:
            refused.append([path, str(error)])
            continue
        with replacing(target) as part:
            shutil.copyfile(path, part)
            shutil.copystat(path, part)  # its time tells the next call whether it changed
    (folder / "refused.csv").unlink(missing_ok=True)
    if len(refused) == len(found):
        raise ValueError(f"none of {len(found)} pictures in {origin} can be read; the first: {refused[0][1]}")
    if refused:
        _write_csv(folder / "refused.csv", ["file", "reason"], refused)
        warnings.warn(f"{len(refused)} of {len(found)} pictures refused, see {folder / 'refused.csv'}", stacklevel=3)
    return folder


class Member(NamedTuple):
    """One file of a folder or of a zip; `path` where it can be linked."""

    name: str
    size: int
    open: Callable[[], BinaryIO]
    path: Path | None = None


def _fetch_kaggle(source: str, origin: Path, folder: Path) -> Path:
    layout = KAGGLE[source]
    if origin.resolve() == folder.resolve():
        raise ValueError(f"{origin} is where the pictures would go; choose another --to, or move the set elsewhere")
    with _members(origin, folder) as members:
        found: dict[str, Member] = {}
        for member in members:
            *_, parent, name = ["", *member.name.split("/")]
            key = f"{parent}/{name}" if parent in layout.folders.values() else name
            if (key == layout.table or "/" in key) and found.setdefault(key, member) is not member:
                raise ValueError(
                    f"{origin} holds two copies: {found[key].name!r} and {member.name!r}; give one of them"
                )
        lacking = [] if layout.table in found else [layout.table]
        lacking += [f"{f}/" for f in layout.folders.values() if not any(key.startswith(f"{f}/") for key in found)]
        if lacking:
            raise FileNotFoundError(f"{origin} holds no {', no '.join(lacking)}; expected {layout}")
        with found[layout.table].open() as file:
            table = file.read()
        listed = [keys for _, keys in _rows(table, layout)]
        if not any(found.keys() >= {*keys} for keys in listed):
            raise FileNotFoundError(f"{origin} holds nothing that its {layout.table} lists; expected {layout}")
        names = list(dict.fromkeys(key for keys in listed for key in keys))
        if missing := [key for key in names if key not in found]:
            few = ", ".join(missing[:3]) + ", …" * (len(missing) > 3)
            warnings.warn(f"{len(missing)} of {len(names)} listed files are not in {origin}: {few}", stacklevel=3)
        for key in tqdm([key for key in names if key in found], desc=f"fetch {source}", leave=False, delay=2):
            if not _there(folder / key, found[key].size):
                _bring(found[key], folder / key)
    target = folder / layout.table  # last: where it stands, its pictures do
    if not target.exists() or target.read_bytes() != table:
        with replacing(target) as part:
            part.write_bytes(table)
    return folder


@contextmanager
def _members(origin: Path, folder: Path) -> Iterator[list[Member]]:
    """The files of the zip or folder `origin`, without those in `folder`; a zip is judged before any file is read."""
    if origin.is_dir():
        members = []
        for top, folders, names in os.walk(origin):
            folders[:] = [name for name in folders if Path(top, name).resolve() != folder.resolve()]
            for path in (Path(top, name) for name in names):
                if path.is_file():
                    inside = path.relative_to(origin).as_posix()
                    members.append(Member(inside, path.stat().st_size, partial(path.open, "rb"), path))
        yield members
        return
    if not origin.exists():
        raise FileNotFoundError(f"there is no folder or zip {origin}")
    try:
        with zipfile.ZipFile(origin) as archive:
            infos, size = archive.infolist(), origin.stat().st_size
            refused = [f"{info.filename!r} {why}" for info in infos if (why := _objection(info, size))]
            if sum(info.file_size for info in infos) > 20e9:
                refused.append("it unpacks to more than 20 GB")
            if refused:
                raise ValueError(f"{origin}: {refused[0]}; nothing was unpacked, get another copy")
            files = [(info.filename.replace("\\", "/"), info) for info in infos]
            yield [Member(n, i.file_size, partial(archive.open, i)) for n, i in files if not n.endswith("/")]
    except BROKEN as error:
        reason = str(error) or "it ends early"
        raise ValueError(f"{origin} is not a zip or a broken one ({reason}); download it again") from error


def _objection(info: zipfile.ZipInfo, size: int) -> str | None:
    """Why this member of a zip of `size` bytes must not be unpacked; None where it may."""
    path = PureWindowsPath(info.filename)  # it knows slashes of both kinds, and drives
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    objections = {
        "would climb out of the folder": path.anchor or ".." in path.parts,
        "is a link, not a file": stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR),
        "is encrypted": info.flag_bits & 1,
        "is packed by another method than deflate": info.compress_type not in methods,
        "lies outside the file": not 0 <= info.header_offset < size,
        "unpacks to more than 200 MB": info.file_size > 200e6,
        "unpacks to more than 200 times its size": info.file_size > max(10e6, 200 * info.compress_size),
    }
    return next((why for why, holds in objections.items() if holds), None)


def _there(target: Path, size: int) -> bool:
    return target.exists() and target.stat().st_size == size


def _bring(member: Member, target: Path) -> None:
    """Make `target` the file `member`: by a hard link where the disk allows it, else by a copy."""
    with member.open() as source, replacing(target) as part:
        part.unlink(missing_ok=True)  # a killed run may have left a link there, and writing would go through it
        if member.path:
            with suppress(OSError):  # another disk, or one without links
                part.hardlink_to(member.path.resolve())
        if not part.exists():
            with part.open("wb") as file:
                shutil.copyfileobj(source, file)
        if (size := part.stat().st_size) != member.size:  # zipfile compares the checksum alone
            raise ValueError(f"{member.name} has {size} bytes instead of {member.size}; get another copy of the set")


def celeba_splits(folder: str | os.PathLike) -> dict[Path, str]:
    """{picture: "train", "val" or "test"} of `fetch("celeba")`: CelebA's own partition, in which nobody is in two.

    Raises FileNotFoundError where nothing was fetched, and ValueError for a partition other than 0, 1 and 2.
    """
    parts, splits = {"0": "train", "1": "val", "2": "test"}, {}
    for row, [path] in _fetched(Path(folder), "celeba"):
        if row.get("partition") not in parts:
            raise ValueError(f"{path.name} has partition {row.get('partition')!r}; 0, 1 or 2 is expected")
        splits[path] = parts[row["partition"]]
    return splits


def unsplash_pairs(folder: str | os.PathLike) -> list[tuple[Path, Path]]:
    """(low, high) of each row of `fetch("unsplash")`; FileNotFoundError where nothing was fetched.

    Several low pictures come from one high picture (`7_2.jpg` and `7_4.jpg` from `7.jpg`), so split by the
    high ones: `batching.split([high.name for low, high in pairs])`.
    """
    return [(low, high) for _, [low, high] in _fetched(Path(folder), "unsplash")]


def _fetched(folder: Path, source: str) -> list[tuple[dict[str, str], list[Path]]]:
    """The rows of a fetched table whose files are all there, each with its paths."""
    table = folder / KAGGLE[source].table
    rows = _rows(table.read_bytes(), KAGGLE[source]) if table.exists() else []
    there = [(row, [folder / key for key in keys]) for row, keys in rows]
    there = [(row, paths) for row, paths in there if all(path.is_file() for path in paths)]
    if not there:
        raise FileNotFoundError(f"no pictures with their {table.name} in {folder}; fetch({source!r}, origin=…) first")
    return there


def _rows(table: bytes, layout: Kaggle) -> list[tuple[dict[str, str], list[str]]]:
    """Each row of a table with the files it names, as "folder/name"; ValueError where a column is missing."""
    reader = csv.DictReader(table.decode("utf-8-sig", errors="replace").splitlines(), restval="")
    try:
        if not {*layout.folders} <= {*(reader.fieldnames or [])}:
            raise ValueError(f"{layout.table} has no columns {' and '.join(layout.folders)}; expected {layout}")
        return [(row, [f"{folder}/{row[column]}" for column, folder in layout.folders.items()]) for row in reader]
    except csv.Error as error:
        raise ValueError(f"{layout.table} cannot be read ({error}); expected {layout}") from error


def _write_csv(path: Path, header: list[str], rows: list) -> None:
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
