"""The Korean edition: prose is translated, nothing else changes, and nothing is lost on the way."""

import functools
import json
import shutil
import subprocess

import nbformat
import pytest

pytest.importorskip("translate", reason="translate-toolkit is not installed; make korean does it")
pytest.importorskip("mdit_py_plugins", reason="MyST is not installed; make korean installs it")
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from book import korean
from helpers import ROOT

PAGES = korean.pages()
NOTEBOOKS = {name: page for name, page in PAGES.items() if page.endswith(".ipynb")}


@functools.cache
def units(page):
    return korean.units(page)


def rendered(text):
    """As a reader sees it; a browser shows white space of any length alike."""
    markdown = MarkdownIt().enable("table").use(dollarmath_plugin)
    return " ".join(markdown.render(text).split())


def written(folder, name="01_a", readme="# A course\n", **cells):
    """A course of one lesson; `cells` are {id: Markdown}."""
    lessons = folder / "notebooks"
    (lessons / "exercises").mkdir(parents=True, exist_ok=True)
    (folder / "book").mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://github.com/us/image-restoration-course"\n'
    )
    (folder / "README.md").write_text(readme)
    (folder / "book" / "index.md").write_text("# A site\n")
    (lessons / "glossary.md").write_text("# Glossary\n")
    notebook = nbformat.v4.new_notebook()
    for cell, text in cells.items():
        notebook.cells.append(nbformat.v4.new_markdown_cell(text, id=cell))
    nbformat.write(notebook, lessons / f"{name}.ipynb")
    return folder


def filled(name, translations):
    """Write translations into a catalogue, as a translator does."""
    store = korean.catalogue(name)
    for entry in store.units:
        if entry.source in translations:
            entry.target = translations[entry.source]
    (korean.CATALOGUES / f"{name}.po").write_bytes(bytes(store))


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A folder for catalogues, with none in it."""
    monkeypatch.setattr(korean, "CATALOGUES", tmp_path / "catalogues")
    return tmp_path / "catalogues"


# The course's own pages and catalogues


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_without_translations_a_page_looks_as_in_english(page):
    cells = list(korean.texts(page))
    assert cells
    for _, text in cells:
        assert rendered(korean.rewritten(text, lambda unit: unit)) == rendered(text)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_korean_notebook_differs_in_prose_alone(name, monkeypatch):
    page = PAGES[name]
    wanted = units(page)
    monkeypatch.setattr(korean, "known", lambda *_: {unit: f"역 {unit}" for unit in wanted})
    english = nbformat.read(ROOT / page, as_version=4)
    translated = korean.translated(page)
    nbformat.validate(translated)
    assert translated.metadata == english.metadata
    for old, new in zip(english.cells, translated.cells, strict=True):
        if not korean.is_prose(old):
            assert new == old
        assert {**new, "source": ""} == {**old, "source": ""}
    again = {}
    for cell in filter(korean.is_prose, translated.cells):
        korean.rewritten(cell.source, lambda unit: again.setdefault(unit, unit))
    assert list(again) == [f"역 {unit}" for unit in wanted]


@pytest.mark.parametrize("name", PAGES)
def test_a_catalogue_is_as_extraction_writes_it(name):
    store = korean.catalogue(name)
    places = {unit: entry.getlocations() for unit, entry in korean.entries(store).items()}
    path = korean.CATALOGUES / f"{name}.po"
    assert bytes(korean.updated(store, places)) == path.read_bytes()
    if msgfmt := shutil.which("msgfmt"):
        subprocess.run([msgfmt, "-o", "-", path], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("name", PAGES)
def test_a_translation_keeps_what_is_no_prose(name):
    for english, translation in korean.known(name).items():
        assert not korean.faults(english, translation), translation


def test_a_unit_is_no_fault_of_itself():
    for page in PAGES.values():
        for unit in units(page):
            assert not korean.faults(unit, unit), unit


# What a program can tell of a translation


@pytest.mark.parametrize(
    "english, translation, said",
    [
        ("Read `a` and `b`.", "`b`와 `a`를 읽으세요.", ""),
        ("Read `a` and `b`.", "`b`를 읽으세요.", "lacks code a"),
        ("See [02](02_b.ipynb).", "[2강](02_b.ipynb)을 보세요.", ""),
        ("See [02](02_b.ipynb).", "[2강](02_a.ipynb)을 보세요.", "lacks link 02_b.ipynb"),
        ("![A face](a.png)", "![얼굴](a.png)", ""),
        ("![A face](a.png)", "![얼굴](b.png)", "lacks picture a.png"),
        ("Since $a_1 = b$", "$a_1 = b$이므로", ""),
        ("Since $a_1 = b$", "$a_1 = c$이므로", "lacks formula $a_1 = b$"),
        ("1,700 faces, 0.5 dB", "얼굴 1,700개, 0.5 dB", ""),
        ("1,700 faces, 0.5 dB", "얼굴 1700개, 0.5 dB", "lacks number 1,700"),
        ("lesson 06", "6강", ""),
        ("**Training** is slow.", "**학습**은 느립니다.", ""),
        ("**Training** is slow.", "**학습(training)**은 느립니다.", "lacks emphasis strong"),
        ("*a* or *b*", "*a* 또는 b", "lacks emphasis em"),
        ("three to five", "3~5", "has another sign ~"),
        ("a cell", "칸|칸", "has another sign |"),
        ("A <b>cell</b>", "<b>칸", "lacks tag </b>"),
        ("In 2016 it began.", "2016. 시작했습니다.", "has another block ordered_list_open"),
    ],
)
def test_faults_are_named(english, translation, said):
    found = korean.faults(english, translation)
    assert said in "; ".join(found) if said else not found


# What is extracted, and what comes back


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("# A *title*\n\nOne\nparagraph.\n", ["A *title*", "One paragraph."]),
        ("- an item\n- another", ["an item", "another"]),
        ("| a | `b` |\n| --- | --- |\n| c | 28.43 |", ["a", "c"]),
        ("```text\na ─▶ b\n```", []),
        ("$$a = b$$", []),
        ("[![Open](https://colab.research.google.com/a.svg)](https://colab.research/b)", []),
        (
            "1. Why?\n   <details><summary>Answer</summary>Because *a* < b.</details>",
            ["Why?", "Answer", "Because *a* < b."],
        ),
        ("```{toctree}\n:caption: Lessons\n\na\n```", ["Lessons"]),
    ],
)
def test_units(text, wanted):
    found = []
    korean.rewritten(text, lambda unit: found.append(unit) or unit)
    assert found == wanted
    once = korean.rewritten(text, lambda unit: f"역 {unit}")
    found.clear()
    korean.rewritten(once, lambda unit: found.append(unit) or unit)
    assert found == [f"역 {unit}" for unit in wanted]


def test_a_changed_sentence_keeps_its_translation_as_fuzzy_and_is_not_shown(
    tmp_path, empty, capsys
):
    course = written(tmp_path, a="One network enlarges this face.", b="Another thought.")
    korean.extract(course)
    filled("01_a", {"One network enlarges this face.": "역", "Another thought.": "다른 생각"})
    written(tmp_path, a="Two networks enlarge this face.", c="Something quite new!")
    found = korean.counts(course)["01_a"]
    assert (found["units"], found["translated"], found["outdated"]) == (2, 0, 4)
    korean.extract(course)
    fuzzy, new = korean.entries(korean.catalogue("01_a")).values()
    assert (fuzzy.target, fuzzy.prev_source) == ("역", "One network enlarges this face.")
    assert fuzzy.isfuzzy()
    assert (new.target, new.isfuzzy()) == ("", False)
    cells = korean.translated("notebooks/01_a.ipynb", course).cells
    assert [cell.source for cell in cells] == [
        "Two networks enlarge this face.",
        "Something quite new!",
    ]
    assert korean.status(course) == 1
    assert "outdated: 01_a" in capsys.readouterr().out


def test_the_status_is_0_when_all_is_translated(tmp_path, empty):
    course = written(tmp_path, a="A face.")
    korean.extract(course)
    assert korean.status(course) == 1
    for name in korean.pages(course):
        filled(name, {unit: "번역" for unit in korean.entries(korean.catalogue(name))})
    assert korean.status(course) == 0
    filled("01_a", {"A face.": "얼굴*"})
    assert korean.status(course) == 1


def test_links_to_colab_and_the_clone_command_lead_to_the_korean_course(tmp_path, empty):
    course = written(
        tmp_path,
        readme="```sh\ngit clone https://github.com/us/image-restoration-course && make lab\n```\n",
        a="[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        "(https://colab.research.google.com/github/us/image-restoration-course/blob/main/"
        "notebooks/01_a.ipynb)",
    )
    korean.extract(course)
    (badge,) = korean.translated("notebooks/01_a.ipynb", course).cells
    assert "/us/image-restoration-course/blob/korean/notebooks/01_a.ipynb)" in badge.source
    clone = "git clone -b korean https://github.com/us/image-restoration-course &&"
    assert clone in korean.translated("README.md", course)


def test_the_repository_has_no_say_in_what_is_translated(tmp_path):
    text = "Colab fetches https://github.com/{}/image-restoration-course."
    course = written(tmp_path, a=text.format("us"))
    assert list(korean.units("notebooks/01_a.ipynb", course)) == [text.format("OWNER")]


def test_readme_is_the_same_in_a_copy_for_students(tmp_path):
    both = "Exercises.\n"
    mark = "<!-- instructors: {} -->".format  # in one piece it would be a mark here
    teachers = f"`make marks` {mark('begin')}\ngives marks. {mark('end')}\n"
    course = written(tmp_path, readme=f"# A course\n\n{both}{teachers}")
    assert list(korean.units("README.md", course)) == ["A course", "Exercises."]


def test_a_cell_that_grading_knows_stays_english(tmp_path, empty):
    course = written(tmp_path, a="*Your answer here.*")
    path = course / "notebooks" / "01_a.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"][0]["metadata"]["nbgrader"] = {"grade": True}
    path.write_text(json.dumps(notebook))
    assert not korean.units("notebooks/01_a.ipynb", course)


def test_the_command_writes_a_page_in_its_place(tmp_path, monkeypatch):
    some = {name: PAGES[name] for name in ("README", "site", "exercises_01_download")}
    monkeypatch.setattr(korean, "pages", lambda *_: some)
    assert korean.main(["apply", "--to", str(tmp_path)]) == 0
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert written == {"README.md", "notebooks/exercises/01_download.ipynb"}
