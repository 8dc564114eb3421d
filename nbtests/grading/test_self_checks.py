"""The public self-checks tell wrong solutions from right ones; `-s` prints how many they find."""

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import NamedTuple

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from helpers import plots, selfcheck
from instructors import exercises

NAMES = exercises.names()
LEAST = 0.95  # of all wrong solutions


class Checked(NamedTuple):
    """An exercise with tests, and its code cells: given ones, the solution, and the self-check."""

    id: str
    given: list[str]
    solution: str
    behind: list[str]


class AllSaid(Exception):
    """The self-check has printed its last word."""


def checked(name: str) -> Iterator[Checked]:
    """The exercises of a lesson. `given` begins behind the exercise before."""
    given, solution, behind = [], None, []
    for cell in nbformat.read(exercises.source(name), as_version=4).cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code":
            continue
        if about.get("solution"):
            solution = cell
        elif about.get("grade") and solution:
            yield Checked(solution.metadata.nbgrader.grade_id, given, solution.source, behind)
            given, solution, behind = [], None, []
        elif solution:
            behind.append(cell.source)
        elif not about:
            given.append(cell.source)


def run(cells: list[str], space: dict[str, object]) -> None:
    """Run code cells one after the other."""
    for cell in cells:
        exec(compile(cell, "<cell>", "exec"), space)


def said(solution: str, behind: list[str], given: dict[str, object]) -> str:
    """What a student who wrote this solution reads, up to the end of the self-check."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), np.errstate(all="ignore"):
        try:
            run([solution, *behind], given)
        except AllSaid:
            pass
        except Exception as error:
            print(f"✗ {type(error).__name__}: {error}")
    return printed.getvalue()


def wrong(name: str, ids: list[str]) -> Iterator[tuple[str, str, str]]:
    """Of each wrong solution of a lesson: its exercise's id, its own name, and its code."""
    longest_first = sorted(ids, key=len, reverse=True)
    for text in exercises.wrong(name):
        own = text.removeprefix("# %% ").split(":", 1)[0]
        yield next(one for one in longest_first if own.startswith(f"{one}_")), own, text


@pytest.fixture
def quick(monkeypatch):
    """Cells without figures, which end with their self-check."""

    def check(*arguments):
        real(*arguments)
        raise AllSaid

    real = selfcheck.check
    monkeypatch.setenv("COURSE_PROFILE", "smoke")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(plots, "show", lambda *_: plt.close("all"))
    monkeypatch.setattr(selfcheck, "check", check)


def test_the_self_checks_find_wrong_solutions_and_no_right_one(quick):
    found, passed = [], []
    for name in NAMES:
        space = {"__name__": "__main__", "display": print}
        parts = list(checked(name))
        texts = list(wrong(name, [part.id for part in parts]))
        for part in parts:
            run(part.given, space)
            given = dict(space)
            right = said(part.solution, part.behind, space)
            assert "✓" in right, f"{name}, {part.id}: {right}"
            assert "✗" not in right, f"{name}, {part.id}: {right}"
            for own, text in [(own, text) for which, own, text in texts if which == part.id]:
                # The same dictionary: functions of earlier cells look names up in it.
                space.clear()
                space.update(given)
                told = "✗" in said(text, part.behind, space)
                (found if told else passed).append(f"{name}: {own}")
            space.clear()
            space.update(given)
    many = len(found) + len(passed)
    print(f"\nfound {len(found)} of {many}; not found: {passed}")
    assert len(found) >= LEAST * many, f"found {len(found)} of {many}; not found: {passed}"
