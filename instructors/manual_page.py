"""`manual.html`: the answers that a person grades, by question or by student, with fields beside.

One script runs on the page: `SCRIPT`, which the page's policy names by its hash. What a student
wrote is text, and could not run even if it were more.
"""

import base64
import hashlib
import html
import json
from typing import NamedTuple

from nbconvert.filters import markdown2html

from instructors.exercises import Exercise, Lesson, Manual
from instructors.feedback import HEAD, STYLE

EXTRA = """
body { max-width: 64rem } article { border: 1px solid #ddd; border-radius: .4rem;
  padding: .3rem 1rem; margin: 1rem 0 }
.bar { position: sticky; top: 0; background: #fff; padding: .6rem 0; border-bottom: 1px solid #ddd;
  z-index: 1 } .bar > * { margin-right: 1rem }
label { margin-right: 1rem } textarea { width: 100%; font: inherit; box-sizing: border-box }
input[type="number"] { width: 5rem; font: inherit } input:invalid { outline: 2px solid #b00 }
summary { cursor: pointer } article img { border: 1px solid #ddd; margin: .3rem 0 }
"""
SCRIPT = """
const articles = [...document.querySelectorAll("article")];
const main = document.querySelector("main");
const heads = new Map(
  [...document.querySelectorAll("section")].map((part) => [part.id, part.firstElementChild]));
let unsaved = false;

function arrange(by) {
  const parts = new Map();
  const order = (a, b) => a.dataset[by].localeCompare(b.dataset[by]);
  for (const article of [...articles].sort(order)) {
    const name = article.dataset[by];
    if (!parts.has(name)) {
      const part = document.createElement("section");
      if (by === "question") {
        part.append(heads.get(name));
      } else {
        const heading = document.createElement("h2");
        heading.textContent = article.dataset.student;
        part.append(heading);
      }
      parts.set(name, part);
    }
    if (by === "student") {
      const folded = document.createElement("details");
      const summary = document.createElement("summary");
      const head = heads.get(article.dataset.question);
      summary.textContent = head.querySelector("h2").textContent;
      folded.append(summary, head.cloneNode(true));
      parts.get(name).append(folded);
    }
    parts.get(name).append(article);
  }
  main.replaceChildren(...parts.values());
}

function save() {
  const wrong = document.querySelector("input:invalid");
  if (wrong) {
    wrong.scrollIntoView({ block: "center" });
    wrong.focus();
    return;
  }
  const lines = [JSON.parse(document.body.dataset.columns)];
  for (const place of document.querySelectorAll("[data-row]")) {
    const row = JSON.parse(place.dataset.row);
    const points = place.querySelector("input");
    if (points) {
      row[4] = points.value;
      row[5] = place.querySelector("textarea").value;
    }
    lines.push(row);
  }
  const quoted = (field) => '"' + field.replaceAll('"', '""') + '"';
  const text = lines.map((row) => row.map(quoted).join(",") + "\\r\\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\\ufeff" + text], { type: "text/csv" }));
  link.download = "manual.csv";
  link.click();
  unsaved = false;
}

document.querySelector("select").addEventListener("change", (e) => arrange(e.target.value));
document.querySelector("button").addEventListener("click", save);
document.addEventListener("input", () => { unsaved = true; });
window.addEventListener("beforeunload", (e) => { if (unsaved) e.preventDefault(); });
"""


class Answer(NamedTuple):
    """An answer: whose, the row of `manual.csv`, the text, its pictures, what is to be noted."""

    student: str
    lesson: str
    cell: str
    row: list[str]
    text: str
    pictures: list[str]
    note: str = ""


def page(
    lessons: dict[str, Lesson], answers: list[Answer], others: list[list[str]], columns: list[str]
) -> str:
    """All answers, each beside its question and rubric.

    Parameters
    ----------
    lessons : by name
    answers : those to show
    others : the other rows of `manual.csv`, which the saved table holds, too
    columns : of `manual.csv`

    Returns
    -------
    HTML
    """
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    head = HEAD.format(title="To be graded by hand", style=STYLE + EXTRA)
    policy = f"default-src 'none'; script-src 'sha256-{digest}'"
    head = head.replace("default-src 'none'", policy)
    head = head.replace("<body>", f'<body data-columns="{_attribute(columns)}">')
    parts = [head, "<h1>To be graded by hand</h1>", _bar(), "<main>"]
    for name in sorted(lessons):
        for exercise in lessons[name].exercises:
            for cell in exercise.manual:
                here = [a for a in answers if (a.lesson, a.cell) == (name, cell.id)]
                if here:
                    place = f"{name}.{exercise.number}.{cell.id}"
                    parts.append(f'<section id="{place}">{_question(name, exercise, cell)}')
                    parts += [_article(answer, cell, place) for answer in here]
                    parts.append("</section>")
    parts.append("</main>")
    parts += [f'<p hidden data-row="{_attribute(row)}"></p>' for row in others]
    return "\n".join([*parts, f"<script>{SCRIPT}</script></body></html>\n"])


def _text(text: str) -> str:
    return html.escape(text, quote=True)


def _attribute(value: object) -> str:
    """A value as JSON inside an attribute."""
    return _text(json.dumps(value, ensure_ascii=False))


def _bar() -> str:
    """The switch, the button, and what to do with the table."""
    return (
        '<div class="bar"><label>Order <select autocomplete="off"><option value="question">by'
        ' question<option value="student">by student</select></label><button>Save'
        " manual.csv</button></div><p>Write points and comments, save the table, put it in the"
        " place of <code>manual.csv</code>, and run <code>make grade</code> again. Nothing is kept"
        " until you save. You can also fill in <code>manual.csv</code> itself."
    )


def _question(name: str, exercise: Exercise, cell: Manual) -> str:
    """A question with its task, the given cells, the model answer and the rubric."""
    given = "".join(f"<pre>{_text(code)}</pre>" for code in exercise.given)
    if given:
        given = f"<details><summary>the given cells</summary>{given}</details>"
    return (
        f"<div><h2>{_text(name)} · {exercise.number} · {_text(exercise.title)}"
        f' <span class="points">{cell.points:g} points</span></h2>'
        f"{markdown2html(exercise.text)}{given}{markdown2html(cell.question)}"
        f'<div class="task"><p><b>Model answer.</b>{markdown2html(cell.rubric)}</div></div>'
    )


def _article(answer: Answer, cell: Manual, place: str) -> str:
    """An answer with its pictures and fields."""
    points, comment = answer.row[4:6]
    images = "".join(
        f'<img loading="lazy" alt="a picture of this exercise or answer" src="{_text(uri)}">'
        for uri in answer.pictures
    )
    if images:
        images = f"<details open><summary>pictures</summary>{images}</details>"
    note = f'<p class="no">{_text(answer.note)}' if answer.note else ""
    return (
        f'<article data-student="{_text(answer.student)}" data-question="{_text(place)}"'
        f' data-row="{_attribute(answer.row)}"><h3>{_text(answer.student)}</h3>'
        f"<pre>{_text(answer.text)}</pre>{images}{note}"
        f'<p><label>Points <input type="number" min="0" max="{cell.points:g}" step="any"'
        f' autocomplete="off" value="{_text(points)}"> of {cell.points:g}</label>'
        f'<label>Comment <textarea rows="2" autocomplete="off">{_text(comment)}</textarea></label>'
        "</article>"
    )
