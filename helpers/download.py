"""One call for every source of pictures: `fetch("sample")` needs no network, no account and no wait."""

import csv
import os
import shutil
import warnings
from pathlib import Path
from typing import NamedTuple

from skimage import data
from sklearn.datasets import load_sample_image
from tqdm.auto import tqdm

from helpers import ROOT, images, replacing

RAW = ROOT / "data" / "raw"


class Photograph(NamedTuple):
    """What is known of one embedded photograph; `split` holds in every lesson."""

    split: str
    author: str
    licence: str
    package: str


SAMPLE = {
    "coffee": Photograph("train", "Rachel Michetti", "CC0", "scikit-image"),
    "hubble": Photograph("train", "NASA", "public domain", "scikit-image"),
    "motorcycle": Photograph("train", "Middlebury 2014 stereo benchmark", "as published", "scikit-image"),
    "retina": Photograph("train", "Mikael Häggström", "CC0", "scikit-image"),
    "rocket": Photograph("train", "SpaceX", "public domain", "scikit-image"),
    "tissue": Photograph("train", "CMMI", "no known restrictions", "scikit-image"),
    "flower": Photograph("val", "vultilion", "CC BY 2.0", "scikit-learn"),
    "astronaut": Photograph("test", "NASA", "public domain", "scikit-image"),
    "chelsea": Photograph("test", "Stéfan van der Walt", "CC0", "scikit-image"),
    "china": Photograph("test", "danielbuechele", "CC BY 2.0", "scikit-learn"),
}
ELSEWHERE = {"hubble": "hubble_deep_field", "motorcycle": "stereo_motorcycle", "tissue": "immunohistochemistry"}


def fetch(source: str, *, to: str | os.PathLike | None = None, origin: str | os.PathLike | None = None) -> Path:
    """Bring the pictures of `source` to `data/raw/<source>/` (or `to`) and return that folder.

    "sample": the photographs inside scikit-image and scikit-learn, with `SOURCES.csv` (who made each, under
    which licence). "own": the pictures of your folder `origin`; each is opened first, and the unreadable
    ones are listed in `refused.csv` with the reason. What is already there is not fetched again.
    Raises ValueError for an unknown source, and FileNotFoundError for a missing or empty `origin`.
    """
    folder = Path(to) if to else RAW / source
    if source == "sample":
        return _fetch_sample(folder)
    if source == "own":
        if origin is None:
            raise ValueError("fetch own needs --from FOLDER, the folder with your pictures")
        return _fetch_own(Path(origin), folder)
    raise ValueError(f"unknown source {source!r}; choose sample or own")


def _fetch_sample(folder: Path) -> Path:
    for name, photograph in SAMPLE.items():
        path = folder / f"{name}.png"
        if path.exists():
            continue
        if photograph.package == "scikit-learn":
            pixels = load_sample_image(f"{name}.jpg")
        else:
            pixels = getattr(data, ELSEWHERE.get(name, name))()
        images.write(path, images.to_float(pixels[0] if isinstance(pixels, tuple) else pixels))
    rows = [[f"{name}.png", *photograph] for name, photograph in SAMPLE.items()]
    _write_csv(folder / "SOURCES.csv", ["file", *Photograph._fields], rows)
    return folder


def _fetch_own(origin: Path, folder: Path) -> Path:
    found, refused = images.find(origin), []
    for path in tqdm(found, desc="fetch own", leave=False, delay=2):
        target = folder / path.relative_to(origin)
        if target.exists() and target.stat().st_size == path.stat().st_size:
            continue
        try:
            images.read(path)
        except (ValueError, OSError) as error:
            refused.append([path, str(error)])
            continue
        with replacing(target) as part:
            shutil.copyfile(path, part)
    if len(refused) == len(found):
        raise ValueError(f"none of {len(found)} pictures in {origin} can be read; the first: {refused[0][1]}")
    if refused:
        _write_csv(folder / "refused.csv", ["file", "reason"], refused)
        warnings.warn(f"{len(refused)} of {len(found)} pictures refused, see {folder / 'refused.csv'}", stacklevel=3)
    return folder


def _write_csv(path: Path, header: list[str], rows: list) -> None:
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
