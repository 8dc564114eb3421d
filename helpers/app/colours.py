"""The colours that a file means: inks by their profile, profiles and gamma kept, grey kept grey."""

import io
import warnings

import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin

from helpers.app import items

GREY = {"1", "L", "LA", "La"}  # and Pillow's modes of 16 bits, which begin with "I"
# A PNG's chunks that say how its values are meant
MEANING = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
# Numbers of ITU-T H.273: primaries and transfers that every viewer shows as sRGB, and HDR's light
USUAL = {1, 2}, {1, 2, 6, 13, 14, 15}
HDR = {16: "PQ", 18: "HLG"}
# White, red, green and blue as x and y: of sRGB, and of those that H.273 numbers
SRGB = ((0.3127, 0.329), (0.64, 0.33), (0.3, 0.6), (0.15, 0.06))
PRIMARIES = {
    9: ((0.3127, 0.329), (0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: ((0.3127, 0.329), (0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
BAND = 64  # rows
GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
# Bradford's: from XYZ to what the eye's three kinds of cones see
CONES = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def from_inks(image: Image.Image) -> Image.Image:
    """A picture of four inks as sRGB: by its profile, or plainly where it names none."""
    profile = image.info.get("icc_profile")
    if not profile:
        return image.convert("RGB")
    try:
        inks = io.BytesIO(profile)
        return ImageCms.profileToProfile(
            image, inks, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        warnings.warn(
            f"{image.filename}: its profile of four inks is damaged ({error}), so its colours are "
            "an estimate",
            stacklevel=4,
        )
        return image.convert("RGB")


def is_grey(file: Image.Image) -> bool:
    """Whether a file that is not yet decoded holds one value a pixel, beside its alpha."""
    # Pillow decodes a PNG's 16 bits of grey with alpha as RGBA
    return file.mode in GREY or file.mode.startswith("I") or "'LA;16" in str(file.tile)


def without_colour(picture: np.ndarray) -> bool:
    """Whether the three values of every pixel of (h, w, 3) are equal."""
    red = picture[..., 0]
    return np.array_equal(red, picture[..., 1]) and np.array_equal(red, picture[..., 2])


def profile(file: Image.Image, grey: bool) -> bytes | None:
    """The file's profile where it holds for the result, which is grey or RGB."""
    found = file.info.get("icc_profile") or b""
    if found[16:20] == (b"GRAY" if grey else b"RGB "):
        return found
    return None


def numbers(file: Image.Image) -> tuple[int, int] | None:
    """Primaries and transfer that an AVIF or HEIC names by numbers; None where sRGB is meant."""
    if file.format not in ("AVIF", "HEIF") or file.info.get("icc_profile"):
        return None
    told = items.told(file.filename)
    if told.primaries in USUAL[0] and told.transfer in USUAL[1]:
        return None
    return told.primaries, told.transfer


def say_light(file: Image.Image, kept: bool = True) -> None:
    """Warn where an AVIF or HEIC holds more than 8 bits, or colours that few viewers know.

    Parameters
    ----------
    file : PIL.Image.Image
        An opened picture of any format.
    kept : bool
        Whether the result tells what its colours are, as `meaning` says it.
    """
    if file.format not in ("AVIF", "HEIF"):
        return
    bits = items.told(file.filename).bits
    if bits > 8:
        warnings.warn(
            f"{file.filename} has {bits} bits a colour, and 8 of them are read; save it as a PNG "
            "of 16 bits to keep them",
            stacklevel=4,
        )
    if named := numbers(file):
        kind = f"those of HDR ({HDR[named[1]]})" if named[1] in HDR else "not those of sRGB"
        shown = "the result cannot say so; save it as sRGB first"
        if kept:
            shown = "the result says so by a PNG's cICP, which not every viewer knows"
        warnings.warn(f"{file.filename}: its colours are {kind}; {shown}", stacklevel=4)


def meaning(file: Image.Image) -> list[tuple[bytes, bytes]]:
    """A PNG's chunks that say how its values are meant, gamma and primaries, each with its data.

    For an AVIF or HEIC that names them by numbers, the chunk of a PNG that does the same.
    """
    if named := numbers(file):
        return [(b"cICP", bytes([*named, 0, 1]))]  # RGB, from black 0 to white 255
    if file.format != "PNG":
        return []
    found = []
    with open(file.filename, "rb") as opened:  # noqa: PTH123  (it may be text)
        opened.seek(8)
        while len(head := opened.read(8)) == 8 and head[4:] not in (b"IDAT", b"IEND"):
            length = int.from_bytes(head[:4], "big")
            if head[4:] in MEANING and length < 100:
                found.append((head[4:], opened.read(length)))
                length = 0
            opened.seek(length + 4, io.SEEK_CUR)
    return found


def as_srgb(image: Image.Image, chunks: list[tuple[bytes, bytes]]) -> Image.Image:
    """The picture in sRGB that a PNG's chunks mean.

    Parameters
    ----------
    image : PIL.Image.Image
        RGB, of a file without a profile.
    chunks : list[tuple[bytes, bytes]]
        As `meaning` finds them.

    Returns
    -------
    PIL.Image.Image
        RGB; `image` itself where sRGB is meant.

    Raises
    ------
    ValueError
        For HDR, whose light no rule brings to sRGB in one way.
    """
    primaries, gamma = _meant(dict(chunks))
    if primaries is None and gamma is None:
        return image
    values = np.arange(256) / 255
    # Where a gamma is not named, the values are curved as in sRGB
    curved = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    table = (curved if gamma is None else values**gamma).astype(np.float32)
    matrix = np.eye(3)
    if primaries is not None:
        matrix = np.linalg.inv(_to_xyz(SRGB)) @ _to_xyz(primaries)
    pixels = np.array(image)
    for top in range(0, len(pixels), BAND):  # Floats of the whole would take much memory
        rows = pixels[top : top + BAND]
        light = np.clip(table[rows] @ matrix.T, 0, 1)
        rows[:] = np.rint(np.interp(light, curved, np.arange(256)))  # sRGB's curve, backwards
    return Image.fromarray(pixels)


def _meant(chunks: dict[bytes, bytes]) -> tuple[tuple | None, float | None]:
    """Primaries and gamma, each None where it is sRGB's."""
    if len(named := chunks.get(b"cICP", b"")) == 4:
        if named[1] in HDR:
            raise ValueError(f"its colours are those of HDR ({HDR[named[1]]})")
        return PRIMARIES.get(named[0]), GAMMAS.get(named[1])
    if b"sRGB" in chunks:
        return None, None
    primaries = gamma = None
    if len(told := chunks.get(b"cHRM", b"")) == 32:
        places = np.frombuffer(told, ">u4").reshape(4, 2) / 100_000
        if places[:, 1].all() and np.abs(places - SRGB).max() > 0.005:
            primaries = tuple(map(tuple, places))
    if len(told := chunks.get(b"gAMA", b"")) == 4:
        named = int.from_bytes(told, "big") / 100_000
        if named and abs(named * 2.2 - 1) > 0.02:  # 1/2.2 stands for sRGB's own curve
            gamma = 1 / named
    return primaries, gamma


def _to_xyz(places: tuple) -> np.ndarray:
    """(3, 3): from linear red, green and blue to XYZ, in which their white is sRGB's."""
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in places)
    columns = np.stack(primaries, axis=1)
    matrix = columns * np.linalg.solve(columns, white)
    x, y = SRGB[0]
    seen = CONES @ np.array([x / y, 1, (1 - x - y) / y]) / (CONES @ white)
    return np.linalg.inv(CONES) @ np.diag(seen) @ CONES @ matrix


def sampling(file: Image.Image) -> int:
    """Pillow's number for a JPEG's resolution of colour as in the source; full where unknown."""
    if file.format not in ("JPEG", "MPO"):
        return 0
    return max(0, JpegImagePlugin.get_sampling(file))


def is_lossless(file: Image.Image) -> bool:
    """Whether a WebP is coded without loss."""
    if file.format != "WEBP":
        return False
    with open(file.filename, "rb") as opened:  # noqa: PTH123  (it may be text)
        opened.seek(12)
        while len(head := opened.read(8)) == 8:
            if head[:4] in (b"VP8L", b"VP8 "):
                return head[:4] == b"VP8L"
            length = int.from_bytes(head[4:], "little")
            opened.seek(length + length % 2, io.SEEK_CUR)
    return False
