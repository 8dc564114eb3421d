"""The fine detail that is left of a sharp portrait after the page's "clean" and "deblur".

PYTHONPATH=. .venv/bin/python nbtests/bench/bench_detail.py

The portrait is scikit-image's astronaut, 512×512, in which nothing is wrong. Its detail is the
energy above half the Nyquist frequency: more than 1/4 cycle a pixel in any direction, of the mean
of the colours, under a Hann window. The first number is that energy of the result, as a share of
the original's; detail that a network invents counts, too. The second number is the part of it
that is the original's own, by the projection onto the original's spectrum; the rest is invented.
The last two rows are controls: the same way with a network that changes nothing, and the network of
"deblur" where the page does not give the picture back.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from skimage import data

from helpers import images
from web.studio import restorers

BAR = 0.95


def spectrum(picture: np.ndarray) -> np.ndarray:
    """The frequencies above half the Nyquist frequency."""
    grey = picture.mean(axis=-1)
    height, width = grey.shape
    window = np.outer(np.hanning(height), np.hanning(width))
    down = np.fft.fftfreq(height)[:, None]
    across = np.fft.fftfreq(width)[None]
    return np.fft.fft2((grey - grey.mean()) * window)[np.hypot(down, across) > 0.25]


def kept(before: np.ndarray, after: np.ndarray) -> tuple[float, float]:
    """The share of detail in a result: all of it, and the original's own."""
    given, made = spectrum(before), spectrum(after)
    energy = np.square(np.abs(given)).sum()
    own = np.abs(np.vdot(given, made) / energy) ** 2
    return np.square(np.abs(made)).sum() / energy, own


def main() -> int:
    networks = restorers.Networks()
    portrait = images.to_float(data.astronaut())
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.png"), Path(folder, "after.png")
        images.write(before, portrait)

        def through_the_page(task: str) -> tuple[np.ndarray, str]:
            changed = networks.change_file(task, before, after, lambda share: None)
            return images.read(after), changed.weights.split(" ")[0] or "given back unchanged"

        for task in ("clean", "deblur"):
            rows[task] = through_the_page(task)
        drawn = images.rounded(networks.change(portrait, ("cae_faces",)))
        networks.change = lambda picture, names, done: picture
        rows["control: clean"] = through_the_page("clean")[0], "a network with nothing to do"
        rows["control: deblur"] = drawn, "cae_faces, not given back"
    shares = {name: kept(portrait, picture) for name, (picture, _) in rows.items()}
    for name, (_, how) in rows.items():
        energy, own = shares[name]
        print(f"{name:<16} {how:<29} {energy:7.2%} of the detail, {own:7.2%} the portrait's own")
    held = min(shares["clean"][0], shares["deblur"][0]) >= BAR
    print(f"{'held  ' if held else 'MISSED'} at least {BAR:.0%} after clean and deblur")
    return not held


if __name__ == "__main__":
    sys.exit(main())
