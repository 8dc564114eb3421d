"""What a stranger sees in a season or a night that a network made: in figures, and as a sheet.

    .venv/bin/python nbtests/bench/bench_changes.py FOLDER --with A_TO_B B_TO_A [--sheet FILE]
    .venv/bin/python nbtests/bench/bench_changes.py --photos FOLDER --with NAME [NAME…]
    .venv/bin/python nbtests/bench/bench_changes.py --photos data/raw/sample --with NAME [NAME…] \
        --shown china.png coffee.png --sheet FILE

FOLDER holds two folders, A before B in the alphabet, or trainA, trainB, testA and testB. Of the
held-out scenes the first 40 of each are measured, none chosen: the real pictures of A and of B,
then what each network makes of them, and, as a control, the same network with random weights.
With --photos the middle squares of any photographs are measured instead: there skies, seas and skin
should stay as they are.

--sheet draws twelve of each direction, at equal distances in the list, or those that --shown names:
above the picture and below what became of it.

- snow: share of bright grey pixels below the upper third
- green: share of green pixels there
- dark: share of pixels whose luma is below 0.15
- blobs: new white spots in a picture, each 0.1 % of it or more
- holes: share of pictures that turned black, without any gradient, on more than 2 % of them
- SSIM: of luma, to the picture that went in
- blue, skin: mean change of such pixels, in steps of 255
"""

import argparse
import sys
from pathlib import Path

import cv2
import keras
import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from helpers import images, metrics, tiles, training
from helpers.app import unpaired

MOST = 40


def hsv(picture: np.ndarray) -> tuple[np.ndarray, ...]:
    """Hue in degrees, saturation and value in [0, 1], each (h, w)."""
    return tuple(np.moveaxis(cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2HSV), -1, 0))


def luma(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32), cv2.COLOR_RGB2GRAY)


def snow(picture: np.ndarray) -> float:
    _, saturation, value = hsv(picture[len(picture) // 3 :])
    return float(((value > 0.65) & (saturation < 0.12)).mean())


def green(picture: np.ndarray) -> float:
    hue, saturation, value = hsv(picture[len(picture) // 3 :])
    return float(((hue > 65) & (hue < 170) & (saturation > 0.2) & (value > 0.1)).mean())


def dark(picture: np.ndarray) -> float:
    return float((luma(picture) < 0.15).mean())


def blobs(before: np.ndarray, after: np.ndarray) -> int:
    """New white spots: white now, not bright before, wider than 2 pixels."""
    new = (luma(after) > 0.95) & (luma(before) < 0.8)
    labels, _ = ndimage.label(ndimage.binary_opening(new))
    areas = np.bincount(labels.ravel())[1:]
    return int((areas > 0.001 * new.size).sum())


def hole(before: np.ndarray, after: np.ndarray) -> float:
    """Share of the picture that is black and flat now, and had a gradient before."""
    slope_before, slope_after = (
        ndimage.gaussian_gradient_magnitude(luma(picture), 1) for picture in (before, after)
    )
    flat = (luma(after) < 0.05) & (slope_after < 0.004) & (slope_before > 0.012)
    return float(ndimage.binary_opening(flat).mean())


def is_blue(picture: np.ndarray) -> np.ndarray:
    hue, saturation, value = hsv(picture)
    return (hue > 180) & (hue < 260) & (saturation > 0.15) & (value > 0.2)


def is_skin(picture: np.ndarray) -> np.ndarray:
    """By the limits of Chai and Ngan 1999 in Cr and Cb: sand and wood pass, too."""
    _, red, blue = np.moveaxis(cv2.cvtColor(images.to_uint8(picture), cv2.COLOR_RGB2YCrCb), -1, 0)
    return (red >= 133) & (red <= 173) & (blue >= 77) & (blue <= 127)


def changed(chosen, before: list[np.ndarray], after: list[np.ndarray]) -> float:
    """The mean change of chosen pixels, in steps of 255."""
    changes = [np.abs(b - a)[chosen(b)].ravel() for b, a in zip(before, after, strict=True)]
    return 255 * float(np.concatenate(changes).mean())


def row(name: str, after: list[np.ndarray], before: list[np.ndarray]) -> str:
    """A line of the table."""
    pairs = list(zip(before, after, strict=True))
    shares = [np.mean([share(p) for p in after]) for share in (snow, green, dark)]
    spots = np.mean([blobs(b, a) for b, a in pairs])
    holes = np.mean([hole(b, a) > 0.02 for b, a in pairs])
    alike = np.mean([metrics.ssim(b, a, y=True) for b, a in pairs])
    blue = changed(is_blue, before, after)
    skin = changed(is_skin, before, after)
    told = f"{name:<22}" + "".join(f"{share:>8.3f}" for share in shares)
    return told + f"{spots:>8.3f}{holes:>8.0%}{alike:>8.3f}{blue:>8.1f}{skin:>8.1f}"


def pictures(paths: list[Path]) -> list[np.ndarray]:
    return list(images.to_float(unpaired.squares(paths[:MOST])))


def result(model: keras.Model, before: list[np.ndarray]) -> list[np.ndarray]:
    """What a network makes of pictures, as files keep it."""
    return [images.rounded(tiles.apply(model, picture)) for picture in before]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--with", dest="names", nargs="+", required=True)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--shown", nargs="+", metavar="FILE", help="names of files in --photos")
    args = parser.parse_args()
    if (args.folder is None) == (args.photos is None):
        parser.error("give either a FOLDER with two sets, or --photos FOLDER")
    if args.shown and not args.photos:
        parser.error("--shown needs --photos")
    heads = ("snow", "green", "dark", "blobs", "holes", "SSIM", "blue", "skin")
    print(f"{'':<22}" + "".join(f"{head:>8}" for head in heads))
    if args.photos:
        paths = images.find(args.photos)[:MOST]
        sides = [pictures(paths)] * len(args.names)
        print(row("as they are", sides[0], sides[0]))
    else:
        sets = unpaired.sets(args.folder)
        sides = [pictures(sets["testA"]), pictures(sets["testB"])]
        for name, side in zip("AB", sides, strict=True):
            print(row(f"real {name}, {len(side)}", side, side))
    rows = []
    for name, before in zip(args.names, sides, strict=True):
        model, _ = training.load_weights(name)
        after = result(model, before)
        print(row(name, after, before), flush=True)
        keras.utils.set_random_seed(0)
        untrained = result(keras.models.clone_model(model), before)
        print(row("  its random weights", untrained, before), flush=True)
        shown = np.linspace(0, len(before) - 1, 12).astype(int)
        if args.shown:
            shown = [[path.name for path in paths].index(name) for name in args.shown]
        rows += [np.hstack([before[k] for k in shown]), np.hstack([after[k] for k in shown])]
    if args.sheet:
        images.write(args.sheet, np.vstack(rows))


if __name__ == "__main__":
    main()
