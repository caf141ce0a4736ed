"""The processes of one run: started, watched, and started again when they die."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fault_suite.nursery import Child, Nursery, python_environment
from fault_suite.roles import SETTINGS, Settings

_STOP_SECONDS = 30.0


@dataclass
class Slot:
    """One place in the fleet.

    Attributes:
        role: A name of `fault_suite.roles`.
        lives: What befalls its first, second, ... process, as environment variables; nothing befalls later ones.
        environment: Of all its processes; they are then started one by one, as a library to load first demands.
        exits: How its processes ended, oldest first.
    """

    role: str
    settings: Settings
    lives: list[dict[str, str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    process: Child | None = None
    exits: list[int] = field(default_factory=list)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def spawn(self, nursery: Nursery, log: Path) -> None:
        life = self.lives[len(self.exits)] if len(self.exits) < len(self.lives) else {}
        if not self.environment:
            self.process = nursery.bear(self.role, self.settings, life, log)
            return
        settings = {SETTINGS: self.settings.model_dump_json()}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fault_suite.roles", self.role],
                env={**python_environment(), **settings, **self.environment, **life},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def has_died(self) -> bool:
        """Return whether its process has ended, and note how."""
        assert self.process is not None
        status = self.process.poll()
        if status is None:
            return False
        self.exits.append(status)
        return True


class Fleet:
    """All processes of one run."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        self.slots: list[Slot] = []
        self._nursery = nursery
        self._folder = folder
        self._retired: list[Slot] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self.slots:
            if slot.process is not None:
                slot.process.send_signal(signal.SIGKILL)
                slot.process.wait(_STOP_SECONDS)

    def add(self, slot: Slot) -> Slot:
        self.slots.append(slot)
        return slot

    def of(self, role: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.role == role]

    def start(self) -> None:
        """Start every process that has not been started."""
        for slot in self.slots:
            if slot.process is None:
                slot.spawn(self._nursery, self._log(slot))

    def respawn_the_dead(self) -> None:
        """Start every process again that has ended, as whoever runs the platform would."""
        for slot in self.slots:
            if slot.has_died():
                slot.spawn(self._nursery, self._log(slot))

    def stop(self) -> None:
        """End every process with SIGTERM, require that each obeys, and keep none."""
        alive = [slot for slot in self.slots if not slot.has_died()]
        for slot in alive:
            assert slot.process is not None
            slot.process.send_signal(signal.SIGTERM)
        for slot in alive:
            assert slot.process is not None
            # One that was just respawned may not have come as far as to handle the signal.
            assert slot.process.wait(_STOP_SECONDS) in {0, -signal.SIGTERM}, self.tail()
        self._retired += self.slots
        self.slots = []

    def deaths(self) -> Counter[int]:
        """Return how many processes ended by themselves, by exit status (negative: the signal)."""
        return Counter(status for slot in (*self.slots, *self._retired) for status in slot.exits)

    def tail(self) -> str:
        """Return the ends of the processes' logs."""
        logs = sorted(self._folder.glob("log-*"))
        return "\n".join(f"== {path.name}\n{path.read_text()[-2_000:]}" for path in logs)

    def _log(self, slot: Slot) -> Path:
        return self._folder / f"log-{slot.role}-{len(self._retired) + self.slots.index(slot)}"
