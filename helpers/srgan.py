"""SRGAN: an enlargement that draws plausible detail instead of the mean of all that is possible.

After Ledig et al. 2017, arXiv:1609.04802, whose loss on another network's features is replaced by one on the reduced
picture, so that nothing has to be downloaded. The training step is TensorFlow's, and imports it.
"""

import keras
from keras import ops

from helpers.cyclegan import absolute_loss, adversarial_loss


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
            loss = self.pixel * logs["pixel"] + self.reduced * logs["reduced"] + self.adversarial * logs["deceive"]
        g, d = self.g.trainable_variables, self.d.trainable_variables
        self.optimizer.apply(tape.gradient(loss, g) + tape.gradient(logs["tell"], d), g + d)
        return logs
