import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import ROOT, batching, damage, images, metrics
from helpers.app import benchmark

# split


@given(n=st.integers(3, 60), val=st.floats(0, 0.3), test=st.floats(0, 0.3), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_split_deals_every_name_once_and_leaves_no_part_empty(n, val, test, seed):
    names = [f"p{k}" for k in range(n)]
    parts = batching.split(names, val, test, seed)
    assert sorted(parts) == sorted(names)
    assert set(parts.values()) == {"train", "val", "test"}
    assert parts == batching.split(
        names[::-1], val, test, seed
    )  # nor does the order of the names count


def test_split_keeps_its_shares_and_follows_the_seed():
    names = [f"p{k}" for k in range(100)]
    parts = batching.split(names, val=0.1, test=0.2)
    assert [list(parts.values()).count(p) for p in ("train", "val", "test")] == [70, 10, 20]
    assert batching.split(names, seed=1) != batching.split(names, seed=2)


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b"], ["a", "b", "b", "a"]])
def test_split_needs_three_names(names):
    with pytest.raises(ValueError, match="three"):
        batching.split(names)


@pytest.mark.parametrize("val, test", [(0.5, 0.5), (0.9, 0.9), (1, 0)])
def test_split_refuses_shares_that_leave_nothing_to_train_on(val, test):
    with pytest.raises(ValueError, match="train"):
        batching.split([f"p{k}" for k in range(10)], val, test)


# prepare, read_manifest, load


@pytest.fixture
def raw(tmp_path, picture):
    """Three good pictures of one scene, turned; one broken, one too small."""
    folder = tmp_path / "raw"
    images.write(folder / "wide.png", picture)
    images.write(folder / "tall.png", picture.swapaxes(0, 1))
    images.write(folder / "dark.png", picture / 2)
    images.write(folder / "small.png", picture[:30])
    (folder / "broken.png").write_bytes((folder / "wide.png").read_bytes()[:99])
    return folder


GOOD = {"wide.png": "train", "tall.png": "val", "dark.png": "test"}


def prepare(raw, names, out, **options):
    return batching.prepare(
        {raw / n: part for n, part in names.items()}, out, size=32, per_picture=5, **options
    )


@pytest.mark.parametrize("how", ["pyramid", "bicubic", "area"])
def test_prepare_writes_pairs_and_their_list(raw, tmp_path, how):
    out = tmp_path / "out"
    rows = prepare(raw, GOOD, out, method=how)
    assert len(rows) == 15
    assert rows == batching.read_manifest(out)
    with (out / "manifest.csv").open(newline="") as file:
        listed = list(csv.reader(file))
    assert listed[0] == batching.COLUMNS == ["split", "picture", "top", "left", "hr", "lr"]
    assert len(listed) == 16
    assert not any(str(tmp_path) in cell for line in listed for cell in line)  # the folder can move
    for row in rows:
        assert row["split"] == GOOD[row["picture"]]
        hr, lr, whole = (images.read(p) for p in (row["hr"], row["lr"], raw / row["picture"]))
        top, left = int(row["top"]), int(row["left"])
        np.testing.assert_array_equal(hr, whole[top : top + 32, left : left + 32])
        np.testing.assert_allclose(lr, images.reduce(hr, 4, how), atol=0.5 / 255 + 1e-6)
    assert len({(row["picture"], row["top"], row["left"]) for row in rows}) > 10


def test_prepare_can_shrink_whole_squares_as_benchmark_does(tmp_path, picture):
    images.write(tmp_path / "raw/wide.png", picture)
    images.write(tmp_path / "raw/tall.png", picture.swapaxes(0, 1))
    measured, _, _ = benchmark.pairs(tmp_path / "raw", 2, "area", 32, "resize")
    names = dict.fromkeys(["tall.png", "wide.png"], "train")
    rows = prepare(
        tmp_path / "raw", names, tmp_path / "out", method="area", scale=2, square_by="resize"
    )
    pairs = [(images.read(row["lr"]), images.read(row["hr"])) for row in rows]
    for ours, theirs in zip(
        pairs[::5], measured.values(), strict=True
    ):  # the first of five is the centre
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=0.5 / 255 + 1e-6)
    assert len({row["top"] for row in rows[:5]}) > 1  # the others lie along the longer side
    assert {row["left"] for row in rows[:5]} == {row["top"] for row in rows[5:]} == {"0"}


def test_prepare_can_damage_by_name(tmp_path, picture):
    images.write(tmp_path / "raw/face.png", picture)
    rows = batching.prepare(
        {tmp_path / "raw/face.png": "val"},
        tmp_path / "out",
        size=48,
        scale=1,
        method="random_damage",
        per_picture=2,
    )
    for k, row in enumerate(rows):
        expected = damage.random_damage(images.read(row["hr"]), f"face_{k:02d}")
        np.testing.assert_allclose(images.read(row["lr"]), expected, atol=2 / 255)


def test_prepare_can_damage_what_it_reduces(raw, tmp_path):
    rows = prepare(raw, GOOD, tmp_path / "out", scale=2, method="small_noisy_jpeg")
    for row in rows:
        expected = damage.small_noisy_jpeg(images.read(row["hr"]), Path(row["hr"]).stem)
        np.testing.assert_allclose(images.read(row["lr"]), expected, atol=2 / 255)
    with pytest.raises(ValueError, match="is a damage of ×2, not of ×4"):
        prepare(raw, GOOD, tmp_path / "other", scale=4, method="small_noisy_jpeg")


def test_same_seed_same_crops(raw, tmp_path):
    places = [
        [(row["top"], row["left"]) for row in prepare(raw, GOOD, tmp_path / f"out{k}", seed=seed)]
        for k, seed in enumerate([0, 0, 1])
    ]
    assert places[0] == places[1] != places[2]


def test_a_picture_as_large_as_the_crop_is_used_whole(tmp_path, picture):
    images.write(tmp_path / "x.png", picture[:32, :32])
    rows = prepare(tmp_path, {"x.png": "train"}, tmp_path / "out")
    assert {(row["top"], row["left"]) for row in rows} == {("0", "0")}


def test_what_cannot_be_used_is_named_and_left_out(raw, tmp_path):
    names = GOOD | {"broken.png": "train", "small.png": "train", "missing.png": "train"}
    with pytest.warns(UserWarning, match="3 pictures left out") as caught:
        rows = prepare(raw, names, tmp_path / "out")
    [warning] = caught
    for name in ("broken.png", "small.png", "missing.png"):
        assert name in str(warning.message)
    assert {row["picture"] for row in rows} == set(GOOD)


@pytest.mark.filterwarnings("ignore:.*left out")
def test_nothing_left_is_an_error_and_no_manifest(raw, tmp_path):
    with pytest.raises(ValueError, match="32×32"):
        prepare(raw, {"broken.png": "train", "small.png": "test"}, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_pictures_of_one_name_do_not_overwrite_each_other(tmp_path, picture):
    """Silently, a test picture's crops would stand under a training picture's rows."""
    pictures = {}
    for k, name in enumerate(["a/x.png", "b/x.png", "b/x.jpg", "x_0.png", "x_1.png", "x_0_00.png"]):
        path = images.write(tmp_path / name, picture * (k + 1) / 6)
        pictures[path] = ["train", "val", "test"][k % 3]
    rows = batching.prepare(pictures, tmp_path / "out", size=32, per_picture=2)
    assert len({row["hr"] for row in rows}) == len({row["lr"] for row in rows}) == 12


def test_a_damaged_picture_of_another_size_is_named(raw, tmp_path):
    low = {raw / "wide.png": raw / "wide.png", raw / "tall.png": raw / "wide.png"}
    with pytest.warns(UserWarning, match=r"wide\.png is not as large as .*tall\.png"):
        rows = batching.prepare(
            dict.fromkeys(low, "train"), tmp_path / "out", size=32, scale=1, low=low
        )
    assert {row["picture"] for row in rows} == {"wide.png"}
    np.testing.assert_array_equal(batching.load(rows, "lr"), batching.load(rows, "hr"))


@pytest.mark.parametrize("other", [{"scale": 4}, {"scale": 1, "square_by": "resize"}])
def test_damaged_twins_are_cut_as_they_are(raw, tmp_path, other):
    low = {raw / "wide.png": raw / "wide.png"}
    with pytest.raises(ValueError, match="damaged twins are cut as they are, at scale 1, not at"):
        batching.prepare(dict.fromkeys(low, "train"), tmp_path / "out", size=32, low=low, **other)


STOPPED = """
import os, signal, sys
from pathlib import Path
from helpers import ROOT, batching, images

write, left = images.write, [int(sys.argv[1])]

def write_few(path, picture):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return write(path, picture)

images.write = write_few
parts = dict.fromkeys(images.find("raw"), "train")
batching.prepare(parts, Path("out"), size=32, per_picture=5)
"""


@pytest.fixture
def stopped(raw, tmp_path, monkeypatch):
    """Prepare three good pictures; the process is killed when 17 of 30 files are there.

    Returns a function that does the same to the end, and lists what it writes.
    """
    for name in ("broken.png", "small.png"):
        (raw / name).unlink()
    command = [sys.executable, "-c", STOPPED, "17"]
    killed = subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert killed.returncode == -signal.SIGKILL
    monkeypatch.chdir(tmp_path)
    written = []
    write = images.write

    def note(path, picture):
        written.append(Path(path).as_posix())
        return write(path, picture)

    def run(**options):
        written.clear()
        parts = dict.fromkeys(images.find("raw"), "train")
        options = {"size": 32, "per_picture": 5} | options
        rows = batching.prepare(parts, Path("out"), **options)
        assert not (Path("out") / ".begun").exists()
        return rows, list(written)

    monkeypatch.setattr(images, "write", note)
    return run


def made(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_prepare_goes_on_and_makes_what_is_missing(stopped, tmp_path):
    there = made(tmp_path / "out")
    assert sum(path.suffix == ".png" for path in there) == 17
    rows, written = stopped()
    assert len(rows) == 15 and len(written) == 30 - 16  # a pair is whole or made anew
    whole = made(tmp_path / "out")
    assert {path: whole[path] for path in there if path.suffix} == {
        path: content for path, content in there.items() if path.suffix
    }
    assert stopped()[1] and made(tmp_path / "out") == whole  # from the beginning, all the same


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("change", ["method", "picture", "pictures"])
def test_what_a_killed_prepare_made_otherwise_is_made_anew(stopped, tmp_path, change, picture):
    options = {}
    if change == "method":
        options = {"method": "area"}
    elif change == "picture":
        images.write(tmp_path / "raw" / "dark.png", picture / 3)
    else:
        images.write(tmp_path / "raw" / "new.png", picture / 4)
    rows, written = stopped(**options)
    named = [path for path in written if "/raw/" not in path]
    assert len(named) == {"method": 30, "picture": 24, "pictures": 40}[change]
    parts = dict.fromkeys(images.find("raw"), "train")
    batching.prepare(parts, Path("fresh"), **{"size": 32, "per_picture": 5} | options)
    assert made(tmp_path / "fresh") == made(tmp_path / "out")
    assert len(rows) * 2 == len(made(tmp_path / "out")) - 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_pairs_of_an_earlier_call_are_not_taken_for_those_of_a_killed_one(stopped, tmp_path):
    stopped(method="area")  # all 30 files are there
    command = [sys.executable, "-c", STOPPED, "10"]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert not (tmp_path / "out" / "manifest.csv").exists()  # its files are two calls'
    _, written = stopped()
    assert len(written) == 20
    batching.prepare(
        dict.fromkeys(images.find("raw"), "train"), Path("fresh"), size=32, per_picture=5
    )
    assert made(tmp_path / "fresh") == made(tmp_path / "out")


def test_load_keeps_rows_in_order(raw, tmp_path):
    rows = prepare(raw, GOOD, tmp_path / "out")
    hr, lr = batching.load(rows, "hr"), batching.load(rows, "lr")
    assert (hr.shape, lr.shape, hr.dtype) == ((15, 32, 32, 3), (15, 8, 8, 3), np.uint8)
    np.testing.assert_array_equal(hr[7], images.to_uint8(images.read(rows[7]["hr"])))


def test_missing_manifest_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no manifest\.csv .*prepare"):
        batching.read_manifest(tmp_path)


# batches


def pairs(n=6, h=12, w=12):
    """LR noise, and an HR whose 4×4 blocks have LR's colours as their exact mean."""
    lr = np.random.default_rng(0).integers(20, 236, (n, h, w, 3), np.uint8)
    texture = np.tile([[-9, 9], [5, -5]], (2 * h, 2 * w))[..., None]
    return lr, (lr.repeat(4, 1).repeat(4, 2) + texture).astype(np.uint8)


def ramps(n, axis):
    """`n` equal pictures that brighten along `axis`: 1 downwards, 2 to the right."""
    steps = np.arange(8, dtype=np.uint8) * 30
    lr = np.broadcast_to(np.expand_dims(steps, [0, 3 - axis, 3]), (n, 8, 8, 3))
    return np.ascontiguousarray(lr), lr.repeat(4, 1).repeat(4, 2)


def first(dataset, n):
    return [(lr.numpy(), hr.numpy()) for lr, hr in dataset.take(n)]


def directions(patches):
    """Which way each patch brightens: "down", "up", "right" or "left"."""
    down = [np.sign(p[-1].mean() - p[0].mean()) for p in patches]
    right = [np.sign(p[:, -1].mean() - p[:, 0].mean()) for p in patches]
    return [
        {(1, 0): "down", (-1, 0): "up", (0, 1): "right", (0, -1): "left"}[d]
        for d in zip(down, right, strict=True)
    ]


def test_batches_are_aligned_pairs():
    lr, hr = pairs()
    for small, large in first(batching.batches(lr, hr, 4, patch=5), 10):
        assert (small.shape, large.shape) == ((4, 5, 5, 3), (4, 20, 20, 3))
        assert small.dtype == large.dtype == np.float32
        assert 0 <= large.min() < 0.2
        assert 0.8 < large.max() <= 1
        for s, h in zip(small, large, strict=True):
            np.testing.assert_allclose(images.reduce(h, 4, "area"), s, atol=1e-5)


def test_without_a_patch_the_whole_picture_comes():
    lr, hr = pairs()
    [(small, large)] = first(batching.batches(lr, hr, 6, turn=False), 1)
    assert (small.shape, large.shape) == ((6, 12, 12, 3), (6, 48, 48, 3))
    assert sorted(small.mean((1, 2, 3))) == pytest.approx(
        sorted(lr.mean((1, 2, 3)) / 255), abs=1e-5
    )


def test_every_place_of_a_picture_can_be_drawn():
    lr, hr = ramps(50, axis=1)
    tops = {
        round(float(p[0, 0, 0, 0]) * 255) // 30
        for p, _ in first(batching.batches(lr, hr, 1, patch=4, turn=False), 50)
    }
    assert tops == {0, 1, 2, 3, 4}


def test_each_epoch_has_every_picture_once_in_its_own_order():
    lr, hr = pairs()
    epochs = [
        np.rint(small * 255).sum((1, 2, 3)).tolist()
        for small, _ in first(batching.batches(lr, hr, 6), 3)
    ]
    for sums in epochs:  # no turn or flip changes them
        assert sorted(sums) == sorted(lr.sum((1, 2, 3), dtype=np.float32))
    assert epochs[0] != epochs[1] != epochs[2]


def test_a_picture_looks_different_in_every_epoch():
    """What cache() after the augmentation would freeze."""
    lr, hr = pairs(n=1)
    seen = {small.tobytes() for small, _ in first(batching.batches(lr, hr, 1, patch=5), 8)}
    assert len(seen) > 5


def test_order_and_augmentation_depend_on_seed_and_epoch_alone():
    lr, hr = pairs()
    whole = first(batching.batches(lr, hr, 2, patch=5, seed=3), 9)  # 3 epochs
    again = first(batching.batches(lr, hr, 2, patch=5, seed=3), 9)
    resumed = first(batching.batches(lr, hr, 2, patch=5, seed=3, start=3), 6)
    in_the_middle = first(batching.batches(lr, hr, 2, patch=5, seed=3, start=4), 5)
    for a, b in zip(whole + whole[3:] + whole[4:], again + resumed + in_the_middle, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    other = first(batching.batches(lr, hr, 2, patch=5, seed=4), 9)
    assert not any(np.array_equal(a[0], b[0]) for a, b in zip(whole, other, strict=True))


def test_turning_reaches_every_direction_and_can_be_switched_off():
    [(turned, large)] = first(batching.batches(*ramps(40, axis=1), 40), 1)
    assert set(directions(turned)) == {"down", "up", "right", "left"}
    assert directions(turned) == directions(large)
    [(upright, _)] = first(batching.batches(*ramps(40, axis=1), 40, turn=False), 1)
    assert set(directions(upright)) == {"down"}


def test_flips_are_left_to_right():
    [(flipped, _)] = first(batching.batches(*ramps(40, axis=2), 40, turn=False), 1)
    assert set(directions(flipped)) == {"right", "left"}


def test_damage_is_drawn_anew_each_epoch_and_depends_on_seed_and_step_alone():
    hr = np.random.default_rng(0).integers(0, 256, (4, 24, 24, 3), np.uint8)
    options = {"batch": 2, "turn": False, "damage": damage.random_damage, "seed": 3}
    whole = [
        (np.asarray(lr), np.asarray(target))
        for lr, target in batching.batches(hr, hr, **options).take(6)
    ]
    for low, target in zip(
        *(np.concatenate(side) for side in zip(*whole, strict=True)), strict=True
    ):
        assert low.shape == target.shape == (24, 24, 3) and low.dtype == np.float32
        assert low.std() < 0.9 * target.std()  # the target is noise: any damage smooths it
    epochs = [
        np.sort([(lr - target).std() for lr, target in zip(*batch, strict=True)]) for batch in whole
    ]
    assert not np.allclose(np.concatenate(epochs[:2]), np.concatenate(epochs[2:4]))
    again = [np.asarray(lr) for lr, _ in batching.batches(hr, hr, start=3, **options).take(3)]
    np.testing.assert_array_equal(np.stack(again), np.stack([lr for lr, _ in whole[3:]]))


def test_damage_reduces_the_target_as_cut_and_turned():
    """Anew each epoch, and aligned with the target: JPEG's blocks start at the patch's corner."""
    y, x = np.mgrid[:64, :64]
    hr = np.stack([[3 * x, 3 * y, 255 - x - y]] * 4).transpose(0, 2, 3, 1).astype(np.uint8)
    lr = np.zeros((4, 32, 32, 3), np.uint8)  # never looked at
    options = {"batch": 4, "patch": 16, "damage": damage.small_noisy_jpeg, "seed": 7}
    whole = first(batching.batches(lr, hr, **options), 3)
    for low, target in whole:
        assert (low.shape, target.shape, low.dtype) == ((4, 16, 16, 3), (4, 32, 32, 3), np.float32)
        for small, large in zip(low, target, strict=True):
            clean = images.reduce(large, 2)
            assert 0.01 < np.abs(small - clean).mean() < 0.05
            assert metrics.psnr(clean, small) > metrics.psnr(clean, small[::-1]) + 3
    grains = [
        np.std(low - [images.reduce(p, 2) for p in target], axis=(1, 2, 3)) for low, target in whole
    ]
    assert not np.allclose(np.sort(grains[0]), np.sort(grains[1]))
    again = first(batching.batches(lr, hr, start=1, **options), 2)
    for a, b in zip(whole[1:], again, strict=True):
        np.testing.assert_array_equal(a[0], b[0])


@pytest.mark.parametrize("batch, patch", [(7, None), (2, 13)], ids=["batch", "patch"])
def test_what_cannot_be_drawn_is_refused(batch, patch):
    """Without an error at once, a batch larger than the set would be waited for for ever."""
    with pytest.raises(ValueError, match=str(patch or batch)):
        batching.batches(*pairs(), batch, patch=patch)


LR, HR = pairs()
WRONG = {
    "int64": (LR.astype(np.int64), HR.astype(np.int64)),
    "floats up to 255": (LR.astype(np.float32), HR.astype(np.float32)),
    "one of them float": (LR, images.to_float(HR)),
    "more targets": (LR[:3], HR),
    "fewer targets": (LR, HR[:3]),
    "sizes that do not divide": (LR, HR[:, :42, :42]),
    "one side of another scale": (LR, HR[:, :, :24]),
    "larger inputs": (HR, LR),
    "grey": (LR[..., 0], HR[..., 0]),
    "alpha": (LR.repeat(2, -1)[..., :4], HR.repeat(2, -1)[..., :4]),
    "one picture": (LR[0], HR[0]),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_pair_is_refused(kind):
    lr, hr = WRONG[kind]
    words = rf"expected lr .* of uint8, got .*{lr.shape[0]}.* {lr.dtype} and .* {hr.dtype}"
    with pytest.raises(ValueError, match=words):
        batching.batches(lr, hr, 2)


def test_prepare_takes_paths_as_text(tmp_path, picture):
    parts = {}
    for k, part in enumerate(["train", "val", "test"]):
        path = images.write(tmp_path / f"{k}.png", picture * (k / 2))
        parts[str(path)] = part
    low = {path: path for path in parts}
    options = {"scale": 1, "size": 16, "per_picture": 2}
    rows = batching.prepare(parts, str(tmp_path / "text"), low=low, **options)
    paths = {Path(path): part for path, part in parts.items()}
    same = batching.prepare(paths, tmp_path / "paths", low={p: p for p in paths}, **options)
    assert [row["picture"] for row in rows] == [row["picture"] for row in same]
    assert len(rows) == 6
