"""Every lesson's exercises: the student edition, and points of right, wrong and no solutions."""

import ast
import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import nbformat
import numpy as np
import pytest

from helpers import ROOT
from helpers.selfcheck import check
from instructors import exercises, grade, marking
from instructors.sandbox import Process

pytestmark = pytest.mark.skipif(
    find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"]
NAMES = exercises.names()
DRAWS = int(
    os.environ.get("COURSE_DRAWS", "1")
)  # how often each solution is tested, anew at random each time


@pytest.fixture(scope="module", params=NAMES)
def lesson(request):
    return exercises.read(exercises.source(request.param))


@pytest.fixture(scope="module")
def committed(lesson):
    return nbformat.read(exercises.STUDENT / f"{lesson.name}.ipynb", as_version=4)


def cells(notebook):
    return {c.metadata.nbgrader.grade_id: c for c in notebook.cells if c.metadata.get("nbgrader")}


def wrong(lesson, exercise):
    """An exercise's wrong solutions; the longest id that a cell's name begins with is meant."""
    ids = sorted((e.id for e in lesson.exercises), key=len, reverse=True)
    found = []
    for text in exercises.wrong(lesson.name):
        if next((i for i in ids if text.startswith(f"# %% {i}_")), None) == exercise.id:
            found.append(text)
    return found


# the student edition


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What `make student` makes now; in its own process, for nbgrader brings setuptools' own
    packages into sight.
    """
    folder = tmp_path_factory.mktemp("made")
    call = [sys.executable, "-m", "instructors.student", str(folder)]
    subprocess.run(
        call, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True
    )
    return folder


def test_is_what_make_student_makes(lesson, made):
    now, committed = (
        (folder / f"{lesson.name}.ipynb").read_bytes() for folder in (made, exercises.STUDENT)
    )
    assert now == committed, "make student, and commit what it makes"


def test_nbgrader_itself_hands_out_the_notebook_alone(tmp_path):
    name = NAMES[0]
    shutil.copytree(exercises.SOURCE / name, tmp_path / "source" / name)
    shutil.copy(exercises.SOURCE.parent / "nbgrader_config.py", tmp_path)
    programs = Path(sys.executable).parent  # nbgrader starts alembic, which need not be on the path
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    call = [sys.executable, "-m", "nbgrader", "generate_assignment", name]
    env = os.environ | {"PATH": path}
    subprocess.run(call, cwd=tmp_path, env=env, check=True, capture_output=True)
    assert [path.name for path in (tmp_path / "release" / name).iterdir()] == [f"{name}.ipynb"]


def test_there_is_no_edition_without_a_source(made):
    assert {path.name for path in made.iterdir()} == {
        path.name for path in exercises.STUDENT.glob("*.ipynb")
    }


def test_nothing_that_students_should_not_see(lesson, committed):
    hidden = re.compile(
        r"BEGIN (?:SOLUTION|HIDDEN TESTS).*\n((?:.*\n)*?).*END (?:SOLUTION|HIDDEN TESTS)"
    )
    text = nbformat.writes(committed)
    shown = {line.strip() for cell in committed.cells for line in cell.source.splitlines()}
    source = nbformat.read(lesson.path, as_version=4)
    regions = [region for cell in source.cells for region in hidden.findall(cell.source)]
    graded = [cell for cell in source.cells if cell.metadata.get("nbgrader")]
    assert len(regions) >= len(graded), "a solution or a test stands outside the markers"
    lines = {line.strip() for region in regions for line in region.splitlines()}
    open_to_all = {
        line.strip() for cell in source.cells for line in hidden.sub("", cell.source).splitlines()
    }
    secret = {line for line in lines - open_to_all if len(line) > 12}
    assert secret
    assert not secret & shown
    assert not re.search("(BEGIN|END) (SOLUTION|HIDDEN)|Rubric", text)


def test_cells_are_as_nbgrader_wants_them(lesson, committed):
    source = cells(nbformat.read(lesson.path, as_version=4))
    edition = cells(committed)
    assert list(source) == list(edition)
    assert {about.metadata.nbgrader.schema_version for about in edition.values()} == {3}
    for cell in edition.values():
        about = cell.metadata.nbgrader
        assert cell.metadata.deletable is False
        assert about.checksum
        if about.grade and not about.solution:
            assert cell.source.startswith("# Graded: ")
            assert "\n" not in cell.source
            assert cell.metadata.editable is False
    for notebook in (nbformat.read(lesson.path, as_version=4), committed):
        assert not [cell for cell in notebook.cells if cell.get("outputs")]


def test_opens_in_colab_and_finds_the_course(lesson, committed):
    slug = ADDRESS.removeprefix("https://github.com/")
    badge = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/exercises/{lesson.name}.ipynb"
    for notebook in (committed, nbformat.read(lesson.path, as_version=4)):
        assert badge in notebook.cells[0].source
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        assert f'"{ADDRESS}"' in code[0]
        assert "helpers.setup(" in code[0]


def test_the_opening_counts_right(lesson):
    text = nbformat.read(lesson.path, as_version=4).cells[0].source
    points, machine = map(int, re.search(r"(\d+) points, (\d+) of them by machine", text).groups())
    assert (points, machine) == (lesson.machine + lesson.manual, lesson.machine)
    assert int(re.search(r"about (\d+) minutes", text)[1]) == sum(
        e.minutes for e in lesson.exercises
    )
    assert 3 <= len(lesson.exercises) <= 5
    assert lesson.manual, "none is graded by hand"
    assert all(
        len(cell.rubric) > 200 and "Rubric" in cell.rubric
        for e in lesson.exercises
        for cell in e.manual
    )


# in one process, as in Jupyter


def run(notebook):
    """Run a notebook's code cells; returns what each printed."""
    space, printed = {"__name__": "__main__"}, []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with (
                pytest.MonkeyPatch.context() as patch,
                contextlib.redirect_stdout(io.StringIO()) as out,
            ):
                patch.setattr(sys, "path", [*sys.path])
                exec(compile(cell.source, f"<{cell.id}>", "exec"), space)
            printed.append(out.getvalue())
    return printed


def test_the_solutions_pass_where_they_stand(lesson):
    printed = run(nbformat.read(lesson.path, as_version=4))
    checks = [text for text in printed if "✓" in text]
    assert len(checks) == len([e for e in lesson.exercises if e.tests]), "a self-check is missing"
    assert "✗" not in "".join(printed)
    assert "not yet written" not in "".join(printed)


def test_every_cell_of_the_untouched_edition_runs(lesson, committed):
    printed = "".join(run(committed))
    said = printed.count("not yet written") + len(
        re.findall(r"(?:[✓✗] .*\n(?:  hint.*\n)?)*✗ .*\n", printed)
    )
    assert said >= len([e for e in lesson.exercises if e.tests])


# points


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="on Windows grading is done in WSL")
def test_points_of_right_wrong_and_missing_solutions(lesson):
    """All in one process, which forgets each solution before the next: a shortcut of this test, not
    of grading.
    """
    edition = grade.lesson(lesson.name)[1]
    with marking.Student(lesson, lambda: Process(600 * DRAWS, memory=4 << 30), seconds=60) as one:

        def draws(exercise, source):
            for _ in range(DRAWS):
                one.process.ask({"do": "forget"})
                yield one.test(lesson, exercise._replace(given=[]), source)["tests"]

        # In place of a new process
        one.restart = lambda source: one.process.ask({"do": "run", "source": source})
        for exercise in (e for e in lesson.exercises if e.tests):
            one.owed += [*exercise.given, *exercise.wrappers]
            one.give()
            one.process.ask({"do": "mark"})
            full = {test.id: (test.points, "") for test in exercise.tests}
            assert all(tests == full for tests in draws(exercise, exercise.solution.source)), (
                exercise.id
            )
            for untouched in draws(exercise, edition[exercise.id]):
                assert {given for given, _ in untouched.values()} == {0}, untouched
            texts = wrong(lesson, exercise)
            cell = f"# %% {exercise.id}_…: …"
            assert len(texts) >= 2, f"write two wrong solutions {cell} in {lesson.name}/wrong.py"
            points = sum(test.points for test in exercise.tests)
            for text in texts:
                marker = text.split("\n", 1)[0]
                assert re.match(r"# %% \w+: \S", marker), f"{marker}: say what is wrong"
                for tests in draws(exercise, text):
                    assert sum(given for given, _ in tests.values()) < points, marker
                    assert not [said for _, said in tests.values() if "ended:" in said], marker


def test_no_wrong_solution_is_left_over(lesson):
    texts = exercises.wrong(lesson.name)
    tested = [exercise for exercise in lesson.exercises if exercise.tests]
    assert set(texts) == {text for exercise in tested for text in wrong(lesson, exercise)}
    names = [text.split(":", 1)[0] for text in texts]
    assert len(names) == len(set(names)), "two wrong solutions have the same name"


def statements(code):
    """A cell's statements, without those that hold others, imports and docstrings."""
    lines = [line for line in code.splitlines() if not line.lstrip().startswith(("%", "!"))]
    plain = (ast.Assign, ast.AugAssign, ast.Expr, ast.Return, ast.Raise, ast.Assert)
    return {
        ast.unparse(node)
        for node in ast.walk(ast.parse("\n".join(lines)))
        if isinstance(node, plain) and not isinstance(getattr(node, "value", 0), ast.Constant)
    }


def in_the_lesson(lesson, code):
    """The statements of a solution, and those of them that stand in the lesson."""
    notebook = nbformat.read(ROOT / "notebooks" / f"{lesson.name}.ipynb", as_version=4)
    shown = [statements(cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    own = statements(code)
    return own, own & set().union(*shown)


def test_no_solution_stands_in_the_lesson(lesson):
    handed_out = exercises.lesson(lesson.name)[1]
    for exercise in lesson.exercises:
        if exercise.solution:
            code = exercises.without_markers(exercise.solution.source)
            own, same = in_the_lesson(lesson, code)
            own -= statements(handed_out[exercise.id])
            assert len(same) <= len(own) / 3, f"{exercise.id}: {same}"


def test_a_solution_that_stands_in_the_lesson_would_be_found():
    lesson = exercises.read(exercises.source("02_crop_and_pyramid"))
    code = """
def square_crop(picture):
    h, w = picture.shape[:2]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    return picture[top : top + side, left : left + side]
"""
    own, same = in_the_lesson(lesson, code)
    assert len(same) > len(own) / 3


def test_more_exercises_than_columns_are_refused(tmp_path):
    notebook = nbformat.read(exercises.source(NAMES[0]), as_version=4)
    headings = [i for i, cell in enumerate(notebook.cells) if exercises._is_heading(cell)]
    last = notebook.cells[headings[-1] :]
    for number in range(len(headings) + 1, exercises.MOST + 2):
        again = [nbformat.from_dict(cell | {"id": f"{cell.id}-{number}"}) for cell in last]
        again[0].source = f"## {number}{last[0].source[4:]}"
        notebook.cells += again
    nbformat.write(notebook, tmp_path / "11_six.ipynb")
    with pytest.raises(ValueError, match="6 exercises; at most 5 have a column"):
        exercises.read(tmp_path / "11_six.ipynb")


# the self-check


def test_self_check_tells_written_from_unwritten_and_right_from_wrong(capsys):
    def empty(x):
        """Nothing yet."""

    def half(x):
        return None if x else x

    def wrong(x):
        return x + 1

    def raises():
        raise AssertionError("a claim was tested")

    for unwritten in (empty, None, (wrong, empty), lambda: None):
        check(unwritten, ("never", raises, "hint"))
        assert capsys.readouterr().out == "not yet written\n"
    claims = (
        ("adds", lambda: wrong(1) == 2, "one"),
        ("keeps", lambda: wrong(1) == 1, "two"),
        ("runs", lambda: 1 / 0, "three"),
    )
    for written in (wrong, half, 0.0, (wrong, half), [], np.zeros(2)):
        check(written, *claims)
        said = capsys.readouterr().out.splitlines()
        assert said == [
            "✓ adds",
            "✗ keeps",
            "  hint: two",
            "✗ runs (ZeroDivisionError: division by zero)",
        ]
