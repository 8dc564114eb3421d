"""One picture and what becomes of it."""

import os
import secrets
import shutil
import time
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.db import models
from django.utils import timezone

from web.studio import restorers


def token() -> str:
    """128 random bits as 22 characters of an address."""
    return secrets.token_urlsafe(16)


def owner_of(cookie: str) -> str:
    """What the database keeps of an owner's cookie: who reads the database cannot make the cookie
    from it.
    """
    return sha256(cookie.encode()).hexdigest()


class Jobs(models.QuerySet):
    def kept(self) -> "Jobs":
        """Those that have not expired."""
        return self.filter(created__gt=timezone.now() - timedelta(hours=settings.HOURS))

    def open(self) -> "Jobs":
        """Those that still wait for a worker, or are in its hands."""
        return self.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])


class Job(models.Model):
    """A picture to change; `before`, `after` and the result's `small` picture are its files."""

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    key = models.CharField(max_length=22, unique=True, default=token)
    share = models.CharField(
        max_length=22, unique=True, null=True
    )  # NULL, as "" would not be unique
    owner = models.CharField(max_length=64, db_index=True)
    stem = models.CharField(
        max_length=22, unique=True, default=token
    )  # of the files; no address tells it
    task = models.CharField(max_length=32)
    weights = models.CharField(max_length=255, blank=True)  # names and hashes of the networks
    sign = models.CharField(max_length=16, blank=True)  # why it was chosen, of `restorers.SIGNS`
    misfit = models.BooleanField(default=False)  # the network was not made for such a picture
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED, db_index=True)
    percent = models.PositiveSmallIntegerField(default=0)  # of the networks' work
    created = models.DateTimeField(default=timezone.now, db_index=True)
    milliseconds = models.PositiveIntegerField(null=True)  # in the worker, without waiting
    # Pixels of what was chosen, of what is kept of it in `before`, and of the result
    given_width = models.PositiveIntegerField(default=0)
    given_height = models.PositiveIntegerField(default=0)
    kept_width = models.PositiveIntegerField(default=0)
    kept_height = models.PositiveIntegerField(default=0)
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    # Whose it is: a process that lives touches its open jobs every few seconds
    process = models.CharField(max_length=22)
    touched = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)

    objects = Jobs.as_manager()

    def __str__(self) -> str:
        return f"{self.task}, {self.state}"

    @property
    def before(self) -> Path:
        return settings.PICTURES / f"{self.stem}-before.png"

    @property
    def after(self) -> Path:
        return settings.PICTURES / f"{self.stem}-after.png"

    @property
    def small(self) -> Path:
        return restorers.small_of(self.after)

    @property
    def files(self) -> tuple[Path, Path, Path]:
        return self.before, self.after, self.small

    @property
    def label(self) -> str:
        """What was done to it, in the reader's language."""
        return restorers.TASKS[self.task].label

    @property
    def expires(self):
        return self.created + timedelta(hours=settings.HOURS)

    def delete(self, *args, **kwargs):
        """The row first: a file without a row is found by `expire`, a row without its file would be
        a broken page.
        """
        done = super().delete(*args, **kwargs)
        for path in self.files:
            path.unlink(missing_ok=True)
        return done


def expire() -> int:
    """Delete what is older than `settings.HOURS`, and files that belong to no row.

    Returns how many rows went.
    """
    now = timezone.now()
    old = Job.objects.filter(created__lte=now - timedelta(hours=settings.HOURS))
    gone = sum(bool(job.delete()[0]) for job in old)
    if settings.PICTURES.is_dir():
        for path in settings.PICTURES.iterdir():
            # A file is a little older than its row; what an upload left behind, killed on its way,
            # is older than that
            if _age(path) > 600:
                stem = path.name.rsplit("-", 1)[0]
                if not Job.objects.filter(stem=stem).exists():
                    path.unlink(missing_ok=True)
    for folder in settings.FOLDER.glob("upload-*"):
        if _age(folder) > 60:  # reading takes 40 s at most
            shutil.rmtree(folder, ignore_errors=True)
    return gone


def _age(path: Path) -> float:
    """Seconds since the file was last written; 0 where it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0


def disk_is_full() -> bool:
    """Whether the pictures fill `settings.MOST_DISK`, or the disk is nearly full."""
    settings.PICTURES.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(settings.PICTURES).free < settings.LEAST_FREE:
        return True
    used = 0
    with os.scandir(settings.PICTURES) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                used += entry.stat().st_size
    return used > settings.MOST_DISK
