"""Tools that wait: on threads of their own, so that nobody who waits holds up those who do not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from mcp_server.errors import TooManyWaitingError
from storage import SecurityContext

_IN_ALL = 256
_FOR_EACH = 32

Answer = TypeVar("Answer")


class WaitingRoom:
    """Runs waiting calls; each principal may have so many at a time."""

    def __init__(self) -> None:
        self._waiting: Counter[tuple[str, str]] = Counter()

    async def run(self, context: SecurityContext, call: Callable[[], Answer]) -> Answer:
        """Return what `call` returns, from a thread that only waiting calls use.

        Raises:
            TooManyWaitingError: The principal has too many calls waiting already.
        """
        principal = (context.tenant_id, context.user_id)
        if self._waiting[principal] >= _FOR_EACH:
            raise TooManyWaitingError(user_id=context.user_id, limit=_FOR_EACH)
        self._waiting[principal] += 1
        try:
            return await to_thread.run_sync(call, limiter=self._limiter)
        finally:
            self._waiting[principal] -= 1

    @cached_property
    def _limiter(self) -> CapacityLimiter:
        return CapacityLimiter(_IN_ALL)
