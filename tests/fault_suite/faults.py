"""Faults: each strikes, and gives the condition after which it wants to strike again."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil
import psycopg
from fault_suite.fleet import Slot
from fault_suite.run import Fault, Run, after

LIBFAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")

_FROZEN_LEASES = 2.5


def thaw(run: Run, until: Callable[[Sequence[int]], bool] = lambda _: True) -> Fault:
    """Let each worker that has stopped itself go on after its leases are lost, and `until` holds or all is done.

    Args:
        until: Is given the process numbers of those that stopped.
    """
    while True:
        yield lambda: run.is_done() or any(_is_frozen(slot) for slot in run.fleet.of("worker"))
        frozen = [slot for slot in run.fleet.of("worker") if _is_frozen(slot)]
        if not frozen:
            return
        yield after(_FROZEN_LEASES * run.settings.lease_seconds)
        process_numbers = [slot.pid for slot in frozen]
        yield partial(_may_go_on, run, partial(until, process_numbers))
        for process_number in process_numbers:
            os.kill(process_number, signal.SIGCONT)


def _may_go_on(run: Run, until: Callable[[], bool]) -> bool:
    return run.is_done() or until()


def crash_database(run: Run, blows: int) -> Fault:
    """Stop the server immediately, spread over the run; every other time once more as soon as it answers again."""
    for blow in range(blows):
        yield run.share(0.9 * blow / blows)
        run.laboratory.cluster.stop_immediately()
        yield after(0.1)
        run.laboratory.cluster.start()
        if blow % 2:
            run.laboratory.cluster.stop_immediately()
            run.laboratory.cluster.start()


def terminate_backends(run: Run, blows: int) -> Fault:
    """Let the server end all its connections but every third, spread over the run."""
    for blow in range(blows):
        yield run.share(0.9 * blow / blows)
        with psycopg.connect(run.settings.database_url) as connection:
            connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid() and pid %% 3 <> %s",
                [blow % 3],
            )


def take_objects_away(run: Run, blows: int) -> Fault:
    """Let the object store fail until some task has failed for it, spread over the run."""
    objects, elsewhere = run.folder / "objects" / "sha256", run.folder / "objects" / "elsewhere"
    for blow in range(blows):
        yield run.share(0.9 * blow / blows)
        before = failed_tasks(run)
        if objects.exists():
            objects.rename(elsewhere)
        objects.touch()  # or the folder would be made anew
        yield lambda before=before: failed_tasks(run) > before or run.is_done()
        objects.unlink()
        if elsewhere.exists():
            elsewhere.rename(objects)


def failed_tasks(run: Run) -> int:
    """Return how many attempts have failed."""
    with psycopg.connect(run.settings.database_url) as connection:
        row = connection.execute("select count(*) from event where kind = 'job.failed'").fetchone()
    assert row is not None
    return int(row[0])


def jump_clock(run: Run, clock: Path) -> Fault:
    """Put the fleet's clocks an hour forward, then an hour back behind the true time."""
    for part, offset in ((0.3, "+3600"), (0.6, "-3600")):
        yield run.share(part)
        clock.write_text(offset)


def clock_of_its_own(clock: Path) -> dict[str, str]:
    """Return the environment of a process whose clock shows the true time plus what the file `clock` says.

    Only what tells the time of day is changed: a process that waits for two seconds still waits for two seconds.
    """
    clock.write_text("+0")
    return {
        "LD_PRELOAD": str(LIBFAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def kill_at_random(run: Run, blows: int, chance: random.Random, *roles: str) -> Fault:
    """Kill somebody of the roles, spread over the run."""
    for blow in range(blows):
        yield run.share(0.9 * blow / blows)
        os.kill(chance.choice([slot for slot in run.fleet.slots if slot.role in roles]).pid, signal.SIGKILL)


def _is_frozen(slot: Slot) -> bool:
    try:
        return psutil.Process(slot.pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False
