"""Pictures for who has none at hand: photographs of scikit-image and scikit-learn, and damaged ones
made from them.
"""

from collections.abc import Callable
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
    "flower": Sample("flower", _("A flower, grainy"), "clean"),
    "frost": Sample("china", _("The same shore, made pale as in winter"), "winter_to_summer"),
    "rocket": Sample("rocket", _("A rocket before its start, at night"), "night_to_day"),
    "leaves": Sample("china", _("The same trees, coloured as in autumn"), "autumn_to_spring"),
}


SHORE, TREES = np.s_[-240:, 310:550], np.s_[-240:, :240]  # of the photograph of the pavilion


def _face(picture: np.ndarray) -> np.ndarray:
    """The first face, small and out of focus."""
    face = images.crop_box(picture, images.faces(picture)[0], 0.15)
    return damage.blur(images.resize(face, (96, 96), "area"), 1.8)


def _pale(picture: np.ndarray) -> np.ndarray:
    """Brighter, and with a quarter of the colours, by hand: no network has drawn it."""
    grey = picture.mean(axis=2, keepdims=True)
    return 0.25 + 0.75 * (0.25 * picture + 0.75 * grey)


def _autumn(picture: np.ndarray) -> np.ndarray:
    """What is green turns towards orange, by hand, too."""
    red, green, blue = np.moveaxis(picture, 2, 0)
    leaf = np.clip(6 * (green - np.maximum(0.9 * red, blue)), 0, 1)
    turned = red + leaf * (1.25 * green - red), green * (1 - 0.28 * leaf), blue * (1 - 0.5 * leaf)
    return np.clip(np.stack(turned, axis=2), 0, 1)


# A sample from its photograph: the part that suits its task, or the damage that makes it worth
# repairing
DRAWN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pavilion": lambda picture: picture[:, : picture.shape[0]],
    "shore": lambda picture: picture[SHORE],
    "trees": lambda picture: picture[TREES],
    "coffee": lambda picture: images.resize(images.square_crop(picture), (160, 160), "bicubic"),
    "astronaut": _face,
    "cat": lambda picture: damage.small_noisy_jpeg(images.crop_to_multiple(picture, 2), "cat"),
    "flower": lambda picture: damage.add_noise(images.square_crop(picture), 0.08, "flower"),
    "frost": lambda picture: _pale(picture[SHORE]),
    "rocket": images.square_crop,
    "leaves": lambda picture: _autumn(picture[TREES]),
}


def prepare() -> None:
    """Draw what is missing into `settings.SAMPLES`."""
    for name, sample in SAMPLES.items():
        path = settings.SAMPLES / f"{name}.png"
        if not path.exists():
            photographs = download.fetch("sample", to=settings.SAMPLES / "photographs")
            images.write(path, DRAWN[name](images.read(photographs / f"{sample.source}.png")))


def read(name: str) -> np.ndarray:
    """A sample, (h, w, 3) in [0, 1]."""
    return images.read(settings.SAMPLES / f"{name}.png")


def credits() -> list[tuple[str, str, str, str]]:
    """Of each sample: what it shows, who made the photograph, under which licence, and the package
    that holds it.
    """
    made = {name: download.SAMPLE[sample.source] for name, sample in SAMPLES.items()}
    return [(SAMPLES[name].label, p.author, p.licence, p.package) for name, p in made.items()]
