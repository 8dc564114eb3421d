"""A trained network on a picture of any size, in tiles without seams, and on a picture file."""

import io
import math
import os
import warnings
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path

import cv2
import keras
import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from helpers import images, replacing
from helpers.layers import SubpixelConv2D

# By name, because `x + y` in a graph is an operation of the same name as the layer
POINTWISE = {"InputLayer", "Add", "Subtract", "Multiply", "TrueDivide", "Average", "Maximum", "Minimum", "Concatenate"}
POINTWISE |= {"Activation", "ReLU", "Relu", "LeakyReLU", "LeakyRelu", "PReLU", "Sigmoid", "Tanh", "Softmax", "Clip"}
POINTWISE |= {"Identity", "Rescaling", "BatchNormalization", "Dropout", "SpatialDropout2D", "GaussianNoise"}
WHOLE = {"GroupNormalization", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten", "Dense"}
WHOLE |= {"Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"}
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
MOST_WHOLE = 600_000  # pixels that a network with instance normalisation may see at once, in 3 GB
REACH = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}

# A result keeps its source's format up to the longest side that the format can hold; any other becomes PNG
LARGEST = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383} | dict.fromkeys((".png", ".tif", ".tiff"), 2**31 - 1)
CAMERA, GPS, INTEROP, WIDTH, HEIGHT, ORIENTATION = 0x8769, 0x8825, 0xA005, 0xA002, 0xA003, 0x0112
# What EXIF tells about the shot, from description to copyright; its other tags lay out the old file's pixels
SHOT = {*range(269, 273), 282, 283, 296, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)}


def receptive_radius(model: keras.Model) -> int:
    """How many input pixels around a pixel its output depends on, at most; computed from the layers.

    The longest path through a functional or Sequential network: half a kernel for each convolution (what
    follows an enlargement or a pooling counts at its own resolution), 2 pixels for a bicubic enlargement, one
    less than its size for a pooling. `espcn`: 6, `cae`: 60, `unet`: 108.
    Raises ValueError for a layer that looks at the whole picture (group normalisation, global pooling, dense,
    attention), and for strides, padding other than "same" and layers unknown here, not supported yet.
    """
    return math.ceil(_reach(model)[0])


def _reach(model: keras.Model, start=(Fraction(0), Fraction(1), 1)) -> tuple[Fraction, Fraction, int]:
    """How far a network looks, in input pixels, how many times it enlarges, and the grid on which it pools."""
    graph = getattr(model, "_functional", None) or model  # a Sequential network holds its graph inside
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(f"the layers of {model.name} cannot be followed; build it as keras.Model(inputs, outputs)")
    known = {id(x): start for x in graph.inputs}
    for _, nodes in sorted(graph._nodes_by_depth.items(), reverse=True):  # from the input to the output
        for node in nodes:
            if not node.is_input:
                before = [known[id(x)] for x in node.input_tensors]
                (reach, enlarged, _), grid = max(before), math.lcm(*(grid for *_, grid in before))
                if isinstance(node.operation, keras.Model):
                    after = _reach(node.operation, (reach, enlarged, grid))
                else:
                    further, times = _step(node.operation)
                    reach, enlarged = reach + further / enlarged, enlarged * times
                    after = reach, enlarged, math.lcm(grid, enlarged.denominator)
                known |= {id(y): after for y in node.outputs}
    return known[id(graph.outputs[0])]


def _step(layer) -> tuple[Fraction, int | Fraction]:
    """How far one layer looks, in pixels of its input, and how many times it enlarges."""
    kind = type(layer).__name__
    if kind in POINTWISE and getattr(layer, "axis", -1) in (-1, 3):
        return Fraction(0), 1
    if isinstance(layer, keras.layers.UpSampling2D) and layer.size[0] == layer.size[1]:
        return Fraction(REACH[layer.interpolation]), layer.size[0]
    if isinstance(layer, POOLINGS) and tuple(layer.pool_size) == tuple(layer.strides) == 2 * layer.pool_size[:1]:
        return Fraction(layer.pool_size[0] - 1), Fraction(1, layer.pool_size[0])
    if isinstance(layer, CONVOLUTIONS) and layer.padding == "same" and set(layer.strides) == {1}:
        return Fraction(math.ceil(_span(layer) / 2)), layer.scale if isinstance(layer, SubpixelConv2D) else 1
    if isinstance(layer, keras.layers.Conv2DTranspose) and layer.padding == "same" and len(set(layer.strides)) == 1:
        return Fraction(_span(layer), layer.strides[0]), layer.strides[0]  # it steps at its output's resolution
    if kind in WHOLE:
        raise ValueError(
            f"layer {layer.name} ({kind}) looks at the whole picture, so tiles would differ from it; "
            "call the network on the whole picture"
        )
    raise ValueError(
        f"layer {layer.name} ({kind}) cannot be tiled yet: only layers that work pixel by pixel, enlargements, "
        'poolings of separate squares, and convolutions with stride 1 and padding "same"; '
        "call the network on the whole picture"
    )


def _span(convolution) -> int:
    """From a kernel's first pixel to its last, on its longer side."""
    return max((k - 1) * d for k, d in zip(convolution.kernel_size, convolution.dilation_rate, strict=True))


def apply(
    model: keras.Model, picture: np.ndarray, scale: int, tile: int = 256, progress: bool | None = None
) -> np.ndarray:
    """(h, w, 3) float in [0, 1] → (h·scale, w·scale, 3) float32, clipped to [0, 1], as on the whole picture.

    The network sees `tile` × `tile` input pixels at a time, with its receptive radius around them, so that
    memory is bounded by the result and one tile's activations. A network with instance normalisation sees the whole
    picture, of at most `MOST_WHOLE` pixels. For a network that pools, tiles begin where its
    squares do, and the picture is mirrored below and on the right until its sides divide (by 8 for `cae`, by 16
    for `unet`). (At scale 3, UpSampling2D itself rounds positions past a few thousand pixels by 0.001; there the
    tiles are the exact ones.) `progress` draws a bar when it takes longer than 2 seconds. Raises ValueError where
    `receptive_radius` does, and for a network that takes or gives something else than RGB of any size, or
    enlarges by another factor than `scale`; and for more pixels than a network may see at once.
    """
    images.check(picture)
    h, w = picture.shape[:2]
    whole = np.empty((h * scale, w * scale, 3), np.float32)
    for top, left, sr in _tiles(model, picture, scale, tile, progress):
        whole[top : top + sr.shape[0], left : left + sr.shape[1]] = sr
    return whole


def _tiles(model, picture, scale: int, tile: int, progress) -> Iterator[tuple[int, int, np.ndarray]]:
    """The result's tiles as (top, left, pixels)."""
    if tile < 1:
        raise ValueError(f"a tile of {tile} pixels; use at least 1")
    height, width = picture.shape[:2]
    if any(isinstance(layer, keras.layers.GroupNormalization) for layer in model.layers):
        if height * width > MOST_WHOLE:
            raise ValueError(
                f"{model.name} must see the whole picture at once, and {width}×{height} is more than "
                f"{MOST_WHOLE / 1e6:g} megapixels; reduce the picture first"
            )
        strides = [x.strides[0] for x in model.layers if type(x) is keras.layers.Conv2D]
        reach, enlarged, grid, tile = 0, scale, math.prod(strides), max(height, width)
    else:
        reach, enlarged, grid = _reach(model)
    if not model.input_shape[1:] == model.output_shape[1:] == (None, None, 3):
        raise ValueError(
            f"{model.name} turns {model.input_shape} into {model.output_shape}; "
            "expected RGB of any size, which is keras.Input((None, None, 3))"
        )
    if enlarged != scale:
        raise ValueError(f"{model.name} enlarges {enlarged} times, not {scale}")
    radius = math.ceil(reach)
    if height % grid or width % grid:
        picture = np.pad(picture, ((0, -height % grid), (0, -width % grid), (0, 0)), "symmetric")
    corners = list(product(range(0, height, tile), range(0, width, tile)))
    for top, left in tqdm(corners, "restore", delay=2, leave=False, unit="tile", disable=not progress):
        # At the picture's own border nothing is added: there the network pads as it does on the whole
        above, before = (max(0, x - radius) // grid * grid for x in (top, left))
        below, behind = (-(-(x + tile + radius) // grid) * grid for x in (top, left))
        lr = picture[above:below, before:behind]
        # Called directly: compiled for any size, UpSampling2D fails on bicubic, and it gains only a tenth
        sr = keras.ops.convert_to_numpy(model(np.asarray(lr[None], np.float32), training=False))[0]
        sr = sr[(top - above) * scale :, (left - before) * scale :]
        sr = sr[: min(tile, height - top) * scale, : min(tile, width - left) * scale]
        yield top * scale, left * scale, np.clip(sr.astype(np.float32), 0, 1)


def restore_file(
    model: keras.Model, scale: int, source: str | os.PathLike, to_folder: str | os.PathLike, tile: int = 256
) -> Path:
    """Restore a picture file into `to_folder`, as `<stem>_x<scale>` or, at scale 1, `<stem>_restored`; its path.

    JPEG (quality 95), PNG, WebP and TIFF keep their format, anything else becomes PNG, and so does what the
    format cannot hold (transparency in JPEG, the longest sides). Always 8-bit RGB, also from grey or 16 bits,
    with an alpha channel where there was transparency: Pillow's bicubic enlarges it, the network the colours.
    EXIF about the shot is kept, with the pixels turned upright; so are the resolution in DPI and an RGB
    colour profile. An older result is replaced. Raises ValueError where that would be `source` itself,
    and what `images.read`, `apply` and `images.write` raise.
    """
    source = Path(source)
    picture = images.read(source)
    size = picture.shape[1] * scale, picture.shape[0] * scale
    alpha = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # images.read decides what is too large
        file = Image.open(source)
    with file:
        file.load()
        if file.has_transparency_data and not file.mode.startswith("I"):
            rgba = images.upright(np.asarray(file.convert("RGBA")), images.orientation(file))
            alpha = Image.fromarray(rgba[..., 3])
            # Laid on white, as images.read gives them, half transparent pixels would have the wrong colour
            picture = _bleed(images.to_float(rgba[..., :3]), rgba[..., 3] == 0)
        options = _metadata(file, size)
    suffix = source.suffix.lower()
    if max(size) > LARGEST.get(suffix, 0) or (alpha and suffix.startswith(".j")):
        suffix = ".png"
    target = Path(to_folder) / f"{source.stem}_{f'x{scale}' if scale > 1 else 'restored'}{suffix}"
    if target.exists() and target.samefile(source):
        raise ValueError(f"the result would replace its own source {source}; choose another folder")
    with replacing(target) as part:
        result = Image.new("RGB", size)  # 8 bits from the start: a float picture would take four times as much
        for top, left, sr in _tiles(model, picture, scale, tile, progress=True):
            result.paste(Image.fromarray(images.to_uint8(sr)), (left, top))
        if alpha:
            result.putalpha(alpha.resize(size, Image.Resampling.BICUBIC))
        encoded = io.BytesIO()  # Pillow's own writers do not notice a full disk
        kind = Image.registered_extensions()[suffix]
        result.save(encoded, kind, quality=95, compress_level=4, **options)  # PNG's 6: twice the time, 1/6 smaller
        part.write_bytes(encoded.getbuffer())
    return target


def _bleed(picture: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Give each hidden pixel the nearest visible one's colour, lest the enlarged edge take on what nobody saw."""
    if not hidden.any():
        return picture
    if hidden.all():
        return np.ones_like(picture)
    _, nearest = cv2.distanceTransformWithLabels(
        hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((nearest.max() + 1, 3), np.float32)
    colours[nearest[~hidden]] = picture[~hidden]
    return colours[nearest]


def _metadata(file: Image.Image, size: tuple[int, int]) -> dict:
    """What of a picture file's metadata is still true of its upright enlargement, as options of Pillow's save."""
    options = {}
    try:
        if exif := _exif(file.getexif(), size):
            options["exif"] = exif
    except Exception as error:  # Pillow trips over damaged tables in many ways
        warnings.warn(f"{file.filename}: its EXIF is damaged ({error}) and left out", stacklevel=3)
    if file.mode in ("RGB", "RGBA", "P") and (profile := file.info.get("icc_profile")):
        options["icc_profile"] = profile
    dpi = file.info.get("dpi")
    if dpi and all(0 < d < 65536 for d in dpi):
        options["dpi"] = tuple(float(d) for d in dpi)
    return options


def _exif(old: Image.Exif, size: tuple[int, int]) -> bytes:
    """The tags about the shot, as bytes, with the new size and the pixels upright; nothing where there were none."""
    if not len(old):
        return b""
    exif = Image.Exif()
    exif[ORIENTATION] = 1
    for tag in SHOT.intersection(old):
        exif[tag] = old[tag]
    for tag in (CAMERA, GPS):
        if table := {k: v for k, v in old.get_ifd(tag).items() if k != INTEROP}:  # an offset into the old file
            exif[tag] = table | {k: n for k, n in zip((WIDTH, HEIGHT), size, strict=True) if k in table}
    if len(exif.tobytes()) > 65533:
        raise ValueError("longer than JPEG allows")
    return exif.tobytes()
