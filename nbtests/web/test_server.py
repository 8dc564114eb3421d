"""The server: a request that comes too slowly is let go of, and an honest one is not."""

import http.client
import socket
import threading
import time

import pytest

pytest.importorskip("waitress", reason="the page needs waitress: pip install -r requirements.txt")
from web import server as module

HALF = b"POST / HTTP/1.1\r\nHost: x\r\n"
BODY = HALF + b"Content-Length: 1000000\r\n\r\n"


def application(environ, start_response):
    length = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(length).encode()]


@pytest.fixture
def running(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 2)
    server = module.create(application, None, host="127.0.0.1", port=0, threads=2)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield server
    server.close()


def ended_after(server, start: bytes, seconds: float = 20) -> float:
    """How long a client may send a byte each 0.2 s after `start`."""
    with socket.create_connection(("127.0.0.1", server.effective_port)) as client:
        client.sendall(start)
        client.settimeout(0.01)
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            try:
                client.sendall(b"x")
                if client.recv(1) == b"":
                    break
            except TimeoutError:
                time.sleep(0.2)
            except OSError:
                break
        return time.monotonic() - began


@pytest.mark.parametrize("start", [HALF, BODY], ids=["headers", "body"])
def test_a_slow_request_ends(start, running):
    assert 1.5 < ended_after(running, start) < 15


def test_hundreds_of_slow_requests_leave_room(running):
    address = ("127.0.0.1", running.effective_port)
    slow = [socket.create_connection(address) for _ in range(300)]
    for client in slow:
        client.sendall(BODY)
    honest = http.client.HTTPConnection(*address, timeout=10)
    honest.request("POST", "/", bytes(100_000))
    assert honest.getresponse().read() == b"100000"
    for client in slow:
        client.close()


def test_a_slow_line_that_brings_enough_is_waited_for(running, monkeypatch):
    monkeypatch.setattr(module, "SLOWEST", 1000)
    with socket.create_connection(("127.0.0.1", running.effective_port)) as client:
        client.sendall(HALF + b"Connection: close\r\nContent-Length: 20000\r\n\r\n")
        for _ in range(20):
            client.sendall(bytes(1000))
            time.sleep(0.25)
        assert client.recv(10_000).endswith(b"20000") or client.recv(100) == b"20000"
