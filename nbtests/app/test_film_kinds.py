"""Films as cameras, discs and editors make them, each drawn here, so that it is known."""

import os
import sys
import warnings
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
from av.sidedata.sidedata import Type

from helpers import images
from helpers.app import film, film_frames, film_reader

MS = Fraction(1, 1000)
HLG, PQ = 18, 16
RED = np.float32([0.9, 0.1, 0.1])


def same(frame):
    return frame


def corners(size=(48, 64)):
    """Dark, with another light in each corner: no turn or mirror leaves it as it is."""
    picture = np.full((*size, 3), 0.2, np.float32)
    picture[:16, :16] = 0.9
    picture[:16, -16:] = (0.9, 0.2, 0.2)
    picture[-16:, :16] = (0.2, 0.8, 0.2)
    return picture


def write(path, pictures, times=None, last=40, **how):
    """A film of float pictures. `how`: codec, options, pix_fmt, set_up(stream, container)."""
    times = times or range(0, 40 * len(pictures), 40)
    kind = "rgba" if pictures[0].shape[2] == 4 else "rgb24"
    with av.open(str(path), "w", format=how.get("format")) as out:
        stream = out.add_stream(how.get("codec", "libx264"), 25, options=how.get("options", {}))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = how.get("pix_fmt", "yuv420p")
        stream.time_base = stream.codec_context.time_base = how.get("clock", MS)
        if how.get("set_up"):
            how["set_up"](stream, out)
        packets = []
        for at, picture in zip(times, pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(images.to_uint8(picture), kind)
            frame = frame.reformat(format=stream.pix_fmt, interpolation=film_frames.EXACT)
            frame.pts, frame.time_base = round(at * MS / stream.time_base), stream.time_base
            packets += stream.encode(frame)
        packets += stream.encode(None)
        shown_last = max(packets, key=lambda packet: packet.pts)
        shown_last.duration = round(last * MS / stream.time_base)
        out.mux(packets)
        if how.get("more"):
            out.mux(how["more"](out))
    return path


def tone(stream, seconds, start=0):
    """Packets of a rising tone that begins `start` samples late."""
    at = np.arange(round(seconds * stream.rate)) / stream.rate
    wave = (8000 * np.sin(2 * np.pi * (300 + 400 * at) * at)).astype(np.int16)
    packets = []
    for k in range(0, len(wave), 1024):
        frame = av.AudioFrame.from_ndarray(wave[None, k : k + 1024], "s16", "mono")
        frame.sample_rate, frame.pts = stream.rate, start + k
        frame.time_base = Fraction(1, stream.rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def heard(path, track=0):
    """Samples of a sound, and when it starts."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=track))
    first = frames[0].pts * frames[0].time_base
    parts = [frame.to_ndarray().reshape(-1) for frame in frames]
    return np.concatenate(parts).astype(float), float(first)


def rewrite(source, draw=same, suffix=None):
    """The result, and what was warned of."""
    target = source.with_name(f"out{suffix or source.suffix}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        film.rewrite(draw, source, target, "Restored with x")
    words = [str(warning.message) for warning in said]
    for warning in said:
        lost = "left out" in str(warning.message) or "transparent" in str(warning.message)
        assert issubclass(warning.category, film.LeftOut) == lost
    return target, " ".join(words)


def stream_of(path):
    """The first stream of pictures, of a container that stays open."""
    return av.open(str(path)).streams.video[0]


def refused(source, words):
    before = sorted(p.name for p in source.parent.iterdir())
    with pytest.raises(ValueError, match=words):
        film.rewrite(same, source, source.with_name("out.mkv"), "x")
    assert sorted(p.name for p in source.parent.iterdir()) == before


# Geometry


TURNS = {  # {display matrix: what a viewer shows}
    (1, 0, 0, 1): lambda f: f,
    (-1, 0, 0, 1): lambda f: f[:, ::-1],
    (1, 0, 0, -1): lambda f: f[::-1],
    (-1, 0, 0, -1): lambda f: f[::-1, ::-1],
    (0, 1, 1, 0): lambda f: f.swapaxes(0, 1),
    (0, 1, -1, 0): lambda f: np.rot90(f, -1),
    (0, -1, 1, 0): np.rot90,
    (0, -1, -1, 0): lambda f: f[::-1, ::-1].swapaxes(0, 1),
}


@pytest.mark.parametrize("matrix", TURNS)
def test_a_turned_or_mirrored_film_is_laid_upright_with_its_oblong_pixels(tmp_path, matrix):
    a, b, c, d = (value << 16 for value in matrix)

    def set_up(stream, _):
        stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        stream.codec_context.sample_aspect_ratio = Fraction(16, 15)

    source = write(tmp_path / "x.mp4", [corners()] * 3, set_up=set_up)
    expected = TURNS[matrix](corners())
    result, said = rewrite(source)
    for path in (source, result):
        first = next(film.frames(path))
        assert first.shape == expected.shape
        assert np.abs(first - expected).mean() < 0.02
    assert stream_of(result).sample_aspect_ratio == Fraction(*((15, 16) if b else (16, 15)))
    assert not said


def test_oblong_pixels_become_square_where_the_codec_knows_no_others(tmp_path):
    source = write(
        tmp_path / "x.mkv",
        [corners()] * 3,
        set_up=lambda stream, _: setattr(
            stream.codec_context, "sample_aspect_ratio", Fraction(4, 3)
        ),
    )
    result, said = rewrite(source, suffix=".webm")
    assert "pixels are made square" in said
    assert next(film.frames(result)).shape == (48, 86, 3)


def test_a_film_that_changes_its_size_is_refused(tmp_path):
    for name, size in (("a", (48, 64)), ("b", (64, 80))):
        write(
            tmp_path / f"{name}.m2v",
            [corners(size)] * 4,
            codec="mpeg2video",
            clock=Fraction(1, 25),
            format="mpeg2video",
        )
    both = tmp_path / "x.m2v"
    both.write_bytes((tmp_path / "a.m2v").read_bytes() + (tmp_path / "b.m2v").read_bytes())
    refused(both, r"x\.m2v changes its size from \(64, 48\) to \(80, 64\)")


# Colours


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv444p"])
def test_no_film_comes_out_darker(tmp_path, pix_fmt):
    y, x = np.mgrid[:96, :128] / 128
    soft = np.stack([0.2 + 0.6 * x, 0.3 + 0.5 * y, 0.8 - 0.6 * x], -1).astype(np.float32)
    source = write(tmp_path / "x.mkv", [soft] * 4, pix_fmt=pix_fmt, options={"crf": "4"})
    result, _ = rewrite(source)
    before, after = (np.stack(list(film.frames(path))) for path in (source, result))
    assert abs((after - before).mean()) < 0.2 / 255
    assert np.abs((after - before).mean(axis=(0, 1, 2))).max() < 0.7 / 255


def test_a_palette_is_opaque_and_its_colours_are_fine():
    palette = av.VideoFormat("pal8")
    assert not film_frames.has_alpha(palette)
    assert film_frames._chroma(palette, (48, 64, 3), (48, 64, 3)) == "444"
    assert film_frames._chroma(av.VideoFormat("gray"), (48, 64, 3), (48, 64, 3)) == "420"


def test_fine_colours_keep_their_resolution(tmp_path):
    stripes = np.zeros((48, 64, 3), np.float32)
    stripes[:, ::2, 0] = stripes[:, 1::2, 2] = 0.8
    source = write(tmp_path / "x.mkv", [stripes] * 3, codec="ffv1", pix_fmt="bgr0")
    result, _ = rewrite(source)
    assert np.abs(next(film.frames(result)) - stripes).mean() < 0.03
    twice, _ = rewrite(source, lambda frame: frame.repeat(2, 0).repeat(2, 1), ".mp4")
    assert stream_of(twice).pix_fmt == "yuv420p"  # half of the double


@pytest.mark.parametrize("codec", ["libx264", "libvpx-vp9"])
def test_colours_are_not_shifted_against_the_light(tmp_path, codec):
    """Colour is sampled at every second pixel; H.264 has these left of where others may."""
    spot = np.full((48, 64, 3), 0.5, np.float32)
    spot[20:28, 28:36] = RED
    source = write(tmp_path / "x.mkv", [spot] * 3, codec=codec, options={"crf": "4"})
    result, _ = rewrite(source)

    def middle(path):
        with av.open(str(path)) as container:
            plane = next(container.decode(video=0)).planes[2]
        colour = np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]
        weight = np.abs(colour.astype(float) - np.median(colour)).sum(axis=0)
        return (weight * np.arange(len(weight))).sum() / weight.sum()

    assert middle(result) == pytest.approx(middle(source), abs=0.08)


def test_a_grey_film_stays_grey(tmp_path):
    grey = corners().mean(axis=-1, keepdims=True).repeat(3, axis=-1)
    source = write(tmp_path / "x.mp4", [grey] * 3)
    result, _ = rewrite(source, lambda frame: frame + RED / 10)
    for frame in film.frames(result):
        assert np.ptp(frame, axis=-1).max() < 2 / 255


def hdr(path, transfer, options=None):
    """A film in BT.2020 and 10 bits whose code values are those of `corners`."""
    way = film_frames.Storage("libx265", {}, "yuv420p10le", 9, 9, transfer, None)
    with av.open(str(path), "w") as out:
        parameters = ":".join(["log-level=none", *(options or [])])
        stream = out.add_stream("libx265", 25, options={"x265-params": parameters, "crf": "8"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, way.pix_fmt
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, transfer
        empty = av.VideoFrame(64, 48, "yuv420p10le")
        for _ in range(4):
            out.mux(stream.encode(film_frames.Coder(way, empty, (48, 64, 3))(corners())))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("transfer", [HLG, PQ])
@pytest.mark.parametrize("suffix", [".mov", ".webm"])
def test_hdr_stays_what_it_is(tmp_path, transfer, suffix):
    light = ["master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"]
    light += ["max-cll=1000,400", "hdr10=1"]
    source = hdr(tmp_path / "x.mp4", transfer, light if transfer == PQ else [])
    result, _ = rewrite(source, lambda frame: frame.repeat(2, 0).repeat(2, 1), suffix)
    with av.open(str(result)) as container:
        frame = next(container.decode(video=0))
        assert frame.format.name == "yuv420p10le"
        assert (frame.color_trc, frame.color_primaries, frame.colorspace) == (transfer, 9, 9)
        after = film_frames.picture(frame)
        if transfer == PQ and suffix == ".mov":
            most, mean = np.frombuffer(frame.side_data[Type.CONTENT_LIGHT_LEVEL], np.uint32)[:2]
            assert (most, mean) == (1000, 400)
            assert Type.MASTERING_DISPLAY_METADATA in {data.type for data in frame.side_data}
    assert np.abs(after - corners((48, 64)).repeat(2, 0).repeat(2, 1)).mean() < 0.02


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="SVT-AV1 asks only root")
def test_no_encoder_takes_the_machine_for_itself(tmp_path):
    found = set()

    def draw(frame):
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):
                found.add(os.sched_getscheduler(int(thread.name)))
        return frame

    source = hdr(tmp_path / "x.mp4", HLG)
    result, _ = rewrite(source, draw, ".webm")
    assert stream_of(result).codec_context.name == "libdav1d"  # thus AV1 was written
    assert found == {os.SCHED_OTHER}


def test_light_by_scene_is_said_and_dolbys_own_colours_are_refused(tmp_path):
    def frame(transfer, *kinds):
        side_data = [SimpleNamespace(type=kind) for kind in kinds]
        return SimpleNamespace(color_trc=transfer, side_data=side_data)

    assert not film_frames.has_dynamic_light(tmp_path, frame(PQ, Type.CONTENT_LIGHT_LEVEL))
    assert film_frames.has_dynamic_light(tmp_path, frame(PQ, Type.DYNAMIC_HDR_PLUS))
    assert film_frames.has_dynamic_light(tmp_path, frame(HLG, Type.DOVI_RPU_BUFFER))
    with pytest.raises(ValueError, match="Dolby Vision alone"):
        film_frames.has_dynamic_light(tmp_path, frame(2, Type.DOVI_METADATA))


def test_hdr_is_mapped_where_somebody_looks(tmp_path):
    source = hdr(tmp_path / "x.mp4", HLG)
    shown = next(film.frames(source))
    with av.open(str(source)) as container:
        raw = film_frames.picture(next(container.decode(video=0)))
    assert shown[8, 8].min() > raw[8, 8].min()  # white is whiter
    red = np.s_[4:12, -12:-4]
    assert np.ptp(shown[red].mean(axis=(0, 1))) > 1.05 * np.ptp(raw[red].mean(axis=(0, 1)))


# Time


@pytest.mark.parametrize("bf", ["0", "2"])  # With 2, MP4's durations are in the order of coding
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_each_picture_keeps_its_duration_and_so_does_the_last(tmp_path, suffix, bf):
    source = write(
        tmp_path / f"x{suffix}",
        [corners()] * 3,
        times=[0, 2000, 2500],
        last=300,
        options={"bf": bf},
    )
    result, _ = rewrite(source)
    with av.open(str(source)) as before, av.open(str(result)) as after:
        assert after.duration == pytest.approx(before.duration, abs=1500)
        if bf == "0":
            assert after.duration == pytest.approx(2.8e6, abs=50_000)
        times = [float(frame.pts * frame.time_base) for frame in after.decode(video=0)]
    assert times == pytest.approx([0, 2, 2.5], abs=0.002)


def test_a_rate_that_no_camera_has_is_not_believed(tmp_path):
    source = write(tmp_path / "x.mkv", [corners()] * 3)
    with av.open(str(source)) as container:
        assert film_reader.Reader(source, container).rate == 25

    odd = SimpleNamespace(average_rate=Fraction(30000), guessed_rate=Fraction(24))
    assert film_reader.frame_rate(odd) == 24


def test_a_clock_that_starts_anew_is_said(tmp_path):
    clock = Fraction(1, 25)
    one = write(
        tmp_path / "one.vob", [corners()] * 50, codec="mpeg2video", format="vob", clock=clock
    )
    joined = tmp_path / "x.vob"
    joined.write_bytes(one.read_bytes() * 2)
    refused(joined, r"x\.vob: its clock starts anew at [12]\.\d s; cut it there")


def interlaced(path):
    """A bright column that moves between the half pictures of each frame."""
    frames = []
    for k in range(8):
        frame = np.full((48, 96, 3), 0.1, np.float32)
        frame[::2, 8 * k : 8 * k + 16] = 0.9
        frame[1::2, 8 * k + 4 : 8 * k + 20] = 0.9
        frames.append(frame)
    options = {"x264-params": "interlaced=1:tff=1", "crf": "8"}
    return write(path, frames, options=options), frames


def test_half_pictures_are_made_whole(tmp_path):
    source, frames = interlaced(tmp_path / "x.mkv")
    result, said = rewrite(source)
    assert "x.mkv is interlaced" in said

    def combs(pictures):
        return np.mean([np.abs(np.diff(picture, axis=0)).mean() for picture in pictures])

    after = list(film.frames(result))
    assert len(after) == len(frames)
    assert combs(after) < 0.3 * combs(frames)
    with av.open(str(result)) as container:
        assert not any(frame.interlaced_frame for frame in container.decode(video=0))


# Transparency


def clear():
    """Left half transparent, right half opaque and bright."""
    picture = np.full((48, 64, 4), 0.8, np.float32)
    picture[..., 3] = np.arange(64) >= 32
    return picture


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        (".webm", "libvpx-vp9", "yuva420p"),
        (".webm", "libvpx", "yuva420p"),
        (".mov", "prores_ks", "yuva444p10le"),
        (".mkv", "ffv1", "bgra"),
    ],
)
def test_transparency_is_kept(tmp_path, suffix, codec, pix_fmt):
    options = {"auto-alt-ref": "0"} if codec.startswith("libvpx") else {}
    source = write(
        tmp_path / f"x{suffix}", [clear()] * 3, codec=codec, pix_fmt=pix_fmt, options=options
    )
    result, said = rewrite(source, lambda frame: frame.repeat(2, 0).repeat(2, 1))
    assert not said
    with film_reader.opened(result) as reader:
        packets = reader.container.demux(reader.stream)
        frames = [film_frames.picture(f) for packet in packets for f in reader.frames(packet)]
    assert len(frames) == 3
    for frame in frames:
        assert frame.shape == (96, 128, 4)
        assert np.abs(frame[..., 3] - (np.arange(128) >= 64)).mean() < 0.03
        assert np.abs(frame[:, 72:, :3] - 0.8).max() < 0.03
    assert next(film.frames(result))[:, :56].min() > 0.97  # on white


def test_transparency_that_the_format_cannot_hold_is_said(tmp_path):
    source = write(tmp_path / "x.mp4", [clear()] * 3, codec="png", pix_fmt="rgba")
    result, said = rewrite(source)
    assert "x.mp4: what is transparent becomes white, because .mp4 cannot hold it" in said
    assert next(film.frames(result))[:, :28].min() > 0.97


# Sounds, subtitles and the rest


def test_languages_titles_flags_chapters_subtitles_and_fonts_are_kept(tmp_path):
    sounds = []

    def set_up(stream, out):
        stream.metadata["language"] = "fra"
        for language, title, flag in (("eng", "Film", 0), ("kor", "Comments", 1)):
            sound = out.add_stream("flac", 48000, layout="mono")
            sound.metadata.update(language=language, title=title)
            sound.disposition = flag
            sounds.append(sound)
        words = out.add_mux_stream("subrip", time_base=MS)
        words.metadata["language"] = "deu"
        sounds.append(words)
        out.add_attachment("font.ttf", "application/x-truetype-font", b"a font")
        marks = [(0, 100, "One"), (100, 200, "Two")]
        chapters = [
            {"id": k, "start": a, "end": b, "time_base": MS, "metadata": {"title": title}}
            for k, (a, b, title) in enumerate(marks)
        ]
        out.set_chapters(chapters)
        out.metadata["title"] = "A lake"

    def more(_):
        first, second, words = sounds
        packet = av.Packet(b"Hello")
        packet.stream, packet.time_base, packet.duration = words, MS, 8000
        packet.pts = packet.dts = 50  # It outlasts the pictures
        return [*tone(first, 0.2), *tone(second, 0.2), packet]

    source = write(tmp_path / "x.mkv", [corners()] * 5, set_up=set_up, more=more)
    result, said = rewrite(source)
    assert not said
    told = []
    for path in (source, result):
        with av.open(str(path)) as container:
            tracks = [
                (s.type, s.language, s.metadata.get("title"), int(s.disposition))
                for s in container.streams
            ]
            fonts = [(s.name, s.mimetype, s.data) for s in container.streams.attachments]
            chapters = [(c["start"], c["end"], c["metadata"]) for c in container.chapters()]
            words = [bytes(p) for p in container.demux(container.streams.subtitles) if p.size]
            told.append((tracks, fonts, chapters, words, container.metadata["title"]))
    assert told[0] == told[1]
    assert told[0][3] == [b"Hello"] and len(told[0][2]) == 2 and len(told[0][0]) == 5


@pytest.mark.parametrize(
    ("suffix", "sound", "to", "becomes"),
    [
        (".avi", "adpcm_ms", ".mkv", "flac"),
        (".wmv", "wmav2", ".mkv", "flac"),
        (".mkv", "flac", ".webm", "opus"),
        (".avi", "adpcm_ima_wav", ".m4v", "aac"),
    ],
)
def test_a_sound_that_the_format_cannot_hold_is_encoded_anew(tmp_path, suffix, sound, to, becomes):
    voice = []

    def set_up(_, out):
        voice.append(out.add_stream(sound, 48000, layout="mono", bit_rate=64000))

    source = write(
        tmp_path / f"x{suffix}",
        [corners()] * 25,
        codec="mpeg4",
        clock=Fraction(1, 25),
        set_up=set_up,
        more=lambda _: tone(voice[0], 1),
    )
    result, said = rewrite(source, suffix=to)
    assert f"x{suffix}: its sound ({sound}" in said and f"because {to} cannot hold it" in said
    with av.open(str(result)) as container:
        assert container.streams.audio[0].name == becomes
    (old, starts), (new, begins) = heard(source), heard(result)
    assert begins == pytest.approx(starts, abs=0.03)
    shared = min(len(old), len(new)) - 4000
    product = np.fft.irfft(np.fft.rfft(new, 2**17) * np.conj(np.fft.rfft(old, 2**17)))
    shift = int(np.argmax(product))
    shift -= 2**17 if shift > 2**16 else 0
    assert abs(shift / 48000 + begins - starts) < 0.002
    a, b = (wave[max(0, by) :][:shared] for wave, by in ((old, -shift), (new, shift)))
    assert np.corrcoef(a, b)[0, 1] > 0.98


def test_what_the_format_cannot_hold_is_said(tmp_path):
    def set_up(_, out):
        out.add_attachment("font.ttf", "application/x-truetype-font", b"a font")

    source = write(tmp_path / "x.mkv", [corners()] * 3, set_up=set_up)
    _, said = rewrite(source, suffix=".mp4")
    assert "x.mkv: left out, because .mp4 cannot hold it: attachment 1 (font.ttf)" in said


def test_a_cameras_own_texts_and_its_time_code_are_kept(tmp_path):
    def set_up(stream, out):
        out.metadata.update({"com.apple.quicktime.make": "Apple", "title": "A lake"})
        stream.metadata["timecode"] = "01:02:03:04"

    path = tmp_path / "x.mov"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as out:
        stream = out.add_stream("libx264", 25, width=64, height=48)
        set_up(stream, out)
        frame = av.VideoFrame.from_ndarray(images.to_uint8(corners()), "rgb24")
        out.mux(stream.encode(frame) + stream.encode(None))
    result, said = rewrite(path)
    assert not said
    with av.open(str(result)) as container:
        assert container.metadata["com.apple.quicktime.make"] == "Apple"
        assert container.metadata["title"] == "A lake"
        assert container.streams.video[0].metadata["timecode"] == "01:02:03:04"
    assert film.comments(result) == ["Restored with x"]


# Camcorders, and damage


CAMCORDERS = [".mts", ".M2TS", ".ts", ".vob", ".mod", ".ogv", ".flv", ".dv", ".vro", ".tp", ".lrv"]


@pytest.mark.parametrize("suffix", CAMCORDERS)
def test_camcorders_suffixes_are_films(suffix):
    assert film.moves(f"x{suffix}")


def test_a_broadcasts_clock_starts_at_its_first_picture(tmp_path):
    voice = []

    def set_up(_, out):
        voice.append(out.add_stream("ac3", 48000, layout="mono"))

    source = write(
        tmp_path / "x.mts",
        [corners()] * 10,
        times=range(5000, 5400, 40),
        format="mpegts",
        set_up=set_up,
        more=lambda _: tone(voice[0], 0.4, 5 * 48000),
    )
    result, said = rewrite(source, suffix=".mkv")
    assert not said
    with av.open(str(result)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert len(times) == 10 and times[0] < 0.1
    assert heard(result)[1] < 0.1


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".avi", "mpeg4")])
def test_a_film_that_is_damaged_in_its_middle_is_refused_with_the_place(tmp_path, suffix, codec):
    rng = np.random.default_rng(0)
    large = cv2.resize(rng.uniform(0.1, 0.9, (12, 16, 3)), (256, 192)).astype(np.float32)
    frames = [np.roll(large, 3 * k, axis=1) for k in range(40)]
    source = write(tmp_path / f"x{suffix}", frames, codec=codec, clock=Fraction(1, 25))
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = rng.bytes(300)
    source.write_bytes(data)
    refused(source, rf"x\{suffix} is damaged at [01]\.\d s; get the file again")
