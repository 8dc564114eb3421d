"""A network on a picture of any size, in tiles without seams."""

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import product

import keras
import numpy as np
from tqdm.auto import tqdm

from helpers import images
from helpers.layers import SubpixelConv2D

# By name, because `x + y` in a graph is an operation of the same name as the layer
POINTWISE = {
    "InputLayer",
    "Add",
    "Subtract",
    "Multiply",
    "TrueDivide",
    "Average",
    "Maximum",
    "Minimum",
    "Concatenate",
}
POINTWISE |= {
    "Activation",
    "ReLU",
    "Relu",
    "LeakyReLU",
    "LeakyRelu",
    "PReLU",
    "Sigmoid",
    "Tanh",
    "Softmax",
    "Clip",
}
POINTWISE |= {
    "Identity",
    "Rescaling",
    "BatchNormalization",
    "Dropout",
    "SpatialDropout2D",
    "GaussianNoise",
}
WHOLE = {"GroupNormalization", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "Flatten", "Dense"}
WHOLE |= {"Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"}
CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
MOST_WHOLE = 600_000  # pixels that a network with instance normalisation may see at once, in 3 GB
REACH = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}


def receptive_radius(model: keras.Model) -> int:
    """How many input pixels around a pixel its output depends on, at most; computed from the layers.

    The longest path through a functional or Sequential network: half a kernel for each convolution (what
    follows an enlargement or a pooling counts at its own resolution), 2 pixels for a bicubic enlargement, one
    less than its size for a pooling. `espcn`: 6, `cae`: 60, `unet`: 108.
    Raises ValueError for a layer that looks at the whole picture (group normalisation, global pooling, dense,
    attention), and for strides, padding other than "same" and layers unknown here, not supported yet.
    """
    return math.ceil(_reach(model)[0])


def _reach(
    model: keras.Model, start=(Fraction(0), Fraction(1), 1)
) -> tuple[Fraction, Fraction, int]:
    """How far a network looks, in input pixels, how many times it enlarges, and the grid on which it pools."""
    graph = (
        getattr(model, "_functional", None) or model
    )  # a Sequential network holds its graph inside
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(
            f"the layers of {model.name} cannot be followed; build it as keras.Model(inputs, outputs)"
        )
    known = {id(x): start for x in graph.inputs}
    for _, nodes in sorted(
        graph._nodes_by_depth.items(), reverse=True
    ):  # from the input to the output
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
    if (
        isinstance(layer, POOLINGS)
        and tuple(layer.pool_size) == tuple(layer.strides) == 2 * layer.pool_size[:1]
    ):
        return Fraction(layer.pool_size[0] - 1), Fraction(1, layer.pool_size[0])
    if isinstance(layer, CONVOLUTIONS) and layer.padding == "same" and set(layer.strides) == {1}:
        return Fraction(math.ceil(_span(layer) / 2)), layer.scale if isinstance(
            layer, SubpixelConv2D
        ) else 1
    if (
        isinstance(layer, keras.layers.Conv2DTranspose)
        and layer.padding == "same"
        and len(set(layer.strides)) == 1
    ):
        return Fraction(_span(layer), layer.strides[0]), layer.strides[
            0
        ]  # it steps at its output's resolution
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
    return max(
        (k - 1) * d for k, d in zip(convolution.kernel_size, convolution.dilation_rate, strict=True)
    )


def apply(
    model: keras.Model,
    picture: np.ndarray,
    scale: int,
    tile: int = 256,
    progress: bool | None = None,
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
    return laid(pieces(model, picture, scale, tile, progress), picture, scale)


def laid(tiles: Iterator[tuple], picture: np.ndarray, scale: int) -> np.ndarray:
    """Tiles as (top, left, pixels), or with a mask beside, laid over one another."""
    images.check(picture)
    whole = np.zeros((picture.shape[0] * scale, picture.shape[1] * scale, 3), np.float32)
    for top, left, sr, *mask in tiles:
        part = whole[top : top + sr.shape[0], left : left + sr.shape[1]]
        part[:] = part + mask[0][..., None] * (sr - part) if mask else sr
    return whole


def pieces(
    model, picture, scale: int, tile: int, progress
) -> Iterator[tuple[int, int, np.ndarray]]:
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
    for top, left in tqdm(
        corners, "restore", delay=2, leave=False, unit="tile", disable=not progress
    ):
        # At the picture's own border nothing is added: there the network pads as it does on the whole
        above, before = (max(0, x - radius) // grid * grid for x in (top, left))
        below, behind = (-(-(x + tile + radius) // grid) * grid for x in (top, left))
        lr = picture[above:below, before:behind]
        # Called directly: compiled for any size, UpSampling2D fails on bicubic, and it gains only a tenth
        sr = keras.ops.convert_to_numpy(model(np.asarray(lr[None], np.float32), training=False))[0]
        sr = sr[(top - above) * scale :, (left - before) * scale :]
        sr = sr[: min(tile, height - top) * scale, : min(tile, width - left) * scale]
        yield top * scale, left * scale, np.clip(sr.astype(np.float32), 0, 1)
