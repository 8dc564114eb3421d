"""The page's figures on this machine, by its real server.

PYTHONPATH=. .venv/bin/python nbtests/bench/bench_web.py
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import psutil

from nbtests.web import kit


def latency(server: kit.Server, runs: int) -> list[float]:
    """Seconds from the first byte sent until the result is on the visitor's side, 256×256, one
    visitor.
    """
    visitor, picture, seconds = kit.Visitor(server.address), kit.photograph(256), []
    for k in range(runs + 1):
        start = time.perf_counter()
        path = visitor.send(picture, task="summer_to_winter").json()["address"]
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
    statuses, accepted, pages, wrong, memory = Counter(), [], [], [], []
    process = psutil.Process(server.process.pid)

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
            memory.append(process.memory_info().rss / 2**20)
            time.sleep(0.1)

    threads = [threading.Thread(target=send) for _ in range(clients)] + [
        threading.Thread(target=read)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = Counter(visitor.wait(path)["state"] for visitor, path in accepted)
    few = max(1, round(len(memory) * 5 / seconds))  # of 5 s
    return {
        "statuses": statuses,
        "states": states,
        "accepted": len(accepted),
        "wrong": wrong,
        "p95": float(np.percentile(pages, 95)),
        "pages": len(pages),
        "memory": (statistics.mean(memory[:few]), statistics.mean(memory[-few:])),
    }


def killed(server: kit.Server) -> tuple[Counter, bool]:
    """SIGKILL while one job runs and others wait; the states after the restart, and whether all is
    consistent.
    """
    states = Counter(kit.killed_at_work(server, 4))
    with sqlite3.connect(server.folder / "db.sqlite3") as database:
        whole = database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = database.execute("SELECT stem, state FROM studio_job").fetchall()
    files = {
        f"{s}-{which}.png"
        for s, state in rows
        for which in ("before", "after")[: 1 + (state == "done")]
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
        before = psutil.Process(server.process.pid).cpu_times()
        took = latency(server, args.runs)
        after = psutil.Process(server.process.pid).cpu_times()
        cost = (sum(after[:2]) - sum(before[:2])) / (args.runs + 1)
        middle = statistics.median(took)
        spread = (
            f"({min(took):.2f} to {max(took):.2f} s), {cost:.2f} s of the server's CPU time each"
        )
        bar(middle <= 3, f"upload to result: median {middle:.2f} s of {len(took)} {spread}")

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
