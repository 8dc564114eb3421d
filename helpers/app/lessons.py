"""Execute the lessons as a reader would, and put their results side by side."""

import base64
import hashlib
import html
import json
import os
import re
import time
import tomllib
from pathlib import Path

import nbformat
import papermill
from nbconvert import HTMLExporter

from helpers import ROOT
from helpers.files import replacing
from helpers.plots import RESULT

NOTEBOOKS = ROOT / "notebooks"
BUILD = ROOT / "build"
QUIET = [
    "--log-level=ERROR"
]  # kernels warn of TCP without encryption; these never leave the machine


def run(numbers: list[str], profile: str, in_place: bool, again: bool = True) -> int:
    """Execute lessons through papermill into `build/`, or back into `notebooks/`; returns the exit status.

    A failing lesson is named with its cell and does not stop the others. A lesson that ran well before, in this
    profile and with the same sources, is not run again, unless `again` or `in_place` ask for it: so a run that was
    stopped goes on with the lesson in which it stopped. Ends with a table and `build/report.html`. Raises ValueError
    for a lesson that does not exist.
    """
    chosen = [
        p for p in sorted(NOTEBOOKS.glob("[0-9]*.ipynb")) if not numbers or p.stem[:2] in numbers
    ]
    if unknown := set(numbers) - {p.stem[:2] for p in chosen}:
        raise ValueError(f"no lesson {', '.join(sorted(unknown))} in {NOTEBOOKS}")
    if BUILD.exists() and not BUILD.is_dir():
        raise FileExistsError(f"{BUILD} is a file where a folder is needed; rename or remove it")
    os.environ["COURSE_PROFILE"] = profile  # the kernels inherit it
    rows = []
    for path in chosen:
        state = _state(path, profile)
        row = None if again or in_place else _finished(path, state)
        if row is None:
            row = _execute(path, in_place)
            if not row["failed"]:
                with replacing(BUILD / f"{path.stem}.json") as part:
                    part.write_text(json.dumps(row | {"state": state}), encoding="utf-8")
        rows.append(row)
    _report(rows, profile)
    for row in rows:
        before = "   (finished before; --again runs it anew)" if "state" in row else ""
        print(f"{row['lesson']:<24}{row['seconds']:>6.0f} s   {row['outcome']}{before}")
    print(f"report: {(BUILD / 'report.html').relative_to(ROOT)}")
    return int(any(row["failed"] for row in rows))


def _state(path: Path, profile: str) -> str:
    """A hash of all that a lesson's result depends on: its cells, the course's code and weights, and the profile."""
    digest = hashlib.sha256(profile.encode())
    try:
        cells = nbformat.read(path, as_version=4).cells
        digest.update("\0".join(cell.source for cell in cells).encode())
    except Exception:  # no notebook, which papermill will say
        digest.update(path.read_bytes())
    for source in sorted(
        [*(ROOT / "helpers").rglob("*.py"), *(ROOT / "data" / "weights").glob("*.safetensors")]
    ):
        digest.update(source.read_bytes())
    return digest.hexdigest()


def _finished(path: Path, state: str) -> dict | None:
    """What an earlier run recorded of this lesson, where it was in the same state and its pages are still there."""
    record = BUILD / f"{path.stem}.json"
    if not all(file.exists() for file in (record, BUILD / path.name, BUILD / f"{path.stem}.html")):
        return None
    try:
        row = json.loads(record.read_text(encoding="utf-8"))
    except ValueError:  # cut off
        return None
    return row if row.get("state") == state else None


def _execute(path: Path, in_place: bool) -> dict:
    (BUILD / f"{path.stem}.json").unlink(
        missing_ok=True
    )  # from here on the earlier result does not count
    executed, started, outcome = BUILD / path.name, time.perf_counter(), ""
    options = {
        "kernel_name": "python3",
        "extra_arguments": QUIET,
        "progress_bar": {"desc": path.stem},
    }
    with replacing(executed) as part:
        try:
            papermill.execute_notebook(path, part, cwd=NOTEBOOKS, **options)
        except papermill.PapermillExecutionError as error:
            outcome = f"FAILED in cell {error.cell_index}: {error.ename}: {error.evalue}"
        except OSError:  # the disk's, which the next lesson would meet, too
            raise
        except (
            Exception
        ) as error:  # a kernel that dies raises whatever it likes; the other lessons go on
            outcome = f"FAILED: {type(error).__name__}: {error}"
        if not part.exists():
            nbformat.write(nbformat.v4.new_notebook(), part)
    failed = bool(outcome)
    row = {
        "lesson": path.stem,
        "seconds": time.perf_counter() - started,
        "failed": failed,
        "image": None,
        "alt": "",
    }
    notebook = nbformat.read(executed, as_version=4)
    if result := recorded(notebook):
        bundle, entry = result
        row |= {"image": bundle["image/png"], "alt": entry["alt"]}
        outcome = outcome or entry["text"]
        notebook.cells[0]["attachments"] = {
            "result.png": {"image/png": row["image"]}
        }  # what the title shows
    page, _ = HTMLExporter().from_notebook_node(notebook)
    with replacing(executed.with_suffix(".html")) as part:
        part.write_text(page, encoding="utf-8")
    if in_place and not failed:
        if path.stem == "06_espcn":  # README's picture
            with replacing(path.with_suffix(".png")) as part:
                part.write_bytes(base64.b64decode(row["image"]))
        _clean(notebook)
        with replacing(path) as part:
            nbformat.write(notebook, part)
    return row | {"outcome": " ".join(outcome.split()) or "—"}


def recorded(notebook: nbformat.NotebookNode) -> tuple[dict, dict] | None:
    """What `plots.record` left in an executed notebook: its outputs by type, and the entry."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if RESULT in output.get("data", {}):
                return output["data"], output["data"][RESULT]
    return None


def _clean(notebook: nbformat.NotebookNode) -> None:
    """Keep what a reader sees: no timings, no papermill, one kernel name."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": kernel, "language_info": {"name": "python"}}
    )
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict(
            {"tags": tags} if (tags := cell.metadata.get("tags")) else {}
        )
        if "outputs" in cell:  # a progress bar is a widget, dead in a stored notebook
            cell.outputs = [
                o
                for o in cell.outputs
                if "application/vnd.jupyter.widget-view+json" not in o.get("data", {})
            ]


def _report(rows: list[dict], profile: str) -> None:
    """`build/report.html`: every lesson's before and after on one page that needs nothing else."""
    lines, figures = [], []
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
    page = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Image restoration: report</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222 }}
table {{ border-collapse: collapse }} td, th {{ padding: .3rem 1.2rem .3rem 0; text-align: left;
border-bottom: 1px solid #ddd; vertical-align: top }} td:nth-child(2) {{ text-align: right }}
img {{ max-width: 100% }} .failed {{ color: #b00020; font-weight: bold }}
</style>
<h1>Image restoration, profile {html.escape(profile)}</h1>
<table><tr><th>lesson<th>seconds<th>baseline → result{"".join(lines)}</table>
{"".join(figures)}</html>"""
    with replacing(BUILD / "report.html") as part:
        part.write_text(page, encoding="utf-8")


def readdress(url: str) -> int:
    """Replace the address of `pyproject.toml` by `url` wherever it stands; returns the number of files changed."""
    url = url.removesuffix("/").removesuffix(
        ".git"
    )  # as it is copied from a browser or a clone command
    if not re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", url):
        raise ValueError(f"{url!r} is not an address like https://github.com/OWNER/NAME")
    pyproject = ROOT / "pyproject.toml"
    old = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["urls"]["Repository"]
    old, new = (address.removeprefix("https://github.com/") for address in (old, url))
    changed = 0
    instructors = ROOT / "instructors"  # a copy for students may lack it
    sources = [*instructors.glob("README.md"), *instructors.rglob("*.ipynb")]
    for path in [pyproject, ROOT / "README.md", *NOTEBOOKS.rglob("*.ipynb"), *sources]:
        text = path.read_text(encoding="utf-8")
        if old in text:
            with replacing(path) as part:
                part.write_text(text.replace(old, new), encoding="utf-8")
            changed += 1
    return changed
