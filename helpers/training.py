"""Training: a live curve that is measured on validation pictures."""

import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.display import display

from helpers import images, metrics, plots


class LiveCurve(keras.callbacks.Callback):
    """Measure PSNR-RGB on validation pairs after each epoch, log it as `val_psnr`, and draw it while it grows.

    `lr` and `hr` are uint8 (n, h, w, 3), hr larger by the network's scale; the score is the mean of each
    picture's PSNR in dB. `baseline` (dB) is drawn as a line to beat.
    """

    def __init__(self, lr: np.ndarray, hr: np.ndarray, baseline: float, title: str = "Validation"):
        super().__init__()
        self.lr, self.hr = images.to_float(lr), images.to_float(hr)
        self.baseline, self.title = baseline, title
        self.psnr: list[float] = []

    def on_train_begin(self, logs=None):
        self.started = self.drawn = time.perf_counter()
        self.figure, self.ax = plt.subplots(figsize=(7, 2.6))
        plt.close(self.figure)
        self.handle = get_ipython() and display(self.figure, display_id=True)

    def on_epoch_end(self, epoch, logs=None):
        predicted = self.model.predict(self.lr, batch_size=16, verbose=0)
        self.psnr.append(float(np.mean([metrics.psnr(h, p) for h, p in zip(self.hr, predicted, strict=True)])))
        if logs is not None:
            logs["val_psnr"] = self.psnr[-1]
        if time.perf_counter() - self.drawn > 1:
            self.draw()

    def on_train_end(self, logs=None):
        self.draw()

    def draw(self):
        self.drawn = time.perf_counter()
        done, epochs = len(self.psnr), self.params["epochs"]
        self.ax.clear()
        self.ax.axhline(self.baseline, color=plots.GREY, linestyle="--", label=f"bicubic {self.baseline:.2f} dB")
        label = f"network {self.psnr[-1]:.2f} dB"
        self.ax.plot(range(1, done + 1), self.psnr, color=plots.BLUE, marker=".", label=label)
        low, high = (f([self.baseline, *self.psnr]) for f in (min, max))
        room = max(0.1, 0.3 - (high - low) / 2)  # a flat curve shall look flat
        self.ax.set(xlim=(0.5, epochs + 0.5), ylim=(low - room, high + room), xlabel="epoch", ylabel="PSNR, dB")
        self.ax.set_title(f"{self.title}: epoch {done} of {epochs}, {self.drawn - self.started:.0f} s")
        self.ax.legend(loc="lower right")
        if self.handle:
            alt = (
                f"Validation PSNR over {done} epochs: {self.psnr[-1]:.2f} dB at the end, bicubic {self.baseline:.2f} dB"
            )
            self.handle.update(self.figure, metadata={"image/png": {"alt": alt}})
