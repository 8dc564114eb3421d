"""Pictures from everywhere: your folder, Kaggle's sets, Pixabay, a web page; and what lies in a folder."""

import csv
import datetime
import hashlib
import json
import os
import re
import shutil
import stat
import time
import tomllib
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, NamedTuple
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
    """How a published set lies on the disk: a table, and for each of its columns the folder of the files it names.

    Without a table (`table` is one that we write) every picture of the folders belongs to it.
    """

    page: str
    table: str
    folders: dict[str, str]
    listed: bool = True

    def __str__(self) -> str:
        parts = [self.table] * self.listed + [f"{folder}/" for folder in self.folders.values()]
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
# of the zip, as TensorFlow Datasets' checksums say (url_checksums/cycle_gan.txt; 132,640,856 bytes)
SHA256 = "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError)
PIXABAY = "https://pixabay.com/api/"
PATIENCE = (
    30  # seconds without an answer, or with less than 1 kB/s, until a connection counts as broken
)
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
            wait = (
                int(re.match(r"\d*", response.headers.get("X-RateLimit-Reset", ""))[0] or 0) or None
            )
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
    http.headers["User-Agent"] = (
        f"{project['name']}/{project['version']} (+{project['urls']['Repository']})"
    )
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
    """(what a small page, of a Content-Type that begins with `kind`, says; the address where it lies)."""
    with get(http, url, stream=True, **options) as response:
        if not response.headers.get("Content-Type", "").startswith(kind):
            raise ValueError(f"{urlsplit(url).netloc} sent no {kind} for this address")
        try:
            return response.raw.read(10**7, decode_content=True).decode(
                "utf-8", "replace"
            ), response.url
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
                raise ValueError(
                    f"{path.name} arrived with SHA-256 {found[:12]}… instead of {sha256[:12]}…; try again"
                )
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
                if response.status_code != 206 or not response.headers.get(
                    "Content-Range", ""
                ).startswith(f"bytes {have}-"):
                    have = 0  # the whole file again: no ranges here, or it changed meanwhile
                tag = (
                    response.headers.get("ETag")
                    if not response.headers.get("ETag", "W/").startswith("W/")
                    else None
                )
                length = response.headers.get("Content-Length", "")
                total = have + int(length) if length.isdigit() else None
                bar.total, bar.n = total, have
                try:
                    if _pour(response, part, have, total, limit, bar):
                        return
                except (HTTPError, requests.RequestException, OSError) as error:
                    if (
                        isinstance(error, OSError)
                        and error.errno
                        and not isinstance(error, ConnectionError)
                    ):
                        raise  # the disk's
            tries -= 1
            if not tries:
                raise ConnectionError(
                    f"{urlsplit(url).netloc} broke off {name} {TRIES} times; {KEPT}"
                )
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
        raise ValueError(
            f"fetch pixabay needs --query with 1 to 100 characters, got {len(query or '')}"
        )
    if not 1 <= limit <= 200:
        raise ValueError(
            f"--limit {limit} is not between 1 and 200; Pixabay does not allow mass downloads"
        )
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
            raise ValueError(
                f"{error}; {'is PIXABAY_API_KEY right?' if wrong else 'try again later'}"
            ) from None
        try:
            return [_pixabay_row(hit) for hit in json.loads(answer)["hits"]]
        except (ValueError, KeyError, TypeError):
            raise ValueError(
                "Pixabay's answer is not what its documentation says; try again later"
            ) from None

    rows = answered(folder, question, ask)
    free = [row for row in rows if not row.pop("closed")]
    if not free:
        raise ValueError(
            f"Pixabay has no photograph of {query!r} that may be used for training ({len(rows)} others)"
        )
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
        raise ValueError(
            f"fetch page needs --from with the address of a page, such as https://…, got {url!r}"
        )
    http = session()

    def ask() -> dict:
        rules = {}
        if not _allowed(http, url, rules):
            raise ValueError(
                f"robots.txt of {urlsplit(url).netloc} does not allow this page; ask its owner"
            )
        answer, final = text(http, url, "text/html")
        soup = BeautifulSoup(answer, "html.parser")
        base = urljoin(final, soup.base["href"]) if soup.base and soup.base.get("href") else final
        links = [
            urljoin(base, tag.get("href") or tag.get("src"))
            for tag in soup.select("a[href], img[src]")
        ]
        links = list(dict.fromkeys(link.partition("#")[0] for link in links))
        links = [
            k
            for k in links
            if k.startswith("http") and Path(urlsplit(k).path).suffix.lower() in images.SUFFIXES
        ]
        allowed = [link for link in links if _allowed(http, link, rules)]
        if not allowed:
            raise ValueError(
                f"this page links to {len(links)} pictures, and robots.txt allows none of them"
            )
        pause = max(float(r.crawl_delay(http.headers["User-Agent"]) or 1) for r in rules.values())
        return {"links": allowed, "pause": pause}

    answer = answered(folder, {"page": url}, ask)
    found = [
        {"file": _file_name(link), "url": link, "page": url} for link in answer["links"][:limit]
    ]
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
                download(http, row["url"], folder / row["file"], check=deep.read)
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
    new = {
        name: row | {"date": today}
        for name, row in rows.items()
        if (folder / name).exists() and name not in known
    }
    if new:
        merged = known | new
        columns = list(dict.fromkeys(column for row in merged.values() for column in row))
        write_csv(
            path, columns, [[row.get(column, "") for column in columns] for row in merged.values()]
        )


def refuse(folder: Path, refused: list[list], total: int) -> None:
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
    """Bring every source but the sample to `folder`, as `helpers.download.fetch` says; `search` is Pixabay's."""
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
        raise ValueError(
            f"unknown source {source!r}; choose one of sample, own, {', '.join(SETS)}, pixabay, page"
        )
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
    found = [path for path in images.find(origin) if folder.resolve() not in path.resolve().parents]
    if not found:
        raise ValueError(f"all pictures of {origin} are already in {folder}; choose another --to")
    new, refused = [], []
    for path in found:
        target = folder / path.relative_to(origin)
        if (
            not _there(target, path.stat().st_size)
            or target.stat().st_mtime != path.stat().st_mtime
        ):
            new.append(path)
    for path, why in zip(new, parallel_map(deep.problem, new, "fetch own"), strict=True):
        if why:
            refused.append([path, why])
            continue
        with replacing(folder / path.relative_to(origin)) as part:
            shutil.copyfile(path, part)
            shutil.copystat(path, part)  # its time tells the next call whether it changed
    refuse(folder, refused, len(found))
    return folder


def survey(folder: str | os.PathLike) -> list[dict]:
    """What lies in `folder`: a row for each picture file.

    `file`, `format`, `mode`, `width`, `height`, `problem` (why it cannot be read, or None), `copy_of` (an earlier
    file whose perceptual hash differs in at most 8 of 64 bits, or None), `author`, `licence` (from SOURCES.csv).
    FileNotFoundError where there is no picture.
    """
    folder = Path(folder)
    paths, sources, bits = images.find(folder), {}, []
    if (folder / "SOURCES.csv").exists():
        with (folder / "SOURCES.csv").open(newline="", encoding="utf-8") as file:
            sources = {row["file"]: row for row in csv.DictReader(file)}
    rows = []
    for path, (row, code) in zip(paths, parallel_map(_describe, paths, "survey"), strict=True):
        name = path.relative_to(folder).as_posix()
        row["problem"] = row["problem"] and row["problem"].replace(str(path), name)
        source, copy = sources.get(name, {}), None
        if code is not None:
            near = [
                k
                for k, other in enumerate(bits)
                if other is not None and (code ^ other).bit_count() <= 8
            ]
            copy = rows[near[0]]["file"] if near else None
        bits.append(code)
        made = {
            "author": source.get("author") or source.get("photographer"),
            "licence": source.get("licence"),
        }
        rows.append({"file": name, **row, "copy_of": copy, **made})
    return rows


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
    """`survey` in a few lines."""
    good = [row for row in rows if not row["problem"]]
    copies = [f"  {row['file']} = {row['copy_of']}" for row in rows if row["copy_of"]]
    lines = [f"{len(rows)} files, {len(good)} readable, {len(good) - len(copies)} different"]
    lines += [f"  {row['problem']}" for row in rows if row["problem"]] + copies
    if good:
        small, *_, large = sorted([*good, good[0]], key=lambda row: row["width"] * row["height"])
        lines += [
            f"from {small['width']}×{small['height']} to {large['width']}×{large['height']} pixels"
        ]
    for column in ("format", "mode", "licence"):
        counts = Counter(row[column] or "unknown" for row in good)
        lines += [f"{column}: " + ", ".join(f"{name} {n}" for name, n in counts.most_common())]
    return "\n".join(lines)


class Member(NamedTuple):
    """One file of a folder or of a zip; `path` where it can be linked."""

    name: str
    size: int
    open: Callable[[], BinaryIO]
    path: Path | None = None


def _fetch_set(source: str, origin: Path, folder: Path) -> Path:
    layout = SETS[source]
    if origin.resolve() == folder.resolve():
        raise ValueError(
            f"{origin} is where the pictures would go; choose another --to, or move the set elsewhere"
        )
    folders = {*layout.folders.values()} | ({"testA", "testB"} if not layout.listed else set())
    with _members(origin, folder) as members:
        found: dict[str, Member] = {}
        for member in members:
            *_, parent, name = ["", *member.name.split("/")]
            key = f"{parent}/{name}" if parent in folders else name
            if (key == layout.table or "/" in key) and found.setdefault(key, member) is not member:
                raise ValueError(
                    f"{origin} holds two copies: {found[key].name!r} and {member.name!r}; give one of them"
                )
        lacking = [layout.table] if layout.listed and layout.table not in found else []
        lacking += [
            f"{f}/"
            for f in layout.folders.values()
            if not any(key.startswith(f"{f}/") for key in found)
        ]
        if lacking:
            raise FileNotFoundError(f"{origin} holds no {', no '.join(lacking)}; expected {layout}")
        if layout.listed:
            with found[layout.table].open() as file:
                table = file.read()
        else:
            names = sorted(key for key in found if Path(key).suffix.lower() in images.SUFFIXES)
            table = "\n".join(["file", *names, ""]).encode()
        listed = (
            [keys for _, keys in _rows(table, layout)]
            if layout.listed
            else [[name] for name in names]
        )
        if not any(found.keys() >= {*keys} for keys in listed):
            raise FileNotFoundError(
                f"{origin} holds nothing that its {layout.table} lists; expected {layout}"
            )
        names = list(dict.fromkeys(key for keys in listed for key in keys))
        if missing := [key for key in names if key not in found]:
            few = ", ".join(missing[:3]) + ", …" * (len(missing) > 3)
            warnings.warn(
                f"{len(missing)} of {len(names)} listed files are not in {origin}: {few}",
                stacklevel=4,
            )
        for key in tqdm(
            [key for key in names if key in found], desc=f"fetch {source}", leave=False, delay=2
        ):
            if not _there(folder / key, found[key].size):
                _bring(found[key], folder / key)
    target = folder / layout.table  # last: where it stands, its pictures do
    if not target.exists() or target.read_bytes() != table:
        with replacing(target) as part:
            part.write_bytes(table)
    return folder


@contextmanager
def _members(origin: Path, folder: Path) -> Iterator[list[Member]]:
    """The files of the zip or folder `origin`, without those in `folder`; a zip is judged before any file is read."""
    if origin.is_dir():
        members = []
        for top, folders, names in os.walk(origin):
            folders[:] = [name for name in folders if Path(top, name).resolve() != folder.resolve()]
            for path in (Path(top, name) for name in names):
                if path.is_file():
                    inside = path.relative_to(origin).as_posix()
                    members.append(
                        Member(inside, path.stat().st_size, partial(path.open, "rb"), path)
                    )
        yield members
        return
    if not origin.exists():
        raise FileNotFoundError(f"there is no folder or zip {origin}")
    try:
        with zipfile.ZipFile(origin) as archive:
            infos, size = archive.infolist(), origin.stat().st_size
            refused = [
                f"{info.filename!r} {why}" for info in infos if (why := _objection(info, size))
            ]
            if sum(info.file_size for info in infos) > 20e9:
                refused.append("it unpacks to more than 20 GB")
            if refused:
                raise ValueError(f"{origin}: {refused[0]}; nothing was unpacked, get another copy")
            files = [(info.filename.replace("\\", "/"), info) for info in infos]
            yield [
                Member(n, i.file_size, partial(archive.open, i))
                for n, i in files
                if not n.endswith("/")
            ]
    except BROKEN as error:
        reason = str(error) or "it ends early"
        raise ValueError(
            f"{origin} is not a zip or a broken one ({reason}); download it again"
        ) from error


def _objection(info: zipfile.ZipInfo, size: int) -> str | None:
    """Why this member of a zip of `size` bytes must not be unpacked; None where it may."""
    path = PureWindowsPath(info.filename)  # it knows slashes of both kinds, and drives
    methods = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    objections = {
        "would climb out of the folder": path.anchor or ".." in path.parts,
        "is a link, not a file": stat.S_IFMT(info.external_attr >> 16)
        not in (0, stat.S_IFREG, stat.S_IFDIR),
        "is encrypted": info.flag_bits & 1,
        "is packed by another method than deflate": info.compress_type not in methods,
        "lies outside the file": not 0 <= info.header_offset < size,
        "unpacks to more than 200 MB": info.file_size > 200e6,
        "unpacks to more than 200 times its size": info.file_size
        > max(10e6, 200 * info.compress_size),
    }
    return next((why for why, holds in objections.items() if holds), None)


def _there(target: Path, size: int) -> bool:
    return target.exists() and target.stat().st_size == size


def _bring(member: Member, target: Path) -> None:
    """Make `target` the file `member`: by a hard link where the disk allows it, else by a copy."""
    with member.open() as source, replacing(target) as part:
        part.unlink(
            missing_ok=True
        )  # a killed run may have left a link there, and writing would go through it
        if member.path:
            with suppress(OSError):  # another disk, or one without links
                part.hardlink_to(member.path.resolve())
        if not part.exists():
            with part.open("wb") as file:
                shutil.copyfileobj(source, file)
        if (size := part.stat().st_size) != member.size:  # zipfile compares the checksum alone
            raise ValueError(
                f"{member.name} has {size} bytes instead of {member.size}; get another copy of the set"
            )


def celeba_splits(folder: str | os.PathLike) -> dict[Path, str]:
    """{picture: "train", "val" or "test"} of `fetch("celeba")`: CelebA's own partition, in which nobody is in two.

    Raises FileNotFoundError where nothing was fetched, and ValueError for a partition other than 0, 1 and 2.
    """
    parts, splits = {"0": "train", "1": "val", "2": "test"}, {}
    for row, [path] in _fetched(Path(folder), "celeba"):
        if row.get("partition") not in parts:
            raise ValueError(
                f"{path.name} has partition {row.get('partition')!r}; 0, 1 or 2 is expected"
            )
        splits[path] = parts[row["partition"]]
    return splits


def unsplash_pairs(folder: str | os.PathLike) -> list[tuple[Path, Path]]:
    """(low, high) of each row of `fetch("unsplash")`; FileNotFoundError where nothing was fetched.

    Several low pictures come from one high picture (`7_2.jpg` and `7_4.jpg` from `7.jpg`), so split by the
    high ones: `batching.split([high.name for low, high in pairs])`.
    """
    return [(low, high) for _, [low, high] in _fetched(Path(folder), "unsplash")]


def _fetched(folder: Path, source: str) -> list[tuple[dict[str, str], list[Path]]]:
    """The rows of a fetched table whose files are all there, each with its paths."""
    table = folder / SETS[source].table
    rows = _rows(table.read_bytes(), SETS[source]) if table.exists() else []
    there = [(row, [folder / key for key in keys]) for row, keys in rows]
    there = [(row, paths) for row, paths in there if all(path.is_file() for path in paths)]
    if not there:
        raise FileNotFoundError(
            f"no pictures with their {table.name} in {folder}; fetch({source!r}, origin=…) first"
        )
    return there


def _rows(table: bytes, layout: Layout) -> list[tuple[dict[str, str], list[str]]]:
    """Each row of a table with the files it names, as "folder/name"; ValueError where a column is missing."""
    reader = csv.DictReader(table.decode("utf-8-sig", errors="replace").splitlines(), restval="")
    try:
        if not {*layout.folders} <= {*(reader.fieldnames or [])}:
            raise ValueError(
                f"{layout.table} has no columns {' and '.join(layout.folders)}; expected {layout}"
            )
        return [
            (row, [f"{folder}/{row[column]}" for column, folder in layout.folders.items()])
            for row in reader
        ]
    except csv.Error as error:
        raise ValueError(f"{layout.table} cannot be read ({error}); expected {layout}") from error
