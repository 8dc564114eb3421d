"""The page's figures on this machine, by its real server.

PYTHONPATH=. .venv/bin/python nbtests/bench/bench_web.py
"""

import argparse
import os
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import psutil
from PIL import Image
from skimage import data

from nbtests.web import kit


def latency(server: kit.Server, runs: int) -> list[float]:
    """Seconds from the first byte sent until the result is on the visitor's side, 256 → 512, one
    visitor.
    """
    visitor, picture, seconds = kit.Visitor(server.address), kit.photograph(256), []
    for k in range(runs + 1):
        start = time.perf_counter()
        path = visitor.send(picture, task="noise_cancel").json()["address"]
        assert visitor.wait(path, step=0.02)["state"] == "done"
        assert visitor.get(f"{path}after.png").content.startswith(b"\x89PNG")
        if k:  # the first warms the connection
            seconds.append(time.perf_counter() - start)
    return seconds


def load(server: kit.Server, clients: int, seconds: float) -> dict:
    """`clients` visitors who send, wait, look and send again, and one who reads static pages
    meanwhile.
    """
    picture, end = kit.photograph(256), time.monotonic() + seconds
    statuses, accepted, pages, wrong, held = Counter(), [], [], [], []

    def send():
        visitor = kit.Visitor(server.address)
        while time.monotonic() < end:
            try:
                answer = visitor.send(picture, task="summer_to_winter")
                statuses[answer.status_code] += 1
                if answer.status_code == 201:
                    path = answer.json()["address"]
                    accepted.append((visitor, path))
                    visitor.wait(path, step=0.4)  # as the page's script
                    statuses[visitor.get(path).status_code] += 1
                    statuses[visitor.get(f"{path}after.png").status_code] += 1
                else:
                    time.sleep(
                        min(int(answer.headers["Retry-After"]), max(0, end - time.monotonic()))
                    )
            except Exception as error:
                wrong.append(repr(error))

    def read():
        visitor = kit.Visitor(server.address)
        style = visitor.get("/").text.split('rel="stylesheet" href="')[1].split('"')[0]
        while time.monotonic() < end:
            for path in ("/", "/about/", style, "/samples/cat.png"):
                start = time.perf_counter()
                statuses[visitor.get(path).status_code] += 1
                pages.append(time.perf_counter() - start)
            held.append(memory(server))
            time.sleep(0.1)

    threads = [threading.Thread(target=send) for _ in range(clients)] + [
        threading.Thread(target=read)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = Counter(visitor.wait(path)["state"] for visitor, path in accepted)
    few = max(1, round(len(held) * 5 / seconds))  # of 5 s
    return {
        "statuses": statuses,
        "states": states,
        "accepted": len(accepted),
        "wrong": wrong,
        "p95": float(np.percentile(pages, 95)),
        "pages": len(pages),
        "memory": (statistics.mean(held[:few]), statistics.mean(held[-few:])),
    }


def cpu(server: kit.Server) -> float:
    """Seconds of CPU time of the server and its processes, those that have ended included."""
    page = psutil.Process(server.process.pid)
    return sum(sum(p.cpu_times()[:4]) for p in [page, *page.children(recursive=True)])


def memory(server: kit.Server) -> float:
    """MB that the server and its processes hold, what they share counted once."""
    total = 0
    page = psutil.Process(server.process.pid)
    for process in [page, *page.children(recursive=True)]:
        with suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 2**20


def hostile_mix(server: kit.Server, seconds: float = 30) -> dict:
    """All at once: a JPEG of 400 scans, a 49-megapixel PNG of 16 bits, 40 slow connections.

    Meanwhile one visitor reads the first page, and another sends a photograph.
    """
    deep = np.full((7000, 7000, 4), 40_000, np.uint16)
    attacks = [kit.scan_bomb(400, 7000), cv2.imencode(".png", deep)[1].tobytes()]
    assert max(map(len, attacks)) < 10**6
    half = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    slow = (
        half + b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000000\r\n\r\n"
    )
    end, answers, pages, held = time.monotonic() + seconds, [], [], []
    stopped = Counter()

    def attack(content: bytes):
        visitor = kit.Visitor(server.address)
        while time.monotonic() < end:
            answers.append(visitor.send(content).status_code)
            time.sleep(0.5)

    def drip(start: bytes):
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(start)
            with suppress(OSError):
                while time.monotonic() < end:
                    connection.sendall(b"x")
                    time.sleep(1)
                return
            stopped["cut off"] += 1

    def read():
        visitor = kit.Visitor(server.address)
        while time.monotonic() < end:
            start = time.perf_counter()
            assert visitor.get("/").status_code == 200
            pages.append(time.perf_counter() - start)
            held.append(memory(server))
            time.sleep(0.2)

    work = [(attack, content) for content in attacks] + [(drip, half)] * 20 + [(drip, slow)] * 20
    threads = [threading.Thread(target=function, args=(given,)) for function, given in work]
    threads.append(threading.Thread(target=read))
    for thread in threads:
        thread.start()
    time.sleep(1)
    uploads = []
    honest, photograph = kit.Visitor(server.address), kit.photograph(1000)
    while time.monotonic() < end - 8:
        start = time.perf_counter()
        answers.append(honest.send(photograph, task="clean").status_code)
        uploads.append(time.perf_counter() - start)
        time.sleep(2)
    for thread in threads:
        thread.join()
    return {
        "answers": Counter(answers),
        "p95": float(np.percentile(pages, 95)),
        "uploads": uploads,
        "memory": max(held),
        "cut off": stopped["cut off"],
    }


def originals_left(folder: Path) -> list[Path]:
    """Files with something of the original, after SIGKILL at ten steps of an upload."""
    left = []
    for step in range(10):
        own = folder / f"killed-{step}"
        own.mkdir()
        environment = os.environ | {"WEB_FOLDER": str(own), "TMPDIR": str(own)}
        command = [sys.executable, "-m", "nbtests.web.killed", str(step)]
        status = subprocess.run(command, env=environment, capture_output=True).returncode
        assert status == -signal.SIGKILL
        left += [p for p in own.rglob("*") if p.is_file() and b"Secretmaker" in p.read_bytes()]
    return left


def twelve_megapixels(server: kit.Server) -> float:
    """Seconds from sending a photograph of 4000×3000 pixels to the result, cleaned at its size."""
    visitor = kit.Visitor(server.address)
    large = kit.encoded(np.asarray(Image.fromarray(data.coffee()).resize((4000, 3000))), quality=90)
    start = time.perf_counter()
    path = visitor.send(large, task="clean").json()["address"]
    assert visitor.wait(path, 300)["state"] == "done"
    return time.perf_counter() - start


def killed(server: kit.Server) -> tuple[Counter, bool]:
    """SIGKILL while one job runs and others wait; the states after the restart, and whether all is
    consistent.
    """
    states = Counter(kit.killed_at_work(server, 4))
    with sqlite3.connect(server.folder / "db.sqlite3") as database:
        whole = database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = database.execute("SELECT stem, state FROM studio_job").fetchall()
    files = {
        f"{stem}-{kind}"
        for stem, state in rows
        for kind in ("before.png", "after.png", "after.small.jpg")[: 3 if state == "done" else 1]
    }
    return states, whole and server.pictures() == files


def refused(server: kit.Server) -> dict[str, str]:
    """What is not refused in words, or leaves a file, of all that is hostile."""
    visitor, before, taken = kit.Visitor(server.address), server.pictures(), {}
    for what, (name, content) in kit.hostile().items():
        answer = visitor.send(content, name)
        print(f"  {what:<40}{answer.status_code}  {answer.json().get('error', '')}")
        if (
            not 400 <= answer.status_code < 500
            or not answer.json().get("error")
            or server.pictures() != before
        ):
            taken[what] = answer.text
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    args = parser.parse_args()
    missed = []

    def bar(held: bool, text: str):
        print(f"{'held  ' if held else 'MISSED'} {text}", flush=True)
        missed.extend([] if held else [text])

    print(
        f"load average at the start: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores",
        flush=True,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        kit.serving(Path(folder), WEB_UPLOADS="1000000") as server,
    ):
        before = cpu(server)
        took = latency(server, args.runs)
        cost = (cpu(server) - before) / (args.runs + 1)
        middle = statistics.median(took)
        spread = (
            f"({min(took):.2f} to {max(took):.2f} s), {cost:.2f} s of the server's CPU time each"
        )
        bar(middle <= 0.8, f"upload to result: median {middle:.2f} s of {len(took)} {spread}")

        found = load(server, args.clients, args.seconds)
        codes, wrong, states = (
            dict(sorted(found["statuses"].items())),
            found["wrong"],
            dict(found["states"]),
        )
        first, last = found["memory"]
        bar(
            set(codes) <= {200, 201, 503} and not wrong,
            f"{args.clients} clients, {args.seconds:.0f} s: {codes} {wrong}",
        )
        bar(
            states == {"done": found["accepted"]},
            f"nothing lost: {states} of {found['accepted']} accepted",
        )
        bar(
            found["p95"] <= 0.3,
            f"static pages under load: p95 {1000 * found['p95']:.0f} ms of {found['pages']}",
        )
        bar(
            last < 1.05 * first,
            f"memory: {first:.0f} MB in the first 5 s, {last:.0f} MB in the last",
        )

        mix = hostile_mix(server)
        print(f"  answers {dict(mix['answers'])}, {mix['cut off']} of 40 slow connections cut off")
        bar(mix["p95"] <= 0.3, f"hostile mix: first page p95 {1000 * mix['p95']:.0f} ms")
        longest = max(mix["uploads"])
        bar(
            longest <= 10,
            f"hostile mix: {len(mix['uploads'])} other uploads, at most {longest:.1f} s",
        )
        bar(mix["memory"] <= 3000, f"hostile mix: at most {mix['memory']:.0f} MB of memory")
        left = originals_left(Path(folder))
        bar(not left, f"SIGKILL at ten steps of an upload: originals left {left}")
        seconds = twelve_megapixels(server)
        bar(seconds <= 30, f"12 megapixels through clean: {seconds:.1f} s")

        states, whole = killed(server)
        ended = whole and set(states) <= {"done", "failed"}
        bar(
            ended,
            f"SIGKILL in the middle of a job: then {dict(states)},"
            f" database and files consistent: {whole}",
        )
        taken = refused(server)
        sent = len(kit.hostile())
        bar(not taken, f"hostile uploads: {sent - len(taken)} of {sent} refused {taken or ''}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
