"""The tables beside fetched pictures: who made them, and which were left out."""

import csv
import datetime
import warnings
from pathlib import Path

from helpers.app import LeftOut
from helpers.files import write_csv


def list_sources(folder: Path, rows: dict[str, dict]) -> None:
    """Add the rows whose files have arrived to `SOURCES.csv`, with the day on which they did."""
    known = read_sources(folder)
    today = datetime.date.today().isoformat()
    new = {}
    for name, row in rows.items():
        if (folder / name).exists() and name not in known:
            new[name] = row | {"date": today}
    if not new:
        return
    merged = list((known | new).values())
    columns = list(dict.fromkeys(column for row in merged for column in row))
    cells = [[row.get(column, "") for column in columns] for row in merged]
    write_csv(folder / "SOURCES.csv", columns, cells)


def read_sources(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of `SOURCES.csv` by file; none where there is no such table."""
    path = folder / "SOURCES.csv"
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def write_refused(folder: Path, refused: list[tuple[str, str]], total: int) -> None:
    """List in `refused.csv` what was left out and why.

    Parameters
    ----------
    folder : of the pictures
    refused : name of each file, and the reason
    total : how many pictures there were

    Raises
    ------
    ValueError : everything is refused
    """
    table = folder / "refused.csv"
    table.unlink(missing_ok=True)
    if not refused:
        return
    if len(refused) == total:
        raise ValueError(f"none of {total} pictures can be used; the first: {refused[0][1]}")
    rows = [[encodable(name), encodable(reason)] for name, reason in refused]
    write_csv(table, ["file", "reason"], rows)
    few = ", ".join(name for name, _ in refused[:3])
    if len(refused) > 3:
        few += ", …"
    warnings.warn(
        f"{len(refused)} of {total} pictures refused ({few}), see {table}",
        LeftOut,
        stacklevel=5,
    )


def encodable(text: str) -> str:
    r"""The text, with \x… for the bytes of a name that are no UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
