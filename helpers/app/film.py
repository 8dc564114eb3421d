"""GIFs and videos, frame by frame: the same format out, sound and timing kept; no network is known here."""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageSequence
from tqdm.auto import tqdm

from helpers import images
from helpers.files import replacing

KEPT = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif"}
SUFFIXES = KEPT - {".gif"} | {
    ".avi",
    ".mpg",
    ".mpeg",
    ".wmv",
    ".3gp",
}  # these become .mkv, which holds any sound
BT601, BT709, LIMITED = (
    5,
    1,
    1,
)  # how colours become YUV, by FFmpeg's numbers: standard and high definition, 16 to 235
ENCODERS = {".webm": ("libvpx-vp9", {"crf": "24", "cpu-used": "4", "row-mt": "1"})}
X264 = "libx264", {"crf": "18"}


def moves(path: str | os.PathLike) -> bool:
    """Whether the file is a video, by its suffix, or a GIF of more than one frame."""
    path = Path(path)
    if path.suffix.lower() != ".gif":
        return path.suffix.lower() in SUFFIXES
    try:
        with Image.open(path) as file:
            return getattr(file, "is_animated", False)
    except Exception:  # Pillow raises whatever it likes; images.read will say what is wrong
        return False


def comments(path: str | os.PathLike) -> list[str]:
    """What a video's comment says, where `rewrite` leaves its label."""
    with av.open(str(path)) as container:
        return [text for key, text in container.metadata.items() if key.lower() == "comment"]


def frames(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """The frames of a GIF or video, one by one, as course pictures: upright, what is transparent on white.

    Raises FileNotFoundError where there is no such file, and ValueError for one that is damaged or no video.
    """
    if Path(path).suffix.lower() == ".gif":
        for rgba, _ in _gif(Path(path)):
            alpha = images.to_float(rgba[..., 3:])
            yield images.to_float(rgba[..., :3]) * alpha + 1 - alpha
        return
    with _video(Path(path)) as (container, stream):
        for frame in container.decode(stream):
            yield _picture(frame)


def flicker(before: Iterable[np.ndarray], after: Iterable[np.ndarray]) -> float:
    """How much more a restored film changes from frame to frame than its source: 0 is none, in [0, 1] of brightness.

    The mean absolute difference of neighbouring frames of `after`, minus that of `before` enlarged to the same size by
    Pillow's bicubic. Both are streamed, as `frames` gives them. ValueError for fewer than two frames, and for unequal
    numbers of them.
    """
    last, changes = None, []
    for old, new in zip(before, after, strict=True):
        pair = images.resize(old, new.shape[:2], "bicubic"), new
        if last:
            changes.append([np.abs(a - b).mean() for a, b in zip(pair, last, strict=True)])
        last = pair
    if not changes:
        raise ValueError("flicker is between frames; give at least two")
    old, new = np.mean(changes, axis=0)
    return float(new - old)


def rewrite(
    draw: Callable, source: str | os.PathLike, target: str | os.PathLike, label: str
) -> Path:
    """Write `source` with each frame drawn anew by `draw` ((h, w, 3) float → (h·k, w·k, 3)) to `target`; returns it.

    One frame is in memory at a time (and of a GIF all its results, a byte a pixel, until it is written). Kept are each
    frame's time, also where the rate varies, a GIF's loop and transparency, and a video's sound, copied as it
    is, and its texts; a turned video is laid upright. Subtitles and more than 8 bits are not. H.264, or VP9 in WebM.
    `label` goes into the comment. Raises FileNotFoundError where there is no such file, ValueError for one that is
    damaged, cut or holds no frame, and OSError in words where it cannot be written; then nothing is left.
    """
    source, target = Path(source), Path(target)
    if source.suffix.lower() == ".gif":
        return _rewrite_gif(draw, source, target, label)
    with (
        _video(source) as (container, stream),
        replacing(target) as part,
        av.open(str(part), "w") as output,
    ):
        output.metadata.update(container.metadata)
        output.metadata["comment"] = "; ".join([*comments(source), label])
        written, held, pts, ends = None, [], -(2**62), 0.0
        step = int(1 / ((stream.average_rate or 25) * stream.time_base))
        bar = tqdm(
            total=stream.frames or None, desc=source.name, unit="frame", leave=False, delay=2
        )
        for packet in container.demux(stream, *container.streams.audio):
            if packet.pts is not None:
                ends = max(ends, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            if packet.stream.type == "audio":
                held += [packet] if packet.dts is not None else []
            else:
                for frame in packet.decode():
                    pts = max(frame.pts if frame.pts is not None else max(pts + step, 0), pts + 1)
                    drawn = images.to_uint8(draw(_picture(frame)))
                    if not written:  # first, so that players find it first
                        written = _add(output, target.suffix, drawn.shape, stream)
                        sound = {
                            s.index: output.add_stream_from_template(s)
                            for s in container.streams.audio
                        }
                    drawn = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), "rgb24")
                    drawn = drawn.reformat(
                        format=written.pix_fmt, dst_colorspace=BT709, dst_color_range=LIMITED
                    )
                    drawn.pts, drawn.time_base = pts, stream.time_base
                    held += written.encode(drawn)
                    bar.update()
            if written:  # the header names the size, so sound waits for it
                for waiting in held:
                    waiting.stream = (
                        sound[waiting.stream.index] if waiting.stream.type == "audio" else written
                    )
                output.mux(held)
                held = []
        bar.close()
        if not written:
            raise ValueError(f"{source} holds no frame; get the file again")
        lasts, begins = (container.duration or 0) / 1e6, (container.start_time or 0) / 1e6
        if ends - begins < 0.98 * lasts - 0.3:
            raise ValueError(
                f"{source} is cut: {ends - begins:.1f} of {lasts:.1f} s are there; get the file again"
            )
        output.mux(written.encode(None))
    return target


def _add(output, suffix: str, shape: tuple[int, ...], source):
    """A video stream for frames of `shape`, timed like the stream `source`."""
    codec, options = ENCODERS.get(suffix, X264)
    written = output.add_stream(codec, rate=source.average_rate or 25, options=options)
    written.height, written.width = shape[:2]
    written.pix_fmt = (
        "yuv444p" if shape[0] % 2 or shape[1] % 2 else "yuv420p"
    )  # which halves both sides for colour
    written.time_base = written.codec_context.time_base = source.time_base
    written.codec_context.bit_rate = 0  # quality decides
    written.codec_context.colorspace, written.codec_context.color_range = BT709, LIMITED
    if ratio := source.sample_aspect_ratio:
        written.codec_context.sample_aspect_ratio = ratio
    return written


@contextmanager
def _video(path: Path):
    """An opened video and its stream of pictures; what is wrong with it in words."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.best("video")
            if stream is None:
                raise ValueError(f"{path} holds no film, or its end is missing; get the file again")
            stream.thread_type = "AUTO"
            yield container, stream
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise  # the disk's
        raise ValueError(f"{path} is damaged or no video ({error}); get the file again") from error


def _picture(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as a course picture, upright."""
    matrix = (
        frame.colorspace
        if frame.colorspace not in (0, 2)
        else (BT709 if frame.height >= 720 else BT601)
    )
    pixels = frame.to_ndarray(format="rgb24", src_colorspace=matrix)
    return images.to_float(np.rot90(pixels, frame.rotation // 90))


def _gif(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """A GIF's frames as they are seen, (h, w, 4) uint8, each with its milliseconds."""
    images.read(path)  # says what is wrong
    if b";" not in path.read_bytes()[-16:]:
        raise ValueError(f"{path} is cut: its end is missing; get the file again")
    with Image.open(path) as file:
        try:
            for frame in ImageSequence.Iterator(file):
                yield np.asarray(frame.convert("RGBA")), frame.info.get("duration", 0)
        except (OSError, SyntaxError, EOFError) as error:
            raise ValueError(f"{path} is damaged ({error}); get the file again") from error


def _rewrite_gif(draw: Callable, source: Path, target: Path, label: str) -> Path:
    clear = any((rgba[..., 3] == 0).any() for rgba, _ in _gif(source))
    with Image.open(source) as file:
        options = {"loop": file.info["loop"]} if "loop" in file.info else {}
        said, count = file.info.get("comment", b""), file.n_frames

    def drawn() -> Iterator[Image.Image]:
        for rgba, duration in tqdm(
            _gif(source), source.name, count, unit="frame", leave=False, delay=2
        ):
            hidden = rgba[..., 3] == 0
            sr = images.to_uint8(draw(images.bleed(images.to_float(rgba[..., :3]), hidden)))
            frame = Image.fromarray(sr).quantize(255)
            if clear:
                frame.putpalette(np.resize(frame.getpalette(), 768).tolist())
                alpha = Image.fromarray(rgba[..., 3]).resize(frame.size, Image.Resampling.BICUBIC)
                frame.paste(255, mask=Image.fromarray(np.asarray(alpha) < 128))
                frame.info["transparency"] = 255
            frame.info["duration"] = duration
            yield frame

    rest = drawn()
    first, encoded = next(rest), io.BytesIO()  # Pillow's own writers do not notice a full disk
    words = "; ".join(
        filter(None, [said.decode(errors="replace") if isinstance(said, bytes) else said, label])
    )
    options |= {"comment": words.encode()[-255:]} | (
        {"disposal": 2, "transparency": 255} if clear else {}
    )
    first.save(encoded, "GIF", save_all=True, append_images=rest, optimize=False, **options)
    with replacing(target) as part:
        part.write_bytes(encoded.getbuffer())
    return target
