"""The pictures of one web page."""

import hashlib
import re
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import requests
from bs4 import BeautifulSoup

from helpers import images
from helpers.app.sources.harvest import cached_answer, download_all
from helpers.app.sources.network import session, text
from helpers.app.sources.robots import Robots


def fetch(folder: Path, url: str, limit: int) -> None:
    """The pictures that a web page links to or shows, where robots.txt allows it.

    Nothing beyond that page is followed. Ask first whether you may take them: robots.txt speaks of
    robots, not of rights.

    Parameters
    ----------
    folder : where they go
    url : the page
    limit : at most so many pictures

    Raises
    ------
    ConnectionError : as `network.get`
    ValueError : as `network.get`; no address; robots.txt does not allow it; no pictures
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(
            f"fetch page needs --from with the address of a page, such as https://…, got {url!r}"
        )
    if limit < 1:
        raise ValueError(f"--limit {limit} brings nothing; give 1 or more")
    http = session()
    answer = cached_answer(folder, {"page": url}, lambda: _ask_page(http, url))
    found = [
        {"file": _file_name(link), "url": link, "page": url} for link in answer["links"][:limit]
    ]
    download_all(http, found, folder, answer["pause"])


def _ask_page(http: requests.Session, url: str) -> dict:
    """The pictures that a page links to and robots.txt allows, and the pause after each."""
    hosts: dict[str, Robots | None] = {}
    if not _allowed(http, url, hosts):
        raise ValueError(
            f"robots.txt of {urlsplit(url).netloc} does not allow this page; ask its owner"
        )
    answer, final = text(http, url, "text/html")
    links = _picture_links(answer, final)
    allowed = [link for link in links if _allowed(http, link, hosts)]
    if not allowed:
        raise ValueError(
            f"this page links to {len(links)} pictures, and robots.txt allows none of them"
        )
    pause = max(robots.pause for robots in hosts.values() if robots)
    return {"links": allowed, "pause": pause or 1.0}


def _picture_links(page: str, url: str) -> list[str]:
    """The addresses of the pictures that the HTML of `url` names, each once."""
    soup = BeautifulSoup(page, "html.parser")
    base = url
    if soup.base and soup.base.get("href"):
        base = urljoin(url, soup.base["href"])
    links = []
    for tag in soup.select("a[href], img[src]"):
        link = urljoin(base, tag.get("href") or tag.get("src")).partition("#")[0]
        suffix = Path(urlsplit(link).path).suffix.lower()
        if link.startswith("http") and suffix in images.SUFFIXES and link not in links:
            links.append(link)
    return links


def _allowed(http: requests.Session, url: str, hosts: dict[str, Robots | None]) -> bool:
    """Whether the robots.txt of the host allows `url`; `hosts` holds those that are known.

    By RFC 9309 a missing one allows everything, and one that cannot be had nothing (None).
    """
    top = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    if top not in hosts:
        product = http.headers["User-Agent"].partition("/")[0]
        try:
            hosts[top] = Robots(text(http, f"{top}/robots.txt")[0], product)
        except ValueError as error:
            status = getattr(error, "status", 0)
            missing = status in (400, 404) or 410 <= status < 420
            hosts[top] = Robots("", product) if missing else None
    robots = hosts[top]
    return robots is not None and robots.allows(url)


def _file_name(url: str) -> str:
    """A name that every disk takes, and no other address gets."""
    path = Path(unquote(urlsplit(url).path))
    stem = re.sub(r"[^\w-]+", "_", path.stem)[:60].strip("_") or "picture"
    return f"{stem}_{hashlib.sha256(url.encode()).hexdigest()[:8]}{path.suffix.lower()}"
