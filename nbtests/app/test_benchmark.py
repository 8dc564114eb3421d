"""The protocol: what is measured on which pixels, and what may not stand in one table."""

import json

import numpy as np
import pytest
from skimage import data

from helpers import damage, images, metrics, models, training
from helpers.app import benchmark, command

CARD = {"builder": "espcn", "arguments": {"scale": 4}, "task": "enlarge", "scale": 4}
CARD |= {"downscale": "bicubic", "damage": None, "size": None}


@pytest.fixture
def photos(tmp_path):
    """Two photographs, an odd size among them, and one that is too small."""
    folder = tmp_path / "photos"
    cat = images.to_float(data.chelsea())
    images.write(folder / "cat.png", cat[:121, :163])
    images.write(folder / "eye.png", cat[80:180, 150:250])
    images.write(folder / "tiny.png", cat[:16, :16])
    return folder


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Weights that change nothing: their correction is zero, so they are bicubic."""
    folder = tmp_path / "weights"
    monkeypatch.setattr(training.load_weights, "__defaults__", (folder,))
    model = models.espcn()
    model.get_layer("subpixel").set_weights(
        [np.zeros_like(w) for w in model.get_layer("subpixel").get_weights()]
    )
    training.save_weights(model, "nothing", CARD, folder)
    training.save_weights(model, "pyramid", CARD | {"downscale": "pyramid"}, folder)
    training.save_weights(model, "portrait", CARD | {"size": 80}, folder)
    return folder


def run(capsys, *arguments):
    status = command.main(["benchmark", *map(str, arguments)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_the_baseline_follows_the_protocol(photos, tmp_path, capsys):
    status, out, _ = run(capsys, photos, "--json", tmp_path / "rows.json")
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert status == 0 and "2 pictures ×4, 1 too small; inputs reduced by bicubic" in out
    assert list(row) == ["method", "psnr_y", "ssim_y", "psnr_rgb", "mse", "seconds"]
    expected = []
    for name in ("cat", "eye"):
        hr = images.crop_to_multiple(images.read(photos / f"{name}.png"), 4)
        sr = images.enlarge(images.to_float(images.to_uint8(images.reduce(hr, 4))), 4)
        y = {"border": 4, "y": True}
        expected.append(
            [
                metrics.psnr(hr, sr, **y),
                metrics.ssim(hr, sr, **y),
                metrics.psnr(hr, sr),
                metrics.mse(hr, sr),
            ]
        )
    np.testing.assert_allclose(list(row.values())[1:5], np.mean(expected, axis=0))


def test_pairs_of_files_are_taken_as_they_are(tmp_path, photos, capsys):
    hr = images.crop_to_multiple(images.read(photos / "cat.png"), 4)
    images.write(tmp_path / "pairs/a_HR.png", hr)
    images.write(tmp_path / "pairs/a_LR.png", images.reduce(hr, 4, "pyramid"))
    images.write(tmp_path / "pairs/b_LR.png", images.reduce(hr, 4))
    status, out, _ = run(capsys, tmp_path / "pairs")
    assert status == 0 and "1 pictures ×4, 0 too small; inputs from the _LR files" in out
    [(lr, _)], _, _ = benchmark.pairs(tmp_path / "pairs", 4, "bicubic")
    np.testing.assert_array_equal(lr, images.read(tmp_path / "pairs/a_LR.png"))
    status, _, err = run(capsys, tmp_path / "pairs", "--scale", 2)
    assert status == 2 and "not 2 times" in err


def test_networks_stand_beside_the_baseline(photos, weights, capsys, tmp_path):
    status, out, _ = run(capsys, photos, "--with", "nothing", "--json", tmp_path / "rows.json")
    bicubic, nothing = json.loads((tmp_path / "rows.json").read_text())
    assert (status, bicubic["method"], nothing["method"]) == (0, "bicubic", "nothing")
    assert abs(bicubic["psnr_y"] - nothing["psnr_y"]) < 0.01
    assert "nothing" in out


def test_different_cards_are_refused_unless_overridden(photos, weights, capsys):
    status, _, err = run(capsys, photos, "--with", "nothing", "pyramid")
    assert status == 2 and "one at a time" in err and err.count("\n") == 1
    assert run(capsys, photos, "--with", "nothing", "pyramid", "--downscale", "area")[0] == 0


def test_the_card_sets_the_square_and_options_override_it(photos, weights, capsys):
    assert "crop to 80×80" in run(capsys, photos, "--with", "portrait")[1]
    _, out, _ = run(capsys, photos, "--with", "portrait", "--square", "120", "--fit", "resize")
    assert "1 pictures ×4, 2 too small" in out and "resize to 120×120" in out
    [(lr, hr), (_, _)], _, _ = benchmark.pairs(photos, 4, "bicubic", 80, "crop")
    cat = images.square_crop(images.read(photos / "cat.png"))
    np.testing.assert_array_equal(hr, cat[20:100, 20:100])
    assert lr.shape == (20, 20, 3)
    [(_, resized), (_, _)], _, _ = benchmark.pairs(photos, 4, "bicubic", 80, "resize")
    np.testing.assert_allclose(resized, images.resize(cat, (80, 80), "area"))


def test_the_course_s_damage_is_made_from_any_folder_by_the_files_names(
    photos, weights, capsys, tmp_path
):
    card = {"builder": "cae", "arguments": {"latent": 4, "width": 4}, "task": "deblur", "scale": 1}
    card |= {"downscale": None, "damage": "random_damage", "size": 96}
    training.save_weights(models.cae(latent=4, width=4), "untrained", card, weights)
    status, out, _ = run(
        capsys, photos, "--with", "untrained", "--fit", "resize", "--json", tmp_path / "rows.json"
    )
    assert (
        status == 0
        and "2 pictures ×1, 1 too small; inputs with random_damage, resize to 96×96" in out
    )
    damaged, same = json.loads((tmp_path / "rows.json").read_text())
    assert damaged["method"] == "untouched" and damaged["psnr_rgb"] == pytest.approx(
        same["psnr_rgb"]
    )
    expected = []
    for name in ("cat", "eye"):
        hr = images.resize(
            images.square_crop(images.read(photos / f"{name}.png")), (96, 96), "area"
        )
        expected.append(metrics.psnr(hr, damage.random_damage(hr, name)))
    assert damaged["psnr_rgb"] == pytest.approx(np.mean(expected), abs=0.01)


def test_noise_is_made_after_the_reduction_and_not_with_another(photos, weights, capsys, tmp_path):
    sizes = {"c": 1, "d": 1, "g": 4, "g0": 4, "upsampling": "subpixel", "skip": "bicubic"}
    card = {"builder": "rdn", "arguments": sizes, "task": "enlarge", "scale": 2}
    card |= {"downscale": "bicubic", "damage": "small_noisy_jpeg", "size": None}
    training.save_weights(models.rdn(**sizes), "untrained", card, weights)
    status, out, _ = run(capsys, photos, "--with", "untrained", "--json", tmp_path / "rows.json")
    assert status == 0
    assert "3 pictures ×2, 0 too small; inputs reduced by bicubic, with small_noisy_jpeg" in out
    bicubic, same = json.loads((tmp_path / "rows.json").read_text())
    assert bicubic["psnr_y"] == pytest.approx(same["psnr_y"], abs=0.1)
    expected = []
    for name in ("cat", "eye", "tiny"):
        hr = images.crop_to_multiple(images.read(photos / f"{name}.png"), 2)
        expected.append(
            metrics.psnr(hr, images.enlarge(damage.small_noisy_jpeg(hr, name), 2), border=2, y=True)
        )
    assert bicubic["psnr_y"] == pytest.approx(np.mean(expected), abs=1e-6)
    for option, words in (
        (["--downscale", "area"], "cannot be made with --downscale area"),
        (["--scale", 4], "of ×2"),
    ):
        status, _, err = run(capsys, photos, "--with", "untrained", *option)
        assert status == 2 and words in err and err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--square", "4000"], ["--with", "nobody"]])
def test_what_cannot_be_measured_is_said_in_a_line(photos, arguments, capsys):
    status, _, err = run(capsys, photos, *arguments)
    assert status == 2 and err.startswith("error: ") and err.count("\n") == 1
