"""Pictures a second on one process, on a pool of processes, and on a cluster of Dask:

    PYTHONPATH=. .venv/bin/python nbtests/bench/bench_cluster.py FOLDER [--pictures 2000]
    PYTHONPATH=. .venv/bin/python nbtests/bench/bench_cluster.py FOLDER --task restore

The cluster is a scheduler and as many workers as the pool has processes, on this machine. The ways
take turns in each round, because other programs may run beside them; the figures are medians of the
time by the clock and of the processors' time. Then a worker is killed in the middle. All results
are compared byte by byte. Last comes what a million pictures would take. Not a test: nothing here
is asserted.
"""

import argparse
import hashlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
NAME = "espcn_photos_x4"
SETS = {"CelebA": 202_599, "a million": 1_000_000}
WORKERS = [2, 8, 32, 128]
WAYS = ["one process", "pool", "cluster"]


def work(task: str, how: str, paths: list[Path], to: Path, workers: int) -> None:
    """One measurement, in a process of its own; prints its seconds."""
    from helpers import batching, quiet
    from helpers.app import cluster

    if task == "restore":
        with quiet():
            from helpers.app import album
    elif task == "survey":
        from helpers.app.sources import surveys

    def run(executor):
        if task == "prepare":
            batching.prepare(dict.fromkeys(paths, "train"), to, per_picture=1, executor=executor)
        elif task == "restore":
            album.restore(paths, to, album.How(NAME), executor)
        else:
            list(batching.parallel_map(surveys._describe, paths, "survey", executor))

    start = time.perf_counter()
    if "://" in how:
        with cluster.connect(how) as executor:
            run(executor)
    elif how == "pool" and task == "restore":  # which takes one process without an executor
        from joblib.externals.loky import get_reusable_executor

        run(get_reusable_executor(workers))
    else:
        run(None)
    print(time.perf_counter() - start)


class Watch(threading.Thread):
    """What some processes and their children need while the block runs.

    Attributes
    ----------
    memory : float
        At most, in MB, all together.
    cpu : float
        Seconds of processors, all together.
    """

    def __init__(self, *pids: int):
        super().__init__(daemon=True)
        self.pids = pids
        self.memory = 0.0
        self.before: dict[int, float] = {}  # seconds that a process had used when it was first seen
        self.after: dict[int, float] = {}
        self.done = threading.Event()

    def __enter__(self) -> "Watch":
        self._look()
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.done.set()
        self.join()

    @property
    def cpu(self) -> float:
        return sum(self.after.values()) - sum(self.before.values())

    def run(self) -> None:
        while not self.done.wait(0.2):
            self._look()

    def _look(self) -> None:
        memory = 0
        for pid in self.pids:
            try:
                process = psutil.Process(pid)
                for one in [process, *process.children(recursive=True)]:
                    memory += one.memory_info().rss
                    used = sum(one.cpu_times()[:2])
                    young = time.time() - one.create_time() < 1
                    self.before.setdefault(one.pid, 0.0 if young else used)
                    self.after[one.pid] = used
            except psutil.Error:
                continue
        self.memory = max(self.memory, memory / 1e6)


@contextmanager
def cluster_of(workers: int) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and workers on this machine: their address, and the numbers of the processes."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "scheduler.json"
        dask = [sys.executable, "-m", "dask"]
        scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        scheduler += ["--scheduler-file", str(told)]
        worker = [*dask, "worker", "--scheduler-file", str(told), "--nworkers", str(workers)]
        worker += ["--nthreads", "1", "--no-dashboard", "--local-directory", folder]
        options = {"cwd": ROOT, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(scheduler, **options) as first:
            with subprocess.Popen(worker, **options) as second:
                try:
                    yield _address(told, workers), [first.pid, second.pid]
                finally:
                    second.terminate()
            first.terminate()


def _address(told: Path, workers: int) -> str:
    """That of a scheduler, once its workers are there."""
    import distributed

    while not told.exists():
        time.sleep(0.1)
    with distributed.Client(scheduler_file=str(told), set_as_default=False) as client:
        client.wait_for_workers(workers, timeout=120)
        return client.scheduler.address


def kill_a_worker(address: str, to: Path, files: int) -> None:
    """End a worker, as for lack of memory, once so many files are there."""
    import distributed

    while sum(path.is_file() for path in to.rglob("*")) < files:
        time.sleep(0.2)
    with distributed.Client(address, set_as_default=False) as client:
        pids = client.run(os.getpid)
    os.kill(min(pids.values()), signal.SIGKILL)
    there = sum(path.is_file() for path in to.rglob("*"))
    print(f"worker {min(pids.values())} killed when {there} files were there")


def contents(folder: Path) -> str:
    """SHA-256 over the names and bytes of all files, hidden ones, too."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class Bench:
    """The measurements of one task."""

    def __init__(self, args: argparse.Namespace, address: str, pids: list[int]):
        self.args = args
        self.address = address
        self.pids = pids
        self.seconds: dict[str, list[float]] = {}
        self.memory: dict[str, float] = {}
        self.cpu: dict[str, list[float]] = {}
        self.found: dict[str, set[str]] = {}

    def measure(self, way: str, kill_at: int = 0) -> None:
        """One round of one way."""
        with tempfile.TemporaryDirectory() as folder:
            to = Path(folder) / "made"
            to.mkdir()
            how = self.address if way.startswith("cluster") else way
            processes = 1 if way == "one process" else self.args.workers
            command = [sys.executable, __file__, str(self.args.folder), "--measure", how]
            command += ["--to", str(to), "--task", self.args.task]
            command += ["--workers", str(self.args.workers), "--pictures", str(self.args.pictures)]
            environment = os.environ | {"LOKY_MAX_CPU_COUNT": str(processes)}
            options = {"env": environment, "cwd": ROOT, "stderr": subprocess.DEVNULL}
            child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
            counted = [child.pid, *(self.pids if way.startswith("cluster") else [])]
            with child, Watch(*counted) as watch:
                if kill_at:
                    kill_a_worker(self.address, to, kill_at)
                seconds = float(child.communicate()[0].split()[-1])
            self.seconds.setdefault(way, []).append(seconds)
            self.cpu.setdefault(way, []).append(watch.cpu)
            self.memory[way] = max(watch.memory, self.memory.get(way, 0))
            self.found.setdefault(way, set()).add(contents(to))
            load = os.getloadavg()[0]
            print(f"{way:<24}{seconds:8.1f} s{watch.cpu:8.1f} s CPU   load {load:.1f}", flush=True)

    def report(self, n: int) -> None:
        """Medians, memory and hashes of all ways."""
        base = statistics.median(self.seconds.get("pool") or self.seconds["cluster"])
        print(
            f"\n{'':<24}{'s':>8}{'1/s':>8}{'of pool':>9}{'s CPU':>8}{'GB':>6}  SHA-256 of all files"
        )
        for way, seconds in self.seconds.items():
            middle = statistics.median(seconds)
            print(
                f"{way:<24}{middle:8.1f}{n / middle:8.1f}{middle / base:8.2f}×"
                f"{statistics.median(self.cpu[way]):8.1f}{self.memory[way] / 1e3:6.2f}"
                f"  {' '.join(sorted(self.found[way]))}"
            )

    def project(self, n: int) -> None:
        """How long more pictures take on more workers, if all go on as these did."""
        each = n / statistics.median(self.seconds["cluster"]) / self.args.workers
        print(f"\na worker: {each:.1f} pictures/s; hours by so many workers:")
        print(f"{'':<12}" + "".join(f"{workers:>8}" for workers in WORKERS))
        for name, pictures in SETS.items():
            hours = [pictures / each / workers / 3600 for workers in WORKERS]
            print(f"{name:<12}" + "".join(f"{hour:8.2f}" for hour in hours))


def main(args: argparse.Namespace) -> None:
    from helpers import images

    n = len(images.find(args.folder)[: args.pictures])
    with cluster_of(args.workers) as (address, pids):
        bench = Bench(args, address, pids)
        for _ in range(args.rounds):
            for way in args.ways:
                bench.measure(way)
        if args.task != "survey":  # which writes nothing by which its middle could be seen
            # A pair is two files
            bench.measure("cluster, a worker killed", n // 2 if args.task == "restore" else n)
    bench.report(n)
    bench.project(n)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="pictures")
    parser.add_argument("--task", choices=["prepare", "survey", "restore"], default="prepare")
    parser.add_argument("--pictures", type=int, default=2000, help="the first so many")
    parser.add_argument("--workers", type=int, default=2, help="of the pool, and of the cluster")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        from helpers import images

        found = images.find(args.folder)[: args.pictures]
        work(args.task, args.measure, found, args.to, args.workers)
    else:
        main(args)
