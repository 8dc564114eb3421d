"""One submission against its lesson: the student's cells in their sandbox, the tests here, a pipe
between.
"""

import ast
import contextlib
import functools
import hashlib
import io
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat

from helpers import ROOT, quiet
from instructors import exercises
from instructors.exercises import Exercise, Lesson
from instructors.sandbox import START, Ended, Failed, Process
from instructors.worker import DEFINES, ELSEWHERE, TITLE

SHOWN = 600  # characters of what a failed test says


class TookTooLong(BaseException):  # no test shall catch it
    """A test itself did not end."""


@functools.cache
def space(path: Path, number: int) -> dict[str, object]:
    """The names that the cells given up to exercise `number` define, on the tests' side."""
    lesson = exercises.read(path)
    names = dict(space(path, number - 1)) if number else {"__name__": "__main__"}
    with quiet(), contextlib.redirect_stdout(io.StringIO()):
        for code in lesson.exercises[number - 1].given if number else lesson.given:
            try:
                exec(compile(code, f"<given in {lesson.name}>", "exec"), names)
            except Exception as error:
                where = (
                    f"a given cell of exercise {number}" if number else "a cell above the exercises"
                )
                raise Failed(
                    f"{path.name}: {where} fails here: {type(error).__name__}: {error}"
                ) from error
    return names


def collect(submission: Path, edition: dict[str, str], **options) -> dict[str, str]:
    """The sources of a submission's solution cells, read in a sandbox of its own.

    ValueError for what is no notebook, and for the lesson instead of its exercises.
    """
    wanted = {
        name: [word for words in DEFINES.findall(text) for word in words if word]
        for name, text in edition.items()
    }
    try:
        with Process(30, submission=submission, wanted=wanted, **options) as process:
            found = process.first
    except Ended as ended:
        raise ValueError(f"the notebook cannot be read: {ended}") from None
    except Failed as failed:
        raise ValueError(str(failed)) from None
    if not isinstance(found, dict) or not all(
        isinstance(x, str) for pair in found.items() for x in pair
    ):
        raise ValueError("the notebook cannot be read")
    if found.get(TITLE, "").strip() in lesson_titles():
        raise ValueError(
            "this is a lesson and not its exercises; hand in the notebook of the same name from"
            " notebooks/exercises"
        )
    return {
        name: source for name, source in found.items() if name.removeprefix(ELSEWHERE) in edition
    }


@functools.cache
def lesson_titles() -> set[str]:
    """The first lines of the course's lessons."""
    titles = set()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        first = nbformat.read(path, as_version=4).cells[0]
        titles.add(first.source.split("\n", 1)[0].strip())
    return titles


class Student:
    """The student's process through all exercises; it is made anew where one ended it."""

    def __init__(self, lesson: Lesson, start: Callable[[], Process], seconds: float):
        self.start, self.seconds, self.process = start, seconds, None
        self.first = lesson.given
        self.ran, self.owed = (
            [],
            [],
        )  # the course's cells in the exercises: run already, and to be run before the next

    def __enter__(self) -> "Student":
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        if self.process:
            self.process.close()
        self.process = None

    def give(self) -> None:
        """Run the cells that are owed.

        Failed where those at the top fail, before a student had a say.
        """
        if self.process is None:
            self.process = self.start()
            self.process.within(START)
            for code in self.first:
                self.process.ask({"do": "run", "source": code})
            self.ran, self.owed = [], self.ran + self.owed
        self.process.within(self.seconds)  # A solution may have changed what runs them
        while self.owed:
            self.ran.append(self.owed.pop(0))
            with contextlib.suppress(Failed):  # by what an earlier solution did
                self.process.ask({"do": "run", "source": self.ran[-1]})

    def test(self, lesson: Lesson, exercise: Exercise, source: str | None) -> dict:
        """Run an exercise's solution and tests: each test's points, and what is to be said; what
        was printed.
        """
        done = {test.id: (0, "not reached") for test in exercise.tests}
        result = {"tests": done, "printed": "", "error": "", "ended": ""}
        self.owed += [*exercise.given, *exercise.wrappers]
        if source is None:
            missing = "its cell is missing in what was handed in"
            return result | {"tests": dict.fromkeys(done, (0, missing)), "ended": missing}
        space(lesson.path, exercise.number)
        try:
            self.give()
            began = time.monotonic()
            self.process.within(self.seconds)
            try:
                self.process.ask({"do": "run", "source": source})
            except Failed as failed:
                result["error"] = str(failed)
            result["printed"] = self.process.printed
            for test in exercise.tests:
                message = self.hold(lesson, exercise, test, source)
                done[test.id] = (0, message) if message else (test.points, "")
            result["seconds"] = round(time.monotonic() - began, 2)
        except Ended as ended:
            self.stop()
            result["ended"] = f"ended: {ended}"
            for test in exercise.tests:
                if done[test.id][1] == "not reached":
                    done[test.id] = (0, result["ended"])
        return result

    def restart(self, source: str) -> None:
        """Run a solution again in a new process, which remembers nothing."""
        self.stop()
        self.give()
        self.process.within(self.seconds)
        self.process.ask({"do": "run", "source": source})

    def hold(self, lesson: Lesson, exercise: Exercise, test, source: str) -> str:
        """What is wrong by this test; nothing where all is well. It may call `restart()`."""
        try:
            wanted = {
                node.id for node in ast.walk(ast.parse(test.code)) if isinstance(node, ast.Name)
            }
            names = dict(space(lesson.path, exercise.number))
            names["restart"] = functools.partial(self.restart, source)
            for name, function in exercise.names.items():
                if name in wanted:
                    names[name] = (
                        self.function(name)
                        if function
                        else self.process.ask({"do": "value", "name": name})
                    )
            with alarm(self.seconds + 30), contextlib.redirect_stdout(io.StringIO()):
                exec(compile(test.code, f"<{test.id}>", "exec"), names)
        except Ended:
            raise
        except Failed as failed:
            return str(failed)
        except AssertionError as error:
            return str(error)[:SHOWN] or "that does not hold"
        except TookTooLong:
            raise Ended("the test did not come to an end with what your code gave") from None
        except Exception as error:
            return f"what your code gave cannot be tested ({type(error).__name__}: {error})"[:SHOWN]
        return ""

    def function(self, name: str) -> Callable:
        def ask(*args, **kwargs):
            return self.process.ask({"do": "call", "name": name, "args": args, "kwargs": kwargs})

        return ask


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    def ring(*_):
        raise TookTooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def short_hash(text: str) -> str:
    """Eight digits by which a text is known again, behind a letter: no number to a spreadsheet."""
    return "v" + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]


def mark(
    lesson: Lesson,
    edition: dict[str, str],
    cells: dict[str, str],
    start: Callable[[], Process],
    seconds: float,
) -> list:
    """Every exercise of a submission: points and words for each test, what was written, what waits
    for a person.

    `cells` are the submission's solution cells by id, `edition` those of the student edition: no
    answers.
    """
    marks = []
    with Student(lesson, start, seconds) as student:
        for exercise in lesson.exercises:
            mark = {
                "number": exercise.number,
                "tests": {},
                "printed": "",
                "error": "",
                "ended": "",
                "written": "",
                "manual": {},
            }
            if exercise.solution:
                written, handed_out = (
                    cells.get(exercise.id, ""),
                    edition.get(exercise.id, "").strip(),
                )
                if written.strip() in ("", handed_out) and ELSEWHERE + exercise.id in cells:
                    written, mark["elsewhere"] = cells[ELSEWHERE + exercise.id], True
                mark["written"] = written
                if written and written.strip() == handed_out:
                    mark["tests"] = {
                        test.id: (0, "the cell is as it was handed out") for test in exercise.tests
                    }
                    student.owed += [*exercise.given, *exercise.wrappers]
                else:
                    mark |= student.test(lesson, exercise, written or cells.get(exercise.id))
            else:
                student.owed += exercise.given
            for cell in exercise.manual:
                answer = cells.get(cell.id, "")
                answered = (
                    bool(answer.strip()) and answer.strip() != edition.get(cell.id, "").strip()
                )
                found = {"answer": answer, "answered": answered, "hash": short_hash(answer)}
                mark["manual"][cell.id] = found
            marks.append(mark)
    return marks
