"""How the published sets lie on the disk, and what their tables list."""

import csv
from contextlib import suppress
from typing import NamedTuple

from helpers.app.sources.originals import composed


class Layout(NamedTuple):
    """How a published set lies on the disk: its table, and the folder of each column's files.

    Where `listed` is False the set has no table: every picture of the folders belongs to it, and
    `table` is one that we write.
    """

    page: str
    table: str
    folders: dict[str, str]
    listed: bool = True
    more_folders: tuple[str, ...] = ()  # which no column needs
    official: str = ""  # the authors' own table: without a header, with spaces for commas
    header: str = ""  # which makes it ours

    def __str__(self) -> str:
        parts = [f"{folder}/" for folder in self.folders.values()]
        if self.listed:
            parts.insert(0, f"{self.table} or {self.official}" if self.official else self.table)
        return f"{' and '.join(parts)} as in {self.page}"

    def all_folders(self) -> list[str]:
        """The names of the folders with pictures."""
        return [*self.folders.values(), *self.more_folders]


KAGGLE = "https://www.kaggle.com/datasets/"
SETS = {
    "celeba": Layout(
        f"{KAGGLE}jessicali9530/celeba-dataset",
        "list_eval_partition.csv",
        {"image_id": "img_align_celeba"},
        official="list_eval_partition.txt",
        header="image_id,partition",
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
        more_folders=("testA", "testB"),
    ),
}


def key(place: str) -> str:
    """What two names of one file have in common: the disk of a Mac may change its letters' form,
    and a camera or a program writes .JPG for .jpg.
    """
    return composed(place).casefold()


def as_csv(table: bytes, layout: Layout) -> bytes:
    """The authors' own table as one with commas and a header."""
    lines = [",".join(line.split()) for line in _text(table).splitlines()]
    return "\n".join([layout.header, *lines, ""]).encode()


def rows(table: bytes, layout: Layout) -> list[tuple[dict[str, str], list[str]]]:
    """Each row of a table with its files, as "folder/name"; ValueError without a column."""
    text = _text(table)
    reader = csv.DictReader(text.splitlines(), restval="")
    found = []
    try:
        if not {*layout.folders} <= {*(reader.fieldnames or [])}:
            first = text.partition("\n")[0].strip()[:60]
            raise ValueError(
                f"{layout.table} has no columns {' and '.join(layout.folders)}, it begins with"
                f" {first!r}; expected {layout}"
            )
        for row in reader:
            names = {column: row[column].strip() for column in layout.folders}
            places = [composed(f"{layout.folders[column]}/{names[column]}") for column in names]
            found.append((row, places))
    except csv.Error as error:
        raise ValueError(f"{layout.table} cannot be read ({error}); expected {layout}") from error
    return found


def _text(table: bytes) -> str:
    """A table's text: in UTF-8, or as Windows in Korean writes it."""
    for encoding in ("utf-8-sig", "cp949"):
        with suppress(UnicodeDecodeError):
            return table.decode(encoding)
    return table.decode("utf-8-sig", errors="replace")
