"""Scratches, cracks, folds and tears on old photographs, shown by a mask, are filled."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import keras
import numpy as np

from helpers import images
from helpers.app import metadata, photo
from helpers.app.advice import Restored
from helpers.app.photo import AnyPath

REACH = 3  # pixels around a filled one that it is filled from


def fill(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture whose masked pixels are painted anew from what surrounds them.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    mask : np.ndarray
        (h, w) bool.

    Returns
    -------
    np.ndarray
        A copy, float32; outside the mask nothing is changed.

    Raises
    ------
    ValueError
        For a mask of another size, and one that leaves nothing to paint from.

    Source: Bertalmio, Bertozzi and Sapiro 2001, CVPR: lines of equal brightness are carried into
    the mask as the Navier-Stokes equations carry a flow.
    """
    images.check(picture)
    if mask.shape != picture.shape[:2]:
        raise ValueError(
            f"the mask has {mask.shape[1]}×{mask.shape[0]} pixels and the picture "
            f"{picture.shape[1]}×{picture.shape[0]}; draw it over the picture itself"
        )
    if mask.all():
        raise ValueError("the mask covers the whole picture; mark only what is scratched")
    filled = np.array(picture, np.float32)
    painted = cv2.inpaint(images.to_uint8(filled), mask.astype(np.uint8), REACH, cv2.INPAINT_NS)
    filled[mask] = images.to_float(painted)[mask]
    return filled


class Filler:
    """`fill` for `photo.restore_all`, by a mask from a file.

    Parameters
    ----------
    mask : path-like
        A picture of the photograph's size: white where it is scratched, black elsewhere.

    Attributes
    ----------
    label : str
        What a result says of it.

    Raises
    ------
    FileNotFoundError, ValueError
        Where `images.read` raises them, and for a mask without any white.
    """

    def __init__(self, mask: AnyPath):
        self.mask = images.read(mask).mean(axis=-1) > 0.5
        if not self.mask.any():
            raise ValueError(f"{mask} shows nothing white; paint white what is scratched")
        content, _ = metadata.origin(Path(mask), Path())
        self.label = f"scratches by a mask {content[:8]}"

    def __call__(self, picture: np.ndarray, source: Path) -> np.ndarray:
        """The picture (h, w, 3) of a file without its scratches."""
        return fill(picture, self.mask)


def restore_all(filler: Filler, sources: Iterable[AnyPath], to: AnyPath | None = None) -> Restored:
    """`photo.restore_all` of pictures whose scratches are filled; no network follows.

    Parameters
    ----------
    filler : Filler
        What shows the scratches.
    sources : iterable of path-like
        Pictures.
    to : path-like, optional
        As for `photo.restore_all`.

    Returns
    -------
    Restored
        What became of them. What moves fails.

    Raises
    ------
    FileNotFoundError, ValueError
        Where `photo.restore_all` does.
    """
    as_it_is = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Identity()])
    made, kept, failed = photo.restore_all(as_it_is, sources, to, filler.label, prepare=filler)
    return Restored(made, kept, [], failed)
