"""Hostile and broken files through `deep.read`.

It gives a picture or one line of reason, and never crashes, waits, or floods the memory. Each file
that reads is read again, after a coloured picture and with new memory filled with another byte: a
reader that gives out memory that it did not write would give another picture.

`python nbtests/core/test_hostile.py 5000` reads more files of each format than the test does;
`… PNG 17` writes the one file that the table's complaint names. Children read, so that one killed
by a decoder is counted and named.
"""

import contextlib
import ctypes
import io
import itertools
import json
import random
import re
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import PIL
import pytest
import tifffile
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ["JPEG", "PNG", "GIF", "TIFF", "WEBP"]
FILES = 1000  # of each format
# Pillow 11.3, which Colab has, shows unwritten memory in place of a TIFF's damaged strips, because
# its libtiff leaves it so. There it is the reader's own memory. The page, which serves many, asks
# for Pillow 13, where it does not happen
SAFE = int(PIL.__version__.split(".")[0]) >= 13
SLOW, LARGE = 5, 1024  # what no file may take: seconds, and MiB above what the imports take
NUMBERS = [
    0,
    1,
    2,
    3,
    127,
    255,
    256,
    4097,
    13_000,
    32_767,
    65_535,
    1 << 24,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
]


# pictures drawn by code, in what each format can hold


@cache
def bases(name: str) -> list[bytes]:
    y, x = np.mgrid[0:48, 0:64]
    smooth = np.stack([x * 4, y * 5, 128 + 100 * np.sin(x / 5) * np.cos(y / 4)], axis=-1)
    pixels = np.clip(smooth + np.random.default_rng(0).normal(0, 6, smooth.shape), 0, 255).astype(
        np.uint8
    )
    rgb = Image.fromarray(pixels)
    grey, bits, palette, cmyk = (rgb.convert(mode) for mode in ("L", "1", "P", "CMYK"))
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray((x * 4).astype(np.uint8)))
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "drawn by code"
    moving = {
        "save_all": True,
        "append_images": [rgb.rotate(90 * k) for k in (1, 2)],
        "duration": 50,
    }

    def saved(image, **options):
        file = io.BytesIO()
        image.save(file, name, **options)
        return file.getvalue()

    def by_opencv(suffix, channels):
        array = np.dstack([pixels, pixels[..., :1]])[..., :channels].astype(np.uint16) * 257
        return cv2.imencode(suffix, array)[1].tobytes()

    def by_tifffile(array, photometric="rgb", **options):
        file = io.BytesIO()
        tifffile.imwrite(file, array, photometric=photometric, **options)
        return file.getvalue()

    if name == "JPEG":
        return [
            saved(rgb, exif=exif),
            saved(rgb, progressive=True, comment=b"drawn by code"),
            saved(rgb, subsampling=0, restart_marker_blocks=4, dpi=(72, 72)),
            *(saved(image, quality=90) for image in (grey, cmyk)),
        ]
    if name == "PNG":
        plain = [saved(image) for image in (rgb, grey, bits, deep, rgba.convert("LA"))]
        special = [
            saved(palette, transparency=3),
            saved(rgba, exif=exif, dpi=(72, 72)),
            saved(rgb, **moving),
        ]
        return [*plain, *special, by_opencv(".png", 3), by_opencv(".png", 4)]
    if name == "GIF":
        options = [{}, {"transparency": 3, "comment": b"drawn by code"}, {"interlace": 0}, moving]
        return [*(saved(palette, **o) for o in options), saved(grey), saved(rgba)]
    if name == "TIFF":
        packed = [
            saved(rgb, compression=c)
            for c in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        ]
        plain = [saved(image) for image in (rgb, grey, palette, rgba, cmyk, deep)]
        special = [
            saved(bits, compression="group4"),
            saved(rgb, big_tiff=True),
            saved(rgb, exif=exif, **moving),
        ]
        planes = np.moveaxis(pixels, -1, 0).astype(np.uint16) * 257
        rare = [by_tifffile(planes, planarconfig="separate", compression=c) for c in (None, "zlib")]
        deep_rgba = np.dstack([pixels, np.full_like(pixels[..., :1], 255)]).astype(np.uint16) * 257
        rare += [
            by_tifffile(deep_rgba, extrasamples=["assocalpha"]),
            by_tifffile(planes[0], photometric="miniswhite"),
        ]
        return [*packed, *plain, *special, by_opencv(".tiff", 3), *rare]
    lossy = [saved(rgb, exif=exif), saved(rgba), saved(grey, quality=30), saved(rgb, **moving)]
    return [*lossy, saved(rgb, lossless=True), saved(palette, lossless=True)]


# a file as a list of its parts, and the file that parts make; PNG's hashes and lengths and RIFF's
# length are made anew


def split(name: str, data: bytes) -> list[bytes]:
    ends = {
        "JPEG": jpeg_segments,
        "PNG": png_chunks,
        "GIF": gif_blocks,
        "TIFF": tiff_entries,
        "WEBP": webp_chunks,
    }[name]
    parts = [data[a:b] for a, b in pairs([0, *ends(data), len(data)])]
    return unpacked(parts) if name == "PNG" else parts


def jpeg_segments(data: bytes) -> list[int]:
    """Where the segments begin; the coded pixels belong to the one before them."""
    cuts, at = [], 2
    while at < len(data) - 1:
        cuts.append(at)
        coded = data[at + 1] == 0xDA
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        while coded and at < len(data) - 1 and not is_marker(data[at : at + 2]):
            at += 1
    return cuts


def is_marker(two: bytes) -> bool:
    """Whether a segment of a JPEG begins here: a marker that is no restart."""
    return two[0] == 255 and two[1] != 0 and not 0xD0 <= two[1] < 0xD8


def png_chunks(data: bytes) -> list[int]:
    cuts, at = [], 8
    while at < len(data) - 1:
        cuts.append(at)
        at += 12 + int.from_bytes(data[at : at + 4])
    return cuts


def webp_chunks(data: bytes) -> list[int]:
    cuts, at = [], 12
    while at < len(data) - 1:
        cuts.append(at)
        at += 8 + (int.from_bytes(data[at + 4 : at + 8], "little") + 1) // 2 * 2
    return cuts


def colour_table(flags: int) -> int:
    """Bytes of a GIF's colour table."""
    return 3 << (flags & 7) + 1 if flags & 128 else 0


def gif_blocks(data: bytes) -> list[int]:
    """Where the extensions and pictures begin; each ends with an empty block."""
    cuts, at = [], 13 + colour_table(data[10])
    while at < len(data) - 1:
        cuts.append(at)
        if data[at] == 0x3B:
            break
        at += 2 if data[at] == 0x21 else 11 + colour_table(data[at + 9] if data[at] == 0x2C else 0)
        while data[at]:
            at += 1 + data[at]
        at += 1
    return cuts


def tiff_entries(data: bytes) -> list[int]:
    """Where the first directory begins, and each of its entries."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2 if order == "<" else 3] == 43
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    first = at + (8 if big else 2)
    size = 20 if big else 12
    return [at, *range(first, first + entries * size + 1, size)]


def unpacked(parts: list[bytes]) -> list[bytes]:
    """A PNG's chunks without lengths and hashes, all pixels in one, which is not compressed."""
    chunks = [part[4:-4] for part in parts[1:]]
    pixels = b"".join(chunk[4:] for chunk in chunks if chunk[:4] == b"IDAT")
    first = next(k for k, chunk in enumerate(chunks) if chunk[:4] == b"IDAT")
    others = [chunk for chunk in chunks if chunk[:4] != b"IDAT"]
    return [parts[0], *others[:first], b"IDAT" + zlib.decompress(pixels), *others[first:]]


def pairs(cuts):
    return [(a, b) for a, b in itertools.pairwise(cuts) if a < b]


def join(name: str, parts: list[bytes]) -> bytes:
    if name == "PNG":
        packed = [
            p[:4] + (zlib.compress(p[4:], 1) if p[:4] == b"IDAT" else p[4:]) for p in parts[1:]
        ]
        packed = [
            struct.pack(">I", max(0, len(p) - 4)) + p + struct.pack(">I", zlib.crc32(p))
            for p in packed
        ]
        return parts[0] + b"".join(packed)
    data = b"".join(parts)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:] if name == "WEBP" else data


# mutations: (format, parts of a file, random) → bytes


def flip_bits(name, parts, rng):
    data = bytearray(b"".join(parts))
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return [bytes(data)]


def zero_run(name, parts, rng):
    data = b"".join(parts)
    at = rng.randrange(len(data))
    run = min(rng.choice([1, 2, 4, 32, 256]), len(data) - at)
    return [data[:at] + bytes(run) + data[at + run :]]


def cut(name, parts, rng):
    data = b"".join(parts)
    return [data[: rng.choice([rng.randrange(len(data)), len(data) - rng.randrange(1, 9)])]]


def insert(name, parts, rng):
    data = b"".join(parts)
    at = rng.choice([rng.randrange(len(data)), len(data)])
    return [data[:at] + rng.randbytes(rng.choice([1, 2, 7, 64, 4096])) + data[at:]]


def splice(name, parts, rng):
    other = rng.choice(bases(name))
    at = rng.random()
    data = b"".join(parts)
    return [data[: int(at * len(data))] + other[int(at * len(other)) :]]


def shuffle_parts(name, parts, rng):
    """One part twice, two swapped, one left out, or one of another file."""
    parts, a, b = list(parts), *(rng.randrange(1, len(parts)) for _ in range(2))
    how = rng.randrange(4)
    if how == 0:
        parts.insert(b, parts[a] * rng.choice([1, 1, 3, 50]))
    elif how == 1:
        parts[a], parts[b] = parts[b], parts[a]
    elif how == 2:
        del parts[a]
    else:
        parts.insert(a, rng.choice(split(name, rng.choice(bases(name)))[1:]))
    return parts


def set_number(name, parts, rng):
    """Where lengths, sizes, depths and counts stand, another number."""
    parts, k = list(parts), rng.choice([0, 1, 1, 2, rng.randrange(len(parts))]) % len(parts)
    part, width = bytearray(parts[k]), rng.choice([1, 2, 2, 4])
    at = rng.randrange(min(len(part), 28))
    number = rng.choice(NUMBERS) % (1 << 8 * width)
    part[at : at + width] = number.to_bytes(width, rng.choice(["big", "little"]))
    parts[k] = bytes(part)
    return parts


def claim_size(name, parts, rng):
    """Width and height that the file's own pixels never fill."""
    small, large = (
        [(0, 9), (1, 1), (65, 49), (640, 480)],
        [(13_000, 13_000), (16_383, 10_000), (65_535, 65_535)],
    )
    wide, high = rng.choice(small + large)
    little, parts = struct.pack("<HH", wide, high), list(parts)
    for k, part in enumerate(parts):
        if name == "PNG" and part[:4] == b"IHDR":
            parts[k] = part[:4] + struct.pack(">II", wide, high) + part[12:]
        elif name == "JPEG" and part[0] == 255 and part[1] in (0xC0, 0xC2):
            parts[k] = part[:5] + struct.pack(">HH", high, wide) + part[9:]
        elif name == "GIF" and (k == 0 or (part[0] == 0x2C and rng.random() < 0.5)):
            at = 6 if k == 0 else 5
            parts[k] = part[:at] + little + part[at + 4 :]
        elif name == "WEBP" and part[:4] == b"VP8X":
            parts[k] = (
                part[:12]
                + b"".join(max(0, n - 1).to_bytes(3, "little") for n in (wide, high))
                + part[18:]
            )
        elif name == "WEBP" and part[:4] == b"VP8 ":
            parts[k] = part[:14] + struct.pack("<HH", wide & 0x3FFF, high & 0x3FFF) + part[18:]
        elif name == "TIFF" and part[:2] in (b"\0\1", b"\1\1"):  # the tags 256 and 257, as a long
            parts[k] = (
                part[:2] + b"\4\0" + part[4:-4] + struct.pack("<I", high if part[0] else wide)
            )
    return parts


def noise_inside(name, parts, rng):
    """Other bytes inside one part, whose length and hash are made to fit."""
    parts, k = (
        list(parts),
        rng.choice([max(range(len(parts)), key=lambda k: len(parts[k])), len(parts) - 1]),
    )
    part = bytearray(parts[k])
    for _ in range(rng.choice([1, 3, 20])):
        at = rng.randrange(min(4, len(part) - 1), len(part))
        part[at] = rng.randrange(256)
    parts[k] = bytes(part)
    return parts


MUTATIONS = [
    flip_bits,
    zero_run,
    cut,
    insert,
    splice,
    shuffle_parts,
    set_number,
    claim_size,
    noise_inside,
]


def mutation(seed: int):
    return MUTATIONS[seed % len(MUTATIONS)]


def make(name: str, seed: int) -> bytes:
    """The same bytes for the same format and seed, while Pillow and OpenCV write the same files."""
    rng, mutate = random.Random(f"{name} {seed}"), mutation(seed)
    data = rng.choice(bases(name))
    whole = mutate in (flip_bits, zero_run, cut, insert, splice)
    if not whole or (
        name == "PNG" and rng.random() < 0.7
    ):  # PNG's hashes else keep most of it from the decoder
        parts = split(name, data)
        if not whole:
            return join(name, mutate(name, parts, rng))
        k = rng.randrange(1, len(parts))
        return join(
            name,
            [
                *parts[:k],
                parts[k][:4] + mutate(name, [parts[k][4:] or b"\0"], rng)[0],
                *parts[k + 1 :],
            ],
        )
    return mutate(name, [data], rng)[0]


# reading, in children


def read_files(name: str, first: int, last: int) -> None:
    """Read the files of these seeds, and print a line of JSON for each.

    It holds the seed, the outcome, the seconds, and the largest memory so far in MiB.
    """
    import resource

    import psutil

    sys.path.insert(0, str(ROOT))
    from helpers.app import deep

    def fill(byte):
        """From now on, memory that glibc gives out anew holds this byte; others do as they like."""
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").mallopt(-6, byte)  # M_PERTURB

    def peak():
        status = Path("/proc/self/status")  # Linux counts the parent's memory into ru_maxrss
        if status.exists():
            return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    with tempfile.TemporaryDirectory() as folder:
        path, coloured = Path(folder) / "x", Path(folder) / "coloured.png"
        noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
        Image.fromarray(noise).save(coloured)
        path.write_bytes(bases(name)[0])
        deep.read(path)
        room = psutil.Process().memory_info().vms + (4 << 30)  # the machine's neighbours are safe
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        before = peak()
        print("ready", flush=True)
        for seed in range(first, last):
            path.write_bytes(make(name, seed))
            started = time.perf_counter()
            try:
                picture = deep.read(path)
                valid = (
                    picture.ndim == 3
                    and picture.shape[2] == 3
                    and picture.size
                    and picture.dtype == np.float32
                )
                good = valid and picture.min() >= 0 and picture.max() <= 1  # NaN is neither
                outcome = (
                    "decoded" if good else f"no course picture: {picture.shape} {picture.dtype}"
                )
                took = time.perf_counter() - started
                deep.read(coloured)
                fill(0xFF)
                if SAFE and not np.array_equal(picture, deep.read(path)):
                    outcome = "shows memory that it did not write"
                fill(0)
                started = time.perf_counter() - took  # the second reading is the test's own
                del picture
            except (ValueError, OSError) as error:
                outcome = (
                    "refused"
                    if 0 < len(str(error).splitlines()) < 2
                    else f"not one line: {error!r}"
                )
                if isinstance(error.__cause__, MemoryError):
                    outcome = "out of memory"
            except BaseException as error:
                outcome = f"{type(error).__name__}: {error}"
            print(
                json.dumps([seed, outcome, time.perf_counter() - started, peak() - before]),
                flush=True,
            )


def watch(name: str, files: int) -> list[tuple[int, str, float, float]]:
    """What `read_files` says of each seed; "crash" and "hang" where a child could not say it."""
    rows, at = [], 0
    while at < files:
        command = [sys.executable, "-W", "ignore", __file__, "read", name, str(at), str(files)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            ready = False
            timer = threading.Timer(60, child.kill)
            timer.start()
            for line in child.stdout:
                timer.cancel()
                if line == "ready\n":
                    ready = True
                else:
                    rows.append(tuple(json.loads(line)))
                    at += 1
                timer = threading.Timer(SLOW, child.kill)
                timer.start()
            timed_out = not timer.is_alive()
            timer.cancel()
        assert ready, f"the child that reads {name} did not start"
        if at < files:
            how = ("hang", SLOW) if timed_out else (f"crash: exit status {child.returncode}", 0)
            rows.append((at, *how, 0))
            at += 1
    return rows


def survey(files: int) -> dict[str, list]:
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(FORMATS, pool.map(watch, FORMATS, [files] * len(FORMATS)), strict=True))


def table(found: dict[str, list]) -> str:
    lines = [
        f"{'format':<8}{'files':>6}{'decoded':>9}{'':>7}{'refused':>9}{'crashes':>9}{'hangs':>7}"
    ]
    lines[0] += f"{'wrong':>7}{'slowest':>10}{'memory':>10}"
    for name, rows in found.items():
        count = {
            how: sum(o.startswith(how) for _, o, *_ in rows)
            for how in ("decoded", "refused", "crash", "hang")
        }
        share = count["decoded"] / len(rows)
        lines.append(
            f"{name:<8}{len(rows):>6}{count['decoded']:>9}{share:>7.0%}{count['refused']:>9}"
            f"{count['crash']:>9}{count['hang']:>7}{len(rows) - sum(count.values()):>7}"
            f"{max(row[2] for row in rows):>8.2f} s{max(row[3] for row in rows):>6.0f} MiB"
        )
    return "\n".join(lines)


def complaints(found: dict[str, list]) -> list[str]:
    bad = []
    for name, rows in found.items():
        highest = 0
        for seed, outcome, seconds, memory in rows:
            who = f"{name} {seed} ({mutation(seed).__name__})"
            if outcome not in ("decoded", "refused"):
                bad.append(f"{who}: {outcome}")
            elif seconds > SLOW:
                bad.append(f"{who}: {seconds:.1f} s")
            if memory > max(LARGE, highest):
                bad.append(f"{who}: {memory:.0f} MiB")
            highest = max(highest, memory)
    return bad


@pytest.mark.slow
@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no limit on a child's memory to set here"
)
def test_hostile_files_are_read_or_refused(capsys):
    found = survey(FILES)
    with capsys.disabled():
        print("", table(found), sep="\n")
    assert not complaints(found)
    for rows in found.values():
        outcomes = [outcome for _, outcome, *_ in rows]
        assert len(outcomes) >= 500
        assert outcomes.count("decoded") >= 0.3 * len(outcomes)
        assert outcomes.count("refused") >= 0.1 * len(outcomes)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["read"]:
        read_files(arguments[1], *map(int, arguments[2:]))
    elif arguments[:1] and arguments[0] in FORMATS:
        sys.stdout.buffer.write(make(arguments[0], int(arguments[1])))
    else:
        found = survey(int(arguments[0]) if arguments else FILES)
        print(table(found), *complaints(found), sep="\n")
        sys.exit(bool(complaints(found)))


if __name__ == "__main__":
    main(sys.argv[1:])
