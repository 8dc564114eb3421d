"""The standard protocol on a folder of pictures: the course's and its cards' figures."""

import math
import warnings
from pathlib import Path
from statistics import fmean

import numpy as np
from tqdm.auto import tqdm

from helpers import images, metrics, tiles, training
from helpers.app import deep, partners
from helpers.damage import DRAWN, FIXED, degrade

WINDOW = 11  # pixels: the side of SSIM's window
EXPECTED = {"scale": 4, "downscale": "bicubic", "damage": None, "size": None}
TOO_SMALL = "too small"  # why a picture is left out
FAILED = "that cannot be used"


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
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, list[str]], str]:
    """Read or make the pairs of a folder.

    Where `partners.look` finds pairs of files, these are taken. Otherwise every picture is a
    target, and its input is made from it and rounded as a file of 8 bits does. A picture that
    cannot be read, and a pair that does not fit, are named in a warning, and the others go on.

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
    {name: (input, target)}, {why: names of pictures that are left out}, and how the inputs were
    made, in words.

    Raises
    ------
    ValueError : the scale or the size is below 1, the damage cannot be made, a square is cut from
    pairs, the names do not tell the pairs, or no picture is left.
    """
    folder = Path(folder)
    _check_numbers(scale, size)
    found = partners.look(folder, scale)
    if found.low and size:
        raise ValueError(f"{folder} holds pairs, and --scale and --square cannot change pairs")
    if not found.low:
        _check(damage, downscale)
    usable = {}
    small = []
    failed = {}
    for path in found.targets:
        name = partners.name_in(folder, path)
        try:
            hr = deep.read(path)
            lr = deep.read(found.low[path]) if found.low else None
        except (ValueError, OSError) as error:
            failed[name] = str(error)
            continue
        hr = _target(hr, 4 if damage == "blocks" else scale, size, fit)
        if hr is None or min(hr.shape[:2]) < WINDOW + 2 * scale:
            small.append(name)
            continue
        if lr is None:
            lr = _input(hr, path.stem, scale, downscale, damage)
        if (lr.shape[0] * scale, lr.shape[1] * scale) != hr.shape[:2]:
            failed[name] = f"{path} is not {scale} times as large as {found.low[path]}"
            continue
        usable[name] = (lr, hr)
    if not usable:
        raise ValueError(_nothing(folder, small, failed))
    for why in failed.values():
        warnings.warn(f"left out: {why}", stacklevel=2)
    left_out = {TOO_SMALL: small, FAILED: list(failed)} | found.left_out
    made = "from the _LR files" if found.low else _in_words(scale, downscale, damage)
    return usable, left_out, made


def _target(hr: np.ndarray, multiple: int, size: int | None, fit: str) -> np.ndarray | None:
    """Cut a target so that its sides divide by a multiple; None where no such square is in it."""
    if size:
        hr = images.square_crop(hr)
        side = hr.shape[0]
        if side < size:
            return None
        if fit == "resize":
            hr = images.resize(hr, (size, size), "area")
        else:
            start = (side - size) // 2
            hr = hr[start : start + size, start : start + size]
    return images.crop_to_multiple(hr, multiple)


def _input(
    hr: np.ndarray, seed: str, scale: int, downscale: str | None, damage: str | None
) -> np.ndarray:
    """Make the input that belongs to a target, and round it as a file of 8 bits does."""
    if damage or scale > 1:
        hr = degrade(hr, scale, damage or downscale, seed)
    return images.rounded(hr)


def _nothing(folder: Path, small: list[str], failed: dict[str, str]) -> str:
    """Say why no picture of a folder is left."""
    if not failed:
        return f"no picture in {folder} is large enough ({len(small)} are too small)"
    first = next(iter(failed.values()))
    counts = f"{len(small)} are too small, {len(failed)} cannot be used"
    return f"no picture in {folder} can be measured ({counts}): {first}"


def _check_numbers(scale: int, size: int | None) -> None:
    """Refuse a scale and a size below 1."""
    for what, number in {"scale": scale, "square": size}.items():
        if number is not None and number < 1:
            raise ValueError(f"a {what} of {number}; give a whole number from 1 on")


def _check(damage: str | None, downscale: str | None) -> None:
    """Refuse a damage that cannot be made."""
    if damage not in (None, *DRAWN, *FIXED):
        raise ValueError(
            f"benchmark cannot make the damage {damage!r}; give it a folder of *_HR and *_LR files"
        )
    if damage and downscale not in (None, "bicubic"):
        raise ValueError(f"the damage {damage!r} cannot be made with --downscale {downscale}")


def _in_words(scale: int, downscale: str | None, damage: str | None) -> str:
    """Say how the inputs were made."""
    steps = []
    if scale > 1:
        steps.append(f"reduced by {downscale}")
    if damage:
        steps.append(f"with {damage}")
    return ", ".join(steps) or "untouched"


def benchmark(usable: dict, scale: int, models: dict) -> list[dict]:
    """Measure the baseline and each network by the standard protocol.

    Parameters
    ----------
    usable : {name: (input, target)}, as `pairs` gives them
    scale : how many times larger the target is; so many pixels are cut off before Y is measured
    models : {name: network}

    Returns
    -------
    A row for each method, the means over the pairs: `psnr_y`, `ssim_y`, and on the whole picture
    `psnr_rgb` and `mse`, all after rounding to 8 bits; `seconds` for one picture, warm.
    The baseline is Pillow's bicubic enlargement, or at ×1 the untouched input.
    A picture that a method gives back exactly has an infinite PSNR. It stands in that row's
    `exact`, and the means of PSNR leave it out in all rows, so that they can be compared.
    """
    table = metrics.Table(usable, border=scale, y=True)
    baseline = "bicubic" if scale > 1 else "untouched"
    methods = {baseline: lambda lr: images.enlarge(lr, scale)}
    for name, model in models.items():
        methods[name] = lambda lr, model=model: tiles.apply(model, lr)
    rows = []
    decibels = []
    for name, method in methods.items():
        calls = len(usable) + 1  # the table warms the method up
        with tqdm(total=calls, desc=name, leave=False, delay=2) as bar:

            def counted(lr, method=method, bar=bar):
                bar.update()
                return method(lr)

            row = table.add(name, counted)[name]
        rgb = {k: metrics.psnr(hr, row.results[k]) for k, (_, hr) in usable.items()}
        mse = [metrics.mse(hr, row.results[k]) for k, (_, hr) in usable.items()]
        row.results.clear()  # large folders: one method's pictures at a time
        measured = {"method": name, "psnr_y": math.inf, "ssim_y": row.ssim}
        measured |= {"psnr_rgb": math.inf, "mse": float(np.mean(mse)), "seconds": row.seconds}
        exact = [k for k in usable if math.inf in (row.each[k], rgb[k])]
        rows.append(measured | ({"exact": exact} if exact else {}))
        decibels.append({"psnr_y": row.each, "psnr_rgb": rgb})
    inexact = set(usable).difference(*(row.get("exact", []) for row in rows))
    for row, measured in zip(rows, decibels, strict=True):
        for column, each in measured.items():
            if inexact:
                row[column] = fmean(each[k] for k in usable if k in inexact)
    return rows


def finite(rows: list[dict]) -> list[dict]:
    """The rows with None for an infinite mean, which JSON cannot hold."""
    return [{k: None if v == math.inf else v for k, v in row.items()} for row in rows]


def table(rows: list[dict], heading: str, left_out: dict[str, list[str]] | None = None) -> str:
    """The rows as text.

    Parameters
    ----------
    rows : as `benchmark` gives them
    heading : how the inputs were made
    left_out : {why: names}, as `pairs` gives it

    Returns
    -------
    The heading, the rows, and below them what was left out and why.
    """
    heads = f"{'method':<22}{'PSNR-Y':>9}{'SSIM-Y':>9}{'PSNR-RGB':>10}{'MSE':>10}{'s/picture':>11}"
    lines = [heading, heads]
    for row in rows:
        on_y = f"{row['psnr_y']:>9.3f}{row['ssim_y']:>9.4f}"
        on_rgb = f"{row['psnr_rgb']:>10.3f}{row['mse']:>10.6f}"
        lines.append(f"{row['method']:<22}{on_y}{on_rgb}{row['seconds']:>11.4f}")
    for row in rows:
        if "exact" in row:
            count = f"{row['method']} gives {len(row['exact'])} back exactly"
            lines.append(
                f"{count} (infinite PSNR, left out of every mean of PSNR): {_few(row['exact'])}"
            )
    for why, names in (left_out or {}).items():
        if names:
            lines.append(f"{len(names)} {why}, left out: {_few(names)}")
    return "\n".join(lines)


def _few(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
