"""Animations through a network, frame by frame: GIF, WebP, PNG and AVIF, as Pillow reads them."""

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageSequence
from tqdm.auto import tqdm

from helpers import images
from helpers.app import colours, metadata
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
    """An animation's frames as they are seen.

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
        if file.format == "GIF" and not _has_trailer(path.read_bytes()):
            raise ValueError(f"{path} is cut: its end is missing; get the file again")
        try:
            for k, frame in enumerate(ImageSequence.Iterator(file)):
                if k == 0 and file.info.get("default_image"):
                    continue  # A PNG's picture for viewers that know no animation
                pixels = np.asarray(frame.convert("RGBA"))
                yield pixels, round(frame.info.get("duration") or 0)
        except (OSError, SyntaxError, EOFError) as error:
            raise ValueError(f"{path} is damaged ({error}); get the file again") from error


def _has_trailer(data: bytes) -> bool:
    """Whether a GIF's blocks go on to its trailer; what follows that is padding."""

    def after_table(at: int, flags: int) -> int:
        return at + (3 << (flags & 7) + 1 if flags & 128 else 0)

    try:
        at = after_table(13, data[10])
        while data[at] != ord(";"):
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
    except IndexError:
        return False
    return True


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
    height = width = 0  # Of a GIF whose frames grow beyond its first
    for rgba, duration in frames(source):
        durations.append(duration)
        clear = clear or (rgba[..., 3] < 255).any()
        height = max(height, rgba.shape[0])
        width = max(width, rgba.shape[1])
    kind = Image.registered_extensions()[target.suffix.lower()]

    def drawn() -> Iterator[Image.Image]:
        for rgba, _ in tqdm(
            frames(source), source.name, len(durations), unit="frame", leave=False, delay=2
        ):
            below = height - rgba.shape[0]
            right = width - rgba.shape[1]
            whole = np.pad(rgba, ((0, below), (0, right), (0, 0)))
            picture = images.to_float(whole if clear else whole[..., :3])
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
        options["quality"] = 90
    return options


def _is_lossless(webp: bytes) -> bool:
    """Whether a WebP animation's first frame is coded without loss."""
    lossy = webp.find(b"VP8 ")
    lossless = webp.find(b"VP8L")
    return lossless >= 0 and (lossy < 0 or lossless < lossy)
