"""Training: a live curve, resuming after a cut, and trained weights in files that say what they are."""

import hashlib
import importlib.metadata
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.display import display
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from helpers import ROOT, images, metrics, models, plots
from helpers.files import replacing

WEIGHTS = ROOT / "data" / "weights"


class LiveCurve(keras.callbacks.Callback):
    """Measure PSNR-RGB on validation pairs after each epoch, log it as `val_psnr`, and draw it while it grows.

    `lr` and `hr` are uint8 (n, h, w, 3), hr larger by the network's scale; the score is the mean of each
    picture's PSNR in dB. `baseline` (dB) is drawn as a line to beat; where none is given, it is
    that of the inputs, enlarged by bicubic where the network enlarges.
    """

    def __init__(
        self,
        lr: np.ndarray,
        hr: np.ndarray,
        baseline: float | None = None,
        title: str = "Validation",
    ):
        super().__init__()
        self.lr, self.hr = images.to_float(lr), images.to_float(hr)
        self.baseline, self.title = baseline, title
        self.name = "input" if lr.shape == hr.shape else "bicubic"
        if baseline is None:
            scale = hr.shape[1] // lr.shape[1]
            self.baseline = self.mean_psnr([images.enlarge(p, scale) for p in self.lr])
        self.psnr: dict[int, float] = {}

    def mean_psnr(self, results) -> float:
        scores = [metrics.psnr(hr, sr) for hr, sr in zip(self.hr, results, strict=True)]
        return float(np.mean(scores))

    def on_train_begin(self, logs=None):
        self.started = self.drawn = time.perf_counter()
        self.figure, self.ax = plt.subplots(figsize=(7, 2.6))
        plt.close(self.figure)
        self.handle = get_ipython() and display(self.figure, display_id=True)

    def on_epoch_end(self, epoch, logs=None):
        # An early epoch may overshoot far; NaN stays NaN, and is refused
        predicted = self.model.predict(self.lr, batch_size=16, verbose=0).clip(0, 1)
        logs["val_psnr"] = self.psnr[epoch + 1] = self.mean_psnr(predicted)
        if time.perf_counter() - self.drawn > 1:
            self.draw()

    def on_train_end(self, logs=None):
        if self.psnr:
            self.draw()

    def draw(self):
        self.drawn = time.perf_counter()
        done, epochs, last = max(self.psnr), self.params["epochs"], list(self.psnr.values())[-1]
        title = f"{self.title}: epoch {done} of {epochs}, {self.drawn - self.started:.0f} s"
        if self.handle is None:
            print(f"{title}, {last:.3f} dB ({self.name} {self.baseline:.3f})", flush=True)
            return
        self.ax.clear()
        self.ax.axhline(
            self.baseline,
            color=plots.GREY,
            linestyle="--",
            label=f"{self.name} {self.baseline:.2f} dB",
        )
        label = f"network {last:.2f} dB"
        self.ax.plot(
            list(self.psnr), list(self.psnr.values()), color=plots.BLUE, marker=".", label=label
        )
        low, high = (f([self.baseline, *self.psnr.values()]) for f in (min, max))
        room = max(0.1, 0.3 - (high - low) / 2)  # a flat curve shall look flat
        self.ax.set(
            xlim=(0.5, epochs + 0.5),
            ylim=(low - room, high + room),
            xlabel="epoch",
            ylabel="PSNR, dB",
        )
        self.ax.set_title(title)
        self.ax.legend(loc="lower right", frameon=True, framealpha=1, edgecolor="none")
        alt = f"Validation PSNR over {done} epochs: {last:.2f} dB at the end, {self.name} {self.baseline:.2f} dB"
        self.handle.update(self.figure, metadata={"image/png": {"alt": alt}})


class Checkpoint(keras.callbacks.Callback):
    """After each epoch, keep the last state and the best weights in `folder`, each file whole or not at all.

    `last-<epoch>.weights.h5` holds weights, optimiser and history; `best-<dB>.weights.h5` is chosen by `val_psnr`.
    Keras' own BackupAndRestore writes state and epoch as two files, between which a kill can fall.
    """

    def __init__(self, folder: Path, history: dict[str, list[float]]):
        super().__init__()
        self.folder, self.history = folder, history  # of the epochs before, and then of all

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.keep(f"last-{epoch + 1:06d}", "last-*")
        best = max([0, *(float(path.name[5:-11]) for path in self.folder.glob("best-*"))])
        if (score := (logs or {}).get("val_psnr", 0)) > best:
            self.keep(f"best-{score:.4f}", "best-*")

    def keep(self, name: str, older: str):
        path = self.folder / f"{name}.weights.h5"
        with replacing(path) as part:
            self.model.save_weights(part)
            with h5py.File(part, "a") as file:
                file["history"] = json.dumps(self.history)
        for old in set(self.folder.glob(older)) - {path}:
            old.unlink()


def fit(
    model: keras.Model,
    data: Callable,
    epochs: int,
    steps: int,
    folder: Path | None = None,
    callbacks=(),
):
    """`model.fit` that can be killed at any moment and run again: it goes on after the last whole epoch.

    `data(step)` gives the batches from that gradient step on (`batching.batches(…, start=step)`), so that a
    resumed run sees what an uninterrupted one would have seen. The state is kept in `folder`; without one
    nothing is. Returns Keras' History: in `epoch` the epochs run now, in `history` those before them, too.
    """
    start, history, callbacks = 0, {}, list(callbacks)
    if folder is not None:
        for last in sorted(folder.glob("last-*.weights.h5")):
            start = int(last.name[5:11])
            model.optimizer.build(model.trainable_variables)
            model.load_weights(last)
            with h5py.File(last) as file:
                history = json.loads(file["history"][()]) if "history" in file else {}
        for curve in (callback for callback in callbacks if isinstance(callback, LiveCurve)):
            curve.psnr = dict(enumerate(history.get("val_psnr", []), start=1))
        callbacks.append(Checkpoint(folder, history))
    options = {
        "initial_epoch": start,
        "epochs": epochs,
        "steps_per_epoch": steps,
        "verbose": 0,
        "shuffle": False,
    }
    run = model.fit(data(start * steps), callbacks=callbacks, **options)
    run.history = history or run.history
    return run


def save_weights(model: keras.Model, name: str, card: dict, folder: Path = WEIGHTS) -> Path:
    """Write a network's arrays as float16 to `<name>.safetensors`, with its card; returns the path.

    `card` says what the network expects: `builder` and `arguments` (`models.<builder>(**arguments)`), `task`,
    `scale`, `downscale`, `damage`, `size`; library versions and the SHA-256 of the arrays are added.
    """
    arrays = {
        n: keras.ops.convert_to_numpy(v).astype(np.float16) for n, v in _variables(model).items()
    }
    versions = {p: importlib.metadata.version(p) for p in ("keras", "tensorflow", "numpy")}
    card = {"versions": versions} | card | {"sha256": _hash(arrays)}
    with replacing(folder / f"{name}.safetensors") as part:
        part.write_bytes(save(arrays, metadata={"card": json.dumps(card)}))
    return folder / f"{name}.safetensors"


def load_weights(name: str, folder: Path = WEIGHTS) -> tuple[keras.Model, dict]:
    """Build the network that `<name>.safetensors` belongs to, fill it, and return it with its card.

    Raises FileNotFoundError where there is no such file, and ValueError in words where it is damaged, its hash
    is wrong, its builder is unknown, or the shapes are another network's.
    """
    path = folder / f"{name}.safetensors"
    if not path.exists():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.safetensors"))) or "none"
        raise FileNotFoundError(
            f"no weights {name} in {folder} (there: {known}); python -m helpers train {name}"
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
    if not callable(builder) or getattr(builder, "__module__", "") != models.__name__:
        raise ValueError(f"{path}: helpers.models has no builder {card.get('builder')!r}")
    model = builder(**card["arguments"])
    _fill(
        model,
        arrays,
        f"{path}: the arrays are not those of models.{card['builder']}(**{card['arguments']})",
    )
    return model, card


def start_from(model: keras.Model, name: str) -> keras.Model:
    """Fill what `model` has in common with the weights `name`, by name and shape, and return it.

    For a training that begins where another ended, such as ×4 with the body of ×2. Raises what `load_weights`
    does, and ValueError where not one array fits.
    """
    trained = _variables(load_weights(name)[0])
    alike = {
        n: v for n, v in _variables(model).items() if n in trained and trained[n].shape == v.shape
    }
    if not alike:
        raise ValueError(
            f"no array of {name} has name and shape of one of this {model.name}; start from another"
        )
    for n, variable in alike.items():
        variable.assign(trained[n])
    return model


def load_published(model: keras.Model, path: str | os.PathLike) -> keras.Model:
    """Fill `model` with published weights from the reader's own copy, and return it.

    `path` is a file of Keras 2 (`.hdf5`, `.h5`), or an `.npz` of arrays named `<layer>/kernel` and `<layer>/bias`; for
    idealo's image-super-resolution `models.rdn()` and `models.rrdn()`. Names and shapes have to be the model's. They
    do not tell a scaled residual from a plain one, nor in which order a shuffle lays out its channels: look at a
    picture. Raises FileNotFoundError where there is no such file, and ValueError where it cannot be read or the
    arrays are another network's; then nothing is changed.
    """
    path, arrays = Path(path), {}

    def keep(name, node):
        if isinstance(node, h5py.Dataset):
            arrays["/".join(name.split("/")[-2:]).removesuffix(":0")] = node[...]

    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                arrays |= file
        else:
            with h5py.File(path) as file:
                file.get("model_weights", file).visititems(
                    keep
                )  # saved with or without the network itself
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except Exception as error:  # both readers raise whatever they like
        raise ValueError(
            f"{path} is damaged, or neither .npz nor .hdf5 ({error}); get the file again"
        ) from error
    _fill(model, arrays, f"{path}: the arrays are not those of this {model.name}")
    return model


def _fill(model: keras.Model, arrays: dict[str, np.ndarray], otherwise: str) -> None:
    """Assign each variable its array; before anything is changed, ValueError where names or shapes differ."""
    variables = _variables(model)
    wanted, found = ({n: tuple(a.shape) for n, a in named.items()} for named in (variables, arrays))
    wrong = [n for n in wanted | found if wanted.get(n) != found.get(n)]
    if wrong:
        listed = [
            f"{n} is {found.get(n, 'missing')}, expected {wanted.get(n, 'nothing')}"
            for n in wrong[:3]
        ]
        raise ValueError(
            f"{otherwise}: {'; '.join(listed)}" + f"; and {len(wrong) - 3} more" * (len(wrong) > 3)
        )
    for n, variable in variables.items():
        variable.assign(arrays[n].astype(np.float32))


def _variables(model: keras.Model) -> dict:
    return {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}


def _hash(arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for n in sorted(arrays):
        digest.update(f"{n} {arrays[n].dtype} {arrays[n].shape}".encode() + arrays[n].tobytes())
    return digest.hexdigest()
