"""How long one training step of CycleGAN takes, ours against the structure of TensorFlow's
tutorial.

    .venv/bin/python nbtests/bench/bench_cyclegan.py [--width 16] [--size 128] [--batch 1] \\
        [--rounds 7]

The tutorial runs all forward passes in one `tf.function` under one persistent tape and asks it for
four gradients; ours asks once for both generators. Both have the same networks, the same weights
and the same batches, and take turns; the ratio is of medians. The losses are compared. Not a test.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from helpers import quiet  # noqa: E402

with quiet():
    import keras
    import tensorflow as tf

    from helpers import adversarial, models


def networks(width: int, blocks: int):
    keras.utils.set_random_seed(0)
    generators = [models.resnet_generator(width, blocks) for _ in "gf"]
    return *generators, *(models.patch_discriminator(width) for _ in "ab")


def tutorial(g, f, d_a, d_b):
    """A training step in the tutorial's structure; without a pool, like it."""
    four = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(4)]
    for optimizer, network in zip(four, (g, f, d_a, d_b), strict=True):
        optimizer.build(network.trainable_variables)

    @tf.function
    def step(a, b):
        with tf.GradientTape(persistent=True) as tape:
            fake_b = g(a, training=True)
            back_a = f(fake_b, training=True)
            fake_a = f(b, training=True)
            back_b = g(fake_a, training=True)
            same_a, same_b = f(a, training=True), g(b, training=True)
            real_a, real_b = d_a(a, training=True), d_b(b, training=True)
            scores_a, scores_b = d_a(fake_a, training=True), d_b(fake_b, training=True)
            deceive_g = adversarial.adversarial_loss(scores_b, True)
            deceive_f = adversarial.adversarial_loss(scores_a, True)
            cycle = adversarial.absolute_loss(a, back_a) + adversarial.absolute_loss(b, back_b)
            total_g = deceive_g + 10 * cycle + 5 * adversarial.absolute_loss(b, same_b)
            total_f = deceive_f + 10 * cycle + 5 * adversarial.absolute_loss(a, same_a)
            tell_a = adversarial.adversarial_loss(real_a, True) + adversarial.adversarial_loss(
                scores_a, False
            )
            tell_b = adversarial.adversarial_loss(real_b, True) + adversarial.adversarial_loss(
                scores_b, False
            )
            losses = total_g, total_f, 0.5 * tell_a, 0.5 * tell_b
        gradients = [
            tape.gradient(loss, n.trainable_variables)
            for loss, n in zip(losses, (g, f, d_a, d_b), strict=True)
        ]
        for optimizer, gradient, network in zip(four, gradients, (g, f, d_a, d_b), strict=True):
            optimizer.apply(gradient, network.trainable_variables)
        return {
            "deceive_g": deceive_g,
            "deceive_f": deceive_f,
            "cycle": cycle,
            "tell_a": losses[2],
            "tell_b": losses[3],
        }

    return step


def ours(g, f, d_a, d_b, size: int):
    model = adversarial.CycleGAN((g, f), (d_a, d_b), size)
    model.compile(keras.optimizers.Adam(2e-4, beta_1=0.5))
    model.optimizer.build(model.trainable_variables)
    return tf.function(lambda a, b: model.train_step((a, b)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (
        ("width", 16),
        ("blocks", 9),
        ("size", 128),
        ("batch", 1),
        ("rounds", 7),
        ("steps", 5),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    steps = {
        "tutorial": tutorial(*networks(args.width, args.blocks)),
        "ours": ours(*networks(args.width, args.blocks), args.size),
    }
    random, times, apart = np.random.default_rng(0), {name: [] for name in steps}, []
    for k in range(args.rounds + 1):  # the first one traces
        batches = [
            tf.constant(random.random((2, args.batch, args.size, args.size, 3), np.float32))
            for _ in range(args.steps)
        ]
        last = {}
        for name, step in steps.items():
            started = time.perf_counter()
            last[name] = [step(a, b) for a, b in batches]
            times[name].append((time.perf_counter() - started) / args.steps)
        if k == 0:
            pairs = zip(*last.values(), strict=True)
            apart = [max(abs(float(one[key] - two[key])) for key in one) for one, two in pairs]
    median = {name: float(np.median(t[1:])) for name, t in times.items()}
    print(f"width {args.width}, {args.blocks} blocks, {args.size}×{args.size}, batch {args.batch}")
    for name, seconds in median.items():
        print(f"{name:9} {1000 * seconds:7.0f} ms a step")
    ratio = median["tutorial"] / median["ours"]
    print(f"ours is {ratio:.2f} times as fast")
    print("the losses of the first steps differ by", ", ".join(f"{worst:.1e}" for worst in apart))


if __name__ == "__main__":
    main()
