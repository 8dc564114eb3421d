"""The files of a folder or a zip, under names that compare: composed, with slashes."""

import errno
import lzma
import os
import shutil
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from helpers.files import replacing

# What zipfile and its decompressors raise for a damaged or encrypted zip
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeError,
)
IN_UTF_8 = 0x800  # the flag of a zip's member whose name is in UTF-8
COMMON = range(0xB0, 0xC9)  # how Korean's 2,350 common syllables begin in cp949


class Original(NamedTuple):
    """A file of a folder or a zip."""

    name: str  # inside the folder or zip
    size: int  # bytes
    open: Callable[[], BinaryIO]
    path: Path | None = None  # where it lies, unless in a zip
    crc: int = 0  # of a zip's member


@contextmanager
def opened(origin: Path, folder: Path) -> Iterator[list[Original]]:
    """The files of a folder or a zip, which is open inside the block.

    Parameters
    ----------
    origin : the folder or the zip
    folder : where the files will go; what it holds already is left out

    Raises
    ------
    FileNotFoundError : there is no `origin`
    ValueError : it is no zip, a broken one, or one that unpacks to more than the disk has room for
    """
    if origin.is_dir():
        yield list(_of_folder(origin, folder))
        return
    if not origin.exists():
        raise FileNotFoundError(f"there is no folder or zip {origin}")
    with naming(origin), zipfile.ZipFile(origin) as archive:
        originals = members(archive)
        _check_room(origin, originals, folder)
        yield originals


@contextmanager
def naming(archive: str | os.PathLike) -> Iterator[None]:
    """Errors of zipfile and its decompressors become a ValueError that names the zip."""
    try:
        yield
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # the disk's; EINVAL is a place before the beginning of the zip
        reason = str(error) or "it ends early"
        raise ValueError(
            f"{archive} is not a zip or a broken one ({reason}); download it again"
        ) from error


def composed(name: str) -> str:
    """A name as most systems write it: a Mac takes letters apart (NFD), Hangul above all."""
    return unicodedata.normalize("NFC", name)


def visible(name: str) -> bool:
    """Whether a file is the user's own: not a system's, as in __MACOSX, ._x.jpg and .DS_Store."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" not in parts and not parts[-1].startswith(".")


def _of_folder(origin: Path, folder: Path) -> Iterator[Original]:
    """The visible files of `origin`, without those in `folder`."""
    for top, folders, names in os.walk(origin):
        folders[:] = [name for name in folders if Path(top, name).resolve() != folder.resolve()]
        for name in names:
            path = Path(top, name)
            inside = composed(path.relative_to(origin).as_posix())
            if path.is_file() and visible(inside):
                yield of_file(path, inside)


def of_file(path: Path, name: str) -> Original:
    """A file on this disk, under the name that it is to have."""
    return Original(name, path.stat().st_size, partial(path.open, "rb"), path)


def members(archive: zipfile.ZipFile) -> list[Original]:
    """The visible files of an opened zip."""
    infos = archive.infolist()
    encoding = _encoding(infos)
    found = []
    for info in infos:
        name = info.filename
        if raw := _undeclared(info):
            name = raw.decode(encoding)
        name = composed(name.replace("\\", "/"))
        if name and not name.endswith("/") and visible(name):
            found.append(Original(name, info.file_size, partial(archive.open, info), crc=info.CRC))
    return found


def _undeclared(info: zipfile.ZipInfo) -> bytes:
    """The bytes of a name that does not say in what it is written: zipfile took it for cp437."""
    if info.flag_bits & IN_UTF_8:
        return b""
    try:
        return info.filename.encode("cp437")
    except UnicodeEncodeError:  # a field of its own said it
        return b""


def _encoding(infos: Iterable[zipfile.ZipInfo]) -> str:
    """In what the undeclared names of a zip are written.

    A Mac writes UTF-8 without saying so, and Windows in Korean cp949. Letters of Europe may happen
    to be cp949, too, but not of its common syllables.
    """
    raw = b"\n".join(_undeclared(info) for info in infos)
    with suppress(UnicodeDecodeError):
        raw.decode("utf-8")
        return "utf-8"
    with suppress(UnicodeDecodeError):
        pairs = [letter.encode("cp949") for letter in raw.decode("cp949") if letter >= "가"]
        if any(first in COMMON and second > 0xA0 for first, second in pairs):
            return "cp949"
    return "cp437"


def _check_room(origin: Path, originals: list[Original], folder: Path) -> None:
    """ValueError where a zip unpacks to more than is free on the disk of `folder`."""
    size = sum(original.size for original in originals)
    existing = next(path for path in folder.absolute().parents if path.exists())
    free = shutil.disk_usage(existing).free
    if size > free:
        raise ValueError(
            f"{origin} unpacks to {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; nothing"
            " was unpacked; free space, or get another copy"
        )


def is_copy(target: Path, original: Original) -> bool:
    """Whether `target` holds the same bytes."""
    if not target.is_file() or target.stat().st_size != original.size:
        return False
    if original.path is None:
        return _crc(target) == original.crc
    return target.samefile(original.path) or _crc(target) == _crc(original.path)


def _crc(path: Path) -> int:
    """The checksum of a file that a zip would keep."""
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            crc = zlib.crc32(chunk, crc)
    return crc


def bring(original: Original, target: Path, check: Callable[[Path], object] | None = None) -> None:
    """Make `target` the file: by a hard link where the disk allows it, else by a copy.

    Parameters
    ----------
    original : the file
    target : where it goes, whole or not at all
    check : is called with the finished file, and may raise ValueError

    Raises
    ------
    ValueError : the zip says another length; or of `check`
    OSError : of `replacing`
    """
    with original.open() as source, replacing(target) as part:
        # A killed run may have left a link there, and writing would go through it.
        part.unlink(missing_ok=True)
        if original.path:
            with suppress(OSError):  # another disk, or one without links
                part.hardlink_to(original.path.resolve())
        if not part.exists():
            with part.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        size = part.stat().st_size
        if size != original.size:  # zipfile compares the checksum alone
            raise ValueError(
                f"{original.name} has {size} bytes instead of {original.size}; get another copy"
                " of the set"
            )
        if check:
            check(part)
