"""Pictures from the network: politely, resumably, verified, and without a secret in any message."""

import csv
import datetime
import hashlib
import json
import os
import re
import time
import tomllib
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import requests
from bs4 import BeautifulSoup
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from helpers import ROOT, images, replacing, write_csv

PIXABAY = "https://pixabay.com/api/"
PATIENCE = 30  # seconds without an answer, or with less than 1 kB/s, until a connection counts as broken
LONGEST = 120  # seconds that a server may ask us to wait
BACKOFF = 1.0  # seconds before the second retry; doubled each time
TRIES = 5
DAY = 24 * 60 * 60
KEPT = "what has arrived is kept, and the same command goes on from there"


class _Asked(Exception):
    """A server asks to be left alone for longer than a reader would wait."""


class _Refused(ValueError):
    """A server's answer with a status of 400 or more."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class _Patience(Retry):
    def get_retry_after(self, response):
        wait = super().get_retry_after(response)
        if wait is None and response.status == 429:  # Pixabay says it in its own way
            wait = int(re.match(r"\d*", response.headers.get("X-RateLimit-Reset", ""))[0] or 0) or None
        if wait and wait > LONGEST:
            raise _Asked(f"{wait:.0f}")
        return wait


def session() -> requests.Session:
    """Tries again after 429 and 5xx, waits as long as it is asked to, and says who asks."""
    retry = _Patience(
        total=TRIES,
        connect=2,
        backoff_factor=BACKOFF,
        status_forcelist=[429, 500, 502, 503, 504],
        raise_on_status=False,
    )
    http = requests.Session()
    http.mount("https://", HTTPAdapter(max_retries=retry))
    http.mount("http://", HTTPAdapter(max_retries=retry))
    http.max_redirects = 10
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    http.headers["User-Agent"] = f"{project['name']}/{project['version']} (+{project['urls']['Repository']})"
    return http


def get(http: requests.Session, url: str, **options) -> requests.Response:
    """One answer with a status below 400. The messages name the host and never what was asked of it.

    Raises ConnectionError for what may be over tomorrow (no network, too slow, 429), and ValueError for the rest.
    """
    host = urlsplit(url).netloc.rpartition("@")[2] or "this address"
    try:
        response = http.get(url, timeout=PATIENCE, **options)
    except _Asked as error:
        raise ConnectionError(f"{host} asks to be left alone for {error} s (429); {KEPT}") from None
    except requests.TooManyRedirects:
        raise ValueError(f"{host} redirects in a circle") from None
    except requests.Timeout:
        raise ConnectionError(f"{host} did not answer within {PATIENCE} s; {KEPT}") from None
    except (requests.ConnectionError, HTTPError):
        raise ConnectionError(f"cannot reach {host}: is the network there? {KEPT}") from None
    except requests.RequestException as error:
        raise ValueError(f"{host} gave no answer ({type(error).__name__}); check the address") from None
    if response.status_code < 400:
        return response
    response.close()
    if response.status_code == 429:
        raise ConnectionError(f"{host} was asked too often (429); wait an hour; {KEPT}")
    meaning = {400: "does not understand the question", 401: "wants credentials", 403: "refuses"}
    meaning |= {404: "has no such file", 410: "has no such file any more"}
    status = response.status_code
    raise _Refused(f"{host} {meaning.get(status, 'fails')} ({status})", status)


def text(http: requests.Session, url: str, kind: str = "", **options) -> tuple[str, str]:
    """(what a small page, of a Content-Type that begins with `kind`, says; the address where it lies)."""
    with get(http, url, stream=True, **options) as response:
        if not response.headers.get("Content-Type", "").startswith(kind):
            raise ValueError(f"{urlsplit(url).netloc} sent no {kind} for this address")
        try:
            return response.raw.read(10**7, decode_content=True).decode("utf-8", "replace"), response.url
        except HTTPError:
            raise ConnectionError(f"{urlsplit(url).netloc} broke off; {KEPT}") from None


def download(
    http: requests.Session,
    url: str,
    path: Path,
    *,
    sha256: str | None = None,
    limit: float = 100e6,
    check: Callable[[Path], object] | None = None,
) -> None:
    """Bring `url` to `path`, which appears whole, verified and at once, or not at all.

    A connection that breaks is taken up where it broke (Range, If-Range), `TRIES` times. With `sha256` a killed
    download goes on where it stopped, too. `check` is called with the finished file and may raise ValueError.
    Raises what `get` raises, and ValueError for more than `limit` bytes, for other bytes than `sha256` says,
    and for an HTML page.
    """
    part = path.with_name(f".part.{path.name}")
    with replacing(path) as new:
        if not sha256:
            part.unlink(missing_ok=True)
        try:
            _receive(http, url, part, limit)
            if sha256 and (found := _digest(part)) != sha256:
                part.unlink()
                raise ValueError(f"{path.name} arrived with SHA-256 {found[:12]}… instead of {sha256[:12]}…; try again")
            if check:
                check(part)
            part.rename(new)
        finally:
            if not sha256:
                part.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _receive(http: requests.Session, url: str, part: Path, limit: float) -> None:
    """All bytes of `url` into `part`, after those that it holds already."""
    name, tag, tries, total = part.name.removeprefix(".part."), None, TRIES, None
    with tqdm(desc=name, unit="B", unit_scale=True, leave=False, delay=2) as bar:
        while True:
            have = part.stat().st_size if part.exists() else 0
            headers = {"Accept-Encoding": "identity"}
            if have:
                headers |= {"Range": f"bytes={have}-"} | ({"If-Range": tag} if tag else {})
            try:
                response = get(http, url, headers=headers, stream=True)
            except _Refused as error:
                if have and error.status == 416:  # it is shorter than what we hold, or exactly that
                    if total == have:
                        return
                    part.unlink()
                    continue
                raise
            with response:
                if response.headers.get("Content-Type", "").startswith("text/html"):
                    raise ValueError(f"{urlsplit(url).netloc} sent a page instead of {name}")
                if response.status_code != 206 or not response.headers.get("Content-Range", "").startswith(
                    f"bytes {have}-"
                ):
                    have = 0  # the whole file again: no ranges here, or it changed meanwhile
                tag = response.headers.get("ETag") if not response.headers.get("ETag", "W/").startswith("W/") else None
                length = response.headers.get("Content-Length", "")
                total = have + int(length) if length.isdigit() else None
                bar.total, bar.n = total, have
                try:
                    if _pour(response, part, have, total, limit, bar):
                        return
                except (HTTPError, requests.RequestException, OSError) as error:
                    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
                        raise  # the disk's
            tries -= 1
            if not tries:
                raise ConnectionError(f"{urlsplit(url).netloc} broke off {name} {TRIES} times; {KEPT}")
            time.sleep(BACKOFF)


def _pour(response, part: Path, have: int, total: int | None, limit: float, bar: tqdm) -> bool:
    """Write what comes; whether it is all that was promised."""
    since, count = time.monotonic(), 0
    with part.open("ab") as file:
        file.truncate(have)
        while chunk := response.raw.read1(1 << 16):
            file.write(chunk)
            have, count = have + len(chunk), count + len(chunk)
            bar.update(len(chunk))
            if have > limit or (total or 0) > limit:
                raise ValueError(f"{bar.desc} has more than {limit / 1e6:.0f} MB")
            if (passed := time.monotonic() - since) > PATIENCE:
                if count < 1000 * passed:
                    return False
                since, count = time.monotonic(), 0
    return total is None or have == total


def secret(name: str) -> str | None:
    """The environment's, or Colab's secret of that name; None where there is neither."""
    if value := os.environ.get(name, "").strip():
        return value
    try:
        from google.colab import userdata

        return userdata.get(name).strip() or None
    except Exception:  # not on Colab, no such secret, or no access to it
        return None


def answered(folder: Path, question: dict, ask: Callable[[], object]) -> object:
    """The answer to `question`, asked at most once in 24 hours; it is kept in `folder/.answers`."""
    name = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / ".answers" / f"{name}.json"
    if path.exists() and time.time() - path.stat().st_mtime < DAY:
        return json.loads(path.read_text(encoding="utf-8"))
    answer = ask()
    with replacing(path) as part:
        part.write_text(json.dumps(answer), encoding="utf-8")
    return answer


def pixabay(folder: Path, query: str, limit: int, category: str = "", smallest: int = 0) -> None:
    """Photographs for `query` from Pixabay, at most 1280 pixels wide, without those not meant for training.

    Source of the limits: https://pixabay.com/api/docs/ (100 characters, 200 a page, 500 in all, 24 hours).
    """
    key = secret("PIXABAY_API_KEY")
    if not query or len(query) > 100:
        raise ValueError(f"fetch pixabay needs --query with 1 to 100 characters, got {len(query or '')}")
    if not 1 <= limit <= 200:
        raise ValueError(f"--limit {limit} is not between 1 and 200; Pixabay does not allow mass downloads")
    question = {"q": query, "image_type": "photo", "safesearch": "true", "per_page": 200, "page": 1}
    question |= {"category": category} if category else {}
    question |= {"min_width": smallest, "min_height": smallest} if smallest else {}
    http = session()

    def ask() -> list[dict]:
        if not key:
            raise ValueError(
                f"fetch pixabay needs your API key, free at {PIXABAY}docs/: put it into the environment variable "
                "PIXABAY_API_KEY or, on Colab, into a secret of that name"
            )
        try:
            answer, _ = text(http, PIXABAY, params={**question, "key": key})
        except ValueError as error:
            wrong = getattr(error, "status", None) in (400, 401, 403)
            raise ValueError(f"{error}; {'is PIXABAY_API_KEY right?' if wrong else 'try again later'}") from None
        try:
            return [_pixabay_row(hit) for hit in json.loads(answer)["hits"]]
        except (ValueError, KeyError, TypeError):
            raise ValueError("Pixabay's answer is not what its documentation says; try again later") from None

    rows = answered(folder, question, ask)
    free = [row for row in rows if not row.pop("closed")]
    if not free:
        raise ValueError(f"Pixabay has no photograph of {query!r} that may be used for training ({len(rows)} others)")
    bring(http, free[:limit], folder)


def _pixabay_row(hit: dict) -> dict:
    url = hit["largeImageURL"]
    return {
        "file": f"{int(hit['id'])}.{'png' if urlsplit(url).path.endswith('.png') else 'jpg'}",
        "id": hit["id"],
        "page": hit["pageURL"],
        "photographer": hit["user"],
        "licence": "Pixabay Content License",
        "url": url,
        "closed": bool(hit.get("noAiTraining") or hit.get("isAiGenerated")),
    }


def page(folder: Path, url: str, limit: int) -> None:
    """The pictures that the page `url` links to or shows, where robots.txt allows it; nothing beyond that page.

    Ask first whether you may: robots.txt speaks of robots, not of rights.
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"fetch page needs --from with the address of a page, such as https://…, got {url!r}")
    http = session()

    def ask() -> dict:
        rules = {}
        if not _allowed(http, url, rules):
            raise ValueError(f"robots.txt of {urlsplit(url).netloc} does not allow this page; ask its owner")
        answer, final = text(http, url, "text/html")
        soup = BeautifulSoup(answer, "html.parser")
        base = urljoin(final, soup.base["href"]) if soup.base and soup.base.get("href") else final
        links = [urljoin(base, tag.get("href") or tag.get("src")) for tag in soup.select("a[href], img[src]")]
        links = list(dict.fromkeys(link.partition("#")[0] for link in links))
        links = [k for k in links if k.startswith("http") and Path(urlsplit(k).path).suffix.lower() in images.SUFFIXES]
        allowed = [link for link in links if _allowed(http, link, rules)]
        if not allowed:
            raise ValueError(f"this page links to {len(links)} pictures, and robots.txt allows none of them")
        pause = max(float(r.crawl_delay(http.headers["User-Agent"]) or 1) for r in rules.values())
        return {"links": allowed, "pause": pause}

    answer = answered(folder, {"page": url}, ask)
    found = [{"file": _file_name(link), "url": link, "page": url} for link in answer["links"][:limit]]
    bring(http, found, folder, answer["pause"])


def _allowed(http: requests.Session, url: str, rules: dict[str, RobotFileParser]) -> bool:
    """Whether the robots.txt of the url's host allows it (RFC 9309: none allows all, a failing one nothing)."""
    top = f"{urlsplit(url).scheme}://{urlsplit(url).netloc}"
    if top not in rules:
        rules[top] = RobotFileParser()
        try:
            rules[top].parse(text(http, f"{top}/robots.txt")[0].splitlines())
        except ValueError as error:
            status = getattr(error, "status", 0)
            rules[top].allow_all = status in (400, 404) or 410 <= status < 420
            rules[top].disallow_all = not rules[top].allow_all
    return rules[top].can_fetch(http.headers["User-Agent"], url)


def _file_name(url: str) -> str:
    """A name that every disk takes, and no other address gets."""
    path = Path(unquote(urlsplit(url).path))
    stem = re.sub(r"[^\w-]+", "_", path.stem)[:60].strip("_") or "picture"
    return f"{stem}_{hashlib.sha256(url.encode()).hexdigest()[:8]}{path.suffix.lower()}"


def bring(http: requests.Session, found: Iterable[dict], folder: Path, pause: float = 0) -> None:
    """Download each row's `url` to `folder/file` unless it is there; write who made it to `SOURCES.csv`.

    What is no readable picture is left out and listed in `refused.csv`, and the others go on. Raises
    ConnectionError where the network ends (what has arrived stays), ValueError where nothing could be used.
    """
    rows, refused = {row["file"]: row for row in found}, []
    try:
        for row in tqdm(rows.values(), desc=f"fetch {folder.name}", leave=False, delay=2):
            if (folder / row["file"]).exists():
                continue
            try:
                download(http, row["url"], folder / row["file"], check=images.read)
            except ValueError as error:
                refused.append([row["url"], str(error).replace(f"{folder}{os.sep}.part.", "")])
            time.sleep(pause)
    finally:
        _list_sources(folder, rows)
    refuse(folder, refused, len(rows))


def _list_sources(folder: Path, rows: dict[str, dict]) -> None:
    """Add the rows whose files have arrived to `SOURCES.csv`, with the day on which they did."""
    path, known = folder / "SOURCES.csv", {}
    if path.exists():
        with path.open(newline="", encoding="utf-8") as file:
            known = {row["file"]: row for row in csv.DictReader(file)}
    today = datetime.date.today().isoformat()
    new = {name: row | {"date": today} for name, row in rows.items() if (folder / name).exists() and name not in known}
    if new:
        merged = known | new
        columns = list(dict.fromkeys(column for row in merged.values() for column in row))
        write_csv(path, columns, [[row.get(column, "") for column in columns] for row in merged.values()])


def refuse(folder: Path, refused: list[list], total: int) -> None:
    """List in `refused.csv` what was left out and why; ValueError where that is everything."""
    (folder / "refused.csv").unlink(missing_ok=True)
    if not refused:
        return
    if len(refused) == total:
        raise ValueError(f"none of {total} pictures can be used; the first: {refused[0][1]}")
    write_csv(folder / "refused.csv", ["file", "reason"], refused)
    warnings.warn(f"{len(refused)} of {total} pictures refused, see {folder / 'refused.csv'}", stacklevel=4)


def kaggle(handle: str) -> Path:
    """The folder where kagglehub keeps its verified copy of the Kaggle set `handle`.

    Without credentials, or with those that kagglehub finds: KAGGLE_API_TOKEN, KAGGLE_USERNAME and KAGGLE_KEY,
    ~/.kaggle/kaggle.json, Colab's secrets of these names.
    """
    import kagglehub

    way = f"`kaggle datasets download -d {handle}` in a terminal, then --from the zip, is the other way"
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # its text may hold a signed address or a token
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise ValueError(f"Kaggle refuses ({status}): remove or renew your credentials; {way}") from None
        if isinstance(error, requests.ConnectionError | requests.Timeout | HTTPError):
            raise ConnectionError(f"cannot reach Kaggle: is the network there? {KEPT}; {way}") from None
        reason = f"status {status}" if status else type(error).__name__
        raise ValueError(f"Kaggle did not give {handle} ({reason}); try again later; {way}") from None
