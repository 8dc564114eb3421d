"""A network on a picture of any size, in tiles without seams."""

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple
from weakref import WeakKeyDictionary

import keras
import numpy as np
from tqdm.auto import tqdm

from helpers import images

GLOBAL = (
    keras.layers.GroupNormalization,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
)
HALVING = (keras.layers.Conv2D, keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
# Pixels that a network may see at once: with instance normalisation in 3 GB, without it in 2
MOST_NORMALISED = 600_000
MOST_WHOLE = 2_500_000
LONGEST = 1024  # pixels, the largest picture in which a bright line is looked for


class Geometry(NamedTuple):
    """What a network needs to be tiled; `reach` is None where it looks at the whole picture."""

    reach: int | None
    multiple: int
    scale: int


class Piece(NamedTuple):
    """Pixels (h, w, 3) of a result and their place; `mask` (h, w) is how much of them is seen."""

    top: int
    left: int
    pixels: np.ndarray
    mask: np.ndarray | None = None


measured: WeakKeyDictionary[keras.Model, Geometry] = WeakKeyDictionary()


def geometry(model: keras.Model) -> Geometry:
    """How far a network looks, what its input's sides must divide by, and how much it enlarges.

    It is measured once for each network; a shipped network's card knows it. Lesson 09.

    Parameters
    ----------
    model : keras.Model
        Any network (b, h, w, 3) → (b, h·scale, w·scale, 3).

    Returns
    -------
    Geometry
        `reach` in input pixels, or None; `multiple` in input pixels; `scale`.

    Raises
    ------
    ValueError
        For a network that takes or gives something else.
    """
    if model not in measured:
        measured[model] = _measure(model)
    return measured[model]


def receptive_radius(model: keras.Model) -> int:
    """How many input pixels around a pixel its output depends on, at most.

    All kernels are made positive and all biases 0: then a bright pixel in a black picture shows
    wherever the output depends on it. `espcn`: 6, `cae`: 60, `unet`: 108. Lesson 09.

    Parameters
    ----------
    model : keras.Model
        Any network (b, h, w, 3) → (b, h·scale, w·scale, 3).

    Returns
    -------
    int
        The radius in input pixels.

    Raises
    ------
    ValueError
        For a network that looks at the whole picture, and where `geometry` does.
    """
    reach = geometry(model).reach
    if reach is None:
        raise ValueError(f"{model.name} looks at the whole picture; it has no receptive radius")
    return reach


def _measure(model) -> Geometry:
    """The geometry by the layers' strides, by the result's size, and by a bright line."""
    layers = list(_layers(model))
    multiple = math.prod(x.strides[0] for x in layers if isinstance(x, HALVING))
    side = 17 * multiple
    scale = 0
    if getattr(model, "input_shape", ())[1:] == (None, None, 3):
        after = model.compute_output_shape((1, side, side, 3))
        scale = after[1] // side
    if scale < 1 or tuple(after) != (1, side * scale, side * scale, 3):
        raise ValueError(
            f"{model.name} cannot be tiled: expected a keras.Model(inputs, outputs) that turns RGB "
            "of any size, keras.Input((None, None, 3)), into RGB as large or some times larger; "
            "call it on the whole picture"
        )
    reach = None
    if not any(isinstance(x, GLOBAL) for x in layers):
        down = _reach(1, model, multiple, scale)
        across = _reach(2, model, multiple, scale)
        reach = None if down is None or across is None else max(down, across)
    return Geometry(reach, multiple, scale)


def _layers(model) -> Iterator[keras.layers.Layer]:
    """A network's layers, and those of the networks inside it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers(layer)


def _reach(axis: int, model, multiple: int, scale: int) -> int | None:
    """How far a bright line shows along an axis; None where it shows everywhere."""
    states = [
        [_positive(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]
    breadth = 4 * multiple
    side = 16 * multiple
    while side <= LONGEST:
        places = side // 2 + np.arange(multiple)  # It may pool: each place in a pooled square
        lines = np.zeros((multiple + 1, side, breadth, 3), np.float32)  # The last one stays black
        lines[np.arange(multiple), places] = 1
        with keras.device("cpu"):  # On a GPU a convolution's rounding may be wider than its kernel
            shown, _ = model.stateless_call(*states, lines.swapaxes(1, axis), training=False)
        shown = keras.ops.convert_to_numpy(shown).swapaxes(1, axis)
        changed = (shown[:-1] != shown[-1]).any(axis=(2, 3))
        if not changed[:, [0, -1]].any():
            distance = np.abs(np.arange(side).repeat(scale) - places[:, None])
            return int((distance * changed).max())
        side *= 2
    return None


def _positive(variable) -> np.ndarray:
    """Positive kernels, different for each channel lest a softmax hide them, and no offsets."""
    values = np.zeros(variable.shape, np.float32)
    if len(variable.shape) > 1:
        values += np.arange(1, variable.shape[-1] + 1)
    elif variable.name in ("gamma", "moving_variance"):
        values += 1
    return values


def apply(
    model: keras.Model, picture: np.ndarray, *, tile: int = 256, progress: bool | None = None
) -> np.ndarray:
    """A network's result for a picture of any size, as if it had seen the whole picture at once.

    It sees one tile with its receptive radius around it at a time, so that memory is bounded. Where
    the sides do not divide by its `multiple`, the picture is mirrored below and on the right.
    A network that looks at the whole picture sees it, up to 2.5 megapixels, or 0.6 where it
    normalises. Lesson 09.

    Parameters
    ----------
    model : keras.Model
        A network (b, h, w, 3) → (b, h·scale, w·scale, 3).
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    tile : int
        The side of a tile in input pixels, at least 1.
    progress : bool, optional
        Whether a bar is drawn when it takes longer than 2 seconds.

    Returns
    -------
    np.ndarray
        (h·scale, w·scale, 3), float32, clipped to [0, 1].

    Raises
    ------
    ValueError
        Where `geometry` does, and for another picture, tile, or too many pixels at once.
    """
    images.check(picture)
    height, width = picture.shape[:2]
    scale = geometry(model).scale
    canvas = np.zeros((height * scale, width * scale, 3), np.float32)
    return compose(pieces(model, picture, tile, progress), canvas)


def compose(parts: Iterator[Piece], canvas):
    """Lay pieces over one another on `canvas`, (h, w, 3) in [0, 1], and return it."""
    for top, left, pixels, mask in parts:
        height, width = pixels.shape[:2]
        place = np.s_[top : top + height, left : left + width]
        if mask is not None:
            below = canvas[place]
            pixels = below + mask[..., None] * (pixels - below)
        canvas[place] = pixels
    return canvas


def pieces(
    model, picture: np.ndarray, tile: int = 256, progress: bool | None = None
) -> Iterator[Piece]:
    """The result of `apply`, tile by tile."""
    if tile < 1:
        raise ValueError(f"a tile of {tile} pixels; use at least 1")
    height, width = picture.shape[:2]
    reach, multiple, scale = geometry(model)
    if reach is None:
        normalises = any(isinstance(x, keras.layers.GroupNormalization) for x in _layers(model))
        most = MOST_NORMALISED if normalises else MOST_WHOLE
        if height * width > most:
            raise ValueError(
                f"{model.name} must see the whole picture at once, and {width}×{height} is more "
                f"than {most / 1e6:g} megapixels; reduce the picture first"
            )
        tile = max(height, width)
        reach = 0
    missing = [(0, -height % multiple), (0, -width % multiple), (0, 0)]
    if np.any(missing):
        picture = np.pad(picture, missing, "symmetric")
    corners = list(product(range(0, height, tile), range(0, width, tile)))
    for top, left in tqdm(
        corners, "restore", delay=2, leave=False, unit="tile", disable=not progress
    ):
        rows = _window(top, tile + reach, reach, multiple)
        columns = _window(left, tile + reach, reach, multiple)
        lr = np.asarray(picture[None, rows, columns], np.float32)
        # Called directly: compiled for any size, UpSampling2D fails on bicubic, for a tenth of time
        sr = keras.ops.convert_to_numpy(model(lr, training=False))[0]
        sr = sr[(top - rows.start) * scale :, (left - columns.start) * scale :]
        sr = sr[: min(tile, height - top) * scale, : min(tile, width - left) * scale]
        yield Piece(top * scale, left * scale, np.clip(sr.astype(np.float32), 0, 1))


def _window(start: int, length: int, reach: int, multiple: int) -> slice:
    """The input rows that a tile needs. At the picture's own border the network pads as always."""
    first = max(0, start - reach)
    last = math.ceil((start + length) / multiple) * multiple
    return slice(first - first % multiple, last)
