"""The trusted side of the pipe: starts the student's process, holds it to its limits, and believes nothing it says."""

import contextlib
import functools
import os
import platform
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from helpers import ROOT
from instructors.worker import HEAD, MOST_BYTES, MOST_TEXT, decode, encode

WORKER = Path(__file__).with_name("worker.py")
DISK = 256 << 20  # bytes of the private /tmp, which is memory, and of one file in it
START = 180  # seconds for the cells that are given: a first import of TensorFlow from a slow disk
COURSE = ("helpers", "pyproject.toml", "data/weights")  # what a submission may see of the course

# System calls that are refused: memory that no limit counts (memfd_create, memfd_secret, shmget, io_uring_setup),
# looking into other processes (ptrace, process_vm_readv, -writev), and what no lesson needs of the kernel (bpf,
# perf_event_open, userfaultfd, keyctl, add_key, request_key, unshare, setns, mount). By Linux's own tables.
REFUSED = {
    "x86_64": (
        0xC000003E,
        [319, 447, 29, 425, 101, 310, 311, 321, 298, 323, 250, 248, 249, 272, 308, 165],
    ),
    "aarch64": (
        0xC00000B7,
        [279, 447, 194, 425, 117, 270, 271, 280, 241, 282, 219, 217, 218, 97, 268, 40],
    ),
}


class Ended(BaseException):  # no test shall catch it
    """The student's process is gone, by its own doing or because it had to be ended; says why."""


class Failed(AssertionError):
    """The student's code raised an error, or gave something that is not plain."""


@functools.cache
def bubblewrap() -> str | None:
    """Path of a bubblewrap that works here; None where there is none."""
    if found := shutil.which("bwrap"):
        probe = [found, "--unshare-all", "--ro-bind", "/", "/", sys.executable, "-c", ""]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return found
    return None


def call_filter() -> bytes:
    """A seccomp program that answers the calls of `REFUSED` with EPERM; empty for processors that are not in it."""
    if platform.machine() not in REFUSED:
        return b""
    processor, numbers = REFUSED[platform.machine()]
    steps = [
        (0x20, 0, 0, 4),
        (0x15, 1, 0, processor),
        (0x06, 0, 0, 0x80000000),
    ]  # another processor's calls: killed
    steps += [
        (0x20, 0, 0, 0),
        (0x35, len(numbers) + 1, 0, 0x40000000),
    ]  # nor those of the x32 table
    steps += [(0x15, len(numbers) - n, 0, number) for n, number in enumerate(numbers)]
    steps += [(0x06, 0, 0, 0x7FFF0000), (0x06, 0, 0, 0x00050001)]  # allowed; EPERM
    return b"".join(struct.pack("HBBI", *step) for step in steps)


class Process:
    """A worker in its sandbox. `seconds` of time by all cores, dealt out by `within`; `memory` in bytes.

    A context manager: leaving it ends the worker and everything that it started.
    """

    def __init__(
        self,
        seconds: float,
        memory: int,
        submission: Path | None = None,
        sandboxed: bool = True,
        wanted=None,
    ):
        self.memory, self.reason = memory, ""
        self.folder = tempfile.TemporaryDirectory(prefix="grading-")
        inside = bubblewrap() if sandboxed else None
        limits = {
            "CORE": 0,
            "FSIZE": DISK,
            "NOFILE": 512,
            "DATA": memory,
            "CPU": int(seconds * (os.cpu_count() or 1)) + 60,
        }
        if inside:  # outside, the user's other processes count, too
            limits["NPROC"] = 128 + 32 * (os.cpu_count() or 1)
        rules, end = os.pipe()
        os.write(end, call_filter())
        os.close(end)
        self.child = subprocess.Popen(
            self.command(inside, submission, rules)
            if inside
            else [sys.executable, "-s", str(WORKER)],
            pass_fds=[rules] if inside else [],
            cwd=ROOT,
            env=self.environment(inside),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        os.close(rules)
        for pipe in (self.child.stdin, self.child.stdout):
            os.set_blocking(pipe.fileno(), False)
        threading.Thread(target=self.watch, daemon=True).start()
        self.within(START)
        try:
            first = {"limits": limits}
            if submission:
                first |= {
                    "submission": "/submission.ipynb" if inside else str(submission),
                    "wanted": wanted or {},
                }
            self.first = self.ask(first)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def environment(self, inside: str | None) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in ("LANG", "LC_ALL", "TZ")}
        home = "/tmp" if inside else self.folder.name
        return kept | {
            "PATH": "/usr/bin:/bin",
            "HOME": home,
            "TMPDIR": home,
            "MPLBACKEND": "agg",
            "KERAS_HOME": f"{home}/.keras",
            "MPLCONFIGDIR": f"{home}/.matplotlib",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "CUDA_VISIBLE_DEVICES": "",
        }

    def command(self, inside: str, submission: Path | None, rules: int) -> list[str]:
        """The sandbox: no network, a small private /tmp to write to, and of the course what lessons need."""
        call = [inside, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        call += ["--seccomp", str(rules)] if call_filter() else []
        call += [
            "--uid",
            "1000",
            "--gid",
            "1000",
            "--hostname",
            "student",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
        ]
        for folder in ("/tmp", "/dev/shm", "/course/data/raw", "/course/data/prepared"):
            call += ["--size", str(DISK), "--tmpfs", folder]
        for folder in ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"):
            call += (
                ["--symlink", str(Path(folder).readlink()), folder]
                if Path(folder).is_symlink()
                else ["--ro-bind-try", folder, folder]
            )
        here = str(Path(sys.executable).parent.parent)  # which may be a link to the environment
        for folder in dict.fromkeys((sys.base_prefix, sys.prefix, here)):
            if not folder.startswith("/usr"):
                call += ["--ro-bind", folder, folder]
        for name in COURSE:
            call += ["--ro-bind-try", str(ROOT / name), f"/course/{name}"]
        call += ["--ro-bind", str(WORKER), "/worker.py"]
        if submission:
            call += ["--ro-bind", str(submission), "/submission.ipynb"]
        for picture in sorted(
            (ROOT / "data" / "raw" / "sample").glob("*.png")
        ):  # one by one: fetch writes beside them
            call += ["--ro-bind", str(picture), f"/course/data/raw/sample/{picture.name}"]
        call += [
            "--remount-ro",
            "/dev",
            "--remount-ro",
            "/",
            "--chdir",
            "/course",
            "--",
            sys.executable,
            "-s",
            "/worker.py",
        ]
        return call

    def within(self, seconds: float) -> None:
        """From now on, so much time for whatever is asked."""
        self.deadline, self.seconds = time.monotonic() + seconds, seconds

    def watch(self) -> None:
        """End the worker where its processes together hold too much memory, or the machine runs out of it."""
        with contextlib.suppress(psutil.Error):
            outer = psutil.Process(self.child.pid)
            while outer.is_running() and not self.reason:
                held = 0
                for process in [outer, *outer.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        held += process.memory_info().rss
                if held > self.memory:
                    self.end(f"it needed more than {self.memory / 2**30:.1f} GB of memory")
                elif psutil.virtual_memory().available < 256 << 20:
                    self.end("the machine ran out of memory while it ran")
                time.sleep(0.25)

    def end(self, reason: str) -> None:
        self.reason = self.reason or reason
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, 9)

    def close(self) -> None:
        others = []
        with contextlib.suppress(psutil.Error):
            others = psutil.Process(self.child.pid).children(recursive=True)
        self.end("closed")
        for process in others:  # outside the sandbox, those that left the group
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.child.wait()
        for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
            pipe.close()
        with contextlib.suppress(OSError):
            self.folder.cleanup()

    def ask(self, request: dict) -> object:
        """Send a request and return the answer's value; Failed with the student's error, Ended where none comes."""
        try:
            if select.select([self.child.stdout], [], [], 0)[
                0
            ]:  # its end, or what nobody asked for
                self.read(1)
                raise Ended("it answered what was not asked")
            message = encode(request)
            while message:
                self.wait(self.child.stdin, write=True)
                message = message[os.write(self.child.stdin.fileno(), message[: 1 << 16]) :]
            text, raw = HEAD.unpack(self.read(HEAD.size))
            if text > MOST_TEXT or raw > MOST_BYTES:
                raise Ended("what came back was no answer")
            answer = decode(self.read(text), self.read(raw))
        except BrokenPipeError:
            raise Ended(self.post_mortem()) from None
        except ValueError:
            self.end("what came back was no answer")
            raise Ended(self.reason) from None
        except Ended as ended:
            self.end(str(ended))
            raise
        answer = answer if isinstance(answer, dict) else {}
        printed = answer.get("printed")
        self.printed = printed if isinstance(printed, str) else ""
        if (error := answer.get("error")) is not None:
            raise Failed(error[:1000] if isinstance(error, str) else "an error")
        return answer.get("value")

    def wait(self, pipe, write: bool = False) -> None:
        left = self.deadline - time.monotonic()
        ready = left > 0 and any(
            select.select([] if write else [pipe], [pipe] if write else [], [], left)
        )
        if not ready:
            raise Ended(f"it took longer than {self.seconds:.0f} seconds")

    def read(self, size: int) -> bytes:
        parts = []
        while size:
            self.wait(self.child.stdout)
            part = os.read(self.child.stdout.fileno(), min(size, 1 << 20))
            if not part:
                raise Ended(self.post_mortem())
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def post_mortem(self) -> str:
        """Why the pipe is closed."""
        if self.reason:
            return self.reason
        try:
            status = self.child.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        os.set_blocking(self.child.stderr.fileno(), False)
        said = (os.read(self.child.stderr.fileno(), 2000) if not self.reason else None) or b""
        return f"the process ended by itself (status {status}) {said.decode(errors='replace').strip()}".strip()
