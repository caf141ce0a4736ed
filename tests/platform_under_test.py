"""A running platform and ways to use it as its users do: over MCP and HTTP, from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import psutil

from mcp_server import LearningClient
from storage.authentication import development_tokens

_DEADLINE_SECONDS = 90.0


@dataclass(frozen=True)
class Platform:
    """An `ami-learning up` in a process of its own.

    Attributes:
        printed: The lines that it has written to stdout and stderr.
    """

    address: str
    home: Path
    process: subprocess.Popen[str]
    printed: list[str] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    def token(self, user_id: str) -> str:
        return development_tokens(self.home / "principals.json").token_of(user_id)

    def headers(self, user_id: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user_id)}"}

    def call(self, user_id: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool as one principal; of the namespace `learning` unless it is one of the scheduler's."""
        name = tool if tool.startswith("scheduler_") else f"learning.{tool}"

        async def connect_and_call() -> dict[str, Any]:
            async with LearningClient(f"{self.address}/mcp", self.token(user_id)) as client:
                return await client.call(name, **arguments)

        try:
            return anyio.run(connect_and_call)
        except BaseExceptionGroup as group:
            raise _innermost(group) from group

    def put(self, name: str, content: str | bytes) -> str:
        """Put a file into the inbox; return its URI."""
        path = self.inbox / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path.as_uri()

    def follow(
        self, experiment_id: str, until: Callable[[dict[str, Any]], bool], user_id: str = "ada"
    ) -> list[dict[str, Any]]:
        """Return the experiment's events up to the first that `until` accepts."""
        seen: list[dict[str, Any]] = []
        cursor, deadline = "0", time.monotonic() + _DEADLINE_SECONDS
        while time.monotonic() < deadline:
            answer = self.call(
                user_id, "stream_events", experiment_id=experiment_id, subscription_token=cursor, wait_seconds=5
            )
            cursor = answer["subscription_token"]
            for event in answer["events"]:
                seen.append(event)
                if until(event):
                    return seen
        raise TimeoutError([(event["kind"], event["element_id"]) for event in seen])

    def worker_pid(self) -> int:
        """Return the worker's process id."""
        pid = self.pid_of("worker")
        if pid is None:
            raise LookupError("no worker runs")
        return pid

    def pid_of(self, part: str) -> int | None:
        """Return the process id of a part, if it runs."""
        for child in psutil.Process(self.process.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if child.cmdline()[-1:] == [part]:
                    return child.pid
        return None


@contextmanager
def running_platform(home: Path, **settings: str) -> Iterator[Platform]:
    """Run `ami-learning up` on a free port; stop it with SIGTERM."""
    port = free_port()
    environment = {**os.environ, "LEARNING_HOME": str(home), "LEARNING_PORT": str(port), **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "learning", "up"],
        env=environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        first_line = process.stdout.readline()
        assert first_line.startswith("AMI Learning is up"), first_line + process.stdout.read()
        printed = [first_line]
        threading.Thread(target=printed.extend, args=(process.stdout,), daemon=True).start()
        yield Platform(address=f"http://127.0.0.1:{port}", home=home, process=process, printed=printed)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def free_port() -> int:
    """Return a port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def processes_of(home: Path) -> list[str]:
    """Return the command lines of the processes that still belong to a home."""
    found = []
    for process in psutil.process_iter():
        try:
            command, environment = process.cmdline(), process.environ()
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if str(home) in " ".join(command) or environment.get("LEARNING_HOME") == str(home):
            found.append(" ".join(command))
    return found


def table(rows: Sequence[Sequence[object]]) -> str:
    """Return rows as CSV."""
    return "\n".join(",".join(str(value) for value in row) for row in rows) + "\n"


def two_clusters(rows: int = 60) -> str:
    """Return a CSV in which `kind` follows from `width`, `height` and `colour`."""
    lines: list[Sequence[object]] = [("width", "height", "colour", "kind")]
    for number in range(rows):
        is_large = number % 2 == 0
        size = 10 + number % 7 if is_large else 1 + number % 3
        lines.append((size, size / 2 + 0.25, "red" if is_large else "blue", "large" if is_large else "small"))
    return table(lines)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
