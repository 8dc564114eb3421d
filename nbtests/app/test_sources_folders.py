import csv
import os
import platform
import shutil
import threading
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from helpers import download, images
from helpers.app import command, photo, sources
from helpers.app.sources import surveys
from helpers.files import replacing


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return download.fetch("sample", to=tmp_path_factory.mktemp("data") / "raw" / "sample")


def test_sample_is_ten_photographs_in_colour(sample):
    found = images.find(sample)
    assert sorted(p.stem for p in found) == sorted(download.SAMPLE)
    assert len(found) == 10
    for path in found:
        picture = images.read(path)
        assert min(picture.shape[:2]) >= 300
        assert np.ptp(picture) > 0.5
        assert not np.array_equal(picture[..., 0], picture[..., 2])
    assert not [p for p in sample.rglob("*") if p.name.startswith(".")]


def test_sample_is_stored_without_loss(sample):
    for name, pixels in [
        ("astronaut", download.data.astronaut()),
        ("china", download.load_sample_image("china.jpg")),
    ]:
        np.testing.assert_array_equal(np.asarray(Image.open(sample / f"{name}.png")), pixels)


def test_sources_name_maker_and_licence_of_every_photograph(sample):
    rows = table(sample / "SOURCES.csv")
    assert [row["file"] for row in rows] == [f"{name}.png" for name in download.SAMPLE]
    assert {row["file"] for row in rows} == {p.name for p in images.find(sample)}
    assert all(all(row.values()) for row in rows)


def test_split_of_the_sample():
    parts = {name: photograph.split for name, photograph in download.SAMPLE.items()}
    assert Counter(parts.values()) == {"train": 6, "val": 1, "test": 3}
    assert {name for name, part in parts.items() if part == "test"} == {
        "astronaut",
        "chelsea",
        "china",
    }


def test_what_is_there_is_not_fetched_again(sample):
    before = {p: p.stat().st_mtime_ns for p in images.find(sample)}
    gone = sample / "coffee.png"
    gone.unlink()
    assert download.fetch("sample", to=sample) == sample
    after = {p: p.stat().st_mtime_ns for p in images.find(sample)}
    assert after.keys() == before.keys()
    assert [p for p in after if after[p] != before[p]] == [gone]


@pytest.fixture
def mine(tmp_path, picture):
    """Two good pictures, one of them deeper, and two bad ones."""
    folder = tmp_path / "mine"
    images.write(folder / "a.png", picture)
    images.write(folder / "deeper" / "still" / "b.jpg", picture)
    (folder / "deeper" / "page.jpg").write_text("<html>404 Not Found</html>")
    (folder / "half.png").write_bytes((folder / "a.png").read_bytes()[:500])
    return folder


@pytest.mark.filterwarnings("ignore:.*refused")
def test_own_copies_the_tree_byte_by_byte(mine, tmp_path):
    to = tmp_path / "to"
    assert download.fetch("own", origin=mine, to=to) == to
    assert sorted(p.relative_to(to).as_posix() for p in images.find(to)) == [
        "a.png",
        "deeper/still/b.jpg",
    ]
    for name in ("a.png", "deeper/still/b.jpg"):
        assert (to / name).read_bytes() == (mine / name).read_bytes()


def test_own_lists_what_it_refuses_with_a_reason(mine, tmp_path):
    to = tmp_path / "to"
    with pytest.warns(UserWarning, match=r"2 of 4 pictures refused .*, see .*refused\.csv"):
        download.fetch("own", origin=mine, to=to)
    reasons = {row["file"]: row["reason"] for row in table(to / "refused.csv")}
    assert set(reasons) == {str(mine / "deeper" / "page.jpg"), str(mine / "half.png")}
    assert "not a picture" in reasons[str(mine / "deeper" / "page.jpg")]
    assert "damaged" in reasons[str(mine / "half.png")]


@pytest.mark.filterwarnings("ignore:.*refused")
def test_own_brings_only_what_changed(mine, tmp_path, picture):
    to = tmp_path / "to"
    download.fetch("own", origin=mine, to=to)
    before = {p: p.stat().st_mtime_ns for p in images.find(to)}
    images.write(mine / "half.png", picture[:20])
    images.write(mine / "deeper" / "page.jpg", picture)
    download.fetch("own", origin=mine, to=to)
    assert {p: p.stat().st_mtime_ns for p in images.find(to) if p in before} == before
    assert len(images.find(to)) == 4
    assert not (to / "refused.csv").exists() or not table(
        to / "refused.csv"
    )  # none is refused any more


@pytest.mark.filterwarnings("ignore:.*refused")
def test_own_sees_an_edit_that_keeps_the_size(mine, tmp_path, picture):
    to = tmp_path / "to"
    for pixels in (picture, 1 - picture):
        images.write(mine / "x.bmp", pixels)  # as many bytes for every picture of one shape
        download.fetch("own", origin=mine, to=to)
    assert (to / "x.bmp").read_bytes() == (mine / "x.bmp").read_bytes()


@pytest.mark.filterwarnings("ignore:.*refused")
@pytest.mark.parametrize("zipped", [False, True])
def test_own_of_another_origin_replaces_nothing(mine, tmp_path, picture, zipped):
    to = tmp_path / "to"
    download.fetch("own", origin=mine, to=to)
    other = tmp_path / "other"
    images.write(other / "a.png", 1 - picture)
    images.write(other / "new.png", picture)
    if zipped:
        other = Path(shutil.make_archive(str(tmp_path / "other"), "zip", other))
    download.fetch("own", origin=other, to=to)
    assert (to / "a.png").read_bytes() == (mine / "a.png").read_bytes()
    assert (to / "new.png").exists()
    (row,) = table(to / "refused.csv")
    assert str(mine) in row["reason"] and "choose another folder by --to" in row["reason"]


@pytest.mark.filterwarnings("ignore:.*refused")
def test_own_replaces_nothing_that_it_did_not_bring(mine, tmp_path, picture):
    to = tmp_path / "to"
    there = images.write(to / "a.png", 1 - picture).read_bytes()
    download.fetch("own", origin=mine, to=to)
    assert (to / "a.png").read_bytes() == there
    assert "fetch did not bring it" in str(table(to / "refused.csv"))


@pytest.mark.filterwarnings("ignore:.*refused")
def test_own_leaves_out_what_restore_made(mine, tmp_path, picture):
    x = keras.Input((None, None, 3))
    model = keras.Model(x, keras.layers.UpSampling2D(2)(x), name="copier")
    result = photo.restore_file(model, mine / "a.png", mine)
    to = tmp_path / "to"
    download.fetch("own", origin=mine, to=to)
    assert (to / "a.png").exists() and not (to / result.name).exists()
    assert "a result of restore, by copier" in str(table(to / "refused.csv"))


def test_own_may_lie_inside_its_origin(tmp_path, picture):
    """`--from .` in the folder that holds data/raw/own: the copies are no pictures to copy."""
    images.write(tmp_path / "a.png", picture)
    to = tmp_path / "data" / "own"
    for _ in range(3):
        download.fetch("own", origin=tmp_path, to=to)
    assert [p.relative_to(to).as_posix() for p in images.find(to)] == ["a.png"]


def test_own_without_one_readable_picture_is_an_error(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.jpg").write_text("no picture")
    with pytest.raises(ValueError, match=r"none of 1 .*x\.jpg"):
        download.fetch("own", origin=tmp_path / "mine", to=tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_own_needs_an_origin_with_pictures(tmp_path):
    with pytest.raises(ValueError, match="--from"):
        download.fetch("own", to=tmp_path / "to")
    with pytest.raises(FileNotFoundError, match=r"no folder or file .*nowhere"):
        download.fetch("own", origin=tmp_path / "nowhere", to=tmp_path / "to")
    with pytest.raises(FileNotFoundError, match="no pictures in"):
        download.fetch("own", origin=tmp_path, to=tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_unknown_source_is_named_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"'instagram'.*sample.*own"):
        download.fetch("instagram", to=tmp_path / "to")
    assert not (tmp_path / "to").exists()


def test_a_full_disk_leaves_no_half_copy(tmp_path, speckle, on_full_disk):
    images.write(tmp_path / "mine" / "x.png", speckle)
    with pytest.raises(OSError, match=r"cannot write to/x\.png.*free space"):
        on_full_disk(download.fetch, "own", origin="mine", to="to")
    assert not list((tmp_path / "to").iterdir())


# survey


def test_survey_names_copies_problems_and_licences(tmp_path):
    folder = download.fetch("sample", to=tmp_path)
    cat = images.read(folder / "chelsea.png")
    images.write(folder / "more" / "small.jpg", images.resize(cat, (150, 226), "area"))
    Image.fromarray(images.to_uint8(cat[:100, :100])).convert("L").save(folder / "part.bmp")
    (folder / "page.jpg").write_text("<html>")
    rows = {row["file"]: row for row in sources.survey(folder)}
    assert rows["more/small.jpg"]["copy_of"] == "chelsea.png"
    assert [name for name, row in rows.items() if row["copy_of"]] == ["more/small.jpg"]
    assert rows["page.jpg"]["problem"].startswith("page.jpg is not a picture")
    assert [name for name, row in rows.items() if row["problem"]] == ["page.jpg"]
    facts = {key: rows["part.bmp"][key] for key in ("format", "mode", "width", "height", "licence")}
    assert facts == {"format": "BMP", "mode": "L", "width": 100, "height": 100, "licence": None}
    assert (rows["coffee.png"]["author"], rows["coffee.png"]["licence"]) == (
        "Rachel Michetti",
        "CC0",
    )
    text = sources.summary([*rows.values()])
    assert text.startswith("13 files, 12 readable, 11 different\n")
    assert "from 100×100 to 1411×1411 pixels" in text
    assert str(tmp_path) not in text


def test_survey_of_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="no pictures"):
        sources.survey(tmp_path)
    (tmp_path / "x.png").touch()
    assert sources.summary(sources.survey(tmp_path)).startswith("1 files, 0 readable, 0 different")


def test_many_pictures_go_through_several_processes(tmp_path, picture):
    for k in range(501):
        images.write(tmp_path / "mine" / f"{k:03d}.png", picture * (k / 501))
    (tmp_path / "mine" / "050.png").write_text("broken")
    with pytest.warns(UserWarning, match="1 of 501 pictures refused"):
        folder = download.fetch("own", origin=tmp_path / "mine", to=tmp_path / "own")
    assert [p.name for p in images.find(folder)] == [f"{k:03d}.png" for k in range(501) if k != 50]


def test_own_names_a_link_to_nowhere_and_goes_on(mine, tmp_path):
    (mine / "gone.jpg").symlink_to("elsewhere.jpg")
    (mine / "loop.jpg").symlink_to("loop.jpg")
    with pytest.warns(UserWarning, match=r"4 of 6 pictures refused .*gone\.jpg"):
        to = download.fetch("own", origin=mine, to=tmp_path / "to")
    assert len(images.find(to)) == 2
    reasons = {row["file"]: row["reason"] for row in table(to / "refused.csv")}
    assert "link to elsewhere.jpg, which is not there" in reasons[str(mine / "gone.jpg")]


def test_own_takes_a_name_as_long_as_the_disk_allows(tmp_path, picture):
    name = "사" * 83 + ".png"  # 253 bytes of 255
    images.write(tmp_path / "mine" / "a.png", picture)
    (tmp_path / "mine" / "a.png").rename(tmp_path / "mine" / name)
    to = download.fetch("own", origin=str(tmp_path / "mine"), to=tmp_path / "to")
    assert [path.name for path in images.find(to)] == [name]


def test_a_name_that_is_too_long_is_to_be_shortened(tmp_path):
    with pytest.raises(OSError, match=r"cannot write .*; shorten the name"):
        images.write(tmp_path / ("사" * 90 + ".png"), np.zeros((2, 2, 3), np.float32))


def test_the_temporary_name_carries_the_machine_and_the_thread(tmp_path):
    def name(which):
        with replacing(tmp_path / f"{which}.txt") as part:
            part.touch()
            meet.wait(60)  # the other thread writes, too
            return part.name.removesuffix(f"{which}.txt")

    meet = threading.Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        names = list(threads.map(name, range(2)))
    assert len(set(names)) == 2
    assert all(part.startswith(f".{platform.node()[:40]}.") for part in names)


@pytest.mark.parametrize("same_time", [True, False])
def test_own_brings_equal_size_with_other_content(tmp_path, picture, same_time):
    path = tmp_path / "mine/x.bmp"
    for pixels in (picture, 1 - picture):
        images.write(path, pixels)
        if same_time:
            os.utime(path, (10**9, 10**9))
        download.fetch("own", origin=path.parent, to=tmp_path / "to")
    assert (tmp_path / "to/x.bmp").read_bytes() == path.read_bytes()


def test_own_takes_one_picture(mine, tmp_path):
    to = download.fetch("own", origin=mine / "a.png", to=tmp_path / "to")
    assert [path.name for path in images.find(to)] == ["a.png"]
    with pytest.raises(ValueError, match=r"none of 1 .*half\.png is damaged"):
        download.fetch("own", origin=mine / "half.png", to=tmp_path / "other")


def in_zip(mine, path, more):
    with zipfile.ZipFile(path, "w") as archive:
        for file in images.find(mine):
            archive.write(file, file.relative_to(mine).as_posix())
        for name, content in more.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["a.heic", "a.ppm", "a.jfif", "a"])
def test_own_names_a_picture_that_no_lesson_would_find(tmp_path, picture, name):
    images.write(tmp_path / "a.png", picture).rename(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name}: the lessons read \.avif, .* save it as JPEG"):
        download.fetch("own", origin=tmp_path / name, to=tmp_path / "to")
    assert not (tmp_path / "to" / name).exists()


def test_own_takes_a_zip(mine, tmp_path):
    good = (mine / "a.png").read_bytes()
    more = {"__MACOSX/._a.png": b"Mac", "._b.jpg": b"Mac", "../out.png": good, "read.me": b""}
    archive = in_zip(mine, tmp_path / "mine.zip", more)
    for _ in range(2):  # the second one finds everything there
        with pytest.warns(UserWarning, match=r"3 of 5 pictures refused"):
            to = download.fetch("own", origin=archive, to=tmp_path / "deep/to")
    assert [p.relative_to(to).as_posix() for p in images.find(to)] == [
        "a.png",
        "deeper/still/b.jpg",
    ]
    assert (to / "a.png").read_bytes() == good
    reasons = {row["file"]: row["reason"] for row in table(to / "refused.csv")}
    assert "leads out of the folder" in reasons["../out.png"]
    assert reasons["half.png"].startswith("half.png is damaged")
    assert not list(tmp_path.rglob("out.png"))
    assert not list(to.rglob(".*"))
    (tmp_path / "no.zip").write_text("<html>")
    with pytest.raises(ValueError, match=r"no\.zip is not a zip"):
        download.fetch("own", origin=tmp_path / "no.zip", to=tmp_path / "other")


def test_own_counts_the_pictures_of_phones_that_it_passes_over(tmp_path, picture):
    images.write(tmp_path / "mine" / "a.png", picture)
    for name in ("b.dng", "c.DNG", "._d.dng", "e.jfif", "f.RAF", "g.psd", "h.mpo", "notes.txt"):
        (tmp_path / "mine" / name).touch()
    told = r"passed over: 2 \.dng, 1 \.jfif, 1 \.mpo, 1 \.psd, 1 \.raf; save them"
    with pytest.warns(UserWarning, match=told):
        download.fetch("own", origin=tmp_path / "mine", to=tmp_path / "to")
    (tmp_path / "mine" / "a.png").unlink()
    with (
        pytest.warns(UserWarning, match=r"passed over: 2 \.dng"),
        pytest.raises(FileNotFoundError, match="no pictures in"),
    ):
        download.fetch("own", origin=tmp_path / "mine", to=tmp_path / "to")


def test_survey_counts_what_it_does_not_read(tmp_path, picture, monkeypatch, capsys):
    monkeypatch.setattr(surveys.deep, "reads_heic", lambda: False)
    images.write(tmp_path / "a.png", picture)
    assert command.main(["survey", str(tmp_path)]) == 0
    for name in ("b.HEIC", "c.hif", "d.dng", "._e.heic", "notes.txt"):
        (tmp_path / name).touch()
    images.write(tmp_path / "f.jpg", picture[::-1]).rename(tmp_path / "f.jfif")  # As Windows saves
    capsys.readouterr()
    assert command.main(["survey", str(tmp_path)]) == 1
    done = capsys.readouterr()
    assert "2 files, 2 readable" in done.out
    assert "passed over: 1 .dng, 1 .heic, 1 .hif; save them" in done.err


def test_three_plain_colours_are_no_copies(tmp_path, picture):
    colours = {"blue.png": (0, 0, 255), "red.png": (255, 0, 0), "white.png": (255, 255, 255)}
    for name, colour in colours.items():
        Image.new("RGB", (60, 40), colour).save(tmp_path / name)
    Image.new("RGB", (99, 99), (254, 0, 0)).save(tmp_path / "red_too.jpg")
    images.write(tmp_path / "smooth.png", picture)
    images.write(tmp_path / "smooth_too.png", images.resize(picture, (96, 128), "bicubic"))
    copies = {row["file"]: row["copy_of"] for row in sources.survey(tmp_path) if row["copy_of"]}
    assert copies == {"red_too.jpg": "red.png", "smooth_too.png": "smooth.png"}


def test_deep_grey_pictures_are_compared_by_what_they_show(tmp_path, picture):
    """Pillow turns all that is lighter than 255 of 65,535 into white."""
    for name, grey in (("a.png", picture[..., 2]), ("b.png", picture[::-1, :, 2])):
        deep = (1000 + 60000 * grey).astype(np.uint16)
        Image.fromarray(deep).save(tmp_path / name)
    assert [row["copy_of"] for row in sources.survey(tmp_path)] == [None, None]


@pytest.mark.parametrize("seed", range(5))
def test_copies_are_those_of_a_loop_over_all_pairs(seed):
    rng = np.random.default_rng(seed)
    looks = rng.integers(0, 1 << 64, 1500, np.uint64).tolist()
    for place in range(1, 1500, 3):  # near an earlier one, on both sides of the limit
        looks[place] = looks[rng.integers(place)]
        for bit in rng.choice(64, rng.integers(12), replace=False).tolist():
            looks[place] ^= 1 << bit
    looks[100] = looks[200] = None
    expected = []
    for place, code in enumerate(looks):
        near = [
            k
            for k in range(place)
            if None not in (code, looks[k]) and (code ^ looks[k]).bit_count() <= 8
        ]
        expected.append(near[0] if near else None)
    assert surveys.first_copies(looks) == expected
    assert sum(first is not None for first in expected) > 200
