"""Animations through a network, frame by frame: GIF, WebP, PNG and AVIF, as Pillow reads them."""

import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageSequence
from tqdm.auto import tqdm

from helpers import images
from helpers.app import colours, deep, metadata
from helpers.files import replacing

SUFFIXES = {".gif", ".webp", ".png", ".apng", ".avif"}
# A GIF's transparent entry; no visible pixel may have its colour, for Pillow crops a frame to what
# differs from it
CLEAR = 255
CLEAR_COLOUR = [254, 1, 253]


def moves(path: str | os.PathLike, file: Image.Image | None = None) -> bool:
    """Whether a picture has more than one frame.

    Parameters
    ----------
    path : path-like
        Any file.
    file : PIL.Image.Image, optional
        The picture, where it is open already.

    Returns
    -------
    bool
        False also for a file that Pillow cannot read, and for formats without time, such as TIFF.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        return False
    try:
        if file is None:
            with Image.open(path) as opened:
                return moves(path, opened)
        return file.format in ("GIF", "WEBP", "PNG", "AVIF") and file.is_animated
    except Exception:  # Pillow raises errors of every class; `rewrite` will say what is wrong
        return False


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


def beside(draw: Callable, picture: np.ndarray) -> np.ndarray:
    """Draw a picture's colours anew, and enlarge its alpha beside them.

    Parameters
    ----------
    draw : callable
        (h, w, 3) float in [0, 1] → (h·k, w·k, 3).
    picture : np.ndarray
        (h, w, 3), or (h, w, 4) with alpha, float in [0, 1].

    Returns
    -------
    np.ndarray
        (h·k, w·k, 3 or 4), float in [0, 1]. A grey picture stays grey.
    """
    colours = picture[..., :3]
    alpha = picture[..., 3:]
    if alpha.size:
        colours = bleed(colours, alpha[..., 0] == 0)
    drawn = np.clip(draw(colours), 0, 1)
    if (colours.max(axis=-1) == colours.min(axis=-1)).all():
        drawn = np.repeat(drawn.mean(axis=-1, keepdims=True), 3, axis=-1)
    if not alpha.size:
        return drawn
    size = drawn.shape[1::-1]
    larger = Image.fromarray(alpha[..., 0]).resize(size, Image.Resampling.BICUBIC)
    return np.dstack([drawn, np.clip(larger, 0, 1)])


def frames(path: str | os.PathLike) -> Iterator[tuple[np.ndarray, int]]:
    """An animation's frames as browsers show them.

    Parameters
    ----------
    path : path-like
        A GIF, WebP, PNG or AVIF.

    Yields
    ------
    tuple[np.ndarray, int]
        (h, w, 4) uint8, red, green, blue and alpha, all of one size, and its milliseconds.

    Raises
    ------
    ValueError
        For a file that is damaged or cut.
    """
    path = Path(path)
    images.read(path)  # says what is wrong
    with Image.open(path) as file:
        try:
            if file.format == "GIF":
                yield from _composed(_pieces(path.read_bytes()), file.size)
                return
            if file.format == "PNG" and file.is_animated:
                yield from _composed(_png_pieces(path.read_bytes()), file.size)
                return
            for frame in ImageSequence.Iterator(file):
                pixels = np.asarray(frame.convert("RGBA"))
                yield pixels, round(frame.info.get("duration") or 0)
        except IndexError:
            raise ValueError(f"{path} is cut: its end is missing; get the file again") from None
        except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
            raise ValueError(f"{path} is damaged ({error}); get the file again") from error


class Piece(NamedTuple):
    """A GIF's or PNG's frame, which covers only a part of the canvas."""

    picture: bytes  # A file of this frame alone
    left: int
    top: int
    disposal: int  # What becomes of it: 2 makes its part clear, 3 takes the frame back
    duration: int  # Milliseconds
    over: bool = True  # Whether it is laid over its part, or replaces that


def _pieces(data: bytes) -> list[Piece]:
    """A GIF's frames; what follows its trailer is padding. IndexError where it is cut."""

    def after_table(at: int, flags: int) -> int:
        return at + (3 << (flags & 7) + 1 if flags & 128 else 0)

    pieces = []
    plain = control = b"!\xf9\x04" + bytes(5)  # Disposal, duration and transparency of a frame
    at = header = after_table(13, data[10])
    while data[at] != ord(";"):
        start = at
        if data[at] == ord(","):  # A frame
            at = after_table(at + 10, data[at + 9]) + 1
        elif data[at] == ord("!"):  # An extension
            at += 2
        else:
            at += 1  # Decoders pass over what stands between blocks
            continue
        while data[at]:
            at += data[at] + 1
        at += 1
        if data.startswith(plain[:3], start):
            control = data[start:at]
        elif data[start] == ord(","):
            left, top, width, height = struct.unpack_from("<4H", data, start + 1)
            if not width * height:
                raise OSError("a frame has no pixels")
            screen = data[:6] + struct.pack("<2H", width, height) + data[10:header]
            frame = struct.pack("<c4H", b",", 0, 0, width, height) + data[start + 9 : at]
            (hundredths,) = struct.unpack_from("<H", control, 4)
            disposal = control[3] >> 2 & 7
            picture = screen + control + frame + b";"
            pieces.append(Piece(picture, left, top, disposal, 10 * hundredths))
            control = plain
    return pieces


def _png_pieces(data: bytes) -> list[Piece]:
    """A PNG's frames, by the PNG Specification, third edition; OSError where it breaks that."""
    shared = []  # Palette and transparency
    frames = []
    numbers = []
    count = 0
    for kind, content in _chunks(data):
        if kind in (b"fcTL", b"fdAT"):
            numbers.append(content[:4])
            content = content[4:]
        if kind in (b"PLTE", b"tRNS"):
            shared.append(_chunk(kind, content))
        elif kind == b"acTL":
            (count,) = struct.unpack_from(">I", content)
        elif kind == b"fcTL":
            frames.append((content, []))
        elif kind in (b"IDAT", b"fdAT") and frames:  # Before all, for viewers that know no frames
            frames[-1][1].append(content)
    if numbers != [struct.pack(">I", k) for k in range(len(numbers))]:
        raise OSError("its frames are not in order")
    pieces = [_png_piece(data[16:29], control, shared, packed) for control, packed in frames]
    if len(pieces) != count:
        raise OSError(f"{len(pieces)} of {count} frames are there")
    return pieces


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """A PNG's chunks up to its end; IndexError where that is missing."""
    at = 8
    while True:
        if at + 12 > len(png):
            raise IndexError
        length, kind = struct.unpack_from(">I4s", png, at)
        if kind == b"IEND":
            return
        chunk = png[at : at + 12 + length]
        if chunk != _chunk(kind, chunk[8:-4]):
            raise OSError(f"its {kind.decode('latin-1')} is broken")
        yield kind, chunk[8:-4]
        at += len(chunk)


def _chunk(kind: bytes, content: bytes) -> bytes:
    """A PNG's chunk, with its length and its checksum."""
    ends = struct.pack(">I", len(content)), struct.pack(">I", zlib.crc32(kind + content))
    return ends[0] + kind + content + ends[1]


def _png_piece(header: bytes, control: bytes, shared: list, packed: list) -> Piece:
    """A PNG's frame, of the whole picture's header and the frame's control."""
    sides, places = struct.unpack_from(">2I", control), struct.unpack_from(">2I", control, 8)
    whole = struct.unpack_from(">2I", header)
    if not all(0 < s <= w - p for s, p, w in zip(sides, places, whole, strict=True)):
        raise OSError("a frame lies outside the picture")
    part, of, disposal, blend = struct.unpack_from(">2H2B", control, 16)
    own_header = _chunk(b"IHDR", control[:8] + header[8:])
    pixels = [_chunk(b"IDAT", content) for content in packed]
    picture = b"".join([b"\x89PNG\r\n\x1a\n", own_header, *shared, *pixels, _chunk(b"IEND", b"")])
    duration = round(1000 * part / (of or 100))
    # PNG counts from 0 what becomes of a frame, and GIF from 1
    return Piece(picture, *places, disposal + 1, duration, blend == 1)


def _composed(pieces: list[Piece], size: tuple[int, int]) -> Iterator[tuple[np.ndarray, int]]:
    """Lay frames upon each other, as `frames` yields them.

    Pillow would fill with a colour where a frame is disposed of and the first one is opaque, and
    would begin on the picture that a PNG has for viewers that show no frames.
    """
    canvas = np.zeros((size[1], size[0], 4), np.uint8)
    for piece in pieces:
        with Image.open(io.BytesIO(piece.picture)) as file:
            own = _rgba(file)
        before = canvas.copy()
        part = canvas[piece.top :, piece.left :][: own.shape[0], : own.shape[1]]
        own = own[: part.shape[0], : part.shape[1]]  # Browsers cut off what lies beyond
        if piece.over and part.size:
            own = np.asarray(Image.alpha_composite(Image.fromarray(part), Image.fromarray(own)))
        part[:] = own
        yield canvas.copy(), piece.duration
        if piece.disposal == 2:
            part[:] = 0
        elif piece.disposal == 3:
            canvas = before


def _rgba(file: Image.Image) -> np.ndarray:
    """An opened frame as (h, w, 4) uint8."""
    if file.mode.startswith("I"):  # Grey of 16 bits, which Pillow would cut at 255
        return images.to_uint8(images.pixels(file))
    return np.asarray(file.convert("RGBA"))


def rewrite(draw: Callable, source: Path, target: Path, label: str) -> Path:
    """Write an animation with each frame drawn anew.

    Its results are in memory until they are written: a byte a pixel of a GIF, four of a PNG. Kept
    are the format, the time of each frame, loop, transparency, profile, texts.

    Parameters
    ----------
    draw : callable
        (h, w, 3) float in [0, 1] → (h·k, w·k, 3).
    source, target : Path
        The animation, and where the result goes.
    label : str
        Goes into the GIF's comment, else into `Software`.

    Returns
    -------
    Path
        `target`.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        For a file that is damaged or cut; then nothing is left.
    OSError
        Where the result cannot be written; then nothing is left.
    """
    durations = []
    clear = False
    for rgba, duration in frames(source):
        durations.append(duration)
        clear = clear or (rgba[..., 3] < 255).any()
    kind = Image.registered_extensions()[target.suffix.lower()]

    def drawn() -> Iterator[Image.Image]:
        for rgba, _ in tqdm(
            frames(source), source.name, len(durations), unit="frame", leave=False, delay=2
        ):
            picture = images.to_float(rgba if clear else rgba[..., :3])
            sr = images.to_uint8(beside(draw, picture))
            yield _palette(sr) if kind == "GIF" else Image.fromarray(sr)

    rest = drawn()
    first = next(rest)
    with Image.open(source) as file:
        options = _told(file, kind, first.size, label)
    options["duration"] = durations
    if kind == "GIF" and clear:
        options |= {"disposal": 2, "transparency": CLEAR}
    if kind != "GIF":  # The other writers read them twice
        rest = list(rest)
    encoded = io.BytesIO()  # Pillow's own writers do not notice a full disk
    first.save(encoded, kind, save_all=True, append_images=rest, **options)
    if kind == "WEBP" and clear:
        _flag_alpha(encoded)
    with replacing(target) as part:
        part.write_bytes(encoded.getbuffer())
    return target


def _flag_alpha(webp: io.BytesIO) -> None:
    """Say in a WebP's header that it is transparent: libwebp looks only within what moves."""
    header = webp.getbuffer()
    if header[12:16] == b"VP8X":
        header[20] |= 0x10


def _palette(pixels: np.ndarray) -> Image.Image:
    """A GIF's frame of (h, w, 3 or 4) uint8."""
    frame = Image.fromarray(pixels[..., :3]).quantize(255)
    if pixels.shape[-1] == 3:
        return frame
    palette = np.zeros((256, 3), np.uint8)
    used = np.reshape(frame.getpalette(), (-1, 3))
    palette[: len(used)] = used
    palette[(palette == CLEAR_COLOUR).all(axis=-1), 2] -= 1
    palette[CLEAR] = CLEAR_COLOUR
    frame.putpalette(palette.tobytes())
    frame.paste(CLEAR, mask=Image.fromarray(pixels[..., 3] < 128))
    frame.info["transparency"] = CLEAR
    return frame


def _told(file: Image.Image, kind: str, size: tuple[int, int], label: str) -> dict:
    """What is kept of an animation beside its frames, and `label`, for Pillow's save."""
    info = file.info
    options = {}
    if kind != "AVIF" and "loop" in info:
        options["loop"] = info["loop"]
    if kind == "GIF":
        said = info.get("comment", b"")
        if isinstance(said, bytes):
            said = said.decode(errors="replace")
        words = f"{said}; {label}" if said else label
        return options | {"comment": words.encode()[-255:], "optimize": False}
    if deep.has_16_bits(file):
        warnings.warn(
            f"{file.filename} has 16 bits a colour, and 8 of them are kept where it moves",
            stacklevel=3,
        )
    options |= metadata.kept(file, size, size[0] // file.width, f".{kind.lower()}", label)
    exif = Image.Exif()
    exif.load(options["exif"])
    # The frames lie as they lay
    exif[ExifTags.Base.Orientation] = file.getexif().get(ExifTags.Base.Orientation, 1)
    options["exif"] = exif.tobytes()
    if info.get("icc_profile"):
        options["icc_profile"] = info["icc_profile"]
    if kind == "PNG":
        for name, content in colours.meaning(file):
            options["pnginfo"].add(name, content)
    elif kind == "WEBP":
        lossless = _is_lossless(Path(file.filename).read_bytes())
        options |= {"lossless": lossless, "quality": 90}
    else:
        colours.say_light(file, kept=False)
        options["quality"] = 90
    return options


def _is_lossless(webp: bytes) -> bool:
    """Whether a WebP animation's first frame is coded without loss."""
    lossy = webp.find(b"VP8 ")
    lossless = webp.find(b"VP8L")
    return lossless >= 0 and (lossy < 0 or lossless < lossy)
