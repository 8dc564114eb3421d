"""A row for each student and a column for each lesson: for people, for Canvas, for Moodle."""

from pathlib import Path

from helpers.files import write_csv
from instructors.tables import safe, write_table
from instructors.term import Person, Term

CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
MOODLE = ["ID number", "Email address"]


def write(rows: list[dict], term: Term, to: Path) -> list[str]:
    """Write `gradebook.csv`, and where there is a roster `canvas.csv` and `moodle.csv`.

    Parameters
    ----------
    rows : of `grades.csv`
    term : whose roster names the students
    to : the folder

    Returns
    -------
    a line for each student who is missing in one of the files, and why
    """
    lessons = sorted({row["lesson"] for row in rows})
    most = {row["lesson"]: row["of"] for row in rows}
    totals: dict[str, dict[str, str]] = {}
    waiting: dict[str, float] = {}
    for row in rows:
        student = row["student"]
        totals.setdefault(student, {})[row["lesson"]] = row["total"]
        waiting[student] = waiting.get(student, 0) + float(row["waiting"])
    people = term.roster or {}
    students = sorted({*totals, *people})
    who = ["name", "id", "email"] if term.roster is not None else []
    table = [["points possible", *["" for _ in who], *[most[name] for name in lessons], "", ""]]
    for student in students:
        given = totals.get(student, {})
        person = people.get(student, Person())
        described = [safe(part) for part in person] if who else []
        total = sum(float(points) for points in given.values())
        points = [given.get(name, "") for name in lessons]
        table.append([student, *described, *points, f"{total:g}", f"{waiting.get(student, 0):g}"])
    write_table(to / "gradebook.csv", ["student", *who, *lessons, "total", "waiting"], table)
    if term.roster is None:
        return []
    titles = [safe(term.titles.get(name, name)) for name in lessons]
    graded = [
        (people[name], totals[name]) for name in students if name in people.keys() & totals.keys()
    ]
    _canvas(to / "canvas.csv", graded, dict(zip(lessons, titles, strict=True)), most)
    _moodle(to / "moodle.csv", graded, dict(zip(lessons, titles, strict=True)))
    return _missing(students, people, totals)


def _canvas(path: Path, graded: list, titles: dict[str, str], most: dict[str, str]) -> None:
    """A table for Canvas: Grades, Import.

    Canvas wants the student's columns in this order and "Points Possible" in the second line. It
    finds a student by ID, else by SIS User ID, by SIS Login ID, by name; and an assignment by its
    title, or makes one. A file without the byte order mark is what it exports itself. Canvas
    Instructor Guide, "How do I import grades in the Gradebook?"; what it reads is decided in
    `lib/gradebook_importer.rb` of instructure/canvas-lms.
    """
    possible = [most[name] for name in titles]
    table = [["    Points Possible", "", "", "", "", *possible]]
    for person, given in graded:
        identity = [safe(person.name), "", person.id, person.email, ""]
        table.append([*identity, *[given.get(name, "") for name in titles]])
    write_csv(path, [*CANVAS, *titles.values()], table)


def _moodle(path: Path, graded: list, titles: dict[str, str]) -> None:
    """A table for Moodle: Grades, Import, CSV file.

    There the teacher maps one column to the user (e-mail address or ID number) and each other one
    to a grade item or to a new one. A user whom Moodle does not know stops the whole import, so
    only students of the roster with an ID number or e-mail address are here. "-" is no grade.
    https://docs.moodle.org/en/Grade_import
    """
    table = []
    for person, given in graded:
        if person.id or person.email:
            points = [given.get(name, "-") for name in titles]
            table.append([person.id, person.email, *points])
    write_csv(path, [*MOODLE, *titles.values()], table)


def _missing(students: list[str], people: dict[str, Person], totals: dict) -> list[str]:
    """A line for each student whom Canvas or Moodle cannot be told of."""
    lines = []
    for student in students:
        person = people.get(student)
        if person is None:
            lines.append(
                f"{student} is not in the roster, so neither in canvas.csv nor in moodle.csv; add"
                " a row whose column student is the name of the folder"
            )
        elif student in totals and not (person.id or person.email):
            lines.append(
                f"{student} has neither id nor email in the roster, so no row in moodle.csv, and"
                " Canvas goes by the name alone; add one of them"
            )
    return lines
