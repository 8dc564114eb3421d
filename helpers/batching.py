"""From pictures to batches: split by picture, cut into pairs, list them, stream them."""

import csv
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
from tqdm.auto import tqdm

from helpers import images
from helpers.damage import degrade
from helpers.files import replacing, write_csv

COLUMNS = ["split", "picture", "top", "left", "hr", "lr"]


def split(
    names: Sequence[str], val: float = 0.1, test: float = 0.1, seed: int = 0
) -> dict[str, str]:
    """Deal names into "train", "val" and "test", each at least once.

    Split before any crop: two crops of one picture share pixels, and a network tested on what it
    has seen reports a better score than it deserves.

    Parameters
    ----------
    names : sequence of str
        Of pictures, people or scenes; their order does not count.
    val, test : float
        Shares from 0 to 1.
    seed : int
        Of the deal.

    Returns
    -------
    dict
        {name: part}.

    Raises
    ------
    ValueError
        For fewer than three names, and shares that leave none to train on. Lesson 02.
    """
    names = sorted(set(names))
    if len(names) < 3:
        raise ValueError(
            f"{len(names)} names cannot be dealt into three sets; three are needed at least"
        )
    n_val = max(1, round(len(names) * val))
    n_test = max(1, round(len(names) * test))
    n_train = len(names) - n_val - n_test
    if n_train < 1:
        raise ValueError(f"val {val} and test {test} of {len(names)} names leave none to train on")
    parts = ["val"] * n_val + ["test"] * n_test + ["train"] * n_train
    dealt = np.random.default_rng(seed).permutation(names)
    return dict(zip(dealt.tolist(), parts, strict=True))


def parallel_map(
    call: Callable, items: Sequence, title: str, executor: Executor | None = None
) -> Iterable:
    """`call(item)` for each item, with a bar; on up to 8 cores where there are 500 items or more.

    Parameters
    ----------
    call : callable
        A function of one item that can be sent to another process.
    items : sequence
        Its arguments.
    title : str
        Title of the bar.
    executor : concurrent.futures.Executor, optional
        Takes the calls instead of this machine's cores, such as `app.cluster.connect` gives it.

    Returns
    -------
    iterable
        The results, in order. Lesson 03.
    """
    if executor:
        results = executor.map(call, items, chunksize=16)
    else:
        processes = min(8, joblib.cpu_count()) if len(items) >= 500 else 1
        parallel = joblib.Parallel(n_jobs=processes, batch_size=8, return_as="generator")
        results = parallel(joblib.delayed(call)(item) for item in items)
    return tqdm(results, desc=title, total=len(items), leave=False, delay=2)


class Squares(NamedTuple):
    """How squares are cut from a picture. Lesson 02."""

    size: int = 176  # pixels of a side
    per_picture: int = 16  # one in the centre, the others anywhere
    square_by: str = "crop"  # "resize": as large as the picture allows, reduced to `size` by area
    seed: int = 0  # of the places


class Source(NamedTuple):
    """A picture to cut. Lesson 02."""

    path: Path
    part: str  # "train", "val" or "test"
    stem: str  # how its squares' names begin
    low: Path | None  # its damaged twin


def _corners(height: int, width: int, squares: Squares, grid: int) -> list[tuple[int, int]]:
    """Top and left of each square, multiples of `grid`: in the centre, then anywhere."""
    random = np.random.default_rng(squares.seed)
    centre = [height // 2, width // 2]
    anywhere = random.integers(0, [height + 1, width + 1], (squares.per_picture - 1, 2)).tolist()
    return [(top - top % grid, left - left % grid) for top, left in [centre, *anywhere]]


def _read_source(source: Source, size: int) -> tuple[np.ndarray, np.ndarray | None]:
    """The picture and its damaged twin; ValueError where no square of `size` can be cut."""
    picture = images.read(source.path)
    low = images.read(source.low) if source.low else None
    if low is not None and low.shape != picture.shape:
        raise ValueError(f"{source.low} is not as large as {source.path}")
    if min(picture.shape[:2]) < size:
        raise ValueError(f"{source.path} is smaller than {size}×{size}")
    return picture, low


def write_pairs(
    source: Source, folder: Path, squares: Squares, scale: int, method: str, begun: float
) -> tuple[list[list], list[str]]:
    """Write the squares of one picture to `folder/hr`, and what belongs to them to `folder/lr`.

    Parameters
    ----------
    source : Source
        The picture. Squares of a twin lie at multiples of 16, which keeps a damage in blocks.
    folder : Path
        Where `hr` and `lr` are made.
    squares : Squares
        How they are cut.
    scale, method : int, str
        As in `damage.degrade`, seeded by the file's name.
    begun : float
        Seconds since 1970: keep pairs that are newer, where their picture is older.

    Returns
    -------
    list of list, list of str
        A row for each square, as in `COLUMNS`; and why there is none. Lesson 02.
    """
    try:
        picture, low = _read_source(source, squares.size)
    except (ValueError, OSError) as error:
        return [], [str(error)]
    height, width = picture.shape[:2]
    size = squares.size
    side = min(height, width) if squares.square_by == "resize" else size
    grid = 1 if low is None else 16
    rows = []
    for top, left in _corners(height - side, width - side, squares, grid):
        name = f"{source.stem}_{len(rows):02d}"
        row = [source.part, source.path.name, top, left, f"hr/{name}.png", f"lr/{name}.png"]
        rows.append(row)
        if _is_made(folder / row[5], source, begun):
            continue
        hr = picture[top : top + side, left : left + side]
        if side > size:
            hr = images.resize(hr, (size, size), "area")
        if low is None:
            lr = degrade(hr, scale, method, name)
        else:
            lr = low[top : top + size, left : left + size]
        images.write(folder / row[4], hr)
        images.write(folder / row[5], lr)  # the last one: where it stands, the pair is whole
    return rows, []


def _is_made(pair: Path, source: Source, begun: float) -> bool:
    """Whether a file was made since `begun`, and its picture and twin were not edited since."""
    edited = max(map(os.path.getmtime, (source.path, source.low or source.path)))
    return pair.exists() and edited < begun < pair.stat().st_mtime


def _begun(note: Path, call: list) -> float:
    """When the same call began, if it was stopped, in seconds; 0 where it begins now."""
    told = joblib.hash(call)
    if note.exists() and note.read_text() == told:
        return note.stat().st_mtime
    note.with_name("manifest.csv").unlink(missing_ok=True)  # its files are about to change
    with replacing(note) as part:
        part.write_text(told)
    return 0


def prepare(
    pictures: Mapping[str | os.PathLike, str],
    folder: str | os.PathLike,
    scale: int = 4,
    method: str = "pyramid",
    low: Mapping | None = None,
    executor: Executor | None = None,
    **squares,
) -> list[dict[str, str]]:
    """Cut pictures into pairs, and write these to `folder/hr` and `folder/lr` with their list.

    Pictures that cannot be read or are too small are named in one warning and left out. The list,
    `manifest.csv`, is written last: where it stands, all its files do. A stopped call goes
    on when it is repeated: it keeps the pairs that it has made. From 500 pictures on, all cores
    work.

    Parameters
    ----------
    pictures : mapping
        {path: "train", "val" or "test"}.
    folder : path
        Where the pairs go.
    scale, method : int, str
        As in `damage.degrade`: how the square becomes the input.
    low : mapping, optional
        {path: its damaged twin, of the same size}, at scale 1: the input is the twin's square.
    executor : concurrent.futures.Executor, optional
        As in `parallel_map`; its processes see the same files.
    **squares : int, str
        size, per_picture, square_by and seed, the fields of `Squares`.

    Returns
    -------
    list of dict
        The rows of the list, as from `read_manifest`.

    Raises
    ------
    ValueError
        Where nothing is left, and for `low` with another scale or way to make squares. Lesson 02.
    """
    squares = Squares(**squares)
    if low and (scale != 1 or squares.square_by != "crop"):
        raise ValueError(
            "pictures with damaged twins are cut as they are, at scale 1, "
            f"not at {scale} by {squares.square_by}"
        )
    folder = Path(folder)
    sources = []
    stems = set()
    for path, part in pictures.items():
        stem = Path(path).stem
        while stem in stems:  # another folder's picture of the same name
            stem += "_"
        stems.add(stem)
        sources.append(Source(Path(path), part, stem, low[path] if low else None))
    note = folder / ".begun"
    write = partial(
        write_pairs,
        folder=folder,
        squares=squares,
        scale=scale,
        method=method,
        begun=_begun(note, [sources, squares, scale, method]),
    )
    rows = []
    refused = []
    # None in place of a result: the executor gave a picture up, and has said so
    for written, reasons in filter(None, parallel_map(write, sources, "prepare", executor)):
        rows += written
        refused += reasons
    if refused:
        warnings.warn(f"{len(refused)} pictures left out:\n" + "\n".join(refused), stacklevel=2)
    if not rows:
        raise ValueError(
            f"none of {len(pictures)} pictures could be used; "
            f"{squares.size}×{squares.size} pixels are needed at least"
        )
    write_csv(folder / "manifest.csv", COLUMNS, rows)
    note.unlink()
    return read_manifest(folder)


def read_manifest(folder: str | os.PathLike) -> list[dict[str, str]]:
    """The list of pairs that `prepare` wrote.

    Parameters
    ----------
    folder : path
        Where the pairs are.

    Returns
    -------
    list of dict
        {column of `COLUMNS`: text}; `hr` and `lr` are paths that can be opened.

    Raises
    ------
    FileNotFoundError
        Where there is no list. Lesson 02.
    """
    path = Path(folder) / "manifest.csv"
    if not path.exists():
        raise FileNotFoundError(f"no manifest.csv in {folder}; batching.prepare writes it")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for column in ("hr", "lr"):
            row[column] = str(path.parent / row[column])
    return rows


def load(rows: Sequence[Mapping[str, str]], column: str) -> np.ndarray:
    """The pictures of one column of a list of pairs, for sets that fit into memory.

    Parameters
    ----------
    rows : sequence of mapping
        As from `read_manifest`.
    column : "hr" or "lr"
        Targets or inputs.

    Returns
    -------
    ndarray
        (n, h, w, 3) uint8. Lesson 03.
    """
    bar = tqdm(rows, desc=column, leave=False, delay=2)
    return np.stack([images.to_uint8(images.read(row[column])) for row in bar])


class Augment(NamedTuple):
    """What `batches` does to a pair, besides flipping it left to right. Lesson 03."""

    patch: int | None = None  # side of a random square in LR pixels; None: as large as can be
    turn: bool = True  # by quarters at random; not for faces
    damage: Callable | None = None  # input = damage(target, (seed, number)), drawn each time


def batches(
    lr: np.ndarray, hr: np.ndarray, batch: int, *, seed: int = 0, start: int = 0, **augment
):
    """Endless training batches of aligned pairs, augmented anew in each epoch.

    An epoch has `n // batch` batches. Order and augmentation depend on (seed, epoch) alone, so that
    a training that was cut sees the rest of what it would have seen.

    Parameters
    ----------
    lr, hr : ndarray
        (n, h, w, 3) and (n, h·scale, w·scale, 3) uint8. With a damage the pixels of `lr` do not
        count.
    batch : int
        Pairs in a batch.
    seed : int
        Of order and augmentation.
    start : int
        Number of the first batch.
    **augment
        patch, turn and damage, the fields of `Augment`. As damage, `damage.random_damage` or, at
        scale 2, `damage.small_noisy_jpeg`.

    Returns
    -------
    tf.data.Dataset
        float32 (batch, patch, patch, 3) and (batch, patch·scale, patch·scale, 3), in [0, 1].

    Raises
    ------
    ValueError
        For a batch larger than the set, and a patch larger than a picture. Lesson 03.
    """
    import tensorflow as tf  # here: the processes that only cut pictures need not wait for it

    n, height, width = lr.shape[:3]
    scale = hr.shape[1] // height
    patch, turn, damage = Augment(**augment)
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
    targets = tf.constant(hr)
    inputs = targets if lr is hr else tf.constant(lr)

    def numbers(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(n, dtype=tf.int64), [seed, epoch])
        whole_batches = order[: n // batch * batch]
        return tf.data.Dataset.from_tensor_slices(epoch * n + whole_batches)

    def pair(number):
        draws = tf.random.stateless_uniform([4], [seed, number])
        top = tf.cast(draws[0] * (height - patch + 1), tf.int32)
        left = tf.cast(draws[1] * (width - patch + 1), tf.int32)
        quarters = tf.cast(draws[2] * 4, tf.int32) if turn else 0

        def cut(picture, scale):
            side = patch * scale
            x = picture[top * scale : top * scale + side, left * scale : left * scale + side]
            x = tf.image.rot90(x, quarters)
            x = tf.where(draws[3] < 0.5, tf.reverse(x, [1]), x)
            x = tf.ensure_shape(x, (side, side, 3))
            return tf.image.convert_image_dtype(x, tf.float32)

        target = cut(targets[number % n], scale)
        if damage is None:
            return cut(inputs[number % n], 1), target
        seeds = tf.stack([tf.cast(seed, tf.int64), number])
        damaged = tf.numpy_function(damage, [target, seeds], tf.float32, stateful=False)
        return tf.ensure_shape(damaged, (patch, patch, 3)), target

    first, done = divmod(start, n // batch)
    epochs = tf.data.Dataset.counter(first)
    pairs = epochs.flat_map(numbers).skip(done * batch).map(pair, tf.data.AUTOTUNE)
    return pairs.batch(batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
