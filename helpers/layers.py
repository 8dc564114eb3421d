"""The layers that Keras lacks, in pure Keras 3: they run under TensorFlow, JAX and PyTorch."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("course")
class ICNR(keras.initializers.Initializer):
    """Initialisation to convolution resize: an untrained sub-pixel layer draws no checkerboard.

    The `scale²` kernels that fill one block of pixels start equal, so that the result starts as a
    nearest enlargement.

    Parameters
    ----------
    scale : int
        Side of the blocks in pixels.
    initializer : str or Initializer
        Of one kernel of each block.

    Source: Aitken et al. 2017, arXiv:1707.02937. Lesson 06.
    """

    def __init__(self, scale: int, initializer="glorot_uniform"):
        self.scale = scale
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape, dtype=None):
        height, width, inputs, outputs = shape
        copies = self.scale**2
        one = self.initializer((height, width, inputs, outputs // copies), dtype=dtype)
        return ops.tile(one, (1, 1, 1, copies))

    def get_config(self):
        return {"scale": self.scale, "initializer": keras.initializers.serialize(self.initializer)}


@keras.saving.register_keras_serializable("course")
class SubpixelConv2D(keras.layers.Conv2D):
    """Convolution at low resolution to `filters · scale²` channels, then `depth_to_space`.

    (b, h, w, c) → (b, h·scale, w·scale, filters).

    Parameters
    ----------
    filters : int
        Channels of the result.
    kernel_size : int
        Side of the kernels.
    scale : int
        How many times larger the result is on each side.
    **kwargs
        As for Keras' Conv2D; the kernels start by `ICNR`.

    Source: Shi et al. 2016 (ESPCN), arXiv:1609.05158. Lesson 06.
    """

    def __init__(self, filters: int, kernel_size, scale: int, **kwargs):
        kwargs.setdefault("kernel_initializer", ICNR(scale))
        super().__init__(filters * scale**2, kernel_size, padding="same", **kwargs)
        self.scale = scale

    def call(self, x):
        return depth_to_space(super().call(x), self.scale)

    def compute_output_shape(self, input_shape):
        batch, h, w, channels = super().compute_output_shape(input_shape)
        larger = [side and side * self.scale for side in (h, w)]  # None: of any size
        return (batch, *larger, channels // self.scale**2)

    def get_config(self):
        config = super().get_config()
        del config["padding"]
        return config | {"filters": self.filters // self.scale**2, "scale": self.scale}


def depth_to_space(x, scale: int):
    """Lay each pixel's channels out as a block of scale × scale pixels.

    Parameters
    ----------
    x : tensor
        (b, h, w, scale²·c), the channels in TensorFlow's order.
    scale : int
        Side of the blocks.

    Returns
    -------
    tensor
        (b, h·scale, w·scale, c). Lesson 06.
    """
    batch, h, w, channels = ops.shape(x)
    c = channels // scale**2
    x = ops.reshape(x, (batch, h, w, scale, scale, c))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # rows beside rows, columns beside columns
    return ops.reshape(x, (batch, h * scale, w * scale, c))


@keras.saving.register_keras_serializable("course")
class ReflectionPadding2D(keras.layers.Layer):
    """Mirror a border outward: (b, h, w, c) → (b, h + 2·size, w + 2·size, c).

    Parameters
    ----------
    size : int
        Pixels of the border, fewer than a side has. Lesson 08.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, x):
        border = (self.size, self.size)
        return ops.pad(x, [(0, 0), border, border, (0, 0)], mode="reflect")

    def get_config(self):
        return super().get_config() | {"size": self.size}


@keras.saving.register_keras_serializable("course")
class Reduce(keras.layers.Layer):
    """Bring a picture of any size to a square: (b, h, w, c) → (b, side, side, c).

    Parameters
    ----------
    side : int
        Of the square, in pixels. Lesson 08.
    """

    def __init__(self, side: int, **kwargs):
        super().__init__(**kwargs)
        self.side = side

    def call(self, x):
        return interpolate(x, self.side, self.side)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.side, self.side, input_shape[3])

    def get_config(self):
        return super().get_config() | {"side": self.side}


@keras.saving.register_keras_serializable("course")
class LocalColours(keras.layers.Layer):
    """Change each pixel's colours by matrices that depend on its place and its class.

    It takes the picture (b, h, w, 3), how much each pixel belongs to each class (b, h, w, n), and
    on a coarse grid of places (b, i, j, 12·n) three rows of n·4 numbers: for each class what red,
    green, blue and 1 are multiplied by. It returns the sum over the classes, (b, h, w, 3).

    Source: Gharbi et al. 2017, arXiv:1707.02880. Lesson 08.
    """

    def call(self, inputs):
        picture, classes, grid = inputs
        height, width = ops.shape(picture)[1:3]
        colours = ops.concatenate([picture, ops.ones_like(picture[..., :1])], axis=-1)
        terms = classes[..., :, None] * colours[..., None, :]
        terms = ops.reshape(terms, (-1, height, width, 4 * classes.shape[-1]))
        changed = []
        for row in ops.split(grid, 3, axis=-1):
            changed.append(ops.sum(interpolate(row, height, width) * terms, axis=-1))
        return ops.stack(changed, axis=-1)

    def compute_output_shape(self, input_shapes):
        return input_shapes[0]


def interpolate(x, height: int, width: int):
    """Bring (b, h, w, c) to (b, height, width, c), bilinear; reduced, without aliasing."""
    x = ops.einsum("ih,bhwc->biwc", _weights(ops.shape(x)[1], height), x)
    return ops.einsum("jw,biwc->bijc", _weights(ops.shape(x)[2], width), x)


def _weights(before: int, after: int):
    """(after, before): triangles of weights, as wide as the coarser of both steps."""
    before = ops.cast(before, "float32")
    step = before / ops.cast(after, "float32")
    at = ops.clip((ops.arange(after, dtype="float32") + 0.5) * step - 0.5, 0, before - 1)
    distance = ops.abs(at[:, None] - ops.arange(before, dtype="float32"))
    weights = ops.maximum(1 - distance / ops.maximum(step, 1), 0)
    return weights / ops.sum(weights, axis=1, keepdims=True)
