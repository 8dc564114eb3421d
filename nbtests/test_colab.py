"""Every lesson as Colab starts it, away from the course, with stand-ins for Colab's own parts."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace

import keras
import nbformat
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import helpers
from helpers import ROOT, batching, models, training
from helpers.app import lessons, runtime

NAMES = sorted(path.stem for path in lessons.NOTEBOOKS.glob("[0-9]*.ipynb"))
SPARED = ["tensorflow", "keras", "numpy"]
HINT = "menu Runtime → Change runtime type → T4 GPU"

# What Colab has and this machine lacks: the package, and a pip that notes what it is asked for.
STAND_INS = {
    "google/colab/__init__.py": "",
    "google/colab/userdata.py": """
class SecretNotFoundError(Exception): ...
def get(key): raise SecretNotFoundError(key)
""",
    "google/colab/drive.py": "def mount(mountpoint): raise ValueError('mount failed')",
    "pip/__init__.py": "",
    "pip/__main__.py": """
import json, sys
from pathlib import Path
constraints = Path(sys.argv[sys.argv.index("-c") + 1]).read_text()
with open(Path(__file__).with_name("asked"), "a") as file:
    print(json.dumps([sys.argv[1:], constraints.split()]), file=file)
""",
}

# One process for all, so that TensorFlow is imported once: it reads {lesson: its first two code
# cells} and prints what happened.
SESSION = """
import contextlib, importlib.metadata, io, json, os, sys
import google.colab  # Colab's kernel has it from the start

installed, here, path, happened = importlib.metadata.distributions, os.getcwd(), list(sys.path), {}
importlib.metadata.distributions = lambda: [d for d in installed() if d.name.lower() != "imagehash"]
known = importlib.metadata.version


def version(name):
    if name.lower() == "imagehash":
        raise importlib.metadata.PackageNotFoundError(name)
    return known(name)


importlib.metadata.version = version
environment = dict(os.environ)
for name, cells in json.load(sys.stdin).items():
    os.makedirs(name)
    os.chdir(name)
    kernel, turns = {"__name__": "__main__"}, []
    for _ in range(2):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            for cell in cells:
                exec(compile(cell, name, "exec"), kernel)
        turns.append(printed.getvalue())
        os.environ["PATH"] = ""  # the second time, nothing may be cloned
    happened[name] = {
        "turns": turns,
        "profile": kernel["PROFILE"],
        "helpers": kernel["helpers"].__file__,
        "tensorflow": "tensorflow" in sys.modules,
    }
    os.environ.update(environment)
    os.chdir(here)
    sys.path[:] = path
    for module in [m for m in sys.modules if m.split(".")[0] == "helpers"]:
        del sys.modules[module]
json.dump(happened, sys.stdout)
"""


OWN = {
    key: value
    for key, value in os.environ.items()
    if key != "COURSE_PROFILE" and not key.startswith("GIT_")
}


def git(*arguments):
    subprocess.run(["git", *map(str, arguments)], check=True, capture_output=True, env=OWN)


def first_cells(name):
    notebook = nbformat.read(lessons.NOTEBOOKS / f"{name}.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"][:2]


def address(cells):
    return next(
        line.split('"')[1]
        for line in cells[1].splitlines()
        if line.strip().startswith("address = ")
    )


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """What happened in each lesson's session, and what pip was asked for."""
    if not shutil.which("git"):
        pytest.skip("without git there is no clone")
    folder = tmp_path_factory.mktemp("colab")
    for name, source in STAND_INS.items():
        path = folder / "stand_ins" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
    published = folder / "published"  # the course as it lies here, committed or not
    git("init", "-q", published)
    here = ("--git-dir", published / ".git", "--work-tree", ROOT)
    git(*here, "add", "helpers", "pyproject.toml")
    git(
        *here,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "commit",
        "-q",
        "-m",
        "As it lies here",
    )
    cells = {name: first_cells(name) for name in NAMES}
    cells = dict(
        sorted(cells.items(), key=lambda item: "device=False" not in item[1][1])
    )  # TensorFlow stays imported
    (published_at,) = {address(two) for two in cells.values()}
    environment = OWN | {
        "COLAB_RELEASE_TAG": "release-colab",
        "CUDA_VISIBLE_DEVICES": "-1",
        "GIT_ALLOW_PROTOCOL": "file",  # whatever happens, nobody is called
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{published.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": published_at,
        "PYTHONPATH": str(folder / "stand_ins"),
        "PYTHONIOENCODING": "utf-8",
    }
    (folder / "content").mkdir()
    session = subprocess.run(
        [sys.executable, "-c", SESSION],
        input=json.dumps(cells),
        cwd=folder / "content",
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert session.returncode == 0, session.stderr
    asked = [json.loads(line) for line in (folder / "stand_ins/pip/asked").read_text().splitlines()]
    return SimpleNamespace(
        content=folder / "content", happened=json.loads(session.stdout), asked=asked
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_away_from_the_course_fetches_it_and_sets_up(colab, name):
    happened = colab.happened[name]
    course = colab.content / name / "image-restoration-course"
    assert happened["helpers"] == str((course / "helpers/__init__.py").resolve())
    assert os.listdir(colab.content / name) == [course.name]  # noqa: PTH208
    versions = " · ".join(f"{package} {importlib.metadata.version(package)}" for package in SPARED)
    first, again = happened["turns"]
    assert versions in first and "CPU cores" in first
    assert again == first


@pytest.mark.parametrize("name", NAMES)
def test_a_lesson_without_a_gpu_names_the_menu_where_it_could_use_one(colab, name):
    happened = colab.happened[name]
    trains = "device=False" not in first_cells(name)[1]
    assert happened["tensorflow"] == trains
    assert happened["turns"][0].count(HINT) == trains


def test_only_what_is_missing_is_installed(colab):
    assert len(colab.asked) == 2 * len(NAMES)
    for arguments, constraints in colab.asked:
        assert arguments[:3] == ["install", "-q", "-c"] and arguments[4:] == ["imagehash>=4.3"]
        assert {f"{package}=={importlib.metadata.version(package)}" for package in SPARED} <= set(
            constraints
        )
        installed = importlib.metadata.distributions(path=[sysconfig.get_path("purelib")])
        everything = {canonicalize_name(d.name) for d in installed}
        pinned = {canonicalize_name(pin.split("==")[0]) for pin in constraints}
        assert pinned == everything - {"imagehash"}


# set-up and the place of a training, in this process


@pytest.fixture
def session(tmp_path, monkeypatch):
    """Begin a Colab session: a fresh disk, and a Drive that outlives it or is declined."""

    def begin(name, drive=None):
        def mount(mountpoint):
            if drive is None:
                raise ValueError("mount failed")
            mounts.append(mountpoint)
            content.mkdir(parents=True)
            (content / "drive").symlink_to(drive, target_is_directory=True)

        mounts, content = [], tmp_path / name / "content"
        package = ModuleType("google.colab")
        package.drive = SimpleNamespace(mount=mount)
        monkeypatch.setitem(sys.modules, "google.colab", package)
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
        monkeypatch.setattr(helpers, "ROOT", content / "image-restoration-course")
        monkeypatch.setattr(runtime, "DRIVE", content / "drive")
        return mounts

    return begin


@pytest.fixture
def drive(tmp_path):
    (tmp_path / "google" / "MyDrive").mkdir(parents=True)
    return tmp_path / "google"


@pytest.fixture
def elsewhere(monkeypatch):
    for name in ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)


def printed_by_setup(monkeypatch, capsys, gpus):
    config = SimpleNamespace(
        list_physical_devices=lambda kind: gpus, run_functions_eagerly=lambda on: None
    )
    logger = SimpleNamespace(setLevel=lambda level: None)
    stand_in = SimpleNamespace(config=config, get_logger=lambda: logger)
    monkeypatch.setitem(sys.modules, "tensorflow", stand_in)
    monkeypatch.setattr(runtime, "missing", list)
    helpers.setup()
    return capsys.readouterr().out


def test_with_a_gpu_colab_needs_no_hint(session, monkeypatch, capsys):
    session("one")
    monkeypatch.setattr(helpers, "ROOT", ROOT)
    printed = printed_by_setup(
        monkeypatch, capsys, [SimpleNamespace(name="/physical_device:GPU:0")]
    )
    assert "GPU:0" in printed and "Runtime" not in printed


def test_elsewhere_there_is_no_such_menu(elsewhere, monkeypatch, capsys):
    printed = printed_by_setup(monkeypatch, capsys, [])
    assert "no GPU" in printed and "→" not in printed


@pytest.mark.parametrize("gpus", [[], ["GPU:0", "GPU:1"]], ids=["without", "with two GPUs"])
def test_kaggle_has_another_menu(elsewhere, monkeypatch, capsys, gpus):
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    printed = printed_by_setup(monkeypatch, capsys, [SimpleNamespace(name=name) for name in gpus])
    assert "Runtime" not in printed
    assert ("for `full`: menu Settings → Accelerator → GPU" in printed) == (not gpus)


# what a runtime has, as its README tells, against what the course needs
OLDER = {
    "2026.07": {"numpy": "2.0.2"},
    "2026.04": {"numpy": "2.0.2", "tensorflow": "2.19.0"},
    "2026.01": {"numpy": "2.0.2", "tensorflow": "2.19.0", "keras": "3.10.0"},
}
LATEST = "Runtime → Change runtime type → Runtime version → Latest, then Run all"


@pytest.fixture
def completed(monkeypatch, capsys):
    """What `complete` prints, asks pip for, and forbids, where these packages are installed."""

    def complete(here):
        def version(name):
            if name not in here:
                raise importlib.metadata.PackageNotFoundError(name)
            return here[name]

        def run(command, check):
            asked.extend(command[command.index("-c") + 2 :])
            kept.extend(Path(command[command.index("-c") + 1]).read_text().split())

        asked, kept = [], []
        packages = [SimpleNamespace(name=name, version=here[name]) for name in here]
        with monkeypatch.context() as stand_ins:
            stand_ins.setattr(importlib.metadata, "version", version)
            stand_ins.setattr(importlib.metadata, "distributions", lambda: packages)
            stand_ins.setattr(subprocess, "run", run)
            runtime.complete()
        return capsys.readouterr().out, asked, kept

    return complete


def everything_but(*names):
    """A version of each direct dependency that will just do, without those named."""
    here = {}
    for requirement in map(Requirement, runtime.dependencies()):
        least = [bound.version for bound in requirement.specifier if bound.operator == ">="]
        here[requirement.name] = least[0] if least else "1.0"
    return {name: version for name, version in here.items() if name not in names}


@pytest.mark.parametrize("name", OLDER)
def test_an_older_runtime_names_the_one_to_choose_and_reinstalls_nothing(
    session, monkeypatch, completed, name
):
    session("one")
    monkeypatch.setattr(runtime, "ROOT", ROOT)
    printed, asked, kept = completed(everything_but("imagehash") | OLDER[name])
    sentence, installing = printed.splitlines()
    assert sentence.endswith(f": choose {LATEST}") and sentence.count("→") == 3
    for package, version in OLDER[name].items():
        assert f"{package} {version}" in sentence
        assert f"{package}=={version}" in kept
    assert installing == "installing imagehash>=4.3" and asked == ["imagehash>=4.3"]


@pytest.mark.parametrize("where", ["Colab", "Kaggle", "elsewhere"])
def test_what_is_too_old_is_said_with_what_helps_there(elsewhere, monkeypatch, completed, where):
    if where == "Colab":
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    if where == "Kaggle":
        monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    printed, asked, _ = completed(everything_but() | {"matplotlib": "3.7.5"})
    way = {"Colab": LATEST, "Kaggle": "Always use latest environment", "elsewhere": "README.md"}
    assert printed == (
        "the course needs matplotlib 3.10 or newer, but this Python has matplotlib 3.7.5: "
        f"{runtime.NEWER['' if where == 'elsewhere' else where]}\n"
    )
    assert way[where] in printed and asked == []


@pytest.mark.parametrize("version", ["2.20.0", "2.20.0+cpu", "2.21.1", "2.30.0"])
def test_a_version_that_will_do_is_not_spoken_of(completed, version):
    assert completed(everything_but() | {"tensorflow": version}) == ("", [], [])


@pytest.mark.parametrize("version", ["2.9.0", "2.20.0rc0", "2.19.1+cpu"])
def test_versions_are_compared_as_numbers(completed, version):
    assert (
        f"this Python has tensorflow {version}: "
        in completed(everything_but() | {"tensorflow": version})[0]
    )


def test_a_bare_python_is_asked_for_everything(completed):
    printed, asked, kept = completed({})
    assert asked == runtime.dependencies() and kept == []
    assert printed.startswith("installing tensorflow>=")


def test_elsewhere_a_training_stays_in_build(elsewhere, capsys):
    place = helpers.training_folder("named by nobody else")
    assert place == ROOT / "build/training/named by nobody else"
    assert "delete that to start anew" in capsys.readouterr().out
    assert not place.exists()


def test_drive_is_asked_for_once(session, drive, capsys):
    mounts = session("one", drive)
    place = helpers.training_folder("06_espcn/ours")
    assert place == runtime.DRIVE / "MyDrive/image-restoration-course/06_espcn/ours"
    assert helpers.training_folder("06_espcn/ours") == place
    assert mounts == [str(runtime.DRIVE)]
    assert str(place) in capsys.readouterr().out


@pytest.mark.parametrize("how", ["declined", "no notebook"])
def test_a_declined_drive_is_said_not_silent(session, monkeypatch, capsys, how):
    session("one")
    if how == "no notebook":  # in a program that the notebook started
        monkeypatch.setitem(sys.modules, "google.colab", None)
    assert helpers.training_folder("toy") == helpers.ROOT / "build/training/toy"
    printed = capsys.readouterr().out
    assert "Drive is not mounted (" in printed and "loses its training" in printed


def epochs_run(epochs):
    hr = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
    keras.utils.set_random_seed(1)
    model = models.espcn(scale=2, activation="tanh")
    model.compile("adam", "mse")

    def data(step):
        return batching.batches(hr[:, ::2, ::2], hr, 4, seed=0, start=step)

    return training.fit(model, data, epochs, steps=2, folder=helpers.training_folder("toy")).epoch


@pytest.mark.parametrize("kept", [True, False], ids=["drive", "declined"])
def test_a_new_session_goes_on_where_drive_kept_the_state(session, drive, kept):
    session("cut", drive if kept else None)
    assert epochs_run(2) == [0, 1]
    shutil.rmtree(helpers.ROOT.parent)  # Colab's disk; the link to Drive goes with it
    session("next", drive if kept else None)
    assert epochs_run(4) == ([2, 3] if kept else [0, 1, 2, 3])
