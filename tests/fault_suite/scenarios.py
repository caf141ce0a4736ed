"""The scenarios: a scale, a fault, and the oracle. The long and the short form run the same ones."""

from __future__ import annotations

import random
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
from fault_suite.commit_proxy import CommitProxy
from fault_suite.faults import (
    clock_of_its_own,
    crash_database,
    failed_tasks,
    jump_clock,
    kill_at_random,
    take_objects_away,
    terminate_backends,
    thaw,
)
from fault_suite.fleet import Slot
from fault_suite.handlers import calls_in
from fault_suite.laboratory import Laboratory
from fault_suite.lines import ARTEFACT, CHAIN, FAILS_ONCE, LINES, PATIENCE
from fault_suite.orders import CLERK, Line
from fault_suite.roles import DURING_CALL, FREEZE_AT
from fault_suite.run import Run, Scale, after, make_run
from fault_suite.scenario_lines import BROKEN, MARATHON, PUNCTUAL, TOIL

from engine import DateTrigger, ScheduleBook, ScheduleDefinition
from engine.crash_points import CRASH_POINTS, ENVIRONMENT_VARIABLE

_RENEWED_SECONDS = 6  # a lease that is renewed while a marathon goes on, and ends no sooner on a busy machine
_LINGER_SECONDS = 3  # longer than a worker stays frozen, its leases being of one second
_HELD = "select count(*) from job join worker on lease_owner = worker_id where process_number in ({workers})"
_TIMER_SECONDS = 1.5  # longer than the process patience waits
_DAMAGES = (
    "update task set spec = 'element:Nowhere'",
    "update task set process_id = 'nobody'",
    "update task set parent_id = gen_random_uuid()",
    "update task set state = 4096",
    "update task set internal = '[1]'",
    "delete from task",
)
_BROKEN_ONES = b"""
where process_instance_id in (select process_instance_id from process_instance
                              where process_id = 'broken' and substr(business_key, 7)::integer / 2 %% %s = %s)
"""


@contextmanager
def judged_run(
    laboratory: Laboratory, folder: Path, scale: Scale, *, lines: tuple[Line, ...] = LINES, **settings: Any
) -> Iterator[Run]:
    """Give a run whose outcome is compared with what must be there at the end of the block."""
    run = make_run(laboratory, folder, scale, lines=lines, **settings)
    with run, run.fleet:
        yield run
        run.assert_nothing_lost_or_doubled()
    laboratory.cluster.drop_database(run.settings.database_url)


def survive_nothing(laboratory: Laboratory, folder: Path, scale: Scale) -> None:
    """No fault at all: the suite itself is right, and nothing is done twice without need."""
    with judged_run(laboratory, folder, scale, lease_seconds=30) as run:
        run.staff(clients=2)
        run.finish()
        assert run.fleet.deaths() == {}
        assert _repeated(folder) == 0


def survive_kills(laboratory: Laboratory, folder: Path, scale: Scale, *plans: str, deaths: int) -> None:
    """Every process is killed as the first plan says in its first life, as the second says in the next, and so on.

    Args:
        plans: As in `engine.crash_points`: `after_claim:1` for the first pass of that place.
        deaths: How many there must be at least; a process that does not come by a place lives on.
    """
    with judged_run(laboratory, folder, scale) as run:
        run.staff(lives=tuple({ENVIRONMENT_VARIABLE: plan} for plan in plans))
        run.finish()
        assert run.fleet.deaths()[-signal.SIGKILL] >= deaths, run.fleet.deaths()


def survive_random_kills(laboratory: Laboratory, folder: Path, scale: Scale, seed: int) -> None:
    """Every process has six short lives, each ended at a crash point and a hit that dice choose."""
    chance = random.Random(seed)
    with judged_run(laboratory, folder, scale) as run:
        run.staff(clients=2, schedulers=2)
        for slot in run.fleet.slots:
            plans = (f"{chance.choice(CRASH_POINTS)}:{chance.randint(1, 9)}" for _ in range(6))
            slot.lives = [{ENVIRONMENT_VARIABLE: plan} for plan in plans]
        run.finish()
        assert run.fleet.deaths()[-signal.SIGKILL] >= scale.workers, run.fleet.deaths()


def survive_zombies(laboratory: Laboratory, folder: Path, scale: Scale, point: str) -> None:
    """Half of the workers are stopped (SIGSTOP) at one place for longer than their leases last, then go on.

    They come back while those who took their jobs over still work on them, however late a busy machine let them.
    """
    with judged_run(laboratory, folder, scale, linger_seconds=_LINGER_SECONDS) as run:
        run.staff()
        for slot in run.fleet.of("worker")[::2]:
            slot.lives = [{FREEZE_AT: f"{point}:1"}]
        if point != DURING_CALL:
            run.finish(thaw(run))
            return
        run.finish(chain(thaw(run, until=partial(_have_lost_all, run)), [partial(_has_refused, run)]))


def _have_lost_all(run: Run, process_numbers: Sequence[int]) -> bool:
    """Return whether others have taken over the jobs of these workers."""
    workers = ", ".join(map(str, process_numbers))
    return _number(run, _HELD.format(workers=workers)) == 0


def _has_refused(run: Run) -> bool:
    return _number(run, "select count(*) from event where kind = 'job.refused'") > 0


def survive_database_crashes(laboratory: Laboratory, folder: Path, scale: Scale, blows: int) -> None:
    """The database crashes again and again, also while it and the workers recover."""
    with judged_run(laboratory, folder, scale) as run:
        run.staff()
        run.finish(crash_database(run, blows))


def survive_object_store_outages(laboratory: Laboratory, folder: Path, scale: Scale, blows: int) -> None:
    """The object store is away for a while, again and again."""
    with judged_run(laboratory, folder, scale, lines=(ARTEFACT, CHAIN)) as run:
        run.staff()
        run.finish(take_objects_away(run, blows))
        assert failed_tasks(run) > 0


def survive_lost_commit_answers(laboratory: Laboratory, folder: Path, scale: Scale) -> None:
    """The connection breaks after the database has committed and before anybody is told."""
    with judged_run(laboratory, folder, scale) as run, CommitProxy(laboratory.cluster.socket, lose_every=20) as proxy:
        direct, run.settings = (
            run.settings,
            run.settings.model_copy(update={"database_url": proxy.url_of(run.settings.database_url)}),
        )
        run.staff()
        run.settings = direct
        run.finish()
        assert proxy.lost["COMMIT"] > 0


def survive_lost_connections(laboratory: Laboratory, folder: Path, scale: Scale, blows: int) -> None:
    """The server ends most connections, again and again."""
    with judged_run(laboratory, folder, scale) as run:
        run.staff()
        run.finish(terminate_backends(run, blows))


def survive_clock_jumps(laboratory: Laboratory, folder: Path, scale: Scale) -> None:
    """All clocks but the database's jump by an hour: no lease ends early, no timer fires early, none late."""
    with judged_run(laboratory, folder, scale, lines=(MARATHON, *LINES), lease_seconds=_RENEWED_SECONDS) as run:
        run.staff()
        clock = folder / "clock"
        for slot in run.fleet.slots:
            slot.environment = clock_of_its_own(clock)
        run.finish(jump_clock(run, clock))
        assert _repeated(folder) == 0


def survive_everything(laboratory: Laboratory, folder: Path, scale: Scale, seed: int) -> None:
    """Kills, zombies, database crashes and lost commit answers in one run."""
    chance = random.Random(seed)
    with judged_run(laboratory, folder, scale) as run:
        run.staff(clients=2, schedulers=2)
        run.fleet.of("worker")[0].lives = [{FREEZE_AT: f"{DURING_CALL}:3"}]
        faults = (kill_at_random(run, 6, chance, "worker", "client"), crash_database(run, 3), thaw(run))
        run.finish(condition for fault in faults for condition in fault)


def survive_schedulers(laboratory: Laboratory, folder: Path, scale: Scale, seed: int) -> None:
    """Three schedulers fire the same schedules and timers, and are killed now and then."""
    with judged_run(laboratory, folder, scale, lines=(PUNCTUAL, PATIENCE)) as run:
        with run.storage.transaction() as work:
            for order in run.orders[::2]:
                at = work.now + timedelta(milliseconds=10 * order.number)
                definition = ScheduleDefinition(trigger=DateTrigger(at=at))
                ScheduleBook(run.engine).define(work, "punctual", {"order": order.number}, definition, context=CLERK)
        run.staff(schedulers=3)
        run.finish(kill_at_random(run, 4, random.Random(seed), "scheduler"))


def survive_downtime(laboratory: Laboratory, folder: Path, scale: Scale) -> None:
    """Everything is down while timers fall due: each fires once when there is somebody to fire it."""
    with judged_run(laboratory, folder, scale, lines=(PATIENCE,)) as run:
        run.staff(schedulers=0)
        run.fleet.start()
        run.go_on(until=lambda: _number(run, "select count(*) from timer") == scale.orders)
        run.fleet.stop()
        laboratory.cluster.stop_immediately()
        run.go_on(until=after(_TIMER_SECONDS))
        laboratory.cluster.start()
        run.staff(schedulers=3)
        run.finish()


def survive_poison(laboratory: Laboratory, folder: Path, scale: Scale, *poisons: Line) -> None:
    """Among many orders one of each kind has a task that fails, or takes its worker along, at every attempt."""
    lines = (*poisons, *[TOIL] * (scale.orders - len(poisons)))
    with judged_run(laboratory, folder, scale, lines=lines, maximum_lost_leases=3) as run:
        run.staff(schedulers=0)
        run.finish()


def survive_corruption(laboratory: Laboratory, folder: Path, scale: Scale) -> None:
    """Rows of some waiting instances are damaged: each gets an incident and does nothing more; the others go on."""
    with judged_run(laboratory, folder, scale, lines=(BROKEN, CHAIN)) as run:
        client = run.fleet.add(Slot("client", run.settings))
        run.fleet.start()
        run.go_on(until=lambda: _number(run, "select count(*) from process_instance") == scale.orders)
        with psycopg.connect(run.settings.database_url) as connection:
            for remainder, damage in enumerate(_DAMAGES):
                connection.execute(damage.encode() + _BROKEN_ONES, [len(_DAMAGES), remainder])
        run.staff(clients=0)
        run.fleet.start()
        run.go_on()
        run.fleet.stop()
        assert client.exits == []


def _repeated(folder: Path) -> int:
    """Return how many calls were made under a key under which one had been made before, without a failure between."""
    calls = [call for call in calls_in(folder) if call.element_id not in {"Stumble", FAILS_ONCE}]
    return len(calls) - len({call.idempotency_key for call in calls})


def _number(run: Run, query: str) -> float:
    with psycopg.connect(run.settings.database_url) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return float(row[0])
