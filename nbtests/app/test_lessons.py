import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image

from helpers import ROOT
from helpers.app import lessons
from helpers.plots import RESULT

RECORD = """
import matplotlib.pyplot as plt
from helpers import plots
figure, ax = plt.subplots(figsize=(2, 1))
plots.record(figure, "A <dark> square", 25.04, 1234.56, "dB", "PSNR-RGB")
"""
GOOD = ["import os\nprint('profile', os.environ['COURSE_PROFILE'], os.getcwd())", RECORD]
FAILS = ["print('fine')", "raise ValueError('a <tag> &\\nanother line')", "print('never')"]
DIES = ["import os\nos._exit(1)"]


def notebook(cells):
    code = [
        new_code_cell(source, metadata={"tags": ["mine"], "collapsed": True}) for source in cells
    ]
    return new_notebook(
        cells=[new_markdown_cell("# A lesson"), *code], metadata={"somebody": "else's"}
    )


def execute(root, sources, *arguments):
    """`lessons.run` on a course of these notebooks under `root`: its status, what it printed, and
    the folders.
    """
    course = SimpleNamespace(notebooks=root / "notebooks", build=root / "build", sources=sources)
    course.notebooks.mkdir()
    for name, cells in sources.items():
        text = nbformat.writes(notebook(cells)) if cells else "{ no notebook"
        (course.notebooks / f"{name}.ipynb").write_text(text, encoding="utf-8")
    course.before = {p.stem: p.read_bytes() for p in course.notebooks.iterdir()}
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.setattr(lessons, "ROOT", root)
        patch.setattr(lessons, "NOTEBOOKS", course.notebooks)
        patch.setattr(lessons, "BUILD", course.build)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("COURSE_PROFILE", "what stood here before")
        course.status = lessons.run(*arguments)
    course.printed = printed.getvalue()
    return course


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A lesson that fails, one that kills its kernel, one that is no notebook, and last a good one;
    in place.
    """
    root = tmp_path_factory.mktemp("mixed")
    (root / "build").mkdir()
    old = new_notebook(cells=[new_markdown_cell("#"), new_code_cell(outputs=[recorded_output()])])
    nbformat.write(
        old, root / "build" / "03_broken.ipynb"
    )  # of an earlier run, when it still was a notebook
    sources = {"01_fails": FAILS, "02_dies": DIES, "03_broken": None, "04_good": GOOD}
    return execute(root, sources, [], "smoke", True)


def recorded_output():
    entry = {
        "text": "1.0 → 2.0 dB",
        "what": "",
        "alt": "",
        "baseline": 1,
        "result": 2,
        "unit": "dB",
    }
    data = {"image/png": base64.b64encode(b"stale").decode(), RESULT: entry}
    return nbformat.v4.new_output("display_data", data=data)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    root = tmp_path_factory.mktemp("good")
    return execute(root, {"04_good": GOOD, "05_other": DIES}, ["04"], "full", False)


def outcome(course, lesson):
    [line] = [line for line in course.printed.splitlines() if line.startswith(lesson)]
    return line


def texts(path):
    """Every text that the cells of a notebook put out."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for cell in cells for o in cell.get("outputs", []))


def test_status_tells_whether_a_lesson_failed(mixed, good):
    assert mixed.status == 1
    assert good.status == 0


def test_a_failing_lesson_is_named_with_its_cell_in_one_line(mixed):
    line = outcome(mixed, "01_fails")
    assert "FAILED in cell 2: ValueError: a <tag> & another line" in line
    assert "fine" in texts(mixed.build / "01_fails.ipynb")


def test_the_others_still_run(mixed):
    assert "FAILED" in outcome(mixed, "02_dies")
    assert "FAILED" in outcome(mixed, "03_broken")
    assert outcome(mixed, "04_good").endswith("25.0 → 1,234.6 dB")


def test_an_earlier_result_does_not_stand_for_a_broken_lesson(mixed):
    assert base64.b64encode(b"stale").decode() not in (mixed.build / "report.html").read_text(
        encoding="utf-8"
    )


def test_only_the_chosen_lessons_run(good):
    assert "05_other" not in good.printed
    assert not (good.build / "05_other.ipynb").exists()


@pytest.mark.parametrize("which, profile", [("mixed", "smoke"), ("good", "full")])
def test_profile_and_folder_reach_the_kernel(which, profile, request):
    course = request.getfixturevalue(which)
    assert f"profile {profile} {course.notebooks.resolve()}" in texts(
        course.build / "04_good.ipynb"
    )


def test_report_holds_every_lesson_and_picture(mixed):
    report = (mixed.build / "report.html").read_text(encoding="utf-8")
    for name in mixed.sources:
        assert (mixed.build / f"{name}.html").exists()
        assert f'href="{name}.html"' in report
    assert report.count('class="failed"') == 3
    assert "a &lt;tag&gt; &amp; another line" in report
    assert "<tag>" not in report
    assert 'alt="A &lt;dark&gt; square"' in report
    *_, source = [part.split('"')[0] for part in report.split("data:image/png;base64,")[1:]]
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(source))))
    assert picture.shape[0] < picture.shape[1]
    assert np.ptp(picture) > 0
    assert source in (mixed.build / "04_good.html").read_text(encoding="utf-8").replace("\n", "")


def test_in_place_writes_outputs_and_clean_metadata(mixed):
    written = nbformat.read(mixed.notebooks / "04_good.ipynb", as_version=4)
    nbformat.validate(written)
    assert set(written.metadata) == {"kernelspec", "language_info"}
    code = [cell for cell in written.cells if cell.cell_type == "code"]
    assert [cell.source for cell in code] == GOOD
    assert [cell.execution_count for cell in code] == [1, 2]
    assert [cell.metadata for cell in code] == [{"tags": ["mine"]}] * 2
    _, entry = lessons.recorded(written)
    assert entry["text"] == "25.0 → 1,234.6 dB"
    assert "papermill" not in json.dumps(written)


def test_in_place_keeps_each_pixel_of_a_picture_in_fewer_bytes(mixed):
    pictures = []
    for path in (mixed.build / "04_good.ipynb", mixed.notebooks / "04_good.ipynb"):
        bundle, _ = lessons.recorded(nbformat.read(path, as_version=4))
        pictures.append(base64.b64decode(bundle["image/png"]))
    executed, written = (Image.open(io.BytesIO(picture)) for picture in pictures)
    assert len(pictures[1]) < 0.9 * len(pictures[0])
    assert written.info["dpi"] == executed.info["dpi"]
    assert np.array_equal(executed.convert("RGBA"), written.convert("RGBA"))


def test_failing_notebooks_stay_as_they_were(mixed, good):
    for name in ("01_fails", "02_dies", "03_broken"):
        assert (mixed.notebooks / f"{name}.ipynb").read_bytes() == mixed.before[name]
    assert {
        p.stem: p.read_bytes() for p in good.notebooks.iterdir()
    } == good.before  # not in place: nothing changes


@pytest.mark.slow
def test_what_ran_well_is_not_run_again_until_something_changes(tmp_path):
    """Each execution leaves a line behind; a lesson that failed is tried again."""
    count = f"open({str(tmp_path / 'ran')!r}, 'a').write('x')"
    sources = {"01_counts": [count], "02_fails": [count, "1 / 0"]}

    def ran(again=False, profile="smoke", change=""):
        if change:
            nbformat.write(notebook([count, change]), tmp_path / "notebooks" / "01_counts.ipynb")
        (tmp_path / "ran").write_text("")
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(io.StringIO()) as printed,
        ):
            for name, folder in {"ROOT": ".", "NOTEBOOKS": "notebooks", "BUILD": "build"}.items():
                patch.setattr(lessons, name, tmp_path / folder)
            lessons.run([], profile, False, again)
        assert "02_fails" in printed.getvalue()
        return len((tmp_path / "ran").read_text())

    execute(tmp_path, sources, [], "smoke", False, False)
    assert ran() == 1  # the one that failed
    assert ran(again=True) == 2
    assert ran(profile="quick") == 2
    assert ran(profile="quick", change="1 + 1") == 2
    assert ran(profile="quick") == 1
    (tmp_path / "build" / "01_counts.json").write_text("{")
    assert ran(profile="quick") == 2


def test_an_unknown_lesson_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(ValueError, match="no lesson 98, 99"):
        execute(tmp_path, {"04_good": GOOD}, ["04", "99", "98"], "quick", False)
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    "name", ["6", "06", "06_espcn", "06_espcn.ipynb", str(ROOT / "notebooks/06_espcn.ipynb")]
)
def test_a_lesson_is_found_by_number_name_and_path(name):
    assert [path.stem for path in lessons._choose([name, "10"])] == ["06_espcn", "10_your_photos"]


@pytest.mark.parametrize("name", ["0", "006", "espcn", "notebooks/exercises/06_espcn.ipynb", ""])
def test_another_file_is_no_lesson(name):
    with pytest.raises(ValueError, match=r"no lesson .*; there: 01_download, .*10_your_photos"):
        lessons._choose(["1", name])


# the disk


def run_in(root, before=None):
    """`python -m helpers run` on the course under `root`, in its own process."""
    script = (
        "import sys, pathlib; from helpers.app import lessons; from helpers.__main__ import main\n"
        "lessons.ROOT = root = pathlib.Path(sys.argv[1])\n"
        "lessons.NOTEBOOKS, lessons.BUILD = root / 'notebooks', root / 'build'\n"
        "sys.exit(main(['run']))"
    )
    (root / "notebooks").mkdir()
    nbformat.write(notebook(["print(1)"]), root / "notebooks" / "01_small.ipynb")
    call = [sys.executable, "-c", script, str(root)]
    done = subprocess.run(
        call, cwd=ROOT, preexec_fn=before, capture_output=True, text=True, timeout=120
    )
    errors = re.findall(r"error: .*", done.stderr)  # it may stand behind a progress bar
    assert done.returncode == 2, done.stderr
    assert len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return errors[0]


def test_a_build_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "build").write_text("here first")
    error = run_in(tmp_path)
    assert str(tmp_path / "build") in error
    assert "another folder" in error or "rename" in error or "remove" in error


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limits")
@pytest.mark.parametrize("limit", [1000, 100_000], ids=["notebook", "page"])
def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path, no_space, limit):
    error = run_in(tmp_path, lambda: no_space(limit))
    assert "cannot write" in error
    assert str(tmp_path / "build" / "01_small.") in error
    assert "free space" in error
    assert not [p for p in (tmp_path / "build").iterdir() if p.stat().st_size == limit]
