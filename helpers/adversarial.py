"""CycleGAN and SRGAN: networks that judge each other's pictures.

The losses are functions of arrays in `keras.ops`; only the training steps are TensorFlow's, and import it.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from IPython import get_ipython
from IPython.display import display
from keras import ops
from PIL import Image

from helpers import batching, images


def adversarial_loss(scores, real: bool):
    """Least squares: how far a discriminator's scores are from 1 (`real`) or 0, mean over patches and pictures."""
    return ops.mean(ops.square(scores - float(real)))


def absolute_loss(picture, other):
    """Mean absolute difference: of a picture and its way there and back, or of one that should stay as it is."""
    return ops.mean(ops.abs(picture - other))


@keras.saving.register_keras_serializable("course")
class LinearFall(keras.optimizers.schedules.LearningRateSchedule):
    """`rate` for the first half of `steps`, then falling linearly to zero."""

    def __init__(self, rate: float, steps: int):
        self.rate, self.steps = rate, steps

    def __call__(self, step):
        left = 1 - ops.cast(step, "float32") / self.steps
        return self.rate * ops.clip(2 * left, 0, 1)

    def get_config(self):
        return {"rate": self.rate, "steps": self.steps}


class CycleGAN(keras.Model):
    """Two generators (`g`: A → B, `f`: B → A) and two discriminators, trained together by `training.fit`.

    A batch is (a, b), float32 (n, size, size, 3) in [0, 1], of pictures that have nothing to do with each other.
    The generators are to deceive (least squares), to undo each other (`cycle`) and to leave alone what is in their
    target set already (`identity`, a share of `cycle`). The discriminators see, half of the time, an older
    picture from a pool of `pool` generated ones. One `optimizer` serves all four, because Adam treats each array
    by itself. Every draw depends on (`seed`, the step) alone and the pool is among the weights, so that a resumed
    run goes on as if nothing had happened. Calling the network runs `g`.
    """

    def __init__(
        self,
        g,
        f,
        d_a,
        d_b,
        size: int,
        pool: int = 50,
        cycle: float = 10,
        identity: float = 0.5,
        seed=0,
    ):
        super().__init__(name="cyclegan")
        self.g, self.f, self.d_a, self.d_b = g, f, d_a, d_b
        self.cycle, self.identity, self.seed = cycle, identity, seed
        self.pools = [
            self.add_weight((pool, size, size, 3), "zeros", trainable=False, name=f"pool_{s}")
            for s in "ab"
        ]
        self.built = True

    def call(self, a, training=False):
        return self.g(a, training=training)

    def train_step(self, data):
        import tensorflow as tf

        a, b = data
        generators = self.g.trainable_variables + self.f.trainable_variables
        with tf.GradientTape() as tape:
            fake_b, fake_a = self.g(a, training=True), self.f(b, training=True)
            logs = {
                "deceive_g": adversarial_loss(self.d_b(fake_b, training=True), True),
                "deceive_f": adversarial_loss(self.d_a(fake_a, training=True), True),
            }
            if self.cycle:  # what has no weight is not computed
                back_b, back_a = self.g(fake_a, training=True), self.f(fake_b, training=True)
                logs["cycle"] = absolute_loss(a, back_a) + absolute_loss(b, back_b)
            if self.cycle and self.identity:
                same_b, same_a = self.g(b, training=True), self.f(a, training=True)
                logs["same"] = absolute_loss(a, same_a) + absolute_loss(b, same_b)
            loss = logs["deceive_g"] + logs["deceive_f"]
            loss += self.cycle * (logs.get("cycle", 0) + self.identity * logs.get("same", 0))
        gradients = tape.gradient(loss, generators)
        variables = list(generators)
        for side, d, real, fake in [("a", self.d_a, a, fake_a), ("b", self.d_b, b, fake_b)]:
            shown = self.from_pool("ab".index(side), fake)
            with tf.GradientTape() as tape:
                real, shown = ops.split(d(ops.concatenate([real, shown]), training=True), 2)
                loss = adversarial_loss(real, True) + adversarial_loss(shown, False)
                loss = 0.5 * loss
            logs[f"tell_{side}"] = loss
            gradients += tape.gradient(loss, d.trainable_variables)
            variables += d.trainable_variables
        self.optimizer.apply(gradients, variables)
        return logs

    def from_pool(self, side: int, fake):
        """What the discriminator sees for each of `fake`: itself, or an older one whose place it takes.

        While the pool is not full each picture is put into it and shown.
        """
        import tensorflow as tf

        pool = self.pools[side]
        n, size = ops.shape(fake)[0], pool.shape[0]
        step = ops.cast(self.optimizer.iterations, "int32")
        draw = tf.random.stateless_uniform([2, n], [2 * self.seed + side, step])
        shown = []
        for k in range(n):
            count = step * n + k  # how many came before
            swap = ops.logical_and(count >= size, draw[0, k] < 0.5)
            place = ops.where(count < size, count, ops.cast(draw[1, k] * size, "int32"))
            old = pool.value[place]
            shown.append(ops.where(swap, old, fake[k]))
            keep = ops.logical_or(count < size, swap)
            pool.assign(
                tf.tensor_scatter_nd_update(
                    pool.value, [[place]], ops.where(keep, fake[k], old)[None]
                )
            )
        return ops.stack(shown)


class Scenes(keras.callbacks.Callback):
    """After each epoch what both generators make of the same pictures, kept in `shown`, drawn, written to `folder`.

    `a` and `b` are uint8 (n, h, w, 3): a column each, above the picture, below what it became.
    """

    def __init__(self, a: np.ndarray, b: np.ndarray, folder: Path | None = None):
        super().__init__()
        self.pictures, self.folder, self.shown = (
            [images.to_float(a), images.to_float(b)],
            folder,
            {},
        )

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()
        self.handle = get_ipython() and display(
            Image.new("RGB", (1, 1)), display_id=True, include=["image/jpeg"]
        )

    def on_epoch_end(self, epoch, logs=None):
        made = [  # one at a time: less memory; and without predict, which would compile for seconds
            np.concatenate(
                [ops.convert_to_numpy(network(x[None], training=False)) for x in pictures]
            ).clip(0, 1)
            for network, pictures in zip([self.model.g, self.model.f], self.pictures, strict=True)
        ]
        self.shown[epoch + 1] = images.to_uint8(np.concatenate(made))
        sheet = np.vstack(
            [np.hstack(np.concatenate(pictures)) for pictures in (self.pictures, made)]
        )
        if self.folder:
            images.write(self.folder / f"scenes-{epoch + 1:06d}.png", sheet)
        text = ", ".join(f"{name} {value:.3f}" for name, value in (logs or {}).items())
        text = f"epoch {epoch + 1} of {self.params['epochs']}, {time.perf_counter() - self.started:.0f} s: {text}"
        if self.handle is None:
            print(text, flush=True)
        else:
            alt = {"image/jpeg": {"alt": f"The same scenes after {text}"}}
            self.handle.update(
                Image.fromarray(images.to_uint8(sheet)), include=["image/jpeg"], metadata=alt
            )


def unpaired(folder: str | Path) -> dict[str, list[Path]]:
    """The pictures of `folder` as "trainA", "trainB", "testA" and "testB".

    These are its folders' names, as in the CycleGAN paper's sets; where there are only two, A before B in the
    alphabet, a fifth of their scenes is held out, a scene from both at once. Raises FileNotFoundError for another
    layout and empty folders, ValueError for too few scenes and what `images.read` refuses.
    """

    folder, names = Path(folder), ["trainA", "trainB", "testA", "testB"]
    inside = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if {path.name for path in inside} >= set(names):
        return {name: images.find(folder / name) for name in names}
    if len(inside) != 2:
        raise FileNotFoundError(
            f"expected {', '.join(names)} or just two folders, A and B, in {folder}"
        )
    paths = [images.find(side) for side in inside]
    shown = batching.scenes(paths[0] + paths[1])
    parts = batching.split([str(scene) for scene in shown], val=0, test=0.2)
    sets = {name: [] for name in names}
    for k, (path, scene) in enumerate(zip(paths[0] + paths[1], shown, strict=True)):
        part = "test" if parts[str(scene)] == "test" else "train"
        sets[part + ("A" if k < len(paths[0]) else "B")].append(path)
    if empty := [name for name, found in sets.items() if not found]:
        raise ValueError(
            f"of {max(shown) + 1} scenes in {folder} none is left for {', '.join(empty)}; more are needed"
        )
    return sets


def load(paths: Sequence[Path], size: int = 256) -> np.ndarray:
    """The middle square of each picture, brought to `size`: (n, size, size, 3) uint8."""
    squares = (images.square_crop(images.read(path)) for path in paths)
    return np.stack(
        [images.to_uint8(images.resize(square, (size, size), "area")) for square in squares]
    )


def batches(
    a: np.ndarray,
    b: np.ndarray,
    size: int,
    batch: int = 1,
    saturation: float = 0.2,
    seed: int = 0,
    start: int = 0,
):
    """Endless training batches (a, b) of pictures without pairs, float32 (batch, size, size, 3) in [0, 1].

    `a` and `b` are uint8 (n, h, w, 3). Each picture is flipped at random, a random square of `size` pixels up to all
    that there is, brought to `size` (zoom), its saturation multiplied by 1 ± `saturation` at most. Each set has its
    own order, anew each epoch. All depends on (`seed`, the batch's number) alone, so that a run from batch number
    `start` on sees what an uninterrupted one would have seen.
    """
    import tensorflow as tf

    def in_order(pictures, seed):
        return batching.batches(pictures, pictures, batch, turn=False, seed=seed, start=start).map(
            lambda x, _: x
        )

    def augment(step, sides):
        draws = tf.random.stateless_uniform([2, 4], [seed, step])
        return tuple(
            zoomed(x, *tf.unstack(draw)) for x, draw in zip(sides, tf.unstack(draws), strict=True)
        )

    def zoomed(x, zoom, down, right, colour):
        height, width = x.shape[1:3]
        side = size + tf.cast(zoom * (min(height, width) - size + 1), tf.int32)
        top, left = (
            tf.cast(u * tf.cast(n - side + 1, tf.float32), tf.int32)
            for u, n in ((down, height), (right, width))
        )
        x = tf.image.resize(
            x[:, top : top + side, left : left + side], (size, size), antialias=True
        )
        grey = tf.image.rgb_to_grayscale(x)
        return tf.clip_by_value(grey + (1 + saturation * (2 * colour - 1)) * (x - grey), 0, 1)

    sides = tf.data.Dataset.zip(in_order(a, 2 * seed), in_order(b, 2 * seed + 1))
    return sides.enumerate(start).map(augment, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class SRGAN(keras.Model):
    """A generator `g` (LR → HR) and a discriminator `d` of HR pictures, trained together by `training.fit`.

    A batch is (lr, hr), float32 (n, h, w, 3) and (n, h·scale, w·scale, 3) in [0, 1], from `batching.batches`. The
    content loss leaves the fine detail to `g`: `reduced` times the absolute difference of both pictures reduced to
    LR by area, and only `pixel` times that of the pictures themselves. The discriminator sees the picture alone,
    because the reduced one ties it to its LR already; it is to score each patch of the truth one above the same
    patch of `g`'s, and `g` is to close that margin (`adversarial`): least squares on a relativistic score,
    Jolicoeur-Martineau 2018, arXiv:1807.00734, paired by place. One `optimizer` serves both, because Adam treats
    each array by itself; both networks and its state are among the weights, so that a killed training goes on.
    Calling the network runs `g`. What counts is the last state, not the best PSNR, which falls.
    """

    def __init__(self, g, d, pixel: float = 0.3, reduced: float = 1, adversarial: float = 0.005):
        super().__init__(name="srgan")
        self.g, self.d = g, d
        self.pixel, self.reduced, self.adversarial = pixel, reduced, adversarial
        self.built = True

    def call(self, lr, training=False):
        return self.g(lr, training=training)

    def train_step(self, data):
        import tensorflow as tf

        lr, hr = data
        scale = hr.shape[1] // lr.shape[1]
        with tf.GradientTape(persistent=True) as tape:
            sr = self.g(lr, training=True)
            margin = self.d(hr, training=True) - self.d(sr, training=True)
            logs = {
                "pixel": absolute_loss(hr, sr),
                "reduced": absolute_loss(ops.average_pool(hr, scale), ops.average_pool(sr, scale)),
                "deceive": adversarial_loss(margin, False),
                "tell": adversarial_loss(margin, True),
            }
            loss = (
                self.pixel * logs["pixel"]
                + self.reduced * logs["reduced"]
                + self.adversarial * logs["deceive"]
            )
        g, d = self.g.trainable_variables, self.d.trainable_variables
        self.optimizer.apply(tape.gradient(loss, g) + tape.gradient(logs["tell"], d), g + d)
        return logs
