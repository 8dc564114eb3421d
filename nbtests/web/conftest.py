"""The page's tests set Django up; without it, as on Colab, they skip. No other test notices either.

Against another database:
DATABASE_URL=postgres://… pytest nbtests/web --ignore nbtests/web/test_page.py
"""

import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

if find_spec("django") and find_spec("pytest_django"):
    work = tempfile.mkdtemp(prefix="page-")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "web.settings")
    os.environ["WEB_FOLDER"] = work

    import django
    from django.conf import settings

    settings.LOGGING_CONFIG = (
        None  # it would close every open handler, absl's among them, and pytest's stderr with it
    )
    django.setup()
    # Workers of pytest-xdist inherit the environment, and pytest-django would set Django up in
    # this folder before they have made their own
    del os.environ["DJANGO_SETTINGS_MODULE"], os.environ["WEB_FOLDER"]

    @pytest.fixture(scope="session", autouse=True)
    def collected():
        """Static files and samples, as `web/serve.py` makes them."""
        from django.core.management import call_command

        from web.studio import samples

        call_command("collectstatic", verbosity=0, interactive=False)
        samples.prepare()
        yield
        shutil.rmtree(work)


QUIET = "--disable-gpu --disable-quic --no-first-run"
QUIET += " --disable-background-networking --disable-component-update"


class Doubled:
    """In place of the networks' process, where what is tested is the page.

    It makes a picture twice as large, and dark where it was bright. Where it chooses, it names
    `sign`.
    """

    ready = True
    sign = "noise"
    misfit = False

    def start(self):
        pass

    def stop(self):
        pass

    def judge(self, picture):
        assert picture.is_file()
        return self.sign and (self.sign, ["night_to_day"])

    def change(self, task, before, after, go_on):
        from helpers import images
        from web.studio import restorers

        go_on(0.5)
        picture = images.read(before)
        sign = self.sign if task == restorers.AUTO else ""
        restorers.small_of(after).write_bytes(b"a small picture")
        if sign == "nothing":
            images.write(after, picture)
            return restorers.Changed(picture.shape[1], picture.shape[0], "", sign)
        picture = 1 - np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
        images.write(after, picture)
        weights = ", ".join(f"network_{k} {str(k) * 64}" for k in (1, 2))
        size = picture.shape[1::-1]
        return restorers.Changed(*size, weights, sign, self.misfit)


@pytest.fixture
def worker(monkeypatch, settings, tmp_path):
    """A worker whose thread is the test: `worker.work_off()` runs what waits."""
    from django.core.cache import cache

    from web.studio import views
    from web.studio.worker import Worker

    class Here(Worker):
        def work_off(self):
            while not self.jobs.empty():
                self.change(self.jobs.get())
                self.release()

    settings.FOLDER, settings.PICTURES = tmp_path, tmp_path / "pictures"
    cache.clear()
    here = Here()
    here.engine = Doubled()
    monkeypatch.setattr(views, "worker", here)
    return here


@pytest.fixture
def files(settings, worker):
    """The names of all files that the page keeps of pictures."""

    def listed():
        return {path.name for path in settings.FOLDER.rglob("*") if path.is_file()}

    return listed


@pytest.fixture
def send(client, worker, db):
    """Send bytes as the form does; the answer as for the page's script, or as a page."""
    from nbtests.web import kit

    def sent(content=None, name="photo.jpg", page=False, visitor=client, **fields):
        fields = {"task": "deblur"} | fields  # its pictures are the smallest
        if content is None and "sample" not in fields:
            content = kit.photograph()
        if content is None:
            body, kind = kit.multipart(fields, "", b"")
            body = body.replace(b'; filename=""\r\nContent-Type: image/jpeg', b"")
        else:
            body, kind = kit.multipart(fields, name, content)
        headers = {} if page else {"Accept": "application/json"}
        return visitor.post("/", body, content_type=kind, headers=headers)

    return sent


@pytest.fixture
def done(send, worker):
    """A picture that is through, as its job."""
    from web.studio.models import Job

    def made(**how):
        path = send(**how).json()["address"]
        worker.work_off()
        return Job.objects.get(key=Path(path).name)

    return made


@pytest.fixture(scope="module")  # While it runs, Django takes the process for asynchronous
def browser():
    from playwright.sync_api import sync_playwright

    from nbtests.web import kit

    path = kit.chromium()
    if path is None:
        pytest.skip(
            "no Chromium is installed (Debian: apt-get install chromium), so no page is looked at"
        )
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path,
            args=["--no-sandbox", "--disable-sync", *QUIET.split()],
            headless=True,
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The page's server with stand-ins for the networks; a module may have another."""
    from nbtests.web import kit

    folder = tmp_path_factory.mktemp("server")
    with kit.serving(folder, WEB_UPLOADS="1000", WEB_NETWORKS="stub") as running:
        yield running


@pytest.fixture
def visit(browser, server):
    """A new visitor's page.

    Whatever it asks of another host, and whatever its console says, fails the test.
    """
    opened, wrong = [], []

    def make(width=1440, height=900, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, base_url=server.address, **options
        )
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "console",
            lambda message: wrong.append(message.text) if message.type == "error" else None,
        )
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((server.address, "blob:"))
                else wrong.append(request.url)
            ),
        )
        page.wrong = wrong
        return page

    yield make
    for context in opened:
        context.close()
    assert not wrong
