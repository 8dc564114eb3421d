"""What the page can do to a picture, and the course's networks that do it."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext_lazy as _

from helpers import images, quiet

CLEAN = "rdn_noise_cancel_x2"


class Task(NamedTuple):
    """One thing to do: its networks in their order, the square they get, and how one plays with the
    result.
    """

    label: str
    before: str  # what the picture shows, for its caption
    after: str
    about: str
    networks: tuple[str, ...]
    play: str  # "scroll", "scratch", "hover" or "slider"
    given: int  # pixels of the side that the first network sees
    exactly: bool = True  # else a smaller square stays as it is
    kept: int = 0  # pixels of the side of `before`, where it is not `given`

    @property
    def size(self) -> int:
        return self.kept or self.given


def _generator(name: str, label, before, after, about, play: str) -> Task:
    return Task(label, before, after, about, (name, CLEAN), play, given=256, kept=512)


LAND = _("For landscapes, best with trees and rock.")
TOWN = _("For views over a town. Lamps are invented.")
LEAF = _("For foliage. Only the colours turn.")
SUMMER, WINTER, DAY, NIGHT = _("summer"), _("winter"), _("day"), _("night")
SPRING, AUTUMN, BEFORE, AFTER = _("spring"), _("autumn"), _("before"), _("after")
TASKS = {
    "summer_to_winter": _generator(
        "summer_to_winter", _("Summer → winter"), SUMMER, WINTER, LAND, "scroll"
    ),
    "winter_to_summer": _generator(
        "winter_to_summer", _("Winter → summer"), WINTER, SUMMER, LAND, "scroll"
    ),
    "day_to_night": _generator("day_to_night", _("Day → night"), DAY, NIGHT, TOWN, "scratch"),
    "night_to_day": _generator("night_to_day", _("Night → day"), NIGHT, DAY, TOWN, "scratch"),
    "spring_to_autumn": _generator(
        "spring_to_autumn", _("Spring → autumn"), SPRING, AUTUMN, LEAF, "hover"
    ),
    "autumn_to_spring": _generator(
        "autumn_to_spring", _("Autumn → spring"), AUTUMN, SPRING, LEAF, "hover"
    ),
    "enlarge": Task(
        _("Enlarge ×4"),
        BEFORE,
        AFTER,
        _("For small, clean photographs: up to 256 pixels become 1,024."),
        ("rdn_photos_x4",),
        "slider",
        given=256,
        exactly=False,
    ),
    "deblur": Task(
        _("Deblur a face"),
        BEFORE,
        AFTER,
        _("For one face that fills the square. It draws a likely face, not a true one."),
        ("cae_faces", "espcn_faces_x4"),
        "slider",
        given=96,
    ),
    "noise_cancel": Task(
        _("Noise-cancel ×2"),
        BEFORE,
        AFTER,
        _("For grain and JPEG blocks: they go, and the picture doubles."),
        (CLEAN,),
        "slider",
        given=256,
        exactly=False,
    ),
}


def fit(picture: np.ndarray, side: int, exactly: bool = True) -> np.ndarray:
    """A square (n, n, 3) at `side` × `side`; not `exactly`, a smaller one stays as it is.

    Bicubic, antialiased.
    """
    if picture.shape[0] == side or (picture.shape[0] < side and not exactly):
        return picture
    return images.resize(picture, (side, side), "bicubic")


class Networks:
    """The networks of all tasks, loaded once and each called once, so that nobody's picture waits
    for that.
    """

    def __init__(self):
        with quiet():  # TensorFlow's greeting
            from helpers import tiles, training
        self.apply = tiles.apply
        names = dict.fromkeys(name for task in TASKS.values() for name in task.networks)
        self.loaded = {name: training.load_weights(name) for name in names}
        for task in TASKS:
            self.change(np.zeros((TASKS[task].size, TASKS[task].size, 3), np.float32), task)

    def change(
        self, picture: np.ndarray, task: str, done: Callable[[int], None] = lambda n: None
    ) -> np.ndarray:
        """A square (n, n, 3) in [0, 1], as `fit` made it for `task`, changed; `done(n)` after the
        n-th network.
        """
        picture = fit(picture, TASKS[task].given, TASKS[task].exactly)
        for n, name in enumerate(TASKS[task].networks, 1):
            model, _ = self.loaded[name]
            picture = self.apply(model, picture)
            done(n)
        return picture

    def weights(self, task: str) -> str:
        """Names and hashes of the task's networks, as the record keeps them."""
        return ", ".join(
            f"{name} {self.loaded[name][1]['sha256']}" for name in TASKS[task].networks
        )
