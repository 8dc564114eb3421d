"""One call for every source of pictures: `fetch("sample")` needs no internet and no account."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from skimage import data
from sklearn.datasets import load_sample_image

from helpers import ROOT, images
from helpers.files import write_csv

RAW = ROOT / "data" / "raw"


class Photograph(NamedTuple):
    """What is known of one embedded photograph. Lesson 01."""

    split: str  # "train", "val" or "test", the same in every lesson
    author: str
    licence: str
    package: str


SAMPLE = {
    "coffee": Photograph("train", "Rachel Michetti", "CC0", "scikit-image"),
    "hubble": Photograph("train", "NASA", "public domain", "scikit-image"),
    "motorcycle": Photograph(
        "train", "Middlebury 2014 stereo benchmark", "as published", "scikit-image"
    ),
    "retina": Photograph("train", "Mikael Häggström", "CC0", "scikit-image"),
    "rocket": Photograph("train", "SpaceX", "public domain", "scikit-image"),
    "tissue": Photograph("train", "CMMI", "no known restrictions", "scikit-image"),
    "flower": Photograph("val", "vultilion", "CC BY 2.0", "scikit-learn"),
    "astronaut": Photograph("test", "NASA", "public domain", "scikit-image"),
    "chelsea": Photograph("test", "Stéfan van der Walt", "CC0", "scikit-image"),
    "china": Photograph("test", "danielbuechele", "CC BY 2.0", "scikit-learn"),
}
NAMES_IN_SKIMAGE = {  # where they differ
    "hubble": "hubble_deep_field",
    "motorcycle": "stereo_motorcycle",
    "tissue": "immunohistochemistry",
}


def fetch(
    source: str,
    *,
    to: str | os.PathLike | None = None,
    origin: str | os.PathLike | None = None,
    **options,
) -> Path:
    """Put the pictures of a source into a folder; what is there already is not fetched again.

    `SOURCES.csv` says who made what, `refused.csv` what was left out and why.

    - "sample": the photographs inside scikit-image and scikit-learn; no network.
    - "own": the readable pictures of `origin`: your folder, zip, or one picture.
    - "celeba", "unsplash": the Kaggle sets; "summer2winter": that of the CycleGAN paper. From the
      network, or from your copy `origin`, a folder or zip, whose files are linked where the disk
      allows it: do not edit them in place.
    - "pixabay": up to `limit` (50) photographs for `query`, optionally of a `category` and at least
      `smallest` pixels wide and high; needs the key PIXABAY_API_KEY.
    - "page": up to `limit` (50) pictures of the web page `origin`, where its robots.txt allows it.

    Parameters
    ----------
    source : str
        One of these.
    to : path, optional
        The folder; `data/raw/<source>` without it.
    origin : path or address, optional
        Where the pictures are.
    **options
        limit, query, category and smallest.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        For bad input, a broken or dangerous zip, a set that would mix with the one in the folder,
        and what a server refuses.
    FileNotFoundError
        For an `origin` that is missing, empty or laid out in another way.
    ConnectionError
        Where the internet fails; what has arrived is kept. Lesson 01.
    """
    folder = Path(to) if to else RAW / source
    if source == "sample":
        return _fetch_sample(folder)
    from helpers.app import sources  # the application: the network, zips and sets

    return sources.fetch(source, folder, origin, **options)


def photograph(name: str, multiple: int = 1, times: int = 1) -> np.ndarray:
    """Read an embedded photograph, reduced `times` by area.

    Parameters
    ----------
    name : one of `SAMPLE`
    multiple : the sides of the result are cut until they divide by it
    times : how many times smaller than the original, in width and height

    Returns
    -------
    (h, w, 3) float32 in [0, 1]. Lesson 04.
    """
    picture = images.read(fetch("sample") / f"{name}.png")
    return images.reduce(images.crop_to_multiple(picture, multiple * times), times, "area")


def _fetch_sample(folder: Path) -> Path:
    """Write the embedded photographs that are not there yet, and their list."""
    for name, photograph in SAMPLE.items():
        path = folder / f"{name}.png"
        if path.exists():
            continue
        if photograph.package == "scikit-learn":
            pixels = load_sample_image(f"{name}.jpg")
        else:
            pixels = getattr(data, NAMES_IN_SKIMAGE.get(name, name))()
        if name == "motorcycle":
            pixels = pixels[0]  # of a left view, a right one, and the disparity
        images.write(path, images.to_float(pixels))
    rows = [[f"{name}.png", *photograph] for name, photograph in SAMPLE.items()]
    write_csv(folder / "SOURCES.csv", ["file", *Photograph._fields], rows)
    return folder
