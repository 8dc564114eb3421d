"""`restore` loses nothing: files of others, another network's results, sources, names."""

import os
import re

import keras
import numpy as np
import pytest
from PIL import Image

from helpers import images
from helpers.app import command, photo

WITH = ("--with", "deconv_dogs_x2")


@pytest.fixture(scope="module")
def copier():
    """Enlarges by 2 and changes nothing else."""
    x = keras.Input((None, None, 3))
    return keras.Model(x, keras.layers.UpSampling2D(2, interpolation="bicubic")(x), name="copier")


@pytest.fixture
def run(copier):
    return lambda sources, to=None, label="net 1a": photo.restore_all(copier, sources, to, label)


def plain(path, *colour):
    """A picture of one colour."""
    return images.write(path, np.full((8, 8, 3), colour or (0.5,), np.float32))


def colour(path):
    return images.read(path)[4, 4].round(2).tolist()


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_file_of_another_program_is_never_replaced(tmp_path, run, suffix):
    plain(tmp_path / f"a{suffix}", 0, 0, 1)
    theirs = plain(tmp_path / f"a_x2{suffix}", 1, 0, 0).read_bytes()
    source = tmp_path / f"a{suffix}"
    made, kept, failed = run([source])
    assert ([p.name for p in made], kept, failed) == ([f"a_x2_net{suffix}"], [], [])
    made, kept, failed = run([source])
    assert (made, [p.name for p in kept], failed) == ([], [f"a_x2_net{suffix}"], [])
    assert (tmp_path / f"a_x2{suffix}").read_bytes() == theirs


def test_no_link_and_no_folder_is_replaced(tmp_path, run):
    plain(tmp_path / "a.png")
    (tmp_path / "a_x2.png").symlink_to("nowhere")
    (tmp_path / "a_x2_net.png").mkdir()
    assert [p.name for p in run([tmp_path / "a.png"])[0]] == ["a_x2_net_1a.png"]
    assert (tmp_path / "a_x2.png").is_symlink()
    plain(tmp_path / "b.png")
    for name in ("b_x2.png", "b_x2_net.png", "b_x2_net_1a.png"):
        (tmp_path / name).write_text("mine")
    made, _, failed = run([tmp_path / "b.png"])
    assert not made and re.search("is there already, and restore did not make", str(failed[0]))
    assert (tmp_path / "b_x2_net_1a.png").read_text() == "mine"


def test_each_network_has_its_own_result(tmp_path, run):
    source = plain(tmp_path / "a.png")
    labels = ["net 1a", "other 2b", "net 3c on faces of 96 pixels"]
    expected = ["a_x2.png", "a_x2_other.png", "a_x2_net.png"]
    for label, name in zip(labels, expected, strict=True):
        assert [p.name for p in run([source], None, label)[0]] == [name]
    for label, name in zip(labels, expected, strict=True):
        made, kept, _ = run([source], None, label)
        assert (made, [p.name for p in kept]) == ([], [name])
        assert photo.restored_by(tmp_path / name) == label
    (tmp_path / "a_x2.png").unlink()  # The second network's result is still found
    assert [p.name for p in run([source], None, "other 2b")[1]] == ["a_x2_other.png"]


@pytest.mark.parametrize("seconds", [-1000, 0, 1000])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_source_that_changed_is_done_again(tmp_path, run, suffix, seconds):
    source = plain(tmp_path / f"a{suffix}", 0, 0, 1)
    (result,) = run([source])[0]
    time = result.stat().st_mtime + seconds
    plain(source, 1, 0, 0)
    os.utime(source, (time, time))
    assert run([source])[0] == [result]
    assert colour(result)[0] > 0.9 and colour(result)[2] < 0.1
    assert run([source])[1] == [result]


def test_a_folder_that_moved_is_not_done_again(tmp_path, run):
    source = plain(tmp_path / "here/a.png", 0, 0, 1)
    run([source])
    (tmp_path / "here").rename(tmp_path / "there")
    moved = tmp_path / "there/a.png"
    assert [p.name for p in run([moved])[1]] == ["a_x2.png"]
    plain(moved, 1, 0, 0)
    assert [p.name for p in run([moved])[0]] == ["a_x2.png"]


def test_two_pictures_of_one_name_do_not_replace_each_other(tmp_path, run):
    plain(tmp_path / "monday/a.png", 0, 0, 1)
    plain(tmp_path / "sunday/a.png", 1, 0, 0)
    run([tmp_path / "monday/a.png"], tmp_path / "out")
    made, _, failed = run([tmp_path / "sunday/a.png"], tmp_path / "out")
    assert not made and "is the result of another picture; rename a.png" in str(failed[0])
    assert colour(tmp_path / "out/a_x2.png") == [0, 0, 1]


def test_results_of_one_folder_are_no_sources_of_two(tmp_path, run):
    plain(tmp_path / "in/a.png", 0, 0, 1)
    plain(tmp_path / "more/b.png", 1, 0, 0)
    to = tmp_path / "in/out"
    run([tmp_path / "in", tmp_path / "more"], to)
    run([tmp_path / "in", tmp_path / "more"], to)
    assert names(to) == ["a_x2.png", "b_x2.png"]
    assert names(tmp_path) == ["in/a.png", "in/out/a_x2.png", "in/out/b_x2.png", "more/b.png"]


# --to


@pytest.mark.parametrize("name", ["out.jpg", "new/out.PNG", "out.tif", "out.webp"])
def test_one_picture_goes_into_the_file_that_is_named(tmp_path, run, name):
    source = plain(tmp_path / "a.png", 0, 0, 1)
    made, _, failed = run([source], tmp_path / name)
    assert (made, failed) == ([tmp_path / name], [])
    assert (tmp_path / name).is_file() and colour(tmp_path / name)[2] > 0.9
    assert run([source], tmp_path / name)[1] == [tmp_path / name]
    _, _, failed = run([source], tmp_path / name, "other 2b")  # It cannot stand beside it
    assert "is there already" in str(failed[0])
    plain(tmp_path / "theirs.png")
    _, _, failed = run([source], tmp_path / "theirs.png")
    assert "is there already" in str(failed[0])


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("out.bmp", "cannot be written; name a file of .jpg"),
        ("out.heic", "cannot be written; name a file of .jpg"),
        ("out.mp4", "cannot be written; name a file of .jpg"),
        ("out.jpg", "cannot hold the transparency"),
    ],
)
def test_a_named_file_that_cannot_hold_the_result_is_refused(tmp_path, run, to, words):
    Image.new("RGBA", (8, 8), (9, 9, 9, 99)).save(tmp_path / "a.png")
    made, _, failed = run([tmp_path / "a.png"], tmp_path / to)
    assert not made and words in str(failed[0])
    assert names(tmp_path) == ["a.png"]


def test_a_named_file_holds_one_result(tmp_path, run):
    for name in ("a.png", "b.png"):
        plain(tmp_path / name)
    for sources in ([tmp_path / "a.png", tmp_path / "b.png"], [tmp_path]):
        with pytest.raises(ValueError, match=r"out\.jpg names one file, but several"):
            run(sources, tmp_path / "out.jpg")
    (tmp_path / "album.jpg").mkdir()  # A folder may be called so
    assert len(run([tmp_path / "a.png", tmp_path / "b.png"], tmp_path / "album.jpg")[0]) == 2


# names and options


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([""], 'a name is empty (""); name a file or a folder'),
        (["a.png", "--to", ""], 'a name is empty (""); name a file or a folder'),
        (["a.png", "--size", "96"], "--size and --around say how --portrait restores"),
        (["a.png", "--around", "rdn_photos_x2"], "--size and --around say how --portrait"),
        (["a.png", "--portrait", "--size", "0"], "--size 0 is no number of pixels"),
    ],
)
def test_what_means_nothing_is_refused(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    plain(tmp_path / "a.png")
    assert command.main(["restore", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert names(tmp_path) == ["a.png"]


def test_a_name_that_is_too_long_is_told(tmp_path, run):
    source = plain(tmp_path / "a.png").rename(tmp_path / f"{'a' * 249}.png")
    made, _, failed = run([source])
    assert not made and "name is too long; shorten the file's name" in str(failed[0])


def test_what_is_passed_over_is_counted(tmp_path, monkeypatch, capsys):
    plain(tmp_path / "a.png")
    plain(tmp_path / "b.jpg").rename(tmp_path / "b.jfif")
    for name in ("c.HEIC", "d.heic", "e.dng", "notes.txt", "._f.heic"):
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic")
    monkeypatch.setattr(photo.deep, "reads_heic", lambda: False)
    arguments = ["restore", str(tmp_path), "--to", str(tmp_path / "out"), *WITH]
    assert command.main(arguments) == 1
    done = capsys.readouterr()
    assert "2 restored" in done.out and names(tmp_path / "out") == ["a_x2.png", "b_x2.png"]
    assert "passed over" in done.err and ": 1 .dng, 2 .heic; for HEIC pip install" in done.err
    assert command.main(["restore", str(tmp_path / "c.HEIC"), *WITH]) == 2
    assert "c.HEIC is HEIC, as iPhones write it; pip install pillow-heif" in capsys.readouterr().err
