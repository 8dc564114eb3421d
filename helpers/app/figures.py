"""How good each shipped network is: `python -m helpers figures` writes the table of the weights.

What was measured is kept in `data/weights/figures.json`, a row for each network and set of
pictures, so that a run with one set renews its rows and leaves the others.
"""

import datetime
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from helpers import images, training
from helpers.app import benchmark, sources, train
from helpers.files import replacing

BEGIN = "<!-- figures: written by `make figures`, do not edit -->"
END = "<!-- end of figures -->"
SETS = {
    "set5": "Set5",
    "set14": "Set14",
    "photos": "photographs that no network was trained on",
    "held_out": "photographs that its recipe holds out",
    "faces": "portraits of unseen people",
    "dogs": "held-out dogs",
    "pairs": "held-out pairs of Unsplash",
}
PHOTOGRAPHS = ["set5", "set14", "photos"]
MEASURED_ON = {
    "deconv_dogs_x2": ["dogs"],
    "unet_photos": ["pairs", *PHOTOGRAPHS],
    "unet_small": ["pairs"],
    "unet_small_no_skips": ["pairs"],
    "unet_small_no_skips_linear": ["pairs"],
    "unet_small_linear": ["pairs"],
    "cae_faces": ["faces"],
    "cae_faces_no_skips": ["faces"],
    "espcn_photos_x4": PHOTOGRAPHS,
    "espcn_faces_x4": ["faces"],
    "rdn_photos_x2": PHOTOGRAPHS,
    "rdn_noise_cancel_x2": PHOTOGRAPHS,
    "rdn_photos_x4": PHOTOGRAPHS,
    "srgan_photos_x4": PHOTOGRAPHS,
    "photos_clean": ["set5", "set14", "held_out"],
}
QUALITY = {"psnr_y": "PSNR-Y, dB", "ssim_y": "SSIM-Y", "psnr_rgb": "PSNR-RGB, dB", "mse": "MSE"}
DIGITS = {"psnr_y": 2, "ssim_y": 4, "psnr_rgb": 2, "mse": 6}


class Target(NamedTuple):
    """A picture, and its reduced or damaged twin where the set has one."""

    path: Path
    low: Path | None


def targets(name: str, folders: list[Path], network: str) -> list[Target]:
    """The pictures of a set that measure a network.

    Parameters
    ----------
    name : a key of `SETS`
    folders : where the set lies
    network : a key of `MEASURED_ON`

    Returns
    -------
    the pictures, each with its `_LR` file where the network expects such inputs

    Raises
    ------
    FileNotFoundError : there is no folder, or no picture that may measure the network
    """
    recipe = train.RECIPES[network]
    found = [path for folder in folders for path in _pictures(folder)]
    if name == "held_out":
        found = [path for path in found if path.name in recipe.get("held_out", [])]
    low = {path.stem.removesuffix("_LR"): path for path in found if path.stem.endswith("_LR")}
    if name in ("set5", "set14") and (recipe["card"]["scale"] != 4 or recipe["card"]["damage"]):
        low = {}  # they are four times smaller, and whole
    chosen = []
    for path in found:
        if not path.stem.endswith("_LR"):
            chosen.append(Target(path, low.get(path.stem.removesuffix("_HR"))))
    if not chosen:
        raise FileNotFoundError(f"no picture that measures {network} in {folders[0]}")
    return chosen


def _pictures(folder: Path) -> list[Path]:
    """The pictures of a folder; of CelebA those of its test partition."""
    if not (folder / "list_eval_partition.csv").exists():
        return images.find(folder)
    splits = sources.celeba_splits(folder)
    return [path for path, split in splits.items() if split == "test"]


def measure(network: str, name: str, folders: list[Path]) -> dict:
    """Measure a network on a set by the protocol of `benchmark`, picture by picture.

    Parameters
    ----------
    network : a key of `MEASURED_ON`
    name : a key of `SETS`
    folders : where the set lies

    Returns
    -------
    `network`, `set`, `pictures` (how many), `exact` (how many inputs equal their originals: they
    are left out of the means), `small` (how many were too small), `inputs`, `baseline` and
    `reached` (means of psnr_y, ssim_y, psnr_rgb, mse and seconds), `worst` and `least_gain` (the
    picture on which PSNR-Y gains least over the baseline, and how much)

    Raises
    ------
    ValueError : no picture can be used
    """
    models, expected = benchmark.expectation([network])
    fit = train.RECIPES[network]["cut"].get("square_by", "crop")
    rows = {}
    small = 0
    for target in tqdm(targets(name, folders, network), desc=f"{network} on {name}", leave=False):
        with _alone(target) as folder:
            try:
                usable, _, inputs = benchmark.pairs(folder, **expected, fit=fit)
            except ValueError as error:
                if "too small" not in str(error):
                    raise
                small += 1
                continue
        rows[target.path.name] = benchmark.benchmark(usable, expected["scale"], models)
    if not rows:
        raise ValueError(f"no picture of {folders[0]} is large enough for {network}")
    damaged = {file: pair for file, pair in rows.items() if np.isfinite(pair[0]["psnr_rgb"])}
    gains = {file: new["psnr_y"] - old["psnr_y"] for file, (old, new) in damaged.items()}
    worst = min(gains, key=gains.get)
    return {
        "network": network,
        "set": name,
        "pictures": len(rows),
        "exact": len(rows) - len(damaged),
        "small": small,
        "inputs": inputs,
        "baseline": _means([old for old, _ in damaged.values()]),
        "reached": _means([new for _, new in damaged.values()]),
        "worst": worst,
        "least_gain": round(gains[worst], 4),
    }


@contextmanager
def _alone(target: Target) -> Iterator[Path]:
    """A folder that holds copies of a picture and its twin, and nothing else."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(target.path, folder)
        if target.low:
            shutil.copy(target.low, folder)
        yield folder


def _means(rows: list[dict]) -> dict[str, float]:
    """The mean of each column of `benchmark`."""
    columns = [*QUALITY, "seconds"]
    return {key: round(float(np.mean([row[key] for row in rows])), 6) for key in columns}


def machine() -> str:
    """What measured, in words: cores, processor, and the versions of what computed."""
    import tensorflow as tf

    cores = f"{os.cpu_count()} CPU cores ({platform.machine()})"
    gpus = len(tf.config.list_physical_devices("GPU"))
    graphics = f"{gpus} GPU" if gpus else "no GPU"
    return f"{cores}, {graphics}, TensorFlow {version('tensorflow')}, Keras {version('keras')}"


def measure_all(folders: dict[str, list[Path]], names: list[str], seconds: bool) -> list[dict]:
    """Measure networks on the sets that are given, and keep the rows with those of earlier runs.

    Parameters
    ----------
    folders : {key of `SETS`: where the set lies}
    names : networks; all that are shipped where there are none
    seconds : whether the times count; without them on a busy machine

    Returns
    -------
    all rows, in the order of `MEASURED_ON`

    Raises
    ------
    ValueError : an unknown network; and what `measure` does
    """
    if unknown := [name for name in names if name not in MEASURED_ON]:
        known = ", ".join(MEASURED_ON)
        raise ValueError(f"nothing measures {', '.join(unknown)}; there are {known}")
    path = training.WEIGHTS / "figures.json"
    rows = {}
    if path.exists():
        for row in json.loads(path.read_text(encoding="utf-8")):
            rows[row["network"], row["set"]] = row
    about = {"machine": machine(), "date": datetime.date.today().isoformat()}
    for network in names or MEASURED_ON:
        if not (training.WEIGHTS / f"{network}.safetensors").exists():
            continue
        for name in MEASURED_ON[network]:
            if name not in folders:
                continue
            row = measure(network, name, folders[name]) | about
            if not seconds:
                row["baseline"].pop("seconds")
                row["reached"].pop("seconds")
            rows[network, name] = row
            _keep(rows, path)  # at once: a run takes long, and may be stopped
    return _ordered(rows)


def _ordered(rows: dict[tuple[str, str], dict]) -> list[dict]:
    """The rows in the order of `MEASURED_ON`."""
    order = [(network, name) for network, sets in MEASURED_ON.items() for name in sets]
    return [rows[place] for place in order if place in rows]


def _keep(rows: dict[tuple[str, str], dict], path: Path) -> None:
    """Write the rows as JSON."""
    text = json.dumps(_ordered(rows), indent=1, ensure_ascii=False)
    with replacing(path) as part:
        part.write_text(f"{text}\n", encoding="utf-8")


def table(rows: list[dict], seconds: bool = True) -> str:
    """The rows of `measure_all` as Markdown.

    Parameters
    ----------
    rows : of `measure_all`
    seconds : whether there is a column of times

    Returns
    -------
    a table for each set, and which machine measured when
    """
    parts = []
    for name, title in SETS.items():
        chosen = [row for row in rows if row["set"] == name]
        if not chosen:
            continue
        heads = ["network", "pictures", "inputs", *QUALITY.values(), "least gain in PSNR-Y, dB"]
        if seconds:
            heads.append("s a picture")
        lines = [_line(heads), _line(["---"] * len(heads))]
        lines += [_line(_cells(row, seconds)) for row in chosen]
        parts.append(f"### {title[0].upper()}{title[1:]}\n\n" + "\n".join(lines))
    networks = {}
    for row in rows:
        measured = networks.setdefault(f"{row['machine']}, {row['date']}", [])
        if row["network"] not in measured:
            measured.append(row["network"])
    lines = [f"- {about}: {', '.join(measured)}" for about, measured in networks.items()]
    parts.append("### Machine and date\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cells(row: dict, seconds: bool) -> list[str]:
    """The cells of one line of the table."""
    pictures = str(row["pictures"])
    if row["exact"]:
        pictures += f", {row['exact']} of them undamaged"
    cells = [f"[`{row['network']}`]({row['network']}.md)", pictures, row["inputs"]]
    for key in QUALITY:
        digits = DIGITS[key]
        old = row["baseline"][key]
        new = row["reached"][key]
        cells.append(f"{old:.{digits}f} → {new:.{digits}f}")
    gain = f"{row['least_gain']:+.2f}".replace("-", "−")
    cells.append(f"{gain}: {row['worst']}")
    if seconds:
        taken = row["reached"].get("seconds")
        cells.append("" if taken is None else f"{taken:.3f}")
    return cells


def write(text: str, path: Path) -> None:
    """Put `text` between the two markers of a file, in place of what stands there.

    ValueError where the markers are missing.
    """
    whole = path.read_text(encoding="utf-8")
    before, begin, rest = whole.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines {BEGIN!r} and {END!r}; git checkout it")
    with replacing(path) as part:
        part.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
