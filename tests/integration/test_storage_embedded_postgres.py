"""The embedded cluster lives as long as somebody uses it, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from storage.embedded_postgres import embedded_postgres
from storage.errors import DatabaseUnavailableError

ANOTHER_USER = """
import sys
from pathlib import Path
from storage.embedded_postgres import embedded_postgres

with embedded_postgres(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cluster") / "pg"


@contextmanager
def another_user(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Use the cluster from another process until the block ends."""
    command = [sys.executable, "-W", "ignore", "-c", ANOTHER_USER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        yield process


def answers(url: str) -> bool:
    try:
        with psycopg.connect(url) as connection:
            return connection.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_users_come_and_go_and_the_last_one_stops_the_cluster(folder: Path) -> None:
    with another_user(folder):
        with embedded_postgres(folder) as url, embedded_postgres(folder) as same_url:
            assert same_url == url
        assert answers(url), "another process still uses it"
        with ExitStack() as first, ExitStack() as second:
            first.enter_context(embedded_postgres(folder))
            second.enter_context(embedded_postgres(folder))
            first.close()
            assert answers(url), "another block of this process still uses it"
    assert not answers(url)


def test_a_process_that_left_and_came_back_keeps_the_cluster_alive(folder: Path) -> None:
    with ExitStack() as stack:
        with another_user(folder):
            with embedded_postgres(folder):
                pass
            url = stack.enter_context(embedded_postgres(folder))
        assert answers(url)
    assert not answers(url)


def test_a_user_that_was_killed_does_not_keep_the_cluster_alive(folder: Path) -> None:
    with embedded_postgres(folder) as url, another_user(folder) as killed:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()

    assert not answers(url)


def test_a_folder_that_cannot_hold_a_cluster_is_reported(folder: Path) -> None:
    folder.write_text("not a folder")

    with pytest.raises(DatabaseUnavailableError), embedded_postgres(folder):
        pass
