"""Prepare, survey and restore through any executor, and through Dask's workers, real processes."""

import multiprocessing
import os
import re
import subprocess
import sys
import time
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import ROOT, batching, images
from helpers.app import ENDED, LeftOut, cluster, command, sources
from nbtests.app import deadly

# A task is given up after the second worker that it ends, instead of the fourth
SETTINGS = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}
SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
WAITING = 60  # seconds


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A scheduler with two workers, as a laboratory starts them."""
    distributed = pytest.importorskip("distributed", reason="Dask is not here; make cluster")
    folder = tmp_path_factory.mktemp("cluster")
    told = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = [*dask, "worker", "--nworkers", "2", "--nthreads", "1", "--no-dashboard"]
    worker += ["--local-directory", str(folder)]
    where = ["--scheduler-file", str(told)]
    options = SILENT | {"cwd": ROOT, "env": os.environ | SETTINGS}
    with (
        subprocess.Popen([*scheduler, *where], **options) as first,
        subprocess.Popen([*worker, *where], **options) as second,
    ):
        try:
            until = time.monotonic() + WAITING
            while not told.exists() and time.monotonic() < until:
                time.sleep(0.1)
            with distributed.Client(scheduler_file=str(told), set_as_default=False) as client:
                client.wait_for_workers(2, timeout=WAITING)
                yield client.scheduler.address
        finally:
            second.terminate()
            first.terminate()


@pytest.fixture
def workers(address):
    with cluster.connect(address) as executor:
        yield executor


@pytest.fixture
def folder(tmp_path, picture):
    """Twenty good pictures, one that is broken and one that is too small for squares of 32."""
    rng = np.random.default_rng(0)
    for k in range(20):
        images.write(tmp_path / "mine" / f"{k:02d}.png", picture * rng.uniform(0.3, 1))
    images.write(tmp_path / "mine" / "small.png", picture[:20])
    (tmp_path / "mine" / "broken.png").write_text("no picture")
    return tmp_path / "mine"


def tree(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def prepare(folder, to, executor=None):
    parts = batching.split([str(path) for path in images.find(folder)])
    with pytest.warns(UserWarning, match="2 pictures left out"):
        return batching.prepare(parts, to, size=32, per_picture=3, executor=executor)


class GivesUp(Executor):
    """An executor that gives up one item, as `cluster.Patient` does."""

    def __init__(self, name):
        self.name = name

    def map(self, call, items, chunksize=1):
        return [None if self.name in str(item) else call(item) for item in items]


# Dask's workers


def test_results_come_in_order_and_equal_calls_are_all_made(workers):
    assert list(workers.map(deadly.double, range(100))) == list(range(0, 200, 2))
    assert len(set(workers.map(deadly.unlike, [1] * 100))) == 100


def test_what_was_lost_with_a_worker_is_made_again(workers, tmp_path):
    call = partial(deadly.double_once_killed, deadly={20}, folder=tmp_path)
    assert list(workers.map(call, range(64))) == list(range(0, 128, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["20"]


def test_an_item_that_ends_every_worker_is_given_up_and_the_others_go_on(workers):
    call = partial(deadly.double, deadly=frozenset({37}))
    with pytest.warns(LeftOut, match=f"^37 {ENDED}") as told:
        results = list(workers.map(call, range(64)))
    assert results == [2 * k if k != 37 else None for k in range(64)]
    assert len(told) == 1


def test_an_error_of_a_call_arrives_as_it_is(workers):
    with pytest.raises(ZeroDivisionError):
        list(workers.map(partial(divmod, 1), [1, 0]))


def test_a_cluster_prepares_the_same_bytes(folder, tmp_path, workers, monkeypatch):
    here = prepare(folder, tmp_path / "here")
    monkeypatch.chdir(tmp_path)  # the workers stand elsewhere
    prepare(Path("mine"), Path("there"), workers)
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    assert len(here) == 60


def test_a_cluster_finds_the_same_in_a_survey(folder, workers, monkeypatch):
    monkeypatch.chdir(folder.parent)
    here = sources.survey("mine")
    assert sources.survey("mine", workers) == here
    assert sum(row["problem"] is not None for row in here) == 1


def complaints(done):
    """What a command says that went wrong, without its bars."""
    return sorted(re.findall(r"(?:error|warning): .*", done.stderr))


@pytest.mark.slow
def test_a_cluster_restores_the_same_bytes(folder, tmp_path, address, command):
    images.write(folder / "00.bmp", np.zeros((40, 40, 3), np.float32))  # to 00_x4.png, as 00.png
    here = command("restore", folder, "--to", "here")
    there = command("restore", folder, "--to", "there", "--cluster", address)
    assert (here.returncode, there.returncode) == (2, 2)
    assert complaints(there) == complaints(here) and len(complaints(here)) >= 2
    counts = "21 restored, 0 already there, 2 failed"
    assert there.stdout.splitlines()[-1] == here.stdout.splitlines()[-1] == counts
    assert tree(tmp_path / "there") == tree(tmp_path / "here")
    again = command("restore", folder, "--to", "there", "--cluster", address)
    assert again.stdout.splitlines()[-1] == "0 restored, 21 already there, 2 failed"


# What must be the same on all machines


def test_another_version_is_named_before_the_first_task(address, monkeypatch):
    monkeypatch.setattr(np, "__version__", "1.26.4")
    cluster.facts.cache_clear()
    words = r"worker tcp://\S+ differs: numpy 2\S+, here 1\.26\.4; give it the same commit"
    try:
        with pytest.raises(ValueError, match=words), cluster.connect(address):
            pass
    finally:
        monkeypatch.undo()
        cluster.facts.cache_clear()


def test_facts_name_packages_code_and_each_of_the_weights():
    facts = cluster.facts()
    assert {"Python", "numpy", "Pillow", "OpenCV", "tensorflow", "keras", "helpers/"} <= set(facts)
    weights = {path.name for path in (ROOT / "data" / "weights").glob("*.safetensors")}
    assert {f"data/weights/{name}" for name in weights} <= set(facts)


def test_a_worker_that_comes_later_and_differs_does_nothing(workers):
    workers.expected = "another digest"
    with pytest.raises(cluster.Different):
        list(workers.map(deadly.double, [1]))


# Where there is no cluster


def test_without_dask_a_sentence_says_what_to_install(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert command.main(["survey", str(folder), "--cluster", "tcp://127.0.0.1:1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: a cluster needs distributed; install it by ")
    assert (ROOT / error.split(" -r ")[1].strip()).is_file()


@pytest.mark.parametrize("wrong", ["login", "login:8786", "slurm", "slurm:", "slurm:many", "pbs:0"])
def test_an_address_of_another_kind_is_told_what_it_should_be(wrong):
    pytest.importorskip("distributed", reason="Dask is not here; make cluster")
    with (
        pytest.raises(ValueError, match=r"such as tcp://|such as slurm:32|such as pbs:32"),
        cluster.connect(wrong),
    ):
        pass


def test_a_scheduler_that_does_not_answer():
    dask = pytest.importorskip("dask", reason="Dask is not here; make cluster")
    pytest.importorskip("distributed", reason="Dask is not here; make cluster")
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(ConnectionError, match=r"no scheduler answers at tcp://127.0.0.1:1 .*start"),
        cluster.connect("tcp://127.0.0.1:1"),
    ):
        pass


class Stub:
    """A connection with one worker, which then goes, and one task."""

    scheduler = SimpleNamespace(address="tcp://login:8786")

    def __init__(self):
        self.task = Future()
        self.asked = 0

    def get_executor(self, pure):
        assert not pure
        return SimpleNamespace(submit=lambda *_: self.task)

    def nthreads(self):
        self.asked += 1
        if self.asked == 1:
            return {"tcp://first:1": 1}
        self.task.set_result([2])
        return {}


def test_a_scheduler_that_goes_away_is_a_sentence():
    stub = Stub()
    stub.task.cancel()
    stub.task.set_running_or_notify_cancel()
    executor = cluster.Patient(stub, KeyError)
    with pytest.raises(ConnectionError, match=r"scheduler is gone; .* run the same command again"):
        list(executor.map(deadly.double, [1]))


def test_it_is_said_where_no_worker_is_left(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.01)
    executor = cluster.Patient(Stub(), KeyError)
    with pytest.warns(UserWarning, match=r"no worker is left; start one: .* tcp://login:8786"):
        assert list(executor.map(deadly.double, [1])) == [2]


# A queue of jobs: the three commands of Slurm that dask-jobqueue calls, as scripts

SBATCH = """#!/bin/sh
sh "$1" >/dev/null 2>&1 &
echo $! >>"$(dirname "$0")/jobs"
echo "Submitted batch job $!"
"""
SCANCEL = """#!/bin/sh
for job; do pkill -P "$job"; kill "$job"; done
"""


def test_a_queue_gives_workers_and_takes_them_back(folder, tmp_path, monkeypatch):
    dask = pytest.importorskip("dask", reason="Dask is not here; make cluster")
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not here; make cluster")
    commands = tmp_path / "bin"
    for name, text in {"sbatch": SBATCH, "scancel": SCANCEL}.items():
        commands.mkdir(exist_ok=True)
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)  # not the course's folder
    job = {"jobqueue.slurm.cores": 1, "jobqueue.slurm.memory": "2GB"}
    job["jobqueue.slurm.local-directory"] = str(tmp_path)
    with dask.config.set(job), cluster.connect("slurm:1") as executor:
        assert list(executor.map(deadly.double, range(20))) == list(range(0, 40, 2))
    assert len((commands / "jobs").read_text().split()) == 1


def test_a_queue_whose_jobs_are_not_described_is_a_sentence():
    pytest.importorskip("dask_jobqueue", reason="dask-jobqueue is not here; make cluster")
    with (
        pytest.raises(ValueError, match=r"^slurm: .*describe a job in"),
        cluster.connect("slurm:2"),
    ):
        pass


# Any executor


def test_a_pool_of_the_standard_library_prepares_the_same_bytes(folder, tmp_path):
    prepare(folder, tmp_path / "here")
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        prepare(folder, tmp_path / "there", pool)
    assert tree(tmp_path / "there") == tree(tmp_path / "here")


def test_a_picture_that_an_executor_gives_up_is_left_out(folder, tmp_path):
    rows = prepare(folder, tmp_path / "to", GivesUp("07"))
    assert {row["picture"] for row in rows} == {f"{k:02d}.png" for k in range(20) if k != 7}
    assert not list((tmp_path / "to").rglob("07*"))
    rows = sources.survey(folder, GivesUp("07"))
    assert len(rows) == 22
    (row,) = [row for row in rows if row["file"] == "07.png"]
    assert row["problem"] == f"07.png {ENDED}"


def test_a_given_up_picture_is_a_failure_of_restore(folder, tmp_path, monkeypatch):
    from helpers.app import advice, album

    restored = advice.Restored([], [], [], [])
    monkeypatch.setattr(album, "restore_files", lambda files, how: (restored, []))
    done = album.restore([folder], tmp_path / "to", album.How("auto"), GivesUp("07"))
    assert [str(error) for error in done.failed] == [f"{folder / '07.png'} is not restored"]


def test_the_command_prepares_and_says_that_something_was_left_out(folder, tmp_path, command):
    done = command("prepare", "mine", "--to", "pairs", "--size", 32, "--per-picture", 2)
    assert (done.returncode, done.stdout) == (1, "40 pairs of 20 pictures in pairs\n"), done.stderr
    assert len(batching.read_manifest(tmp_path / "pairs")) == 40
    for name in ("small", "broken"):
        (folder / f"{name}.png").unlink()
    done = command("prepare", "mine", "--to", "pairs", "--size", 32)
    assert (done.returncode, done.stdout) == (0, "20 pairs of 20 pictures in pairs\n"), done.stderr
