"""Writing a file whole or not at all, and CSV."""

import csv
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """A temporary path beside `path`: it takes its place when the block ends well, and vanishes otherwise.

    Raises OSError that says what to do where the disk is full or the folder cannot be written.
    """
    path = Path(path)
    part = path.with_name(
        f".{os.getpid()}.part.{path.name}"
    )  # in the same folder, so that replacing is atomic
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        part.replace(path)
    except OSError as error:
        if error.errno is None:  # not the disk's: its own words are better
            raise
        reason = error.strerror or str(error)
        raise OSError(
            error.errno, f"cannot write {path}: {reason}; free space or choose another folder"
        ) from error
    finally:
        with suppress(OSError):  # gone already, or never made
            part.unlink()


def write_csv(path: Path, header: list[str], rows: list, encoding: str = "utf-8") -> None:
    with replacing(path) as part, part.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([header, *rows])
