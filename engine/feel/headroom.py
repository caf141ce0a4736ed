"""Room on the interpreter's stack for what loops call, so that how long a loop takes does not depend on who asks.

CPython keeps the frames of Python functions in chunks of 16 KiB. Where a loop happens to run at the end of one, every
call in it takes a new chunk from the operating system and gives it back: a hundred times slower than elsewhere. A frame
that is too large for a small chunk gets a large one, whose rest those that it calls share.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from engine.feel.values import Budget

_SubjectT = TypeVar("_SubjectT")
_ValueT = TypeVar("_ValueT")

# Slots of 8 bytes: the frame takes half of a chunk of 512 KiB and leaves the other half.
_SLOTS = 32_768


def with_headroom(evaluate: Callable[[_SubjectT, Budget], _ValueT]) -> Callable[[_SubjectT, Budget], _ValueT]:
    """Return the same function, with room below it."""

    def spacious(subject: _SubjectT, budget: Budget) -> _ValueT:
        return evaluate(subject, budget)

    spacious.__code__ = spacious.__code__.replace(co_stacksize=_SLOTS)
    return spacious
