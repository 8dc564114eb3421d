"""GIFs and videos drawn by code, through `video` and `restore_file`."""

import os
import re
import signal
import subprocess
import sys
import weakref
from fractions import Fraction

import av
import numpy as np
import pytest

from helpers import ROOT, images
from helpers.app import film

TIMES = [0, 40, 80, 200, 240, 500, 540]  # milliseconds: the rate varies


def twice(frame):
    return images.enlarge(frame, 2)


def drawing(k, size=(32, 48)):
    """A smooth picture, red on the left, whose light moves with k."""
    y, x = np.mgrid[: size[0], : size[1]]
    light = 0.5 + 0.4 * np.sin((x + 3 * k) / 8) * np.cos(y / 6)
    return np.stack([np.where(x < 12, 0.9, light), 0.3 * light, 0.2 * light], -1).astype(np.float32)


def make_film(  # noqa: PLR0913  (a film has so many properties)
    path, times=TIMES, size=(32, 48), sound=True, rotation=0, codec="libx264", audio="aac"
):
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if rotation:
            stream.set_display_rotation(rotation)
        voice = out.add_stream(audio, rate=48000, layout="mono") if sound else None
        for k, at in enumerate(times):
            frame = av.VideoFrame.from_ndarray(images.to_uint8(drawing(k, size)), "rgb24")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            out.mux(stream.encode(frame))
        if times:
            out.mux(stream.encode(None))
        if voice:
            wave = np.sin(np.arange(48000 * 6 // 10) / 20).astype(np.float32)[None]
            for k in range(0, wave.shape[1], 960):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(wave[:, k : k + 960]), "fltp", "mono"
                )
                frame.sample_rate, frame.pts = 48000, k
                out.mux(voice.encode(frame))
            out.mux(voice.encode(None))
    return path


def packets(path):
    """The sound's packets as they lie in the file, each with its time."""
    with av.open(str(path)) as container:
        found = [p for p in container.demux(container.streams.audio) if p.dts is not None]
        return [(bytes(p), round(float(p.pts * p.time_base), 3)) for p in found]


def times(path):
    with av.open(str(path)) as container:
        return [
            round(float(frame.pts * frame.time_base) * 1000) for frame in container.decode(video=0)
        ]


def rewritten(source, folder, suffix=None, draw=twice):
    return film.rewrite(draw, source, folder / f"out{suffix or source.suffix}", "Restored with x")


@pytest.mark.parametrize(
    ("suffix", "codec", "audio"),
    [
        (".mp4", "libx264", "aac"),
        (".mov", "libx264", "aac"),
        (".mkv", "mpeg4", "aac"),
        (".webm", "libvpx-vp9", "libopus"),
    ],
)
def test_the_same_format_comes_out_with_times_and_sound_as_they_were(
    tmp_path, suffix, codec, audio
):
    source = make_film(tmp_path / f"x{suffix}", codec=codec, audio=audio)
    result = rewritten(source, tmp_path)
    assert times(result) == times(source) == TIMES  # the rate varies, and still does
    assert packets(result) == packets(source)
    with av.open(str(result)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    before, after = list(film.frames(source)), list(film.frames(result))
    assert after[0].shape == (64, 96, 3)
    assert all(np.abs(b - twice(a)).mean() < 0.03 for a, b in zip(before, after, strict=True))
    assert film.comments(result) == ["Restored with x"]
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_without_sound(tmp_path):
    result = rewritten(make_film(tmp_path / "x.mp4", sound=False), tmp_path)
    assert times(result) == TIMES
    with av.open(str(result)) as container:
        assert not container.streams.audio


def test_odd_sides_and_an_old_container(tmp_path):
    frames = [drawing(k, (31, 47)) for k in range(4)]
    with av.open(str(tmp_path / "x.avi"), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.height, stream.width, stream.pix_fmt = 31, 47, "bgr0"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(images.to_uint8(frame), "rgb24")))
        out.mux(stream.encode(None))
    result = rewritten(tmp_path / "x.avi", tmp_path, ".mkv", draw=lambda frame: frame)
    after = list(film.frames(result))
    assert len(after) == 4
    assert all(np.abs(a - b).mean() < 0.02 for a, b in zip(frames, after, strict=True))
    assert times(result) == [0, 100, 200, 300]


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_a_turned_video_is_laid_upright(tmp_path, rotation):
    source = make_film(tmp_path / "x.mp4", rotation=rotation)
    (first, *_), (result, *_) = (
        list(film.frames(p)) for p in (source, rewritten(source, tmp_path))
    )
    expected = np.rot90(drawing(0), rotation // 90)
    assert first.shape == expected.shape
    assert np.abs(first - expected).mean() < 0.03
    assert np.abs(result - twice(first)).mean() < 0.03
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert next(container.decode(video=0)).rotation == 0  # not turned again


def test_colours_survive(tmp_path):
    """Red stays red, from standard definition to high: each has its own way from RGB to YUV."""
    red = np.zeros((360, 640, 3), np.float32) + np.float32([0.8, 0.1, 0.2])
    source = make_film(tmp_path / "x.mp4", sound=False)
    (first, *_) = film.frames(rewritten(source, tmp_path, draw=lambda frame: twice(red)))
    assert first.shape == (720, 1280, 3)
    assert np.abs(first.mean(axis=(0, 1)) - [0.8, 0.1, 0.2]).max() < 0.02


def test_flicker_is_what_the_result_adds():
    calm = [drawing(0)] * 4
    unsteady = [twice(frame) + 0.1 * (k % 2) for k, frame in enumerate(calm)]
    assert film.flicker(calm, map(twice, calm)) == pytest.approx(0, abs=1e-6)
    assert film.flicker(iter(calm), iter(unsteady)) == pytest.approx(0.1, abs=1e-3)
    moving = [drawing(k) for k in range(4)]
    assert film.flicker(moving, map(twice, moving)) == pytest.approx(0, abs=1e-6)
    with pytest.raises(ValueError, match="at least two"):
        film.flicker(calm[:1], calm[:1])


# what is wrong with a video


def broken(tmp_path, source, words):
    before = sorted(p.name for p in tmp_path.iterdir())
    with pytest.raises(ValueError, match=words):
        rewritten(source, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.8])
def test_a_cut_video_is_named_and_leaves_nothing(tmp_path, suffix, share):
    source = make_film(
        tmp_path / f"x{suffix}", times=range(0, 4000, 40), size=(64, 96), sound=False
    )
    source.write_bytes(source.read_bytes()[: int(share * source.stat().st_size)])
    broken(tmp_path, source, rf"x\{suffix} (is damaged|is cut|holds no)")


def test_text_noise_and_sound_alone_are_no_videos(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    broken(tmp_path, tmp_path / "text.mp4", "damaged or no video")
    (tmp_path / "noise.mkv").write_bytes(np.random.default_rng(0).bytes(5000))
    broken(tmp_path, tmp_path / "noise.mkv", "damaged or no video")
    with av.open(str(tmp_path / "sound.mkv"), "w") as out:
        voice = out.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        out.mux(voice.encode(frame) + voice.encode(None))
    broken(tmp_path, tmp_path / "sound.mkv", "holds no film")
    with pytest.raises(FileNotFoundError, match="there is no file"):
        rewritten(tmp_path / "none.mp4", tmp_path)


def test_no_frame_at_all(tmp_path):
    broken(tmp_path, make_film(tmp_path / "x.mkv", times=[]), r"holds no|damaged|cut")


def test_a_failing_frame_leaves_nothing_and_keeps_the_older_result(tmp_path):
    source, calls = make_film(tmp_path / "x.mp4"), []
    (tmp_path / "out.mp4").write_text("older")

    def draw(frame):
        calls.append(1)
        if len(calls) == 3:
            raise ValueError("the third")
        return twice(frame)

    with pytest.raises(ValueError, match="the third"):
        rewritten(source, tmp_path, draw=draw)
    assert (tmp_path / "out.mp4").read_text() == "older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.mp4", "x.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such limit")
def test_a_full_disk(tmp_path, no_space):
    make_film(tmp_path / "x.mp4")
    (tmp_path / "y.mp4").write_text("older")
    script = (
        "from helpers.app import film\n"
        "try: film.rewrite(lambda frame: frame, 'x.mp4', 'y.mp4', 'label')\n"
        "except OSError as error: print(error)\n"
    )  # a program of its own: FFmpeg's threads do not survive a fork
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    options = {
        "cwd": tmp_path,
        "env": environment,
        "preexec_fn": no_space,
        "stdout": subprocess.PIPE,
        "text": True,
    }
    done = subprocess.run([sys.executable, "-c", script], timeout=60, **options)
    assert re.search(r"cannot write y\.mp4.*free space", done.stdout)
    assert (tmp_path / "y.mp4").read_text() == "older"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.mp4", "y.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGKILL")
def test_a_killed_process_leaves_nothing_half_written(tmp_path):
    make_film(tmp_path / "x.mp4")
    script = (
        "import time\nfrom pathlib import Path\nfrom helpers.app import film\n"
        "def slow(frame):\n    print('frame', flush=True)\n    time.sleep(0.2)\n    return frame\n"
        f"film.rewrite(slow, {str(tmp_path / 'x.mp4')!r}, "
        f"Path({str(tmp_path / 'y.mp4')!r}), 'label')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"frame\n"
        assert child.stdout.readline() == b"frame\n"
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "y.mp4").exists()
    assert images.find(tmp_path.parent / tmp_path.name, {".mp4"}) == [
        tmp_path / "x.mp4"
    ]  # a hidden rest is no film


def test_one_frame_at_a_time(tmp_path):
    """Ten times as long takes no more memory: no frame is held after it was drawn."""
    source, alive, most = (
        make_film(tmp_path / "x.mp4", times=range(0, 4000, 20), sound=False),
        [],
        0,
    )

    def draw(frame):
        nonlocal most
        alive.append(weakref.ref(frame))
        most = max(most, sum(ref() is not None for ref in alive))
        return frame

    rewritten(source, tmp_path, draw=draw)
    assert len(alive) == 200 and most <= 3
