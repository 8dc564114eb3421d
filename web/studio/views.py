"""The pages. A picture is shown to whoever holds its owner's cookie, or its share link; to others
it is not there.
"""

import ipaddress
import secrets
import sys
import time
from functools import wraps

from django.conf import settings
from django.core.cache import cache
from django.db import OperationalError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from helpers import images
from web.studio import intake, restorers, samples
from web.studio.forms import ChangeForm
from web.studio.models import Job, owner_of
from web.studio.worker import worker

COOKIE = "owner"


# who asks


def _owner(request: HttpRequest) -> str:
    return owner_of(request.COOKIES.get(COOKIE, ""))


def _mine(request: HttpRequest, key: str) -> Job:
    """The job of this key, if it is the asker's and not expired; Http404 tells nothing about which
    it was.
    """
    job = Job.objects.kept().filter(key=key, owner=_owner(request)).first()
    if job is None:
        raise Http404
    return job


def _shared(token: str) -> Job:
    job = Job.objects.kept().filter(share=token, state=Job.State.DONE).first()
    if job is None:
        raise Http404
    return job


def _client(request: HttpRequest) -> str:
    """The asker's address; of IPv6 the network, for one household has 2⁶⁴ addresses."""
    try:
        address = ipaddress.ip_address(request.META["REMOTE_ADDR"])
    except (KeyError, ValueError):
        return "unknown"
    return str(
        address if address.version == 4 else ipaddress.ip_network((address, 64), strict=False)
    )


def _too_many(request: HttpRequest) -> int:
    """Seconds to wait where this address has sent all that it may in this minute; else 0."""
    minute, left = divmod(time.time(), 60)
    key = f"uploads-{_client(request)}-{minute:.0f}"
    cache.add(key, 0, timeout=120)
    return 0 if cache.incr(key) <= settings.UPLOADS_PER_MINUTE else 60 - int(left)


def private(view):
    """Nobody but the browser that asked may keep the answer, and no search engine may list it."""

    @wraps(view)
    def wrapped(*args, **kwargs):
        response = view(*args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        response["X-Robots-Tag"] = "noindex, noarchive"
        patch_vary_headers(response, ["Cookie"])
        return response

    return wrapped


# what was wrong


def _for_script(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def problem(
    request: HttpRequest, status: int, title: str, words: str, wait: int = 0
) -> HttpResponse:
    """A page that says what was wrong and what to do, or the same as JSON for the page's own
    script.
    """
    if _for_script(request):
        response = JsonResponse({"error": words, "wait": wait}, status=status)
    else:
        response = render(
            request,
            "studio/problem.html",
            {"title": title, "words": words, "wait": wait},
            status=status,
        )
    if wait:
        response["Retry-After"] = str(wait)
    response["Cache-Control"] = "no-store"
    return response


def refusal(request: HttpRequest, why: intake.Refused) -> HttpResponse:
    return problem(request, why.status, _("This picture cannot be taken"), str(why))


def bad(request, exception=None):
    return problem(
        request, 400, _("That was not understood"), _("Go back to the start and try again.")
    )


def foreign(request, exception=None, reason=""):
    words = _(
        "The form was too old, or came from elsewhere. Allow cookies for this page, load it anew"
        " and try again."
    )
    return problem(request, 403, _("That was not accepted"), words)


def lost(request, exception=None):
    words = _(
        "There is nothing here. Pictures are deleted after 24 hours, and only their owners see"
        " them."
    )
    return problem(request, 404, _("Not here, or no longer"), words)


def broken(request):
    away = isinstance(sys.exc_info()[1], OperationalError)  # the database, for a while
    words = _("It is not your picture's fault. Try again in a minute.")
    return problem(request, 503 if away else 500, _("Something broke"), words, 30 if away else 0)


# the pages


def start(request: HttpRequest) -> HttpResponse:
    """Choose a picture, a square and a task; a POST sends them."""
    if request.method == "POST":
        return create(request)
    mine = Job.objects.none()
    if COOKIE in request.COOKIES:
        mine = (
            Job.objects.kept()
            .filter(owner=_owner(request), state=Job.State.DONE)
            .order_by("-created")[:12]
        )
    groups = [
        (_("Change it"), [t for t in restorers.TASKS.items() if t[1].play != "slider"]),
        (_("Repair it"), [t for t in restorers.TASKS.items() if t[1].play == "slider"]),
    ]
    context = {"groups": groups, "samples": samples.SAMPLES, "mine": mine, "accept": intake.ACCEPT}
    context |= {
        "most": settings.MOST_BYTES,
        "deleted": "deleted" in request.GET,
        "too_large": intake.too_large(),
    }
    context["unknown"] = intake.unknown()
    response = render(request, "studio/start.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


def create(request: HttpRequest) -> HttpResponse:
    """Take in a picture and queue it; what is refused leaves nothing behind."""
    form = ChangeForm(request.POST, request.FILES)  # reads the body, while `UploadGuard` counts
    if request.refused:
        return refusal(request, request.refused)
    if not form.is_valid():
        return refusal(request, intake.Refused(next(iter(form.errors.values()))[0], 400))
    if wait := _too_many(request):
        words = _("You have sent many pictures. Go on in %d s.") % wait
        return problem(request, 429, _("A little slower"), words, wait)
    if not worker.reserve():
        words = (
            _("Many pictures are waiting. Yours was not taken; send it again in %d s.")
            % worker.wait()
        )
        return problem(request, 503, _("All places are taken"), words, worker.wait())
    try:
        cookie = request.COOKIES.get(COOKIE) or secrets.token_urlsafe(32)
        job = _queued(form.cleaned_data, owner_of(cookie))
    except intake.Refused as why:
        worker.release()
        return refusal(request, why)
    except BaseException:
        worker.release()
        raise
    worker.submit(job)
    address = reverse("result", args=[job.key])
    response = (
        JsonResponse({"address": address}, status=201)
        if _for_script(request)
        else redirect(address)
    )
    options = {"secure": settings.PUBLIC, "httponly": True, "samesite": "Lax"}
    response.set_cookie(COOKIE, cookie, max_age=settings.HOURS * 3600, **options)
    return response


def _queued(data: dict, owner: str) -> Job:
    """The job of a valid form, saved with its picture: pixels only, so that no metadata is left."""
    task = restorers.TASKS[data["task"]]

    def part(picture):
        square = intake.square(picture, data["left"], data["top"], data["side"])
        return restorers.fit(square, task.size, task.exactly)

    if data["sample"]:
        square = part(samples.picture(data["sample"]))
    else:
        content = data["picture"].read()
        square = intake.decode(content, part)
    job = Job(owner=owner, task=data["task"], process=worker.process)
    images.write(job.before, square)
    try:
        job.save()
    except BaseException:
        job.before.unlink()
        raise
    return job


@private
@require_safe
def result(request: HttpRequest, key: str) -> HttpResponse:
    """The owner's page of a picture: its progress, then what became of it."""
    job = _mine(request, key)
    if job.state != Job.State.DONE:
        context = {"job": job, "task": restorers.TASKS[job.task], **_progress(job)}
        return render(request, "studio/wait.html", context)
    link = request.build_absolute_uri(reverse("shared", args=[job.share])) if job.share else ""
    return _show(request, job, "picture", key, link=link, own=True)


@private
@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """The same for whoever has the link: to look at and to download."""
    return _show(request, _shared(token), "shared_picture", token)


def _show(request: HttpRequest, job: Job, name: str, key: str, **more) -> HttpResponse:
    before, after = (reverse(name, args=[key, which]) for which in ("before", "after"))
    context = {
        "job": job,
        "task": restorers.TASKS[job.task],
        "before": before,
        "after": after,
        **more,
    }
    context["weights"] = [
        (name, digest[:12]) for name, digest in (w.split() for w in job.weights.split(", "))
    ]
    context["seconds"] = job.milliseconds / 1000
    return render(request, "studio/result.html", context)


def _progress(job: Job) -> dict:
    steps = len(restorers.TASKS[job.task].networks)
    ahead = 0
    if job.state == Job.State.QUEUED:
        ahead = Job.objects.open().filter(process=job.process, created__lt=job.created).count()
    words = {
        Job.State.QUEUED: _("Waiting: %d before yours.") % ahead if ahead else _("Next in line."),
        Job.State.RUNNING: _("Network %(n)d of %(of)d is at work.")
        % {"n": min(job.step + 1, steps), "of": steps},
        Job.State.DONE: _("Done."),
        Job.State.FAILED: _("This did not work."),
    }
    if job.state == Job.State.QUEUED and worker.networks is None:
        words[job.state] = _("The networks are waking up; that takes a few seconds after a start.")
    return {"state": job.state, "step": job.step, "steps": steps, "words": words[job.state]}


@private
@require_safe
def state(request: HttpRequest, key: str) -> JsonResponse:
    """What the waiting page asks for every half second."""
    return JsonResponse(_progress(_mine(request, key)))


@private
@require_POST
def share(request: HttpRequest, key: str) -> HttpResponse:
    """Make a link for others, or take it back."""
    job = _mine(request, key)
    job.share = None if job.share else secrets.token_urlsafe(16)
    job.save(update_fields=["share"])
    return redirect(reverse("result", args=[key]) + "#share")


@private
@require_POST
def delete(request: HttpRequest, key: str) -> HttpResponse:
    _mine(request, key).delete()
    return redirect(reverse("start") + "?deleted")


@require_safe
def about(request: HttpRequest) -> HttpResponse:
    return render(request, "studio/about.html", {"credits": samples.credits()})


# the pictures


@private
@require_safe
def picture(request: HttpRequest, key: str, which: str) -> HttpResponse:
    return _file(request, _mine(request, key), which)


@private
@require_safe
def shared_picture(request: HttpRequest, token: str, which: str) -> HttpResponse:
    return _file(request, _shared(token), which)


def _file(request: HttpRequest, job: Job, which: str) -> HttpResponse:
    path = {"before": job.before, "after": job.after}.get(which)
    if path is None or not path.is_file():
        raise Http404
    response = FileResponse(path.open("rb"), content_type="image/png")
    name = f"{job.task}.png" if which == "after" else f"{job.task}_before.png"
    response["Content-Disposition"] = content_disposition_header("download" in request.GET, name)
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


@require_safe
def sample(request: HttpRequest, name: str) -> HttpResponse:
    """One of the samples, as everybody may see them."""
    if name not in samples.SAMPLES:
        raise Http404
    response = FileResponse((settings.SAMPLES / f"{name}.png").open("rb"), content_type="image/png")
    response["Cache-Control"] = "public, max-age=86400"
    return response
