"""An executed lesson against the committed one, cell by cell. Nothing is executed."""

import ast
import base64
import binascii
import difflib
import functools
import re
import warnings
from collections import Counter, defaultdict, deque
from pathlib import Path
from typing import NamedTuple

from helpers import ROOT
from instructors.worker import printable, read_cells

LESSONS = ROOT / "notebooks"
LARGEST = 100 << 20  # bytes of a notebook; the committed ones have at most 3 MB
MOST_CELLS = 1000  # code cells of a notebook; the longest lesson has 68
HIGHEST = 10**6  # number of a cell
LONGEST = 20_000  # characters of a cell whose program is compared
COMPARED = "nbval-check-output"  # tag of a cell whose output is the same in every run
FREE = {"parameters", "yours"}  # tags of cells that students may change
SETUP = "helpers.setup("  # its cell prints versions, which differ from machine to machine
SMOKE = re.compile(r"""["']smoke["']|= *smoke\b""")  # the shortest profile, as it is set
ADDRESS = re.compile(r"github\.com/[\w.-]+/[\w.-]+")  # differs in a published copy
# Times and rates, such as "3.82 s" and "1,250 pairs/s"; a number in between words is none
MEASURED = re.compile(r"(?<![\w.,])(\d[\d,]*(?:\.\d+)?) ?(?:s|ms|min|[a-z]+/s)(?![\w/])")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
DIGITS = 8  # as many digits of measured times do not agree by chance
DRAWN_BY = re.compile(rb"Software\0([^,\0]{1,60})")  # what a PNG says of its program
PRINTED, ERROR = "printed", "error"  # types of outputs beside those of MIME
RESULT_OF = "number of the cell"  # whose last line is shown
WIDGET = "application/vnd.jupyter.widget-view+json"  # such as a progress bar
TEXT, PICTURE, PAGE = "a text", "a picture", "HTML"
# In the order in which they are told; each with what the table says of it.
COUNTS = {
    "not a lesson": "not this lesson",
    "copied": "copied outputs",
    "pasted": "outputs of another run",
    "skipped": "not run",
    "missing": "missing",
    "changed": "changed",
    "moved": "at another place",
    "order": "not run in one go",
    "error": "ended in an error",
    "output": "another output than the lesson's",
}
DOUBT = "doubt"  # it costs nothing, and a person should look at it
NOTE = "note"
SHOWN = 12  # cells named for one reason


class Cell(NamedTuple):
    """A code cell: what stands in it, its number in brackets, and what it has put out."""

    source: str
    id: str = ""
    tags: tuple[str, ...] = ()
    count: int | None = None
    outputs: tuple[dict[str, str], ...] = ()  # each {type: content}

    @property
    def free(self) -> bool:
        """Whether a student may change it."""
        return bool(FREE.intersection(self.tags))


class Notebook(NamedTuple):
    """A notebook's name, its first line, and its code cells that are not empty."""

    name: str
    title: str
    cells: list[Cell]


class Finding(NamedTuple):
    """What was found: its kind, the cell's number in the committed lesson, and it in words.

    `wanted` and `found` are the texts to compare. `DOUBT` and `NOTE` are the kinds of what costs
    nothing.
    """

    kind: str
    cell: int | None
    words: str
    wanted: str = ""
    found: str = ""


class Checked(NamedTuple):
    """The result, "full", "partial" or "none", how many of the lesson's cells ran, and why.

    `times` are the times that it printed.
    """

    lesson: str
    result: str
    ran: int
    of: int
    findings: list[Finding]
    times: tuple[str, ...] = ()


class Pair(NamedTuple):
    """A cell of the lesson and the one that was handed in for it; `place` is its index there."""

    number: int
    wanted: Cell
    found: Cell | None
    place: int | None

    @property
    def same(self) -> bool:
        """Whether both hold the same program."""
        return self.found is not None and same_program(self.wanted.source, self.found.source)


def read(path: Path) -> Notebook:
    """Read a notebook that anybody may have written.

    Parameters
    ----------
    path : the notebook

    Returns
    -------
    its code cells; what is malformed in a cell counts as not there

    Raises
    ------
    ValueError : it is no notebook, or too large
    OSError : it cannot be read
    """
    if (size := path.stat().st_size) > LARGEST:
        raise ValueError(f"{size:,} bytes are too many; at most {LARGEST:,} are read")
    title = ""
    cells = []
    for raw in read_cells(path):
        if not isinstance(raw, dict):
            continue
        source = _text(raw.get("source"))
        title = title or source.lstrip().split("\n", 1)[0].strip()
        if raw.get("cell_type") == "code" and source.strip():
            cells.append(_cell(raw, source))
    if len(cells) > MOST_CELLS:
        raise ValueError(f"{len(cells):,} code cells are too many; at most {MOST_CELLS} are read")
    return Notebook(path.stem, title, cells)


def _cell(raw: dict, source: str) -> Cell:
    """A code cell without what is malformed in it."""
    about = raw.get("metadata")
    tags = about.get("tags") if isinstance(about, dict) else None
    count = raw.get("execution_count")
    outputs = raw.get("outputs")
    return Cell(
        source=source,
        id=_text(raw.get("id")),
        tags=tuple(map(_text, tags)) if isinstance(tags, list) else (),
        count=count if type(count) is int and 0 < count < HIGHEST else None,
        outputs=tuple(map(_output, outputs)) if isinstance(outputs, list) else (),
    )


def _output(raw: object) -> dict[str, str]:
    """An output as {type: content}: `PRINTED`, `ERROR`, or what was shown; warnings are none."""
    if not isinstance(raw, dict):
        return {}
    kind = raw.get("output_type")
    if kind == "stream":
        return {} if raw.get("name") == "stderr" else {PRINTED: _text(raw.get("text"))}
    if kind == "error":
        return {ERROR: f"{_text(raw.get('ename'))}: {_text(raw.get('evalue'))}"}
    data = raw.get("data")
    shown = {mime: _text(value) for mime, value in data.items()} if isinstance(data, dict) else {}
    count = raw.get("execution_count")
    return shown | {RESULT_OF: str(count)} if type(count) is int else shown


def _text(value: object) -> str:
    """A text, which a notebook holds as such or as a list of lines; empty for anything else."""
    if isinstance(value, list):
        value = "".join(line for line in value if isinstance(line, str))
    return value if isinstance(value, str) else ""


@functools.cache
def lessons() -> dict[str, Notebook]:
    """The committed lessons by name; ValueError where one has no outputs to compare with."""
    found = {}
    for path in sorted(LESSONS.glob("[0-9]*.ipynb")):
        lesson = read(path)
        if not any(cell.outputs for cell in lesson.cells):
            raise ValueError(f"{path} has no outputs to compare with; run make notebooks")
        found[path.stem] = lesson
    return found


def recognise(notebook: Notebook) -> str:
    """The lesson that a notebook is.

    Parameters
    ----------
    notebook : what was handed in

    Returns
    -------
    the lesson with most of its own cells in it, by source or id; else the one of its title; else ""
    """
    shared = Counter()
    for lesson in lessons().values():
        shared.update({plain(cell.source) for cell in lesson.cells})
    sources = {plain(cell.source) for cell in notebook.cells}
    ids = {cell.id for cell in notebook.cells}
    best = ""
    most = 1  # one cell is no lesson
    for name, lesson in lessons().items():
        own = [cell for cell in lesson.cells if shared[plain(cell.source)] == 1]
        here = sum(plain(cell.source) in sources or cell.id in ids for cell in own)
        if here > most:
            best = name
            most = here
    titles = {lesson.title: name for name, lesson in lessons().items()}
    return best or titles.get(notebook.title, "")


def plain(source: str) -> str:
    """A source without what an editor or a published copy changes."""
    lines = [line.rstrip() for line in source.splitlines()]
    return ADDRESS.sub("github.com/OWNER/NAME", "\n".join(lines)).strip("\n")


def same_program(one: str, other: str) -> bool:
    """Whether two sources differ at most in comments and layout."""
    one = plain(one)
    other = plain(other)
    if one == other:
        return True
    if max(len(one), len(other)) > LONGEST:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a student wrote
        try:
            return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False


def pairs(lesson: Notebook, notebook: Notebook) -> list[Pair]:
    """For each cell of the lesson the one that was handed in: by source, by id, by order.

    Parameters
    ----------
    lesson, notebook : the committed lesson, and what was handed in

    Returns
    -------
    a pair for each cell of the lesson; without a partner where it is missing
    """
    waiting = defaultdict(deque)
    for place, cell in enumerate(notebook.cells):
        waiting[plain(cell.source)].append(place)
    places: list[int | None] = []
    for cell in lesson.cells:
        queue = waiting[plain(cell.source)]
        places.append(queue.popleft() if queue else None)
    left = [place for queue in waiting.values() for place in queue]
    by_id = {notebook.cells[place].id: place for place in left}
    for number, cell in enumerate(lesson.cells):
        if places[number] is None and cell.id in by_id:
            places[number] = by_id.pop(cell.id)
            left.remove(places[number])
    for number, cell in enumerate(lesson.cells):
        if places[number] is None:
            place = _by_order(cell, number, places, sorted(left), notebook)
            places[number] = place
            if place is not None:
                left.remove(place)
    partners = [None if place is None else notebook.cells[place] for place in places]
    return [
        Pair(number, *rest)
        for number, rest in enumerate(zip(lesson.cells, partners, places, strict=True), start=1)
    ]


def _by_order(
    cell: Cell, number: int, places: list[int | None], left: list[int], notebook: Notebook
) -> int | None:
    """The most similar cell left over between the partners of the cells around this one."""
    before = [place for place in places[:number] if place is not None]
    after = [place for place in places[number:] if place is not None]
    low = max(before, default=-1)
    high = min((place for place in after if place > low), default=len(notebook.cells))
    between = [place for place in left if low < place < high]
    if not between:
        return None
    best = max(between, key=lambda place: _likeness(cell, notebook.cells[place]))
    if cell.free or _likeness(cell, notebook.cells[best]) > 0.4:
        return best
    return None


def _likeness(one: Cell, other: Cell) -> float:
    """The share of words that two cells have in common, 0…1."""
    words = [Counter(re.findall(r"\w+", cell.source[:LONGEST])) for cell in (one, other)]
    total = words[0].total() + words[1].total()
    return 2 * (words[0] & words[1]).total() / total if total else 0.0


def said(cell: Cell) -> str:
    """The text that a cell has put out: what it printed, then what it showed. No errors."""
    printed = "".join(output.get(PRINTED, "") for output in cell.outputs)
    shown = []
    for output in cell.outputs:
        if WIDGET not in output:
            shown += [output[mime] for mime in sorted(output) if mime.startswith("text/")]
    lines = "\n".join([printed, *shown]).splitlines()
    return "\n".join(line.rstrip() for line in lines if line.strip())


def images(cell: Cell) -> list[str]:
    """The pictures that a cell has shown, in base64."""
    found = []
    for output in cell.outputs:
        found += [content.strip() for mime, content in output.items() if mime.startswith("image/")]
    return found


def kinds(cell: Cell, richest: bool) -> set[str]:
    """Which kinds of output a cell has; of what was shown in several kinds only the `richest`."""
    found = set()
    for output in cell.outputs:
        here = []
        if any(mime.startswith("image/") for mime in output):
            here.append(PICTURE)
        if "text/html" in output:
            here.append(PAGE)
        if output.get(PRINTED, "").strip() or {"text/plain", "text/markdown"} & set(output):
            here.append(TEXT)
        if WIDGET in output and not richest:  # it may show anything
            here += [PICTURE, PAGE, TEXT]
        found.update(here[:1] if richest else here)
    return found


def measured(text: str) -> list[str]:
    """The times and rates in an output, which no second run gives again."""
    found = []
    in_table = False
    for line in text.splitlines():
        last = line.split()[-1] if line.strip() else ""
        in_row = in_table and NUMBER.fullmatch(last)
        found += [last] if in_row else MEASURED.findall(line)
        in_table = last == "s/picture" or bool(in_row)
    return list(dict.fromkeys(found))


def digits(values: list[str]) -> int:
    """How many significant digits numbers have."""
    return sum(len(re.sub(r"\D", "", value).lstrip("0")) for value in values)


def cells_named(numbers: list[int]) -> str:
    """Cells by number, neighbours joined: "cells 3, 5 to 7"."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = []
    for run in runs[:SHOWN]:
        parts.append(f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}")
    more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
    return f"{'cell' if len(set(numbers)) == 1 else 'cells'} {', '.join(parts)}{more}"


def check(path: Path, named: str = "", copies: bool = True) -> Checked:
    """Compare what was handed in with the committed lesson.

    Parameters
    ----------
    path : an executed lesson
    named : the lesson that its name says; "" if none
    copies : whether to look for outputs copied from the committed lesson, whose own outputs they
        are

    Returns
    -------
    the result and everything found

    Raises
    ------
    ValueError, OSError : it cannot be read
    """
    notebook = read(path)
    name = recognise(notebook)
    if not name or (named and named != name):
        return Checked(named, "none", 0, 0, [_stranger(notebook, name, named)])
    lesson = lessons()[name]
    matched = pairs(lesson, notebook)
    findings = [
        *_sources(matched, notebook),
        *_runs(matched),
        *_places(matched),
        *_order(matched, notebook),
        *_outputs(matched),
        *_profile(matched),
    ]
    ran = [pair for pair in matched if pair.found is not None and pair.found.outputs]
    known = _times({pair.number: pair.wanted for pair in ran}, ran)
    theirs = _times({pair.number: pair.found for pair in ran}, ran)
    if copies:
        findings += _copied(ran, known, theirs)
    strange = sum(found.kind in ("changed", "missing") for found in findings)
    if strange > len(matched) / 4:
        words = "so many cells differ that this may be another edition of the lesson"
        findings.append(Finding(DOUBT, None, words))
    done = sum(pair.found is not None and pair.found.count is not None for pair in matched)
    order = {kind: place for place, kind in enumerate([*COUNTS, DOUBT, NOTE])}
    findings.sort(key=lambda found: (order[found.kind], found.cell or 0))
    times = tuple(value for values in theirs.values() for value in values)
    return Checked(
        lesson=name,
        result=_result(findings, done, len(matched)),
        ran=done,
        of=len(matched),
        findings=findings,
        times=times,
    )


def _result(findings: list[Finding], ran: int, of: int) -> str:
    """The result in one word."""
    counting = [found for found in findings if found.kind in COUNTS]
    changed = sum(found.kind == "changed" for found in counting)
    whole_copy = any(found.kind == "copied" and found.cell is None for found in counting)
    if whole_copy or ran - changed < of / 2:
        return "none"
    return "partial" if counting else "full"


def _stranger(notebook: Notebook, name: str, named: str) -> Finding:
    """What to say of a notebook that is not the lesson that its name says."""
    if name:
        words = f"this is lesson {name} under the name of {named}; hand it in under its own"
    elif notebook.title.startswith("# Exercises"):
        words = "these are exercises and not the lesson itself, which lies in notebooks/"
    else:
        words = "no lesson of the course: its cells are of none, nor is its title"
    return Finding("not a lesson", None, words)


def _sources(matched: list[Pair], notebook: Notebook) -> list[Finding]:
    """Cells missing or changed, and those of the student's own."""
    findings = []
    for number, wanted, found, _ in matched:
        if found is None:
            findings.append(Finding("missing", number, "is missing", wanted.source))
        elif plain(wanted.source) == plain(found.source):
            continue
        elif wanted.free:
            words = "was changed, which the lesson invites to"
            findings.append(Finding(NOTE, number, words, wanted.source, found.source))
        elif same_program(wanted.source, found.source):
            words = "has other comments or another layout, and the same program"
            findings.append(Finding(NOTE, number, words, wanted.source, found.source))
        else:
            words = "was changed"
            findings.append(Finding("changed", number, words, wanted.source, found.source))
    taken = {pair.place for pair in matched}
    own = [cell for place, cell in enumerate(notebook.cells) if place not in taken]
    if own:
        cells = "1 cell of their own" if len(own) == 1 else f"{len(own)} cells of their own"
        findings.append(Finding(NOTE, None, cells, "", "\n\n".join(c.source for c in own[:20])))
    for cell in own:
        if "PROFILE" in cell.source and SMOKE.search(cell.source):
            words = "a cell of their own sets the profile to smoke, which trains nothing"
            findings.append(Finding("changed", None, words, "", cell.source))
    return findings


def _runs(matched: list[Pair]) -> list[Finding]:
    """Cells that were not run, or ended in an error."""
    findings = []
    for number, _, found, _ in matched:
        if found is None:
            continue
        errors = [output[ERROR] for output in found.outputs if ERROR in output]
        if found.count is None and found.outputs:
            words = "has outputs but was not run: it has no number"
            findings.append(Finding("pasted", number, words, "", said(found)))
        elif found.count is None:
            findings.append(Finding("skipped", number, "was not run"))
        elif others := {o[RESULT_OF] for o in found.outputs if RESULT_OF in o} - {str(found.count)}:
            words = f"is [{found.count}] and shows the result of [{min(others)}]"
            findings.append(Finding("pasted", number, words, "", said(found)))
        if errors:
            findings.append(Finding("error", number, f"ended in {printable(errors[0])[:200]}"))
    return findings


def _places(matched: list[Pair]) -> list[Finding]:
    """Cells that stand at another place than in the lesson."""
    places = [pair.place for pair in matched if pair.place is not None]
    blocks = difflib.SequenceMatcher(
        None, places, sorted(places), autojunk=False
    ).get_matching_blocks()
    kept = {places[block.a + k] for block in blocks for k in range(block.size)}
    return [
        Finding("moved", pair.number, "stands at another place")
        for pair in matched
        if pair.place is not None and pair.place not in kept
    ]


def _order(matched: list[Pair], notebook: Notebook) -> list[Finding]:
    """Whether the numbers go from 1 upwards without a gap.

    A cell that a student may change, or has added, may have been run again at any time.
    """
    bound = {pair.place: pair.number for pair in matched if "yours" not in pair.wanted.tags}
    breaks = []
    last = 0
    loose = False
    for place, cell in enumerate(notebook.cells):
        if place not in bound:
            loose = True
        elif cell.count is not None:
            if cell.count <= last:
                breaks.append((bound[place], f"[{cell.count}] stands below [{last}]"))
            elif cell.count != last + 1 and not loose:
                before = f"[{last}]" if last else "the beginning"
                breaks.append((bound[place], f"[{cell.count}] follows {before}"))
            last = cell.count
            loose = False
    if not breaks:
        return []
    told = "; ".join(f"cell {number}: {words}" for number, words in breaks[:5])
    more = f"; and {len(breaks) - 5} more" if len(breaks) > 5 else ""
    words = f"was not run in one go from top to bottom: {told}{more}"
    return [Finding("order", None, words)]


def _outputs(matched: list[Pair]) -> list[Finding]:
    """Outputs that are not what the lesson has.

    Below a changed cell of the student's own they may differ, which is only noted.
    """
    findings = []
    own = None
    for pair in matched:
        number, wanted, found, _ = pair
        if found is None:
            continue
        if wanted.free and not pair.same:
            own = own or number
        if found.count is None or any(ERROR in o for o in found.outputs):
            continue
        difference = _difference(wanted, found)
        if difference and own:
            words = f"{difference.words}, which may come from the changed cell {own}"
            findings.append(difference._replace(kind=NOTE, cell=number, words=words))
        elif difference:
            findings.append(difference._replace(cell=number))
    return findings


def _difference(wanted: Cell, found: Cell) -> Finding | None:
    """How an output differs from the lesson's: in its text where that is compared, else in kind."""
    if COMPARED in wanted.tags:
        if said(wanted) == said(found):
            return None
        words = "puts out another text" if said(found) else "puts out no text"
        return Finding("output", None, words, said(wanted), said(found))
    lacking = kinds(wanted, richest=True) - kinds(found, richest=False)
    if not lacking:
        return None
    return Finding("output", None, f"lacks {' and '.join(sorted(lacking))}", said(wanted))


def _profile(matched: list[Pair]) -> list[Finding]:
    """Other versions, and the shortest profile."""
    findings = []
    for number, wanted, found, _ in matched:
        if found is None:
            continue
        if SETUP in wanted.source and found.count and said(found) != said(wanted):
            words = "ran elsewhere than the committed lesson"
            findings.append(Finding(NOTE, number, words, said(wanted), said(found)))
        if any(line.startswith("smoke:") for line in said(found).splitlines()):
            words = "says that it ran in the profile smoke, which trains nothing"
            findings.append(Finding("output", number, words, said(wanted), said(found)))
        if "parameters" in wanted.tags and SMOKE.search(found.source):
            words = "sets the profile to smoke, which trains nothing"
            findings.append(Finding("changed", number, words, wanted.source, found.source))
    return findings


def _times(cells: dict[int, Cell], ran: list[Pair]) -> dict[int, list[str]]:
    """The times in the outputs of these cells by number, but of cells with a fixed output."""
    fixed = {pair.number for pair in ran if COMPARED in pair.wanted.tags}
    return {number: measured(said(cell)) for number, cell in cells.items() if number not in fixed}


def _copied(
    ran: list[Pair], known: dict[int, list[str]], theirs: dict[int, list[str]]
) -> list[Finding]:
    """Outputs that are the committed lesson's own where a second run would give others."""
    times = [value for values in known.values() for value in values]
    if known == theirs and digits(times) >= DIGITS:
        words = (
            f"was not run: all {len(times)} times in its outputs are those of the committed lesson,"
            " to the last digit"
        )
        return [Finding("copied", None, words)]
    if not times and _all_alike(ran):
        words = (
            "every output, versions and pictures included, is the committed lesson's: it was not"
            " run, or on a machine just like that one"
        )
        return [Finding(DOUBT, None, words)]
    findings = []
    for number, values in known.items():
        if values == theirs[number] and digits(values) >= DIGITS:
            words = f"has the committed lesson's times, to the last digit: {', '.join(values[:5])}"
            findings.append(Finding("copied", number, words))
    return findings + _drawn_elsewhere(ran)


def _all_alike(ran: list[Pair]) -> bool:
    """Whether every output is the committed one."""
    return bool(ran) and all(
        (said(pair.wanted), images(pair.wanted)) == (said(pair.found), images(pair.found))
        for pair in ran
    )


def _drawn_elsewhere(ran: list[Pair]) -> list[Finding]:
    """Pictures that are the committed ones where another version of matplotlib drew the others."""
    programs = {pair.number: {_drawn_by(image) for image in images(pair.found)} for pair in ran}
    everything = set().union(*programs.values()) - {""}
    findings = []
    for number, wanted, found, _ in ran:
        same = [image for image in images(found) if image in images(wanted)]
        others = everything - {_drawn_by(image) for image in images(wanted)}
        if others and any(_drawn_by(image) for image in same):
            words = f"shows the committed lesson's picture; {', '.join(sorted(others))} drew others"
            findings.append(Finding("copied", number, words))
    return findings


@functools.cache
def _drawn_by(image: str) -> str:
    """The program that a PNG names; "" where it names none."""
    try:
        named = DRAWN_BY.search(base64.b64decode(image[:4000]))
    except (binascii.Error, ValueError):
        return ""
    return printable(named[1].decode("latin-1")) if named else ""
