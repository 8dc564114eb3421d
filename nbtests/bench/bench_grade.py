"""How long grading takes: 30 submissions of one lesson, each exercise solved, or solved wrongly, or
not at all.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import psutil

from helpers import ROOT
from instructors import exercises

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("lesson", nargs="?", default="06_espcn")
parser.add_argument("--students", type=int, default=30)
parser.add_argument("--jobs", type=int, default=os.cpu_count())
args = parser.parse_args()

source = nbformat.read(exercises.source(args.lesson), as_version=4)
about = {
    c.metadata.nbgrader.grade_id: c
    for c in source.cells
    if c.metadata.get("nbgrader", {}).get("solution")
}
wrong = exercises.wrong(args.lesson)
rng = np.random.default_rng(0)
peak = 0


def watch(pid: int) -> None:
    """The most that all processes below `pid` held together; pages that several share count once
    for each.
    """
    global peak
    with contextlib.suppress(psutil.Error):
        while True:
            held = 0
            for process in psutil.Process(pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    held += process.memory_info().rss
            peak = max(peak, held)
            time.sleep(0.2)


with tempfile.TemporaryDirectory() as folder:
    for n in range(args.students):
        notebook = nbformat.read(exercises.STUDENT / f"{args.lesson}.ipynb", as_version=4)
        for cell in notebook.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            others = [text for text in wrong if text.startswith(f"# %% {name}_")]
            if name in about and (luck := rng.random()) < 0.9:
                cell.source = about[name].source
                if luck < 0.3 and others:
                    cell.source = others[int(luck * 100) % len(others)]
        place = Path(folder) / "in" / f"student{n:02d}" / f"{args.lesson}.ipynb"
        place.parent.mkdir(parents=True)
        nbformat.write(notebook, place)
    call = [
        sys.executable,
        "-m",
        "instructors.grade",
        f"{folder}/in",
        f"--to={folder}/out",
        f"--jobs={args.jobs}",
    ]
    start = time.perf_counter()
    child = subprocess.Popen(
        call,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    threading.Thread(target=watch, args=[child.pid], daemon=True).start()
    said, _ = child.communicate()
    seconds = time.perf_counter() - start
    print(said)
    if child.returncode:
        sys.exit(child.returncode)
    start = time.perf_counter()
    subprocess.run(
        call, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True
    )
    again = time.perf_counter() - start

print(
    f"{args.students} submissions of {args.lesson}, {args.jobs} at a time on {os.cpu_count()} cores"
)
print(
    f"{seconds / 60:.1f} minutes, {seconds / args.students:.1f} s each;"
    f" unchanged, once more: {again:.0f} s"
)
print(f"peak memory {peak / 2**30:.1f} GB")
print(f"load of the machine when it ended: {os.getloadavg()[0]:.1f}")
