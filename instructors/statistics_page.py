"""How each question did: a table, and a page with the same figures."""

import html
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.files import replacing
from instructors.exercises import Lesson
from instructors.feedback import HEAD, STYLE
from instructors.tables import write_table

COLUMNS = ["lesson", "exercise", "question", "by", "of", "graded", "mean share"]
COLUMNS += ["full share", "none share", "discrimination", "seconds"]
FEWEST = 5  # submissions, below which a correlation says nothing
EXTRA = """
body { max-width: 64rem } table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .3rem .6rem; text-align: left; border-bottom: 1px solid #ddd }
td.number { text-align: right } .bar { display: block; height: .7rem; background: #0072b2 }
td.share { width: 8rem; background: #eee }
"""
EXPLAINED = """<p>One row for each test and each answer. <b>Mean</b>: the points given, as a share
of those possible. <b>Full</b>, <b>none</b>: the share of submissions with all of its points, with
none. <b>Discrimination</b>: Pearson's correlation between the points of the question and the share
of points that the same submission has in the rest of the lesson. Near 0 or below, the question
does not tell those who know more from the others. It is empty where fewer than 5 submissions are
graded, or where all have the same points. <b>Seconds</b>: the mean time of the exercise's cell and
tests, of those that came to an end. Answers that wait for a person are left out."""


class Question(NamedTuple):
    """A test or an answer, with the points of each submission in which it is graded."""

    lesson: str
    exercise: int
    id: str
    by: str
    of: float
    points: list[float]
    rest: list[float]  # share of the points in the rest of the lesson
    seconds: list[float]

    def row(self) -> list[str]:
        """Its row of `statistics.csv`."""
        given = np.array(self.points)
        figures = [f"{len(given)}", "", "", ""]
        if len(given):
            shares = [given.mean() / self.of, np.mean(given >= self.of), np.mean(given <= 0)]
            figures = [f"{len(given)}", *[f"{share:.3f}" for share in shares]]
        correlation = discrimination(self.points, self.rest)
        figures.append("" if math.isnan(correlation) else f"{correlation:.2f}")
        figures.append(f"{np.mean(self.seconds):.1f}" if self.seconds else "")
        return [self.lesson, str(self.exercise), self.id, self.by, f"{self.of:g}", *figures]


def discrimination(points: list[float], rest: list[float]) -> float:
    """Pearson's correlation of a question's points with the rest of the points.

    r = cov(points, rest) / (σ(points) · σ(rest))

    Parameters
    ----------
    points, rest : a number for each submission

    Returns
    -------
    -1 to 1; NaN where fewer than 5 submissions are graded, or one of both is constant
    """
    if len(points) < FEWEST or len(set(points)) == 1 or len(set(rest)) == 1:
        return math.nan
    return float(np.corrcoef(points, rest)[0, 1])


def questions(lesson: Lesson, results: list[dict]) -> list[Question]:
    """Each question of a lesson with its points in the results.

    Parameters
    ----------
    lesson : the lesson
    results : of `grade.write`, in which answers by hand have their points
    """
    found = []
    for exercise in lesson.exercises:
        for by, cells in (("machine", exercise.tests), ("hand", exercise.manual)):
            for cell in cells:
                entry = (lesson.name, exercise.number, cell.id, by, cell.points, [], [], [])
                found.append(Question(*entry))
    for result in results:
        if result["marks"]:
            _add(found, result["marks"])
    return found


def _add(found: list[Question], marks: list[dict]) -> None:
    """Add a submission's points to the questions that are graded in it."""
    graded = {}
    for mark in marks:
        graded |= {name: float(points) for name, (points, _) in mark["tests"].items()}
        for name, answer in mark["manual"].items():
            if answer.get("points"):
                graded[name] = float(answer["points"])
    here = [question for question in found if question.id in graded]
    for question in here:
        others = [other for other in here if other is not question]
        possible = sum(other.of for other in others)
        given = sum(graded[other.id] for other in others)
        question.points.append(graded[question.id])
        question.rest.append(given / possible if possible else 0.0)
        mark = marks[question.exercise - 1]
        if question.by == "machine" and "seconds" in mark:
            question.seconds.append(mark["seconds"])


def write(lessons: dict[str, Lesson], results: list[dict], to: Path) -> None:
    """Write `statistics.csv` and `statistics.html`.

    Parameters
    ----------
    lessons : by name
    results : of `grade.write`
    to : the folder
    """
    rows = []
    for name in sorted(lessons):
        here = [result for result in results if result["lesson"] == name]
        rows += [question.row() for question in questions(lessons[name], here)]
    write_table(to / "statistics.csv", COLUMNS, rows)
    title = "How each question did"
    parts = [HEAD.format(title=title, style=STYLE + EXTRA), f"<h1>{title}</h1>", EXPLAINED]
    for name in sorted(lessons):
        parts.append(f"<h2>{html.escape(name)}</h2>{_table(rows, name)}")
    with replacing(to / "statistics.html") as part:
        part.write_text("\n".join(parts) + "</body></html>\n", encoding="utf-8")


def _table(rows: list[list[str]], name: str) -> str:
    """The questions of one lesson."""
    lines = ["<tr>" + "".join(f"<th>{column}" for column in COLUMNS[1:]) + "<th>mean"]
    for row in rows:
        if row[0] == name:
            cells = "".join(f'<td class="number">{html.escape(field)}' for field in row[1:])
            width = 100 * float(row[6] or 0)
            bar = f'<td class="share"><span class="bar" style="width:{width:.0f}%"></span>'
            lines.append(f"<tr>{cells}{bar}")
    return f"<table>{''.join(lines)}</table>"
