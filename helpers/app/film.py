"""GIFs and videos, frame by frame: format, sound and timing are kept; it knows no network."""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import av
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from helpers import images
from helpers.app import LeftOut, animation, film_frames, film_reader, film_tracks
from helpers.app.animation import beside, bleed  # noqa: F401  (others use `film.bleed`)
from helpers.files import replacing

# Videos whose format is kept; other videos become .mkv
HELD = {".mp4", ".m4v", ".mov", ".mkv", ".webm"}
KEPT = HELD | animation.SUFFIXES
SUFFIXES = HELD | {".avi", ".divx", ".dv", ".mpg", ".mpeg", ".mpe", ".m2v", ".vob", ".mod"}
SUFFIXES |= {".ts", ".mts", ".m2ts", ".m2t", ".tod", ".wmv", ".asf", ".3gp", ".3g2"}
SUFFIXES |= {".flv", ".f4v", ".ogv", ".ogm", ".mxf", ".qt", ".m1v", ".m2p", ".mpv", ".vro", ".tp"}
SUFFIXES |= {".trp", ".lrv", ".insv", ".3gpp", ".wtv", ".rm", ".rmvb", ".mjpeg", ".mjpg", ".y4m"}
SUFFIXES |= {".h264", ".264", ".h265", ".hevc", ".nut"}
FORMATS = {".m4v": "mp4"}  # FFmpeg's own for this suffix holds fewer kinds of sound


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
        True for a video, by its suffix, and for a GIF, WebP, PNG or AVIF of more than one frame.
    """
    return Path(path).suffix.lower() in SUFFIXES or animation.moves(path, file)


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
    with av.open(str(path), metadata_errors="replace") as container:
        return _comments(container)


def _comments(container) -> list[str]:
    return [text for key, text in container.metadata.items() if key.lower() == "comment"]


def frames(path: str | os.PathLike) -> Iterator[np.ndarray]:
    """The frames of a GIF or video, one by one, as they look on a standard screen. Lesson 10.

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
    if Path(path).suffix.lower() in animation.SUFFIXES:
        for rgba, _ in animation.frames(path):
            yield images.on_white(images.to_float(rgba))
        return
    with film_reader.opened(Path(path)) as reader:
        for packet in reader.container.demux(reader.stream):
            for frame in reader.frames(packet):
                yield images.on_white(film_frames.picture(frame, standard=True))


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


def rewrite(
    draw: Callable, source: str | os.PathLike, target: str | os.PathLike, label: str
) -> Path:
    """Write a film with each frame drawn anew. Lesson 10.

    One frame is in memory at a time; of an animation also its results. Kept are the time and
    duration of each frame, sounds, subtitles, chapters, attachments, languages, titles and texts,
    colours with their depth and HDR, transparency, a GIF's loop. A turned or mirrored video is laid
    upright, interlaced frames are made whole. A warning names what the format cannot hold. 8 bits
    become H.264, more become H.265; in WebM VP9 and AV1.

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
    if source.suffix.lower() in animation.SUFFIXES:
        return animation.rewrite(draw, source, target, label)
    suffix = target.suffix.lower()
    with (
        film_reader.opened(source) as reader,
        replacing(target) as part,
        av.open(
            str(part), "w", FORMATS.get(suffix), film_tracks.options(reader.container, suffix)
        ) as output,
    ):
        said = "; ".join([*_comments(reader.container), label])
        output.metadata.update(film_tracks.texts(reader.container, said))
        writer = Writer(draw, reader, output, suffix)
        with writer.shown:
            for packet in reader.packets():
                writer.write(packet)
        writer.close()
        reader.check_whole()
    return target


class Writer:
    """A result: the pictures of a film drawn anew, and its other tracks.

    Parameters
    ----------
    draw : callable
        (h, w, 3) float in [0, 1] → (h·k, w·k, 3).
    reader : film_reader.Reader
        The film.
    output : av.container.OutputContainer
        The result.
    suffix : str
        The result's.
    """

    def __init__(self, draw: Callable, reader: film_reader.Reader, output, suffix: str):
        self.draw = draw
        self.reader = reader
        self.output = output
        self.suffix = suffix
        self.pictures = None  # The first frame names the size, so the other tracks wait for it
        self.coder = None
        self.tracks = {}
        self.waiting = []
        self.durations = {}
        self.shown = tqdm(
            total=reader.stream.frames or None,
            desc=reader.path.name,
            unit="frame",
            leave=False,
            delay=2,
        )

    def write(self, packet: av.Packet) -> None:
        """Write what a packet of the film becomes."""
        if packet.stream is self.reader.stream:
            for frame in self.reader.frames(packet):
                self._write_frame(frame)
        elif self.pictures is None:
            self.waiting.append(packet)
        else:
            self._copy(packet)

    def close(self) -> None:
        """Write what the encoder still holds; ValueError where the film held no frame."""
        if self.pictures is None:
            raise ValueError(f"{self.reader.path} holds no frame; get the file again")
        self._mux(self.pictures.encode(None))

    def _copy(self, packet: av.Packet) -> None:
        track = self.tracks.get(packet.stream.index)
        if track is not None:
            self.output.mux(track.packets(packet))

    def _write_frame(self, frame: av.VideoFrame) -> None:
        picture = film_frames.picture(frame)
        if self.suffix not in film_frames.TRANSPARENT:
            picture = self._opaque(picture)
        drawn = beside(self.draw, picture)
        if self.pictures is None:
            self._start(frame, picture.shape, drawn.shape)
        coded = self.coder(drawn)
        coded.pts, coded.time_base = frame.pts, frame.time_base
        self.durations[frame.pts] = frame.duration
        self._mux(self.pictures.encode(coded))
        self.shown.update()

    def _warn(self, words: str, kind: type[Warning] = UserWarning) -> None:
        warnings.warn(f"{self.reader.path}: {words}", kind, stacklevel=6)

    def _opaque(self, picture: np.ndarray) -> np.ndarray:
        if picture.shape[2] == 4 and self.pictures is None:
            words = f"what is transparent becomes white, because {self.suffix} cannot hold it"
            self._warn(words, LeftOut)
        return images.on_white(picture)

    def _start(self, frame: av.VideoFrame, old: tuple, new: tuple) -> None:
        """Add the pictures, first, so that players find them first, and then the other tracks."""
        way = film_frames.storage(self.suffix, self.reader, frame, old, new)
        self.coder = film_frames.Coder(way, frame, new)
        if way.square:
            self._warn("its pixels are made square, because the result's codec knows no others")
        if film_frames.has_dynamic_light(self.reader.path, frame):
            self._warn("its light by scene (Dolby Vision or HDR10+) is left out", LeftOut)
        self.pictures = film_frames.add(self.output, way, self.reader, frame, new)
        film_tracks.describe(self.pictures, self.reader.stream)
        self.tracks = film_tracks.add(self.output, self.reader, self.suffix)
        for packet in self.waiting:
            self._copy(packet)
        self.waiting.clear()

    def _mux(self, packets: list[av.Packet]) -> None:
        for packet in packets:
            packet.duration = self.durations.pop(packet.pts)
        self.output.mux(packets)
