"""The trusted side of the pipe.

It starts the student's process, holds it to its limits, and believes nothing that it says.
"""

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
from instructors.worker import HEAD, MOST_BYTES, MOST_TEXT, decode, encode, printable

WORKER = Path(__file__).with_name("worker.py")
DISK = 256 << 20  # bytes of the private /tmp, which is memory, and of one file in it
START = 180  # seconds for the cells that are given: a first import of TensorFlow from a slow disk
COURSE = ("helpers", "pyproject.toml", "data/weights")  # what a submission may see of the course

# System calls that are refused, by Linux's own tables: those for memory that no limit counts, for
# looking into other processes, and for what no lesson needs of the kernel.
EVERYWHERE = {  # Since 2019 a new call has one number
    425: "io_uring_setup",
    428: "open_tree",
    429: "move_mount",
    430: "fsopen",
    431: "fsconfig",
    432: "fsmount",
    433: "fspick",
    442: "mount_setattr",
    447: "memfd_secret",
}
REFUSED = {
    "x86_64": EVERYWHERE
    | {
        319: "memfd_create",
        29: "shmget",
        101: "ptrace",
        310: "process_vm_readv",
        311: "process_vm_writev",
        321: "bpf",
        298: "perf_event_open",
        323: "userfaultfd",
        250: "keyctl",
        248: "add_key",
        249: "request_key",
        272: "unshare",
        308: "setns",
        165: "mount",
    },
    "aarch64": EVERYWHERE
    | {
        279: "memfd_create",
        194: "shmget",
        117: "ptrace",
        270: "process_vm_readv",
        271: "process_vm_writev",
        280: "bpf",
        241: "perf_event_open",
        282: "userfaultfd",
        219: "keyctl",
        217: "add_key",
        218: "request_key",
        97: "unshare",
        268: "setns",
        40: "mount",
    },
}

# The language of the kernel's filter, from linux/filter.h, linux/seccomp.h and linux/audit.h
LOAD = 0x20  # a word of what the kernel tells about a call
IF_EQUAL = 0x15
IF_AT_LEAST = 0x35
RETURN = 0x06
CALL_NUMBER = 0  # where the word stands
PROCESSOR = 4
PROCESSORS = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000  # from here on: the numbers of a second table on x86_64
ALLOW = 0x7FFF0000
KILL = 0x80000000
REFUSE = 0x00050001  # with EPERM, "operation not permitted"


class Ended(BaseException):  # no test shall catch it
    """The student's process is gone, by its own doing or because it had to be ended; says why."""


class Failed(AssertionError):
    """The student's code raised an error, or gave something that is not plain."""


@functools.cache
def bubblewrap() -> list[str] | None:
    """How a bubblewrap that works here is called; None where there is none.

    Since 0.8 it can forbid the sandbox namespaces of its own, in which a submission would be root.
    """
    found = shutil.which("bwrap")
    if not found:
        return None
    for rules in (["--unshare-user", "--disable-userns"], []):
        call = [found, "--unshare-all", *rules]
        probe = [*call, "--ro-bind", "/", "/", sys.executable, "-c", ""]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return call
    return None


def call_filter() -> bytes:
    """The program by which the kernel answers the calls of `REFUSED` with EPERM (seccomp).

    Returns
    -------
    instructions of 8 bytes; empty for processors that are not in `REFUSED`
    """
    machine = platform.machine()
    if machine not in REFUSED:
        return b""
    numbers = sorted(REFUSED[machine])
    # An instruction: what to do, how many to skip where the condition holds, how many where it
    # does not, and a value. The last one refuses.
    program = [
        (LOAD, 0, 0, PROCESSOR),
        (IF_EQUAL, 1, 0, PROCESSORS[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, CALL_NUMBER),
        (IF_AT_LEAST, len(numbers) + 1, 0, X32),
    ]
    for n, number in enumerate(numbers):
        to_the_last = len(numbers) - n
        program.append((IF_EQUAL, to_the_last, 0, number))
    program.append((RETURN, 0, 0, ALLOW))
    program.append((RETURN, 0, 0, REFUSE))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


class Process:
    """A worker in its sandbox; as a context manager it ends with everything that it started.

    Parameters
    ----------
    seconds : time by all cores, dealt out by `within`
    memory : bytes
    submission : a notebook to take apart, instead of serving
    sandboxed : whether bubblewrap stands around it
    wanted : of `worker.submitted`
    """

    def __init__(
        self,
        seconds: float,
        memory: int,
        submission: Path | None = None,
        sandboxed: bool = True,
        wanted=None,
    ):
        self.memory = memory
        self.reason = ""
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
        command = [sys.executable, "-s", str(WORKER)]
        if inside:
            command = self.command(inside, submission, rules)
        self.child = subprocess.Popen(
            command,
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

    def environment(self, inside: list[str] | None) -> dict[str, str]:
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

    def command(self, inside: list[str], submission: Path | None, rules: int) -> list[str]:
        """The sandbox: no network, a small private /tmp, and of the course what lessons need."""
        call = [*inside, "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        call += ["--seccomp", str(rules)] if call_filter() else []
        call += ["--uid", "1000", "--gid", "1000", "--hostname", "student"]
        call += ["--proc", "/proc", "--dev", "/dev"]
        for folder in ("/tmp", "/dev/shm", "/course/data/raw", "/course/data/prepared"):
            call += ["--size", str(DISK), "--tmpfs", folder]
        for folder in ("/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"):
            if Path(folder).is_symlink():
                call += ["--symlink", str(Path(folder).readlink()), folder]
            else:
                call += ["--ro-bind-try", folder, folder]
        here = str(Path(sys.executable).parent.parent)  # which may be a link to the environment
        for folder in dict.fromkeys((sys.base_prefix, sys.prefix, here)):
            if not folder.startswith("/usr"):
                call += ["--ro-bind", folder, folder]
        for name in COURSE:
            call += ["--ro-bind-try", str(ROOT / name), f"/course/{name}"]
        call += ["--ro-bind", str(WORKER), "/worker.py"]
        if submission:
            call += ["--ro-bind", str(submission), "/submission.ipynb"]
        # One by one, since fetch writes beside them
        for picture in sorted((ROOT / "data" / "raw" / "sample").glob("*.png")):
            call += ["--ro-bind", str(picture), f"/course/data/raw/sample/{picture.name}"]
        call += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/course"]
        call += ["--", sys.executable, "-s", "/worker.py"]
        return call

    def within(self, seconds: float) -> None:
        """From now on there is so much time for whatever is asked."""
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds

    def watch(self) -> None:
        """End the worker where its processes hold too much memory, or the machine has none left."""
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
        """Send a request and return the answer's value.

        Failed with the student's error, Ended where no answer comes.
        """
        try:
            readable, _, _ = select.select([self.child.stdout], [], [], 0)
            if readable:  # its end, or what nobody asked for
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
        self.printed = printable(printed) if isinstance(printed, str) else ""
        if (error := answer.get("error")) is not None:
            raise Failed(printable(error[:1000]) if isinstance(error, str) else "an error")
        return answer.get("value")

    def wait(self, pipe, write: bool = False) -> None:
        """Wait until the pipe can be read, or written."""
        left = self.deadline - time.monotonic()
        to_read = [] if write else [pipe]
        to_write = [pipe] if write else []
        if left <= 0 or not any(select.select(to_read, to_write, [], left)):
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
        said = b""
        if not self.reason:
            said = os.read(self.child.stderr.fileno(), 2000) or b""
        words = said.decode(errors="replace").strip()
        return printable(f"the process ended by itself (status {status}) {words}".strip())
