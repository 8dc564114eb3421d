"""Pictures from everywhere: your folder, Kaggle's sets, Pixabay, a web page; and surveys."""

import csv
import datetime
import errno
import hashlib
import json
import lzma
import os
import re
import shutil
import time
import tomllib
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import imagehash
import requests
from bs4 import BeautifulSoup
from PIL import Image
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from helpers import ROOT, images
from helpers.app import deep
from helpers.batching import parallel_map
from helpers.files import replacing, write_csv


class Layout(NamedTuple):
    """How a published set lies on the disk: its table, and the folder of each column's files.

    Where `listed` is False the set has no table: every picture of the folders belongs to it, and
    `table` is one that we write.
    """

    page: str
    table: str
    folders: dict[str, str]
    listed: bool = True

    def __str__(self) -> str:
        parts = [f"{folder}/" for folder in self.folders.values()]
        if self.listed:
            parts.insert(0, self.table)
        return f"{' and '.join(parts)} as in {self.page}"


KAGGLE = "https://www.kaggle.com/datasets/"
SETS = {
    "celeba": Layout(
        f"{KAGGLE}jessicali9530/celeba-dataset",
        "list_eval_partition.csv",
        {"image_id": "img_align_celeba"},
    ),
    "unsplash": Layout(
        f"{KAGGLE}quadeer15sh/image-super-resolution-from-unsplash",
        "image_data.csv",
        {"low_res": "low res", "high_res": "high res"},
    ),
    "summer2winter": Layout(
        "https://efrosgans.eecs.berkeley.edu/cyclegan/datasets/summer2winter_yosemite.zip",
        "files.csv",
        {"summer": "trainA", "winter": "trainB"},
        listed=False,
    ),
}
# The zip of summer2winter has 132,640,856 bytes and this checksum, which TensorFlow Datasets states
# too (url_checksums/cycle_gan.txt). Its builder "cycle_gan/summer2winter_yosemite" is not used: it
# turns the pictures into records without names and cannot go on with a half-received zip.
SHA256 = "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"
# What zipfile and its decompressors raise for a damaged or encrypted zip
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OverflowError,
    RuntimeError,
    UnicodeError,
)
LARGEST_TABLE = 100_000_000  # bytes
PIXABAY = "https://pixabay.com/api/"
TIMEOUT_S = 30  # without an answer, or with less than 1 kB/s, a connection counts as broken
RETRY_AFTER_LIMIT_S = 120  # the longest time that a server may ask us to wait
BACKOFF_S = 1.0  # before the second retry; doubled each time
TRIES = 5
DAY_S = 24 * 60 * 60
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
        """Seconds to wait, as Retry-After says, or as Pixabay says it after a 429."""
        wait = super().get_retry_after(response)
        if wait is None and response.status == 429:
            digits = re.match(r"\d*", response.headers.get("X-RateLimit-Reset", ""))[0]
            wait = int(digits or 0) or None
        if wait and wait > RETRY_AFTER_LIMIT_S:
            raise _Asked(f"{wait:.0f}")
        return wait


def session() -> requests.Session:
    """A session that tries again after 429 and 5xx, waits as long as asked, and says who asks."""
    retry = _Patience(
        total=TRIES,
        connect=2,
        backoff_factor=BACKOFF_S,
        status_forcelist=[429, 500, 502, 503, 504],
        raise_on_status=False,
    )
    http = requests.Session()
    http.mount("https://", HTTPAdapter(max_retries=retry))
    http.mount("http://", HTTPAdapter(max_retries=retry))
    http.max_redirects = 10
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    http.headers["User-Agent"] = (
        f"{project['name']}/{project['version']} (+{project['urls']['Repository']})"
    )
    return http


def get(http: requests.Session, url: str, **options) -> requests.Response:
    """Ask for `url`; the messages of its errors name the host and never what was asked of it.

    Parameters
    ----------
    http : from `session`
    url : the address
    options : of `requests.get`

    Returns
    -------
    an answer with a status below 400

    Raises
    ------
    ConnectionError : what may be over tomorrow: no network, too slow, 429
    ValueError : everything else
    """
    host = urlsplit(url).netloc.rpartition("@")[2] or "this address"
    try:
        response = http.get(url, timeout=TIMEOUT_S, **options)
    except _Asked as error:
        raise ConnectionError(f"{host} asks to be left alone for {error} s (429); {KEPT}") from None
    except requests.TooManyRedirects:
        raise ValueError(f"{host} redirects in a circle") from None
    except requests.Timeout:
        raise ConnectionError(f"{host} did not answer within {TIMEOUT_S} s; {KEPT}") from None
    except (requests.ConnectionError, HTTPError):
        raise ConnectionError(f"cannot reach {host}: is the network there? {KEPT}") from None
    except requests.RequestException as error:
        raise ValueError(
            f"{host} gave no answer ({type(error).__name__}); check the address"
        ) from None
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
    """A small page of a Content-Type that begins with `kind`: what it says, and where it lies."""
    host = urlsplit(url).netloc
    with get(http, url, stream=True, **options) as response:
        if not response.headers.get("Content-Type", "").startswith(kind):
            raise ValueError(f"{host} sent no {kind} for this address")
        try:
            content = response.raw.read(10**7, decode_content=True)
        except HTTPError:
            raise ConnectionError(f"{host} broke off; {KEPT}") from None
        return content.decode("utf-8", "replace"), response.url


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

    A connection that breaks is taken up where it broke (Range, If-Range), `TRIES` times.

    Parameters
    ----------
    http : from `session`
    url : the address
    path : the file
    sha256 : what the file must have; with it a killed download goes on where it stopped, too
    limit : bytes at most
    check : is called with the finished file, and may raise ValueError

    Raises
    ------
    ConnectionError : as `get`
    ValueError : as `get`; more than `limit` bytes; another checksum; an HTML page

    Lesson 01.
    """
    part = path.with_name(f".part.{path.name}")
    with replacing(path) as new:
        if not sha256:
            part.unlink(missing_ok=True)
        try:
            _receive(http, url, part, limit)
            if sha256:
                _verify(part, path.name, sha256)
            if check:
                check(part)
            part.rename(new)
        finally:
            if not sha256:
                part.unlink(missing_ok=True)


def _verify(part: Path, name: str, sha256: str) -> None:
    """Delete `part` and raise ValueError where its checksum is another one."""
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink()
        raise ValueError(
            f"{name} arrived with SHA-256 {found[:12]}… instead of {sha256[:12]}…; try again"
        )


def _receive(http: requests.Session, url: str, part: Path, limit: float) -> None:
    """Write all bytes of `url` to `part`, after those that it holds already."""
    name = part.name.removeprefix(".part.")
    host = urlsplit(url).netloc
    tag = None
    total = None
    with tqdm(desc=name, unit="B", unit_scale=True, leave=False, delay=2) as bar:
        for attempt in range(TRIES):
            if attempt > 0:
                time.sleep(BACKOFF_S)
            response = _ask_for_rest(http, url, part, tag, total)
            if response is None:
                return
            with response:
                if response.headers.get("Content-Type", "").startswith("text/html"):
                    raise ValueError(f"{host} sent a page instead of {name}")
                have = _first_byte(response, part)
                tag = _strong_etag(response)
                total = _total(response, have)
                bar.total = total
                bar.n = have
                try:
                    if _write_chunks(response, part, have, limit, bar):
                        return
                except (HTTPError, OSError) as error:
                    if _is_of_the_disk(error):
                        raise
    raise ConnectionError(f"{host} broke off {name} {TRIES} times; {KEPT}")


def _ask_for_rest(
    http: requests.Session, url: str, part: Path, tag: str | None, total: int | None
) -> requests.Response | None:
    """The answer with the bytes that `part` lacks; None where it lacks none."""
    whole = {"Accept-Encoding": "identity"}
    have = _size(part)
    if not have:
        return get(http, url, headers=whole, stream=True)
    rest = whole | {"Range": f"bytes={have}-"}
    if tag:
        rest["If-Range"] = tag
    try:
        return get(http, url, headers=rest, stream=True)
    except _Refused as error:
        if error.status != 416:  # 416: the file has no byte after those that we hold
            raise
    if total == have:
        return None
    part.unlink()  # the file there is shorter than what we hold: it is another one
    return get(http, url, headers=whole, stream=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _first_byte(response: requests.Response, part: Path) -> int:
    """Where the answer's first byte belongs; 0 where the server sends the whole file again."""
    have = _size(part)
    given = response.headers.get("Content-Range", "")
    if response.status_code == 206 and given.startswith(f"bytes {have}-"):
        return have
    return 0


def _strong_etag(response: requests.Response) -> str | None:
    """The tag that names these very bytes; a weak one, W/…, does not."""
    tag = response.headers.get("ETag")
    if tag is None or tag.startswith("W/"):
        return None
    return tag


def _total(response: requests.Response, have: int) -> int | None:
    """How many bytes the whole file has, where the server says so."""
    length = response.headers.get("Content-Length", "")
    return have + int(length) if length.isdigit() else None


def _is_of_the_disk(error: Exception) -> bool:
    """Whether an error is the disk's and not the network's."""
    if isinstance(error, ConnectionError) or not isinstance(error, OSError):
        return False
    return bool(error.errno)


def _write_chunks(
    response: requests.Response, part: Path, have: int, limit: float, bar: tqdm
) -> bool:
    """Write what comes after byte `have`; whether it is all that was promised (`bar.total`)."""
    since = time.monotonic()
    count = 0
    with part.open("ab") as file:
        file.truncate(have)
        while chunk := response.raw.read1(1 << 16):
            file.write(chunk)
            have += len(chunk)
            count += len(chunk)
            bar.update(len(chunk))
            if max(have, bar.total or 0) > limit:
                raise ValueError(f"{bar.desc} has more than {limit / 1e6:.0f} MB")
            passed = time.monotonic() - since
            if passed > TIMEOUT_S:
                if count < 1000 * passed:
                    return False
                since = time.monotonic()
                count = 0
    return bar.total is None or have == bar.total


def secret(name: str) -> str | None:
    """The environment's, or Colab's secret of that name; None where there is neither."""
    if value := os.environ.get(name, "").strip():
        return value
    try:
        from google.colab import userdata

        return userdata.get(name).strip() or None
    except Exception:  # not on Colab, no such secret, or no access to it
        return None


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


def pixabay(folder: Path, query: str, limit: int, category: str = "", smallest: int = 0) -> None:
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
    ConnectionError : as `get`
    ValueError : as `get`; a wrong query or limit; no key; no photograph that may be used
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
            " variable PIXABAY_API_KEY or, on Colab, into a secret of that name"
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


def page(folder: Path, url: str, limit: int) -> None:
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
    ConnectionError : as `get`
    ValueError : as `get`; no address; robots.txt does not allow it; no pictures
    """
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(
            f"fetch page needs --from with the address of a page, such as https://…, got {url!r}"
        )
    http = session()
    answer = cached_answer(folder, {"page": url}, lambda: _ask_page(http, url))
    found = [
        {"file": _file_name(link), "url": link, "page": url} for link in answer["links"][:limit]
    ]
    download_all(http, found, folder, answer["pause"])


def _ask_page(http: requests.Session, url: str) -> dict:
    """The pictures that a page links to and robots.txt allows, and the pause after each."""
    rules = {}
    if not _allowed(http, url, rules):
        raise ValueError(
            f"robots.txt of {urlsplit(url).netloc} does not allow this page; ask its owner"
        )
    answer, final = text(http, url, "text/html")
    links = _picture_links(answer, final)
    allowed = [link for link in links if _allowed(http, link, rules)]
    if not allowed:
        raise ValueError(
            f"this page links to {len(links)} pictures, and robots.txt allows none of them"
        )
    agent = http.headers["User-Agent"]
    pause = max(float(rule.crawl_delay(agent) or 1) for rule in rules.values())
    return {"links": allowed, "pause": pause}


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


def _allowed(http: requests.Session, url: str, rules: dict[str, RobotFileParser]) -> bool:
    """Whether the robots.txt of the host allows `url`.

    By RFC 9309 a missing one allows everything, and one that cannot be had nothing.
    """
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
                refused.append([row["url"], str(error).replace(f"{folder}{os.sep}.part.", "")])
            time.sleep(pause)
    finally:
        _list_sources(folder, rows)
    write_refused(folder, refused, len(rows))


def _list_sources(folder: Path, rows: dict[str, dict]) -> None:
    """Add the rows whose files have arrived to `SOURCES.csv`, with the day on which they did."""
    known = _read_sources(folder)
    today = datetime.date.today().isoformat()
    new = {}
    for name, row in rows.items():
        if (folder / name).exists() and name not in known:
            new[name] = row | {"date": today}
    if not new:
        return
    merged = list((known | new).values())
    columns = list(dict.fromkeys(column for row in merged for column in row))
    cells = [[row.get(column, "") for column in columns] for row in merged]
    write_csv(folder / "SOURCES.csv", columns, cells)


def _read_sources(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of `SOURCES.csv` by file; none where there is no such table."""
    path = folder / "SOURCES.csv"
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def write_refused(folder: Path, refused: list[list], total: int) -> None:
    """List in `refused.csv` what was left out and why; ValueError where that is everything."""
    (folder / "refused.csv").unlink(missing_ok=True)
    if not refused:
        return
    if len(refused) == total:
        raise ValueError(f"none of {total} pictures can be used; the first: {refused[0][1]}")
    write_csv(folder / "refused.csv", ["file", "reason"], refused)
    warnings.warn(
        f"{len(refused)} of {total} pictures refused, see {folder / 'refused.csv'}", stacklevel=5
    )


def kaggle(handle: str) -> Path:
    """The folder where kagglehub keeps its verified copy of the Kaggle set `handle`.

    Without credentials, or with those that kagglehub finds: KAGGLE_API_TOKEN, KAGGLE_USERNAME and
    KAGGLE_KEY, ~/.kaggle/kaggle.json, Colab's secrets of these names. ConnectionError where Kaggle
    cannot be reached, ValueError where it refuses.
    """
    import kagglehub

    way = (
        f"`kaggle datasets download -d {handle}` in a terminal, then --from the zip, is the other"
        " way"
    )
    try:
        return Path(kagglehub.dataset_download(handle))
    except Exception as error:  # its text may hold a signed address or a token
        status = getattr(getattr(error, "response", None), "status_code", None)
        if status in (401, 403):
            raise ValueError(
                f"Kaggle refuses ({status}): remove or renew your credentials; {way}"
            ) from None
        if isinstance(error, requests.ConnectionError | requests.Timeout | HTTPError):
            raise ConnectionError(
                f"cannot reach Kaggle: is the network there? {KEPT}; {way}"
            ) from None
        reason = f"status {status}" if status else type(error).__name__
        raise ValueError(
            f"Kaggle did not give {handle} ({reason}); try again later; {way}"
        ) from None


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
        if origin is None:
            raise ValueError("fetch own needs --from FOLDER, the folder with your pictures")
        return _fetch_own(Path(origin), folder)
    if source == "pixabay":
        pixabay(folder, limit=limit, **search)
        return folder
    if source == "page":
        page(folder, str(origin or ""), limit)
        return folder
    if source not in SETS:
        known = ", ".join(["sample", "own", *SETS, "pixabay", "page"])
        raise ValueError(f"unknown source {source!r}; choose one of {known}")
    address = SETS[source].page
    if origin is not None:
        return _fetch_set(source, Path(origin), folder)
    if (folder / SETS[source].table).exists():
        return folder
    if address.startswith(KAGGLE):
        return _fetch_set(source, kaggle(address.removeprefix(KAGGLE)), folder)
    archive = folder.parent / Path(address).name
    download(session(), address, archive, sha256=SHA256, limit=1e9)
    _fetch_set(source, archive, folder)
    archive.unlink()
    return folder


def _fetch_own(origin: Path, folder: Path) -> Path:
    """Copy the readable pictures of `origin` that are new or changed."""
    found = [path for path in images.find(origin) if folder.resolve() not in path.resolve().parents]
    if not found:
        raise ValueError(f"all pictures of {origin} are already in {folder}; choose another --to")
    new = [path for path in found if not _is_copy(folder / path.relative_to(origin), path)]
    refused = []
    for path, why in zip(new, parallel_map(deep.problem, new, "fetch own"), strict=True):
        if why:
            refused.append([path, why])
            continue
        with replacing(folder / path.relative_to(origin)) as part:
            shutil.copyfile(path, part)
            shutil.copystat(path, part)  # its time tells the next call whether it changed
    write_refused(folder, refused, len(found))
    return folder


def _is_copy(target: Path, path: Path) -> bool:
    """Whether `target` has the size and the time of `path`."""
    if not _there(target, path.stat().st_size):
        return False
    return target.stat().st_mtime == path.stat().st_mtime


def survey(folder: str | os.PathLike) -> list[dict]:
    """What lies in a folder: a row for each picture file.

    Parameters
    ----------
    folder : with pictures, and folders of pictures

    Returns
    -------
    rows with `file`, `format`, `mode`, `width`, `height`; `problem`, why it cannot be read, or
    None; `copy_of`, an earlier file whose perceptual hash differs in at most 8 of 64 bits, or None;
    `author` and `licence`, from SOURCES.csv

    Raises
    ------
    FileNotFoundError : there is no picture

    Lesson 01.
    """
    folder = Path(folder)
    paths = images.find(folder)
    sources = _read_sources(folder)
    rows = []
    codes = []
    for path, (row, code) in zip(paths, parallel_map(_describe, paths, "survey"), strict=True):
        name = path.relative_to(folder).as_posix()
        source = sources.get(name, {})
        if row["problem"]:
            row["problem"] = row["problem"].replace(str(path), name)
        first = _alike(code, codes)
        codes.append(code)
        rows.append(
            {
                "file": name,
                **row,
                "copy_of": None if first is None else rows[first]["file"],
                "author": source.get("author") or source.get("photographer"),
                "licence": source.get("licence"),
            }
        )
    return rows


def _alike(code: int | None, codes: list[int | None]) -> int | None:
    """The place of the first hash that differs from `code` in at most 8 bits; None without one."""
    if code is None:
        return None
    for place, other in enumerate(codes):
        if other is not None and (code ^ other).bit_count() <= 8:
            return place
    return None


def _describe(path: Path) -> tuple[dict, int | None]:
    """The file's own facts, and its perceptual hash as 64 bits."""
    row = dict.fromkeys(["format", "mode", "width", "height"]) | {"problem": deep.problem(path)}
    if row["problem"]:
        return row, None
    with Image.open(path) as file:
        row |= {
            "format": file.format,
            "mode": file.mode,
            "width": file.width,
            "height": file.height,
        }
        return row, int(str(imagehash.phash(file)), 16)


def summary(rows: list[dict]) -> str:
    """The rows of `survey` in a few lines."""
    good = [row for row in rows if not row["problem"]]
    copies = [f"  {row['file']} = {row['copy_of']}" for row in rows if row["copy_of"]]
    lines = [f"{len(rows)} files, {len(good)} readable, {len(good) - len(copies)} different"]
    lines += [f"  {row['problem']}" for row in rows if row["problem"]]
    lines += copies
    if good:
        small = min(good, key=_pixels)
        large = max(good, key=_pixels)
        lines.append(
            f"from {small['width']}×{small['height']} to {large['width']}×{large['height']} pixels"
        )
    for column in ("format", "mode", "licence"):
        counts = Counter(row[column] or "unknown" for row in good)
        lines.append(f"{column}: " + ", ".join(f"{name} {n}" for name, n in counts.most_common()))
    return "\n".join(lines)


def _pixels(row: dict) -> int:
    return row["width"] * row["height"]


def _fetch_set(source: str, origin: Path, folder: Path) -> Path:
    """Bring a published set from a folder or a zip."""
    if origin.resolve() == folder.resolve():
        raise ValueError(
            f"{origin} is where the pictures would go; choose another --to, or move the set"
            " elsewhere"
        )
    if origin.is_dir():
        files = _files(origin, folder)
        return _bring_set(source, origin, files, lambda path: path.open("rb"), folder)
    if not origin.exists():
        raise FileNotFoundError(f"there is no folder or zip {origin}")
    with _naming(origin), zipfile.ZipFile(origin) as archive:
        members = {}
        for member in archive.infolist():
            if not member.is_dir():
                members[member.filename.replace("\\", "/")] = member
        _check_room(origin, members, folder)
        return _bring_set(source, origin, members, archive.open, folder)


@contextmanager
def _naming(archive: Path) -> Iterator[None]:
    """Errors of zipfile and its decompressors become a ValueError that names the zip."""
    try:
        yield
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise  # the disk's; EINVAL is a place before the beginning of the zip
        reason = str(error) or "it ends early"
        raise ValueError(
            f"{archive} is not a zip or a broken one ({reason}); download it again"
        ) from error


def _files(origin: Path, folder: Path) -> dict[str, Path]:
    """The files of `origin` by their names inside it, without those in `folder`."""
    files = {}
    for top, folders, names in os.walk(origin):
        folders[:] = [name for name in folders if Path(top, name).resolve() != folder.resolve()]
        for name in names:
            path = Path(top, name)
            if path.is_file():
                files[path.relative_to(origin).as_posix()] = path
    return files


def _check_room(origin: Path, members: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    """ValueError where a zip unpacks to more than is free on the disk of `folder`."""
    size = sum(member.file_size for member in members.values())
    existing = next(path for path in folder.absolute().parents if path.exists())
    free = shutil.disk_usage(existing).free
    if size > free:
        raise ValueError(
            f"{origin} unpacks to {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; nothing"
            " was unpacked; free space, or get another copy"
        )


def _bring_set(source: str, origin: Path, files: dict, open_file: Callable, folder: Path) -> Path:
    """Bring the files of a set that its table lists, and last the table.

    `files` are those of `origin` by name. No name of them is ever a path: a file goes to the place
    that the layout gives it, `folder/column's folder/name`.
    """
    layout = SETS[source]
    found = _by_place(origin, files, layout)
    if layout.listed:
        table = _read_table(origin, found[layout.table], open_file)
        listed = [places for _, places in _rows(table, layout)]
    else:
        names = sorted(place for place in found if Path(place).suffix.lower() in images.SUFFIXES)
        table = "\n".join(["file", *names, ""]).encode()
        listed = [[name] for name in names]
    present = _present(origin, listed, found, layout)
    for place in tqdm(present, desc=f"fetch {source}", leave=False, delay=2):
        if not _there(folder / place, _size_of(found[place])):
            _bring(found[place], open_file, folder / place)
    target = folder / layout.table  # it comes last: where it stands, its pictures do
    if not target.exists() or target.read_bytes() != table:
        with replacing(target) as part:
            part.write_bytes(table)
    return folder


def _by_place(origin: Path, files: dict, layout: Layout) -> dict:
    """The table and the files of the layout's folders, by "table" and "folder/name"."""
    folders = {*layout.folders.values()}
    if not layout.listed:
        folders |= {"testA", "testB"}
    found = {}
    names = {}  # by the place in lower case: some disks keep one of A.jpg and a.jpg
    for name, file in files.items():
        path = PurePosixPath(name)
        if path.name == "..":
            continue
        place = path.name
        if path.parent.name in folders:
            place = f"{path.parent.name}/{path.name}"
        elif place != layout.table:
            continue
        other = names.setdefault(place.lower(), name)
        if other != name:
            raise ValueError(f"{origin} holds two copies: {other!r} and {name!r}; give one of them")
        found[place] = file
    _check_whole(origin, found, layout)
    return found


def _check_whole(origin: Path, found: dict, layout: Layout) -> None:
    """FileNotFoundError that names what a set lacks."""
    lacking = []
    if layout.listed and layout.table not in found:
        lacking.append(layout.table)
    for name in layout.folders.values():
        if not any(place.startswith(f"{name}/") for place in found):
            lacking.append(f"{name}/")
    if lacking:
        raise FileNotFoundError(f"{origin} holds no {', no '.join(lacking)}; expected {layout}")


def _present(origin: Path, listed: list[list[str]], found: dict, layout: Layout) -> list[str]:
    """The listed places that are found, each once; a warning names the others."""
    if not any(found.keys() >= {*places} for places in listed):
        raise FileNotFoundError(
            f"{origin} holds nothing that its {layout.table} lists; expected {layout}"
        )
    places = list(dict.fromkeys(place for row in listed for place in row))
    missing = [place for place in places if place not in found]
    if missing:
        few = ", ".join(missing[:3])
        if len(missing) > 3:
            few += ", …"
        warnings.warn(
            f"{len(missing)} of {len(places)} listed files are not in {origin}: {few}",
            stacklevel=6,
        )
    return [place for place in places if place in found]


def _size_of(file: Path | zipfile.ZipInfo) -> int:
    """Bytes of a file, or of a member of a zip as its directory says."""
    return file.stat().st_size if isinstance(file, Path) else file.file_size


def _there(target: Path, size: int) -> bool:
    return target.exists() and target.stat().st_size == size


def _bring(file: Path | zipfile.ZipInfo, open_file: Callable, target: Path) -> None:
    """Make `target` the file: by a hard link where the disk allows it, else by a copy."""
    with open_file(file) as source, replacing(target) as part:
        # A killed run may have left a link there, and writing would go through it.
        part.unlink(missing_ok=True)
        if isinstance(file, Path):
            with suppress(OSError):  # another disk, or one without links
                part.hardlink_to(file.resolve())
        if not part.exists():
            with part.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        size = part.stat().st_size
        expected = _size_of(file)
        if size != expected:  # zipfile compares the checksum alone
            name = file.name if isinstance(file, Path) else file.filename
            raise ValueError(
                f"{name} has {size} bytes instead of {expected}; get another copy of the set"
            )


def celeba_splits(folder: str | os.PathLike) -> dict[Path, str]:
    """CelebA's own partition, in which nobody is in two parts.

    Parameters
    ----------
    folder : that `fetch("celeba")` returned

    Returns
    -------
    {picture: "train", "val" or "test"}

    Raises
    ------
    FileNotFoundError : nothing was fetched
    ValueError : a partition other than 0, 1 and 2

    Lesson 07.
    """
    names = {"0": "train", "1": "val", "2": "test"}
    splits = {}
    for row, [path] in _fetched(Path(folder), "celeba"):
        partition = row.get("partition")
        if partition not in names:
            raise ValueError(f"{path.name} has partition {partition!r}; 0, 1 or 2 is expected")
        splits[path] = names[partition]
    return splits


def unsplash_pairs(folder: str | os.PathLike) -> list[tuple[Path, Path]]:
    """The pairs of the Unsplash set.

    Several low pictures come from one high picture (`7_2.jpg` and `7_4.jpg` from `7.jpg`), so split
    by the high ones: `batching.split([high.name for low, high in pairs])`.

    Parameters
    ----------
    folder : that `fetch("unsplash")` returned

    Returns
    -------
    (low, high) of each row of its table

    Raises
    ------
    FileNotFoundError : nothing was fetched

    Lesson 05.
    """
    return [(low, high) for _, [low, high] in _fetched(Path(folder), "unsplash")]


def _fetched(folder: Path, source: str) -> list[tuple[dict[str, str], list[Path]]]:
    """The rows of a fetched table whose files are all there, each with its paths."""
    table = folder / SETS[source].table
    rows = _rows(table.read_bytes(), SETS[source]) if table.exists() else []
    there = []
    for row, places in rows:
        paths = [folder / place for place in places]
        if all(path.is_file() for path in paths):
            there.append((row, paths))
    if not there:
        raise FileNotFoundError(
            f"no pictures with their {table.name} in {folder}; fetch({source!r}, origin=…) first"
        )
    return there


def _read_table(origin: Path, file: Path | zipfile.ZipInfo, open_file: Callable) -> bytes:
    """The bytes of a table; ValueError where they are too many for one."""
    size = _size_of(file)
    if size > LARGEST_TABLE:
        raise ValueError(
            f"the table in {origin} has {size / 1e6:.0f} MB; get another copy of the set"
        )
    with open_file(file) as table:
        return table.read()


def _rows(table: bytes, layout: Layout) -> list[tuple[dict[str, str], list[str]]]:
    """Each row of a table with its files, as "folder/name"; ValueError without a column."""
    reader = csv.DictReader(table.decode("utf-8-sig", errors="replace").splitlines(), restval="")
    rows = []
    try:
        if not {*layout.folders} <= {*(reader.fieldnames or [])}:
            raise ValueError(
                f"{layout.table} has no columns {' and '.join(layout.folders)}; expected {layout}"
            )
        for row in reader:
            rows.append((row, [f"{name}/{row[col]}" for col, name in layout.folders.items()]))
    except csv.Error as error:
        raise ValueError(f"{layout.table} cannot be read ({error}); expected {layout}") from error
    return rows
