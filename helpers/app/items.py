"""What an AVIF or HEIC tells of its picture, and Pillow does not: what its values mean, its bits.

Both are boxes within boxes (ISO/IEC 14496-12 and 23008-12). The pictures in a file are its items;
one is the primary one, and a table names the properties of each.
"""

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MOST = 10_000_000  # bytes of the tables; what is longer is made to fill the memory


class Told(NamedTuple):
    """Primaries and transfer by the numbers of ITU-T H.273, where 2 is unsaid; bits a colour."""

    primaries: int = 2
    transfer: int = 2
    bits: int = 8


def told(path: str | os.PathLike) -> Told:
    """What the primary picture of an AVIF or HEIC tells.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Told
        With what is usual where the file does not say, or is damaged.
    """
    found = Told()
    try:
        for kind, content in _properties(_tables(Path(path))):
            if kind == b"colr" and content[:4] == b"nclx":
                primaries, transfer = struct.unpack_from(">HH", content, 4)
                found = found._replace(primaries=primaries, transfer=transfer)
            elif kind == b"pixi":
                found = found._replace(bits=max(content[5:], default=8))
    except (OSError, KeyError, IndexError, struct.error):  # Reading the pixels will say it
        return Told()
    return found


def _tables(path: Path) -> bytes:
    """The content of the box in which all tables of items lie."""
    with path.open("rb") as file:
        while len(head := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", head)
            if kind == b"meta":
                return file.read(min(size, MOST) - 8)
            if size == 1:  # It follows in 8 bytes
                size = int.from_bytes(file.read(8), "big") - 8
            if size < 8:
                break
            file.seek(size - 8, os.SEEK_CUR)
    return b""


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The boxes in a box, each with its kind."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        if size < 8:
            return
        yield kind, data[at + 8 : at + size]
        at += size


def _properties(tables: bytes) -> list[tuple[bytes, bytes]]:
    """What is said of the primary item."""
    inner = dict(_boxes(tables[4:]))
    named = inner[b"pitm"]
    primary = int.from_bytes(named[4:8] if named[0] else named[4:6], "big")
    about = dict(_boxes(inner[b"iprp"]))
    every = list(_boxes(about[b"ipco"]))
    return [every[place - 1] for place in _places(about[b"ipma"], primary) if place]


def _places(table: bytes, item: int) -> list[int]:
    """Where an item's properties stand among all, from 1 on."""
    wide = 2 if table[3] & 1 else 1
    name_size = 4 if table[0] else 2
    at = 8
    for _ in range(int.from_bytes(table[4:8], "big")):
        name = int.from_bytes(table[at : at + name_size], "big")
        first = at + name_size + 1
        at = first + wide * table[first - 1]
        if name == item:
            # The highest bit says whether a reader must know the property
            mask = 0x7FFF if wide == 2 else 0x7F
            return [
                int.from_bytes(table[k : k + wide], "big") & mask for k in range(first, at, wide)
            ]
    return []
