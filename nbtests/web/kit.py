"""What the page's tests and its benchmark share.

A real server, somebody who visits it, and files that mean harm.
"""

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import requests
import tifffile
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from skimage import data

from helpers import ROOT

SCREENS = ROOT / "build" / "screens"
LIMIT = 20_000_000
BOUNDARY = "between-two-fields-4b1d0f27"  # long, lest a picture contain it


def encoded(picture: np.ndarray, kind: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, kind, **options)
    return file.getvalue()


def photograph(side: int = 256) -> bytes:
    """A square photograph as JPEG."""
    return encoded(
        np.asarray(Image.fromarray(data.chelsea()[:300, 80:380]).resize((side, side))), quality=90
    )


def secret_photograph() -> bytes:
    """A photograph whose metadata no file of the page may hold."""
    exif = Image.Exif()
    exif[0x010F] = "Secretmaker"
    return encoded(data.chelsea(), exif=exif, comment=b"Secretmaker")


def bomb() -> bytes:
    """A PNG of few bytes that claims 20,000×20,000 pixels."""
    chunks = [
        (b"IHDR", b"\0\0\x4e\x20\0\0\x4e\x20\x08\x02\0\0\0"),
        (b"IDAT", zlib.compress(bytes(10**6))),
        (b"IEND", b""),
    ]
    lengths = [
        len(d).to_bytes(4, "big") + n + d + zlib.crc32(n + d).to_bytes(4, "big") for n, d in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(lengths)


def scan_bomb(scans: int, side: int = 64) -> bytes:
    """A progressive JPEG whose last scan is repeated: each goes over the whole picture.

    The picture is grey all over, so that its scans are short.
    """
    whole = encoded(np.full((side, side, 3), 99, np.uint8), progressive=True)
    last = whole[whole.rindex(b"\xff\xda") : -2]
    return whole[:-2] + scans * last + whole[-2:]


def hostile() -> dict[str, tuple[str, bytes]]:
    """Files that the page has to refuse, by what is wrong with them: (name, bytes)."""
    good, png = photograph(64), encoded(data.chelsea()[:64, :64], "PNG")
    script = b"<script>alert(1)</script>"
    svg = b'<svg xmlns="http://www.w3.org/2000/svg">' + script + b"</svg>"
    return {
        "bomb": ("bomb.png", bomb()),
        "SVG with a script": ("drawing.svg", svg),
        "SVG with a script, called PNG": ("drawing.png", svg),
        "0 bytes": ("empty.jpg", b""),
        "50 MB": ("large.jpg", good + bytes(50_000_000 - len(good))),
        "a byte more than allowed": ("large.jpg", good + bytes(LIMIT + 1 - len(good))),
        "a path in the name": ("../../etc/cron.d/photo.jpg", good),
        "a path of Windows in the name": ("..\\..\\photo.jpg", good),
        "text called JPEG": ("photo.jpg", b"not a picture at all " * 50),
        "HTML called JPEG": ("photo.jpg", b"<!doctype html>" + script),
        "a JPEG that is cut off": ("photo.jpg", good[: len(good) // 2]),
        "a PNG with a broken row": ("photo.png", png[:200] + bytes(64) + png[264:]),
        "15×15 pixels": ("dot.png", encoded(data.chelsea()[:15, :15], "PNG")),
        "a PDF": ("photo.jpg", b"%PDF-1.7\n" + good),
    }


def disguised() -> dict[str, tuple[str, bytes]]:
    """Pictures that hold something else besides, or have another kind's name.

    The page takes their pixels alone.
    """
    good, pixels, archive, info = photograph(), data.chelsea()[:256, :256], io.BytesIO(), PngInfo()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("run.sh", "echo harm")
    info.add_text("Comment", "<html><script>harm()</script>")
    return {
        "a zip behind a JPEG": ("a.jpg", good + archive.getvalue()),
        "HTML in a PNG's comment": ("a.png", encoded(pixels, "PNG", pnginfo=info)),
        "PHP in a JPEG's comment": ("a.jpg", encoded(pixels, comment=b"<?php harm();")),
        "a JPEG called PNG": ("photo.png", good),
        "a JPEG called HEIC": ("IMG_1.HEIC", good),
        "a JPEG with a blank behind its name": ("photo.jpg ", good),
        "a picture called program": ("photo.exe", encoded(pixels, "PNG")),
    }


def ordinary(random: np.random.Generator) -> bytes:
    """A small photograph with the metadata that Photoshop, a phone or a scanner leaves.

    Some of it is in odd words.
    """
    words = [
        "<!DOCTYPE plist>",
        "<svg",
        "%PDF-1.7",
        "How to use the <html> tag",
        "<?php",
        "PK\5\6",
        "a day at the lake",
    ]
    exif, text = Image.Exif(), " ".join(random.choice(words, 3))
    exif[0x010F], exif[0x010E], exif[0x0112] = "drawn by code", text, int(random.integers(1, 9))
    exif.get_ifd(0x8769)[0x927C] = random.bytes(int(random.integers(4000)))  # the maker's own notes
    pixels = np.clip(random.normal(128, 40, (24, 32, 3)), 0, 255).astype(np.uint8)
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{text}</x:xmpmeta>'.encode()
    by = random.choice(["Photoshop", "phone", "scanner", "screen"])
    if by == "scanner":
        tags = {270: text, 305: "drawn by code", 700: xmp}
        return encoded(
            pixels,
            "TIFF",
            tiffinfo=tags,
            compression=str(random.choice(["raw", "tiff_lzw", "packbits"])),
        )
    if by == "screen":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode())
        return encoded(pixels, "PNG", pnginfo=info, dpi=(144, 144))
    whole = encoded(
        pixels, exif=exif, comment=text.encode(), xmp=xmp, progressive=bool(random.integers(2))
    )
    if by == "phone":  # a film behind the picture, as a motion photo has it
        return whole + b"\0\0\0\x18ftypmp42" + random.bytes(2000) + text.encode()
    printer = text.encode() + random.bytes(50)
    resource = b"Photoshop 3.0\0" + b"8BIM\x03\xea\0\0" + len(printer).to_bytes(4, "big") + printer
    return whole[:2] + b"\xff\xed" + (len(resource) + 2).to_bytes(2, "big") + resource + whole[2:]


def layouts() -> dict[str, bytes]:
    """Black pictures, laid out in rare, broken and lying ways.

    Their readers may be left with memory to fill.
    """
    black, found = np.zeros((300, 300, 3), np.uint16), {}
    opaque = np.dstack([black, np.full_like(black[..., :1], 65535)])

    def tiff(lie=None, value=0, **options) -> bytes:
        file, pixels = io.BytesIO(), opaque if "extrasamples" in options else black
        if options.get("planarconfig") == "separate":
            pixels = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
        tifffile.imwrite(file, pixels, photometric="rgb", **options)
        file.seek(0)  # where tifffile begins to read
        if lie:
            with tifffile.TiffFile(file) as tags:
                tag = tags.pages[0].tags[lie]
                tag.overwrite([value] * tag.count if tag.count > 1 else value)
        return file.getvalue()

    for planes in ("contig", "separate"):
        for how in (
            {},
            {"compression": "zlib"},
            {"tile": (64, 64)},
            {"extrasamples": ["assocalpha"]},
            {"byteorder": ">"},
        ):
            found[f"TIFF {planes} {how}"] = tiff(planarconfig=planes, **how)
        for lie, value in [
            ("StripByteCounts", 0),
            ("StripByteCounts", 7),
            ("StripOffsets", 0),
            ("StripOffsets", 1 << 30),
            ("RowsPerStrip", 100),
            ("ImageLength", 600),
            ("ImageWidth", 330),
            ("BitsPerSample", 8),
            ("PhotometricInterpretation", 2),
        ]:
            for packed in (None, "zlib"):
                found[f"TIFF {planes} {packed} {lie}={value}"] = tiff(
                    lie, value, planarconfig=planes, compression=packed
                )
    deep = [cv2.imencode(".png", pixels)[1].tobytes() for pixels in (black[..., 0], black, opaque)]
    for n, whole in zip(("grey", "colour", "alpha"), deep, strict=True):
        found[f"PNG of 16 bits, {n}"] = whole
        found[f"PNG of 16 bits, {n}, cut"] = whole[: len(whole) // 2]
        wide = (600).to_bytes(4, "big")
        head = whole[12:16] + wide + whole[20:29]
        found[f"PNG of 16 bits, {n}, too wide"] = (
            whole[:12] + head + zlib.crc32(head).to_bytes(4, "big") + whole[33:]
        )
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 4}):
        whole = encoded(black.astype(np.uint8), **options)
        found[f"JPEG {options}"] = whole
        found[f"JPEG {options}, cut"] = whole[: len(whole) // 2] + b"\xff\xd9"
        at = whole.index(b"\xff\xc2" if "progressive" in options else b"\xff\xc0")
        found[f"JPEG {options}, too high"] = (
            whole[: at + 5] + (900).to_bytes(2, "big") + whole[at + 7 :]
        )
    return found


def multipart(fields: dict[str, str], name: str, content: bytes) -> tuple[bytes, str]:
    """A form with a file under any name, as no library would write it: (body, content type)."""
    start = f"--{BOUNDARY}\r\nContent-Disposition: form-data; name="
    parts = "".join(f'{start}"{k}"\r\n\r\n{v}\r\n' for k, v in fields.items())
    head = f'{start}"picture"; filename="{name}"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = f"{parts}{head}".encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return body, f"multipart/form-data; boundary={BOUNDARY}"


class Visitor:
    """Somebody with cookies, who sends pictures and looks what became of them."""

    def __init__(self, address: str):
        self.address, self.session = address, requests.Session()
        page = self.session.get(f"{address}/", timeout=30).text
        self.token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]

    def send(
        self, content: bytes, name: str = "photo.jpg", task: str = "summer_to_winter"
    ) -> requests.Response:
        body, kind = multipart({"csrfmiddlewaretoken": self.token, "task": task}, name, content)
        headers = {"Content-Type": kind, "Accept": "application/json"}
        return self.session.post(f"{self.address}/", body, headers=headers, timeout=60)

    def get(self, path: str) -> requests.Response:
        return self.session.get(self.address + path, timeout=30)

    def wait(self, path: str, seconds: float = 120, step: float = 0.05) -> dict:
        """Poll a job until it is done or failed."""
        end = time.monotonic() + seconds
        while (now := self.get(f"{path}state").json())["state"] in ("queued", "running"):
            if time.monotonic() > end:
                raise TimeoutError(f"{path} is still {now} after {seconds} s")
            time.sleep(step)
        return now


class Server:
    """`web/serve.py` in a process of its own, on a free port, with its work folder in `folder`."""

    def __init__(self, folder: Path, **environment: str):
        self.folder = folder
        self.environment = (
            os.environ | {"PYTHONPATH": str(ROOT), "WEB_FOLDER": str(folder)} | environment
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def start(self, seconds: float = 400) -> None:
        """Returns when the networks are warm."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "log"
        with log.open("ab") as file:
            command = [sys.executable, str(ROOT / "web" / "serve.py"), "--port", str(self.port)]
            self.process = subprocess.Popen(
                command, env=self.environment, stdout=file, stderr=subprocess.STDOUT
            )
        before = log.read_text(encoding="utf-8").count("are warm")
        end = time.monotonic() + seconds
        while log.read_text(encoding="utf-8").count("are warm") == before:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start:\n{log.read_text(encoding='utf-8')}")
            time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """As ctrl-C does; its exit status."""
        self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(
                timeout=120
            )  # on busy cores the job in hand alone takes a while
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def pictures(self) -> set[str]:
        """Every file that the server keeps of pictures, also half-written ones."""
        folder = self.folder / "pictures"
        left = {path.name for path in self.folder.glob("upload-*")}
        return left | ({path.name for path in folder.iterdir()} if folder.is_dir() else set())


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[Server]:
    server = Server(folder, **environment)
    try:
        server.start()
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def killed_at_work(server: Server, jobs: int) -> list[str]:
    """SIGKILL while the first of `jobs` pictures is in work and the others wait.

    Returns their states after a restart.
    """
    visitor = Visitor(server.address)
    paths = [visitor.send(photograph(), task="day_to_night").json()["address"] for _ in range(jobs)]
    while visitor.get(f"{paths[0]}state").json()["state"] == "queued":
        pass
    server.kill()
    server.start()
    return [visitor.wait(path)["state"] for path in paths]


def chromium() -> str | None:
    """Where a Chromium is that is installed already; Playwright's own is not downloaded."""
    return next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )


def seen(locator) -> np.ndarray:
    """What the eye sees of an element: (h, w, 3) of 0 to 255."""
    page = locator.page
    page.wait_for_timeout(100)
    SCREENS.mkdir(parents=True, exist_ok=True)
    path = SCREENS / ".seen.png"
    locator.screenshot(path=path)
    with Image.open(path) as file:
        picture = np.asarray(file.convert("RGB"), np.float32)
    path.unlink()
    return picture


def fingers(session, kind: str, *points):
    """Fingers on the screen, at (x, y) each."""
    points = [{"x": x, "y": y, "id": k} for k, (x, y) in enumerate(points)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
