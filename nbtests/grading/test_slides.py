"""A lesson's slides: its headings and figures, without code."""

import nbformat
import pytest
from nbformat import v4

from helpers import ROOT
from instructors import slides


def test_a_slide_has_a_heading_and_the_first_sentence_below_it():
    source = "## Why?\n\n![a badge](b.svg)\n\nBecause it is so. And more.\n\nStill more."
    assert slides.shortened(source) == "## Why?\n\nBecause it is so."
    assert slides.shortened("## Alone") == "## Alone"


def test_code_prose_and_long_texts_are_left_out():
    stream = {"output_type": "stream", "name": "stdout"}
    few, many = (v4.new_output(**stream, text="line\n" * n) for n in (3, 40))
    drawn = v4.new_output("display_data", {"image/png": "aGVsbG8="})
    cells = [
        v4.new_markdown_cell("# Title\n\nA sentence."),
        v4.new_code_cell("secret = 1", outputs=[many]),
        v4.new_markdown_cell("Prose without a heading."),
        v4.new_code_cell("secret = 2", outputs=[many, few, drawn]),
    ]
    made = slides.deck(v4.new_notebook(cells=cells))
    kinds = [cell.metadata["slideshow"]["slide_type"] for cell in made.cells]
    assert kinds == ["slide", "subslide"]
    assert made.cells[1].source == ""
    assert made.cells[1].outputs == [few, drawn]


@pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=lambda path: path.stem
)
def test_every_figure_of_a_lesson_is_on_its_slides(path):
    lesson = nbformat.read(path, as_version=4)

    def figures(notebook):
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        return [
            output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})
        ]

    assert figures(slides.deck(lesson)) == figures(lesson) != []


def test_the_slides_are_written_and_name_the_given_reveal(tmp_path, monkeypatch, capsys):
    lesson = v4.new_notebook(cells=[v4.new_markdown_cell("# Title\n\nA sentence.")])
    (tmp_path / "notebooks").mkdir()
    nbformat.write(lesson, tmp_path / "notebooks" / "01_it.ipynb")
    monkeypatch.setattr(slides, "ROOT", tmp_path)
    assert slides.main(["--to", str(tmp_path / "out"), "--reveal", "../reveal.js"]) == 0
    text = (tmp_path / "out" / "01_it.html").read_text(encoding="utf-8")
    assert "A sentence." in text and '"../reveal.js/dist/reveal.js"' in text
    assert str(tmp_path / "out") in capsys.readouterr().out
