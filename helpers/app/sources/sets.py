"""Published sets: CelebA, Unsplash, and summer2winter, from the network or from a copy."""

import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath

import requests
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError

from helpers import images
from helpers.app import LeftOut, deep
from helpers.app.sources import originals
from helpers.app.sources.layouts import KAGGLE, SETS, Layout, as_csv, key, rows
from helpers.app.sources.lists import write_refused
from helpers.app.sources.network import KEPT, download, session
from helpers.app.sources.originals import Original
from helpers.batching import parallel_map
from helpers.files import replacing

# The zip of summer2winter has 132,640,856 bytes and this checksum, which TensorFlow Datasets states
# too (url_checksums/cycle_gan.txt). Its builder "cycle_gan/summer2winter_yosemite" is not used: it
# turns the pictures into records without names and cannot go on with a half-received zip.
SHA256 = "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"
LARGEST_TABLE = 100_000_000  # bytes


def fetch(source: str, folder: Path, origin: str | os.PathLike | None = None) -> None:
    """Bring a published set to a folder; from the network only where its table is not there.

    Pictures that cannot be read are left out and listed in `refused.csv`.

    Parameters
    ----------
    source : one of `SETS`
    folder : where it goes
    origin : a copy, as a folder or a zip; without one it comes from the network

    Raises
    ------
    ConnectionError : as `network.get`
    FileNotFoundError : `origin` is missing, or lacks a part of the set
    ValueError : `origin` is broken, or another set than `folder` holds; no picture can be used
    """
    layout = SETS[source]
    if origin == "":
        raise ValueError("--from names nothing; give the folder or zip with your copy")
    if origin is not None:
        _fetch_copy(source, folder, Path(origin))
    elif (folder / layout.table).exists():
        return
    elif layout.page.startswith(KAGGLE):
        _fetch_copy(source, folder, kaggle(layout.page.removeprefix(KAGGLE)))
    else:
        archive = folder.parent / Path(layout.page).name
        download(session(), layout.page, archive, sha256=SHA256, limit=1e9)
        _fetch_copy(source, folder, archive)
        archive.unlink()


def kaggle(handle: str) -> Path:
    """The folder where kagglehub keeps its verified copy of the Kaggle set `handle`.

    Without credentials, or with those that kagglehub finds: KAGGLE_API_TOKEN, KAGGLE_USERNAME and
    KAGGLE_KEY, ~/.kaggle/kaggle.json, Colab's secrets of these names. ConnectionError where Kaggle
    cannot be reached, ValueError where it refuses.
    """
    import kagglehub

    way = (
        f"`kaggle datasets download -d {handle}` in a terminal, then --from the zip, is the other"
        " way"
    )
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # its text may hold a signed address or a token
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise ValueError(
                f"Kaggle refuses ({status}): remove or renew your credentials; {way}"
            ) from None
        if isinstance(error, requests.ConnectionError | requests.Timeout | HTTPError):
            raise ConnectionError(
                f"cannot reach Kaggle: is the network there? {KEPT}; {way}"
            ) from None
        reason = f"status {status}" if status else type(error).__name__
        raise ValueError(
            f"Kaggle did not give {handle} ({reason}); try again later; {way}"
        ) from None


def _fetch_copy(source: str, folder: Path, origin: Path) -> None:
    """Bring the files that a set's table lists, and last the table.

    No name of `origin` is ever a path: a file goes to the place that the layout gives it,
    `folder/column's folder/name`.
    """
    if origin.resolve() == folder.resolve():
        raise ValueError(
            f"{origin} is where the pictures would go; choose another --to, or move the set"
            " elsewhere"
        )
    layout = SETS[source]
    target = folder / layout.table
    with ExitStack() as stack:
        files = stack.enter_context(originals.opened(origin, folder))
        files += _in_zips(files, layout, stack)
        found = _by_place(origin, files, layout)
        table, listed = _table(origin, found, layout)
        present = _present(origin, listed, found, layout)
        new = [p for p in present if not originals.is_copy(folder / p, found[key(p)])]
        known = target.exists() and target.read_bytes() == table
        part_of_it = known and not any((folder / place).exists() for place in new)
        if not part_of_it:
            _refuse_mixture(origin, folder, layout, present)
        for place in tqdm(new, desc=f"fetch {source}", leave=False, delay=2):
            originals.bring(found[key(place)], folder / place)
    # Where the table does not stand, an earlier run may have stopped before its check
    refused = _leave_out_broken(folder, new if target.exists() else present)
    if len(refused) == len(present):
        _remove_empty(folder, layout)
    write_refused(folder, refused, len(present))
    if not layout.listed:
        names = {place for place, _ in refused}
        table = _list([place for place in present if place not in names])
    if not target.exists() or target.read_bytes() != table:
        with replacing(target) as part:  # it comes last: where it stands, its pictures do
            part.write_bytes(table)


def _in_zips(files: list[Original], layout: Layout, stack: ExitStack) -> list[Original]:
    """The files of zips that stand in the place of a folder, as CelebA's authors give it."""
    inner = []
    folders = {key(PurePosixPath(file.name).parent.name) for file in files}
    for file in files:
        path = PurePosixPath(file.name)
        stem = key(path.stem)
        if key(path.suffix) == ".zip" and stem in layout.folders.values() and stem not in folders:
            stack.enter_context(originals.naming(file.name))
            archive = stack.enter_context(zipfile.ZipFile(stack.enter_context(file.open())))
            for member in originals.members(archive):
                inner.append(member._replace(name=f"{path.with_suffix('')}/{member.name}"))
    return inner


def _by_place(origin: Path, files: list[Original], layout: Layout) -> dict[str, Original]:
    """The table and the files of the layout's folders, by the `key` of "table" or "folder/name"."""
    folders = {key(name): name for name in layout.all_folders()}
    tables = {key(layout.table), key(layout.official)}
    found = {}
    names = {}
    for file in files:
        path = PurePosixPath(file.name)
        if path.name == "..":
            continue
        place = path.name
        if key(path.parent.name) in folders:
            place = f"{folders[key(path.parent.name)]}/{path.name}"
        elif key(place) not in tables:
            continue
        other = names.setdefault(key(place), file.name)  # some disks keep one of A.jpg and a.jpg
        if other != file.name:
            raise ValueError(
                f"{origin} holds two copies: {other!r} and {file.name!r}; give one of them"
            )
        found[key(place)] = file._replace(name=place)
    _check_whole(origin, found, layout)
    return found


def _check_whole(origin: Path, found: dict[str, Original], layout: Layout) -> None:
    """FileNotFoundError that names what a set lacks."""
    lacking = []
    if layout.listed and not {key(layout.table), key(layout.official)} & {*found}:
        lacking.append(layout.table)
    for name in layout.folders.values():
        if not any(place.startswith(f"{key(name)}/") for place in found):
            lacking.append(f"{name}/")
    if lacking:
        raise FileNotFoundError(f"{origin} holds no {', no '.join(lacking)}; expected {layout}")


def _table(
    origin: Path, found: dict[str, Original], layout: Layout
) -> tuple[bytes, list[list[str]]]:
    """The set's table, and the places of each of its rows."""
    if not layout.listed:
        pictures = []
        for file in found.values():
            if PurePosixPath(file.name).suffix.lower() in images.SUFFIXES:
                pictures.append(file.name)
        return _list(pictures), [[place] for place in sorted(pictures)]
    if key(layout.table) in found:
        table = _read_table(origin, found[key(layout.table)])
    else:
        table = as_csv(_read_table(origin, found[key(layout.official)]), layout)
    return table, [places for _, places in rows(table, layout)]


def _list(places: list[str]) -> bytes:
    """The table that we write where a set has none."""
    return "\n".join(["file", *sorted(places), ""]).encode()


def _read_table(origin: Path, file: Original) -> bytes:
    """The bytes of a table; ValueError where they are too many for one."""
    if file.size > LARGEST_TABLE:
        raise ValueError(
            f"the table in {origin} has {file.size / 1e6:.0f} MB; get another copy of the set"
        )
    with file.open() as table:
        return table.read()


def _present(
    origin: Path, listed: list[list[str]], found: dict[str, Original], layout: Layout
) -> list[str]:
    """The listed places that are found, each once; a warning names the others."""
    if not any(found.keys() >= {key(place) for place in places} for places in listed):
        lists = repr(listed[0][0]) if listed else "nothing"
        holds = next(file.name for file in found.values() if "/" in file.name)
        raise FileNotFoundError(
            f"{origin} holds nothing that its {layout.table} lists: it lists {lists}, and there is"
            f" {holds!r}; expected {layout}"
        )
    places = list(dict.fromkeys(place for row in listed for place in row))
    missing = [place for place in places if key(place) not in found]
    if missing:
        few = ", ".join(missing[:3])
        if len(missing) > 3:
            few += ", …"
        warnings.warn(
            f"{len(missing)} of {len(places)} listed files are not in {origin}: {few}",
            LeftOut,
            stacklevel=6,
        )
    return [place for place in places if key(place) in found]


def _refuse_mixture(origin: Path, folder: Path, layout: Layout, present: list[str]) -> None:
    """ValueError where the folder holds pictures that this copy lacks."""
    wanted = {key(place) for place in present}
    strangers = [place for place in _places(folder, layout) if key(place) not in wanted]
    if strangers:
        raise ValueError(
            f"{folder} holds {len(strangers)} pictures that {origin} lacks, such as"
            f" {min(strangers)}; two sets would mix: choose another --to, or delete {folder} first"
        )


def _places(folder: Path, layout: Layout) -> Iterator[str]:
    """The files of a set that are there, as "folder/name"."""
    for name in layout.all_folders():
        for path in (folder / name).glob("[!.]*"):
            yield f"{name}/{path.name}"


def _leave_out_broken(folder: Path, places: list[str]) -> list[tuple[str, str]]:
    """Remove what is no readable picture; name and reason of each."""
    paths = [folder / place for place in places]
    refused = []
    for place, problem in zip(places, parallel_map(deep.problem, paths, "check"), strict=True):
        if problem:
            refused.append((place, problem.replace(str(folder / place), place)))
    for place, _ in refused:
        (folder / place).unlink()
    return refused


def _remove_empty(folder: Path, layout: Layout) -> None:
    """Remove the folders of a set of which nothing is left."""
    for path in [*(folder / name for name in layout.all_folders()), folder]:
        with suppress(OSError):  # it is not empty, or not there
            path.rmdir()


def celeba_splits(folder: str | os.PathLike) -> dict[Path, str]:
    """CelebA's own partition, in which nobody is in two parts.

    Parameters
    ----------
    folder : that `fetch("celeba")` returned

    Returns
    -------
    {picture: "train", "val" or "test"}

    Raises
    ------
    FileNotFoundError : nothing was fetched
    ValueError : a partition other than 0, 1 and 2

    Lesson 07.
    """
    names = {"0": "train", "1": "val", "2": "test"}
    splits = {}
    for row, [path] in _fetched(Path(folder), "celeba"):
        partition = row.get("partition")
        if partition not in names:
            raise ValueError(f"{path.name} has partition {partition!r}; 0, 1 or 2 is expected")
        splits[path] = names[partition]
    return splits


def unsplash_pairs(folder: str | os.PathLike) -> list[tuple[Path, Path]]:
    """The pairs of the Unsplash set.

    Several low pictures come from one high picture (`7_2.jpg` and `7_4.jpg` from `7.jpg`), so split
    by the high ones: `batching.split([high.name for low, high in pairs])`.

    Parameters
    ----------
    folder : that `fetch("unsplash")` returned

    Returns
    -------
    (low, high) of each row of its table

    Raises
    ------
    FileNotFoundError : nothing was fetched

    Lesson 05.
    """
    return [(low, high) for _, [low, high] in _fetched(Path(folder), "unsplash")]


def _fetched(folder: Path, source: str) -> list[tuple[dict[str, str], list[Path]]]:
    """The rows of a fetched table whose files are all there, each with its paths."""
    layout = SETS[source]
    table = folder / layout.table
    listed = rows(table.read_bytes(), layout) if table.exists() else []
    there = []
    for row, places in listed:
        paths = [folder / place for place in places]
        if all(path.is_file() for path in paths):
            there.append((row, paths))
    if not there:
        raise FileNotFoundError(
            f"no pictures with their {table.name} in {folder}; fetch({source!r}, origin=…) first"
        )
    return there
