"""`make check-lessons SUBMISSIONS=folder`: which executed lessons were run whole, and as they are.

Nothing is executed. Every notebook in folder/<student>/<lesson>.ipynb is compared with the
committed lesson.
"""

import argparse
import csv
import io
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from helpers import ROOT
from helpers.files import replacing, write_csv
from instructors import executed
from instructors.executed import COUNTS, DOUBT, Checked, Finding, cells_named
from instructors.grade import objection, readable, without_notebook
from instructors.tables import safe
from instructors.worker import printable

BETTER = ["none", "partial", "full"]
UNREADABLE = "not read"
COLUMN = "lesson run"  # of grades.csv


class Row(NamedTuple):
    """A student's lesson: the file inside the folder, what was found, and why it was not read."""

    student: str
    file: str
    checked: Checked
    unread: str = ""

    @property
    def lesson(self) -> str:
        return self.checked.lesson

    @property
    def reasons(self) -> str:
        """Why it is not full, and what a person should look at, in one line."""
        if self.unread:
            return f"{UNREADABLE}: {self.unread}"
        return "; ".join(_reasons(self.checked.findings))


def _reasons(findings: list[Finding]) -> list[str]:
    """A text for each kind of finding, with the numbers of its cells."""
    told = []
    for kind, label in COUNTS.items():
        here = [found for found in findings if found.kind == kind]
        cells = [found.cell for found in here if found.cell]
        told += [found.words for found in here if not found.cell]
        if cells:
            told.append(f"{label}: {cells_named(cells)}")
    told += [f"look: {found.words}" for found in findings if found.kind == DOUBT]
    return told


def check_folder(folder: Path) -> tuple[list[Row], list[str]]:
    """Check every notebook in `folder`/<student>/<lesson>.ipynb.

    Parameters
    ----------
    folder : what was handed in

    Returns
    -------
    a row for each student and lesson, and a line for each file and student left out

    Raises
    ------
    FileNotFoundError : there is no such folder
    ValueError : nothing is in it, or the course's own lessons cannot be compared with
    """
    known = sorted(executed.lessons())
    layout = f"expected {folder}/<student>/<lesson>.ipynb, such as {folder}/ada/{known[0]}.ipynb"
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; {layout}")
    notebooks = [path for path in folder.rglob("*") if path.suffix.lower() == ".ipynb"]
    rows = []
    left_out = []
    for path in sorted(notebooks, key=lambda path: (path.stem not in known, path)):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            continue
        if reason := objection(folder, inside, layout):
            left_out.append(f"{readable(str(inside))}: {reason}")
        else:
            rows.append(_row(path, inside))
    left_out += without_notebook(folder, notebooks)
    if not rows:
        raise ValueError("\n".join([f"no notebook in {folder}; {layout}", *left_out[:10]]))
    kept, doubled = _best(rows)
    _compare_times(kept)
    return kept, left_out + doubled


def _row(path: Path, inside: Path) -> Row:
    """What is found in one notebook; nothing is raised for what is wrong with it."""
    stem = path.stem.lower()
    named = [name for name in executed.lessons() if name in stem]
    lesson = named[0] if len(named) == 1 else ""
    unread = ""
    try:
        checked = executed.check(path, lesson)
    except (ValueError, OSError) as error:
        unread = str(getattr(error, "strerror", None) or error)
    except Exception as error:  # no notebook may cost the others their result
        unread = f"the check itself broke down: {type(error).__name__}: {error}"
    if unread:
        checked = Checked(lesson, "none", 0, 0, [])
    return Row(readable(inside.parts[0]), readable(str(inside)), checked, printable(unread)[:300])


def _best(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Of each student's notebooks of one lesson the best, and a line for each other."""
    kept: dict[tuple[str, str], Row] = {}
    doubled = []
    for row in sorted(rows, key=lambda row: -BETTER.index(row.checked.result)):
        place = row.student, row.lesson or row.file
        if place in kept:
            doubled.append(f"{row.file}: {kept[place].file} is the same lesson and counts")
        else:
            kept[place] = row
    return sorted(kept.values(), key=lambda row: (row.student, row.lesson, row.file)), doubled


def _compare_times(rows: list[Row]) -> None:
    """Add a doubt where two students' outputs of one lesson show the same times."""
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        if row.checked.result != "none" and executed.digits(row.checked.times) >= executed.DIGITS:
            groups.setdefault((row.lesson, row.checked.times), []).append(row)
    for group in groups.values():
        for row in group:
            others = ", ".join(other.student for other in group if other is not row)
            if others:
                words = f"its times are those of {others}, to the last digit: one was not run"
                row.checked.findings.append(Finding(DOUBT, None, words))


def write(rows: list[Row], left_out: list[str], to: Path) -> list[str]:
    """Write `lessons.csv` and `lessons.html`, and a column into `grades.csv` where there is one.

    Parameters
    ----------
    rows, left_out : of `check_folder`
    to : the folder

    Returns
    -------
    lines that say what was written
    """
    from instructors.lessons_page import page  # which those who only ask for help need not load

    header = ["student", "lesson", "result", "cells run", "of", *COUNTS, "reasons", "file"]
    table = []
    for row in rows:
        counts = Counter(found.kind for found in row.checked.findings)
        table.append(
            [
                safe(row.student),
                row.lesson,
                row.checked.result,
                row.checked.ran,
                row.checked.of,
                *[counts[kind] for kind in COUNTS],
                safe(printable(row.reasons)),
                safe(row.file),
            ]
        )
    write_csv(to / "lessons.csv", header, table, encoding="utf-8-sig")
    with replacing(to / "lessons.html") as part:
        part.write_text(page(rows, left_out), encoding="utf-8", errors="replace")
    lines = [f"results: {to / 'lessons.csv'}; every finding: {to / 'lessons.html'}"]
    if (to / "grades.csv").exists():
        lines.append(_into_grades(rows, to / "grades.csv"))
    return lines


def _into_grades(rows: list[Row], path: Path) -> str:
    """Write the results into the rows of `grades.csv`; returns what was done."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = list(reader.fieldnames or [])
    if not {"student", "lesson"} <= set(header):
        return f"{path} has no columns student and lesson; it stays as it is. Run make grade again"
    results = {(safe(row.student), row.lesson): row.checked.result for row in rows}
    grades = []
    for grade in reader:
        place = grade["student"], grade["lesson"]
        grade[COLUMN] = results.pop(place, grade.get(COLUMN) or "")
        grades.append(grade)
    columns = [*[name for name in header if name != COLUMN], COLUMN]
    listed = [[grade.get(name) or "" for name in columns] for grade in grades]
    write_csv(path, columns, listed, encoding="utf-8-sig")
    lines = f'the column "{COLUMN}" is in {path}'
    if results:
        lines += f"; {len(results)} of the lessons have no exercises graded there, hence no row"
    return lines


def main(argv: list[str] | None = None) -> int:
    """Check a folder.

    Returns
    -------
    the exit status: 0, 1 where something could not be read or is left out, 2 for bad input
    """
    args = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):  # a Korean name on a console that lacks its letters
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if not args.folder:
            raise ValueError("name the folder: make check-lessons SUBMISSIONS=folder")
        rows, left_out = check_folder(Path(args.folder))
        lines = write(rows, left_out, args.to)
    except (ValueError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        print(f"error: {readable(str(reason))}", file=sys.stderr)
        return 2
    _report(rows, left_out, lines)
    return int(bool(left_out) or any(row.unread for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m instructors.check_lessons")
    parser.description = __doc__.split(": ", 1)[1]
    parser.add_argument("folder", help="folder/<student>/<lesson>.ipynb")
    parser.add_argument(
        "--to",
        type=Path,
        default=ROOT / "build" / "grades",
        metavar="FOLDER",
        help="instead of build/grades",
    )
    return parser


def _report(rows: list[Row], left_out: list[str], lines: list[str]) -> None:
    """Print the table, what is left out, and where everything lies."""
    names = [row.lesson or Path(row.file).name for row in rows]
    width = max(len(row.student) for row in rows) + 2
    lesson_width = max(len(name) for name in names) + 2
    for row, name in zip(rows, names, strict=True):
        ran = f"{row.checked.ran} of {row.checked.of}" if row.checked.of else ""
        line = f"{row.student:<{width}}{name:<{lesson_width}}{row.checked.result:<9}{ran:<10}"
        print(f"{line}{' '.join(row.reasons.split())}"[:400].rstrip())
    for line in left_out:
        print(f"left out: {line}")
    totals = Counter(row.checked.result for row in rows)
    print(", ".join(f"{totals[result]} {result}" for result in reversed(BETTER)))
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
