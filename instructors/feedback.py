"""Pages for students and instructors. What a student wrote is text here, never markup."""

import html
import re

from nbconvert.filters import markdown2html

from instructors.exercises import Exercise, Lesson, Manual, without_markers

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto;
  padding: 0 1rem; color: #222 }
h2 { margin-top: 2.5rem } .points { color: #555; font-weight: normal; font-size: 1rem }
h2 .points, li .points { white-space: nowrap }
pre { background: #f4f4f4; padding: .8rem; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere }
details { color: #444 } .task { border-left: 3px solid #ddd; padding-left: 1rem }
li { margin: .4rem 0 } .yes::marker { content: "✓  " }
.no::marker { content: "✗  " } .no { color: #8a3b00 }
.said { white-space: pre-wrap; overflow-wrap: anywhere; display: block } img { max-width: 100% }
"""
WAITING = "waiting for your teacher"
# No script runs on these pages, and nothing is fetched, whatever a student wrote.
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width"><title>{title}</title>
<style>{style}</style></head><body>
"""


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _code(text: str) -> str:
    return re.sub("`([^`]+)`", r"<code>\1</code>", _text(text))


def page(lesson: Lesson, result: dict, row: dict, released: bool = False) -> str:
    """The feedback on one submission.

    Parameters
    ----------
    lesson : the lesson
    result : of `grade.grade`
    row : its row of `grades.csv`
    released : whether the model answers are shown

    Returns
    -------
    HTML: what was asked, what was written, what holds, and the points
    """
    title = f"{result['student']}: {lesson.name}"
    parts = [HEAD.format(title=_text(title), style=STYLE), f"<h1>{_text(title)}</h1>"]
    waiting = f"; {row['waiting']} more wait for your teacher" if row["waiting"] != "0" else ""
    parts.append(f"<p><b>{row['total']} of {row['of']} points</b>{waiting}.")
    if row.get("taken off", "0") != "0":
        parts.append(
            f"<p>It was handed in on {_text(row['submitted'])} and was due on {_text(row['due'])}:"
            f" {row['taken off']} points are taken off."
        )
    parts += [f"<p>{_text(note)}." for note in result["notes"]]
    for exercise, mark in zip(lesson.exercises, result["marks"], strict=False):
        parts += _about(exercise, mark, row[f"exercise {exercise.number}"])
        parts += _tests(exercise, mark)
        if released and exercise.solution:
            parts.append(
                "<details><summary>a model answer</summary>"
                f"<pre>{_text(without_markers(exercise.solution.source))}</pre></details>"
            )
        for cell in exercise.manual:
            parts += _by_hand(cell, mark["manual"][cell.id])
            if released:
                parts.append(
                    "<details><summary>a model answer</summary>"
                    f"{markdown2html(cell.rubric)}</details>"
                )
    return "\n".join(parts) + "</body></html>\n"


def _about(exercise: Exercise, mark: dict, points: str) -> list[str]:
    """An exercise's heading with its points, what was asked, written and printed."""
    cells = [(cell, mark["manual"][cell.id]) for cell in exercise.manual]
    waiting = sum(cell.points for cell, answer in cells if not answer.get("points"))
    given = f"{points} of {exercise.points:g} points"
    if mark.get("override"):
        waiting = 0
    if waiting == exercise.points:
        given = WAITING
    elif waiting:
        given += f", {waiting:g} {WAITING}"
    parts = [
        f"<h2>{exercise.number} · {_text(exercise.title)}"
        f' <span class="points">{given}</span></h2>'
        f'<details class="task"><summary>what was asked</summary>'
        f"{markdown2html(exercise.text)}</details>"
    ]
    if mark.get("override"):
        parts.append(f"<p>Your teacher gave {_text(mark['override'])}")
    if exercise.solution:
        parts.append(f"<pre>{_text(mark['written'])}</pre>")
    if mark["error"]:
        parts.append(f'<p class="no">The cell itself ended with {_text(mark["error"])}')
    if mark["printed"].strip():
        parts.append(
            f"<details><summary>what it printed</summary>"
            f"<pre>{_text(mark['printed'])}</pre></details>"
        )
    return parts


def _tests(exercise: Exercise, mark: dict) -> list[str]:
    """Each promise of an exercise, whether it holds, and why not."""
    if not exercise.tests:
        return []
    parts = ["<ul>"]
    for test in exercise.tests:
        points, said = mark["tests"][test.id]
        parts.append(
            f'<li class="{"no" if said else "yes"}">{_code(test.promise)}'
            f' <span class="points">{points:g} of {test.points:g}</span>'
            + (f'<span class="said">{_text(said)}</span>' if said else "")
        )
    return [*parts, "</ul>"]


def _by_hand(cell: Manual, answer: dict) -> list[str]:
    """A question, the answer, and what a person gave for it."""
    points = f"{cell.points:g} points, {WAITING}"
    if answer.get("points"):
        points = f"{answer['points']} of {cell.points:g} points, by hand"
    comment = f": {_text(answer['comment'])}" if answer.get("comment") else ""
    return [
        f"{markdown2html(cell.question)}<pre>{_text(answer['answer'])}</pre>",
        f'<p class="points">{points}{comment}',
    ]
