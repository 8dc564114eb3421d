"""The networks' process may fail, hang, or die: the next picture is changed all the same."""

import time

import numpy as np
import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
from helpers import images
from nbtests.web import stubs
from web.studio import engine as module
from web.studio import restorers


@pytest.fixture
def engine(monkeypatch, settings):
    settings.JOB_SECONDS = 4
    monkeypatch.setattr(module, "main", stubs.stubbed)
    running = module.Engine()
    yield running
    running.stop()


def change(engine, task, go_on=lambda share: True):
    return engine.change(task, "before", "after", go_on)


def test_whatever_happens_to_one_picture_the_next_is_changed(engine):
    told = []
    assert change(engine, "clean", lambda share: told.append(share) or True) == (30, 20)
    assert told == [0.5] and engine.ready and engine.weights("clean") == "network_of_clean hash"
    with pytest.raises(RuntimeError, match="no such thing"):
        change(engine, "winter_to_summer")
    assert change(engine, "clean") == (30, 20)
    with pytest.raises(module.Died, match="9"):
        change(engine, "deblur")
    assert change(engine, "clean") == (30, 20)
    with pytest.raises(TimeoutError, match="more than 4 s"):
        change(engine, "noise_cancel")
    assert change(engine, "clean") == (30, 20)


def test_what_nobody_wants_any_more_is_stopped(engine):
    assert change(engine, "clean", lambda share: False) == (30, 20)  # it was done already
    began = time.monotonic()
    assert change(engine, "enlarge", lambda share: share < 0.02) is None
    assert time.monotonic() - began < 9
    assert change(engine, "clean") == (30, 20)


def test_networks_that_cannot_be_loaded_say_why(engine, monkeypatch):
    monkeypatch.setattr(module, "main", stubs.broken)
    with pytest.raises(RuntimeError, match="the weights are gone"):
        engine.start()
    assert not engine.ready


@pytest.fixture
def networks():
    """`restorers.Networks` with networks that double a picture and do nothing else."""
    import keras

    from helpers import tiles
    from helpers.app import metadata

    inputs = keras.Input((None, None, 3))
    double = keras.Model(inputs, keras.layers.UpSampling2D(2)(inputs))
    names = {name for task in restorers.TASKS.values() for name in task.networks}
    made = restorers.Networks.__new__(restorers.Networks)
    made.tiles, made.metadata = tiles, metadata
    made.loaded = {name: (double, {"sha256": "0"}) for name in names}
    return made


def test_a_repair_keeps_every_pixel_and_tells_how_far_it_is(networks):
    picture = np.random.default_rng(0).random((300, 530, 3), np.float32)
    told = []
    result = networks.change(picture, "enlarge", told.append)
    assert np.array_equal(result[::2, ::2], picture)
    assert told == sorted(told) and len(told) == 6 and told[-1] == 1  # 2×3 tiles


def test_an_experiment_sees_its_own_size(networks):
    result = networks.change(np.zeros((700, 700, 3), np.float32), "day_to_night")
    assert result.shape == (1024, 1024, 3)  # by two networks, from 256


def test_the_result_says_what_made_it(networks, tmp_path):
    from helpers.app import photo

    before, after = tmp_path / "before.png", tmp_path / "after.png"
    images.write(before, np.full((20, 30, 3), 0.5, np.float32))
    size = networks.change_file("summer_to_winter", before, after, lambda share: None)
    assert size == (1024, 1024)
    assert photo.restored_by(after) == "summer_to_winter, rdn_noise_cancel_x2"
    assert b"algorithmicallyEnhanced" in after.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"before.png", "after.png"}
