"""The course's networks, one short function each, in lesson order. Pure Keras 3."""

import keras
from keras import layers

from helpers.layers import SubpixelConv2D


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
    if skip:
        # float32 also under mixed precision: only the correction may be coarse
        enlarged = layers.UpSampling2D(scale, interpolation=skip, dtype="float32", name="enlarged")(lr)
        x = layers.Add(dtype="float32", name="sum")([enlarged, x])
    if output != "linear":
        x = layers.Activation(output, name="output")(x)
    return keras.Model(lr, x, name="espcn")
