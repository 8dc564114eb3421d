"""CycleGAN and SRGAN: networks that judge each other's pictures.

The losses are functions in `keras.ops`; only the training steps are TensorFlow's, and import it.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from helpers import batching


def adversarial_loss(scores, real: bool):
    """Least squares: mean (scores − 1)² where they should be `real`, mean scores² where not.

    Parameters
    ----------
    scores : tensor
        A discriminator's, (b, h, w, 1).
    real : bool
        Whether the pictures should pass for real ones.

    Returns
    -------
    tensor
        One number, the mean over patches and pictures. Lesson 08.
    """
    return ops.mean(ops.square(scores - float(real)))


def absolute_loss(picture, other):
    """Mean absolute difference, mean |picture − other|.

    Parameters
    ----------
    picture, other : tensor
        (b, h, w, 3) in [0, 1]: a picture and its way there and back, for instance.

    Returns
    -------
    tensor
        One number. Lesson 08.
    """
    return ops.mean(ops.abs(picture - other))


class LinearFall(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that stands for the first half of a training, then falls linearly to zero.

    Parameters
    ----------
    rate : float
        Learning rate at the start.
    steps : int
        Gradient steps of the whole training. Lesson 08.
    """

    def __init__(self, rate: float, steps: int):
        self.rate = rate
        self.steps = steps

    def __call__(self, step):
        remaining = 1 - ops.cast(step, "float32") / self.steps
        return self.rate * ops.clip(2 * remaining, 0, 1)


class CycleGAN(keras.Model):
    """Two generators and two discriminators, trained together by `training.fit`.

    A batch is (a, b), float32 (n, size, size, 3) in [0, 1], of pictures that have nothing to do
    with each other. The generators are to deceive the discriminators, to undo each other, and to
    leave alone what is in their target set already:
    loss = deceive + cycle · (there and back + identity · left alone).
    Each discriminator sees, half of the time, an older picture from its pool of generated ones.
    One optimizer serves all four networks, because Adam treats each array by itself. Each draw
    depends on the step alone and the pools are among the weights, so that a resumed training goes
    on as if nothing had happened. Calling the network runs `to_b`.

    Parameters
    ----------
    generators : sequence of keras.Model
        `to_b`, A → B, and `to_a`, B → A.
    discriminators : sequence of keras.Model
        `discriminator_a`, of pictures in A, and `discriminator_b`.
    size : int
        Side of the training squares in pixels.
    pool : int
        Generated pictures that each pool keeps.
    cycle, identity : float
        Weights of the losses; what has no weight is not computed.

    Source: Zhu et al. 2017, arXiv:1703.10593. Lesson 08.
    """

    def __init__(
        self,
        generators: Sequence[keras.Model],
        discriminators: Sequence[keras.Model],
        size: int,
        pool: int = 50,
        cycle: float = 10,
        identity: float = 0.5,
    ):
        super().__init__(name="cyclegan")
        self.to_b, self.to_a = generators
        self.discriminator_a, self.discriminator_b = discriminators
        self.cycle = cycle
        self.identity = identity
        shape = (pool, size, size, 3)
        self.pools = [self.add_weight(shape, "zeros", trainable=False) for _ in "ab"]
        self.built = True

    def call(self, a, training=False):
        return self.to_b(a, training=training)

    def train_step(self, data):
        import tensorflow as tf

        a, b = data
        with tf.GradientTape() as tape:
            fake_b = self.to_b(a, training=True)
            fake_a = self.to_a(b, training=True)
            logs = {
                "deceive_b": adversarial_loss(self.discriminator_b(fake_b, training=True), True),
                "deceive_a": adversarial_loss(self.discriminator_a(fake_a, training=True), True),
            }
            loss = logs["deceive_b"] + logs["deceive_a"]
            if self.cycle:
                back_b = self.to_b(fake_a, training=True)
                back_a = self.to_a(fake_b, training=True)
                logs["cycle"] = absolute_loss(a, back_a) + absolute_loss(b, back_b)
                loss += self.cycle * logs["cycle"]
            if self.cycle and self.identity:
                same_b = self.to_b(b, training=True)
                same_a = self.to_a(a, training=True)
                logs["same"] = absolute_loss(a, same_a) + absolute_loss(b, same_b)
                loss += self.cycle * self.identity * logs["same"]
        variables = self.to_b.trainable_variables + self.to_a.trainable_variables
        gradients = tape.gradient(loss, variables)
        judged = [(self.discriminator_a, a, fake_a), (self.discriminator_b, b, fake_b)]
        for side, (network, real, fake) in enumerate(judged):
            shown = self.from_pool(side, fake)
            with tf.GradientTape() as tape:
                scores = network(ops.concatenate([real, shown]), training=True)
                of_real, of_shown = ops.split(scores, 2)
                loss = adversarial_loss(of_real, True) + adversarial_loss(of_shown, False)
                loss = 0.5 * loss
            logs["tell_b" if side else "tell_a"] = loss
            gradients += tape.gradient(loss, network.trainable_variables)
            variables += network.trainable_variables
        self.optimizer.apply(gradients, variables)
        return logs

    def from_pool(self, side: int, fake):
        """What the discriminator sees for each generated picture: itself, or an older one.

        The older one leaves the pool, and `fake` takes its place. While the pool is not full each
        picture is put into it and shown.

        Parameters
        ----------
        side : int
            Whose pool, 0 for A and 1 for B.
        fake : tensor
            (b, size, size, 3), what a generator made.

        Returns
        -------
        tensor
            (b, size, size, 3). Lesson 08.
        """
        import tensorflow as tf

        pool = self.pools[side]
        size = pool.shape[0]
        n = fake.shape[0]
        step = ops.cast(self.optimizer.iterations, "int32")
        draws = tf.random.stateless_uniform([2, n], [side, step])
        shown = []
        for k in range(n):
            count = step * n + k  # generated pictures before this one
            filling = count < size
            place = ops.where(filling, count, ops.cast(draws[1, k] * size, "int32"))
            older = pool.value[place]
            swap = ops.logical_and(ops.logical_not(filling), draws[0, k] < 0.5)
            shown.append(ops.where(swap, older, fake[k]))
            kept = ops.where(ops.logical_or(filling, swap), fake[k], older)
            pool.assign(ops.scatter_update(pool.value, [[place]], kept[None]))
        return ops.stack(shown)


def unpaired_batches(
    sets: Sequence[np.ndarray],
    size: int,
    batch: int = 1,
    saturation: float = 0.2,
    seed: int = 0,
    start: int = 0,
):
    """Endless training batches of pictures without pairs.

    Each picture is flipped at random; a random square of it, `size` pixels wide up to all that
    there is, is brought to `size`, and its saturation multiplied by up to 1 ± `saturation`. Each
    set has its own order, anew each epoch. All depends on (`seed`, the batch's number) alone.

    Parameters
    ----------
    sets : two of ndarray
        A and B, (n, h, w, 3) uint8 each.
    size : int
        Side of the squares in pixels.
    batch : int
        Pictures of each set in a batch.
    saturation : float
        Largest change, as a share.
    seed : int
        Of order and augmentation.
    start : int
        Number of the first batch: a training that was cut sees the rest of what it would have seen.

    Returns
    -------
    tf.data.Dataset
        (a, b), float32 (batch, size, size, 3) each, in [0, 1]. Lesson 08.
    """
    import tensorflow as tf

    def in_order(pictures, seed):
        pairs = batching.batches(pictures, pictures, batch, turn=False, seed=seed, start=start)
        return pairs.map(lambda picture, _: picture)

    def zoom(pictures, draws):
        height, width = pictures.shape[1:3]
        side = size + tf.cast(draws[0] * (min(height, width) - size + 1), tf.int32)
        top = tf.cast(draws[1] * tf.cast(height - side + 1, tf.float32), tf.int32)
        left = tf.cast(draws[2] * tf.cast(width - side + 1, tf.float32), tf.int32)
        square = pictures[:, top : top + side, left : left + side]
        square = tf.image.resize(square, (size, size), antialias=True)
        grey = tf.image.rgb_to_grayscale(square)
        factor = 1 + saturation * (2 * draws[3] - 1)
        return tf.clip_by_value(grey + factor * (square - grey), 0, 1)

    def augment(step, both):
        draws = tf.random.stateless_uniform([2, 4], [seed, step])
        return zoom(both[0], draws[0]), zoom(both[1], draws[1])

    both = tf.data.Dataset.zip(in_order(sets[0], 2 * seed), in_order(sets[1], 2 * seed + 1))
    return both.enumerate(start).map(augment, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class SRGAN(keras.Model):
    """A generator LR → HR and a discriminator of HR pictures, trained together by `training.fit`.

    A batch is (lr, hr), float32 (n, h, w, 3) and (n, h·scale, w·scale, 3) in [0, 1], from
    `batching.batches`. The content loss leaves the fine detail to the generator: it compares
    mainly both pictures reduced to LR by area. The discriminator sees the picture alone, because
    the reduced one ties it to its LR already; it is to score each patch of the truth one above the
    same patch of the generator's, and the generator is to close that margin: least squares on a
    relativistic score, paired by place. One optimizer serves both, because Adam treats each array
    by itself. Calling the network runs the generator. What counts is the last state, not the best
    PSNR, which falls.

    Parameters
    ----------
    generator, discriminator : keras.Model
        The two networks.
    pixel, reduced, adversarial : float
        Weights of the absolute difference of the pictures, of that of both reduced to LR, and of
        the margin.

    Source: Ledig et al. 2017, arXiv:1609.04802; Jolicoeur-Martineau 2018, arXiv:1807.00734.
    Lesson 09.
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        pixel: float = 0.3,
        reduced: float = 1,
        adversarial: float = 0.005,
    ):
        super().__init__(name="srgan")
        self.generator = generator
        self.discriminator = discriminator
        self.pixel = pixel
        self.reduced = reduced
        self.adversarial = adversarial
        self.built = True

    def call(self, lr, training=False):
        return self.generator(lr, training=training)

    def train_step(self, data):
        import tensorflow as tf

        lr, hr = data
        scale = hr.shape[1] // lr.shape[1]
        with tf.GradientTape(persistent=True) as tape:
            sr = self.generator(lr, training=True)
            scores_hr = self.discriminator(hr, training=True)
            margin = scores_hr - self.discriminator(sr, training=True)
            logs = {
                "pixel": absolute_loss(hr, sr),
                "reduced": absolute_loss(ops.average_pool(hr, scale), ops.average_pool(sr, scale)),
                "deceive": adversarial_loss(margin, False),
                "tell": adversarial_loss(margin, True),
            }
            loss = self.pixel * logs["pixel"] + self.reduced * logs["reduced"]
            loss += self.adversarial * logs["deceive"]
        making = self.generator.trainable_variables
        judging = self.discriminator.trainable_variables
        gradients = tape.gradient(loss, making) + tape.gradient(logs["tell"], judging)
        self.optimizer.apply(gradients, making + judging)
        return logs
