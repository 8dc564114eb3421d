"""The course's networks, one short function each, in lesson order. Pure Keras 3."""

import keras
from keras import layers

from helpers.layers import ReflectionPadding2D, SubpixelConv2D


def deconv_cnn(skip: str | None = None, activation: str = "relu"):
    """Deconvolution network, the smallest one here that enlarges: (b, h, w, 3) → (b, 2h, 2w, 3).

    3,198 parameters: a transposed convolution doubles the picture, two convolutions repair it. The dog project's
    network is `deconv_cnn()`, for 16×16 → 32×32. `skip` ("bicubic", "nearest" …) adds an enlargement of the
    input, so that the network learns only the correction; a leaky `activation` then keeps its few channels alive.
    Source: the dog project's table of layers; transposed convolution: Zeiler et al. 2010, CVPR.
    """
    lr = keras.Input((None, None, 3), name="lr")
    x = layers.Conv2DTranspose(
        27, 3, strides=2, padding="same", activation=activation, name="deconv"
    )(lr)
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
    For other sizes `tiles.apply` pads. ValueError for another output.
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
    x = (
        _sum(low, x)
        if output == "residual"
        else layers.Activation(output, dtype="float32", name="output")(x)
    )
    return keras.Model(low, x, name="unet")


def cae(latent: int = 128, skips: bool = True, width: int = 32):
    """Convolutional autoencoder for deblurring: (b, h, w, 3) → (b, h, w, 3); h and w must be multiples of 8.

    1,219,427 parameters; 1,025,891 without skips. The encoder halves the picture three times, to `latent` channels
    for each 8×8 pixels: 12 × 12 × 128 numbers for a face of 96 × 96. The decoder doubles them three times. With
    `skips` each level is also handed across, and the input added at the end, so that the network learns only the
    correction and an untrained one changes nothing. For other sizes `tiles.apply` pads.
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
    x = layers.Conv2D(
        3, 3, padding="same", kernel_initializer=start, dtype="float32", name="colours"
    )(x)
    return keras.Model(damaged, _sum(damaged, x) if skips else x, name="cae")


def restorer(width: int = 48):
    """A residual network for photographs that are a little damaged: (b, h, w, 3) → the same; sides multiples of 4.

    584,556 parameters at width 48. It works at half and at quarter resolution, as FFDNet does to be fast, and adds its
    correction to the picture: an untrained one changes nothing. Nothing is squeezed through a waist: the level at half
    resolution is handed across. For other sizes `tiles.apply` pads. Source: residual blocks as in EDSR, Lim et al. 2017,
    arXiv:1707.02921; half resolution, Zhang et al. 2018, arXiv:1710.04026.
    """
    damaged = keras.Input((None, None, 3), name="damaged")
    half = layers.Conv2D(width, 4, strides=2, padding="same", name="halve")(damaged)
    for k in (1, 2):
        half = _residual(half, f"down{k}")
    x = layers.Conv2D(2 * width, 2, strides=2, padding="same", name="quarter")(half)
    for k in (1, 2):
        x = _residual(x, f"bottom{k}")
    x = layers.Conv2DTranspose(width, 2, strides=2, padding="same", name="double")(x)
    x = layers.Add(name="across")([half, x])
    for k in (1, 2, 3):
        x = _residual(x, f"up{k}")
    x = SubpixelConv2D(3, 3, 2, kernel_initializer="zeros", dtype="float32", name="colours")(x)
    return keras.Model(damaged, _sum(damaged, x), name="restorer")


def _residual(x, name: str):
    """Two 3×3 convolutions whose result is added to `x`; they start small, so that the sum begins as `x`."""
    start = keras.initializers.VarianceScaling(0.1, "fan_avg", "uniform")
    inner = layers.Conv2D(x.shape[-1], 3, padding="same", activation="relu", name=f"{name}_conv1")(
        x
    )
    inner = layers.Conv2D(
        x.shape[-1], 3, padding="same", kernel_initializer=start, name=f"{name}_conv2"
    )(inner)
    return layers.Add(name=name)([x, inner])


def espcn(
    scale: int = 4,
    skip: str | None = "bicubic",
    activation: str = "leaky_relu",
    output: str = "linear",
):
    """Efficient sub-pixel convolutional network: (b, h, w, 3) → (b, h·scale, w·scale, 3).

    71,840 parameters at scale 4. Four convolutions at low resolution, then one sub-pixel convolution.
    `skip` ("bicubic", "nearest" or None) adds an enlargement of the input, so that the network learns
    only the correction. Without arguments it is the network that the course ships; the portrait project's is
    `espcn(4, skip=None, activation="relu", output="relu")`.
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


def resnet_generator(width: int = 64, blocks: int = 9, skip: bool = True, normalise: bool = True):
    """CycleGAN's generator: (b, h, w, 3) → (b, h, w, 3); h and w must be multiples of 4.

    11,383,427 parameters at width 64 with 9 blocks (published: 11,378,179, with biases where here a scale and a
    shift follow each normalisation). Two halvings, `blocks` residual blocks, two enlargements (nearest, then a
    convolution, which draws no checkerboard), a sigmoid. `skip` adds each encoder level to the decoder's. Instance
    normalisation looks at the whole picture, so there are no tiles; and in a square of one colour it divides by
    nearly nothing, layer after layer, until the gradients overflow: leave such squares out. It also takes away how
    bright a picture is. Without it (`normalise`) there are biases and leaky ReLUs, and the picture itself goes
    to the last convolution, which starts at zero, without a sigmoid.
    Source: Zhu et al. 2017, arXiv:1703.10593, after Johnson et al. 2016.
    """
    picture = keras.Input((None, None, 3), name="picture")

    def convolve(
        x, filters, kernel, name, strides=1, activation="relu" if normalise else "leaky_relu"
    ):
        x = ReflectionPadding2D(kernel // 2, name=f"{name}_border")(x)
        x = layers.Conv2D(filters, kernel, strides=strides, use_bias=not normalise, name=name)(x)
        x = layers.GroupNormalization(-1, epsilon=1e-5, name=f"{name}_norm")(x) if normalise else x
        return layers.Activation(activation, name=f"{name}_{activation}")(x) if activation else x

    wide = convolve(picture, width, 7, "start")
    half = convolve(wide, 2 * width, 3, "down1", strides=2)
    x = convolve(half, 4 * width, 3, "down2", strides=2)
    for k in range(1, blocks + 1):
        inner = convolve(x, 4 * width, 3, f"block{k}_conv1")
        x = layers.Add(name=f"block{k}")(
            [x, convolve(inner, 4 * width, 3, f"block{k}_conv2", activation=None)]
        )
    for k, (filters, level) in enumerate([(2 * width, half), (width, wide)], start=1):
        x = convolve(layers.UpSampling2D(2, name=f"enlarged{k}")(x), filters, 3, f"up{k}")
        x = layers.Add(name=f"skip{k}")([x, level]) if skip else x
    x = x if normalise else layers.Concatenate(name="with_picture")([x, picture])
    start = "glorot_uniform" if normalise else "zeros"
    x = ReflectionPadding2D(3, name="colours_border")(x)
    x = layers.Conv2D(3, 7, kernel_initializer=start, name="colours")(x)
    x = layers.Activation("sigmoid" if normalise else "linear", dtype="float32", name="output")(x)
    return keras.Model(picture, x, name="resnet_generator")


def unet_generator(width: int = 64, levels: int = 6):
    """The U-Net as a CycleGAN generator: (b, h, w, 3) → (b, h, w, 3) in [0, 1]; sides multiples of 2^`levels`.

    `levels` strided convolutions down, as many transposed ones up, each level handed across; instance
    normalisation, and dropout on the innermost three ways up. At width 64 with 8 levels pix2pix' network.
    Source: Isola et al. 2017, arXiv:1611.07004.
    """
    picture = keras.Input((None, None, 3), name="picture")
    widths = [width * min(8, 2**k) for k in range(levels)]
    x, across = picture, []
    for k, filters in enumerate(widths, start=1):
        x = layers.Conv2D(filters, 4, strides=2, padding="same", name=f"down{k}")(x)
        if 1 < k < levels:  # not over the one pixel that may be left at the bottom
            x = layers.GroupNormalization(-1, epsilon=1e-5, name=f"down{k}_norm")(x)
        x = layers.LeakyReLU(0.2, name=f"down{k}_relu")(x)
        across.append(x)
    for k in range(levels - 1, 0, -1):
        x = layers.Conv2DTranspose(widths[k - 1], 4, strides=2, padding="same", name=f"up{k}")(x)
        x = layers.GroupNormalization(-1, epsilon=1e-5, name=f"up{k}_norm")(x)
        x = layers.Dropout(0.5, name=f"up{k}_dropout")(x) if k > levels - 4 else x
        x = layers.Concatenate(name=f"skip{k}")([layers.ReLU(name=f"up{k}_relu")(x), across[k - 1]])
    x = layers.Conv2DTranspose(3, 4, strides=2, padding="same", name="colours")(x)
    x = layers.Activation("sigmoid", dtype="float32", name="output")(x)
    return keras.Model(picture, x, name="unet_generator")


def patch_discriminator(width: int = 64, strided: int = 3, normalise: bool = True):
    """PatchGAN: (b, h, w, 3) → (b, h/8 − 2, w/8 − 2, 1), a score for each overlapping patch of 70×70 pixels.

    With fewer `strided` convolutions the patches are smaller: 34×34 with 2, 16×16 with 1.

    2,765,633 parameters at width 64 (published: 2,764,737). High for real, low for generated; least squares, so
    no activation at the end. Source: Isola et al. 2017, arXiv:1611.07004.
    """
    picture = keras.Input((None, None, 3), name="picture")
    x = picture
    for k in range(1, strided + 2):
        filters, strides = 2 ** (k - 1), 2 if k <= strided else 1
        x = layers.ZeroPadding2D(1, name=f"border{k}")(x)
        norm = normalise and k > 1
        x = layers.Conv2D(filters * width, 4, strides=strides, use_bias=not norm, name=f"conv{k}")(
            x
        )
        x = layers.GroupNormalization(-1, epsilon=1e-5, name=f"norm{k}")(x) if norm else x
        x = layers.LeakyReLU(0.2, name=f"relu{k}")(x)
    x = layers.Conv2D(1, 4, dtype="float32", name="scores")(
        layers.ZeroPadding2D(1, name=f"border{strided + 2}")(x)
    )
    return keras.Model(picture, x, name="patch_discriminator")


def rdn(
    scale: int = 2,
    c: int = 3,
    d: int = 10,
    g: int = 64,
    g0: int = 64,
    upsampling: str = "nearest",
    skip: str | None = None,
):
    """Residual dense network: (b, h, w, 3) → (b, h·scale, w·scale, 3).

    `d` residual dense blocks of `c` convolutions to `g` channels, each on all that came before it in its block, between
    layers of `g0` channels. A block has c·g·(9·g0 + 1) + 9·g²·c·(c − 1)/2 + (g0 + c·g + 1)·g0 parameters, what lies
    around the blocks 28·g0 + 2·(9·g0 + 1)·g0 + (d·g0 + 1)·g0. `upsampling`, each of s = `scale`, adds

    - "subpixel", one sub-pixel convolution: 3·s²·(9·g0 + 1);
    - "shuffle", the published head: 64·(25·g0 + 1) + 18,464 + 3·s²·289 + 84;
    - "nearest", its older form, with a nearest enlargement for the shuffle: the same, but 81·s² + 3 at the end.

    `rdn()` is the network of the published weights, 2,619,635 parameters (`training.load_published`). `skip` as in
    `espcn`; with it an untrained network is that enlargement. ValueError for another `upsampling`.
    Source: Zhang et al. 2018, arXiv:1802.08797, with the head and the layers' names of idealo's image-super-resolution.
    """
    if upsampling not in ("subpixel", "shuffle", "nearest"):
        raise ValueError(f"upsampling {upsampling!r}; choose subpixel, shuffle or nearest")

    def conv(x, filters, kernel, name, **options):
        return layers.Conv2D(filters, kernel, padding="same", name=name, **options)(x)

    lr = keras.Input((None, None, 3), name="lr")
    shallow = conv(lr, g0, 3, "F_m1")
    x, blocks = conv(shallow, g0, 3, "F_0"), []
    for k in range(1, d + 1):
        x = layers.Add(name=f"block_{k}")([x, _dense(x, f"{k}", c, g, 1)])
        blocks.append(x)
    x = conv(layers.Concatenate(name="blocks")(blocks), g0, 1, "GFF_1")
    x = layers.Add(name="global")([conv(x, g0, 3, "GFF_2"), shallow])
    last = {"dtype": "float32", "name": "SR"} | ({"kernel_initializer": "zeros"} if skip else {})
    if upsampling == "subpixel":
        x = SubpixelConv2D(3, 3, scale, **last)(x)
    else:
        x = conv(conv(x, 64, 5, "UPN1", activation="relu"), 32, 3, "UPN2", activation="relu")
        if upsampling == "shuffle":
            x = SubpixelConv2D(3, 3, scale, name="UPN3")(x)
        else:
            x = layers.UpSampling2D(scale, name="nearest")(conv(x, 3 * scale**2, 3, "UPN3"))
        x = conv(x, 3, 3, **last)
    return keras.Model(lr, _on_top(lr, x, scale, skip), name="rdn")


def rrdn(scale: int = 4, c: int = 4, d: int = 3, g: int = 32, g0: int = 32, t: int = 10):
    """Residual in residual dense network, ESRGAN's generator: (b, h, w, 3) → (b, h·scale, w·scale, 3).

    4,176,100 parameters, the published ones (`training.load_published`). `t` blocks of `d` dense blocks, in each `c`
    convolutions to `g` channels as in `rdn` and a 3×3 one back to `g0`; a fifth of each dense block's output is added
    to its input, and a fifth of what these give to the input of the block.
    Source: Wang et al. 2018, arXiv:1809.00219, with the layers' names of idealo's image-super-resolution.
    """
    lr = keras.Input((None, None, 3), name="lr")
    x = shallow = layers.Conv2D(g0, 3, padding="same", name="Pre_blocks_conv")(lr)
    for i in range(1, t + 1):
        start = x
        for k in range(1, d + 1):
            x = _fifth(x, _dense(x, f"{i}_{k}", c, g, 3), f"{i}_{k}")
        x = _fifth(start, x, f"{i}")
    x = layers.Conv2D(g0, 3, padding="same", name="post_blocks_conv")(x)
    x = SubpixelConv2D(3, 3, scale, name="PreShuffle")(layers.Add(name="global")([x, shallow]))
    return keras.Model(
        lr, layers.Conv2D(3, 3, padding="same", dtype="float32", name="SR")(x), name="rrdn"
    )


def _dense(x, name: str, c: int, g: int, kernel: int):
    """Dense block: `c` convolutions to `g` channels, each on all before it, and one by `kernel` that fuses them."""
    seen = [x]
    for k in range(1, c + 1):
        before = layers.Concatenate(name=f"seen_{name}_{k}")(seen) if k > 1 else x
        seen.append(
            layers.Conv2D(g, 3, padding="same", activation="relu", name=f"F_{name}_{k}")(before)
        )
    fused = layers.Concatenate(name=f"seen_{name}")(seen)
    return layers.Conv2D(x.shape[-1], kernel, padding="same", name=f"LFF_{name}")(fused)


def _fifth(x, further, name: str):
    """`x` and a fifth of `further`, ESRGAN's residual scaling."""
    return layers.Add(name=f"block_{name}")(
        [x, layers.Rescaling(0.2, name=f"fifth_{name}")(further)]
    )


def _on_top(lr, correction, scale: int, skip: str | None):
    """`correction` added to `lr` enlarged by `skip`; without a skip the correction alone."""
    if not skip:
        return correction
    return _sum(
        layers.UpSampling2D(scale, interpolation=skip, dtype="float32", name="enlarged")(lr),
        correction,
    )


def _sum(picture, correction):
    """Both added, in float32 also under mixed precision: only the correction may be coarse."""
    return layers.Add(dtype="float32", name="sum")([picture, correction])
