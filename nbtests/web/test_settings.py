"""The settings for a public server, and that the page's tests cost the others nothing."""

import os
import socket
import subprocess
import sys
import time

import pytest
import requests

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from helpers import ROOT
from nbtests.web import kit
from web import settings as module

PUBLIC = {
    "ALLOWED_HOSTS": "pictures.example.org",
    "DJANGO_SECRET_KEY": "".join(map(chr, range(48, 108))),
}
OURS = {
    "DJANGO_SETTINGS_MODULE",
    "WEB_DEBUG",
    "WEB_NETWORKS",
    "DATABASE_URL",
    "TRUSTED_PROXY",
    *PUBLIC,
}
CLEAN = {k: v for k, v in os.environ.items() if k not in OURS}


def run(*command, **environment):
    options = {
        "cwd": ROOT,
        "env": CLEAN | environment,
        "capture_output": True,
        "text": True,
        "timeout": 120,
    }
    return subprocess.run([sys.executable, *map(str, command)], **options)


def manage(*command, **environment):
    return run(ROOT / "web" / "manage.py", *command, **environment)


def test_a_public_server_passes_djangos_own_check(tmp_path):
    done = manage("check", "--deploy", "--fail-level", "DEBUG", WEB_FOLDER=str(tmp_path), **PUBLIC)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout
    assert not (tmp_path / "secret").exists()


@pytest.mark.parametrize("seconds", [0, 3600])
def test_https_for_good_is_asked_for_by_its_own_variable_alone(seconds, tmp_path):
    """No subdomain and no preload list, ever: the host's neighbours may lack https."""
    code = "import django; django.setup(); from django.conf import settings as s; print("
    code += "s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS, s.SECURE_HSTS_PRELOAD)"
    environment = {"WEB_HSTS": str(seconds)} if seconds else {}
    names = {"DJANGO_SETTINGS_MODULE": "web.settings", "WEB_FOLDER": str(tmp_path)}
    done = run("-c", code, **names, **environment, **PUBLIC)
    assert done.stdout.split() == [str(seconds), "False", "False"], done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_nobody_else_reads_what_the_page_keeps(tmp_path):
    """Also where an older version, which left it open to all, has made it."""
    folder = tmp_path / "work"
    folder.mkdir(mode=0o755)
    (folder / "db.sqlite3").touch(mode=0o644)
    done = manage("prepare", WEB_FOLDER=str(folder))
    assert done.returncode == 0, done.stderr
    assert folder.stat().st_mode & 0o777 == 0o700
    files = [path for path in folder.rglob("*") if path.is_file() and "static" not in path.parts]
    assert len(files) > 5
    assert [path for path in files if path.stat().st_mode & 0o077] == []


def test_a_public_server_needs_its_own_secret(monkeypatch):
    monkeypatch.delenv("DJANGO_SECRET_KEY", raising=False)
    monkeypatch.setattr(module, "PUBLIC", True)
    with pytest.raises(ImproperlyConfigured, match="set DJANGO_SECRET_KEY"):
        module._secret()


def test_at_home_a_secret_is_drawn_and_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("DJANGO_SECRET_KEY", raising=False)
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    drawn = module._secret()
    assert len(drawn) >= 50
    assert module._secret() == drawn
    assert os.name == "nt" or (tmp_path / "secret").stat().st_mode & 0o77 == 0


def test_another_database_by_one_variable(tmp_path):
    other = tmp_path / "other.sqlite3"
    address = {
        "DATABASE_URL": f"sqlite:///{other.as_posix()}",
        "WEB_FOLDER": str(tmp_path / "work"),
    }
    done = manage("migrate", "-v", "0", **address)
    assert done.returncode == 0, done.stderr
    assert other.exists() and not (tmp_path / "work" / "db.sqlite3").exists()


@pytest.mark.parametrize(
    "environment, words",
    [
        ({"DATABASE_URL": "nonsense"}, "has to look like postgres://"),
        ({"DATABASE_URL": "oracle://user:password@127.0.0.1:1/page"}, "pip install"),
        ({"DATABASE_URL": "sqlite:////no/such/folder/page.sqlite3"}, "unable to open database"),
        (PUBLIC, "set TRUSTED_PROXY"),
        (PUBLIC | {"WEB_DEBUG": "1"}, "leave WEB_DEBUG and WEB_NETWORKS out"),
        (PUBLIC | {"WEB_NETWORKS": "stub"}, "leave WEB_DEBUG and WEB_NETWORKS out"),
        ({"WEB_NETWORKS": "stubs"}, "or set it to stub"),
        ({"WEB_FOLDER": "/dev/null/work"}, "Not a directory"),
    ],
)
def test_a_server_that_cannot_start_says_why(environment, words, tmp_path):
    environment = {"WEB_FOLDER": str(tmp_path)} | environment
    done = run(ROOT / "web" / "serve.py", **environment)
    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_djangos_own_server_shows_the_page_from_a_fresh_folder(tmp_path):
    """With a picture that stand-ins change, and the style as it lies in the source."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "web/manage.py", "runserver", "--noreload", str(port)]
    variables = {"WEB_FOLDER": str(tmp_path), "WEB_DEBUG": "1", "WEB_NETWORKS": "stub"}
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=ROOT, env=CLEAN | variables, stdout=log, stderr=log)
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + 90
    try:
        while True:
            try:
                visitor = kit.Visitor(address)
                break
            except requests.ConnectionError:
                said = (tmp_path / "log").read_text()
                assert server.poll() is None and time.monotonic() < end, said
        path = visitor.send(kit.photograph(80), task="enlarge").json()["address"]
        assert visitor.wait(path)["state"] == "done"
        style = visitor.get("/static/studio/style.css")
        assert style.content == (ROOT / "web/studio/static/studio/style.css").read_bytes()
        assert "unapplied" not in (tmp_path / "log").read_text()
    finally:
        server.kill()
        server.wait()


def test_the_migrations_are_whole(db):
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(
            ROOT / "web" / "serve.py", "--port", taken.getsockname()[1], WEB_FOLDER=str(tmp_path)
        )
    assert done.returncode == 2
    assert "try --port" in done.stderr


def test_the_other_tests_do_not_load_django():
    code = (
        "import sys, pytest;"
        "status = pytest.main(['-q', '--collect-only', 'nbtests/test_house.py']);"
        "django = {'web.settings', 'web.studio.views', 'django.db.models'};"
        "print(int(status), django & set(sys.modules))"
    )
    done = run("-c", code)
    assert done.stdout.splitlines()[-1] == "0 set()", done.stdout + done.stderr
