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


class Task(NamedTuple):
    """One thing to do: its networks in their order, and how one plays with the result.

    `most` is how many pixels are kept, of the whole picture or of a square; more are refused, or
    reduced where `reduces` says so.
    `misfit` says what to do with a picture that the network was not made for. With `spares`, a
    sharp picture without damage is given back unchanged.
    """

    label: str
    before: str  # what the picture shows, for its caption
    after: str
    about: str
    networks: tuple[str, ...]
    play: str  # "scroll", "scratch", "hover" or "slider"
    most: int
    scale: int = 1
    reduces: bool = False
    misfit: str | None = None
    spares: bool = False

    @property
    def side(self) -> int:
        """Of the largest square that is kept."""
        return math.isqrt(self.most)


def _colours(name: str, label, shows, about, play: str, misfit) -> Task:
    """A generator that takes a whole photograph."""
    most = 2_400_000
    return Task(label, *shows, about, (name,), play, most, reduces=True, misfit=misfit)


LAND = _("An experiment, for landscapes: light and colours turn, but no snow falls or melts.")
TOWN = _("An experiment, for streets and towns: the light turns, but no lamp is lit.")
LEAF = _("An experiment. Best for woods and meadows: their colours turn, and no leaf falls.")
BUD = _("An experiment, for woods and meadows: other brown or yellow things may turn green, too.")
FACE = _("There may be a face in it, whose colours would change, too.")
DARK = _("It is dark already, and this was made for days.")
LIGHT = _("It is no night, and this was made for nights.")
LEAFLESS = _("It has hardly any green that could turn, or a face whose colours may change, too.")
SUMMER, WINTER, DAY, NIGHT = _("summer"), _("winter"), _("day"), _("night")
SPRING, AUTUMN, BEFORE, AFTER = _("spring"), _("autumn"), _("before"), _("after")
AUTO = "auto"  # of its networks, `advice.suggest` names one for each picture, or none
TASKS = {
    AUTO: Task(
        _("Choose for me"),
        BEFORE,
        AFTER,
        _("Measures what is wrong, and repairs that alone; a good picture is left alone."),
        ("photos_clean", "cae_faces", "unet_photos"),
        "slider",
        most=16_000_000,
    ),
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
        misfit=_("It has noise or JPEG blocks, which this enlarges, too. Clean it first."),
    ),
    "noise_cancel": Task(
        _("Noise-cancel ×2"),
        BEFORE,
        AFTER,
        _("For strong grain and JPEG blocks: they go, and the picture doubles. Up to 1 megapixel."),
        ("rdn_noise_cancel_x2",),
        "slider",
        most=1_000_000,
        scale=2,
        misfit=_("It has neither the noise nor the JPEG blocks that this takes away."),
    ),
    "deblur": Task(
        _("Deblur a face"),
        BEFORE,
        AFTER,
        _(
            "For a face that is out of focus. Choose the face alone as the part. It draws a likely"
            " face, not a true one."
        ),
        ("cae_faces",),
        "slider",
        most=1_000_000,
        misfit=_(
            "It is sharp already, and this was made for blurred faces. If only a face in it is"
            " blurred, choose that part."
        ),
        spares=True,
    ),
    "summer_to_winter": _colours(
        "summer_to_winter", _("Summer → winter"), (SUMMER, WINTER), LAND, "scroll", FACE
    ),
    "winter_to_summer": _colours(
        "winter_to_summer", _("Winter → summer"), (WINTER, SUMMER), LAND, "scroll", FACE
    ),
    "day_to_night": _colours("day_to_night", _("Day → night"), (DAY, NIGHT), TOWN, "scratch", DARK),
    "night_to_day": _colours(
        "night_to_day", _("Night → day"), (NIGHT, DAY), TOWN, "scratch", LIGHT
    ),
    "spring_to_autumn": _colours(
        "spring_to_autumn", _("Spring → autumn"), (SPRING, AUTUMN), LEAF, "hover", LEAFLESS
    ),
    "autumn_to_spring": _colours(
        "autumn_to_spring", _("Autumn → spring"), (AUTUMN, SPRING), BUD, "hover", FACE
    ),
}

# What `advice.suggest` has seen in a picture, and what helps
SIGNS = {
    "blocks": _("It consists of blocks of 4×4 pixels. A network draws anew what they hide."),
    "blurred": _("It is strongly blurred. “Deblur a face” makes it sharper."),
    "jpeg": _("JPEG left its 8×8 blocks. “Clean” takes them away."),
    "noise": _("It is noisy. “Clean” takes the noise away."),
    "soft": _("It is a little blurred. “Clean” makes it sharper."),
    "nothing": _("It shows no damage: leave it alone. If it is too small, enlarge it."),
    "small": _("It is too small to be judged, so it is left alone. Choose a repair yourself."),
}
SMALLEST_JUDGED = 32  # pixels of a side
# What `advice.diagnose` calls the blur is lower in a sharp picture. Of 40 portraits, 29 show no
# damage, and 25 of these lie below; blurred with a σ of 1 to 2 pixels, none does both
SHARP = 0.5
SMALL = 240  # pixels of the longer side of a result's small picture


def small_of(after: Path) -> Path:
    """Where the small picture of a result lies."""
    return after.with_suffix(".small.jpg")


class Changed(NamedTuple):
    """What became of a picture: its width and height, the networks' names and hashes, and remarks.

    `sign` is a key of `SIGNS` where the network was chosen for the picture, else empty. `misfit`
    tells that the picture is not what the network was made for.
    """

    width: int
    height: int
    weights: str
    sign: str = ""
    misfit: bool = False


class Networks:
    """The networks of all tasks, loaded once and each called once, so that nobody's picture waits
    for that.
    """

    def __init__(self):
        with quiet():  # TensorFlow's greeting
            from helpers import tiles
            from helpers.app import advice, metadata
        self.tiles = tiles
        self.advice = advice
        self.metadata = metadata
        names = dict.fromkeys(name for task in TASKS.values() for name in task.networks)
        self.loaded = {name: advice.network(name) for name in names}
        for task in TASKS.values():
            for name in task.networks:
                self.change(np.zeros((64, 64, 3), np.float32), (name,))

    def change(
        self,
        picture: np.ndarray,
        names: tuple[str, ...],
        done: Callable[[float], None] = lambda share: None,
    ) -> np.ndarray:
        """A picture (h, w, 3) in [0, 1], changed by networks in their order.

        `done(share)` tells how much of the work is done.
        """
        for n, name in enumerate(names):
            model, _card = self.loaded[name]
            scale = self.tiles.geometry(model).scale
            canvas = np.zeros((*(scale * k for k in picture.shape[:2]), 3), np.float32)
            area = canvas.shape[0] * canvas.shape[1]
            drawn = 0
            tile = 512 if scale == 1 else 256  # the enlargers' tiles take more memory
            for piece in self.tiles.pieces(model, picture, tile):
                self.tiles.compose([piece], canvas)
                drawn += piece.pixels.shape[0] * piece.pixels.shape[1]
                done((n + drawn / area) / len(names))
            picture = canvas
        return picture

    def suggest(self, picture: np.ndarray) -> tuple[tuple[str, ...], str]:
        """The network that helps a picture, or none, and what was seen in it, of `SIGNS`."""
        if min(picture.shape[:2]) < SMALLEST_JUDGED:
            return (), "small"
        found, name, _why = self.advice.suggest(picture)
        if name is None:
            return (), "nothing"
        if name != self.advice.CLEANER:
            return (name,), {"unet_photos": "blocks", "cae_faces": "blurred"}[name]
        if found["jpeg"] > self.advice.PACKED:
            return (name,), "jpeg"
        return (name,), "noise" if found["noise"] > self.advice.NOISY else "soft"

    def faultless(self, picture: np.ndarray) -> bool:
        """Whether a picture is sharp and shows no damage."""
        if min(picture.shape[:2]) < SMALLEST_JUDGED:
            return False
        found, name, _why = self.advice.suggest(picture)
        return name is None and found["blur"] < SHARP

    def judge(self, picture: np.ndarray) -> tuple[str, list[str]]:
        """What was seen in a picture, of `SIGNS`, and the tasks that it does not suit."""
        found = self.advice.scene(picture)
        unsuited = [name for name in TASKS if self.advice.unsuited(found, name)]
        return self.suggest(picture)[1], unsuited

    def misfits(self, picture: np.ndarray, names: tuple[str, ...]) -> bool:
        """Whether a picture is not what the first of the networks was made for."""
        _model, card = self.loaded[names[0]]
        return self.advice.misfit(picture, names[0], card) is not None

    def change_file(
        self, task: str, before: Path, after: Path, done: Callable[[float], None]
    ) -> Changed:
        """Change a file into another, a labelled PNG; a picture that is left alone is copied.

        The result's small picture lies beside it.
        """
        given = images.read(before)
        names, sign, misfit = TASKS[task].networks, "", False
        if task == AUTO:
            names, sign = self.suggest(given)
        elif TASKS[task].misfit is not None:  # this process cannot translate it
            misfit = self.misfits(given, names)
        if TASKS[task].spares and self.faultless(given):
            names, sign, misfit = (), "nothing", True
        if not names:
            with files.replacing(after) as part:
                part.write_bytes(before.read_bytes())
            self.write_small(Image.fromarray(images.to_uint8(given)), after)
            return Changed(given.shape[1], given.shape[0], "", sign, misfit)
        pixels = self.change(given, names, done)
        picture = Image.fromarray(images.to_uint8(pixels))
        label = self.metadata.LABEL.format(", ".join(names))
        options = self.metadata.kept(picture, picture.size, 1, ".png", label)
        encoded = io.BytesIO()
        picture.save(encoded, "PNG", compress_level=1, **options)
        with files.replacing(after) as part:
            part.write_bytes(encoded.getbuffer())
        size = picture.size
        self.write_small(picture, after, label)
        weights = ", ".join(f"{name} {self.loaded[name][1]['sha256']}" for name in names)
        return Changed(*size, weights, sign, misfit)

    def write_small(self, picture: Image.Image, after: Path, label: str = "") -> None:
        """Reduce a result to its small picture, and write that beside it."""
        picture.thumbnail((SMALL, SMALL))
        options = {}
        if label:
            options = self.metadata.kept(picture, picture.size, 1, ".jpg", label)
        with files.replacing(small_of(after)) as part:
            picture.save(part, "JPEG", **options)
