"""One call for every source of pictures: `fetch("sample")` needs no network, no account and no wait."""

import csv
import os
import shutil
import stat
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple

import imagehash
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image
from tqdm.auto import tqdm

from helpers import ROOT, images, replacing, spread, web, write_csv

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


class Layout(NamedTuple):
    """How a published set lies on the disk: a table, and for each of its columns the folder of the files it names.

    Without a table (`table` is one that we write) every picture of the folders belongs to it.
    """

    page: str
    table: str
    folders: dict[str, str]
    listed: bool = True

    def __str__(self) -> str:
        parts = [self.table] * self.listed + [f"{folder}/" for folder in self.folders.values()]
        return f"{' and '.join(parts)} as in {self.page}"


KAGGLE = "https://www.kaggle.com/datasets/"
SETS = {
    "celeba": Layout(
        f"{KAGGLE}jessicali9530/celeba-dataset", "list_eval_partition.csv", {"image_id": "img_align_celeba"}
    ),
    "unsplash": Layout(
        f"{KAGGLE}quadeer15sh/image-super-resolution-from-unsplash",
        "image_data.csv",
        {"low_res": "low res", "high_res": "high res"},
    ),
    "summer2winter": Layout(
        "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/summer2winter_yosemite.zip",
        "files.csv",
        {"summer": "trainA", "winter": "trainB"},
        listed=False,
    ),
}
# of the zip, as TensorFlow Datasets' checksums say (url_checksums/cycle_gan.txt; 132,640,856 bytes)
SHA256 = "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError)


def fetch(
    source: str,
    *,
    to: str | os.PathLike | None = None,
    origin: str | os.PathLike | None = None,
    query: str = "",
    limit: int = 50,
    category: str = "",
    smallest: int = 0,
) -> Path:
    """Bring the pictures of `source` to `data/raw/<source>/` (or `to`) and return that folder.

    What is already there is not fetched again. `SOURCES.csv` says who made what, `refused.csv` what was left out.

    - "sample": the photographs inside scikit-image and scikit-learn; no network.
    - "own": the readable pictures of your folder `origin`.
    - "celeba", "unsplash": the Kaggle sets; "summer2winter": the CycleGAN paper's. From the network, or from
      your copy `origin`, a folder or zip, whose files are linked where the disk allows it: do not edit them in place.
    - "pixabay": up to `limit` photographs for `query`, optionally of a `category` and at least `smallest` pixels
      wide and high; needs the key PIXABAY_API_KEY.
    - "page": up to `limit` pictures of the web page `origin`, where its robots.txt allows it.

    Raises ValueError for bad input, a broken or dangerous zip, and what a server refuses; FileNotFoundError for an
    `origin` that is missing, empty or laid out in another way; ConnectionError where the network fails, with
    what has arrived kept.
    """
    folder = Path(to) if to else RAW / source
    if source == "sample":
        return _fetch_sample(folder)
    if source == "own":
        if origin is None:
            raise ValueError("fetch own needs --from FOLDER, the folder with your pictures")
        return _fetch_own(Path(origin), folder)
    if source == "pixabay":
        web.pixabay(folder, query, limit, category, smallest)
        return folder
    if source == "page":
        web.page(folder, str(origin or ""), limit)
        return folder
    if source not in SETS:
        raise ValueError(f"unknown source {source!r}; choose one of sample, own, {', '.join(SETS)}, pixabay, page")
    page = SETS[source].page
    if origin is not None:
        return _fetch_set(source, Path(origin), folder)
    if (folder / SETS[source].table).exists():
        return folder
    if page.startswith(KAGGLE):
        return _fetch_set(source, web.kaggle(page.removeprefix(KAGGLE)), folder)
    archive = folder.parent / Path(page).name
    web.download(web.session(), page, archive, sha256=SHA256, limit=1e9)
    _fetch_set(source, archive, folder)
    archive.unlink()
    return folder


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
    write_csv(folder / "SOURCES.csv", ["file", *Photograph._fields], rows)
    return folder


def _fetch_own(origin: Path, folder: Path) -> Path:
    found = [path for path in images.find(origin) if folder.resolve() not in path.resolve().parents]
    if not found:
        raise ValueError(f"all pictures of {origin} are already in {folder}; choose another --to")
    new, refused = [], []
    for path in found:
        target = folder / path.relative_to(origin)
        if not _there(target, path.stat().st_size) or target.stat().st_mtime != path.stat().st_mtime:
            new.append(path)
    for path, why in zip(new, spread(images.problem, new, "fetch own"), strict=True):
        if why:
            refused.append([path, why])
            continue
        with replacing(folder / path.relative_to(origin)) as part:
            shutil.copyfile(path, part)
            shutil.copystat(path, part)  # its time tells the next call whether it changed
    web.refuse(folder, refused, len(found))
    return folder


def survey(folder: str | os.PathLike) -> list[dict]:
    """What lies in `folder`: a row for each picture file.

    `file`, `format`, `mode`, `width`, `height`, `problem` (why it cannot be read, or None), `copy_of` (an earlier
    file whose perceptual hash differs in at most 8 of 64 bits, or None), `author`, `licence` (from SOURCES.csv).
    FileNotFoundError where there is no picture.
    """
    folder = Path(folder)
    paths, sources, bits = images.find(folder), {}, []
    if (folder / "SOURCES.csv").exists():
        with (folder / "SOURCES.csv").open(newline="", encoding="utf-8") as file:
            sources = {row["file"]: row for row in csv.DictReader(file)}
    rows = []
    for path, (row, code) in zip(paths, spread(_describe, paths, "survey"), strict=True):
        name = path.relative_to(folder).as_posix()
        row["problem"] = row["problem"] and row["problem"].replace(str(path), name)
        source, copy = sources.get(name, {}), None
        if code is not None:
            near = [k for k, other in enumerate(bits) if other is not None and (code ^ other).bit_count() <= 8]
            copy = rows[near[0]]["file"] if near else None
        bits.append(code)
        made = {"author": source.get("author") or source.get("photographer"), "licence": source.get("licence")}
        rows.append({"file": name, **row, "copy_of": copy, **made})
    return rows


def _describe(path: Path) -> tuple[dict, int | None]:
    """The file's own facts, and its perceptual hash as 64 bits."""
    row = dict.fromkeys(["format", "mode", "width", "height"]) | {"problem": images.problem(path)}
    if row["problem"]:
        return row, None
    with Image.open(path) as file:
        row |= {"format": file.format, "mode": file.mode, "width": file.width, "height": file.height}
        return row, int(str(imagehash.phash(file)), 16)


def summary(rows: list[dict]) -> str:
    """`survey` in a few lines."""
    good = [row for row in rows if not row["problem"]]
    copies = [f"  {row['file']} = {row['copy_of']}" for row in rows if row["copy_of"]]
    lines = [f"{len(rows)} files, {len(good)} readable, {len(good) - len(copies)} different"]
    lines += [f"  {row['problem']}" for row in rows if row["problem"]] + copies
    if good:
        small, *_, large = sorted([*good, good[0]], key=lambda row: row["width"] * row["height"])
        lines += [f"from {small['width']}×{small['height']} to {large['width']}×{large['height']} pixels"]
    for column in ("format", "mode", "licence"):
        counts = Counter(row[column] or "unknown" for row in good)
        lines += [f"{column}: " + ", ".join(f"{name} {n}" for name, n in counts.most_common())]
    return "\n".join(lines)


class Member(NamedTuple):
    """One file of a folder or of a zip; `path` where it can be linked."""

    name: str
    size: int
    open: Callable[[], BinaryIO]
    path: Path | None = None


def _fetch_set(source: str, origin: Path, folder: Path) -> Path:
    layout = SETS[source]
    if origin.resolve() == folder.resolve():
        raise ValueError(f"{origin} is where the pictures would go; choose another --to, or move the set elsewhere")
    folders = {*layout.folders.values()} | ({"testA", "testB"} if not layout.listed else set())
    with _members(origin, folder) as members:
        found: dict[str, Member] = {}
        for member in members:
            *_, parent, name = ["", *member.name.split("/")]
            key = f"{parent}/{name}" if parent in folders else name
            if (key == layout.table or "/" in key) and found.setdefault(key, member) is not member:
                raise ValueError(
                    f"{origin} holds two copies: {found[key].name!r} and {member.name!r}; give one of them"
                )
        lacking = [layout.table] if layout.listed and layout.table not in found else []
        lacking += [f"{f}/" for f in layout.folders.values() if not any(key.startswith(f"{f}/") for key in found)]
        if lacking:
            raise FileNotFoundError(f"{origin} holds no {', no '.join(lacking)}; expected {layout}")
        if layout.listed:
            with found[layout.table].open() as file:
                table = file.read()
        else:
            names = sorted(key for key in found if Path(key).suffix.lower() in images.SUFFIXES)
            table = "\n".join(["file", *names, ""]).encode()
        listed = [keys for _, keys in _rows(table, layout)] if layout.listed else [[name] for name in names]
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
    table = folder / SETS[source].table
    rows = _rows(table.read_bytes(), SETS[source]) if table.exists() else []
    there = [(row, [folder / key for key in keys]) for row, keys in rows]
    there = [(row, paths) for row, paths in there if all(path.is_file() for path in paths)]
    if not there:
        raise FileNotFoundError(f"no pictures with their {table.name} in {folder}; fetch({source!r}, origin=…) first")
    return there


def _rows(table: bytes, layout: Layout) -> list[tuple[dict[str, str], list[str]]]:
    """Each row of a table with the files it names, as "folder/name"; ValueError where a column is missing."""
    reader = csv.DictReader(table.decode("utf-8-sig", errors="replace").splitlines(), restval="")
    try:
        if not {*layout.folders} <= {*(reader.fieldnames or [])}:
            raise ValueError(f"{layout.table} has no columns {' and '.join(layout.folders)}; expected {layout}")
        return [(row, [f"{folder}/{row[column]}" for column, folder in layout.folders.items()]) for row in reader]
    except csv.Error as error:
        raise ValueError(f"{layout.table} cannot be read ({error}); expected {layout}") from error
