import ast
import os
import warnings

import keras
import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

from helpers import ROOT, images, models, tiles
from helpers.app import photo
from helpers.layers import SubpixelConv2D

L = keras.layers
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def whole(model, picture):
    return np.clip(keras.ops.convert_to_numpy(model(picture[None], training=False))[0], 0, 1)


def build(layers, name="net"):
    """A functional network: `layers` one after another, or a function of the input."""
    x = keras.Input((None, None, 3))
    y = layers(x) if callable(layers) else keras.Sequential(layers)(x)
    return keras.Model(x, y, name=name)


def conv(channels=3, kernel=3, **options):
    return L.Conv2D(channels, kernel, padding="same", **options)


def denoiser():
    """A sum of two paths, biased: zero padding and the missing picture are not the same."""

    def body(x):
        y = conv(8, 5, activation="relu", bias_initializer="ones")(x)
        return conv(3, 3)(L.Concatenate()([y, conv(4, 1)(x)])) * 0.3 + x

    return build(body)


def upscaler(interpolation):
    """Convolutions beside an enlargement by 3, which 5×5 and 3×3 do not fill: rounded up."""
    return build(
        [
            conv(6, bias_initializer="ones"),
            L.UpSampling2D(3, interpolation=interpolation),
            conv(6, 5),
            conv(),
        ]
    )


NETWORKS = {
    "espcn": (lambda: models.espcn(4, "bicubic", "leaky_relu"), 4, 6),
    "espcn ×2": (lambda: models.espcn(2, "bicubic", "leaky_relu"), 2, 6),
    "espcn without skip": (lambda: models.espcn(3, None, "leaky_relu"), 3, 6),
    "deconv_cnn": (models.deconv_cnn, 2, 2),
    "deconv_cnn with skip": (lambda: models.deconv_cnn("bicubic", "leaky_relu"), 2, 2),
    "rdn": (lambda: models.rdn(2, "subpixel", c=2, d=2, g=8, g0=8), 2, 8),
    "rdn with shuffle": (lambda: models.rdn(3, "shuffle", c=1, d=3, g=6, g0=8), 3, 11),
    "rdn as published": (lambda: models.rdn(2, c=3, d=1, g=6, g0=8), 2, 11),
    "rrdn": (lambda: models.rrdn(4, 2, 1, 16, 16, 1), 4, 7),
    "denoiser": (denoiser, 1, 3),
    "nearest": (lambda: build([L.UpSampling2D(2), conv(3, 1)]), 2, 0),
    "bicubic": (lambda: build([L.UpSampling2D(4, interpolation="bicubic")]), 4, 2),
    "conv nearest conv": (lambda: upscaler("nearest"), 3, 2),
    "conv bilinear conv": (lambda: upscaler("bilinear"), 3, 3),
    "conv bicubic conv": (lambda: upscaler("bicubic"), 3, 4),
    "twice enlarged": (
        lambda: build(
            [SubpixelConv2D(5, 3, 2), SubpixelConv2D(5, 3, 2), conv(3, 5), L.BatchNormalization()]
        ),
        4,
        2,
    ),
    "deconvolution": (lambda: build([conv(5), L.Conv2DTranspose(3, 4, 2, padding="same")]), 2, 2),
    "dilated": (
        lambda: build([conv(4, 3, dilation_rate=3), L.SeparableConv2D(3, 4, padding="same")]),
        1,
        5,
    ),
    "rectangular": (
        lambda: build([conv(3, (1, 7)), L.DepthwiseConv2D((3, 1), padding="same")]),
        1,
        3,
    ),
}


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)  # With some kernels no far pixel passes the ReLUs


@pytest.fixture(scope="module")
def espcn():
    keras.utils.set_random_seed(1)  # With some kernels no far pixel passes the ReLUs
    return models.espcn(4, "bicubic", "leaky_relu")


@pytest.fixture(scope="module")
def copier():
    """Enlarges by 2 and changes nothing else: what comes out can be foreseen."""
    return build([L.UpSampling2D(2, interpolation="bicubic")])


# receptive_radius


@pytest.mark.parametrize("name", NETWORKS)
def test_radius_bounds_what_a_pixel_changes(name):
    """Change one input pixel, in a picture large enough: nothing beyond the radius moves."""
    make, scale, radius = NETWORKS[name]
    model = make()
    assert tiles.receptive_radius(model) == radius
    side, at = 41, 20
    before = noise(side, side, 3)
    after = before.copy()
    after[at, at] += 10
    changed = np.abs(
        np.subtract(*(keras.ops.convert_to_numpy(model(p[None])) for p in (after, before)))
    )[0].max(axis=-1)
    rows, columns = (np.flatnonzero(changed.max(axis=a) > 1e-4) // scale for a in (1, 0))
    reach = max(at - rows.min(), rows.max() - at, at - columns.min(), columns.max() - at)
    assert reach == radius


def test_radius_of_a_network_inside_a_network():
    inner = models.espcn(2, None)
    assert tiles.receptive_radius(build([conv(), inner, conv()])) == 1 + 6 + 1
    twice = conv()  # one layer, two places
    assert tiles.receptive_radius(build(lambda x: twice(twice(x)) + x)) == 2
    assert (
        tiles.receptive_radius(
            keras.Sequential([keras.Input((None, None, 3)), conv(), L.ReLU(), conv()])
        )
        == 2
    )


WHOLE = {
    "global pooling": lambda x: x * L.GlobalAveragePooling2D(keepdims=True)(x),
    "normalisation within": lambda x: build([L.GroupNormalization(-1), conv()])(x),
    "attention": lambda x: L.MultiHeadAttention(1, 3, attention_axes=(1, 2))(x, x),
    "other axis": lambda x: L.Softmax(axis=1)(x),
    "an operation": lambda x: conv()(x) - keras.ops.mean(x, axis=(1, 2), keepdims=True),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_network_that_looks_at_the_whole_picture_sees_it(name):
    model = build(lambda x: conv()(WHOLE[name](x)))
    with pytest.raises(ValueError, match="net looks at the whole picture"):
        tiles.receptive_radius(model)
    picture = noise(20, 30, 3)
    np.testing.assert_allclose(
        tiles.apply(model, picture, tile=8), whole(model, picture), atol=1e-5
    )


UNSUPPORTED = {
    "pooling of strips": lambda x: L.UpSampling2D(2)(L.MaxPooling2D((2, 1))(x)),
    "an operation that pools": lambda x: L.UpSampling2D(2)(keras.ops.average_pool(x, 2, 2)),
    "smaller": lambda x: L.MaxPooling2D(2)(x),
    "valid": lambda x: L.Conv2D(3, 3)(x),
    "rectangular": lambda x: L.UpSampling2D((2, 1))(x),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_cannot_be_tiled_is_refused(tmp_path, name):
    model = build(lambda x: conv()(UNSUPPORTED[name](x)))
    words = r"net cannot be tiled: .* call it on the whole picture"
    with pytest.raises(ValueError, match=words):
        tiles.receptive_radius(model)
    with pytest.raises(ValueError, match=words):
        tiles.apply(model, noise(8, 8, 3))
    images.write(tmp_path / "x.png", noise(8, 8, 3))
    with pytest.raises(ValueError, match=words):
        photo.restore_file(model, tmp_path / "x.png", tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize("shape", [(32, 32), (37, 50), (8, 300)])
def test_a_network_with_instance_normalisation_sees_the_whole_picture(shape, tmp_path):
    model = models.resnet_generator(2, 1)
    with pytest.raises(ValueError, match="looks at the whole picture"):
        tiles.receptive_radius(model)
    picture = noise(*shape, 3)
    padded = np.pad(picture, ((0, -shape[0] % 4), (0, -shape[1] % 4), (0, 0)), "symmetric")
    expected = whole(model, padded)[: shape[0], : shape[1]]
    np.testing.assert_allclose(tiles.apply(model, picture, tile=16), expected, atol=1e-6)
    images.write(tmp_path / "x.png", picture)
    done = images.read(photo.restore_file(model, tmp_path / "x.png", tmp_path / "out"))
    assert np.abs(done - expected).max() < 0.02


def test_its_picture_may_not_be_too_large(monkeypatch):
    monkeypatch.setattr(tiles, "MOST_NORMALISED", 1000)
    with pytest.raises(
        ValueError,
        match=r"whole picture at once, and 50×40 is more than .* reduce the picture first",
    ):
        tiles.apply(models.unet_generator(2, 3), noise(40, 50, 3))


def test_a_network_without_a_graph_is_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    for model in (Own(name="own"), keras.Sequential([conv()], name="own")):
        with pytest.raises(ValueError, match=r"own cannot be tiled.*keras\.Model"):
            tiles.apply(model, noise(8, 8, 3))


def test_a_network_is_measured_once_and_stays_as_it_is(monkeypatch):
    model = unet()
    before = model.get_weights()
    assert tiles.geometry(model) == (108, 16, 1)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    monkeypatch.setattr(tiles, "_measure", None)
    assert tiles.geometry(model) == (108, 16, 1)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "linear"])
def test_what_follows_the_convolutions_hides_no_pixel(output):
    assert tiles.receptive_radius(models.unet(2, output=output)) == 108


# apply


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("size", "tile"), [((1, 1), 4), ((13, 29), 4), ((29, 13), 11), ((12, 24), 12), ((7, 9), 64)]
)
def test_tiles_equal_the_whole(name, size, tile):
    make, scale, _ = NETWORKS[name]
    model, lr = make(), noise(*size, 3)
    sr = tiles.apply(model, lr, tile=tile)
    assert sr.shape == (size[0] * scale, size[1] * scale, 3)
    assert sr.dtype == np.float32
    np.testing.assert_allclose(sr, whole(model, lr), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("size", "tile"),
    [((5, 301), 7), ((301, 5), 64), ((9, 11), 1), ((1, 30), 1), ((14, 15), 7), ((97, 83), 32)],
)
def test_no_seams_in_any_size(espcn, size, tile):
    lr = noise(*size, 3)
    np.testing.assert_allclose(
        tiles.apply(espcn, lr, tile=tile), whole(espcn, lr), atol=1e-5, rtol=0
    )


def test_a_smaller_overlap_would_show(espcn, monkeypatch):
    """The bound is tight: with one pixel less around each tile, the comparison above fails."""
    lr = noise(40, 40, 3)
    monkeypatch.setitem(tiles.measured, espcn, tiles.geometry(espcn)._replace(reach=5))
    assert np.abs(tiles.apply(espcn, lr, tile=16) - whole(espcn, lr)).max() > 1e-5


def test_a_megapixel_equals_the_whole(espcn):
    lr = np.tile(images.to_float(data.astronaut()), (2, 2, 1))[:1023, :977]
    np.testing.assert_allclose(tiles.apply(espcn, lr), whole(espcn, lr), atol=1e-5, rtol=0)


def test_result_is_clipped_and_the_input_untouched(espcn):
    lr = np.where(noise(20, 20, 1) > 0.5, 1, 0) * np.ones(3)  # float64, and hard edges overshoot
    kept = lr.copy()
    raw = keras.ops.convert_to_numpy(espcn(lr[None].astype(np.float32)))
    assert raw.min() < 0 and raw.max() > 1
    sr = tiles.apply(espcn, lr, tile=8)
    assert sr.dtype == np.float32
    assert sr.min() == 0 and sr.max() == 1
    np.testing.assert_array_equal(lr, kept)


def test_the_network_sees_bounded_tiles_of_few_shapes(espcn, monkeypatch):
    seen = []
    tiles.geometry(espcn)
    monkeypatch.setattr(
        espcn, "call", lambda x, *a, **k: seen.append(tuple(x.shape)) or type(espcn).call(espcn, x)
    )
    tiles.apply(espcn, noise(100, 130, 3), tile=16)
    assert len(seen) == 7 * 9
    assert max(max(s[1:3]) for s in seen) == 16 + 2 * 6
    assert len(set(seen)) <= 16


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m, p: tiles.apply(m, p, tile=0), "tile of 0 pixels"),
        (lambda m, p: tiles.apply(m, p[..., 0]), "height, width, 3"),
        (lambda m, p: tiles.apply(m, p[:0]), "height, width, 3"),
        (lambda m, p: tiles.apply(m, images.to_uint8(p)), "floats"),
        (lambda m, p: tiles.apply(build([conv(1)]), p), "RGB of any size"),
        (
            lambda m, p: tiles.apply(keras.Sequential([keras.Input((8, 8, 3)), conv()]), p),
            "RGB of any size",
        ),
    ],
)
def test_wrong_calls_are_named(espcn, call, words):
    with pytest.raises(ValueError, match=words):
        call(espcn, noise(8, 8, 3))


def test_a_bar_only_for_long_work(espcn, capfd, monkeypatch):
    monkeypatch.setattr(
        tiles,
        "tqdm",
        lambda *a, **k: __import__("tqdm").tqdm(*a, **k | {"delay": 0, "mininterval": 0}),
    )
    tiles.apply(espcn, noise(8, 8, 3), tile=4)
    assert "tile" not in capfd.readouterr().err
    tiles.apply(espcn, noise(8, 8, 3), tile=4, progress=True)
    assert "4/4" in capfd.readouterr().err
    monkeypatch.undo()
    tiles.apply(espcn, noise(8, 8, 3), tile=4, progress=True)
    assert "tile" not in capfd.readouterr().err


# networks that pool


def pooler(size=3):
    """Poolings by 2 and by `size` inside another network, each with a convolution below."""
    inner = build(
        [L.AveragePooling2D(size), conv(3, bias_initializer="ones"), L.UpSampling2D(size)], "inner"
    )
    return build(
        lambda x: x + 0.5 * L.UpSampling2D(2)(inner(conv(3, 5)(L.MaxPooling2D(2)(conv(3)(x)))))
    )


def unet(skips=True):
    """Trained by a few steps' worth of noise: its batch normalisation is no longer neutral."""
    keras.utils.set_random_seed(1)  # With some kernels no far pixel passes the ReLUs
    model = models.unet(2, skips, "linear")
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.set_weights(
                [w + 0.2 * noise(*w.shape, seed=i) for i, w in enumerate(layer.get_weights())]
            )
    return model


POOLING = {
    "unet": (unet, 16, 108),
    "autoencoder": (lambda: unet(False), 16, 108),
    "by 6": (pooler, 6, 1 + 1 + 14),
}
POOLING["cae"] = (lambda: models.cae(8, skips=False, width=4), 8, 60)
POOLING["restorer"] = (lambda: begun(models.restorer(4)), 4, 42)
POOLING["generator"] = (
    lambda: begun(models.resnet_generator(2, 6, normalise=False)),
    4,
    63,
)
POOLING["overlapping"] = (
    lambda: build([conv(3, 5), L.MaxPooling2D(3, 2, padding="same"), L.UpSampling2D(2)]),
    2,
    4,
)
POOLING["strides"] = (
    lambda: build([conv(4, strides=2), conv(4, 4, strides=2), L.UpSampling2D(4), conv()]),
    4,
    7,
)


def begun(model):
    """A network whose last layer, which starts at zero, has learnt something."""
    kernel = model.get_layer("colours").kernel
    kernel.assign(0.1 * noise(*kernel.shape))
    return model


@pytest.mark.parametrize("name", POOLING)
def test_radius_counts_what_lies_below_a_pooling(name):
    make, grid, radius = POOLING[name]
    model = make()
    assert tiles.receptive_radius(model) == radius
    side = 2 * (radius + grid) // grid * grid
    before, reached = noise(side, side, 3), []
    for at in range(side // 2 - grid, side // 2):  # each place in a pooled square
        after = before.copy()
        after[at, at] += 1e4
        changed = np.abs(
            np.subtract(*(keras.ops.convert_to_numpy(model(p[None])) for p in (after, before)))
        )[0]
        rows = np.flatnonzero(changed.max(axis=(1, 2)) > 0)
        reached += [at - rows.min(), rows.max() - at]
    assert radius - grid <= max(reached) <= radius


@pytest.mark.parametrize("name", POOLING)
@pytest.mark.parametrize(
    ("size", "tile"), [((1, 1), 4), ((13, 29), 5), ((48, 96), 16), ((150, 201), 70)]
)
def test_a_network_that_pools_works_on_any_size(name, size, tile):
    make, grid, _ = POOLING[name]
    if name == "generator":  # It reflects a border at a quarter of the size
        size = tuple(max(side, 8) for side in size)
    model, low = make(), noise(*size, 3)
    mirrored = np.pad(low, [(0, -size[0] % grid), (0, -size[1] % grid), (0, 0)], "symmetric")
    restored = tiles.apply(model, low, tile=tile)
    assert restored.shape == low.shape
    np.testing.assert_allclose(
        restored, whole(model, mirrored)[: size[0], : size[1]], atol=1e-5, rtol=0
    )


def test_tiles_that_begin_beside_the_grid_would_show(monkeypatch):
    model, low = unet(), noise(160, 128, 3)
    monkeypatch.setitem(tiles.measured, model, tiles.geometry(model)._replace(multiple=1))
    with pytest.raises(Exception, match=r"ConcatOp|shape"):
        tiles.apply(model, low, tile=60)


# restore_file


def saved(path, array, mode=None, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(np.asarray(array))
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def test_a_file_becomes_a_file(tmp_path, espcn, picture):
    source = images.write(tmp_path / "a photo.v2.png", picture)
    path = photo.restore_file(espcn, source, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "a photo.v2_x4.png"
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    expected = images.to_uint8(tiles.apply(espcn, images.read(source)))
    assert np.abs(np.asarray(opened(path)).astype(int) - expected).max() <= 1


def test_at_scale_1_it_is_called_restored(tmp_path, picture):
    source = images.write(tmp_path / "x.png", picture)
    path = photo.restore_file(denoiser(), str(source), str(tmp_path))
    assert path == tmp_path / "x_restored.png"
    assert opened(path).size == (64, 48)


@pytest.mark.parametrize(
    ("name", "result", "kind"),
    [
        ("x.jpg", "x_x2.jpg", "JPEG"),
        ("x.JPEG", "x_x2.jpeg", "JPEG"),
        ("x.png", "x_x2.png", "PNG"),
        ("x.webp", "x_x2.webp", "WEBP"),
        ("x.tif", "x_x2.tif", "TIFF"),
        ("x.TIFF", "x_x2.tiff", "TIFF"),
        ("x.bmp", "x_x2.png", "PNG"),
        ("x.gif", "x_x2.png", "PNG"),
    ],
)
def test_formats_stay_or_become_png(tmp_path, copier, picture, name, result, kind):
    saved(tmp_path / name, images.to_uint8(picture))
    image = opened(photo.restore_file(copier, tmp_path / name, tmp_path / "out"))
    assert (tmp_path / "out" / result).exists()
    assert (image.format, image.mode, image.size) == (kind, "RGB", (128, 96))
    error = np.abs(
        images.read(tmp_path / "out" / result) - images.enlarge(images.read(tmp_path / name), 2)
    )
    assert error[8:-8, 8:-8].mean() < 0.015


def test_a_jpeg_keeps_quality_95(tmp_path, copier, picture):
    source = saved(tmp_path / "x.jpg", images.to_uint8(picture), quality=30)
    tables = opened(photo.restore_file(copier, source, tmp_path)).quantization
    saved(tmp_path / "95.jpg", images.to_uint8(picture), quality=95)
    assert tables == opened(tmp_path / "95.jpg").quantization


def test_what_a_format_cannot_hold_becomes_png(tmp_path, copier):
    source = saved(tmp_path / "long.webp", np.zeros((1, 8192, 3), np.uint8))
    path = photo.restore_file(copier, source, tmp_path)
    assert path.name == "long_x2.png"
    assert opened(path).size == (16384, 2)


def photo_exif(orientation):
    exif = Image.Exif()
    exif[271], exif[272], exif[0x0112], exif[306] = (
        "Acme",
        "Phone 9",
        orientation,
        "2024:05:06 07:08:09",
    )
    exif[0x8769] = {
        33434: 0.01,
        36867: "2024:05:06 07:08:09",
        40962: 12,
        40963: 8,
        40965: {1: "R98"},
    }
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    return exif


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_phone_picture_comes_out_upright_with_its_exif(tmp_path, copier, suffix, orientation):
    corner = np.full((8, 12, 3), 128, np.uint8)
    corner[:4, :6] = (255, 0, 0)
    source = saved(
        tmp_path / f"x{suffix}", corner, exif=photo_exif(orientation).tobytes(), quality=95
    )
    path = photo.restore_file(copier, source, tmp_path / "out")
    image = opened(path)
    assert image.size == ((24, 16) if orientation < 5 else (16, 24))
    upright = images.read(source)
    assert np.abs(images.read(path)[1::2, 1::2] - upright).mean() < 0.03
    np.testing.assert_array_equal(
        images.to_float(np.asarray(image.convert("RGB"))), images.read(path)
    )  # not turned again
    exif = image.getexif()
    assert exif.get(0x0112, 1) == 1
    assert suffix == ".tif" or 0x0112 in exif  # Pillow takes the tag from a TIFF while it reads
    assert (exif[271], exif[272], exif[306]) == ("Acme", "Phone 9", "2024:05:06 07:08:09")
    camera = exif.get_ifd(0x8769)
    assert float(camera[33434]) == 0.01
    assert (camera[40962], camera[40963]) == image.size
    with Image.open(path) as file:  # Written anew: the old file's offset would not hold
        if suffix == ".tif":
            assert 40965 not in file.getexif().get_ifd(0x8769)
        else:
            assert file.getexif().get_ifd(40965) == {1: "R98"}
    assert [float(v) for v in exif.get_ifd(0x8825)[2]] == [52, 31, 12]


def test_a_tiffs_own_layout_is_not_taken_for_exif(tmp_path, copier, picture):
    grey = saved(
        tmp_path / "grey.tif",
        images.to_uint8(picture),
        "L",
        compression="tiff_lzw",
        artist="A. Student",
    )
    image = opened(photo.restore_file(copier, grey, tmp_path / "out"))
    assert image.mode == "L"
    assert image.tag_v2[262] == 1  # photometric interpretation: black is zero
    assert image.getexif()[315] == "A. Student"
    clear = saved(tmp_path / "clear.tif", images.to_uint8(picture), "CMYK", compression="tiff_lzw")
    image = opened(photo.restore_file(copier, clear, tmp_path / "out"))
    assert (image.mode, image.tag_v2[262]) == ("RGB", 2)


def test_damaged_exif_is_named_and_left_out(tmp_path, copier, picture):
    raw = bytearray(photo_exif(1).tobytes())
    maker = raw.find((271).to_bytes(2, "big"))
    raw[maker + 2 : maker + 4] = (5).to_bytes(2, "big")  # text that says it is fractions
    source = saved(tmp_path / "x.png", images.to_uint8(picture), exif=bytes(raw))
    with pytest.warns(UserWarning, match=r"x\.png: its EXIF is damaged .* left out"):
        path = photo.restore_file(copier, source, tmp_path / "out")
    told = opened(path).getexif()
    assert set(told) == {305} and told[305].startswith("Restored with net by image-rest")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_profile_and_resolution_are_kept(tmp_path, copier, picture, suffix):
    source = saved(
        tmp_path / f"x{suffix}", images.to_uint8(picture), icc_profile=SRGB, dpi=(300, 300)
    )
    image = opened(photo.restore_file(copier, source, tmp_path))
    assert image.info["icc_profile"] == SRGB
    if suffix != ".webp":  # which has no such field
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_no_profile_is_invented(tmp_path, copier, picture):
    source = saved(tmp_path / "x.png", images.to_uint8(picture))
    image = opened(photo.restore_file(copier, source, tmp_path))
    assert not {"icc_profile", "dpi"} & set(image.info)


@pytest.mark.parametrize(("mode", "kept"), [("P", True), ("L", False)])
def test_a_profile_stays_where_its_colours_do(tmp_path, copier, picture, mode, kept):
    source = saved(tmp_path / "x.png", images.to_uint8(picture), mode, icc_profile=SRGB)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        result = photo.restore_file(copier, source, tmp_path)
    assert ("icc_profile" in opened(result).info) is kept
    words = f"{source}: its profile is damaged or for other colours than its pixels hold"
    assert [words in str(warning.message) for warning in told] == [True] * (not kept)


@pytest.mark.parametrize(
    ("mode", "suffix", "result"),
    [
        ("L", ".png", "L"),
        ("1", ".png", "L"),
        ("P", ".gif", "RGB"),
        ("CMYK", ".jpg", "RGB"),
    ],
)
def test_every_kind_of_pixel_becomes_8_bit_rgb_or_grey(
    tmp_path, copier, picture, mode, suffix, result
):
    source = saved(tmp_path / f"x{suffix}", images.to_uint8(picture), mode)
    image = opened(photo.restore_file(copier, source, tmp_path / "out"))
    assert (image.mode, image.size) == (result, (128, 96))
    expected = tiles.apply(copier, images.read(source))
    assert np.abs(images.to_float(np.asarray(image.convert("RGB"))) - expected).mean() < 0.02


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_a_single_pixel(tmp_path, espcn, mode):
    source = saved(tmp_path / "x.png", Image.new(mode, (1, 1)))
    assert opened(photo.restore_file(espcn, source, tmp_path)).size == (4, 4)


# transparency


def disc(background):
    """A red disc, a ring of half transparent red around it, on a `background` that nobody sees."""
    y, x = np.mgrid[:40, :40]
    far = np.hypot(y - 19.5, x - 19.5)
    rgba = np.full((40, 40, 4), (*background, 0), np.uint8)
    rgba[far < 13] = (200, 0, 0, 128)
    rgba[far < 12] = (200, 0, 0, 255)
    return rgba


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
@pytest.mark.parametrize("background", [(0, 0, 0), (0, 255, 0)])
def test_alpha_is_enlarged_beside_and_no_hidden_colour_shows(tmp_path, copier, suffix, background):
    rgba = disc(background)
    source = saved(tmp_path / f"x{suffix}", rgba, lossless=True, exact=True)
    image = opened(photo.restore_file(copier, source, tmp_path))
    assert (image.mode, image.size) == ("RGBA", (80, 80))
    alpha = np.asarray(image)[..., 3]
    np.testing.assert_array_equal(
        alpha, Image.fromarray(rgba[..., 3]).resize((80, 80), Image.Resampling.BICUBIC)
    )
    seen = np.asarray(image)[alpha > 0][:, :3].astype(int)
    assert np.abs(seen - (200, 0, 0)).max() <= (12 if suffix == ".webp" else 1)


def test_binary_transparency_of_a_gif(tmp_path, copier):
    palette = Image.fromarray(disc((9, 9, 9))[..., 3] // 255).convert("P")
    palette.putpalette([9, 9, 9, 200, 0, 0])
    image = opened(
        photo.restore_file(copier, saved(tmp_path / "x.gif", palette, transparency=0), tmp_path)
    )
    assert (image.format, image.mode) == ("PNG", "RGBA")
    pixels = np.asarray(image)
    assert (pixels[pixels[..., 3] > 0][:, :3] == (200, 0, 0)).all()
    assert pixels[0, 0, 3] == 0 and pixels[40, 40, 3] == 255


def test_a_turned_picture_turns_its_alpha(tmp_path, copier):
    rgba = np.zeros((8, 12, 4), np.uint8)
    rgba[:4, :6] = (0, 0, 255, 255)
    source = saved(tmp_path / "x.png", rgba, exif=photo_exif(6))
    pixels = np.asarray(opened(photo.restore_file(copier, source, tmp_path)))
    assert pixels.shape == (24, 16, 4)
    assert tuple(pixels[2, -2]) == (0, 0, 255, 255)
    assert pixels[2, 2, 3] == pixels[-2, -2, 3] == 0


def test_nothing_visible_at_all(tmp_path, copier):
    source = saved(tmp_path / "x.png", np.zeros((5, 6, 4), np.uint8))
    assert (
        np.asarray(opened(photo.restore_file(copier, source, tmp_path))) == (255, 255, 255, 0)
    ).all()


def test_a_png_that_is_called_jpg_keeps_its_alpha(tmp_path, copier):
    saved(tmp_path / "x.png", disc((0, 0, 0))).rename(tmp_path / "x.jpg")
    path = photo.restore_file(copier, tmp_path / "x.jpg", tmp_path)
    assert path.name == "x_x2.png"
    assert opened(path).mode == "RGBA"


# what must never happen


def test_the_input_is_never_touched(tmp_path, copier, picture):
    source = images.write(tmp_path / "x.png", picture)
    before = source.read_bytes()
    photo.restore_file(copier, source, tmp_path)
    assert source.read_bytes() == before


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_result_that_would_be_the_source_stands_beside_it(tmp_path, copier, picture, link):
    real = images.write(tmp_path / "x_x2.png", picture)
    before = real.read_bytes()
    link(real, tmp_path / "x.png")
    assert photo.restore_file(copier, tmp_path / "x.png", tmp_path).name == "x_x2_net.png"
    assert real.read_bytes() == (tmp_path / "x.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_a_broken_picture_leaves_nothing(tmp_path, copier, speckle, content):
    source = images.write(tmp_path / "x.png", speckle)
    source.write_bytes(source.read_bytes()[:5000] if content is None else content)
    with pytest.raises(ValueError, match=r"x\.png"):
        photo.restore_file(copier, source, tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        photo.restore_file(copier, tmp_path / "none.png", tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_full_disk_keeps_the_older_result_and_leaves_nothing(
    tmp_path, speckle, on_full_disk, monkeypatch, suffix
):
    source = images.write(tmp_path / f"x{suffix}", speckle)
    older = tmp_path / f"x_x2{suffix}"
    older.write_text("older")
    # TensorFlow's threads do not survive a fork
    monkeypatch.setattr(photo, "geometry", lambda model: tiles.Geometry(2, 1, 2))
    monkeypatch.setattr(
        photo, "pieces", lambda model, lr, **_: [tiles.Piece(0, 0, images.enlarge(lr, 2))]
    )
    with pytest.raises(OSError, match=rf"cannot write x_x2_x\{suffix}.*free space"):
        on_full_disk(photo.restore_file, None, source.name, ".", label="x")
    assert older.read_text() == "older"
    assert sorted(p.name for p in tmp_path.iterdir()) == [source.name, older.name]


def test_a_stop_in_the_middle_leaves_nothing(tmp_path, espcn, picture, monkeypatch):
    source = images.write(tmp_path / "x.png", picture)

    def stopped(*_, **__):
        yield tiles.Piece(0, 0, np.zeros((4, 4, 3), np.float32))
        raise KeyboardInterrupt

    monkeypatch.setattr(photo, "pieces", stopped)
    with pytest.raises(KeyboardInterrupt):
        photo.restore_file(espcn, source, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize("file", ["tiles.py", "app/photo.py"])
def test_no_backend_is_imported_by_name(file):
    tree = ast.parse((ROOT / "helpers" / file).read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert not [n for n in names if n.startswith(("tensorflow", "jax", "torch"))]
