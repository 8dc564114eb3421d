"""Do the lessons' claims hold with other seeds?

    PYTHONPATH=. .venv/bin/python nbtests/bench/bench_seeds.py [--seeds 1 2] [--lessons 04 05]

Every lesson that sets SEED runs in `quick` with each of the seeds, into build/seeds/; nothing in
notebooks/ changes. A line for each run: how long it took, and the first assertion that failed.
"""

import argparse
import os
import sys
import time
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from helpers import ROOT
from helpers.app.lessons import QUIET

KERNEL = {"kernel_name": "python3", "extra_arguments": QUIET}


def lessons(numbers: list[str]) -> list[Path]:
    """The lessons that draw at random, all of them or those of these numbers."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        seeded = any(
            "parameters" in c.metadata.get("tags", []) and "SEED" in c.source for c in cells
        )
        if seeded and (not numbers or path.stem[:2] in numbers):
            found.append(path)
    return found


def failure(path: Path, seed: int, to: Path) -> str:
    """Run a lesson with a seed; what failed, nothing where all is well."""
    try:
        papermill.execute_notebook(
            path, to, {"SEED": seed}, cwd=path.parent, progress_bar=False, **KERNEL
        )
    except PapermillExecutionError as error:
        return f"{error.ename}: {error.evalue}".split("\n")[0]
    return ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--lessons", nargs="+", default=[], metavar="NN")
    args = parser.parse_args()
    os.environ["COURSE_PROFILE"] = "quick"
    folder = ROOT / "build" / "seeds"
    folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path in lessons(args.lessons):
        for seed in args.seeds:
            began = time.perf_counter()
            said = failure(path, seed, folder / f"{path.stem}-{seed}.ipynb")
            seconds = time.perf_counter() - began
            failed += bool(said)
            print(f"{path.stem:<22} seed {seed} {seconds:>5.0f} s  {said or 'holds'}", flush=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
