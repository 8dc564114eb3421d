"""Pictures from everywhere: your folder, published sets, Pixabay, a web page; and surveys.

`network` brings what an address holds, `harvest` the pictures that `pixabay` or a `page` names,
as far as `robots` allows it. `originals` opens a folder or a zip, from which `own` takes your
pictures and `sets` a published set. `lists` writes SOURCES.csv and refused.csv, and `surveys` says
what lies in a folder.
"""

import os
from pathlib import Path

from helpers.app.sources import own, page, pixabay, sets
from helpers.app.sources.network import download, session
from helpers.app.sources.sets import celeba_splits, unsplash_pairs
from helpers.app.sources.surveys import summary, survey

__all__ = [
    "celeba_splits",
    "download",
    "fetch",
    "session",
    "summary",
    "survey",
    "unsplash_pairs",
]


def fetch(
    source: str,
    folder: Path,
    origin: str | os.PathLike | None = None,
    limit: int = 50,
    **search: str | int,
) -> Path:
    """Bring every source but the sample to `folder`.

    Parameters, results and errors are those of `helpers.download.fetch`; `search` is Pixabay's.
    """
    if source == "own":
        own.fetch(folder, origin)
    elif source == "pixabay":
        pixabay.fetch(folder, limit=limit, **search)
    elif source == "page":
        page.fetch(folder, str(origin or ""), limit)
    elif source in sets.SETS:
        sets.fetch(source, folder, origin)
    else:
        known = ", ".join(["sample", "own", *sets.SETS, "pixabay", "page"])
        raise ValueError(f"unknown source {source!r}; choose one of {known}")
    return folder
