"""The small module behind the notebooks. Every path starts at `ROOT`, every lesson at `setup()`."""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DRIVE = Path("/content/drive")  # where Colab mounts the reader's Google Drive

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it once, when it is imported


def missing() -> list[str]:
    """Direct dependencies of `pyproject.toml` that this Python lacks, as written there."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "dependencies"
    ]
    installed = {_canonical(d.name) for d in importlib.metadata.distributions()}
    return [w for w in wanted if _canonical(re.match(r"[\w.-]+", w)[0]) not in installed]


def setup(device: bool = True) -> None:
    """Install what the course needs and this Python lacks, then print versions and device.

    Everything already installed stays as it is (pip is constrained to it), so that a Colab session
    keeps its TensorFlow, Keras and NumPy and never has to restart. On Colab without a GPU it says which menu
    gives one. With `device=False` TensorFlow, whose import takes seconds, is left alone.
    In the profile smoke TensorFlow compiles nothing.
    """
    if lacking := missing():
        print("installing", *lacking)
        kept = {f"{_canonical(d.name)}=={d.version}" for d in importlib.metadata.distributions()}
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder) / "constraints.txt"
            constraints.write_text("\n".join(sorted(kept)), encoding="utf-8")
            pip = [sys.executable, "-m", "pip", "install", "-q", "-c", str(constraints), *lacking]
            subprocess.run(pip, check=True)
    packages = ["tensorflow", "keras", "numpy", "scikit-image"]
    print(
        f"Python {platform.python_version()}",
        *(f"{p} {importlib.metadata.version(p)}" for p in packages),
        sep=" · ",
    )
    machine = f"{os.cpu_count()} CPU cores"
    if device:
        with quiet():
            import tensorflow as tf
        if os.environ.get("COURSE_PROFILE") == "smoke":  # a few steps: compiling takes longer
            tf.config.run_functions_eagerly(True)
            warnings.filterwarnings("ignore", ".*does not apply to tf.data functions")
        machine += (
            "".join(f" · {d.name}" for d in tf.config.list_physical_devices("GPU")) or " · no GPU"
        )
    print(machine)
    if on_colab() and machine.endswith("no GPU"):
        print(
            "`quick` runs without a GPU; for `full`: menu Runtime → Change runtime type → T4 GPU, then Run all"
        )


def on_colab() -> bool:
    """Whether this is a Colab session: its notebook, or a program that it started."""
    return "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules


def training_folder(name: str) -> Path:
    """Where the training `name` keeps its state, for `training.fit(folder=…)`: run again after a cut, it goes on.

    `build/training/<name>`; on Colab, whose disk is lost with the session, a folder in the reader's Google Drive,
    for which Colab asks first. Where that is declined it says so, and takes Colab's disk.
    """
    folder = ROOT / "build" / "training" / name
    if on_colab():
        if not (DRIVE / "MyDrive").is_dir():
            try:
                from google.colab import drive

                drive.mount(str(DRIVE))
            except Exception as error:  # declined, not answered, or no notebook to ask in
                print(
                    f"Google Drive is not mounted ({error}): a cut session loses its training; run again to be asked"
                )
        if (DRIVE / "MyDrive").is_dir():
            folder = DRIVE / "MyDrive" / "image-restoration-course" / name
    print(f"the training is kept in {folder} and goes on from there; delete that to start anew")
    return folder


@contextmanager
def quiet() -> Iterator[None]:
    """Send file descriptor 2 nowhere: TensorFlow's C++ greets there on import, past Python and its log level."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
