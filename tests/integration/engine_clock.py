"""Time that passes for a deployed process: its scheduler and workers do what is due."""

from __future__ import annotations

from uuid import UUID

from engine_shop import EAGER, Shop
from sqlalchemy import text

from engine import Scheduler, SchedulerPolicy
from engine.persistence import EventLog


def pass_time(shop: Shop, minutes: int) -> None:
    """Let it be so many minutes later than it is for the engine, then let scheduler and workers do what is due."""
    later = f"select clock_timestamp() + make_interval(mins => {minutes})"
    shop.execute(f"create or replace function engine_now() returns timestamptz language sql volatile as '{later}'")
    Scheduler(shop.engine, shop.storage, SchedulerPolicy()).fire_due()
    work_off(shop)


def work_off(shop: Shop) -> None:
    worker = shop.worker(EAGER)
    while worker.run_one():
        pass


def completed(shop: Shop, process_instance_id: UUID, *element_ids: str) -> list[str]:
    """Return which of the elements completed, in order, each as often as it did."""
    with shop.storage.transaction() as work:
        events = EventLog(work).of_instance(process_instance_id)
    done = [event.element_id for event in events if event.kind == "element.completed"]
    return [each for each in done if each in element_ids]


def timers(shop: Shop) -> int:
    with shop.storage.transaction() as work:
        return int(work.connection.execute(text("select count(*) from timer")).scalar_one())
