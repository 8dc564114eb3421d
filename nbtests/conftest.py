import ctypes
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

from helpers import ROOT


@pytest.fixture
def picture():
    """48×64, smooth, each channel its own gradient, none of them flat."""
    y, x = np.mgrid[0:48, 0:64].astype(np.float32)
    return np.stack([x / 63, y / 47, 0.5 + 0.5 * np.sin(x / 9) * np.cos(y / 7)], axis=-1).astype(
        np.float32
    )


@pytest.fixture
def speckle():
    """Noise, which no format compresses much: its file is larger than any limit set here."""
    return np.random.default_rng(0).random((128, 128, 3), np.float32)


@pytest.fixture
def eager():
    """Let TensorFlow compile nothing: where few steps are trained, that costs the most."""
    import tensorflow as tf

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Even though the `tf.config", UserWarning)  # of tf.data
        tf.config.run_functions_eagerly(True)
        yield
        tf.config.run_functions_eagerly(False)


def png_bytes(width, height, depth, colour, rows, *extra):
    """A PNG by hand: `rows` are the rows of pixels without their filter bytes.

    `extra` are chunks as (name, data), which stand before the pixels.
    """

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    middle = b"".join(chunk(name, data) for name, data in extra)
    return b"\x89PNG\r\n\x1a\n" + header + middle + pixels + chunk(b"IEND", b"")


@pytest.fixture(name="png_bytes")
def _png_bytes():
    return png_bytes


@pytest.fixture
def bomb(tmp_path):
    """A PNG of 68 bytes that claims 20,000×20,000 pixels."""
    path = tmp_path / "bomb.png"
    path.write_bytes(png_bytes(20_000, 20_000, 8, 2, [b"\0\0\0"]))
    return path


def nobody():
    """Root writes where it likes: step down. Others keep who they are."""
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)


def bound_by_permissions():
    """The same for a program that is about to start.

    Where root's home is closed, nobody could not even find that program.
    """
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def no_space(limit=1000):
    """A write past `limit` bytes of any file fails, as on a full disk; the process goes on."""
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


def in_child(folder, before, call, options):
    if os.name == "nt":
        pytest.skip("Windows has neither fork nor these limits")

    def start():
        os.chdir(folder)
        before()

    with (
        warnings.catch_warnings(),
        ProcessPoolExecutor(1, multiprocessing.get_context("fork"), start) as pool,
    ):
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # of the parent's threads; the child needs none of them
        return pool.submit(*call, **options).result()


@pytest.fixture
def as_nobody(tmp_path):
    """Call a function in a child without root's rights, started in tmp_path.

    Give it relative paths: nobody cannot walk through the parents of tmp_path.
    """
    tmp_path.chmod(0o755)
    return lambda *call, **options: in_child(tmp_path, nobody, call, options)


@pytest.fixture
def on_full_disk(tmp_path):
    """Call a function in a child that runs out of space, started in tmp_path."""
    return lambda *call, **options: in_child(tmp_path, no_space, call, options)


@pytest.fixture(name="no_space")
def _no_space():
    return no_space


@pytest.fixture(name="bound_by_permissions")
def _bound_by_permissions():
    return bound_by_permissions


@pytest.fixture
def command(tmp_path):
    """Run `python -m helpers …` in tmp_path; `before` is called in its process first."""

    def run(*arguments, before=None, encoding=None):
        if before and os.name == "nt":
            pytest.skip("Windows has neither fork nor these limits")
        return subprocess.run(
            [sys.executable, "-m", "helpers", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=before,
            capture_output=True,
            text=True,
            encoding=encoding,
            timeout=120,
        )

    return run


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A folder of three pictures, 81×80, to train recipes on.

    All that the recipes read and write is in tmp_path.
    """
    from skimage import data

    from helpers import images, training
    from helpers.app import train

    monkeypatch.setattr(train, "ROOT", tmp_path)
    monkeypatch.setattr(train, "training_folder", lambda name: tmp_path / "work" / name)
    for function in (training.save_weights, training.load_weights):
        monkeypatch.setattr(function, "__defaults__", (tmp_path / "weights",))
    for k in range(3):
        images.write(
            tmp_path / f"toy/{k}.png",
            images.to_float(data.chelsea())[40 * k : 40 * k + 81, 100:180],
        )
    return tmp_path / "toy"
