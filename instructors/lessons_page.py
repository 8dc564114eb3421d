"""The page of `check_lessons`. What a student wrote is text here, never markup."""

import difflib
import html
from typing import TYPE_CHECKING

from instructors.executed import COUNTS, DOUBT, NOTE, Finding, cells_named
from instructors.feedback import HEAD, STYLE
from instructors.worker import printable

if TYPE_CHECKING:
    from instructors.check_lessons import Row

LONGEST = 4000  # characters shown of a text
LINES = 60  # of a difference
EXTRA = """
body { max-width: 64rem } table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .35rem .6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid #ddd }
th { font-weight: 600; white-space: nowrap } .scroll { overflow-x: auto }
.full, .partial, .none { display: inline-block; min-width: 3.6rem; padding: 0 .5rem;
  border-radius: .3rem; text-align: center; text-decoration: none; color: inherit }
.full { background: #d7eddc } .partial { background: #fdeec2 } .none { background: #f6d5d0 }
section { border: 1px solid #ddd; border-radius: .4rem; padding: .7rem 1rem; margin: .8rem 0 }
section ul { margin: .5rem 0 } details { margin: .35rem 0 } summary { cursor: pointer }
del { background: #fbe3df; text-decoration: none } ins { background: #e0f2e4;
  text-decoration: none } pre { margin: .4rem 0; font-size: .85rem } ul { padding-left: 1.4rem }
.quiet { color: #555; font-size: .92rem } .head .quiet, summary .quiet { margin-left: .5rem }
"""


def _text(text: str, longest: int = LONGEST) -> str:
    """A text as HTML, shortened; what cannot be printed becomes a code."""
    cut = text if len(text) <= longest else f"{text[:longest]} …"
    return html.escape(printable(cut), quote=True)


def page(rows: list["Row"], left_out: list[str]) -> str:
    """All results as a table, below it every finding: first of what a person should look at.

    Parameters
    ----------
    rows, left_out : of `check_lessons.check_folder`

    Returns
    -------
    HTML
    """
    title = "Executed lessons"
    parts = [HEAD.format(title=title, style=STYLE + EXTRA), f"<h1>{title}</h1>", _table(rows)]
    parts.append(
        '<p class="quiet">A question mark says that a person should look, and a dash that nothing'
        " was handed in. Below, a cell is named by the number that it has in brackets in the"
        " committed lesson, where the first one is [1].</p>"
    )
    sections = [(row, _section(row, number)) for number, row in enumerate(rows)]
    look = [section for row, section in sections if _to_look_at(row)]
    whole = [section for row, section in sections if not _to_look_at(row)]
    for heading, items in {"To look at": look, "Full": whole}.items():
        if items:
            parts += [f"<h2>{heading}</h2>", *items]
    if left_out:
        items = "".join(f"<li>{_text(line)}" for line in left_out)
        parts.append(f"<h2>Left out</h2><ul>{items}</ul>")
    return "\n".join(parts) + "</body></html>\n"


def _to_look_at(row: "Row") -> bool:
    """Whether a person should look at this notebook."""
    return row.checked.result != "full" or _doubtful(row)


def _doubtful(row: "Row") -> bool:
    return any(found.kind == DOUBT for found in row.checked.findings)


def _table(rows: list["Row"]) -> str:
    """A row for each student, a column for each lesson."""
    lessons = sorted({row.lesson for row in rows if row.lesson})
    strangers = any(not row.lesson for row in rows)
    columns = [*lessons, ""] if strangers else lessons
    places: dict[tuple[str, str], list[str]] = {}
    for number, row in enumerate(rows):
        result = row.checked.result
        badge = f'<a class="{result}" href="#r{number}">{result}</a>'
        if _doubtful(row):
            badge += " ?"
        places.setdefault((row.student, row.lesson), []).append(badge)
    heads = "".join(f"<th>{_text(name.replace('_', ' ') or 'no lesson')}" for name in columns)
    lines = []
    for student in dict.fromkeys(row.student for row in rows):
        cells = "".join(f"<td>{' '.join(places.get((student, name), ['–']))}" for name in columns)
        lines.append(f"<tr><th>{_text(student)}{cells}")
    table = f"<table><tr><th>student{heads}{''.join(lines)}</table>"
    return f'<div class="scroll">{table}</div>'


def _section(row: "Row", number: int) -> str:
    """One notebook: its result, and what was found; folded where there are only notes."""
    checked = row.checked
    badge = f'<span class="{checked.result}">{checked.result}</span>'
    ran = f", {checked.ran} of {checked.of} cells run" if checked.of else ""
    heading = f"{badge} <b>{_text(row.student)}</b> · {_text(row.lesson or 'no lesson')}"
    heading += f' <span class="quiet">{_text(row.file)}{ran}</span>'
    notes = "".join(_finding(found) for found in checked.findings if found.kind == NOTE)
    if not _to_look_at(row):
        inside = f"<ul>{notes or '<li>Nothing to note.'}</ul>"
        return f'<details id="r{number}"><summary>{heading}</summary>{inside}</details>'
    parts = [f'<section id="r{number}"><div class="head">{heading}</div>']
    if row.unread:
        parts.append(f'<p class="no">It could not be read: {_text(row.unread)}</p>')
    counting = [found for found in checked.findings if found.kind in (*COUNTS, DOUBT)]
    if counting:
        parts.append(f"<ul>{_findings(counting)}</ul>")
    if notes:
        parts.append(f"<details><summary>noted, at no cost</summary><ul>{notes}</ul></details>")
    return "\n".join([*parts, "</section>"])


def _findings(findings: list[Finding]) -> str:
    """Findings as items of a list; cells of which the same is to be said stand in one item."""
    same: dict[Finding, list[int]] = {}
    for found in findings:
        same.setdefault(found._replace(cell=None), []).append(found.cell)
    items = []
    for found, cells in same.items():
        if len(cells) > 1 and not (found.wanted or found.found):
            label = COUNTS[found.kind].capitalize()
            items.append(f"<li>{label}: {cells_named(cells)}.")
        else:
            items += [_finding(found._replace(cell=cell)) for cell in cells]
    return "".join(items)


def _finding(found: Finding) -> str:
    """A finding as an item of a list, with what differs folded below it."""
    words = f"Cell {found.cell} {found.words}" if found.cell else found.words
    words = words[:1].upper() + words[1:]
    mark = {NOTE: "", DOUBT: "<b>Look:</b> "}.get(found.kind, "")
    about = _text(words)
    if not (found.wanted or found.found):
        return f"<li>{mark}{about}."
    return f"<li>{mark}{about}.<details><summary>show</summary>{_difference(found)}</details>"


def _difference(found: Finding) -> str:
    """The lesson's text beside the one handed in, line by line."""
    if not (found.wanted and found.found):
        return f"<pre>{_text(found.wanted or found.found)}</pre>"
    wanted = found.wanted[:LONGEST].splitlines()
    theirs = found.found[:LONGEST].splitlines()
    lines = []
    for line in list(difflib.unified_diff(wanted, theirs, lineterm="", n=2))[2:][:LINES]:
        if line.startswith("@@"):
            lines.append("…")
        elif line.startswith("-"):
            lines.append(f"<del>− {_text(line[1:])}</del>")
        elif line.startswith("+"):
            lines.append(f"<ins>+ {_text(line[1:])}</ins>")
        else:
            lines.append(f"  {_text(line[1:])}")
    legend = '<p class="quiet">− as in the lesson, + as handed in</p>'
    return f"{legend}<pre>{chr(10).join(lines[1:] if lines[:1] == ['…'] else lines)}</pre>"
