"""What comes in.

Every hostile file is refused in words and leaves nothing; every honest one loses its metadata.
"""

import io
import re

import numpy as np
import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
from PIL import Image, ImageCms, TiffImagePlugin
from skimage import data

from helpers import images
from nbtests.web import kit
from web.studio import intake
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
    assert files() == {job.before.name, job.after.name}


def test_5000_ordinary_photographs_are_not_refused():
    random = np.random.default_rng(0)
    for _ in range(5000):
        intake.check(kit.ordinary(random))


def test_nothing_of_one_visitors_picture_is_in_anothers(done, send, client, settings):
    """A sends a coloured photograph, then B a black file in a rare layout.

    B sends it again after another photograph of A's.
    """
    other, settings.UPLOADS_PER_MINUTE = type(client)(), 1000
    y, x = np.mgrid[0:300, 0:300]
    photographs = [
        kit.encoded(np.stack([y % 256, x % 256, (x + y) % 256], axis=-1).astype(np.uint8), "PNG"),
        kit.encoded(255 - data.chelsea()[:300, :300], "PNG"),
    ]
    taken = 0
    for what, content in kit.layouts().items():
        found = []
        for photograph in photographs:
            done(content=photograph)
            answer = send(content=content, visitor=other)
            if answer.status_code == 415:
                found.append(b"refused")
                continue
            job = Job.objects.latest("created")
            found.append(images.read(job.before).tobytes())
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


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_the_kinds_that_are_taken(kind, done):
    content = kit.encoded(data.chelsea(), kind)
    for suffix in (*intake.KINDS[kind], intake.KINDS[kind][0].upper(), ""):
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
    assert before.shape == (512, 512, 3)
    assert (
        before[:500, :, 0].min() > 0.9 and before[:500, :, 1].max() < 0.1
    )  # all that was left of the middle


@pytest.mark.parametrize(
    "square, found",
    [
        ((None, None, None), (0, 100, 200)),
        ((0, 0, 1), (0, 0, 200)),
        ((0.5, 0, 1), (0, 200, 200)),
        ((0.25, 0.5, 0.5), (100, 100, 100)),
        ((9, 9, 0.5), (100, 300, 100)),  # outside: shifted in
        ((-1, -1, 7), (0, 0, 200)),
        ((0.5, 0.5, 0), (100, 200, 16)),
    ],
)
def test_the_square(square, found):
    y, x = np.mgrid[0:200, 0:400].astype(np.float32)
    picture = np.stack([y, x, x], axis=-1)
    top, left, side = found
    cut = intake.square(picture, *square)
    assert cut.shape == (side, side, 3)
    assert tuple(cut[0, 0, :2]) == (top, left)


@pytest.mark.parametrize("value", ["nan", "inf", "x"])
def test_a_square_of_nonsense(value, send):
    assert send(left=value, top=0, side=1).status_code == 400


def test_nothing_chosen(send):
    assert "Choose a picture" in send(sample="").json()["error"]
    assert send(sample="../secret").status_code == 400
    assert send(task="mine_bitcoin").status_code == 400


def test_50_megapixels_and_no_more(monkeypatch, settings):
    settings.MOST_PIXELS = data.chelsea().shape[0] * data.chelsea().shape[1]
    intake.check(kit.encoded(data.chelsea()))
    settings.MOST_PIXELS -= 1
    with pytest.raises(intake.Refused, match="megapixels"):
        intake.check(kit.encoded(data.chelsea()))
