"""What a picture tells of its damage, and which networks it is made for."""

import warnings

import numpy as np
import pytest
from PIL import Image
from skimage import data

from helpers import damage, images, metrics, training
from helpers.app import advice, command, photo

ASTRONAUT = images.to_float(data.astronaut())
FACE = ASTRONAUT[:256, 64:384]


def test_each_damage_is_told():
    clean = advice.diagnose(ASTRONAUT)
    assert clean["noise"] < 3.5 and clean["blur"] < 0.5
    assert clean["jpeg"] < 1.2 and clean["mosaic"] < 1.2
    noisy = advice.diagnose(damage.add_noise(ASTRONAUT, 8 / 255, 0))
    assert noisy["noise"] == pytest.approx(8, abs=1)
    assert advice.diagnose(damage.blur(ASTRONAUT, 2))["blur"] > 0.6
    assert advice.diagnose(damage.jpeg(ASTRONAUT, 40))["jpeg"] > 1.4
    assert advice.diagnose(damage.jpeg(damage.blocks(ASTRONAUT), 90))["mosaic"] > 5


def test_even_and_odd_places_of_an_enlarged_picture_are_no_blocks():
    enlarged = advice.diagnose(images.enlarge(images.reduce(ASTRONAUT, 2), 2))
    assert enlarged["jpeg"] < 1.2 and enlarged["mosaic"] < 1.5


@pytest.mark.parametrize("colours", [0, 2])
def test_a_plain_colour_is_no_damage_and_hides_none(colours):
    noisy = damage.add_noise(FACE, 30 / 255, 0)
    noisy[..., colours:] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = advice.diagnose(noisy)
    assert found["noise"] == pytest.approx(30 * colours / 3, abs=3)
    assert 0 <= found["blur"] <= 1


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_a_blank_page_is_left_alone(value):
    found, name, _ = advice.suggest(np.full((64, 80, 3), value, np.float32))
    assert name is None and found["blur"] == 0


def test_a_picture_that_is_too_small_to_judge_is_refused():
    with pytest.raises(ValueError, match="at least 32×32"):
        advice.suggest(ASTRONAUT[:1, :1])


SUGGESTED = {
    "clean": (lambda x: x, None, "leave it alone"),
    "a little noise": (lambda x: damage.add_noise(x, 5 / 255, 0), "photos_clean", "noisy"),
    "a little blur": (lambda x: damage.blur(x, 1), "photos_clean", "a little blurred"),
    "JPEG": (lambda x: damage.jpeg(x, 30), "photos_clean", "8×8 blocks"),
    "strong blur": (lambda x: damage.blur(x, 3), "cae_faces", "strongly blurred"),
    "blocks": (damage.blocks, "unet_photos", "blocks of 4×4"),
}


@pytest.mark.parametrize("kind", SUGGESTED)
def test_a_network_is_suggested_with_a_reason(kind):
    harm, name, why = SUGGESTED[kind]
    _, suggested, reason = advice.suggest(images.rounded(harm(FACE)))
    assert suggested == name
    assert why in reason


def test_the_middle_begins_where_the_blocks_of_jpeg_begin():
    picture = np.zeros((1000, 500, 3), np.float32)
    picture[304, 56] = 1
    part = advice._middle(picture, 384)
    assert part.shape == (384, 384, 3)
    assert part[0, 0, 0] == 1  # (1000 - 384) // 16 * 8 = 304, (500 - 384) // 16 * 8 = 56
    assert advice._middle(picture[:20, :30], 384).shape == (20, 30, 3)


MISFITS = {
    "unet_photos": ("4×4 blocks", damage.blocks),
    "cae_faces": ("blurred or pixelated", lambda x: damage.blur(x, 3)),
    "rdn_noise_cancel_x2": ("neither the noise", lambda x: damage.add_noise(x, 9 / 255, 0)),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_picture_without_a_networks_damage_is_no_picture_for_it(name):
    says, harm = MISFITS[name]
    _, card = training.load_weights(name)
    assert says in advice.misfit(FACE, name, card)
    assert advice.misfit(images.rounded(harm(FACE)), name, card) is None


def test_what_would_be_enlarged_with_the_picture_is_said():
    _, card = training.load_weights("espcn_photos_x4")
    assert advice.misfit(FACE, "espcn_photos_x4", card) is None
    noisy = damage.add_noise(FACE, 9 / 255, 0)
    assert "it has noise, which espcn_photos_x4" in advice.misfit(noisy, "espcn_photos_x4", card)
    packed = damage.jpeg(FACE, 30)
    assert "restore it with photos_clean" in advice.misfit(packed, "espcn_photos_x4", card)
    assert advice.misfit(FACE[:8, :8], "espcn_photos_x4", card) is None


def test_what_a_change_of_season_or_daylight_needs_is_looked_for():
    grey = np.full((200, 300, 3), 0.5, np.float32)
    woods = grey.copy()
    woods[100:] = (0.2, 0.6, 0.1)
    assert advice.scene(grey) == pytest.approx({"light": 0.5, "green": 0, "faces": 0}, abs=0.01)
    assert advice.scene(woods)["green"] == pytest.approx(0.5, abs=0.01)
    assert advice.scene(images.to_float(data.astronaut()))["faces"] == 1
    _, card = training.load_weights("spring_to_autumn")
    assert "hardly any green" in advice.misfit(grey, "spring_to_autumn", card)
    assert advice.misfit(woods, "spring_to_autumn", card) is None
    found = {"light": 0.5, "green": 0.5, "faces": 1}
    assert "a face" in advice.unsuited(found, "winter_to_summer")
    assert advice.unsuited(found, "day_to_night") is None
    assert "no night" in advice.unsuited(found, "night_to_day")
    assert "dark already" in advice.unsuited(found | {"light": 0.1}, "day_to_night")
    assert advice.unsuited(found, "photos_clean") is None


@pytest.fixture
def album(tmp_path):
    """A clean picture, a noisy one in a folder, one that moves, and one that is broken."""
    folder = tmp_path / "album"
    images.write(folder / "clean.png", FACE)
    images.write(folder / "attic/noisy.png", damage.add_noise(FACE, 10 / 255, 0))
    frames = [Image.fromarray(images.to_uint8(FACE[:64, k : k + 64])) for k in (0, 30)]
    frames[0].save(folder / "moves.gif", save_all=True, append_images=frames[1:])
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_auto_restores_what_is_damaged_and_leaves_the_rest_alone(album, tmp_path, capsys):
    arguments = ["restore", str(album), "--with", "auto", "--to", str(tmp_path / "out")]
    assert command.main(arguments) == 2  # of the broken one, and of the one that moves
    said = capsys.readouterr()
    (made,) = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert made == tmp_path / "out/attic/noisy_restored.png"
    assert photo.restored_by(made).startswith("photos_clean ")
    assert f"left alone: {album / 'clean.png'}: it shows no damage" in said.out
    assert "1 restored, 0 already there, 1 left alone, 2 failed" in said.out
    assert "moves.gif moves, and a network is chosen for one picture" in said.err
    assert "broken.png" in said.err
    noisy = images.read(album / "attic/noisy.png")
    assert metrics.psnr(FACE, images.read(made)) > metrics.psnr(FACE, noisy) + 2
    assert command.main(arguments) == 2
    assert "0 restored, 1 already there, 1 left alone" in capsys.readouterr().out


def test_auto_writes_the_file_that_is_named_and_refuses_a_portrait(album, tmp_path, capsys):
    noisy = str(album / "attic/noisy.png")
    target = tmp_path / "result.png"
    assert command.main(["restore", noisy, "--with", "auto", "--to", str(target)]) == 0
    assert images.read(target).shape == FACE.shape
    assert command.main(["restore", noisy, "--with", "auto", "--portrait"]) == 2
    assert "leave --portrait out" in capsys.readouterr().err


def test_a_network_that_was_not_made_for_a_picture_is_said(album, tmp_path, capsys):
    arguments = ["restore", str(album / "clean.png"), "--with", "unet_photos"]
    assert command.main([*arguments, "--to", str(tmp_path / "out")]) == 0
    assert "clean.png: it has none of the 4×4 blocks" in capsys.readouterr().err
