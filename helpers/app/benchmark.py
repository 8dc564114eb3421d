"""The standard protocol on a folder of pictures: the course's and its cards' figures."""

from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from helpers import images, metrics, tiles, training
from helpers.app import deep
from helpers.damage import DRAWN, FIXED, degrade

WINDOW = 11  # pixels: the side of SSIM's window
EXPECTED = {"scale": 4, "downscale": "bicubic", "damage": None, "size": None}


def expectation(names: list[str], **override) -> tuple[dict, dict]:
    """Load networks, and tell what their cards expect of the pictures.

    Parameters
    ----------
    names : of the weights
    override : `scale`, `downscale`, `damage` or `size` that replaces the cards', unless None

    Returns
    -------
    {name: network}, and the four values; without networks those of ×4 by Pillow's bicubic.

    Raises
    ------
    ValueError : the cards differ, so that their figures could not stand in one table.
    """
    override = {key: value for key, value in override.items() if value is not None}
    networks = {}
    wanted = {}
    for name in names:
        networks[name], card = training.load_weights(name)
        wanted[name] = {key: card.get(key) for key in EXPECTED} | override
        first = wanted[names[0]]
        if wanted[name] != first:
            raise ValueError(
                f"{name} expects {wanted[name]}, {names[0]} {first}; benchmark them one at a time"
            )
    if not names:
        return {}, EXPECTED | override
    return networks, wanted[names[0]]


def pairs(
    folder: Path,
    scale: int,
    downscale: str | None,
    size: int | None = None,
    fit: str = "crop",
    damage: str | None = None,
) -> tuple[list[tuple[np.ndarray, np.ndarray]], int, str]:
    """Read or make the pairs of a folder.

    Where the folder holds `*_HR` and `*_LR` files, these are the pairs. Otherwise every picture is
    a target, and its input is made from it and rounded as a file of 8 bits does.

    Parameters
    ----------
    folder : of pictures
    scale : how many times smaller the input is
    downscale : how it is reduced: a method of `images.reduce`; none or bicubic with a damage
    size : cut the centred square, and bring it to size × size
    fit : how: "crop", or "resize" by area
    damage : what the networks expect; one that `damage.degrade` knows, or the folder holds pairs

    Returns
    -------
    [(input, target)], how many pictures were too small, and how the inputs were made, in words.

    Raises
    ------
    ValueError : the damage cannot be made, a pair does not fit, or no picture is large enough.
    """
    found = images.find(folder)
    low = {p.stem.removesuffix("_LR"): p for p in found if p.stem.endswith("_LR")}
    high = {p.stem.removesuffix("_HR"): p for p in found if p.stem.endswith("_HR")}
    both = [name for name in high if name in low]
    if not both:
        _check(damage, downscale)
    usable = []
    small = 0
    for path in [high[name] for name in both] or found:
        hr = deep.read(path)
        if size:
            hr = _square(hr, size, fit)
        hr = images.crop_to_multiple(hr, 4 if damage == "blocks" else scale)
        if min(hr.shape[:2]) < WINDOW + 2 * scale:
            small += 1
            continue
        if both:
            lr = deep.read(low[path.stem.removesuffix("_HR")])
            if size or (lr.shape[0] * scale, lr.shape[1] * scale) != hr.shape[:2]:
                raise ValueError(
                    f"{path} is not {scale} times its _LR file; "
                    "--scale and --square cannot change pairs"
                )
        else:
            lr = hr
            if damage or scale > 1:
                lr = degrade(hr, scale, damage or downscale, path.stem)
            lr = images.rounded(lr)
        usable.append((lr, hr))
    if not usable:
        raise ValueError(f"no picture in {folder} is large enough ({small} are too small)")
    if both:
        return usable, small, "from the _LR files"
    return usable, small, _in_words(scale, downscale, damage)


def _check(damage: str | None, downscale: str | None) -> None:
    """Refuse a damage that cannot be made."""
    if damage not in (None, *DRAWN, *FIXED):
        raise ValueError(
            f"benchmark cannot make the damage {damage!r}; give it a folder of *_HR and *_LR files"
        )
    if damage and downscale not in (None, "bicubic"):
        raise ValueError(f"the damage {damage!r} cannot be made with --downscale {downscale}")


def _square(picture: np.ndarray, size: int, fit: str) -> np.ndarray:
    """Cut the centred square to size × size pixels; a smaller one becomes empty."""
    square = images.square_crop(picture)
    side = square.shape[0]
    if side < size:
        return square[:0, :0]
    if fit == "resize":
        return images.resize(square, (size, size), "area")
    start = (side - size) // 2
    return square[start : start + size, start : start + size]


def _in_words(scale: int, downscale: str | None, damage: str | None) -> str:
    """Say how the inputs were made."""
    steps = []
    if scale > 1:
        steps.append(f"reduced by {downscale}")
    if damage:
        steps.append(f"with {damage}")
    return ", ".join(steps) or "untouched"


def benchmark(usable: list, scale: int, models: dict) -> list[dict]:
    """Measure the baseline and each network by the standard protocol.

    Parameters
    ----------
    usable : [(input, target)], as `pairs` gives them
    scale : how many times larger the target is; so many pixels are cut off before Y is measured
    models : {name: network}

    Returns
    -------
    A row for each method, the means over the pairs: `psnr_y`, `ssim_y`, and on the whole picture
    `psnr_rgb` and `mse`, all after rounding to 8 bits; `seconds` for one picture, warm.
    The baseline is Pillow's bicubic enlargement, or at ×1 the untouched input.
    """
    table = metrics.Table(dict(enumerate(usable)), border=scale, y=True)
    baseline = "bicubic" if scale > 1 else "untouched"
    methods = {baseline: lambda lr: images.enlarge(lr, scale)}
    for name, model in models.items():
        methods[name] = lambda lr, model=model: tiles.apply(model, lr)
    rows = []
    for name, method in methods.items():
        calls = len(usable) + 1  # the table warms the method up
        with tqdm(total=calls, desc=name, leave=False, delay=2) as bar:

            def counted(lr, method=method, bar=bar):
                bar.update()
                return method(lr)

            row = table.add(name, counted)[name]
        rgb = [metrics.psnr(hr, row.results[k]) for k, (_, hr) in table.pairs.items()]
        mse = [metrics.mse(hr, row.results[k]) for k, (_, hr) in table.pairs.items()]
        row.results.clear()  # large folders: one method's pictures at a time
        measured = {"method": name, "psnr_y": row.psnr, "ssim_y": row.ssim}
        measured |= {"psnr_rgb": float(np.mean(rgb)), "mse": float(np.mean(mse))}
        rows.append(measured | {"seconds": row.seconds})
    return rows


def table(rows: list[dict], heading: str) -> str:
    """The rows as text, under a heading that says how the inputs were made."""
    heads = f"{'method':<22}{'PSNR-Y':>9}{'SSIM-Y':>9}{'PSNR-RGB':>10}{'MSE':>10}{'s/picture':>11}"
    lines = [heading, heads]
    for row in rows:
        on_y = f"{row['psnr_y']:>9.3f}{row['ssim_y']:>9.4f}"
        on_rgb = f"{row['psnr_rgb']:>10.3f}{row['mse']:>10.6f}"
        lines.append(f"{row['method']:<22}{on_y}{on_rgb}{row['seconds']:>11.4f}")
    return "\n".join(lines)
