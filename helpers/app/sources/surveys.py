"""What lies in a folder of pictures: sizes, copies, broken files, licences."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from helpers import images
from helpers.app import ENDED, deep
from helpers.app.sources import own
from helpers.app.sources.lists import read_sources
from helpers.batching import parallel_map

Colour = tuple[int, int, int]  # red, green and blue in steps of 8 of 255
PLAIN = 3  # of 255: steps that JPEG leaves in one colour
BITS = 8  # at most so many of 64 differ between two copies
BLOCK = 1024  # hashes that are compared at once, with as many others


def survey(folder: str | os.PathLike, executor: Executor | None = None) -> list[dict]:
    """What lies in a folder: a row for each picture file.

    Parameters
    ----------
    folder : with pictures, and folders of pictures
    executor : reads the pictures instead of this machine's cores, as in `batching.parallel_map`

    Returns
    -------
    rows with `file`, `format`, `mode`, `width`, `height`; `problem`, why it cannot be read, or
    None; `copy_of`, an earlier file whose perceptual hash differs in at most 8 of 64 bits, or None;
    `author` and `licence`, from SOURCES.csv. A plain picture, which has nothing to compare, is a
    copy of one in the same colour.

    Raises
    ------
    FileNotFoundError : there is no picture

    Lesson 01.
    """
    folder = Path(folder).absolute()  # another machine may read it
    taken = deep.suffixes()
    own.warn_of_others(folder.rglob("*"), taken)
    paths = images.find(folder, taken)
    sources = read_sources(folder)
    described = [
        found or (_row() | {"problem": f"{path} {ENDED}"}, None)
        for path, found in zip(
            paths, parallel_map(_describe, paths, "survey", executor), strict=True
        )
    ]
    names = [path.relative_to(folder).as_posix() for path in paths]
    rows = []
    for path, name, (row, _), first in zip(
        paths, names, described, first_copies([look for _, look in described]), strict=True
    ):
        source = sources.get(name, {})
        if row["problem"]:
            row["problem"] = row["problem"].replace(str(path), name)
        rows.append(
            {
                "file": name,
                **row,
                "copy_of": None if first is None else names[first],
                "author": source.get("author") or source.get("photographer"),
                "licence": source.get("licence"),
            }
        )
    return rows


def first_copies(looks: Sequence[int | Colour | None]) -> list[int | None]:
    """For each picture the place of the first one before it that looks alike; None without one.

    Parameters
    ----------
    looks : the pictures' 64-bit hashes; of a plain one its colour; None matches nothing
    """
    first: list[int | None] = [None] * len(looks)
    colours: dict[Colour, int] = {}
    for place, look in enumerate(looks):
        if isinstance(look, tuple):
            earlier = colours.setdefault(look, place)
            first[place] = earlier if earlier != place else None
    hashed = [place for place, look in enumerate(looks) if isinstance(look, int)]
    hashes = np.array([looks[place] for place in hashed], np.uint64)
    for place, earlier in zip(hashed, _first_near(hashes).tolist(), strict=True):
        first[place] = hashed[earlier] if earlier >= 0 else None
    return first


def _first_near(hashes: np.ndarray) -> np.ndarray:
    """For each of n uint64 the place of the first before it within `BITS` bits; -1 without one.

    Of the 9 parts of 7 bits of two near hashes at least one is equal, because 8 bits can change 8
    parts at most. So only hashes with an equal part are compared (multi-index hashing).
    """
    none = len(hashes)
    first = np.full(len(hashes), none)
    for shift in range(0, 7 * (BITS + 1), 7):
        parts = hashes >> np.uint64(shift) & np.uint64(127)
        order = np.argsort(parts, kind="stable")
        borders = np.flatnonzero(np.diff(parts[order])) + 1
        for group in np.split(order, borders):
            near = _first_in_group(hashes[group])
            hit = near >= 0
            first[group[hit]] = np.minimum(first[group[hit]], group[near[hit]])
    return np.where(first < none, first, -1)


def _first_in_group(hashes: np.ndarray) -> np.ndarray:
    """The same by comparing every pair, a block of them at a time."""
    first = np.full(len(hashes), -1)
    for top in range(0, len(hashes), BLOCK):
        found = first[top : top + BLOCK]
        for left in range(0, top + 1, BLOCK):
            differing = hashes[top : top + BLOCK, None] ^ hashes[left : left + BLOCK]
            near = np.bitwise_count(differing) <= BITS
            if left == top:
                near = np.tril(near, -1)  # only those before
            hit = near.any(axis=1) & (found < 0)
            found[hit] = left + near[hit].argmax(axis=1)
    return first


def _describe(path: Path) -> tuple[dict, int | Colour | None]:
    """The file's own facts, and its look, as `first_copies` compares it."""
    row = _row()
    try:
        picture = deep.read(path)
        with deep.open_file(path) as file:
            row["format"] = file.format
            row["mode"] = file.mode
            row["width"], row["height"] = file.size
    except (ValueError, OSError) as error:
        row["problem"] = str(error)
        return row, None
    return row, _look(Image.fromarray(images.to_uint8(picture)))


def _row() -> dict:
    """The facts of a file of which nothing is known yet."""
    return dict.fromkeys(["format", "mode", "width", "height", "problem"])


def _look(image: Image.Image) -> int | Colour:
    """The perceptual hash of a picture as 64 bits; of a plain one its colour.

    In a plain picture the hash would compare errors of rounding.
    """
    small = np.asarray(image.resize((32, 32), Image.Resampling.BOX), np.float32)
    if np.ptp(small, axis=(0, 1)).max() <= PLAIN:
        red, green, blue = np.rint(small.mean(axis=(0, 1)) / 8).astype(int).tolist()
        return red, green, blue
    return int(str(imagehash.phash(image)), 16)


def summary(rows: list[dict]) -> str:
    """The rows of `survey` in a few lines."""
    good = [row for row in rows if not row["problem"]]
    copies = [f"  {row['file']} = {row['copy_of']}" for row in rows if row["copy_of"]]
    lines = [f"{len(rows)} files, {len(good)} readable, {len(good) - len(copies)} different"]
    lines += [f"  {row['problem']}" for row in rows if row["problem"]]
    lines += copies
    if good:
        small = min(good, key=_pixels)
        large = max(good, key=_pixels)
        lines.append(
            f"from {small['width']}×{small['height']} to {large['width']}×{large['height']} pixels"
        )
    for column in ("format", "mode", "licence"):
        counts = Counter(row[column] or "unknown" for row in good)
        lines.append(f"{column}: " + ", ".join(f"{name} {n}" for name, n in counts.most_common()))
    return "\n".join(lines)


def _pixels(row: dict) -> int:
    return row["width"] * row["height"]
