"""Methods without a network against the shipped autoencoders, on portraits with the course's
damage.

`python nbtests/bench/bench_deblur.py data/raw/celeba` tunes each method on validation portraits,
for each kind of damage its own value, and prints one table on the test portraits. The estimated
kernel is the candidate under which the damaged picture's spectrum is most likely (Whittle), given
the mean spectrum of undamaged training portraits; a mosaic shows by its blocks. With the true
kernel a mosaic's is the mean over all places.
"""

import sys
import time
from itertools import product
from pathlib import Path

import numpy as np
from skimage import filters, restoration

from helpers import damage, images, metrics, quiet
from helpers.app import sources

KINDS = ("blur", "motion", "mosaic")
SIDE, BORDER = 96, 16
NAMES = ("cae_faces_no_skips", "cae_faces")
CANDIDATES = [damage.Damage("blur", s) for s in np.arange(1, 3.1, 0.25)]
CANDIDATES += [damage.Damage("motion", n, a) for n, a in product(range(5, 16), range(0, 180, 15))]
TRANSFER = np.stack([np.abs(np.fft.fft2(damage.kernel(c), (SIDE, SIDE))) ** 2 for c in CANDIDATES])


def portraits(paths):
    """(target, damaged, damage) of each path, by `benchmark --square 96 --fit resize`."""
    for path in paths:
        hr = images.square_crop(images.read(path))
        if hr.shape[0] >= SIDE:
            hr = images.resize(hr, (SIDE, SIDE), "area")
            yield (
                hr,
                images.to_float(images.to_uint8(damage.random_damage(hr, path.stem))),
                damage.draw(path.stem),
            )


def spectrum(picture):
    """Power of the grey picture at each frequency, its borders faded out."""
    grey = picture @ np.float32([0.299, 0.587, 0.114])
    return np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(*[np.hanning(SIDE)] * 2))) ** 2


def estimate(damaged, undamaged):
    """The damage that most likely made the picture: blocks if it consists of them, else the
    likeliest candidate.
    """
    for block in (6, 5, 4, 3):
        if np.abs(damage.mosaic(damaged, block) - damaged).max() < 0.01:
            return damage.Damage("mosaic", block)
    expected = TRANSFER * undamaged + 1e-3  # the rounding's share
    return CANDIDATES[
        np.argmin((spectrum(damaged) / expected + np.log(expected)).mean(axis=(1, 2)))
    ]


def sharpen(picture, how, tuned):
    return filters.unsharp_mask(
        picture, *tuned, channel_axis=2
    )  # -1 leaves most of it empty in scikit-image 0.26


def bordered(method):
    """`method(picture, kernel, tuned)` with a mirrored border: it thinks the picture periodic, or
    black outside.
    """

    def on(picture, how, tuned):
        wide = np.pad(picture, [(BORDER, BORDER)] * 2 + [(0, 0)], "symmetric").astype(float)
        return method(wide, damage.kernel(how).astype(float), tuned)[BORDER:-BORDER, BORDER:-BORDER]

    return on


@bordered
def richardson_lucy(wide, kernel, steps):
    return restoration.richardson_lucy(wide, kernel[..., None], steps, clip=False)


@bordered
def wiener(wide, kernel, balance):
    return np.stack(
        [restoration.wiener(c, kernel, balance, clip=False) for c in wide.transpose(2, 0, 1)],
        axis=-1,
    )


def with_bicubic(picture, how, tuned):
    """Richardson-Lucy, but a mosaic's blocks are the pixels of a small picture, which bicubic
    enlarges.
    """
    if how.kind != "mosaic":
        return richardson_lucy(picture, how, tuned)
    whole = np.pad(picture, [(0, -SIDE % how.size)] * 2 + [(0, 0)], "edge")
    return images.enlarge(images.reduce(whole, how.size, "area"), how.size)[:SIDE, :SIDE]


STEPS, BALANCES = [1, 2, 3, 5, 8, 12, 20, 30], [1e-4, 1e-3, 0.01, 0.03, 0.1, 0.3, 1]
METHODS = {
    "unsharp mask": (sharpen, list(product([1, 2, 3], [0.25, 0.5, 1, 2]))),
    "Wiener": (wiener, BALANCES),
}
METHODS |= {
    "Richardson-Lucy": (richardson_lucy, STEPS),
    "the same, mosaic by bicubic": (with_bicubic, STEPS),
}


def score(method, pairs, hows, tuned):
    """PSNR-RGB of each pair, `tuned` being {kind: value}."""
    results = [
        np.clip(method(lr, how, tuned[how.kind]), 0, 1)
        for (_, lr, _), how in zip(pairs, hows, strict=True)
    ]
    return np.array(
        [metrics.psnr(hr, result) for (hr, _, _), result in zip(pairs, results, strict=True)]
    )


def row(name, known, method, pairs, hows, tuned):
    start = time.perf_counter()
    psnr = score(method, pairs, hows, tuned)
    seconds = (time.perf_counter() - start) / len(pairs)
    kinds = np.array([how.kind for _, _, how in pairs])
    parts = "".join(f"{psnr[kinds == kind].mean():8.2f}" for kind in KINDS)
    print(
        f"{name:<29}{known:<11}{psnr.mean():7.2f}{parts}{seconds:10.3f}  {tuned if known else ''}",
        flush=True,
    )


def main(folder):
    parts = {
        part: [p for p, s in sources.celeba_splits(folder).items() if s == part]
        for part in ("train", "val", "test")
    }
    val, test = list(portraits(parts["val"][::10])), list(portraits(parts["test"]))
    undamaged = np.mean([spectrum(hr) for hr, _, _ in portraits(parts["train"][::10])], axis=0)
    hows = {"estimated": [[estimate(lr, undamaged) for _, lr, _ in pairs] for pairs in (val, test)]}
    hows["true"] = [[how for _, _, how in pairs] for pairs in (val, test)]
    right = np.mean(
        [a.kind == b.kind for a, b in zip(hows["estimated"][1], hows["true"][1], strict=True)]
    )
    print(
        f"{len(test)} test portraits, {len(val)} for tuning;"
        f" kind of damage estimated rightly {right:.0%}"
    )
    print(
        f"{'method':<29}{'kernel':<11}{'PSNR':>7}{''.join(f'{k:>8}' for k in KINDS)}"
        f"{'s/picture':>10}  tuned"
    )
    nothing = dict.fromkeys(KINDS)
    row("damaged", "", lambda lr, *_: lr, test, hows["true"][1], nothing)
    for (known, (of_val, of_test)), (name, (method, values)) in product(
        hows.items(), METHODS.items()
    ):
        tuned = {}
        for kind in KINDS:
            chosen = [
                (pair, how) for pair, how in zip(val, of_val, strict=True) if how.kind == kind
            ]
            means = {
                v: score(method, *zip(*chosen, strict=True), dict.fromkeys(KINDS, v)).mean()
                for v in values
            }
            tuned[kind] = max(means, key=means.get)
        row(name, known, method, test, of_test, tuned)
    with quiet():
        from helpers import tiles, training
    for name in NAMES:
        model, _ = training.load_weights(name)
        row(
            name,
            "",
            lambda lr, *_, model=model: tiles.apply(model, lr),
            test,
            hows["true"][1],
            nothing,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/raw/celeba"))
