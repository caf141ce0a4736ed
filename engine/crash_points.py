"""Crash points: named places in the engine's steps at which the fault suite ends the process, or a simulated worker.

Off unless `AMI_CRASH_POINTS` names some when the process starts: `after_claim:1,before_commit:2` kills it (SIGKILL, so
that nothing is tidied up) at the first pass of one place and at the second of another, whichever comes first. An
operator has no use for it. What must hold after each of them is told in docs/explanation/durability.md.
"""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias, get_args

from engine.errors import CrashPointError

CrashPoint: TypeAlias = Literal[
    "after_claim",  # the job is leased, the claim is committed, nothing else has happened
    "before_handler",
    "after_handler",  # the handler's external effect is done, nothing of it is written
    "in_step",  # the step's rows are written and not committed
    "before_commit",
    "after_commit",  # committed, and whoever waits has not been told
    "after_timer_claim",  # due timers are locked, their trigger jobs not yet written
    "after_message_insert",  # the message is stored, nobody has received it
    "after_user_task_lock",  # the person's decision is accepted, nothing of it is written
]
CRASH_POINTS: tuple[CrashPoint, ...] = get_args(CrashPoint)
ENVIRONMENT_VARIABLE = "AMI_CRASH_POINTS"


class _Switch:
    """What happens at a crash point; `None`: nothing."""

    on_hit: Callable[[CrashPoint], None] | None = None


def crash_point(name: CrashPoint) -> None:
    """Do nothing, unless somebody armed the crash points."""
    if _Switch.on_hit is not None:
        _Switch.on_hit(name)


@contextmanager
def armed(on_hit: Callable[[CrashPoint], None]) -> Iterator[None]:
    """Call `on_hit` at every crash point until the end of the block; it may raise what ends a simulated worker.

    For the whole process, its other threads included.
    """
    before, _Switch.on_hit = _Switch.on_hit, on_hit
    try:
        yield
    finally:
        _Switch.on_hit = before


def killing(plan: str) -> Callable[[CrashPoint], None]:
    """Return what kills this process at the hits that `plan` names, as in `after_claim:1,before_commit:2`.

    Raises:
        CrashPointError: A name is not a crash point, or a number not a positive one.
    """
    numbers = _parse(plan)
    hits, counting = Counter[str](), threading.Lock()

    def on_hit(name: CrashPoint) -> None:
        with counting:
            hits[name] += 1
            is_planned = hits[name] in numbers[name]
        if is_planned:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_hit


def _parse(plan: str) -> dict[CrashPoint, set[int]]:
    numbers: dict[CrashPoint, set[int]] = {name: set() for name in CRASH_POINTS}
    for entry in plan.split(","):
        name, _, number = entry.strip().partition(":")
        if name not in numbers or not number.isdecimal() or int(number) < 1:
            raise CrashPointError(entry=entry, known=CRASH_POINTS)
        numbers[name].add(int(number))
    return numbers


if ENVIRONMENT_VARIABLE in os.environ:
    _Switch.on_hit = killing(os.environ[ENVIRONMENT_VARIABLE])
