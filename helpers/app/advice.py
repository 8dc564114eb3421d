"""Which shipped network helps a picture, or none; and whether a picture is one for a network."""

import functools
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from skimage import color, measure, restoration
from tqdm.auto import tqdm

from helpers import images, metrics, tiles, training
from helpers.app import deep, film, photo
from helpers.app.photo import AnyPath

CLEANER = "photos_clean"
TRIED = 384  # pixels: the side of the middle square on which the cleaner is tried
PLAIN = 1 / 255  # The steps in a blank page, of which nobody can tell whether it is sharp
# Limits, fitted on training photographs; nbtests/bench/bench_mild.py measures them on others
MOSAIC = 3.0  # `mosaic`: its steps are that many times higher
BLURRED = 0.68  # `blur`: more than the σ of 2 that the cleaner knows
UNCHANGED = 40.0  # `change` in dB
PACKED = 1.15  # `jpeg`
NOISY = 5.0  # `noise`
UNCHANGED_PACKED = 48.0  # `change` in dB, of a picture with JPEG's blocks
UNCHANGED_NOISY = 42.0  # the same, of one with noise
SEASONS = {"spring_to_autumn", "autumn_to_spring", "summer_to_winter", "winter_to_summer"}
# Of `scene`, between the medians of days and nights, and of woods and what has no leaves
DARK = 0.2
BRIGHT = 0.3
GREEN = 0.05


def diagnose(picture: np.ndarray) -> dict[str, float]:
    """What a picture's middle, at most 1024×1024 pixels, tells of its damage. Lesson 10.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1], at least 32×32.

    Returns
    -------
    dict[str, float]
        `noise`: σ in steps of 255, by wavelets (Donoho and Johnstone 1994). `blur`: 0 to 1, how
        little a further blur changes (Crété-Roffet et al. 2007). `jpeg` and `mosaic`: how many
        times higher the steps between neighbours are at the borders of 8×8 and of 4×4 blocks, laid
        from the top left corner, than in their middles; 1 without blocks.

    Raises
    ------
    ValueError
        For less than 32×32 pixels.
    """
    images.check(picture)
    height, width = picture.shape[:2]
    if min(height, width) < 32:
        raise ValueError(f"{height}×{width} pixels are too few to judge; give at least 32×32")
    part = _middle(picture, 1024)
    with warnings.catch_warnings():
        # Where a colour is the same everywhere, no detail is left to measure: NaN
        warnings.simplefilter("ignore", RuntimeWarning)
        sigmas = restoration.estimate_sigma(part, channel_axis=-1)
    blur = 0.0
    if np.ptp(part, axis=(0, 1)).max() > PLAIN:
        blur = measure.blur_effect(part, channel_axis=-1)
    return {
        "noise": float(255 * np.nan_to_num(sigmas).mean()),
        "blur": float(blur),
        "jpeg": _blockiness(part, 8),
        "mosaic": _blockiness(part, 4),
    }


def _middle(picture: np.ndarray, side: int) -> np.ndarray:
    """At most `side` × `side` pixels of the centre, from a place where JPEG's blocks begin."""
    top = max(0, picture.shape[0] - side) // 16 * 8
    left = max(0, picture.shape[1] - side) // 16 * 8
    return picture[top : top + side, left : left + side]


def _blockiness(picture: np.ndarray, size: int) -> float:
    """How many times higher the steps are at the borders of blocks than in their middles."""
    down = np.abs(np.diff(picture, axis=0)).mean(axis=(1, 2))
    right = np.abs(np.diff(picture, axis=1)).mean(axis=(0, 2))
    ratios = []
    for steps in (down + 1e-4, right + 1e-4):
        at_borders = steps[size - 1 :: size].mean()
        in_middles = steps[size // 2 - 1 :: size].mean()
        ratios.append(at_borders / in_middles)
    return float(np.mean(ratios))


@functools.cache
def network(name: str) -> tuple[keras.Model, dict]:
    """A shipped network and its card, loaded once."""
    return training.load_weights(name)


def suggest(picture: np.ndarray) -> tuple[dict[str, float], str | None, str]:
    """The shipped network that makes a picture better at its own size, or none. Lesson 10.

    Blocks of 4×4 pixels call for `unet_photos`, a strong blur for `cae_faces`. Otherwise
    `photos_clean` is tried on the middle of the picture: where it changes hardly anything, the
    picture is best left alone.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1], at least 32×32.

    Returns
    -------
    tuple[dict[str, float], str | None, str]
        What `diagnose` measures, with `change`, the PSNR-Y in dB between the middle of the picture
        and what `photos_clean` makes of it; the network's name, or None to leave the picture alone;
        and the reason.

    Raises
    ------
    ValueError
        Where `diagnose` does.
    FileNotFoundError
        Where the weights of `photos_clean` are missing.
    """
    found = diagnose(picture)
    tried = _middle(picture, TRIED)
    cleaner, _ = network(CLEANER)
    found["change"] = metrics.psnr(tried, tiles.apply(cleaner, tried), y=True)
    if found["mosaic"] > MOSAIC:
        times = f"{found['mosaic']:.1f}"
        why = f"it consists of blocks of 4×4 pixels (steps {times} times as high at their borders)"
        return found, "unet_photos", why
    if found["blur"] > BLURRED:
        return found, "cae_faces", f"it is strongly blurred ({found['blur']:.2f} of 1)"
    limit = UNCHANGED
    if found["jpeg"] > PACKED:
        limit = UNCHANGED_PACKED
    elif found["noise"] > NOISY:
        limit = UNCHANGED_NOISY
    if found["change"] > limit:
        return found, None, "it shows no damage: leave it alone, or enlarge it if it is too small"
    return found, CLEANER, _visible(found)


def _visible(found: dict[str, float]) -> str:
    """What of a mild damage is seen most clearly, in words."""
    if found["jpeg"] > PACKED:
        times = f"{found['jpeg']:.2f}"
        return f"JPEG left its 8×8 blocks (steps {times} times as high at their borders)"
    if found["noise"] > NOISY:
        return f"it is noisy (σ {found['noise']:.1f} of 255)"
    return f"it is a little blurred ({found['blur']:.2f} of 1)"


def misfit(picture: np.ndarray, name: str, card: dict) -> str | None:
    """Why a picture is not what a network was made for; None where it is, or cannot be told.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    name : str
        Of the network's weights.
    card : dict
        What the weights' file says of it.

    Returns
    -------
    str | None
        A clause that says what the picture lacks or has.

    Raises
    ------
    ValueError
        For what is no picture of floats in [0, 1].
    """
    images.check(picture)
    if min(picture.shape[:2]) < 32:
        return None
    if card["task"] == "change":
        return unsuited(scene(picture), name)
    found = diagnose(picture)
    noisy = found["noise"] > NOISY
    packed = found["jpeg"] > PACKED
    clean_first = f"which {name} would enlarge; restore it with {CLEANER} first"
    if card["damage"] == "blocks" and found["mosaic"] <= MOSAIC:
        return f"it has none of the 4×4 blocks that {name} repairs"
    if card["damage"] == "random_damage" and found["blur"] < 0.4 and found["mosaic"] <= MOSAIC:
        return f"it is crisp, and {name} was made for blurred or pixelated faces"
    if card["damage"] == "small_noisy_jpeg" and not noisy and not packed:
        return f"it has neither the noise nor the JPEG blocks that {name} removes"
    if card["task"] == "enlarge" and noisy:
        return f"it has noise, {clean_first}"
    if card["task"] == "enlarge" and packed:
        return f"it has JPEG's 8×8 blocks, {clean_first}"
    return None


def scene(picture: np.ndarray) -> dict[str, float]:
    """What a picture shows, as far as it matters to a change of season or daylight.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].

    Returns
    -------
    dict[str, float]
        `light`: the median of luma, 0 to 1. `green`: share of green pixels, 0 to 1. `faces`: how
        many `images.faces` finds.
    """
    faces = images.faces(picture)
    small = images.resize(picture, (256, 256), "area")
    hue, saturation, value = np.moveaxis(color.rgb2hsv(small), -1, 0)
    green = (hue > 65 / 360) & (hue < 170 / 360) & (saturation > 0.2) & (value > 0.1)
    return {
        "light": float(np.median(color.rgb2gray(small))),
        "green": float(green.mean()),
        "faces": len(faces),
    }


def unsuited(found: dict[str, float], name: str) -> str | None:
    """Why a picture is nothing for a change of season or daylight; None where it may be.

    Parameters
    ----------
    found : dict[str, float]
        What `scene` found.
    name : str
        Of a network's weights; one that changes neither has no say here.

    Returns
    -------
    str | None
        A clause that says what the picture lacks or has.
    """
    if name == "day_to_night":
        return "it is dark already" if found["light"] < DARK else None
    if name == "night_to_day":
        return "it is no night" if found["light"] > BRIGHT else None
    if name in SEASONS and found["faces"]:
        return "it shows a face, whose colours may change, too"
    if name == "spring_to_autumn" and found["green"] < GREEN:
        return "it has hardly any green that could turn"
    return None


class Restored(NamedTuple):
    """What became of files: results made and kept, reasons to leave a file alone, and errors."""

    made: list[Path]
    kept: list[Path]
    left_alone: list[str]
    failed: list[Exception]


def restore_all(sources: Iterable[AnyPath], to: AnyPath | None = None) -> Restored:
    """`photo.restore_all` of each picture by the network that `suggest` names for it.

    Parameters
    ----------
    sources : iterable of path-like
        Pictures and folders.
    to : path-like, optional
        As for `photo.restore_all`.

    Returns
    -------
    Restored
        What moves fails: it holds many pictures.

    Raises
    ------
    FileNotFoundError, ValueError
        Where `photo.restore_all` does.
    """
    sources = photo.named(sources, to)
    exact = photo.exact_target(sources, to)
    found = [pair for source in sources for pair in photo.found_in(Path(source), to)]
    restored = Restored([], [], [], [])
    for source, folder in tqdm(found, "restore", unit="file", leave=False, delay=2):
        try:
            name, why = _suggested(source)
        except Exception as error:  # The next file may be good
            restored.failed.append(photo.with_path(error, source))
            continue
        if name is None:
            restored.left_alone.append(f"{source}: {why}")
            continue
        model, card = network(name)
        label = f"{name} {card['sha256'][:8]}"
        made, kept, failed = photo.restore_all(model, [source], exact or folder, label)
        restored.made.extend(made)
        restored.kept.extend(kept)
        restored.failed.extend(failed)
    return restored


def _suggested(source: Path) -> tuple[str | None, str]:
    """The network for a file, and why."""
    if film.moves(source):
        raise ValueError(
            f"{source} moves, and a network is chosen for one picture; name it, such as "
            f"--with {CLEANER}"
        )
    _, name, why = suggest(deep.read(source))
    return name, why
