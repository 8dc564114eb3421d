"""The table of figures: which pictures measure which network, what is measured, what is written."""

import json

import numpy as np
import pytest
from skimage import data

from helpers import images, training
from helpers.app import benchmark, command, figures, train

ROW = {
    "network": "espcn_photos_x4",
    "set": "set5",
    "pictures": 5,
    "exact": 0,
    "small": 0,
    "inputs": "from the _LR files",
    "baseline": {"psnr_y": 28.432, "ssim_y": 0.8113, "psnr_rgb": 26.7, "mse": 0.002985},
    "reached": {"psnr_y": 30.929, "ssim_y": 0.8752, "psnr_rgb": 28.989, "mse": 0.001505},
    "worst": "a-b.png",
    "least_gain": -0.125,
    "machine": "2 cores",
    "date": "2026-11-27",
}


@pytest.fixture
def sets(tmp_path):
    """Two pairs of ×4, and the same pictures under the names that a recipe holds out."""
    cat = images.to_float(data.chelsea())
    for k in range(2):
        hr = cat[100 * k : 100 * k + 80, :100]
        images.write(tmp_path / "set5" / f"{k}_HR.png", hr)
        images.write(tmp_path / "set5" / f"{k}_LR.png", images.reduce(hr, 4, "bicubic"))
        images.write(tmp_path / "held" / f"{k}.png", hr)
    images.write(tmp_path / "held" / "trained on.png", cat[:80, :80])
    return tmp_path


def names(found):
    return [(target.path.name, target.low and target.low.name) for target in found]


def test_pairs_of_four_times_are_inputs_of_such_networks_only(sets):
    folders = [sets / "set5"]
    four = figures.targets("set5", folders, "espcn_photos_x4")
    assert names(four) == [("0_HR.png", "0_LR.png"), ("1_HR.png", "1_LR.png")]
    for network in ("rdn_photos_x2", "unet_photos", "photos_clean"):
        found = figures.targets("set5", folders, network)
        assert names(found) == [("0_HR.png", None), ("1_HR.png", None)]


def test_only_what_a_recipe_holds_out_measures_it(sets, monkeypatch):
    monkeypatch.setitem(train.RECIPES["photos_clean"], "held_out", ["0.png", "1.png"])
    found = figures.targets("held_out", [sets / "held"], "photos_clean")
    assert names(found) == [("0.png", None), ("1.png", None)]
    monkeypatch.setitem(train.RECIPES["photos_clean"], "held_out", ["gone.png"])
    with pytest.raises(FileNotFoundError, match="no picture that measures photos_clean"):
        figures.targets("held_out", [sets / "held"], "photos_clean")


def test_only_the_test_part_of_celeba_measures(tmp_path):
    rows = ["image_id,partition"]
    for k in range(4):
        path = tmp_path / f"img_align_celeba/{k}.jpg"
        images.write(path, np.full((40, 40, 3), k / 4, np.float32))
        rows.append(f"{k}.jpg,{k % 3}")
    (tmp_path / "list_eval_partition.csv").write_text("\n".join(rows))
    assert names(figures.targets("faces", [tmp_path], "espcn_faces_x4")) == [("2.jpg", None)]


def test_what_is_measured_is_what_benchmark_measures(sets):
    row = figures.measure("espcn_photos_x4", "set5", [sets / "set5"])
    models, expected = benchmark.expectation(["espcn_photos_x4"])
    usable, _, inputs = benchmark.pairs(sets / "set5", **expected)
    old, new = benchmark.benchmark(usable, 4, models)
    assert (row["pictures"], row["exact"], row["small"], row["inputs"]) == (2, 0, 0, inputs)
    for key in figures.QUALITY:
        assert row["baseline"][key] == pytest.approx(old[key], abs=1e-6)
        assert row["reached"][key] == pytest.approx(new[key], abs=1e-6)
    gains = {}
    for name, pair in usable.items():
        old, new = benchmark.benchmark({name: pair}, 4, models)
        gains[name] = new["psnr_y"] - old["psnr_y"]
    assert row["worst"] == min(gains, key=gains.get)
    assert row["least_gain"] == pytest.approx(min(gains.values()), abs=1e-4)


def test_the_command_writes_the_table_and_keeps_the_other_rows(sets, monkeypatch, capsys):
    weights = sets / "weights"
    weights.mkdir()
    for name in ("espcn_photos_x4", "rdn_photos_x4"):
        file = f"{name}.safetensors"
        (weights / file).write_bytes((training.WEIGHTS / file).read_bytes())
    monkeypatch.setattr(training, "WEIGHTS", weights)
    readme = weights / "README.md"
    readme.write_text(f"# Before\n\n{figures.BEGIN}\nold\n{figures.END}\n\nbehind\n")
    call = ["figures", "--set5", str(sets / "set5"), "--no-seconds", "--with"]
    assert command.main([*call, "rdn_photos_x4"]) == 0
    first = readme.read_text()
    assert first.startswith(f"# Before\n\n{figures.BEGIN}\n\n### Set5\n\n| network |")
    assert first.endswith(f"{figures.END}\n\nbehind\n")
    assert "old" not in first and "espcn" not in first and "s a picture" not in first
    assert command.main([*call, "espcn_photos_x4"]) == 0
    assert [row["network"] for row in json.loads((weights / "figures.json").read_text())] == [
        "espcn_photos_x4",
        "rdn_photos_x4",
    ]
    [line] = [line for line in first.splitlines() if line.startswith("| [`rdn")]
    assert line in readme.read_text()
    assert command.main([*call, "cats"]) == 2
    assert "nothing measures cats" in capsys.readouterr().err


def test_the_table_of_rows():
    text = figures.table([ROW, ROW | {"set": "photos", "pictures": 40, "exact": 3}], seconds=False)
    assert "### Set5" in text and "### Photographs that no network was trained on" in text
    assert (
        "| [`espcn_photos_x4`](espcn_photos_x4.md) | 5 | from the _LR files | 28.43 → 30.93"
        " | 0.8113 → 0.8752 | 26.70 → 28.99 | 0.002985 → 0.001505 | −0.12: a-b.png |" in text
    )
    assert "| 40, 3 of them undamaged |" in text
    assert text.endswith("- 2 cores, 2026-11-27: espcn_photos_x4")
    with_time = ROW | {"reached": ROW["reached"] | {"seconds": 0.0194}}
    assert figures.table([with_time]).count("| 0.019 |") == 1


def test_without_its_markers_a_file_stays(tmp_path):
    (tmp_path / "README.md").write_text(f"# No end\n{figures.BEGIN}\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        figures.write("text", tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text() == f"# No end\n{figures.BEGIN}\n"


def test_every_network_that_has_a_truth_is_measured_on_known_sets():
    assert figures.MEASURED_ON.keys() == train.RECIPES.keys()
    assert {name for sets in figures.MEASURED_ON.values() for name in sets} == figures.SETS.keys()
