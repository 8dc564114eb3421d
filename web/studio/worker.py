"""One thread that feeds the networks' process, and a queue that is never longer than it should be.

The database is the queue's memory. A process touches its open jobs every few seconds; those that
nobody has touched for a while belonged to one that was killed, and any other takes them over, once.
"""

import logging
import math
import queue
import threading
import time
from contextlib import suppress
from datetime import timedelta

from django.conf import settings
from django.db import close_old_connections, connection
from django.db.models import F
from django.utils import timezone

from web.studio import engine, models
from web.studio.models import Job

BEAT = 2.0  # seconds between two touches
LEASE = 10.0  # after which an untouched job is an orphan
STARTS = 2  # of one job: a picture that kills the process must not do so for ever
TELLING = 0.3  # seconds between two notes of how far a job is
HOUSEKEEPING = 600.0  # seconds between two looks for expired pictures

log = logging.getLogger(__name__)


class Worker:
    """The queue and the thread of this process; `start` once."""

    def __init__(self):
        self.process = models.token()
        self.places = threading.BoundedSemaphore(settings.PLACES)
        self.jobs: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.held: set[int] = (
            set()
        )  # what waits or runs here; what the database lost on its way does neither
        self.engine = engine.Engine()
        self.stopped = threading.Event()
        self.threads: list[threading.Thread] = []
        self.seconds = 1.5  # that a job takes, a running mean
        self.on_ready = lambda: None

    def start(self) -> None:
        if not self.threads:
            self.threads = [
                threading.Thread(target=run, daemon=True) for run in (self._work, self._beat)
            ]
            for thread in self.threads:
                thread.start()

    def stop(self) -> None:
        """Let the job in hand come to its end; what waits is taken over after the next start."""
        self.stopped.set()
        self.jobs.put(None)
        for thread in self.threads:
            thread.join(timeout=10)
        self.engine.stop()

    # the queue

    def reserve(self) -> bool:
        """Take a place in the queue, if there is one; then `submit` or `release`."""
        return self.places.acquire(blocking=False)

    def release(self) -> None:
        self.places.release()

    def submit(self, job: Job) -> None:
        """Queue a saved job, whose place is reserved."""
        self.held.add(job.pk)
        self.jobs.put(job.pk)

    def wait(self) -> int:
        """Seconds after which a full queue has probably a place again, for Retry-After."""
        return max(2, math.ceil(2 * self.seconds))

    # the thread

    def _work(self) -> None:
        try:
            self.engine.start()
            self.on_ready()
        except Exception:
            log.exception(
                "the networks cannot be loaded; no picture will be changed until this is mended"
            )
        while not self.stopped.is_set() and (pk := self.jobs.get()) is not None:
            if self.stopped.is_set():  # it stays queued, for the next start
                break
            try:
                self.change(pk)
            except (
                Exception
            ):  # the database's: the job is an orphan now, which some beat takes over
                log.exception("a job was lost on its way to the database")
            finally:
                self.held.discard(pk)
                self.release()
                connection.close()

    def change(self, pk: int) -> None:
        """Run one job to its end: done, or failed, which its page then says.

        Deleted meanwhile, it is stopped and leaves no file.
        """
        mine = Job.objects.filter(pk=pk, process=self.process)
        if not mine.filter(state=Job.State.QUEUED).update(
            state=Job.State.RUNNING, attempts=F("attempts") + 1
        ):
            return
        job = mine.get()
        try:
            result = self._result(job, mine)
        except Exception:  # whatever a network, the disk or the memory says: its page has to end
            log.exception("a picture could not be changed (%s)", job.task)
            result = {"state": Job.State.FAILED}
        kept = mine.update(**result)
        if not kept and not Job.objects.filter(pk=pk).exists():
            for path in job.files:
                path.unlink(missing_ok=True)

    def _result(self, job: Job, mine: models.Jobs) -> dict:
        """The networks' work, as the record's new values."""
        started = told = time.perf_counter()

        def go_on(share: float) -> bool:
            """Note how far the job is; False where it has been deleted."""
            nonlocal told
            now = time.perf_counter()
            if now - told < TELLING:
                return True
            told = now
            return bool(mine.update(percent=round(100 * share), touched=timezone.now()))

        order = (job.task, job.before, job.after, go_on)
        try:
            changed = self.engine.change(*order)
        except engine.Died:
            if job.attempts >= STARTS or not mine.update(percent=0, attempts=F("attempts") + 1):
                raise
            log.exception("a picture is changed a second time (%s)", job.task)
            changed = self.engine.change(*order)
        if changed is None:
            return {"state": Job.State.FAILED}
        seconds = time.perf_counter() - started
        self.seconds += 0.2 * (seconds - self.seconds)
        return {
            "state": Job.State.DONE,
            "percent": 100,
            "milliseconds": round(1000 * seconds),
            **changed._asdict(),
        }

    # the pulse

    def _beat(self) -> None:
        looked = time.monotonic()
        while not self.stopped.wait(BEAT):
            with suppress(Exception):  # the database may be away for a while
                self.beat()
                if time.monotonic() - looked > HOUSEKEEPING:
                    looked = time.monotonic()
                    models.expire()
            close_old_connections()
            connection.close()

    def beat(self) -> None:
        """Touch the open jobs that are held here, and take over those of nobody: once, then they
        count as failed.
        """
        now = timezone.now()
        held = list(self.held)
        Job.objects.open().filter(process=self.process, pk__in=held).update(touched=now)
        orphans = (
            Job.objects.open()
            .filter(touched__lt=now - timedelta(seconds=LEASE))
            .order_by("created")
        )
        for job in orphans.exclude(process=self.process, pk__in=held):
            unchanged = Job.objects.filter(
                pk=job.pk, process=job.process, state=job.state, touched=job.touched
            )
            if job.attempts >= STARTS:
                unchanged.update(state=Job.State.FAILED)
            elif not self.reserve():
                break
            else:
                taken = 0
                try:
                    taken = unchanged.update(
                        process=self.process, state=Job.State.QUEUED, percent=0, touched=now
                    )
                finally:  # another process may have been faster, or the database gone
                    self.submit(job) if taken else self.release()


worker = Worker()
