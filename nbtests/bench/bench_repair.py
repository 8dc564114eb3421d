"""Does the U-Net earn its 1,965,987 parameters? What repairs low pictures in blocks, beside ESPCN
with 71,840.

    .venv/bin/python -m helpers train unet_photos --from data/raw/unsplash
    .venv/bin/python nbtests/bench/bench_repair.py [--steps 9000]

The low pictures are blocks of 4×4, so the mean of each block is the small picture they come from,
and a network that enlarges it repairs them, too. It is trained here on the squares that the first
command has prepared, with the same loss, rate, schedule and number of pictures seen, and both are
measured on the test pictures. Killed and started again it goes on. Not a test: nothing here is
asserted.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from helpers import quiet, training_folder  # noqa: E402

with quiet():
    import keras
    from keras import layers

    from helpers import batching, images, metrics, models, training
    from helpers.app import benchmark, train

RECIPE = train.RECIPES["unet_photos"]
PREPARED = ROOT / "data/prepared/unet_photos"


def repairing(enlarging, name: str):
    """A network (b, h, w, 3) → the same shape: the mean of each block of 4×4, then `enlarging` by
    4.
    """
    low = keras.Input((None, None, 3), name="low")
    return keras.Model(low, enlarging(layers.AveragePooling2D(4, name="small")(low)), name=name)


def load(split: str):
    """The squares of one split as (low, high), uint8; of the validation's at most about 100, as
    `train` does.
    """
    rows = [row for row in batching.read_manifest(PREPARED) if row["split"] == split]
    rows = rows[:: max(1, len(rows) // 100)] if split == "val" else rows
    return [batching.load(rows, side) for side in ("lr", "hr")]


def train(steps: int):
    """The competitor, trained as `train.train` trains the U-Net: its best state on validation."""
    lr, hr = load("train")
    val_lr, val_hr = load("val")
    keras.utils.set_random_seed(0)
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = repairing(models.espcn(4, skip="bicubic", activation="leaky_relu"), "espcn")
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    rate = keras.optimizers.schedules.CosineDecay(
        1e-5, steps, warmup_target=RECIPE["rate"], warmup_steps=500
    )
    model.compile(keras.optimizers.Adam(rate, epsilon=1e-6, global_clipnorm=0.05), RECIPE["loss"])

    def data(step):
        return batching.batches(lr, hr, seed=0, start=step, **RECIPE["batches"])

    pairs = zip(images.to_float(val_lr), images.to_float(val_hr), strict=True)
    untouched = sum(metrics.psnr(high, low) for low, high in pairs) / len(val_lr)
    work = training_folder(f"bench_repair_{steps}")
    curve = training.LiveCurve(val_lr, val_hr, untouched, "espcn")
    epoch = min(500, steps)
    training.fit(model, data, epochs=steps // epoch, steps=epoch, folder=work, callbacks=[curve])
    (best,) = work.glob("best-*.weights.h5")
    model.load_weights(best)
    return model


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=RECIPE["steps"])
    steps = parser.parse_args().steps
    unet, _ = training.load_weights("unet_photos")
    competitor = train(steps)
    # Keras' bicubic enlargement equals Pillow's
    bicubic = repairing(layers.UpSampling2D(4, interpolation="bicubic"), "bicubic")
    compared = {"bicubic": bicubic, "espcn": competitor, "unet_photos": unet}
    usable, _, _ = benchmark.pairs(PREPARED / "test", scale=1, downscale=None)
    counts = "parameters: " + ", ".join(
        f"{name} {model.count_params():,}" for name, model in compared.items()
    )
    heading = f"{len(usable)} pictures, low as the set has them"
    heading += f"; espcn trained for {steps:,} steps; {counts}"
    print(benchmark.table(benchmark.benchmark(usable, 1, compared), heading))
