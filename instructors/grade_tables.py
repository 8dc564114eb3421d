"""What becomes of the results: points by hand, set by a person, or taken off; and all tables."""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from helpers.files import replacing
from instructors import exercises, marking, names, regrades, term
from instructors.exercises import lesson
from instructors.regrades import Override, Place, Points
from instructors.tables import points_in, read_table, safe, write_table
from instructors.term import Term
from instructors.worker import printable

MANUAL = ["student", "lesson", "exercise", "of", "points", "comment", "answer"]
FIRST_WORDS = "first words"  # of the answer, so that manual.csv can be used alone
NAMES = "names.csv"  # the hidden names


class Options(NamedTuple):
    """How the grades are written: lessons with model answers shown, the term, the notebooks."""

    shown: Collection[str] = ()
    term: Term = Term()
    submissions: Collection[tuple[str, str, Path]] = ()  # student, lesson, notebook
    anonymous: bool = False


def manual_points(path: Path) -> dict[tuple[str, str, str], dict]:
    """What stands in `manual.csv`; hidden names are read by the table beside it.

    Parameters
    ----------
    path : the table, as a spreadsheet or the page has saved it

    Returns
    -------
    {(student, lesson, cell): row}

    Raises
    ------
    ValueError : a line is wrong; the message names it
    """
    if not path.exists():
        return {}
    hidden = names.read(path.with_name(NAMES))
    students = {name: student for student, name in hidden.items()}
    try:
        table = read_table(path, MANUAL, strip=False)
    except ValueError as error:
        advice = "; or move the file away, and the same command writes an empty one"
        raise ValueError(f"{error}{advice if 'missing' in str(error) else ''}") from None
    rows = {}
    for where, row in table:
        row["student"] = students.get(row["student"], row["student"])
        given = row["points"].strip().replace(",", ".")
        place = row["student"], row["lesson"], row["exercise"]
        if not any(place) or (place in rows and not given):  # an empty row, a copied one
            continue
        most = _most(row)
        _check_points(given, most, where)
        if place in rows and given and rows[place]["points"] not in ("", given):
            raise ValueError(
                f"{where}: {', '.join(place)} stands here a second time with other points; keep one"
            )
        words = row.get(FIRST_WORDS, "")
        rows[place] = row | {"points": given, "of": most, FIRST_WORDS: words}
    return rows


def _most(row: dict) -> str:
    """The points of a cell graded by hand, as the lesson says, else as the row does."""
    for cell in answers(row["lesson"]):
        if cell.id == row["exercise"]:
            return f"{cell.points:g}"
    return row["of"]


def _check_points(given: str, most: str, where: str) -> None:
    """ValueError where points are no number from 0 to `most`; none are given yet where empty."""
    try:
        limit = float(most)
    except ValueError:
        limit = 0.0
    if given:
        points_in(given, limit, where)


def answers(name: str) -> list[exercises.Manual]:
    """The cells of a lesson that are graded by hand; none where there is no such lesson."""
    if name not in exercises.names():
        return []
    known, _ = lesson(name)
    return [cell for exercise in known.exercises for cell in exercise.manual]


def write(
    results: list[dict], to: Path, options: Options | None = None
) -> tuple[list[dict], list[str], list[str]]:
    """Write the grades, the tables made from them, `manual.csv`, and the feedback.

    Points given by hand are taken from `manual.csv` and kept there, also those of students who are
    not among the results. Nothing that fails afterwards keeps the grades from being written.

    Parameters
    ----------
    results : of `grade`
    to : the folder
    options : how they are written

    Returns
    -------
    the rows of `grades.csv`, lines about changes to be told, and one for each problem
    """
    from instructors import feedback  # which the processes that grade do not need

    options = options or Options()
    results = sorted(results, key=lambda r: (r["student"], r["lesson"]))
    manual = manual_points(to / "manual.csv")
    overrides, problems = regrades.read_overrides(to / "overrides.csv", lambda x: lesson(x)[0])
    here = {(safe(result["student"]), result["lesson"]) for result in results}
    lost, told = regrades.without_submission(overrides, here)
    problems = [*options.term.problems, *problems, *lost]
    times, untimed = _times(options)
    problems += untimed
    rows = []
    points = []
    for result in results:
        known, _ = lesson(result["lesson"])
        parts, notes = _exercises(result, known, manual, overrides)
        row = _row(result, known, parts, notes)
        row = _with_term(row, options.term, times.get((result["student"], result["lesson"])))
        rows.append(row)
        points += parts
        page = to / "feedback" / result["student"] / f"{result['lesson']}.html"
        with replacing(page) as part:
            text = feedback.page(known, result, row, result["lesson"] in options.shown)
            part.write_text(text, encoding="utf-8", errors="replace")
    _write_rows(to / "grades.csv", rows)
    _write_manual(results, manual, to, options)
    changes, more = _afterwards(results, rows, points, to, options.term)
    return rows, told + changes, problems + more


def _write_rows(path: Path, rows: list[dict]) -> None:
    """Write a table of rows that all have the same columns."""
    write_table(path, list(rows[0]), [list(row.values()) for row in rows])


def _afterwards(
    results: list[dict], rows: list[dict], points: list[Points], to: Path, about: Term
) -> tuple[list[str], list[str]]:
    """What is made from the grades: changes, gradebook, statistics. Lines for changes, problems."""
    from instructors import gradebook, statistics_page

    changes = []
    problems = []
    known = {result["lesson"]: lesson(result["lesson"])[0] for result in results}
    for what in ("changes.csv", "gradebook.csv", "statistics.csv"):
        try:
            if what == "changes.csv":
                changes = regrades.compare(points, to)
            elif what == "gradebook.csv":
                problems += gradebook.write(rows, about, to)
            else:
                statistics_page.write(known, results, to)
        except (ValueError, OSError) as error:
            problems.append(f"{what} is not written: {error}")
    return changes, problems


def _times(options: Options) -> tuple[dict[tuple[str, str], datetime], list[str]]:
    """When each notebook was handed in, where a due date asks for it; a line where not known."""
    times = {}
    problems = []
    for submission in options.submissions:
        student, name, path = submission
        if name in options.term.due:
            moment, problem = term.handed_in(options.term, student, name, path)
            if moment is None:
                problems.append(f"{student}, {name}: {problem}; it counts as in time")
            else:
                times[student, name] = moment
    return times, problems


def _exercises(
    result: dict,
    known: exercises.Lesson,
    manual: dict,
    overrides: dict[Place, Override],
) -> tuple[list[Points], list[str]]:
    """The points of each exercise, and notes; what waits for a person is added to `manual`."""
    student = safe(result["student"])
    found = []
    notes = list(result["notes"])
    for exercise, mark in zip(known.exercises, result["marks"], strict=False):
        machine = float(sum(points for points, _ in mark["tests"].values()))
        points = machine
        waiting = 0.0
        for cell in exercise.manual:
            place = student, result["lesson"], cell.id
            given, missing, note = _by_hand(cell, mark["manual"][cell.id], place, manual)
            notes += note
            waiting += missing
            points += given
        override = overrides.get((student, result["lesson"], exercise.number))
        mark["override"] = None
        if override:
            was = f"{override.points:g} points instead of {points:g}"
            mark["override"] = f"{was}: {override.reason}"
            notes.append(f"exercise {exercise.number} has {was}: {override.reason}")
            points, waiting = override.points, 0.0
        found.append(
            Points(
                *(student, result["lesson"], exercise.number),
                *(points, exercise.points, machine, waiting),
                solution=marking.short_hash(mark["written"]),
                reason=override.reason if override else "",
            )
        )
    return found, notes


def _row(result: dict, known: exercises.Lesson, parts: list[Points], notes: list[str]) -> dict:
    """A submission's row of `grades.csv`."""
    row = {"student": safe(result["student"]), "lesson": result["lesson"]}
    row |= {f"exercise {n}": "" for n in range(1, exercises.MOST + 1)}
    row |= {f"exercise {part.exercise}": f"{part.points:g}" for part in parts}
    machine = sum(part.machine for part in parts)
    total = sum(part.points for part in parts)
    by_hand = sum(
        float(answer["points"] or 0)
        for mark in result["marks"]
        for answer in mark["manual"].values()
    )
    return row | {
        "machine": f"{machine:g}",
        "by hand": f"{by_hand:g}",
        "waiting": f"{sum(part.waiting for part in parts):g}",
        "total": f"{total:g}",
        "of": f"{known.machine + known.manual:g}",
        "notes": safe("; ".join(notes)),
    }


def _with_term(row: dict, about: Term, moment: datetime | None) -> dict:
    """A row with the columns that the term asks for, and without the points for being late."""
    if about.roster is not None:
        person = about.roster.get(row["student"], term.Person())
        who = {name: safe(value) for name, value in person._asdict().items()}
        row = {"student": row["student"], **who, **row}
    if not about.due:
        return row
    due = about.due.get(row["lesson"])
    days = term.days_late(moment, due, about.late) if moment and due else 0
    cost = min(term.taken_off(days, float(row["of"]), about.late), float(row["total"]))
    dated = {
        "due": due.isoformat(" ", "minutes") if due else "",
        "submitted": moment.isoformat(" ", "seconds") if moment else "",
        "days late": str(days) if moment and due else "",
        "taken off": f"{cost:g}",
    }
    notes = row.pop("notes")
    row["total"] = f"{float(row['total']) - cost:g}"
    return row | dated | {"notes": notes}


def _write_manual(results: list[dict], manual: dict, to: Path, options: Options) -> None:
    """Write `manual.csv` and `manual.html`, by question, with hidden names where asked for."""
    from instructors import manual_page, pictures

    students = [safe(result["student"]) for result in results]
    shown = names.complete(to / NAMES, students) if options.anonymous else {}

    def order(row: dict) -> tuple:
        cells = [cell.id for cell in answers(row["lesson"])]
        number = cells.index(row["exercise"]) if row["exercise"] in cells else len(cells)
        return row["lesson"], number, shown.get(row["student"], row["student"])

    columns = [*MANUAL, FIRST_WORDS]
    rows = {}
    for row in sorted(manual.values(), key=order):
        hidden = row | {"student": shown.get(row["student"], row["student"])}
        place = row["student"], row["lesson"], row["exercise"]
        rows[place] = [hidden[column] for column in columns]
    write_table(to / "manual.csv", columns, list(rows.values()))
    paths = {(student, name): path for student, name, path in options.submissions}
    to_show = {}
    for result in results:
        known, _ = lesson(result["lesson"])
        wanted = {cell.id: e.number for e in known.exercises for cell in e.manual}
        path = paths.get((result["student"], result["lesson"]))
        drawn, why = pictures.of_answers(path, wanted) if path else ({}, "")
        for mark in result["marks"]:
            for name, answer in mark["manual"].items():
                place = safe(result["student"]), result["lesson"], name
                if answer["answered"] and place in rows:
                    fields = [rows[place][0], *place[1:], rows.pop(place), answer["answer"]]
                    note = f"No pictures: {why}" if why else ""
                    if manual[place]["answer"] != answer["hash"]:
                        note = f"It was changed after it was graded by hand. {note}"
                    to_show[place] = manual_page.Answer(*fields, drawn.get(name, []), note)
    listed = sorted(to_show.values(), key=lambda answer: answer.student)
    lessons = {result["lesson"]: lesson(result["lesson"])[0] for result in results}
    with replacing(to / "manual.html") as part:
        text = manual_page.page(lessons, listed, list(rows.values()), columns)
        part.write_text(text, encoding="utf-8", errors="replace")


def _by_hand(
    cell: exercises.Manual, answer: dict, place: tuple[str, str, str], manual: dict
) -> tuple[float, float, list[str]]:
    """The points given for an answer, those that are still to be given, and what is to be noted."""
    entry = manual.get(place)
    if not answer["answered"] and not (entry and entry["points"]):
        answer |= {"points": "0", "comment": "no answer"}
        return 0.0, 0.0, []
    if entry is None:
        fields = [*place, f"{cell.points:g}", "", "", answer["hash"]]
        entry = dict(zip(MANUAL, fields, strict=True))
        manual[place] = entry
    entry[FIRST_WORDS] = safe(printable(" ".join(answer["answer"].split()))[:60])
    notes = []
    if entry["points"] and entry["answer"] != answer["hash"]:
        notes.append(f"{cell.id} was changed after it was graded by hand")
    waiting = 0.0
    if not entry["points"]:
        entry["answer"] = answer["hash"]
        waiting = cell.points
    answer |= {"points": entry["points"], "comment": entry["comment"]}
    return float(entry["points"] or 0), waiting, notes
