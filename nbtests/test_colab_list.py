"""The list of what Colab has: how it is renewed, how old it is, and what is held against it."""

import importlib.metadata
import json
import threading
import warnings
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from helpers import ROOT
from helpers.app import runtime
from nbtests import colab

SHA = "0123456789" * 4
LIST = colab.LIST.read_text(encoding="utf-8")
FREEZE = """# Do not change this file
absl-py==1.4.0
en_core_web_sm @ https://example.org/en_core_web_sm-3.8.0-py3-none-any.whl#sha256=12
google-colab @ file:///colabtools/dist/google_colab-1.0.0.tar.gz
importlib_metadata==8.7.1
keras==3.14.0
numpy==2.3.1
tensorflow==2.21.0
torch==2.9.0+cpu
"""


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        code, body = self.server.answers.get(self.path, (404, ""))
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def published():
    """A stand-in for the published addresses; `answers` may be changed."""
    commits = [{"sha": SHA, "commit": {"committer": {"date": "2026-10-31T23:30:00-02:00"}}}]
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.answers = {
            "/commits?path=pip-freeze.txt&per_page=1": (200, json.dumps(commits)),
            f"/{SHA}/os-info.txt": (200, "Ubuntu 24.04 LTS\nPython 3.13.15\n"),
            f"/{SHA}/pip-freeze.txt": (200, FREEZE),
        }
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def renew(server, path):
    return colab.renew(path, f"{server.url}/commits", server.url)


def test_the_list_is_renewed_whole_with_date_and_python(published, tmp_path):
    path = tmp_path / "colab.txt"
    first = renew(published, path)
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == first and SHA[:7] in first and "whole" in first
    assert colab.published(text) == date(2026, 11, 1)  # in UTC
    assert colab.python(text) == "3.13"
    assert colab.pins(text) == {
        "absl-py": "1.4.0",
        "importlib-metadata": "8.7.1",
        "keras": "3.14.0",
        "numpy": "2.3.1",
        "tensorflow": "2.21.0",
        "torch": "2.9.0+cpu",
    }


@pytest.mark.parametrize(
    ("path", "answer", "words"),
    [
        ("/commits?path=pip-freeze.txt&per_page=1", (403, "slow down"), "commits answers 403"),
        ("/commits?path=pip-freeze.txt&per_page=1", (200, "<html>"), "does not name a commit"),
        ("/commits?path=pip-freeze.txt&per_page=1", (200, "[]"), "does not name a commit"),
        (f"/{SHA}/pip-freeze.txt", (404, ""), "pip-freeze.txt answers 404"),
        (f"/{SHA}/pip-freeze.txt", (200, "<html>not here</html>"), "has no Python, TensorFlow"),
        (f"/{SHA}/os-info.txt", (200, "Ubuntu"), "has no Python, TensorFlow"),
    ],
)
def test_what_is_no_list_leaves_the_old_one(published, tmp_path, path, answer, words):
    there = tmp_path / "colab.txt"
    there.write_text(LIST, encoding="utf-8")
    published.answers[path] = answer
    with pytest.raises((ConnectionError, ValueError), match=words) as caught:
        renew(published, there)
    assert "colab.txt stays as it is" in str(caught.value)
    assert there.read_text(encoding="utf-8") == LIST


def test_without_a_network_it_says_so_in_one_line(tmp_path, monkeypatch, capsys):
    nowhere = "http://127.0.0.1:1/commits"
    monkeypatch.setattr(colab.renew, "__defaults__", (tmp_path / "colab.txt", nowhere, nowhere))
    monkeypatch.setattr("sys.argv", ["colab.py", "renew"])
    assert colab.main() == 2
    err = capsys.readouterr().err
    assert err == f"cannot reach {nowhere}: is the network there? colab.txt stays as it is\n"
    assert list(tmp_path.iterdir()) == []


# the list as it lies here


def test_an_old_list_warns():
    """It is no fault of what is tested, so nothing fails."""
    if words := colab.overdue(LIST, datetime.now(UTC).date()):
        warnings.warn(words, stacklevel=1)


@pytest.mark.parametrize(("month", "day", "old"), [(8, 19, False), (10, 18, False), (10, 19, True)])
def test_a_list_is_old_after_sixty_days(month, day, old):
    words = colab.overdue("# Colab's list of 2026-08-19", date(2026, month, day))
    assert bool(words) == old
    assert not old or ("colab.txt is 61 days old" in words and "nbtests/colab.py renew" in words)
    assert colab.RENEWAL in LIST.splitlines()


def test_the_list_satisfies_pyproject(monkeypatch):
    """Else every Colab session would be told that its runtime is too old."""
    here = colab.pins(LIST)
    assert set(colab.KEPT) <= set(here)
    for requirement in map(Requirement, runtime.dependencies()):
        if requirement.name in colab.KEPT:
            assert here[requirement.name] in requirement.specifier
    monkeypatch.setattr(runtime, "_version", lambda name: here.get(colab.canonicalize_name(name)))
    assert runtime.old() == []


def test_an_environment_begins_with_what_colab_has():
    packages = colab.packages()
    assert {f"{name}=={colab.pins(LIST)[name]}" for name in colab.KEPT} <= set(packages)
    assert not {"av", "imagehash", "importlib-resources"} & {p.split("==")[0] for p in packages}


def test_what_setup_touched_is_named(monkeypatch):
    def installed(**versions):
        here = [SimpleNamespace(name=name, version=version) for name, version in versions.items()]
        monkeypatch.setattr(importlib.metadata, "distributions", lambda: here)
        return colab.touched()

    pins = colab.pins(LIST)
    as_there = {name: pins[name] for name in colab.KEPT}
    assert installed(**as_there, av="18.1.0", Scikit_Image=pins["scikit-image"]) == []
    assert installed(**as_there | {"numpy": "9.9"}) == [f"numpy is 9.9, on Colab {pins['numpy']}"]
    assert installed(keras=pins["keras"], numpy=pins["numpy"]) == ["tensorflow is not installed"]


def test_ci_takes_colabs_python_from_the_list():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "nbtests/colab.txt" in script and "nbtests/colab.py check" in script
    assert colab.python(LIST) == "3.13"
    assert "3.13" not in script.split("colab_environment")[1].split("\n}\n")[0]
