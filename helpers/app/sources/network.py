"""Bring what an address holds: patiently, politely, whole or not at all."""

import hashlib
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from helpers import ROOT
from helpers.files import replacing

TIMEOUT_S = 30  # without an answer, or with less than 1 kB/s, a connection counts as broken
RETRY_AFTER_LIMIT_S = 120  # the longest time that a server may ask us to wait
BACKOFF_S = 1.0  # before the second retry; doubled each time
TRIES = 5
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
