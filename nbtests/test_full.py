"""The rehearsal of `full`: every lesson in that profile, with few steps and on drawn pictures.

`make check` runs it, `make test` does not. Each lesson runs by the course's own command in a copy
of the course, whose `data/raw` holds small stand-ins in the layouts of the published sets. What the
lessons claim of a long training is left out.
"""

import ast
import os
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest

from helpers import ROOT, download, images
from helpers.app import lessons

pytestmark = pytest.mark.full
LESSONS = sorted(path.stem for path in lessons.NOTEBOOKS.glob("[0-9]*.ipynb"))
# These only cost time, so they are as in smoke. All else (sources, sizes, batches) is as in full.
COSTLY = {"STEPS", "EPOCHS", "UNET_EPOCHS", "TRIAL_EPOCHS", "PASSES", "STREAMED", "FRAMES"}
COSTLY |= {"epochs", "WIDTH"}  # the U-Net's: with 64 channels a step takes seconds


class Shorter(ast.NodeTransformer):
    """Rewrites a lesson's cell: few steps, and no claims about the profile."""

    def visit_Assign(self, node):
        """`STEPS = {"smoke": 2, …}[PROFILE]` becomes `STEPS = 2`."""
        names = {name.id for name in ast.walk(node.targets[0]) if isinstance(name, ast.Name)}
        value = node.value
        if names <= COSTLY and isinstance(value, ast.Subscript) and depends_on_profile(value.slice):
            keys = [key.value for key in value.value.keys]
            node.value = value.value.values[keys.index("smoke")]
        elif names <= COSTLY and isinstance(value, ast.IfExp) and depends_on_profile(value.test):
            node.value = value.body
        return node

    def visit_Assert(self, node):
        """`assert PROFILE == "smoke" or …` is a claim; what holds in every profile stays."""
        return ast.Pass() if depends_on_profile(node.test) else node

    def visit_If(self, node):
        """What is asserted under `if PROFILE != "smoke":`, or under its `else:`, is a claim."""
        if depends_on_profile(node.test):
            node.body = [without_claim(line) for line in node.body]
            node.orelse = [without_claim(line) for line in node.orelse]
        return self.generic_visit(node)


def without_claim(line):
    return ast.Pass() if isinstance(line, ast.Assert) else line


def depends_on_profile(node):
    return any(isinstance(n, ast.Name) and n.id in ("PROFILE", "FULL") for n in ast.walk(node))


def shortened(name):
    notebook = nbformat.read(lessons.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = ast.unparse(Shorter().visit(ast.parse(cell.source)))
            cell.outputs = []
    return notebook


def draw(path, height, width, random):
    """Write a picture of smooth colours with a few hard edges, unlike every other one."""
    picture = images.resize(random.random((6, 6, 3), np.float32), (height, width), "bicubic")
    for _ in range(4):
        top, left = random.integers(0, height - 8), random.integers(0, width - 8)
        picture[top : top + 40, left : left + 40] = random.random(3)
    return images.write(path, np.clip(picture, 0, 1))


def draw_sets(folder):
    """Write small stand-ins of the sets that `full` reads, each in its published layout."""
    random = np.random.default_rng(0)
    for k in range(24):
        draw(folder / f"own/{k}.png", 208, 224, random)
    rows = ["low_res,high_res"]
    for k in range(24):
        high = images.read(draw(folder / f"unsplash/high res/{k}.png", 192, 208, random))
        for scale in (2, 4):
            low = images.enlarge(images.reduce(high, scale), scale, "nearest")
            images.write(folder / f"unsplash/low res/{k}_{scale}.png", low)
            rows.append(f"{k}_{scale}.png,{k}.png")
    (folder / "unsplash/image_data.csv").write_text("\n".join(rows), encoding="utf-8")
    rows = ["image_id,partition"]
    for k in range(100):
        draw(folder / f"celeba/img_align_celeba/{k:06}.png", 218, 178, random)
        partition = {0: 1, 1: 2}.get(k % 10, 0)  # a tenth to validate, a tenth to test
        rows.append(f"{k:06}.png,{partition}")
    (folder / "celeba/list_eval_partition.csv").write_text("\n".join(rows), encoding="utf-8")
    for part, pictures in {"trainA": 8, "trainB": 8, "testA": 14, "testB": 8}.items():
        for k in range(pictures):
            draw(folder / f"summer2winter/{part}/{k:03}.png", 256, 256, random)


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the course, whose data/raw holds the drawn sets as `fetch` brings them."""
    root, drawn = tmp_path_factory.mktemp("course"), tmp_path_factory.mktemp("drawn")
    shutil.copytree(ROOT / "helpers", root / "helpers")
    shutil.copy(ROOT / "pyproject.toml", root)
    shutil.copytree(ROOT / "data/weights", root / "data/weights")
    (root / "notebooks").mkdir()
    draw_sets(drawn)
    for source in ("own", "unsplash", "celeba", "summer2winter"):
        download.fetch(source, origin=drawn / source, to=root / "data/raw" / source)
    return root


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_in_full(name, course):
    nbformat.write(shortened(name), course / "notebooks" / f"{name}.ipynb")
    environment = os.environ | {"PYTHONPATH": str(course)}
    command = [sys.executable, "-m", "helpers", "run", "--profile", "full", name[:2]]
    done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
