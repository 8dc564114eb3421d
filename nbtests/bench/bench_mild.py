"""Photographs that are a little damaged, or not at all: what each network makes of them, in dB.

`python nbtests/bench/bench_mild.py FOLDER --with NAME [NAME…]` takes the middle 384×256 of each
picture in FOLDER, harms it in ten ways and not at all, and prints PSNR-Y over the untouched
picture, beside an unsharp mask and beside doing nothing; and how many pictures became worse by more
than 0.1 dB. "auto" is the network that `advice.suggest` names, or none; for it the last line
compares with the best of the other networks on each picture, and says how many undamaged pictures
are left alone.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
from skimage.filters import unsharp_mask
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from helpers import damage, images, metrics, tiles
from helpers.app import advice

OTHERS = ["unsharp", "auto"]  # no networks of their own

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


def result(name: str, picture: np.ndarray) -> np.ndarray:
    """What a shipped network makes of a picture, as a file keeps it."""
    model, _ = advice.network(name)
    return images.rounded(tiles.apply(model, picture))


def as_suggested(picture: np.ndarray) -> np.ndarray:
    """The picture after the network that is suggested for it; itself where none is."""
    _, name, _ = advice.suggest(picture)
    return result(name, picture) if name else picture


def compare_with_best(gains: dict[str, dict[str, list[float]]]) -> str:
    """The mean of "auto" beside that of the best network for each picture, and what it left alone.

    Parameters
    ----------
    gains : {damage: {method: dB over the untouched picture, for each picture}}; of "none" the PSNR

    Returns
    -------
    one line
    """
    left_alone = np.isinf(gains["none"]["auto"])
    auto = []
    best = []
    worse = list(~left_alone)
    for kind, methods in gains.items():
        if kind != "none":
            auto += methods["auto"]
            worse += [gain < -0.1 for gain in methods["auto"]]
            networks = [values for name, values in methods.items() if name not in OTHERS]
            best += list(np.max([*networks, np.zeros(len(left_alone))], axis=0))
    share = np.mean(auto) / np.mean(best)
    line = f"auto {np.mean(auto):+.2f} dB, the best network of each picture {np.mean(best):+.2f}"
    line += f" ({share:.0%}); {np.mean(worse):.1%} became worse by more than 0.1 dB"
    return line + f"; {sum(left_alone)} of {len(left_alone)} undamaged ones left alone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--with", dest="names", nargs="+", default=[])
    args = parser.parse_args()
    methods = {"unsharp": lambda p: unsharp_mask(p, 1.5, 1, channel_axis=2)}
    for name in args.names:
        methods[name] = as_suggested if name == "auto" else partial(result, name)
    pictures = {path.stem: middle(images.read(path)) for path in images.find(args.folder)}
    print(f"{len(pictures)} pictures, PSNR-Y in dB: untouched, then what each method adds")
    everything = {}
    for kind, harm in DAMAGES.items():
        gains = everything[kind] = {name: [] for name in methods}
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
    if "auto" in methods:
        print(compare_with_best(everything))


if __name__ == "__main__":
    main()
