"""The pages: who sees what, for how long, and in which language.

And what is said when there is no place.
"""

import ast
import os
import re
import subprocess
import sys
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
import numpy as np
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from skimage import data

from helpers import ROOT, images, metrics
from nbtests.web import kit
from web.studio import intake, restorers, samples
from web.studio.models import Job, owner_of
from web.studio.restorers import TASKS

STUDIO = ROOT / "web" / "studio"


def page(answer) -> str:
    return answer.content.decode()


# from a picture to its result


@pytest.mark.parametrize("task", TASKS)
def test_a_picture_goes_its_way(task, client, send, worker, settings):
    answer = send(task=task)
    assert answer.status_code == 201
    path = answer.json()["address"]
    assert client.get(f"{path}state").json()["state"] == "queued"
    assert "studio/wait.html" in [t.name for t in client.get(path).templates]
    assert client.get(f"{path}after.png").status_code == 404
    worker.work_off()
    assert client.get(f"{path}state").json() == {"state": "done", "percent": 100, "words": "Done."}
    text = page(client.get(path))
    assert f'data-play="{TASKS[task].play}"' in text
    assert "network_1" in text and "1" * 12 in text
    job = Job.objects.get()
    assert (job.task, job.state, job.attempts) == (task, "done", 1)
    assert job.milliseconds >= 0
    cookie = client.cookies["owner"].value.split(":")[0]
    assert job.owner == owner_of(cookie)
    assert cookie not in str(vars(job))
    for which in ("before", "after"):
        picture = client.get(f"{path}{which}.png")
        assert b"".join(picture) == getattr(job, which).read_bytes()
        assert picture["Cache-Control"] == "private, no-store"
    assert job.stem not in text  # files have names of their own
    assert client.get(f"{path}stem.png").status_code == 404
    download = client.get(f"{path}after.png?download")
    made = f"{task}_{job.created:%Y-%m-%d_%H-%M-%S}"
    assert download["Content-Disposition"] == f'attachment; filename="{made}.png"'


@pytest.mark.parametrize("task", TASKS)
def test_the_picture_before_is_ones_own_pixels(task, done):
    given = data.chelsea()[:120, :160]
    job = done(content=kit.encoded(given, "PNG"), task=task)
    assert np.array_equal(images.to_uint8(images.read(job.before)), given)
    assert (job.given_width, job.given_height) == given.shape[1::-1]
    assert (job.width, job.height) == (2 * given.shape[1], 2 * given.shape[0])


def test_what_is_too_large_for_a_repair_is_refused_and_not_reduced(send, done, files):
    given = kit.encoded(np.tile(data.chelsea(), (3, 3, 1)), "PNG")  # 900×1353
    answer = send(content=given, task="enlarge")
    assert answer.status_code == 413
    assert "at most 0.5 megapixels" in answer.json()["error"]
    assert not files()
    job = done(content=given, task="enlarge", left=0, top=0, side=0.7)
    assert (job.given_width, job.kept_width) == (630, 630)


def test_a_season_takes_the_whole_picture_and_reduces_a_large_one(client, done):
    content = kit.encoded(np.tile(data.chelsea(), (5, 5, 1)), quality=80)  # 3.4 megapixels
    job = done(content=content, task="spring_to_autumn")
    assert (job.given_width, job.given_height) == (2255, 1500)
    assert 2_300_000 < job.kept_width * job.kept_height < 2_402_000
    assert abs(job.kept_width / job.kept_height - 2255 / 1500) < 0.01
    assert f"shown at {job.kept_width}×{job.kept_height}" in page(client.get(f"/p/{job.key}/"))


def test_another_change_of_the_same_picture(client, done, worker):
    first = done(content=kit.photograph(100), task="clean")
    for field in ("", "mine_bitcoin"):
        assert client.post(f"/p/{first.key}/again", {"task": field}).status_code == 400
    answer = client.post(f"/p/{first.key}/again", {"task": "day_to_night"})
    worker.work_off()
    second = Job.objects.get(key=answer.url.split("/")[2])
    assert (second.task, second.state, second.owner) == ("day_to_night", "done", first.owner)
    assert second.before.read_bytes() == first.before.read_bytes()
    assert Client().post(f"/p/{first.key}/again", {"task": "clean"}).status_code == 404


def test_what_was_chosen_for_a_picture_is_said_and_why(client, done, worker):
    worker.engine.sign = "jpeg"
    job = done(task="auto")
    text = page(client.get(f"/p/{job.key}/"))
    assert "“Clean” takes them away" in text and "network_1" in text
    assert 'data-play="slider"' in text


def test_a_picture_that_nothing_helps_is_offered_back(client, done, worker):
    """No before and after: one picture, its download, and the other changes."""
    worker.engine.sign = "nothing"
    job = done(task="auto")
    client.post(f"/p/{job.key}/share")
    job.refresh_from_db()
    for path in (f"/p/{job.key}/", f"/s/{job.share}/"):
        text = page(client.get(path)).split('<div id="mine">')[0]
        assert "It shows no damage: leave it alone." in text
        assert "data-play" not in text and text.count("<img") == 1
    assert np.array_equal(images.read(job.after), images.read(job.before))
    assert "<details open>" in page(client.get(f"/p/{job.key}/"))


@pytest.mark.parametrize("task", [name for name, task in TASKS.items() if task.misfit])
def test_a_picture_that_the_network_was_not_made_for_is_told(task, client, done, worker):
    says = str(TASKS[task].misfit)
    assert says not in page(client.get(f"/p/{done(task=task).key}/"))
    worker.engine.misfit = True
    assert says in page(client.get(f"/p/{done(task=task).key}/"))


@pytest.fixture
def suggested(client, worker, db):
    """The answer of the page that suggests, to a file of these bytes."""

    def asked(content):
        body, kind = kit.multipart({}, "middle.png", content)
        return client.post("/suggest/", body, content_type=kind)

    return asked


def test_what_would_help_is_said_before_anything_is_changed(suggested, send, worker, files):
    worker.engine.sign = "soft"
    answer = suggested(kit.encoded(data.chelsea(), "PNG")).json()
    assert answer["words"].startswith("It is a little blurred.")
    assert answer["misfits"] == {"night_to_day": str(TASKS["night_to_day"].misfit)}
    worker.engine.sign = None  # nobody has time
    assert suggested(kit.photograph(80)).json() == {"words": ""}
    assert not files() and not Job.objects.exists()


def test_suggestions_have_a_limit_of_their_own(suggested, client, send, settings):
    client.get("/")
    settings.UPLOADS_PER_MINUTE = 1
    words = [suggested(kit.photograph(80)).json()["words"] for _ in range(2)]
    assert words[0] and not words[1]
    assert send().status_code == 201


def test_what_is_no_picture_gets_no_suggestion(suggested, client, files, worker, db):
    assert suggested(b"no picture at all").status_code == 415
    assert suggested(bytes(kit.LIMIT + 1)).status_code == 413
    assert client.get("/suggest/").status_code == 405
    assert client.post("/suggest/").status_code == 400
    assert Client(enforce_csrf_checks=True).post("/suggest/").status_code == 403
    assert not files()


@pytest.mark.parametrize("name", samples.SAMPLES)
def test_samples(name, client, done):
    picture = client.get(f"/samples/{name}.png")
    assert b"".join(picture).startswith(b"\x89PNG")
    assert "public" in picture["Cache-Control"]
    assert done(sample=name, task=samples.SAMPLES[name].task).state == "done"


def test_without_a_script_the_form_leads_to_a_page_that_reloads_itself(client, send):
    answer = send(page=True)
    assert answer.status_code == 302
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in page(
        client.get(answer.url)
    )


# who sees it


def test_somebody_elses_picture_is_not_there(client, done):
    job = done()
    other = Client()
    other.cookies["owner"] = "guessed"
    for path in ("", "state", "before.png", "after.png"):
        assert client.get(f"/p/{job.key}/{path}").status_code == 200
        for stranger in (Client(), other):
            assert stranger.get(f"/p/{job.key}/{path}").status_code == 404
    for path in ("share", "delete"):
        assert other.post(f"/p/{job.key}/{path}").status_code == 404
    assert Job.objects.filter(pk=job.pk, share=None).exists()


@pytest.mark.parametrize("cookie", ["chosen-by-somebody", "chosen:by:somebody", ""])
def test_a_cookie_that_the_page_did_not_sign_is_nobodys(cookie, client, send, worker):
    client.cookies["owner"] = cookie
    path = send().json()["address"]
    mine = client.cookies["owner"].value
    assert mine != cookie
    assert client.get(path).status_code == 200
    client.cookies["owner"] = cookie
    assert client.get(path).status_code == 404


def test_two_tabs_of_a_new_visitor_have_one_owner(client, send, worker):
    """Both tabs are open before anything is sent, and the first answer comes after the second."""
    client.get("/")
    cookies = dict(client.cookies)
    paths = [send().json()["address"]]
    client.cookies.load({name: morsel.value for name, morsel in cookies.items()})
    paths.append(send().json()["address"])
    assert [client.get(path).status_code for path in paths] == [200, 200]


def test_where_there_is_https_no_neighbour_sets_the_cookie():
    code = "import django; django.setup(); from web.studio.views import COOKIE; print(COOKIE)"
    environment = os.environ | {"ALLOWED_HOSTS": "a.example.org", "DJANGO_SECRET_KEY": "x" * 50}
    environment["DJANGO_SETTINGS_MODULE"] = "web.settings"
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True
    )
    assert found.stdout.strip() == "__Host-owner", found.stderr


def test_keys_cannot_be_guessed(done):
    names = [getattr(job, field) for job in (done(), done()) for field in ("key", "stem")]
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"[\w-]{22}", name) for name in names)


def test_a_share_link_shows_and_no_more(client, done):
    job = done()
    client.post(f"/p/{job.key}/share")
    token = Job.objects.get().share
    assert token not in (job.key, job.stem, None)
    assert f"http://testserver/s/{token}/" in page(client.get(f"/p/{job.key}/"))
    friend = Client()
    text = page(friend.get(f"/s/{token}/"))
    assert job.key not in text and "<form" not in text[text.index("<main") :]
    assert b"".join(friend.get(f"/s/{token}/after.png")) == job.after.read_bytes()
    assert friend.get(f"/p/{token}/").status_code == 404
    client.post(f"/p/{job.key}/share")  # taken back
    assert friend.get(f"/s/{token}/").status_code == 404
    assert friend.get("/s/None/").status_code == 404


def test_deleting_deletes_the_files_too(client, done, files):
    job = done()
    assert files() == {path.name for path in job.files}
    answer = client.post(f"/p/{job.key}/delete", follow=True)
    assert "The picture is deleted" in page(answer)
    assert not files()
    assert client.get(f"/p/{job.key}/").status_code == 404


def test_a_messenger_finds_the_picture_of_a_share_link_and_of_no_other(client, done):
    job = done(content=kit.photograph(100), task="day_to_night")
    own = page(client.get(f"/p/{job.key}/"))
    client.post(f"/p/{job.key}/share")
    job.refresh_from_db()
    text = page(Client().get(f"/s/{job.share}/"))
    told = dict(re.findall(r'<meta property="og:([\w:]+)" content="([^"]*)">', text))
    assert told["image"] == f"http://testserver/s/{job.share}/after.png"
    assert (told["image:width"], told["image:height"]) == ("200", "200")
    picture = Client().get(told["image"])
    assert b"".join(picture) == job.after.read_bytes()
    assert told["url"] == f"http://testserver/s/{job.share}/"
    assert "og:image" not in own and "og:url" not in own
    start = page(client.get("/"))
    assert re.search('"og:image" content="http://testserver/static/.*pavilion-after', start)


def test_the_start_shows_the_samples_themselves():
    folder = STUDIO / "static" / "studio" / "showcase"
    for name in ("cat", "pavilion"):
        sample = images.square_crop(samples.read(name))
        before = images.read(folder / f"{name}-before.jpg")
        after = images.read(folder / f"{name}-after.jpg")
        assert metrics.psnr(sample, before) > 30
        assert after.shape[0] == TASKS[samples.SAMPLES[name].task].scale * before.shape[0]


@pytest.mark.parametrize("path", ["share", "delete"])
def test_a_link_cannot_share_or_delete(path, client, done):
    assert client.get(f"/p/{done().key}/{path}").status_code == 405


def test_forms_from_elsewhere_are_not_accepted(done):
    strict = Client(enforce_csrf_checks=True)
    for path in ("/", f"/p/{done().key}/delete", "/i18n/setlang/"):
        answer = strict.post(path)
        assert answer.status_code == 403
        assert "load it anew" in page(answer)


def test_after_24_hours_it_is_gone(client, done, files, settings):
    old, young = done(), done()
    Job.objects.filter(pk=old.pk).update(
        created=timezone.now() - timedelta(hours=24), share="shared"
    )
    for path in (f"/p/{old.key}/", f"/p/{old.key}/after.png", "/s/shared/"):
        assert client.get(path).status_code == 404  # at once, also where nobody has cleared up yet
    stray = settings.PICTURES / "stray-before.png"
    stray.touch()
    call_command("expire", verbosity=0)
    assert list(Job.objects.all()) == [young]
    kept = {path.name for path in young.files}
    assert files() == kept | {stray.name}  # a stray one may be on its way to its row
    os.utime(stray, (0, 0))
    for path in young.files:
        os.utime(path, (0, 0))
    call_command("expire", verbosity=0)
    assert files() == kept


def strip(answer) -> list[tuple[str, str, str]]:
    """Of each of the last results that a page shows: its key, its picture's text, its change."""
    one = r'<li><a href="/p/([\w-]+)/"[^>]*><img src="/p/\1/small.jpg" alt="([^"]+)"[^>]*>'
    return re.findall(one + r"<span>([^<]+)</span></a></li>", page(answer))


def test_the_last_results_stand_on_the_start_and_beside_a_result(client, done):
    jobs = [done(task=task) for task in ("clean", "day_to_night", "deblur")]
    for path in ("/", f"/p/{jobs[0].key}/"):
        shown = strip(client.get(path))
        assert [key for key, _, _ in shown] == [job.key for job in reversed(jobs)]
        assert [label for _, _, label in shown] == ["Deblur a face", "Day → night", "Clean"]
        assert all(re.fullmatch(r"Your picture, \d+\sminutes? ago", text) for _, text, _ in shown)
    small = client.get(f"/p/{jobs[0].key}/small.jpg")
    assert b"".join(small) == jobs[0].small.read_bytes()
    assert small["Cache-Control"] == "private, no-store"
    assert small["Content-Type"] == "image/jpeg"


def test_a_browser_may_keep_the_start_for_the_way_back(client, db):
    """Firefox forgets the chosen file of a page that may not be stored."""
    assert client.get("/")["Cache-Control"] == "private, no-cache"


def test_the_last_results_are_their_owners_alone(client, done, send):
    job = done()
    other = Client()
    other.get("/")
    client.post(f"/p/{job.key}/share")
    job.refresh_from_db()
    for answer in (other.get("/"), other.get(f"/s/{job.share}/"), client.get(f"/s/{job.share}/")):
        assert not strip(answer) and job.key not in page(answer)
    assert other.get(f"/p/{job.key}/small.jpg").status_code == 404


def test_what_is_deleted_expired_or_not_done_is_no_last_result(client, done, send, files):
    deleted, expired, shown = done(), done(), done()
    waiting = send().json()["address"]
    client.post(f"/p/{deleted.key}/delete")
    Job.objects.filter(pk=expired.pk).update(created=timezone.now() - timedelta(hours=24))
    assert [key for key, _, _ in strip(client.get("/"))] == [shown.key]
    for path in (f"/p/{deleted.key}/", f"/p/{expired.key}/", waiting):
        assert client.get(f"{path}small.jpg").status_code == 404


# no place


def test_a_full_queue_says_when_to_come_again(client, send, worker, files, settings):
    for _ in range(settings.PLACES):
        assert send().status_code == 201
    before = files()
    for as_page in (False, True):
        answer = send(page=as_page)
        assert answer.status_code == 503
        assert int(answer["Retry-After"]) >= 2
        assert "Yours was not taken" in page(answer)
    assert files() == before
    assert Job.objects.count() == settings.PLACES
    worker.work_off()
    assert send().status_code == 201


def test_who_sends_too_much_waits(client, send, settings, worker, monkeypatch):
    now = time.time() // 60 * 60 + 20
    monkeypatch.setattr(
        "web.studio.views.time", SimpleNamespace(time=lambda: now)
    )  # no minute ends meanwhile
    settings.UPLOADS_PER_MINUTE = 3
    for visitor in (client, other := Client(REMOTE_ADDR="192.0.2.7")):
        visitor.get("/")
    assert [send().status_code for _ in range(3)] == [201] * 3
    answer = send()
    assert answer.status_code == 429
    assert answer["Retry-After"] == "40"
    assert "many pictures" in answer.json()["error"]
    assert send(visitor=other).status_code == 201
    now += 40
    assert send().status_code == 201


def test_a_class_behind_one_router_is_not_one_visitor(send, settings, db):
    """Each of 30 sends 2 pictures where one may send 2; together they stay below the address's."""
    settings.UPLOADS_PER_MINUTE, settings.UPLOADS_OF_ADDRESS, settings.PLACES = 2, 61, 100
    pupils = [Client() for _ in range(30)]
    for pupil in pupils:
        pupil.get("/")
        for _ in range(2):
            assert send(visitor=pupil, content=b"").status_code == 415
    assert send(visitor=pupils[0], content=b"").status_code == 429
    assert send(visitor=Client(), content=b"").status_code == 429  # nobody has a cookie yet


def test_a_full_disk_is_said_in_words(send, settings, files):
    settings.MOST_DISK = 1000
    (settings.PICTURES / "x-before.png").parent.mkdir(parents=True)
    (settings.PICTURES / "x-before.png").write_bytes(bytes(1001))
    answer = send()
    assert answer.status_code == 507
    assert "disk is full" in answer.json()["error"] and answer["Retry-After"] == "3600"
    assert files() == {"x-before.png"}
    settings.MOST_DISK, settings.LEAST_FREE = 10**9, 10**18
    assert send().status_code == 507


def test_where_too_many_files_are_read_another_may_come_again(send, worker, settings, monkeypatch):
    settings.READING_WAIT = 0.1
    for _ in range(2):
        intake.readers.acquire()
    try:
        answer = send()
    finally:
        for _ in range(2):
            intake.readers.release()
    assert answer.status_code == 503 and int(answer["Retry-After"]) >= 2
    assert worker.places._value == 16
    assert send().status_code == 201


def test_one_household_counts_as_one(rf, settings):
    from web.studio.views import _client

    same = {_client(rf.get("/", REMOTE_ADDR=f"2001:db8:1:2::{n}")) for n in range(1, 5)}
    assert same == {"2001:db8:1:2::/64"}
    assert _client(rf.get("/", REMOTE_ADDR="192.0.2.1")) == "192.0.2.1"


def test_an_error_within_is_a_page_too_and_frees_the_place(client, send, worker, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("web.studio.views.files.replacing", full)
    client.raise_request_exception = False
    answer = send(page=True)
    assert answer.status_code == 500
    assert "Something broke" in page(answer)
    assert worker.places._value == 16
    assert not Job.objects.exists()


def test_a_database_that_is_away_is_waited_for(client, monkeypatch, db):
    def away(*_):
        raise OperationalError("the server closed the connection")

    client.get("/")
    monkeypatch.setattr("web.studio.views.Job.objects.kept", away)
    client.raise_request_exception = False
    answer = client.get("/")
    assert answer.status_code == 503 and answer["Retry-After"] == "30"
    assert "Try again in a minute" in page(answer)


# what every answer carries


@pytest.mark.parametrize("path", ["/", "/about/", "/p/x/", "/samples/cat.png", "/no/such/"])
def test_headers(path, client, db, worker):
    answer = client.get(path)
    policy = dict(part.split(" ", 1) for part in answer["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Referrer-Policy"] == "same-origin"
    assert answer["X-Frame-Options"] == "DENY"


def test_no_page_has_inline_code_or_asks_anybody_else(client, done):
    job = done()
    client.post(f"/p/{job.key}/share")
    pages = ["/", "/about/", f"/p/{job.key}/", f"/s/{Job.objects.get().share}/", "/no/such/"]
    for text in (page(client.get(path)) for path in pages):
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", text)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
        addresses = re.findall(r'(?:src|href|action)="([^"]+)"', text)
        assert addresses and all(
            a.startswith(("/", "#")) and not a.startswith("//") for a in addresses
        )


# languages


def strings() -> set[str]:
    """Every text that is to be translated, read from the sources."""
    found = set()
    for path in STUDIO.glob("templates/**/*.html"):
        text = path.read_text(encoding="utf-8")
        found |= {m[2] for m in re.finditer(r"""\{% translate (["'])(.+?)\1 %\}""", text)}
        blocks = re.findall(r"\{% blocktranslate[^%]*%\}(.+?)\{% endblocktranslate %\}", text)
        found |= {re.sub(r"\{\{ (\w+) \}\}", r"%(\1)s", block) for block in blocks}
    for path in STUDIO.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_":
                found.add(node.args[0].value)
    return found


def test_the_korean_catalogue_is_whole_and_compiled():
    import gettext

    from babel.messages.pofile import read_po

    folder = STUDIO / "locale" / "ko" / "LC_MESSAGES"
    with (folder / "django.po").open("rb") as file:
        source = {m.id: m.string for m in read_po(file) if m.id}
    with (folder / "django.mo").open("rb") as file:
        compiled = {k: v for k, v in gettext.GNUTranslations(file)._catalog.items() if k}
    assert compiled == source, "msgfmt -o django.mo django.po"
    assert set(source) == strings()
    assert all(re.search("[가-힣]", text) for text in source.values())
    for english, korean in source.items():
        assert sorted(re.findall(r"%(?:\(\w+\))?[ds]", english)) == sorted(
            re.findall(r"%(?:\(\w+\))?[ds]", korean)
        )


def test_the_language_is_the_browsers_or_ones_choice(client, send):
    assert 'lang="en"' in page(client.get("/"))
    korean = page(client.get("/", headers={"Accept-Language": "ko-KR,ko;q=0.9"}))
    assert '<html lang="ko">' in korean and "사진 고르기" in korean
    client.post("/i18n/setlang/", {"language": "ko", "next": "/about/"})
    assert "작동 방식" in page(client.get("/about/"))
    assert "빈 파일입니다" in send(b"").json()["error"]


def test_the_notes_for_a_task_are_shown(client, db, worker):
    text = page(client.get("/"))
    for task in restorers.TASKS.values():
        assert str(task.label) in text and str(task.about) in text
