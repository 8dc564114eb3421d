"""Pictures on many machines: an executor whose processes are the workers of a Dask cluster.

Paths travel, never pictures: all machines see the same files under the same names, and have the
same course with the same packages, which is compared before the first task. joblib's own back end
for Dask does not do it: it waits for ever for a picture that ends its worker (joblib 1.6).
"""

import functools
import hashlib
import importlib
import importlib.metadata
import logging
import platform
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Executor, Future, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path

import cv2
import numpy as np
import PIL

from helpers import ROOT
from helpers.app import ENDED, LeftOut

INSTALL = "install it by .venv/bin/python -m pip install -r helpers/app/cluster.txt"
START = ".venv/bin/python -m dask worker {} --nthreads 1, in the course's folder"
# What asks a queue of jobs for workers, by the word before the colon
QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster", "sge": "SGECluster"}
AHEAD = 512  # tasks that are on their way at once
PATIENCE = 30  # seconds without a result, after which it is asked whether a worker is left


@contextmanager
def connect(to) -> Iterator["Patient"]:
    """An executor for `prepare`, `survey` and `album.restore`, on the workers of a Dask cluster.

    Parameters
    ----------
    to : str, distributed.Client or a cluster of Dask, such as distributed.LocalCluster
        The address of a scheduler, such as "tcp://login:8786"; or a queue of jobs and how many
        workers to ask it for, such as "slurm:32" (also pbs, lsf and sge). dask-jobqueue reads from
        ~/.config/dask/jobqueue.yaml what a job is.

    Yields
    ------
    Patient
        The executor; what was started for it ends with the block.

    Raises
    ------
    ValueError
        For an address of another kind; where Dask is not installed; where the versions, the code or
        the weights of a worker are not those of this process.
    ConnectionError
        Where no scheduler or no worker answers.
    """
    distributed = _installed("distributed")
    with ExitStack() as stack:
        kind, _, number = to.partition(":") if isinstance(to, str) else ("", "", "")
        queued = kind in QUEUES
        if queued:
            to = stack.enter_context(_queue(kind, number))
        if isinstance(to, distributed.Client):
            client = to
        else:
            client = stack.enter_context(_client(distributed, to))
        _await_worker(client, None if queued else PATIENCE)
        compare(client)
        yield Patient(client, distributed.KilledWorker)


class Patient(Executor):
    """Dask's workers as an executor that outlives the end of any of them.

    A task whose worker ends is given to another one by Dask itself, four times at most. Then each
    of its items is tried alone, while nothing else runs. One that ends its workers once more is
    given up: a warning names it, and its result is None.

    Parameters
    ----------
    client : distributed.Client
        The connection to the cluster.
    killed : type
        The error by which Dask tells that a task has ended too many workers.
    """

    def __init__(self, client, killed: type[Exception]):
        self.client = client
        self.killed = killed
        self.executor = client.get_executor(pure=False)  # equal calls are made twice, all the same
        self.expected = digest()

    def submit(self, call: Callable, /, *args, **kwargs) -> Future:
        """One call, as a task of its own."""
        return self.executor.submit(call, *args, **kwargs)

    def map(self, call: Callable, items: Sequence, chunksize: int = 16) -> Iterator:
        """`call(item)` for each item, in order; None for one that was given up.

        Parameters
        ----------
        call : callable
            A function of a module, or a partial one. It travels by name.
        items : sequence
            Its arguments. Paths in them are made absolute: a worker stands in another folder.
        chunksize : int
            Items in a task; fewer where the workers would get less than two tasks each.

        Yields
        ------
        object
            The results.

        Raises
        ------
        ConnectionError
            Where the scheduler goes away.
        ValueError
            Where a worker that came later has other versions, code or weights.
        """
        call = absolute(call)
        items = [absolute(item) for item in items]
        threads = sum(self.client.nthreads().values())
        size = max(1, min(chunksize, len(items) // (2 * max(1, threads))))
        sent: deque[tuple[list, Future]] = deque()
        try:
            for first in range(0, len(items), size):
                task = items[first : first + size]
                sent.append((task, self._send(call, task)))
                if len(sent) == AHEAD:
                    yield from self._results(call, sent)
            while sent:
                yield from self._results(call, sent)
        finally:
            for _, future in sent:
                future.cancel()

    def _send(self, call: Callable, task: list) -> Future:
        return self.submit(run_task, call, task, self.expected)

    def _results(self, call: Callable, sent: deque) -> Iterator:
        """Those of the task that was sent first."""
        task, future = sent.popleft()
        try:
            results = self._await(future)
        except self.killed:
            wait([future for _, future in sent])  # so that it is known which item ends a worker
            results = [self._alone(call, item) for item in task]
        yield from results

    def _alone(self, call: Callable, item: object) -> object:
        """The result of one item; None where it ends its workers, too."""
        try:
            (result,) = self._await(self._send(call, [item]))
        except self.killed:
            warnings.warn(f"{named(item)} {ENDED}", LeftOut, stacklevel=2)
            return None
        return result

    def _await(self, future: Future) -> list:
        """The results of a task; says so where there is no worker to work on it."""
        alone = False
        while True:
            try:
                return future.result(timeout=PATIENCE)
            except CancelledError as error:
                raise ConnectionError(
                    "the cluster's scheduler is gone; start it, and run the same command again: it"
                    " goes on"
                ) from error
            except Different:
                compare(self.client)  # in words that name the worker
                raise
            except TimeoutError:
                if future.done():  # the error of the task itself
                    raise
            if not alone and not self.client.nthreads():
                alone = True
                address = self.client.scheduler.address
                warnings.warn(
                    f"no worker is left; start one: {START.format(address)}", stacklevel=2
                )


def named(item: object) -> str:
    """The name by which a message calls an item: its path, where it has one."""
    return str(getattr(item, "path", item))


def absolute(value: object) -> object:
    """The same with each path in it absolute, also in tuples and in a partial function."""
    if isinstance(value, Path):
        return value.absolute()
    if isinstance(value, functools.partial):
        keywords = {name: absolute(given) for name, given in value.keywords.items()}
        return functools.partial(value.func, *map(absolute, value.args), **keywords)
    if isinstance(value, tuple):
        parts = [absolute(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


# What runs on a worker


class Different(ValueError):
    """A worker's versions, code or weights are not those of the process that sent a task."""


def run_task(call: Callable, task: list, expected: str) -> list:
    """`call(item)` for each item of a task, on a worker.

    Parameters
    ----------
    call : callable
        A function of one item.
    task : list
        The items.
    expected : str
        `digest` of the process that sent them.

    Returns
    -------
    list
        The results.

    Raises
    ------
    Different
        Where this process has another digest.
    """
    if digest() != expected:
        raise Different("this worker has other versions, code or weights")
    return [call(item) for item in task]


@functools.cache
def facts() -> dict[str, str]:
    """What must be the same on every machine, so that each picture comes out the same.

    Returns
    -------
    dict
        Versions of Python and of the packages that touch a pixel; SHA-256 of the course's code and
        of each of the shipped weights.
    """
    found = {
        "Python": platform.python_version(),
        "numpy": np.__version__,
        "Pillow": PIL.__version__,
        "OpenCV": cv2.__version__,
    }
    for package in ("scikit-image", "tensorflow", "keras"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "missing"
    code = hashlib.sha256()
    for path in sorted((ROOT / "helpers").rglob("*.py")):
        code.update(path.read_bytes())
    found["helpers/"] = code.hexdigest()[:16]
    for path in sorted((ROOT / "data" / "weights").glob("*.safetensors")):
        found[f"data/weights/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return found


@functools.cache
def digest() -> str:
    """SHA-256 of `facts`, which a task carries."""
    return hashlib.sha256(repr(facts()).encode()).hexdigest()


# The connection


def compare(client) -> None:
    """Whether all workers are like this process.

    Parameters
    ----------
    client : distributed.Client
        The connection to them.

    Raises
    ------
    ValueError
        That names the first worker that is not, and in what it differs.
    """
    here = facts()
    try:
        workers = client.run(facts)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"a worker lacks {error.name}; start it with the environment of the course:"
            f" {START.format(client.scheduler.address)}"
        ) from error
    for address, there in workers.items():
        differing = []
        for name in here | there:
            if here.get(name) != there.get(name):
                told = f"{there.get(name, 'missing')}, here {here.get(name, 'missing')}"
                differing.append(f"{name} {told}")
        if differing:
            raise ValueError(
                f"the worker {address} differs: {'; '.join(differing)}; give it the same commit and"
                " the same requirements.txt, and start it again"
            )


def _installed(package: str):
    """An optional package; ValueError that says how to install it."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        raise ValueError(f"a cluster needs {error.name}; {INSTALL}") from error


@contextmanager
def _queue(kind: str, number: str) -> Iterator:
    """A cluster of so many workers, each from a job of a queue."""
    if not number.isdecimal() or int(number) < 1:
        raise ValueError(f"{kind}:{number} names no number of workers; such as {kind}:32")
    jobqueue = _installed("dask_jobqueue")
    # The module `helpers` is found from the course's folder
    options = {"python": sys.executable, "job_script_prologue": [f"cd '{ROOT}'"]}
    try:
        cluster = getattr(jobqueue, QUEUES[kind])(**options)
    except ValueError as error:  # the cores or the memory of a job are not given
        told = " ".join(str(error).split())
        place = "~/.config/dask/jobqueue.yaml"
        raise ValueError(f"{kind}: {told}; describe a job in {place}") from error
    with cluster:
        cluster.scale(int(number))
        print(f"waiting for {number} workers of {kind}", file=sys.stderr)
        yield cluster


@contextmanager
def _client(distributed, to) -> Iterator:
    """A connection, which ends with the block."""
    if isinstance(to, str) and "://" not in to:
        queues = ", ".join(f"{kind}:32" for kind in QUEUES)
        raise ValueError(
            f"{to} is no address of a cluster; give that of a scheduler, such as tcp://login:8786,"
            f" or a queue and a number of workers: {queues}"
        )
    try:
        client = distributed.Client(to, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"no scheduler answers at {to} ({error}); start it: .venv/bin/python -m dask scheduler"
        ) from error
    # What Dask logs of workers and of a scheduler that are gone is said here in words
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel("CRITICAL")
    try:
        with client:
            yield client
    finally:
        log.setLevel(level)


def _await_worker(client, seconds: float | None) -> None:
    """Wait for the first worker, for ever where `seconds` is None: a job may stand in a queue."""
    try:
        client.wait_for_workers(1, timeout=seconds)
    except TimeoutError as error:
        address = client.scheduler.address
        raise ConnectionError(
            f"the scheduler at {address} has no worker; start one: {START.format(address)}"
        ) from error
