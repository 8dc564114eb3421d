"""How long does `survey` look for copies among many pictures, and does it find those that a slow
loop finds?

The pictures' perceptual hashes are drawn: most are alone, and the others are copies of earlier ones
in which up to 10 of 64 bits are changed.
"""

import argparse
import time

import numpy as np

from helpers.app.sources.surveys import BITS, first_copies


def drawn_hashes(count: int, seed: int) -> list[int]:
    """`count` hashes of 64 bits, a fifth of them near an earlier one."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 1 << 64, count, np.uint64, endpoint=False).tolist()
    for place in range(1, count):
        if rng.random() < 0.2:
            code = hashes[rng.integers(place)]
            for bit in rng.choice(64, rng.integers(11), replace=False).tolist():
                code ^= 1 << bit
            hashes[place] = code
    return hashes


def slow(hashes: list[int]) -> list[int | None]:
    """What `first_copies` finds, pair by pair."""
    found: list[int | None] = []
    for place, code in enumerate(hashes):
        near = (k for k in range(place) if (code ^ hashes[k]).bit_count() <= BITS)
        found.append(next(near, None))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=50_000)
    parser.add_argument("--compare", type=int, default=3000, help="as many by the slow loop, too")
    args = parser.parse_args()
    hashes = drawn_hashes(args.pictures, 0)
    started = time.perf_counter()
    found = first_copies(hashes)
    seconds = time.perf_counter() - started
    copies = sum(first is not None for first in found)
    print(f"{len(hashes):,} pictures: {copies:,} copies in {seconds:.1f} s")
    some = hashes[: args.compare]
    started = time.perf_counter()
    expected = slow(some)
    seconds = time.perf_counter() - started
    same = found[: len(some)] == expected
    print(f"the slow loop on {len(some):,} of them: {seconds:.1f} s, same findings: {same}")


if __name__ == "__main__":
    main()
