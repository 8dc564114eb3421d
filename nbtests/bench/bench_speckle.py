"""What a network that draws detail leaves on flat fields: its speckle.

`python nbtests/bench/bench_speckle.py FOLDER [--with NAME…] [--rrdn FILE]` reduces the middle
512×512 of each picture four times by bicubic and enlarges it again. A flat field is a square of
16×16 pixels whose luma, in the picture as it was, differs from the plane through it by less than
1.5 of 255 (standard deviation). Printed are that deviation of the results in the same squares, of
255, and its ratio to the original's; squares that are flatter than 0.3 are left out, since a ratio
to nearly nothing says nothing. Beside it stands PSNR-Y of the whole. "bicubic" is the control: it
draws no detail, and takes grain away. `--rrdn` takes your own copy of idealo's weights of ESRGAN.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from helpers import images, metrics, models, tiles, training
from helpers.app.published import load_published

SIDE = 16
FLAT = 1.5 / 255
EMPTY = 0.3 / 255
NETWORKS = ["espcn_photos_x4", "rdn_photos_x4", "srgan_photos_x4"]


def middle(picture: np.ndarray, side: int = 512) -> np.ndarray:
    """The centred square, at most `side` pixels wide and a multiple of `SIDE`."""
    height, width = (min(side, length) // SIDE * SIDE for length in picture.shape[:2])
    top = (picture.shape[0] - height) // 2
    left = (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def deviations(picture: np.ndarray) -> np.ndarray:
    """Of each square of `SIDE` pixels, how far luma lies from the plane through it: (squares,)."""
    luma = metrics.luma(picture)
    rows, columns = (length // SIDE for length in luma.shape)
    squares = luma.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, SIDE**2)
    down, across = np.mgrid[:SIDE, :SIDE].reshape(2, -1)
    plane = np.stack([np.ones_like(down), down, across], axis=1)
    found, *_ = np.linalg.lstsq(plane, squares.T, rcond=None)
    return (squares.T - plane @ found).std(axis=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--with", dest="networks", nargs="+", default=NETWORKS)
    parser.add_argument("--rrdn", type=Path)
    args = parser.parse_args()
    methods = {"bicubic": lambda low: images.enlarge(low, 4)}
    for name in args.networks:
        model, _ = training.load_weights(name)
        methods[name] = lambda low, model=model: tiles.apply(model, low)
    if args.rrdn:
        published = load_published(models.rrdn(), args.rrdn)
        methods["ESRGAN, published"] = lambda low: tiles.apply(published, low)
    flat = {"the original": []} | {name: [] for name in methods}
    psnr = {name: [] for name in methods}
    for path in tqdm(images.find(args.folder)):
        high = middle(images.read(path))
        own = deviations(high)
        chosen = (own > EMPTY) & (own < FLAT)
        flat["the original"].extend(own[chosen])
        low = images.rounded(images.reduce(high, 4))
        for name, method in methods.items():
            result = images.rounded(method(low))
            flat[name].extend(deviations(result)[chosen])
            psnr[name].append(metrics.psnr(high, result, border=4, y=True))
    own = np.mean(flat["the original"])
    print(f"{len(flat['the original']):,} flat squares of {SIDE}×{SIDE} in {len(psnr['bicubic'])}")
    print(f"{'':<20}deviation  ratio  PSNR-Y")
    for name, values in flat.items():
        mean = np.mean(values)
        whole = f"{np.mean(psnr[name]):8.2f}" if name in psnr else ""
        print(f"{name:<20}{255 * mean:9.2f}{mean / own:7.2f}{whole}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
