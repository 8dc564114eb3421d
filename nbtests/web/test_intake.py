"""What comes in.

Every hostile file is refused in words and leaves nothing; every honest one loses its metadata.
"""

import io
import os
import re
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
from django.core.management import call_command
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin
from skimage import data

from helpers import ROOT, images
from helpers.app import colours, deep
from nbtests import profiles
from nbtests.web import kit
from web.studio import decoder, intake
from web.studio.models import Job

HOSTILE = kit.hostile()
SAYS = {
    "bomb": "megapixels",
    "SVG": "no picture",
    "0 bytes": "empty",
    "50 MB": "larger than 20 MB",
    "a byte more": "larger than 20 MB",
    "a path": "contains a path",
    "text": "no picture",
    "HTML": "no picture",
    "a JPEG that": "damaged",
    "a PNG with": "damaged",
    "15×15": "smaller than 16×16",
    "a PDF": "no picture",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_files_are_refused_in_words_and_leave_nothing(what, send, files, worker):
    name, content = HOSTILE[what]
    answer = send(content, name)
    assert 400 <= answer.status_code < 500
    (words,) = [words for start, words in SAYS.items() if what.startswith(start)]
    assert words in answer.json()["error"]
    assert not Job.objects.exists()
    assert not files()
    assert worker.places._value == 16  # the place in the queue is free again


@pytest.mark.parametrize("what", kit.disguised())
def test_of_a_picture_with_something_else_inside_only_the_pixels_are_kept(what, done, files):
    name, content = kit.disguised()[what]
    job = done(content=content, name=name)
    assert job.state == Job.State.DONE
    for path in (job.before, job.after):
        kept = path.read_bytes()
        assert Image.open(path).format == "PNG"
        assert not re.search(rb"harm|<html|<script|<\?php|run\.sh", kept) and kept.endswith(
            b"IEND\xaeB`\x82"
        )
    assert files() == {path.name for path in job.files}


def test_5000_ordinary_photographs_are_not_refused(tmp_path):
    random, path = np.random.default_rng(0), tmp_path / "picture"
    for _ in range(5000):
        path.write_bytes(kit.ordinary(random))
        with decoder.opened(path) as file:
            decoder.check(file, path, 50_000_000)


@pytest.mark.slow
def test_nothing_of_one_visitors_picture_is_in_anothers(worker):
    """A sends a coloured photograph, then B a black file in a rare layout.

    B sends it again after another photograph of A's.
    """
    y, x = np.mgrid[0:300, 0:300]
    photographs = [
        kit.encoded(np.stack([y % 256, x % 256, (x + y) % 256], axis=-1).astype(np.uint8), "PNG"),
        kit.encoded(255 - data.chelsea()[:300, :300], "PNG"),
    ]
    taken = 0
    for what, content in kit.layouts().items():
        found = []
        for photograph in photographs:
            intake.decode(photograph, part())
            try:
                png = intake.decode(content, part()).png
            except intake.Refused as why:
                assert why.status == 415
                found.append(b"refused")
            else:
                found.append(np.asarray(Image.open(io.BytesIO(png))).tobytes())
        assert found[0] == found[1], what
        if found[0] != b"refused":
            taken += 1
            honest = not any(
                word in what for word in ("=", "too", "cut")
            )  # a lie may show the file's own bytes
            assert not (honest and any(found[0])), what
    assert len(kit.layouts()) >= 30 and taken >= 15


def test_a_refusal_is_a_page_for_whoever_has_no_script(send):
    answer = send(b"", page=True)
    assert answer.status_code == 415
    assert "The file is empty" in answer.content.decode()
    assert "studio/problem.html" in [t.name for t in answer.templates]


def test_a_body_that_is_too_large_is_not_even_read(client, db, worker):
    class Unread(io.BytesIO):
        def read(self, *_):
            raise AssertionError("it was read")

    answer = client.generic(
        "POST", "/", b"", "multipart/form-data; boundary=x", CONTENT_LENGTH="30000000"
    )
    assert answer.status_code == 413
    answer = client.post("/", headers={"Content-Length": "30000000"}, **{"wsgi.input": Unread()})
    assert answer.status_code == 413


def test_a_false_content_length_does_not_help(rf, settings):
    from django.core.files.uploadhandler import SkipFile, StopFutureHandlers

    from web.studio.middleware import Counting

    settings.MOST_BYTES = 1000
    request = rf.post("/")
    request.refused = None
    handler = Counting(request)
    handler.handle_raw_input(None, {}, 10, "x")
    with pytest.raises(StopFutureHandlers):
        handler.new_file("picture", "a.jpg", "image/jpeg", None)
    assert handler.receive_data_chunk(bytes(1000), 0) is None
    with pytest.raises(SkipFile):
        handler.receive_data_chunk(b"1", 1000)
    assert request.refused.status == 413


@pytest.mark.parametrize("kind", sorted(set(decoder.KINDS) - {"HEIF"}))
def test_the_kinds_that_are_taken(kind, done):
    content = kit.encoded(data.chelsea(), kind)
    for suffix in (*decoder.KINDS[kind], decoder.KINDS[kind][0].upper(), ""):
        assert done(content=content, name=f"photo{suffix}").state == Job.State.DONE


def test_metadata_is_gone(done):
    exif = Image.Exif()
    exif[0x010F] = "Secretmaker"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (TiffImagePlugin.IFDRational(48), TiffImagePlugin.IFDRational(8), 0)
    picture = kit.encoded(data.chelsea(), exif=exif, comment=b"at home", dpi=(300, 300))
    assert b"Secretmaker" in picture
    assert Image.open(io.BytesIO(picture)).getexif().get_ifd(0x8825)
    job = done(content=picture)
    for path in (job.before, job.after):
        content = path.read_bytes()
        assert not re.search(rb"tEXt|iTXt|zTXt|eXIf|pHYs|iCCP|tIME", content)
        assert b"Secretmaker" not in content and b"at home" not in content


@pytest.mark.parametrize("usable", [True, False])
def test_colours_are_those_that_the_profile_means(usable, done):
    """A profile made from sRGB's, whose red and green have changed places.

    What is stored as red is meant as green.
    """
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = (
        srgb.replace(b"rXYZ", b"tmp.", 1).replace(b"gXYZ", b"rXYZ", 1).replace(b"tmp.", b"gXYZ", 1)
    )
    red = np.zeros((256, 256, 3), np.uint8)
    red[..., 0] = 255
    job = done(
        content=kit.encoded(red, "PNG", icc_profile=swapped if usable else swapped[:200]),
        name="photo.png",
    )
    assert images.read(job.before).mean(axis=(0, 1)) == pytest.approx(
        [0, 1, 0] if usable else [1, 0, 0], abs=0.02
    )


def told_png(**chunks):
    """A PNG's chunks by name."""
    texts = PngImagePlugin.PngInfo()
    for name, content in chunks.items():
        texts.add(name.encode(), content)
    return texts


LINEAR = (100_000).to_bytes(4, "big")
P3 = struct.pack(">8I", *(round(1e5 * n) for place in colours.PRIMARIES[12] for n in place))


@pytest.mark.parametrize(
    "kind, options, expected",
    [
        ("CMYK", {"icc_profile": profiles.ink_profile(-30, 60)}, None),
        ("L", {"icc_profile": profiles.grey_profile(1.0)}, 188),
        ("L", {"pnginfo": told_png(gAMA=LINEAR)}, 188),
        ("RGB", {"pnginfo": told_png(gAMA=LINEAR)}, (188, 137, 224)),
        ("RGB", {"pnginfo": told_png(gAMA=(45455).to_bytes(4, "big"))}, (128, 64, 191)),
        ("RGB", {"pnginfo": told_png(gAMA=LINEAR, sRGB=b"\0")}, (128, 64, 191)),
        ("RGB", {"pnginfo": told_png(cHRM=P3)}, (138, 59, 198)),
        ("RGB", {"pnginfo": told_png(cICP=bytes([12, 13, 0, 1]))}, (138, 59, 198)),
        ("RGB", {"pnginfo": told_png(cICP=bytes([1, 8, 0, 1]), gAMA=b"1234")}, (188, 137, 224)),
    ],
)
def test_colours_are_those_that_other_words_mean(tmp_path, kind, options, expected):
    """Red 128, green 64, blue 191, by inks, by grey's profile, by a PNG's gamma and primaries."""
    image = Image.new("RGB", (32, 32), (128, 64, 191)).convert(kind)
    if kind == "L":
        image = Image.new("L", (32, 32), 128)
    path = tmp_path / ("x.tif" if kind == "CMYK" else "x.png")
    image.save(path, **options)
    if kind == "CMYK":
        expected = 255 * deep.read(path)[0, 0]
        assert np.abs(expected - np.asarray(image.convert("RGB"))[0, 0]).max() > 20
    found, _ = decoder.read(path, part(), 10**8)
    np.testing.assert_allclose(np.asarray(found)[5, 5], expected, atol=2)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused(tmp_path, transfer):
    texts = told_png(cICP=bytes([9, transfer, 0, 1]))
    Image.new("RGB", (32, 32)).save(tmp_path / "x.png", pnginfo=texts)
    with pytest.raises(decoder.Refused, match="damaged"):
        decoder.read(tmp_path / "x.png", part(), 10**8)


def test_an_heic_is_taken_where_its_package_is_installed(done):
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    cat = data.chelsea()[:256, :256]
    pillow_heif.from_pillow(Image.fromarray(cat)).save(file, quality=95)
    job = done(content=file.getvalue(), name="IMG_1.HEIC")
    assert np.abs(255 * images.read(job.before) - cat).mean() < 4


def test_a_phone_held_upright(done):
    """Turned by EXIF, then cropped: the top of what the eye sees, not of what lies in the file."""
    lying = np.zeros((200, 400, 3), np.uint8)
    lying[:, :200] = (255, 0, 0)  # orientation 6 turns the left to the top
    exif = Image.Exif()
    exif[0x0112] = 6
    job = done(
        content=kit.encoded(lying, exif=exif, quality=95),
        task="day_to_night",
        left=0,
        top=0,
        side=1,
    )
    before = images.read(job.before)
    assert before.shape == (200, 200, 3)
    # All that was left of the middle
    assert before[:190, :, 0].min() > 0.9 and before[:190, :, 1].max() < 0.1


@pytest.mark.parametrize(
    "square, found",
    [
        ((None, None, None), (100, 0, 300, 200)),
        ((0, 0, 1), (0, 0, 200, 200)),
        ((0.5, 0, 1), (200, 0, 400, 200)),
        ((0.25, 0.5, 0.5), (100, 100, 200, 200)),
        ((1, 0.5, 0.5), (300, 100, 400, 200)),  # outside: shifted in
        ((0.5, 0.5, 0), (200, 100, 216, 116)),
    ],
)
def test_the_square(square, found):
    assert decoder.box((400, 200), decoder.Part(True, *square, 10**6)) == found
    assert decoder.box((400, 200), decoder.Part(False, *square, 10**6)) == (0, 0, 400, 200)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize(
    "edges", [(None, None, None), (0, 0, 0.5), (0.4, 0.3, 0.25), (1, 1, 0.5)], ids=str
)
@pytest.mark.parametrize("square", [True, False])
def test_a_turned_picture(square, edges, turns):
    """Cut out, then turned: what is cut out of the turned picture."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    file = io.BytesIO(kit.encoded(pixels, "PNG"))
    part = decoder.Part(square, *edges, 10**6, turns)
    found, size = decoder.upright(Image.open(file), part, (60, 40))
    turned = np.rot90(pixels, -turns)
    left, top, right, bottom = decoder.box(turned.shape[1::-1], part._replace(turns=0))
    assert size == (right - left, bottom - top)
    np.testing.assert_array_equal(np.asarray(found), turned[top:bottom, left:right])


def test_a_turned_upload(done):
    job = done(content=kit.encoded(data.coffee()[:200, :300]), task="clean", turns=1)
    assert images.read(job.before).shape == (300, 200, 3)
    assert (job.given_width, job.given_height) == (200, 300)


@pytest.mark.parametrize("value", ["4", "-1", "x", "0.5"])
def test_no_quarter_turns(value, send):
    assert send(turns=value).status_code == 400


@pytest.mark.parametrize("value", ["nan", "inf", "x", "1e308", "-1e308", "1e309", "-0.1"])
@pytest.mark.parametrize("field", ["left", "top", "side"])
def test_a_square_of_nonsense(value, field, send):
    fields = {"left": 0, "top": 0, "side": 1} | {field: value}
    assert send(**fields).status_code == 400


def test_nothing_chosen(send):
    assert "Choose a picture" in send(sample="").json()["error"]
    assert send(sample="../secret").status_code == 400
    assert send(task="mine_bitcoin").status_code == 400


def test_50_megapixels_and_no_more(send, settings):
    settings.MOST_PIXELS = data.chelsea().shape[0] * data.chelsea().shape[1]
    assert send(kit.encoded(data.chelsea())).status_code == 201
    settings.MOST_PIXELS -= 1
    answer = send(kit.encoded(data.chelsea()))
    assert answer.status_code == 413 and "megapixels" in answer.json()["error"]


# what a file may cost


def part(most=10**6, square=True) -> decoder.Part:
    return decoder.Part(square, None, None, None, most)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("within", [b"", b"\xff\xda" * 100])
def test_scans_are_counted_and_thumbnails_are_not(progressive, within):
    whole = kit.encoded(data.chelsea(), progressive=progressive, comment=within)
    assert decoder.scans(whole + 50 * whole) == (10 if progressive else 1)
    if progressive:
        assert decoder.scans(kit.scan_bomb(300)) == 310


def test_a_file_of_many_scans_is_refused_before_it_is_decoded(send, files):
    answer = send(kit.scan_bomb(400))
    assert answer.status_code == 413
    assert "too long" in answer.json()["error"]
    assert not files()


def test_a_file_that_keeps_the_decoder_busy_is_stopped(monkeypatch, send, files, worker):
    """A reader that never ends: by the limit of CPU time, or by the clock where it only waits."""
    for busy, seconds in (("while True: pass", 20), ("import time; time.sleep(60)", 1)):
        monkeypatch.setattr(intake, "SECONDS", seconds)
        monkeypatch.setattr(intake.decoder, "main", Stubborn(busy))
        began = time.monotonic()
        answer = send()
        assert answer.status_code == 413 and "too long" in answer.json()["error"]
        assert time.monotonic() - began < 15
        assert not files() and worker.places._value == 16


class Stubborn:
    """In place of the reader: it takes the file, and does something for ever."""

    def __init__(self, code):
        self.code = code

    def __call__(self, connection, *_):
        connection.recv_bytes()
        decoder.CPU_SECONDS = 1
        decoder.limit()
        exec(self.code)


def test_memory_is_limited(monkeypatch, send, files):
    monkeypatch.setattr(intake.decoder, "main", Greedy())
    answer = send()
    assert answer.status_code == 413
    assert "memory" in answer.json()["error"]
    assert not files()


class Greedy:
    """In place of the reader: it wants 3 GB for the picture."""

    def __call__(self, connection, *order):
        decoder.read = lambda *_: np.ones(3 * 10**9, np.uint8)
        DECODE(connection, *order)


DECODE = decoder.main


def test_a_reader_that_is_killed_refuses_one_file_and_no_more(monkeypatch, send):
    with monkeypatch.context() as only_here:
        only_here.setattr(intake.decoder, "main", Stubborn("os.kill(os.getpid(), 9)"))
        assert send().status_code == 413
    assert send().status_code == 201


def test_a_jpeg_is_decoded_no_larger_than_needed(tmp_path):
    """The reduced decoding shows the same picture, and its size is that of the file."""
    y, x = np.mgrid[0:1200, 0:1600]
    waves = 127 + 100 * np.sin(x / 40) * np.cos(y / 50)
    given = np.stack([waves, waves.T[:1200, :1200].mean() + 0 * waves, x / 10], -1).astype(np.uint8)
    path = tmp_path / "picture"
    path.write_bytes(kit.encoded(given, quality=95))
    small, size = decoder.read(path, part(150 * 150), 10**8)
    assert (small.size, size) == ((150, 150), (1200, 1200))
    expected = images.resize(images.to_float(given[:, 200:1400]), (150, 150), "bicubic")
    assert np.abs(images.to_float(np.asarray(small)) - expected).mean() < 0.01
    with Image.open(path) as file:
        decoder.draft(file, part(150 * 150))
        assert file.size == (200, 150)


# originals


def killed(folder) -> str:
    """The step at which a page of its own was killed; the folder's name is its number."""
    environment = os.environ | {"WEB_FOLDER": str(folder), "TMPDIR": str(folder)}
    command = [sys.executable, "-m", "nbtests.web.killed", folder.name]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="elsewhere `expire` sweeps what is left"
)
def test_no_original_is_left_by_a_server_that_is_killed(tmp_path):
    """SIGKILL at ten steps of an upload: then no file holds anything of the original."""
    folders = [tmp_path / str(step) for step in range(10)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(killed, folders))) == 10
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"Secretmaker" in path.read_bytes()] == []


@pytest.mark.parametrize("old", [False, True])
def test_what_an_older_version_left_is_swept(old, settings, worker, db):
    """An original that lies there since long is nobody's."""
    folder = settings.FOLDER / "upload-x"
    folder.mkdir()
    (folder / "picture").write_bytes(b"Secretmaker")
    if old:
        os.utime(folder, (0, 0))
    call_command("expire", verbosity=0)
    assert folder.exists() == (not old)
