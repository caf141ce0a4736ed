"""The long form of the fault suite: four workers, some hundred process instances, one oracle for every fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_suite.faults import LIBFAKETIME
from fault_suite.laboratory import Laboratory, open_laboratory
from fault_suite.orders import Line
from fault_suite.parallel_calls import survive_parallel_calls
from fault_suite.roles import DURING_CALL
from fault_suite.run import LONG
from fault_suite.scenario_lines import POISONS
from fault_suite.scenarios import (
    survive_clock_jumps,
    survive_corruption,
    survive_database_crashes,
    survive_downtime,
    survive_everything,
    survive_kills,
    survive_lost_commit_answers,
    survive_lost_connections,
    survive_nothing,
    survive_object_store_outages,
    survive_random_kills,
    survive_schedulers,
    survive_zombies,
)
from fault_suite.throughput import kept_throughput

from engine.crash_points import CRASH_POINTS, CrashPoint

pytestmark = [pytest.mark.crash, pytest.mark.requirement("crash")]

ZOMBIES = [DURING_CALL, "after_claim", "in_step", "after_commit"]


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with open_laboratory() as laboratory:
        yield laboratory


def test_without_faults_nothing_is_done_twice(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_nothing(laboratory, tmp_path, LONG)


@pytest.mark.parametrize("point", CRASH_POINTS)
def test_processes_killed_at_a_crash_point_lose_and_double_nothing(
    laboratory: Laboratory, tmp_path: Path, point: CrashPoint
) -> None:
    survive_kills(laboratory, tmp_path, LONG, f"{point}:1", f"{point}:2", deaths=2)


@pytest.mark.parametrize("seed", range(5))
def test_processes_killed_at_random_places_lose_and_double_nothing(
    laboratory: Laboratory, tmp_path: Path, seed: int
) -> None:
    survive_random_kills(laboratory, tmp_path, LONG, seed)


@pytest.mark.parametrize("point", ZOMBIES)
def test_workers_frozen_for_longer_than_their_leases_are_refused_afterwards(
    laboratory: Laboratory, tmp_path: Path, point: str
) -> None:
    survive_zombies(laboratory, tmp_path, LONG, point)


def test_ten_crashes_of_the_database_lose_and_double_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_database_crashes(laboratory, tmp_path, LONG, 10)


def test_outages_of_the_object_store_lose_and_double_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_object_store_outages(laboratory, tmp_path, LONG, 3)


def test_commits_whose_answers_are_lost_happen_once(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_lost_commit_answers(laboratory, tmp_path, LONG)


def test_connections_that_the_server_ends_lose_and_double_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_lost_connections(laboratory, tmp_path, LONG, 10)


@pytest.mark.skipif(not LIBFAKETIME.exists(), reason="libfaketime is not installed")
def test_clocks_that_jump_by_an_hour_neither_end_leases_nor_fire_timers(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_clock_jumps(laboratory, tmp_path, LONG)


def test_timers_that_fell_due_while_everything_was_down_fire_once(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_downtime(laboratory, tmp_path, LONG)


def test_three_schedulers_fire_every_schedule_and_timer_once(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_schedulers(laboratory, tmp_path, LONG, 1)


def test_every_call_made_five_times_at_once_happens_once(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_parallel_calls(laboratory, tmp_path, LONG)


@pytest.mark.parametrize("poison", POISONS, ids=lambda line: line.process_id)
def test_a_handler_that_ends_its_worker_leaves_the_others_nine_tenths_of_their_throughput(
    laboratory: Laboratory, tmp_path: Path, poison: Line
) -> None:
    assert kept_throughput(laboratory, tmp_path, LONG, poison) >= 0.9


def test_instances_with_damaged_rows_are_set_aside_and_never_executed(laboratory: Laboratory, tmp_path: Path) -> None:
    survive_corruption(laboratory, tmp_path, LONG)


@pytest.mark.parametrize("seed", range(3))
def test_all_faults_together_lose_and_double_nothing(laboratory: Laboratory, tmp_path: Path, seed: int) -> None:
    survive_everything(laboratory, tmp_path, LONG, seed)
