"""Sets without pairs: two folders of pictures, A and B, split by scene for a CycleGAN."""

import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
from IPython import get_ipython
from IPython.display import display
from keras import ops
from PIL import Image
from sklearn.cluster import DBSCAN
from tqdm.auto import tqdm

from helpers import batching, images

PARTS = ["trainA", "trainB", "testA", "testB"]  # the folders of the CycleGAN paper's sets


def scenes(paths: Sequence[Path], alike: float = 0.4) -> list[int]:
    """Which pictures show the same scene, for a split by scene.

    Two pictures show the same where their fine structure correlates by more than `alike`: 64×64 in
    grey, less what a blur leaves, divided by its local contrast, so that light and season count
    less than edges. Two pictures that are both like a third one show the same, too.

    Parameters
    ----------
    paths : sequence of Path
        The pictures.
    alike : float
        Correlation from which on two are alike.

    Returns
    -------
    list of int
        The number of each picture's scene. Lesson 08.
    """
    found = []
    for path in tqdm(paths, "scenes", leave=False, delay=2):
        small = images.resize(images.read(path), (64, 64), "area")
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        grey -= cv2.GaussianBlur(grey, (0, 0), 3)
        grey /= np.sqrt(cv2.GaussianBlur(grey * grey, (0, 0), 8)) + 0.01
        grey -= grey.mean()
        found.append(grey.ravel() / max(np.linalg.norm(grey), 1e-6))
    clusters = DBSCAN(1 - alike, min_samples=1, metric="cosine").fit_predict(np.stack(found))
    return clusters.tolist()


def sets(folder: str | Path) -> dict[str, list[Path]]:
    """The pictures of a set without pairs: "trainA", "trainB", "testA" and "testB".

    Parameters
    ----------
    folder : path
        It holds folders of these names, or just two, A before B in the alphabet: then a fifth of
        their scenes is held out, each from both.

    Returns
    -------
    dict
        {name: paths}.

    Raises
    ------
    FileNotFoundError
        For another layout, and empty folders.
    ValueError
        For too few scenes, and what `images.read` refuses. Lesson 08.
    """
    folder = Path(folder)
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if {path.name for path in inside} >= set(PARTS):
        return {name: images.find(folder / name) for name in PARTS}
    if len(inside) != 2:
        raise FileNotFoundError(
            f"expected {', '.join(PARTS)} or just two folders, A and B, in {folder}"
        )
    paths_a = images.find(inside[0])
    paths_b = images.find(inside[1])
    paths = paths_a + paths_b
    shown = scenes(paths)
    parts = batching.split([str(scene) for scene in shown], val=0, test=0.2)
    found = {name: [] for name in PARTS}
    for k, (path, scene) in enumerate(zip(paths, shown, strict=True)):
        part = "test" if parts[str(scene)] == "test" else "train"
        side = "A" if k < len(paths_a) else "B"
        found[part + side].append(path)
    if empty := [name for name, chosen in found.items() if not chosen]:
        raise ValueError(
            f"of {max(shown) + 1} scenes in {folder} none is left for {', '.join(empty)}; "
            "more are needed"
        )
    return found


def squares(paths: Sequence[Path], size: int = 256) -> np.ndarray:
    """The middle square of each picture, brought to one size.

    Parameters
    ----------
    paths : sequence of Path
        The pictures.
    size : int
        Side of the squares in pixels.

    Returns
    -------
    ndarray
        (n, size, size, 3) uint8. Lesson 08.
    """
    found = []
    for path in paths:
        square = images.square_crop(images.read(path))
        found.append(images.to_uint8(images.resize(square, (size, size), "area")))
    return np.stack(found)


class Scenes(keras.callbacks.Callback):
    """After each epoch, show what both generators make of the same pictures.

    Each picture has a column: above the picture, below what became of it.

    Parameters
    ----------
    a, b : ndarray
        (n, h, w, 3) uint8, pictures of both sets.
    folder : Path, optional
        Where each epoch's drawing is kept, too.

    Attributes
    ----------
    shown : dict
        {epoch: what became of the pictures of `a` and `b`, (n, h, w, 3) uint8}. Lesson 08.
    """

    def __init__(self, a: np.ndarray, b: np.ndarray, folder: Path | None = None):
        super().__init__()
        self.a = images.to_float(a)
        self.b = images.to_float(b)
        self.folder = folder
        self.shown = {}

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()
        self.handle = None
        if get_ipython():
            blank = Image.new("RGB", (1, 1))
            self.handle = display(blank, display_id=True, include=["image/jpeg"])

    def on_epoch_end(self, epoch, logs=None):
        # one at a time: less memory; and without predict, which would compile for seconds
        made = [self.model.to_b(picture[None], training=False) for picture in self.a]
        made += [self.model.to_a(picture[None], training=False) for picture in self.b]
        made = [ops.convert_to_numpy(picture)[0].clip(0, 1) for picture in made]
        self.shown[epoch + 1] = images.to_uint8(np.stack(made))
        drawing = np.vstack([np.hstack([*self.a, *self.b]), np.hstack(made)])
        if self.folder:
            images.write(self.folder / f"scenes-{epoch + 1:06d}.png", drawing)
        seconds = time.perf_counter() - self.started
        losses = ", ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())
        text = f"epoch {epoch + 1} of {self.params['epochs']}, {seconds:.0f} s: {losses}"
        if self.handle is None:
            print(text, flush=True)
            return
        alt = {"image/jpeg": {"alt": f"The same scenes after {text}"}}
        shown = Image.fromarray(images.to_uint8(drawing))
        self.handle.update(shown, include=["image/jpeg"], metadata=alt)
