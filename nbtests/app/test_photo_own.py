"""The reader's own pictures: portraits, labels, folders, one picture's own network."""

import base64
import io
import os
import re
import time

import cv2
import keras
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from skimage import data

from helpers import damage, images, metrics, tiles, training
from helpers.app import command, embed, film, photo, train

ASTRONAUT = images.to_float(data.astronaut())


@pytest.fixture(scope="module")
def copier():
    """Enlarges by 2 and changes nothing else."""
    x = keras.Input((None, None, 3))
    return keras.Model(x, keras.layers.UpSampling2D(2, interpolation="bicubic")(x), name="copier")


@pytest.fixture(scope="module")
def inverter():
    """Scale 1; what it has drawn is easily told."""
    x = keras.Input((None, None, 3))
    negative = keras.layers.Conv2D(
        3,
        1,
        padding="same",
        kernel_initializer=lambda *_, **__: -np.eye(3)[None, None],
        bias_initializer="ones",
    )
    return keras.Model(x, negative(x), name="inverter")


@pytest.fixture
def portrait(tmp_path):
    return images.write(tmp_path / "portrait.png", ASTRONAUT[:256, 64:384])


def photo_exif(**tags):
    exif = Image.Exif()
    exif[271], exif[305] = "Acme", "Phone 9"
    return exif


# portrait


def test_only_the_face_is_drawn_and_no_seam_is_left(inverter):
    picture = ASTRONAUT[:256, 64:384]
    (box, *_) = images.faces(picture)
    result = photo.portrait(inverter, picture)
    assert result.shape == picture.shape and result.dtype == np.float32
    down, right, n = box.top + box.height // 4, box.left + box.width // 4, box.height // 2
    middle = np.s_[down : down + n, right : right + n]
    np.testing.assert_allclose(result[middle], 1 - picture[middle], atol=1e-5)
    square = images.square_around(box, picture.shape, photo.MARGIN)
    outside = np.ones(picture.shape[:2], bool)
    outside[square.top : square.top + square.height, square.left : square.left + square.width] = (
        False
    )
    np.testing.assert_allclose(result[outside], picture[outside], atol=1e-5)
    weight = (result - picture).mean(-1) / (1 - 2 * picture).mean(
        -1
    )  # the mask itself, where it can be told
    known = np.abs(1 - 2 * picture).mean(-1) > 0.2
    for axis in (0, 1):
        steps = np.abs(np.diff(weight, axis=axis))
        both = np.take(known, range(1, known.shape[axis]), axis) & np.take(
            known, range(known.shape[axis] - 1), axis
        )
        assert np.median(steps[both]) < 0.05


def test_the_mask_falls_to_zero_but_not_at_the_pictures_own_border():
    ramp = photo._ramp(100, 20, True, True)
    assert ramp[0] == ramp[-1] == 0 and (ramp[20:80] == 1).all() and np.diff(ramp).max() < 0.09
    assert photo._ramp(100, 20, False, True)[0] == 1
    assert (photo._ramp(10, 20, False, False) == 1).all()


def test_several_faces_and_a_network_around(copier, inverter):
    picture = np.concatenate([ASTRONAUT[:256, 64:320]] * 2, axis=1)
    found = images.faces(picture)
    assert len(found) == 2
    result = photo.portrait(inverter, picture)
    for box in found:
        at = np.s_[
            box.top + 20 : box.top + box.height - 20, box.left + 20 : box.left + box.width - 20
        ]
        assert np.abs(result[at] - (1 - picture[at])).mean() < 0.01
    assert photo.portrait(copier, picture, around=copier).shape == (512, 1024, 3)
    with pytest.raises(ValueError, match="copier enlarges 2 times, not 1 as inverter"):
        photo.portrait(inverter, picture, around=copier)


def test_a_shipped_network_brings_a_blurred_face_nearer():
    truth = ASTRONAUT[:256, 64:384]
    (box, *_) = images.faces(truth)
    model, _ = training.load_weights("cae_faces")
    for sigma, size in (
        (2, None),
        (4, 96),
    ):  # a wide blur is one that a reduced face can be freed from
        damaged = damage.blur(truth, sigma)
        before, after = (
            images.crop_box(p, box) for p in (damaged, photo.portrait(model, damaged, size))
        )
        assert (
            metrics.psnr(images.crop_box(truth, box), after)
            > metrics.psnr(images.crop_box(truth, box), before) + 1
        )


@pytest.mark.parametrize("degrees", [0, 20, -20, 30])
def test_a_head_that_is_inclined_is_found(degrees):
    picture = images.to_float(data.astronaut())[:400, 20:420]
    turn = cv2.getRotationMatrix2D((199.5, 199.5), degrees, 1.0)
    turned = cv2.warpAffine(picture, turn, (400, 400), borderMode=cv2.BORDER_REPLICATE)
    box = images.faces(picture)[0]
    middle = (box.left + box.width / 2, box.top + box.height / 2, 1)
    found = photo.faces(np.repeat(np.repeat(turned, 2, axis=0), 2, axis=1))
    assert len(found) == 1
    at = np.array([found[0].left + found[0].width / 2, found[0].top + found[0].height / 2]) / 2
    assert np.abs(at - turn @ middle).max() < box.width / 5
    assert bool(images.faces(turned)) == (degrees == 0)  # the control


def test_a_cat_is_no_inclined_head():
    assert photo.faces(images.to_float(data.chelsea())) == []


@pytest.mark.parametrize(
    "picture", [np.full((64, 64, 3), 0.5, np.float32), np.zeros((1, 1, 3), np.float32)]
)
def test_no_face_is_said_and_nothing_written(tmp_path, copier, picture, capsys):
    with pytest.raises(ValueError, match=r"no face found.*crop it nearer"):
        photo.portrait(copier, picture)
    source = images.write(tmp_path / "flat.png", picture)
    assert command.main(["restore", "--portrait", str(source), "--to", str(tmp_path / "out")]) == 2
    assert re.search(r"^error: .*flat\.png: no face found", capsys.readouterr().err, re.MULTILINE)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["flat.png"]


def test_a_portrait_by_one_command(tmp_path, portrait, capsys):
    arguments = [
        "restore",
        "--portrait",
        str(portrait),
        "--with",
        "cae_faces",
        "--to",
        str(tmp_path / "out"),
    ]
    assert command.main(arguments) == 0
    result = tmp_path / "out" / "portrait_restored.png"
    assert capsys.readouterr().out == f"{result}\n"
    expected = photo.portrait(training.load_weights("cae_faces")[0], images.read(portrait))
    assert np.abs(images.read(result) - expected).max() < 2.1 / 255
    assert re.fullmatch(r"cae_faces \w{8} on faces", photo.restored_by(result))


# labels


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_the_result_says_that_it_was_restored_and_by_what(tmp_path, copier, picture, suffix):
    source = tmp_path / f"x{suffix}"
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" '
        'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="attic"/></rdf:RDF></x:xmpmeta>'
    )
    options = {"xmp": packet.encode()} if suffix in (".jpg", ".webp") else {}
    if suffix == ".png":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Title", "Grandmother")
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet)
    exif = photo_exif()
    if suffix == ".tif":
        exif[700] = packet.encode()
    Image.fromarray(images.to_uint8(picture)).save(source, exif=exif, **options)
    assert photo.restored_by(source) == ""
    result = photo.restore_file(copier, source, tmp_path, label="net_x2 1a2b3c4d")
    assert photo.restored_by(result) == "net_x2 1a2b3c4d"
    with Image.open(result) as file:
        file.load()
        assert file.getexif()[271] == "Acme"
        told = "Phone 9; Restored with net_x2 1a2b3c4d by image-restoration-course from "
        assert re.fullmatch(told + "[0-9a-f]{16}-[0-9a-f]{8}", file.getexif()[305])
        xmp = file.info["xmp"].decode()
        assert "digitalsourcetype/algorithmicallyEnhanced" in xmp
        assert 'dc:source="attic"' in xmp and "Orientation" not in xmp
        assert file.getxmp()["xmpmeta"]["RDF"]["Description"]  # well formed
        if suffix == ".png":
            assert file.text["Title"] == "Grandmother"
            assert (
                file.text["Software"].startswith("Restored with")
                or "; Restored with" in file.text["Software"]
            )
    again = photo.restore_file(copier, result, tmp_path / "again")  # both are told, the last counts
    assert photo.restored_by(again) == "copier"


def test_without_metadata_there_is_the_label_alone(tmp_path, copier, picture):
    result = photo.restore_file(copier, images.write(tmp_path / "x.jpg", picture), tmp_path)
    with Image.open(result) as file:
        assert set(file.getexif()) == {274, 305}
        assert file.getexif()[305].startswith("Restored with copier by image-restoration-course")


# files and folders


@pytest.fixture
def restored(copier):
    return lambda sources, to=None, label="a": photo.restore_all(copier, sources, to, label)


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_tree_is_mirrored_and_a_second_run_does_nothing(tmp_path, picture, restored):
    for name in ("a.png", "deep/b.jpg", "deep/er/c.webp"):
        images.write(tmp_path / "in" / name, picture)
    made, kept, failed = restored([tmp_path / "in"], tmp_path / "out")
    assert names(tmp_path / "out") == ["a_x2.png", "deep/b_x2.jpg", "deep/er/c_x2.webp"]
    assert (sorted(made), kept, failed) == (
        sorted(p for p in (tmp_path / "out").rglob("*.*")),
        [],
        [],
    )
    made, kept, failed = restored([tmp_path / "in"], tmp_path / "out")
    assert (made, len(kept), failed) == ([], 3, [])
    later = time.time() + 5
    os.utime(tmp_path / "in" / "a.png", (later, later))  # Its content is the same
    assert not restored([tmp_path / "in"], tmp_path / "out")[0]


def test_beside_the_source_results_are_no_sources(tmp_path, picture, restored):
    images.write(tmp_path / "a.png", picture)
    assert len(restored([tmp_path])[0]) == 1
    made, kept, failed = restored([tmp_path])
    assert (made, [p.name for p in kept], failed) == ([], ["a_x2.png"], [])
    assert names(tmp_path) == ["a.png", "a_x2.png"]
    assert len(restored([tmp_path], tmp_path / "in it")[0]) == 1
    with pytest.warns(UserWarning, match="2 results of restore in .* are passed over; name them"):
        made, *_ = restored([tmp_path], tmp_path.parent / f"{tmp_path.name} elsewhere")
    assert [p.name for p in made] == ["a_x2.png"]
    made, *_ = restored([tmp_path / "a_x2.png"])  # Who names a result, means it
    assert [p.name for p in made] == ["a_x2_x2.png"]
    with pytest.raises(FileNotFoundError, match="holds results of restore only; name the files"):
        restored([tmp_path / "in it"], tmp_path / "out")


def test_bad_files_do_not_stop_the_rest(tmp_path, picture, restored, bomb):
    (tmp_path / "in").mkdir()
    bomb.rename(tmp_path / "in" / "bomb.png")
    (tmp_path / "in" / "text.jpg").write_text("no picture")
    (tmp_path / "in" / "text.mp4").write_text("no video")
    (tmp_path / "in" / "empty.webp").touch()
    images.write(tmp_path / "in" / "zgood.png", picture)
    Image.fromarray(np.zeros((1, 1), np.uint16)).save(tmp_path / "in" / "deep.png")
    Image.new("CMYK", (3, 2)).save(tmp_path / "in" / "cmyk.tif")
    sources = [tmp_path / "in", tmp_path / "none.png"]
    made, kept, failed = restored(sources, tmp_path / "out")
    assert sorted(p.name for p in made) == ["cmyk_x2.tif", "deep_x2.png", "zgood_x2.png"]
    assert len(failed) == 5 and not kept
    for name in ("bomb.png", "text.jpg", "text.mp4", "empty.webp", "none.png"):
        assert sum(name in str(error) for error in failed) == 1, name
    assert names(tmp_path / "out") == ["cmyk_x2.tif", "deep_x2.png", "zgood_x2.png"]
    (tmp_path / "nothing").mkdir()
    with pytest.raises(FileNotFoundError, match="no pictures in"):
        restored([tmp_path / "in", tmp_path / "nothing"], tmp_path / "out")


def test_whatever_is_raised_the_next_file_is_tried(tmp_path, picture, restored, monkeypatch):
    for name in "abc":
        images.write(tmp_path / f"{name}.png", picture)

    def moody(model, source, *others):
        if source.name == "b.png":
            raise MemoryError
        return whole(model, source, *others)

    whole = photo._restore
    monkeypatch.setattr(photo, "_restore", moody)
    made, _, failed = restored(sorted(tmp_path.glob("?.png")), tmp_path / "out")
    assert [p.name for p in made] == ["a_x2.png", "c_x2.png"]
    assert re.search(r"b\.png: MemoryError", str(failed[0]))


def test_two_sources_of_one_result_are_named(tmp_path, picture, restored):
    for suffix in (".bmp", ".png"):
        images.write(tmp_path / f"a{suffix}", picture)
    made, _, failed = restored([tmp_path / "a.bmp", tmp_path / "a.png"])
    assert len(made) == 1
    assert re.search(r"a\.png: its result would replace that of .*a\.bmp", str(failed[0]))


def test_the_command_lists_what_failed(tmp_path, picture, capsys):
    images.write(tmp_path / "good.png", picture)
    (tmp_path / "bad.png").write_text("no picture")
    arguments = [
        "restore",
        str(tmp_path),
        "--to",
        str(tmp_path / "out"),
        "--with",
        "deconv_dogs_x2",
    ]
    assert command.main(arguments) == 2
    done = capsys.readouterr()
    assert done.out.splitlines() == [
        str(tmp_path / "out" / "good_x2.png"),
        "1 restored, 0 already there, 1 failed",
    ]
    assert re.search(r"^error: .*bad\.png is not a picture", done.err, re.MULTILINE)
    (tmp_path / "bad.png").unlink()
    assert command.main(arguments) == 0
    assert capsys.readouterr().out == "0 restored, 1 already there, 0 failed\n"
    (tmp_path / "empty").mkdir()
    assert command.main(["restore", str(tmp_path / "empty")]) == 2
    assert "no pictures in" in capsys.readouterr().err


def test_a_gif_goes_through_the_network_and_the_label_tells(tmp_path, copier, picture):
    frames = [Image.fromarray(images.to_uint8(np.roll(picture, 4 * k, axis=1))) for k in range(3)]
    frames[0].save(
        tmp_path / "x.gif", save_all=True, append_images=frames[1:], duration=[50, 60, 70], loop=0
    )
    result = photo.restore_file(copier, tmp_path / "x.gif", tmp_path, label="a")
    assert result == tmp_path / "x_x2.gif" == photo.result_path(tmp_path / "x.gif", tmp_path, 2)
    assert photo.restored_by(result) == "a"
    pairs = zip(film.frames(tmp_path / "x.gif"), film.frames(result), strict=True)
    assert all(np.abs(new - images.enlarge(old, 2)).mean() < 0.05 for old, new in pairs)
    with pytest.raises(ValueError, match=r"x\.gif moves"):
        photo.restore_file(copier, tmp_path / "x.gif", tmp_path, faces={})
    assert photo.result_path("film.MOV", tmp_path, 2) == tmp_path / "film_x2.mov"
    assert photo.result_path("film.avi", tmp_path, 1) == tmp_path / "film_restored.mkv"


# from one picture alone


def test_a_network_learns_from_one_picture_what_bicubic_cannot_draw():
    """Stripes at many scales: what the picture shows large tells how its small ones ended."""
    y, x = np.mgrid[:128, :128]
    rings = 0.5 + 0.5 * np.sign(np.sin(np.hypot(y - 40, x - 30) ** 1.3 / 6))
    truth = images.resize(np.repeat(rings[..., None], 3, -1).astype(np.float32), (128, 128), "area")
    lr = images.reduce(truth, 2)
    sr = tiles.apply(train.zero_shot(lr, 2, steps=60), lr)
    assert metrics.psnr(truth, sr, 2) > metrics.psnr(truth, images.enlarge(lr, 2), 2) + 0.3


@pytest.mark.slow
def test_it_learns_the_reduction_that_it_is_told():
    """A blur that bicubic knows nothing of is undone only where it is known."""

    def soft(picture, scale):
        return images.reduce(damage.blur(picture, 1.5), scale)

    truth = images.resize(ASTRONAUT[:256, 64:320], (128, 128), "area")
    lr = soft(truth, 2)
    scores = [
        metrics.psnr(truth, tiles.apply(train.zero_shot(lr, 2, steps=60, reduce=reduce), lr), 2)
        for reduce in (images.reduce, soft)
    ]
    assert scores[1] > scores[0] + 0.3


def test_it_stops_in_time_and_refuses_too_little(monkeypatch):
    calls = []
    monkeypatch.setattr(keras.Model, "train_on_batch", lambda self, *_: calls.append(1))
    train.zero_shot(ASTRONAUT[:64, :64], steps=10)
    assert len(calls) == 10
    train.zero_shot(ASTRONAUT[:64, :64], seconds=1e-9)
    assert len(calls) == 10
    with pytest.raises(ValueError, match="too few to learn ×4"):
        train.zero_shot(ASTRONAUT[:63, :200], 4)


# slider


def test_the_slider_is_whole_small_and_for_everybody():
    sr = images.enlarge(ASTRONAUT, 2)
    html = embed.slider(ASTRONAUT, sr, 'A "portrait"', ("bicubic", "network")).data
    assert len(html) < 2**20
    sources = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html)
    assert [Image.open(io.BytesIO(base64.b64decode(s))).size for s in sources] == [(640, 640)] * 2
    assert html.count('alt="A &quot;portrait&quot;: ') == 2  # escaped
    assert html.count('<input type="range"') == 1 and "aria-label=" in html
    assert not re.search(r"https?://|<script", html)


def test_the_slider_bounds_any_size():
    noise = np.random.default_rng(0).random((900, 1600, 3), np.float32)
    assert len(embed.slider(noise, noise, "noise").data) < 2**20
    with pytest.raises(ValueError, match="different proportions"):
        embed.slider(ASTRONAUT, ASTRONAUT[:100], "x")
    embed.slider(ASTRONAUT[:1, :1], ASTRONAUT[:4, :4], "tiny")
