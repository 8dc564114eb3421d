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
    assert "1 without a partner, left out: b_LR.png" in out
    usable, _, _ = benchmark.pairs(tmp_path / "pairs", 4, "bicubic")
    np.testing.assert_array_equal(usable["a_HR.png"][0], images.read(tmp_path / "pairs/a_LR.png"))
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
    usable, left_out, _ = benchmark.pairs(photos, 4, "bicubic", 80, "crop")
    assert list(usable) == ["cat.png", "eye.png"] and left_out["too small"] == ["tiny.png"]
    lr, hr = usable["cat.png"]
    cat = images.square_crop(images.read(photos / "cat.png"))
    np.testing.assert_array_equal(hr, cat[20:100, 20:100])
    assert lr.shape == (20, 20, 3)
    resized = benchmark.pairs(photos, 4, "bicubic", 80, "resize")[0]["cat.png"][1]
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


SHIFTED = (0, 60, 120)  # pixels: three squares of one photograph that no one takes for another


def square(k):
    """A target of 96×96 pixels."""
    return images.to_float(data.chelsea())[100:196, SHIFTED[k] : SHIFTED[k] + 96]


def write_pair(folder, high, low, k=0, times=4):
    images.write(folder / high, square(k))
    images.write(folder / low, images.reduce(square(k), times))


def expected_psnr(*ks):
    """The mean over targets of bicubic's PSNR-Y ×4, computed apart."""
    decibels = []
    for k in ks:
        hr = images.rounded(square(k))
        sr = images.enlarge(images.rounded(images.reduce(square(k), 4)), 4)
        decibels.append(metrics.psnr(hr, sr, border=4, y=True))
    return pytest.approx(np.mean(decibels), abs=1e-9)


def measured(capsys, folder, *arguments, status=0):
    """The baseline's row, what was printed, and the warnings."""
    rows = folder.parent / "rows.json"
    got, out, err = run(capsys, folder, *arguments, "--json", rows)
    assert got == status, err
    return json.loads(rows.read_text())[0], out, err


LAYOUTS = {
    "marks": ("{s}/1_HR.png", "{s}/1_LR.png"),
    "small marks": ("{s}/1_hr.png", "{s}/1_lr.png"),
    "mark and scale": ("{s}/1-HR.png", "{s}/1-LRx4.png"),
    "standard": ("{s}/image_SRF_4/img_001_SRF_4_HR.png", "{s}/image_SRF_4/img_001_SRF_4_LR.png"),
    "DIV2K": ("{s}/HR/0001.png", "{s}/LR_bicubic/X4/0001x4.png"),
    "DIV2K's zips": ("{s}_HR/0001.png", "{s}_LR_bicubic/X4/0001x4.png"),
    "DIV2K's hard track": ("{s}_HR/0001.png", "{s}_LR_wild/0001x4w1.png"),
    "set behind the side": ("HR/{s}/a.png", "LR/{s}/a.png"),
    "side and set": ("HR_{s}/a.png", "LR_{s}/a.png"),
    "prepared": ("{s}/hr/a_00.png", "{s}/lr/a_00.png"),
    "other words": ("{s}/GTmod12/a.png", "{s}/LRbicx4/a.png"),
    "plain targets": ("{s}/a.png", "{s}/LR_bicubic/X4/ax4.png"),
    "one folder": ("{s}/0001.png", "{s}/0001x4.png"),
    "a name that ends like a scale": ("{s}/HR/box4.png", "{s}/LR/box4.png"),
    "another suffix": ("{s}/1_HR.png", "{s}/1_LR.bmp"),
    "whole words": ("{s}/high res/1.png", "{s}/low_res/1.png"),
    "a strength": ("{s}/high res/7.png", "{s}/low res/7_4.png"),
    "RealSR": ("{s}/Canon_001_HR.png", "{s}/Canon_001_LR4.png"),
    "RCAN": ("HR/{s}/x4/a_HR_x4.png", "LR/LRBI/{s}/x4/a_LRBI_x4.png"),
    "originals": ("{s}/original/a.png", "{s}/LRbicx4/a.png"),
    "loose words": ("{s}/target/1.png", "{s}/input/1.png"),
    "loose marks": ("{s}/1_original.png", "{s}/1_low.png"),
    "marks before": ("{s}/HR_1.png", "{s}/LR_1.png"),
    "marks without a dash": ("{s}/1HR.png", "{s}/1LR.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pairs_are_found_within_their_folders(layout, tmp_path, capsys):
    """Equal names in two sets: with the other set's input a target would score 10 dB lower."""
    for k, name in enumerate(["Set5", "train"]):
        write_pair(tmp_path / "all", *(text.format(s=name) for text in LAYOUTS[layout]), k=k)
    row, out, err = measured(capsys, tmp_path / "all")
    assert row["psnr_y"] == expected_psnr(0, 1)
    assert "2 pictures ×4, 0 too small; inputs from the _LR files" in out
    assert "left out" not in out and not err


@pytest.mark.parametrize("name", ["input/1.png", "low tide/1.png", "LR_1.png", "car_input.png"])
def test_words_that_make_no_pair_tell_nothing(name, tmp_path, capsys):
    images.write(tmp_path / "all" / name, square(0))
    row, out, _ = measured(capsys, tmp_path / "all")
    assert "1 pictures ×4, 0 too small; inputs reduced by bicubic" in out
    assert row["psnr_y"] == pytest.approx(expected_psnr(0).expected, abs=0.05)


@pytest.mark.parametrize("low", ["B/1.png", "thumbs/1.jpg", "A/1_small.png", "A/thumb_1.png"])
def test_smaller_copies_are_no_targets(low, tmp_path, capsys):
    """No name tells that it is a copy, but its look does; another picture of the name is one."""
    write_pair(tmp_path / "all", "A/1.png", low, times=2)
    images.write(tmp_path / "all/C/1.png", images.reduce(square(2)[::-1], 2))
    row, out, _ = measured(capsys, tmp_path / "all")
    assert "2 pictures ×4" in out
    assert f"1 smaller copies of others, by name and look, left out: {low}" in out
    (tmp_path / "all" / low).unlink()
    assert row["psnr_y"] == measured(capsys, tmp_path / "all")[0]["psnr_y"]


def test_folders_whose_names_tell_no_pair_are_all_originals_and_that_is_said(tmp_path, capsys):
    folder = tmp_path / "all"
    noise = 0.05 * np.random.default_rng(0).standard_normal((96, 96, 3)).astype(np.float32)
    for k in (0, 2):
        images.write(folder / f"A/{k}.png", square(k))
        images.write(folder / f"B/{k}.png", np.clip(square(k) + noise, 0, 1))
    out, err = measured(capsys, folder, "--scale", 1)[1:]
    assert "4 pictures ×1, 0 too small; inputs untouched" in out
    said = "A/0.png and B/0.png look alike, and all pictures are taken as originals; if they are"
    assert f"{said} pairs, name one folder HR and the other LR" in err and err.count("\n") == 1
    (folder / "A").rename(folder / "HR")
    (folder / "B").rename(folder / "LR")
    out, err = measured(capsys, folder, "--scale", 1)[1:]
    assert "2 pictures ×1, 0 too small; inputs from the _LR files" in out and not err


def test_other_pictures_of_one_name_are_originals_without_a_word(tmp_path, capsys):
    images.write(tmp_path / "all/A/1.png", square(0))
    images.write(tmp_path / "all/B/1.png", square(2)[::-1])
    out, err = measured(capsys, tmp_path / "all", "--scale", 1)[1:]
    assert "2 pictures ×1" in out and not err


def test_low_pictures_of_another_scale_are_counted(tmp_path, capsys):
    for times in (2, 4, 8):
        low = f"LR_bicubic/X{times}/0001x{times}.png"
        write_pair(tmp_path / "all", "HR/0001.png", low, times=times)
    row, out, _ = measured(capsys, tmp_path / "all")
    assert row["psnr_y"] == expected_psnr(0)
    assert "2 of another scale, left out: LR_bicubic/X2/0001x2.png, LR_bicubic/X8" in out
    assert "1 pictures ×2" in measured(capsys, tmp_path / "all", "--scale", 2)[1]


def test_the_standard_s_targets_alone_fit_any_scale(tmp_path, capsys):
    images.write(tmp_path / "all/img_001_SRF_4_HR.png", square(0))
    assert "1 pictures ×2" in measured(capsys, tmp_path / "all", "--scale", 2)[1]
    images.write(tmp_path / "all/img_001_SRF_4_LR.png", images.reduce(square(0), 4))
    status, _, err = run(capsys, tmp_path / "all", "--scale", 2)
    assert status == 2 and "2 of another scale; add originals, or give their --scale" in err


def test_missing_partners_are_counted_and_named(tmp_path, capsys):
    write_pair(tmp_path / "all", "HR/0001.png", "LR_bicubic/X4/0001x4.png")
    images.write(tmp_path / "all/HR/0002.png", square(1))
    images.write(tmp_path / "all/LR_bicubic/X4/0003x4.png", images.reduce(square(2), 4))
    images.write(tmp_path / "all/holiday.png", square(2))
    row, out, _ = measured(capsys, tmp_path / "all")
    assert row["psnr_y"] == expected_psnr(0) and "1 pictures ×4" in out
    assert (
        "2 without a partner, left out: HR/0002.png, LR_bicubic/X4/0003x4.png" in out
        and "1 named neither HR nor LR, left out: holiday.png" in out
    )


def test_low_pictures_without_targets_are_no_targets(tmp_path, capsys):
    images.write(tmp_path / "all/a_lr.png", images.reduce(square(0), 2))
    status, _, err = run(capsys, tmp_path / "all")
    assert status == 2 and "1 without a partner" in err and err.count("\n") == 1
    images.write(tmp_path / "all/b_hr.png", square(1))
    row, out, _ = measured(capsys, tmp_path / "all")
    assert row["psnr_y"] == pytest.approx(expected_psnr(1).expected, abs=0.05)
    assert "1 pictures ×4" in out and "inputs reduced by bicubic" in out
    assert "1 without a partner, left out: a_lr.png" in out


@pytest.mark.parametrize(
    "names",
    [
        ["HR/1.png", "LR_bicubic/1x4.png", "LR_unknown/1x4.png"],
        ["HR_a/1.png", "HR_b/1.png", "LR/1.png"],
        ["1_HR.png", "1_HR.bmp", "1_LR.png"],
        ["high res/7.png", "LR/7_2.png", "LR/7_4.png"],
    ],
)
def test_names_that_leave_the_pair_open_are_refused(names, tmp_path, capsys):
    for name in names:
        images.write(tmp_path / "all" / name, square(0)[: 24 if "LR" in name else 96])
    status, _, err = run(capsys, tmp_path / "all")
    assert status == 2 and "name a folder that holds one of them" in err


def test_a_target_does_not_take_another_part_s_input(tmp_path, capsys):
    write_pair(tmp_path / "all", "HR_b/1.png", "LR_b/1.png")
    images.write(tmp_path / "all/HR_a/1.png", square(1))
    row, out, _ = measured(capsys, tmp_path / "all")
    assert row["psnr_y"] == expected_psnr(0)
    assert "1 without a partner, left out: HR_a/1.png" in out


def test_the_course_s_results_are_no_originals(tmp_path, weights, capsys):
    folder = tmp_path / "all"
    for k in (0, 1):
        images.write(folder / f"{k}.png", square(k))
    expected, _, _ = measured(capsys, folder)
    restore = ["restore", folder / "0.png", "--with", "nothing"]
    assert command.main([str(a) for a in restore]) == 0
    (folder / "0_x4.png").rename(folder / "renamed.png")  # its label tells
    images.write(folder / "1_x4.png", images.enlarge(square(1), 4))  # its name tells
    images.write(folder / "1_restored.jpg", square(1))
    capsys.readouterr()
    row, out, _ = measured(capsys, folder)
    assert row["psnr_y"] == expected["psnr_y"]
    assert "2 pictures ×4" in out
    assert "3 made by restore, left out: 1_restored.jpg, 1_x4.png, renamed.png" in out
    images.write(folder / "alone_x4.png", square(2))  # nobody's result
    assert "3 pictures ×4" in measured(capsys, folder)[1]


@pytest.mark.parametrize("broken", ["0001.png", "HR/0001.png", "LR/0001.png"])
def test_a_broken_file_is_named_and_the_others_go_on(broken, tmp_path, capsys):
    paired = broken != "0001.png"
    for k in range(3):
        if paired:
            write_pair(tmp_path / "all", f"HR/000{k}.png", f"LR/000{k}.png", k=k)
        else:
            images.write(tmp_path / f"all/000{k}.png", square(k))
    path = tmp_path / "all" / broken
    path.write_bytes(path.read_bytes()[:99])
    row, out, err = measured(capsys, tmp_path / "all", status=1)
    assert row["psnr_y"] == pytest.approx(expected_psnr(0, 2).expected, abs=0.05)
    assert "2 pictures ×4" in out and err.startswith("warning: left out: ")
    assert err.count("\n") == 1 and f"{path} is " in err
    assert f"1 that cannot be used, left out: {broken.replace('LR', 'HR')}" in out


def test_what_is_passed_over_is_counted(photos, capsys, monkeypatch):
    monkeypatch.setattr(benchmark.deep, "reads_heic", lambda: False)
    for name in ("phone.HEIC", "camera.dng", "._x.heic"):
        (photos / name).touch()
    status, out, err = run(capsys, photos)
    assert status == 1 and "2 pictures" in out
    assert ": 1 .dng, 1 .heic; for HEIC pip install pillow-heif" in err


def test_a_pair_that_does_not_fit_is_named_and_the_others_go_on(tmp_path, capsys):
    write_pair(tmp_path / "all", "a_HR.png", "a_LR.png")
    write_pair(tmp_path / "all", "b_HR.png", "b_LR.png", k=1, times=2)
    row, out, err = measured(capsys, tmp_path / "all", status=1)
    assert row["psnr_y"] == expected_psnr(0)
    assert "b_HR.png is not 4 times as large as" in err and "1 pictures ×4" in out


def test_an_infinite_psnr_is_named_and_left_out_of_the_means(tmp_path, weights, capsys):
    images.write(tmp_path / "all/cat.png", square(0))
    expected = measured(capsys, tmp_path / "all")[0]
    images.write(tmp_path / "all/flat.png", np.full((64, 64, 3), 0.4, np.float32))
    row, out, _ = measured(capsys, tmp_path / "all", "--with", "nothing")
    assert (row["psnr_y"], row["psnr_rgb"]) == (expected["psnr_y"], expected["psnr_rgb"])
    assert row["mse"] == pytest.approx(expected["mse"] / 2)
    assert row["exact"] == ["flat.png"]
    said = "bicubic gives 1 back exactly (infinite PSNR, left out of every mean of PSNR): flat.png"
    assert said in out and "2 pictures ×4" in out


def test_where_all_come_back_exactly_the_mean_is_infinite(tmp_path, capsys):
    images.write(tmp_path / "all/flat.png", np.full((64, 64, 3), 0.4, np.float32))
    row, out, _ = measured(capsys, tmp_path / "all")
    assert row["psnr_y"] is None and row["mse"] == 0  # JSON has no infinity
    assert "inf" in out and "bicubic gives 1 back exactly" in out


@pytest.mark.parametrize("option", ["--scale", "--square"])
@pytest.mark.parametrize("number", [0, -2])
def test_numbers_below_1_are_refused(option, number, photos, capsys):
    status, _, err = run(capsys, photos, f"{option}={number}")
    assert status == 2 and f"a {option[2:]} of {number}; give a whole number from 1 on" in err
