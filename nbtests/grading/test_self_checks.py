"""The public self-checks tell right from wrong solutions; `-s` prints how many they find."""

import contextlib
import io
import sys
from collections.abc import Iterator

import matplotlib.pyplot as plt
import nbformat

from helpers import plots
from instructors import exercises

NAMES = exercises.names()
LEAST = 0.8  # of all wrong solutions


def cells_of_exercises(name: str) -> Iterator[tuple[str, list[str], str, list[str]]]:
    """For each exercise with tests: its solution's id, and the code before, of, and behind it.

    The code before holds all given cells from the notebook's top.
    """
    before, solution, behind, grade_id = [], None, [], ""
    for cell in nbformat.read(exercises.source(name), as_version=4).cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code":
            continue
        if about.get("solution"):
            solution, grade_id, behind = cell.source, about.grade_id, []
        elif about.get("grade"):
            if solution is not None:
                yield grade_id, list(before), solution, behind
            solution = None
        elif solution is None:
            before.append(cell.source)
        else:
            behind.append(cell.source)


def told(space: dict, solution: str, behind: list[str]) -> str:
    """What the student reads who wrote this solution and runs the cells behind it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        try:
            for cell in [solution, *behind]:
                exec(compile(cell, "<cell>", "exec"), space)
        except Exception as error:
            printed.write(f"✗ {type(error).__name__}: {error}\n")
    return printed.getvalue()


def missed(name: str) -> tuple[list[str], int]:
    """The wrong solutions of a lesson whose self-check says no word of it, and how many there are.

    AssertionError where a true solution is not told right.
    """
    passed, count = [], 0
    space = {"__name__": "__main__", "display": lambda *_: None}
    done = 0
    found = list(cells_of_exercises(name))
    ids = sorted((grade_id for grade_id, *_ in found), key=len, reverse=True)
    for grade_id, before, solution, behind in found:
        for cell in before[done:]:
            exec(compile(cell, "<cell>", "exec"), space)
        done = len(before)
        given = dict(space)
        right = told(space, solution, behind)
        assert "✓" in right, grade_id
        assert "✗" not in right, f"{grade_id}: {right}"
        for text in exercises.wrong(name):
            if next((i for i in ids if text.startswith(f"# %% {i}_")), None) != grade_id:
                continue
            # The same dictionary: functions of earlier cells look names up in it.
            space.clear()
            space.update(given)
            count += 1
            if "✗" not in told(space, text, behind):
                passed.append(f"{name}: {text.split(':', 1)[0].removeprefix('# %% ')}")
        space.clear()
        space.update(given)
    return passed, count


def test_the_self_checks_find_wrong_solutions(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    monkeypatch.setattr(plots, "show", lambda *_, **__: plt.close("all"))
    passed, count = [], 0
    for name in NAMES:
        monkeypatch.setattr(sys, "path", [*sys.path])
        of_lesson, more = missed(name)
        passed += of_lesson
        count += more
    print(f"\nfound {count - len(passed)} of {count}", *passed, sep="\n")
    assert count - len(passed) >= LEAST * count, "not found: " + ", ".join(passed)
