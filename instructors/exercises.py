"""The exercise notebooks of `source/`: what is given, what is asked, what is tested."""

import ast
import functools
import re
from pathlib import Path
from typing import NamedTuple

import nbformat

from helpers import ROOT

SOURCE = ROOT / "instructors" / "source"
STUDENT = ROOT / "notebooks" / "exercises"
WITHOUT_DEVICE = "helpers.setup(device=False)"  # the set-up of exercises without TensorFlow
MOST = 5  # exercises in a lesson, each with a column in grades.csv
HEADING = re.compile(r"## (\d) · (.+)\n\n\*(\d+) points? · (\d+) minutes\*")
SOLUTION = re.compile(r"^.*BEGIN SOLUTION.*\n((?:.*\n)*?).*END SOLUTION.*$", re.MULTILINE)


class Test(NamedTuple):
    """A graded cell: its id and points, the promise in its first line, and its code."""

    id: str
    points: float
    promise: str
    code: str


class Manual(NamedTuple):
    """A cell graded by hand: its id and points, the question above it, and the model answer."""

    id: str
    points: float
    question: str
    rubric: str


class Exercise(NamedTuple):
    """One exercise. `given` runs on both sides of the pipe, `wrappers` on the student's only."""

    number: int
    title: str
    points: float
    minutes: int
    text: str
    given: list[str]
    wrappers: list[str]
    solution: nbformat.NotebookNode | None
    tests: list[Test]
    manual: list[Manual]

    @property
    def id(self) -> str:
        return self.solution.metadata.nbgrader.grade_id if self.solution else self.manual[0].id

    @property
    def names(self) -> dict[str, bool]:
        """What the tests may ask the student's process for, and whether it is a function."""
        return {
            name: kind
            for cell in [*self.wrappers, self.solution.source]
            for name, kind in defined(cell).items()
        }


class Lesson(NamedTuple):
    """A source notebook: the cells before the first exercise, and the exercises."""

    name: str
    path: Path
    given: list[str]
    exercises: list[Exercise]

    @property
    def needs_tensorflow(self) -> bool:
        return any("helpers.setup(" in code for code in self.given)

    @property
    def machine(self) -> float:
        return sum(test.points for exercise in self.exercises for test in exercise.tests)

    @property
    def manual(self) -> float:
        return sum(cell.points for exercise in self.exercises for cell in exercise.manual)


def names() -> list[str]:
    """The lessons that have exercises."""
    return sorted(path.stem for path in SOURCE.glob("*/[0-9]*.ipynb"))


def named(text: str) -> str | None:
    """A lesson by its number, such as "2" or "02", or by its name; None where there is none."""
    wanted = text.strip().zfill(2)
    return next((name for name in names() if wanted in (name, name[:2])), None)


def source(name: str) -> Path:
    return SOURCE / name / f"{name}.ipynb"


@functools.cache
def lesson(name: str) -> tuple["Lesson", dict[str, str]]:
    """A lesson, and the solution cells of its student edition."""
    edition = STUDENT / f"{name}.ipynb"
    if not edition.exists():
        raise FileNotFoundError(f"there is no student edition {edition}; make student")
    solutions = {}
    for cell in nbformat.read(edition, as_version=4).cells:
        about = cell.metadata.get("nbgrader", {})
        if about.get("solution"):
            solutions[about.grade_id] = cell.source
    return read(source(name)), solutions


def wrong(name: str) -> list[str]:
    """A lesson's wrong solutions: the cells of its `wrong.py`, each below its marker `# %% `."""
    text = (SOURCE / name / "wrong.py").read_text(encoding="utf-8")
    return re.split("^(?=# %% )", text, flags=re.MULTILINE)[1:]


def without_markers(code: str) -> str:
    """A solution cell's code as a person would write it."""
    lines = code.splitlines(keepends=True)
    return "".join(line for line in lines if not re.search("### (BEGIN|END) SOLUTION", line))


def defined(code: str) -> dict[str, bool]:
    """The functions (True) and the values (False) that a cell defines at its top level."""
    found: dict[str, bool] = {}
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = True
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id: False for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    return found


def read(path: Path) -> Lesson:
    """Take a source notebook apart.

    Parameters
    ----------
    path : the notebook

    Returns
    -------
    the lesson

    Raises
    ------
    ValueError : a cell breaks the rules of `README.md`; the message names it
    """
    notebook = nbformat.read(path, as_version=4)
    given: list[str] = []
    exercises: list[Exercise] = []
    question = ""
    for cell in notebook.cells:
        where = f"{path.name}, cell {cell.id}"
        if cell.cell_type == "markdown" and not cell.metadata.get("nbgrader"):
            if _is_heading(cell):
                exercises.append(_begin(cell, where))
                question = ""
            else:
                question = cell.source
        elif exercises:
            exercises[-1] = _with(exercises[-1], cell, question, where)
        elif cell.metadata.get("nbgrader"):
            raise ValueError(f"{where}: a graded cell before the first heading '## 1 · Title'")
        else:
            given.append(cell.source.replace(WITHOUT_DEVICE, ""))  # nothing to install or print
    if len(exercises) > MOST:
        raise ValueError(f"{path.name}: {len(exercises)} exercises; at most {MOST} have a column")
    for number, exercise in enumerate(exercises, 1):
        _check(exercise, number, path)
    return Lesson(path.stem, path, given, exercises)


def _is_heading(cell: nbformat.NotebookNode) -> bool:
    """Whether an exercise begins with this cell of text."""
    return cell.source.startswith("## ") and cell.source[3].isdigit()


def _begin(cell: nbformat.NotebookNode, where: str) -> Exercise:
    """The exercise that begins with a heading, without its cells."""
    match = HEADING.match(cell.source)
    if not match:
        raise ValueError(
            f"{where}: a heading is '## 1 · Title', a blank line, '*3 points · 10 minutes*'"
        )
    number, title, points, minutes = match.groups()
    return Exercise(
        number=int(number),
        title=title,
        points=int(points),
        minutes=int(minutes),
        text=cell.source[match.end() :].strip(),
        given=[],
        wrappers=[],
        solution=None,
        tests=[],
        manual=[],
    )


def _with(exercise: Exercise, cell: nbformat.NotebookNode, question: str, where: str) -> Exercise:
    """The exercise with one more cell of its own."""
    about = cell.metadata.get("nbgrader", {})
    solution = bool(about.get("solution"))
    grade = bool(about.get("grade"))
    if solution and grade:
        found = SOLUTION.search(cell.source)
        rubric = found[1].strip() if found else ""
        exercise.manual.append(Manual(about.grade_id, about.points, question, rubric))
    elif solution:
        if exercise.solution:
            raise ValueError(
                f"{where}: an exercise has one solution cell; make it a second exercise"
            )
        return exercise._replace(solution=cell)
    elif grade:
        promise = cell.source.split("\n", 1)[0].removeprefix("# Graded: ")
        exercise.tests.append(Test(about.grade_id, about.points, promise, cell.source))
    elif "wrapper" in cell.metadata.get("tags", []):
        exercise.wrappers.append(cell.source)
    elif not exercise.solution:
        exercise.given.append(cell.source)
    return exercise


def _check(exercise: Exercise, number: int, path: Path) -> None:
    """ValueError where an exercise's heading and cells do not agree."""
    points = sum(part.points for part in [*exercise.tests, *exercise.manual])
    if (exercise.number, exercise.points) != (number, points):
        raise ValueError(
            f"{path.name}: the heading of exercise {number} says {exercise.number} and"
            f" {exercise.points} points; its cells have {points}"
        )
    if exercise.tests and not exercise.solution:
        raise ValueError(f"{path.name}: exercise {number} has tests and no solution cell")
