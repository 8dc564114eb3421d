"""The one evaluation protocol: what every table in the course reports."""

import numpy as np
from skimage import color
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from helpers import images


def luma(picture: np.ndarray) -> np.ndarray:
    """Y of ITU-R BT.601 as the super-resolution papers take it: (h, w, 3) in [0, 1] → (h, w) in [16, 235]/255."""
    return color.rgb2ycbcr(picture)[..., 0] / 255


def psnr(truth: np.ndarray, picture: np.ndarray, border: int = 0, y: bool = False) -> float:
    """Peak signal-to-noise ratio in dB, after rounding to uint8; `border` pixels are cut on each side first.

    On RGB, or with `y=True` on luma, which reads higher (by about 1.7 dB on photographs).
    """
    with np.errstate(divide="ignore"):  # equal pictures: infinity
        return float(peak_signal_noise_ratio(*_prepare(truth, picture, border, y), data_range=1))


def ssim(truth: np.ndarray, picture: np.ndarray, border: int = 0, y: bool = False) -> float:
    """Structural similarity, 1 for equal pictures; Gaussian window of σ 1.5 (Wang et al. 2004)."""
    a, b = _prepare(truth, picture, border, y)
    options = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 1,
    }
    return float(structural_similarity(a, b, channel_axis=None if y else -1, **options))


def mse(truth: np.ndarray, picture: np.ndarray) -> float:
    """Mean squared error of the whole RGB picture on [0, 1], after rounding to uint8."""
    a, b = _prepare(truth, picture, 0, False)
    return float(np.mean((a - b) ** 2))


def _prepare(truth: np.ndarray, picture: np.ndarray, border: int, y: bool) -> list[np.ndarray]:
    """Both pictures rounded to uint8 steps, in double precision, cut, and as luma if asked."""
    if truth.shape != picture.shape:
        raise ValueError(
            f"pictures of different shapes: truth {truth.shape}, picture {picture.shape}"
        )
    if min(truth.shape[:2]) <= 2 * border:
        raise ValueError(
            f"a border of {border} leaves nothing of a {truth.shape[0]}×{truth.shape[1]} picture"
        )
    both = [images.to_uint8(p) / 255 for p in (truth, picture)]
    if y:
        both = [luma(p) for p in both]
    return [p[border : p.shape[0] - border, border : p.shape[1] - border] for p in both]
