"""10,000 pictures from a folder to pairs, on one process and on two: `python
nbtests/bench/bench_prepare.py [N]`.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
from skimage import data

from helpers import download, images, quiet


def draw(folder: Path, n: int) -> None:
    """n different JPEG files of 320×240, cut from an embedded photograph."""
    rng = np.random.default_rng(0)
    source = images.to_float(data.astronaut())
    for k in range(n):
        top, left = rng.integers(0, (512 - 240, 512 - 320))
        images.write(
            folder / f"{k // 1000}" / f"{k:05d}.jpg",
            source[top : top + 240, left : left + 320] * rng.uniform(0.5, 1),
        )


class Peak(threading.Thread):
    """The largest resident memory of this process and its children, in MB, in each third of the
    time.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.samples, self.stop = [], False

    def run(self):
        me = psutil.Process()
        while not self.stop:
            total = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    total += process.memory_info().rss
                except psutil.Error:
                    continue
            self.samples.append(total / 1e6)
            time.sleep(0.2)


def measure(raw: Path, work: Path, processes: int, n: int) -> float:
    peak = Peak()
    peak.start()
    start = time.perf_counter()
    os.environ["LOKY_MAX_CPU_COUNT"] = str(processes)  # as many as joblib sees
    own = download.fetch("own", origin=raw, to=work / "own")
    with quiet():  # here, since the other processes import this file, and need no TensorFlow
        from helpers import batching

    pictures = dict.fromkeys(images.find(own), "train")
    rows = batching.prepare(pictures, work / "pairs", size=176, per_picture=1)
    seconds = time.perf_counter() - start
    peak.stop = True
    peak.join()
    assert len(rows) == n
    third = max(1, len(peak.samples) // 3)
    early, late = max(peak.samples[:third]), max(peak.samples[-third:])
    print(
        f"{processes} process(es): {n / seconds:.1f} pictures/s,"
        f" memory {early:.0f} MB early, {late:.0f} MB late"
    )
    return seconds


def main(n: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        draw(folder / "raw", n)
        one, two = (measure(folder / "raw", folder / str(k), k, n) for k in (1, 2))
        print(f"two against one: {one / two:.2f} times as fast")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
