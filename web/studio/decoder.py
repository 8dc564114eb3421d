"""One upload is read in a process of its own, which has limits and ends with its picture.

A file may be made to keep a decoder busy for hours or to fill the memory. Here it harms nobody: the
process is stopped, and the page goes on. No two visitors' pictures are ever in one process, and on
Linux no original touches the disk. This module knows no Django: it is loaded once, in the server
that forks these processes.
"""

import json
import math
import os
import re
import signal
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import psutil
from PIL import Image, ImageCms, UnidentifiedImageError, features

from helpers import images
from helpers.app import colours

try:
    import resource
except ImportError:  # Windows has none
    resource = None

# By content, as Pillow calls it, with the suffixes that the file dialog offers. SVG is a program,
# and not there
KINDS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
}
if features.check("avif"):
    KINDS["AVIF"] = (".avif",)
with suppress(ImportError):  # an optional package, for the photographs of an iPhone
    import pillow_heif

    pillow_heif.register_heif_opener()
    KINDS["HEIF"] = (".heic", ".heif")

SMALLEST = 16  # pixels of a side
MOST_SCANS = 32  # of a JPEG; encoders make 10, each takes up to 0.1 s at 50 megapixels
CPU_SECONDS = 10  # an honest progressive JPEG of 50 megapixels takes 4
MEMORY = 1_000_000_000  # bytes that a picture may take
# The start of what follows in a JPEG: no stuffed byte, no restart, no filling
MARKER = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
CLOCKWISE = {  # by quarters of a turn; Pillow turns the other way
    1: Image.Transpose.ROTATE_270,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_90,
}


class Part(NamedTuple):
    """What is wanted of a picture: all of it, or a square, and at most so many pixels.

    `left` and `top` are parts of 1 of width and height, `side` of 1 of the shorter side. Where one
    of the three is None, the square is the middle. The picture is first turned clockwise by `turns`
    quarters: `left` and `top` are those of the turned one.
    """

    square: bool
    left: float | None
    top: float | None
    side: float | None
    most: int
    turns: int = 0


class Refused(ValueError):
    """A file that is not taken; its message is a word that `intake` puts into sentences."""


def main(connection: Connection, folder: str, part: Part, most_pixels: int) -> None:
    """Read one upload: the file's bytes come in, the answer goes out.

    Parameters
    ----------
    connection : Connection
        It gives the bytes of the file. It takes JSON: {"refused": word}, or the part's width and
        height, {"kept": now, "given": in the file}, and then the part as a PNG file.
    folder : str
        Where the file lies meanwhile, on systems that cannot keep it in memory.
    part : Part
        What is wanted of the picture.
    most_pixels : int
        Of the whole picture.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C ends the server, which ends this
    data = connection.recv_bytes()
    limit()
    try:
        with stored(data, folder) as path:
            del data
            picture, size = read(path, part, most_pixels)
        answer = {"kept": picture.size, "given": size}
    except Refused as why:
        connection.send_bytes(json.dumps({"refused": str(why)}).encode())
        return
    except Exception as error:  # Pillow's readers raise whatever they like
        word = "memory" if isinstance(error, MemoryError) else "damaged"
        connection.send_bytes(json.dumps({"refused": word}).encode())
        return
    encoded = BytesIO()
    picture.save(encoded, "PNG", compress_level=1)
    connection.send_bytes(json.dumps(answer).encode())
    connection.send_bytes(encoded.getbuffer())


def limit() -> None:
    """Bound this process's CPU time and memory, and step back behind the server."""
    if resource is None:
        return
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the original
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = math.ceil(used.ru_utime + used.ru_stime) + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    loaded = psutil.Process().memory_info().vms
    with suppress(ValueError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (loaded + MEMORY, loaded + MEMORY))


@contextmanager
def stored(data: bytes, folder: str) -> Iterator[Path]:
    """A path to the bytes: in memory on Linux, else in a folder that `models.expire` sweeps."""
    if hasattr(os, "memfd_create"):
        with os.fdopen(os.memfd_create("upload"), "wb") as file:
            file.write(data)
            file.flush()
            yield Path(f"/proc/self/fd/{file.fileno()}")
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix="upload-") as own:
        path = Path(own) / "picture"
        path.write_bytes(data)
        yield path


def read(path: Path, part: Part, most_pixels: int) -> tuple[Image.Image, tuple[int, int]]:
    """The part of a picture file, upright, in sRGB, on white.

    Parameters
    ----------
    path : Path
        The file. Its content alone decides what it is.
    part : Part
        What is wanted of it.
    most_pixels : int
        Of the whole picture.

    Returns
    -------
    tuple[Image.Image, tuple[int, int]]
        The part, RGB, and its width and height in the file's own pixels.

    Raises
    ------
    Refused
        "unknown", "damaged", "pixels", "small", "scans" or "memory".
    """
    with warnings.catch_warnings():
        # Of large pictures, which are refused below, and of damaged EXIF
        warnings.simplefilter("ignore")
        with opened(path) as file:
            check(file, path, most_pixels)
            profile = file.info.get("icc_profile")
            meant = colours.meaning(file)
            size = file.size
            draft(file, part)
            try:
                found = images.decode(file, lambda image: upright(image, part, size))
            except ValueError as error:
                lack = isinstance(error.__cause__, MemoryError)
                raise Refused("memory" if lack else "damaged") from None
    picture, size = found
    return srgb(picture, profile, meant), size


def opened(path: Path) -> Image.Image:
    """The opened file, if it is a picture of a kind that is taken."""
    try:
        return Image.open(path, formats=list(KINDS))
    except UnidentifiedImageError:
        raise Refused("unknown") from None
    except Image.DecompressionBombError:  # Pillow refuses from 179 megapixels on
        raise Refused("pixels") from None
    except Exception:  # Pillow's readers raise whatever they like
        raise Refused("damaged") from None


def check(file: Image.Image, path: Path, most_pixels: int) -> None:
    """Refuse what can be seen before a pixel is decoded."""
    width, height = file.size
    if width * height > most_pixels:
        raise Refused("pixels")
    if min(width, height) < SMALLEST:
        raise Refused("small")
    if file.format == "JPEG" and scans(path.read_bytes()) > MOST_SCANS:
        raise Refused("scans")


def scans(data: bytes) -> int:
    """How many scans a JPEG has. Thumbnails within its metadata and what lies behind do not count.

    Each scan of a progressive JPEG goes over the whole picture: thousands fit into a small file.
    """
    count = 0
    at = 2
    while found := MARKER.search(data, at):
        kind = data[found.end() - 1]
        if kind == END_OF_IMAGE:
            break
        count += kind == START_OF_SCAN
        length = int.from_bytes(data[found.end() : found.end() + 2], "big")
        at = found.end() + max(length, 2)
    return count


def draft(file: Image.Image, part: Part) -> None:
    """Let a JPEG be decoded at 1/2, 1/4 or 1/8, where that is enough for the part."""
    if file.format != "JPEG":
        return
    width, height = file.size
    left, top, right, bottom = box(file.size, part)
    share = math.sqrt(part.most / ((right - left) * (bottom - top)))
    if share < 1:
        file.draft(None, (math.ceil(width * share), math.ceil(height * share)))


def upright(
    file: Image.Image, part: Part, whole: tuple[int, int]
) -> tuple[Image.Image, tuple[int, int]] | None:
    """The part of an opened file, of size `whole` before `draft`, and the part's size in it.

    None for 32-bit values.
    """
    if file.mode.startswith(("I", "F")):  # grey of 16 bits
        values = images.pixels(file)
        if values is None:
            return None
        picture = Image.fromarray(images.to_uint8(images.on_white(values)))
    else:
        picture = images.upright(file)
    if picture.mode == "CMYK":
        picture = colours.from_inks(picture)
    if (whole[0] < whole[1]) != (picture.width < picture.height):  # EXIF has turned it
        whole = whole[::-1]
    left, top, right, bottom = box(whole, part)
    edges = box(picture.size, part)
    if edges != (0, 0, *picture.size):  # `crop` would copy it
        picture = picture.crop(edges)
    picture = on_white(picture)
    if picture.width * picture.height > part.most:
        share = math.sqrt(part.most / (picture.width * picture.height))
        small = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
        picture = picture.resize(small, Image.Resampling.BICUBIC)
    size = (right - left, bottom - top)
    if part.turns % 4:
        picture = picture.transpose(CLOCKWISE[part.turns % 4])
    return picture, size[::-1] if part.turns % 2 else size


def on_white(picture: Image.Image) -> Image.Image:
    """RGB of 8 bits, what is transparent laid on white."""
    if picture.mode == "RGB" and not picture.has_transparency_data:
        return picture  # `convert` would copy it
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    if picture.mode != "RGBA":
        picture = picture.convert("RGBA")
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture, mask=picture.getchannel("A"))
    return white


def box(size: tuple[int, int], part: Part) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part in a picture of this size that is not yet turned."""
    if not part.square:
        return 0, 0, *size
    width, height = size[::-1] if part.turns % 2 else size
    shorter = min(width, height)
    if part.left is None or part.top is None or part.side is None:
        side = shorter
        left, top = (width - shorter) // 2, (height - shorter) // 2
    else:
        side = min(max(round(part.side * shorter), min(SMALLEST, shorter)), shorter)
        left = min(max(math.floor(part.left * width + 0.5), 0), width - side)
        top = min(max(math.floor(part.top * height + 0.5), 0), height - side)
    for _ in range(part.turns):  # taken back: what is the right edge now was the top
        left, top = top, width - left - side
        width, height = height, width
    return left, top, left + side, top + side


def srgb(
    picture: Image.Image, profile: bytes | None, meant: list[tuple[bytes, bytes]]
) -> Image.Image:
    """The colours that the profile means, or else what `colours.meaning` has found.

    Phones and cameras attach a profile to their files. Without a usable one nothing changes.
    """
    if not profile:
        try:
            return colours.as_srgb(picture, meant)
        except ValueError:  # HDR; "or of a rare kind", the visitor reads
            raise Refused("damaged") from None
    if profile[16:20] == b"GRAY":  # Red, green and blue are equal
        picture = picture.getchannel(0)
    try:
        to = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, BytesIO(profile), to, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):  # It is broken, or for ink, which is RGB by now
        return picture.convert("RGB")
