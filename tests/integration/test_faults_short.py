"""The short form of the fault suite: every fault once, with two workers and few process instances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_suite.cluster import Cluster, running_cluster
from fault_suite.faults import LIBFAKETIME
from fault_suite.orders import POISONS, Line
from fault_suite.parallel_calls import survive_parallel_calls
from fault_suite.roles import DURING_CALL
from fault_suite.run import SHORT
from fault_suite.scenarios import (
    survive_clock_jumps,
    survive_corruption,
    survive_database_crashes,
    survive_downtime,
    survive_kills,
    survive_lost_commit_answers,
    survive_poison,
    survive_schedulers,
    survive_zombies,
)

WORKER = ("after_claim:1", "before_handler:2", "after_handler:1", "in_step:2", "before_commit:1", "after_commit:2")
OTHERS = ("after_timer_claim:1,after_message_insert:2", "after_user_task_lock:1")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


def test_processes_killed_at_crash_points_lose_and_double_nothing(cluster: Cluster, tmp_path: Path) -> None:
    survive_kills(cluster, tmp_path, SHORT, *WORKER, deaths=len(WORKER))


def test_schedulers_and_clients_killed_at_crash_points_lose_and_double_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    survive_kills(cluster, tmp_path, SHORT, *OTHERS, deaths=3)


def test_a_worker_frozen_for_longer_than_its_leases_is_refused_afterwards(cluster: Cluster, tmp_path: Path) -> None:
    survive_zombies(cluster, tmp_path, SHORT, DURING_CALL)


def test_crashes_of_the_database_lose_and_double_nothing(cluster: Cluster, tmp_path: Path) -> None:
    survive_database_crashes(cluster, tmp_path, SHORT, 2)


def test_commits_whose_answers_are_lost_happen_once(cluster: Cluster, tmp_path: Path) -> None:
    survive_lost_commit_answers(cluster, tmp_path, SHORT)


@pytest.mark.skipif(not LIBFAKETIME.exists(), reason="libfaketime is not installed")
def test_clocks_that_jump_by_an_hour_neither_end_leases_nor_fire_timers(cluster: Cluster, tmp_path: Path) -> None:
    survive_clock_jumps(cluster, tmp_path, SHORT)


def test_timers_that_fell_due_while_everything_was_down_fire_once(cluster: Cluster, tmp_path: Path) -> None:
    survive_downtime(cluster, tmp_path, SHORT)


def test_three_schedulers_fire_every_schedule_and_timer_once(cluster: Cluster, tmp_path: Path) -> None:
    survive_schedulers(cluster, tmp_path, SHORT, 1)


def test_every_call_made_five_times_at_once_happens_once(cluster: Cluster, tmp_path: Path) -> None:
    survive_parallel_calls(cluster, tmp_path, SHORT)


@pytest.mark.parametrize("poison", POISONS, ids=lambda line: line.process_id)
def test_a_handler_that_ends_its_worker_ends_in_an_incident(cluster: Cluster, tmp_path: Path, poison: Line) -> None:
    survive_poison(cluster, tmp_path, SHORT, poison, None)


def test_instances_with_damaged_rows_are_set_aside_and_never_executed(cluster: Cluster, tmp_path: Path) -> None:
    survive_corruption(cluster, tmp_path, SHORT)
