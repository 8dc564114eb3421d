import ast
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import ROOT, adversarial, images, models, training
from helpers.app import train, unpaired

SIZE = 32


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def pairless(step, n=2, size=SIZE):
    """Batches (a, b) that depend on their number alone."""

    def batch(k):
        a, b = tf.unstack(tf.random.stateless_uniform([2, n, size, size, 3], [0, k]))
        return a, 0.5 * b

    return tf.data.Dataset.range(step, 10**6).map(batch)


def cycle_gan(pool=50, seed=0, size=SIZE, rate=2e-4, eager=False):
    keras.utils.set_random_seed(seed)
    discriminators = [models.patch_discriminator(2) for _ in "ab"]
    generators = [models.resnet_generator(2, 1) for _ in "gf"]
    model = adversarial.CycleGAN(generators, discriminators, size, pool)
    model.compile(keras.optimizers.Adam(rate, beta_1=0.5), run_eagerly=eager)
    return model


def test_importing_it_imports_no_tensorflow():
    """So that the losses can be driven where there is none."""
    tree = ast.parse((ROOT / "helpers/adversarial.py").read_text(encoding="utf-8"))
    imports = [
        ast.unparse(node) for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert "import keras" in imports and "from helpers import batching" in imports
    assert not any(name in line for line in imports for name in ("tensorflow", "training"))


# pictures


def drawn(folder, scenes, names="ab"):
    """Two folders of the same scenes, blocks in grey, each in two lights."""
    for side, light in zip(names, (1, 0.4), strict=True):
        for k in range(scenes):
            blocks = np.kron(noise(8, 8, 1, seed=k), np.ones((8, 8, 3), np.float32))
            for take in range(2):
                images.write(
                    folder / side / f"{k}_{take}.png", light * np.roll(blocks, take, axis=1)
                )
    return folder


def test_scenes_are_told_apart_by_what_they_show(tmp_path):
    drawn(tmp_path, 6)
    paths = images.find(tmp_path / "a") + images.find(tmp_path / "b")
    found = unpaired.scenes(paths)
    shown = [path.name.split("_")[0] for path in paths]
    assert len(set(found)) == 6 and len(set(zip(found, shown, strict=True))) == 6
    images.write(tmp_path / "c/flat.png", np.full((5, 7, 3), 0.5, np.float32))
    assert unpaired.scenes([tmp_path / "c/flat.png"]) == [0]


def test_two_folders_are_split_by_scene(tmp_path):
    sets = unpaired.sets(drawn(tmp_path, 10, ("day", "night")))
    assert {name: len(paths) for name, paths in sets.items()} == {
        "trainA": 16,
        "trainB": 16,
        "testA": 4,
        "testB": 4,
    }
    scenes = {name: {path.name.split("_")[0] for path in paths} for name, paths in sets.items()}
    assert scenes["testA"] == scenes["testB"] and not scenes["testA"] & (
        scenes["trainA"] | scenes["trainB"]
    )
    assert all(
        path.parent.name == ("day" if name.endswith("A") else "night")
        for name in sets
        for path in sets[name]
    )


def test_four_folders_are_taken_as_they_are(tmp_path):
    drawn(tmp_path, 1, ("trainA", "trainB"))
    drawn(tmp_path, 2, ("testA", "testB"))
    assert {name: len(paths) for name, paths in unpaired.sets(tmp_path).items()} == {
        "trainA": 2,
        "trainB": 2,
        "testA": 4,
        "testB": 4,
    }


def test_another_layout_is_named(tmp_path):
    for folder in (tmp_path, tmp_path / "missing", drawn(tmp_path / "one", 1, ("a", "a"))):
        with pytest.raises(
            FileNotFoundError, match=r"expected trainA, trainB, testA, testB or just two folders"
        ):
            unpaired.sets(folder)
    (tmp_path / "two/a").mkdir(parents=True)
    (tmp_path / "two/b").mkdir()
    with pytest.raises(FileNotFoundError, match="no pictures"):
        unpaired.sets(tmp_path / "two")
    with pytest.raises(ValueError, match="at least"):
        unpaired.sets(drawn(tmp_path / "few", 2))
    (drawn(tmp_path / "bad", 6) / "b/0_0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"0_0\.png"):
        unpaired.sets(tmp_path / "bad")


def test_batches_resume_where_they_were_cut():
    a, b = (np.uint8(255 * noise(5, 48, 40, 3, seed=s)) for s in (1, 2))
    whole = list(adversarial.unpaired_batches((a, b), SIZE, batch=2, seed=3).take(7))
    again = list(adversarial.unpaired_batches((a, b), SIZE, batch=2, seed=3, start=4).take(3))
    for old, new in zip(whole[4:], again, strict=True):
        np.testing.assert_array_equal(old, new)
    assert all(
        x.shape == (2, SIZE, SIZE, 3) and 0 <= np.min(x) <= np.max(x) <= 1
        for pair in whole
        for x in pair
    )
    other = next(iter(adversarial.unpaired_batches((a, b), SIZE, batch=2, seed=4)))
    assert not np.array_equal(whole[0][0], other[0])


def test_batches_keep_their_sets_apart_and_zoom():
    ramp = np.tile(np.uint8(np.arange(0, 240, 3))[:, None, None], (6, 1, 80, 3))
    spans = []
    for a, b in adversarial.unpaired_batches((ramp, np.full_like(ramp, 250)), SIZE).take(20):
        assert np.min(b) > 0.97 and np.max(a) < 0.97
        spans.append(float(np.max(a) - np.min(a)))
    assert min(spans) < 0.6 < 0.8 < max(spans)


def test_scenes_shows_both_ways_after_each_epoch(tmp_path, capsys):
    a, b = (np.uint8(255 * noise(n, SIZE, SIZE, 3, seed=n)) for n in (2, 3))
    scenes = unpaired.Scenes(a, b, tmp_path)
    model = cycle_gan(pool=4, eager=True)
    training.fit(model, pairless, 2, 1, callbacks=[scenes])
    assert list(scenes.shown) == [1, 2] and scenes.shown[2].shape == (5, SIZE, SIZE, 3)
    assert (
        np.abs(
            images.to_float(scenes.shown[2][:2]) - np.clip(model.to_b(images.to_float(a)), 0, 1)
        ).max()
        < 0.01
    )
    assert (
        np.abs(
            images.to_float(scenes.shown[2][2:]) - np.clip(model.to_a(images.to_float(b)), 0, 1)
        ).max()
        < 0.01
    )
    assert [images.read(path).shape for path in images.find(tmp_path)] == [
        (2 * SIZE, 5 * SIZE, 3)
    ] * 2
    assert "epoch 2 of 2" in capsys.readouterr().out


# networks


def test_patches_and_normalisation_can_be_left_out():
    for strided, patch in ((3, 70), (2, 34), (1, 16)):
        model = models.patch_discriminator(2, strided, normalise=False)
        x = tf.Variable(noise(1, 128, 128, 3))
        with tf.GradientTape() as tape:
            score = model(x)[0, 6, 6, 0]
        seen = np.argwhere(np.abs(tape.gradient(score, x)[0]).sum(axis=-1) > 0)
        assert (np.ptp(seen, axis=0) + 1).tolist() == [patch, patch]
    model = models.resnet_generator(2, 1, normalise=False)
    assert not any(isinstance(x, keras.layers.GroupNormalization) for x in model.layers)
    assert np.array_equal(model(noise(1, 16, 16, 3)), np.zeros((1, 16, 16, 3)))


def test_published_sizes():
    assert models.resnet_generator().count_params() == 11_383_427
    assert models.patch_discriminator().count_params() == 2_765_633
    assert models.unet_generator(64, 8).count_params() == 54_419_459
    assert models.patch_discriminator().compute_output_shape((None, 256, 256, 3)) == (
        None,
        30,
        30,
        1,
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda: models.resnet_generator(2, 2),
        lambda: models.resnet_generator(2, 2, skips=False),
        lambda: models.colour_generator(2, 4, 16),
        lambda: models.unet_generator(2, 3),
    ],
)
def test_generators_keep_the_size(build):
    model = build()
    for h, w in ((32, 32), (24, 40)):
        assert model(noise(2, h, w, 3)).shape == (2, h, w, 3)
    assert len({layer.name for layer in model.layers}) == len(model.layers)
    assert [layer.name for layer in model.layers] == [layer.name for layer in build().layers]
    again = keras.Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    x = noise(1, 32, 32, 3)
    np.testing.assert_array_equal(again(x), model(x))


@pytest.mark.parametrize(
    "build", [lambda: models.unet_generator(2, 3), lambda: models.resnet_generator(2, 2)]
)
def test_the_output_is_a_picture(build):
    out = np.asarray(build()(10 * noise(1, 32, 32, 3) - 5))
    assert out.min() >= 0 and out.max() <= 1


def test_a_batch_does_not_mix_its_pictures():
    """Instance normalisation: several pictures in one pass give what each gives alone."""
    a, b = noise(2, 1, 32, 32, 3)
    for model in (models.resnet_generator(4, 2), models.patch_discriminator(4)):
        both = np.asarray(model(np.concatenate([a, b])))
        np.testing.assert_allclose(both, np.concatenate([model(a), model(b)]), atol=1e-5)


def test_a_patch_is_70_pixels_wide():
    """The middle score sees a square of 70 pixels, apart from the normalisation, which sees all."""
    model = models.patch_discriminator(2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.GroupNormalization):
            layer.call = lambda x: x
    x = tf.Variable(noise(1, 128, 128, 3))
    with tf.GradientTape() as tape:
        score = model(x)[0, 6, 6, 0]
    seen = np.argwhere(np.abs(tape.gradient(score, x)[0]).sum(axis=-1) > 0)
    assert (np.ptp(seen, axis=0) + 1).tolist() == [70, 70]


# losses, rate


def test_losses():
    assert adversarial.adversarial_loss(np.float32([1, 1]), real=True) == 0
    assert adversarial.adversarial_loss(np.float32([1, 0]), real=True) == 0.5
    assert adversarial.adversarial_loss(np.float32([2, 0]), real=False) == 2
    a = noise(2, 4, 4, 3)
    assert adversarial.absolute_loss(a, a) == 0
    assert float(adversarial.absolute_loss(a, a - 0.25)) == pytest.approx(0.25)


def test_the_rate_stands_and_then_falls():
    fall = adversarial.LinearFall(2e-4, 100)
    assert [float(fall(step)) for step in (0, 25, 50)] == pytest.approx([2e-4] * 3)
    assert [float(fall(step)) for step in (75, 100, 120)] == pytest.approx([1e-4, 0, 0])


# pool


def test_the_pool_gives_everything_back_once():
    model, size = cycle_gan(pool=5), 5
    shown = []
    for k in range(40):
        model.optimizer.iterations.assign(k)
        fake = np.full((1, SIZE, SIZE, 3), k + 1, np.float32)
        shown.append(float(model.from_pool(0, tf.constant(fake))[0, 0, 0, 0]))
    left = [float(v) for v in np.asarray(model.pools[0])[:, 0, 0, 0]]
    assert shown[:size] == [1, 2, 3, 4, 5]  # while it fills
    late = [k for k, v in enumerate(shown) if v != k + 1]
    assert 10 < len(late) < 30  # about half are older ones
    assert not np.asarray(model.pools[1]).any()
    assert len(set(shown[size:])) == len(shown[size:])  # once taken out it is gone
    assert set(shown) | set(left) == set(range(1, 41))


def test_the_pool_depends_on_the_step_alone():
    def run():
        model = cycle_gan(pool=3)
        for k in range(12):
            model.optimizer.iterations.assign(k)
            out = model.from_pool(1, tf.constant(np.full((2, SIZE, SIZE, 3), k, np.float32)))
        return np.asarray(out), np.asarray(model.pools[1])

    first, again = run(), run()
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])


# training


@pytest.mark.parametrize("identity", [0.5, 0])
def test_a_step_is_the_textbooks(identity):
    """The update equals that of four gradients and four Adams, computed one after the other."""
    model, (a, b) = cycle_gan(), next(iter(pairless(0)))
    model.identity = identity
    leave = 10 * identity
    g, f = model.to_b, model.to_a
    d_a, d_b = model.discriminator_a, model.discriminator_b
    with tf.GradientTape(persistent=True) as tape:
        fake_b, fake_a = g(a, training=True), f(b, training=True)
        cycle = adversarial.absolute_loss(a, f(fake_b)) + adversarial.absolute_loss(b, g(fake_a))
        total_g = (
            adversarial.adversarial_loss(d_b(fake_b), True)
            + 10 * cycle
            + leave * adversarial.absolute_loss(b, g(b))
        )
        total_f = (
            adversarial.adversarial_loss(d_a(fake_a), True)
            + 10 * cycle
            + leave * adversarial.absolute_loss(a, f(a))
        )
        tell_a = (
            adversarial.adversarial_loss(d_a(a), True)
            + adversarial.adversarial_loss(d_a(fake_a), False)
        ) / 2
        tell_b = (
            adversarial.adversarial_loss(d_b(b), True)
            + adversarial.adversarial_loss(d_b(fake_b), False)
        ) / 2
    before, expected = [], []
    for network, loss in ((g, total_g), (f, total_f), (d_a, tell_a), (d_b, tell_b)):
        copies = [keras.Variable(v, name=v.name) for v in network.trainable_variables]
        adam = keras.optimizers.Adam(2e-4, beta_1=0.5)
        adam.build(copies)
        adam.apply(tape.gradient(loss, [v.value for v in network.trainable_variables]), copies)
        before += [np.array(v) for v in network.trainable_variables]
        expected += [np.array(c) for c in copies]

    logs = model.train_step((a, b))
    assert float(logs["cycle"]) == pytest.approx(float(cycle), abs=1e-5)
    assert float(logs["tell_a"]) == pytest.approx(float(tell_a), abs=1e-5)
    variables = [v for network in (g, f, d_a, d_b) for v in network.trainable_variables]
    for v, old, new in zip(variables, before, expected, strict=True):
        np.testing.assert_allclose(np.array(v) - old, new - old, atol=2e-5, err_msg=v.path)


@pytest.mark.slow
def test_a_known_change_is_learnt_without_pairs():
    """B is A darkened. Training brings g's pictures nearer to the dark twins than A itself is."""
    model = cycle_gan(rate=5e-3)
    model.optimizer.build(model.trainable_variables)
    step = tf.function(lambda a, b: model.train_step((a, b)))
    for a, b in pairless(0, n=4).take(60):
        step(a, b)
    a = noise(8, SIZE, SIZE, 3, seed=9)
    before, after = (np.abs(x - 0.5 * a).mean() for x in (a, np.asarray(model(a))))
    assert after < 0.8 * before


TRAIN = """
import os
import signal
import sys
from pathlib import Path

import keras
import tensorflow

import test_cyclegan
from helpers import training

tensorflow.config.threading.set_intra_op_parallelism_threads(1)
tensorflow.config.threading.set_inter_op_parallelism_threads(1)
last_step = int(sys.argv[1])


class Say(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == last_step:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_epoch_end(self, epoch, logs=None):
        print(epoch, *(f"{logs[key]:.7f}" for key in sorted(logs)), flush=True)


for folder in sys.argv[2:]:
    print(Path(folder).name, flush=True)
    model = test_cyclegan.cycle_gan(pool=4, eager=True)
    training.fit(model, test_cyclegan.pairless, 3, 2, Path(folder), [Say()])
"""


def trained(*folders, last_step=0):
    """Train in a process of its own, once for each folder; returns what it printed.

    SIGKILL ends it after `last_step`. It runs on one thread: several add in an order that changes,
    and two adversaries let a difference in the last bit grow, so that two uninterrupted runs drift
    apart by some 1e-4 within 30 steps.
    """
    path = os.pathsep.join([str(ROOT), str(ROOT / "nbtests" / "core")])
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(last_step), *map(str, folders)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == (-signal.SIGKILL if last_step else 0)
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_killed_and_resumed_it_goes_on_as_if_nothing_had_happened(tmp_path):
    killed = trained(tmp_path / "cut", last_step=3)  # in the middle of the second epoch of three
    # One more process: it resumes first, while nothing was trained in it, and then trains the whole
    printed = trained(tmp_path / "cut", tmp_path / "whole")
    resumed, whole = printed.removeprefix("cut\n").split("whole\n")
    before = killed.removeprefix("cut\n").splitlines()
    got = np.loadtxt(before + resumed.splitlines(), ndmin=2)
    wanted = np.loadtxt(whole.splitlines(), ndmin=2)
    assert (len(before), wanted[:, 0].tolist()) == (1, [0, 1, 2])
    np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_a_generator_ships(tmp_path):
    g = models.resnet_generator(4, 2)
    card = {
        "builder": "resnet_generator",
        "arguments": {"width": 4, "blocks": 2},
        "task": "change",
        "scale": 1,
    }
    training.save_weights(g, "dusk", card, tmp_path)
    again, _ = training.load_weights("dusk", tmp_path)
    x = noise(1, 32, 32, 3)
    np.testing.assert_allclose(again(x), g(x), atol=2e-2)


def test_a_recipe_without_pairs_trains_both_ways(tmp_path, monkeypatch, eager):
    """The whole way from two folders to two files of weights, small."""
    names = ("day_to_night", "night_to_day")
    small = {"builder": "resnet_generator", "arguments": {"width": 2, "blocks": 1}, "steps": 2}
    small |= {"strength": {}}
    monkeypatch.setitem(train.UNPAIRED, names, train.UNPAIRED[names] | small)
    monkeypatch.setattr(training, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setattr(training.save_weights, "__defaults__", (tmp_path / "weights",))
    monkeypatch.setattr(train, "training_folder", lambda name: tmp_path / name)
    states, fit = [], training.fit

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            states.append(
                [
                    w.numpy()
                    for w in self.model.to_b.trainable_weights + self.model.to_a.trainable_weights
                ]
            )

    monkeypatch.setattr(
        training, "fit", lambda *a, callbacks, **k: fit(*a, callbacks=[*callbacks, Watch()], **k)
    )
    paths = train.train_unpaired(names, drawn(tmp_path / "sets", 10))
    assert [path.stem for path in paths] == list(names)
    kept = []
    for path in paths:
        network, card = training.load_weights(path.stem, path.parent)
        assert card["task"] == "change" and card["arguments"] == {"width": 2, "blocks": 1}
        kept += [w.numpy() for w in network.trainable_weights]
    first, last = (
        sum(np.abs(x - y).sum() for x, y in zip(kept, state, strict=True)) for state in states
    )
    assert first < 0.5 * last, "of two steps the moving average is the first one's state, nearly"
    assert list((tmp_path / "day_to_night").glob("scenes-*.png"))
    with pytest.raises(ValueError, match="begun with other pictures"):
        train.train_unpaired(names, drawn(tmp_path / "others", 10))


def test_a_stronger_colour_generator_changes_colours_as_many_times_as_much():
    keras.utils.set_random_seed(0)
    network = models.colour_generator(classes=2, width=4, side=16)
    pictures = np.random.default_rng(0).random((1, 24, 40, 3), np.float32)
    change = network(pictures).numpy() - pictures
    train._strengthen(network, 1.5)
    assert np.abs(change).max() > 1e-4
    np.testing.assert_allclose(network(pictures) - pictures, 1.5 * change, atol=1e-6)
