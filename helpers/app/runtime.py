"""Where the course runs: what this Python lacks, its devices, and which menu of its host helps."""

import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
import warnings
from pathlib import Path

from helpers import ROOT, quiet

DRIVE = Path("/content/drive")  # where Colab mounts the reader's Google Drive
NEWER = {
    "Colab": "choose Runtime → Change runtime type → Runtime version → Latest, then Run all",
    "Kaggle": "choose Settings → Environment preferences → Always use latest environment",
    "": "README.md says how to install the course's own versions",
}
GPU = {
    "Colab": "menu Runtime → Change runtime type → T4 GPU, then Run all",
    "Kaggle": "menu Settings → Accelerator → GPU T4 x2, then Run all",
}


def on_colab() -> bool:
    """Whether this is a Colab session: its notebook, or a program that it started."""
    return "COLAB_RELEASE_TAG" in os.environ or "google.colab" in sys.modules


def host() -> str:
    """Whose machine this is.

    Returns
    -------
    "Colab", "Kaggle", or "" for any other
    """
    if on_colab():
        return "Colab"
    return "Kaggle" if "KAGGLE_KERNEL_RUN_TYPE" in os.environ else ""


def dependencies() -> list[str]:
    """What the lessons and `helpers/` import.

    Returns
    -------
    the direct dependencies, as `pyproject.toml` writes them
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["dependencies"]


def missing() -> list[str]:
    """The direct dependencies that this Python lacks, by name.

    Returns
    -------
    as `dependencies` gives them
    """
    names = {line: re.match(r"[\w.-]+", line)[0] for line in dependencies()}
    return [line for line, name in names.items() if _version(name) is None]


def old() -> list[tuple[str, str, str]]:
    """The direct dependencies that are here in a version older than the course needs.

    Only lower bounds count: they say what a lesson cannot do without. An upper bound says up to
    where the course was tried.

    Returns
    -------
    (name, version here, least version) of each
    """
    found = []
    for requirement in _parsed(dependencies()):
        version = _version(requirement.name)
        for bound in requirement.specifier:
            if version and bound.operator == ">=" and not bound.contains(version, prereleases=True):
                found.append((requirement.name, version, bound.version))
    return found


def complete() -> None:
    """Say in one sentence what is too old, and what helps; install what is missing.

    Nothing that is here already is installed in another version.
    """
    if outdated := old():
        needed = " and ".join(f"{name} {least}" for name, _, least in outdated)
        here = " and ".join(f"{name} {version}" for name, version, _ in outdated)
        print(f"the course needs {needed} or newer, but this Python has {here}: {NEWER[host()]}")
    if lacking := missing():
        print("installing", *lacking)
        _install(lacking)


def introduce(device: bool) -> None:
    """Print versions, cores and GPUs, and which menu gives a GPU where there is none.

    In the profile smoke TensorFlow is told to compile nothing.

    Parameters
    ----------
    device : ask TensorFlow for GPUs
    """
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
    menu = GPU.get(host())
    if menu and "no GPU" in devices:
        print(f"`quick` runs without a GPU; for `full`: {menu}")


def drive() -> Path | None:
    """The course's folder in the reader's Google Drive, for which Colab asks where it is not there.

    Returns
    -------
    None elsewhere, and where the reader declines
    """
    if not on_colab():
        return None
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
    return mine / "image-restoration-course" if mine.is_dir() else None


def _version(name: str) -> str | None:
    """The version of a package that is here; None where it is not."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _parsed(lines: list[str]) -> list:
    """Requirements with their bounds, read by the package that pip and TensorFlow use."""
    try:
        from packaging.requirements import Requirement
    except ImportError:  # a Python without TensorFlow; pip has a copy
        from pip._vendor.packaging.requirements import Requirement
    return [Requirement(line) for line in lines]


def _install(requirements: list[str]) -> None:
    """Let pip install these, and nothing in another version than it has here."""
    kept = {f"{package.name}=={package.version}" for package in importlib.metadata.distributions()}
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(sorted(kept)), encoding="utf-8")
        pip = [sys.executable, "-m", "pip", "install", "-q", "-c", str(constraints)]
        subprocess.run([*pip, *requirements], check=True)
