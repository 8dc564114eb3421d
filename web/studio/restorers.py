"""What the page can do to a picture, and the course's networks that do it."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from django.utils.translation import gettext_lazy as _
from PIL import Image

from helpers import files, images, quiet

CLEAN = "rdn_noise_cancel_x2"


class Task(NamedTuple):
    """One thing to do: its networks in their order, and how one plays with the result.

    `given` is the side of the square that the first network sees; 0 where it sees all pixels, of
    the whole picture or of a square. `most` is how many pixels are kept; a repair refuses more.
    """

    label: str
    before: str  # what the picture shows, for its caption
    after: str
    about: str
    networks: tuple[str, ...]
    play: str  # "scroll", "scratch", "hover" or "slider"
    most: int
    given: int = 0
    scale: int = 1

    @property
    def side(self) -> int:
        """Of the largest square that is kept."""
        return math.isqrt(self.most)


def _generator(name: str, label, before, after, about, play: str) -> Task:
    networks = (name, CLEAN)
    return Task(label, before, after, about, networks, play, most=1024**2, given=256)


LAND = _("An experiment. Best for landscapes with trees and rock; snow may come out as grey.")
TOWN = _("An experiment. Best for views over a town. Lamps and colours are invented.")
LEAF = _("An experiment. Best for foliage; only colours turn, and often hardly.")
SUMMER, WINTER, DAY, NIGHT = _("summer"), _("winter"), _("day"), _("night")
SPRING, AUTUMN, BEFORE, AFTER = _("spring"), _("autumn"), _("before"), _("after")
TASKS = {
    "clean": Task(
        _("Clean"),
        BEFORE,
        AFTER,
        _("For grain, JPEG traces and a slight blur. Every pixel is kept, up to 16 megapixels."),
        ("photos_clean",),
        "slider",
        most=16_000_000,
    ),
    "enlarge": Task(
        _("Enlarge ×4"),
        BEFORE,
        AFTER,
        _("For small, clean photographs, or a part of one, up to 0.5 megapixels."),
        ("rdn_photos_x4",),
        "slider",
        most=500_000,
        scale=4,
    ),
    "noise_cancel": Task(
        _("Noise-cancel ×2"),
        BEFORE,
        AFTER,
        _("For strong grain and JPEG blocks: they go, and the picture doubles. Up to 1 megapixel."),
        (CLEAN,),
        "slider",
        most=1_000_000,
        scale=2,
    ),
    "deblur": Task(
        _("Deblur a face"),
        BEFORE,
        AFTER,
        _("For a small face that is out of focus. It draws a likely face, not a true one."),
        ("cae_faces",),
        "slider",
        most=1_000_000,
    ),
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
}


class Networks:
    """The networks of all tasks, loaded once and each called once, so that nobody's picture waits
    for that.
    """

    def __init__(self):
        with quiet():  # TensorFlow's greeting
            from helpers import tiles, training
            from helpers.app import metadata
        self.tiles = tiles
        self.metadata = metadata
        names = dict.fromkeys(name for task in TASKS.values() for name in task.networks)
        self.loaded = {name: training.load_weights(name) for name in names}
        for task in TASKS:
            self.change(np.zeros((64, 64, 3), np.float32), task)

    def change(
        self, picture: np.ndarray, task: str, done: Callable[[float], None] = lambda share: None
    ) -> np.ndarray:
        """A picture (h, w, 3) in [0, 1], changed; `done(share)` tells how much of the work is done.

        A task that has a size of its own takes a square.
        """
        side = TASKS[task].given
        if side and picture.shape[0] != side:
            picture = images.resize(picture, (side, side), "bicubic")
        of = len(TASKS[task].networks)
        for n, name in enumerate(TASKS[task].networks):
            model, _card = self.loaded[name]
            scale = self.tiles.geometry(model).scale
            canvas = np.zeros((*(scale * k for k in picture.shape[:2]), 3), np.float32)
            area = canvas.shape[0] * canvas.shape[1]
            drawn = 0
            tile = 512 if scale == 1 else 256  # the enlargers' tiles take more memory
            for piece in self.tiles.pieces(model, picture, tile):
                self.tiles.compose([piece], canvas)
                drawn += piece.pixels.shape[0] * piece.pixels.shape[1]
                done((n + drawn / area) / of)
            picture = canvas
        return picture

    def change_file(
        self, task: str, before: Path, after: Path, done: Callable[[float], None]
    ) -> tuple[int, int]:
        """`change` a file into another, a labelled PNG; returns its width and height."""
        picture = Image.fromarray(images.to_uint8(self.change(images.read(before), task, done)))
        label = self.metadata.LABEL.format(", ".join(TASKS[task].networks))
        options = self.metadata.kept(picture, picture.size, 1, ".png", label)
        encoded = io.BytesIO()
        picture.save(encoded, "PNG", compress_level=1, **options)
        with files.replacing(after) as part:
            part.write_bytes(encoded.getbuffer())
        return picture.size

    def weights(self, task: str) -> str:
        """Names and hashes of the task's networks, as the record keeps them."""
        return ", ".join(
            f"{name} {self.loaded[name][1]['sha256']}" for name in TASKS[task].networks
        )
