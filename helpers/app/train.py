"""How each shipped network was trained: `python -m helpers train NAME --from FOLDER…` makes it again."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
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
from helpers.app import unpaired
from helpers.files import replacing

REPAIR = {"task": "repair", "scale": 1, "downscale": None, "damage": "blocks", "size": None}
DEBLUR = {"task": "deblur", "scale": 1, "downscale": None, "damage": "random_damage", "size": 96}
CAE = {
    "cut": {"size": 96, "per_picture": 4, "square_by": "resize"},
    "batches": {"batch": 8, "turn": False, "damage": damage.random_damage},
    "loss": "mae",
    "rate": 1e-3,
    "steps": 7_000,
}
SIZES = {"scale": 2, "c": 3, "d": 6, "g": 32, "g0": 32, "upsampling": "subpixel", "skip": "bicubic"}
TWICE = {"builder": "rdn", "arguments": SIZES, "scale": 2, "downscale": "bicubic", "size": None}
FOUR = TWICE | {"arguments": SIZES | {"scale": 4}, "scale": 4, "task": "enlarge", "damage": None}
RDN = {"cut": {"size": 192, "per_picture": 8}, "loss": "mae", "rate": 1e-3, "steps": 8_000}
RECIPES = {
    "deconv_dogs_x2": {
        "card": {
            "builder": "deconv_cnn",
            "arguments": {"skip": "bicubic", "activation": "leaky_relu"},
            "task": "enlarge",
            "scale": 2,
            "downscale": "area",
            "damage": None,
            "size": 32,
        },
        "cut": {"size": 32, "per_picture": 8, "square_by": "resize"},
        "batches": {"batch": 64},
        "loss": "mae",
        "rate": 2e-2,
        "steps": 20_000,
    },
    "unet_photos": {
        "card": {"builder": "unet", "arguments": {"width": 16, "dropout": 0.0}, **REPAIR},
        "low": "_4",
        "cut": {"size": 96, "per_picture": 64},
        "batches": {"batch": 8},
        "loss": "mae",
        "rate": 1e-3,
        "steps": 9_000,
    },
    "cae_faces": {"card": {"builder": "cae", "arguments": {}, **DEBLUR}, **CAE},
    "cae_faces_no_skips": {
        "card": {"builder": "cae", "arguments": {"skips": False}, **DEBLUR},
        **CAE,
    },
    "espcn_photos_x4": {
        "card": {
            "builder": "espcn",
            "arguments": {"scale": 4, "skip": "bicubic", "activation": "leaky_relu"},
            "task": "enlarge",
            "scale": 4,
            "downscale": "bicubic",
            "damage": None,
            "size": None,
        },
        "cut": {"size": 192, "per_picture": 8},
        "batches": {"batch": 16, "patch": 40},
        "loss": "mae",
        "rate": 1e-3,
        "steps": 40_000,
    },
    "espcn_faces_x4": {
        "card": {
            "builder": "espcn",
            "arguments": {"scale": 4, "skip": "bicubic", "activation": "leaky_relu"},
            "task": "enlarge",
            "scale": 4,
            "downscale": "pyramid",
            "damage": None,
            "size": 176,
        },
        "cut": {"size": 176, "per_picture": 8},
        "batches": {"batch": 16, "turn": False},
        "loss": "mse",
        "rate": 2e-3,
        "steps": 24_000,
    },
    "rdn_photos_x2": {
        "card": {**TWICE, "task": "enlarge", "damage": None},
        "batches": {"batch": 16, "patch": 32},
        **RDN,
    },
    "rdn_noise_cancel_x2": {
        "card": {**TWICE, "task": "noise-cancel", "damage": "small_noisy_jpeg"},
        "batches": {"batch": 16, "patch": 32, "damage": damage.small_noisy_jpeg},
        **RDN,
        "steps": 12_000,
    },
    "rdn_photos_x4": {
        "card": FOUR,
        "batches": {"batch": 16, "patch": 32},
        **RDN,
        "start": "rdn_photos_x2",
        "steps": 3_000,
    },
    "photos_clean": {
        "card": {
            "builder": "restorer",
            "arguments": {},
            "task": "repair",
            "scale": 1,
            "downscale": None,
            "damage": "camera",
            "size": None,
        },
        "cut": {"size": 256, "per_picture": 12},
        "batches": {"batch": 8, "patch": 96, "damage": damage.camera},
        "loss": "mae",
        "rate": 1e-3,
        "steps": 40_000,
    },
    "srgan_photos_x4": {
        "card": FOUR,
        "batches": {"batch": 8, "patch": 32},
        "cut": RDN["cut"],
        "start": "rdn_photos_x4",
        "against": {"width": 32, "strided": 2},
        "share": 0.7,
        "rate": 2e-4,
        "steps": 2_000,
    },
}

CHANGE = {
    "builder": "resnet_generator",
    "task": "change",
    "scale": 1,
    "downscale": None,
    "size": None,
}
for name in ("spring_to_autumn", "autumn_to_spring"):
    RECIPES[name] = {
        "card": CHANGE
        | {"builder": "cae", "arguments": {"latent": 64, "width": 16}}
        | {"damage": None if name == "spring_to_autumn" else "autumn"},
        "method": "autumn",
        "swap": name == "spring_to_autumn",
        "cut": {"size": 128, "per_picture": 2, "square_by": "resize"},
        "batches": {"batch": 4, "turn": False},
        "loss": "mae",
        "rate": 1e-3,
        "steps": 1_500,
    }

# Two generators from one training without pairs: A → B, B → A
UNPAIRED = {
    ("summer_to_winter", "winter_to_summer"): {
        "arguments": {"width": 24, "blocks": 6},
        "losses": {"cycle": 3, "identity": 0},
        "steps": 12_000,
    },
    ("day_to_night", "night_to_day"): {
        "arguments": {"width": 24, "blocks": 9},
        "losses": {"cycle": 10, "identity": 0.5},
        "steps": 2_500,
    },
}


def train(
    name: str, pictures: Mapping[Path, str], steps: int | None = None, low: dict | None = None
) -> Path:
    """Train the recipe `name` on `pictures` ({path: split}) and write its weights; returns their path.

    Adam with a warm-up and a cosine fall, gradients clipped, in mixed bfloat16. Killed and started
    again it goes on. The checkpoint is chosen on the validation pictures alone; with a discriminator ("against")
    it is the last, and "share" of the way there from the start ships (network interpolation, Wang et al. 2018,
    arXiv:1809.00219), which takes off most of a grid. "start" names the weights to begin with. `steps` overrides
    the recipe's.
    A recipe that repairs needs `low`, {picture: its damaged one}; for it the test pictures are laid out in
    data/prepared/NAME/test as `benchmark` reads them.
    Raises ValueError for an unknown name, where `low` is lacking, and where an unfinished training
    was begun with other pictures; and what `start_from` does.
    """
    if name not in RECIPES:
        raise ValueError(
            f"no recipe {name!r}; there are {', '.join([*RECIPES, *sum(UNPAIRED, ())])}"
        )
    recipe, card = RECIPES[name], RECIPES[name]["card"]
    if "low" in recipe and not low:
        raise ValueError(f"{name} is trained on pairs of pictures, as fetch unsplash brings them")
    with _mixed():
        model = getattr(models, card["builder"])(**card["arguments"])
        opponent = models.patch_discriminator(**recipe["against"]) if "against" in recipe else None
    if "start" in recipe:
        start_from(model, recipe["start"])
    began = model.get_weights()
    prepared, work = ROOT / "data/prepared" / name, training_folder(name)
    begun, chosen = (
        work / "pictures.json",
        {str(path): part for path, part in pictures.items() if part != "test"},
    )
    _check_begun(begun, chosen)
    if not (begun.exists() and (prepared / "manifest.csv").exists()):
        paths = {Path(path): part for path, part in chosen.items()}
        method = recipe.get("method") or card["damage"] or card["downscale"]
        batching.prepare(
            paths, prepared, scale=card["scale"], method=method, low=low, **recipe["cut"]
        )
        for high in [path for path in low or {} if pictures[path] == "test"]:
            for side, path in {"HR": high, "LR": low[high]}.items():
                with replacing(prepared / "test" / f"{high.stem}_{side}{path.suffix}") as part:
                    shutil.copyfile(path, part)
        _write(begun, chosen)
    rows = batching.read_manifest(prepared)
    sides = ("hr", "lr") if recipe.get("swap") else ("lr", "hr")
    lr, hr = (batching.load([r for r in rows if r["split"] == "train"], side) for side in sides)
    val = [r for r in rows if r["split"] == "val"]
    val = val[:: max(1, len(val) // 100)]
    val_lr, val_hr = (batching.load(val, side) for side in sides)
    pairs = zip(images.to_float(val_lr), images.to_float(val_hr), strict=True)
    baseline = float(
        np.mean([metrics.psnr(h, images.enlarge(low, card["scale"])) for low, h in pairs])
    )

    steps = steps or recipe["steps"]
    rate = keras.optimizers.schedules.CosineDecay(
        1e-5, steps, warmup_target=recipe["rate"], warmup_steps=500
    )
    # two networks' gradients differ in size by orders, so that a common norm would hold back the smaller
    clip = {"clipnorm": 0.05} if opponent else {"epsilon": 1e-6, "global_clipnorm": 0.05}
    trained = adversarial.SRGAN(model, opponent) if opponent else model
    trained.compile(keras.optimizers.Adam(rate, **clip), recipe.get("loss"))

    def data(step):
        return batching.batches(lr, hr, seed=0, start=step, **recipe["batches"])

    curve = training.LiveCurve(val_lr, val_hr, baseline, name)
    epoch = min(500, steps)
    training.fit(trained, data, epochs=steps // epoch, steps=epoch, folder=work, callbacks=[curve])
    if opponent:
        share = recipe["share"]
        model.set_weights(
            [(1 - share) * a + share * b for a, b in zip(began, model.get_weights(), strict=True)]
        )
    else:
        (best,) = work.glob("best-*.weights.h5")
        model.load_weights(best)
    return training.save_weights(model, name, card)


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
    trained, _ = training.load_weights(name)
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


def rewrite_cards() -> list[str]:
    """Write each recipe's card anew into its shipped weights; returns the names.

    The arrays stay as they are. A recipe whose weights are not there yet is passed over.
    """
    cards = {name: recipe["card"] for name, recipe in RECIPES.items()}
    for names, recipe in UNPAIRED.items():
        cards |= dict.fromkeys(names, CHANGE | {"arguments": recipe["arguments"], "damage": None})
    written = []
    for name, card in cards.items():
        with suppress(FileNotFoundError):
            model, old = training.load_weights(name)
            training.save_weights(model, name, card | {"versions": old["versions"]})
            written.append(name)
    return written


@contextmanager
def _mixed() -> Iterator[None]:
    """Networks built inside compute in mixed bfloat16, and always begin with the same weights."""
    keras.utils.set_random_seed(0)
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(policy)


def _check_begun(begun: Path, chosen: dict) -> None:
    if begun.exists() and json.loads(begun.read_text(encoding="utf-8")) != chosen:
        raise ValueError(
            f"{begun.parent} holds a training begun with other pictures; delete or move it to start anew"
        )


def _write(begun: Path, chosen: dict) -> None:
    with replacing(begun) as part:
        part.write_text(json.dumps(chosen), encoding="utf-8")


def train_unpaired(names: tuple[str, str], folder: Path, steps: int | None = None) -> list[Path]:
    """Train both generators of `UNPAIRED[names]` on the two sets in `folder`, laid out for `unpaired.sets`.

    In squares of 128 out of 256 pixels, in mixed bfloat16; discriminators of width 32. Killed and started again it
    goes on; what becomes of six held-out scenes is written beside the checkpoint after each epoch of 500 steps.
    What is kept in the end is each weight's moving average (decay 0.999 a step), as the single states swing.
    Returns the paths of both files of weights. Raises what `unpaired.sets` does, and ValueError where an
    unfinished training was begun with other pictures.
    """
    recipe, size, work = UNPAIRED[names], 128, training_folder(names[0])
    steps = steps or recipe["steps"]
    paths = unpaired.sets(folder)
    chosen = {part: [str(path) for path in found] for part, found in paths.items()}
    _check_begun(work / "pictures.json", chosen)
    sets = {part: unpaired.squares(found) for part, found in paths.items()}
    _write(work / "pictures.json", chosen)
    with _mixed():
        generators = [models.resnet_generator(**recipe["arguments"]) for _ in names]
        judges = [models.patch_discriminator(32) for _ in names]
        model = adversarial.CycleGAN(generators, judges, size, **recipe["losses"])
    rate = adversarial.LinearFall(3e-4, steps)
    model.compile(keras.optimizers.Adam(rate, beta_1=0.5, use_ema=True, ema_momentum=0.999))

    def data(step):
        albums = [sets["trainA"], sets["trainB"]]
        return adversarial.unpaired_batches(albums, size, start=step)

    epoch = min(500, steps)
    scenes = adversarial.Scenes(sets["testA"][:3], sets["testB"][:3], work)
    training.fit(model, data, epochs=steps // epoch, steps=epoch, folder=work, callbacks=[scenes])
    card = CHANGE | {"arguments": recipe["arguments"], "damage": None}
    return [training.save_weights(g, name, card) for g, name in zip(generators, names, strict=True)]


def zero_shot(
    picture: np.ndarray,
    scale: int = 2,
    steps: int = 1000,
    seconds: float = 60,
    seed: int = 0,
    reduce: Callable = images.reduce,
) -> keras.Model:
    """A network that enlarges `picture`, (h, w, 3) in [0, 1], learned from it alone: no original, no other picture.

    "Zero-shot" super-resolution (Shocher et al. 2018, arXiv:1712.06087): `models.espcn` learns to undo `reduce` on the
    picture and on smaller copies of it, and is then used one size up: `tiles.apply(zero_shot(picture), picture)`.
    `reduce(picture, scale)` is Pillow's bicubic, unless you know how yours became small. It trains `steps` steps on 8
    squares, or `seconds`, whichever ends first, with a bar; the rate falls to zero until then. ValueError for less than
    16·scale pixels on a side.
    """
    images.check(picture)
    if min(picture.shape[:2]) < 16 * scale:
        raise ValueError(
            f"{picture.shape[:2]} pixels are too few to learn ×{scale} from; give a larger picture"
        )
    keras.utils.set_random_seed(seed)
    model, random, pairs = (
        models.espcn(scale, "bicubic", "leaky_relu"),
        np.random.default_rng(seed),
        [],
    )
    side = min(48, min(picture.shape[:2]) // 2 // scale)
    for share in (1, 0.8, 0.65, 0.5):
        hr = images.resize(picture, tuple(round(n * share) for n in picture.shape[:2]), "bicubic")
        hr = images.crop_to_multiple(hr, scale)
        lr = reduce(hr, scale)
        for top, left in random.integers(np.array(lr.shape[:2]) - side + 1, size=(100, 2)):
            corners = (
                p[top * k :, left * k :][: side * k, : side * k] for p, k in ((lr, 1), (hr, scale))
            )
            pairs.append([images.to_uint8(square) for square in corners])
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), "mae")
    data = batching.batches(
        *map(np.stack, zip(*pairs, strict=True)), 8, patch=min(32, side), seed=seed
    )
    start = time.perf_counter()
    for step, batch in enumerate(tqdm(data.take(steps), "zero-shot", steps, leave=False)):
        if (done := max(step / steps, (time.perf_counter() - start) / seconds)) >= 1:
            break
        model.optimizer.learning_rate = 1e-3 * (0.5 + 0.5 * np.cos(np.pi * done))
        model.train_on_batch(*batch)
    return model
