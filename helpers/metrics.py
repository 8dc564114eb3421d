"""The one evaluation protocol: what every table in the course reports."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import fmean
from types import SimpleNamespace

import numpy as np
from skimage import color
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity

from helpers import images


def luma(picture: np.ndarray) -> np.ndarray:
    """The luma Y of ITU-R BT.601: Y = (16 + 65.481 R + 128.553 G + 24.966 B) / 255.

    Parameters
    ----------
    picture : (h, w, 3) RGB, floats in [0, 1] or uint8

    Returns
    -------
    (h, w) in [16/255, 235/255], as the papers on super-resolution take it. Lesson 06.
    """
    return color.rgb2ycbcr(_in_floats(picture))[..., 0] / 255


def psnr(truth: np.ndarray, picture: np.ndarray, border: int = 0, y: bool = False) -> float:
    """Peak signal-to-noise ratio in dB: 10 · log10(1 / MSE), after rounding to 8 bits.

    Parameters
    ----------
    truth, picture : (h, w, 3) RGB, uint8 or floats; what lies outside [0, 1] is clipped
    border : pixels that are cut off on each side before
    y : measure on luma, which reads about 1.7 dB higher than RGB on photographs

    Returns
    -------
    dB; infinity for pictures that are equal after clipping and rounding, such as 1 and 2.

    Raises
    ------
    ValueError : the shapes differ, the border leaves nothing, or one is no picture. Lesson 04.
    """
    both = _prepare(truth, picture, border, y)
    with np.errstate(divide="ignore"):  # equal pictures have no error: infinity
        return float(peak_signal_noise_ratio(*both, data_range=1))


def ssim(truth: np.ndarray, picture: np.ndarray, border: int = 0, y: bool = False) -> float:
    """Structural similarity after rounding to 8 bits: Wang et al. 2004, Gaussian window of σ 1.5.

    Parameters
    ----------
    truth, picture, border, y : as in `psnr`; at least 11 × 11 pixels must be left

    Returns
    -------
    1 for equal pictures, about 0 for pictures that have nothing in common.

    Raises
    ------
    ValueError : as in `psnr`. Lesson 04.
    """
    value = structural_similarity(
        *_prepare(truth, picture, border, y),
        channel_axis=None if y else -1,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(value)


def mse(truth: np.ndarray, picture: np.ndarray) -> float:
    """Mean squared error after rounding to 8 bits: mean((truth − picture)²).

    Parameters
    ----------
    truth, picture : (h, w, 3) RGB, floats in [0, 1] or uint8

    Returns
    -------
    The mean over all pixels and colours, in [0, 1].

    Raises
    ------
    ValueError : the shapes differ, or one is no picture. Lesson 04.
    """
    return float(mean_squared_error(*_prepare(truth, picture, border=0, y=False)))


def _prepare(truth, picture, border, y):
    """Round both pictures to 8 bits in double precision, and cut them; luma if asked."""
    both = [_in_floats(p) for p in (truth, picture)]
    if truth.shape != picture.shape:
        raise ValueError(
            f"pictures of different shapes: truth {truth.shape}, picture {picture.shape}"
        )
    height, width = truth.shape[:2]
    if min(height, width) <= 2 * border:
        raise ValueError(f"a border of {border} leaves nothing of a {height}×{width} picture")
    inside = np.s_[border : height - border, border : width - border]
    both = [images.to_uint8(p) / 255 for p in both]
    if y:
        both = [luma(p) for p in both]
    return [p[inside] for p in both]


def _in_floats(picture):
    """Take bytes, too, where a picture is measured."""
    picture = np.asarray(picture)
    if picture.dtype == np.uint8:
        picture = images.to_float(picture)
    images.check(picture)
    return picture


class Table(dict):
    """A table that grows by a row for each method; all are measured on the same pictures.

    Parameters
    ----------
    pairs : {name: (lr, hr)}, both (h, w, 3) in [0, 1]; hr is the target
    title : what was done to the pictures; it stands over the names of the methods
    border, y : how `psnr` and `ssim` measure

    `table["bicubic"]` is a row. It has the means over the pictures `psnr` (dB), `ssim` and
    `seconds`, the number of `parameters`, and by the pictures' names `each` (their PSNR)
    and `results` (the pictures). Lesson 04.
    """

    def __init__(self, pairs: Mapping, title: str = "", border: int = 0, y: bool = False):
        self.pairs = pairs
        self.title = title
        self.options = {"border": border, "y": y}

    def add(self, name: str, method: Callable, parameters: int = 0) -> "Table":
        """Run a method on each picture, round as a file of 8 bits does, measure, and add the row.

        Parameters
        ----------
        name : the row's name
        method : a function lr → sr, or a Keras network, which is given whole pictures
        parameters : how many a function has; a network is asked

        Returns
        -------
        The table, so that a cell that ends with `table.add(…)` shows it. Lesson 04.
        """
        if hasattr(method, "count_params"):
            parameters = method.count_params()
            method = partial(_run, method)
        method(next(iter(self.pairs.values()))[0])  # the first call is slow: it does not count
        row = SimpleNamespace(parameters=parameters, each={}, results={})
        similarities = []
        seconds = []
        for key, (lr, hr) in self.pairs.items():
            start = time.perf_counter()
            sr = method(lr)
            seconds.append(time.perf_counter() - start)
            row.results[key] = images.rounded(sr)
            row.each[key] = psnr(hr, sr, **self.options)
            similarities.append(ssim(hr, sr, **self.options))
        row.psnr = fmean(row.each.values())
        row.ssim = fmean(similarities)
        row.seconds = fmean(seconds)
        self[name] = row
        return self

    def __repr__(self) -> str:
        colour = "Y" if self.options["y"] else "RGB"
        lines = [f"{self.title:<34}{'PSNR-' + colour:>11}    SSIM  parameters  s/picture"]
        for name, row in self.items():
            scores = f"{row.psnr:>8.2f} dB{row.ssim:>8.3f}"
            lines.append(f"{name:<34}{scores}{row.parameters:>12,}{row.seconds:>11.4f}")
        return "\n".join(lines)


def _run(network, lr):
    """Send one whole picture through a Keras network; what overshoots is clipped, NaN stays."""
    return np.asarray(network(lr[None], training=False))[0].clip(0, 1)
