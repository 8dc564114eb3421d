"""From pictures to batches: split by picture, cut into pairs, list them in a manifest, stream them."""

import csv
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import joblib
import numpy as np
from sklearn.cluster import DBSCAN
from tqdm.auto import tqdm

from helpers import images
from helpers.damage import degrade
from helpers.files import write_csv

COLUMNS = ["split", "picture", "top", "left", "hr", "lr"]


def split(
    names: Sequence[str], val: float = 0.1, test: float = 0.1, seed: int = 0
) -> dict[str, str]:
    """Deal names (of pictures, people or scenes) into "train", "val" and "test", each at least once.

    Split before any crop: two crops of one picture share pixels, and a network tested on what it has
    seen reports a better score than it deserves.
    """
    names = sorted(set(names))
    if len(names) < 3:
        raise ValueError(
            f"{len(names)} names cannot be dealt into three sets; three are needed at least"
        )
    dealt = np.random.default_rng(seed).permutation(names)
    n_val, n_test = max(1, round(len(names) * val)), max(1, round(len(names) * test))
    if n_val + n_test >= len(names):
        raise ValueError(f"val {val} and test {test} of {len(names)} names leave none to train on")
    parts = ["val"] * n_val + ["test"] * n_test + ["train"] * (len(names) - n_val - n_test)
    return dict(zip(dealt.tolist(), parts, strict=True))


def scenes(paths: Sequence[Path], alike: float = 0.4) -> list[int]:
    """The number of the scene that each picture shows, for a split by scene; equal where two look alike.

    Alike are pictures whose fine structure correlates by more than `alike`: 64×64 in grey, less what a blur leaves,
    divided by its local contrast, so that light and season count less than edges. What is alike by way of a third
    belongs together, too.
    """
    found = []
    for path in tqdm(paths, "scenes", leave=False, delay=2):
        grey = cv2.cvtColor(images.resize(images.read(path), (64, 64), "area"), cv2.COLOR_RGB2GRAY)
        grey -= cv2.GaussianBlur(grey, (0, 0), 3)
        grey /= np.sqrt(cv2.GaussianBlur(grey * grey, (0, 0), 8)) + 0.01
        grey -= grey.mean()
        found.append(grey.ravel() / max(np.linalg.norm(grey), 1e-6))
    return DBSCAN(1 - alike, min_samples=1, metric="cosine").fit_predict(np.stack(found)).tolist()


def parallel_map(
    call: Callable, items: Sequence, desc: str, processes: int | None = None
) -> Iterator:
    """`call(item)` of each item, in order, with a bar; on all cores where there are 500 items or more."""
    if processes is None:
        processes = min(8, os.cpu_count() or 1) if len(items) >= 500 else 1
    calls = (joblib.delayed(call)(item) for item in items)
    results = joblib.Parallel(n_jobs=processes, batch_size=8, return_as="generator")(calls)
    return iter(tqdm(results, desc=desc, total=len(items), leave=False, delay=2))


def cut(
    named: tuple[Path, str, Path | None],
    folder: Path,
    size: int,
    scale: int,
    method: str,
    n: int,
    fit: str,
    seed: int,
) -> tuple[list[tuple[int, int]], str | None]:
    """Write `n` squares of the picture `named` (path, stem, low) to `folder/hr`, reduced ones to `folder/lr`.

    Where there is a picture `low`, the same squares of it instead, at places that divide by 16, so that what was
    damaged in blocks keeps its blocks; with a damage as `method` damaged ones, seeded by their files' names. The
    first square lies in the centre, the others anywhere; `fit` as in `batching.prepare`. Returns their places (top,
    left), or none and why not.
    """
    path, stem, low = named
    try:
        picture = images.read(path)
        damaged = None if low is None else images.read(low)
        if damaged is not None and damaged.shape != picture.shape:
            raise ValueError(f"{low} is not as large as {path}")
        if min(picture.shape[:2]) < size:
            raise ValueError(f"{path} is smaller than {size}×{size}")
    except (ValueError, OSError) as error:
        return [], str(error)
    side = min(picture.shape[:2]) if fit == "resize" else size
    room = np.array(picture.shape[:2]) - side
    anywhere = np.random.default_rng(seed).integers(0, room + 1, (n - 1, 2))
    grid = 1 if low is None else 16
    corners = [
        (int(top), int(left)) for top, left in np.vstack([room // 2, anywhere]) // grid * grid
    ]
    for k, (top, left) in enumerate(corners):
        hr = picture[top : top + side, left : left + side]
        hr = images.resize(hr, (size, size), "area") if side > size else hr
        images.write(folder / "hr" / f"{stem}_{k:02d}.png", hr)
        if damaged is not None:
            lr = damaged[top : top + size, left : left + size]
        else:
            lr = degrade(hr, scale, method, f"{stem}_{k:02d}")
        images.write(folder / "lr" / f"{stem}_{k:02d}.png", lr)
    return corners, None


def prepare(
    pictures: Mapping[Path, str],
    folder: str | os.PathLike,
    *,
    size: int = 176,
    scale: int = 4,
    method: str = "pyramid",
    per_picture: int = 16,
    fit: str = "crop",
    seed: int = 0,
    processes: int | None = None,
    low: Mapping[Path, Path] | None = None,
) -> list[dict[str, str]]:
    """Cut `pictures` ({path: split}) into pairs and write them with their list; returns the manifest's rows.

    Each picture gives `per_picture` squares of `size` at places drawn by `seed`; `hr/` holds the square, `lr/`
    what `damage.degrade(…, scale, method)` makes of it, reduced or damaged, or the same square of its damaged twin in
    `low` ({path: picture of the same size}, scale 1). With `fit="resize"` each square is as large as its picture
    allows and is brought to `size` by area, as `benchmark --fit resize` does. Pictures that cannot be read or are
    smaller than `size` are named in one warning and left out. The manifest is written last: where it stands, all its
    files do.
    From 500 pictures on all cores work, unless `processes` says how many. Raises ValueError where nothing is left,
    and for `low` with another scale or fit.
    """
    if low and (scale != 1 or fit != "crop"):
        raise ValueError(
            f"pictures with damaged twins are cut as they are, at scale 1, not at {scale} by {fit}"
        )
    folder = Path(folder)
    rows, refused, names, stems = [], [], [], set()
    for path in pictures:
        stem = path.stem
        while stem in stems:  # another folder's picture of the same name
            stem += "_"
        stems.add(stem)
        names.append((path, stem, low[path] if low else None))
    options = {
        "size": size,
        "scale": scale,
        "method": method,
        "n": per_picture,
        "fit": fit,
        "seed": seed,
    }
    done = parallel_map(partial(cut, folder=folder, **options), names, "prepare", processes)
    for (path, stem, _), (corners, why) in zip(names, done, strict=True):
        refused += [why] if why else []
        for k, (top, left) in enumerate(corners):
            name = f"{stem}_{k:02d}.png"
            rows.append(
                dict(
                    zip(
                        COLUMNS,
                        [pictures[path], path.name, top, left, f"hr/{name}", f"lr/{name}"],
                        strict=True,
                    )
                )
            )
    if refused:
        warnings.warn(f"{len(refused)} pictures left out:\n" + "\n".join(refused), stacklevel=2)
    if not rows:
        raise ValueError(
            f"none of {len(pictures)} pictures could be used; {size}×{size} pixels are needed at least"
        )
    write_csv(folder / "manifest.csv", COLUMNS, [row.values() for row in rows])
    return read_manifest(folder)


def read_manifest(folder: str | os.PathLike) -> list[dict[str, str]]:
    """The rows of `folder/manifest.csv`, with `hr` and `lr` as paths that can be opened."""
    folder = Path(folder)
    try:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no manifest.csv in {folder}; batching.prepare writes it"
        ) from None
    return [row | {"hr": str(folder / row["hr"]), "lr": str(folder / row["lr"])} for row in rows]


def load(rows: Sequence[Mapping[str, str]], column: str) -> np.ndarray:
    """The pictures of one manifest column as (n, h, w, 3) uint8, for sets that fit into memory."""
    return np.stack(
        [
            images.to_uint8(images.read(row[column]))
            for row in tqdm(rows, desc=column, leave=False, delay=2)
        ]
    )


def batches(
    lr: np.ndarray,
    hr: np.ndarray,
    batch: int,
    *,
    patch: int | None = None,
    turn: bool = True,
    damage: Callable | None = None,
    seed: int = 0,
    start: int = 0,
):
    """Endless training batches of aligned pairs, float32 in [0, 1]: (batch, p, p, 3), (batch, p·scale, p·scale, 3).

    `lr` (n, h, w, 3) and `hr` (n, h·scale, w·scale, 3) are uint8. Each epoch has `n // batch` batches. Every
    pair is a random `patch` (in LR pixels; the whole picture by default), flipped left to right at random and,
    with `turn`, turned by quarters (not for faces). With `damage`, such as `damage.random_damage` or at scale 2
    `damage.small_noisy_jpeg`, each input is instead `damage(target, (seed, number))`, drawn anew each epoch. Order and
    augmentation depend on (seed, epoch) alone: a run that begins with batch number `start` sees what an uninterrupted
    one would have seen from there on.
    """
    import tensorflow as tf  # here, so that the processes that only cut pictures need not wait for it

    n, height, width = lr.shape[:3]
    same = lr is hr
    scale = hr.shape[1] // height
    fitting = (n, height * scale, width * scale, 3)
    if hr.shape != fitting or lr.shape[3:] != (3,) or not lr.dtype == hr.dtype == np.uint8:
        raise ValueError(
            "expected lr (n, h, w, 3) and hr (n, h·scale, w·scale, 3) of uint8, got "
            f"{lr.shape} {lr.dtype} and {hr.shape} {hr.dtype}; images.to_uint8 turns floats into it"
        )
    patch = patch or min(height, width)
    if batch > n or patch > min(height, width):
        raise ValueError(
            f"no batch of {batch} patches of {patch}×{patch} in {n} pictures of {height}×{width}"
        )
    hr = tf.constant(hr)
    lr = hr if same else tf.constant(lr)

    def pair(epoch, i):
        draw = tf.random.stateless_uniform([4], [seed, epoch * n + i])
        top = tf.cast(draw[0] * (height - patch + 1), tf.int32)
        left = tf.cast(draw[1] * (width - patch + 1), tf.int32)
        turns = tf.cast(draw[2] * 4, tf.int32) if turn else 0

        def cut(picture, k):
            x = picture[top * k : (top + patch) * k, left * k : (left + patch) * k]
            x = tf.image.rot90(x, turns)
            x = tf.cond(draw[3] < 0.5, lambda: tf.reverse(x, [1]), lambda: x)
            x = tf.ensure_shape(x, (patch * k, patch * k, 3))
            return tf.image.convert_image_dtype(x, tf.float32)

        low, high = cut(lr[i], 1), cut(hr[i], scale)
        if damage:
            number = tf.stack([tf.cast(seed, tf.int64), epoch * n + i])
            low = tf.numpy_function(damage, [high, number], tf.float32, stateful=False)
            low = tf.ensure_shape(low, (patch, patch, 3))
        return low, high

    first, done = divmod(start, n // batch)

    def one_epoch(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(n, dtype=tf.int64), [seed, epoch])
        order = order[tf.where(epoch == first, done * batch, 0) :]
        pairs = tf.data.Dataset.from_tensor_slices(order).map(
            lambda i: pair(epoch, i), tf.data.AUTOTUNE
        )
        return pairs.batch(batch, drop_remainder=True)

    epochs = tf.data.Dataset.range(first, np.iinfo(np.int32).max)
    return epochs.flat_map(one_epoch).prefetch(tf.data.AUTOTUNE)
