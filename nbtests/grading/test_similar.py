"""Solutions that are much alike are named, and what everybody shares is not counted."""

import csv
import json
import os
from importlib.util import find_spec

import nbformat
import pytest

from instructors import exercises, grade, similar

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="on Windows grading is done in WSL"),
    pytest.mark.skipif(find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"),
]
LESSON = exercises.names()[1]
HANDED_OUT = "def shrink(picture, steps):\n    # your code here\n    return None\n"
ONE = '''
def shrink(picture, steps):
    """Halve it."""
    sizes = []
    for step in range(steps):
        picture = (picture[::2] + picture[1::2]) / 2
        sizes.append(picture.shape[0] * 3 - step)  # remember
    return picture, max(sizes), sum(sizes) / len(sizes)
'''
RENAMED = """
def shrink(img, n):
    found = []
    for k in range(n):
        # the mean of two rows
        img = (img[::2] + img[1::2]) / 2

        found.append(img.shape[0] * 3 - k)
    return (img, max(found), sum(found) / len(found))
"""
OTHER = """
def shrink(picture, steps):
    if steps == 0:
        return picture, picture.shape[0], 1.5
    rows = picture.reshape(len(picture) // 2, 2, *picture.shape[1:]).mean(axis=1)
    smaller = [row for row in rows if row.any()]
    while len(smaller) < 4:
        smaller.insert(0, rows[-1])
    return shrink(rows, steps - 1)
"""


def solutions(**sources):
    return [
        similar.Solution(student, LESSON, 1, source, similar.without_names(source))
        for student, source in sources.items()
    ]


def named(found):
    return [{pair.one.student, pair.other.student} for pair in found]


def test_other_names_comments_and_layout_do_not_hide_a_copy():
    assert similar.without_names(ONE) == similar.without_names(RENAMED)
    found = similar.compare(solutions(ada=ONE, bo=RENAMED, cy=OTHER), HANDED_OUT, 0.8)
    assert named(found) == [{"ada", "bo"}]
    assert found[0].similarity == 1


def test_what_is_the_courses_own_keeps_its_name():
    (line,) = similar.without_names("blurred = damage.blur(np.abs(max(photo)))")
    assert line == "name_0 = damage.blur(np.abs(max(photo)))"


def test_what_most_have_or_were_given_is_no_evidence():
    many = solutions(**{f"s{n}": ONE for n in range(5)})
    assert similar.compare(many, HANDED_OUT, 0.5) == []
    assert similar.compare(solutions(ada=ONE, bo=ONE), ONE, 0.5) == []


def test_short_solutions_are_alike_by_chance():
    short = "def shrink(picture, steps):\n    return picture[::steps]\n"
    assert similar.compare(solutions(ada=short, bo=short), HANDED_OUT, 0.5) == []


@pytest.mark.parametrize("broken", ["def (", "x = " + "(" * 500, "\x00", "é = 1\n  y", ""])
def test_what_is_no_python_is_passed_over(broken):
    assert similar.without_names(broken) == []


def hand_in(folder, student, source):
    notebook = nbformat.read(exercises.STUDENT / f"{LESSON}.ipynb", as_version=4)
    known, _ = grade.lesson(LESSON)
    wanted = next(exercise.id for exercise in known.exercises if exercise.id == "pyramid")
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == wanted:
            cell.source = source
    path = folder / student / f"{LESSON}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return path


def test_the_command_names_the_pair_and_shows_it(tmp_path, capsys):
    for student, source in {"=ada": ONE, "김민수": RENAMED, "cy": OTHER}.items():
        hand_in(tmp_path / "in", student, source + "# <script>\n")
    call = [str(tmp_path / "in"), "--to", str(tmp_path / "out")]
    assert similar.main(call) == 0
    with (tmp_path / "out" / "similar.csv").open(newline="", encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert {row["student"], row["other student"]} == {"'=ada", "김민수"}
    page = (tmp_path / "out" / "similar.html").read_text(encoding="utf-8")
    assert "<script" not in page and "default-src 'none'" in page
    hand_in(tmp_path / "in", "broken", ONE).write_text("no notebook")
    assert similar.main(call) == 1
    assert "left out: broken" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, said",
    [([""], "make similar SUBMISSIONS"), (["{empty}"], "no submission"), (["{gone}"], "no folder")],
)
def test_a_folder_with_nothing_in_it_is_told(tmp_path, capsys, words, said):
    (tmp_path / "empty").mkdir()
    places = {"empty": tmp_path / "empty", "gone": tmp_path / "gone"}
    call = [word.format(**places) for word in words]
    assert similar.main([*call, "--to", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err
    assert similar.main([str(tmp_path), "--threshold", "3"]) == 2
