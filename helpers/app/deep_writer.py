"""Pictures of 16 bits a colour as PNG and TIFF: Pillow writes them in grey alone.

Pillow writes metadata, and an image of 8 bits in whose place the values of 16 then stand.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXELS = (b"IHDR", b"IDAT")  # A PNG's chunks that tell its pixels
ONE_STRIP = 2**31 - 1


def holds(target: Path, source: Image.Image, grey: bool) -> bool:
    """Whether a result can have 16 bits a colour: a PNG or TIFF, but not of grey with alpha."""
    with_alpha = grey and source.has_transparency_data
    return target.suffix.lower() in (".png", ".tif", ".tiff") and not with_alpha


class Canvas:
    """Values of 16 bits as a canvas for `tiles.compose`: floats would take twice the memory.

    Parameters
    ----------
    size : tuple[int, int]
        Width and height.
    mode : str
        "RGB", or "L", which keeps the mean of the three colours.
    """

    def __init__(self, size: tuple[int, int], mode: str = "RGB"):
        width, height = size
        self.values = np.zeros((height, width, len(mode)), np.uint16)

    def __getitem__(self, place: tuple[slice, slice]) -> np.ndarray:
        part = self.values[place].astype(np.float32) / 65535
        return np.broadcast_to(part, (*part.shape[:2], 3))

    def __setitem__(self, place: tuple[slice, slice], pixels: np.ndarray) -> None:
        if self.values.shape[-1] == 1:
            pixels = pixels.mean(axis=-1, keepdims=True)
        self.values[place] = np.rint(65535 * pixels)

    def encoded(self, grey: bool, alpha: Image.Image | None, options: dict) -> bytes:
        """The file, a PNG or TIFF, that Pillow's save options describe; with `grey`, of one colour.

        `alpha` has 8 bits and the same size.
        """
        values = self.values
        if grey and alpha is None:
            return _saved(Image.fromarray(values[..., 0]), options)  # Pillow's mode "I;16"
        values = np.broadcast_to(values, (*values.shape[:2], 3))
        if alpha is not None:
            opaque = 257 * np.asarray(alpha, np.uint16)
            values = np.concatenate([values, opaque[..., None]], axis=-1)
        return _png(values, options) if options["format"] == "PNG" else _tiff(values, options)


def _saved(image: Image.Image, options: dict) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, **options)
    return encoded.getvalue()


def _png(values: np.ndarray, options: dict) -> bytes:
    """OpenCV's pixels between the metadata that Pillow writes of a picture of one pixel."""
    order = cv2.COLOR_RGB2BGR if values.shape[-1] == 3 else cv2.COLOR_RGBA2BGRA
    level = [cv2.IMWRITE_PNG_COMPRESSION, options["compress_level"]]
    _, drawn = cv2.imencode(".png", cv2.cvtColor(values, order), level)
    pixels = [chunk for kind, chunk in _chunks(drawn.tobytes()) if kind in PIXELS]
    told = list(_chunks(_saved(Image.new("RGB", (1, 1)), options)))
    kinds = [kind for kind, _ in told]
    before = [chunk for _, chunk in told[1 : kinds.index(b"IDAT")]]
    after = [chunk for kind, chunk in told[kinds.index(b"IDAT") :] if kind != b"IDAT"]
    return b"".join([SIGNATURE, pixels[0], *before, *pixels[1:], *after])


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind of each chunk of a PNG, and the chunk whole."""
    at = len(SIGNATURE)
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        end = at + length + 12
        yield content[at + 4 : at + 8], content[at:end]
        at = end


def _tiff(values: np.ndarray, options: dict) -> bytes:
    """A TIFF of bytes, twice as high, whose tags then say that two bytes are one value."""
    height, width, channels = values.shape
    rows = np.ascontiguousarray(values, "<u2").view(np.uint8).reshape(2 * height, width, channels)
    encoded = io.BytesIO(_saved(Image.fromarray(rows), options | {"strip_size": ONE_STRIP}))
    with tifffile.TiffFile(encoded, mode="r+b") as file:
        tags = file.pages[0].tags
        tags["ImageLength"].overwrite(height)
        tags["RowsPerStrip"].overwrite(height)
        tags["BitsPerSample"].overwrite((16,) * channels)
    return encoded.getvalue()
