"""From what somebody sends to a picture of pixels only.

A process of its own reads each file (`decoder`). Everything that can be wrong is refused here, in
words.
"""

import io
import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from multiprocessing import forkserver
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.utils.translation import gettext as _

from web.studio import decoder

ACCEPT = ",".join(suffix for suffixes in decoder.KINDS.values() for suffix in suffixes)
SECONDS = 40  # that a process may take for one file, on a busy machine, too
MOST_ANSWER = 100_000_000  # bytes
# Two files are read at a time; as many others wait, and the page's other threads stay free
readers = threading.BoundedSemaphore(2)
waiting = threading.BoundedSemaphore(6)


class Refused(ValueError):
    """An upload that is not taken, in words for its sender, and the HTTP status that says so to
    machines.
    """

    def __init__(self, words: str, status: int = 415):
        super().__init__(words)
        self.status = status


class Busy(Exception):
    """Too many files are read already; this one may be sent again."""


class Decoded(NamedTuple):
    """The part of a picture as a PNG file: its width and height, now and as they were given."""

    png: bytes
    kept: tuple[int, int]
    given: tuple[int, int]


def too_large() -> Refused:
    return Refused(
        _("The file is larger than %d MB. Save it smaller, or as JPEG.")
        % (settings.MOST_BYTES // 10**6),
        413,
    )


def unknown() -> Refused:
    return Refused(
        _("This is no picture that the page knows. Send a JPEG, PNG, WebP, GIF, TIFF or AVIF file.")
    )


def too_many_pixels(most: int) -> Refused:
    """What says that a repair, which keeps every pixel, takes no more than `most`."""
    words = _(
        "This repair keeps every pixel and takes at most %(n).1f megapixels. Choose a smaller part."
    )
    return Refused(words % {"n": most / 1e6}, 413)


def path_in_name() -> Refused:
    return Refused(_("The file's name contains a path. Send the file under its plain name."), 400)


def refusal(word: str) -> Refused:
    """What `decoder` says by a word, in words."""
    if word == "unknown":
        return unknown()
    if word == "pixels":
        words = _("The picture has more than %d megapixels. Make it smaller first.")
        return Refused(words % (settings.MOST_PIXELS // 10**6), 413)
    if word == "small":
        words = _("The picture is smaller than %(n)d×%(n)d pixels. Choose a larger one.")
        return Refused(words % {"n": decoder.SMALLEST})
    if word in ("scans", "slow", "memory"):
        words = _("The file takes too long or too much memory to read. Save it as plain JPEG.")
        return Refused(words, 413)
    return Refused(
        _("The file is damaged, or of a rare kind. Open it, save it as JPEG or PNG, and send that.")
    )


@cache
def processes() -> multiprocessing.context.BaseContext:
    """How processes are made: forked from a server that has `decoder` loaded, else anew."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([decoder.__name__])
    # Python 3.11 does not tell the server where modules lie
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    return context


@contextmanager
def _place() -> Iterator[None]:
    """One of the few places for reading a file; Busy where none becomes free in time."""
    if not waiting.acquire(blocking=False):
        raise Busy
    try:
        if not readers.acquire(timeout=settings.READING_WAIT):
            raise Busy
        try:
            yield
        finally:
            readers.release()
    finally:
        waiting.release()


def decode(data: bytes, part: decoder.Part) -> Decoded:
    """The part of the picture in an uploaded file: pixels only.

    Parameters
    ----------
    data : bytes
        The file. What else it holds, a program or a false name, is left behind.
    part : decoder.Part
        What is wanted of the picture.

    Returns
    -------
    Decoded
        The part, upright, in sRGB.

    Raises
    ------
    Refused
        Where the file is no picture, is damaged, or too large in any way.
    Busy
        Where too many files are read already.
    """
    if not data:
        raise Refused(_("The file is empty. Choose another one."))
    if len(data) > settings.MOST_BYTES:
        raise too_large()
    with _place():
        ours, theirs = multiprocessing.Pipe()
        job = (theirs, str(settings.FOLDER), part, settings.MOST_PIXELS)
        process = processes().Process(target=decoder.main, args=job, daemon=True)
        try:
            process.start()
            theirs.close()
            ours.send_bytes(data)
            if not ours.poll(SECONDS):
                raise refusal("slow")
            answer = json.loads(ours.recv_bytes(MOST_ANSWER))
            if "refused" in answer:
                raise refusal(answer["refused"])
            png = ours.recv_bytes(MOST_ANSWER)
            return Decoded(png, tuple(answer["kept"]), tuple(answer["given"]))
        except (EOFError, ConnectionError):  # a limit has ended it
            raise refusal("slow") from None
        finally:
            ours.close()
            process.kill()
            process.join()


def reread(path: Path, part: decoder.Part) -> Decoded:
    """A part of a picture that the page has made itself: of a sample, or of an earlier upload."""
    picture, given = decoder.read(path, part, settings.MOST_PIXELS)
    encoded = io.BytesIO()
    picture.save(encoded, "PNG", compress_level=1)
    return Decoded(encoded.getvalue(), picture.size, given)
