"""The networks' process may fail, hang, or die: the next picture is changed all the same."""

import time

import numpy as np
import pytest
from skimage import data

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
from helpers import damage, images
from nbtests.web import stubs
from web.studio import engine as module
from web.studio import restorers

FACE = images.to_float(data.astronaut())[:256, 64:384]


@pytest.fixture
def engine(monkeypatch, settings):
    settings.JOB_SECONDS = 4
    monkeypatch.setattr(module, "main", stubs.stubbed)
    running = module.Engine()
    yield running
    running.stop()


DONE = (30, 20, "network hash", "", False)


def change(engine, task, go_on=lambda share: True):
    return engine.change(task, "before", "after", go_on)


def test_whatever_happens_to_one_picture_the_next_is_changed(engine):
    told = []
    assert change(engine, "clean", lambda share: told.append(share) or True) == DONE
    assert told == [0.5] and engine.ready
    with pytest.raises(RuntimeError, match="no such thing"):
        change(engine, "winter_to_summer")
    assert change(engine, "clean") == DONE
    with pytest.raises(module.Died, match="9"):
        change(engine, "deblur")
    assert change(engine, "clean") == DONE
    with pytest.raises(module.Died, match="0"):  # its memory was used up
        change(engine, "auto")
    assert change(engine, "clean") == DONE
    with pytest.raises(TimeoutError, match="more than 4 s"):
        change(engine, "noise_cancel")
    assert change(engine, "clean") == DONE


def test_what_nobody_wants_any_more_is_stopped(engine):
    assert change(engine, "clean", lambda share: False) == DONE  # it was done already
    began = time.monotonic()
    assert change(engine, "enlarge", lambda share: share < 0.02) is None
    assert time.monotonic() - began < 9
    assert change(engine, "clean") == DONE


def test_a_suggestion_is_made_where_the_networks_have_time(engine, settings, tmp_path):
    settings.SUGGESTION_WAIT = 0.1
    for side in (20, 30):
        images.write(tmp_path / f"{side}.png", np.zeros((side, side, 3)))
    assert engine.judge(tmp_path / "30.png") is None  # they are not loaded yet
    engine.start()
    assert engine.judge(tmp_path / "30.png") == ("nothing", [])
    with engine.lock:  # a picture is in work
        assert engine.judge(tmp_path / "30.png") is None
    assert engine.judge(tmp_path / "20.png") is None  # it has killed the process
    assert change(engine, "clean") == DONE
    assert engine.judge(tmp_path / "30.png") == ("nothing", [])


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
    from helpers.app import advice, metadata

    inputs = keras.Input((None, None, 3))
    double = keras.Model(inputs, keras.layers.UpSampling2D(2)(inputs))
    names = {name for task in restorers.TASKS.values() for name in task.networks}
    made = restorers.Networks.__new__(restorers.Networks)
    made.tiles, made.metadata, made.advice = tiles, metadata, advice
    made.loaded = {name: (double, {"sha256": "0", "task": "change"}) for name in names}
    return made


def test_a_repair_keeps_every_pixel_and_tells_how_far_it_is(networks):
    picture = np.random.default_rng(0).random((300, 530, 3), np.float32)
    told = []
    result = networks.change(picture, ("rdn_photos_x4",), done=told.append)
    assert np.array_equal(result[::2, ::2], picture)
    assert told == sorted(told) and len(told) == 6 and told[-1] == 1  # 2×3 tiles


def test_the_result_says_what_made_it(networks, tmp_path):
    from helpers.app import photo

    before, after = tmp_path / "before.png", tmp_path / "after.png"
    images.write(before, np.full((20, 30, 3), 0.5, np.float32))
    changed = networks.change_file("day_to_night", before, after, lambda share: None)
    assert changed == (60, 40, "day_to_night 0", "", False)
    assert photo.restored_by(after) == "day_to_night"
    assert b"algorithmicallyEnhanced" in after.read_bytes()
    small = restorers.small_of(after)
    assert {path.name for path in tmp_path.iterdir()} == {before.name, after.name, small.name}
    assert photo.restored_by(small) == "day_to_night"


@pytest.fixture(scope="module")
def chooser():
    """`restorers.Networks` that chooses as the real one does, with a network that does nothing."""
    import keras

    from helpers import tiles
    from helpers.app import advice, metadata

    inputs = keras.Input((None, None, 3))
    same = keras.Model(inputs, keras.layers.UpSampling2D(1)(inputs))
    names = {name for task in restorers.TASKS.values() for name in task.networks}
    cards = {name: advice.network(name)[1] for name in names}
    made = restorers.Networks.__new__(restorers.Networks)
    made.tiles, made.metadata, made.advice = tiles, metadata, advice
    made.loaded = {name: (same, card | {"sha256": "0"}) for name, card in cards.items()}
    return made


def test_what_a_picture_does_not_suit_is_told(chooser):
    kinds = {"day": np.full((64, 64, 3), 0.5, np.float32), "leaves": np.zeros((64, 64, 3))}
    kinds["leaves"][..., 1] = 0.6
    kinds["night"] = kinds["day"] / 10
    kinds["face"] = images.to_float(data.astronaut())
    judged = {name: set(chooser.judge(picture)[1]) for name, picture in kinds.items()}
    seasons = {"spring_to_autumn", "autumn_to_spring", "summer_to_winter", "winter_to_summer"}
    assert judged["day"] == {"night_to_day", "spring_to_autumn"}
    assert judged["leaves"] == {"night_to_day"}
    assert judged["night"] == {"day_to_night", "spring_to_autumn"}
    assert judged["face"] >= seasons
    for kind, names in judged.items():
        for name in seasons | {"day_to_night", "night_to_day"}:
            assert chooser.misfits(kinds[kind], (name,)) == (name in names)


def jpeg(picture):
    return damage.jpeg(picture, 40)


def noise(picture):
    return damage.add_noise(picture, 10 / 255, 0)


def soft(picture):
    return damage.blur(picture, 1)


def blurred(picture):
    return damage.blur(picture, 4)


@pytest.mark.parametrize(
    "harm, name",
    [
        (jpeg, "photos_clean"),
        (noise, "photos_clean"),
        (soft, "photos_clean"),
        (blurred, "cae_faces"),
        (damage.blocks, "unet_photos"),
    ],
)
def test_the_network_is_chosen_for_the_damage(harm, name, chooser, tmp_path):
    before, after = tmp_path / "before.png", tmp_path / "after.png"
    images.write(before, harm(FACE))
    changed = chooser.change_file("auto", before, after, lambda share: None)
    assert changed.weights == f"{name} 0"
    assert changed.sign == harm.__name__


@pytest.mark.parametrize("side, sign", [(256, "nothing"), (31, "small")])
def test_a_good_picture_is_given_back_as_it_was(side, sign, chooser, tmp_path):
    before, after = tmp_path / "before.png", tmp_path / "after.png"
    images.write(before, FACE[:side, :side])
    changed = chooser.change_file("auto", before, after, lambda share: None)
    assert changed == (side, side, "", sign, False)
    assert after.read_bytes() == before.read_bytes()
    assert max(images.read(restorers.small_of(after)).shape) == min(side, 240)


def test_a_face_that_is_sharp_is_not_deblurred(chooser, tmp_path):
    """It is given back, with the reason; one that is damaged, or too small to judge, is not."""
    before, after = tmp_path / "before.png", tmp_path / "after.png"
    found = []
    whole = images.to_float(data.astronaut())
    head = images.crop_box(whole, images.faces(whole)[0], 0.15)
    assert chooser.advice.diagnose(head)["blur"] > 0.42  # no misfit, and nothing is wrong
    for picture in (FACE, head, noise(FACE), soft(FACE), blurred(FACE), FACE[:31]):
        images.write(before, picture)
        changed = chooser.change_file("deblur", before, after, lambda share: None)
        found.append((changed.weights, changed.sign, changed.misfit))
    assert found[:2] == [("", "nothing", True)] * 2
    assert [weights for weights, _, _ in found[2:]] == ["cae_faces 0"] * 4


@pytest.mark.parametrize(
    "task, fits",
    [("noise_cancel", jpeg), ("deblur", blurred), ("enlarge", lambda picture: picture)],
)
def test_a_picture_that_a_network_was_not_made_for_is_told(task, fits, chooser, tmp_path):
    others = {"noise_cancel": FACE, "deblur": FACE, "enlarge": noise(FACE)}
    told = []
    for picture in (fits(FACE), others[task]):
        images.write(tmp_path / "before.png", picture)
        order = (task, tmp_path / "before.png", tmp_path / "after.png", lambda share: None)
        told.append(chooser.change_file(*order).misfit)
    assert told == [False, True]
