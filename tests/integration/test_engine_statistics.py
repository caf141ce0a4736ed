"""What operators count: events, each once; attempts that are repeated; what is due; how a process went."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest
from diagrams import catch, diagram, duration, end, path, start
from engine_shop import ADMIN, EAGER, ONE_JOB, Nothing, Result, Shop, external, five, running, transactional
from patience import becomes

from engine import (
    EventCounts,
    IncidentStatus,
    JobContext,
    Migrations,
    NotificationHub,
    Operations,
    ScheduleBook,
    TaskContext,
    count_events,
    process_statistics,
    queue_depths,
)
from engine.errors import UnknownProcessError
from handlers import Services
from handlers.event_gateway import EventGateway
from handlers.incidents import RetryRequest, retry_incident
from storage import Storage


def count(shop: Shop, since: str | None) -> EventCounts:
    """Count once every committed event is shown: transactions of other tests can hold it up."""
    assert becomes(shop.events_are_settled)
    with shop.storage.transaction() as work:
        return count_events(work, since)


def fail(_context: TaskContext, _request: Nothing) -> Result:
    raise ConnectionError


def test_each_event_is_counted_once_and_none_from_before_the_first_count(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, ONE_JOB, external(five))
    shop.start()

    first = count(shop, None)
    shop.start()
    second = count(shop, first.horizon)
    third = count(shop, second.horizon)

    assert (first.events, first.retries) == ({}, {})
    assert second.events[("p", "process.started")] == 1
    assert (third.events, third.retries) == ({}, {})


def test_an_attempt_that_is_repeated_is_a_retry_and_the_last_is_none(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, transactional(fail))
    before = count(shop, None).horizon
    shop.start()
    worker = shop.worker(EAGER)
    while worker.run_one():
        pass

    counts = count(shop, before)

    assert (counts.events[("p", "job.failed")], counts.events[("p", "incident.raised")]) == (3, 1)
    assert counts.retries == {"p": 2}


def test_what_is_due_is_counted_by_its_queue(storage: Storage, hub: NotificationHub) -> None:
    pause = diagram("q", start(), path("Begin", "Pause", "Done"), catch("Pause", timer=duration("PT1H")), end())
    shop = Shop(storage, hub, ONE_JOB, external(five))
    with storage.transaction() as work:
        shop.engine.deploy(work, pause, context=ADMIN)
        for process_id in ("p", "p", "q"):
            shop.engine.start(work, process_id, {}, context=ADMIN)
        early = queue_depths(work)
    shop.execute("update timer set due_at = due_at - interval '2 hours'")

    with storage.transaction() as work:
        assert (early, queue_depths(work)) == (
            {"jobs": 2, "timers": 0, "schedules": 0},
            {"jobs": 2, "timers": 1, "schedules": 0},
        )


def test_how_a_process_went_is_counted_for_its_tenant_and_window(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, external(five))
    for _ in range(2):
        shop.start()
    shop.worker().run_one()
    stranger = ADMIN.model_copy(update={"tenant_id": "south"})

    def counted(**options: Any) -> dict[str, int]:
        with storage.transaction() as work:
            window = options.pop("window", timedelta(hours=1))
            return process_statistics(work, "p", window, **{"context": ADMIN, **options}).instances

    nothing = {"started": 0, "completed": 0, "cancelled": 0, "running": 0, "suspended": 0, "with_incident": 0}
    assert counted() == {**nothing, "started": 2, "completed": 1, "running": 1}
    assert counted(context=stranger) == nothing
    shop.execute("update process_instance set started_at = started_at - interval '2 hours'")
    assert counted() == {**nothing, "completed": 1, "running": 1}
    with storage.transaction() as work, pytest.raises(UnknownProcessError):
        process_statistics(work, "unknown", timedelta(hours=1), context=ADMIN)


@pytest.mark.parametrize(("mended", "status"), [(True, IncidentStatus.RESOLVED), (False, IncidentStatus.OPEN)])
def test_who_retries_an_incident_hears_how_the_attempt_ended(
    storage: Storage, hub: NotificationHub, *, mended: bool, status: IncidentStatus
) -> None:
    healthy = False

    def work_if_healthy(_context: JobContext, _request: Nothing) -> Result:
        if not healthy:
            raise ConnectionError
        return Result(value=5)

    shop = Shop(storage, hub, ONE_JOB, external(work_if_healthy))
    shop.start()
    worker = shop.worker(EAGER)
    while worker.run_one():
        pass
    services, healthy = services_of(shop), mended
    with storage.transaction() as work:
        (incident,) = services.operations.incidents(work, context=ADMIN)

    with running(shop.worker(EAGER), hub):
        request = RetryRequest(incident.incident_id, "the line is up again", retries=1)
        outcome = retry_incident(services, request, 20, context=ADMIN)

    assert (outcome.status, outcome.retries) == (status, 1)


def services_of(shop: Shop) -> Services:
    """The parts that work on processes; those that work on models are not there."""
    nothing = cast("Any", None)
    return Services(
        storage=shop.storage,
        engine=shop.engine,
        schedules=ScheduleBook(shop.engine),
        operations=Operations(shop.engine),
        migrations=Migrations(shop.engine),
        events=EventGateway(shop.engine),
        hub=shop.hub,
        compute=nothing,
        models=nothing,
        limits=nothing,
    )
