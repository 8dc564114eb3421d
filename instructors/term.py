"""A term: due dates, what being late costs, who is in the course, and when was handed in.

All of it stands in `course.toml`, in the folder of the submissions. A mistake there is told, and
the rest counts.
"""

import math
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from instructors import exercises
from instructors.tables import FORMULA, read_table, safe
from instructors.worker import printable

FILE = "course.toml"
ROSTER = ["student", "name", "id", "email"]
SUBMITTED = ["student", "lesson", "submitted"]
STAMP = "timestamp.txt"  # as nbgrader writes it beside a notebook
EXAMPLE = """\
# Put this file into the folder of the submissions. Every line may be left out.
timezone = "Asia/Seoul"     # of all dates here and of those without a time zone
roster = "roster.csv"       # its first line: student,name,id,email
submitted = "submitted.csv" # its first line: student,lesson,submitted; or "mtime": the file's time

[due]                       # a lesson's number, and the last moment that is in time
01 = 2027-03-12T23:59:00
02 = 2027-03-19T23:59:00

[late]
per_day = 10                # for each day that has begun
unit = "percent"            # of the lesson's points; or "points"
most = 50                   # never more than this
grace_minutes = 15          # which cost nothing

[titles]                    # the columns of canvas.csv and moodle.csv, as named there
02 = "Exercises 2"
"""


class Late(NamedTuple):
    """What a day costs: `per_day` and `most` in percent of the lesson's points, or in points."""

    per_day: float = 0.0
    most: float = math.inf
    percent: bool = True
    grace: timedelta = timedelta()


class Person(NamedTuple):
    """A row of the roster."""

    name: str = ""
    id: str = ""
    email: str = ""


@dataclass(frozen=True)
class Term:
    """What `course.toml` says; `roster` is None where there is none."""

    due: dict[str, datetime] = field(default_factory=dict)
    late: Late = field(default_factory=Late)
    roster: dict[str, Person] | None = None
    titles: dict[str, str] = field(default_factory=dict)
    source: str = ""  # of the submission times: "", "mtime", or a table's name
    submitted: dict[tuple[str, str], datetime] = field(default_factory=dict)
    zone: tzinfo = UTC
    problems: list[str] = field(default_factory=list)


def read(folder: Path) -> Term:
    """What `course.toml` in a folder says.

    Parameters
    ----------
    folder : of the submissions

    Returns
    -------
    the term, with a line for each mistake; an empty one where there is no such file
    """
    path = folder / FILE
    if not path.exists():
        return Term()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError) as error:
        problem = f"{path} cannot be read ({error}); without it no date and no roster counts"
        return Term(problems=[problem])
    problems = _unknown(table, path)
    zone = _zone(table.get("timezone", "UTC"), path, problems)
    source = table.get("submitted", "")
    if not isinstance(source, str):
        problems.append(f'{path}: submitted is {source!r}; expected "mtime" or a table\'s name')
        source = ""
    due = {}
    for name, value in _by_lesson(table, "due", path, problems).items():
        if isinstance(value, datetime):
            due[name] = value if value.tzinfo else value.replace(tzinfo=zone)
        else:
            problems.append(
                f"{path}: the due date of {name} is {value!s:.40}; expected date and time without"
                " quotes, such as 2027-03-12T23:59:00"
            )
    titles = _by_lesson(table, "titles", path, problems)
    return Term(
        due=due,
        late=_late(table, path, problems),
        roster=_roster(table.get("roster"), folder, problems),
        titles={name: str(title) for name, title in titles.items()},
        source=source,
        submitted=_submitted(source, folder, zone, problems),
        zone=zone,
        problems=problems,
    )


def _unknown(table: dict, path: Path) -> list[str]:
    """A line for each name in the file that means nothing."""
    known = {"timezone", "roster", "submitted", "due", "late", "titles"}
    parts = {"late": {"per_day", "unit", "most", "grace_minutes"}}
    found = {name: known for name in table}
    for part, names in parts.items():
        inside = table.get(part)
        found |= dict.fromkeys(inside, names) if isinstance(inside, dict) else {}
    return [
        f"{path}: {name!r} is not known here; expected one of {', '.join(sorted(names))}"
        for name, names in found.items()
        if name not in names
    ]


def _zone(name: object, path: Path, problems: list[str]) -> tzinfo:
    """A time zone by its name; UTC, and a line, where there is none of that name."""
    try:
        return ZoneInfo(str(name))
    except (ValueError, OSError, LookupError):
        problems.append(
            f'{path}: there is no time zone {name!r}; UTC counts. Expected such as "Asia/Seoul"'
        )
        return UTC


def _by_lesson(table: dict, part: str, path: Path, problems: list[str]) -> dict[str, object]:
    """A part of the file, under the lessons' whole names."""
    values = table.get(part, {})
    if not isinstance(values, dict):
        problems.append(f"{path}: {part} is a value; expected [{part}] and below it 01 = …")
        return {}
    named = {}
    for number, value in values.items():
        lesson = exercises.named(number)
        if lesson is None:
            known = ", ".join(exercises.names())
            problems.append(f"{path}: [{part}] {number!r} is no lesson; there are {known}")
        else:
            named[lesson] = value
    return named


def _late(table: dict, path: Path, problems: list[str]) -> Late:
    """What being late costs; nothing, and a line, where the file does not say it right."""
    policy = table.get("late", {})
    if not isinstance(policy, dict):
        problems.append(f"{path}: late is a value; expected [late] and below it per_day = 10")
        return Late()
    numbers = {}
    for name, default in {"per_day": 0, "most": math.inf, "grace_minutes": 0}.items():
        value = policy.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            problems.append(
                f"{path}: [late] {name} is {value!r}; expected a number from 0; being late costs"
                " nothing until it is mended"
            )
            return Late()
        numbers[name] = value
    unit = policy.get("unit", "percent")
    if unit not in ("percent", "points"):
        problems.append(
            f'{path}: [late] unit is {unit!r}; expected "percent" or "points"; being late costs'
            " nothing until it is mended"
        )
        return Late()
    grace = timedelta(minutes=min(numbers["grace_minutes"], 10**6))
    return Late(numbers["per_day"], numbers["most"], unit == "percent", grace)


def _roster(name: object, folder: Path, problems: list[str]) -> dict[str, Person] | None:
    """Who is in the course: {the student as in grades.csv: person}; None where nothing says it."""
    if name is None:
        return None
    people: dict[str, Person] = {}
    try:
        rows = read_table(folder / str(name), ROSTER)
    except (ValueError, OSError) as error:
        problems.append(f"the roster cannot be read: {error}; no roster counts")
        return None
    taken: dict[str, str] = {}
    for where, row in rows:
        student = safe(row["student"])
        if not student:
            problems.append(f"{where}: no student; write the name of the student's folder")
            continue
        if student in people:
            problems.append(f"{where}: {printable(student)} stands twice; the first row counts")
            continue
        for column in ("id", "email"):
            value = row[column]
            if value.startswith(FORMULA):
                problems.append(
                    f"{where}: the {column} {printable(value)!r} begins like a formula; it is"
                    " left out. Mend it"
                )
                row[column] = ""
            elif value and (other := taken.setdefault(f"{column} {value}", student)) != student:
                problems.append(
                    f"{where}: the {column} {printable(value)} is {printable(other)}'s, too; it"
                    " is left out here. Mend one of the two"
                )
                row[column] = ""
        people[student] = Person(row["name"], row["id"], row["email"])
    return people


def _submitted(
    source: str, folder: Path, zone: tzinfo, problems: list[str]
) -> dict[tuple[str, str], datetime]:
    """The times of a table, by student and lesson; the last one where there are several."""
    if source in ("", "mtime"):
        return {}
    try:
        rows = read_table(folder / source, SUBMITTED)
    except (ValueError, OSError) as error:
        problems.append(f"the times of the submissions cannot be read: {error}")
        return {}
    times: dict[tuple[str, str], datetime] = {}
    for where, row in rows:
        lesson = exercises.named(row["lesson"])
        if lesson is None:
            problems.append(f"{where}: {printable(row['lesson'])!r} is no lesson")
            continue
        try:
            moment = parse_time(row["submitted"], zone)
        except ValueError as error:
            problems.append(f"{where}: {error}")
            continue
        place = row["student"], lesson
        times[place] = max(moment, times.get(place, moment))
    return times


def parse_time(text: str, zone: tzinfo) -> datetime:
    """A moment such as "2027-03-12 23:59", "2027-03-12T23:59:00+09:00", "… UTC".

    Parameters
    ----------
    text : ISO 8601, or as nbgrader writes it
    zone : counts where the text names none

    Returns
    -------
    the moment, with its time zone

    Raises
    ------
    ValueError : it cannot be read
    """
    plain = text.strip()
    if plain.endswith("UTC"):
        plain = f"{plain.removesuffix('UTC').rstrip()}+00:00"
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        raise ValueError(
            f"{printable(text)[:60]!r} is no time; expected such as 2027-03-12 23:59"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def handed_in(term: Term, student: str, lesson: str, path: Path) -> tuple[datetime | None, str]:
    """When a notebook was handed in, and what is wrong where that is not known.

    The table that `submitted` names comes first, then `timestamp.txt` beside the notebook, then,
    where `submitted` is "mtime", the time at which the file was last written.
    """
    if (student, lesson) in term.submitted:
        return term.submitted[student, lesson], ""
    stamp = path.parent / STAMP
    if stamp.is_file() and not stamp.is_symlink():
        try:
            with stamp.open(encoding="utf-8", errors="replace") as file:
                return parse_time(file.read(100), term.zone), ""
        except (ValueError, OSError) as error:
            return None, f"{STAMP}: {error}"
    if term.source == "mtime":
        return datetime.fromtimestamp(path.stat().st_mtime, term.zone), ""
    where = term.source or f"a table named by submitted in {FILE}"
    return None, f"the time of handing in is not known; write it into {where}"


def days_late(moment: datetime, due: datetime, late: Late) -> int:
    """The days that had begun after the due date; none within the grace."""
    after = moment - due
    return 0 if after <= late.grace else math.ceil(after / timedelta(days=1))


def taken_off(days: int, of: float, late: Late) -> float:
    """The points that so many days cost in a lesson of `of` points, at most all."""
    cost = min(days * late.per_day, late.most)
    points = cost * of / 100 if late.percent else cost
    return round(min(points, of), 2) if days else 0.0
