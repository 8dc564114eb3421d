"""`fetch --from`: the Kaggle sets from a folder or a zip, whole, broken or hostile."""

import io
import os
import platform
import random
import shutil
import stat
import threading
import unicodedata
import zipfile
from collections import Counter, namedtuple
from pathlib import Path

import numpy as np
import pytest

from helpers import batching, download, images
from helpers.app import sources
from helpers.app.sources import originals

PAGES = {
    "celeba": "jessicali9530/celeba-dataset",
    "unsplash": "quadeer15sh/image-super-resolution-from-unsplash",
}
TOP = "Image Super Resolution - Unsplash"
CELEBA = {f"img_align_celeba/{k:06d}.jpg" for k in range(6)}
UNSPLASH = {f"high res/{k}.jpg" for k in (1, 2, 7)} | {
    f"low res/{k}.jpg" for k in ("1_2", "2_4", "7_2", "7_4", "7_6")
}
SETS = {
    "celeba": CELEBA | {"list_eval_partition.csv"},
    "unsplash": UNSPLASH | {"image_data.csv"},
}


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Both sets as Kaggle lays them out, every picture another."""
    root = tmp_path_factory.mktemp("kaggle")
    rng = np.random.default_rng(0)
    for name in CELEBA:
        images.write(root / "celeba/img_align_celeba" / name, rng.random((12, 10, 3), np.float32))
    parts = zip(sorted(CELEBA), "012010", strict=True)
    rows = ["image_id,partition", *(f"{name.split('/')[1]},{part}" for name, part in parts)]
    (root / "celeba/list_eval_partition.csv").write_text("\n".join(rows) + "\n")
    (root / "celeba/list_attr_celeba.csv").write_text("image_id,Smiling\n000000.jpg,1\n")
    for name in UNSPLASH:
        images.write(root / "unsplash" / TOP / name, rng.random((12, 18, 3), np.float32))
    lows = sorted(Path(name).name for name in UNSPLASH if name.startswith("low"))
    rows = ["low_res,high_res", *(f"{low},{low[0]}.jpg" for low in lows)]
    (root / "unsplash" / TOP / "image_data.csv").write_text("\r\n".join(rows), encoding="utf-8-sig")
    return root


@pytest.fixture
def celeba(sets, tmp_path):
    """A copy of the set that a test may spoil."""
    return shutil.copytree(sets / "celeba", tmp_path / "celeba")


def zipped(folder, path, inside=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):  # directories are members too, as in most zips
            archive.write(file, inside + file.relative_to(folder).as_posix())
    return path


def tree(folder):
    """{name: (bytes, time of writing)} of every file under `folder`, hidden ones too."""
    files = [p for p in Path(folder).rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): (p.read_bytes(), p.stat().st_mtime_ns) for p in files}


def refuses(origin, *words, source="celeba", error=ValueError):
    """fetch raises one line with these words and writes nothing anywhere."""
    before = tree(origin.parent)
    with pytest.raises(error) as caught:
        download.fetch(source, origin=origin, to=origin.parent / "to")
    message = str(caught.value)
    assert all(word in message for word in (*words, origin.name)), message
    assert "\n" not in message
    assert tree(origin.parent) == before
    assert not (origin.parent / "to").exists()


# what comes out


@pytest.mark.parametrize("source", SETS)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_fetch_brings_the_set_in_one_layout(sets, tmp_path, source, kind):
    origin = sets / source if kind == "folder" else zipped(sets / source, tmp_path / "set.zip")
    original, outside = tree(sets), set(tmp_path.iterdir())
    to = tmp_path / "to"
    assert download.fetch(source, origin=origin, to=to) == to
    first = tree(to)
    assert first.keys() == SETS[source]
    contents = {
        Path(name).name: data for name, (data, _) in original.items() if name.startswith(source)
    }
    assert all(data == contents[Path(name).name] for name, (data, _) in first.items())
    assert all(images.read(path).shape[2] == 3 for path in images.find(to))
    download.fetch(source, origin=origin, to=to)
    assert tree(to) == first  # the second run writes nothing
    assert tree(sets) == original
    assert set(tmp_path.iterdir()) - outside == {to}


@pytest.mark.parametrize("source", SETS)
@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize("nesting", [-1, 1])
def test_one_level_of_folders_more_or_less(sets, tmp_path, source, kind, nesting):
    origin = shutil.copytree(sets / source, tmp_path / "in" / "archive")
    if nesting == 1:
        origin = origin.parent
    elif source == "unsplash":
        origin = origin / TOP
    else:
        for path in images.find(origin):
            path.rename(path.parent.parent / path.name)
        (origin / "img_align_celeba/img_align_celeba").rmdir()
    if kind == "zip":
        origin = zipped(origin, tmp_path / "set.zip")
    assert tree(download.fetch(source, origin=origin, to=tmp_path / "to")).keys() == SETS[source]


def test_a_folder_is_linked_and_costs_no_room(sets, tmp_path):
    download.fetch("celeba", origin=sets / "celeba", to=tmp_path / "to")
    for name in CELEBA:
        assert (tmp_path / "to" / name).samefile(sets / "celeba/img_align_celeba" / name)


def test_where_links_are_impossible_the_files_are_copied(sets, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "hardlink_to", no_links)
    download.fetch("celeba", origin=sets / "celeba", to=tmp_path / "to")
    for name in CELEBA:
        theirs = sets / "celeba/img_align_celeba" / name
        assert not (tmp_path / "to" / name).samefile(theirs)
        assert (tmp_path / "to" / name).read_bytes() == theirs.read_bytes()


def no_links(*_):
    raise OSError(18, "Invalid cross-device link")


def test_a_link_in_the_origin_becomes_the_picture_itself(celeba, tmp_path):
    picture = celeba / "img_align_celeba/img_align_celeba/000003.jpg"
    picture.rename(tmp_path / "elsewhere.jpg")
    picture.symlink_to(tmp_path / "elsewhere.jpg")
    got = (
        download.fetch("celeba", origin=celeba, to=tmp_path / "to") / "img_align_celeba/000003.jpg"
    )
    assert not got.is_symlink()
    assert got.samefile(tmp_path / "elsewhere.jpg")


def test_a_link_to_nowhere_counts_as_missing(celeba, tmp_path):
    picture = celeba / "img_align_celeba/img_align_celeba/000003.jpg"
    picture.unlink()
    picture.symlink_to(tmp_path / "elsewhere.jpg")
    with pytest.warns(UserWarning, match=r"1 of 6 .*000003\.jpg"):
        download.fetch("celeba", origin=celeba, to=tmp_path / "to")


def test_a_zip_with_the_slashes_of_windows(sets, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for file in sorted((sets / "celeba").rglob("*")):
            name = str(file.relative_to(sets / "celeba")).replace("/", "\\")
            archive.writestr(
                name + "\\" * file.is_dir(), b"" if file.is_dir() else file.read_bytes()
            )
    to = download.fetch("celeba", origin=tmp_path / "set.zip", to=tmp_path / "to")
    assert tree(to).keys() == SETS["celeba"]


def test_leftovers_of_a_killed_run_are_never_written_through(sets, tmp_path, monkeypatch):
    """A run made the link and was killed; the next one has the same number."""
    theirs = sets / "celeba/img_align_celeba/img_align_celeba/000000.jpg"
    content = theirs.read_bytes()
    to = tmp_path / "to/img_align_celeba"
    to.mkdir(parents=True)
    leftover = f".{platform.node()[:40]}.{threading.get_native_id()}.part.000000.jpg"
    (to / leftover).hardlink_to(theirs)
    monkeypatch.setattr(Path, "hardlink_to", no_links)
    monkeypatch.setattr(shutil, "copyfileobj", lambda source, file: file.write(b"half"))
    with pytest.raises(ValueError, match="4 bytes instead of"):
        download.fetch("celeba", origin=sets / "celeba", to=tmp_path / "to")
    assert theirs.read_bytes() == content
    assert not tree(tmp_path / "to")


def test_what_differs_is_brought_again(sets, tmp_path):
    to = download.fetch("celeba", origin=sets / "celeba", to=tmp_path / "to")
    whole = tree(to)
    half, table = to / "img_align_celeba/000001.jpg", to / "list_eval_partition.csv"
    half.unlink()
    half.write_bytes(b"half")
    table.write_bytes(table.read_bytes().replace(b",2", b",0"))  # as long as before
    download.fetch("celeba", origin=sets / "celeba", to=to)
    again = tree(to)
    assert {name: data for name, (data, _) in again.items()} == {
        name: data for name, (data, _) in whole.items()
    }
    untouched = whole.keys() - {"img_align_celeba/000001.jpg", table.name}
    assert all(again[name] == whole[name] for name in untouched)


def test_the_result_may_lie_inside_the_origin_but_not_be_it(celeba):
    for _ in range(3):
        to = download.fetch("celeba", origin=celeba, to=celeba / "data/celeba")
    assert tree(to).keys() == SETS["celeba"]
    with pytest.raises(ValueError, match="choose another --to"):
        download.fetch("celeba", origin=celeba, to=celeba)


@pytest.fixture(autouse=True)
def kaggle_out_of_reach(monkeypatch):
    def refuse(handle):
        raise ConnectionError(f"Kaggle was asked for {handle}")

    monkeypatch.setattr(sources.sets, "kaggle", refuse)


def test_without_an_origin_what_is_there_is_used_or_kaggle_asked(sets, tmp_path):
    with pytest.raises(ConnectionError, match="asked for jessicali9530/celeba-dataset"):
        download.fetch("celeba", to=tmp_path / "to")
    assert not (tmp_path / "to").exists()
    to = download.fetch("celeba", origin=sets / "celeba", to=tmp_path / "to")
    assert download.fetch("celeba", to=tmp_path / "to") == to


# what is missing


@pytest.mark.parametrize(
    "source, gone, named",
    [
        ("celeba", ["list_eval_partition.csv"], "no list_eval_partition.csv;"),
        ("celeba", ["img_align_celeba"], "no img_align_celeba/;"),
        (
            "celeba",
            ["list_eval_partition.csv", "img_align_celeba"],
            "no list_eval_partition.csv, no img_align_celeba/",
        ),
        ("unsplash", [f"{TOP}/image_data.csv"], "no image_data.csv;"),
        ("unsplash", [f"{TOP}/low res"], "no low res/;"),
        ("unsplash", [f"{TOP}/high res"], "no high res/;"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_is_missing_is_named_with_the_page_that_has_it(
    sets, tmp_path, source, gone, named, kind
):
    origin = shutil.copytree(sets / source, tmp_path / "set")
    for name in gone:
        shutil.rmtree(origin / name) if (origin / name).is_dir() else (origin / name).unlink()
    if kind == "zip":
        origin = zipped(origin, tmp_path / "set.zip")
    refuses(
        origin,
        named,
        f"https://www.kaggle.com/datasets/{PAGES[source]}",
        source=source,
        error=FileNotFoundError,
    )


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_listed_files_that_are_missing_are_counted_and_named(celeba, tmp_path, kind):
    for k in (0, 2, 3, 5):
        (celeba / f"img_align_celeba/img_align_celeba/{k:06d}.jpg").unlink()
    origin = celeba if kind == "folder" else zipped(celeba, tmp_path / "set.zip")
    with pytest.warns(UserWarning) as caught:
        to = download.fetch("celeba", origin=origin, to=tmp_path / "to")
    [warning] = caught
    assert warning.filename == __file__
    assert "4 of 6" in str(warning.message)
    assert [f"{k:06d}" in str(warning.message) for k in range(6)] == [
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    assert [p.name for p in images.find(to)] == ["000001.jpg", "000004.jpg"]
    assert {p.name: part for p, part in sources.celeba_splits(to).items()} == {
        "000001.jpg": "val",
        "000004.jpg": "val",
    }


@pytest.mark.parametrize(
    "table, error, words",
    [
        ("", ValueError, "no columns image_id"),
        ("a,b\n1,2\n", ValueError, "no columns image_id"),
        ("image_id;partition\n000001.jpg;0\n", ValueError, "no columns image_id"),
        ("image_id,partition\n" + "x" * 200_000, ValueError, "cannot be read"),
        (
            "image_id,partition\n",
            FileNotFoundError,
            "nothing that its list_eval_partition.csv lists",
        ),
        (
            "image_id,partition\nother.jpg,0\n,1\n\n",
            FileNotFoundError,
            "nothing that its list_eval_partition.csv lists",
        ),
        ("image_id,partition\n../list_attr_celeba.csv,0\n", FileNotFoundError, "nothing that"),
        ("\0\xff\xfe", ValueError, "no columns image_id"),
    ],
)
def test_a_table_that_says_nothing_is_an_error(celeba, tmp_path, table, error, words):
    (celeba / "list_eval_partition.csv").write_bytes(table.encode("latin-1"))
    with pytest.raises(error, match=words) as caught:
        download.fetch("celeba", origin=celeba, to=tmp_path / "to")
    assert PAGES["celeba"] in str(caught.value)
    assert not (tmp_path / "to").exists()


def test_a_pair_needs_both_its_pictures(sets, tmp_path):
    origin = shutil.copytree(sets / "unsplash", tmp_path / "set")
    (origin / TOP / "high res/7.jpg").unlink()
    with pytest.warns(UserWarning, match=r"1 of 8 .*high res/7\.jpg"):
        to = download.fetch("unsplash", origin=origin, to=tmp_path / "to")
    assert [low.name for low, _ in sources.unsplash_pairs(to)] == ["1_2.jpg", "2_4.jpg"]
    (origin / TOP / "low res/1_2.jpg").unlink()
    (origin / TOP / "high res/2.jpg").unlink()
    with pytest.raises(FileNotFoundError, match="nothing that its image_data"):
        download.fetch("unsplash", origin=origin, to=tmp_path / "other")


def test_two_copies_of_a_set_are_not_mixed(celeba, tmp_path):
    shutil.copytree(celeba, tmp_path / "both/old")
    shutil.copytree(celeba, tmp_path / "both/new")
    refuses(tmp_path / "both", "two copies", "old/", "new/")


def test_an_origin_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder or zip .*nowhere\.zip"):
        download.fetch("celeba", origin=tmp_path / "nowhere.zip", to=tmp_path / "to")
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", "no list_eval_partition.csv", error=FileNotFoundError)


# zips that are broken, or mean harm


@pytest.fixture
def archive(sets, tmp_path):
    return zipped(sets / "celeba", tmp_path / "set.zip")


def test_an_empty_zip_lacks_everything(tmp_path):
    zipfile.ZipFile(tmp_path / "set.zip", "w").close()
    refuses(
        tmp_path / "set.zip",
        "no list_eval_partition.csv, no img_align_celeba/",
        error=FileNotFoundError,
    )


@pytest.mark.parametrize(
    "content", [b"", b"<html>Sign in to download</html>", b"PK\3\4 and no more"]
)
def test_what_is_no_zip_is_called_so(tmp_path, content):
    (tmp_path / "set.zip").write_bytes(content)
    refuses(tmp_path / "set.zip", "not a zip", "download it again")


def test_a_name_that_is_no_text_is_refused(archive):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("ü.jpg", b"")
    archive.write_bytes(archive.read_bytes().replace("ü".encode(), b"\xff\xff"))
    refuses(archive, "not a zip or a broken one")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.95, 0.999])
def test_a_truncated_zip_is_refused(archive, kept):
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * kept)])
    refuses(archive, "not a zip or a broken one", "download it again")


def brings_only_the_set(archive):
    """fetch brings the set as if the zip held nothing else, and writes nothing elsewhere."""
    before = tree(archive.parent)
    to = download.fetch("celeba", origin=archive, to=archive.parent / "to")
    assert tree(to).keys() == SETS["celeba"]
    inside = {f"to/{name}" for name in SETS["celeba"]}
    assert tree(archive.parent).keys() == before.keys() | inside
    shutil.rmtree(to)


def test_a_member_beyond_either_end_of_the_zip_is_never_read(sets, tmp_path):
    pictures = sets / "celeba/img_align_celeba/img_align_celeba"
    archive = zipped(pictures, tmp_path / "set.zip", "img_align_celeba/")
    with zipfile.ZipFile(archive, "a") as file:
        file.write(sets / "celeba/list_eval_partition.csv", "list_eval_partition.csv")
    archive.write_bytes(archive.read_bytes()[50:])
    with pytest.raises(ValueError, match=r"set\.zip is not a zip or a broken one"):
        download.fetch("celeba", origin=archive, to=tmp_path / "to")
    shutil.copy(zipped(sets / "celeba", tmp_path / "whole.zip"), archive)
    claiming(archive, "far.jpg", header_offset=1 << 63)
    brings_only_the_set(archive)


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "img_align_celeba/../../evil.jpg",
        "img_align_celeba/..",
        "/tmp/evil.jpg",
        "..\\evil.jpg",
        "\\evil.jpg",
        "C:\\evil.jpg",
        "c:evil.jpg",
        "//server/share/evil.jpg",
        "\\\\server\\share\\evil.jpg",
    ],
)
def test_a_member_that_climbs_out_stays_in_the_zip(archive, name):
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, "evil")
    brings_only_the_set(archive)
    assert not Path("/tmp/evil.jpg").exists()


@pytest.mark.parametrize("name", ["../evil.jpg", "/tmp/evil.jpg", "..", "../../to/evil.jpg"])
def test_a_table_that_lists_what_climbs_out_brings_nothing_there(sets, tmp_path, name):
    """The name stands in the zip exactly as the table has it, below the folder of the pictures."""
    archive = tmp_path / "in" / "set.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("list_eval_partition.csv", f"image_id,partition\n{name},0\n1.jpg,0\n")
        file.writestr(f"img_align_celeba/{name}", b"evil")
        file.write(next((sets / "celeba").rglob("*.jpg")), "img_align_celeba/1.jpg")
    to = tmp_path / "in" / "deep" / "to"
    try:
        with pytest.warns(UserWarning, match="1 of 2"):
            download.fetch("celeba", origin=archive, to=to)
    except OSError as error:
        assert "cannot write" in str(error)
    assert not [path for path in tmp_path.rglob("evil.jpg")]
    assert not Path("/tmp/evil.jpg").exists()


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_a_member_that_is_no_plain_file_becomes_one(archive, kind):
    info = zipfile.ZipInfo("img_align_celeba/img_align_celeba/000000.jpg")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(archive) as file:
        picture = file.read(info.filename)
        content = {
            member.filename: file.read(member)
            for member in file.infolist()
            if member.filename != info.filename
        }
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in content.items():
            file.writestr(name, data)
        file.writestr(info, picture)
    to = download.fetch("celeba", origin=archive, to=archive.parent / "to")
    path = to / "img_align_celeba/000000.jpg"
    assert path.is_file() and not path.is_symlink()
    assert path.read_bytes() == picture


def test_a_bomb_that_no_table_lists_is_never_lit(archive):
    with (
        zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file,
        file.open("img_align_celeba/bomb.jpg", "w") as member,
    ):
        for _ in range(20):
            member.write(bytes(1 << 20))
    assert archive.stat().st_size < 50_000
    brings_only_the_set(archive)


def claiming(archive, name, **claims):
    """Add a member whose entry in the directory of the zip says what it is not."""
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, b"small")
        for claim, value in claims.items():
            setattr(file.getinfo(name), claim, value)


def test_a_zip_that_is_larger_than_the_disk_is_refused_before_it_is_unpacked(archive, monkeypatch):
    claiming(archive, "huge.jpg", file_size=1 << 60, compress_size=1000)
    refuses(archive, "unpacks to 1152921504.6 GB", "are free", "nothing was unpacked")
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 100, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    refuses(archive, "0.0 GB are free")


def test_a_table_that_is_too_large_for_one_is_not_read(archive, monkeypatch):
    monkeypatch.setattr(sources.sets, "LARGEST_TABLE", 50)
    refuses(archive, "the table in", "get another copy")


def test_equal_names_in_different_case_are_two_copies(archive):
    """On the disks of Windows and macOS the second would take the place of the first."""
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("img_align_celeba/000001.JPG", "another")
    refuses(archive, "two copies", "000001.JPG", "000001.jpg")


def test_an_encrypted_zip_is_refused_and_one_of_another_method_is_read(archive):
    plain = archive.read_bytes()
    claiming(archive, "secret.jpg", flag_bits=1)
    brings_only_the_set(archive)
    archive.write_bytes(plain)
    with zipfile.ZipFile(archive, "a") as file:
        file.getinfo("list_eval_partition.csv").flag_bits = 1
        file.writestr("more.txt", "so that the directory is written anew")
    refuses(archive, "list_eval_partition.csv", "encrypted")
    with (
        zipfile.ZipFile(archive, "w", zipfile.ZIP_LZMA) as file,
        zipfile.ZipFile(io.BytesIO(plain)) as old,
    ):
        for name in old.namelist():
            file.writestr(name, old.read(name))
    brings_only_the_set(archive)


@pytest.mark.parametrize(
    "claims", [{"file_size": 9}, {"CRC": 1}, {"file_size": 10**6, "compress_size": 10**6}]
)
def test_length_and_checksum_of_a_member_are_verified(sets, tmp_path, claims):
    """The wrong one stops the run; what came before it stays, and a good zip completes it."""
    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(sets / "celeba/list_eval_partition.csv", "list_eval_partition.csv")
        file.write(
            sets / "celeba/img_align_celeba/img_align_celeba/000000.jpg",
            "img_align_celeba/000000.jpg",
        )
    claiming(archive, "img_align_celeba/000001.jpg", **claims)
    with (
        pytest.warns(UserWarning, match="4 of 6"),
        pytest.raises(ValueError, match=r"again|another copy"),
    ):
        download.fetch("celeba", origin=archive, to=tmp_path / "to")
    assert tree(tmp_path / "to").keys() == {"img_align_celeba/000000.jpg"}
    download.fetch("celeba", origin=sets / "celeba", to=tmp_path / "to")
    assert tree(tmp_path / "to").keys() == SETS["celeba"]


@pytest.mark.filterwarnings("ignore:.*listed files")
def test_damaged_zips_never_give_anything_but_good_pictures_or_a_sentence(archive, sets, tmp_path):
    good, rng, outcomes = archive.read_bytes(), random.Random(0), Counter()
    pictures = {path.read_bytes() for path in images.find(sets / "celeba")}
    for k in range(300):
        damaged, place = bytearray(good), rng.randrange(len(good))
        if k % 3 == 0:
            del damaged[place : place + rng.randrange(1, 60)]
        elif k % 3 == 1:
            damaged[place:place] = rng.randbytes(rng.randrange(1, 60))
        else:  # one byte, most often of the directory at the end
            damaged[rng.randrange(rng.choice([0, len(good) - 900]), len(good))] = rng.randrange(256)
        archive.write_bytes(damaged)
        to = tmp_path / f"to{k}"
        try:
            download.fetch("celeba", origin=archive, to=to)
            outcomes["read"] += 1
        except (ValueError, FileNotFoundError) as error:
            assert "set.zip" in str(error) or "get another copy" in str(error), repr(error)
            outcomes["refused"] += 1
        assert not [p for p in to.rglob(".*")]
        assert all(path.read_bytes() in pictures for path in to.rglob("*.jpg"))
    assert min(outcomes["read"], outcomes["refused"]) > 10, outcomes


# cut off in the middle


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_ctrl_c_leaves_no_half_file_and_the_next_run_completes(
    sets, archive, tmp_path, monkeypatch, kind
):
    origin = sets / "celeba" if kind == "folder" else archive
    copy, calls = shutil.copyfileobj, []

    def interrupted(source, file):
        calls.append(file)
        if len(calls) == 4:
            file.write(source.read(100))
            raise KeyboardInterrupt
        copy(source, file)

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    monkeypatch.setattr(shutil, "copyfileobj", interrupted)
    to = tmp_path / "to"
    with pytest.raises(KeyboardInterrupt):
        download.fetch("celeba", origin=origin, to=to)
    first = tree(to)
    assert len(first) == 3
    assert first.keys() < CELEBA
    with pytest.raises(
        ConnectionError, match="asked for"
    ):  # without its table the set does not count as fetched
        download.fetch("celeba", to=to)
    download.fetch("celeba", origin=origin, to=to)
    last = tree(to)
    assert last.keys() == SETS["celeba"]
    assert {name: last[name] for name in first} == first
    assert len(calls) == 4 + 3


def test_a_full_disk_says_so(tmp_path, speckle, on_full_disk):
    images.write(tmp_path / "in/img_align_celeba/1.jpg", speckle)
    (tmp_path / "in/list_eval_partition.csv").write_text("image_id,partition\n1.jpg,0\n")
    origin = zipped(tmp_path / "in", tmp_path / "set.zip")
    with pytest.raises(OSError, match=r"cannot write to/img_align_celeba/1\.jpg.*free space"):
        on_full_disk(sources.fetch, "celeba", Path("to"), origin)
    assert not tree(tmp_path / "to")


# splits


def test_celeba_keeps_its_own_partition(sets, tmp_path):
    to = download.fetch("celeba", origin=sets / "celeba", to=tmp_path / "to")
    splits = sources.celeba_splits(to)
    assert list(splits) == images.find(to)
    assert list(splits.values()) == ["train", "val", "test", "train", "val", "train"]


def test_a_partition_nobody_knows_is_an_error(celeba, tmp_path):
    table = celeba / "list_eval_partition.csv"
    to = download.fetch("celeba", origin=celeba, to=tmp_path / "to")
    for wrong, named in (("5.jpg,3", "'3'"), ("5.jpg", "''"), ("5.jpg,train", "'train'")):
        (to / table.name).write_text(table.read_text().replace("5.jpg,0", wrong))
        with pytest.raises(ValueError, match=rf"000005\.jpg has partition {named}"):
            sources.celeba_splits(to)


def test_unsplash_is_split_by_high_picture(sets, tmp_path):
    to = download.fetch("unsplash", origin=sets / "unsplash", to=tmp_path / "to")
    pairs = sources.unsplash_pairs(to)
    assert sorted(low for low, _ in pairs) == images.find(to / "low res")
    assert {high for _, high in pairs} == {*images.find(to / "high res")}
    assert all(low.stem.split("_")[0] == high.stem for low, high in pairs)
    parts = batching.split([high.name for _, high in pairs])
    assert Counter(parts.values()) == {"train": 1, "val": 1, "test": 1}  # by picture, not by pair


@pytest.mark.parametrize("splits", [sources.celeba_splits, sources.unsplash_pairs])
def test_splits_need_a_fetched_set(sets, tmp_path, splits):
    for folder in (
        tmp_path,
        tmp_path / "nowhere",
        sets / "celeba",
    ):  # the last one is Kaggle's layout, not ours
        with pytest.raises(
            FileNotFoundError, match=r"no pictures with their .*\.csv in .*; fetch\("
        ):
            splits(folder)


# the command line


def test_the_command_fetches_from_a_zip(sets, tmp_path, command):
    zipped(sets / "unsplash", tmp_path / "set.zip")
    done = command("fetch", "unsplash", "--from", "set.zip", "--to", "to")
    assert (done.returncode, done.stdout) == (0, f"{len(UNSPLASH)} pictures in to\n"), done.stderr
    assert tree(tmp_path / "to").keys() == SETS["unsplash"]


@pytest.mark.parametrize(
    "source, origin", [("celeba", "page.zip"), ("celeba", "."), ("unsplash", None)]
)
def test_the_command_ends_with_one_line_and_status_2(tmp_path, command, source, origin):
    (tmp_path / "page.zip").write_text("<html>")
    done = command("fetch", source, *(["--from", origin] if origin else []), "--to", "to")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert not (tmp_path / "to").exists()


# sets as people have them


@pytest.fixture
def official(sets, tmp_path):
    """CelebA as its authors lay it out: a table without header, and the pictures in a zip."""
    folder = tmp_path / "CelebA"
    for name in ("Anno", "Eval", "Img"):
        (folder / name).mkdir(parents=True)
    rows = (sets / "celeba/list_eval_partition.csv").read_text().splitlines()[1:]
    text = "".join(row.replace(",", " ") + "\r\n" for row in rows)
    (folder / "Eval/list_eval_partition.txt").write_bytes(text.encode())
    (folder / "Anno/list_attr_celeba.txt").write_text("1\nSmiling\n000000.jpg 1\n")
    pictures = sets / "celeba/img_align_celeba/img_align_celeba"
    zipped(pictures, folder / "Img/img_align_celeba.zip", "img_align_celeba/")
    return folder


@pytest.mark.parametrize("kind", ["folder", "zip", "unpacked"])
def test_celeba_as_its_authors_lay_it_out(sets, official, tmp_path, kind):
    origin = official
    if kind == "zip":
        origin = zipped(official, tmp_path / "all.zip")
    elif kind == "unpacked":  # beside the zip
        with zipfile.ZipFile(official / "Img/img_align_celeba.zip") as archive:
            archive.extractall(official / "Img")
    to = download.fetch("celeba", origin=origin, to=tmp_path / "to")
    assert tree(to).keys() == SETS["celeba"]
    assert list(sources.celeba_splits(to).values()) == [
        "train",
        "val",
        "test",
        "train",
        "val",
        "train",
    ]


def test_a_broken_zip_inside_is_named(official, tmp_path):
    path = official / "Img/img_align_celeba.zip"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match=r"Img/img_align_celeba\.zip is not a zip or a broken one"):
        download.fetch("celeba", origin=official, to=tmp_path / "to")


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_is_no_picture_is_left_out_and_named(sets, tmp_path, kind):
    origin = shutil.copytree(sets / "unsplash", tmp_path / "set")
    (origin / TOP / "low res/2_4.jpg").write_text("<html>quota exceeded</html>")
    (origin / TOP / "high res/2.jpg").write_bytes(b"")
    half = origin / TOP / "low res/7_2.jpg"
    half.write_bytes(half.read_bytes()[:-300])
    if kind == "zip":
        origin = zipped(origin, tmp_path / "set.zip")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"3 of 8 pictures refused .*2_4\.jpg"):
            to = download.fetch("unsplash", origin=origin, to=tmp_path / "to")
    pairs = [low.name for low, _ in sources.unsplash_pairs(to)]
    assert pairs == ["1_2.jpg", "7_4.jpg", "7_6.jpg"]
    assert len(images.find(to)) == 5
    reasons = (to / "refused.csv").read_text()
    assert "low res/2_4.jpg is not a picture" in reasons
    assert "low res/7_2.jpg is damaged" in reasons


def test_nothing_is_left_of_a_set_without_one_picture(celeba, tmp_path):
    for path in images.find(celeba):
        path.write_text("<html>")
    refuses(celeba, "none of 6 pictures can be used", "not a picture")


@pytest.fixture
def yosemite(sets, tmp_path):
    """Two seasons as the CycleGAN paper lays them out."""
    folder = tmp_path / "yosemite"
    for k, path in enumerate(images.find(sets / "celeba")[:4]):
        for part in ("trainA", "trainB"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / part / f"{part}{k}.jpg")
    return folder


def listed(to):
    return (to / "files.csv").read_text(encoding="utf-8").split()[1:]


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_what_a_mac_leaves_in_folders_and_zips_is_no_picture(yosemite, tmp_path, kind):
    for name in ("__MACOSX/trainA/._trainA0.jpg", "trainB/._trainB1.jpg", "trainA/.DS_Store"):
        path = yosemite / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    origin = yosemite if kind == "folder" else zipped(yosemite, tmp_path / "set.zip")
    to = download.fetch("summer2winter", origin=origin, to=tmp_path / "to")
    assert listed(to) == [
        f"{part}/{part}{k}.jpg" for part in ("trainA", "trainB") for k in range(4)
    ]
    assert not list(to.rglob(".*"))


def test_html_among_the_seasons_is_not_listed(yosemite, tmp_path):
    (yosemite / "trainA/trainA1.jpg").write_text("<html>")
    with pytest.warns(UserWarning, match=r"1 of 8 pictures refused \(trainA/trainA1\.jpg\)"):
        to = download.fetch("summer2winter", origin=yosemite, to=tmp_path / "to")
    assert len(listed(to)) == 7
    assert sorted(listed(to)) == [p.relative_to(to).as_posix() for p in images.find(to)]


KOREAN = {"000000.jpg": "여름_풍경.jpg", "000001.jpg": "겨울 1.jpg", "000002.jpg": "똠방.jpg"}


@pytest.fixture
def korean(celeba):
    """Three pictures with Korean names, and the table that lists them."""
    folder = celeba / "img_align_celeba/img_align_celeba"
    for path in images.find(folder):
        if path.name in KOREAN:
            path.rename(folder / KOREAN[path.name])
        else:
            path.unlink()
    rows = [f"{name},{k}" for k, name in enumerate(KOREAN.values())]
    (celeba / "list_eval_partition.csv").write_text("\n".join(["image_id,partition", *rows]))
    return celeba


def brings_all(origin, to, names):
    assert tree(download.fetch("celeba", origin=origin, to=to)).keys() == {
        "list_eval_partition.csv",
        *(f"img_align_celeba/{name}" for name in names),
    }
    assert list(sources.celeba_splits(to).values()) == ["train", "val", "test"]


@pytest.mark.parametrize("encoding", ["cp949", "utf-8"])
def test_a_zip_that_does_not_say_how_its_names_are_written(korean, tmp_path, encoding):
    """Windows in Korean writes cp949, a Mac UTF-8; neither sets the flag of UTF-8."""

    class Undeclared(zipfile.ZipInfo):
        def _encodeFilenameFlags(self):
            return self.filename.encode(encoding), 0

    archive = tmp_path / "set.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in korean.rglob("*.*"):
            file.writestr(Undeclared(path.relative_to(korean).as_posix()), path.read_bytes())
    names = zipfile.ZipFile(archive).namelist()
    assert not any("풍경" in name for name in names)
    brings_all(archive, tmp_path / "to", KOREAN.values())


def test_letters_of_europe_stay_what_they_are():
    """Some of their bytes make syllables of cp949, but none that Korean uses."""
    for names in (["naïve/été.jpg", "Zoë.jpg", "señor ñandú.jpg"], ["Zürich/Öl.jpg", "Müller.png"]):
        infos = [zipfile.ZipInfo(name) for name in names]
        assert originals._encoding(infos) == "cp437"


def test_the_names_of_a_mac_are_found(korean, tmp_path):
    for path in images.find(korean):
        path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    brings_all(korean, tmp_path / "to", KOREAN.values())
    shutil.rmtree(tmp_path / "to")
    table = korean / "list_eval_partition.csv"
    table.write_text(unicodedata.normalize("NFD", table.read_text()))
    brings_all(zipped(korean, tmp_path / "set.zip"), tmp_path / "to", KOREAN.values())


def test_a_table_in_cp949_is_read(korean, tmp_path):
    table = korean / "list_eval_partition.csv"
    table.write_bytes(table.read_text().encode("cp949"))
    brings_all(korean, tmp_path / "to", KOREAN.values())


def test_upper_case_suffixes_are_found(celeba, tmp_path):
    for path in images.find(celeba):
        path.rename(path.with_suffix(".JPG"))
    to = download.fetch("celeba", origin=celeba, to=tmp_path / "to")
    assert tree(to).keys() == SETS["celeba"]
    assert len(sources.celeba_splits(to)) == 6


def test_what_is_listed_and_what_is_there_are_shown(celeba, tmp_path):
    for path in images.find(celeba):
        path.rename(path.with_name(f"face {path.name}"))
    with pytest.raises(FileNotFoundError) as caught:
        download.fetch("celeba", origin=celeba, to=tmp_path / "to")
    message = str(caught.value)
    assert "lists 'img_align_celeba/000000.jpg'" in message
    assert "there is 'img_align_celeba/face 0000" in message


def test_a_table_s_first_line_is_shown(celeba, tmp_path):
    table = celeba / "list_eval_partition.csv"
    table.write_text(table.read_text().replace(",", ";"))
    refuses(celeba, "begins with 'image_id;partition'")


def test_two_sets_do_not_mix(yosemite, sets, tmp_path):
    to = download.fetch("summer2winter", origin=yosemite, to=tmp_path / "to")
    before = tree(to)
    other = tmp_path / "other"
    for part, name in (("trainA", "x.jpg"), ("trainB", "y.jpg")):
        (other / part).mkdir(parents=True)
        shutil.copy(images.find(sets / "celeba")[5], other / part / name)
    with pytest.raises(ValueError, match=r"holds 8 pictures that .*other lacks.*another --to"):
        download.fetch("summer2winter", origin=other, to=to)
    assert tree(to) == before


def test_a_part_of_another_set_under_equal_names_is_refused(celeba, tmp_path):
    to = download.fetch("celeba", origin=celeba, to=tmp_path / "to")
    before = tree(to)
    other = shutil.copytree(celeba, tmp_path / "other")
    first, *_, last = images.find(other)
    last.unlink()
    with pytest.warns(UserWarning, match="1 of 6"):  # of the same set
        download.fetch("celeba", origin=other, to=to)
    assert tree(to) == before
    other_face = images.read(first)[::-1]
    first.unlink()
    images.write(first, other_face)
    with (
        pytest.warns(UserWarning, match="1 of 6"),
        pytest.raises(ValueError, match="two sets would mix"),
    ):
        download.fetch("celeba", origin=other, to=to)
    assert tree(to) == before


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_equal_size_with_other_content_is_brought(sets, tmp_path, kind):
    origin = sets / "celeba" if kind == "folder" else zipped(sets / "celeba", tmp_path / "set.zip")
    to = download.fetch("celeba", origin=origin, to=tmp_path / "to")
    good = {name: data for name, (data, _) in tree(to).items()}
    path = to / "img_align_celeba/000002.jpg"
    when = path.stat().st_mtime
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-20] + bytes(20))
    os.utime(path, (when, when))
    download.fetch("celeba", origin=origin, to=to)
    assert {name: data for name, (data, _) in tree(to).items()} == good
