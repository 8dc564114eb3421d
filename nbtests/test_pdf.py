"""A lesson of the site as a PDF, printed by the browser that the page is tested with."""

import os
import shutil

import numpy as np
import pytest

from book import pdf
from helpers import images

PAGE = """<!doctype html><html><head><title>Lesson</title></head><body>
<p>before</p><img src="pictures/figure.png" alt="noise"><details><summary>Why?</summary>
<p>because</p></details></body></html>"""


@pytest.fixture
def lesson(tmp_path):
    """A page of a site, with a picture beside it."""
    page = tmp_path / "book" / "notebooks" / "01_download.html"
    rng = np.random.default_rng(0)
    images.write(page.parent / "pictures" / "figure.png", rng.random((64, 96, 3), np.float32))
    page.write_text(PAGE, encoding="utf-8")
    return page


def test_each_lesson_becomes_a_pdf_with_its_picture(lesson, tmp_path, capsys):
    if not any(map(shutil.which, pdf.NAMES)):
        pytest.skip("there is no Chromium to print with")
    to = tmp_path / "pdf"
    assert pdf.main(["--book", str(tmp_path / "book"), "--to", str(to)]) == 0
    printed = (to / "01_download.pdf").read_bytes()
    assert printed.startswith(b"%PDF") and b"/Subtype /Image" in printed
    assert capsys.readouterr().out.startswith(str(to / "01_download.pdf"))
    assert sorted(path.name for path in lesson.parent.iterdir()) == [lesson.name, "pictures"]


def test_without_chromium_a_sentence_says_what_to_install(lesson, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert pdf.main(["--book", str(tmp_path / "book"), "--to", str(tmp_path / "pdf")]) == 2
    assert capsys.readouterr().err.startswith("error: make pdf needs Chromium or Chrome; install")
    assert not (tmp_path / "pdf").exists()


@pytest.mark.skipif(os.name == "nt", reason="the program is a script of a shell")
def test_a_browser_that_prints_nothing_is_an_error(lesson, tmp_path, monkeypatch, capsys):
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho no display >&2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert pdf.main(["--book", str(tmp_path / "book"), "--to", str(tmp_path / "pdf")]) == 2
    assert capsys.readouterr().err.endswith("chromium gives no PDF; it says: no display\n")
    assert not list(tmp_path.rglob("*.pdf"))


def test_without_a_book_a_sentence_says_what_makes_it(tmp_path, capsys):
    assert pdf.main(["--book", str(tmp_path)]) == 2
    assert "make book" in capsys.readouterr().err
