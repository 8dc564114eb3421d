"""From what somebody sends to a square picture: everything that can be wrong is refused here, in
words.
"""

import math
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
from django.conf import settings
from django.utils.translation import gettext as _
from PIL import Image, ImageCms, UnidentifiedImageError

from helpers import images
from helpers.app import deep

# By content, as Pillow calls it, with the suffixes that the file dialog offers. SVG is a program,
# and not there
KINDS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "WEBP": (".webp",),
    "GIF": (".gif",),
    "TIFF": (".tif", ".tiff"),
}
ACCEPT = ",".join(suffix for suffixes in KINDS.values() for suffix in suffixes)
SMALLEST = 16
# One at a time and always the same thread: 50 megapixels are a gigabyte on their way, which each
# thread would keep
decoder = ThreadPoolExecutor(1)


class Refused(ValueError):
    """An upload that is not taken, in words for its sender, and the HTTP status that says so to
    machines.
    """

    def __init__(self, words: str, status: int = 415):
        super().__init__(words)
        self.status = status


def too_large() -> Refused:
    return Refused(
        _("The file is larger than %d MB. Save it smaller, or as JPEG.")
        % (settings.MOST_BYTES // 10**6),
        413,
    )


def unknown() -> Refused:
    return Refused(
        _("This is no picture that the page knows. Send a JPEG, PNG, WebP, GIF or TIFF file.")
    )


def path_in_name() -> Refused:
    return Refused(_("The file's name contains a path. Send the file under its plain name."), 400)


def check(data: bytes) -> None:
    """Refuse what can be seen before a pixel is decoded: size, kind and pixels.

    The content alone counts. What else a file holds, a program or a false name, is left behind: of
    each picture the pixels are kept, in a file of the page's own.
    """
    if not data:
        raise Refused(_("The file is empty. Choose another one."))
    if len(data) > settings.MOST_BYTES:
        raise too_large()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of large pictures, which are refused below, and of damaged EXIF
            with Image.open(BytesIO(data), formats=list(KINDS)) as file:
                width, height = file.size
    except UnidentifiedImageError:
        raise unknown() from None
    except Image.DecompressionBombError:
        width = height = 10**5  # Pillow refuses from 179 megapixels on, before it tells how many
    except Exception:  # Pillow's readers raise whatever they like
        raise damaged() from None
    if width * height > settings.MOST_PIXELS:
        raise Refused(
            _("The picture has more than %d megapixels. Make it smaller first.")
            % (settings.MOST_PIXELS // 10**6),
            413,
        )
    if min(width, height) < SMALLEST:
        raise Refused(
            _("The picture is smaller than %(n)d×%(n)d pixels. Choose a larger one.")
            % {"n": SMALLEST}
        )


def damaged() -> Refused:
    return Refused(
        _("The file is damaged, or of a rare kind. Open it, save it as JPEG or PNG, and send that.")
    )


def decode(data: bytes, part: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`part` of the picture in an uploaded file, (h, w, 3) float32 in [0, 1], upright, in sRGB:
    pixels only.

    Refused as `check` says.
    """
    check(data)
    with tempfile.TemporaryDirectory(dir=settings.FOLDER, prefix="upload-") as folder:
        path = Path(folder) / "picture"  # no name of the sender's touches the disk
        path.write_bytes(data)
        try:
            return decoder.submit(_read, path, part).result()
        except ValueError:  # it names the path, which is nobody's business
            raise damaged() from None


def _read(path: Path, part: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """`part` of a file, opened and decoded once, in sRGB."""
    with images.open_file(path) as file:
        picture = images.on_white(images.decode(file, deep.pixels))
        profile = file.info.get("icc_profile")
    return _srgb(part(picture).copy(), profile)


def _srgb(picture: np.ndarray, profile: bytes | None) -> np.ndarray:
    """The colours that the profile means; without a usable one, unchanged.

    Phones and cameras attach one to their files.
    """
    if not profile:
        return picture
    try:
        pixels = Image.fromarray(images.to_uint8(picture))
        srgb = ImageCms.createProfile("sRGB")
        changed = ImageCms.profileToProfile(pixels, BytesIO(profile), srgb)
        return images.to_float(np.asarray(changed))
    except (ImageCms.PyCMSError, OSError):  # It is broken, or for ink or grey, which are RGB by now
        return picture


def square(
    picture: np.ndarray, left: float | None, top: float | None, side: float | None
) -> np.ndarray:
    """The square that somebody chose: `left` and `top` of 1 of width and height, `side` of 1 of the
    shorter side.

    Where one is None, the middle. Shifted and cut to lie inside; a view.
    """
    h, w = picture.shape[:2]
    if left is None or top is None or side is None:
        return images.square_crop(picture)
    n = min(max(round(side * min(h, w)), min(SMALLEST, h, w)), h, w)
    x, y = (min(max(math.floor(at * of + 0.5), 0), of - n) for at, of in ((left, w), (top, h)))
    return picture[y : y + n, x : x + n]
