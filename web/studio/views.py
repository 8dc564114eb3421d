"""The pages. A picture is shown to whoever holds its owner's cookie, or its share link; to others
it is not there.
"""

import ipaddress
import secrets
import sys
import time
from functools import wraps
from pathlib import Path

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

from helpers import files
from web.studio import decoder, intake, restorers, samples
from web.studio.forms import ChangeForm
from web.studio.models import Job, disk_is_full, owner_of, token
from web.studio.worker import worker

# Where there is https, no neighbour under the same domain can set it
COOKIE = "__Host-owner" if settings.PUBLIC else "owner"

LAST = 12  # results that the strip shows
MOST_SUGGESTED = 1024**2  # pixels, as many as `advice.diagnose` looks at


# who asks


def _cookie(request: HttpRequest) -> str:
    """The owner's cookie, if this page has signed it; else empty."""
    return request.get_signed_cookie(COOKIE, default="", salt=COOKIE)


def _owner(request: HttpRequest) -> str:
    return owner_of(_cookie(request))


def _keep_cookie(response: HttpResponse, cookie: str) -> None:
    """Let the browser keep the owner's cookie for as long as a picture is kept."""
    options = {"secure": settings.PUBLIC, "httponly": True, "samesite": "Lax"}
    seconds = settings.HOURS * 3600
    response.set_signed_cookie(COOKIE, cookie, salt=COOKIE, max_age=seconds, **options)


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


def _too_many(request: HttpRequest, what: str = "uploads") -> int:
    """Seconds to wait where the asker has sent all that may come in this minute; else 0.

    A visitor counts by the cookie, and all of one address together: a class sits behind one router.
    """
    minute, left = divmod(time.time(), 60)
    counted = [(f"address-{_client(request)}", settings.UPLOADS_OF_ADDRESS)]
    if _cookie(request):
        counted.append((f"owner-{_owner(request)}", settings.UPLOADS_PER_MINUTE))
    for who, most in counted:
        key = f"{what}-{who}-{minute:.0f}"
        cache.add(key, 0, timeout=120)
        if cache.incr(key) > most:
            return 60 - int(left)
    return 0


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
        "There is nothing here. The picture's owner has deleted it or taken the link back, or its"
        " 24 hours are over."
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
    context = {
        "groups": _groups(),
        "samples": [(n, s, restorers.TASKS[s.task].label) for n, s in samples.SAMPLES.items()],
        "deleted": "deleted" in request.GET,
        **_strip(request),
        **_uploading(),
    }
    response = render(request, "studio/start.html", context)
    # A browser that may not store the page forgets the picture on the way back to it
    response["Cache-Control"] = "private, no-cache"
    # From the first page on, so that two tabs of a new visitor have one owner
    _keep_cookie(response, _cookie(request) or secrets.token_urlsafe(32))
    return response


def _strip(request: HttpRequest) -> dict:
    """The asker's last results, the newest first, and how many are still at work."""
    cookie = _cookie(request)
    if not cookie:
        return {}
    own = Job.objects.kept().filter(owner=owner_of(cookie))
    done = own.filter(state=Job.State.DONE)
    return {"mine": done.order_by("-created")[:LAST], "waiting": own.open().count()}


def _uploading() -> dict:
    """What a form that sends a picture has to know."""
    return {
        "accept": intake.ACCEPT,
        "most": settings.MOST_BYTES,
        "too_large": intake.too_large(),
        "unknown": intake.unknown(),
        "smallest": decoder.SMALLEST,
        "too_small": intake.refusal("small"),
        "pixels": settings.MOST_PIXELS,
        "too_many": intake.refusal("pixels"),
    }


def _groups() -> list[tuple[str, list]]:
    """The tasks, under two titles."""
    repairs = [item for item in restorers.TASKS.items() if item[1].play == "slider"]
    experiments = [item for item in restorers.TASKS.items() if item[1].play != "slider"]
    return [(_("Repair it"), repairs), (_("Experiments: another season or hour"), experiments)]


def create(request: HttpRequest) -> HttpResponse:
    """Take in a picture and queue it; what is refused leaves nothing behind."""
    form = ChangeForm(request.POST, request.FILES)  # reads the body, while `UploadGuard` counts
    if request.refused:
        return refusal(request, request.refused)
    if not form.is_valid():
        return refusal(request, intake.Refused(next(iter(form.errors.values()))[0], 400))
    return _take(request, form.cleaned_data)


@private
@require_POST
def again(request: HttpRequest, key: str) -> HttpResponse:
    """Another change of the picture that an earlier job has kept."""
    job = _mine(request, key)
    if request.POST.get("task") not in restorers.TASKS:
        return bad(request)
    data = dict.fromkeys(("left", "top", "side", "turns")) | {"task": request.POST["task"]}
    return _take(request, data, job.before)


@private
@require_POST
def suggest(request: HttpRequest) -> HttpResponse:
    """What would help the middle of a picture, and what it does not suit, in words.

    None where nobody has time to look.
    """
    picture = request.FILES.get("picture")  # reads the body, while `UploadGuard` counts
    if request.refused:
        return refusal(request, request.refused)
    if picture is None:
        return bad(request)
    if _too_many(request, "suggestions") or disk_is_full():
        return JsonResponse({"words": ""})
    part = decoder.Part(False, None, None, None, MOST_SUGGESTED)
    try:
        png = intake.decode(picture.read(), part).png
    except intake.Refused as why:
        return refusal(request, why)
    except intake.Busy:
        return JsonResponse({"words": ""})
    path = settings.PICTURES / f"{token()}-before.png"  # swept, where the server is killed
    try:
        with files.replacing(path) as half:
            half.write_bytes(png)
        judged = worker.engine.judge(path)
    finally:
        path.unlink(missing_ok=True)
    if judged is None:
        return JsonResponse({"words": ""})
    sign, unsuited = judged
    misfits = {name: str(restorers.TASKS[name].misfit) for name in unsuited}
    return JsonResponse({"words": str(restorers.SIGNS[sign]), "misfits": misfits})


def _take(request: HttpRequest, data: dict, source: Path | None = None) -> HttpResponse:
    """Queue what a valid form, or an earlier picture, gives, where there is a place for it."""
    if wait := _too_many(request):
        words = _("You have sent many pictures. Go on in %d s.") % wait
        return problem(request, 429, _("A little slower"), words, wait)
    if disk_is_full():
        words = _("The page's disk is full. Pictures are deleted after 24 hours: come again later.")
        return problem(request, 507, _("All places are taken"), words, 3600)
    if not worker.reserve():
        return _busy(request)
    cookie = _cookie(request) or secrets.token_urlsafe(32)
    try:
        job = _queued(data, owner_of(cookie), source)
    except intake.Refused as why:
        worker.release()
        return refusal(request, why)
    except intake.Busy:
        worker.release()
        return _busy(request)
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
    _keep_cookie(response, cookie)
    return response


def _busy(request: HttpRequest) -> HttpResponse:
    wait = worker.wait()
    words = _("Many pictures are waiting. Yours was not taken; send it again in %d s.") % wait
    return problem(request, 503, _("All places are taken"), words, wait)


def _queued(data: dict, owner: str, source: Path | None) -> Job:
    """The job of a valid form, saved with its picture: pixels only, so that no metadata is left."""
    task = restorers.TASKS[data["task"]]
    edges = (data["left"], data["top"], data["side"])
    square = None not in edges
    part = decoder.Part(square, *edges, task.most, data["turns"] or 0)
    found = _found(data, source, part)
    if found.kept != found.given and not task.reduces:
        raise intake.too_many_pixels(task.most)
    job = Job(owner=owner, task=data["task"], process=worker.process)
    job.given_width, job.given_height = found.given
    job.kept_width, job.kept_height = found.kept
    with files.replacing(job.before) as path:
        path.write_bytes(found.png)
    try:
        job.save()
    except BaseException:
        job.before.unlink()
        raise
    return job


def _found(data: dict, source: Path | None, part: decoder.Part) -> intake.Decoded:
    """A part of an earlier picture, of a sample, or of what is sent."""
    if source:
        return intake.reread(source, part)
    if data["sample"]:
        return intake.reread(settings.SAMPLES / f"{data['sample']}.png", part)
    return intake.decode(data["picture"].read(), part)


@private
@require_safe
def result(request: HttpRequest, key: str) -> HttpResponse:
    """The owner's page of a picture: its progress, then what became of it."""
    job = _mine(request, key)
    if job.state != Job.State.DONE:
        context = {"job": job, "task": restorers.TASKS[job.task], **_progress(job)}
        return render(request, "studio/wait.html", context)
    link = request.build_absolute_uri(reverse("shared", args=[job.share])) if job.share else ""
    more = {"link": link, "own": True, **_strip(request), **_uploading()}
    return _show(request, job, "picture", key, **more)


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
        "made": _made(job),
        **more,
    }
    used = job.weights.split(", ") if job.weights else []
    context["weights"] = [(name, digest[:12]) for name, digest in map(str.split, used)]
    context["sign"] = restorers.SIGNS.get(job.sign, "")
    context["seconds"] = job.milliseconds / 1000
    context["groups"] = _groups()
    return render(request, "studio/result.html", context)


def _progress(job: Job) -> dict:
    ahead = 0
    if job.state == Job.State.QUEUED:
        ahead = Job.objects.open().filter(process=job.process, created__lt=job.created).count()
    words = {
        Job.State.QUEUED: _("Waiting: %d before yours.") % ahead if ahead else _("Next in line."),
        Job.State.RUNNING: _("The networks are at work: %d %%.") % job.percent,
        Job.State.DONE: _("Done."),
        Job.State.FAILED: _("This did not work."),
    }
    if job.state == Job.State.QUEUED and not worker.engine.ready:
        words[job.state] = _("The networks are waking up; that takes a few seconds after a start.")
    return {"state": job.state, "percent": job.percent, "words": words[job.state]}


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


@private
@require_safe
def small(request: HttpRequest, key: str) -> HttpResponse:
    """The result's small picture."""
    job = _mine(request, key)
    if not job.small.is_file():
        raise Http404
    response = FileResponse(job.small.open("rb"), content_type="image/jpeg")
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def _made(job: Job) -> str:
    """How the files are called that a visitor saves: by what was done, and when."""
    return f"{job.task}_{job.created:%Y-%m-%d_%H-%M-%S}"


def _file(request: HttpRequest, job: Job, which: str) -> HttpResponse:
    path = {"before": job.before, "after": job.after}.get(which)
    if path is None or not path.is_file():
        raise Http404
    response = FileResponse(path.open("rb"), content_type="image/png")
    made = _made(job)
    name = f"{made}.png" if which == "after" else f"{made}_before.png"
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
