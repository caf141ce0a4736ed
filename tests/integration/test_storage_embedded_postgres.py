"""The embedded cluster lives as long as somebody uses it, and no longer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from patience import becomes

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

USER_THAT_UNWINDS = """
import signal
import sys

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
"""


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "pg"


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


def postmaster_pid(folder: Path) -> int:
    return int((folder / "postmaster.pid").read_text().splitlines()[0])


def kill_postmaster(folder: Path) -> None:
    """Kill the server; its own processes notice and end too."""
    postmaster = psutil.Process(postmaster_pid(folder))
    family = [postmaster, *postmaster.children(recursive=True)]
    postmaster.kill()
    psutil.wait_procs(family, timeout=60)


def give_pid_to_this_process(folder: Path) -> None:
    """Let the dead server's process id be that of a process that lives."""
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        path = folder / name
        path.write_text("\n".join([str(os.getpid()), *path.read_text().splitlines()[1:], ""]))


def test_users_come_and_go_and_the_last_one_stops_the_cluster(folder: Path) -> None:
    with another_user(folder):
        with embedded_postgres(folder) as cluster, embedded_postgres(folder) as same:
            assert same.url == (url := cluster.url)
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
            url = stack.enter_context(embedded_postgres(folder)).url
        assert answers(url)
    assert not answers(url)


def test_a_user_that_was_killed_does_not_keep_the_cluster_alive(folder: Path) -> None:
    with embedded_postgres(folder) as cluster, another_user(folder) as killed:
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()

    assert not answers(cluster.url)


@pytest.mark.parametrize("pid_of_the_dead", ["stays", "belongs to another process"])
def test_a_cluster_that_was_killed_is_started_again_and_still_stopped_at_the_end(
    folder: Path, pid_of_the_dead: str
) -> None:
    with embedded_postgres(folder) as cluster:
        kill_postmaster(folder)
        if pid_of_the_dead == "belongs to another process":
            give_pid_to_this_process(folder)
        assert not answers(cluster.url)

        cluster.restart_if_dead()

        assert answers(cluster.url)
    assert not answers(cluster.url)


def test_a_cluster_that_another_user_started_again_is_stopped_by_the_last_to_leave(folder: Path) -> None:
    with ExitStack() as stack:
        cluster = stack.enter_context(embedded_postgres(folder))
        kill_postmaster(folder)
        with another_user(folder):
            cluster.restart_if_dead()
            assert answers(cluster.url)
        assert answers(cluster.url)
    assert not answers(cluster.url)


def test_a_cluster_that_runs_is_left_alone(folder: Path) -> None:
    with embedded_postgres(folder) as cluster:
        before = postmaster_pid(folder)
        cluster.restart_if_dead()
        assert postmaster_pid(folder) == before


def test_a_user_told_to_end_while_the_cluster_is_made_leaves_one_that_is_whole_and_stopped(folder: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", USER_THAT_UNWINDS + ANOTHER_USER, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert becomes((folder / "PG_VERSION").exists)
        process.terminate()
        assert process.wait(60) == 143

    assert not (folder / "postmaster.pid").exists()
    with embedded_postgres(folder) as cluster:
        assert answers(cluster.url)


def test_a_folder_that_cannot_hold_a_cluster_is_reported(folder: Path) -> None:
    folder.write_text("not a folder")

    with pytest.raises(DatabaseUnavailableError), embedded_postgres(folder):
        pass
