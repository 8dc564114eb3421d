"""The course's networks, one short function each, in lesson order. Pure Keras 3."""

from typing import NamedTuple

import keras
from keras import layers

from helpers.layers import LocalColours, Reduce, ReflectionPadding2D, SubpixelConv2D


def _input(name: str):
    """An input of pictures of any size: (b, h, w, 3)."""
    return keras.Input((None, None, 3), name=name)


def _conv(x, filters: int, kernel: int, name: str, **options):
    """A convolution that keeps the size of `x`; `options` are Keras' own."""
    return layers.Conv2D(filters, kernel, padding="same", name=name, **options)(x)


def _instance_norm(x, name: str):
    """Each channel of each picture gets mean 0 and deviation 1, then a learnt scale and shift."""
    return layers.GroupNormalization(groups=-1, epsilon=1e-5, name=name)(x)


def _add(picture, correction):
    """Both added, in float32 also under mixed precision: only the correction may be coarse."""
    return layers.Add(dtype="float32", name="sum")([picture, correction])


def _add_skip(correction, lr, scale: int, skip: str | None):
    """`correction` added to `lr`, enlarged by the interpolation `skip`; without one it alone."""
    if skip is None:
        return correction
    enlarge = layers.UpSampling2D(scale, interpolation=skip, dtype="float32", name="enlarged")
    return _add(enlarge(lr), correction)


def deconv_cnn(skip: str | None = None, activation: str = "relu"):
    """The smallest network here that enlarges: a transposed convolution, then two convolutions.

    It has 3,198 parameters. Without arguments it is the dog project's, for 16×16 → 32×32.

    Parameters
    ----------
    skip : "bicubic", "nearest" … or None
        Enlargement of the input that is added, so that the network learns only the correction.
    activation : str
        A leaky one, "leaky_relu", keeps the few channels alive beside a skip.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, 2h, 2w, 3), float32.

    Source: the dog project's table of layers; Zeiler et al. 2010, CVPR. Lesson 04.
    """
    lr = _input("lr")
    double = layers.Conv2DTranspose(
        27, 3, strides=2, padding="same", activation=activation, name="deconv"
    )
    x = double(lr)
    x = _conv(x, 9, 3, "conv1", activation=activation)
    x = _conv(x, 3, 3, "conv2")
    return keras.Model(lr, _add_skip(x, lr, 2, skip), name="deconv_cnn")


def unet(width: int = 16, skips: bool = True, output: str = "residual", dropout: float = 0.2):
    """U-Net for repairing a picture: five levels of two 3×3 convolutions.

    Each level is half as large and twice as wide as the one above. It has 1,965,987 parameters at
    width 16; the U-Net project's network is `unet(64, output="softmax")`, layer for layer, with
    31,392,387.

    Parameters
    ----------
    width : int
        Channels of the first level.
    skips : bool
        Hand each level across to the way up; without them it is an autoencoder.
    output : str
        "residual" adds the input: an untrained network changes nothing. Otherwise the activation of
        the result: "linear", "sigmoid", "softmax" …
    dropout : float
        Share of the values that is set to 0 in training, after each pooling and each enlargement,
        and nowhere on a skip's way.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h, w, 3), float32; h and w multiples of 16, or `tiles.apply` pads.

    Source: Ronneberger et al. 2015, arXiv:1505.04597, with the project's widths. Lesson 05.
    """

    def block(x, filters, name):
        x = _conv(x, filters, 3, f"{name}_conv1", activation="relu")
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        return _conv(x, filters, 3, f"{name}_conv2", activation="relu")

    widths = [width, 2 * width, 4 * width, 8 * width]
    low = _input("low")
    x = low
    across = []
    for level, filters in enumerate(widths, start=1):
        x = block(x, filters, f"down{level}")
        across.append(x)
        x = layers.MaxPooling2D(2, name=f"pool{level}")(x)
        x = layers.Dropout(dropout, name=f"dropout_down{level}")(x)
    x = block(x, 16 * width, "bottom")
    for level in (4, 3, 2, 1):
        x = layers.UpSampling2D(2, name=f"enlarged{level}")(x)
        x = layers.Dropout(dropout, name=f"dropout_up{level}")(x)
        if skips:
            x = layers.Concatenate(name=f"skip{level}")([across[level - 1], x])
        x = block(x, widths[level - 1], f"up{level}")
    if output == "residual":
        x = _add(low, _conv(x, 3, 3, "colours", kernel_initializer="zeros"))
    else:
        x = _conv(x, 3, 3, "colours")
        x = layers.Activation(output, dtype="float32", name="output")(x)
    return keras.Model(low, x, name="unet")


def espcn(
    scale: int = 4,
    skip: str | None = "bicubic",
    activation: str = "leaky_relu",
    output: str = "linear",
):
    """Efficient sub-pixel convolutional network: four convolutions at low resolution, one shuffle.

    It has 71,840 parameters at scale 4. Without arguments it is the network that the course ships;
    the portrait project's is `espcn(4, skip=None, activation="relu", output="relu")`.

    Parameters
    ----------
    scale : int
        How many times larger the result is on each side.
    skip : "bicubic", "nearest" … or None
        Enlargement of the input that is added, so that the network learns only the correction.
    activation, output : str
        Activations of the four convolutions, and of the result.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h·scale, w·scale, 3), float32.

    Source: Shi et al. 2016, arXiv:1609.05158, with the project's table of layers. Lesson 06.
    """
    lr = _input("lr")
    x = _conv(lr, 64, 5, "conv1", activation=activation)
    x = _conv(x, 64, 3, "conv2", activation=activation)
    x = _conv(x, 32, 3, "conv3", activation=activation)
    x = _conv(x, 16, 3, "conv4", activation=activation)
    x = SubpixelConv2D(3, 3, scale, name="subpixel")(x)
    x = _add_skip(x, lr, scale, skip)
    if output != "linear":
        x = layers.Activation(output, name="output")(x)
    return keras.Model(lr, x, name="espcn")


def cae(latent: int = 128, skips: bool = True, width: int = 32):
    """Convolutional autoencoder for deblurring: three halvings, `latent` channels, three doublings.

    It has 1,219,427 parameters, 1,025,891 without skips. A face of 96×96 becomes 12 × 12 × 128
    numbers.

    Parameters
    ----------
    latent : int
        Channels that remain for each 8×8 pixels.
    skips : bool
        Hand each level across, and add the input: an untrained network changes nothing.
    width : int
        Channels of the first level.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h, w, 3), float32; h and w multiples of 8, or `tiles.apply` pads.

    Source: Vincent et al. 2010, JMLR 11; the skips as in Mao et al. 2016, arXiv:1603.09056.
    Lesson 07.
    """
    widths = [width, 2 * width, 4 * width]
    damaged = _input("damaged")
    x = damaged
    across = []
    for level, filters in enumerate(widths, start=1):
        x = _conv(x, filters, 3, f"encode{level}a", activation="relu")
        x = _conv(x, filters, 3, f"encode{level}b", activation="relu")
        across.append(x)
        x = layers.MaxPooling2D(2, name=f"pool{level}")(x)
    x = _conv(x, 4 * width, 3, "encode4", activation="relu")
    x = _conv(x, latent, 3, "latent")
    x = _conv(x, 4 * width, 3, "decode4", activation="relu")
    for level in (3, 2, 1):
        x = layers.UpSampling2D(2, name=f"enlarged{level}")(x)
        if skips:
            x = layers.Concatenate(name=f"skip{level}")([across[level - 1], x])
        x = _conv(x, widths[level - 1], 3, f"decode{level}a", activation="relu")
        # the next level's width
        x = _conv(x, widths[max(level - 2, 0)], 3, f"decode{level}b", activation="relu")
    start = "zeros" if skips else "glorot_uniform"
    x = _conv(x, 3, 3, "colours", kernel_initializer=start, dtype="float32")
    if skips:
        x = _add(damaged, x)
    return keras.Model(damaged, x, name="cae")


def resnet_generator(width: int = 64, blocks: int = 9, skips: bool = True, normalise: bool = True):
    """CycleGAN's generator: two halvings, `blocks` residual blocks, two enlargements, a sigmoid.

    It has 11,383,427 parameters (published: 11,378,179, with biases where here a scale and a shift
    follow each normalisation). It enlarges by nearest and a convolution, which draws no
    checkerboard.

    Parameters
    ----------
    width : int
        Channels at full resolution.
    blocks : int
        Residual blocks at a quarter of the resolution.
    skips : bool
        Add each level of the encoder to the decoder's.
    normalise : bool
        Instance normalisation. It looks at the whole picture, so there are no tiles; it takes away
        how bright a picture is; and a square of one colour lets the gradients overflow. Without it
        there are biases and leaky ReLUs, and the last convolution, which starts at zero and has no
        sigmoid, sees the picture itself.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h, w, 3), float32; h and w multiples of 4.

    Source: Zhu et al. 2017, arXiv:1703.10593, after Johnson et al. 2016. Lesson 08.
    """
    relu = "relu" if normalise else "leaky_relu"

    def convolve(x, filters, kernel, name, strides=1, active=True):
        x = ReflectionPadding2D(kernel // 2, name=f"{name}_border")(x)
        x = layers.Conv2D(filters, kernel, strides=strides, use_bias=not normalise, name=name)(x)
        if normalise:
            x = _instance_norm(x, f"{name}_norm")
        if active:
            x = layers.Activation(relu, name=f"{name}_{relu}")(x)
        return x

    picture = _input("picture")
    whole = convolve(picture, width, 7, "start")
    half = convolve(whole, 2 * width, 3, "down1", strides=2)
    x = convolve(half, 4 * width, 3, "down2", strides=2)
    for k in range(1, blocks + 1):
        inner = convolve(x, 4 * width, 3, f"block{k}_conv1")
        inner = convolve(inner, 4 * width, 3, f"block{k}_conv2", active=False)
        x = layers.Add(name=f"block{k}")([x, inner])
    for k, level in enumerate([half, whole], start=1):
        x = layers.UpSampling2D(2, name=f"enlarged{k}")(x)
        x = convolve(x, level.shape[-1], 3, f"up{k}")
        if skips:
            x = layers.Add(name=f"skip{k}")([x, level])
    if not normalise:
        x = layers.Concatenate(name="with_picture")([x, picture])
    start = "glorot_uniform" if normalise else "zeros"
    x = ReflectionPadding2D(3, name="colours_border")(x)
    x = layers.Conv2D(3, 7, kernel_initializer=start, name="colours")(x)
    end = "sigmoid" if normalise else "linear"
    x = layers.Activation(end, dtype="float32", name="output")(x)
    return keras.Model(picture, x, name="resnet_generator")


def colour_generator(classes: int = 6, width: int = 32, side: int = 96):
    """A generator that changes colours and moves nothing: edges stay sharp at any size.

    It looks at the picture reduced to a square and finds there, for each of its 8×8 blocks, what
    each class of colours becomes. Which class a pixel belongs to depends on its own colour alone.

    Parameters
    ----------
    classes : int
        Classes of colours.
    width : int
        Channels of the network that looks at the reduced picture, at a quarter of its resolution.
    side : int
        Of the square, in pixels, a multiple of 8.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h, w, 3), float32.

    Source: after the bilateral grid of Gharbi et al. 2017, arXiv:1707.02880. Lesson 08.
    """

    def convolve(x, filters, kernel, name, strides=1):
        return _conv(x, filters, kernel, name, strides=strides, activation="leaky_relu")

    picture = _input("picture")
    x = Reduce(side, name="reduced")(picture)
    for k, filters in enumerate([width // 2, width, 2 * width], start=1):
        x = convolve(x, filters, 3, f"down{k}", strides=2)
    for k in range(1, 4):
        inner = convolve(x, 2 * width, 3, f"block{k}_conv1")
        inner = _conv(inner, 2 * width, 3, f"block{k}_conv2")
        x = layers.Add(name=f"block{k}")([x, inner])
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    whole = convolve(whole, 2 * width, 1, "whole")
    x = layers.Add(name="with_whole")([x, whole])
    small = keras.initializers.RandomNormal(stddev=0.002)
    grid = _conv(x, 12 * classes, 1, "matrices", kernel_initializer=small)
    members = convolve(picture, 16, 1, "colour")
    members = _conv(members, classes, 1, "classes", activation="softmax")
    change = LocalColours(name="change")([picture, members, grid])
    return keras.Model(picture, _add(picture, change), name="colour_generator")


def unet_generator(width: int = 64, levels: int = 6):
    """The U-Net as a CycleGAN generator: strided convolutions down, transposed ones up.

    Each level is handed across; instance normalisation, and dropout on the three innermost ways
    up. At width 64 with 8 levels it is pix2pix' network.

    Parameters
    ----------
    width : int
        Channels of the first level; they double from level to level, up to 8 times as many.
    levels : int
        How often the picture is halved.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h, w, 3) in [0, 1], float32; h and w multiples of 2^levels.

    Source: Isola et al. 2017, arXiv:1611.07004. Lesson 08.
    """
    picture = _input("picture")
    widths = [width * min(8, 2**k) for k in range(levels)]
    x = picture
    across = []
    for k, filters in enumerate(widths, start=1):
        x = _conv(x, filters, 4, f"down{k}", strides=2)
        if 1 < k < levels:  # at the bottom a single pixel may be left: nothing to normalise by
            x = _instance_norm(x, f"down{k}_norm")
        x = layers.LeakyReLU(0.2, name=f"down{k}_relu")(x)
        across.append(x)
    for k in range(levels - 1, 0, -1):
        x = layers.Conv2DTranspose(widths[k - 1], 4, strides=2, padding="same", name=f"up{k}")(x)
        x = _instance_norm(x, f"up{k}_norm")
        if k > levels - 4:
            x = layers.Dropout(0.5, name=f"up{k}_dropout")(x)
        x = layers.ReLU(name=f"up{k}_relu")(x)
        x = layers.Concatenate(name=f"skip{k}")([x, across[k - 1]])
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same", name="colours")(x)
    x = layers.Activation("sigmoid", dtype="float32", name="output")(x)
    return keras.Model(picture, x, name="unet_generator")


def patch_discriminator(width: int = 64, strided: int = 3, normalise: bool = True):
    """PatchGAN: a score for each overlapping patch of 70×70 pixels, high for real ones.

    It has 2,765,633 parameters (published: 2,764,737). Its loss is least squares, so there is no
    activation at the end.

    Parameters
    ----------
    width : int
        Channels of the first convolution.
    strided : int
        Convolutions that halve; with 2 the patches have 34×34 pixels, with 1 they have 16×16.
    normalise : bool
        Instance normalisation; without it there are biases.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h/8 − 2, w/8 − 2, 1) with three strided convolutions, float32.

    Source: Isola et al. 2017, arXiv:1611.07004. Lesson 08.
    """
    picture = _input("picture")
    x = picture
    for k in range(1, strided + 2):
        strides = 2 if k <= strided else 1
        normalised = normalise and k > 1
        x = layers.ZeroPadding2D(1, name=f"border{k}")(x)
        x = layers.Conv2D(
            width * 2 ** (k - 1), 4, strides=strides, use_bias=not normalised, name=f"conv{k}"
        )(x)
        if normalised:
            x = _instance_norm(x, f"norm{k}")
        x = layers.LeakyReLU(0.2, name=f"relu{k}")(x)
    x = layers.ZeroPadding2D(1, name=f"border{strided + 2}")(x)
    x = layers.Conv2D(1, 4, dtype="float32", name="scores")(x)
    return keras.Model(picture, x, name="patch_discriminator")


class RDNSizes(NamedTuple):
    """The letters of the paper by which an `rdn` is known. Lesson 09."""

    c: int = 3  # convolutions in each block
    d: int = 10  # blocks
    g: int = 64  # channels that each convolution in a block adds
    g0: int = 64  # channels between blocks


def rdn(scale: int = 2, upsampling: str = "nearest", skip: str | None = None, **sizes):
    """Residual dense network; `rdn()` is that of the published weights, 2,619,635 parameters.

    A block has c·g·(9·g0 + 1) + 9·g²·c·(c − 1)/2 + (g0 + c·g + 1)·g0 parameters, what lies around
    the blocks 28·g0 + 2·(9·g0 + 1)·g0 + (d·g0 + 1)·g0. `upsampling` adds, with s = `scale`,

    - "subpixel", one sub-pixel convolution: 3·s²·(9·g0 + 1);
    - "shuffle", the published head: 64·(25·g0 + 1) + 18,464 + 3·s²·289 + 84;
    - "nearest", its older form, a nearest enlargement for the shuffle: the same, but 81·s² + 3 at
      the end.

    Parameters
    ----------
    scale : int
        How many times larger the result is on each side.
    upsampling : "subpixel", "shuffle" or "nearest"
        The head.
    skip : "bicubic", "nearest" … or None
        Enlargement of the input that is added; an untrained network is that enlargement.
    **sizes : int
        c, d, g and g0, the fields of `RDNSizes`.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h·scale, w·scale, 3), float32.

    Raises
    ------
    ValueError
        For another `upsampling`.

    Source: Zhang et al. 2018, arXiv:1802.08797, with the head and the layers' names of idealo's
    image-super-resolution. Lesson 09.
    """
    if upsampling not in ("subpixel", "shuffle", "nearest"):
        raise ValueError(f"upsampling {upsampling!r}; choose subpixel, shuffle or nearest")
    sizes = RDNSizes(**sizes)
    lr = _input("lr")
    shallow = _conv(lr, sizes.g0, 3, "F_m1")
    x = _conv(shallow, sizes.g0, 3, "F_0")
    blocks = []
    for k in range(1, sizes.d + 1):
        dense = dense_block(x, f"{k}", sizes.c, sizes.g, 1)
        x = layers.Add(name=f"block_{k}")([x, dense])
        blocks.append(x)
    x = layers.Concatenate(name="blocks")(blocks)
    x = _conv(x, sizes.g0, 1, "GFF_1")
    x = _conv(x, sizes.g0, 3, "GFF_2")
    x = layers.Add(name="global")([x, shallow])
    last = {"dtype": "float32", "name": "SR"}
    if skip:
        last["kernel_initializer"] = "zeros"
    if upsampling == "subpixel":
        x = SubpixelConv2D(3, 3, scale, **last)(x)
    else:
        x = _conv(x, 64, 5, "UPN1", activation="relu")
        x = _conv(x, 32, 3, "UPN2", activation="relu")
        if upsampling == "shuffle":
            x = SubpixelConv2D(3, 3, scale, name="UPN3")(x)
        else:
            x = _conv(x, 3 * scale**2, 3, "UPN3")
            x = layers.UpSampling2D(scale, name="nearest")(x)
        x = _conv(x, 3, 3, **last)
    return keras.Model(lr, _add_skip(x, lr, scale, skip), name="rdn")


def rrdn(scale: int = 4, c: int = 4, d: int = 3, g: int = 32, g0: int = 32, t: int = 10):
    """Residual in residual dense network, ESRGAN's generator; published, 4,176,100 parameters.

    A fifth of each dense block's output is added to its input, and a fifth of what the dense blocks
    of a block give to the input of that block.

    Parameters
    ----------
    scale : int
        How many times larger the result is on each side.
    c, g, g0 : int
        As in `RDNSizes`; a dense block ends in a 3×3 convolution to `g0` channels.
    d, t : int
        Dense blocks in a block, and blocks.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h·scale, w·scale, 3), float32.

    Source: Wang et al. 2018, arXiv:1809.00219, with the layers' names of idealo's
    image-super-resolution. Lesson 09.
    """
    lr = _input("lr")
    shallow = _conv(lr, g0, 3, "Pre_blocks_conv")
    x = shallow
    for i in range(1, t + 1):
        before = x
        for k in range(1, d + 1):
            dense = dense_block(x, f"{i}_{k}", c, g, 3)
            x = _scaled_sum(x, dense, f"{i}_{k}")
        x = _scaled_sum(before, x, f"{i}")
    x = _conv(x, g0, 3, "post_blocks_conv")
    x = layers.Add(name="global")([x, shallow])
    x = SubpixelConv2D(3, 3, scale, name="PreShuffle")(x)
    x = _conv(x, 3, 3, "SR", dtype="float32")
    return keras.Model(lr, x, name="rrdn")


def dense_block(x, name: str, c: int, g: int, kernel: int):
    """`c` convolutions, each of all that came before it, and one that fuses what they made.

    Parameters
    ----------
    x : keras.KerasTensor
        (b, h, w, g0).
    name : str
        Part of the layers' names.
    c, g : int
        As in `RDNSizes`.
    kernel : int
        Side of the kernel that fuses.

    Returns
    -------
    keras.KerasTensor
        (b, h, w, g0). Lesson 09.
    """
    seen = [x]
    for k in range(1, c + 1):
        before = layers.Concatenate(name=f"seen_{name}_{k}")(seen) if k > 1 else x
        seen.append(_conv(before, g, 3, f"F_{name}_{k}", activation="relu"))
    together = layers.Concatenate(name=f"seen_{name}")(seen)
    return _conv(together, x.shape[-1], kernel, f"LFF_{name}")


def _scaled_sum(x, residual, name: str):
    """`x` and a fifth of `residual`, ESRGAN's residual scaling."""
    scaled = layers.Rescaling(0.2, name=f"fifth_{name}")(residual)
    return layers.Add(name=f"block_{name}")([x, scaled])


def restorer(width: int = 48):
    """A residual network for photographs that are a little damaged: 584,556 parameters.

    It works at half and at a quarter of the resolution, as FFDNet does to be fast, and adds its
    correction to the picture: an untrained one changes nothing. Its level at half the resolution is
    handed across, so that no detail has to pass a bottleneck.

    Parameters
    ----------
    width : int
        Channels at half the resolution.

    Returns
    -------
    keras.Model
        (b, h, w, 3) → (b, h, w, 3), float32; h and w multiples of 4, or `tiles.apply` pads.

    Source: residual blocks as in EDSR, Lim et al. 2017, arXiv:1707.02921; half the resolution,
    Zhang et al. 2018, arXiv:1710.04026. No lesson builds it; it is the network of `photos_clean`.
    """
    damaged = _input("damaged")
    half = _conv(damaged, width, 4, "halve", strides=2)
    for k in (1, 2):
        half = _residual_block(half, f"down{k}")
    x = _conv(half, 2 * width, 2, "quarter", strides=2)
    for k in (1, 2):
        x = _residual_block(x, f"bottom{k}")
    x = layers.Conv2DTranspose(width, 2, strides=2, padding="same", name="double")(x)
    x = layers.Add(name="across")([half, x])
    for k in (1, 2, 3):
        x = _residual_block(x, f"up{k}")
    x = SubpixelConv2D(3, 3, 2, kernel_initializer="zeros", dtype="float32", name="colours")(x)
    return keras.Model(damaged, _add(damaged, x), name="restorer")


def _residual_block(x, name: str):
    """`x` and two 3×3 convolutions of it, which start small, so that the sum begins as `x`."""
    filters = x.shape[-1]
    small = keras.initializers.VarianceScaling(0.1, "fan_avg", "uniform")
    inner = _conv(x, filters, 3, f"{name}_conv1", activation="relu")
    inner = _conv(inner, filters, 3, f"{name}_conv2", kernel_initializer=small)
    return layers.Add(name=name)([x, inner])
