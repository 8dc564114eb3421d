import inspect
import io
import os
import tracemalloc
import warnings
import zlib

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from helpers import adversarial, batching, damage, images, metrics, models, plots, tiles, training
from helpers.app import advice, embed, photo, scratches, train, unpaired

few = settings(max_examples=25, deadline=None, derandomize=True)
sides = st.integers(1, 40)
RED, WHITE = (1, 0, 0), (1, 1, 1)


def saved(path, array, mode=None, **options):
    (
        array
        if isinstance(array, Image.Image)
        else Image.fromarray(np.asarray(array, np.uint8), mode)
    ).save(path, **options)
    return images.read(path)


def red_corner(h=8, w=12):
    pixels = np.full((h, w, 3), 128, np.uint8)
    pixels[: h // 2, : w // 2] = (255, 0, 0)
    return pixels


# read: what comes out


@pytest.mark.parametrize("suffix", sorted(images.SUFFIXES))
def test_read_gives_rgb_float_in_every_format(tmp_path, suffix):
    got = saved(tmp_path / f"x{suffix}", red_corner(16, 32))
    assert got.shape == (16, 32, 3)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got[3, 3], RED, atol=0.03)
    np.testing.assert_allclose(got[-3, -3], 128 / 255, atol=0.03)


def test_pure_red_is_red(tmp_path):
    got = saved(tmp_path / "red.png", np.full((4, 4, 3), (255, 0, 0)))
    assert (got == RED).all()


# where the top left corner of the stored picture stands once it is upright
UPRIGHT = {
    1: (0, 0),
    2: (0, -1),
    3: (-1, -1),
    4: (-1, 0),
    5: (0, 0),
    6: (0, -1),
    7: (-1, -1),
    8: (-1, 0),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = saved(tmp_path / "x.png", red_corner(8, 12), exif=exif.tobytes())
    assert got.shape == ((8, 12, 3) if orientation < 5 else (12, 8, 3))
    corners = {(r, c): tuple(got[r, c]) for r in (0, -1) for c in (0, -1)}
    assert [at for at, colour in corners.items() if colour == RED] == [UPRIGHT[orientation]]


def test_exif_orientation_of_a_jpeg(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    got = saved(tmp_path / "phone.jpg", red_corner(32, 48), exif=exif.tobytes(), quality=95)
    assert got.shape == (48, 32, 3)
    np.testing.assert_allclose(got[3, -4], RED, atol=0.05)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_picture_with_broken_exif_is_still_a_picture(tmp_path, suffix):
    for k, broken in enumerate([b"Exif\0\0no TIFF", b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"]):
        got = saved(tmp_path / f"{k}{suffix}", red_corner(16, 32), exif=broken)
        assert got.shape == (16, 32, 3)


def test_grey_becomes_three_equal_channels(tmp_path):
    ramp = np.arange(64).reshape(8, 8) * 4
    got = saved(tmp_path / "grey.png", ramp)
    np.testing.assert_allclose(got, np.repeat(ramp[..., None] / 255, 3, axis=-1), atol=1e-6)


def test_one_bit_is_black_and_white(tmp_path):
    bits = np.indices((6, 9)).sum(0) % 2
    got = saved(tmp_path / "bits.png", Image.fromarray((bits * 255).astype(np.uint8)).convert("1"))
    np.testing.assert_array_equal(got, np.repeat(bits[..., None], 3, axis=-1))


def test_palette(tmp_path):
    image = Image.fromarray(red_corner()).quantize(4)
    np.testing.assert_allclose(saved(tmp_path / "x.png", image), red_corner() / 255, atol=1 / 255)


def test_transparent_palette_entry_is_laid_on_white(tmp_path):
    image = Image.new("P", (4, 4), 1)
    image.putpalette([0, 0, 0, 255, 0, 0])
    image.putpixel((0, 0), 0)
    got = saved(tmp_path / "x.png", image, transparency=0)
    assert (got[0, 0] == WHITE).all()
    assert (got[1, 1] == RED).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_laid_on_white(tmp_path, mode):
    opaque = (0,) * (len(mode) - 1)
    image = Image.new(mode, (3, 1), (*opaque, 255))
    image.putpixel((1, 0), (*opaque, 0))
    image.putpixel((2, 0), (*opaque, 51))
    got = saved(tmp_path / "x.png", image)
    np.testing.assert_allclose(got[0], [(0, 0, 0), WHITE, (0.8, 0.8, 0.8)], atol=1e-6)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(tmp_path, suffix):
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow ink make red
    np.testing.assert_allclose(saved(tmp_path / f"x{suffix}", image)[8, 8], RED, atol=0.02)


def test_16_bit_grey_keeps_its_depth_and_colours_keep_their_high_bytes(tmp_path):
    drawn = np.random.default_rng(0).integers(0, 65536, (5, 7, 4)).astype(np.uint16)
    drawn[..., 3] = 65535
    for suffix in (".png", ".tif"):
        for shown, atol in ((drawn[..., 0], 1e-6), (drawn[..., :3], 1 / 255), (drawn, 1 / 255)):
            assert cv2.imwrite(str(tmp_path / f"x{suffix}"), shown)
            expected = np.stack([shown] * 3, -1) if shown.ndim == 2 else shown[..., 2::-1]
            np.testing.assert_allclose(
                images.read(tmp_path / f"x{suffix}"), expected / 65535, atol=atol
            )


def test_animation_gives_its_first_frame(tmp_path):
    frames = [
        Image.new("RGB", (6, 4), colour) for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    ]
    got = saved(tmp_path / "x.gif", frames[0], save_all=True, append_images=frames[1:])
    assert got.shape == (4, 6, 3)
    assert (got == RED).all()


def test_one_pixel(tmp_path):
    assert saved(tmp_path / "x.png", [[[255, 0, 0]]]).tolist() == [[[1, 0, 0]]]


def test_content_counts_not_suffix(tmp_path):
    got = saved(tmp_path / "really_a_png.jpg", red_corner(), format="PNG")
    np.testing.assert_array_equal(got, red_corner() / np.float32(255))


def test_a_large_phone_picture_is_read_without_a_warning(tmp_path, picture, monkeypatch):
    images.write(tmp_path / "phone.png", picture)
    monkeypatch.setattr(
        Image, "MAX_IMAGE_PIXELS", 2000
    )  # Pillow warns above this, and refuses above twice this
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert images.read(tmp_path / "phone.png").shape == picture.shape


# read: what is refused


def refused(path, *words):
    """Reading `path` fails in one line that names the file, holds `words`, and says what to do."""
    with pytest.raises((ValueError, OSError)) as caught:
        images.read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    for word in words:
        assert word in message
    assert "Errno" not in message  # the system's words do not say what to do


def jpeg_and_png(pixels):
    for kind in ("JPEG", "PNG"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        yield kind, file.getvalue()


def test_text_is_refused(tmp_path):
    (tmp_path / "x.jpg").write_text("<html>404 Not Found</html>")
    refused(tmp_path / "x.jpg", "not a picture", "save it as PNG")


def test_a_large_blank_drawing_is_read(tmp_path):
    assert (saved(tmp_path / "x.png", Image.new("L", (4200, 4200), 255)) == 1).all()


def test_a_small_file_that_claims_a_giant_picture_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "x.gif"
    Image.new("P", (64, 48)).save(path)
    data = bytearray(path.read_bytes())
    data[6:10] = (13_000).to_bytes(
        2, "little"
    ) * 2  # below Pillow's own limit, 4.6 GB and 14 s when it was read
    path.write_bytes(data)
    tracemalloc.start()
    refused(path, "too many pixels (13000×13000 in ", "smaller")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "x.png").touch()
    refused(tmp_path / "x.png", ";")


@pytest.mark.parametrize("part", [0.02, 0.3, 0.9])
def test_truncated_files_are_refused(tmp_path, speckle, part):
    for kind, whole in jpeg_and_png(images.to_uint8(speckle)):
        path = tmp_path / f"x.{kind}"
        path.write_bytes(whole[: int(len(whole) * part)])
        refused(path, ";")


def test_broken_headers_are_refused_by_name(tmp_path, png_bytes):
    good = png_bytes(1, 1, 8, 2, [b"\0\0\0"])
    short = (
        good[:8]
        + (5).to_bytes(4)
        + good[12:16]
        + good[16:21]
        + zlib.crc32(good[12:21]).to_bytes(4)
        + good[33:]
    )
    long_text = png_bytes(
        1, 1, 8, 2, [b"\0\0\0"], (b"zTXt", b"k\0\0" + zlib.compress(bytes(2_000_000)))
    )
    for k, content in enumerate([short, long_text]):
        (tmp_path / f"{k}.png").write_bytes(content)
        refused(tmp_path / f"{k}.png", ";")


@given(st.integers(0, 1), st.data())
@few
def test_damaged_bytes_give_a_picture_or_a_clear_error(tmp_path_factory, which, draw):
    _, whole = list(jpeg_and_png(red_corner(24, 24)))[which]
    damaged = bytearray(whole)
    for _ in range(3):
        damaged[draw.draw(st.integers(0, len(whole) - 1))] = draw.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "x.png"
    path.write_bytes(damaged)
    try:
        assert images.read(path).shape[-1] == 3
    except (ValueError, OSError) as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)


def test_decompression_bomb_is_refused_unopened(bomb):
    refused(bomb, "too many pixels", "make it smaller")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("float32", "float"), ("int16", "signed"), ("int32", "signed"), ("uint32", "32-bit")],
)
def test_values_of_unknown_range_are_refused(kind, words, tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.ones((4, 4), kind), photometric="minisblack")
    refused(tmp_path / "x.tif", f"holds {words} values; save it with 8 or 16 bits")


def test_directory_is_refused(tmp_path):
    refused(tmp_path, "folder")


def test_missing_file_is_refused(tmp_path):
    refused(tmp_path / "nowhere.png", "no file")
    with pytest.raises(FileNotFoundError):
        images.read(tmp_path / "nowhere.png")


def test_unreadable_file_is_refused(tmp_path, picture, as_nobody):
    images.write(tmp_path / "secret.png", picture).chmod(0)
    with pytest.raises(OSError, match=r"secret\.png"):
        as_nobody(images.read, "secret.png")


# write


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".tiff"])
def test_round_trip_is_within_half_a_step(tmp_path, picture, suffix):
    path = images.write(tmp_path / "new" / f"x{suffix}", picture)
    assert path == tmp_path / "new" / f"x{suffix}"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    np.testing.assert_allclose(images.read(path), picture, atol=0.5 / 255 + 1e-6)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp"])
def test_lossy_round_trip_is_close(tmp_path, picture, suffix):
    got = images.read(images.write(tmp_path / f"x{suffix}", picture))
    np.testing.assert_allclose(got, picture, atol=0.1)
    assert np.abs(got - picture).mean() < 0.01


def test_what_overshoots_is_clipped_not_wrapped(tmp_path):
    picture = np.full((2, 2, 3), [-0.2, 0.5, 1.2], np.float32)
    np.testing.assert_allclose(
        images.read(images.write(tmp_path / "x.png", picture))[0, 0], [0, 0.5, 1], atol=0.003
    )


@pytest.mark.parametrize("name", ["x.xyz", "x", "x.pdf"])
def test_unknown_suffix_is_refused(tmp_path, picture, name):
    with pytest.raises(ValueError, match=r"suffix .*\.png"):
        images.write(tmp_path / name, picture)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 1), (4, 4, 4), (0, 4, 3), (1, 4, 4, 3)])
def test_wrong_shape_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match="height, width, 3"):
        images.write(tmp_path / "x.png", np.zeros(shape, np.float32))
    assert not list(tmp_path.iterdir())


def test_uint8_is_refused(tmp_path):
    with pytest.raises(ValueError, match="uint8"):
        images.write(tmp_path / "x.png", np.zeros((4, 4, 3), np.uint8))


def test_no_permission_leaves_nothing(tmp_path, picture, as_nobody):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    with pytest.raises(PermissionError, match=r"cannot write locked/x\.png.*another folder"):
        as_nobody(images.write, "locked/x.png", picture)
    assert not list(locked.iterdir())


def test_a_closed_folder_is_named(tmp_path, picture, as_nobody):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(PermissionError, match=r"cannot write closed/x\.png.*another folder"):
        as_nobody(images.write, "closed/x.png", picture)


def test_a_file_in_place_of_the_folder_is_named(tmp_path, picture):
    (tmp_path / "file").write_text("here first")
    with pytest.raises(OSError, match=r"cannot write .*x\.png.*another folder"):
        images.write(tmp_path / "file" / "x.png", picture)
    assert (tmp_path / "file").read_text() == "here first"


@pytest.mark.parametrize("suffix", sorted(images.SUFFIXES))
def test_full_disk_keeps_the_old_file_and_leaves_nothing(
    tmp_path, picture, speckle, on_full_disk, suffix
):
    path = images.write(tmp_path / f"x{suffix}", picture)
    old = path.read_bytes()
    with pytest.raises(OSError, match=rf"cannot write x\{suffix}.*free space"):
        on_full_disk(images.write, path.name, speckle)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == [path.name]  # noqa: PTH208


# find


def test_find_sorts_and_leaves_out_what_is_no_picture(tmp_path, picture):
    for name in ("b.PNG", "a.jpg", "deeper/c.webp", ".hidden.png"):
        images.write(tmp_path / name, picture)
    (tmp_path / "notes.txt").touch()
    assert [p.relative_to(tmp_path).as_posix() for p in images.find(tmp_path)] == [
        "a.jpg",
        "b.PNG",
        "deeper/c.webp",
    ]


def test_find_names_a_missing_and_an_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        images.find(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no pictures .*put some there.*\.png"):
        images.find(tmp_path)


# crop, reduce, enlarge


@given(sides, sides)
@few
def test_square_crop_is_square_centred_and_a_view(h, w):
    picture = np.random.default_rng(h * 100 + w).random((h, w, 3), np.float32)
    square = images.square_crop(picture)
    side = min(h, w)
    assert square.shape == (side, side, 3)
    assert np.shares_memory(square, picture)
    top, left = (h - side) // 2, (w - side) // 2
    assert abs(h - side - 2 * top) <= 1
    assert abs(w - side - 2 * left) <= 1
    np.testing.assert_array_equal(square, picture[top : top + side, left : left + side])


@given(sides, sides, st.integers(1, 8))
@few
def test_crop_to_multiple_divides_and_cuts_no_more_than_it_must(h, w, scale):
    picture = np.random.default_rng(0).random((h, w, 3), np.float32)
    cut = images.crop_to_multiple(picture, scale)
    assert cut.shape[0] % scale == cut.shape[1] % scale == 0
    assert 0 <= h - cut.shape[0] < scale
    assert 0 <= w - cut.shape[1] < scale
    np.testing.assert_array_equal(cut, picture[: cut.shape[0], : cut.shape[1]])


@pytest.mark.parametrize("how", ["bicubic", "area", "pyramid"])
@given(h=st.integers(1, 12), w=st.integers(1, 12), scale=st.integers(2, 5), seed=st.integers(0, 99))
@few
def test_reduce_keeps_range_constants_and_colour(how, h, w, scale, seed):
    random = np.random.default_rng(seed)
    noise = images.reduce(random.random((h * scale, w * scale, 3), np.float32).round(), scale, how)
    assert noise.shape == (h, w, 3)
    assert noise.dtype == np.float32
    assert noise.min() >= 0
    assert noise.max() <= 1
    flat = np.full((h * scale, w * scale, 3), [0.2, 0.5, 0.9], np.float32)
    np.testing.assert_allclose(images.reduce(flat, scale, how), flat[:h, :w], atol=1e-3)


@pytest.mark.parametrize("scale", [2, 4, 6])
def test_blocks_are_opencvs_linear_reduction_repeated(scale, picture):
    picture = images.crop_to_multiple(picture, scale)
    h, w = picture.shape[:2]
    small = cv2.resize(picture, (w // scale, h // scale), interpolation=cv2.INTER_LINEAR)
    expected = small.repeat(scale, axis=0).repeat(scale, axis=1)
    np.testing.assert_allclose(damage.blocks(picture, scale), expected, atol=1e-6)


def test_blocks_need_sides_that_divide(picture):
    for scale in (3, 5, 128):
        with pytest.raises(ValueError, match=f"no blocks of {scale}"):
            damage.blocks(picture, scale)


# damage


SPREADS = [damage.Damage("blur", 0.3), damage.Damage("blur", 3), damage.Damage("motion", 1, 30)]
SPREADS += [damage.Damage("motion", 15, 77), damage.Damage("mosaic", 1), damage.Damage("mosaic", 6)]


@pytest.mark.parametrize("how", SPREADS, ids=str)
def test_kernels_are_centred_and_keep_the_light(how):
    kernel = damage.kernel(how)
    n = kernel.shape[0]
    assert kernel.shape == (n, n) and n % 2 == 1 and kernel.dtype == np.float32
    assert kernel.min() >= 0 and abs(kernel.sum() - 1) < 1e-5
    np.testing.assert_allclose(kernel, kernel[::-1, ::-1], atol=0.01)  # a shift would be seen


@given(length=st.floats(3, 15), angle=st.floats(0, 180))
@few
def test_motion_goes_as_far_as_asked_and_in_the_direction_asked(length, angle):
    kernel = damage.kernel(damage.Damage("motion", length, angle))
    down, right = np.indices(kernel.shape) - kernel.shape[0] // 2
    spread = [
        [(kernel * a * b).sum() for b in (right, -down)] for a in (right, -down)
    ]  # x to the right, y upwards
    widths, axes = np.linalg.eigh(spread)
    assert widths[1] == pytest.approx(
        length**2 / 12, rel=0.15, abs=0.4
    )  # the variance of a line of that length
    assert widths[0] < 0.3
    found = np.degrees(np.arctan2(axes[1, 1], axes[0, 1]))
    assert abs((found - angle + 90) % 180 - 90) < 4


def test_blur_is_gaussian_and_a_moved_point_a_line():
    point = np.zeros((21, 21, 3), np.float32)
    point[10, 10] = 1
    np.testing.assert_allclose(damage.blur(point, 1.5)[..., 0].sum(), 1, atol=1e-4)
    expected = cv2.GaussianBlur(point, (11, 11), 1.5)
    np.testing.assert_allclose(damage.blur(point, 1.5), expected, atol=1e-4)
    line = damage.motion(point, 7, 0)[..., 0]
    np.testing.assert_allclose(line[10, 7:14], 1 / 7, atol=1e-5)
    assert line.sum() == pytest.approx(1, abs=1e-4) and np.count_nonzero(line > 1e-5) == 7


@given(h=sides, w=sides, seed=st.integers(0, 500))
@few
def test_damage_keeps_shape_range_type_and_constants(h, w, seed):
    random = np.random.default_rng(seed)
    for dtype in (np.float32, np.float64):
        noise = random.random((h, w, 3)).round().astype(dtype)
        before = noise.copy()
        got = damage.random_damage(noise, seed)
        assert got.shape == noise.shape and got.dtype == dtype
        assert got.min() >= 0 and got.max() <= 1
        np.testing.assert_array_equal(noise, before)
    flat = np.full((h, w, 3), [0.2, 0.5, 0.9], np.float32)
    np.testing.assert_allclose(damage.random_damage(flat, seed), flat, atol=1e-5)


@given(h=sides, w=sides, block=st.integers(1, 9))
@few
def test_mosaic_blocks_show_their_mean(h, w, block):
    picture = np.random.default_rng(0).random((h, w, 3), np.float32)
    got = damage.mosaic(picture, block)
    for y in range(0, h, block):
        for x in range(0, w, block):
            shown = got[y : y + block, x : x + block]
            assert (shown == shown[0, 0]).all()
            whole = picture[y : y + block, x : x + block]
            if whole.shape[:2] == (block, block):
                np.testing.assert_allclose(shown[0, 0], whole.mean((0, 1)), atol=1e-5)


def test_only_the_box_becomes_a_mosaic(picture):
    box = images.Box(5, 9, 20, 30)
    got = damage.mosaic(picture, 6, box)
    inside = np.s_[5:25, 9:39]
    np.testing.assert_array_equal(got[inside], damage.mosaic(picture[inside], 6))
    outside = np.ones(picture.shape[:2], bool)
    outside[inside] = False
    np.testing.assert_array_equal(got[outside], picture[outside])
    assert not np.array_equal(got, picture)


def test_damage_is_drawn_by_thirds_within_its_bounds():
    drawn = [damage.draw((3, k)) for k in range(600)]
    kinds = [how.kind for how in drawn]
    assert all(160 < kinds.count(kind) < 240 for kind in ("blur", "motion", "mosaic"))
    sizes = {kind: [how.size for how in drawn if how.kind == kind] for kind in kinds}
    assert 1 <= min(sizes["blur"]) < 1.1 and 2.9 < max(sizes["blur"]) <= 3
    assert 5 <= min(sizes["motion"]) < 5.5 and 14.5 < max(sizes["motion"]) <= 15
    assert {*sizes["mosaic"]} == {3, 4, 5, 6}
    angles = [how.angle for how in drawn if how.kind == "motion"]
    assert 0 <= min(angles) < 5 and 175 < max(angles) < 180


def test_a_name_draws_the_same_damage_everywhere(picture):
    assert damage.draw("182674") == damage.draw("182674") == damage.draw(zlib.crc32(b"182674"))
    assert damage.draw("182683") == damage.Damage("mosaic", 4)
    np.testing.assert_array_equal(
        damage.random_damage(picture, "182674"), damage.random_damage(picture, "182674")
    )
    assert len({damage.draw(str(k)) for k in range(30)}) > 20


@given(h=sides, w=sides, seed=st.integers(0, 500))
@few
def test_noise_and_jpeg_keep_shape_range_and_type(h, w, seed):
    random = np.random.default_rng(seed)
    for dtype in (np.float32, np.float64):
        picture = random.random((h, w, 3)).astype(dtype)
        before = picture.copy()
        for got in (damage.add_noise(picture, 0.3, seed), damage.jpeg(picture, 20)):
            assert got.shape == picture.shape and got.dtype == dtype
            assert got.min() >= 0 and got.max() <= 1
        np.testing.assert_array_equal(picture, before)


def test_noise_has_its_deviation_and_its_seed():
    grey = np.full((96, 128, 3), 0.5, np.float32)
    grain = damage.add_noise(grey, 0.05, "a name") - grey
    assert abs(grain.mean()) < 0.002 and grain.std() == pytest.approx(0.05, rel=0.02)
    assert abs(np.corrcoef(grain.reshape(-1, 3).T)[0, 1]) < 0.05  # each channel its own
    np.testing.assert_array_equal(damage.add_noise(grey, 0.05, "a name"), grey + grain)
    assert not np.array_equal(damage.add_noise(grey, 0.05, "another"), grey + grain)
    np.testing.assert_array_equal(
        damage.add_noise(grey, 0.05, [3, 4]), damage.add_noise(grey, 0.05, (3, 4))
    )


def test_jpeg_is_the_file_s(tmp_path, picture):
    Image.fromarray(images.to_uint8(picture)).save(tmp_path / "x.jpg", quality=40)
    np.testing.assert_array_equal(damage.jpeg(picture, 40), images.read(tmp_path / "x.jpg"))
    errors = [np.abs(damage.jpeg(picture, quality) - picture).mean() for quality in (10, 40, 95)]
    assert errors[0] > errors[1] > errors[2]


def test_noisy_is_reduced_then_grained_then_compressed(picture):
    expected = damage.jpeg(
        damage.add_noise(images.reduce(picture, 2, "bicubic"), 8 / 255, "cat"), 40
    )
    np.testing.assert_array_equal(damage.small_noisy_jpeg(picture, "cat"), expected)
    assert expected.shape == (24, 32, 3)
    for other in (
        damage.jpeg(images.reduce(picture, 2), 40),
        damage.small_noisy_jpeg(picture, "dog"),
    ):
        assert np.abs(other - expected).max() > 2 / 255
    with pytest.raises(ValueError, match="47×64 picture does not divide by 2"):
        damage.small_noisy_jpeg(picture[1:], "cat")


def test_night_is_dark_blue_and_lit_where_a_small_spot_is_bright():
    grey, sky = (np.full((41, 41, 3), value, np.float32) for value in (0.3, 0.95))
    spot = grey.copy()
    spot[18:23, 18:23] = 0.95
    dark, above, lamp = (damage.night(p)[20, 20] for p in (grey, sky, spot))
    assert dark.max() < 0.1 and dark[2] > dark[0]
    assert above[2] > above[1] > above[0] and above.max() < 0.5  # bright, but no spot: no lamp
    assert lamp[0] > lamp[1] > lamp[2] and lamp[0] > 0.7
    half = damage.night(np.float32([[[0.6, 0.2, 0.2]]]))[0, 0] / np.float32([0.22, 0.3, 0.5])
    np.testing.assert_allclose(half, (0.5 * 0.3196 + 0.5 * np.float32([0.6, 0.2, 0.2])) ** 2, 1e-4)


def test_degrade_reduces_or_damages(picture):
    for how in ("bicubic", "area", "pyramid"):
        np.testing.assert_array_equal(
            damage.degrade(picture, 4, how, "cat"), images.reduce(picture, 4, how)
        )
    np.testing.assert_array_equal(
        damage.degrade(picture, 1, "random_damage", "cat"), damage.random_damage(picture, "cat")
    )
    np.testing.assert_array_equal(
        damage.degrade(picture, 2, "small_noisy_jpeg", "cat"),
        damage.small_noisy_jpeg(picture, "cat"),
    )
    for scale, how, own in (
        (2, "random_damage", 1),
        (4, "small_noisy_jpeg", 2),
        (1, "small_noisy_jpeg", 2),
    ):
        with pytest.raises(ValueError, match=f"is a damage of ×{own}, not of ×{scale}"):
            damage.degrade(picture, scale, how, "cat")


@pytest.mark.parametrize(
    "kind, size", [("blur", 0), ("blur", -1), ("motion", 0.5), ("mosaic", 2.5), ("fog", 3)]
)
def test_what_is_no_damage_is_refused(kind, size):
    with pytest.raises(ValueError, match=f"no {kind} of {size} pixels; there are"):
        damage.kernel(damage.Damage(kind, size))


@pytest.mark.parametrize("block", [0, -2, 2.5])
def test_a_mosaic_wants_whole_blocks(picture, block):
    with pytest.raises(ValueError, match="a mosaic of blocks of"):
        damage.mosaic(picture, block)


@pytest.mark.parametrize("how", ["bicubic", "area", "pyramid"])
def test_reduce_stays_in_place(how, picture):
    """A ramp reduced is the ramp at the blocks' centres: a shift by one pixel would be seen."""
    ramp = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None, :, None], 48, axis=0).repeat(
        3, axis=-1
    )
    centres = ramp.reshape(48, 16, 4, 3).mean(2)[:12]
    np.testing.assert_allclose(images.reduce(ramp, 4, how)[:, 3:-3], centres[:, 3:-3], atol=1e-3)


def test_area_is_the_mean_of_each_block(picture):
    blocks = picture.reshape(12, 4, 16, 4, 3).mean((1, 3))
    np.testing.assert_allclose(images.reduce(picture, 4, "area"), blocks, atol=1e-6)


@pytest.mark.parametrize("how", ["bicubic", "area", "pyramid"])
def test_reduce_blurs_before_it_subsamples(how):
    stripes = np.zeros((64, 64, 3), np.float32)
    stripes[:, ::2] = 1
    assert np.ptp(images.reduce(stripes, 4, how)[4:-4, 4:-4]) < 0.1


@pytest.mark.parametrize("shape", [(9, 8), (8, 9), (2, 8)])
def test_reduce_refuses_what_does_not_divide(shape):
    with pytest.raises(ValueError, match="crop_to_multiple"):
        images.reduce(np.zeros((*shape, 3), np.float32), 4)


def test_reduce_refuses_an_unknown_way(picture):
    with pytest.raises(ValueError, match=r"cubist.*bicubic"):
        images.reduce(picture, 4, "cubist")


@pytest.mark.parametrize("how", ["nearest", "bilinear", "bicubic"])
@given(h=st.integers(1, 12), w=st.integers(1, 12), scale=st.integers(1, 5))
@few
def test_enlarge_gives_the_exact_shape_and_keeps_constants(how, h, w, scale):
    flat = np.full((h, w, 3), [0.2, 0.5, 0.9], np.float32)
    large = images.enlarge(flat, scale, how)
    assert large.dtype == np.float32
    np.testing.assert_allclose(
        large, np.full((h * scale, w * scale, 3), [0.2, 0.5, 0.9]), atol=1e-5
    )


def test_nearest_repeats_pixels(picture):
    np.testing.assert_array_equal(
        images.enlarge(picture, 3, "nearest"), picture.repeat(3, 0).repeat(3, 1)
    )


# faces


@pytest.fixture(scope="module")
def astronaut():
    return images.to_float(data.astronaut())


def test_the_astronauts_face_is_found(astronaut):
    [box] = images.faces(astronaut)
    assert abs(box.top + box.height / 2 - 110) < 40
    assert abs(box.left + box.width / 2 - 220) < 40
    assert 60 < box.height < 200


def test_a_face_is_found_at_the_same_place_in_a_larger_picture(astronaut):
    [small] = images.faces(astronaut)
    [large] = images.faces(images.enlarge(astronaut, 2, "nearest"))
    np.testing.assert_allclose(np.array(large) / 2, small, atol=10)


@pytest.mark.parametrize("shape", [(200, 200, 3), (1, 1, 3), (10, 2000, 3)])
def test_no_face_in_grey(shape):
    assert images.faces(np.full(shape, 0.5, np.float32)) == []


@given(h=sides, w=sides, margin=st.floats(0, 3), box=st.tuples(sides, sides, sides, sides))
@few
def test_crop_box_is_square_and_inside(h, w, margin, box):
    picture = np.zeros((h, w, 3), np.float32)
    box = images.Box(min(box[0], h) - 1, min(box[1], w) - 1, box[2], box[3])
    square = images.crop_box(picture, box, margin)
    assert square.shape == (square.shape[0],) * 2 + (3,)
    assert square.shape[0] == min(h, w, round(max(box[2:]) * (1 + 2 * margin)))
    assert np.shares_memory(square, picture)


def test_crop_box_holds_its_box():
    picture = np.zeros((100, 100, 3), np.float32)
    picture[40:50, 60:70] = 1
    square = images.crop_box(picture, images.Box(40, 60, 10, 10), margin=0.5)
    assert square.shape == (20, 20, 3)
    assert (square[5:15, 5:15] == 1).all()


def test_a_camera_harms_in_many_ways_and_sometimes_not_at_all():
    """One picture of twelve stays as it is; the same seed draws the same damage."""
    picture = images.to_float(data.astronaut()[100:196, 180:276])
    results = [damage.camera(picture, [seed, 7]) for seed in range(240)]
    for result in results:
        assert result.shape == picture.shape
        assert result.dtype == np.float32
        np.testing.assert_array_equal(result, images.rounded(result))
    np.testing.assert_array_equal(results[5], damage.camera(picture, [5, 7]))
    scores = np.array([metrics.psnr(picture, result) for result in results])
    assert 8 <= np.isinf(scores).sum() <= 36  # 20 are expected
    finite = scores[np.isfinite(scores)]
    assert finite.min() < 27
    assert finite.max() > 40


# What is no picture, for each function that takes one

BOX = images.Box(2, 2, 8, 8)
ESPCN = models.espcn(2)
CARD = {"damage": None, "task": "enlarge"}
# Functions that need floats in [0, 1] of one picture
STRICT = {
    "images.write": lambda x: images.write("x.png", x),
    "images.check": images.check,
    "images.reduce": lambda x: images.reduce(x, 4),
    "images.enlarge": lambda x: images.enlarge(x, 2),
    "images.resize": lambda x: images.resize(x, (8, 8), "area"),
    "images.faces": images.faces,
    "damage.blocks": damage.blocks,
    "damage.convolve": lambda x: damage.convolve(x, np.ones((1, 1), np.float32)),
    "damage.blur": lambda x: damage.blur(x, 1),
    "damage.motion": lambda x: damage.motion(x, 5, 0),
    "damage.mosaic": lambda x: damage.mosaic(x, 4, BOX),
    "damage.random_damage": lambda x: damage.random_damage(x, 0),
    "damage.add_noise": lambda x: damage.add_noise(x, 0.1, 0),
    "damage.jpeg": lambda x: damage.jpeg(x, 50),
    "damage.small_noisy_jpeg": lambda x: damage.small_noisy_jpeg(x, 0),
    "damage.camera": lambda x: damage.camera(x, 0),
    "damage.night": damage.night,
    "damage.degrade": lambda x: damage.degrade(x, 4, "area", 0),
    "tiles.apply": lambda x: tiles.apply(ESPCN, x),
    "embed.slider": lambda x: embed.slider(x, x, "alt"),
    "photo.faces": photo.faces,
    "photo.portrait": lambda x: photo.portrait(ESPCN, x),
    "advice.suggest": advice.suggest,
    "advice.diagnose": advice.diagnose,
    "advice.scene": advice.scene,
    "advice.misfit": lambda x: advice.misfit(x, "espcn_photos_x4", CARD),
    "photo.draw": lambda x: photo.draw(ESPCN, x),
    "scratches.fill": lambda x: scratches.fill(x, np.zeros(x.shape[:2], bool)),
    "train.zero_shot": lambda x: train.zero_shot(x, steps=1),
}
# These take bytes, too
MEASURING = {
    "metrics.luma": metrics.luma,
    "metrics.psnr": lambda x: metrics.psnr(x, x),
    "metrics.ssim": lambda x: metrics.ssim(x, x),
    "metrics.mse": lambda x: metrics.mse(x, x),
    "metrics.Table": lambda x: metrics.Table({"a": (x, x)}).add("same", lambda lr: lr),
}
# These take floats in [0, 1] of more shapes, such as masks and grey pictures
ANY_SHAPE = {
    "images.to_uint8": images.to_uint8,
    "images.rounded": images.rounded,
    "images.check_values": images.check_values,
    "embed.jpeg_uri": embed.jpeg_uri,
}
# These draw amplified differences, too
DRAWING = {
    "plots.sheet": lambda x: plots.sheet({"a": x}, "title"),
    "plots.compare": lambda x: plots.compare({"a": x}, "title"),
}
# These only cut, so that the values do not count
CUTTING = {
    "images.square_crop": images.square_crop,
    "images.crop_to_multiple": lambda x: images.crop_to_multiple(x, 4),
    "images.crop_box": lambda x: images.crop_box(x, BOX),
}
# These take bytes alone
OF_BYTES = {
    "images.to_float": images.to_float,
    "batching.batches": lambda x: batching.batches(x[None], x[None], 1),
    "adversarial.unpaired_batches": lambda x: adversarial.unpaired_batches([x[None]] * 2, 16),
    "unpaired.Scenes": lambda x: unpaired.Scenes(x[None], x[None]),
    "training.LiveCurve": lambda x: training.LiveCurve(x[None], x[None], 30),
}
NAMES = {"picture", "pictures", "hr", "lr", "truth", "before", "a"}  # of parameters
NOT_PICTURES = {  # paths, and tensors inside a network
    "batching.prepare",
    "train.split",
    "train.train",
    "adversarial.absolute_loss",
    "adversarial.pixel_loss",
    "adversarial.feature_loss",
}
INNER = {"tiles.pieces"}  # called with what was checked before


def good(h=48, w=48):
    return images.to_float(data.chelsea()[:h, :w])


VALUES = {
    "0 to 255": lambda: good() * 255,
    "NaN": lambda: np.where(np.arange(48)[:, None, None] == 7, np.nan, good()).astype(np.float32),
    "infinite": lambda: np.where(good() > 0.5, np.inf, good()).astype(np.float32),
    "-1 to 1": lambda: good() * 2 - 1.2,
    "int64": lambda: (good() * 255).astype(np.int64),
    "uint16": lambda: (good() * 65535).astype(np.uint16),
    "bool": lambda: good() > 0.5,
}
SHAPES = {
    "grey": lambda: good()[..., 0],
    "alpha": lambda: np.concatenate([good(), good()[..., :1]], axis=-1),
    "batch": lambda: good()[None],
    "channels first": lambda: np.moveaxis(good(), -1, 0),
    "empty": lambda: good()[:0],
}


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("name", [*STRICT, *MEASURING, *ANY_SHAPE])
def test_values_outside_0_to_1_are_refused(name, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"expected floats in \[0, 1\], got \w+ from"):
        (STRICT | MEASURING | ANY_SHAPE)[name](VALUES[kind]())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", [kind for kind in VALUES if kind != "-1 to 1"])
@pytest.mark.parametrize("name", DRAWING)
def test_what_is_drawn_may_be_amplified_and_no_more(name, kind):
    with pytest.raises(ValueError, match=r"expected floats in \[0, 1\], got \w+ from"):
        DRAWING[name](VALUES[kind]())
    DRAWING[name](0.5 + 8 * (good() - good().mean()))
    plt.close("all")


@pytest.mark.parametrize("name", [*STRICT, *ANY_SHAPE, *DRAWING])
def test_bytes_are_refused_where_floats_are_worked_on(name):
    with pytest.raises(ValueError, match=r"got uint8 from 0 to \d+; images\.to_float turns"):
        (STRICT | ANY_SHAPE | DRAWING)[name](data.chelsea()[:48, :48])


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("name", [*STRICT, *MEASURING, *CUTTING])
def test_other_shapes_are_refused(name, kind):
    with pytest.raises(ValueError, match=r"expected one picture, \(height, width, 3\), got"):
        (STRICT | MEASURING | CUTTING)[name](SHAPES[kind]())


@pytest.mark.parametrize("kind", [*VALUES, "floats"])
@pytest.mark.parametrize("name", OF_BYTES)
def test_only_bytes_are_turned_into_floats(name, kind):
    """images.to_float(images.to_float(x)) gave 0.0039 for white."""
    with pytest.raises(ValueError, match=r"expected .*uint8.*, got"):
        OF_BYTES[name](VALUES.get(kind, good)())


@pytest.mark.parametrize("name", [*list(STRICT)[:-1], *MEASURING, *ANY_SHAPE])  # no training
def test_a_network_s_slight_overshoot_passes(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture = good()
    picture = 1.8 * (picture - picture.min()) / np.ptp(picture) - 0.4
    if name == "photo.portrait":
        with pytest.raises(ValueError, match="no face"):
            STRICT[name](picture)
    else:
        (STRICT | MEASURING | ANY_SHAPE)[name](picture)


def test_every_function_that_takes_a_picture_is_tested_here():
    tested = {*STRICT, *MEASURING, *ANY_SHAPE, *DRAWING, *CUTTING, *OF_BYTES}
    modules = [adversarial, batching, damage, images, metrics, models, plots, tiles, training]
    taking = set()
    for module in [*modules, advice, embed, photo, scratches, train, unpaired]:
        for name, thing in vars(module).items():
            own = getattr(thing, "__module__", "") == module.__name__
            if not own or not callable(thing) or name.startswith("_"):
                continue
            if NAMES & set(inspect.signature(thing).parameters):
                taking.add(f"{module.__name__.split('.')[-1]}.{name}")
    assert taking - NOT_PICTURES - INNER <= tested
