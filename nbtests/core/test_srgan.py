"""SRGAN: who learns what from whom, resuming, and what ships."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import adversarial, models, training
from helpers.adversarial import absolute_loss
from helpers.app import command, train


def pairs(step, n=2, size=16):
    """Batches (lr, hr) at scale 2 that depend on their number alone."""

    def batch(k):
        hr = tf.random.stateless_uniform([n, 2 * size, 2 * size, 3], [0, k])
        return tf.nn.avg_pool2d(hr, 2, 2, "VALID"), hr

    return tf.data.Dataset.range(step, 10**6).map(batch)


def small(optimizer=None, eager=False, **losses):
    keras.utils.set_random_seed(0)
    g = models.espcn(scale=2, activation="tanh")
    model = adversarial.SRGAN(g, models.patch_discriminator(4, strided=1), **losses)
    model.compile(optimizer or keras.optimizers.Adam(1e-3), run_eagerly=eager)
    return model


def arrays(network):
    return [np.array(v) for v in network.trainable_variables]


def moved(network, before):
    return max(np.abs(new - old).max() for new, old in zip(arrays(network), before, strict=True))


def test_a_step_is_the_textbooks():
    """The update equals that of two gradients and two Adams, each with the other network frozen."""
    losses = {"pixel": 0.3, "reduced": 0.7, "adversarial": 2}
    model, (lr, hr) = small(**losses), next(iter(pairs(0)))
    g, d = model.generator, model.discriminator
    sr = tf.constant(g(lr))
    with tf.GradientTape() as tape_d:
        tell = tf.reduce_mean((d(hr) - d(sr) - 1) ** 2)
    real = tf.constant(d(hr))
    with tf.GradientTape() as tape_g:
        sr = g(lr)
        means = [tf.reshape(x, (2, 16, 2, 16, 2, 3)) for x in (hr, sr)]
        high, low = (tf.reduce_mean(x, axis=(2, 4)) for x in means)
        loss = (
            0.3 * absolute_loss(hr, sr)
            + 0.7 * absolute_loss(high, low)
            + 2 * tf.reduce_mean((real - d(sr)) ** 2)
        )
    before, expected = [], []
    for network, tape, of in ((g, tape_g, loss), (d, tape_d, tell)):
        copies = [keras.Variable(v, name=v.name) for v in network.trainable_variables]
        adam = keras.optimizers.Adam(1e-3)
        adam.build(copies)
        adam.apply(tape.gradient(of, [v.value for v in network.trainable_variables]), copies)
        before += arrays(network)
        expected += [np.array(c) for c in copies]
    logs = model.train_step((lr, hr))
    assert float(logs["tell"]) == pytest.approx(float(tell), abs=1e-5)
    for v, old, new in zip(
        g.trainable_variables + d.trainable_variables, before, expected, strict=True
    ):
        np.testing.assert_allclose(np.array(v) - old, new - old, atol=2e-5, err_msg=v.path)


def test_each_learns_from_its_own_loss_alone():
    (lr, hr), apart = next(iter(pairs(0))), []
    for weight in (0, 100):
        model = small(keras.optimizers.SGD(0.01), pixel=0, reduced=0, adversarial=weight)
        before = arrays(model.generator)
        model.train_step((lr, hr))
        assert (moved(model.generator, before) > 0) == (
            weight > 0
        )  # nothing of the discriminator's own loss
        apart.append(arrays(model.discriminator))
    for a, b in zip(*apart, strict=True):  # nothing of the generator's
        np.testing.assert_array_equal(a, b)


def test_the_generator_closes_the_margin_that_the_discriminator_opens():
    model, (lr, hr) = small(pixel=0, reduced=0, adversarial=0), next(iter(pairs(0)))

    def margin():
        return float(np.mean(model.discriminator(hr) - model.discriminator(model.generator(lr))))

    model.optimizer.build(model.trainable_variables)
    step = tf.function(lambda: model.train_step((lr, hr)))
    for _ in range(40):
        step()
    opened, kept = margin(), model.discriminator.get_weights()
    assert opened > 0.3
    model.adversarial = 1
    for _ in range(3):
        model.train_step((lr, hr))
        model.discriminator.set_weights(kept)
    assert margin() < 0.9 * opened


@pytest.mark.slow
def test_detail_that_cannot_be_known_is_drawn_all_the_same():
    """Nothing tells the place of these stripes. Their mean is grey; L1 alone settles for that."""

    def stripes(k):
        place = tf.random.stateless_uniform([8, 1, 1, 1], [3, k], 0, 2, tf.int32)
        hr = 0.25 + 0.5 * tf.cast((tf.range(32)[None, None, :, None] + place) % 2, tf.float32)
        return tf.fill((8, 16, 16, 3), 0.5), tf.broadcast_to(hr, (8, 32, 32, 3))

    contrast = {}
    for weight in (0, 1):
        model = small(keras.optimizers.Adam(2e-3), adversarial=weight)
        data = tf.data.Dataset.range(10**6).map(stripes)
        model.fit(data, steps_per_epoch=80, epochs=1, verbose=0, shuffle=False)
        sr = np.asarray(model(tf.fill((1, 16, 16, 3), 0.5)))[0, 8:-8, 8:-8]
        contrast[weight] = np.abs(np.diff(sr, axis=1)).mean()
        assert abs(sr.mean() - 0.5) < 0.1
    assert contrast[1] > 0.2 > 5 * contrast[0], contrast


@pytest.mark.slow
def test_resumed_it_goes_on_as_if_nothing_had_happened(tmp_path):
    def losses(folder, epochs):
        """Of each epoch; few and short, so that sums in another order stay within the bound."""
        rate = keras.optimizers.schedules.CosineDecay(2e-3, 16)
        model = small(keras.optimizers.Adam(rate), eager=True)
        history = training.fit(model, pairs, epochs, 4, tmp_path / folder)
        return np.transpose([history.history[k] for k in ("pixel", "reduced", "deceive", "tell")])

    whole = losses("whole", 4)
    losses("cut", 2)
    again = losses("cut", 4)
    assert len(again) == 4 and np.ptp(whole[:, 3]) > 0.01
    np.testing.assert_allclose(again, whole, atol=1e-4)


# recipes


@pytest.fixture
def tiny(toy, tmp_path, monkeypatch, eager):
    """The recipe, small, what it starts from, shipped, and the command that trains it."""
    recipe = train.RECIPES["srgan_photos_x4"]
    arguments = recipe["card"]["arguments"] | {"c": 2, "d": 2, "g": 4, "g0": 4}
    monkeypatch.setitem(recipe, "card", recipe["card"] | {"arguments": arguments})
    monkeypatch.setitem(recipe, "cut", {"size": 64, "per_picture": 2})
    monkeypatch.setitem(recipe, "batches", {"batch": 2, "patch": 16})
    monkeypatch.setitem(recipe, "against", {"width": 2, "strided": 2})
    keras.utils.set_random_seed(7)
    start = models.rdn(**arguments)
    start.get_layer("SR").set_weights(
        [np.full_like(w, 0.01) for w in start.get_layer("SR").get_weights()]
    )
    training.save_weights(start, "rdn_photos_x4", recipe["card"], tmp_path / "weights")
    return start, ["train", "srgan_photos_x4", "--from", str(toy), "--steps", "2"]


def test_the_recipe_starts_from_its_twin_and_ships_the_last_state(tiny, tmp_path):
    start, arguments = tiny
    work = tmp_path / "work/srgan_photos_x4"
    work.mkdir(parents=True)
    (work / "best-99.0000.weights.h5").write_bytes(b"whatever scored best")
    assert command.main(arguments) == 0
    shipped, card = training.load_weights("srgan_photos_x4")
    assert (card["builder"], card["scale"]) == ("rdn", 4)
    assert 0 < moved(shipped, arrays(start)) < 2e-3  # two steps of the warm-up, and 16 bits
    last = adversarial.SRGAN(models.rdn(**card["arguments"]), models.patch_discriminator(2, 2))
    last.load_weights(next(work.glob("last-*")))
    assert moved(shipped, arrays(last.generator)) < 1e-3


def test_a_share_of_the_way_from_the_start_ships(tiny, monkeypatch):
    start, arguments = tiny
    monkeypatch.setitem(train.RECIPES["srgan_photos_x4"], "share", 0)
    assert command.main(arguments) == 0
    shipped, _ = training.load_weights("srgan_photos_x4")
    assert moved(shipped, [np.float16(array) for array in arrays(start)]) == 0


def test_without_its_start_the_recipe_says_what_to_train_first(tiny, tmp_path, capsys):
    (tmp_path / "weights/rdn_photos_x4.safetensors").unlink()
    assert command.main(tiny[1]) == 2
    assert "python -m helpers train rdn_photos_x4" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_body_of_another_scale_is_taken_and_its_head_is_not(tiny, tmp_path):
    start, _ = tiny
    sizes = {"c": 2, "d": 2, "g": 4, "g0": 4, "upsampling": "subpixel", "skip": "bicubic"}
    model = train.start_from(models.rdn(2, **sizes), "rdn_photos_x4")
    for layer in model.layers:
        for new, old in zip(
            layer.get_weights(), start.get_layer(layer.name).get_weights(), strict=True
        ):
            if layer.name == "SR":
                assert not new.any()
            else:
                np.testing.assert_allclose(new, old, atol=1e-3)
    with pytest.raises(ValueError, match=r"no array of rdn_photos_x4 .* this espcn"):
        train.start_from(models.espcn(), "rdn_photos_x4")


def test_the_twins_are_one_network():
    card = train.RECIPES["srgan_photos_x4"]["card"]
    assert card == train.RECIPES["rdn_photos_x4"]["card"]
    twice = train.RECIPES["rdn_photos_x2"]["card"]["arguments"]
    assert (
        models.rdn(**card["arguments"]).count_params()
        == models.rdn(**twice).count_params() + 36 * 289
    )
