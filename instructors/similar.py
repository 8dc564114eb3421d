"""`make similar SUBMISSIONS=folder`: pairs of solutions that are much alike.

Nothing is executed and nothing leaves this machine. Names, comments and layout do not count. What
stands in the student edition or in most solutions does not count either. A pair in the list is a
reason to look, and never a proof.
"""

import argparse
import ast
import builtins
import html
import io
import itertools
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path
from typing import NamedTuple

from helpers import ROOT
from helpers.files import replacing
from instructors.executed import LARGEST
from instructors.feedback import HEAD, STYLE
from instructors.grade import Submission, find, lesson
from instructors.tables import safe, write_table
from instructors.worker import printable, submitted

COLUMNS = ["lesson", "exercise", "student", "other student", "similarity", "tokens"]
FEWEST = 25  # tokens of its own, below which two solutions are alike by chance
MOST = 3000  # tokens that are compared
SKIPPED = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
SKIPPED |= {tokenize.COMMENT}
EXTRA = """
body { max-width: 78rem } .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem }
.pair > * { min-width: 0 } pre { font-size: .85rem }
"""


class Solution(NamedTuple):
    """A solution cell: whose, which exercise's, its text, and its lines without names."""

    student: str
    lesson: str
    exercise: int
    source: str
    lines: list[str]


class Pair(NamedTuple):
    """Two solutions, how much alike they are (0 to 1), and the tokens of the shorter one."""

    one: Solution
    other: Solution
    similarity: float
    tokens: int


class _Renamed(ast.NodeTransformer):
    """Gives each name that the cell defines itself a number, in the order of its appearance."""

    def __init__(self, own: set[str]):
        self.own = own
        self.numbers: dict[str, str] = {}

    def new(self, name: str) -> str:
        if name not in self.own:
            return name
        return self.numbers.setdefault(name, f"name_{len(self.numbers)}")

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = self.new(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.arg = self.new(node.arg)
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.name = self.new(node.name)
        node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
        node.returns = None
        self.generic_visit(node)
        return node


def _is_text(node: ast.stmt) -> bool:
    """Whether a statement is a text alone, such as a docstring."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def without_names(source: str) -> list[str]:
    """The lines of a cell without comments, docstrings, layout, and names of its own.

    Parameters
    ----------
    source : the cell

    Returns
    -------
    its lines; none where it is no Python, or nested too deeply
    """
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
        own = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
            elif isinstance(node, ast.arg):
                own.add(node.arg)
            elif isinstance(node, ast.FunctionDef):
                own.add(node.name)
        return ast.unparse(_Renamed(own - set(dir(builtins))).visit(tree)).splitlines()
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def tokens(lines: Iterable[str]) -> list[str]:
    """The words and signs of lines of Python."""
    found = []
    for line in lines:
        try:
            for token in tokenize.generate_tokens(io.StringIO(line.strip()).readline):
                if token.type not in SKIPPED:
                    found.append(token.string)
        except (tokenize.TokenError, IndentationError):
            found += line.split()
    return found


def read(submissions: list[Submission]) -> tuple[list[Solution], list[str]]:
    """The solution cells of all submissions.

    Returns
    -------
    the solutions that are not as they were handed out, and a line for each notebook that cannot be
    read
    """
    solutions = []
    unread = []
    for student, name, path in submissions:
        known, edition = lesson(name)
        try:
            if path.stat().st_size > LARGEST:
                raise ValueError("too large to be read; clear its outputs")
            cells = submitted(str(path), {cell: [] for cell in edition})
        except (ValueError, OSError, RecursionError) as error:
            unread.append(f"{student}, {name}: {printable(str(error))[:200]}")
            continue
        for exercise in known.exercises:
            source = cells.get(exercise.id, "")
            if exercise.solution and source.strip() not in ("", edition[exercise.id].strip()):
                lines = without_names(source)
                solutions.append(Solution(student, name, exercise.number, source, lines))
    return solutions, unread


def compare(solutions: list[Solution], handed_out: str, threshold: float) -> list[Pair]:
    """The pairs among the solutions of one exercise that are much alike.

    Parameters
    ----------
    solutions : of one exercise
    handed_out : the student edition's cell
    threshold : from which similarity on a pair is named, 0 to 1

    Returns
    -------
    the pairs, the most similar first
    """
    common = set(without_names(handed_out))
    counts = Counter(line for solution in solutions for line in set(solution.lines))
    if len(solutions) > 3:
        common |= {line for line, count in counts.items() if count > len(solutions) / 2}
    own = {}
    for solution in solutions:
        words = tokens(line for line in solution.lines if line not in common)
        if len(words) >= FEWEST:
            own[solution.student] = solution, words[:MOST]
    pairs = []
    for (one, first), (other, second) in itertools.combinations(own.values(), 2):
        matcher = SequenceMatcher(None, first, second, autojunk=False)
        if matcher.real_quick_ratio() < threshold or matcher.quick_ratio() < threshold:
            continue
        if (ratio := matcher.ratio()) >= threshold:
            pairs.append(Pair(one, other, ratio, min(len(first), len(second))))
    return sorted(pairs, key=lambda pair: -pair.similarity)


def page(pairs: list[Pair]) -> str:
    """The pairs side by side, as HTML."""
    title = "Solutions that are much alike"
    parts = [HEAD.format(title=title, style=STYLE + EXTRA), f"<h1>{title}</h1>"]
    parts.append("<p>A pair is a reason to look, and no proof: short exercises have few answers.")
    for pair in pairs:
        one, other = pair.one, pair.other
        parts.append(
            f"<h2>{html.escape(one.lesson)} · {one.exercise}"
            f' <span class="points">{pair.similarity:.0%}</span></h2><div class="pair">'
        )
        for side in (one, other):
            code = html.escape(printable(side.source))
            parts.append(f"<div><h3>{html.escape(side.student)}</h3><pre>{code}</pre></div>")
        parts.append("</div>")
    return "\n".join(parts) + "</body></html>\n"


def main(argv: list[str] | None = None) -> int:
    """Compare a folder.

    Returns
    -------
    the exit status: 0, 1 where a notebook could not be read, 2 for bad input
    """
    parser = argparse.ArgumentParser(prog="python -m instructors.similar", description=__doc__)
    parser.add_argument("folder", nargs="?", default="", help="folder/<student>/<lesson>.ipynb")
    to = ROOT / "build" / "grades"
    parser.add_argument("--to", type=Path, default=to, help="instead of build/grades")
    parser.add_argument(
        "--threshold", type=float, default=0.8, help="similarity from 0 to 1, named from here; 0.8"
    )
    args = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        if not args.folder:
            raise ValueError("name the folder: make similar SUBMISSIONS=folder")
        if not 0 < args.threshold <= 1:
            raise ValueError(f"--threshold is {args.threshold}; expected above 0, at most 1")
        submissions, left_out = find(Path(args.folder))
        solutions, unread = read(submissions)
        pairs = _all_pairs(solutions, args.threshold)
        table = []
        for pair in pairs:
            place = [pair.one.lesson, pair.one.exercise]
            students = [safe(pair.one.student), safe(pair.other.student)]
            table.append([*place, *students, f"{pair.similarity:.2f}", pair.tokens])
        write_table(args.to / "similar.csv", COLUMNS, table)
        with replacing(args.to / "similar.html") as part:
            part.write_text(page(pairs), encoding="utf-8", errors="replace")
    except (ValueError, OSError) as error:
        print(f"error: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 2
    for row in table:
        print("  ".join(str(field) for field in row))
    for line in [*left_out, *unread]:
        print(f"left out: {line}")
    print(f"{len(solutions)} solutions compared, {len(pairs)} pairs: {args.to / 'similar.html'}")
    return int(bool(unread))


def _all_pairs(solutions: list[Solution], threshold: float) -> list[Pair]:
    """The pairs of all exercises."""
    pairs = []
    groups: dict[tuple[str, int], list[Solution]] = {}
    for solution in solutions:
        groups.setdefault((solution.lesson, solution.exercise), []).append(solution)
    for (name, number), group in sorted(groups.items()):
        known, edition = lesson(name)
        handed_out = edition[known.exercises[number - 1].id]
        pairs += compare(group, handed_out, threshold)
    return pairs


if __name__ == "__main__":
    sys.exit(main())
