"""Functions for other processes, which may end these, in tests of what outlives that."""

import os
import signal
import uuid
from pathlib import Path


def double(item: int, deadly: frozenset = frozenset()) -> int:
    """Twice a number; for a deadly one the process is killed, as the system does without memory."""
    if item in deadly:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * item


def double_once_killed(item: int, deadly: set, folder: Path) -> int:
    """The same; only the first process that is asked for a deadly one is killed."""
    mark = folder / str(item)
    if item in deadly and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * item


def unlike(item: int) -> str:
    """Another text at each call."""
    return f"{item} {uuid.uuid4()}"
