"""Pictures for who has none at hand: photographs of scikit-image and scikit-learn, and damaged ones
made from them.
"""

from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from helpers import damage, download, images


class Sample(NamedTuple):
    """A picture to try, what it shows, and the task that suits it."""

    source: str  # of `download.SAMPLE`
    label: str
    task: str


SAMPLES = {
    "pavilion": Sample("china", _("A pavilion above a lake"), "day_to_night"),
    "shore": Sample("china", _("Trees on the shore of a lake"), "summer_to_winter"),
    "trees": Sample("china", _("Trees around a pavilion"), "spring_to_autumn"),
    "coffee": Sample("coffee", _("A cup of coffee, 160 pixels small"), "enlarge"),
    "astronaut": Sample("astronaut", _("An astronaut's face, out of focus"), "deblur"),
    "cat": Sample("chelsea", _("A cat, grainy and compressed"), "noise_cancel"),
}


def _drawn(name: str, picture: np.ndarray) -> np.ndarray:
    """A sample from its photograph: the part that suits its task, or the damage that makes it worth
    repairing.
    """
    if name == "pavilion":
        return picture[:, : picture.shape[0]]
    if name == "shore":
        return picture[-240:, 310:550]
    if name == "trees":
        return picture[-240:, :240]
    if name == "coffee":
        return images.resize(images.square_crop(picture), (160, 160), "bicubic")
    if name == "astronaut":
        face = images.crop_box(picture, images.faces(picture)[0], 0.15)
        return damage.blur(images.resize(face, (96, 96), "area"), 1.8)
    if name == "cat":
        return damage.small_noisy_jpeg(images.crop_to_multiple(picture, 2), "cat")
    raise ValueError(f"no sample is called {name}; there are {', '.join(SAMPLES)}")


def prepare() -> None:
    """Draw what is missing into `settings.SAMPLES`."""
    for name, sample in SAMPLES.items():
        path = settings.SAMPLES / f"{name}.png"
        if not path.exists():
            photographs = download.fetch("sample", to=settings.SAMPLES / "photographs")
            images.write(path, _drawn(name, images.read(photographs / f"{sample.source}.png")))


def read(name: str) -> np.ndarray:
    """A sample, (h, w, 3) in [0, 1]."""
    return images.read(settings.SAMPLES / f"{name}.png")


def credits() -> list[tuple[str, str, str, str]]:
    """Of each sample: what it shows, who made the photograph, under which licence, and the package
    that holds it.
    """
    made = {name: download.SAMPLE[sample.source] for name, sample in SAMPLES.items()}
    return [(SAMPLES[name].label, p.author, p.licence, p.package) for name, p in made.items()]
