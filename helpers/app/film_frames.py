"""A film's frames as course pictures, and course pictures as a film's frames."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type
from av.video.reformatter import ColorPrimaries, ColorTrc, Interpolation

from helpers import images
from helpers.app.film_reader import Reader

os.environ.setdefault("SVT_LOG", "1")  # The encoder of AV1 tells its settings otherwise
# Without these flags FFmpeg rounds down, and each film comes out darker by 1 of 255
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
EXACT |= Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
# FFmpeg's numbers for how colours become YUV: high and standard definition, wide gamut; 16 to 235
BT709 = 1
BT601 = 5
BT2020 = 9
UNKNOWN = (0, 2, 3)
LIMITED = 1
FULL = 2
TRANSPARENT = {".mov", ".mkv", ".webm"}  # Formats that hold transparency
HDR = (ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67)
WHITE = 255 * 256  # What FFmpeg calls white in 16 bits


class Storage(NamedTuple):
    """How the frames of a result are stored."""

    codec: str
    options: dict[str, str]
    pix_fmt: str
    matrix: int
    primaries: int
    transfer: int
    square: tuple[int, int] | None  # (h, w), where the codec cannot say that pixels are oblong


def depth(pix_fmt: av.VideoFormat) -> int:
    """Bits of the deepest channel."""
    return max(component.bits for component in pix_fmt.components)


def has_alpha(pix_fmt: av.VideoFormat) -> bool:
    """Whether a format holds transparency; a film's palette does not."""
    return not pix_fmt.has_palette and any(part.is_alpha for part in pix_fmt.components)


def picture(frame: av.VideoFrame, standard: bool = False) -> np.ndarray:
    """A decoded frame as a course picture, upright.

    Parameters
    ----------
    frame : av.VideoFrame
        As the decoder gives it.
    standard : bool
        Whether HDR's light is mapped to a standard screen's, for a picture to look at. Otherwise
        the picture holds the film's own code values.

    Returns
    -------
    np.ndarray
        (h, w, 3), or (h, w, 4) with alpha, float32 in [0, 1].
    """
    deep = depth(frame.format) > 8
    channels = "rgba" if has_alpha(frame.format) else "rgb"
    options = {"interpolation": EXACT}
    if frame.colorspace in UNKNOWN:
        options["src_colorspace"] = BT709 if frame.height >= 720 else BT601
    if standard and frame.color_trc in HDR:
        options |= {"dst_color_trc": ColorTrc.IEC61966_2_1, "dst_color_primaries": BT709}
        deep = False
    if not deep:
        kind = channels if channels == "rgba" else "rgb24"
        pixels = images.to_float(frame.to_ndarray(format=kind, **options))
    else:
        kind = "rgba64le" if channels == "rgba" else "rgb48le"
        pixels = frame.to_ndarray(format=kind, **options) / _white(frame)
    return _upright(np.clip(pixels, 0, 1).astype(np.float32), display_matrix(frame))


def _white(frame: av.VideoFrame) -> float:
    """The 16-bit value that stands for white: FFmpeg shifts bits, and does not stretch them."""
    coloured = len(frame.format.components) > 2  # FFmpeg takes grey for full range
    if coloured and not frame.format.is_rgb and frame.color_range != FULL:
        return WHITE
    bits = min(depth(frame.format), 16)
    return ((1 << bits) - 1) << (16 - bits)


def has_dynamic_light(path: Path, frame: av.VideoFrame) -> bool:
    """Whether a film says of each scene how light it is, beside HDR that is whole without that.

    Parameters
    ----------
    path : Path
        The film.
    frame : av.VideoFrame
        Its first.

    Returns
    -------
    bool
        For Dolby Vision and HDR10+.

    Raises
    ------
    ValueError
        Where the colours mean nothing without it, as in Dolby Vision's profile 5.
    """
    kinds = {data.type for data in frame.side_data}
    dolby = kinds & {Type.DOVI_METADATA, Type.DOVI_RPU_BUFFER}
    if dolby and frame.color_trc == ColorTrc.UNSPECIFIED:
        raise ValueError(
            f"{path} holds its colours in Dolby Vision alone, which is not understood here; convert"
            " it to HDR10 or HLG by another program first"
        )
    return bool(dolby) or Type.DYNAMIC_HDR_PLUS in kinds


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """How a frame is to be shown: (a, b, c, d) with x' = a·x + c·y, y' = b·x + d·y, rounded."""
    try:
        matrix = np.frombuffer(frame.side_data[Type.DISPLAYMATRIX], np.int32).reshape(3, 3)
    except KeyError:
        return 1, 0, 0, 1
    (a, b), (c, d) = matrix[:2, :2].tolist()
    if max(abs(a), abs(d)) >= max(abs(b), abs(c)):
        return (-1 if a < 0 else 1), 0, 0, (-1 if d < 0 else 1)
    return 0, (-1 if b < 0 else 1), (-1 if c < 0 else 1), 0


def _upright(pixels: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """Pixels as a display matrix wants them shown."""
    a, b, c, d = matrix
    if b:  # Columns become rows
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, b or d)
    columns = slice(None, None, a or c)
    return np.ascontiguousarray(pixels[rows, columns])


def storage(suffix: str, reader: Reader, frame: av.VideoFrame, old: tuple, new: tuple) -> Storage:
    """How to store the result of a film.

    Colours keep the source's resolution and depth: H.264 in 8 bits, H.265 or AV1 in 10 bits, and
    VP9 or ProRes with transparency.

    Parameters
    ----------
    suffix : str
        The result's.
    reader : Reader
        The film.
    frame : av.VideoFrame
        Its first.
    old, new : tuple of int
        Shapes of the first picture before and after: (h, w, 3 or 4) each.

    Returns
    -------
    Storage
        The codec with its options, the pixels' format, and how colours are coded.
    """
    deep = depth(frame.format) > 8
    alpha = new[2] == 4
    chroma = _chroma(frame.format, old, new)
    if alpha and suffix == ".mov":
        codec, options = "prores_ks", {"profile": "4444", "alpha_bits": "16"}
        pix_fmt = "yuva444p10le"
    elif alpha:
        codec, options = "libvpx-vp9", {"auto-alt-ref": "0"}
        pix_fmt = "yuva420p"
    elif suffix == ".webm" and deep and chroma == "420":
        codec, options = "libsvtav1", {"crf": "24", "preset": "8"}
        pix_fmt = "yuv420p10le"
    elif suffix == ".webm":
        codec, options = "libvpx-vp9", {}
        pix_fmt = f"yuv{chroma}p"
    elif deep:
        codec, options = "libx265", {"crf": "18", "a53cc": "0"}
        options["x265-params"] = _x265(frame)
        pix_fmt = f"yuv{chroma}p10le"
    else:
        codec, options = "libx264", {"crf": "18", "a53cc": "0"}
        if chroma == "444":  # Where colour is fine, x264 holds it for less visible, and cuts it
            options["chromaoffset"] = "-6"
        pix_fmt = f"yuv{chroma}p"
    if codec == "libvpx-vp9":
        options |= {"crf": "24", "cpu-used": "4", "row-mt": "1"}
    matrix = BT2020 if frame.color_primaries == ColorPrimaries.BT2020 else BT709
    square = None
    if codec in ("libvpx-vp9", "libsvtav1"):
        square = _square(pixel_ratio(reader, frame), new)
    colours = frame.color_primaries, frame.color_trc
    return Storage(codec, options, pix_fmt, matrix, *colours, square)


def pixel_ratio(reader: Reader, frame: av.VideoFrame) -> Fraction:
    """A pixel's width by its height, upright."""
    ratio = reader.stream.sample_aspect_ratio or Fraction(1)
    return 1 / ratio if display_matrix(frame)[1] else ratio


def _square(ratio: Fraction, shape: tuple) -> tuple[int, int] | None:
    """The size, even, at which oblong pixels become square, and none is lost; else None."""
    if ratio == 1:
        return None
    height, width = shape[:2]
    if ratio > 1:
        return height, 2 * round(width * ratio / 2)
    return 2 * round(height / ratio / 2), width


def _chroma(pix_fmt: av.VideoFormat, old: tuple, new: tuple) -> str:
    """The coarsest sampling of colour that keeps the source's and fits even sides."""
    grey = len(pix_fmt.components) < 3 and not pix_fmt.has_palette
    coarse = grey or new[0] >= 2 * old[0]
    narrow = coarse or pix_fmt.chroma_width(16) < 16
    low = coarse or pix_fmt.chroma_height(16) < 16
    if narrow and low and new[0] % 2 == 0 and new[1] % 2 == 0:
        return "420"
    if narrow and new[1] % 2 == 0:
        return "422"
    return "444"


def _x265(frame: av.VideoFrame) -> str:
    """Parameters of x265: silence, and HDR's static data as the source's first frame has them."""
    words = ["log-level=none"]
    for data in frame.side_data:
        if data.type == Type.MASTERING_DISPLAY_METADATA:
            *values, has_colours, has_light = np.frombuffer(data, np.int32)[:22].tolist()
            shares = [
                top / (bottom or 1) for top, bottom in zip(values[::2], values[1::2], strict=True)
            ]
            if has_colours and has_light:
                rx, ry, gx, gy, bx, by, wx, wy = (round(50000 * share) for share in shares[:8])
                low, high = (round(10000 * share) for share in shares[8:])
                words.append(
                    f"master-display=G({gx},{gy})B({bx},{by})R({rx},{ry})WP({wx},{wy})L({high},{low})"
                )
        elif data.type == Type.CONTENT_LIGHT_LEVEL:
            most, mean = np.frombuffer(data, np.uint32)[:2].tolist()
            words.append(f"max-cll={most},{mean}")
    return ":".join(words)


@contextmanager
def _same_priority() -> Iterator[None]:
    """Leave each thread of this process the priority that the calling one had.

    Where the user is root, as on Colab, SVT-AV1 gives itself and the thread that opens it
    real-time priority. All that this process starts later would inherit it, and the rest of the
    machine would stand still.
    """
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread in Path("/proc/self/task").iterdir():
            with suppress(ProcessLookupError):  # It has ended meanwhile
                os.sched_setscheduler(int(thread.name), *before)


def add(output, way: Storage, reader: Reader, frame: av.VideoFrame, shape: tuple):
    """Add a stream of pictures to a result.

    Parameters
    ----------
    output : av.container.OutputContainer
        The result.
    way : Storage
        How its frames are stored.
    reader : Reader
        The film: its rate, its clock, the shape of its pixels.
    frame : av.VideoFrame
        Its first.
    shape : tuple of int
        The result's pictures: (h, w, …).

    Returns
    -------
    av.VideoStream
        The new stream.
    """
    stream = output.add_stream(way.codec, rate=reader.rate, options=way.options)
    context = stream.codec_context
    stream.height, stream.width = way.square or shape[:2]
    stream.pix_fmt = way.pix_fmt
    stream.time_base = context.time_base = reader.stream.time_base
    context.bit_rate = 0  # Quality decides
    context.colorspace = way.matrix
    context.color_range = LIMITED
    context.color_primaries = way.primaries
    context.color_trc = way.transfer
    if way.codec == "libx265" and output.format.name in ("mp4", "mov"):
        context.codec_tag = "hvc1"  # Apple's players know no other
    if not way.square:
        context.sample_aspect_ratio = pixel_ratio(reader, frame)
    with _same_priority():
        context.open()
    return stream


class Coder:
    """Makes frames for the encoder of pictures.

    Parameters
    ----------
    way : Storage
        As `storage` says.
    frame : av.VideoFrame
        The film's first, which tells where between the pixels colours are sampled.
    shape : tuple of int
        The pictures': (h, w, 3 or 4).
    """

    def __init__(self, way: Storage, frame: av.VideoFrame, shape: tuple):
        self.way = way
        height, width = way.square or shape[:2]
        self.deep = "10" in way.pix_fmt
        kind = ("rgb", "rgba")[shape[2] - 3] + ("64le" if self.deep else "")
        kind = {"rgb": "rgb24", "rgb64le": "rgb48le"}.get(kind, kind)
        self.frame = frame.reformat(width, height, kind, interpolation=EXACT)

    def __call__(self, drawn: np.ndarray) -> av.VideoFrame:
        """A picture as a frame in the storage's format.

        Parameters
        ----------
        drawn : np.ndarray
            (h, w, 3 or 4), float in [0, 1].

        Returns
        -------
        av.VideoFrame
            Without a time.
        """
        if self.way.square:
            wide = cv2.resize(drawn, self.way.square[::-1], interpolation=cv2.INTER_CUBIC)
            drawn = np.clip(wide, 0, 1)
        if self.deep:
            white = np.float32([WHITE] * 3 + [65535])[: drawn.shape[2]]
            pixels = np.round(drawn * white).astype(np.uint16)
        else:
            pixels = images.to_uint8(drawn)
        plane = self.frame.planes[0]
        rows = pixels.reshape(len(pixels), -1).view(np.uint8)
        padding = plane.line_size - rows.shape[1]
        plane.update(np.pad(rows, ((0, 0), (0, padding))))
        options = {"dst_colorspace": self.way.matrix, "dst_color_range": LIMITED}
        coded = self.frame.reformat(format=self.way.pix_fmt, interpolation=EXACT, **options)
        coded.color_primaries = self.way.primaries
        coded.color_trc = self.way.transfer
        return coded
