"""What the engine is measured against: the database's plain commits, and DBOS."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg


class CommitFloor:
    """Commits of one small row each, on one connection: what a durable step cannot beat without sharing commits."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        connection.execute("create table floor (number bigint, content text)")

    def commits_per_second(self, seconds: float) -> float:
        """Commit for a while."""
        started, commits = time.perf_counter(), 0
        while (passed := time.perf_counter() - started) < seconds:
            self._connection.execute("insert into floor values (%s, %s)", (commits, "x" * 100), prepare=True)
            commits += 1
        return commits / passed


class ChildProcess:
    """A script that answers each line that it is sent with a number."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.receive()

    def ask(self, line: str) -> float:
        """Ask for something, and wait for the answer."""
        self.send(line)
        return self.receive()

    def send(self, line: str) -> None:
        """Ask for something."""
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()

    def receive(self) -> float:
        """Wait for the answer."""
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._child.args} ended: its error output says why")
        return float(line)


@contextmanager
def child_process(script: str, *arguments: str) -> Iterator[ChildProcess]:
    """Yield a script of this folder that runs and is ready; at the end of the block its input is closed."""
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        yield ChildProcess(child)
