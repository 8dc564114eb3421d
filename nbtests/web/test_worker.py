"""The queue: what is taken in comes to an end, whatever is killed, deleted or broken on the way."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

pytest.importorskip("django", reason="the page needs Django: pip install -r requirements.txt")
from django.db import OperationalError
from django.utils import timezone

from web.studio import worker as module
from web.studio.engine import Died
from web.studio.models import Job


@pytest.fixture
def other(worker):
    """A second process with the same database."""
    from web.studio.worker import Worker

    process = Worker()
    process.engine = worker.engine
    return process


def orphaned(*jobs):
    """Nobody has touched them for longer than a lease."""
    for job in jobs:
        Job.objects.filter(pk=job.pk).update(
            touched=timezone.now() - timedelta(seconds=module.LEASE + 1)
        )


def only():
    return Job.objects.get()


def test_what_waited_in_a_killed_process_is_taken_over(send, other, worker):
    send()
    other.beat()
    assert other.jobs.empty()  # its own process may be alive
    orphaned(only())
    other.beat()
    assert only().process == other.process
    worker.work_off()  # as if it had only been asleep: the job is no longer its own
    assert only().state == "queued"
    other.change(other.jobs.get())
    assert (only().state, only().attempts) == ("done", 1)


def test_a_job_that_kills_is_tried_once_more_and_then_failed(send, other):
    send()
    for attempts, state in ((1, "queued"), (2, "failed")):
        Job.objects.update(state="running", attempts=attempts, process="killed", percent=50)
        orphaned(only())
        other.beat()
        assert only().state == state
    assert other.jobs.qsize() == 1


def test_a_beat_keeps_ones_own(send, worker, other):
    send()
    orphaned(only())
    worker.beat()
    other.beat()
    assert only().process == worker.process


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_the_database_lost_is_taken_up_by_the_same_process(when, send, worker, monkeypatch):
    """The database goes away as a job starts, or as it ends.

    The job's process lives, and is the only one.
    """
    send()
    change, update = worker.change, module.models.Jobs.update

    def away(self, **values):
        if (values.get("state") == "done") == (when == "after"):
            raise OperationalError("the server closed the connection")
        return update(self, **values)

    def until_it_is_back(pk):
        monkeypatch.setattr(module.models.Jobs, "update", away)
        try:
            change(pk)
        finally:
            monkeypatch.setattr(module.models.Jobs, "update", update)

    monkeypatch.setattr(worker, "change", until_it_is_back)
    monkeypatch.setattr(module, "connection", SimpleNamespace(close=lambda: None))  # the test's own
    worker.jobs.put(None)
    worker._work()
    assert only().state == {"before": "queued", "after": "running"}[when]
    monkeypatch.setattr(worker, "change", change)
    worker.beat()
    assert worker.jobs.empty()  # not before its lease is over
    orphaned(only())
    worker.beat()
    worker.work_off()
    assert (only().state, worker.places._value) == ("done", 16)


def test_a_database_that_goes_while_a_job_is_taken_over_costs_no_place(send, other, monkeypatch):
    send()
    orphaned(only())
    update = module.models.Jobs.update

    def away(self, **values):
        if "process" in values:
            raise OperationalError("the server closed the connection")
        return update(self, **values)

    monkeypatch.setattr(module.models.Jobs, "update", away)
    with pytest.raises(OperationalError):
        other.beat()
    assert other.places._value == 16


def test_no_more_is_taken_over_than_there_are_places(send, other, settings):
    for _ in range(3):
        send()
    orphaned(*Job.objects.all())
    for _ in range(settings.PLACES - 2):
        assert other.reserve()
    other.beat()
    assert Job.objects.filter(process=other.process).count() == 2
    assert not other.reserve()


def test_only_one_of_two_takes_it(send, other, worker, monkeypatch):
    send()
    orphaned(only())
    third = type(other)()
    taken = []
    reserve = other.reserve
    monkeypatch.setattr(
        other, "reserve", lambda: (third.beat(), reserve())[1]
    )  # between looking and taking
    other.beat()
    taken = [p for p in (other, third) if not p.jobs.empty()]
    assert taken == [third]
    assert other.places._value == 16


def test_a_network_that_fails_says_so(send, client, worker, monkeypatch, caplog):
    def broken(*_):
        raise MemoryError("no more")

    monkeypatch.setattr(worker.engine, "change", broken, raising=False)
    path = send().json()["address"]
    worker.work_off()
    assert only().state == "failed"
    assert "no more" in caplog.text  # whoever runs the server reads why
    answer = client.get(path)
    assert answer.status_code == 200
    assert "not your picture's fault" in answer.content.decode().replace("&#x27;", "'")


def test_networks_that_cannot_be_loaded_fail_the_job_not_the_server(send, worker, monkeypatch):
    def broken(*_):
        raise RuntimeError("the networks cannot be loaded")

    monkeypatch.setattr(worker.engine, "change", broken, raising=False)
    send()
    worker.work_off()
    assert only().state == "failed"


@pytest.mark.parametrize("deaths, state", [(1, "done"), (2, "failed")])
def test_a_picture_whose_process_dies_has_a_second_try(deaths, state, send, worker, monkeypatch):
    change, tries = worker.engine.change, []

    def dying(*order):
        tries.append(1)
        if len(tries) <= deaths:
            raise Died("killed")
        return change(*order)

    monkeypatch.setattr(worker.engine, "change", dying, raising=False)
    send()
    worker.work_off()
    assert (only().state, only().attempts, len(tries)) == (state, 2, 2)
    assert worker.places._value == 16


def test_deleted_while_it_runs_it_is_stopped_and_leaves_no_file(
    send, client, worker, files, monkeypatch
):
    path, told = send().json()["address"], []
    change = worker.engine.change

    def deleting(task, before, after, go_on):
        told.append(go_on(0.2))
        client.post(f"{path}delete")
        told.append(go_on(0.4))
        return change(task, before, after, go_on) if told[-1] else None

    monkeypatch.setattr(module, "TELLING", 0)
    monkeypatch.setattr(worker.engine, "change", deleting, raising=False)
    worker.work_off()
    assert told == [True, False]
    assert not Job.objects.exists()
    assert not files()


def test_how_far_it_is_is_told(send, client, worker, monkeypatch):
    path, told = send().json()["address"], []
    change = worker.engine.change

    def telling(task, before, after, go_on):
        for share in (0.25, 0.75):
            go_on(share)
            told.append(client.get(f"{path}state").json()["percent"])
        return change(task, before, after, go_on)

    monkeypatch.setattr(module, "TELLING", 0)
    monkeypatch.setattr(worker.engine, "change", telling, raising=False)
    worker.work_off()
    assert told == [25, 75]


def test_deleted_while_it_waits(send, client, worker, files):
    client.post(f"{send().json()['address']}delete")
    worker.work_off()
    assert not files()
    assert worker.places._value == 16


def test_the_place_in_the_queue_is_told(send, client):
    paths = [send().json()["address"] for _ in range(3)]
    words = [client.get(f"{path}state").json()["words"] for path in paths]
    assert words == ["Next in line.", "Waiting: 1 before yours.", "Waiting: 2 before yours."]
