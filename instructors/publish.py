"""`make publish`: a copy of the course for students, without solutions, hidden tests and history.

Where a file speaks of what the copy lacks, the file itself says so. A line with the words
"instructors: only" is left out, and so are the lines from one with "instructors: begin" to the next
one with "instructors: end". A line that begins with "instructors/" needs no such words.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import nbformat
import networkx

from helpers import ROOT
from helpers.app import lessons
from helpers.files import replacing
from instructors import exercises

LEFT_OUT = (
    "instructors/",
    "nbtests/grading/",
    "nbtests/bench/bench_grade.py",
    "handed_in/",  # this and the next are ignored here, but a clone may track them
    "build/",
)
LOCK = "requirements.txt"
MARK = re.compile(r"instructors: (only|begin|end)\b")
# The copy must not name these: they would lead nowhere
MISSING = re.compile(
    r"\binstructors[/.]\w|--group instructors|nbtests/grading|bench_grade|\bnbgrader[=>]"
    r"|\bmake (?:student|grade|publish|check-lessons)\b"
)
HIDDEN = re.compile(r"^.*BEGIN (SOLUTION|HIDDEN TESTS).*\n((?:.*\n)*?).*END \1.*$", re.MULTILINE)
SHORTEST = 25  # characters of a line that is looked for; shorter ones stand anywhere
FOREIGN = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"}


def tracked() -> list[str]:
    """The names of the files that git tracks.

    Returns
    -------
    the names, as seen from the course's folder

    Raises
    ------
    ValueError : there is no git, no clone, or a file of it is not there
    """
    command = ["git", "ls-files", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise ValueError(
            f"{ROOT} is no clone of a git repository, or git is not installed; git tells which"
            " files belong to the course"
        ) from error
    names = os.fsdecode(listed).split("\0")[:-1]
    gone = [name for name in names if not (ROOT / name).exists()]
    if gone:
        raise ValueError(
            f"git tracks {', '.join(gone)}, but it is not there; bring it back by `git restore`,"
            " or remove it by `git rm`"
        )
    return names


def for_students(text: str, where: str) -> str:
    """A text without the lines that are marked for instructors.

    Parameters
    ----------
    text : what a file holds
    where : the file's name, for the message

    Returns
    -------
    the lines that remain

    Raises
    ------
    ValueError : a region begins twice, ends twice, or does not end
    """
    kept = []
    inside = False
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        found = MARK.search(line)
        mark = found[1] if found else ""
        if mark and inside != (mark == "end"):
            raise ValueError(f"{where}, line {number}: 'instructors: {mark}' is out of turn")
        if mark == "begin":
            inside = True
        if not inside and not mark and not line.startswith("instructors/"):
            kept.append(line)
        if mark == "end":
            inside = False
    if inside:
        raise ValueError(f"{where}: 'instructors: begin' has no 'instructors: end'")
    return "".join(kept)


def students_lock(lock: str) -> str:
    """A lock without the packages that only the group "instructors" needs.

    uv writes below each package which others ask for it. So nobody has to compile a second lock.

    Parameters
    ----------
    lock : `requirements.txt` as `make lock` compiles it

    Returns
    -------
    the lock that remains, with the same versions

    Raises
    ------
    ValueError : it does not say who asks for what
    """
    head, *blocks = re.split(r"^(?=[\w.-]+==)", lock, flags=re.MULTILINE)
    asks = networkx.DiGraph()
    entries = []
    for block in blocks:
        pin = block.partition("\n")[0]
        name = pin.partition("==")[0]
        askers = re.findall(r"^    # (?:via|  ) *(\S.*)$", block, re.MULTILINE)
        asks.add_edges_from((asker, name) for asker in askers)
        entries.append((pin, name, askers))
    groups = {node for node in asks if "(pyproject.toml" in node}
    instructors = {group for group in groups if group.endswith(":instructors)")}
    if not instructors:
        raise ValueError(f"{LOCK} does not say what instructors need; compile it by `make lock`")
    needed = groups - instructors
    for group in groups - instructors:
        needed |= networkx.descendants(asks, group)
    return head + "".join(
        _entry(pin, [asker for asker in askers if asker in needed])
        for pin, name, askers in entries
        if name in needed
    )


def _entry(pin: str, askers: list[str]) -> str:
    """A package's lines in a lock, as uv writes them."""
    if len(askers) == 1:
        return f"{pin}\n    # via {askers[0]}\n"
    return "\n    #   ".join([f"{pin}\n    # via", *askers]) + "\n"


def hidden_lines() -> tuple[set[str], set[str]]:
    """The lines of all solutions, model answers and hidden tests, too short ones apart.

    Returns
    -------
    those that students must not find, without the space around them
    those that students read anyway: in a cell that the edition keeps, a lesson, or `helpers/`
    """
    hidden = set()
    public = []
    for name in exercises.names():
        for cell in nbformat.read(exercises.source(name), as_version=4).cells:
            for found in HIDDEN.finditer(cell.source):
                lines = {line.strip() for line in found[2].splitlines()}
                hidden |= {line for line in lines if len(line) >= SHORTEST}
            public.append(HIDDEN.sub("", cell.source))
    public += [text_of(path) for path in sorted(lessons.NOTEBOOKS.glob("[0-9]*.ipynb"))]
    public += [text_of(path) for path in sorted((ROOT / "helpers").rglob("*.py"))]
    known = "\n".join(public)
    read_anyway = {line for line in hidden if line in known}
    return hidden - read_anyway, read_anyway


def text_of(path: Path) -> str:
    """What a person reads in a file: nothing where it holds no text.

    Parameters
    ----------
    path : any file; of a notebook its cells and their outputs count, pictures apart

    Returns
    -------
    the text
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
    if path.suffix != ".ipynb":
        return text
    notebook = nbformat.reads(text, as_version=4)
    parts = [cell.source for cell in notebook.cells]
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            parts.append(output.get("text", ""))
            texts = output.get("data", {}).items()
            parts += [str(value) for kind, value in texts if not kind.startswith("image/")]
    return "\n".join(parts)


def check(folder: Path) -> str:
    """Search a copy for what students must not find, and for what would lead nowhere.

    Parameters
    ----------
    folder : the copy

    Returns
    -------
    in words, how much was searched

    Raises
    ------
    ValueError : there is some; the message names file and line
    """
    hidden, read_anyway = hidden_lines()
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths:
        name = path.relative_to(folder).as_posix()
        text = text_of(path)
        for line in hidden:
            if line in text:
                raise ValueError(
                    f"{name} holds a line of a solution or of a hidden test: {line!r}; change one"
                    " of the two, or mark the line with 'instructors: only'"
                )
        if found := MISSING.search(text):
            raise ValueError(
                f"{name} speaks of {found[0]!r}, which the copy lacks; mark the line with"
                " 'instructors: only'"
            )
    return (
        f"{len(paths)} files hold none of {len(hidden)} lines of solutions and hidden tests"
        f" ({len(read_anyway)} more stand in the lessons or in helpers/, too)"
    )


def copy(folder: Path, address: str | None) -> None:
    """Write the files of the course that students get into a folder.

    Parameters
    ----------
    folder : is made
    address : https://github.com/OWNER/NAME, which the copy will have; None keeps the course's

    Raises
    ------
    ValueError : a file's regions do not end, or another kind of address
    """
    from instructors import student  # nbgrader, which the tests under Colab's versions lack

    for name in tracked():
        if name.startswith(LEFT_OUT):
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, path, follow_symlinks=False)
        if path.suffix == ".ipynb" or not (text := text_of(path)):
            continue
        kept = students_lock(text) if name == LOCK else for_students(text, name)
        if kept != text:
            path.write_text(kept, encoding="utf-8")
    student.main(folder / "notebooks" / "exercises")
    if address:
        lessons.readdress(address, folder)


def commit(folder: Path) -> None:
    """Make a git repository with one commit of all that is in a folder.

    Raises
    ------
    ValueError : git cannot; in its own words
    """
    # A hook that calls this program would name another repository
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "--all", "--force"],
        ["commit", "-q", "-m", "Publish the course"],
    ):
        done = subprocess.run(
            ["git", *command], cwd=folder, env=environment, capture_output=True, text=True
        )
        if done.returncode:
            words = done.stderr.strip() or done.stdout.strip()
            raise ValueError(f"git {command[0]} failed: {words}; --no-git leaves git out")


def publish(folder: Path, address: str | None = None, git: bool = True) -> str:
    """Make a copy of the course for students, whole or not at all.

    Parameters
    ----------
    folder : must not exist, or be empty
    address : https://github.com/OWNER/NAME, which the copy will have; None keeps the course's
    git : whether the copy is a git repository with one commit

    Returns
    -------
    in words, what was searched and not found

    Raises
    ------
    ValueError : the copy would hold what students must not find; or a wrong call
    FileExistsError : there is something in the folder
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} is there and not empty; name a new folder")
    with replacing(folder) as part:
        try:
            copy(part, address)
            searched = check(part)
            if git:
                commit(part)
            if folder.exists():
                folder.rmdir()  # Windows replaces no folder, not even an empty one
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
    return searched


def address_of(folder: Path) -> str:
    """The address that a course's `pyproject.toml` names."""
    text = (folder / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["project"]["urls"]["Repository"]


def main(argv: list[str] | None = None) -> int:
    """Publish, and say what is left to do."""
    parser = argparse.ArgumentParser(prog="python -m instructors.publish", description=__doc__)
    parser.add_argument("folder", help="a new folder for the copy")
    parser.add_argument(
        "--address", metavar="URL", help="where the copy will be: https://github.com/OWNER/NAME"
    )
    parser.add_argument("--no-git", action="store_true", help="make no git repository of it")
    args = parser.parse_args(argv)
    warnings.showwarning = lambda message, *_: print(f"warning: {message}", file=sys.stderr)
    if not args.folder:
        print("error: no folder is named; make publish TO=folder", file=sys.stderr)
        return 2
    folder = Path(args.folder)
    try:
        searched = publish(folder, args.address, not args.no_git)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; there is no copy", file=sys.stderr)
        return 130
    print(f"{folder}: {searched}")
    address = address_of(folder)
    if address == address_of(ROOT):
        warnings.warn(
            f"the copy's badges and first cells fetch {address}, as this course's do;"
            " write its own address by --address, or there by `make address URL=…`",
            stacklevel=1,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
