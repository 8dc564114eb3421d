"""What a film holds beside its pictures: sounds, subtitles, attachments, chapters, texts."""

import warnings
from fractions import Fraction
from pathlib import Path

import av

from helpers.app import LeftOut
from helpers.app.film_reader import Reader, begins, is_attached

# What stays true of a track in its new file
TEXTS = {"language", "title", "handler_name", "timecode", "filename", "mimetype", "comment"}
# What tells about the old file alone; the new one gets its own
STALE = {"major_brand", "minor_version", "compatible_brands", "encoder", "comment", "duration"}
# Sound that a format cannot hold is encoded anew
ENCODERS = {".mkv": "flac", ".webm": "libopus"}
JUMP = 0.1  # Seconds; less is the rounding of times, more is a gap in the sound
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


class Copied:
    """A track whose packets go into the result as they are."""

    def __init__(self, output, source):
        self.stream = output.add_stream_from_template(source)

    def packets(self, packet: av.Packet) -> list[av.Packet]:
        """The packets to write for one of the source."""
        if packet.dts is None:
            return []
        packet.stream = self.stream
        return [packet]


class Encoded:
    """A sound that is decoded and encoded anew, because the result's format cannot hold it."""

    def __init__(self, output, source, codec: str):
        self.source_rate = source.rate
        self.next = None  # The next sample's number
        rate = source.rate
        if codec == "libopus":
            rate = 48000
        elif codec == "aac" and rate not in av.Codec("aac", "w").audio_rates:
            rate = 44100
        self.stream = output.add_stream(codec, rate=rate)
        context = self.stream.codec_context
        context.layout = LAYOUTS.get(source.channels, "stereo")
        if codec == "flac" and source.format.bytes > 2 and source.format.name.startswith("s32"):
            context.format = "s32"
        if codec != "flac":
            context.bit_rate = 96000 * context.channels

    def packets(self, packet: av.Packet) -> list[av.Packet]:
        """The packets to write for one of the source; the source's last, empty one ends them."""
        written = []
        for frame in packet.decode():
            self._set_time(frame)
            written += self.stream.encode(frame)
        if packet.size == 0:
            written += self.stream.encode(None)
        return written

    def _set_time(self, frame: av.AudioFrame) -> None:
        """Count samples: a source's own times are rounded, and may be missing at the end."""
        if frame.pts is not None:
            at = round(frame.pts * frame.time_base * self.source_rate)
            if self.next is None or abs(at - self.next) > JUMP * self.source_rate:
                self.next = at
        frame.pts = self.next or 0
        frame.time_base = Fraction(1, self.source_rate)
        self.next = frame.pts + frame.samples


def add(output, reader: Reader, suffix: str) -> dict:
    """Give the result the film's tracks and chapters, all but its pictures.

    Parameters
    ----------
    output : av.container.OutputContainer
        The result.
    reader : Reader
        The film.
    suffix : str
        The result's.

    Returns
    -------
    dict
        {index of a stream of the film: its track, with `packets`}.
    """
    tracks = {}
    lost = []
    for stream in reader.container.streams:
        if stream is reader.stream or _is_made_anew(stream, reader.container):
            continue
        track = _track(output, stream, suffix, reader.path)
        if track is None:
            lost.append(_words(stream))
        else:
            tracks[stream.index] = track
            describe(track.stream, stream)
    if lost:
        warnings.warn(
            f"{reader.path}: left out, because {suffix} cannot hold it: {', '.join(lost)}",
            LeftOut,
            stacklevel=2,
        )
    output.set_chapters(_chapters(reader.container))
    return tracks


def _is_made_anew(stream, container) -> bool:
    """Whether no viewer misses a track: time code and chapters are written anew, as is an index."""
    if stream.type != "data":
        return False
    if "timecode" in stream.metadata or stream.name == "dvd_nav_packet":
        return True
    return stream.name == "bin_data" and bool(container.chapters())


def _track(output, stream, suffix: str, path: Path) -> Copied | Encoded | None:
    """A track of the result for a stream of the source; None where the format holds no such."""
    if stream.type == "attachment":
        return Copied(output, stream) if suffix == ".mkv" else None
    if stream.type == "video":
        if not is_attached(stream):
            return None
        return _Attached(output, stream) if suffix == ".mkv" else _copied(output, stream)
    if stream.type == "subtitle":
        return _copied(output, stream)
    if stream.type != "audio" or stream.codec_context is None:
        return None
    track = _copied(output, stream)
    if track is None:
        codec = ENCODERS.get(suffix, "aac")
        track = Encoded(output, stream, codec)
        warnings.warn(
            f"{path}: its sound ({stream.name}) is encoded anew as {track.stream.name}, because"
            f" {suffix} cannot hold it",
            stacklevel=3,
        )
    return track


def _copied(output, stream) -> Copied | None:
    try:
        return Copied(output, stream)
    except ValueError:  # The format does not hold this codec
        return None


class _Attached:
    """A cover or another still picture, which Matroska holds as an attached file."""

    def __init__(self, output, source):
        data = _first_packet(source)
        kind = {"mjpeg": "jpeg"}.get(source.name, source.name)
        name = source.metadata.get("filename", f"cover.{kind}")
        mimetype = source.metadata.get("mimetype", f"image/{kind}")
        self.stream = output.add_attachment(name, mimetype, data)

    def packets(self, packet: av.Packet) -> list[av.Packet]:
        """None: the header holds it."""
        return []


def _first_packet(stream) -> bytes:
    """The packet of a still picture, read from the file on its own."""
    with av.open(stream.container.name) as container:
        for packet in container.demux(container.streams[stream.index]):
            return bytes(packet)
    return b""


def _words(stream) -> str:
    """A track in words, such as "subtitle 3 (dvb_teletext)"."""
    kind = {"audio": "sound", "video": "pictures"}.get(stream.type, stream.type)
    name = getattr(stream, "name", None) or "unknown"
    return f"{kind} {stream.index} ({name})"


def describe(written, stream) -> None:
    """Give a track of the result its language, title and flags.

    Parameters
    ----------
    written, stream : av.stream.Stream
        The result's and the source's.
    """
    kept = {key: text for key, text in stream.metadata.items() if key.lower() in TEXTS}
    written.metadata.update(kept)
    written.disposition = int(stream.disposition)


def texts(container, comment: str) -> dict[str, str]:
    """A film's texts, such as its title, date and place, and a new comment.

    Parameters
    ----------
    container : av.container.InputContainer
        The source.
    comment : str
        Instead of the source's.

    Returns
    -------
    dict[str, str]
        For the result's metadata.
    """
    kept = {key: text for key, text in container.metadata.items() if key.lower() not in STALE}
    return kept | {"comment": comment}


def options(container, suffix: str) -> dict[str, str]:
    """What the result's writer is told.

    Parameters
    ----------
    container : av.container.InputContainer
        The source.
    suffix : str
        The result's.

    Returns
    -------
    dict[str, str]
        Options of FFmpeg: for a camera's own texts, such as Apple's, a place that holds any.
    """
    own = any(key.startswith("com.") for key in container.metadata)
    return {"movflags": "use_metadata_tags"} if own and suffix in (".mov", ".mp4", ".m4v") else {}


def _chapters(container) -> list[dict]:
    """The source's chapters, on the result's clock."""
    chapters = container.chapters()
    for chapter in chapters:
        start = round(begins(container) / chapter["time_base"])
        chapter["start"] -= start
        chapter["end"] -= start
    return chapters
