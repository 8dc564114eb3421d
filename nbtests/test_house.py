"""What the files at the top promise each other, and what every committed lesson owes its reader."""

import ast
import re
import shutil
import tomllib
from itertools import combinations

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from helpers import ROOT
from helpers.app import lessons

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ADDRESS = PROJECT["project"]["urls"]["Repository"]
README = ROOT / "README.md"
FETCHED = {"raw", "prepared", "build"}  # folders of what the reader brings or makes
READMES = [
    path
    for pattern in ("README.md", "[!.]*/README.md", "[!.]*/*/README.md")
    for path in sorted(ROOT.glob(pattern))
    if not FETCHED & set(path.relative_to(ROOT).parts)
]
LESSONS = sorted(lessons.NOTEBOOKS.glob("[0-9]*.ipynb"))
GROUPS = [PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"].values()]
DIRECT = [Requirement(line) for group in GROUPS for line in group]
# The lists of what is installed beside the lock, by the package that a group asks for
BESIDE = {
    Requirement(line).name: f"helpers/app/{group}.txt"
    for group in ("cluster", "jax")
    for line in PROJECT["dependency-groups"][group]
}
LOCKS = ["requirements.txt", "book/requirements.txt", *sorted(set(BESIDE.values()))]


@pytest.fixture(params=LESSONS, ids=lambda path: path.stem)
def lesson(request):
    return request.param, nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code(notebook) for output in cell.outputs]


def test_the_lessons_are_there():
    assert {f"{number:02d}" for number in range(1, 11)} <= {path.stem[:2] for path in LESSONS}


@pytest.mark.parametrize("requirement", DIRECT, ids=lambda r: r.name)
def test_the_lock_satisfies_pyproject(requirement):
    lock = (ROOT / BESIDE.get(requirement.name, "requirements.txt")).read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", lock, re.MULTILINE)
    versions = [
        version
        for name, version in pins
        if canonicalize_name(name) == canonicalize_name(requirement.name)
    ]
    assert versions, f"{requirement.name} is not locked; make lock"
    assert all(requirement.specifier.contains(version) for version in versions)


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_is_exact_and_names_no_index(name):
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if not re.match(r"[\w.-]+==|\s*#", line)]
    assert "://" not in "".join(lines)


def test_the_packages_of_the_site_of_a_cluster_and_of_jax_change_no_version_of_the_lock():
    lists = [
        re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
        for name in LOCKS
    ]
    _, site, cluster, jax = map(dict, lists)
    assert "sphinx" in site and "distributed" in cluster and "jax" in jax
    for first, second in combinations(lists, 2):
        assert [pin for pin in second if pin[0] in dict(first) and pin not in first] == []


def test_conda_gives_the_same_and_writes_no_version_twice():
    wanted = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    python, pip, packages = wanted
    version = re.fullmatch(r"python=(3\.\d+)", python)[1]
    assert SpecifierSet(PROJECT["project"]["requires-python"]).contains(version)
    assert (pip, packages) == ("pip", {"pip": ["-r requirements.txt"]})


def test_no_cell_of_prose_is_longer_than_a_reader_keeps_in_mind(lesson):
    _, notebook = lesson
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert max(len(source.split()) for source in prose) <= 350


def test_address_is_written_everywhere_alike(lesson):
    path, notebook = lesson
    slug = ADDRESS.removeprefix("https://github.com/")
    badge = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{path.name}"
    assert badge in notebook.cells[0].source
    assert f'"{ADDRESS}"' in code(notebook)[1].source


def test_readme_opens_the_first_lesson_in_colab_and_clones_this_course():
    readme = README.read_text(encoding="utf-8")
    slug = ADDRESS.removeprefix("https://github.com/")
    page = f"https://colab.research.google.com/github/{slug}/blob/main/notebooks/{LESSONS[0].name}"
    assert re.findall(r"https://colab\.research\.google\.com/github/[^)\s]+", readme) == [page]
    for path in (README, *(ROOT / "instructors").glob("README.md")):
        cloned = re.findall(r"git clone (\S+)", path.read_text(encoding="utf-8"))
        assert cloned == [ADDRESS]


def test_address_can_be_changed(tmp_path):
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(lessons.NOTEBOOKS, tmp_path / "notebooks")
    # instructors: begin
    shutil.copytree(ROOT / "instructors" / "source", tmp_path / "instructors" / "source")
    shutil.copy(ROOT / "instructors" / "README.md", tmp_path / "instructors")
    # instructors: end
    with pytest.raises(ValueError, match="not an address"):
        lessons.readdress("github.com/me", tmp_path)
    pages = [*tmp_path.rglob("README.md"), *tmp_path.rglob("*.ipynb")]
    changed = lessons.readdress("https://github.com/someone/restoring.git/", tmp_path)
    assert changed == len(pages) + 1  # and pyproject.toml
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert "someone/restoring" in text
        assert "restoring.git" not in text
        assert ADDRESS.removeprefix("https://github.com/") not in text


def test_first_cells(lesson):
    first, second = code(lesson[1])[:2]
    assert first.metadata.tags == ["parameters"]
    assert 'PROFILE = os.environ.get("COURSE_PROFILE", "quick")' in first.source.splitlines()
    assert "helpers.setup(" in second.source


def bound(node):
    """The names that a statement outside of functions and classes binds, imports apart."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return set()  # these have names of their own
    names = set()
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        names.add(node.id)
    for child in ast.iter_child_nodes(node):
        names |= bound(child)
    return names


def test_no_cell_takes_the_name_of_an_imported_module(lesson):
    modules = set()
    assigned = {}
    for number, cell in enumerate(code(lesson[1]), start=1):
        tree = ast.parse(cell.source)
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        for name in bound(tree):
            assigned.setdefault(name, number)
    shadowed = {name: number for name, number in assigned.items() if name in modules}
    assert not shadowed, "cells that assign the name of a module"


def test_at_least_three_cells_are_compared(lesson):
    compared = [
        cell for cell in code(lesson[1]) if "nbval-check-output" in cell.metadata.get("tags", [])
    ]
    assert len(compared) >= 3
    assert all(any(output.get("text", "").strip() for output in cell.outputs) for cell in compared)
    assert not [
        cell for cell in code(lesson[1]) if "raises-exception" in cell.metadata.get("tags", [])
    ]


def test_committed_as_executed(lesson):
    path, notebook = lesson
    cells = [cell for cell in code(notebook) if cell.source.strip()]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [
        o for o in outputs(notebook) if o.output_type == "error" or o.get("name") == "stderr"
    ]
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells)
    assert path.stat().st_size < 3 * 2**20


def test_no_path_of_a_machine(lesson):
    texts = [o.get("text", "") for o in outputs(lesson[1])]
    texts += [
        o.get("data", {}).get(kind, "")
        for o in outputs(lesson[1])
        for kind in ("text/plain", "text/html")
    ]
    readable = re.sub(r"base64,[\w+/=]+", "", "\n".join(texts))
    assert not re.search(r"/(root|home|work|tmp|Users)/|[A-Z]:\\", readable)


def test_every_picture_has_a_text_for_who_cannot_see_it(lesson):
    pictures = [
        (o, kind)
        for o in outputs(lesson[1])
        for kind in o.get("data", {})
        if kind.startswith("image/")
    ]
    assert pictures
    assert all(len(o.metadata.get(kind, {}).get("alt", "")) > 20 for o, kind in pictures)
    assert all(
        re.search(r"!\[[^\]]{20,}\]", line)
        for line in lesson[1].cells[0].source.splitlines()
        if "(attach" in line
    )


def row_of(page, path):
    """The one row of a page's tables that begins with a link to this lesson."""
    lines = page.read_text(encoding="utf-8").splitlines()
    (row,) = [
        line for line in lines if line.startswith("| [") and f"notebooks/{path.name})" in line
    ]
    return row


def test_readme_lists_the_lesson_by_its_question(lesson):
    path, notebook = lesson
    title = notebook.cells[0].source.splitlines()[0]
    number, question = re.fullmatch(r"# (\d\d) · (.+)", title).groups()
    row = row_of(README, path)
    assert row.startswith(f"| [{number} ")
    assert f"| {question} |" in row


def test_the_list_of_figures_tells_what_the_lesson_measured(lesson):
    path, notebook = lesson
    _, entry = lessons.recorded(notebook)
    row = row_of(ROOT / "nbtests" / "bench" / "README.md", path)
    assert entry["text"] in row, "the table of nbtests/bench/README.md is older than the lesson"


def test_readme_is_short():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 90
    assert len(text.split()) <= 900
    long = [line for line in text.splitlines() if len(line) > 100]
    assert all("](" in line for line in long), "only a link cannot be broken"


def anchors(path):
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(path):
    text = path.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in links:
        target, _, anchor = link.partition("#")
        place = path.parent / target if target else path
        assert place.exists(), link
        assert not anchor or anchor in anchors(place), link


@pytest.mark.parametrize("path", READMES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_script_that_a_command_names_is_there(path):
    text = path.read_text(encoding="utf-8")
    scripts = re.findall(r"(?<![\w/])(?:helpers|instructors|nbtests|web)/[\w/]+\.py\b", text)
    assert not [script for script in scripts if not (ROOT / script).exists()]


# who may import whom: DESIGN's table, read from the code. The application may import everything

MAY_IMPORT = {
    "files": set(),
    "images": {"files"},
    "damage": {"images"},
    "batching": {"images", "damage", "files"},
    "layers": set(),
    "models": {"layers"},
    "adversarial": {"images", "batching", "models"},
    "metrics": {"images"},
    "plots": {"images"},
    "training": {"files", "images", "metrics", "models", "plots", "tiles"},
    "tiles": {"images", "layers"},
    "download": {"files", "images", "app"},  # `fetch` opens the application's sources
    "selfcheck": set(),
    "__main__": {"app"},
    "__init__": {"app"},  # `setup` asks it what is missing, and which menu helps
}


def imported(path):
    """The modules of helpers/ that a file of it imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("helpers."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("helpers.")
            }
    return {
        name
        for name in found
        if (ROOT / "helpers" / name).exists() or (ROOT / "helpers" / f"{name}.py").exists()
    }


@pytest.mark.parametrize(
    "path", sorted((ROOT / "helpers").glob("*.py")), ids=lambda path: path.stem
)
def test_the_course_imports_downwards_only(path):
    assert imported(path) <= MAY_IMPORT[path.stem]
