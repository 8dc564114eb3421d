"""GIFs and videos, frame by frame: format, sound and timing are kept; it knows no network."""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image, ImageSequence
from tqdm.auto import tqdm

from helpers import images
from helpers.files import replacing

KEPT = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif"}
# What is not kept becomes .mkv, which holds any sound
SUFFIXES = KEPT - {".gif"} | {".avi", ".mpg", ".mpeg", ".wmv", ".3gp"}
# How colours become YUV, by FFmpeg's numbers: standard and high definition, 16 to 235
BT601 = 5
BT709 = 1
LIMITED = 1
ENCODERS = {".webm": ("libvpx-vp9", {"crf": "24", "cpu-used": "4", "row-mt": "1"})}
X264 = ("libx264", {"crf": "18"})


def moves(path: str | os.PathLike, file: Image.Image | None = None) -> bool:
    """Whether a file is a film.

    Parameters
    ----------
    path : path-like
        Any file.
    file : PIL.Image.Image, optional
        The picture, where it is open already.

    Returns
    -------
    bool
        True for a video, by its suffix, and for a GIF of more than one frame.
    """
    suffix = Path(path).suffix.lower()
    if suffix != ".gif":
        return suffix in SUFFIXES
    try:
        if file is None:
            with Image.open(path) as opened:
                return moves(path, opened)
        return getattr(file, "is_animated", False)
    except Exception:  # Pillow raises errors of every class; `rewrite` will say what is wrong
        return False


def comments(path: str | os.PathLike) -> list[str]:
    """A video's comments, where `rewrite` leaves its label.

    Parameters
    ----------
    path : path-like
        A video.

    Returns
    -------
    list[str]
        Its comments.
    """
    with av.open(str(path)) as container:
        return [text for key, text in container.metadata.items() if key.lower() == "comment"]


def frames(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """The frames of a GIF or video, one by one. Lesson 10.

    Parameters
    ----------
    path : path-like
        A GIF or a video.

    Yields
    ------
    np.ndarray
        (h, w, 3), float32 in [0, 1], upright, what is transparent on white.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file that is damaged or no video.
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
    """How much more a restored film changes from frame to frame than its source. Lesson 10.

    mean |after[t] - after[t - 1]| - mean |enlarged before[t] - enlarged before[t - 1]|, enlarged
    by Pillow's bicubic.

    Parameters
    ----------
    before, after : iterable of np.ndarray
        Frames (h, w, 3) and (h·k, w·k, 3), float in [0, 1], as `frames` gives them.

    Returns
    -------
    float
        0 is none, 1 from black to white.

    Raises
    ------
    ValueError
        For fewer than two frames, and for unequal numbers of them.
    """
    last = None
    changes = []
    for old, new in zip(before, after, strict=True):
        pair = (images.resize(old, new.shape[:2], "bicubic"), new)
        if last:
            changes.append([np.abs(a - b).mean() for a, b in zip(pair, last, strict=True)])
        last = pair
    if not changes:
        raise ValueError("flicker is between frames; give at least two")
    old, new = np.mean(changes, axis=0)
    return float(new - old)


def bleed(picture: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Give each hidden pixel the nearest visible one's colour.

    Otherwise the enlarged edge would take on colours that nobody saw.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float.
    hidden : np.ndarray
        (h, w), bool.

    Returns
    -------
    np.ndarray
        (h, w, 3), float; white where nothing is visible at all.
    """
    if not hidden.any():
        return picture
    if hidden.all():
        return np.ones_like(picture)
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((nearest.max() + 1, 3), np.float32)
    colours[nearest[~hidden]] = picture[~hidden]
    return colours[nearest]


def rewrite(
    draw: Callable, source: str | os.PathLike, target: str | os.PathLike, label: str
) -> Path:
    """Write a film with each frame drawn anew. Lesson 10.

    One frame is in memory at a time; of a GIF also its results, a byte a pixel. Kept are the time
    of each frame, a GIF's loop and transparency, a video's sound, copied as it is, and its texts. A
    turned video is laid upright. Subtitles and more than 8 bits are lost. H.264, or VP9 in WebM.

    Parameters
    ----------
    draw : callable
        (h, w, 3) float in [0, 1] → (h·k, w·k, 3).
    source, target : path-like
        The film, and where the result goes.
    label : str
        Goes into the comment.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file that is damaged, cut or holds no frame; then nothing is left.
    OSError
        Where the result cannot be written; then nothing is left.
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
        written = None
        sound = {}
        held = []
        pts = -(2**62)
        ends = 0.0
        step = int(1 / ((stream.average_rate or 25) * stream.time_base))
        frames = tqdm(
            total=stream.frames or None, desc=source.name, unit="frame", leave=False, delay=2
        )
        for packet in container.demux(stream, *container.streams.audio):
            ends = max(ends, _end(packet))
            if packet.stream.type == "audio":
                held += [packet] if packet.dts is not None else []
                continue
            for frame in packet.decode():
                pts = _time(frame.pts, pts, step)
                drawn = images.to_uint8(draw(_picture(frame)))
                if not written:  # It stands first, so that players find it first
                    written = _add(output, target.suffix, drawn.shape, stream)
                    for audio in container.streams.audio:
                        sound[audio.index] = output.add_stream_from_template(audio)
                held += written.encode(_frame(drawn, written.pix_fmt, pts, stream.time_base))
                frames.update()
            if written:  # The header names the size, so sound waits for it
                _mux(held, output, written, sound)
                held = []
        frames.close()
        if not written:
            raise ValueError(f"{source} holds no frame; get the file again")
        _check_end(source, container, ends)
        output.mux(written.encode(None))
    return target


def _end(packet: av.Packet) -> float:
    """When a packet ends, in seconds; 0 where it does not say."""
    if packet.pts is None:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _time(pts: int | None, last: int, step: int) -> int:
    """A frame's time, always after the last one's; one step later where it does not say."""
    if pts is None:
        pts = max(last + step, 0)
    return max(pts, last + 1)


def _frame(drawn: np.ndarray, pix_fmt: str, pts: int, time_base) -> av.VideoFrame:
    """A frame for the encoder from (h, w, 3) uint8."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn), "rgb24")
    frame = frame.reformat(format=pix_fmt, dst_colorspace=BT709, dst_color_range=LIMITED)
    frame.pts = pts
    frame.time_base = time_base
    return frame


def _mux(held: list, output, written, sound: dict) -> None:
    """Write packets of pictures and sound, each to its stream."""
    for packet in held:
        packet.stream = sound[packet.stream.index] if packet.stream.type == "audio" else written
    output.mux(held)


def _check_end(source: Path, container, ends: float) -> None:
    """ValueError where the last packet ends before the film does."""
    lasts = (container.duration or 0) / 1e6
    there = ends - (container.start_time or 0) / 1e6
    if there < 0.98 * lasts - 0.3:
        raise ValueError(
            f"{source} is cut: {there:.1f} of {lasts:.1f} s are there; get the file again"
        )


def _add(output, suffix: str, shape: tuple[int, ...], source):
    """A video stream for frames of `shape`, timed like the stream `source`."""
    codec, options = ENCODERS.get(suffix, X264)
    written = output.add_stream(codec, rate=source.average_rate or 25, options=options)
    written.height, written.width = shape[:2]
    even = shape[0] % 2 == 0 and shape[1] % 2 == 0
    written.pix_fmt = "yuv420p" if even else "yuv444p"  # The first halves both sides for colour
    written.time_base = source.time_base
    written.codec_context.time_base = source.time_base
    written.codec_context.bit_rate = 0  # Quality decides
    written.codec_context.colorspace = BT709
    written.codec_context.color_range = LIMITED
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
            raise  # It is an error of the disk
        raise ValueError(f"{path} is damaged or no video ({error}); get the file again") from error


def _picture(frame: av.VideoFrame) -> np.ndarray:
    """A decoded frame as a course picture, upright."""
    matrix = frame.colorspace
    if matrix in (0, 2):  # It does not say
        matrix = BT709 if frame.height >= 720 else BT601
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
        options = {key: file.info[key] for key in ("loop",) if key in file.info}
        said = file.info.get("comment", b"")
        count = file.n_frames

    def drawn() -> Iterator[Image.Image]:
        for rgba, duration in tqdm(
            _gif(source), source.name, count, unit="frame", leave=False, delay=2
        ):
            hidden = rgba[..., 3] == 0
            sr = images.to_uint8(draw(bleed(images.to_float(rgba[..., :3]), hidden)))
            frame = Image.fromarray(sr).quantize(255)
            if clear:
                frame.putpalette(np.resize(frame.getpalette(), 768).tolist())
                alpha = Image.fromarray(rgba[..., 3]).resize(frame.size, Image.Resampling.BICUBIC)
                frame.paste(255, mask=Image.fromarray(np.asarray(alpha) < 128))
                frame.info["transparency"] = 255
            frame.info["duration"] = duration
            yield frame

    if isinstance(said, bytes):
        said = said.decode(errors="replace")
    words = f"{said}; {label}" if said else label
    options["comment"] = words.encode()[-255:]
    if clear:
        options["disposal"] = 2
        options["transparency"] = 255
    rest = drawn()
    first = next(rest)
    encoded = io.BytesIO()  # Pillow's own writers do not notice a full disk
    first.save(encoded, "GIF", save_all=True, append_images=rest, optimize=False, **options)
    with replacing(target) as part:
        part.write_bytes(encoded.getbuffer())
    return target
