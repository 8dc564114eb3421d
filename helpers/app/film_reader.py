"""Reading a film: its packets and whole frames, each with its time, and what is wrong with it."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
from av.stream import Disposition

# Codecs that pass over a fault silently, unless they are told not to
CARELESS = {"mjpeg", "wmv1", "wmv2", "msmpeg4v2", "msmpeg4v3"}
# A decoder that sees transparency, where FFmpeg's own passes over it
SEES_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# Broadcasts and discs: the clock may start anywhere, and the first pictures may lack their key
STREAMED = {"mpegts", "mpeg"}
# Formats that say of each track how long it is
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
EXACT = {MP4, "matroska,webm"}
LARGEST_RATE = 1000  # Frames a second; a header that says more is wrong


class Reader:
    """A film's packets, and the frames of its pictures.

    Attributes
    ----------
    path : Path
        The film.
    container : av.container.InputContainer
        The opened film.
    stream : av.VideoStream
        Its pictures.
    rate : Fraction
        Its frames a second.
    """

    def __init__(self, path: Path, container):
        self.path = path
        self.container = container
        self.stream = _pictures(container)
        if self.stream is None:
            raise ValueError(f"{path} holds no film, or its end is missing; get the file again")
        self._decoder = _decoder(self.stream)
        self.rate = frame_rate(self.stream)
        self._step = max(1, int(1 / (self.rate * self.stream.time_base)))
        self._waiting = None  # The next frame's time says how long it lasts
        self._size = None
        self._deinterlacer = None
        self._ends = {}  # {index of a track: seconds}, and so the next
        self._clocks = {}

    def packets(self) -> Iterator[av.Packet]:
        """Every track's packets, on a clock that starts with the film.

        Yields
        ------
        av.Packet
            Each track's last one is empty.

        Raises
        ------
        ValueError
            Where the film says that a packet is damaged.
        """
        starts = begins(self.container)
        try:
            for packet in self.container.demux():
                if packet.size == 0 and packet.dts is not None:
                    continue  # AVI's word for a picture that is shown on
                if packet.duration and packet.duration >= 1 << 31:
                    packet.duration = 0  # FFmpeg's slip, where Ogg cuts more than the packet holds
                offset = round(starts / packet.time_base)
                if packet.pts is not None:
                    packet.pts -= offset
                    duration = (packet.duration or 0) * packet.time_base
                    self._note_end(packet, float(packet.pts * packet.time_base + duration))
                if packet.dts is not None:
                    packet.dts -= offset
                    self._check_clock(packet)
                if packet.is_corrupt:
                    self._fail(packet.pts)
                yield packet
        except IndexError as error:  # PyAV's, at a track that begins within the film
            raise ValueError(
                f"{self.path}: a track begins within the film; convert it by another program first"
            ) from error

    def _check_clock(self, packet: av.Packet) -> None:
        """ValueError where a track's clock starts anew, as in files that were joined end to end."""
        now = float(packet.dts * packet.time_base)
        last = self._clocks.get(packet.stream.index, now)
        if now < last - 1:
            raise ValueError(
                f"{self.path}: its clock starts anew at {last:.1f} s; cut it there, and restore the"
                " parts"
            )
        self._clocks[packet.stream.index] = now

    def _note_end(self, packet: av.Packet, end: float) -> None:
        index = packet.stream.index
        self._ends[index] = max(end, self._ends.get(index, 0.0))

    def _fail(self, pts: int | None) -> None:
        at = "" if pts is None else f" at {float(pts * self.stream.time_base):.1f} s"
        raise ValueError(f"{self.path} is damaged{at}; get the file again")

    def frames(self, packet: av.Packet) -> Iterator[av.VideoFrame]:
        """The frames that a packet of the stream completes, each with its time and duration.

        Parameters
        ----------
        packet : av.Packet
            The stream's next; an empty one at the end.

        Yields
        ------
        av.VideoFrame
            Progressive, all of one size.

        Raises
        ------
        ValueError
            For a frame that is damaged, and where the size or the clock changes.
        """
        for frame in self._whole(packet):
            last = self._waiting
            frame.pts, frame.duration = self._time(frame, last), self._ticks(frame, frame.duration)
            frame.time_base = self.stream.time_base
            self._waiting = frame
            if last is not None:
                last.duration = frame.pts - last.pts
                yield last
        if packet.size == 0 and self._waiting is not None:
            last, self._waiting = self._waiting, None
            last.duration = self._last_duration(last)
            yield last

    def _whole(self, packet: av.Packet) -> Iterator[av.VideoFrame]:
        """The decoded frames; interlaced ones are made whole, as many as they were."""
        for frame in self._decode(packet):
            if frame.is_corrupt:
                self._fail(frame.pts)
            size = frame.width, frame.height
            if size != (self._size or size):
                raise ValueError(
                    f"{self.path} changes its size from {self._size} to {size}; cut it there, and"
                    " restore the parts"
                )
            self._size = size
            if frame.interlaced_frame and self._deinterlacer is None:
                self._deinterlacer = self._new_deinterlacer(frame)
            yield from self._deinterlaced(frame)
        if packet.size == 0:
            yield from self._deinterlaced(None)

    def _decode(self, packet: av.Packet) -> list[av.VideoFrame]:
        try:
            return self._decoder.decode(packet)
        except av.error.InvalidDataError:
            if self.container.format.name not in STREAMED or self._size:
                self._fail(packet.pts)
        return []

    def _new_deinterlacer(self, frame: av.VideoFrame) -> av.filter.Graph:
        warnings.warn(f"{self.path} is interlaced; its half pictures are made whole", stacklevel=5)
        graph = av.filter.Graph()
        source = graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=self.stream.time_base,
        )
        deinterlacer = graph.add("bwdif", "mode=send_frame:deint=interlaced")
        graph.link_nodes(source, deinterlacer, graph.add("buffersink"))
        graph.configure()
        return graph

    def _deinterlaced(self, frame: av.VideoFrame | None) -> Iterator[av.VideoFrame]:
        """The frames that the deinterlacer has ready; without one, the frame itself."""
        if self._deinterlacer is None:
            if frame is not None:
                yield frame
            return
        self._deinterlacer.push(frame)
        while True:
            try:
                yield self._deinterlacer.vpull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return

    def _ticks(self, frame: av.VideoFrame, time: int) -> int:
        """A frame's time or duration on the stream's clock; the deinterlacer's is finer."""
        base = frame.time_base or self.stream.time_base
        return round(time * base / self.stream.time_base)

    def _time(self, frame: av.VideoFrame, last: av.VideoFrame | None) -> int:
        """A frame's time, always after the last one's; one step later where it does not say."""
        if frame.pts is None:
            return 0 if last is None else last.pts + self._step
        pts = self._ticks(frame, frame.pts)
        return pts if last is None else max(pts, last.pts + 1)

    def _last_duration(self, frame: av.VideoFrame) -> int:
        """How long the last frame lasts: until the track ends, where the film says so."""
        duration = frame.duration or self._step
        kind = self.container.format.name
        ends = _declared_end(self.stream)
        if ends is None and len(self.container.streams) == 1:
            ends = (self.container.duration or 0) / 1e6
        if kind not in EXACT or not ends:
            return duration
        left = round(ends / self.stream.time_base) - frame.pts
        if kind == MP4 and left > 0:  # Its frames' own durations are those of their coded order
            return left
        return max(duration, left)

    def check_whole(self) -> None:
        """Check that the film reached its end.

        Raises
        ------
        ValueError
            Where the packets end before the film says that it does.
        """
        tracks = [
            track
            for track in self.container.streams
            if track.type in ("audio", "video") and not is_attached(track)
        ]
        declared = {track.index: _declared_end(track) for track in tracks}
        if self.container.format.name in EXACT and all(declared.values()):
            for index, lasts in declared.items():
                self._check_end(lasts, self._ends.get(index, 0.0))
            return
        starts = (self.container.start_time or 0) / 1e6 - begins(self.container)
        lasts = (self.container.duration or 0) / 1e6
        self._check_end(lasts, max(self._ends.values(), default=0.0) - starts)

    def _check_end(self, lasts: float, there: float) -> None:
        if there < 0.98 * lasts - 0.3:
            raise ValueError(
                f"{self.path} is cut: {there:.1f} of {lasts:.1f} s are there; get the file again"
            )


def begins(container) -> float:
    """When a film's clock starts, in seconds; 0 for formats whose clock starts at 0.

    Parameters
    ----------
    container : av.container.InputContainer
        The film.

    Returns
    -------
    float
        To subtract from every time.
    """
    if container.format.name not in STREAMED:
        return 0.0
    return (container.start_time or 0) / 1e6


def is_attached(stream) -> bool:
    """Whether a stream is a still picture beside the film, such as its cover.

    Parameters
    ----------
    stream : av.stream.Stream
        Any.

    Returns
    -------
    bool
        True for a still.
    """
    return bool(stream.disposition & Disposition.attached_pic)


def frame_rate(stream) -> Fraction:
    """A stream's frames a second.

    Parameters
    ----------
    stream : av.VideoStream
        A film's pictures.

    Returns
    -------
    Fraction
        25 where the film says nothing that can be.
    """
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and rate <= LARGEST_RATE:
            return rate
    return Fraction(25)


def _pictures(container):
    """The stream of pictures: FFmpeg's choice, unless that is a cover; None without one."""
    best = container.streams.best("video")
    if best is not None and not is_attached(best):
        return best
    moving = [stream for stream in container.streams.video if not is_attached(stream)]
    return moving[0] if moving else None


def _decoder(stream) -> av.CodecContext:
    """The decoder for a stream of pictures."""
    codec = stream.codec_context.name
    if stream.metadata.get("alpha_mode") == "1" and codec in SEES_ALPHA:
        return av.CodecContext.create(SEES_ALPHA[codec], "r")
    if codec in CARELESS:
        stream.codec_context.options = {"err_detect": "explode"}
    stream.codec_context.thread_type = "AUTO"
    return stream.codec_context


def _declared_end(stream) -> float | None:
    """When a track ends, in seconds, as the film says; None where it does not."""
    if stream.duration:
        return float((stream.duration + (stream.start_time or 0)) * stream.time_base)
    said = re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", ""))
    if not said:
        return None
    hours, minutes, seconds = map(float, said.groups())
    return 3600 * hours + 60 * minutes + seconds


@contextmanager
def opened(path: Path) -> Iterator[Reader]:
    """A film to read.

    Parameters
    ----------
    path : Path
        The film.

    Yields
    ------
    Reader
        Open until the block ends.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file that is damaged or no video, and for what else FFmpeg refuses within the block.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            yield Reader(path, container)
    except av.error.FFmpegError as error:
        if isinstance(error, OSError):
            raise  # It is an error of the disk
        raise ValueError(f"{path} is damaged or no video ({error}); get the file again") from error
