"""A student's page: points that wait for a person, and model answers when they are released."""

import os
import re
from importlib.util import find_spec

import pytest

from instructors import exercises, feedback, grade

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="on Windows grading is done in WSL"),
    pytest.mark.skipif(find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"),
]
NAMES = exercises.names()


@pytest.fixture(scope="module", params=NAMES)
def lesson(request):
    return exercises.read(exercises.source(request.param))


def marked(lesson, points=""):
    """A result in which nothing was written, except for each answer by hand; and its row."""
    marks = []
    for exercise in lesson.exercises:
        answer = {"answered": True, "answer": "Because.", "points": points, "comment": ""}
        marks.append(
            {
                "number": exercise.number,
                "written": "# your code here",
                "error": "",
                "printed": "",
                "tests": {test.id: (0, "it is empty") for test in exercise.tests},
                "manual": {cell.id: dict(answer) for cell in exercise.manual},
            }
        )
    row = {f"exercise {n}": "0" for n in range(1, exercises.MOST + 1)}
    waiting = "0" if points else f"{lesson.manual:g}"
    row |= {"waiting": waiting, "total": "0", "of": f"{lesson.machine + lesson.manual:g}"}
    return {"student": "ada", "lesson": lesson.name, "notes": [], "marks": marks}, row


def headings(page):
    return re.findall(r'<h2>.*?<span class="points">(.*?)</span></h2>', page)


def test_an_answer_that_nobody_read_has_no_zero(lesson):
    page = feedback.page(lesson, *marked(lesson))
    for heading, exercise in zip(headings(page), lesson.exercises, strict=True):
        by_hand = sum(cell.points for cell in exercise.manual)
        machine = exercise.points - by_hand
        wanted = f"0 of {exercise.points} points"
        if not machine:
            wanted = "waiting for your teacher"
        elif by_hand:
            wanted += f", {by_hand:g} waiting for your teacher"
        assert heading == wanted
    assert f"{lesson.manual:g} more wait for your teacher" in page


def test_a_zero_that_a_person_gave_is_a_zero(lesson):
    page = feedback.page(lesson, *marked(lesson, points="0"))
    assert headings(page) == [f"0 of {exercise.points} points" for exercise in lesson.exercises]
    assert "waiting for" not in page


def solved_lines(lesson):
    """The last line of each solution, as it stands on a page."""
    lines = []
    for exercise in lesson.exercises:
        if exercise.solution:
            inside = exercises.SOLUTION.search(exercise.solution.source)[1].strip()
            lines.append(feedback._text(inside.splitlines()[-1].strip()))
    return lines


def test_model_answers_stand_there_once_they_are_released(lesson):
    before = feedback.page(lesson, *marked(lesson))
    after = feedback.page(lesson, *marked(lesson), released=True)
    cells = [cell for exercise in lesson.exercises for cell in exercise.manual]
    solved = [exercise for exercise in lesson.exercises if exercise.solution]
    assert before.count("a model answer") == 0
    assert after.count("a model answer") == len(cells) + len(solved)
    for line in solved_lines(lesson):
        assert line in after
    assert "Rubric." not in before
    assert after.count("Rubric.") >= len(cells)
    assert "BEGIN SOLUTION" not in after
    assert "HIDDEN TESTS" not in after


def test_a_lesson_is_released_by_its_number_or_its_name():
    assert grade.released("") == set()
    assert grade.released("2, 03") == set(NAMES[1:3])
    assert grade.released(f"{NAMES[9]},1") == {NAMES[0], NAMES[9]}


@pytest.mark.parametrize("numbers", ["11", "2,crop", "02,", "all"])
def test_what_is_no_lesson_is_told_before_anything_is_graded(tmp_path, capsys, numbers):
    folder = tmp_path / "in" / "ada"
    folder.mkdir(parents=True)
    (folder / f"{NAMES[1]}.ipynb").write_bytes(
        (exercises.STUDENT / f"{NAMES[1]}.ipynb").read_bytes()
    )
    call = [str(tmp_path / "in"), "--to", str(tmp_path / "out"), "--release", numbers]
    assert grade.main(call) == 2
    assert "is no lesson; there are 01_download, " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_shows_them_and_the_next_takes_them_out(tmp_path):
    folder = tmp_path / "in" / "ada"
    folder.mkdir(parents=True)
    edition = exercises.STUDENT / f"{NAMES[1]}.ipynb"
    (folder / edition.name).write_bytes(edition.read_bytes())
    call = [str(tmp_path / "in"), "--to", str(tmp_path / "out")]
    page = tmp_path / "out" / "feedback" / "ada" / f"{NAMES[1]}.html"
    for words, shown in ((["--release", "02"], True), (["--release", "3"], False), ([], False)):
        assert grade.main([*call, *words]) == 0
        assert ("a model answer" in page.read_text(encoding="utf-8")) == shown
