"""Training on several devices and by several processes: who trains, who writes, what is said."""

import argparse
import os
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from types import ModuleType

import keras
import numpy as np
import pytest
import tensorflow as tf
from skimage import data

from helpers import ROOT, batching, images, models, training
from helpers.app import command, devices, train
from nbtests.bench import bench_devices

NAME = "espcn_photos_x4"
with_jax = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not here; make jax")


@pytest.fixture
def gpus(monkeypatch):
    """Let TensorFlow see so many GPUs."""

    def see(number):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * number)

    monkeypatch.delenv(devices.PROCESSES, raising=False)
    return see


@pytest.fixture
def told(monkeypatch):
    """What the first process tells the others, without JAX: 1 where it has made what they need."""
    said = {"well": 1}
    for name in ("jax", "jax.experimental", "jax.experimental.multihost_utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))

    def broadcast_one_to_all(value):
        said["by the first"] = int(value)
        return said["well"]

    module = sys.modules["jax.experimental.multihost_utils"]
    module.broadcast_one_to_all = broadcast_one_to_all
    return said


def tree(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}


# Under TensorFlow


@pytest.mark.parametrize(
    ("own_step", "words"), [(False, "KERAS_BACKEND=jax uses all"), (True, "for one device")]
)
def test_of_several_gpus_tensorflow_takes_the_first_and_says_so(gpus, capsys, own_step, words):
    gpus(4)
    with devices.together("mine", 16, own_step) as team:
        assert team == devices.Team(1, 0) and team.writes
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("mine trains on the first of 4 GPUs; ") and words in line


@pytest.mark.parametrize("number", [0, 1])
def test_of_one_device_nothing_is_said(gpus, capsys, number):
    gpus(number)
    for own_step in (False, True):
        with devices.together("mine", 16, own_step):
            assert keras.distribution.distribution() is None
    assert capsys.readouterr().out == ""


def test_several_processes_want_jax(monkeypatch):
    monkeypatch.setenv(devices.PROCESSES, "2")
    with pytest.raises(ValueError, match="set KERAS_BACKEND=jax"), devices.together("mine", 16):
        pass
    with pytest.raises(ValueError, match="mine trains on one device and by TensorFlow"):
        devices.alone("mine")


def test_a_cyclegan_and_an_srgan_say_that_they_train_on_one_device(monkeypatch, toy):
    monkeypatch.setenv(devices.PROCESSES, "2")
    words = "trains on one device and by TensorFlow, because networks that judge each other"
    for names in train.UNPAIRED:
        with pytest.raises(ValueError, match=f"{names[0]} {words}"):
            train.train_unpaired(names, toy)
    judged = [name for name, recipe in train.RECIPES.items() if "against" in recipe]
    assert judged
    for name in judged:
        monkeypatch.delitem(train.RECIPES[name], "start", raising=False)
        with pytest.raises(ValueError, match=f"{name} {words}"):
            train.train(name, {toy / "0.png": "train"})


def test_without_jax_the_command_says_how_to_install_it(monkeypatch, toy, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert command.main(["train", NAME, "--from", str(toy)]) == 2
    assert "pip install -r helpers/app/jax.txt" in capsys.readouterr().err
    assert (ROOT / "helpers/app/jax.txt").exists()


# A batch is shared evenly


@pytest.mark.parametrize("number", [1, 2, 4, 8, 16])
def test_devices_that_share_a_batch_evenly_are_taken(number):
    devices._check_share("mine", 16, number, devices.Team())


@pytest.mark.parametrize(
    ("number", "processes", "words"),
    [
        (3, 1, r"3 devices cannot .*; give it 2: CUDA_VISIBLE_DEVICES=0,1 "),
        (12, 1, "give it 8: CUDA_VISIBLE_DEVICES=0,1,2,3,4,5,6,7 "),
        (32, 1, "give it 16: "),
        (6, 3, "give it 4: start fewer processes"),
    ],
)
def test_a_batch_that_does_not_divide_is_refused(number, processes, words):
    with pytest.raises(ValueError, match=words):
        devices._check_share("mine", 16, number, devices.Team(processes, 0))


# One process writes


def test_the_first_process_prepares_and_the_others_read(told):
    calls = []
    make, read = partial(calls.append, "made"), partial(calls.append, "read")
    devices.Team(1, 0).first(make, read)
    devices.Team(2, 0).first(make, read)
    devices.Team(2, 1).first(make, read)
    assert calls == ["made", "made", "read"]


def test_where_the_first_process_cannot_prepare_all_stop(told):
    def fail():
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        devices.Team(2, 0).first(fail, fail)
    assert told["by the first"] == 0
    told["well"] = 0
    with pytest.raises(ValueError, match="process 1 stops, because process 0 does"):
        devices.Team(2, 1).first(fail, fail)


def test_the_others_train_the_same_and_write_nothing(tmp_path, capsys):
    hr = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), np.uint8)
    lr = hr[:, ::2, ::2]

    def session(number, epochs):
        keras.utils.set_random_seed(0)
        model = models.espcn(scale=2)
        model.compile("adam", "mse")
        team = devices.Team(2, number)
        curve = team.curve(lr, hr, 10.0, "mine")
        pairs = partial(batching.batches, lr, hr, 2, seed=0)
        team.fit(
            model, lambda step: pairs(start=step), epochs, 2, folder=tmp_path, callbacks=[curve]
        )
        return model, curve

    alone, shown = session(0, 1)
    assert "mine: epoch 1 of 1" in capsys.readouterr().out
    kept = tree(tmp_path)
    other, _ = session(1, 2)  # goes on after the epoch that the first process kept
    assert tree(tmp_path) == kept and capsys.readouterr().out == ""
    alone, shown = session(0, 2)
    for mine, its in zip(alone.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert list(shown.psnr) == [1, 2] and tree(tmp_path) != kept


def test_another_process_leaves_pictures_weights_and_state_alone(told, toy, monkeypatch):
    monkeypatch.setitem(train.RECIPES[NAME], "cut", {"size": 48, "per_picture": 2})
    monkeypatch.setitem(train.RECIPES[NAME], "batches", {"batch": 2, "patch": 8})
    pictures = {toy / "0.png": "train", toy / "1.png": "val", toy / "2.png": "test"}

    @contextmanager
    def as_the_other(*_):
        yield devices.Team(2, 1)

    with monkeypatch.context() as patch:
        patch.setattr(devices, "together", as_the_other)
        with pytest.raises(ValueError, match="need one file system"):
            train.train(NAME, pictures, steps=2)
    assert set(tree(toy.parent)) == set(tree(toy))
    path = train.train(NAME, pictures, steps=2)
    before = tree(toy.parent)
    assert path in before
    monkeypatch.setattr(devices, "together", as_the_other)
    train.train(NAME, pictures, steps=2)
    assert tree(toy.parent) == before


def test_where_another_process_is_gone_it_is_said_what_to_do():
    reason = "Error dispatching: Error dispatching: all-reduce failed: Connection reset by peer"
    words = r"process 0 cannot .*\(Connection reset by peer\).*goes on"
    with pytest.raises(ConnectionError, match=words), devices._in_words(devices.Team(2, 0)):
        raise RuntimeError(reason)
    with (
        pytest.raises(RuntimeError, match=r"^Error dispatching"),
        devices._in_words(devices.Team()),
    ):
        raise RuntimeError(reason)


# Under JAX, in processes of their own


@pytest.fixture
def photos(tmp_path):
    """Five pictures that are large enough for the recipe's squares."""
    cat = images.to_float(data.chelsea())
    for k in range(5):
        images.write(
            tmp_path / f"photos/{k}.png", cat[20 * k : 20 * k + 200, 60 * k : 60 * k + 200]
        )
    return tmp_path / "photos"


@with_jax
@pytest.mark.slow
def test_devices_and_processes_train_the_same_network_also_after_a_kill(photos):
    args = argparse.Namespace(folder=photos, name=NAME, steps=4, epoch=1, gpus=False)
    (one,) = bench_devices.measure(args, "1 device")
    (two,) = bench_devices.measure(args, "2 devices")
    processes = bench_devices.measure(args, "2 processes")
    killed = bench_devices.measure(args, "2 processes", killed=True)
    for run in (two, *processes, *killed):
        rest = one["losses"][len(one["losses"]) - len(run["losses"]) :]
        np.testing.assert_allclose(run["losses"], rest, atol=1e-5)
    assert len(one["losses"]) == len(killed[0]["losses"]) == 4
    for first, second in (processes, killed):  # one writes
        assert len(first["hashes"]) == 1 and second["hashes"] == []


@with_jax
@pytest.mark.parametrize(
    ("name", "number", "words"),
    [
        (NAME, 3, "which 3 devices cannot share evenly; give it 2"),
        (next(iter(train.UNPAIRED))[0], 1, "leave KERAS_BACKEND"),
    ],
)
def test_under_jax_the_command_says_what_it_cannot(photos, tmp_path, name, number, words):
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={number}",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    line = [sys.executable, "-m", "helpers", "train", name, "--from", str(photos)]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]


@with_jax
def test_a_process_that_lacks_an_address_says_so(photos):
    environment = os.environ | {"KERAS_BACKEND": "jax", devices.PROCESSES: "2"}
    environment.pop(devices.ADDRESS, None)
    line = [sys.executable, "-m", "helpers", "train", NAME, "--from", str(photos)]
    done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"{devices.ADDRESS} and {devices.NUMBER} not" in done.stderr


def test_the_curve_needs_no_predict(monkeypatch):
    monkeypatch.setattr(keras.Model, "predict", None)
    hr = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
    curve = training.LiveCurve(hr[:, ::2, ::2], hr, baseline=10.0)
    model = models.espcn(scale=2)
    curve.set_model(model)
    curve.set_params({"epochs": 1})
    curve.on_train_begin()
    logs = {}
    curve.on_epoch_end(0, logs)
    made = np.clip(keras.ops.convert_to_numpy(model(curve.lr)), 0, 1)
    assert logs["val_psnr"] == pytest.approx(curve.mean_psnr(made))
