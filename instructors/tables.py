"""Tables that people fill in with a spreadsheet, and that a spreadsheet opens without harm."""

import csv
import io
from pathlib import Path

from helpers.files import write_csv

FORMULA = tuple("=+-@\t\r")  # with these a spreadsheet's formula begins


def read_table(
    path: Path, columns: list[str], strip: bool = True
) -> list[tuple[str, dict[str, str]]]:
    """The rows of a table, as a spreadsheet has saved it.

    Parameters
    ----------
    path : UTF-8; separated by comma, semicolon or tab
    columns : those that the first line must name
    strip : whether blanks around a field are dropped

    Returns
    -------
    for each row that is not empty its place, such as "roster.csv, line 2", and its fields

    Raises
    ------
    ValueError : another encoding, a missing column, or a row with too many fields
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}: not in UTF-8; save it again from the spreadsheet as 'CSV UTF-8'"
        ) from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)  # a spreadsheet's own choice
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    if missing := set(columns) - set(reader.fieldnames or []):
        raise ValueError(
            f"{path}: the columns {', '.join(sorted(missing))} are missing in the first line;"
            f" expected {','.join(columns)}"
        )
    rows = []
    try:
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row:
                raise ValueError(
                    f"{where}: more fields than columns; a text with {delimiter!r} in it has to"
                    " be in quotes"
                )
            fields = {name: value or "" for name, value in row.items()}
            if strip:
                fields = {name: value.strip() for name, value in fields.items()}
            if any(fields.values()):
                rows.append((where, fields))
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}") from None
    return rows


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def write_table(path: Path, columns: list[str], rows: list[list]) -> None:
    """Write a table; a spreadsheet knows by its first bytes how names are written."""
    write_csv(path, columns, rows, encoding="utf-8-sig")


def points_in(given: str, most: float, where: str) -> float:
    """Points that a person has written; a decimal comma is read.

    Raises
    ------
    ValueError : no number from 0 to `most`; the message begins with `where`
    """
    try:
        points = float(given.replace(",", "."))
    except ValueError:
        points = float("nan")
    if not 0 <= points <= most:
        raise ValueError(f"{where}: points are {given!r}; expected a number from 0 to {most:g}")
    return points
