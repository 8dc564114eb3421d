"""`make grade SUBMISSIONS=folder`: points for every notebook in folder/<student>/<lesson>.ipynb."""

import argparse
import csv
import functools
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil
from tqdm import tqdm

from helpers import ROOT
from helpers.files import replacing, write_csv
from instructors import exercises, marking
from instructors.sandbox import Ended, Failed, Process, bubblewrap

MANUAL = ["student", "lesson", "exercise", "of", "points", "comment", "answer"]
MOST_EXERCISES = 5
LARGEST = 512 << 20  # bytes of a notebook
UNPROTECTED = """\
WARNING: bubblewrap is not installed, or does not work here (Debian, Ubuntu: apt install bubblewrap).
The tests stay out of reach of what is handed in, and time and memory are limited all the same, but a
submission can now read and change every file that you can, this course's solutions and the grades among
them, use the network, fill the disk, and leave programs behind. Grade like this only what you trust."""


class Submission(NamedTuple):
    student: str
    lesson: str
    path: Path


def find(folder: Path) -> tuple[list[Submission], list[str]]:
    """The submissions in `folder`/<student>/<lesson>.ipynb, and what is left out there, with the reason.

    Raises FileNotFoundError and ValueError that say how the folder should look.
    """
    known = exercises.names()
    layout = f"expected {folder}/<student>/<lesson>.ipynb, such as {folder}/ada/{known[0]}.ipynb"
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; {layout}")
    found, left_out = {}, []
    notebooks = [path for path in folder.rglob("*") if path.suffix.lower() == ".ipynb"]
    for path in sorted(
        notebooks, key=lambda path: (path.stem not in known, path)
    ):  # the well-named first
        inside = path.relative_to(folder)
        named = [
            name for name in known if name in path.stem.lower()
        ]  # a browser adds "(1)", Colab "Copy of"
        if any(part.startswith(".") for part in inside.parts):
            continue
        if any(
            (folder / Path(*inside.parts[: n + 1])).is_symlink() for n in range(len(inside.parts))
        ):
            left_out.append(f"{inside}: a link, which is not followed")
        elif not stat.S_ISREG(path.lstat().st_mode):
            left_out.append(f"{inside}: not a file")
        elif len(inside.parts) != 2:
            left_out.append(f"{inside}: {layout}")
        elif len(named) != 1:
            left_out.append(
                f"{inside}: no such lesson; name it as it was handed out, one of {', '.join(known)}"
            )
        elif (inside.parts[0], named[0]) in found:
            left_out.append(
                f"{inside}: {found[inside.parts[0], named[0]].path.name} is taken; leave one of the two there"
            )
        else:
            found[inside.parts[0], named[0]] = Submission(inside.parts[0], named[0], path)
    for student in sorted(
        path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")
    ):
        if not any(student in path.parents for path in notebooks):
            left_out.append(
                f"{student.name}: {'a link, which is not followed' if student.is_symlink() else 'no notebook in it'}"
            )
    if not found:
        raise ValueError("\n".join([f"no submission in {folder}; {layout}", *left_out[:10]]))
    return sorted(found.values()), left_out


def key(submission: Submission, sandboxed: bool, seconds: float, memory: int) -> str:
    """What a result depends on: the notebook, the source notebook, how it was graded."""
    digest = hashlib.sha256(f"{sandboxed} {seconds} {memory}".encode())
    here = Path(__file__).parent
    for path in (
        submission.path,
        exercises.source(submission.lesson),
        here / "marking.py",
        here / "worker.py",
    ):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@functools.cache
def lesson(name: str) -> tuple[exercises.Lesson, dict[str, str]]:
    """A lesson, and the solution cells of its student edition."""
    edition = exercises.STUDENT / f"{name}.ipynb"
    if not edition.exists():
        raise FileNotFoundError(f"there is no student edition {edition}; make student")
    about = [
        (c.metadata.get("nbgrader", {}), c.source)
        for c in nbformat.read(edition, as_version=4).cells
    ]
    return exercises.read(exercises.source(name)), {
        a.grade_id: text for a, text in about if a.get("solution")
    }


def grade(submission: Submission, sandboxed: bool, seconds: float, memory: int) -> dict:
    """Grade one submission. What is wrong with the notebook stands in its notes; nothing is raised for it."""
    known, edition = lesson(submission.lesson)
    notes, cells = [], {}
    options = {"memory": memory, "sandboxed": sandboxed}
    try:
        if (size := submission.path.stat().st_size) > LARGEST:
            raise ValueError(f"{size:,} bytes are too many for a notebook; clear its outputs")
        cells = marking.collect(submission.path.resolve(), edition, **options)
    except ValueError as error:
        notes.append(str(error))
    total = seconds * len(known.exercises)
    marks = (
        marking.mark(known, edition, cells, lambda: Process(total, **options), seconds)
        if cells
        else []
    )
    if not cells and not notes:
        notes.append(
            "none of the lesson's cells is in this notebook; hand in the notebook that was handed out"
        )
    for mark in marks:
        if mark.get("elsewhere"):
            notes.append(f"exercise {mark['number']} stood in another cell than its own")
        notes += [f"the cell of {name} is missing" for name in mark["manual"] if name not in cells]
        for says in {
            says
            for points, says in mark["tests"].values()
            if says.startswith(("ended: ", "its cell is"))
        }:
            notes.append(f"exercise {mark['number']} {says}")
    result = {"student": submission.student, "lesson": submission.lesson, "sandboxed": sandboxed}
    return result | {
        "key": key(submission, sandboxed, seconds, memory),
        "notes": notes,
        "marks": marks,
    }


def grade_all(todo: list[Submission], jobs: int, **options) -> Iterator[dict]:
    """Grade submissions side by side, in processes that keep a lesson's libraries loaded from one to the next."""
    pending = list(todo)
    # ctrl-C is for this process, which ends the others
    how = {
        "mp_context": multiprocessing.get_context("spawn"),
        "initializer": signal.signal,
        "initargs": (signal.SIGINT, signal.SIG_IGN),
    }
    with ProcessPoolExecutor(jobs, **how) as pool:
        try:
            tasks = {
                pool.submit(grade, submission, **options): submission for submission in pending
            }
            for task in as_completed(tasks):
                result = task.result()
                pending.remove(tasks[task])
                yield result
        except (
            BrokenProcessPool
        ):  # a process of ours: once more one by one below, to find the culprit
            pass
        finally:
            pool.shutdown(cancel_futures=True)
    for submission in pending:
        with ProcessPoolExecutor(1, **how) as pool:
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


def manual_points(path: Path) -> dict[tuple[str, str, str], dict]:
    """What stands in `manual.csv`, by student, lesson and cell. ValueError that names the line where it is wrong."""
    if not path.exists():
        return {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}: not in UTF-8; save it again from the spreadsheet as 'CSV UTF-8'"
        ) from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)  # a spreadsheet's own choice
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    if missing := set(MANUAL) - set(reader.fieldnames or []):
        raise ValueError(
            f"{path}: the columns {', '.join(sorted(missing))} are missing in the first line; expected"
            f" {','.join(MANUAL)}; or move the file away, and the same command writes an empty one"
        )
    rows = {}
    for row in reader:
        where, given = (
            f"{path}, line {reader.line_num}",
            (row["points"] or "").strip().replace(",", "."),
        )
        place = row["student"], row["lesson"], row["exercise"]
        if not any(place) or (place in rows and not given):  # an empty row, a copied one
            continue
        if None in row:
            raise ValueError(
                f"{where}: more fields than columns; a comment with {delimiter!r} in it has to be in quotes"
            )
        most = {cell.id: f"{cell.points:g}" for cell in answers(row["lesson"])}.get(
            row["exercise"], row["of"]
        )
        try:
            if given and not 0 <= float(given) <= float(most):
                raise ValueError
        except (ValueError, TypeError):
            raise ValueError(
                f"{where}: points are {given!r}; expected a number from 0 to {most}"
            ) from None
        if place in rows and given and rows[place]["points"] not in ("", given):
            raise ValueError(
                f"{where}: {', '.join(place)} stands here a second time with other points; keep one"
            )
        rows[place] = row | {"points": given, "of": most}
    return rows


def answers(name: str) -> list[exercises.Manual]:
    """The cells of a lesson that are graded by hand; none where there is no such lesson."""
    return (
        [cell for e in lesson(name)[0].exercises for cell in e.manual]
        if name in exercises.names()
        else []
    )


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(tuple("=+-@\t\r")) else text


def write(results: list[dict], to: Path) -> list[dict]:
    """Write `grades.csv`, `manual.csv` and the feedback; returns the rows of the first.

    Points given by hand are taken from `manual.csv` and kept there, also those of students who are not among `results`.
    """
    from instructors import feedback  # which the processes that grade do not need

    manual = manual_points(to / "manual.csv")
    rows = []
    for result in sorted(results, key=lambda r: (r["student"], r["lesson"])):
        known, _ = lesson(result["lesson"])
        notes = list(result["notes"])
        row = {"student": safe(result["student"]), "lesson": result["lesson"]}
        row |= {f"exercise {n}": "" for n in range(1, MOST_EXERCISES + 1)}
        machine, by_hand, waiting = 0.0, 0.0, 0.0
        for exercise, mark in zip(known.exercises, result["marks"], strict=False):
            points = sum(points for points, _ in mark["tests"].values())
            machine += points
            for cell in exercise.manual:
                answer = mark["manual"][cell.id]
                place = safe(result["student"]), result["lesson"], cell.id
                entry = manual.get(place)
                if not answer["answered"] and not (entry and entry["points"]):
                    answer |= {"points": "0", "comment": "no answer"}
                    continue
                if entry is None:
                    entry = manual[place] = dict(
                        zip(
                            MANUAL,
                            [*place, f"{cell.points:g}", "", "", answer["hash"]],
                            strict=True,
                        )
                    )
                if entry["points"] and entry["answer"] != answer["hash"]:
                    notes.append(f"{cell.id} was changed after it was graded by hand")
                if not entry["points"]:
                    entry["answer"] = answer["hash"]
                    waiting += cell.points
                answer |= {"points": entry["points"], "comment": entry["comment"]}
                by_hand += float(entry["points"] or 0)
                points += float(entry["points"] or 0)
            row[f"exercise {exercise.number}"] = f"{points:g}"
        row |= {"machine": f"{machine:g}", "by hand": f"{by_hand:g}", "waiting": f"{waiting:g}"}
        row |= {
            "total": f"{machine + by_hand:g}",
            "of": f"{known.machine + known.manual:g}",
            "notes": safe("; ".join(notes)),
        }
        rows.append(row)
        page = to / "feedback" / result["student"] / f"{result['lesson']}.html"
        with replacing(page) as part:
            part.write_text(feedback.page(known, result, row), encoding="utf-8", errors="replace")
    marked = {"encoding": "utf-8-sig"}  # by which a spreadsheet knows how names are written
    write_csv(to / "grades.csv", list(rows[0]), [list(row.values()) for row in rows], **marked)
    listed = [[row[column] for column in MANUAL] for _, row in sorted(manual.items())]
    write_csv(to / "manual.csv", MANUAL, listed, **marked)
    with replacing(to / "manual.html") as part:
        part.write_text(feedback.answers(results, lesson), encoding="utf-8", errors="replace")
    return rows


def main(argv: list[str] | None = None) -> int:
    """Grade a folder; returns the exit status: 0, or 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m instructors.grade", description=__doc__)
    parser.add_argument("folder", help="folder/<student>/<lesson>.ipynb")
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
    args = parser.parse_args(argv)
    if os.name == "nt":
        print(
            "error: grading needs Linux, or macOS without the sandbox; on Windows use WSL",
            file=sys.stderr,
        )
        return 2
    memory = int(args.memory * 2**30)
    sandboxed = bubblewrap() is not None
    options = {"sandboxed": sandboxed, "seconds": args.seconds, "memory": memory}
    jobs = args.jobs or max(
        1, min(os.cpu_count() or 1, psutil.virtual_memory().available // memory)
    )
    try:
        if not args.folder:
            raise ValueError("name the folder of what was handed in: make grade SUBMISSIONS=folder")
        submissions, left_out = find(Path(args.folder))
        manual_points(args.to / "manual.csv")  # a mistake there is told before an hour of grading
        from helpers import download  # seconds, which a wrong folder need not wait for

        download.fetch("sample")
        if not sandboxed:
            print(UNPROTECTED, file=sys.stderr)
        try:
            Process(30, memory, sandboxed=sandboxed).close()
        except Ended as ended:  # no student's fault
            raise OSError(f"a process for submissions does not start here: {ended}") from None
        results, todo = [], []
        for submission in submissions:
            place = args.to / "results" / submission.student / f"{submission.lesson}.json"
            kept = json.loads(place.read_text(encoding="utf-8")) if place.exists() else {}
            if kept.get("key") == key(submission, **options):
                results.append(kept)
            else:
                todo.append(submission)
        with tqdm(
            total=len(submissions), initial=len(results), desc="grading", unit="notebook"
        ) as bar:
            for result in grade_all(todo, jobs, **options) if todo else []:
                place = args.to / "results" / result["student"] / f"{result['lesson']}.json"
                with replacing(place) as part:
                    part.write_text(json.dumps(result), encoding="utf-8")
                results.append(result)
                bar.update()
        rows = write(results, args.to)
    except (ValueError, OSError, Failed) as error:
        print(f"error: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "stopped; what was graded is kept, and the same command goes on from there",
            file=sys.stderr,
        )
        return 130
    width = max(len(row["student"]) for row in rows) + 2
    for row in rows[: shutil.get_terminal_size().lines * 4]:
        waits = f", {row['waiting']} to be given by hand" if row["waiting"] != "0" else ""
        print(
            f"{row['student']:<{width}}{row['lesson']:<22}{row['total']:>5} of {row['of']}{waits}  {row['notes']}"[
                :200
            ]
        )
    print(*(f"left out: {line}" for line in left_out), sep="\n", end="\n" * bool(left_out))
    here = {(row["student"], row["lesson"]) for row in rows}
    if others := sum(
        bool(row["points"])
        for place, row in manual_points(args.to / "manual.csv").items()
        if place[:2] not in here
    ):
        print(f"kept in manual.csv: points for submissions that are not here, {others} in all")
    print(
        f"grades: {args.to / 'grades.csv'}; points by hand: {args.to / 'manual.csv'}; feedback: {args.to / 'feedback'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
