"""Writing a file whole or not at all, and CSV."""

import csv
import errno
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path that takes the place of `path` when the block ends well.

    Otherwise it vanishes, and what stood at `path` still stands there.

    Parameters
    ----------
    path : path
        The file to write; its folder is made.

    Yields
    ------
    Path
        The file to write to, in the same folder, so that replacing is atomic.

    Raises
    ------
    OSError
        That says what to do where the disk is full, the folder cannot be written, or the name is
        too long. Lesson 01.
    """
    path = Path(path)
    # Two machines may write to one folder, and two threads of one process; the long name of a file
    # leaves no room for another
    part = path.with_name(f".{platform.node()[:40]}.{get_native_id()}.part.{path.name[-40:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        if error.errno is None:  # it does not come from the disk: its own words are better
            raise
        advice = "free space or choose another folder"
        if error.errno == errno.ENAMETOOLONG:
            advice = "shorten the name"
        raise OSError(error.errno, f"cannot write {path}: {error.strerror}; {advice}") from error
    finally:
        with suppress(OSError):  # it has replaced `path`, or was never made
            part.unlink()


def write_csv(path: Path, header: list[str], rows: list, encoding: str = "utf-8") -> None:
    """Write a table whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    header : list of str
        Names of the columns.
    rows : list of list
        One for each line.
    encoding : str
        "utf-8-sig" for spreadsheets that guess. Lesson 01.
    """
    with replacing(path) as part, part.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([header, *rows])
