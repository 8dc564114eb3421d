"""Training: a live curve, going on after a cut, and weights in files that say what they are."""

import hashlib
import importlib.metadata
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.display import display
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from helpers import ROOT, images, metrics, models, plots, tiles
from helpers.files import replacing

WEIGHTS = ROOT / "data" / "weights"


class LiveCurve(keras.callbacks.Callback):
    """Measure PSNR-RGB on validation pairs after each epoch, and draw it while it grows.

    Parameters
    ----------
    lr, hr : ndarray
        (n, h, w, 3) and (n, h·scale, w·scale, 3) uint8.
    baseline : float, optional
        In dB, drawn as a line to beat; without it, what bicubic makes of the inputs.
    title : str
        Of the drawing.

    Attributes
    ----------
    psnr : dict
        {epoch: mean of the pictures' PSNR in dB}; logged as `val_psnr`.
    name : str
        Of the baseline. Lesson 04.
    """

    def __init__(
        self,
        lr: np.ndarray,
        hr: np.ndarray,
        baseline: float | None = None,
        title: str = "Validation",
    ):
        super().__init__()
        self.lr = images.to_float(lr)
        self.hr = images.to_float(hr)
        self.baseline = baseline
        self.title = title
        self.name = "input" if lr.shape == hr.shape else "bicubic"
        if baseline is None:
            scale = hr.shape[1] // lr.shape[1]
            self.baseline = self.mean_psnr([images.enlarge(p, scale) for p in self.lr])
        self.psnr: dict[int, float] = {}

    def mean_psnr(self, results) -> float:
        scores = [metrics.psnr(hr, sr) for hr, sr in zip(self.hr, results, strict=True)]
        return float(np.mean(scores))

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()
        self.drawn = self.started
        self.figure, self.ax = plt.subplots(figsize=(7, 2.6))
        plt.close(self.figure)
        self.handle = get_ipython() and display(self.figure, display_id=True)

    def on_epoch_end(self, epoch, logs=None):
        results = []  # without predict, which refuses to work where several processes train
        for batch in np.array_split(self.lr, len(self.lr) // 16 + 1):
            results.extend(keras.ops.convert_to_numpy(self.model(batch, training=False)))
        # An early epoch may overshoot far; NaN stays NaN, and is refused
        self.psnr[epoch + 1] = self.mean_psnr(np.clip(results, 0, 1))
        logs["val_psnr"] = self.psnr[epoch + 1]
        if time.perf_counter() - self.drawn > 1:
            self.draw()

    def on_train_end(self, logs=None):
        if self.psnr:
            self.draw()

    def draw(self):
        """Draw the curve anew; where there is no notebook, print its last value."""
        self.drawn = time.perf_counter()
        epochs = self.params["epochs"]
        values = list(self.psnr.values())
        done = f"epoch {max(self.psnr)} of {epochs}, {self.drawn - self.started:.0f} s"
        if self.handle is None:
            known = f"{self.name} {self.baseline:.3f}"
            print(f"{self.title}: {done}, {values[-1]:.3f} dB ({known})", flush=True)
            return
        known = f"{self.name} {self.baseline:.2f} dB"
        reached = f"network {values[-1]:.2f} dB"
        low = min(self.baseline, *values)
        high = max(self.baseline, *values)
        room = max(0.1, 0.3 - (high - low) / 2)  # a flat curve shall look flat
        self.ax.clear()
        self.ax.axhline(self.baseline, color=plots.GREY, linestyle="--", label=known)
        self.ax.plot(list(self.psnr), values, color=plots.BLUE, marker=".", label=reached)
        self.ax.set(
            xlim=(0.5, epochs + 0.5),
            ylim=(low - room, high + room),
            xlabel="epoch",
            ylabel="PSNR, dB",
            title=f"{self.title}: {done}",
        )
        self.ax.xaxis.get_major_locator().set_params(integer=True)  # no epoch 0.5
        self.ax.legend(frameon=True)
        alt = f"Validation PSNR, {done}: {reached}, {known}"
        self.handle.update(self.figure, metadata={"image/png": {"alt": alt}})


class Checkpoint(keras.callbacks.Callback):
    """After each epoch, keep the last state and the best one, each file whole or not at all.

    `last-<epoch>.weights.h5` and `best-<dB>.weights.h5` hold weights, optimizer and history; the
    best is chosen by `val_psnr`. Keras' own BackupAndRestore writes state and epoch as two files,
    between which a kill can fall.

    Parameters
    ----------
    folder : Path
        Where the states are kept.
    history : dict
        {name: values} of the epochs before; those of each epoch are added. Lesson 04.
    """

    def __init__(self, folder: Path, history: dict[str, list[float]]):
        super().__init__()
        self.folder = folder
        self.history = history

    def on_epoch_end(self, epoch, logs=None):
        best = max(self.history.get("val_psnr", []), default=0)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)
        score = logs.get("val_psnr", 0)
        if score > best:  # first: after a kill in between, the last state still precedes the best
            self.keep("best", f"{score:.4f}")
        self.keep("last", f"{epoch + 1:06d}")

    def keep(self, kind: str, number: str):
        """Write the state as the only one of its kind."""
        path = self.folder / f"{kind}-{number}.weights.h5"
        with replacing(path) as part:
            self.model.save_weights(part)
            with h5py.File(part, "a") as file:
                file["history"] = json.dumps(self.history)
        for older in self.folder.glob(f"{kind}-*"):
            if older != path:
                older.unlink()


def resume(model: keras.Model, folder: Path) -> tuple[int, dict[str, list[float]]]:
    """Load the last state that `Checkpoint` kept.

    Parameters
    ----------
    model : keras.Model
        A compiled network.
    folder : Path
        Where the state is; there may be none.

    Returns
    -------
    tuple
        How many epochs it has behind it, and its history, {name: values}.

    Raises
    ------
    ValueError
        Where the folder holds another network's training. Lesson 04.
    """
    last = max(folder.glob("last-*.weights.h5"), default=None)
    if last is None:
        return 0, {}
    model.optimizer.build(model.trainable_variables)
    with h5py.File(last) as file:
        history = json.loads(file["history"][()]) if "history" in file else {}
        kept = len(file["optimizer/vars"])
    try:
        if kept != len(model.optimizer.variables):  # Keras would load what has the same name
            raise ValueError
        model.load_weights(last)
    except ValueError as error:
        raise ValueError(f"{folder} holds another network's training; delete it") from error
    return int(last.name[5:11]), history  # 6 of last-000006.weights.h5


def fit(
    model: keras.Model,
    data: Callable,
    epochs: int,
    steps: int,
    folder: str | Path | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> keras.callbacks.History:
    """`model.fit` that can be killed at any moment and run again: it goes on where it was.

    Parameters
    ----------
    model : keras.Model
        A compiled network.
    data : callable
        `data(step)` gives the batches from that gradient step on, as
        `batching.batches(…, start=step)` does: a resumed training sees what it would have seen.
    epochs, steps : int
        Epochs in all, and gradient steps in each.
    folder : path, optional
        Where the state is kept after each epoch; without one nothing is.
    callbacks : sequence of Callback
        Keras' or the course's.

    Returns
    -------
    History
        In `epoch` the epochs run now, in `history` those before them, too.

    Raises
    ------
    ValueError
        Where the folder holds another network's training. Lesson 04.
    """
    done = 0
    history = {}
    if folder:
        folder = Path(folder)
        done, history = resume(model, folder)
        for callback in callbacks:
            if isinstance(callback, LiveCurve):
                callback.psnr = dict(enumerate(history.get("val_psnr", []), start=1))
        callbacks = [*callbacks, Checkpoint(folder, history)]
    run = model.fit(
        data(done * steps),
        initial_epoch=done,
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=callbacks,
        verbose=0,
        shuffle=False,
    )
    run.history = history or run.history
    return run


def save_weights(model: keras.Model, name: str, card: dict, folder: Path = WEIGHTS) -> Path:
    """Write a network's arrays as float16 to `<name>.safetensors`, with its card. Lesson 04.

    Parameters
    ----------
    model : keras.Model
        A network that `tiles.apply` takes.
    name : str
        The file's name without its suffix.
    card : dict
        What the network expects: `builder` and `arguments` (`models.<builder>(**arguments)`),
        `task`, `scale`, `downscale`, `damage`, `size`. Added are the library versions, `reach` and
        `multiple` as `tiles.geometry` measures them, and the SHA-256 of the arrays.
    folder : Path
        Where the file goes.

    Returns
    -------
    Path
        The file.
    """
    arrays = {
        n: keras.ops.convert_to_numpy(v).astype(np.float16) for n, v in _variables(model).items()
    }
    versions = {p: importlib.metadata.version(p) for p in ("keras", "tensorflow", "numpy")}
    reach, multiple, _ = tiles.geometry(model)
    geometry = {"reach": reach, "multiple": multiple}
    card = {"versions": versions} | card | geometry | {"sha256": _hash(arrays)}
    with replacing(folder / f"{name}.safetensors") as part:
        part.write_bytes(save(arrays, metadata={"card": json.dumps(card)}))
    return folder / f"{name}.safetensors"


def load_weights(name: str, folder: Path = WEIGHTS) -> tuple[keras.Model, dict]:
    """Build the network that `<name>.safetensors` belongs to, and fill it. Lesson 04.

    Parameters
    ----------
    name : str
        The file's name without its suffix.
    folder : Path
        Where the file is.

    Returns
    -------
    tuple[keras.Model, dict]
        The network and its card, as `save_weights` wrote it.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it is damaged, or its hash, its builder or the arrays' shapes are not the card's.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.safetensors"))) or "none"
        raise FileNotFoundError(
            f"no weights {name} in {folder}; there are {known}; "
            "take one of them, or train others: python -m helpers train --help"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            card = json.loads(file.metadata()["card"])
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError, KeyError, ValueError, OSError) as error:
        raise ValueError(
            f"{path} is damaged ({error}); git checkout it, or python -m helpers train {name}"
        ) from error
    if _hash(arrays) != card.get("sha256"):
        raise ValueError(f"{path}: the arrays do not have the card's hash; git checkout it")
    builder = getattr(models, str(card.get("builder")), None)
    if getattr(builder, "__module__", "") != models.__name__:
        raise ValueError(f"{path}: helpers.models has no builder {card.get('builder')!r}")
    model = builder(**card["arguments"])
    fill(
        model,
        arrays,
        f"{path}: the arrays are not those of models.{card['builder']}(**{card['arguments']})",
    )
    if "reach" in card:  # An older file has none; its network is measured when it is first used
        tiles.measured[model] = tiles.Geometry(card["reach"], card["multiple"], card["scale"])
    return model, card


def fill(model: keras.Model, arrays: dict[str, np.ndarray], otherwise: str) -> None:
    """Assign each variable its array, or none at all. Lesson 09.

    Parameters
    ----------
    model : keras.Model
        The network.
    arrays : dict
        {"<layer>/<variable>": array}, of the network's names and shapes.
    otherwise : str
        How the message begins where they are not.

    Raises
    ------
    ValueError
        Where names or shapes differ; nothing is changed then.
    """
    variables = _variables(model)
    wrong = []
    for name in variables | arrays:
        wanted = tuple(variables[name].shape) if name in variables else "nothing"
        found = arrays[name].shape if name in arrays else "missing"
        if wanted != found:
            wrong.append(f"{name} is {found}, expected {wanted}")
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{otherwise}: {'; '.join(wrong[:3])}{more}")
    for name, variable in variables.items():
        variable.assign(arrays[name].astype(np.float32))


def _variables(model: keras.Model) -> dict:
    """{"<layer>/<variable>": variable}."""
    return {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}


def _hash(arrays: dict[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and values."""
    digest = hashlib.sha256()
    for n in sorted(arrays):
        digest.update(f"{n} {arrays[n].dtype} {arrays[n].shape}".encode() + arrays[n].tobytes())
    return digest.hexdigest()
