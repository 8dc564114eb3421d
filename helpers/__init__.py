"""The small module behind the notebooks. Every path starts at `ROOT`, every lesson at `setup()`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it once, when it is imported


def setup(device: bool = True) -> None:
    """Install what the course needs and this Python lacks, then print versions and device.

    Everything already installed stays as it is, so that a Colab session keeps its TensorFlow, Keras
    and NumPy and never has to restart. Where one of them is older than the course needs, it says
    so. On Colab and Kaggle it names the menu for that, and the menu that gives a GPU. In the
    profile smoke TensorFlow compiles nothing.

    Parameters
    ----------
    device : bool
        Ask TensorFlow for GPUs; its import takes seconds. Lesson 01.
    """
    from helpers.app import runtime

    runtime.complete()
    runtime.introduce(device)


def training_folder(name: str) -> Path:
    """Where a training keeps its state, so that it goes on after a cut.

    On Colab, whose disk is lost with the session, it is a folder in the reader's Google Drive, for
    which Colab asks first. Where the reader declines, it says so, and takes Colab's disk.

    Parameters
    ----------
    name : str
        Of the training.

    Returns
    -------
    Path
        `build/training/<name>`, or the folder in Google Drive; for `training.fit`. Lesson 04.
    """
    from helpers.app import runtime

    folder = (runtime.drive() or ROOT / "build/training") / name
    print(f"the training is kept in {folder} and goes on from there; delete that to start anew")
    return folder


@contextmanager
def quiet() -> Iterator[None]:
    """Inside the block nothing is written to standard error, not even by C++.

    TensorFlow greets there when it is imported, whatever its log level is. Lesson 01.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
