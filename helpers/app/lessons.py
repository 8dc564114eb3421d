"""Execute the lessons as a reader would, and put their results side by side."""

import base64
import hashlib
import html
import io
import json
import os
import re
import time
import tomllib
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter
from PIL import Image

from helpers import ROOT
from helpers.files import replacing
from helpers.plots import RESULT

NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"
# Kernels warn of TCP without encryption; these never leave the machine.
QUIET = ["--log-level=ERROR"]
PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}
GITHUB = "https://github.com/"


def run(numbers: list[str], profile: str, in_place: bool, again: bool = True) -> int:
    """Execute lessons through papermill into `build/`, or back into `notebooks/`.

    A failing lesson is named with its cell and does not stop the others. A lesson that ran well
    before, in this profile and with the same sources, is not run again: so a run that was stopped
    goes on with the lesson in which it stopped. Ends with a table and `build/report.html`.

    Parameters
    ----------
    numbers : such as "2", "02", "02_crop_and_pyramid" or the notebook's path; without any, all
    profile : "smoke", "quick" or "full"
    in_place : write the outputs into `notebooks/`; then every lesson is run
    again : run also what ran well before

    Returns
    -------
    the exit status: 0, or 1 where a lesson failed

    Raises
    ------
    ValueError : there is no such lesson
    FileExistsError : `build` is a file
    """
    chosen = _choose(numbers)
    if BUILD.exists() and not BUILD.is_dir():
        raise FileExistsError(f"{BUILD} is a file where a folder is needed; rename or remove it")
    os.environ["COURSE_PROFILE"] = profile  # the kernels inherit it
    rows = []
    for path in chosen:
        state = _state(path, profile)
        row = None if again or in_place else _finished(path, state)
        rows.append(row or _run_one(path, in_place, state))
    _report(rows, profile)
    for row in rows:
        before = "   (finished before; --again runs it anew)" if "state" in row else ""
        print(f"{row['lesson']:<24}{row['seconds']:>6.0f} s   {row['outcome']}{before}")
    print(f"report: {(BUILD / 'report.html').relative_to(ROOT)}")
    return int(any(row["failed"] for row in rows))


def _choose(numbers: list[str]) -> list[Path]:
    """The lessons of these numbers or names; ValueError where there is none of a name."""
    lessons = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    if not numbers:
        return lessons
    known = {}
    for path in lessons:
        number = path.stem[:2]
        names = [number, number.removeprefix("0"), path.stem, path.name, str(path.resolve())]
        known |= dict.fromkeys(names, path)
    chosen = set()
    unknown = []
    for number in numbers:
        path = known.get(number) or known.get(str(Path(number).resolve()))
        if path:
            chosen.add(path)
        else:
            unknown.append(number)
    if unknown:
        names = ", ".join(path.stem for path in lessons)
        raise ValueError(f"no lesson {', '.join(sorted(unknown))} in {NOTEBOOKS}; there: {names}")
    return sorted(chosen)


def _run_one(path: Path, in_place: bool, state: str) -> dict:
    """Execute a lesson, and note where it ran well."""
    row = _execute(path, in_place)
    if not row["failed"]:
        with replacing(BUILD / f"{path.stem}.json") as part:
            part.write_text(json.dumps(row | {"state": state}), encoding="utf-8")
    return row


def _state(path: Path, profile: str) -> str:
    """A hash of what a result depends on: cells, profile, the course's code and weights."""
    digest = hashlib.sha256(profile.encode())
    try:
        cells = nbformat.read(path, as_version=4).cells
        digest.update("\0".join(cell.source for cell in cells).encode())
    except Exception:  # it is no notebook, which papermill will say
        digest.update(path.read_bytes())
    code = (ROOT / "helpers").rglob("*.py")
    weights = (ROOT / "data" / "weights").glob("*.safetensors")
    for source in sorted([*code, *weights]):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _finished(path: Path, state: str) -> dict | None:
    """What an earlier run noted of this lesson in the same state; None without its pages."""
    record = BUILD / f"{path.stem}.json"
    pages = (BUILD / path.name, BUILD / f"{path.stem}.html")
    if not all(file.exists() for file in (record, *pages)):
        return None
    try:
        row = json.loads(record.read_text(encoding="utf-8"))
    except ValueError:  # cut off
        return None
    return row if row.get("state") == state else None


def _execute(path: Path, in_place: bool) -> dict:
    """Execute a lesson; a row of the report."""
    # From here on the earlier result does not count.
    (BUILD / f"{path.stem}.json").unlink(missing_ok=True)
    executed = BUILD / path.name
    started = time.perf_counter()
    outcome = _papermill(path, executed)
    row = {
        "lesson": path.stem,
        "seconds": time.perf_counter() - started,
        "failed": bool(outcome),
        "image": None,
        "alt": "",
    }
    notebook = nbformat.read(executed, as_version=4)
    if result := recorded(notebook):
        bundle, entry = result
        row["image"] = bundle["image/png"]
        row["alt"] = entry["alt"]
        outcome = outcome or entry["text"]
        # The title shows it.
        notebook.cells[0]["attachments"] = {"result.png": {"image/png": row["image"]}}
    page, _ = HTMLExporter().from_notebook_node(notebook)
    with replacing(executed.with_suffix(".html")) as part:
        part.write_text(page, encoding="utf-8")
    if in_place and not row["failed"]:
        _write_back(notebook, path, row["image"])
    row["outcome"] = " ".join(outcome.split()) or "—"
    return row


def _papermill(path: Path, executed: Path) -> str:
    """Execute a notebook into another; returns in words why it failed, or nothing."""
    options = {
        "kernel_name": "python3",
        "extra_arguments": QUIET,
        "progress_bar": {"desc": path.stem},
    }
    outcome = ""
    with replacing(executed) as part:
        try:
            papermill.execute_notebook(path, part, cwd=NOTEBOOKS, **options)
        except papermill.PapermillExecutionError as error:
            outcome = f"FAILED in cell {error.cell_index}: {error.ename}: {error.evalue}"
        except OSError:  # the disk's, which the next lesson would meet, too
            raise
        except Exception as error:  # of any kind where a kernel dies; the other lessons go on
            outcome = f"FAILED: {type(error).__name__}: {error}"
        if not part.exists():
            nbformat.write(nbformat.v4.new_notebook(), part)
    return outcome


def _write_back(notebook: nbformat.NotebookNode, path: Path, image: str | None) -> None:
    """Write an executed lesson in the place of its source, and lesson 06's picture for README."""
    if path.stem == "06_espcn":
        with replacing(path.with_suffix(".png")) as part:
            part.write_bytes(base64.b64decode(image))
    _clean(notebook)
    with replacing(path) as part:
        nbformat.write(notebook, part)


def recorded(notebook: nbformat.NotebookNode) -> tuple[dict, dict] | None:
    """What `plots.record` left in an executed notebook.

    Returns
    -------
    the outputs by their type, and the entry; None where there is none
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if RESULT in output.get("data", {}):
                return output["data"], output["data"][RESULT]
    return None


def _clean(notebook: nbformat.NotebookNode) -> None:
    """Keep what a reader sees: no timings, no papermill, one kernel name."""
    language = {"name": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": PYTHON, "language_info": language})
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if not _is_widget(output)]
            for output in cell.outputs:
                if png := output.get("data", {}).get("image/png"):
                    output.data["image/png"] = _smaller(png)


def _smaller(png: str) -> str:
    """The same picture in fewer bytes, both as PNG in base64; alpha goes where all is opaque."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        opaque = picture.mode == "RGBA" and picture.getextrema()[3] == (255, 255)
        kept = picture.convert("RGB") if opaque else picture
        kept.save(file, "PNG", optimize=True, dpi=picture.info.get("dpi"))
    return min(base64.b64encode(file.getvalue()).decode(), png, key=len)


def _is_widget(output: dict) -> bool:
    """Whether an output is a widget, such as a progress bar, which is dead in a stored notebook."""
    return "application/vnd.jupyter.widget-view+json" in output.get("data", {})


def _report(rows: list[dict], profile: str) -> None:
    """`build/report.html`: every lesson's before and after on one page that needs nothing else."""
    lines = []
    figures = []
    for row in rows:
        link = f'<a href="{row["lesson"]}.html">{row["lesson"]}</a>'
        state = ' class="failed"' if row["failed"] else ""
        lines.append(
            f"<tr{state}><td>{link}<td>{row['seconds']:.0f}<td>{html.escape(row['outcome'])}"
        )
        if row["image"]:
            source = f"data:image/png;base64,{row['image']}"
            figures.append(
                f'<h2>{link}</h2><img src="{source}" alt="{html.escape(row["alt"], quote=True)}">'
            )
    page = f"""<!doctype html><html lang="en"><meta charset="utf-8">
<title>Image restoration: report</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse }} td, th {{ padding: .3rem 1.2rem .3rem 0; text-align: left;
border-bottom: 1px solid #ddd; vertical-align: top }} td:nth-child(2) {{ text-align: right }}
img {{ max-width: 100% }} .failed {{ color: #b00020; font-weight: bold }}
</style>
<h1>Image restoration, profile {html.escape(profile)}</h1>
<table><tr><th>lesson<th>seconds<th>baseline → result{"".join(lines)}</table>
{"".join(figures)}</html>"""
    with replacing(BUILD / "report.html") as part:
        part.write_text(page, encoding="utf-8")


def readdress(url: str, root: Path = ROOT) -> int:
    """Replace the address of `pyproject.toml` wherever it stands.

    Parameters
    ----------
    url : https://github.com/OWNER/NAME, also as a browser or a clone command has it
    root : the course, or a copy of it

    Returns
    -------
    how many files changed

    Raises
    ------
    ValueError : another kind of address
    """
    url = url.removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise ValueError(f"{url!r} is not an address like {GITHUB}OWNER/NAME")
    pyproject = root / "pyproject.toml"
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    old = project["urls"]["Repository"].removeprefix(GITHUB)
    new = url.removeprefix(GITHUB)
    paths = [pyproject, root / "README.md", *(root / "notebooks").rglob("*.ipynb")]
    teachers = root / "instructors"  # a copy for students lacks it
    paths += [*teachers.glob("README.md"), *teachers.rglob("*.ipynb")]
    changed = 0
    for path in paths:
        text = path.read_text(encoding="utf-8")
        if old in text:
            with replacing(path) as part:
                part.write_text(text.replace(old, new), encoding="utf-8")
            changed += 1
    return changed
