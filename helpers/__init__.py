"""The small module behind the notebooks. Every path starts at `ROOT`, every lesson at `setup()`."""

import importlib.metadata
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DRIVE = Path("/content/drive")  # where Colab mounts the reader's Google Drive

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
    packages = ["tensorflow", "keras", "numpy", "scikit-image"]
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    print(f"Python {platform.python_version()}", *versions, sep=" · ")
    devices = [f"{os.cpu_count()} CPU cores"]
    if device:
        with quiet():
            import tensorflow as tf
        tf.get_logger().setLevel("ERROR")  # no advice on retracing in a lesson
        if os.environ.get("COURSE_PROFILE") == "smoke":  # a few steps: compiling takes longer
            tf.config.run_functions_eagerly(True)
            warnings.filterwarnings("ignore", ".*does not apply to tf.data functions")
        gpus = [gpu.name for gpu in tf.config.list_physical_devices("GPU")]
        devices += gpus or ["no GPU"]
    print(*devices, sep=" · ")
    if "no GPU" in devices:
        runtime.name_gpu_menu()


def on_colab() -> bool:
    """Whether this is a Colab session: its notebook, or a program that it started. Lesson 01."""
    return "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules


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
    folder = ROOT / "build" / "training" / name
    if on_colab() and _drive_is_mounted():
        folder = DRIVE / "MyDrive" / "image-restoration-course" / name
    print(f"the training is kept in {folder} and goes on from there; delete that to start anew")
    return folder


def _drive_is_mounted() -> bool:
    """Whether the reader's Google Drive is there; asks for it where it is not."""
    mine = DRIVE / "MyDrive"
    if not mine.is_dir():
        try:
            from google.colab import drive

            drive.mount(str(DRIVE))
        except Exception as error:  # declined, not answered, or no notebook to ask in
            print(
                f"Google Drive is not mounted ({error}): "
                "a cut session loses its training; run again to be asked"
            )
    return mine.is_dir()


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
