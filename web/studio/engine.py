"""The process that runs the networks: it may be stopped, or die, and the page goes on."""

import logging
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from django.conf import settings

from helpers import images
from web.studio import intake, restorers, standin

STOP = "stop"
SUGGEST = "suggest"  # in place of a task
# Bytes of addresses that the work may take beyond the networks. TensorFlow gives none back: twelve
# large pictures, tried by hand, took 2.6 GB. bench_web.py cleans 12 megapixels after many others
MEMORY = 3_500_000_000

log = logging.getLogger(__name__)


class Died(Exception):
    """The process ended in the middle of a picture; another one may be luckier."""


class Stopped(Exception):
    """Nobody wants the picture any more."""


# In the process


def main(connection: Connection, stub: bool = False) -> None:
    """Load the networks, then change one picture after the other.

    Parameters
    ----------
    connection : Connection
        It takes ("ready", None) or ("failed", why) once. Then it gives (task, before, after) for
        each picture, and takes ("share", of 1) now and then, and in the end ("done",
        restorers.Changed), ("failed", why) or ("stopped", None). What it gives meanwhile stops the
        work, and where its other end is closed, or the memory is used up, the process ends. For the
        task `SUGGEST` it takes ("done", what `restorers.Networks.judge` returns).
    stub : bool
        Whether `standin` takes the networks' place.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C ends the server, which ends this
    try:
        networks = standin.Networks() if stub else restorers.Networks()
        limit()
        connection.send(("ready", None))
        while True:
            asked = connection.recv()
            if asked == STOP:  # It was said after the picture was done
                continue
            task, before, after = asked
            connection.send(change(networks, task, (Path(before), Path(after)), connection))
    except (EOFError, ConnectionError):
        return
    except MemoryError:  # A new process has all of it again, and tries the picture once more
        log.exception("the networks' process ends for lack of memory")
    except Exception:
        connection.send(("failed", traceback.format_exc()))


def change(networks, task: str, paths: tuple[Path, Path], connection: Connection) -> tuple:
    """One picture; returns what `main` says of it."""
    try:
        if task == SUGGEST:
            return "done", networks.judge(images.read(paths[0]))
        return "done", networks.change_file(task, *paths, partial(report, connection))
    except Stopped:
        return "stopped", None
    except (EOFError, ConnectionError):  # The server is gone
        raise
    except Exception as error:  # Whatever a network, the disk or the memory says
        if lacks_memory(error):
            raise MemoryError from error
        return "failed", traceback.format_exc()


def lacks_memory(error: BaseException | None) -> bool:
    """Whether an error, or what it came from, is a lack of memory: Python's or TensorFlow's."""
    if error is None:
        return False
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    return lacks_memory(error.__cause__)


def report(connection: Connection, share: float) -> None:
    """Tell how much is done; Stopped where the server has said so."""
    if connection.poll():
        connection.recv()
        raise Stopped
    connection.send(("share", share))


def limit() -> None:
    """Bound the memory, and step back behind the server."""
    with suppress(ImportError, ValueError, AttributeError):  # Windows and macOS have no such limit
        import resource

        import psutil

        os.nice(5)
        most = psutil.Process().memory_info().vms + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


# In the server


class Engine:
    """The server's side of that process: one picture at a time."""

    def __init__(self):
        self.process = None
        self.connection: Connection | None = None
        self.lock = threading.Lock()  # around an order and its answer
        self.ready = False

    def start(self) -> None:
        """Start the process, and wait until its networks are warm; RuntimeError where they fail."""
        self.stop()
        context = intake.processes()
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=main, args=(theirs, settings.STUB), daemon=True)
        self.process.start()
        theirs.close()
        try:
            kind, value = self.connection.recv()
        except EOFError:
            kind, value = "failed", f"the process ended (exit status {self._status()})"
        if kind != "ready":
            self.stop()
            raise RuntimeError(f"the networks cannot be loaded: {value}")
        self.ready = True

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.ready = False
        if self.process:
            self.connection.close()
            self.process.kill()
            self.process.join()
            self.process = None

    def _status(self) -> int | None:
        self.process.join(5)
        return self.process.exitcode

    def change(
        self, task: str, before: Path, after: Path, go_on: Callable[[float], bool]
    ) -> restorers.Changed | None:
        """Change a file into another.

        Parameters
        ----------
        task : str
            A name of `restorers.TASKS`.
        before, after : Path
            The file to read, and the one to write.
        go_on : callable
            It is told how much of 1 is done, and says whether the rest is still wanted.

        Returns
        -------
        restorers.Changed or None
            What became of it; None where it was not wanted any more.

        Raises
        ------
        Died
            Where the process ended meanwhile.
        TimeoutError
            Where it took more than `settings.JOB_SECONDS`.
        RuntimeError
            Where the networks cannot be loaded, or fail.
        """
        with self.lock:
            return self._ask((task, str(before), str(after)), go_on)

    def judge(self, picture: Path) -> tuple[str, list[str]] | None:
        """What would help a picture file, and which tasks it does not suit.

        As `restorers.Networks.judge`; None where the process is busy, not ready, or fails.
        """
        if not self.lock.acquire(timeout=settings.SUGGESTION_WAIT):
            return None
        try:
            return (
                self._ask((SUGGEST, str(picture), ""), lambda share: True) if self.ready else None
            )
        except (Died, TimeoutError, RuntimeError):
            log.exception("no suggestion could be made")
            return None
        finally:
            self.lock.release()

    def _ask(self, order: tuple[str, str, str], go_on: Callable[[float], bool]):
        """The process's answer to an order, while the lock is held."""
        if self.process is None:
            self.start()
        end = time.monotonic() + settings.JOB_SECONDS
        wanted = True
        try:
            self.connection.send(order)
            while self.connection.poll(max(0, end - time.monotonic())):
                kind, value = self.connection.recv()
                if kind == "share":
                    if wanted and not go_on(value):
                        wanted = False
                        self.connection.send(STOP)
                elif kind == "failed":
                    raise RuntimeError(value)
                else:
                    return value
        except (EOFError, ConnectionError):
            status = self._status()
            self.stop()
            raise Died(f"the networks' process ended (exit status {status})") from None
        self.stop()
        raise TimeoutError(f"a picture took more than {settings.JOB_SECONDS} s")
