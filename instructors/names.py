"""Names that hide who wrote an answer: drawn at random once, then kept."""

import secrets
from pathlib import Path

from instructors.tables import read_table, write_table

COLUMNS = ["student", "shown as"]


def read(path: Path) -> dict[str, str]:
    """{student: the name shown}; none where there is no such table.

    Raises
    ------
    ValueError : the table is broken, or a name shown stands for two students
    """
    if not path.exists():
        return {}
    shown: dict[str, str] = {}
    for where, row in read_table(path, COLUMNS):
        if row["shown as"] in shown.values():
            raise ValueError(f"{where}: {row['shown as']!r} stands there twice; give each its own")
        shown[row["student"]] = row["shown as"]
    return shown


def complete(path: Path, students: list[str]) -> dict[str, str]:
    """The names shown, with a new one for each student who has none; the table is written."""
    shown = read(path)
    taken = {*shown.values(), *students}
    for student in sorted(set(students) - set(shown)):
        name = f"student {secrets.randbelow(900_000) + 100_000}"
        while name in taken:
            name = f"student {secrets.randbelow(900_000) + 100_000}"
        taken.add(name)
        shown[student] = name
    write_table(path, COLUMNS, [list(pair) for pair in sorted(shown.items())])
    return shown
