"""CycleGAN: a change learnt from two sets of pictures without pairs (Zhu et al. 2017, arXiv:1703.10593).

The losses are pure functions of arrays, in `keras.ops`, so that another back end can drive them too; only the
training step is TensorFlow's, and imports it. G turns A into B and F turns B into A; D_A and D_B tell drawn pictures
from real ones.
"""

import keras
from keras import ops


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

    def __init__(self, g, f, d_a, d_b, size: int, pool: int = 50, cycle: float = 10, identity: float = 0.5, seed=0):
        super().__init__(name="cyclegan")
        self.g, self.f, self.d_a, self.d_b = g, f, d_a, d_b
        self.cycle, self.identity, self.seed = cycle, identity, seed
        self.pools = [self.add_weight((pool, size, size, 3), "zeros", trainable=False, name=f"pool_{s}") for s in "ab"]
        self.built = True

    def call(self, a, training=False):
        return self.g(a, training=training)

    def train_step(self, data):
        import tensorflow as tf

        a, b = data
        generators = self.g.trainable_variables + self.f.trainable_variables
        with tf.GradientTape() as tape:
            fake_b, fake_a = self.g(a, training=True), self.f(b, training=True)
            back_b, back_a = self.g(fake_a, training=True), self.f(fake_b, training=True)
            same_b, same_a = self.g(b, training=True), self.f(a, training=True)
            logs = {
                "deceive_g": adversarial_loss(self.d_b(fake_b, training=True), True),
                "deceive_f": adversarial_loss(self.d_a(fake_a, training=True), True),
                "cycle": absolute_loss(a, back_a) + absolute_loss(b, back_b),
                "same": absolute_loss(a, same_a) + absolute_loss(b, same_b),
            }
            loss = logs["deceive_g"] + logs["deceive_f"]
            loss += self.cycle * (logs["cycle"] + self.identity * logs["same"])
        gradients = tape.gradient(loss, generators)
        variables = list(generators)
        for side, d, real, fake in [("a", self.d_a, a, fake_a), ("b", self.d_b, b, fake_b)]:
            shown = self.from_pool("ab".index(side), fake)
            with tf.GradientTape() as tape:
                loss = adversarial_loss(d(real, training=True), True) + adversarial_loss(d(shown, training=True), False)
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
            pool.assign(tf.tensor_scatter_nd_update(pool.value, [[place]], ops.where(keep, fake[k], old)[None]))
        return ops.stack(shown)
