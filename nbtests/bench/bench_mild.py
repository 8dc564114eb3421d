"""Photographs that are a little damaged, or not at all: what each network makes of them, in dB.

`python nbtests/bench/bench_mild.py FOLDER --with NAME [NAME…]` takes the middle 384×256 of each
picture in FOLDER, harms it in ten ways and not at all, and prints PSNR-Y over the untouched
picture, beside an unsharp mask and beside doing nothing; and how many pictures became worse by more
than 0.1 dB.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from skimage.filters import unsharp_mask
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from helpers import damage, images, metrics, tiles, training

DAMAGES = {
    "none": lambda p, s: p,
    "noise 5": lambda p, s: damage.add_noise(p, 5 / 255, s),
    "noise 10": lambda p, s: damage.add_noise(p, 10 / 255, s),
    "noise 15": lambda p, s: damage.add_noise(p, 15 / 255, s),
    "jpeg 30": lambda p, s: damage.jpeg(p, 30),
    "jpeg 45": lambda p, s: damage.jpeg(p, 45),
    "jpeg 60": lambda p, s: damage.jpeg(p, 60),
    "blur 1": lambda p, s: damage.blur(p, 1),
    "blur 1.5": lambda p, s: damage.blur(p, 1.5),
    "blur 2": lambda p, s: damage.blur(p, 2),
    "phone": lambda p, s: damage.jpeg(damage.add_noise(damage.blur(p, 0.7), 5 / 255, s), 60),
}


def middle(picture: np.ndarray, height: int = 256, width: int = 384) -> np.ndarray:
    """The centred part; of an upright picture turned by a quarter."""
    if picture.shape[0] > picture.shape[1]:
        picture = np.rot90(picture)
    top = (picture.shape[0] - height) // 2
    left = (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--with", dest="names", nargs="+", default=[])
    args = parser.parse_args()
    methods = {
        "unsharp": lambda p: unsharp_mask(p, 1.5, 1, channel_axis=2)
    }  # -1 fails in skimage 0.26
    for name in args.names:
        model, _ = training.load_weights(name)
        methods[name] = lambda p, model=model: tiles.apply(model, p)
    pictures = {path.stem: middle(images.read(path)) for path in images.find(args.folder)}
    print(f"{len(pictures)} pictures, PSNR-Y in dB: untouched, then what each method adds")
    for kind, harm in DAMAGES.items():
        gains = {name: [] for name in methods}
        before = []
        for stem, clean in tqdm(pictures.items(), kind, leave=False, delay=2):
            damaged = images.to_float(images.to_uint8(harm(clean, stem)))
            untouched = metrics.psnr(clean, damaged, y=True)
            before.append(untouched)
            for name, method in methods.items():
                after = metrics.psnr(clean, method(damaged), y=True)
                gains[name].append(after if kind == "none" else after - untouched)
        line = f"{kind:<9}{np.mean(before):>7.2f}"
        for name, values in gains.items():
            worse = sum(value < -0.1 for value in values)
            line += f"  {name} {np.mean(values):+.2f} (least {min(values):+.2f}, {worse} worse)"
        print(line, flush=True)


if __name__ == "__main__":
    main()
