"""Kinds of pictures through `restore`: profiles, gamma, grey, sampling, texts, pages, ranges."""

import io
import re
import struct
import warnings
import zlib

import cv2
import keras
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin
from skimage import data

from helpers import images
from helpers.app import LeftOut, colours, command, deep, items, metadata, photo
from nbtests.profiles import grey_profile, ink_profile

CHELSEA = data.chelsea()[60:156, 100:228]


@pytest.fixture(scope="module")
def copier():
    """Enlarges by 2 and changes nothing else."""
    x = keras.Input((None, None, 3))
    return keras.Model(x, keras.layers.UpSampling2D(2, interpolation="nearest")(x), name="copier")


@pytest.fixture(scope="module")
def painter():
    """Scale 1; it gives each of the three values another weight, as a colour network may."""
    x = keras.Input((None, None, 3))
    weights = np.diag([1, 0.7, 0.4]).astype(np.float32)[None, None]
    layer = keras.layers.Conv2D(3, 1, use_bias=False, kernel_initializer=lambda *_, **__: weights)
    return keras.Model(x, layer(x), name="painter")


def saved(path, pixels, mode=None, **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


# profiles


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_four_inks_are_mixed_by_their_profile(tmp_path, copier, suffix):
    image = Image.new("CMYK", (16, 16), (255, 255, 0, 0))
    image.paste((255, 0, 0, 0), (0, 0, 8, 16))
    source = saved(tmp_path / f"x{suffix}", image, icc_profile=ink_profile(), quality=100)
    result = opened(photo.restore_file(copier, source, tmp_path / "out"))
    assert result.mode == "RGB" and "icc_profile" not in result.info
    light = {75: np.asarray(result)[8, 4], 50: np.asarray(result)[8, 28]}
    for lightness, seen in light.items():
        expected = 255 * lab_grey(lightness)
        assert np.abs(seen - expected).max() < 4, (lightness, seen)
    np.testing.assert_allclose(deep.read(source)[8, 12], lab_grey(50), atol=0.015)


def lab_grey(lightness):
    """sRGB's value of a grey of this lightness."""
    linear = ((lightness + 16) / 116) ** 3
    return 1.055 * linear ** (1 / 2.4) - 0.055


@pytest.mark.parametrize("profile", [None, b"no profile"])
def test_inks_without_a_usable_profile_are_mixed_plainly(tmp_path, copier, profile):
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    source = saved(tmp_path / "x.tif", image, icc_profile=profile)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = photo.restore_file(copier, source, tmp_path)
    assert any(
        "x.tif: its profile of four inks is damaged" in str(w.message) for w in told
    ) == bool(profile)
    np.testing.assert_allclose(images.read(result)[8, 8], (1, 0, 0), atol=0.02)


@pytest.mark.parametrize(("mode", "suffix"), [("L", ".png"), ("L", ".jpg"), ("L", ".tif")])
def test_a_grey_profile_is_kept_with_grey(tmp_path, painter, mode, suffix):
    source = saved(tmp_path / f"x{suffix}", CHELSEA, mode, icc_profile=grey_profile(1.0))
    result = opened(photo.restore_file(painter, source, tmp_path))
    assert result.info["icc_profile"] == grey_profile(1.0)
    assert result.mode == "L"


def with_chunks(path, pixels, *chunks):
    texts = PngImagePlugin.PngInfo()
    for name, content in chunks:
        texts.add(name, content)
    return saved(path, pixels, pnginfo=texts)


def chunks_of(path):
    raw = path.read_bytes()
    at = 8
    found = {}
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "big")
        found[raw[at + 4 : at + 8]] = raw[at + 8 : at + 8 + length]
        at += 12 + length
    return found


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_gamma_and_primaries_of_a_png_are_kept(tmp_path, copier, mode, suffix):
    told = [(b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", struct.pack(">8I", *range(1, 9)))]
    source = with_chunks(tmp_path / "x.png", Image.fromarray(CHELSEA).convert(mode), *told)
    if suffix == ".jpg":  # Its content is still a PNG
        source = source.rename(tmp_path / "x.jpg")
    result = photo.restore_file(copier, source, tmp_path / "out")
    assert result.name == "x_x2.png"
    assert told == [(name, chunks_of(result)[name]) for name, _ in told]
    shown = np.asarray(opened(result).convert("RGB"))[::2, ::2]
    assert np.abs(shown.astype(int) - np.asarray(opened(source).convert("RGB"))).max() <= 1
    _, _, failed = photo.restore_all(copier, [source], tmp_path / "out.webp")
    assert "cannot hold the transparency, gamma or size" in str(failed[0])


# grey


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [
        (".png", "L"),
        (".png", "1"),
        (".png", "LA"),
        (".png", "RGB"),
        (".png", "P"),
        (".jpg", "L"),
        (".jpg", "RGB"),
        (".tif", "L"),
        (".tif", "RGBA"),
        (".webp", "RGB"),
        (".bmp", "L"),
        (".gif", "L"),
    ],
)
def test_grey_stays_grey(tmp_path, painter, suffix, mode):
    grey = Image.fromarray(CHELSEA).convert("L")
    source = saved(tmp_path / f"x{suffix}", grey, mode, lossless=True)
    result = opened(photo.restore_file(painter, source, tmp_path / "out")).convert("RGB")
    pixels = np.asarray(result).astype(int)
    assert np.ptp(pixels, axis=-1).max() == 0
    expected = 0.7 * images.read(source)[..., 0] * 255
    assert np.abs(pixels[..., 0] - expected).mean() < 2


def test_a_tint_is_a_colour(tmp_path, painter):
    sepia = np.full((16, 16, 3), (112, 110, 108), np.uint8)
    result = opened(photo.restore_file(painter, saved(tmp_path / "x.png", sepia), tmp_path))
    np.testing.assert_array_equal(np.asarray(result)[8, 8], (112, 77, 43))


def test_a_grey_frame_and_face_stay_grey(painter):
    grey = images.to_float(np.repeat(data.astronaut()[:256, 64:320, :1], 3, axis=-1))
    assert np.ptp(photo.draw(painter, grey), axis=-1).max() == 0
    assert np.ptp(photo.draw(painter, grey * np.float32([1, 1, 0.9])), axis=-1).max() > 0.1


# how a file is coded


@pytest.mark.parametrize("sampling", [0, 1, 2])
def test_a_jpeg_keeps_its_resolution_of_colour(tmp_path, copier, sampling):
    source = saved(tmp_path / "x.jpg", CHELSEA, subsampling=sampling)
    result = opened(photo.restore_file(copier, source, tmp_path))
    assert JpegImagePlugin.get_sampling(result) == sampling


def test_what_was_no_jpeg_becomes_one_of_full_colour(tmp_path, copier):
    source = saved(tmp_path / "x.png", CHELSEA)
    (result,), *_ = photo.restore_all(copier, [source], tmp_path / "out.jpg")
    assert JpegImagePlugin.get_sampling(opened(result)) == 0


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("lossless", [False, True])
def test_a_lossless_webp_stays_lossless(tmp_path, copier, alpha, lossless):
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3 + alpha)).astype(np.uint8)
    noise[..., 3:] |= 128
    exif = Image.Exif()
    exif[271] = "Acme"  # with it, the file has more chunks
    source = saved(tmp_path / "x.webp", noise, lossless=lossless, exif=exif)
    result = photo.restore_file(copier, source, tmp_path)
    same = np.asarray(opened(result))[::2, ::2] == np.asarray(opened(source))
    assert same[..., :3].all() == lossless
    with Image.open(result) as file:
        assert colours.is_lossless(file) is lossless


# texts


def iptc(**fields):
    numbers = {"keywords": 25, "byline": 80, "rights": 116, "caption": 120}
    packed = b""
    for name, text in fields.items():
        text = text.encode()
        packed += b"\x1c\x02" + bytes([numbers[name]]) + struct.pack(">H", len(text)) + text
    return packed


CAPTION = iptc(keywords="grandmother", byline="Ada", rights="(c) Ada", caption="At the lake")


def with_iptc(path, content=CAPTION):
    blocks = {metadata.IPTC: content, metadata.COPYRIGHT: b"\1", 0x0409: b"a thumbnail"}
    if path.suffix == ".jpg":
        extra = metadata._segments(blocks)
        return saved(path, CHELSEA, extra=extra, comment=b"scanned by Ada")
    exif = Image.Exif()
    exif[metadata.TIFF_IPTC] = content
    return saved(path, CHELSEA, exif=exif)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".tif"])
def test_iptc_is_kept(tmp_path, copier, suffix, target):
    source = with_iptc(tmp_path / f"x{suffix}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # A TIFF cannot hold a JPEG's comment
        (result,), *_ = photo.restore_all(copier, [source], tmp_path / f"out{target}")
        with Image.open(result) as file:
            assert metadata._photoshop(file)[metadata.IPTC].rstrip(b"\0") == CAPTION
        again = photo.restore_file(copier, result, tmp_path / "again")
    with Image.open(again) as file:
        assert metadata._photoshop(file)[metadata.IPTC].rstrip(b"\0") == CAPTION
    assert b"a thumbnail" not in result.read_bytes()


def test_long_iptc_is_kept_in_several_segments(tmp_path, copier):
    long = iptc(caption="At the lake. " * 2000) * 4
    source = with_iptc(tmp_path / "x.jpg", long)
    with Image.open(photo.restore_file(copier, source, tmp_path / "out")) as file:
        assert metadata._photoshop(file)[metadata.IPTC] == long


def test_a_comment_is_kept_or_its_loss_is_said(tmp_path, copier):
    source = with_iptc(tmp_path / "x.jpg")
    assert opened(photo.restore_file(copier, source, tmp_path)).info["comment"] == b"scanned by Ada"
    (result,), *_ = photo.restore_all(copier, [source], tmp_path / "out.png")
    assert opened(result).text["Comment"] == "scanned by Ada"
    with pytest.warns(UserWarning, match=r"x\.jpg: its IPTC and comment cannot be kept in \.webp"):
        photo.restore_all(copier, [source], tmp_path / "out.webp")


def test_each_comment_of_a_jpeg_is_kept(tmp_path, copier):
    source = saved(tmp_path / "x.jpg", CHELSEA, comment=b"the last")
    content = source.read_bytes()
    first = b"\xff\xfe\0\x0bthe f\xfcrst"  # Not in UTF-8
    source.write_bytes(content[:2] + first + content[2:])
    result = opened(photo.restore_file(copier, source, tmp_path))
    comments = [text for name, text in result.applist if name == "COM"]
    assert sorted(comments) == [b"the f\xfcrst", b"the last"]
    (result,), *_ = photo.restore_all(copier, [source], tmp_path / "out.png")
    assert opened(result).text["Comment"] == "the f�rst\nthe last"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_camera_s_adobe_rgb_without_a_profile_is_told(tmp_path, copier, suffix):
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03", 2: b"0100"}}
    source = saved(tmp_path / f"x{suffix}", CHELSEA, exif=exif.tobytes())
    for path in (source, photo.restore_file(copier, source, tmp_path)):
        with Image.open(path) as file:
            assert file.getexif().get_ifd(0xA005) == {1: "R03", 2: b"0100"}
            assert file.getexif().get_ifd(0x8769)[0xA001] == 65535
    with pytest.warns(UserWarning, match=r"that its colours are Adobe RGB cannot be kept in \.tif"):
        (result,), *_ = photo.restore_all(copier, [source], tmp_path / "out.tif")
    with Image.open(result) as file:
        assert 0xA005 not in file.getexif().get_ifd(0x8769)


MOTION = """<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <r:Description r:about=""
    xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:Make="Acme"
    xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="the attic &amp; the cellar"
    xmlns:MotionNote='http://ns.google.com/photos/1.0/camera/'
    MotionNote:MotionPhoto='1' MotionNote:MotionPhotoVersion="1"
    xmlns:xmpNote="http://ns.adobe.com/xmp/note/" xmpNote:HasExtendedXMP="0123"
    xmlns:gain="http://ns.adobe.com/hdr-gain-map/1.0/" gain:Version="1.0"
    xmlns:Container="http://ns.google.com/photos/1.0/container/"
    xmlns:Item="http://ns.google.com/photos/1.0/container/item/"
    xmlns:GPano="http://ns.google.com/photos/1.0/panorama/" GPano:FullPanoWidthPixels="96">
   <Container:Directory>
    <r:Seq><r:li r:parseType="Resource">
      <Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="4000"/>
    </r:li></r:Seq>
   </Container:Directory>
   <tiff:ImageWidth>128</tiff:ImageWidth>
   <dc:subject><r:Bag><r:li>여름</r:li></r:Bag></dc:subject>
  </r:Description>
 </r:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_xmp_promises_nothing_that_is_gone(tmp_path, copier, suffix):
    options = {"xmp": MOTION.encode()}
    if suffix == ".png":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", MOTION)
    source = saved(tmp_path / f"x{suffix}", CHELSEA, **options)
    with pytest.warns(UserWarning, match="the film, gain map, depth or sound .* is left out"):
        result = photo.restore_file(copier, source, tmp_path)
    xmp = opened(result).info["xmp"].decode()
    for gone in ("Motion", "Container", "Item", "gain", "Extended", "Orientation", "ImageWidth"):
        assert gone not in xmp.replace("algorithmicallyEnhanced", ""), gone
    for kept in ('tiff:Make="Acme"', "the attic &amp; the cellar", "여름", "Enhanced"):
        assert kept in xmp
    assert 'GPano:FullPanoWidthPixels="192"' in xmp
    assert opened(result).getxmp()["xmpmeta"]["RDF"]["Description"]


TRAP = '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]>'
TRAP += f'<a xmlns:r="{metadata.RDF}"><r:RDF>&d;</r:RDF></a>'


@pytest.mark.parametrize(
    "broken",
    [b"<x:xmpmeta>", b"no XML", TRAP.encode(), b"\xfe\xff" + TRAP.encode("utf-16-be")],
    ids=["open", "text", "entities", "entities in UTF-16"],
)
def test_damaged_xmp_is_said_and_left_out(tmp_path, copier, broken):
    source = saved(tmp_path / "x.jpg", CHELSEA, xmp=broken)
    with pytest.warns(UserWarning, match=r"x\.jpg: its XMP is damaged and left out"):
        result = photo.restore_file(copier, source, tmp_path)
    assert b"algorithmicallyEnhanced" in opened(result).info["xmp"]


# pages, ranges, size


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg"])
def test_a_layout_that_is_written_as_a_title_is_dropped(tmp_path, copier, suffix):
    told = {}
    for name, title in {"theirs": None, "mine": "Cat on a mat"}.items():
        source = tmp_path / f"{name}.tif"
        # Without a title tifffile writes a layout in its place. Beside a title it would be a second
        # one, of which Pillow 11 reads the last alone
        layout = {"metadata": None} if title else {}
        tifffile.imwrite(source, CHELSEA, photometric="rgb", description=title, **layout)
        made = photo.restore_all(copier, [source], tmp_path / f"{name}_large{suffix}")
        told[name] = opened(made[0][0]).getexif().get(270)
    assert told == {"theirs": None, "mine": "Cat on a mat"}


def test_further_pages_of_a_tiff_are_said(tmp_path, capsys):
    first, *others = [Image.fromarray(np.roll(CHELSEA, 9 * k, axis=1)) for k in range(3)]
    source = saved(tmp_path / "x.tif", first, save_all=True, append_images=others)
    assert command.main(["restore", str(source), "--with", "deconv_dogs_x2"]) == 1
    done = capsys.readouterr()
    assert re.search(r"x\.tif has 3 pages, and only the first is restored; save", done.err)
    kept = opened(tmp_path / "x_x2.tif").resize(first.size, Image.Resampling.BOX)
    assert np.abs(np.asarray(kept).astype(int) - CHELSEA).mean() < 4


def test_a_smaller_copy_in_a_tiff_is_no_page(tmp_path, copier):
    with tifffile.TiffWriter(tmp_path / "x.tif") as writer:
        writer.write(CHELSEA, photometric="rgb")
        writer.write(CHELSEA[::2, ::2], photometric="rgb", subfiletype=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        photo.restore_file(copier, tmp_path / "x.tif", tmp_path)


RANGES = {
    "int8": "signed",
    "int16": "signed",
    "int32": "signed",
    "uint32": "(32-bit values|values of 32 bits)",
    "float32": "float",
    "float16": "float",
    "float64": "float",
}


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)], ids=["grey", "colour"])
@pytest.mark.parametrize("kind", RANGES)
def test_values_of_unknown_range_are_refused_in_true_words(tmp_path, kind, shape):
    values = np.linspace(0, 1, np.prod(shape)).reshape(shape)
    most = np.iinfo(kind).max if np.dtype(kind).kind in "iu" else 1
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "x.tif", (values * most).astype(kind), photometric=photometric)
    words = rf"x\.tif holds {RANGES[kind]}.*; save it .* 8 or 16 bits"
    with pytest.raises(ValueError, match=words):
        deep.read(tmp_path / "x.tif")


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("kept", [0.5, 0.95, 1])
def test_a_cut_tiff_is_called_damaged(tmp_path, compression, kept):
    path = saved(tmp_path / "x.tif", CHELSEA, compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) - 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "x.tif is damaged" in deep.problem(path)


def tiff_of_12_bits(path, values, photometric):
    """A TIFF of (h, w) values to 4095, two in three bytes, which no package here writes."""
    high, low = values.reshape(-1, 2).T.astype(int)
    packed = np.stack([high >> 4, (high & 15) << 4 | low >> 8, low & 255], axis=-1)
    strip = packed.astype(np.uint8).tobytes()
    height, width = values.shape
    tags = [(256, 3, width), (257, 3, height), (258, 3, 12), (259, 3, 1), (262, 3, photometric)]
    tags += [(273, 4, 8), (277, 3, 1), (278, 3, height), (279, 4, len(strip))]
    table = b"".join(
        struct.pack("<HHI", tag, kind, 1) + struct.pack("<I", value) for tag, kind, value in tags
    )
    head = b"II*\0" + struct.pack("<I", 8 + len(strip))
    path.write_bytes(head + strip + struct.pack("<H", len(tags)) + table + bytes(4))
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_stay_16_and_keep_what_is_told(tmp_path, copier, suffix, channels):
    values = np.random.default_rng(0).integers(0, 65536, (9, 14, channels)).astype(np.uint16)
    values[..., 3:] = 65535  # Alpha is enlarged in 8 bits
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]  # OpenCV's
    path = tmp_path / f"x{suffix}"
    if suffix == ".png":
        _, drawn = cv2.imencode(".png", values[..., order])
        gamma = b"gAMA" + struct.pack(">I", 100_000)
        gamma = struct.pack(">I", 4) + gamma + struct.pack(">I", zlib.crc32(gamma))
        path.write_bytes(drawn.tobytes()[:33] + gamma + drawn.tobytes()[33:])
    else:
        kind = "minisblack" if channels == 1 else "rgb"
        extra = ["unassalpha"] if channels == 4 else None
        software = {"software": "Scanner"}
        tifffile.imwrite(
            path, values.squeeze(), photometric=kind, extrasamples=extra, metadata=None, **software
        )
    result = photo.restore_file(copier, path, tmp_path / "out", "copier 1")
    expected = values.repeat(2, 0).repeat(2, 1).squeeze()
    if suffix == ".png":
        found = cv2.imread(str(result), cv2.IMREAD_UNCHANGED)
        found = found if channels == 1 else found[..., order]
        assert chunks_of(result)[b"gAMA"] == struct.pack(">I", 100_000)
    else:
        found = tifffile.imread(result)
        assert opened(result).getexif()[305].startswith("Scanner; ")
    np.testing.assert_array_equal(found, expected, strict=True)
    assert photo.restored_by(result) == "copier 1"
    again = deep.read(result)
    assert np.abs(again - expected.reshape(18, 28, channels)[..., :3] / 65535).max() < 1e-5


def test_12_bits_reach_white(tmp_path):
    values = np.arange(0, 4096, 16).reshape(16, 16)
    values[-1, -1] = 4095
    source = tiff_of_12_bits(tmp_path / "x.tif", values, photometric=1)
    for read in (images.read, deep.read):
        np.testing.assert_allclose(read(source)[..., 1], values / 4095, atol=1e-6)
    source = tiff_of_12_bits(tmp_path / "white.tif", values, photometric=0)
    with pytest.raises(ValueError, match=r"holds values of 12 bits in a layout that Pillow cannot"):
        deep.read(source)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_12_bits_in_16_are_said(tmp_path, shape):
    values = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "x.tif", values, photometric=photometric)
    with pytest.warns(UserWarning, match=r"x\.tif is nearly black: .* multiply the values by 16"):
        read = deep.read(tmp_path / "x.tif")
    np.testing.assert_allclose(read, values.reshape(8, 8, -1) / 65535 * np.ones(3), atol=1e-6)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_a_blank_scan_is_read(tmp_path, mode):
    """A page of A4 at 600 dpi; a bomb of more pixels is refused in test_images."""
    page = Image.new(mode, (4960, 7016), "white")
    path = tmp_path / "x.tif"
    saved(path, page, compression="group4" if mode == "1" else "tiff_lzw")
    with deep.open_file(path) as file:
        assert file.size == page.size


def test_a_tiff_packed_by_webp_is_refused_in_true_words(tmp_path, capfd):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, CHELSEA, photometric="rgb")
    with tifffile.TiffFile(path, mode="r+b") as file:
        file.pages[0].tags["Compression"].overwrite(50001)
    with pytest.raises(ValueError, match=r"x\.tif is a TIFF packed by WebP, .* save it by LZW"):
        deep.read(path)
    assert capfd.readouterr().err == ""  # No lines of libtiff


def test_one_is_black_in_xbm(tmp_path):
    drawn = np.random.default_rng(0).random((13, 21)) < 0.3
    rows = np.packbits(drawn, axis=1, bitorder="little")
    values = ", ".join(f"0x{value:02x}" for value in rows.ravel())
    (tmp_path / "x.xbm").write_text(
        "#define x_width 21\n#define x_height 13\n"
        f"static unsigned char x_bits[] = {{\n{values}}};\n"
    )
    np.testing.assert_array_equal(deep.read(tmp_path / "x.xbm")[..., 0], ~drawn)


# what phones write


@pytest.mark.parametrize("brand", [b"mif1", b"msf1"])
def test_avif_is_not_called_heic_by_the_brand_that_both_have(tmp_path, brand, monkeypatch):
    monkeypatch.setattr(deep, "reads_heic", lambda: False)
    content = saved(tmp_path / "x.avif", CHELSEA, quality=100, subsampling="4:4:4").read_bytes()
    (tmp_path / "x.avif").write_bytes(content[:8] + brand + content[12:])
    assert np.abs(255 * deep.read(tmp_path / "x.avif") - CHELSEA).max() < 12
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic")
    with pytest.raises(ValueError, match=r"x\.heic is HEIC"):
        deep.read(tmp_path / "x.heic")


def test_avif_is_read_alone_and_in_folders(tmp_path, copier):
    saved(tmp_path / "x.avif", CHELSEA, quality=100, subsampling="4:4:4")
    made, _, failed = photo.restore_all(copier, [tmp_path], tmp_path / "out")
    assert ([p.name for p in made], failed) == (["x_x2.png"], [])
    shown = np.asarray(opened(made[0]))[::2, ::2].astype(int)
    assert np.abs(shown - CHELSEA).max() < 12


def test_heic_is_read_where_its_package_is_installed(tmp_path, copier):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(CHELSEA)).save(tmp_path / "x.heic", quality=100)
    made, _, failed = photo.restore_all(copier, [tmp_path], tmp_path / "out")
    assert ([p.name for p in made], failed) == (["x_x2.png"], [])
    shown = np.asarray(opened(made[0]))[::2, ::2].astype(int)
    assert np.abs(shown - CHELSEA).mean() < 4


def numbered(path, primaries, transfer, **options):
    """An AVIF that names its colours by numbers of H.273."""
    saved(path, CHELSEA, quality=100, subsampling="4:4:4", **options)
    content = path.read_bytes()
    assert content.count(b"colrnclx") >= 1
    numbers = struct.pack(">HH", primaries, transfer)
    path.write_bytes(re.sub(rb"colrnclx.{4}", b"colrnclx" + numbers, content, flags=re.DOTALL))
    return path


@pytest.mark.parametrize(
    "primaries, transfer, words",
    [(12, 13, "not those of sRGB"), (9, 16, r"HDR \(PQ\)"), (9, 18, r"HDR \(HLG\)")],
)
def test_colours_named_by_numbers_are_kept_by_numbers(tmp_path, copier, primaries, transfer, words):
    source = numbered(tmp_path / "x.avif", primaries, transfer)
    with pytest.warns(UserWarning, match=rf"x\.avif: its colours are .*{words}; .* cICP"):
        result = photo.restore_file(copier, source, tmp_path / "out")
    chunk = b"\0\0\0\x04cICP" + bytes([primaries, transfer, 0, 1])
    assert chunk in result.read_bytes().split(b"IDAT")[0]
    with pytest.raises(ValueError, match=r"out\.jpg cannot hold .* name a \.png file"):
        raise photo.restore_all(copier, [source], tmp_path / "out.jpg")[2][0]


@pytest.mark.parametrize("primaries, transfer", [(1, 13), (1, 1), (2, 2)])
def test_usual_colours_are_not_named(tmp_path, copier, primaries, transfer):
    source = numbered(tmp_path / "x.avif", primaries, transfer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = photo.restore_file(copier, source, tmp_path / "out")
        photo.restore_all(copier, [source], tmp_path / "out.jpg")
    assert b"cICP" not in result.read_bytes() and (tmp_path / "out.jpg").exists()


def test_a_profile_says_more_than_numbers(tmp_path, copier):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = saved(tmp_path / "x.avif", CHELSEA, icc_profile=srgb)
    result = photo.restore_file(copier, source, tmp_path / "out")
    assert b"cICP" not in result.read_bytes()
    assert opened(result).info["icc_profile"] == srgb


def test_ten_bits_that_are_read_as_eight_are_said(tmp_path, copier):
    source = saved(tmp_path / "x.avif", CHELSEA)
    content = source.read_bytes()
    file = opened(source)
    assert items.told(source).bits == 8
    source.write_bytes(content.replace(b"\x03\x08\x08\x08", b"\x03\x0a\x0a\x0a", 1))
    assert items.told(source).bits == 10
    with pytest.warns(UserWarning, match=r"x\.avif has 10 bits a colour, and 8 of them are read"):
        colours.say_light(file)


def test_tables_that_are_cut_tell_nothing(tmp_path):
    content = numbered(tmp_path / "x.avif", 12, 13).read_bytes()
    told = set()
    for length in range(content.index(b"mdat")):
        (tmp_path / "y.avif").write_bytes(content[:length])
        told.add(items.told(tmp_path / "y.avif"))
    assert told == {items.Told(), items.Told(12, 13, 8), items.Told(12, 13), items.Told(2, 2, 8)}


def heic(path, pixels=CHELSEA, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(path, quality=100, **options)
    return path


def test_an_heic_keeps_alpha_profile_and_grey(tmp_path, copier):
    alpha = np.linspace(0, 255, CHELSEA.shape[1]).astype(np.uint8) * np.ones((96, 1), np.uint8)
    result = photo.restore_file(
        copier, heic(tmp_path / "a.heic", np.dstack([CHELSEA, alpha])), tmp_path
    )
    assert np.abs(np.asarray(opened(result))[::2, ::2, 3].astype(int) - alpha).max() < 12
    profile = grey_profile(1.8)
    heic(tmp_path / "b.heic", CHELSEA[..., 0], icc_profile=profile)
    result = opened(photo.restore_file(copier, tmp_path / "b.heic", tmp_path))
    assert (result.mode, result.info["icc_profile"]) == ("L", profile)


@pytest.mark.parametrize("transfer", [13, 16])
def test_an_heic_s_colours_are_kept_by_numbers(tmp_path, copier, transfer):
    source = heic(tmp_path / "x.heic", color_primaries=9, transfer_characteristics=transfer)
    with pytest.warns(UserWarning, match=r"x\.heic: its colours are"):
        result = photo.restore_file(copier, source, tmp_path / "out")
    assert b"cICP" + bytes([9, transfer, 0, 1]) in result.read_bytes()


def test_further_pictures_of_an_heic_are_said(tmp_path, copier):
    pillow_heif = pytest.importorskip("pillow_heif")
    both = pillow_heif.from_pillow(Image.fromarray(CHELSEA[::-1]))
    both.add_from_pillow(Image.fromarray(CHELSEA))
    both.save(tmp_path / "x.heic", quality=100, primary_index=1)
    with pytest.warns(LeftOut, match="has 2 pictures, and only the main one is restored"):
        result = photo.restore_file(copier, tmp_path / "x.heic", tmp_path / "out")
    shown = np.asarray(opened(result))[::2, ::2].astype(int)
    assert np.abs(shown - CHELSEA).mean() < 4


def test_the_depth_beside_an_heic_is_said(tmp_path, copier):
    """Alpha lies in a file as depth does, under another name."""
    source = heic(tmp_path / "x.heic", np.dstack([CHELSEA, CHELSEA[..., 0]]))
    content = source.read_bytes()
    assert b"auxid:1" in content
    source.write_bytes(content.replace(b"auxid:1", b"auxid:2"))
    with pytest.warns(UserWarning, match="depth or sound beside the picture is left out"):
        photo.restore_file(copier, source, tmp_path / "out")


def test_ten_bits_of_an_heic_are_said(tmp_path, copier):
    pillow_heif = pytest.importorskip("pillow_heif")
    deep_pixels = CHELSEA.astype(np.uint16) * 257
    made = pillow_heif.from_bytes("RGB;16", CHELSEA.shape[1::-1], deep_pixels.tobytes())
    made.save(tmp_path / "x.heic", quality=100)
    with pytest.warns(UserWarning, match="has 10 bits a colour, and 8 of them are read"):
        photo.restore_file(copier, tmp_path / "x.heic", tmp_path / "out")


def test_a_profile_of_inks_is_one_that_pillow_takes():
    for profile in (ink_profile(), grey_profile(2.2)):
        ImageCms.ImageCmsProfile(io.BytesIO(profile))
