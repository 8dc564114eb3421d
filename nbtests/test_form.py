"""The form that the lessons share, and the glossary of the course."""

import itertools
import re

import nbformat
import pytest

from helpers import ROOT

NOTEBOOKS = ROOT / "notebooks"
GLOSSARY = NOTEBOOKS / "glossary.md"
LESSONS = sorted(NOTEBOOKS.glob("[01][0-9]_*.ipynb"))
SET_UP = 3  # the cells of code at the top follow each other
SECTIONS = ["## Recap", "## Questions", "## References"]


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_the_head_tells_a_readers_minutes_beside_the_machines(notebook):
    head = notebook.cells[0].source
    assert re.search(r"\*\*Time:\*\* about .*? of reading and trying; the machine needs ", head)


def test_a_sentence_stands_between_two_cells_of_code(notebook):
    code = [number for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    after_code = [a for a, b in itertools.pairwise(code) if b == a + 1]
    assert [number for number in after_code if number not in code[:SET_UP]] == []


def test_the_last_sections_are_cells_of_their_own(notebook):
    for section in SECTIONS:
        cells = [source for source in prose(notebook) if section in source]
        assert len(cells) == 1, section
        assert cells[0].startswith(section)
        assert cells[0].count("\n## ") == 0


def test_no_sentence_lacks_its_subject(notebook):
    headless = re.compile(r"(?:^|[.:!?]\s+)(?:Whoever|Who)\b[^.?!]*\.", re.MULTILINE)
    assert [found for source in prose(notebook) for found in headless.findall(source)] == []


def test_the_recap_leads_to_the_glossary(notebook):
    (recap,) = [source for source in prose(notebook) if source.startswith("## Recap")]
    assert "](glossary.md)" in recap


def entries():
    """Term, meaning and lesson of each row of the glossary."""
    row = r"^\| ([^|]+) \| ([^|]+) \| \[\d\d\]\((\S+)\) \|$"
    return re.findall(row, GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_glossary_is_sorted_and_long_enough():
    terms = [term for term, _, _ in entries()]
    assert len(terms) >= 40
    assert terms == sorted(terms, key=str.lower)
    assert len(set(terms)) == len(terms)


def test_a_students_first_questions_are_in_the_glossary():
    terms = {term for term, _, _ in entries()}
    asked = {"loss", "epoch", "learning rate", "over-fitting", "receptive field", "concatenated"}
    assert asked <= terms


@pytest.mark.parametrize(("term", "meaning", "lesson"), entries(), ids=lambda text: text[:20])
def test_the_lesson_that_a_term_links_to_explains_it(term, meaning, lesson):
    text = " ".join(prose(nbformat.read(NOTEBOOKS / lesson, as_version=4)))
    assert re.search(rf"\b{re.escape(term)}", re.sub(r"\s+", " ", text), re.IGNORECASE)
    assert meaning.endswith(".")


def test_an_italic_word_of_the_glossary_has_a_line_of_its_own():
    terms = {term.lower() for term, _, _ in entries()}
    for _, meaning, _ in entries():
        for word in re.findall(r"(?<![\w*])\*([^*]+)\*", meaning):
            assert word.lower() in terms or word.lower().removesuffix("s") in terms, word


def test_readme_leads_to_the_glossary():
    assert "](notebooks/glossary.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
