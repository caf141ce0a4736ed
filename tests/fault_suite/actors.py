"""Actors of a simulation: each on a thread of its own, of which one at most runs at any time, when it is its turn."""

from __future__ import annotations

import threading
from collections.abc import Callable

_DEADLINE_SECONDS = 60.0


class SimulatedCrash(BaseException):
    """An actor's process has ended; no handler of exceptions may notice."""


class Actor:
    """Something that one simulated process does, from one turn to the next.

    Attributes:
        depth: How many transactions it is in; it does not give up its turn inside one, or others might wait for it.
        is_over: Whether it has done it all, or has crashed.
    """

    _of_thread = threading.local()

    def __init__(self, name: str, act: Callable[[], None]) -> None:
        self.name = name
        self.depth = 0
        self.is_over = False
        self.has_crashed = False
        self.error: BaseException | None = None
        self._act = act
        self._turn = threading.Semaphore(0)
        self._returned = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @classmethod
    def current(cls) -> Actor | None:
        """Return whose turn it is, `None` on the simulation's own thread."""
        return getattr(cls._of_thread, "actor", None)

    def take_turn(self) -> None:
        """Let it go on to where it gives up its turn, or is over.

        Raises:
            BaseException: What went wrong in it.
        """
        self._turn.release()
        if not self._returned.acquire(timeout=_DEADLINE_SECONDS):
            raise TimeoutError(f"{self.name} does not give up its turn")
        if self.error is not None:
            raise self.error

    def give_up_turn(self) -> None:
        """Wait, on its own thread, until it is its turn again."""
        self._returned.release()
        self._turn.acquire()

    def _run(self) -> None:
        Actor._of_thread.actor = self
        self._turn.acquire()
        try:
            self._act()
        except SimulatedCrash:
            self.has_crashed = True
        except BaseException as error:  # noqa: BLE001 - told to whoever gave the turn
            self.error = error
        self.is_over = True
        self._returned.release()
