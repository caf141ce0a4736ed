"""A scheduler outlives a database that goes away, and fires what became due meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from clockwork import JOIN_SECONDS, Clockwork, ago, every
from outage import Outage, listening
from patience import becomes

from engine import Engine, Scheduler, SchedulerPolicy, ServiceTaskRegistry
from storage import Storage


@pytest.fixture
def outage(database_url: str, cluster_url: str) -> Iterator[Outage]:
    with listening(Outage(database_url, cluster_url), "engine.scheduler") as outage:
        yield outage


class OnceInterrupted(Engine):
    """An engine under whose first start the database goes away."""

    def __init__(self, outage: Outage) -> None:
        super().__init__(ServiceTaskRegistry(), {}, platform_tenant="north")
        self.outage = outage
        self.starts = 0

    def start(self, *arguments: Any, **named: Any) -> UUID:
        self.starts += 1
        if self.starts == 1:
            self.outage.begin()
        return super().start(*arguments, **named)


def test_a_start_that_loses_the_database_is_made_when_it_is_back_and_counts_as_no_failure(
    storage: Storage, outage: Outage
) -> None:
    clock = Clockwork(storage)
    clock.define(every("P1D", ago(minutes=1)))
    engine = OnceInterrupted(outage)
    scheduler = Scheduler(engine, storage, SchedulerPolicy(poll_seconds=0.1))
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        assert becomes(lambda: bool(outage.noticed) and bool(clock.started()))
    finally:
        scheduler.stop()
        thread.join(JOIN_SECONDS)

    (fire,) = clock.fires()
    assert (outage.noticed, engine.starts) == (["scheduler lost the database"], 2)
    assert (clock.schedule().failures, [fire.process_instance_id]) == (0, clock.started())
