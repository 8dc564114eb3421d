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
