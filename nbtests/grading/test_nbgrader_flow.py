"""nbgrader's own way, as `instructors/README.md` describes it: through an exchange and back."""

import getpass
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers import ROOT
from instructors import exercises, grade

pytestmark = pytest.mark.skipif(
    find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"
)
NAME = "02_crop_and_pyramid"
TEACHER = """
import sys
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from traitlets.config import PyFileConfigLoader
_, name, student, *words = sys.argv
api = NbGraderAPI(config=PyFileConfigLoader("nbgrader_config.py", ".").load_config())
for word in words:
    one = () if word in ("generate_assignment", "release_assignment", "collect") else (student,)
    done = getattr(api, word)(name, *one)
    assert done["success"], (word, done)
if "autograde" in words:
    with Gradebook("sqlite:///gradebook.db") as book:
        found = book.find_submission(name, student)
        print(found.score, found.max_score, found.needs_manual_grade)
"""


@pytest.fixture
def run(tmp_path):
    """Run a program in one of the folders `teacher` and `student`, which share an exchange."""
    for who in ("teacher", "student", "exchange"):
        (tmp_path / who).mkdir()
    exchange = f"""
c.Exchange.root = {str(tmp_path / "exchange")!r}
c.Exchange.path_includes_course = False
c.CourseDirectory.root = "."
"""
    settings = (exercises.SOURCE.parent / "nbgrader_config.py").read_text(encoding="utf-8")
    for who in ("teacher", "student"):
        (tmp_path / who / "nbgrader_config.py").write_text(settings + exchange, encoding="utf-8")
        (tmp_path / who / "helpers").symlink_to(ROOT / "helpers")  # the course, for the set-up cell
    shutil.copytree(exercises.SOURCE / NAME, tmp_path / "teacher" / "source" / NAME)
    programs = Path(sys.executable).parent  # nbgrader starts alembic, which need not be on the path
    env = os.environ | {"PATH": os.pathsep.join([str(programs), os.environ["PATH"]])}

    def run(who, *words):
        call = [sys.executable, *words]
        done = subprocess.run(call, cwd=tmp_path / who, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


@pytest.mark.slow
def test_through_the_exchange_and_back_the_points_are_those_of_make_grade(run, tmp_path):
    me = getpass.getuser()

    def teach(*words):
        return run("teacher", "-c", TEACHER, NAME, me, *words)

    teach("generate_assignment", "release_assignment")
    run("student", "-m", "nbgrader", "fetch_assignment", NAME)
    fetched = tmp_path / "student" / NAME / f"{NAME}.ipynb"
    assert "BEGIN SOLUTION" not in fetched.read_text(encoding="utf-8")
    solved = exercises.source(NAME).read_text(encoding="utf-8")
    fetched.write_text(solved, encoding="utf-8")
    run("student", "-m", "nbgrader", "submit", NAME)
    printed = teach("collect", "autograde", "generate_feedback", "release_feedback")
    points, most, waits = printed.split()[-3:]
    lesson = exercises.read(exercises.source(NAME))
    assert (float(points), float(most), waits) == (
        lesson.machine,
        lesson.machine + lesson.manual,
        "True",
    )
    run("teacher", "-m", "nbgrader", "export")
    assert f"{me}," in (tmp_path / "teacher" / "grades.csv").read_text(encoding="utf-8")
    assert (tmp_path / "teacher" / "feedback" / me / NAME / f"{NAME}.html").stat().st_size > 10_000
    assert [*(tmp_path / "exchange").rglob("feedback/*.html")]

    # what nbgrader collected is graded by the sandbox as it lies there
    collected, left_out = grade.find(tmp_path / "teacher" / "submitted")
    assert [(one.student, one.lesson) for one in collected] == [(me, NAME)]
    assert left_out == []
    result = grade.grade(collected[0], sandboxed=False, seconds=60, memory=4 << 30)
    given = sum(points for mark in result["marks"] for points, _ in mark["tests"].values())
    assert given == lesson.machine
