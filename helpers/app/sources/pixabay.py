"""Photographs from Pixabay."""

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

import requests

from helpers.app.sources.harvest import cached_answer, download_all
from helpers.app.sources.network import session, text

PIXABAY = "https://pixabay.com/api/"


def secret(name: str) -> str | None:
    """The environment's, or Colab's or Kaggle's secret of that name; None where there is none."""
    for give in (os.environ.get, _of_colab, _of_kaggle):
        try:
            if value := (give(name) or "").strip():
                return value
        except Exception:  # not there, no such secret, or no access to it
            continue
    return None


def _of_colab(name: str) -> str:
    from google.colab import userdata

    return userdata.get(name)


def _of_kaggle(name: str) -> str:
    from kaggle_secrets import UserSecretsClient

    return UserSecretsClient().get_secret(name)


def fetch(folder: Path, query: str, limit: int, category: str = "", smallest: int = 0) -> None:
    """Photographs from Pixabay, at most 1280 pixels wide, without those not meant for training.

    Source of the limits: https://pixabay.com/api/docs/ (100 characters, 200 a page, 500 in all,
    24 hours).

    Parameters
    ----------
    folder : where they go
    query : words to look for, 1 to 100 characters
    limit : at most so many photographs, 1 to 200
    category : such as "animals"
    smallest : least width and height in pixels

    Raises
    ------
    ConnectionError : as `network.get`
    ValueError : as `network.get`; a wrong query or limit; no key; no photograph that may be used
    """
    if not query or len(query) > 100:
        raise ValueError(
            f"fetch pixabay needs --query with 1 to 100 characters, got {len(query or '')}"
        )
    if not 1 <= limit <= 200:
        raise ValueError(
            f"--limit {limit} is not between 1 and 200; Pixabay does not allow mass downloads"
        )
    question = {"q": query, "image_type": "photo", "safesearch": "true", "per_page": 200, "page": 1}
    if category:
        question["category"] = category
    if smallest:
        question |= {"min_width": smallest, "min_height": smallest}
    http = session()
    rows = cached_answer(folder, question, lambda: _ask_pixabay(http, question))
    free = [row for row in rows if not row.pop("closed")]
    if not free:
        raise ValueError(
            f"Pixabay has no photograph of {query!r} that may be used for training"
            f" ({len(rows)} others)"
        )
    download_all(http, free[:limit], folder)


def _ask_pixabay(http: requests.Session, question: dict) -> list[dict]:
    """A row for each photograph that Pixabay names."""
    key = secret("PIXABAY_API_KEY")
    if not key:
        raise ValueError(
            f"fetch pixabay needs your API key, free at {PIXABAY}docs/: put it into the environment"
            " variable PIXABAY_API_KEY or, on Colab and Kaggle, into a secret of that name"
        )
    try:
        answer, _ = text(http, PIXABAY, params={**question, "key": key})
    except ValueError as error:
        wrong = getattr(error, "status", None) in (400, 401, 403)
        advice = "is PIXABAY_API_KEY right?" if wrong else "try again later"
        raise ValueError(f"{error}; {advice}") from None
    try:
        return [_pixabay_row(hit) for hit in json.loads(answer)["hits"]]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            "Pixabay's answer is not what its documentation says; try again later"
        ) from None


def _pixabay_row(hit: dict) -> dict:
    """What is kept of a photograph's entry; `closed` where it may not be used for training."""
    url = hit["largeImageURL"]
    ending = "png" if urlsplit(url).path.endswith(".png") else "jpg"
    return {
        "file": f"{int(hit['id'])}.{ending}",
        "id": hit["id"],
        "page": hit["pageURL"],
        "photographer": hit["user"],
        "licence": "Pixabay Content License",
        "url": url,
        "closed": bool(hit.get("noAiTraining") or hit.get("isAiGenerated")),
    }
