"""A process that has imported everything and forks the fleet's processes: one is there in a hundredth of a second.

`python -m fault_suite.nursery` reads requests from the socket whose descriptor it is given, one JSON line each, and
answers with one: a process id for a birth, a wait status or null for a question about one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from fault_suite.roles import Settings, take_part

from engine.crash_points import ENVIRONMENT_VARIABLE, armed, killing

_TESTS = Path(__file__).resolve().parents[1]
_POLL_SECONDS = 0.01


class Child(Protocol):
    """A process, however it was started."""

    pid: int

    def poll(self) -> int | None:
        """Return how it ended (negative: by that signal), `None` while it lives."""

    def wait(self, timeout: float) -> int:
        """Return how it ended."""

    def send_signal(self, sig: int, /) -> None:
        """Send it a signal, unless it has ended."""


class Nursery:
    """Where processes come from."""

    def __enter__(self) -> Self:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-m", "fault_suite.nursery", str(theirs.fileno())]
        self._process = subprocess.Popen(command, env=python_environment(), pass_fds=[theirs.fileno()])
        theirs.close()
        self._socket, self._lines = ours, ours.makefile("rw", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()
        self._process.wait()

    def bear(self, role: str, settings: Settings, environment: dict[str, str], log: Path) -> Child:
        """Return a new process of the fleet, told by its environment what befalls it."""
        request = {"role": role, "settings": settings.model_dump(mode="json"), "environment": environment}
        return _Forked(self, self.ask({**request, "log": str(log)}))

    def ask(self, request: dict[str, Any]) -> Any:
        self._lines.write(json.dumps(request) + "\n")
        self._lines.flush()
        return json.loads(self._lines.readline())


class _Forked:
    """A child of the nursery's process, which alone is told how it ends."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self._nursery = nursery
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            self._status = self._nursery.ask({"pid": self.pid})
        return self._status

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"process {self.pid} does not end")
            time.sleep(_POLL_SECONDS)
        return status

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)


def python_environment() -> dict[str, str]:
    """Return an environment in which the fleet's modules are found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS), str(_TESTS.parent)])}


def _serve(requests: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the tests' to handle
    children = set[int]()
    with requests.makefile("rw", encoding="utf-8") as lines:
        while line := lines.readline():
            request = json.loads(line)
            answer = _status_of(request["pid"], children) if "pid" in request else _fork(request, requests)
            if "pid" not in request:
                children.add(answer)
            lines.write(json.dumps(answer) + "\n")
            lines.flush()
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _fork(request: dict[str, Any], requests: socket.socket) -> int:
    pid = os.fork()
    if pid:
        return pid
    requests.detach()
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.environ.update(request["environment"])
    status = 1
    try:
        plan = request["environment"].get(ENVIRONMENT_VARIABLE)
        settings = Settings.model_validate(request["settings"])
        if plan is None:
            take_part(request["role"], settings)
        else:
            with armed(killing(plan)):
                take_part(request["role"], settings)
        status = 0
    finally:
        os._exit(status)


def _status_of(pid: int, children: set[int]) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        return None
    children.discard(pid)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
