"""Scratches that a mask shows are filled, before a network or without one."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from helpers import images
from helpers.app import album, command, photo, scratches

ASTRONAUT = images.to_float(data.astronaut())[:256, 64:384]


def line(height=64, width=80) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A fall of brightness, the same with a white line, and the line's mask."""
    fall = np.linspace(0.1, 0.6, width, dtype=np.float32)
    truth = images.rounded(np.broadcast_to(fall[None, :, None], (height, width, 3)))
    mask = np.zeros((height, width), bool)
    mask[30:33, 5:70] = True
    return truth, np.where(mask[..., None], np.float32(1), truth), mask


def test_a_line_is_filled_and_all_else_is_left():
    truth, damaged, mask = line()
    filled = scratches.fill(damaged, mask)
    np.testing.assert_array_equal(filled[~mask], damaged[~mask])
    assert np.abs(filled - truth)[mask].max() < 0.03 < np.abs(damaged - truth)[mask].min()


def test_masks_that_fit_nothing():
    _, damaged, mask = line()
    with pytest.raises(ValueError, match=r"mask has 64×80 pixels and the picture 80×64"):
        scratches.fill(damaged, mask.T)
    with pytest.raises(ValueError, match="covers the whole picture"):
        scratches.fill(damaged, np.ones_like(mask))
    np.testing.assert_array_equal(scratches.fill(damaged, np.zeros_like(mask)), damaged)


# the command


@pytest.fixture
def scratched(tmp_path):
    """cat.png with a white line, and mask.png that shows it."""
    truth, damaged, mask = line()
    images.write(tmp_path / "cat.png", damaged)
    images.write(tmp_path / "mask.png", np.repeat(mask[..., None], 3, axis=-1).astype(np.float32))
    return tmp_path, truth


def run(*words) -> int:
    return command.main(["restore", *map(str, words)])


def test_a_mask_is_filled_once(scratched, capsys):
    folder, truth = scratched
    result = folder / "cat_restored.png"
    assert run(folder / "cat.png", "--scratches", folder / "mask.png") == 0
    assert str(result) in capsys.readouterr().out
    assert np.abs(images.read(result) - truth).max() < 0.03
    assert photo.restored_by(result).startswith("scratches by a mask ")
    time = result.stat().st_mtime_ns
    assert run(folder / "cat.png", "--scratches", folder / "mask.png") == 0
    assert "1 already there" in capsys.readouterr().out and result.stat().st_mtime_ns == time


def test_a_network_follows(scratched):
    folder, _ = scratched
    words = ("--scratches", folder / "mask.png", "--with", "espcn_photos_x4")
    assert run(folder / "cat.png", *words) == 0
    result = folder / "cat_x4.png"
    assert " after scratches by a mask " in photo.restored_by(result)
    alone = images.to_uint8(images.read(result))[4 * 31, 4 * 20 : 4 * 60]
    assert alone.max() < 200  # the line is gone before it is enlarged


@pytest.mark.parametrize(
    "words, says",
    [
        (["--scratches", "{}/other.png"], "draw it over the picture itself"),
        (["--scratches", "{}/none.png"], "none.png"),
        (["--scratches", "{}/mask.png", "--with", "auto"], "restore it first by --scratches"),
        (["--scratches", "{}/black.png"], "shows nothing white"),
        (["--scratches", "{}/white.png"], "covers the whole picture"),
    ],
)
def test_refused(words, says, scratched, capsys):
    folder, _ = scratched
    images.write(folder / "other.png", np.ones((5, 5, 3), np.float32))
    images.write(folder / "white.png", np.ones((64, 80, 3), np.float32))
    images.write(folder / "black.png", np.zeros((64, 80, 3), np.float32))
    before = sorted(folder.iterdir())
    assert run(folder / "cat.png", *(word.format(folder) for word in words)) == 2
    assert says in capsys.readouterr().err and sorted(folder.iterdir()) == before


def test_a_portrait_is_restored_after_its_scratches(tmp_path):
    images.write(tmp_path / "face.png", ASTRONAUT)
    mask = np.zeros_like(ASTRONAUT)
    mask[5:8, 10:200] = 1
    images.write(tmp_path / "mask.png", mask)
    assert run(tmp_path / "face.png", "--scratches", tmp_path / "mask.png", "--portrait") == 0
    told = photo.restored_by(tmp_path / "face_x4.png")
    assert told.startswith("espcn_faces_x4 ") and " on faces after scratches by a mask " in told


def test_one_picture_needs_no_cluster(scratched):
    folder, truth = scratched
    how = album.How(None, mask=folder / "mask.png")
    made, *_ = album.restore([folder / "cat.png"], None, how, executor=object())
    assert np.abs(images.read(made[0]) - truth).max() < 0.03


def test_what_moves_has_no_mask(scratched, capsys):
    folder, _ = scratched
    frames = [Image.new("RGB", (80, 64), colour) for colour in ("blue", "red")]
    frames[0].save(folder / "d.gif", save_all=True, append_images=frames[1:])
    assert run(folder / "d.gif", "--scratches", folder / "mask.png") == 2
    assert "d.gif moves" in capsys.readouterr().err


def test_one_mask_is_for_one_picture(scratched, capsys):
    folder, _ = scratched
    assert run(folder, "--scratches", folder / "mask.png") == 2
    assert "shows the scratches of one picture" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "I;16"])
def test_grey_depth_and_transparency_stay(mode, tmp_path):
    _, damaged, mask = line()
    source = tmp_path / "p.png"
    if mode == "I;16":
        deep = (65535 * damaged[..., 0]).astype(np.uint16) | 3
        Image.fromarray(deep).save(source)
    else:
        Image.fromarray(images.to_uint8(damaged)).convert(mode).save(source)
    images.write(tmp_path / "mask.png", np.repeat(mask[..., None], 3, axis=-1).astype(np.float32))
    assert run(source, "--scratches", tmp_path / "mask.png") == 0
    with Image.open(source) as before, Image.open(tmp_path / "p_restored.png") as after:
        assert after.mode == before.mode
        old, new = np.asarray(before), np.asarray(after)
    np.testing.assert_array_equal(old[~mask], new[~mask])
    assert (old[mask] != new[mask]).any()
