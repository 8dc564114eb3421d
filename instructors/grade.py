"""`make grade SUBMISSIONS=folder`: points for every notebook in folder/<student>/<lesson>.ipynb."""

import argparse
import contextlib
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import stat
import sys
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import psutil
from tqdm import tqdm

from helpers import ROOT
from helpers.files import replacing
from instructors import exercises, marking, term
from instructors.exercises import lesson
from instructors.grade_tables import Options, manual_points, write
from instructors.sandbox import Ended, Failed, Process, bubblewrap
from instructors.worker import printable

LARGEST = 512 << 20  # bytes of a notebook
UNPROTECTED = """\
WARNING: bubblewrap is not installed, or does not work here (Debian, Ubuntu: apt install
bubblewrap). The tests stay out of reach of what is handed in, and time and memory are limited all
the same, but a submission can now read and change every file that you can, this course's solutions
and the grades among them, use the network, fill the disk, and leave programs behind. Grade like
this only what you trust."""


class Submission(NamedTuple):
    student: str
    lesson: str
    path: Path


def find(folder: Path) -> tuple[list[Submission], list[str]]:
    """The submissions in `folder`/<student>/<lesson>.ipynb.

    What nbgrader collects lies one folder deeper, <student>/<lesson>/<lesson>.ipynb, and is read,
    too.

    Parameters
    ----------
    folder : what was handed in

    Returns
    -------
    the submissions, and a line for each notebook and student left out there, with the reason

    Raises
    ------
    FileNotFoundError : there is no such folder
    ValueError : no submission is in it
    """
    known = exercises.names()
    layout = f"expected {folder}/<student>/<lesson>.ipynb, such as {folder}/ada/{known[0]}.ipynb"
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; {layout}")
    found = {}
    left_out = []
    notebooks = [path for path in folder.rglob("*") if path.suffix.lower() == ".ipynb"]
    # The well-named come first, so that a copy of them is what is left out.
    for path in sorted(notebooks, key=lambda path: (path.stem not in known, path)):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            continue
        # A browser adds "(1)" to a name, and Colab "Copy of".
        named = [name for name in known if name in path.stem.lower()]
        reason = objection(folder, inside, layout)
        if not reason and len(named) != 1:
            reason = f"no such lesson; name it as it was handed out, one of {', '.join(known)}"
        place = readable(inside.parts[0]), named[0] if named else ""
        if not reason and place in found:
            taken = found[place].path.relative_to(folder)
            reason = f"{readable(str(taken))} is taken; leave one of the two there"
        if reason:
            left_out.append(f"{readable(str(inside))}: {reason}")
        else:
            found[place] = Submission(*place, path)
    left_out += without_notebook(folder, notebooks)
    if not found:
        raise ValueError("\n".join([f"no submission in {folder}; {layout}", *left_out[:10]]))
    return sorted(found.values()), left_out


def objection(folder: Path, inside: Path, layout: str) -> str:
    """Why what lies at this place is not read; nothing where it is."""
    places = [folder / Path(*inside.parts[: n + 1]) for n in range(len(inside.parts))]
    if any(place.is_symlink() for place in places):
        return "a link, which is not followed"
    if not stat.S_ISREG((folder / inside).lstat().st_mode):
        return "not a file"
    collected = len(inside.parts) == 3 and inside.parts[1] == inside.stem  # by nbgrader
    if len(inside.parts) != 2 and not collected:
        return layout
    return ""


def without_notebook(folder: Path, notebooks: list[Path]) -> list[str]:
    """A line for each student's folder that holds none of the notebooks."""
    lines = []
    for student in sorted(folder.iterdir()):
        if not student.is_dir() or student.name.startswith("."):
            continue
        if not any(student in path.parents for path in notebooks):
            why = "a link, which is not followed" if student.is_symlink() else "no notebook in it"
            lines.append(f"{readable(student.name)}: {why}")
    return lines


def readable(name: str) -> str:
    """A file's name as a person reads it: composed letters, also of a Korean Windows archive."""
    written = os.fsencode(name)
    for encoding in ("utf-8", "cp949"):
        with contextlib.suppress(UnicodeDecodeError):
            return printable(unicodedata.normalize("NFC", written.decode(encoding)))
    return printable(name)


def gradable(submissions: list[Submission]) -> tuple[list[Submission], list[str]]:
    """The submissions that this Python can grade, and a line for each that needs TensorFlow.

    Raises
    ------
    ValueError : it can grade none of them
    """
    if find_spec("tensorflow"):
        return submissions, []
    kept = [one for one in submissions if not lesson(one.lesson)[0].needs_tensorflow]
    needs = "these exercises need TensorFlow; grade them by `make grade`, which installs it"
    left_out = [f"{one.student}/{one.lesson}: {needs}" for one in submissions if one not in kept]
    if not kept:
        raise ValueError("\n".join(left_out[:10]))
    return kept, left_out


def key(submission: Submission, sandboxed: bool, seconds: float, memory: int) -> str:
    """What a result depends on: the notebook, the source notebook, how it was graded."""
    digest = hashlib.sha256(f"{sandboxed} {seconds} {memory}".encode())
    here = Path(__file__).parent
    source = exercises.source(submission.lesson)
    for path in (submission.path, source, here / "marking.py", here / "worker.py"):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def grade(submission: Submission, sandboxed: bool, seconds: float, memory: int) -> dict:
    """Grade one submission; nothing is raised for what is wrong with the notebook.

    Parameters
    ----------
    submission : of `find`
    sandboxed : whether in bubblewrap
    seconds : for one exercise
    memory : bytes

    Returns
    -------
    `student`, `lesson`, `sandboxed`, `key`, the `notes`, and of each exercise the `marks`
    """
    known, edition = lesson(submission.lesson)
    notes = []
    cells = {}
    marks = []
    options = {"memory": memory, "sandboxed": sandboxed}
    try:
        if (size := submission.path.stat().st_size) > LARGEST:
            raise ValueError(f"{size:,} bytes are too many for a notebook; clear its outputs")
        cells = marking.collect(submission.path.resolve(), edition, **options)
    except ValueError as error:
        notes.append(str(error))
    total = seconds * len(known.exercises)
    if cells:
        marks = marking.mark(known, edition, cells, lambda: Process(total, **options), seconds)
    elif not notes:
        notes.append(
            "none of the lesson's cells is in this notebook; hand in the notebook that was handed"
            " out"
        )
    for mark in marks:
        notes += _notes(mark, cells)
    return {
        "student": submission.student,
        "lesson": submission.lesson,
        "sandboxed": sandboxed,
        "key": key(submission, sandboxed, seconds, memory),
        "notes": notes,
        "marks": marks,
    }


def _notes(mark: dict, cells: dict[str, str]) -> list[str]:
    """What an instructor should know of one exercise."""
    number = mark["number"]
    notes = []
    if mark.get("elsewhere"):
        notes.append(f"exercise {number} stood in another cell than its own")
    notes += [f"the cell of {name} is missing" for name in mark["manual"] if name not in cells]
    if mark["ended"]:
        notes.append(f"exercise {number} {mark['ended']}")
    return notes


def grade_all(todo: list[Submission], jobs: int, **options) -> Iterator[dict]:
    """Grade side by side, in processes that keep a lesson's libraries from one to the next.

    Parameters
    ----------
    todo : submissions
    jobs : how many at a time
    options : of `grade`

    Yields
    ------
    results, in the order in which they are ready
    """
    pending = list(todo)
    # Ctrl-C is for this process, which ends the others.
    pool_options = {
        "mp_context": multiprocessing.get_context("spawn"),
        "initializer": signal.signal,
        "initargs": (signal.SIGINT, signal.SIG_IGN),
    }
    with ProcessPoolExecutor(jobs, **pool_options) as pool:
        try:
            tasks = {
                pool.submit(grade, submission, **options): submission for submission in pending
            }
            for task in as_completed(tasks):
                result = task.result()
                pending.remove(tasks[task])
                yield result
        except BrokenProcessPool:  # a process of ours: once more one by one, to find the culprit
            pass
        finally:
            pool.shutdown(cancel_futures=True)
    for submission in pending:
        with ProcessPoolExecutor(1, **pool_options) as pool:
            try:
                yield pool.submit(grade, submission, **options).result()
            except BrokenProcessPool:
                note = "the grading itself broke down on this one; it counts as not graded"
                yield {
                    **submission._asdict(),
                    "key": "",
                    "notes": [note],
                    "marks": [],
                    "sandboxed": False,
                }


def released(numbers: str) -> set[str]:
    """The lessons whose model answers the feedback shows.

    Parameters
    ----------
    numbers : such as "2,03"; nothing for none

    Returns
    -------
    the names of the lessons

    Raises
    ------
    ValueError : there is no such lesson
    """
    found = set()
    for number in numbers.split(",") if numbers else []:
        name = exercises.named(number)
        if name is None:
            known = ", ".join(exercises.names())
            raise ValueError(f"--release {number!r} is no lesson; there are {known}")
        found.add(name)
    return found


def main(argv: list[str] | None = None) -> int:
    """Grade a folder.

    Returns
    -------
    the exit status: 0, 1 where something besides the submissions is to be mended, 2 for bad input,
    130 after ctrl-C
    """
    args = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):  # a Korean name on a console that lacks its letters
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if args.example:
        print(term.EXAMPLE, end="")
        return 0
    if os.name == "nt":
        print(
            "error: grading needs Linux, or macOS without the sandbox; on Windows use WSL",
            file=sys.stderr,
        )
        return 2
    try:
        rows, told, problems = _grade_folder(args)
    except (ValueError, OSError, Failed) as error:
        print(f"error: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "stopped; what was graded is kept, and the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    _report(rows, told, args.to)
    for problem in problems:
        print(f"problem: {printable(problem)}", file=sys.stderr)
    if problems:
        print("The grades are written all the same; mend this and run it again.", file=sys.stderr)
    return int(bool(problems))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m instructors.grade", description=__doc__)
    parser.add_argument("folder", nargs="?", default="", help="folder/<student>/<lesson>.ipynb")
    parser.add_argument(
        "--to",
        type=Path,
        default=ROOT / "build" / "grades",
        metavar="FOLDER",
        help="instead of build/grades",
    )
    parser.add_argument(
        "--seconds", type=float, default=60, help="for one exercise's cell and tests together; 60"
    )
    parser.add_argument(
        "--memory", type=float, default=4, metavar="GB", help="for one submission; 4"
    )
    parser.add_argument(
        "--jobs", type=int, help="submissions at a time; as many as there are cores, and memory for"
    )
    parser.add_argument(
        "--release",
        default="",
        metavar="NN[,NN]",
        help="lessons whose model answers the feedback shows this time",
    )
    parser.add_argument(
        "--anonymous", action="store_true", help="hide the names in manual.html and manual.csv"
    )
    parser.add_argument(
        "--example", action="store_true", help="print an example of course.toml and end"
    )
    return parser


def _grade_folder(args: argparse.Namespace) -> tuple[list[dict], list[str], list[str]]:
    """Grade what has changed; the rows of `grades.csv`, what is to be told, and the problems."""
    memory = int(args.memory * 2**30)
    sandboxed = bubblewrap() is not None
    options = {"sandboxed": sandboxed, "seconds": args.seconds, "memory": memory}
    room = psutil.virtual_memory().available // memory
    jobs = args.jobs or max(1, min(os.cpu_count() or 1, room))
    if not args.folder:
        raise ValueError("name the folder of what was handed in: make grade SUBMISSIONS=folder")
    shown = released(args.release)
    submissions, left_out = find(Path(args.folder))
    submissions, beyond = gradable(submissions)
    left_out += beyond
    manual_points(args.to / "manual.csv")  # a mistake there is told before an hour of grading
    from helpers import download  # seconds, which a wrong folder need not wait for

    download.fetch("sample")
    if not sandboxed:
        print(UNPROTECTED, file=sys.stderr)
    try:
        Process(30, memory, sandboxed=sandboxed).close()
    except Ended as ended:  # no student's fault
        raise OSError(f"a process for submissions does not start here: {ended}") from None
    results = []
    todo = []
    for submission in submissions:
        place = _place(args.to, submission.student, submission.lesson)
        kept = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
        if kept.get("key") == key(submission, **options):
            results.append(kept)
        else:
            todo.append(submission)
    bar = tqdm(total=len(submissions), initial=len(results), desc="grading", unit="notebook")
    with bar:
        for result in grade_all(todo, jobs, **options) if todo else []:
            with replacing(_place(args.to, result["student"], result["lesson"])) as part:
                part.write_text(json.dumps(result), encoding="utf-8")
            results.append(result)
            bar.update()
    about = Options(shown, term.read(Path(args.folder)), submissions, args.anonymous)
    rows, changes, problems = write(results, args.to, about)
    return rows, [f"left out: {line}" for line in left_out] + changes, problems


def _place(to: Path, student: str, name: str) -> Path:
    """Where a submission's result is kept."""
    return to / "results" / student / f"{name}.json"


def _report(rows: list[dict], told: list[str], to: Path) -> None:
    """Print the grades, what is left out or changed, and where everything lies."""
    width = max(len(row["student"]) for row in rows) + 2
    most = shutil.get_terminal_size().lines * 4
    for row in rows[:most]:
        waits = f", {row['waiting']} to be given by hand" if row["waiting"] != "0" else ""
        points = f"{row['total']:>5} of {row['of']}{waits}"
        line = f"{row['student']:<{width}}{row['lesson']:<22}{points}  {row['notes']}"
        print(line[:200])
    if len(rows) > most:
        print(f"… and {len(rows) - most} more rows in {to / 'grades.csv'}")
    for line in told:
        print(line)
    here = {(row["student"], row["lesson"]) for row in rows}
    others = 0
    for (student, name, _), row in manual_points(to / "manual.csv").items():
        if row["points"] and (student, name) not in here:
            others += 1
    if others:
        print(f"kept in manual.csv: points for submissions that are not here, {others} in all")
    print(
        f"grades: {to / 'grades.csv'}; points by hand: {to / 'manual.csv'};"
        f" feedback: {to / 'feedback'}"
    )


if __name__ == "__main__":
    sys.exit(main())
