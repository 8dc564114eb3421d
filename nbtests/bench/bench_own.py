"""What `restore` does with a reader's own files: hostile folders, a film's plumbing, an aged
portrait and its seam.

    .venv/bin/python nbtests/bench/bench_own.py [--pictures 500] [--frames 60] \\
        [--seconds 30] [--photos FOLDER]

Memory and time of large pictures: `nbtests/bench/bench_restore.py`. Not a test: nothing here is
asserted.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from skimage import data

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "nbtests" / "core")]

import test_hostile  # noqa: E402

from helpers import damage, images, metrics, quiet  # noqa: E402
from helpers.app import deep, film, photo  # noqa: E402

with quiet():
    from helpers import tiles, training
    from helpers.app import photo, train

ASTRONAUT = images.to_float(data.astronaut())


def hostile(count: int, folder: Path) -> None:
    """A folder of mutated pictures in five formats through the command, twice."""
    (folder / "in").mkdir()
    for k in range(count):
        name = test_hostile.FORMATS[k % 5]
        (folder / "in" / f"{k:04d}.{name.lower()}").write_bytes(test_hostile.make(name, k))
    with quiet():  # the decoders' own complaints
        good = sum(whole(path) for path in images.find(folder / "in"))
    for again in ("", " again"):
        command = [
            sys.executable,
            "-m",
            "helpers",
            "restore",
            "in",
            "--to",
            "out",
            "--with",
            "deconv_dogs_x2",
        ]
        start = time.perf_counter()
        done = subprocess.run(
            command, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
        )
        said = sum(line.startswith("error: ") for line in done.stderr.splitlines())
        print(
            f"hostile{again}: {count} files, {good} of them good;"
            f" {done.stdout.splitlines()[-1]}; {said} named, "
            f"exit status {done.returncode}, tracebacks {done.stderr.count('Traceback')}, "
            f"{len(list((folder / 'out').rglob('*.*')))} results,"
            f" {time.perf_counter() - start:.0f} s"
        )


def whole(path: Path) -> bool:
    try:
        return deep.problem(path) is None and (
            not film.moves(path) or len(list(film.frames(path))) > 0
        )
    except ValueError:
        return False


def plumbing(frames: int, folder: Path) -> None:
    """Seconds of a film ×2 without the network's own, beside a plain loop over PyAV and Pillow,
    same encoder.
    """
    source = folder / "film.mp4"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        large = images.resize(ASTRONAUT, (720, 720), "bicubic")
        for k in range(frames):
            part = images.to_uint8(large[2 * k % 300 :, k % 80 :][:360, :640])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(part), "rgb24")))
        out.mux(stream.encode(None))
    model, _ = training.load_weights("deconv_dogs_x2")
    spent = np.zeros(2)

    def draw(frame):
        before = np.array([time.perf_counter(), time.process_time()])
        try:
            return tiles.apply(model, frame)
        finally:
            spent[:] += np.array([time.perf_counter(), time.process_time()]) - before

    def plain():
        with av.open(str(source)) as container, av.open(str(folder / "plain.mp4"), "w") as out:
            stream = out.add_stream("libx264", rate=25, options={"crf": "18"})
            stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
            stream.codec_context.bit_rate = 0
            stream.codec_context.time_base = Fraction(container.streams.video[0].time_base)
            container.streams.video[0].thread_type = "AUTO"
            for frame in container.decode(video=0):
                drawn = av.VideoFrame.from_image(frame.to_image().resize((1280, 720), 3))
                drawn.pts, drawn.time_base = frame.pts, frame.time_base
                out.mux(stream.encode(drawn))
            out.mux(stream.encode(None))

    best = {}
    for _ in range(3):
        for name, call in {
            "ours": lambda: film.rewrite(draw, source, folder / "ours.mp4", "label"),
            "plain": plain,
        }.items():
            spent[:], start = 0, np.array([time.perf_counter(), time.process_time()])
            call()
            taken = np.array([time.perf_counter(), time.process_time()]) - start - spent
            best[name] = np.minimum(best.get(name, np.inf), taken)
    print(
        f"film: {frames} frames 640×360 → 1280×720;"
        f" ours without the network {best['ours'][0]:.2f} s "
        f"({best['ours'][1]:.2f} s of CPU),"
        f" plain {best['plain'][0]:.2f} s ({best['plain'][1]:.2f});"
        f" overhead "
        f"{best['ours'][0] / best['plain'][0] - 1:+.0%}"
        f" (of CPU {best['ours'][1] / best['plain'][1] - 1:+.0%})"
    )
    flicker = film.flicker(film.frames(source), film.frames(folder / "ours.mp4"))
    print(f"film: flicker of the result against its enlarged source {flicker:+.4f} of [0, 1]")


def aged(picture: np.ndarray, seed: int) -> np.ndarray:
    """A grey print, out of focus, moved or in blocks, with grain, and a few scratches."""
    random = np.random.default_rng(seed)
    old = damage.random_damage(picture, seed)
    old = damage.add_noise(old, 3 / 255, seed)
    for _ in range(12):
        column = int(random.integers(old.shape[1]))
        old[:, column] = np.clip(old[:, column] + 0.2 * random.random(), 0, 1)
    return old


def portraits() -> None:
    """PSNR and SSIM of the aged astronaut's face, before and after; then the seam of three ways to
    put it back.
    """
    grey = np.repeat(ASTRONAUT.mean(axis=-1, keepdims=True), 3, axis=-1)
    box = images.faces(ASTRONAUT)[0]
    model, _ = training.load_weights("cae_faces")
    gains = []
    for seed in range(6):
        old = aged(grey, seed)
        truth, before, after = (
            images.crop_box(p, box) for p in (grey, old, photo.portrait(model, old))
        )
        scores = [(metrics.psnr(truth, p), metrics.ssim(truth, p)) for p in (before, after)]
        gains.append(np.subtract(scores[1], scores[0]))
        (psnr, ssim), (better, more) = scores
        print(
            f"aged {seed}, {damage.draw(seed).kind:<7} {psnr:.2f} → {better:.2f} dB,"
            f" SSIM {ssim:.3f} → {more:.3f}"
        )
    print(
        f"aged: mean gain of the face {np.mean(gains, axis=0)[0]:+.2f} dB,"
        f" SSIM {np.mean(gains, axis=0)[1]:+.3f}"
    )
    small, (faces, _) = (
        images.reduce(ASTRONAUT, 4, "pyramid"),
        training.load_weights("espcn_faces_x4"),
    )
    photos, _ = training.load_weights("espcn_photos_x4")
    for name, sr in {
        "bicubic": images.enlarge(small, 4),
        "espcn_photos_x4 everywhere": tiles.apply(photos, small),
        "espcn_faces_x4 on the face": photo.portrait(faces, small),
    }.items():
        truth, face = (images.crop_box(p, box) for p in (ASTRONAUT, sr))
        print(
            f"face ×4 {name:<28}{metrics.psnr(truth, face):.2f} dB,"
            f" SSIM {metrics.ssim(truth, face):.3f}"
        )

    damaged = damage.blur(ASTRONAUT, 2)
    square = images.square_around(images.faces(damaged)[0], damaged.shape, photo.MARGIN)
    top, left, n, _ = square
    crop = np.s_[top : top + n, left : left + n]
    hard, poisson = damaged.copy(), damaged
    hard[crop] = tiles.apply(model, damaged[crop])
    patch, whole = (images.to_uint8(p)[..., ::-1].copy() for p in (hard[crop], damaged))
    mask, centre = np.full((n, n), 255, np.uint8), (left + n // 2, top + n // 2)
    poisson = images.to_float(
        cv2.seamlessClone(patch, whole, mask, centre, cv2.NORMAL_CLONE)[..., ::-1]
    )
    for name, result in {
        "hard": hard,
        "feathered": photo.portrait(model, damaged),
        "Poisson": poisson,
    }.items():
        face = metrics.psnr(
            *(images.crop_box(p, images.faces(damaged)[0]) for p in (ASTRONAUT, result))
        )
        print(
            f"seam, {name:<10}{255 * seam(result, damaged, hard, square):+.2f} steps of 255;"
            f" face {face:.2f} dB"
        )


def alone(seconds: float) -> None:
    """×2 learned from the one picture, beside bicubic and the smallest shipped network, PSNR-Y."""
    model, _ = training.load_weights("deconv_dogs_x2")
    for name, truth in {"astronaut": ASTRONAUT, "chelsea": images.to_float(data.chelsea())}.items():
        truth = images.crop_to_multiple(truth, 2)
        lr = images.reduce(truth, 2)
        results = {
            "bicubic": images.enlarge(lr, 2),
            "deconv_dogs_x2": tiles.apply(model, lr),
        }
        results["zero-shot"] = tiles.apply(train.zero_shot(lr, seconds=seconds), lr)
        scores = [
            f"{method} {metrics.psnr(truth, sr, 2, y=True):.2f}" for method, sr in results.items()
        ]
        print(f"alone, {name} ×2, {seconds:g} s: {', '.join(scores)} dB")


def seam(result: np.ndarray, before: np.ndarray, pasted: np.ndarray, square: images.Box) -> float:
    """How much higher than in both joined pictures the steps between neighbours are on the square's
    worst ring.

    Not on its border alone: a mask that falls within a pixel is zero there, and its seam lies one
    pixel further in.
    """
    top, left, n, _ = square
    outer = np.s_[top - 1 : top + n + 1, left - 1 : left + n + 1]
    inner = np.pad(pasted[outer][1:-1, 1:-1], [(1, 1), (1, 1), (0, 0)], "edge")
    steps = zip(*(rings(part) for part in (result[outer], before[outer], inner)), strict=True)
    return max(np.clip(made - np.maximum(*joined), 0, None).mean() for made, *joined in steps)


def rings(part: np.ndarray) -> list[np.ndarray]:
    """Steps between neighbours across each ring of a square (n, n, 3), from its border inwards,
    pixel by pixel.
    """
    sides, n = [np.rot90(part, k) for k in range(4)], len(part)
    steps = [[np.abs(s[d + 1] - s[d])[d + 1 : n - d - 1] for s in sides] for d in range(n // 4)]
    return [np.concatenate(step).mean(axis=-1) for step in steps]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=30, help="for learning from one picture")
    args = parser.parse_args()
    portraits()
    alone(args.seconds)
    with tempfile.TemporaryDirectory() as folder:
        plumbing(args.frames, Path(folder))
        hostile(args.pictures, Path(folder))
