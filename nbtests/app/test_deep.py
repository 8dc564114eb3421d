"""Pictures of 16 bits a colour, in every layout."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from helpers.app import deep

RED = (1, 0, 0)
WHITE = (1, 1, 1)
DEEP = 12345  # its high byte twice, which 8 bits would give, is 12336: off by 1.4e-4


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3), (5, 7, 4)], ids=["grey", "colour", "alpha"])
def test_16_bits_keep_their_depth(tmp_path, suffix, shape):
    pixels = np.full(shape, DEEP, np.uint16)
    if shape[-1] == 4:
        pixels[..., 3] = 65535
    path = tmp_path / f"deep{suffix}"
    assert cv2.imwrite(str(path), pixels)
    got = deep.read(path)
    assert got.shape == (5, 7, 3)
    np.testing.assert_allclose(got, DEEP / 65535, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 12), (1600, 3), (5, 160)])
def test_a_picture_of_16_pixels_has_not_16_bits(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "x.png")
    with Image.open(tmp_path / "x.png") as file:
        assert not deep.has_16_bits(file)


@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize(
    "layout", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"byteorder": ">"}], ids=str
)
@pytest.mark.parametrize("alpha", [None, "unassalpha", "assocalpha"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_16_bit_tiff_in_every_layout(tmp_path, planes, layout, alpha, orientation):
    """Against the values that drew it, and to 8 bits against Pillow."""
    drawn = (
        np.random.default_rng(0).integers(0, 65536, (37, 53, 4 if alpha else 3)).astype(np.uint16)
    )
    if alpha == "assocalpha":  # the colours are multiplied by alpha, so never above it
        drawn[..., :3] = np.minimum(drawn[..., :3], drawn[..., 3:])
    stored = np.ascontiguousarray(np.moveaxis(drawn, -1, 0)) if planes == "separate" else drawn
    path, extra = tmp_path / "x.tif", {"extrasamples": [alpha]} if alpha else {}
    tags = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(
        path, stored, photometric="rgb", planarconfig=planes, extratags=tags, **layout, **extra
    )
    values = drawn / 65535
    if alpha == "unassalpha":
        values[..., :3] *= values[..., 3:]
    on_white = values[..., :3] + 1 - values[..., 3:] if alpha else values
    if orientation == 6:
        on_white = np.rot90(on_white, -1)
    got = deep.read(path)
    np.testing.assert_allclose(got, on_white, atol=2e-5)
    if planes == "contig" and not alpha:
        by_pillow = np.asarray(Image.open(path)) / 255
        np.testing.assert_allclose(got, by_pillow, atol=1.1 / 255)


@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack"])
def test_16_bit_grey_is_black_where_the_file_says_so(tmp_path, photometric):
    drawn = np.arange(0, 65536, 1111, dtype=np.uint16).reshape(1, -1)
    tifffile.imwrite(tmp_path / "x.tif", drawn, photometric=photometric)
    black_is_zero = 65535 - drawn if photometric == "miniswhite" else drawn
    np.testing.assert_allclose(
        deep.read(tmp_path / "x.tif")[..., 0], black_is_zero / 65535, atol=1e-6
    )


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_grey_and_alpha_in_planes_of_their_own(tmp_path, compression, orientation):
    """Pillow and ImageMagick 6 mix them up."""
    drawn = np.random.default_rng(0).integers(0, 256, (2, 37, 53)).astype(np.uint8)
    tifffile.imwrite(
        tmp_path / "x.tif",
        drawn,
        photometric="minisblack",
        planarconfig="separate",
        extrasamples=["unassalpha"],
        compression=compression,
        extratags=[(274, "H", 1, orientation, True)],
    )
    grey, alpha = drawn / 255
    on_white = grey * alpha + 1 - alpha
    if orientation == 6:
        on_white = np.rot90(on_white, -1)
    np.testing.assert_allclose(deep.read(tmp_path / "x.tif")[..., 2], on_white, atol=1e-5)


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_a_fourth_plane_that_is_no_alpha_hides_nothing(tmp_path, planes):
    drawn = np.random.default_rng(0).integers(0, 65536, (37, 53, 4)).astype(np.uint16)
    stored = np.ascontiguousarray(np.moveaxis(drawn, -1, 0)) if planes == "separate" else drawn
    tifffile.imwrite(
        tmp_path / "x.tif",
        stored,
        photometric="rgb",
        planarconfig=planes,
        extrasamples=["unspecified"],
    )
    np.testing.assert_allclose(deep.read(tmp_path / "x.tif"), drawn[..., :3] / 65535, atol=2e-5)


def test_16_bit_planes_packed_as_tifffile_cannot_keep_8_bits(tmp_path):
    """No package of the lock writes LZW in separate planes, so the reader is told it cannot."""
    drawn = np.random.default_rng(0).integers(0, 65536, (3, 37, 53)).astype(np.uint16)
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, drawn, photometric="rgb", planarconfig="separate", compression="zlib")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deep, "_planes", lambda *_: None)
        np.testing.assert_allclose(
            deep.read(path), np.moveaxis(drawn, 0, -1) / 65535, atol=1.1 / 255
        )


@pytest.mark.parametrize("error", [ValueError, ModuleNotFoundError])
def test_what_tifffile_cannot_unpack_is_left_to_pillow(tmp_path, error, monkeypatch):
    drawn = np.random.default_rng(0).integers(0, 65536, (3, 37, 53)).astype(np.uint16)
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, drawn, photometric="rgb", planarconfig="separate", compression="zlib")

    def lacks(*_, **__):
        raise error("No module named 'compression'")

    monkeypatch.setattr(tifffile.TiffPage, "asarray", lacks)
    np.testing.assert_allclose(deep.read(path), np.moveaxis(drawn, 0, -1) / 65535, atol=1.1 / 255)


def test_16_bit_grey_as_netpbm_writes_it(tmp_path):
    values = np.arange(0, 60_000, 1111).astype(">u2")
    (tmp_path / "x.pgm").write_bytes(b"P5 %d 1 60000\n" % len(values) + values.tobytes())
    np.testing.assert_allclose(deep.read(tmp_path / "x.pgm")[0, :, 1], values / 60_000, atol=1e-5)


def test_16_bit_colours_are_not_swapped(tmp_path):
    bgra = np.zeros((2, 2, 4), np.uint16)
    bgra[..., 2:] = 65535  # OpenCV's red, opaque
    bgra[0, 0, 3] = 0
    assert cv2.imwrite(str(tmp_path / "x.png"), bgra)
    got = deep.read(tmp_path / "x.png")
    assert (got[1, 1] == RED).all()
    assert (got[0, 0] == WHITE).all()


def test_16_bit_grey_with_alpha(tmp_path, png_bytes):
    path = tmp_path / "x.png"
    path.write_bytes(
        png_bytes(3, 1, 16, 4, [b"".join(v.to_bytes(2) for v in (DEEP, 65535, DEEP, 0, 0, 13107))])
    )
    np.testing.assert_allclose(deep.read(path)[0, :, 0], [DEEP / 65535, 1, 0.8], atol=1e-5)


@pytest.mark.parametrize("orientation, at", [(3, (-1, -1)), (6, (0, -1))])
@pytest.mark.parametrize("side", [4, 6], ids=["square", "oblong"])
def test_16_bit_colour_is_turned_upright_and_keeps_its_depth(
    tmp_path, png_bytes, side, orientation, at
):
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.zeros((4, side, 3), ">u2")
    pixels[0, 0] = DEEP
    path = tmp_path / "x.png"
    tags = exif.tobytes().removeprefix(b"Exif\0\0")
    path.write_bytes(png_bytes(side, 4, 16, 2, [row.tobytes() for row in pixels], (b"eXIf", tags)))
    got = deep.read(path)
    assert got.shape == ((4, side, 3) if orientation == 3 else (side, 4, 3))
    np.testing.assert_allclose(got[at], DEEP / 65535, atol=1e-5)
    assert np.count_nonzero(got) == 3


@pytest.mark.parametrize(
    "colour, transparent", [(0, (DEEP,)), (2, (DEEP, 0, 0))], ids=["grey", "colour"]
)
def test_16_bits_with_one_transparent_colour(tmp_path, png_bytes, colour, transparent):
    value = b"".join(v.to_bytes(2) for v in transparent)
    path = tmp_path / "x.png"
    path.write_bytes(png_bytes(2, 1, 16, colour, [value + bytes(len(value))], (b"tRNS", value)))
    np.testing.assert_array_equal(deep.read(path)[0], [WHITE, (0, 0, 0)])


def test_truncated_16_bit_png_is_refused(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65535, (32, 32, 3)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "whole.png"), pixels)
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "x.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"damaged .* get the file again"):
        deep.read(tmp_path / "x.png")
    assert "damaged" in deep.problem(tmp_path / "x.png")
    assert deep.problem(tmp_path / "whole.png") is None
