"""How each shipped network was trained: `python -m helpers train NAME --from FOLDER…`.

What differs from network to network stands in `recipes.toml`.
"""

import json
import shutil
import time
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import keras
import numpy as np
from tqdm.auto import tqdm

from helpers import (
    ROOT,
    adversarial,
    batching,
    damage,
    images,
    metrics,
    models,
    training,
    training_folder,
)
from helpers.app import devices, unpaired
from helpers.files import replacing

CARD = ["builder", "arguments", "task", "scale", "downscale", "damage", "size"]
EPOCH = 500  # steps, after which it is measured and the state is kept
SHARE_OF_VALIDATION = 0.05
SHARE_OF_TEST = 0.15  # of pairs: a set of pairs has no test pictures elsewhere


def load_recipes(path: Path) -> tuple[dict[str, dict], dict[tuple[str, str], dict]]:
    """Read the recipes by name, and those of trainings without pairs by both names."""
    recipes = tomllib.loads(path.read_text(encoding="utf-8"))
    both_ways = {}
    for recipe in recipes.pop("unpaired"):
        names = tuple(recipe.pop("names"))
        both_ways[names] = recipe
    for recipe in recipes.values():
        recipe["card"] = {key: recipe["card"].get(key) for key in CARD}
        if recipe["card"]["damage"] in damage.DRAWN:
            recipe["batches"]["damage"] = damage.DRAWN[recipe["card"]["damage"]]
    return recipes, both_ways


RECIPES, UNPAIRED = load_recipes(Path(__file__).with_name("recipes.toml"))


def split(name: str, pictures: Collection[Path], pairs: bool = False) -> dict[Path, str]:
    """Deal pictures that come without a split into "train", "val" and "test", as a recipe says.

    Parameters
    ----------
    name : the recipe. Its `held_out` names are "test", and with `val_every` each so many-th of the
        other pictures, sorted by path, is "val"; otherwise a seed deals them by `batching.split`
    pictures : their paths
    pairs : whether each picture has a damaged twin; then some are held out as "test", too

    Returns
    -------
    {path: "train", "val" or "test"}

    Raises
    ------
    ValueError : fewer than three pictures
    """
    recipe = RECIPES.get(name, {})
    if "val_every" not in recipe:
        parts = batching.split(
            [str(path) for path in pictures],
            val=SHARE_OF_VALIDATION,
            test=SHARE_OF_TEST if pairs else 0,
        )
        return {path: parts[str(path)] for path in pictures}
    rest = sorted(path for path in pictures if path.name not in recipe["held_out"])
    parts = dict.fromkeys(pictures, "test") | dict.fromkeys(rest, "train")
    for path in rest[recipe["val_first"] :: recipe["val_every"]]:
        parts[path] = "val"
    return {path: parts[path] for path in sorted(pictures)}


def train(
    name: str, pictures: Mapping[Path, str], steps: int | None = None, low: dict | None = None
) -> Path:
    """Train a recipe and write its weights; a training that was killed goes on.

    Adam with a warm-up and a cosine fall, gradients clipped, in mixed bfloat16. The validation
    pictures alone choose the state that ships. With a discriminator it is the last state, and
    `share` of the way there from the start ships (network interpolation, Wang et al. 2018,
    arXiv:1809.00219), which takes off most of a grid. Under JAX all devices of `devices.together`
    train it, in float32, and of several processes the first one writes.

    Parameters
    ----------
    name : a key of `RECIPES`
    pictures : {path: "train", "val" or "test"}; what the recipe holds out is "test" in any case
    steps : batches, instead of the recipe's number
    low : {picture: its damaged one}, for a recipe that repairs; the test pairs are laid out in
        data/prepared/NAME/test as `benchmark` reads them

    Returns
    -------
    path of the weights

    Raises
    ------
    ValueError : an unknown name; `low` is missing; a training was begun with other pictures; and
        what `start_from` and `devices.together` raise
    """
    if name not in RECIPES:
        known = [*RECIPES, *sum(UNPAIRED, ())]
        raise ValueError(f"no recipe {name!r}; there are {', '.join(known)}")
    recipe = RECIPES[name]
    card = recipe["card"]
    if "low" in recipe and not low:
        raise ValueError(f"{name} is trained on pairs of pictures, as fetch unsplash brings them")
    held_out = recipe.get("held_out", [])
    parts = dict(pictures)
    for path in parts:
        if Path(path).name in held_out:
            parts[path] = "test"

    work = training_folder(name)
    with devices.together(name, recipe["batches"]["batch"], "against" in recipe) as team:
        model, opponent = _networks(recipe)
        if "start" in recipe:
            start_from(model, recipe["start"])
        began = model.get_weights()
        rows = team.first(
            lambda: _prepare(name, parts, work, low), lambda: _prepared(name, parts, work)
        )
        lr, hr = _load([row for row in rows if row["split"] == "train"])
        val = [row for row in rows if row["split"] == "val"]
        val_lr, val_hr = _load(val[:: max(1, len(val) // 100)])

        def data(step):
            return batching.batches(lr, hr, seed=0, start=step, **recipe["batches"])

        steps = steps or recipe["steps"]
        epoch = min(EPOCH, steps)
        trained = _compiled(recipe, model, opponent, steps)
        baseline = _baseline(val_lr, val_hr, card["scale"])
        curve = team.curve(val_lr, val_hr, baseline, name)
        team.fit(trained, data, steps // epoch, epoch, folder=work, callbacks=[curve])
        ended = model.get_weights()
    if not team.writes:
        return training.WEIGHTS / f"{name}.safetensors"
    model, _ = _networks(recipe)  # which no other process shares
    if opponent:
        model.set_weights(_between(began, ended, recipe["share"]))
    else:
        (best,) = work.glob("best-*.weights.h5")
        model.load_weights(best)
    return training.save_weights(model, name, card)


def _networks(recipe: dict) -> tuple[keras.Model, keras.Model | None]:
    """The network, and its discriminator where the recipe has one."""
    card = recipe["card"]
    with _mixed():
        model = getattr(models, card["builder"])(**card["arguments"])
        if "against" in recipe:
            return model, models.patch_discriminator(**recipe["against"])
    return model, None


def start_from(model: keras.Model, name: str) -> keras.Model:
    """Fill the layers that a network has in common with shipped weights, by name and shapes.

    For a training that begins where another ended, such as ×4 with the body of ×2.

    Parameters
    ----------
    model : keras.Model
        The network to fill.
    name : str
        Of the weights.

    Returns
    -------
    keras.Model
        `model`.

    Raises
    ------
    ValueError
        Where no layer fits, and what `training.load_weights` raises. Lesson 09.
    """
    try:
        trained, _ = training.load_weights(name)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; or first python -m helpers train {name}") from error
    known = {layer.name: layer.get_weights() for layer in trained.layers if layer.weights}
    filled = 0
    for layer in model.layers:
        arrays = known.get(layer.name)
        if arrays and [array.shape for array in arrays] == [v.shape for v in layer.weights]:
            layer.set_weights(arrays)
            filled += 1
    if not filled:
        raise ValueError(
            f"no array of {name} has name and shape of one of this {model.name}; start from another"
        )
    return model


def _prepare(name: str, parts: dict[Path, str], work: Path, low: dict | None) -> list[dict]:
    """Cut the pictures into data/prepared/NAME, unless an unfinished training has; the manifest."""
    recipe = RECIPES[name]
    card = recipe["card"]
    prepared = ROOT / "data/prepared" / name
    begun = work / "pictures.json"
    used = {path: part for path, part in parts.items() if part != "test"}
    chosen = {str(path): part for path, part in used.items()}
    _check_begun(begun, chosen)
    if begun.exists() and (prepared / "manifest.csv").exists():
        return batching.read_manifest(prepared)
    paths = {Path(path): part for path, part in used.items()}
    method = recipe.get("method") or card["damage"] or card["downscale"]
    rows = batching.prepare(
        paths, prepared, scale=card["scale"], method=method, low=low, **recipe["cut"]
    )
    for high in low or {}:
        if parts[high] == "test":
            _copy_pair(high, low[high], prepared / "test")
    _write(begun, chosen)
    return rows


def _prepared(name: str, parts: dict[Path, str], work: Path) -> list[dict]:
    """The manifest of what another process has prepared."""
    begun = work / "pictures.json"
    if not begun.exists():
        raise ValueError(
            f"{begun} is not there, where process 0 wrote it; all processes need one file system,"
            " with the course on it"
        )
    _check_begun(begun, {str(path): part for path, part in parts.items() if part != "test"})
    return batching.read_manifest(ROOT / "data/prepared" / name)


def _copy_pair(high: Path, low: Path, folder: Path) -> None:
    """Copy a picture and its damaged twin under the names that `benchmark` knows."""
    for side, path in {"HR": high, "LR": low}.items():
        with replacing(folder / f"{high.stem}_{side}{path.suffix}") as part:
            shutil.copyfile(path, part)


def _load(rows: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets (n, h, w, 3) uint8 of these rows of a manifest."""
    return batching.load(rows, "lr"), batching.load(rows, "hr")


def _baseline(lr: np.ndarray, hr: np.ndarray, scale: int) -> float:
    """Mean PSNR-RGB in dB of the inputs (n, h, w, 3) uint8, enlarged by bicubic."""
    scores = []
    for low, high in zip(images.to_float(lr), images.to_float(hr), strict=True):
        scores.append(metrics.psnr(high, images.enlarge(low, scale)))
    return float(np.mean(scores))


def _compiled(
    recipe: dict, model: keras.Model, opponent: keras.Model | None, steps: int
) -> keras.Model:
    """The network, alone or against a discriminator, with its optimiser."""
    rate = keras.optimizers.schedules.CosineDecay(
        1e-5, steps, warmup_target=recipe["rate"], warmup_steps=500
    )
    if opponent is None:
        optimizer = keras.optimizers.Adam(rate, epsilon=1e-6, global_clipnorm=0.05)
        model.compile(optimizer, recipe["loss"])
        return model
    # The gradients of two networks differ by orders: a common norm would hold back the smaller.
    trained = adversarial.SRGAN(model, opponent)
    trained.compile(keras.optimizers.Adam(rate, clipnorm=0.05))
    return trained


def _between(start: list, end: list, share: float) -> list[np.ndarray]:
    """Arrays that lie `share` of the way from `start` to `end`."""
    return [(1 - share) * a + share * b for a, b in zip(start, end, strict=True)]


def _strengthen(generator: keras.Model, times: float) -> None:
    """Multiply by how much a colour generator changes each colour, which is linear in it."""
    layer = generator.get_layer("matrices")
    layer.set_weights([times * weights for weights in layer.get_weights()])


def _unpaired_card(recipe: dict) -> dict:
    """The card of both generators of a training without pairs."""
    card = {"task": "change", "scale": 1}
    card |= {"builder": recipe["builder"], "arguments": recipe["arguments"]}
    return {key: card.get(key) for key in CARD}


def rewrite_cards() -> list[str]:
    """Write each recipe's card anew into its shipped weights, whose arrays stay as they are.

    A recipe whose weights are not there is passed over.

    Returns
    -------
    the names of the weights
    """
    cards = {name: recipe["card"] for name, recipe in RECIPES.items()}
    for names, recipe in UNPAIRED.items():
        cards |= dict.fromkeys(names, _unpaired_card(recipe))
    written = []
    for name, card in cards.items():
        with suppress(FileNotFoundError):
            model, old = training.load_weights(name)
            training.save_weights(model, name, card | {"versions": old["versions"]})
            written.append(name)
    return written


@contextmanager
def _mixed() -> Iterator[None]:
    """Networks built inside compute in mixed bfloat16, and always begin with the same weights.

    Under JAX they compute in float32: the sums of several devices, each rounded to bfloat16, would
    train another network for each number of devices.
    """
    keras.utils.set_random_seed(0)
    policy = keras.mixed_precision.dtype_policy()
    wanted = "float32" if keras.backend.backend() == "jax" else "mixed_bfloat16"
    keras.mixed_precision.set_dtype_policy(wanted)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(policy)


def _check_begun(begun: Path, chosen: dict) -> None:
    """ValueError where `begun` says that an unfinished training uses other pictures."""
    if begun.exists() and json.loads(begun.read_text(encoding="utf-8")) != chosen:
        raise ValueError(
            f"{begun.parent} holds a training begun with other pictures; delete or move it to"
            " start anew"
        )


def _write(begun: Path, chosen: dict) -> None:
    """Note which pictures a training uses."""
    with replacing(begun) as part:
        part.write_text(json.dumps(chosen), encoding="utf-8")


def train_unpaired(names: tuple[str, str], folder: Path, steps: int | None = None) -> list[Path]:
    """Train two generators, there and back, on two sets without pairs; a killed training goes on.

    In squares; the discriminators, of width 32, compute in mixed bfloat16. What becomes of six
    held-out scenes is written beside the checkpoint after each epoch of 500 steps. What is kept is
    each weight's moving average (decay 0.998 a step), as the single states swing.

    Parameters
    ----------
    names : a key of `UNPAIRED`: the generator from A to B, and the one back
    folder : both sets, laid out for `unpaired.sets`
    steps : batches, instead of the recipe's number

    Returns
    -------
    paths of both files of weights

    Raises
    ------
    ValueError : a training was begun with other pictures; and what `unpaired.sets` and
        `devices.together` raise
    """
    recipe = UNPAIRED[names]
    size = recipe["size"]
    devices.alone(names[0])
    work = training_folder(names[0])
    steps = steps or recipe["steps"]
    paths = unpaired.sets(folder)
    chosen = {part: [str(path) for path in found] for part, found in paths.items()}
    _check_begun(work / "pictures.json", chosen)
    sets = {part: unpaired.squares(found, recipe["kept"]) for part, found in paths.items()}
    _write(work / "pictures.json", chosen)
    keras.utils.set_random_seed(1)
    builder = getattr(models, recipe["builder"])
    generators = [builder(**recipe["arguments"]) for _ in names]
    with _mixed():
        judges = [models.patch_discriminator(32) for _ in names]
    model = adversarial.CycleGAN(generators, judges, size, **recipe["losses"])
    rate = adversarial.LinearFall(recipe["rate"], steps)
    model.compile(keras.optimizers.Adam(rate, beta_1=0.5, use_ema=True, ema_momentum=0.998))

    def data(step):
        albums = [sets["trainA"], sets["trainB"]]
        return adversarial.unpaired_batches(albums, size, recipe["batch"], start=step)

    epoch = min(500, steps)
    scenes = unpaired.Scenes(sets["testA"][:3], sets["testB"][:3], work)
    training.fit(model, data, epochs=steps // epoch, steps=epoch, folder=work, callbacks=[scenes])
    for generator, name in zip(generators, names, strict=True):
        if name in recipe.get("strength", {}):
            _strengthen(generator, recipe["strength"][name])
    card = _unpaired_card(recipe)
    return [training.save_weights(g, name, card) for g, name in zip(generators, names, strict=True)]


def zero_shot(
    picture: np.ndarray,
    scale: int = 2,
    steps: int = 1000,
    seconds: float = 60,
    seed: int = 0,
    reduce: Callable = images.reduce,
) -> keras.Model:
    """Learn to enlarge a picture from it alone: no original, no other picture.

    "Zero-shot" super-resolution (Shocher et al. 2018, arXiv:1712.06087): `models.espcn` learns to
    undo `reduce` on the picture and on smaller copies of it, and is then used one size up:
    `tiles.apply(zero_shot(picture), picture)`. It trains on 8 squares a step.

    Parameters
    ----------
    picture : (h, w, 3) in [0, 1], at least 16·scale pixels on a side
    scale : how many times larger
    steps, seconds : training ends with the first that is reached; the rate falls to zero until then
    seed : of the first weights and the squares
    reduce : reduce(picture, scale), the way in which your picture became small

    Returns
    -------
    the network, (1, h, w, 3) → (1, h·scale, w·scale, 3)

    Raises
    ------
    ValueError : the picture is too small

    Lesson 10.
    """
    images.check(picture)
    if min(picture.shape[:2]) < 16 * scale:
        raise ValueError(
            f"{picture.shape[:2]} pixels are too few to learn ×{scale} from; give a larger picture"
        )
    keras.utils.set_random_seed(seed)
    model = models.espcn(scale, "bicubic", "leaky_relu")
    side = min(48, min(picture.shape[:2]) // 2 // scale)
    small, large = _own_pairs(picture, scale, side, seed, reduce)
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), "mae")
    data = batching.batches(small, large, 8, patch=min(32, side), seed=seed)
    start = time.perf_counter()
    for step, batch in enumerate(tqdm(data.take(steps), "zero-shot", steps, leave=False)):
        spent = (time.perf_counter() - start) / seconds
        done = max(step / steps, spent)
        if done >= 1:
            break
        model.optimizer.learning_rate = 1e-3 * (0.5 + 0.5 * np.cos(np.pi * done))
        model.train_on_batch(*batch)
    return model


def _own_pairs(
    picture: np.ndarray, scale: int, side: int, seed: int, reduce: Callable
) -> tuple[np.ndarray, np.ndarray]:
    """100 squares of each of four sizes of a picture, reduced (400, side, side, 3) and as it is."""
    random = np.random.default_rng(seed)
    small = []
    large = []
    for share in (1, 0.8, 0.65, 0.5):
        height = round(picture.shape[0] * share)
        width = round(picture.shape[1] * share)
        hr = images.crop_to_multiple(images.resize(picture, (height, width), "bicubic"), scale)
        lr = reduce(hr, scale)
        room = np.array(lr.shape[:2]) - side
        for top, left in random.integers(room + 1, size=(100, 2)):
            small.append(images.to_uint8(_square(lr, top, left, side)))
            large.append(images.to_uint8(_square(hr, top * scale, left * scale, side * scale)))
    return np.stack(small), np.stack(large)


def _square(picture: np.ndarray, top: int, left: int, side: int) -> np.ndarray:
    """The square of `side` pixels at this place."""
    return picture[top : top + side, left : left + side]
