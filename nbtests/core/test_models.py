import ast
import json
import re
from functools import partial

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from helpers import ROOT, images, layers, metrics, models, tiles
from helpers.app.published import load_published

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # inside Keras

SKIPS = ["bicubic", "nearest", None]
SMALL_RDN = partial(models.rdn, 2, "subpixel", c=2, d=2, g=8, g0=8)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def run(model, x):
    return keras.ops.convert_to_numpy(model(x))


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(0)


# depth_to_space, SubpixelConv2D


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_depth_to_space_is_tensorflows(scale, channels):
    x = noise(2, 5, 7, channels * scale**2)
    np.testing.assert_array_equal(layers.depth_to_space(x, scale), tf.nn.depth_to_space(x, scale))


def test_subpixel_is_a_transposed_convolution_with_the_kernel_rearranged():
    """Is the deconvolution layer the same as a convolutional one? (Shi et al., arXiv:1609.07009)"""
    scale, filters, channels = 4, 3, 16
    x = noise(2, 9, 7, channels)
    subpixel = layers.SubpixelConv2D(filters, 3, scale, kernel_initializer="glorot_uniform")
    ours = run(subpixel, x)

    kernel = keras.ops.convert_to_numpy(subpixel.kernel)
    rearranged = np.zeros((3 * scale, 3 * scale, filters, channels), np.float32)
    for u, v, i, j in np.ndindex(3, 3, scale, scale):
        block = kernel[u, v, :, (i * scale + j) * filters :][:, :filters]
        rearranged[scale * (2 - u) + i, scale * (2 - v) + j] = block.T
    deconvolution = keras.layers.Conv2DTranspose(
        filters, 3 * scale, scale, padding="same", use_bias=False
    )
    deconvolution.build(x.shape)
    deconvolution.set_weights([rearranged])
    np.testing.assert_allclose(run(deconvolution, x), ours, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scale", [2, 4])
def test_untrained_subpixel_repeats_pixels(scale):
    """ICNR: no checkerboard, each block of the start is one colour, and the blocks differ."""
    out = run(layers.SubpixelConv2D(3, 3, scale), noise(2, 6, 5, 8))
    np.testing.assert_allclose(
        out, out[:, ::scale, ::scale].repeat(scale, 1).repeat(scale, 2), atol=1e-6
    )
    assert out.std() > 0.01


def test_subpixel_can_be_rebuilt_from_its_config():
    layer = layers.SubpixelConv2D(3, 5, 2, activation="relu", name="up")
    again = layers.SubpixelConv2D.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = noise(1, 4, 6, 8)
    assert run(layer, x).shape == run(again, x).shape == (1, 8, 12, 3)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(run(again, x), run(layer, x))
    assert layer.compute_output_shape((None, 4, None, 8)) == (None, 8, None, 3)


# deconv_cnn


@pytest.mark.parametrize("skip", SKIPS)
def test_deconv_cnn_has_the_projects_table(skip):
    model = models.deconv_cnn(skip)
    assert model.count_params() == 3_198
    assert [n for layer in model.layers if (n := layer.count_params())] == [756, 2_196, 246]
    inside = keras.Model(
        model.input, [model.get_layer(n).output for n in ("deconv", "conv1", "conv2")]
    )
    assert [tuple(x.shape) for x in inside(noise(5, 16, 16, 3))] == [
        (5, 32, 32, n) for n in (27, 9, 3)
    ]
    assert run(model, noise(1, 7, 9, 3)).shape == (1, 14, 18, 3)


@pytest.mark.parametrize("build", [models.deconv_cnn, models.espcn, SMALL_RDN])
def test_under_mixed_precision_only_the_correction_is_coarse(build):
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(skip="bicubic")
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    coarse = [layer.name for layer in model.layers if layer.compute_dtype == "bfloat16"]
    assert {"enlarged", "sum"}.isdisjoint(coarse) and len(coarse) >= 3
    last = [layer for layer in model.layers if layer.weights][-1]
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    x = noise(1, 8, 8, 3)
    np.testing.assert_array_equal(run(model, x), run(model.get_layer("enlarged"), x))


# unet

OUTPUTS = ["softmax", "sigmoid", "linear", "residual"]


# The project's network, written from its own code: what feeds each layer, from input to output.
# A block is two 3×3 convolutions with ReLU, and batch normalisation after the first. Dropout of
# 0.2 follows each pooling and each enlargement, so that none lies on a skip's way.
PROJECTS_BLOCK = ["Conv2D", "BatchNormalization", "Conv2D"]
PROJECTS_WAY_DOWN = [*PROJECTS_BLOCK, "MaxPooling2D", "Dropout"]
PROJECTS_WAY_UP = ["UpSampling2D", "Dropout", "Concatenate", *PROJECTS_BLOCK]
PROJECTS_UNET = [
    "InputLayer",
    *PROJECTS_WAY_DOWN * 4,
    *PROJECTS_BLOCK,
    *PROJECTS_WAY_UP * 4,
    "Conv2D",
    "Activation",
]


def feeding(model):
    """{layer: the layers whose outputs it reads}, by name."""
    config = model.get_config()["layers"]
    fed = {}
    for layer in config:
        text = json.dumps(layer["inbound_nodes"])
        fed[layer["name"]] = re.findall(r'"keras_history": \["(\w+)"', text)
    return fed


def test_unet_is_the_projects_layer_for_layer():
    model = models.unet(64, output="softmax")
    assert [type(layer).__name__ for layer in model.layers] == PROJECTS_UNET
    assert model.count_params() == 31_392_387
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    widths = [layer.filters for layer in convolutions]
    assert widths == [n for n in (64, 128, 256, 512, 1024, 512, 256, 128, 64) for _ in "ab"] + [3]
    assert {layer.kernel_size for layer in convolutions} == {(3, 3)}
    assert {layer.activation.__name__ for layer in convolutions[:-1]} == {"relu"}
    assert model.layers[-1].activation.__name__ == "softmax"
    dropped = [layer.rate for layer in model.layers if isinstance(layer, keras.layers.Dropout)]
    assert dropped == [0.2] * 8


def test_no_dropout_lies_on_a_skips_way():
    model = models.unet(2, output="softmax")
    fed = feeding(model)
    kind = {layer.name: type(layer).__name__ for layer in model.layers}
    read_by_dropout = [kind[fed[name][0]] for name in fed if kind[name] == "Dropout"]
    assert read_by_dropout == ["MaxPooling2D"] * 4 + ["UpSampling2D"] * 4
    joined = [[kind[source] for source in fed[name]] for name in fed if kind[name] == "Concatenate"]
    assert joined == [["Conv2D", "Dropout"]] * 4
    pools = [fed[name] for name in fed if kind[name] == "MaxPooling2D"]
    skips = [fed[name][:1] for name in fed if kind[name] == "Concatenate"]
    assert pools == skips[::-1]  # the skip leaves where the pooling begins


def test_a_laptops_unet():
    assert models.unet().count_params() == 1_965_987
    assert models.unet(skips=False).count_params() == 1_770_147


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("output", OUTPUTS)
def test_unet_keeps_the_size(skips, output):
    model = models.unet(2, skips, output)
    colours = run(model, noise(1, 32, 48, 3))
    assert colours.shape == (1, 32, 48, 3)
    assert len({layer.name for layer in model.layers}) == len(model.layers)
    assert [layer.name for layer in model.layers] == [
        layer.name for layer in models.unet(2, skips, output).layers
    ]
    if output == "softmax":
        np.testing.assert_allclose(colours.sum(axis=-1), 1, atol=1e-5)
    if output in ("softmax", "sigmoid"):
        assert colours.min() >= 0 and colours.max() <= 1


def test_untrained_unet_changes_nothing():
    low = noise(1, 16, 32, 3)
    np.testing.assert_array_equal(run(models.unet(2), low), low)


def test_unet_says_what_it_does_not_know():
    with pytest.raises(ValueError, match="residuals"):
        models.unet(output="residuals")


def test_unet_alone_wants_multiples_of_16_and_restore_pads():
    model, low = models.unet(2), noise(17, 40, 3)
    with pytest.raises(Exception, match=r"(?i)concat|shape"):
        model(low[None])
    np.testing.assert_array_equal(tiles.apply(model, low), low)


def test_unet_corrects_in_float32_under_mixed_precision():
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.unet(2)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    low = noise(1, 16, 16, 3)
    np.testing.assert_array_equal(run(model, low), low)
    assert model.get_layer("colours").compute_dtype == "bfloat16"


# cae


def test_cae_has_the_sizes_that_its_lesson_tells():
    assert models.cae().count_params() == 1_219_427
    assert models.cae(skips=False).count_params() == 1_025_891


def test_an_untrained_restorer_changes_nothing():
    model = models.restorer()
    assert model.count_params() == 584_556
    picture = np.random.default_rng(0).random((2, 24, 40, 3), np.float32)
    np.testing.assert_array_equal(model(picture, training=False), picture)
    assert models.cae(latent=8).get_layer("latent").filters == 8


@pytest.mark.parametrize("skips", [True, False])
def test_cae_squeezes_a_face_into_its_latent_space(skips):
    model = models.cae(5, skips, width=4)
    names = [layer.name for layer in model.layers]
    assert len({*names}) == len(names) == (27 if skips else 23)
    assert names == [layer.name for layer in models.cae(5, skips, width=4).layers]
    latent = keras.Model(model.input, model.get_layer("latent").output)
    assert latent(noise(2, 96, 96, 3)).shape == (2, 12, 12, 5)
    assert run(model, noise(1, 40, 24, 3)).shape == (1, 40, 24, 3)


def test_untrained_cae_with_skips_changes_nothing_and_restore_pads():
    damaged = noise(17, 42, 3)
    np.testing.assert_array_equal(tiles.apply(models.cae(4, width=4), damaged), damaged)


def test_without_skips_nothing_passes_but_the_latent_space():
    model = models.cae(4, skips=False, width=4)
    model.get_layer("latent").set_weights(
        [np.zeros_like(w) for w in model.get_layer("latent").get_weights()]
    )
    one, other = run(model, noise(2, 16, 16, 3))
    np.testing.assert_array_equal(one, other)


UNETS = [partial(models.unet, 4, output=output, dropout=0) for output in OUTPUTS]


@pytest.mark.slow
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("build", [*UNETS, partial(models.cae, 8, width=4)])
def test_steps_lower_the_loss_of_what_repairs(build, skips):
    model = build(skips=skips)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    damaged, target = noise(4, 16, 16, 3), np.full((4, 16, 16, 3), 0.3, np.float32)
    first = model.train_on_batch(damaged, target)
    for _ in range(3):
        last = model.train_on_batch(damaged, target)
    assert last < first


@pytest.mark.parametrize("skips", [True, False])
def test_cae_ends_in_float32_under_mixed_precision(skips):
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.cae(4, skips, width=4)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    damaged = noise(1, 16, 16, 3)
    assert run(model, damaged).dtype == np.float32
    assert model.get_layer("latent").compute_dtype == "bfloat16"
    if skips:
        np.testing.assert_array_equal(run(model, damaged), damaged)


# espcn


@pytest.mark.parametrize("skip", SKIPS)
def test_espcn_has_the_projects_table(skip):
    model = models.espcn(4, skip=skip)
    assert model.count_params() == 71_840
    parameters = [n for layer in model.layers if (n := layer.count_params())]
    assert parameters == [4_864, 36_928, 18_464, 4_624, 6_960]


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_espcn_enlarges_any_size(skip, scale):
    assert run(models.espcn(scale, skip=skip), noise(1, 7, 9, 3)).shape == (
        1,
        7 * scale,
        9 * scale,
        3,
    )


@pytest.mark.parametrize("build", [models.deconv_cnn, models.espcn])
def test_every_layer_has_a_name_of_its_own(build):
    names = [layer.name for layer in build(skip="bicubic").layers]
    again = [layer.name for layer in build(skip="bicubic").layers]
    assert names == again  # Keras would count on: conv2d_1, conv2d_2, …


@pytest.mark.parametrize("skip", ["bicubic", "nearest"])
def test_with_a_silent_network_the_skip_is_the_baseline(skip, picture):
    model = models.espcn(4, skip=skip)
    last = model.get_layer("subpixel")
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    inside = 0.2 + 0.6 * picture  # no overshoot for Pillow's enlargement to clip
    ours, pillow = run(model, inside[None])[0], images.enlarge(inside, 4, skip)
    np.testing.assert_allclose(ours[8:-8, 8:-8], pillow[8:-8, 8:-8], atol=1e-5)


def test_projects_output_is_never_negative():
    model = models.espcn(4, skip=None, activation="relu", output="relu")
    assert model.count_params() == 71_840
    assert run(model, noise(2, 8, 8, 3)).min() == 0
    assert run(models.espcn(4, skip=None), noise(2, 8, 8, 3)).min() < 0


def test_weights_survive_a_file(tmp_path):
    model, other, x = models.espcn(4), models.espcn(4), noise(1, 6, 8, 3)
    model.save_weights(tmp_path / "espcn.weights.h5")
    assert not np.array_equal(run(other, x), run(model, x))
    other.load_weights(tmp_path / "espcn.weights.h5")
    np.testing.assert_array_equal(run(other, x), run(model, x))


@pytest.mark.parametrize(
    "rebuild", [lambda m: keras.Model.from_config(m.get_config()), keras.models.clone_model]
)
def test_espcn_can_be_rebuilt(rebuild):
    model, x = models.espcn(4), noise(1, 6, 8, 3)
    again = rebuild(model)
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(run(again, x), run(model, x))


def test_espcn_survives_a_keras_file(tmp_path):
    model, x = models.espcn(2, activation="leaky_relu"), noise(1, 6, 8, 3)
    model.save(tmp_path / "espcn.keras")
    again = keras.models.load_model(
        tmp_path / "espcn.keras"
    )  # safe mode: registered layers, no Lambda
    np.testing.assert_allclose(run(again, x), run(model, x), atol=1e-6)


# rdn, rrdn

HEADS = ["subpixel", "shuffle", "nearest"]
TINY = {"c": 2, "d": 2, "g": 5, "g0": 4}
FOURS = {"c": 2, "d": 2, "g": 4, "g0": 4}


def parameters(c, d, g, g0, upsampling="nearest", scale=2):
    """The formula of `models.rdn`, as a lesson's table takes it."""
    s2 = scale**2
    block = c * g * (9 * g0 + 1) + 9 * c * (c - 1) // 2 * g**2 + (g0 + c * g + 1) * g0
    around = 28 * g0 + 2 * (9 * g0 + 1) * g0 + (d * g0 + 1) * g0
    end = {"shuffle": 84, "nearest": 81 * s2 + 3}
    published = 64 * (25 * g0 + 1) + 18_464 + 3 * s2 * 289
    return (
        d * block
        + around
        + (published + end[upsampling] if upsampling in end else 3 * s2 * (9 * g0 + 1))
    )


def convolve(x, weights, name):
    return tf.nn.conv2d(x, weights[f"{name}/kernel"], 1, "SAME") + weights[f"{name}/bias"]


def fused(x, weights, name, c):
    seen = x
    for k in range(1, c + 1):
        seen = tf.concat([seen, tf.nn.relu(convolve(seen, weights, f"F_{name}_{k}"))], -1)
    return convolve(seen, weights, f"LFF_{name}")


def rdn_by_hand(x, weights, c, d, upsampling, scale):
    """The network written a second time, from its description, on TensorFlow's own functions."""
    shallow = convolve(x, weights, "F_m1")
    x, blocks = convolve(shallow, weights, "F_0"), []
    for k in range(1, d + 1):
        x = x + fused(x, weights, str(k), c)
        blocks.append(x)
    x = shallow + convolve(convolve(tf.concat(blocks, -1), weights, "GFF_1"), weights, "GFF_2")
    if upsampling == "subpixel":
        return tf.nn.depth_to_space(convolve(x, weights, "SR"), scale)
    for name in ("UPN1", "UPN2"):
        x = tf.nn.relu(convolve(x, weights, name))
    x = convolve(x, weights, "UPN3")
    x = (
        tf.nn.depth_to_space(x, scale)
        if upsampling == "shuffle"
        else tf.repeat(tf.repeat(x, scale, 1), scale, 2)
    )
    return convolve(x, weights, "SR")


def rrdn_by_hand(x, weights, c, d, t, scale):
    x = shallow = convolve(x, weights, "Pre_blocks_conv")
    for i in range(1, t + 1):
        inner = x
        for k in range(1, d + 1):
            inner = inner + 0.2 * fused(inner, weights, f"{i}_{k}", c)
        x = x + 0.2 * inner
    x = shallow + convolve(x, weights, "post_blocks_conv")
    return convolve(tf.nn.depth_to_space(convolve(x, weights, "PreShuffle"), scale), weights, "SR")


def shaken(model):
    """Biases start at zero, where a forgotten one would not be seen."""
    random = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([w + random.normal(0, 0.02, w.shape) for w in layer.get_weights()])
    return {f"{layer.name}/{v.name}": v.numpy() for layer in model.layers for v in layer.weights}


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("upsampling", HEADS)
def test_rdn_computes_what_its_description_says(upsampling, scale):
    model, x = models.rdn(scale, upsampling, c=3, d=2, g=5, g0=6), noise(2, 9, 7, 3)
    expected = rdn_by_hand(x, shaken(model), 3, 2, upsampling, scale)
    np.testing.assert_allclose(run(model, x), expected, atol=1e-5)
    assert expected.shape == (2, 9 * scale, 7 * scale, 3)


@pytest.mark.parametrize("scale", [2, 4])
def test_rrdn_computes_what_its_description_says(scale):
    model, x = models.rrdn(scale, 3, 2, 4, 6, 2), noise(2, 9, 7, 3)
    expected = rrdn_by_hand(x, shaken(model), 3, 2, 2, scale)
    np.testing.assert_allclose(run(model, x), expected, atol=1e-5)
    assert expected.shape == (2, 9 * scale, 7 * scale, 3)


def test_published_sizes():
    assert models.rdn().count_params() == parameters(3, 10, 64, 64) == 2_619_635
    assert models.rrdn().count_params() == 4_176_100


@pytest.mark.parametrize("upsampling", HEADS)
@pytest.mark.parametrize("sizes", [(1, 1, 3, 4), (3, 4, 32, 32), (4, 2, 8, 6), (2, 3, 5, 7)])
def test_parameters_are_a_function_of_c_d_g_and_g0(sizes, upsampling):
    for scale in (2, 3):
        named = dict(zip(["c", "d", "g", "g0"], sizes, strict=True))
        built = models.rdn(scale, upsampling, **named).count_params()
        assert built == models.rdn(scale, upsampling, "bicubic", **named).count_params()
        assert built == parameters(*sizes, upsampling, scale)


def test_the_layers_are_called_as_published():
    names = [layer.name for layer in models.rdn(c=2, d=2, g=2, g0=2).layers if layer.weights]
    inner = ["F_1_1", "F_1_2", "LFF_1", "F_2_1", "F_2_2", "LFF_2"]
    assert names == ["F_m1", "F_0", *inner, "GFF_1", "GFF_2", "UPN1", "UPN2", "UPN3", "SR"]
    names = [layer.name for layer in models.rrdn(c=1, d=2, g=2, g0=2, t=2).layers if layer.weights]
    inner = [
        f"{kind}_{i}_{k}{end}"
        for i in (1, 2)
        for k in (1, 2)
        for kind, end in (("F", "_1"), ("LFF", ""))
    ]
    assert names == ["Pre_blocks_conv", *inner, "post_blocks_conv", "PreShuffle", "SR"]


@pytest.mark.parametrize(
    "build", [SMALL_RDN, *(partial(models.rdn, 2, h, **FOURS) for h in HEADS[1:])]
)
def test_untrained_rdn_with_a_skip_is_bicubic(build, picture):
    inside = 0.2 + 0.6 * picture
    sr = run(build(skip="bicubic"), inside[None])[0]
    np.testing.assert_allclose(sr[4:-4, 4:-4], images.enlarge(inside, 2)[4:-4, 4:-4], atol=1e-5)


def test_rdn_says_what_it_does_not_know():
    with pytest.raises(ValueError, match="'ups'; choose subpixel, shuffle or nearest"):
        models.rdn(upsampling="ups")


@pytest.mark.parametrize(
    "build", [*(partial(models.rdn, 2, h, **FOURS) for h in HEADS), partial(models.rrdn, t=1)]
)
def test_dense_networks_survive_a_keras_file(build, tmp_path):
    model, x = build(), noise(1, 6, 8, 3)
    assert [layer.name for layer in build().layers] == [layer.name for layer in model.layers]
    model.save(tmp_path / "dense.keras")
    again = keras.models.load_model(tmp_path / "dense.keras")  # safe mode: no Lambda
    np.testing.assert_allclose(run(again, x), run(model, x), atol=1e-6)


# load_published


def as_npz(path, arrays):
    np.savez(path, **{n: a.astype(np.float16) for n, a in arrays.items()})


def as_keras_2(path, arrays, group=""):
    """Weights as Keras 2 wrote them: a group for each layer, with its arrays nested once more."""
    with h5py.File(path, "w") as file:
        root = file.create_group(group) if group else file
        names = list(dict.fromkeys(n.split("/")[0] for n in arrays))
        root.attrs["layer_names"] = [n.encode() for n in [*names, "an_activation"]]
        root.create_group("an_activation").attrs["weight_names"] = np.zeros(0)
        for layer in names:
            own = root.create_group(layer)
            held = [n for n in arrays if n.split("/")[0] == layer]
            own.attrs["weight_names"] = [f"{n}:0".encode() for n in held]
            for n in held:
                own[f"{n}:0"] = arrays[n]
        if group:
            file["optimizer_weights/Adam/F_m1/kernel/m:0"] = arrays["F_m1/kernel"]


WRITERS = {
    "w.npz": as_npz,
    "w.hdf5": as_keras_2,
    "w.h5": partial(as_keras_2, group="model_weights"),
}


@pytest.fixture(params=WRITERS)
def published(request, tmp_path):
    """A file of weights for rdn(2, 2, 2, 5, 4), and its arrays."""
    arrays = shaken(models.rdn(2, **TINY))
    WRITERS[request.param](tmp_path / request.param, arrays)
    return tmp_path / request.param, arrays


def test_published_weights_give_the_published_picture(published):
    path, arrays = published
    model, x = models.rdn(2, **TINY), noise(1, 9, 7, 3)
    assert load_published(model, path) is model
    np.testing.assert_allclose(run(model, x), rdn_by_hand(x, arrays, 2, 2, "nearest", 2), atol=5e-3)


def test_the_old_layout_is_the_one_that_keras_reads(tmp_path):
    arrays = shaken(models.rdn(2, **TINY))
    as_keras_2(tmp_path / "w.hdf5", arrays)
    theirs, ours, x = models.rdn(2, **TINY), models.rdn(2, **TINY), noise(1, 9, 7, 3)
    theirs.load_weights(tmp_path / "w.hdf5", by_name=True)
    np.testing.assert_array_equal(run(load_published(ours, tmp_path / "w.hdf5"), x), run(theirs, x))


def test_a_residual_that_is_not_scaled_loads_and_only_the_picture_tells(tmp_path, monkeypatch):
    arrays, x = shaken(models.rrdn(4, 2, 1, 8, 8, 2)), noise(1, 9, 7, 3)
    as_npz(tmp_path / "w.npz", arrays)
    expected = rrdn_by_hand(x, arrays, 2, 1, 2, 4)
    right = run(load_published(models.rrdn(4, 2, 1, 8, 8, 2), tmp_path / "w.npz"), x)
    np.testing.assert_allclose(right, expected, atol=5e-3)
    monkeypatch.setattr(models, "_scaled_sum", lambda x, y, name: keras.layers.Add()([x, y]))
    wrong = run(load_published(models.rrdn(4, 2, 1, 8, 8, 2), tmp_path / "w.npz"), x)
    assert np.abs(wrong - expected).max() > 0.1


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            partial(models.rdn, 2, **TINY | {"d": 3}),
            r"F_3_1/kernel is missing, expected \(3, 3, 4, 5\).*; and \d+ more",
        ),
        (partial(models.rdn, 2, **TINY | {"d": 1}), r"F_2_1/\w+ is \(.*\), expected nothing"),
        (
            partial(models.rdn, 2, **TINY | {"g": 6}),
            r"F_1_1/kernel is \(3, 3, 4, 5\), expected \(3, 3, 4, 6\)",
        ),
        (
            partial(models.rdn, 2, "shuffle", **TINY),
            r"SR/kernel is \(3, 3, 12, 3\), expected \(3, 3, 3, 3\)$",
        ),
        (models.rrdn, r"not those of this rrdn.*Pre_blocks_conv/kernel is missing"),
    ],
    ids=["deeper", "shallower", "wider", "head", "rrdn"],
)
def test_another_network_s_weights_are_refused_and_change_nothing(published, other, words):
    model = other()
    before = model.get_weights()
    with pytest.raises(ValueError, match=words):
        load_published(model, published[0])
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


@pytest.mark.parametrize(
    "content", [b"", b"no weights", None, {"F_m1/kernel": {"an object": 1}}], ids=repr
)
def test_what_holds_no_weights_is_said(published, content):
    path, _ = published
    if isinstance(content, dict):
        path = path.with_suffix(".npz")
        np.savez(path, **{n: np.array([o], object) for n, o in content.items()})
    else:
        path.write_bytes(path.read_bytes()[:3000] if content is None else content)
    with pytest.raises(ValueError, match=r"is damaged, or neither \.npz nor \.hdf5"):
        load_published(models.rdn(2, **TINY), path)


@pytest.mark.parametrize("name", WRITERS)
def test_a_missing_file_of_weights_is_named(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"there is no file .*{name}"):
        load_published(models.rdn(2, **TINY), tmp_path / name)


# training


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize(
    ("build", "scale"), [(models.deconv_cnn, 2), (models.espcn, 4), (SMALL_RDN, 2)]
)
def test_one_step_lowers_the_loss(build, scale, skip):
    model = build(skip=skip)
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    lr, hr = noise(4, 8, 8, 3), noise(4, 8 * scale, 8 * scale, 3, seed=1)
    before = model.evaluate(lr, hr, verbose=0)
    model.train_on_batch(lr, hr)
    assert model.evaluate(lr, hr, verbose=0) < before


def discs(n, seed, scale=4):
    """Pairs of overlapping discs: hard edges, which bicubic blurs and a network learns fast."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:48, :48]
    hr = np.zeros((n, 48, 48, 3), np.float32)
    for _ in range(5):
        top, left, radius = random.uniform([[0], [0], [6]], [[48], [48], [20]], (3, n))[
            ..., None, None
        ]
        inside = np.hypot(y - top, x - left) < radius
        hr = np.where(inside[..., None], random.random((n, 1, 1, 3), np.float32), hr)
    return np.stack([images.reduce(p, scale) for p in hr]), hr


LEAKY = [
    (partial(build, activation="leaky_relu"), k)
    for build, k in [(models.deconv_cnn, 2), (models.espcn, 4)]
]


@pytest.mark.slow
@pytest.mark.parametrize(("build", "scale"), [*LEAKY, (SMALL_RDN, 2)])
def test_a_short_training_beats_bicubic_on_unseen_pictures(build, scale):
    lr, hr = discs(64, 0, scale)
    model = build(skip="bicubic")
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    model.fit(lr, hr, batch_size=8, epochs=50, verbose=0)
    lr, hr = discs(12, 1, scale)
    ours = np.mean([metrics.psnr(h, p) for h, p in zip(hr, run(model, lr), strict=True)])
    bicubic = np.mean(
        [metrics.psnr(h, images.enlarge(p, scale)) for h, p in zip(hr, lr, strict=True)]
    )
    assert ours > bicubic + 0.1


# who may import what


def imported(name):
    """Top-level names that helpers/<name>.py imports anywhere, and what it takes from helpers."""
    tree = ast.parse((ROOT / "helpers" / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("name", ["models", "layers"])
def test_networks_are_pure_keras(name):
    strangers = [
        i for i in imported(name) if not i.startswith(("keras", "helpers.layers", "typing"))
    ]
    assert not strangers
    assert any(i.startswith("keras") for i in imported(name))


@pytest.mark.parametrize(
    "name",
    ["__init__", "__main__", "files", "images", "damage", "metrics", "batching", "download"],
)
def test_pictures_and_scores_need_no_tensorflow_at_the_top(name):
    tree = ast.parse((ROOT / "helpers" / f"{name}.py").read_text(encoding="utf-8"))
    top = {
        line
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line in [ast.unparse(node)]
    }
    assert not [
        line for line in top if "tensorflow" in line or "keras" in line or "matplotlib" in line
    ]
    if name in ("images", "metrics"):
        assert not [i for i in imported(name) if i.startswith(("tensorflow", "keras"))]


# the generator that changes colours


def test_interpolate_is_bilinear_and_reduces_without_aliasing():
    ramp = np.arange(4, dtype=np.float32)[None, None, :, None].repeat(2, 1)
    wide = np.asarray(layers.interpolate(ramp, 2, 8))[0, 0, :, 0]
    np.testing.assert_allclose(wide, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], atol=1e-6)
    stripes = np.tile(np.float32([0, 1]), 48)[None, None, :, None]
    small = np.asarray(layers.interpolate(stripes, 1, 12))[0, 0, 1:-1, 0]
    np.testing.assert_allclose(small, 0.5, atol=0.02)
    same = np.random.default_rng(0).random((1, 5, 7, 2), np.float32)
    np.testing.assert_allclose(layers.interpolate(same, 5, 7), same, atol=1e-6)


def test_local_colours_are_matrices_by_place_and_class():
    rng = np.random.default_rng(0)
    picture = rng.random((2, 3, 4, 3), np.float32)
    classes = rng.random((2, 3, 4, 5), np.float32)
    grid = rng.random((2, 3, 4, 60), np.float32)  # As fine as the picture: nothing to interpolate
    found = np.asarray(layers.LocalColours()([picture, classes, grid]))
    matrices = grid.reshape(2, 3, 4, 3, 5, 4)
    four = np.concatenate([picture, np.ones((2, 3, 4, 1), np.float32)], axis=-1)
    expected = np.einsum("bhwcnk,bhwn,bhwk->bhwc", matrices, classes, four)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_colour_generator_moves_no_edge():
    """Two flat halves stay two flat halves, nearly, and a step between them stays a step."""
    model = models.colour_generator()
    random = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name in ("matrices", "classes"):
            layer.set_weights([random.normal(0, 0.3, w.shape) for w in layer.get_weights()])
    halves = np.zeros((1, 50, 200, 3), np.float32)
    halves[:, :, 100:] = 1
    found = np.asarray(model(halves))[0, 25]
    steps = np.abs(np.diff(found, axis=0)).max(axis=1)
    assert np.argmax(steps) == 99
    assert steps[99] > 10 * np.delete(steps, 99).max()
