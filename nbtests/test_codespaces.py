"""What Codespaces, VS Code and Kaggle are given, against the files that it speaks of."""

import json
import re
import tomllib

import pytest
from packaging.specifiers import SpecifierSet

from helpers import ROOT
from helpers.app import lessons

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def container():
    return json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))


def test_the_container_is_made_by_the_makefiles_own_target(container):
    make, target = container["postCreateCommand"].split()
    assert make == "make"
    assert re.search(rf"^{re.escape(target)}:.* requirements\.txt$", MAKEFILE, re.MULTILINE)


def test_the_containers_python_is_one_that_the_course_supports(container):
    image, _, version = container["image"].partition(":")
    assert image.startswith("mcr.microsoft.com/") and image.endswith("/python")
    assert SpecifierSet(PROJECT["requires-python"]).contains(version)


def test_vs_code_takes_the_python_that_make_filled(container):
    given = container["customizations"]["vscode"]
    python = re.search(r"^PYTHON := (.+)$", MAKEFILE, re.MULTILINE)[1]
    assert given["settings"]["python.defaultInterpreterPath"] == python
    assert {"ms-python.python", "ms-toolsai.jupyter"} <= set(given["extensions"])


def test_the_container_has_room_for_the_course(container):
    needs = container["hostRequirements"]
    sizes = {name: int(needs[name].removesuffix("gb")) for name in ("memory", "storage")}
    assert needs["cpus"] >= 2 and sizes["memory"] >= 8
    disk = int(re.search(r"a few minutes, (\d+) GB", MAKEFILE)[1])
    assert sizes["storage"] >= 2 * disk


def test_readme_leads_codespaces_and_kaggle_to_this_course():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    address = PROJECT["urls"]["Repository"]
    slug = address.removeprefix("https://github.com/")
    first = min(lessons.NOTEBOOKS.glob("[0-9]*.ipynb")).name
    kaggle = f"https://kaggle.com/kernels/welcome?src={address}/blob/main/notebooks/{first}"
    assert f"(https://codespaces.new/{slug})" in readme
    assert f"[Kaggle]({kaggle})" in readme
