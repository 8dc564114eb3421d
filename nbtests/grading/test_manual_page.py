"""The page and the table for answers that a person grades."""

import base64
import csv
import hashlib
import io
import json
import os
import re
import shutil
from importlib.util import find_spec

import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from instructors import exercises, grade, manual_page, names, pictures
from instructors.grade import Options, Submission
from instructors.worker import submitted

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="on Windows grading is done in WSL"),
    pytest.mark.skipif(find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"),
]
LESSON = exercises.names()[1]
HOSTILE = "</pre></article><script>alert(1)</script><img src=x onerror=alert(2)>"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


def picture(kind="PNG", size=(8, 6), seed=0):
    """A picture of noise as base64."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, kind)
    return base64.b64encode(buffer.getvalue()).decode()


def asked():
    """The exercise with an answer by hand, and the answer's cell."""
    known, _ = grade.lesson(LESSON)
    return next((e, cell) for e in known.exercises for cell in e.manual)


def hand_in(folder, student, answer, drawn=None, attached=None):
    """A notebook with this answer; `drawn` are the outputs of the exercise's code cells."""
    notebook = nbformat.read(exercises.STUDENT / f"{LESSON}.ipynb", as_version=4)
    exercise, cell = asked()
    number = 0
    for part in notebook.cells:
        if heading := re.match(r"## (\d+) ·", part.source):
            number = int(heading[1])
        if part.metadata.get("nbgrader", {}).get("grade_id") == cell.id:
            part.source = answer
            part.attachments = attached or {}
        elif part.cell_type == "code" and number == exercise.number and drawn:
            part.outputs = [nbformat.v4.new_output("display_data", data) for data in drawn]
            drawn = None
    path = folder / student / f"{LESSON}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    known, edition = grade.lesson(LESSON)
    cells = submitted(str(path), {name: [] for name in edition})
    marks = []
    for exercise in known.exercises:
        made = {"number": exercise.number, "written": "", "error": "", "printed": "", "manual": {}}
        made["tests"] = {test.id: (0, "no") for test in exercise.tests}
        for part in exercise.manual:
            text = cells[part.id]
            digest = hashlib.md5(text.encode()).hexdigest()[:6]
            made["manual"][part.id] = {"answer": text, "answered": True, "hash": f"v{digest}"}
        marks.append(made)
    result = {"student": student, "lesson": LESSON, "notes": [], "marks": marks}
    return result, Submission(student, LESSON, path)


def write(handed_in, to, **options):
    """Write the grades of what was handed in, as lists of results and submissions."""
    results, submissions = zip(*handed_in, strict=True)
    grade.write(list(results), to, Options(submissions=submissions, **options))
    return (to / "manual.html").read_text(encoding="utf-8")


def manual(to):
    with (to / "manual.csv").open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def sources(page):
    return [image["src"] for image in BeautifulSoup(page, "html.parser").find_all("img")]


def test_what_was_drawn_and_pasted_is_shown(tmp_path):
    drawn, jpeg, pasted = picture(seed=1), picture("JPEG", seed=2), picture(seed=3)
    colab = picture(size=(300, 300), seed=4)
    outputs = [{"image/png": drawn, "text/plain": "x"}, {"image/jpeg": jpeg}]
    attached = {"image.png": {"image/png": pasted}}
    one = hand_in(tmp_path, "ada", "See ![](attachment:image.png)", outputs, attached)
    other = hand_in(tmp_path, "bo", f"See ![](data:image/png;base64,{colab})")
    found = sources(write([one, other], tmp_path / "out"))
    assert [uri.split(",")[1] for uri in found] == [pasted, drawn, jpeg, colab]
    assert all(uri.startswith(("data:image/png;base64,", "data:image/jpeg;")) for uri in found)


def test_an_answer_with_a_large_picture_in_its_text_is_read(tmp_path):
    large = picture(size=(400, 400))
    assert len(large) > 100_000
    result, _ = hand_in(tmp_path, "bo", f"Why ![](data:image/png;base64,{large}) not?")
    (text,) = [cell["answer"] for mark in result["marks"] for cell in mark["manual"].values()]
    assert re.fullmatch(r"Why !\[\]\(data:image/png;base64,…[0-9a-f]{8}\) not\?", text)


@pytest.mark.parametrize(
    "kind, encoded",
    [
        ("image/svg+xml", base64.b64encode(b"<svg onload=alert(1)>").decode()),
        ("image/png", base64.b64encode(b"<script>alert(1)</script>").decode()),
        ("image/png", picture("JPEG")),
        ("image/jpeg", picture("PNG")),
        ("image/png", 'x" onerror="alert(1)'),
        ("image/png", picture()[:60]),
        ("image/png", ""),
        ("image/png", 7),
        ("image/png", picture() + "A" * (7 << 20)),
        ("text/html", picture()),
    ],
)
def test_what_is_no_such_picture_is_not_shown(kind, encoded):
    assert pictures.data_uri(kind, encoded) == ""


def test_a_picture_with_too_many_points_is_not_shown():
    buffer = io.BytesIO()
    Image.new("1", (4097, 4096)).save(buffer, "PNG")
    assert len(buffer.getvalue()) < 10_000
    assert pictures.data_uri("image/png", base64.b64encode(buffer.getvalue()).decode()) == ""


NUMBERED = json.dumps({"cell_type": "markdown", "source": f"## {'9' * 5000} · x"})
LISTED = '{"metadata": {"nbgrader": {"grade_id": []}}, "attachments": {"a": {"image/png": {}}}}'


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        '{"cells": [1, null, {"cell_type": "code", "outputs": 3}]}',
        f'{{"cells": [{NUMBERED}, {LISTED}]}}',
        "\udc80",
    ],
)
def test_a_strange_notebook_costs_only_its_pictures(tmp_path, content):
    one, other = hand_in(tmp_path, "ada", "Because."), hand_in(tmp_path, "bo", "So.")
    one[1].path.write_bytes(content.encode(errors="surrogateescape"))
    page = write([one, other], tmp_path / "out")
    assert "Because." in page and "So." in page


def test_only_the_pages_own_script_can_run(tmp_path):
    page = write([hand_in(tmp_path, f"<i>{n}", HOSTILE) for n in "ab"], tmp_path / "out")
    soup = BeautifulSoup(page, "html.parser")
    (script,) = soup.find_all("script")
    assert script.string == manual_page.SCRIPT
    digest = base64.b64encode(hashlib.sha256(script.string.encode()).digest()).decode()
    policy = soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert f"default-src 'none'; script-src 'sha256-{digest}';" in policy
    assert "unsafe-inline' " not in policy.split("script-src")[1].split(";")[0]
    assert not soup.find_all("img") and not soup.find_all("i")
    assert len(soup.find_all("article")) == 2


def test_question_rubric_and_given_cells_stand_beside(tmp_path):
    exercise, cell = asked()
    page = write([hand_in(tmp_path, "ada", "Because.")], tmp_path / "out")
    text = BeautifulSoup(page, "html.parser").get_text()
    assert exercise.title in text and "Rubric." in text
    for given in exercise.given:
        assert given in text
    (field,) = BeautifulSoup(page, "html.parser").find_all("input")
    assert (field["min"], field["max"]) == ("0", f"{cell.points:g}")


def test_the_table_goes_by_question_and_shows_the_first_words(tmp_path):
    handed = [hand_in(tmp_path, s, f"=Answer of\n{s}") for s in ("bo", "ada")]
    to = tmp_path / "out"
    to.mkdir()
    (to / "manual.csv").write_text(
        "student,lesson,exercise,of,points,comment,answer\n"
        "ada,01_download,may_i_use,3,2,fine,v1\nzoe,01_download,may_i_use,3,1,,v2\n",
        encoding="utf-8",
    )
    write(handed, to)
    rows = manual(to)
    assert [(row["lesson"][:2], row["student"]) for row in rows] == [
        ("01", "ada"),
        ("01", "zoe"),
        ("02", "ada"),
        ("02", "bo"),
    ]
    assert [row["first words"] for row in rows] == ["", "", "'=Answer of ada", "'=Answer of bo"]
    assert rows[0]["points"] == "2"


def test_names_are_hidden_and_stay_the_same(tmp_path):
    students = ["ada lovelace", "bo diddley"]
    handed = [hand_in(tmp_path, s, "Because.") for s in students]
    to = tmp_path / "out"
    page = write(handed, to, anonymous=True)
    shown = names.read(to / "names.csv")
    assert set(shown) == set(students) and len(set(shown.values())) == 2
    for student in students:
        assert student not in page
        assert student not in (to / "manual.csv").read_text(encoding="utf-8-sig")
        assert shown[student] in page
    text = (to / "manual.csv").read_text(encoding="utf-8-sig")
    line = next(line for line in text.splitlines() if line.startswith(shown["bo diddley"]))
    (to / "manual.csv").write_text(text.replace(line, line.replace(",2,,", ",2,1.5,")))
    write(handed, to, anonymous=True)
    assert names.read(to / "names.csv") == shown
    write(handed, to)  # and with their names again
    assert {row["student"]: row["points"] for row in manual(to)} == {
        "ada lovelace": "",
        "bo diddley": "1.5",
    }


@pytest.fixture
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_points_written_on_the_page_reach_the_grades(tmp_path, browser):
    """Two students, two views, a comment with quotes; and the rows of others are kept."""
    comment = 'half, "so far"\n좋다'
    handed = [hand_in(tmp_path, "ada", HOSTILE), hand_in(tmp_path, "김민수", "Because.")]
    to = tmp_path / "out"
    to.mkdir()
    (to / "manual.csv").write_text(
        "student,lesson,exercise,of,points,comment,answer\nzoe,01_download,may_i_use,3,1,,v2\n",
        encoding="utf-8",
    )
    write(handed, to)
    page = browser.new_page()
    wrong = []
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.goto((to / "manual.html").as_uri())
    assert page.locator("main > section").count() == 1
    page.locator("article", has_text="Because.").locator("input").fill("1.5")
    page.locator("article", has_text="Because.").locator("textarea").fill(comment)
    page.locator("select").select_option("student")
    assert page.locator("main > section > h2").all_text_contents() == ["ada", "김민수"]
    assert page.locator("main details summary", has_text=LESSON).count() == 2
    page.locator("select").select_option("question")
    assert page.locator("main > section").count() == 1
    with page.expect_download() as download:
        page.get_by_role("button", name="Save manual.csv").click()
    download.value.save_as(to / "manual.csv")
    rows = {row["student"]: row for row in manual(to)}
    assert (rows["김민수"]["points"], rows["김민수"]["comment"]) == ("1.5", comment)
    assert (rows["ada"]["points"], rows["zoe"]["points"]) == ("", "1")
    page.locator("article").first.locator("input").fill("99")
    page.get_by_role("button", name="Save manual.csv").click()
    assert page.locator("input:invalid").count() == 1
    write(handed, to)
    with (to / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        found = {row["student"]: row["by hand"] for row in csv.DictReader(file)}
    assert found == {"ada": "0", "김민수": "1.5"}
    assert wrong == []
