"""Weights that others have published, from the reader's own copy."""

import os
from pathlib import Path

import h5py
import keras
import numpy as np

from helpers import training


def load_published(model: keras.Model, path: str | os.PathLike) -> keras.Model:
    """Fill a network with published weights from the reader's own copy.

    Names and shapes have to be the network's. They do not tell a scaled residual from a plain one,
    nor in which order a shuffle lays out its channels: look at a picture.

    Parameters
    ----------
    model : keras.Model
        For idealo's image-super-resolution `models.rdn()` or `models.rrdn()`.
    path : path
        A file of Keras 2 (`.hdf5`, `.h5`), or an `.npz` of arrays named `<layer>/kernel` and
        `<layer>/bias`.

    Returns
    -------
    keras.Model
        `model`.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it cannot be read, or the arrays are another network's; nothing is changed then.
        Lesson 09.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    arrays = {}

    def keep(name, node):
        if isinstance(node, h5py.Dataset):
            name = "/".join(name.split("/")[-2:])  # the layer's and its own
            arrays[name.removesuffix(":0")] = node[...]

    try:
        if path.suffix == ".npz":
            with np.load(path) as file:
                arrays |= file
        else:
            with h5py.File(path) as file:
                # saved with the network itself, the arrays lie one level deeper
                file.get("model_weights", file).visititems(keep)
    except Exception as error:  # both readers raise whatever they like
        raise ValueError(
            f"{path} is damaged, or neither .npz nor .hdf5 ({error}); get the file again"
        ) from error
    training.fill(model, arrays, f"{path}: the arrays are not those of this {model.name}")
    return model
