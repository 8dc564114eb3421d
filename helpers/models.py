"""The course's networks, one short function each, in lesson order. Pure Keras 3."""

import keras
from keras import layers

from helpers.layers import SubpixelConv2D


def deconv_cnn(skip: str | None = None, activation: str = "relu"):
    """Deconvolution network, the smallest one here that enlarges: (b, h, w, 3) → (b, 2h, 2w, 3).

    3,198 parameters: a transposed convolution doubles the picture, two convolutions repair it. The dog project's
    network is `deconv_cnn()`, for 16×16 → 32×32. `skip` ("bicubic", "nearest" …) adds an enlargement of the
    input, so that the network learns only the correction; a leaky `activation` then keeps its few channels alive.
    Source: the dog project's table of layers; transposed convolution: Zeiler et al. 2010, CVPR.
    """
    lr = keras.Input((None, None, 3), name="lr")
    x = layers.Conv2DTranspose(27, 3, strides=2, padding="same", activation=activation, name="deconv")(lr)
    x = layers.Conv2D(9, 3, padding="same", activation=activation, name="conv1")(x)
    x = layers.Conv2D(3, 3, padding="same", name="conv2")(x)
    return keras.Model(lr, _on_top(lr, x, 2, skip), name="deconv_cnn")


def unet(width: int = 16, skips: bool = True, output: str = "residual", dropout: float = 0.2):
    """U-Net for repairing a picture: (b, h, w, 3) → (b, h, w, 3); h and w must be multiples of 16.

    1,965,987 parameters at width 16; the U-Net project's network is `unet(64, output="softmax")`, 31,392,387.
    Five levels of two 3×3 convolutions, each half as large and twice as wide as the one above; batch
    normalisation and dropout after the first of each two. `skips` hands each level's picture across to the way
    up; without them it is an autoencoder. `output` is "softmax", "sigmoid", "linear" or "residual", which adds
    the input, so that the network learns only the correction and an untrained one changes nothing.
    For other sizes `restore.apply` pads. ValueError for another output.
    Source: Ronneberger et al. 2015, arXiv:1505.04597, with the U-Net project's widths.
    """
    if output not in ("softmax", "sigmoid", "linear", "residual"):
        raise ValueError(f"output {output!r}; choose softmax, sigmoid, linear or residual")

    def two(x, filters, name):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv1")(x)
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
        return layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"{name}_conv2")(x)

    low = keras.Input((None, None, 3), name="low")
    x, across = low, []
    for level in range(1, 5):
        across.append(two(x, width * 2 ** (level - 1), f"down{level}"))
        x = layers.MaxPooling2D(2, name=f"pool{level}")(across[-1])
    x = two(x, width * 16, "bottom")
    for level in range(4, 0, -1):
        x = layers.UpSampling2D(2, name=f"enlarged{level}")(x)
        if skips:
            x = layers.Concatenate(name=f"skip{level}")([across[level - 1], x])
        x = two(x, width * 2 ** (level - 1), f"up{level}")
    start = "zeros" if output == "residual" else "glorot_uniform"
    x = layers.Conv2D(3, 3, padding="same", kernel_initializer=start, name="colours")(x)
    if output != "residual":
        x = layers.Activation(output, dtype="float32", name="output")(x)
    else:  # float32 also under mixed precision: only the correction may be coarse
        x = layers.Add(dtype="float32", name="sum")([low, x])
    return keras.Model(low, x, name="unet")


def cae(latent: int = 128, skips: bool = True, width: int = 32):
    """Convolutional autoencoder for deblurring: (b, h, w, 3) → (b, h, w, 3); h and w must be multiples of 8.

    1,219,427 parameters; 1,025,891 without skips. The encoder halves the picture three times, to `latent` channels
    for each 8×8 pixels: 12 × 12 × 128 numbers for a face of 96 × 96. The decoder doubles them three times. With
    `skips` each level is also handed across, and the input added at the end, so that the network learns only the
    correction and an untrained one changes nothing. For other sizes `restore.apply` pads.
    Source: denoising autoencoders, Vincent et al. 2010, JMLR 11; the skips as in Mao et al. 2016, arXiv:1603.09056.
    """

    def conv(x, filters, name, activation="relu"):
        return layers.Conv2D(filters, 3, padding="same", activation=activation, name=name)(x)

    damaged = keras.Input((None, None, 3), name="damaged")
    x, across = damaged, []
    for level in range(1, 4):
        filters = width * 2 ** (level - 1)
        across.append(conv(conv(x, filters, f"encode{level}a"), filters, f"encode{level}b"))
        x = layers.MaxPooling2D(2, name=f"pool{level}")(across[-1])
    x = conv(x, width * 4, "encode4")
    x = conv(x, latent, "latent", activation=None)
    x = conv(x, width * 4, "decode4")
    for level in range(3, 0, -1):
        x = layers.UpSampling2D(2, name=f"enlarged{level}")(x)
        if skips:
            x = layers.Concatenate(name=f"skip{level}")([across[level - 1], x])
        filters = width * 2 ** (level - 1)
        x = conv(x, filters, f"decode{level}a")
        x = conv(x, max(filters // 2, width), f"decode{level}b")
    start = "zeros" if skips else "glorot_uniform"
    # float32 also under mixed precision: only the correction may be coarse
    x = layers.Conv2D(3, 3, padding="same", kernel_initializer=start, dtype="float32", name="colours")(x)
    if skips:
        x = layers.Add(dtype="float32", name="sum")([damaged, x])
    return keras.Model(damaged, x, name="cae")


def espcn(scale: int = 4, skip: str | None = "bicubic", activation: str = "relu", output: str = "linear"):
    """Efficient sub-pixel convolutional network: (b, h, w, 3) → (b, h·scale, w·scale, 3).

    71,840 parameters at scale 4. Four convolutions at low resolution, then one sub-pixel convolution.
    `skip` ("bicubic", "nearest" or None) adds an enlargement of the input, so that the network learns
    only the correction. The portrait project's network is `espcn(4, skip=None, output="relu")`.
    Source: Shi et al. 2016, arXiv:1609.05158, with the portrait project's table of layers.
    """
    lr = keras.Input((None, None, 3), name="lr")
    x = layers.Conv2D(64, 5, padding="same", activation=activation, name="conv1")(lr)
    x = layers.Conv2D(64, 3, padding="same", activation=activation, name="conv2")(x)
    x = layers.Conv2D(32, 3, padding="same", activation=activation, name="conv3")(x)
    x = layers.Conv2D(16, 3, padding="same", activation=activation, name="conv4")(x)
    x = SubpixelConv2D(3, 3, scale, name="subpixel")(x)
    x = _on_top(lr, x, scale, skip)
    if output != "linear":
        x = layers.Activation(output, name="output")(x)
    return keras.Model(lr, x, name="espcn")


def _on_top(lr, correction, scale: int, skip: str | None):
    """`correction` added to `lr` enlarged by `skip`; without a skip the correction alone."""
    if not skip:
        return correction
    # float32 also under mixed precision: only the correction may be coarse
    enlarged = layers.UpSampling2D(scale, interpolation=skip, dtype="float32", name="enlarged")(lr)
    return layers.Add(dtype="float32", name="sum")([correction, enlarged])
