"""The layers that Keras lacks, in pure Keras 3: they run under TensorFlow, JAX and PyTorch."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("course")
class ICNR(keras.initializers.Initializer):
    """Initialisation to convolution resize: the shuffled result starts as a nearest enlargement.

    Each of the `scale²` kernels that fill one block of pixels starts equal, so an untrained sub-pixel
    convolution draws no checkerboard (Aitken et al. 2017, arXiv:1707.02937).
    """

    def __init__(self, scale: int, initializer="glorot_uniform"):
        self.scale = scale
        self.initializer = keras.initializers.get(initializer)

    def __call__(self, shape, dtype=None):
        *kernel, channels = shape
        one = self.initializer((*kernel, channels // self.scale**2), dtype=dtype)
        return ops.tile(one, (1,) * len(kernel) + (self.scale**2,))

    def get_config(self):
        return {"scale": self.scale, "initializer": keras.initializers.serialize(self.initializer)}


@keras.saving.register_keras_serializable("course")
class SubpixelConv2D(keras.layers.Conv2D):
    """Convolution at low resolution, then the shuffle: (b, h, w, c) → (b, h·scale, w·scale, filters).

    The convolution makes `filters · scale²` channels; `shuffle` lays each pixel's channels out as a
    block of scale × scale pixels. Source: Shi et al. 2016 (ESPCN), arXiv:1609.05158.
    """

    def __init__(self, filters: int, kernel_size, scale: int, **kwargs):
        kwargs.setdefault("kernel_initializer", ICNR(scale))
        super().__init__(filters * scale**2, kernel_size, padding="same", **kwargs)
        self.scale = scale

    def call(self, x):
        return shuffle(super().call(x), self.scale)

    def compute_output_shape(self, input_shape):
        batch, h, w, channels = super().compute_output_shape(input_shape)
        size = [None if n is None else n * self.scale for n in (h, w)]
        return (batch, *size, channels // self.scale**2)

    def get_config(self):
        config = super().get_config()
        del config["padding"]
        return config | {"filters": self.filters // self.scale**2, "scale": self.scale}


def shuffle(x, scale: int):
    """Depth to space: (b, h, w, scale²·c) → (b, h·scale, w·scale, c), in TensorFlow's channel order."""
    batch, h, w, channels = ops.shape(x)
    c = channels // scale**2
    x = ops.reshape(x, (batch, h, w, scale, scale, c))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # rows beside rows, columns beside columns
    return ops.reshape(x, (batch, h * scale, w * scale, c))


@keras.saving.register_keras_serializable("course")
class ReflectionPadding2D(keras.layers.Layer):
    """Mirror a border of `size` pixels outward: (b, h, w, c) → (b, h + 2·size, w + 2·size, c); sides > `size`."""

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, x):
        return ops.pad(
            x, [(0, 0), (self.size, self.size), (self.size, self.size), (0, 0)], mode="reflect"
        )

    def compute_output_shape(self, input_shape):
        batch, h, w, channels = input_shape
        return (batch, *(None if n is None else n + 2 * self.size for n in (h, w)), channels)

    def get_config(self):
        return super().get_config() | {"size": self.size}
