import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import images, metrics

few = settings(max_examples=25, deadline=None, derandomize=True)


def two_pictures(seed, h=20, w=24):
    return np.random.default_rng(seed).integers(0, 256, (2, h, w, 3), np.uint8)


def bt601(picture):
    """Luma as the standard writes it, on uint8: 16 + (65.481 R + 128.553 G + 24.966 B) / 255."""
    return 16 + picture.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255


@given(seed=st.integers(0, 999), h=st.integers(1, 30), w=st.integers(1, 30))
@few
def test_psnr_is_its_formula(seed, h, w):
    a, b = two_pictures(seed, h, w)
    mse = np.mean((a.astype(np.float64) - b) ** 2)
    expected = 10 * math.log10(255**2 / mse) if mse else math.inf
    assert metrics.psnr(images.to_float(a), images.to_float(b)) == pytest.approx(expected, abs=1e-9)
    assert metrics.mse(images.to_float(a), images.to_float(b)) == pytest.approx(
        mse / 255**2, abs=1e-12
    )


@given(seed=st.integers(0, 999))
@few
def test_psnr_of_luma_is_its_formula(seed):
    a, b = two_pictures(seed)
    expected = 10 * math.log10(255**2 / np.mean((bt601(a) - bt601(b)) ** 2))
    assert metrics.psnr(images.to_float(a), images.to_float(b), y=True) == pytest.approx(
        expected, abs=1e-4
    )


def test_one_grey_level_off_is_48_db():
    grey = np.full((16, 16, 3), 100 / 255, np.float32)
    assert metrics.psnr(grey, grey + 1 / 255) == pytest.approx(48.13, abs=0.005)


def test_equal_pictures(picture):
    assert metrics.psnr(picture, picture) == math.inf
    assert metrics.mse(picture, picture) == 0
    for y in (False, True):
        assert metrics.ssim(picture, picture, y=y) == pytest.approx(1)


@pytest.mark.parametrize(
    "colour, y", [((1, 1, 1), 235), ((0, 0, 0), 16), ((0, 1, 0), 16 + 128.553)]
)
def test_luma_runs_from_16_to_235(colour, y):
    luma = metrics.luma(np.full((2, 3, 3), colour, np.float32))
    assert luma.shape == (2, 3)
    np.testing.assert_allclose(luma, y / 255, atol=1e-6)


def test_luma_is_not_rgb(picture):
    blue = picture.copy()
    blue[..., 2] = 1 - blue[..., 2]  # the colour luma sees least
    assert metrics.psnr(picture, blue, y=True) > metrics.psnr(picture, blue) + 3
    assert metrics.ssim(picture, blue, y=True) > metrics.ssim(picture, blue)


def test_more_noise_scores_lower(picture):
    noise = np.random.default_rng(0).normal(0, 1, picture.shape).astype(np.float32)
    for score in (metrics.psnr, metrics.ssim):
        for y in (False, True):
            scores = [
                score(picture, np.clip(picture + level * noise, 0, 1), y=y)
                for level in (0, 0.02, 0.1, 0.4)
            ]
            assert scores == sorted(scores, reverse=True)
            assert scores[0] > scores[-1]


def test_ssim_is_fixed_by_its_definition():
    """Flat pictures have no variance: the luminance term is left (Wang et al. 2004, eq. 6)."""
    a, b, c1 = 51 / 255, 102 / 255, 0.01**2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    flat = [np.full((24, 24, 3), v, np.float32) for v in (a, b)]
    assert metrics.ssim(*flat) == pytest.approx(expected, abs=1e-6)


def test_ssim_of_luma_is_its_formula():
    """Wang et al. 2004, equation 13, with their Gaussian window of 11×11 and σ 1.5."""
    a, b = (bt601(p) / 255 for p in two_pictures(0))
    window = np.exp(-(np.arange(-5, 6)[:, None] ** 2 + np.arange(-5, 6) ** 2) / (2 * 1.5**2))

    def mean(x):
        return np.einsum(
            "hwij,ij->hw",
            np.lib.stride_tricks.sliding_window_view(x, (11, 11)),
            window / window.sum(),
        )

    c1, c2 = 0.01**2, 0.03**2
    covariance = mean(a * b) - mean(a) * mean(b)
    variances = mean(a * a) - mean(a) ** 2 + mean(b * b) - mean(b) ** 2
    luminance = (2 * mean(a) * mean(b) + c1) / (mean(a) ** 2 + mean(b) ** 2 + c1)
    expected = np.mean(luminance * (2 * covariance + c2) / (variances + c2))
    pictures = [images.to_float(p) for p in two_pictures(0)]
    assert metrics.ssim(*pictures, y=True) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("y", [False, True])
def test_border_is_ignored_and_nothing_else(picture, y):
    framed = picture.copy()
    framed[:4] = framed[-4:] = 1 - framed[:4]
    framed[:, :4] = framed[:, -4:] = 1 - framed[:, :4]
    assert metrics.psnr(picture, framed, border=4, y=y) == math.inf
    assert metrics.ssim(picture, framed, border=4, y=y) == pytest.approx(1)
    assert metrics.psnr(picture, framed, border=3, y=y) < 60
    worse = picture.copy()
    worse[4, 4] = 1 - worse[4, 4]
    assert metrics.psnr(picture, worse, border=4, y=y) < 60


def test_values_are_rounded_and_clipped_before_they_are_measured():
    steps = np.random.default_rng(0).integers(0, 256, (16, 16, 3)) / 255
    below_half = np.random.default_rng(1).uniform(-0.49, 0.49, steps.shape) / 255
    assert metrics.psnr(steps, steps + below_half) == math.inf
    assert metrics.psnr(np.ones((8, 8, 3)), np.full((8, 8, 3), 1.4)) == math.inf


def test_different_shapes_are_refused(picture):
    for score in (metrics.psnr, metrics.ssim, metrics.mse):
        with pytest.raises(ValueError, match=r"48, 64, 3.*47, 64, 3"):
            score(picture, picture[:-1])


@pytest.mark.parametrize("border", [24, 100])
def test_a_border_that_leaves_nothing_is_refused(picture, border):
    with pytest.raises(ValueError, match=f"border of {border} leaves nothing"):
        metrics.psnr(picture, picture, border=border)


def test_a_table_grows_by_a_row_for_each_method(picture):
    dark = {"a": (picture * 0.8, picture), "b": (picture * 0.9, picture)}
    table = metrics.Table(dark, "a title")
    assert table.add("nothing", lambda lr: lr) is table
    table.add("brighter", lambda lr: lr / 0.9, parameters=1234)
    nothing, brighter = table.values()
    expected = [metrics.psnr(hr, lr) for lr, hr in dark.values()]
    assert list(nothing.each.values()) == expected
    assert nothing.psnr == pytest.approx(np.mean(expected))
    expected = [metrics.ssim(hr, lr / 0.9) for lr, hr in dark.values()]
    assert brighter.ssim == pytest.approx(np.mean(expected))
    heads, first, second = str(table).splitlines()
    assert heads.split() == ["a", "title", "PSNR-RGB", "SSIM", "parameters", "s/picture"]
    assert first.split()[:2] == ["nothing", f"{nothing.psnr:.2f}"]
    assert second.split()[-2] == "1,234"
    assert len(heads) == len(first) == len(second)


def test_a_table_keeps_pictures_as_a_file_does(picture):
    table = metrics.Table({"a": (picture, picture)})
    table.add("too bright", lambda lr: lr + 0.5)
    kept = table["too bright"].results["a"]
    np.testing.assert_array_equal(kept, images.rounded(picture + 0.5))
    assert kept.max() == 1


def test_a_table_measures_as_the_metrics_do(picture):
    pairs = {"a": (1 - picture, picture)}
    row = metrics.Table(pairs, border=4, y=True).add("nothing", lambda lr: lr)["nothing"]
    assert row.psnr == metrics.psnr(picture, 1 - picture, border=4, y=True)
    assert row.ssim == metrics.ssim(picture, 1 - picture, border=4, y=True)
    assert "PSNR-Y" in str(metrics.Table(pairs, border=4, y=True))


def test_a_table_asks_a_network_for_its_parameters_and_gives_it_a_batch_of_one(picture):
    class Network:
        def count_params(self):
            return 7

        def __call__(self, lr, training):
            assert lr.shape == (1, *picture.shape) and training is False
            return lr

    row = metrics.Table({"a": (picture, picture)}).add("same", Network())["same"]
    assert (row.parameters, row.psnr) == (7, math.inf)


def test_a_table_times_one_picture_and_not_the_first_call(picture):
    calls = []

    def slow_at_first(lr):
        if not calls:
            time.sleep(0.3)
        calls.append(lr)
        return lr

    row = metrics.Table(dict.fromkeys("abc", (picture, picture))).add("slow", slow_at_first)["slow"]
    assert len(calls) == 4
    assert 0 <= row.seconds < 0.1


@pytest.mark.parametrize("score", [metrics.psnr, metrics.ssim, metrics.mse])
def test_bytes_score_as_floats_do(score):
    """Two pictures 5/255 apart are 34.15 dB apart, in whichever way they are held."""
    truth = np.random.default_rng(0).integers(0, 251, (24, 24, 3), np.uint8)
    picture = truth + np.uint8(5)
    expected = score(images.to_float(truth), images.to_float(picture))
    assert score(truth, picture) == expected
    assert score(truth, images.to_float(picture)) == expected
    assert metrics.psnr(truth, picture) == pytest.approx(34.15, abs=0.005)


def test_luma_of_bytes():
    truth = two_pictures(0)[0]
    np.testing.assert_allclose(metrics.luma(truth), bt601(truth) / 255, atol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, 200.0])
def test_a_table_refuses_a_method_s_wrong_result(wrong, picture):
    table = metrics.Table({"a": (picture, picture)})
    with pytest.raises(ValueError, match=r"expected floats in \[0, 1\]"):
        table.add("wrong", lambda lr: lr * wrong)
    assert not table
