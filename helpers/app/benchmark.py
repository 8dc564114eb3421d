"""The standard protocol on a folder of pictures: every figure of the course and its cards comes from here."""

import time
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from helpers import images, metrics, tiles, training
from helpers.app import deep
from helpers.damage import DRAWN, FIXED, degrade

KEYS = ["psnr_y", "ssim_y", "psnr_rgb", "mse", "seconds"]
WINDOW = 11  # SSIM's


def expectation(names: list[str], **override) -> tuple[dict, dict]:
    """Load the networks `names`; returns {name: model} and what their cards all expect, overridden where not None.

    The keys are `scale`, `downscale`, `damage` and `size`; without networks ×4 by Pillow's bicubic. Raises
    ValueError where cards differ: their figures could not stand in one table.
    """
    loaded = {name: training.load_weights(name) for name in names}
    expected = {"scale": 4, "downscale": "bicubic", "damage": None, "size": None}
    for i, (name, (_, card)) in enumerate(loaded.items()):
        wanted = {key: card.get(key) for key in expected} | {
            k: v for k, v in override.items() if v is not None
        }
        if i and wanted != expected:
            raise ValueError(
                f"{name} expects {wanted}, {names[0]} {expected}; benchmark them one at a time"
            )
        expected = wanted
    expected |= {key: value for key, value in override.items() if value is not None}
    return {name: model for name, (model, _) in loaded.items()}, expected


def pairs(
    folder: Path,
    scale: int,
    downscale: str,
    size: int | None = None,
    fit="crop",
    damage: str | None = None,
):
    """(input, target) of each usable picture in `folder`, how many were too small, and how inputs were made.

    Where the folder holds `*_HR` and `*_LR` files these are the pairs; otherwise every picture is a target and
    its input is made by `images.reduce(…, downscale)`, rounded to uint8. `size` cuts the centred square and
    brings it to size × size by `fit`: "crop", or "resize" by area. Where the networks expect a `damage` there must be
    such files, or it is one that `damage.degrade` knows, seeded by each file's stem, and `downscale` none or bicubic;
    otherwise ValueError.
    """
    found = images.find(folder)
    low = {p.stem.removesuffix("_LR"): p for p in found if p.stem.endswith("_LR")}
    high = [p for p in found if p.stem.endswith("_HR") and p.stem.removesuffix("_HR") in low]
    if damage not in (None, *DRAWN, *FIXED) and not high:
        raise ValueError(
            f"benchmark cannot make the damage {damage!r}; give it a folder of *_HR and *_LR files"
        )
    if damage and downscale not in (None, "bicubic") and not high:
        raise ValueError(f"the damage {damage!r} cannot be made with --downscale {downscale}")
    usable, small = [], 0
    for path in high or found:
        hr = deep.read(path)
        if size:
            hr = images.square_crop(hr)
            if hr.shape[0] < size:
                small += 1
                continue
            start = (hr.shape[0] - size) // 2
            hr = (
                images.resize(hr, (size, size), "area")
                if fit == "resize"
                else hr[start:, start:][:size, :size]
            )
        hr = images.crop_to_multiple(hr, 4 if damage == "blocks" else scale)
        if min(hr.shape[:2]) < WINDOW + 2 * scale:
            small += 1
            continue
        if high:
            lr = deep.read(low[path.stem.removesuffix("_HR")])
            if size or (lr.shape[0] * scale, lr.shape[1] * scale) != hr.shape[:2]:
                raise ValueError(
                    f"{path} is not {scale} times its _LR file; --scale and --square cannot change pairs"
                )
        else:
            lr = degrade(hr, scale, damage or downscale, path.stem) if damage or scale > 1 else hr
            lr = images.to_float(images.to_uint8(lr))
        usable.append((lr, hr))
    if not usable:
        raise ValueError(f"no picture in {folder} is large enough ({small} are too small)")
    made = (
        ", ".join([f"reduced by {downscale}"] * (scale > 1) + [f"with {damage}"] * bool(damage))
        or "untouched"
    )
    made = "from the _LR files" if high else made
    return usable, small, made


def benchmark(usable: list, scale: int, models: dict) -> list[dict]:
    """One row for the baseline and one for each model: means over the pairs, and seconds for each picture, warm.

    PSNR-Y and SSIM-Y with a border of `scale` cut, PSNR-RGB and MSE on the whole picture, MSE on [0, 1]; all
    after rounding to uint8. The baseline is Pillow's bicubic enlargement, or at ×1 the untouched input.
    """
    methods = {"bicubic" if scale > 1 else "untouched": lambda lr: images.enlarge(lr, scale)}
    methods |= {
        name: lambda lr, model=model: tiles.apply(model, lr) for name, model in models.items()
    }
    rows = []
    for name, method in methods.items():
        method(usable[0][0])
        scores = []
        for lr, hr in tqdm(usable, desc=name, leave=False, delay=2):
            start = time.perf_counter()
            sr = method(lr)
            seconds = time.perf_counter() - start
            y = {"border": scale, "y": True}
            quality = [
                metrics.psnr(hr, sr, **y),
                metrics.ssim(hr, sr, **y),
                metrics.psnr(hr, sr),
                metrics.mse(hr, sr),
            ]
            scores.append([*quality, seconds])
        rows.append(
            {"method": name} | dict(zip(KEYS, np.mean(scores, axis=0).tolist(), strict=True))
        )
    return rows


def table(rows: list[dict], heading: str) -> str:
    """The rows as text, under a heading that says how the inputs were made."""
    lines = [
        heading,
        f"{'method':<22}{'PSNR-Y':>9}{'SSIM-Y':>9}{'PSNR-RGB':>10}{'MSE':>10}{'s/picture':>11}",
    ]
    for row in rows:
        method, psnr_y, ssim_y, psnr_rgb, mse, seconds = row.values()
        lines.append(
            f"{method:<22}{psnr_y:>9.3f}{ssim_y:>9.4f}{psnr_rgb:>10.3f}{mse:>10.6f}{seconds:>11.4f}"
        )
    return "\n".join(lines)
