"""Grading without TensorFlow: what `instructors/requirements.txt` installs is enough."""

import re
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import ROOT
from instructors import exercises, grade

pytestmark = pytest.mark.skipif(
    find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"
)
PROBE = """
import sys
from importlib import metadata
from packaging.utils import canonicalize_name
has = set(sys.argv[1].split())
missing = {
    module
    for module, brought in metadata.packages_distributions().items()
    if not has & {canonicalize_name(name) for name in brought}
}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from instructors import exercises, grade, marking
for name in sys.argv[2:]:
    lesson = exercises.read(exercises.source(name))
    marking.space(lesson.path, len(lesson.exercises))
"""


def given_cells_run(names, has):
    """Whether the tests' side can grade these lessons with these packages alone."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, " ".join(has), *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.returncode == 0, done.stderr[-1000:]


def asked():
    text = (ROOT / "instructors" / "requirements.txt").read_text(encoding="utf-8")
    return {line for line in text.splitlines() if not line.startswith("#")}


def installed(names):
    """The packages that installing these brings."""
    found = set()
    todo = list(names)
    while todo:
        name = canonicalize_name(todo.pop())
        if name in found:
            continue
        found.add(name)
        needs = [Requirement(text) for text in metadata.requires(name) or []]
        todo += [one.name for one in needs if not one.marker or one.marker.evaluate({"extra": ""})]
    return found


def test_the_lock_holds_what_is_asked_for():
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert asked() <= set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    assert "tensorflow" not in installed(asked())


@pytest.mark.slow
def test_the_lessons_without_tensorflow_are_graded_by_the_small_install():
    lessons = [exercises.read(exercises.source(name)) for name in exercises.names()]
    small = [one.name for one in lessons if not one.needs_tensorflow]
    assert len(small) == 7
    has = installed(asked())
    assert given_cells_run(small, has) == (True, "")
    well, said = given_cells_run(["04_deconv_cnn"], has)
    assert not well
    assert "TensorFlow" in said or "tensorflow" in said
    assert not given_cells_run(small, has - {"scikit-image"})[0]


def test_a_lesson_that_needs_tensorflow_is_left_out_in_words(monkeypatch, tmp_path):
    both = [grade.Submission("ada", name, tmp_path) for name in ("02_crop_and_pyramid", "05_unet")]
    assert grade.gradable(both) == (both, [])
    monkeypatch.setattr(grade, "find_spec", lambda _: None)
    kept, left_out = grade.gradable(both)
    assert kept == both[:1]
    assert left_out == [
        "ada/05_unet: these exercises need TensorFlow; grade them by `make grade`,"
        " which installs it"
    ]
    with pytest.raises(ValueError, match="ada/05_unet: these exercises need TensorFlow"):
        grade.gradable(both[1:])
