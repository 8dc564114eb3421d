"""Points that a person sets in place of the machine's, and points that have changed since."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from instructors import exercises
from instructors.tables import points_in, read_table, safe, write_table
from instructors.worker import printable

OVERRIDES = ["student", "lesson", "exercise", "points", "reason"]
KEPT = ["student", "lesson", "exercise", "points", "of", "machine", "waiting", "solution"]
CHANGES = ["when", "student", "lesson", "exercise", "old", "new", "of", "why"]
Place = tuple[str, str, int]  # student, lesson, number of the exercise


class Override(NamedTuple):
    """The points of an exercise, whatever the machine found, and why."""

    points: float
    reason: str


def read_overrides(
    path: Path, lesson: Callable[[str], exercises.Lesson]
) -> tuple[dict[Place, Override], list[str]]:
    """What stands in `overrides.csv`.

    Parameters
    ----------
    path : the table; where there is none, an empty one is written
    lesson : gives a lesson by its name

    Returns
    -------
    the points by student, lesson and exercise, and a line for each row that is refused
    """
    if not path.exists():
        write_table(path, OVERRIDES, [])
        return {}, []
    try:
        rows = read_table(path, OVERRIDES)
    except (ValueError, OSError) as error:
        return {}, [f"{error}; no row of it counts"]
    found: dict[Place, Override] = {}
    refused = []
    for where, row in rows:
        try:
            place, override = _override(row, where, lesson)
            if found.setdefault(place, override) != override:
                raise ValueError(
                    f"{where}: the same exercise of the same student stands above with other"
                    " points; keep one"
                )
        except ValueError as error:
            refused.append(f"{error}; the row does not count")
    return found, refused


def _override(row: dict, where: str, lesson: Callable) -> tuple[Place, Override]:
    """A row's place and points; ValueError where one of them is wrong."""
    name = exercises.named(row["lesson"])
    if name is None:
        known = ", ".join(exercises.names())
        raise ValueError(f"{where}: {printable(row['lesson'])!r} is no lesson; there are {known}")
    asked = {str(exercise.number): exercise for exercise in lesson(name).exercises}
    number = row["exercise"].removeprefix("exercise").strip()
    if number not in asked:
        raise ValueError(
            f"{where}: {name} has no exercise {printable(number)!r}; it has {', '.join(asked)}"
        )
    points = points_in(row["points"], asked[number].points, where)
    if not row["reason"]:
        raise ValueError(f"{where}: there is no reason; write one, the student reads it")
    place = safe(row["student"]), name, int(number)
    return place, Override(points, printable(row["reason"]))


def without_submission(
    found: dict[Place, Override], here: set[tuple[str, str]]
) -> tuple[list[str], list[str]]:
    """Which overrides have no submission.

    Parameters
    ----------
    found : of `read_overrides`
    here : the students and lessons of this run

    Returns
    -------
    a line for each one whose student is not known, or handed in nothing; and one for each lesson
    that is not in this run, whose overrides wait
    """
    students = {student for student, _ in here}
    lessons = {name for _, name in here}
    problems = []
    for student, name, number in found:
        if name not in lessons or (student, name) in here:
            continue
        if student in students:
            problems.append(
                f"overrides.csv: {printable(student)} has handed in nothing for {name}, so"
                f" exercise {number} stays without points"
            )
        else:
            problems.append(
                f"overrides.csv: there is no student {printable(student)!r} here; write the name"
                " as in grades.csv"
            )
    others = sorted({name for _, name, _ in found} - lessons)
    waiting = [f"overrides.csv: nobody handed in {name} here; its rows wait" for name in others]
    return problems, waiting


class Points(NamedTuple):
    """An exercise of a submission: all points, those by machine, and those still waiting."""

    student: str
    lesson: str
    exercise: int
    points: float
    of: float
    machine: float
    waiting: float
    solution: str  # a short hash of the solution cell
    reason: str = ""  # of an override

    @property
    def place(self) -> Place:
        return self.student, self.lesson, self.exercise


def compare(points: list[Points], to: Path) -> list[str]:
    """Keep what every exercise has got, and what has changed since the last time.

    The first points by hand for an answer that waited are no change.

    Parameters
    ----------
    points : of this run
    to : the folder with `points.csv`, which is kept, and `changes.csv`, which grows

    Returns
    -------
    a line for each change
    """
    before = {}
    if (to / "points.csv").exists():
        for _, row in read_table(to / "points.csv", KEPT):
            before[row["student"], row["lesson"], int(row["exercise"])] = row
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    changes = []
    kept = dict(before)
    for new in points:
        old = before.get(new.place)
        if old and (why := _why(old, new)):
            fields = [old["points"], f"{new.points:g}", f"{new.of:g}", safe(why)]
            changes.append([now, *new.place, *fields])
        row = [*new.place, *(f"{value:g}" for value in new[3:7]), new.solution]
        kept[new.place] = dict(zip(KEPT, row, strict=True))
    if changes:
        path = to / "changes.csv"
        earlier = read_table(path, CHANGES) if path.exists() else []
        rows = [[row[name] for name in CHANGES] for _, row in earlier]
        write_table(path, CHANGES, rows + changes)
    write_table(to / "points.csv", KEPT, [[row[name] for name in KEPT] for row in kept.values()])
    return [
        f"changed: {student}, {name}, exercise {number}: {old} → {given} of {of} ({why})"
        for _, student, name, number, old, given, of, why in changes
    ]


def _why(old: dict[str, str], new: Points) -> str:
    """Why points have changed; nothing where they have not."""
    if float(old["points"]) == new.points:
        return ""
    if new.reason:
        return f"override: {new.reason}"
    if float(old["machine"]) != new.machine:
        same = old["solution"] == new.solution
        return "graded anew, the solution is the same" if same else "another solution"
    if float(old["waiting"]) > new.waiting:
        return ""
    return "points by hand or an override were changed"
