"""Bring the pictures that a service or a page names."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import requests
from tqdm.auto import tqdm

from helpers.app import deep
from helpers.app.sources.lists import list_sources, write_refused
from helpers.app.sources.network import download
from helpers.files import replacing

DAY_S = 24 * 60 * 60


def cached_answer(folder: Path, question: dict, ask: Callable[[], object]) -> object:
    """The answer of `ask()`, asked at most once in 24 hours for the same `question`.

    It is kept in `folder/.answers`.
    """
    name = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / ".answers" / f"{name}.json"
    if path.exists() and time.time() - path.stat().st_mtime < DAY_S:
        return json.loads(path.read_text(encoding="utf-8"))
    answer = ask()
    with replacing(path) as part:
        part.write_text(json.dumps(answer), encoding="utf-8")
    return answer


def download_all(
    http: requests.Session, found: Iterable[dict], folder: Path, pause: float = 0
) -> None:
    """Download each row's `url` to `folder/file` unless it is there.

    `SOURCES.csv` says who made what. What is no readable picture is left out and listed in
    `refused.csv`, and the others go on.

    Parameters
    ----------
    http : from `session`
    found : rows with "file" and "url", and what else `SOURCES.csv` shall say
    folder : where they go
    pause : seconds after each

    Raises
    ------
    ConnectionError : the network ends; what has arrived stays
    ValueError : nothing can be used
    """
    rows = {row["file"]: row for row in found}
    refused = []
    try:
        for row in tqdm(rows.values(), desc=f"fetch {folder.name}", leave=False, delay=2):
            if (folder / row["file"]).exists():
                continue
            try:
                download(http, row["url"], folder / row["file"], check=deep.read)
            except ValueError as error:
                reason = str(error).replace(f"{folder}{os.sep}.part.", "")
                refused.append((row["url"], reason))
            time.sleep(pause)
    finally:
        list_sources(folder, rows)
    write_refused(folder, refused, len(rows))
