"""The copy for students: what is not in it, and that what is in it works."""

import json
import re
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers import ROOT
from instructors import exercises, publish

pytestmark = pytest.mark.skipif(
    find_spec("nbgrader") is None, reason="nbgrader is missing, as on Colab"
)
URL = "https://github.com/a-school/restoring"
SOMEBODY = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"))
}


def git(folder, *words):
    done = subprocess.run(
        ["git", *words], cwd=folder, check=True, capture_output=True, text=True, encoding="utf-8"
    )
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """One copy for all tests that only read it."""
    if not (ROOT / ".git").exists():
        pytest.skip("this course is no clone")
    folder = tmp_path_factory.mktemp("published") / "course"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SOMEBODY.items():
            patch.setenv(name, value)
        publish.publish(folder, URL)
    return folder


def sources():
    return [nbformat.read(exercises.source(name), as_version=4) for name in exercises.names()]


def parted():
    """The lines of the source notebooks inside the markers, and those outside."""
    inside = set()
    outside = set()
    for notebook in sources():
        for cell in notebook.cells:
            hidden = False
            for line in cell.source.splitlines():
                if re.search("(BEGIN|END) (SOLUTION|HIDDEN TESTS)", line):
                    hidden = "BEGIN" in line
                elif len(line.strip()) >= 25:
                    (inside if hidden else outside).add(line.strip())
    return inside, outside


def strings(value):
    """All text of a notebook, encoded pictures apart."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not key.startswith("image/"):
                yield from strings(part)
    elif isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        yield "".join(value)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)
    else:
        yield str(value)


def readable(path):
    text = path.read_bytes().decode("utf-8", errors="replace")
    return "\n".join(strings(json.loads(text))) if path.suffix == ".ipynb" else text


# what must not be there


def test_no_line_of_a_solution_or_a_hidden_test_is_in_the_copy(copy):
    inside, outside = parted()
    assert len(inside) > 500
    lessons = [readable(path) for path in (copy / "notebooks").glob("[0-9]*.ipynb")]
    course = [readable(path) for path in (copy / "helpers").rglob("*.py")]
    everybody = "\n".join([*outside, *lessons, *course])
    secret = {line for line in inside if line not in everybody}
    assert len(inside) - len(secret) < 20
    paths = [path for path in copy.rglob("*") if path.is_file()]
    texts = {
        path: readable(path)
        for path in paths
        if path.suffix != ".safetensors" and ".git" not in path.relative_to(copy).parts
    }
    assert len(texts) > 150
    found = [(path, line) for path, text in texts.items() for line in secret if line in text]
    assert found == []


def test_the_history_is_one_commit_of_what_lies_there(copy):
    assert git(copy, "rev-list", "--all", "--count").strip() == "1"
    assert git(copy, "branch", "--show-current").strip() == "main"
    assert git(copy, "status", "--porcelain", "--ignored") == ""
    kept = git(copy, "cat-file", "--batch-all-objects", "--batch-check=%(objecttype)").split()
    assert kept.count("commit") == 1
    tree = git(copy, "ls-tree", "-r", "HEAD", "--format=%(objectname)").split()
    assert kept.count("blob") == len(set(tree))


def test_the_wrong_solutions_stay_behind(copy):
    wrong = {text.split("\n")[0] for name in exercises.names() for text in exercises.wrong(name)}
    texts = [readable(path) for path in copy.rglob("*.py")]
    assert not [line for line in wrong if any(line in text for text in texts)]
    assert not (copy / "instructors").exists()
    assert not (copy / "nbtests" / "grading").exists()


def test_the_editions_are_those_of_today(copy):
    for name, source in zip(exercises.names(), sources(), strict=True):
        edition = nbformat.read(copy / "notebooks" / "exercises" / f"{name}.ipynb", as_version=4)
        assert [cell.id for cell in edition.cells] == [cell.id for cell in source.cells]
        assert not [cell for cell in edition.cells if "SOLUTION" in cell.source]


# what is there, works


@pytest.mark.slow
def test_the_house_tests_of_the_copy_pass(copy):
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "nbtests/test_house.py"], cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "skipped" not in done.stdout


def test_every_command_of_make_has_its_rule(copy):
    text = (copy / "Makefile").read_text(encoding="utf-8")
    declared = " ".join(re.findall(r"^\.PHONY:(.*)$", text, re.MULTILINE)).split()
    rules = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    assert sorted(declared) == sorted(rules)
    assert not {"student", "grade", "publish"} & set(rules)
    assert "test" in rules


def test_the_address_stands_in_every_badge(copy):
    paths = [copy / "README.md", *(copy / "notebooks").rglob("*.ipynb")]
    assert len(paths) >= 21
    for path in paths:
        text = readable(path)
        assert "colab.research.google.com/github/a-school/restoring/" in text
        assert "OWNER/" not in text
    assert publish.address_of(copy) == URL


# the students' lock


def pins(path):
    text = path.read_text(encoding="utf-8")
    return dict(re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE))


def test_the_lock_is_complete_without_nbgrader(copy):
    ours = pins(ROOT / "requirements.txt")
    theirs = pins(copy / "requirements.txt")
    assert theirs.items() < ours.items()
    assert {"nbgrader", "sqlalchemy", "alembic"} & set(theirs) == set()
    assert {"tensorflow", "jupyterlab", "django", "pytest"} <= set(theirs)
    for name in theirs:
        try:
            asks = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # of another system
            continue
        needs = [Requirement(text) for text in asks]
        needs = [one for one in needs if not one.marker or one.marker.evaluate({"extra": ""})]
        missing = {canonicalize_name(one.name) for one in needs} - set(theirs)
        assert missing == set(), name


LOCK = """# compiled
both==1
    # via
    #   grader
    #   lab
grader==2
    # via course (pyproject.toml:instructors)
lab==3
    # via
    #   course (pyproject.toml)
    #   course (pyproject.toml:tools)
only-grader==4 ; sys_platform == 'linux'
    # via grader
deeper==5
    # via only-grader
"""


def test_a_package_stays_where_anything_else_asks_for_it():
    kept = publish.students_lock(LOCK)
    assert kept == (
        "# compiled\nboth==1\n    # via lab\nlab==3\n    # via\n"
        "    #   course (pyproject.toml)\n    #   course (pyproject.toml:tools)\n"
    )


def test_a_lock_without_reasons_is_refused():
    with pytest.raises(ValueError, match="does not say"):
        publish.students_lock("keras==3.13\nnbgrader==0.9.6\n")


# regions


def test_regions_and_single_lines_are_left_out():
    text = "a\nb  # instructors: only\n# instructors: begin\nc\n<!-- instructors: end -->\n"
    assert publish.for_students(text + "instructors/  folder\nd", "x") == "a\nd"


@pytest.mark.parametrize(
    ("marks", "words"),
    [
        (["begin"], "has no"),
        (["end"], "line 1"),
        (["begin", "begin"], "line 2"),
        (["begin", "only"], "line 2"),
        (["begin", "end", "end"], "line 3"),
    ],
)
def test_a_region_that_is_not_closed_is_named(marks, words):
    text = "\n".join(f"# instructors: {mark}" for mark in marks)
    with pytest.raises(ValueError, match=f"page.md.*{words}"):
        publish.for_students(text, "page.md")


# refusals


def test_a_line_of_a_solution_is_refused_in_text_and_in_notebooks(tmp_path):
    secret = next(line for line in sorted(publish.hidden_lines()[0]) if '"' in line)
    (tmp_path / "harmless.py").write_text("picture = picture[::-1]\n", encoding="utf-8")
    assert publish.check(tmp_path).startswith("1 files hold none")
    cell = nbformat.v4.new_code_cell(f"def f():\n    {secret}")
    notebook = nbformat.v4.new_notebook(cells=[cell])
    for name in ("notes.md", "handout.ipynb"):
        path = tmp_path / name
        if path.suffix == ".md":
            path.write_text(f"Hint: {secret}\n", encoding="utf-8")
        else:
            nbformat.write(notebook, path)
        with pytest.raises(ValueError, match=f"{name} holds a line of a solution"):
            publish.check(tmp_path)
        path.unlink()


@pytest.mark.parametrize(
    "words", ["see instructors/README.md", "then `make grade`", "python -m instructors.student"]
)
def test_words_that_lead_nowhere_are_refused(tmp_path, words):
    (tmp_path / "page.md").write_text(words, encoding="utf-8")
    with pytest.raises(ValueError, match=r"page\.md speaks of"):
        publish.check(tmp_path)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine", encoding="utf-8")
    assert publish.main([str(tmp_path)]) == 2
    assert "not empty; name a new folder" in capsys.readouterr().err
    assert publish.main([""]) == 2
    assert "make publish TO=folder" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == [mine]


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError(28, "full")])
def test_an_interrupted_copy_leaves_nothing(tmp_path, monkeypatch, error, there):
    def some(folder, address):
        (folder / "notebooks").mkdir(parents=True)
        (folder / "README.md").write_text("half", encoding="utf-8")
        raise error

    monkeypatch.setattr(publish, "copy", some)
    if there:
        (tmp_path / "public").mkdir()
    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        publish.publish(tmp_path / "public")
    assert [path.name for path in tmp_path.rglob("*")] == ["public"] * there


def test_a_stopped_command_says_so(tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(publish, "tracked", stop)
    assert publish.main([str(tmp_path / "public")]) == 130
    assert "there is no copy" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


def test_what_students_handed_in_stays_behind(tmp_path, monkeypatch):
    names = ["handed_in/ada/02.ipynb", "build/grades/grades.csv", "notes.md"]
    for name in names:
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text", encoding="utf-8")
    monkeypatch.setattr(publish, "ROOT", tmp_path / "own")
    monkeypatch.setattr(publish, "tracked", lambda: names)
    monkeypatch.setattr(publish.exercises, "names", list)
    publish.copy(tmp_path / "public", None)
    assert [p.name for p in (tmp_path / "public").rglob("*") if p.is_file()] == ["notes.md"]


def test_a_wrong_address_leaves_no_copy(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(publish, "tracked", lambda: ["pyproject.toml", "README.md"])
    monkeypatch.setattr(publish.exercises, "names", list)
    call = [str(tmp_path / "public"), "--address", "github.com/me"]
    assert publish.main(call) == 2
    assert "'github.com/me' is not an address like" in capsys.readouterr().err
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("there", [False, True])
def test_an_empty_folder_is_taken(tmp_path, monkeypatch, there):
    monkeypatch.setattr(publish, "copy", lambda folder, _: folder.mkdir())
    monkeypatch.setattr(publish, "check", lambda _: "searched")
    if there:
        (tmp_path / "public").mkdir()
    assert publish.publish(tmp_path / "public", git=False) == "searched"
    assert [*(tmp_path / "public").iterdir()] == []


def test_only_what_git_tracks_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(publish, "ROOT", tmp_path)
    with pytest.raises(ValueError, match="no clone of a git repository"):
        publish.tracked()
    git(tmp_path, "init", "-q")
    for name in ("ünder/a b.md", "grades.csv"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x", encoding="utf-8")
    git(tmp_path, "add", "ünder")
    assert publish.tracked() == ["ünder/a b.md"]
    (tmp_path / "ünder" / "a b.md").unlink()
    with pytest.raises(ValueError, match=r"a b\.md.*git restore"):
        publish.tracked()


def test_an_address_that_is_the_course_s_own_is_a_warning(tmp_path, monkeypatch, capsys):
    def stub(folder, address, git):
        folder.mkdir()
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        own = publish.address_of(ROOT)
        text = text.replace(own, address or own)
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")
        return "searched"

    monkeypatch.setattr(publish, "publish", stub)
    assert publish.main([str(tmp_path / "a")]) == 0
    assert "warning: the copy's badges and first cells fetch" in capsys.readouterr().err
    assert publish.main([str(tmp_path / "b"), "--address", URL]) == 0
    assert capsys.readouterr().err == ""
