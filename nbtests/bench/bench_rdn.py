"""Do the published weights give here what they gave there, and which small RDN can a laptop afford?

    .venv/bin/python nbtests/bench/bench_rdn.py Set5 --rdn rdn-C3-D10-G64-G064-x2.hdf5 \\
        --rrdn rrdn-C4-D3-G32-G032-T10-x4.hdf5

Set5 is a folder with the HR pictures, whose inputs are made by Pillow's bicubic; the weights are
the reader's own copies of idealo's, `.hdf5` or `.npz`. Expected are 36.03 dB PSNR-Y at ×2 (bicubic
33.68) and 30.09 at ×4 (28.43). Then, with or without weights, parameters, receptive radius and
seconds of small networks with random weights for 256×256 → 512×512: warm, the median of seven. Not
a test: nothing here is asserted.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from helpers import images, quiet  # noqa: E402

with quiet():
    from skimage import data

    from helpers import models, tiles
    from helpers.app import benchmark, published

PUBLISHED = {"rdn": (models.rdn, 2), "rrdn": (models.rrdn, 4)}
SMALL = [
    (3, 4, 32, 32),
    (6, 4, 16, 32),
    (3, 6, 32, 32),
    (4, 4, 32, 32),
    (3, 4, 32, 64),
    (3, 8, 32, 32),
    (3, 2, 64, 64),
]


def protocol(name: str, pictures: Path, weights: Path) -> str:
    """The protocol's table of a published network on the HR files of `pictures`, not on `_LR` files
    beside them.
    """
    build, scale = PUBLISHED[name]
    model = published.load_published(build(), weights)
    with tempfile.TemporaryDirectory() as folder:
        for path in images.find(pictures):
            if not path.stem.endswith("_LR"):
                images.write(Path(folder) / f"{path.stem}.png", images.read(path))
        usable, left_out, made = benchmark.pairs(Path(folder), scale, "bicubic")
    small = len(left_out[benchmark.TOO_SMALL])
    heading = (
        f"{len(usable)} pictures ×{scale}, {small} too small; inputs {made}; border {scale} on Y"
    )
    rows = benchmark.benchmark(usable, scale, {name: model})
    return benchmark.table(rows, f"{heading}; {model.count_params():,} parameters")


def seconds(model, lr) -> float:
    """Warm seconds of one enlargement, the median of seven."""
    tiles.apply(model, lr)
    measured = []
    for _ in range(7):
        start = time.perf_counter()
        tiles.apply(model, lr)
        measured.append(time.perf_counter() - start)
    return statistics.median(measured)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path)
    for name in PUBLISHED:
        parser.add_argument(f"--{name}", type=Path, metavar="FILE")
    args = parser.parse_args()
    for name in PUBLISHED:
        if weights := getattr(args, name):
            print(protocol(name, args.pictures, weights), end="\n\n", flush=True)
    lr = images.to_float(data.astronaut())[:256, 128:384]
    print("  C   D   G  G0  parameters  radius  s for 512×512")
    for sizes in SMALL:
        named = dict(zip(("c", "d", "g", "g0"), sizes, strict=True))
        model = models.rdn(2, "subpixel", "bicubic", **named)
        radius = tiles.receptive_radius(model)
        numbers = f"{model.count_params():>12,}{radius:>8}{seconds(model, lr):>15.3f}"
        print("".join(f"{n:>3} " for n in sizes)[:-1] + numbers, flush=True)
