"""Scratches drawn over photographs, and how well they are filled.

`python nbtests/bench/bench_scratches.py FOLDER` draws cracks, scratches, folds, dust and tears over
the middle 512×384 of each photograph in FOLDER, fills what was hit, and prints PSNR-Y in dB inside
the mask and of the whole picture, beside leaving them, a median, and other ways to fill.
`--show FILE` writes a sheet of the first six: damaged, and filled as `restore --scratches` does.
"""

import argparse
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
from skimage import restoration
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from helpers import images, metrics
from helpers.app import scratches
from nbtests.bench.bench_mild import middle

TONES = {"bright": (0.75, 1.0), "dark": (0.0, 0.2)}
SHARE_OF_DARK = 0.25
VISIBLE = 10 / 255


def draw(picture: np.ndarray, seed: str) -> tuple[np.ndarray, np.ndarray]:
    """A picture that has been carried in a wallet: cracks, scratches, folds, dust and tears.

    Parameters
    ----------
    picture : np.ndarray
        (h, w, 3), float in [0, 1].
    seed : str
        Such as the file's stem: how many there are, and where.

    Returns
    -------
    tuple[np.ndarray, np.ndarray]
        The damaged picture, shape and range kept, and which pixels it changes by more than 10 of
        255, (h, w) bool: nobody finds a white scratch on a white shirt.
    """
    images.check(picture)
    random = np.random.default_rng(zlib.crc32(seed.encode()))
    damaged = np.array(picture, np.float32)
    size = picture.shape[:2]
    for kind, most in {_crack: 4, _scratch: 3, _fold: 1, _dust: 12, _tear: 1}.items():
        for _ in range(random.integers(most + 1)):
            cover = np.zeros(size, np.float32)
            kind(cover, random)
            cover = cv2.GaussianBlur(cover, (0, 0), random.uniform(0.3, 0.9))
            cover *= random.uniform(0.5, 1)
            dark = random.uniform() < SHARE_OF_DARK
            tone = random.uniform(*TONES["dark" if dark else "bright"])
            paper = tone * (1 - random.uniform(0, 0.08) * np.float32([0, 1, 2]))
            grain = random.normal(0, 0.03, (*size, 1)).astype(np.float32)
            damaged += cover[..., None] * (paper + grain - damaged)
    damaged = np.clip(damaged, 0, 1)
    return damaged, np.abs(damaged - picture).max(axis=-1) > VISIBLE


def _walk(cover, random, length: float, straight: float, width: float) -> None:
    """Draw a line that wanders and swells: `straight` is the deviation of its turns in radians."""
    h, w = cover.shape
    x, y = random.uniform(0, w), random.uniform(0, h)
    direction = random.uniform(0, 2 * np.pi)
    step = random.uniform(3, 9)
    for _ in range(int(length / step)):
        direction += random.normal(0, straight)
        if random.uniform() < straight / 5:  # a corner
            direction += random.choice([-1, 1]) * random.uniform(0.5, 1.4)
        end = x + step * np.cos(direction), y + step * np.sin(direction)
        thick = max(1, round(width * random.lognormal(0, 0.35)))
        if random.uniform() > 0.06:  # a gap
            _line(cover, (x, y), end, thick)
        x, y = end


def _line(cover, start, end, thick: int) -> None:
    """A line from point to point (x, y), smooth at its edges."""
    points = [tuple(round(16 * float(value)) for value in point) for point in (start, end)]
    cv2.line(cover, *points, 1.0, thick, cv2.LINE_AA, 4)


def _crack(cover, random) -> None:
    """A jagged line, up to the picture's size, and sometimes a branch."""
    size = min(cover.shape)
    for length in (1.0, 0.4)[: 1 + (random.uniform() < 0.3)]:
        width = random.lognormal(0.6, 0.5)
        _walk(cover, random, length * random.uniform(0.15, 1.2) * size, 0.25, width)


def _scratch(cover, random) -> None:
    """A thin line, nearly straight."""
    _walk(cover, random, random.uniform(0.1, 1) * min(cover.shape), 0.04, 1)


def _fold(cover, random) -> None:
    """A line across the whole picture, worn through in places."""
    h, w = cover.shape
    at = random.uniform(0.1, 0.9, 2)
    ends = ((0, at[0] * h), (w, at[1] * h))
    if random.uniform() < 0.5:
        ends = ((at[0] * w, 0), (at[1] * w, h))
    _line(cover, *ends, max(1, round(random.lognormal(0.5, 0.5))))
    worn = cv2.resize(random.uniform(0, 1, (12, 12)).astype(np.float32), (w, h))
    cover *= np.clip(3 * worn - random.uniform(0, 1), 0, 1)


def _dust(cover, random) -> None:
    """A speck or a short hair."""
    h, w = cover.shape
    middle = (int(random.integers(w)), int(random.integers(h)))
    axes = tuple(int(value) for value in random.integers(1, 4, 2))
    cv2.ellipse(cover, middle, axes, random.uniform(0, 180), 0, 360, 1.0, -1, cv2.LINE_AA)


def _tear(cover, random) -> None:
    """A piece of the surface that is gone, as far as the edge or a corner."""
    h, w = cover.shape
    size = min(h, w)
    middle = np.array([random.choice([0, w, random.uniform(0, w)]), random.choice([0, h])])
    angles = np.sort(random.uniform(0, 2 * np.pi, 14))
    radius = random.uniform(0.03, 0.15) * size * random.uniform(0.5, 1, 14)
    corners = middle + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cv2.fillPoly(cover, [np.int32(16 * corners)], 1.0, cv2.LINE_AA, 4)


FILLS = {
    "left as they are": lambda picture, mask: picture,
    "median of 9×9": lambda picture, mask: np.where(
        mask[..., None], images.to_float(cv2.medianBlur(images.to_uint8(picture), 9)), picture
    ),
    "Navier-Stokes": scratches.fill,
    "Telea": lambda picture, mask: images.to_float(
        cv2.inpaint(images.to_uint8(picture), mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    ),
    "biharmonic": lambda picture, mask: np.clip(
        restoration.inpaint_biharmonic(
            picture, mask, split_into_regions=True, channel_axis=-1
        ).astype(np.float32),
        0,
        1,
    ),
}


def inside(truth: np.ndarray, result: np.ndarray, mask: np.ndarray) -> float:
    """PSNR of luma over the pixels of a mask, in dB."""
    error = (metrics.luma(truth) - metrics.luma(result))[mask]
    return float(-10 * np.log10(np.mean(error**2)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--show", type=Path)
    args = parser.parse_args()
    truths = {path.stem: middle(images.read(path), 384, 512) for path in images.find(args.folder)}
    drawn = {stem: draw(truth, stem) for stem, truth in truths.items()}
    drawn = {stem: (images.rounded(p), hit) for stem, (p, hit) in drawn.items() if hit.any()}
    share = np.mean([hit.mean() for _, hit in drawn.values()])
    print(f"{len(drawn)} photographs; {share:.1%} of the pixels are hit")
    print(f"{'filled by':<18}{'inside, dB':>11}{'least gain':>12}{'whole, dB':>11}")
    untouched = None
    for name, fill in FILLS.items():
        scores = []
        for stem, (picture, hit) in tqdm(drawn.items(), name, leave=False):
            result = images.rounded(fill(picture, hit))
            whole = metrics.psnr(truths[stem], result, y=True)
            scores.append((inside(truths[stem], result, hit), whole))
        scores = np.array(scores)
        untouched = scores if untouched is None else untouched
        (within, whole), least = scores.mean(axis=0), (scores - untouched)[:, 0].min()
        print(f"{name:<18}{within:>11.2f}{least:>+12.2f}{whole:>11.2f}")
    if args.show:
        rows = [np.hstack([p, scratches.fill(p, hit)]) for p, hit in list(drawn.values())[:6]]
        images.write(args.show, np.vstack(rows))


if __name__ == "__main__":
    main()
