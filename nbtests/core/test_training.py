"""Resuming after a kill, and files of weights that say what they are."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file
from skimage import data

from helpers import ROOT, batching, damage, images, metrics, models, training
from helpers.app import command, train

CARD = {
    "builder": "espcn",
    "arguments": {"scale": 2, "skip": "nearest"},
    "task": "enlarge",
    "scale": 2,
}


@pytest.fixture
def weights(tmp_path):
    keras.utils.set_random_seed(3)
    model = models.espcn(scale=2, skip="nearest")
    training.save_weights(model, "toy", CARD, tmp_path)
    return tmp_path, model


def test_weights_come_back_as_the_same_network(weights):
    folder, model = weights
    loaded, card = training.load_weights("toy", folder)
    x = np.random.default_rng(0).random((1, 9, 7, 3), np.float32)
    np.testing.assert_allclose(loaded(x), model(x), atol=2e-3)  # stored with 16 bits
    assert {k: card[k] for k in CARD} == CARD
    assert card["versions"]["keras"] == keras.__version__
    again, _ = training.load_weights("toy", folder)
    assert np.array_equal(again(x), loaded(x))


def rewritten(folder, change):
    """Write toy.safetensors again with arrays and card changed by `change(arrays, card)`."""
    with safe_open(folder / "toy.safetensors", framework="numpy") as file:
        card = json.loads(file.metadata()["card"])
        arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    change(arrays, card)
    save_file(arrays, folder / "toy.safetensors", metadata={"card": json.dumps(card)})


def test_a_changed_array_is_noticed(weights):
    folder, _ = weights
    rewritten(folder, lambda arrays, card: arrays["conv1/kernel"].__setitem__((0, 0, 0, 0), 1))
    with pytest.raises(ValueError, match="hash"):
        training.load_weights("toy", folder)


@pytest.mark.parametrize("builder", ["unet_of_nobody", "keras", None])
def test_an_unknown_builder_is_named(weights, builder):
    folder, _ = weights
    rewritten(folder, lambda arrays, card: card.update(builder=builder))
    with pytest.raises(ValueError, match=f"no builder {builder!r}"):
        training.load_weights("toy", folder)


def test_another_network_s_shapes_are_refused(weights):
    folder, _ = weights
    rewritten(folder, lambda arrays, card: card["arguments"].update(scale=3))
    with pytest.raises(ValueError, match="arrays are not those of"):
        training.load_weights("toy", folder)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_a_cut_file_is_damaged(weights, keep):
    folder, _ = weights
    path = folder / "toy.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="damaged") as caught:
        training.load_weights("toy", folder)
    assert "\n" not in str(caught.value)


def test_a_file_without_card_is_damaged(tmp_path):
    save_file({"x": np.zeros(3, np.float16)}, tmp_path / "toy.safetensors")
    with pytest.raises(ValueError, match="damaged"):
        training.load_weights("toy", tmp_path)


def test_missing_weights_name_the_command(weights):
    words = r"no weights nothing .* toy; .*or train others: python -m helpers train --help"
    with pytest.raises(FileNotFoundError, match=words):
        training.load_weights("nothing", weights[0])


TRAIN = """
import json
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np

from helpers import batching, models, training

hr = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), np.uint8)
lr = hr.reshape(24, 16, 2, 16, 2, 3).mean((2, 4)).astype(np.uint8)
last_step = int(sys.argv[1])


def data(step):
    return batching.batches(lr, hr, 4, patch=8, seed=5, start=step)


class Tell(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_end(self, epoch, logs=None):
        print(json.dumps([folder.name, epoch, float(logs["loss"])]), flush=True)


for folder in map(Path, sys.argv[2:]):
    keras.utils.set_random_seed(1)
    model = models.espcn(scale=2, activation="tanh")
    rate = keras.optimizers.schedules.CosineDecay(1e-3, 36)
    model.compile(keras.optimizers.Adam(rate), "mse")
    training.fit(model, data, epochs=6, steps=7, folder=folder, callbacks=[Tell()])
"""


def losses(*folders, last_step=0):
    """Train in a process of its own, once for each folder; returns {folder's name: {epoch: loss}}.

    SIGKILL ends it after `last_step`.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-c", TRAIN, str(last_step), *map(str, folders)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert done.returncode == (-signal.SIGKILL if last_step else 0)
    told = {folder.name: {} for folder in folders}
    for line in done.stdout.splitlines():
        name, epoch, loss = json.loads(line)
        told[name][epoch] = loss
    return told


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_killed_training_goes_on_as_if_nothing_had_happened(tmp_path):
    first = losses(tmp_path / "cut", last_step=24)["cut"]  # of 7 an epoch: amid the fourth
    # One more process: it resumes first, while nothing was trained in it, and then trains the whole
    told = losses(tmp_path / "cut", tmp_path / "whole")
    rest, whole = told["cut"], told["whole"]
    assert set(whole) == set(range(6)) and set(first) == {0, 1, 2} and set(rest) == {3, 4, 5}
    for epoch, loss in (first | rest).items():
        assert abs(loss - whole[epoch]) < 1e-5
    assert len(set(whole.values())) == 6
    assert [p.name for p in (tmp_path / "cut").iterdir()] == ["last-000006.weights.h5"]


def test_the_best_checkpoint_is_kept(tmp_path):
    model = models.espcn(scale=2)
    keep = training.Checkpoint(tmp_path, {})
    keep.set_model(model)
    for epoch, score in enumerate([20.0, 22.5, 21.0]):
        keep.on_epoch_end(epoch, {"val_psnr": score})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "best-22.5000.weights.h5",
        "last-000003.weights.h5",
    ]


@pytest.mark.slow
def test_a_resumed_training_knows_the_epochs_before_the_cut(tmp_path):
    hr = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)

    def session(epochs):
        model, curve = models.espcn(scale=2), training.LiveCurve(hr[:, ::2, ::2], hr, baseline=10.0)
        model.compile("adam", "mse")
        pairs = partial(batching.batches, hr[:, ::2, ::2], hr, 4)
        return training.fit(
            model, lambda step: pairs(start=step), epochs, 1, tmp_path, [curve]
        ), curve.psnr

    first, _ = session(2)
    run, curve = session(4)
    assert run.epoch == [2, 3] and len(run.history["loss"]) == 4
    assert run.history["loss"][:2] == first.history["loss"] and run.history["val_psnr"] == list(
        curve.values()
    )
    again, curve = session(4)
    assert again.epoch == [] and again.history == run.history and list(curve) == [1, 2, 3, 4]
    with h5py.File(next(tmp_path.glob("last-*")), "a") as file:
        del file["history"]  # as files were written once
    assert session(5)[0].epoch == [4]


def test_the_curve_logs_what_the_protocol_measures(capsys):
    hr = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    lr = hr[:, ::2, ::2]
    model = models.espcn(scale=2, skip="nearest")
    model.compile("sgd", "mse")
    curve = training.LiveCurve(lr, hr, baseline=10.0)
    data = batching.batches(lr, hr, 4, seed=0)
    history = model.fit(
        data, epochs=2, steps_per_epoch=1, callbacks=[curve], verbose=0, shuffle=False
    )
    assert history.history["val_psnr"] == list(curve.psnr.values()) and len(curve.psnr) == 2
    assert "epoch 2 of 2" in capsys.readouterr().out


def test_the_curve_s_line_is_the_input_enlarged():
    hr = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    lr = hr[:, ::2, ::2]
    pairs = zip(images.to_float(lr), images.to_float(hr), strict=True)
    expected = np.mean([metrics.psnr(high, images.enlarge(low, 2)) for low, high in pairs])
    assert training.LiveCurve(lr, hr).baseline == pytest.approx(expected)
    assert training.LiveCurve(hr, hr).baseline == np.inf


def test_a_recipe_trains_ships_and_goes_on(tmp_path, toy, monkeypatch):
    monkeypatch.setitem(train.RECIPES["espcn_photos_x4"], "cut", {"size": 48, "per_picture": 2})
    monkeypatch.setitem(train.RECIPES["espcn_photos_x4"], "batches", {"batch": 2, "patch": 8})
    pictures = {toy / "0.png": "train", toy / "1.png": "val", toy / "2.png": "test"}
    path = train.train("espcn_photos_x4", pictures, steps=2)
    model, card = training.load_weights("espcn_photos_x4", path.parent)
    assert model.count_params() == 71_840 and card["downscale"] == "bicubic"
    assert all(v.dtype == "float32" for v in model.variables)
    rows = batching.read_manifest(tmp_path / "data/prepared/espcn_photos_x4")
    assert {row["picture"] for row in rows} == {"0.png", "1.png"}  # nothing of the test picture
    assert (
        train.train("espcn_photos_x4", pictures, steps=2) == path
    )  # finished: nothing is trained again
    with pytest.raises(ValueError, match="begun with other pictures"):
        train.train("espcn_photos_x4", pictures | {toy / "2.png": "train"}, steps=2)
    with pytest.raises(ValueError, match="no recipe"):
        train.train("nothing", pictures)


@pytest.mark.parametrize("name", train.RECIPES)
def test_what_ships_is_what_the_recipe_says(name):
    _, card = training.load_weights(name)
    assert train.RECIPES[name]["card"].items() <= card.items()
    assert (training.WEIGHTS / f"{name}.md").exists()


@pytest.mark.parametrize("recipe", train.RECIPES.values(), ids=train.RECIPES)
def test_training_draws_the_damage_that_the_card_names(recipe):
    assert recipe["batches"].get("damage") is damage.DRAWN.get(recipe["card"]["damage"])


@pytest.fixture
def unsplash(tmp_path):
    """Eight pictures in the Kaggle set's layout.

    Each has a low one of blocks, and another low one that does not count.
    """
    folder, rows = tmp_path / "unsplash", ["low_res,high_res"]
    cat = images.to_float(data.chelsea())
    for k in range(8):
        high = cat[20 * k : 20 * k + 68, 100:180]
        low = images.enlarge(images.reduce(high, 4), 4, "nearest")
        images.write(folder / f"high res/{k}.png", high)
        images.write(folder / f"low res/{k}_4.png", low)
        images.write(folder / f"low res/{k}_6.png", 0 * low)
        rows += [f"{k}_4.png,{k}.png", f"{k}_6.png,{k}.png"]
    (folder / "image_data.csv").write_text("\n".join(rows))
    return folder


@pytest.mark.slow
def test_pairs_train_a_network_that_repairs(tmp_path, unsplash, monkeypatch, capsys, eager):
    name = "unet_photos"
    monkeypatch.setattr(train, "ROOT", tmp_path)
    monkeypatch.setattr(train, "training_folder", lambda name: tmp_path / "work" / name)
    for function in (training.save_weights, training.load_weights):
        monkeypatch.setattr(function, "__defaults__", (tmp_path / "weights",))
    monkeypatch.setitem(train.RECIPES[name], "cut", {"size": 32, "per_picture": 3})
    assert command.main(["train", name, "--from", str(unsplash), "--steps", "2"]) == 0
    model, card = training.load_weights(name)
    assert model.count_params() == 1_965_987 and card["scale"] == 1

    prepared = tmp_path / "data/prepared" / name
    rows = batching.read_manifest(prepared)
    held_out = {path.stem.removesuffix("_HR") for path in (prepared / "test").glob("*_HR.png")}
    assert len(held_out) == 1 and not held_out & {Path(row["picture"]).stem for row in rows}
    for row in rows:
        top, left = int(row["top"]), int(row["left"])
        assert top % 16 == left % 16 == 0
        whole = images.read(unsplash / "low res" / row["picture"].replace(".", "_4."))
        np.testing.assert_array_equal(
            images.read(row["lr"]), whole[top : top + 32, left : left + 32]
        )

    capsys.readouterr()
    assert command.main(["benchmark", str(prepared / "test"), "--with", name]) == 0
    out = capsys.readouterr().out
    assert "1 pictures ×1, 0 too small; inputs from the _LR files" in out and "untouched" in out
    assert command.main(["benchmark", str(unsplash / "high res"), "--with", name]) == 0
    assert "8 pictures ×1, 0 too small; inputs with blocks" in capsys.readouterr().out


def test_a_recipe_that_repairs_wants_pairs(tmp_path):
    with pytest.raises(ValueError, match="unet_photos is trained on pairs"):
        train.train("unet_photos", {tmp_path / "0.png": "train"})


def trained_small(name, toy, monkeypatch, **recipe):
    """Train two steps of the recipe `name`, made small.

    Returns its card and its manifest's rows, none of which is of the test picture.
    """
    for key, values in recipe.items():
        for option, value in values.items():
            monkeypatch.setitem(train.RECIPES[name][key], option, value)
    pictures = {toy / "0.png": "train", toy / "1.png": "val", toy / "2.png": "test"}
    path = train.train(name, pictures, steps=2)
    assert train.train(name, pictures, steps=2) == path  # finished: nothing is trained again
    rows = batching.read_manifest(train.ROOT / "data/prepared" / name)
    assert {row["picture"] for row in rows} == {"0.png", "1.png"}
    return training.load_weights(name)[1], rows


@pytest.mark.slow
def test_a_recipe_that_damages_needs_no_pairs(toy, monkeypatch, eager):
    small = {"card": {"arguments": {"latent": 4, "width": 4}}, "batches": {"batch": 2}}
    card, rows = trained_small(
        "cae_faces", toy, monkeypatch, cut={"size": 32, "per_picture": 2}, **small
    )
    assert (card["task"], card["damage"], card["size"], card["scale"]) == (
        "deblur",
        "random_damage",
        96,
        1,
    )
    assert not any(np.array_equal(images.read(row["lr"]), images.read(row["hr"])) for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rdn_photos_x2", "rdn_noise_cancel_x2"])
def test_the_small_rdn_trains_on_clean_or_on_noisy_inputs(name, toy, monkeypatch, eager):
    arguments = train.RECIPES[name]["card"]["arguments"]
    assert models.rdn(**arguments).count_params() <= 600_000
    small = {"card": {"arguments": arguments | {"c": 2, "d": 2, "g": 4, "g0": 4}}}
    small |= {"cut": {"size": 64, "per_picture": 2}, "batches": {"batch": 2, "patch": 16}}
    card, rows = trained_small(name, toy, monkeypatch, **small)
    assert (card["scale"], card["downscale"]) == (2, "bicubic")
    grained = [
        np.abs(images.read(r["lr"]) - images.reduce(images.read(r["hr"]), 2)).mean() > 0.01
        for r in rows
    ]
    assert grained == [card["damage"] == "small_noisy_jpeg"] * 4


def layers(*widths):
    x = inputs = keras.Input((None, None, 3))
    for number, width in enumerate(widths):
        x = keras.layers.Conv2D(width, 3, padding="same", name=f"conv{number}")(x)
    model = keras.Model(inputs, x)
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize("widths", [(4, 3), (3,), (3, 3, 3)], ids=["wider", "less", "more"])
def test_a_folder_with_another_network_s_training_is_refused(tmp_path, eager, widths):
    """Keras itself would go on with a network that has the first layers only."""
    hr = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    pairs = partial(batching.batches, hr, hr, 2)
    folder = str(tmp_path / "kept")  # text, as every function takes it
    training.fit(layers(3, 3), lambda step: pairs(start=step), 1, 1, folder)
    with pytest.raises(ValueError, match=r"kept holds another network's training; delete it"):
        training.fit(layers(*widths), lambda step: pairs(start=step), 2, 1, folder)
    run = training.fit(layers(3, 3), lambda step: pairs(start=step), 2, 1, folder)
    assert run.epoch == [1]
