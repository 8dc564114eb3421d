"""Tilted faces that `restore --portrait` finds, and what it takes for a face in landscapes.

PYTHONPATH=. .venv/bin/python nbtests/bench/bench_faces.py PORTRAITS LANDSCAPES

Each portrait (CelebA's crops: one face, upright) is turned as a whole; a box counts as found where
its middle is within a quarter of the picture's short side of the face's. Beside it stands the
control, `images.faces`, which looks for upright faces alone. A landscape counts once, however many
boxes it has: choose a folder without people.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from helpers import images
from helpers.app import photo

MIDDLE = 0.55  # of the height: where the face of CelebA's crops is
FINDERS = {"upright alone": images.faces, "as restore": photo.faces}


def found(boxes: list[images.Box], down: float, right: float, side: float) -> bool:
    return any(
        abs(box.top + box.height / 2 - down) < side / 4
        and abs(box.left + box.width / 2 - right) < side / 4
        for box in boxes
    )


def some(folder: Path, most: int) -> list[np.ndarray]:
    """At most so many pictures, from all over the folder."""
    paths = images.find(folder)
    chosen = np.linspace(0, len(paths) - 1, min(most, len(paths))).round().astype(int)
    return [images.read(paths[k]) for k in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("portraits", type=Path)
    parser.add_argument("landscapes", type=Path)
    parser.add_argument("--most", type=int, default=100, help="pictures of each folder")
    args = parser.parse_args()
    portraits = some(args.portraits, args.most)
    landscapes = some(args.landscapes, args.most)
    for degrees in (0, 10, 20, -20, 30, -30):
        hits = dict.fromkeys(FINDERS, 0)
        for picture in portraits:
            height, width = picture.shape[:2]
            turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
            right, down = turn @ (width / 2, MIDDLE * height, 1)
            turned = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
            for name, finder in FINDERS.items():
                hits[name] += found(finder(turned), down, right, min(height, width))
        print(f"turned by {degrees:>3}°: {hits} of {len(portraits)}", flush=True)
    false = {name: sum(bool(f(p)) for p in landscapes) for name, f in FINDERS.items()}
    print(f"landscapes with a face: {false} of {len(landscapes)}")


if __name__ == "__main__":
    main()
