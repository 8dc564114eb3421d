"""A recipe trained under JAX on one device, on two, and by two processes:

    .venv/bin/python nbtests/bench/bench_devices.py FOLDER [--name espcn_photos_x4]

It wants pictures, and JAX (`make jax`); devices are processors' here, unless `--gpus` shows those
that are there. The ways take turns in each round, because other programs may run beside them. Every
run prepares the pictures and trains in a folder of its own; the last one is killed in the middle,
both processes of it, and started again. Printed are the time of a step (median), how far the losses
lie from those of one device, and the hash of the weights. Not a test: nothing here is asserted.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
# A way's number of processes, and of devices in each
WAYS = {"1 device": (1, 1), "2 devices": (1, 2), "2 processes": (2, 1)}


def work(args: argparse.Namespace) -> None:
    """One process of one training; prints what it measured as JSON."""
    from helpers import quiet

    with quiet():
        from helpers import images, training
        from helpers.app import train
    number = os.environ.get("KERAS_DISTRIBUTION_PROCESS_ID", "0")
    weights = args.to / f"weights of process {number}"
    train.ROOT = args.to
    train.EPOCH = args.epoch
    train.training_folder = lambda name: args.to / "training" / name
    training.save_weights.__defaults__ = (weights,)
    told = {}
    fit = training.fit

    def timed(*positional, **options):
        start = time.perf_counter()
        run = fit(*positional, **options)
        told["seconds"] = time.perf_counter() - start
        told["losses"] = run.history["loss"]
        told["psnr"] = run.history["val_psnr"]
        return run

    training.fit = timed
    pictures = train.split(args.name, images.find(args.folder))
    train.train(args.name, pictures, args.steps)
    told["hashes"] = [card_hash(path) for path in weights.glob("*.safetensors")]
    print("\n" + json.dumps(told))


def card_hash(path: Path) -> str:
    """The hash of the arrays that a file of weights names."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["card"])["sha256"][:16]


def start(args: argparse.Namespace, way: str, to: Path) -> list[subprocess.Popen]:
    """The processes of a training."""
    processes, devices = WAYS[way]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    started = []
    for number in range(processes):
        environment = os.environ | {"KERAS_BACKEND": "jax"}
        if not args.gpus:
            flag = f"--xla_force_host_platform_device_count={devices}"
            environment |= {"XLA_FLAGS": flag, "CUDA_VISIBLE_DEVICES": "-1"}
        if processes > 1:
            environment["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = f"127.0.0.1:{port}"
            environment["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(processes)
            environment["KERAS_DISTRIBUTION_PROCESS_ID"] = str(number)
        command = [sys.executable, __file__, str(args.folder), "--to", str(to)]
        for option in ("name", "steps", "epoch"):
            command += [f"--{option}", str(getattr(args, option))]
        with (to / f"log of process {number}").open("a") as log:
            options = {"env": environment, "cwd": ROOT, "stderr": log, "text": True}
            started.append(subprocess.Popen(command, stdout=subprocess.PIPE, **options))
    return started


def kill(args: argparse.Namespace, started: list[subprocess.Popen], to: Path) -> None:
    """End all processes once half of the training is kept."""
    half = args.steps // args.epoch // 2
    while not list(to.glob(f"training/*/last-{half:06d}.weights.h5")):
        time.sleep(0.02)
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    kept = [path.name for path in to.glob("training/*/last-*")]
    print(f"killed when {kept} was there; started again", flush=True)


def measure(args: argparse.Namespace, way: str, killed: bool = False) -> list[dict]:
    """What each process of one run tells."""
    with tempfile.TemporaryDirectory() as folder:
        to = Path(folder)
        started = start(args, way, to)
        if killed:
            kill(args, started, to)
            started = start(args, way, to)
        told = []
        for number, process in enumerate(started):
            out, _ = process.communicate()
            if process.returncode:
                sys.exit((to / f"log of process {number}").read_text()[-3000:])
            told.append(json.loads(out.splitlines()[-1]))
        return told


def row(args: argparse.Namespace, way: str, told: list[dict], seconds: list[float]) -> str:
    """A line of the table: what all processes of a way told, in all rounds."""
    reference = told[0]["reference"]
    off = 0.0
    hashes: dict[str, int] = {}
    for one in told:
        rest = reference[len(reference) - len(one["losses"]) :]  # after a kill, process 1's
        off = max(off, *(abs(a - b) for a, b in zip(rest, one["losses"], strict=True)))
        for found in one["hashes"]:
            hashes[found] = hashes.get(found, 0) + 1
    step = statistics.median(seconds) / args.steps * 1e3
    found = ", ".join(f"{name} {times}×" for name, times in hashes.items())
    return f"{way:<24}{step:8.0f}{off:13.1e}{told[0]['psnr'][-1]:10.4f}  {found}"


def main(args: argparse.Namespace) -> None:
    results: dict[str, list[dict]] = {}
    seconds: dict[str, list[float]] = {}
    ways = [*list(WAYS) * args.rounds, "2 processes, killed"]
    for way in ways:
        told = measure(args, way.removesuffix(", killed"), way.endswith("killed"))
        reference = results["1 device"][0]["losses"] if results else told[0]["losses"]
        for one in told:
            one["reference"] = reference
        results.setdefault(way, []).extend(told)
        seconds.setdefault(way, []).append(told[0]["seconds"])
        load = os.getloadavg()[0]
        print(f"{row(args, way, told, seconds[way][-1:])}   load {load:.1f}", flush=True)
    listed = " ".join(f"{loss:.6f}" for loss in reference)
    print(f"\nlosses of {args.epoch} steps each on 1 device: {listed}")
    print(
        f"{'':<24}{'ms/step':>8}{'loss off by':>13}{'val PSNR':>10}  SHA-256 of weights, as often"
    )
    for way, told in results.items():
        print(row(args, way, told, seconds[way]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="pictures")
    parser.add_argument("--name", default="espcn_photos_x4", help="a recipe")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--epoch", type=int, default=10, help="steps between two measurements")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gpus", action="store_true", help="do not hide GPUs")
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.to:
        work(args)
    else:
        main(args)
