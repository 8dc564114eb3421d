"""Every network source against a server on loopback that behaves well, and badly in many ways."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections import namedtuple
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from helpers import ROOT, download, images
from helpers.app import command, sources
from helpers.app.sources import layouts, network, page

pytestmark = pytest.mark.filterwarnings("ignore:.* pictures refused")
KEY = "12345678-secretsecretsecretsecret1"


def jpeg(seed=0, side=64):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


class Loopback(ThreadingHTTPServer):
    """A server on loopback.

    `routes` holds by path the bytes to send or a function of the handler; `seen` holds
    (path, Range) of every request.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes, self.seen, self.fallback = {}, [], status(404)
        self.url = f"http://127.0.0.1:{self.server_port}"

    def paths(self):
        return [path for path, _ in self.seen]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.partition("?")[0]
        self.query = self.path.partition("?")[2]
        self.server.seen.append((path, self.headers.get("Range")))
        answer = self.server.routes.get(path, self.server.fallback)
        try:
            return answer(self) if callable(answer) else whole(answer)(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_POST = do_GET

    def send(self, code, body=b"", **headers):
        self.send_response(code)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in ({"Content-Length": len(body)} | headers).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def cut(self):
        self.wfile.flush()
        self.connection.shutdown(2)
        self.close_connection = True

    def log_message(self, *_):
        pass


def status(code, body=b"", **headers):
    return lambda handler: handler.send(code, body, **headers)


def whole(body, kind="image/jpeg"):
    return status(200, body, Content_Type=kind)


def html(body):
    return whole(body.encode(), "text/html; charset=utf-8")


def first(n, bad, good):
    """`bad` for the first n requests, then `good`."""
    left = [bad] * n
    return lambda handler: (left.pop() if left else good)(handler)


def ranged(body, tag='"1"', stops=()):
    """A good file server, but the k-th answer ends after `stops[k]` bytes."""
    stops = list(stops)

    def answer(handler):
        start = int((re.match(r"bytes=(\d+)-", handler.headers.get("Range") or "") or [0, 0])[1])
        if handler.headers.get("If-Range", tag) != tag:
            start = 0
        if start >= len(body) > 0:
            return handler.send(416, Content_Range=f"bytes */{len(body)}")
        rest = body[start:]
        headers = {"ETag": tag, "Content_Length": len(rest), "Content_Type": "image/jpeg"}
        if start:
            headers["Content_Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        stop = stops.pop(0) if stops else len(rest)
        handler.send(206 if start else 200, rest[:stop], **headers)
        if stop < len(rest):
            handler.cut()

    return answer


@pytest.fixture
def server(monkeypatch):
    for name in ("PIXABAY_API_KEY", "KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(network, "BACKOFF_S", 0.01)
    monkeypatch.setattr(network, "TIMEOUT_S", 1.0)
    loopback = Loopback()
    threading.Thread(target=loopback.serve_forever, args=(0.01,), daemon=True).start()
    yield loopback
    loopback.shutdown()
    loopback.server_close()


def files(folder):
    return sorted(
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_file() and ".answers" not in p.parts
    )


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def get(server, path, target, **options):
    sources.download(sources.session(), server.url + path, target, **options)


# download: what goes wrong on the way


def test_a_good_file_arrives_and_says_who_asks(server, tmp_path):
    agents = []
    server.routes["/x.jpg"] = lambda h: (agents.append(h.headers["User-Agent"]), whole(jpeg())(h))
    get(server, "/x.jpg", tmp_path / "a" / "x.jpg")
    assert (tmp_path / "a" / "x.jpg").read_bytes() == jpeg()
    assert re.fullmatch(r"image-restoration-course/[\d.]+ \(\+https://.*\)", agents[0])


def test_a_cut_connection_is_taken_up_where_it_broke(server, tmp_path):
    body = jpeg(side=256)
    server.routes["/x.jpg"] = ranged(body, stops=[1000, 5000])
    get(server, "/x.jpg", tmp_path / "x.jpg")
    assert (tmp_path / "x.jpg").read_bytes() == body
    assert [asked for _, asked in server.seen] == [None, "bytes=1000-", "bytes=6000-"]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    def cut(handler):
        handler.send(200, jpeg()[:500], Content_Length=len(jpeg()))
        handler.cut()

    server.routes["/x.jpg"] = first(2, cut, whole(jpeg()))
    get(server, "/x.jpg", tmp_path / "x.jpg")
    assert (tmp_path / "x.jpg").read_bytes() == jpeg()


def test_a_file_that_changed_meanwhile_is_not_sewn_together(server, tmp_path):
    server.routes["/x.jpg"] = first(1, ranged(jpeg(1), '"old"', [1000]), ranged(jpeg(2), '"new"'))
    get(server, "/x.jpg", tmp_path / "x.jpg")
    assert (tmp_path / "x.jpg").read_bytes() == jpeg(2)


@pytest.mark.parametrize("promised", [10, 10**6])
def test_wrong_length(server, tmp_path, promised):
    def answer(handler):
        handler.send(200, jpeg(), Content_Length=promised)
        handler.cut()

    server.routes["/x.jpg"] = answer
    with pytest.raises((ValueError, ConnectionError), match=r"broke off|not a picture|damaged"):
        get(server, "/x.jpg", tmp_path / "x.jpg", check=images.read)
    assert files(tmp_path) == []


def test_always_cut(server, tmp_path):
    server.routes["/x.jpg"] = ranged(jpeg(side=256), stops=[100] * 99)
    with pytest.raises(ConnectionError, match=r"broke off x\.jpg 5 times"):
        get(server, "/x.jpg", tmp_path / "x.jpg")
    assert len(server.seen) == 5
    assert files(tmp_path) == []


def test_wrong_hash_keeps_nothing(server, tmp_path):
    server.routes["/x.zip"] = whole(b"another file", "application/zip")
    with pytest.raises(ValueError, match="SHA-256"):
        get(server, "/x.zip", tmp_path / "x.zip", sha256="0" * 64)
    assert files(tmp_path) == []


def test_a_killed_download_goes_on_in_the_next_process(server, tmp_path):
    body = np.random.default_rng(0).bytes(300_000)
    sha256 = hashlib.sha256(body).hexdigest()
    hold = threading.Event()

    def stall(handler):
        handler.send(200, body[:200_000], Content_Length=len(body), ETag='"1"')
        handler.wfile.flush()
        hold.wait(30)

    server.routes["/x.zip"] = first(1, stall, ranged(body))
    script = (
        "import sys; from pathlib import Path; from helpers.app import sources\n"
        "sources.download(sources.session(), sys.argv[1], Path(sys.argv[2]), sha256=sys.argv[3])"
    )
    target = tmp_path / "x.zip"
    process = subprocess.Popen(
        [sys.executable, "-c", script, server.url + "/x.zip", target, sha256], cwd=ROOT
    )
    part = tmp_path / ".part.x.zip"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size >= 131_072) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    hold.set()
    assert not target.exists()
    have = part.stat().st_size
    get(server, "/x.zip", target, sha256=sha256)
    assert target.read_bytes() == body
    assert server.seen[-1] == ("/x.zip", f"bytes={have}-")
    assert files(tmp_path) == ["x.zip"]


def test_slow_but_alive(server, tmp_path):
    def answer(handler):
        handler.send(200, b"", Content_Length=len(jpeg()))
        for k in range(0, len(jpeg()), 1000):
            handler.wfile.write(jpeg()[k : k + 1000])
            time.sleep(0.05)

    server.routes["/x.jpg"] = answer
    get(server, "/x.jpg", tmp_path / "x.jpg", check=images.read)
    assert (tmp_path / "x.jpg").read_bytes() == jpeg()


def test_one_byte_now_and_then_is_not_alive(server, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "TRIES", 2)

    def drip(handler):
        handler.send(200, b"", Content_Length=10**6)
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.1)

    server.routes["/x.jpg"] = drip
    start = time.monotonic()
    with pytest.raises(ConnectionError, match="broke off"):
        get(server, "/x.jpg", tmp_path / "x.jpg")
    assert time.monotonic() - start < 8


def test_silence(server, tmp_path, monkeypatch):
    monkeypatch.setattr(network, "TRIES", 1)
    server.routes["/x.jpg"] = lambda handler: time.sleep(3)
    with pytest.raises(ConnectionError, match=r"did not answer|cannot reach"):
        get(server, "/x.jpg", tmp_path / "x.jpg")
    assert files(tmp_path) == []


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"X-RateLimit-Reset": "0"}])
def test_429_and_500_pass(server, tmp_path, headers):
    server.routes["/x.jpg"] = first(2, status(429, **headers), first(1, status(500), whole(jpeg())))
    get(server, "/x.jpg", tmp_path / "x.jpg")
    assert len(server.seen) == 4


@pytest.mark.parametrize("header", ["Retry-After", "X-RateLimit-Reset"])
def test_429_is_waited_for_as_long_as_it_says(server, tmp_path, header):
    server.routes["/x.jpg"] = first(1, status(429, **{header: "1"}), whole(jpeg()))
    start = time.monotonic()
    get(server, "/x.jpg", tmp_path / "x.jpg")
    assert time.monotonic() - start >= 1


@pytest.mark.parametrize("header", ["Retry-After", "X-RateLimit-Reset"])
def test_429_for_an_hour_is_said_and_not_slept_through(server, tmp_path, header):
    server.routes["/x.jpg"] = status(429, **{header: "3600"})
    with pytest.raises(ConnectionError, match=r"left alone for 3600 s"):
        get(server, "/x.jpg", tmp_path / "x.jpg")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (403, ValueError, r"refuses \(403\)"),
        (404, ValueError, r"no such file \(404\)"),
        (500, ValueError, r"fails \(500\)"),
        (429, ConnectionError, r"too often \(429\)"),
    ],
)
def test_statuses_that_stay(server, tmp_path, code, error, words):
    server.routes["/x.jpg"] = status(code)
    with pytest.raises(error, match=words):
        get(server, "/x.jpg", tmp_path / "x.jpg")
    assert files(tmp_path) == []


def test_html_instead_of_a_picture(server, tmp_path):
    server.routes["/x.jpg"] = html("<p>Please log in</p>")
    with pytest.raises(ValueError, match=r"sent a page instead of x\.jpg"):
        get(server, "/x.jpg", tmp_path / "x.jpg")


def test_redirect_loop(server, tmp_path):
    server.routes["/x.jpg"] = status(302, Location="/x.jpg")
    with pytest.raises(ValueError, match="redirects in a circle"):
        get(server, "/x.jpg", tmp_path / "x.jpg")


def test_more_than_allowed(server, tmp_path):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 10_000)

    server.routes["/x.jpg"] = endless
    with pytest.raises(ValueError, match="more than 1 MB"):
        get(server, "/x.jpg", tmp_path / "x.jpg", limit=1e6)
    assert files(tmp_path) == []


def test_no_network(server, tmp_path):
    url = "http://127.0.0.1:1/x.jpg"
    with pytest.raises(
        ConnectionError, match=r"cannot reach 127\.0\.0\.1:1: is the network there\?"
    ):
        sources.download(sources.session(), url, tmp_path / "x.jpg")


def test_full_disk_says_so(server, tmp_path, no_space, monkeypatch):
    server.routes["/x.jpg"] = whole(jpeg())
    real = network._write_chunks

    def full(*arguments):
        real(*arguments)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(network, "_write_chunks", full)
    with pytest.raises(OSError, match=r"cannot write .*x\.jpg: No space left"):
        get(server, "/x.jpg", tmp_path / "x.jpg")
    assert files(tmp_path) == []


# Pixabay


def hit(server, number, **more):
    server.routes[f"/large/{number}.jpg"] = whole(jpeg(number))
    urls = {
        "pageURL": f"https://pixabay.com/photos/{number}/",
        "largeImageURL": f"{server.url}/large/{number}.jpg",
    }
    return {
        "id": number,
        "user": f"photographer {number}",
        **urls,
        "noAiTraining": False,
        "isAiGenerated": False,
    } | more


@pytest.fixture
def pixabay(server, monkeypatch):
    monkeypatch.setattr(sources.pixabay, "PIXABAY", f"{server.url}/api/")
    monkeypatch.setenv("PIXABAY_API_KEY", KEY)
    server.hits = [hit(server, n) for n in range(1, 7)]
    server.hits[1]["noAiTraining"] = True
    server.hits[2]["isAiGenerated"] = True
    server.queries = []

    def api(handler):
        server.queries.append(handler.query)
        whole(
            json.dumps({"total": 6, "totalHits": 6, "hits": server.hits}).encode(),
            "application/json",
        )(handler)

    server.routes["/api/"] = api
    return server


def test_pixabay(pixabay, tmp_path):
    folder = download.fetch(
        "pixabay", query="dog", limit=3, category="animals", smallest=300, to=tmp_path / "p"
    )
    assert files(folder) == ["1.jpg", "4.jpg", "5.jpg", "SOURCES.csv"]
    assert (folder / "4.jpg").read_bytes() == jpeg(4)
    asked = dict(pair.split("=") for pair in pixabay.queries[0].split("&"))
    assert asked == {
        "key": KEY,
        "q": "dog",
        "image_type": "photo",
        "safesearch": "true",
        "per_page": "200",
        "page": "1",
        "category": "animals",
        "min_width": "300",
        "min_height": "300",
    }
    (row, *_) = rows(folder / "SOURCES.csv")
    assert {**row, "date": ""} == {
        "file": "1.jpg",
        "id": "1",
        "page": "https://pixabay.com/photos/1/",
        "photographer": "photographer 1",
        "licence": "Pixabay Content License",
        "url": f"{pixabay.url}/large/1.jpg",
        "date": "",
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", row["date"])


def snapshot(folder):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def test_a_second_fetch_asks_nothing_and_writes_nothing(pixabay, tmp_path):
    download.fetch("pixabay", query="dog", to=tmp_path / "p")
    before, asked = snapshot(tmp_path), len(pixabay.seen)
    download.fetch("pixabay", query="dog", to=tmp_path / "p")
    assert len(pixabay.seen) == asked
    assert snapshot(tmp_path) == before


def test_answers_are_kept_for_a_day_without_the_key(pixabay, tmp_path):
    download.fetch("pixabay", query="dog", limit=1, to=tmp_path)
    (answer,) = (tmp_path / ".answers").iterdir()
    old = time.time() - 25 * 60 * 60
    os.utime(answer, (old, old))
    download.fetch("pixabay", query="dog", limit=1, to=tmp_path)
    assert len(pixabay.queries) == 2
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]


def test_a_larger_limit_fetches_only_the_rest(pixabay, tmp_path):
    download.fetch("pixabay", query="dog", limit=1, to=tmp_path)
    download.fetch("pixabay", query="dog", limit=3, to=tmp_path)
    assert pixabay.paths() == ["/api/", "/large/1.jpg", "/large/4.jpg", "/large/5.jpg"]
    assert [row["file"] for row in rows(tmp_path / "SOURCES.csv")] == ["1.jpg", "4.jpg", "5.jpg"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"query": ""}, "1 to 100 characters"),
        ({"query": "x" * 101}, "got 101"),
        ({"query": "x", "limit": 201}, "between 1 and 200; Pixabay does not allow mass"),
        ({"query": "x", "limit": 0}, "between 1 and 200"),
    ],
)
def test_pixabay_limits(pixabay, tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        download.fetch("pixabay", to=tmp_path, **options)
    assert pixabay.seen == []


def test_pixabay_without_a_key_says_where_to_get_one(pixabay, tmp_path, monkeypatch):
    monkeypatch.delenv("PIXABAY_API_KEY")
    with pytest.raises(ValueError, match=r"/api/docs/.*PIXABAY_API_KEY"):
        download.fetch("pixabay", query="dog", to=tmp_path)
    assert files(tmp_path) == []


SECRETS = {
    "google/colab/userdata.py": "def get(name): return SECRETS[name]",
    "kaggle_secrets.py": """
class UserSecretsClient:
    def get_secret(self, name): return SECRETS[name]
""",
}


@pytest.fixture(params=SECRETS, ids=["colab", "kaggle"])
def secrets(request, tmp_path, monkeypatch):
    """Let Colab's or Kaggle's package give these secrets, a KeyError for others."""

    def hold(held):
        module = tmp_path / "modules" / request.param
        module.parent.mkdir(parents=True)
        (module.parent / "__init__.py").touch()
        module.write_text(f"SECRETS = {held!r}\n{SECRETS[request.param]}")
        monkeypatch.syspath_prepend(str(tmp_path / "modules"))

    def forget():
        for name in [name for name in sys.modules if name.startswith(("google.colab", "kaggle_s"))]:
            del sys.modules[name]

    monkeypatch.delenv("PIXABAY_API_KEY", raising=False)
    monkeypatch.delitem(sys.modules, "google", raising=False)
    forget()
    yield hold
    forget()


def test_the_key_may_be_a_secret_of_the_notebooks_host(pixabay, tmp_path, secrets):
    secrets({"PIXABAY_API_KEY": f" {KEY}\n"})
    download.fetch("pixabay", query="dog", limit=1, to=tmp_path / "p")
    assert f"key={KEY}" in pixabay.queries[0]


@pytest.mark.parametrize("held", [{}, {"PIXABAY_API_KEY": ""}, {"PIXABAY_API_KEY": None}])
def test_a_secret_that_is_not_there_is_asked_for(pixabay, tmp_path, secrets, held):
    secrets(held)
    with pytest.raises(ValueError, match="on Colab and Kaggle, into a secret"):
        download.fetch("pixabay", query="dog", to=tmp_path / "p")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(400, b"[ERROR 400] Invalid or missing API key"), "PIXABAY_API_KEY right"),
        (status(403), "PIXABAY_API_KEY right"),
        (status(429), r"too often \(429\)"),
        (status(429, **{"X-RateLimit-Reset": "3600"}), "left alone for 3600 s"),
        (status(500), r"fails \(500\)"),
        (status(302, Location="/api/"), "circle"),
        (whole(b"not json", "application/json"), "not what its documentation says"),
        (whole(b'{"hits": [{"id": 1}]}', "application/json"), "not what its documentation says"),
        (whole(b'{"hits": []}', "application/json"), "no photograph of 'dog'"),
        (lambda handler: handler.cut(), "cannot reach"),
    ],
)
def test_pixabay_failing_never_tells_the_key(pixabay, tmp_path, capsys, answer, words):
    pixabay.routes["/api/"] = answer
    code = command.main(["fetch", "pixabay", "--query", "dog", "--to", str(tmp_path / "p")])
    out, err = capsys.readouterr()
    assert code == 2
    assert re.search(words, err)
    assert KEY not in out + err
    with pytest.raises((ValueError, ConnectionError)) as caught:
        download.fetch("pixabay", query="dog", to=tmp_path / "p")
    error = caught.value
    while error:  # what a notebook's traceback would print
        assert KEY not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and KEY.encode() in p.read_bytes()]


def test_bad_pictures_do_not_stop_the_good_ones(pixabay, tmp_path, png_bytes):
    huge = png_bytes(40_000, 25_000, 8, 2, [b"\0\0\0"])  # 10⁹ pixels in its header
    bad = [
        html("<p>gone</p>"),
        status(404),
        status(403),
        whole(huge),
        whole(jpeg()[:700]),
        ranged(jpeg(), stops=[9] * 9),
    ]
    for number, answer in enumerate(bad[:5], start=10):
        pixabay.hits.insert(0, hit(pixabay, number))
        pixabay.routes[f"/large/{number}.jpg"] = answer
    with pytest.warns(UserWarning, match="5 of 9 pictures refused"):
        folder = download.fetch("pixabay", query="dog", to=tmp_path)
    assert files(folder) == ["1.jpg", "4.jpg", "5.jpg", "6.jpg", "SOURCES.csv", "refused.csv"]
    reasons = {
        row["file"].rpartition("/")[2]: row["reason"] for row in rows(folder / "refused.csv")
    }
    assert "page instead" in reasons["10.jpg"]
    assert "404" in reasons["11.jpg"]
    assert "403" in reasons["12.jpg"]
    assert "pixels" in reasons["13.jpg"]
    assert reasons["14.jpg"].startswith("14.jpg ")
    assert [row["file"] for row in rows(folder / "SOURCES.csv")] == [
        "6.jpg",
        "5.jpg",
        "4.jpg",
        "1.jpg",
    ][::-1]


def test_a_line_that_drops_keeps_what_has_arrived(pixabay, tmp_path):
    pixabay.routes["/large/4.jpg"] = first(5, lambda handler: handler.cut(), whole(jpeg(4)))
    pixabay.routes["/large/5.jpg"] = ranged(jpeg(5), stops=[9] * 5)
    with pytest.raises(ConnectionError, match="same command goes on"):
        download.fetch("pixabay", query="dog", to=tmp_path)
    assert [row["file"] for row in rows(tmp_path / "SOURCES.csv")] == files(tmp_path)[:-1]
    assert "1.jpg" in files(tmp_path)
    pixabay.seen.clear()
    download.fetch("pixabay", query="dog", to=tmp_path)
    assert files(tmp_path) == ["1.jpg", "4.jpg", "5.jpg", "6.jpg", "SOURCES.csv"]
    assert "/large/1.jpg" not in pixabay.paths()


def test_control_c_keeps_what_has_arrived(pixabay, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    pixabay.routes["/large/5.jpg"] = lambda handler: (
        monkeypatch.setattr(network, "_write_chunks", stop),
        whole(jpeg(5))(handler),
    )
    with pytest.raises(KeyboardInterrupt):
        download.fetch("pixabay", query="dog", to=tmp_path)
    assert files(tmp_path) == ["1.jpg", "4.jpg", "SOURCES.csv"]


# the reader's own page


@pytest.fixture
def gallery(server, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda s: server.slept.append(s))
    server.slept = []
    for number in range(4):
        server.routes[f"/pictures/{number}.jpg"] = whole(jpeg(number))
    server.routes["/gallery/"] = html(
        """<title>x</title><a href="/pictures/0.jpg">0</a> <a href="../pictures/1.jpg#top">1</a>
        <img src="/pictures/2.jpg"> <a href="/pictures/0.jpg">again</a>
        <a href="/other/page.html">no picture</a>
        <a href="mailto:me@example.org">mail</a> <img src="data:image/png;base64,AAAA">
        <a href="/pictures/3.JPG?x=1">3</a>
        <a href="/private/secret.jpg">private</a> <a>nothing</a>
        <a href="javascript:alert(1)">js</a>"""
    )
    server.routes["/pictures/3.JPG"] = whole(jpeg(3))
    server.routes["/robots.txt"] = whole(
        b"User-agent: *\nDisallow: /private/\nCrawl-delay: 2\n", "text/plain"
    )
    return server


def test_page(gallery, tmp_path):
    folder = download.fetch("page", origin=f"{gallery.url}/gallery/", to=tmp_path)
    names = [name for name in files(folder) if name != "SOURCES.csv"]
    assert [re.sub(r"_[0-9a-f]{8}", "", name) for name in names] == [
        "0.jpg",
        "1.jpg",
        "2.jpg",
        "3.jpg",
    ]
    assert gallery.paths()[:2] == ["/robots.txt", "/gallery/"]
    assert sorted(gallery.paths()[2:]) == [
        "/pictures/0.jpg",
        "/pictures/1.jpg",
        "/pictures/2.jpg",
        "/pictures/3.JPG",
    ]
    assert [pause for pause in gallery.slept if pause] == [2, 2, 2, 2]
    assert {row["page"] for row in rows(folder / "SOURCES.csv")} == {f"{gallery.url}/gallery/"}


def test_page_second_time_and_limit(gallery, tmp_path):
    download.fetch("page", origin=f"{gallery.url}/gallery/", limit=2, to=tmp_path)
    assert len(files(tmp_path)) == 3
    before, asked = snapshot(tmp_path), len(gallery.seen)
    download.fetch("page", origin=f"{gallery.url}/gallery/", limit=2, to=tmp_path)
    assert (snapshot(tmp_path), len(gallery.seen)) == (before, asked)


@pytest.mark.parametrize(
    ("robots", "words"),
    [
        (
            whole(b"User-agent: *\nDisallow: /\n", "text/plain"),
            "robots.txt .* does not allow this page",
        ),
        (
            whole(b"User-agent: image-restoration-course\nDisallow: /gallery\n", "text/plain"),
            "does not allow",
        ),
        (status(500), "does not allow"),
        (status(403), "does not allow"),
        (
            whole(b"User-agent: *\nDisallow: /pictures/\nDisallow: /private/", "text/plain"),
            "none of them",
        ),
    ],
)
def test_page_obeys_robots(gallery, tmp_path, robots, words):
    gallery.routes["/robots.txt"] = robots
    with pytest.raises(ValueError, match=words):
        download.fetch("page", origin=f"{gallery.url}/gallery/", to=tmp_path)
    assert "/pictures/0.jpg" not in gallery.paths()
    assert files(tmp_path) == []


def test_page_without_robots_is_allowed(gallery, tmp_path):
    del gallery.routes["/robots.txt"]
    gallery.routes["/private/secret.jpg"] = whole(jpeg(9))
    assert len(files(download.fetch("page", origin=f"{gallery.url}/gallery/", to=tmp_path))) == 6


@pytest.mark.parametrize("url", [None, "holiday", "file:///etc/passwd", "ftp://x/y"])
def test_page_needs_an_address(tmp_path, url):
    with pytest.raises(ValueError, match="address of a page"):
        download.fetch("page", origin=url, to=tmp_path)


def test_page_that_is_none(gallery, tmp_path):
    with pytest.raises(ValueError, match=r"no such file \(404\)"):
        download.fetch("page", origin=f"{gallery.url}/nowhere/", to=tmp_path)
    with pytest.raises(ValueError, match="sent no text/html"):
        download.fetch("page", origin=f"{gallery.url}/pictures/0.jpg", to=tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    ["../../evil.jpg", "..%2F..%2Fevil.jpg", "%00.jpg", "a" * 300 + ".jpg", "ü ö.jpg", ".jpg"],
)
def test_page_names_stay_in_the_folder(gallery, tmp_path, name):
    gallery.routes["/gallery/"] = html(f'<a href="/p/{name}">x</a><a href="/pictures/0.jpg">y</a>')
    gallery.fallback = whole(jpeg(5))
    download.fetch("page", origin=f"{gallery.url}/gallery/", to=tmp_path / "inside")
    assert len(files(tmp_path / "inside")) == (
        2 if name == ".jpg" else 3
    )  # a suffix alone is no name
    assert [p for p in tmp_path.rglob("*.jpg") if p.parent != tmp_path / "inside"] == []
    assert re.fullmatch(
        r"\w[\w-]*_[0-9a-f]{8}\.jpg",
        page._file_name(f"http://x/{name}") if name != ".jpg" else "p_12345678.jpg",
    )


# sets


def archive(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, content in members.items():
            pack.writestr(name, content)
    return file.getvalue()


YOSEMITE = {
    f"summer2winter_yosemite/{part}/{n}.jpg": jpeg(n)
    for part in ("trainA", "trainB", "testA")
    for n in range(2)
}


@pytest.fixture
def yosemite(server, monkeypatch):
    def serve(members, body=None):
        body = body or archive(members)
        server.routes["/set.zip"] = ranged(body, stops=[len(body) // 2])
        layout = layouts.SETS["summer2winter"]._replace(page=f"{server.url}/set.zip")
        monkeypatch.setitem(layouts.SETS, "summer2winter", layout)
        monkeypatch.setattr(sources.sets, "SHA256", hashlib.sha256(body).hexdigest())
        return server

    return serve


def test_summer2winter_from_the_network(yosemite, tmp_path):
    server = yosemite(YOSEMITE)
    folder = download.fetch("summer2winter", to=tmp_path / "s")
    names = [name.partition("/")[2] for name in sorted(YOSEMITE)]
    assert files(tmp_path) == sorted([f"s/{name}" for name in names] + ["s/files.csv"])
    assert [row["file"] for row in rows(folder / "files.csv")] == names
    before, asked = snapshot(tmp_path), len(server.seen)
    download.fetch("summer2winter", to=tmp_path / "s")
    assert (snapshot(tmp_path), len(server.seen)) == (before, asked)


def test_summer2winter_from_a_copy(tmp_path):
    (tmp_path / "set.zip").write_bytes(archive(YOSEMITE))
    folder = download.fetch("summer2winter", origin=tmp_path / "set.zip", to=tmp_path / "s")
    assert len(files(folder)) == 7
    again = download.fetch("summer2winter", origin=folder, to=tmp_path / "t")
    assert files(again) == files(folder)
    (tmp_path / "bad.zip").write_bytes(archive({"x/trainA/1.jpg": jpeg()}))
    with pytest.raises(FileNotFoundError, match="no trainB/"):
        download.fetch("summer2winter", origin=tmp_path / "bad.zip", to=tmp_path / "u")


@pytest.mark.parametrize("name", ["../../evil.jpg", "/evil.jpg", "bomb.jpg"])
def test_what_else_is_in_an_archive_from_the_network_stays_there(yosemite, tmp_path, name):
    yosemite(YOSEMITE | {name: bytes(10**8)})
    folder = download.fetch("summer2winter", to=tmp_path / "in" / "s")
    assert len(files(folder)) == 7
    assert not [path for path in tmp_path.rglob("*.jpg") if folder not in path.parents]


def test_an_archive_from_the_network_that_the_disk_cannot_hold(yosemite, tmp_path, monkeypatch):
    yosemite(YOSEMITE)
    usage = namedtuple("usage", "total used free")(10**9, 10**9 - 100, 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ValueError, match=r"0\.0 GB are free; nothing was unpacked"):
        download.fetch("summer2winter", to=tmp_path / "in" / "s")
    assert not (tmp_path / "in" / "s").exists()


def test_a_set_that_changed_is_refused(yosemite, tmp_path, monkeypatch):
    yosemite(YOSEMITE)
    monkeypatch.setattr(sources.sets, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="SHA-256"):
        download.fetch("summer2winter", to=tmp_path / "s")
    assert files(tmp_path) == []


# Kaggle, through kagglehub


@pytest.fixture
def kaggle(server, monkeypatch, tmp_path):
    from kagglesdk import kaggle_env

    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.url)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    server.tokens = []
    server.archive = archive(
        {"list_eval_partition.csv": "image_id,partition\n1.jpg,0\n2.jpg,2\n"}
        | {f"img_align_celeba/img_align_celeba/{n}.jpg": jpeg(n) for n in (1, 2)}
    )

    def about(handler):
        server.tokens.append(handler.headers.get("Authorization"))
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        answer = json.dumps({"currentVersionNumber": 2, "ref": "x/y"}).encode()
        whole(answer, "application/json")(handler)

    def give(handler):
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        whole(server.archive, "application/zip")(handler)

    service = "datasets.DatasetApiService"
    for prefix in ("", "/api"):
        server.routes[f"{prefix}/v1/{service}/GetDataset"] = about
        server.routes[f"{prefix}/v1/{service}/DownloadDataset"] = give
    return server


def test_kaggle_without_an_account(kaggle, tmp_path):
    folder = download.fetch("celeba", to=tmp_path / "c")
    assert files(folder) == [
        "img_align_celeba/1.jpg",
        "img_align_celeba/2.jpg",
        "list_eval_partition.csv",
    ]
    assert sorted(sources.celeba_splits(folder).values()) == ["test", "train"]
    assert set(kaggle.tokens) == {None}
    before, asked = snapshot(folder), len(kaggle.seen)
    download.fetch("celeba", to=folder)
    assert (snapshot(folder), len(kaggle.seen)) == (before, asked)


def test_kaggle_with_credentials(kaggle, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "token-of-mine")
    download.fetch("celeba", to=tmp_path / "c")
    assert kaggle.tokens[0] == "Bearer token-of-mine"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, r"refuses \(401\)"),
        (403, r"refuses \(403\)"),
        (404, "status 404"),
        (500, "status 500"),
        (429, "status 429"),
    ],
)
def test_kaggle_refusing(kaggle, tmp_path, monkeypatch, capsys, code, words):
    monkeypatch.setenv("KAGGLE_API_TOKEN", "token-of-mine")
    for path in list(kaggle.routes):
        kaggle.routes[path] = status(code, b"token-of-mine is bad")
    assert command.main(["fetch", "celeba", "--to", str(tmp_path / "c")]) == 2
    out, err = capsys.readouterr()
    assert re.search(words, err)
    assert "kaggle datasets download -d jessicali9530/celeba-dataset" in err
    assert "token-of-mine" not in out + err
    assert not (tmp_path / "c").exists()


def test_kaggle_out_of_reach(kaggle, tmp_path, monkeypatch):
    from kagglesdk import kaggle_env

    monkeypatch.setitem(
        kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, "http://127.0.0.1:1"
    )
    with pytest.raises(ConnectionError, match="cannot reach Kaggle"):
        download.fetch("celeba", to=tmp_path / "c")


def test_kaggle_broken_archive(kaggle, tmp_path):
    kaggle.archive = kaggle.archive[:500]
    with pytest.raises(ValueError, match="Kaggle did not give"):
        download.fetch("celeba", to=tmp_path / "c")
    assert not (tmp_path / "c").exists()
