"""The short form of the fault suite: every fault once, with two workers and few process instances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_suite.faults import LIBFAKETIME
from fault_suite.laboratory import Laboratory, open_laboratory
from fault_suite.parallel_calls import survive_parallel_calls
from fault_suite.roles import DURING_CALL
from fault_suite.run import SHORT
from fault_suite.scenario_lines import POISONS
from fault_suite.scenarios import (
    survive_clock_jumps,
    survive_corruption,
    survive_database_crashes,
    survive_downtime,
    survive_kills,
    survive_lost_commit_answers,
    survive_object_store_outages,
    survive_poison,
    survive_schedulers,
    survive_zombies,
)

WORKER = ("after_claim:1", "before_handler:2", "after_handler:1", "in_step:2", "before_commit:1", "after_commit:2")
OTHERS = ("after_timer_claim:1,after_message_insert:2", "after_user_task_lock:1")


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with open_laboratory() as laboratory:
        yield laboratory


def test_processes_killed_at_crash_points_lose_and_double_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_kills(laboratory, tmp_path, SHORT, *WORKER, deaths=len(WORKER))


def test_schedulers_and_clients_killed_at_crash_points_lose_and_double_nothing(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    survive_kills(laboratory, tmp_path, SHORT, *OTHERS, deaths=3)


def test_a_worker_frozen_for_longer_than_its_leases_is_refused_afterwards(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    survive_zombies(laboratory, tmp_path, SHORT, DURING_CALL)


def test_crashes_of_the_database_lose_and_double_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_database_crashes(laboratory, tmp_path, SHORT, 2)


def test_an_outage_of_the_object_store_loses_and_doubles_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_object_store_outages(laboratory, tmp_path, SHORT, 1)


def test_commits_whose_answers_are_lost_happen_once(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_lost_commit_answers(laboratory, tmp_path, SHORT)


@pytest.mark.skipif(not LIBFAKETIME.exists(), reason="libfaketime is not installed")
def test_clocks_that_jump_by_an_hour_neither_end_leases_nor_fire_timers(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_clock_jumps(laboratory, tmp_path, SHORT)


def test_timers_that_fell_due_while_everything_was_down_fire_once(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_downtime(laboratory, tmp_path, SHORT)


def test_three_schedulers_fire_every_schedule_and_timer_once(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_schedulers(laboratory, tmp_path, SHORT, 1)


def test_every_call_made_five_times_at_once_happens_once(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_parallel_calls(laboratory, tmp_path, SHORT)


def test_handlers_that_end_their_workers_end_in_incidents(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_poison(laboratory, tmp_path, SHORT, *POISONS)


def test_instances_with_damaged_rows_are_set_aside_and_never_executed(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_corruption(laboratory, tmp_path, SHORT)
