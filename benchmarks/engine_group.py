"""Group `engine`: what a durable step costs, as ratios of figures that were taken in turns in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack

import psycopg
from engine_peers import CommitFloor, child_process
from engine_plant import ALONE, PEOPLE, Plant, cluster, copy_instance, new_database, new_plant
from measurement import Measurement

from engine import WorkerPolicy

_ROUNDS = 5
_SECONDS = 1.0
_INSTANCES = 200
_AT_A_TIME = WorkerPolicy().batch
_PARKED = 100_000
_OPEN_USER_TASKS = 10_000
_PAGES = 100


def measure() -> list[Measurement]:
    """Return the engine's figures."""
    with cluster() as url:
        return [
            figure
            for part in (_throughput, _many_tasks, _many_items, _many_instances, _many_user_tasks, _many_workers)
            for figure in part(url)
        ]


def _throughput(url: str) -> list[Measurement]:
    with ExitStack() as stack:
        plant = stack.enter_context(new_plant(url, "throughput"))
        floor = CommitFloor(stack.enter_context(psycopg.connect(plant.url, autocommit=True)))
        peer = stack.enter_context(child_process("dbos_child.py", new_database(url, "dbos")))
        rounds = []
        for _ in range(_ROUNDS):
            peer.send(str(_SECONDS))
            dbos = peer.receive()
            commits = floor.commits_per_second(_SECONDS)
            steps = 1 / plant.seconds_per_step("ten_external", _INSTANCES, 10)
            alone = 1 / plant.seconds_per_step("ten_external", _INSTANCES, 10, ALONE)
            started = time.perf_counter()
            plant.start("ten_transactional", _INSTANCES)
            starting = time.perf_counter() - started
            draining = plant.drain()
            drained, whole = _INSTANCES / draining, _INSTANCES / (starting + draining)
            rounds.append(
                (steps / commits, alone / commits, steps / dbos, drained / commits, whole / commits, dbos / commits)
            )
    external, unshared, against_dbos, transactional, with_start, dbos_itself = map(
        statistics.median, zip(*rounds, strict=True)
    )
    floor_is = "plain commits/s on one connection"
    return [
        Measurement("engine.external_steps", external, "x", 0.6, "higher", floor_is),
        Measurement("engine.external_steps_one_commit_each", unshared, "x", None, "higher", floor_is),
        Measurement(
            "engine.external_steps_dbos", against_dbos, "x", 4.0, "higher", "steps/s of 10-step DBOS workflows"
        ),
        Measurement("engine.ten_transactional_tasks", transactional, "x", 0.25, "higher", floor_is),
        Measurement("engine.ten_transactional_tasks_with_start", with_start, "x", None, "higher", floor_is),
        Measurement("engine.dbos_steps", dbos_itself, "x", None, "higher", floor_is),
    ]


def _many_tasks(url: str) -> list[Measurement]:
    with new_plant(url, "many_tasks") as plant:
        ratio = _ratio(
            # As many instances at a time, as many steps to a commit.
            lambda: plant.seconds_per_step("two_hundred_external", _AT_A_TIME, 200),
            lambda: plant.seconds_per_step("ten_external", 10 * _AT_A_TIME, 10),
        )
    return [Measurement("engine.step_of_200_tasks", ratio, "x", 1.3, "lower", "a step of a process of 10 tasks")]


def _many_items(url: str) -> list[Measurement]:
    with new_plant(url, "many_items") as plant:
        ratio = _ratio(lambda: _seconds_per_item(plant, 1, 1_000), lambda: _seconds_per_item(plant, 10, 100))
    return [Measurement("engine.item_of_1000", ratio, "x", 1.2, "lower", "an item out of 100, start included")]


def _seconds_per_item(plant: Plant, instances: int, items: int) -> float:
    started = time.perf_counter()
    for _ in range(instances):
        plant.start("for_each_item", 1, items=list(range(items)))
        plant.drain()
    return (time.perf_counter() - started) / (instances * items)


def _many_instances(url: str) -> list[Measurement]:
    with new_plant(url, "parked") as full, new_plant(url, "empty") as empty:
        copy_instance(full, full.start("approval", 1)[0], _PARKED)
        ratio = _ratio(
            lambda: full.seconds_per_step("ten_external", _INSTANCES, 10),
            lambda: empty.seconds_per_step("ten_external", _INSTANCES, 10),
        )
    against = "a step in an empty database"
    return [Measurement("engine.step_beside_100000_instances", ratio, "x", 1.1, "lower", against)]


def _many_user_tasks(url: str) -> list[Measurement]:
    with new_plant(url, "inbox") as plant:
        copy_instance(plant, plant.start("approval", 1)[0], _OPEN_USER_TASKS)
        pages = [_page_milliseconds(plant) for _ in range(_PAGES)]
    p95 = statistics.quantiles(pages, n=20)[-1]
    return [Measurement("engine.inbox_page_p95", p95, "ms", 50.0, "lower", "100 out of 10,000 open user tasks")]


def _page_milliseconds(plant: Plant) -> float:
    started = time.perf_counter()
    with plant.doors.transaction(PEOPLE.tenant_id) as work:
        assert len(plant.engine.user_tasks(work, context=PEOPLE, limit=100)) == 100
    return 1_000 * (time.perf_counter() - started)


def _many_workers(url: str) -> list[Measurement]:
    with ExitStack() as stack:
        plant = stack.enter_context(new_plant(url, "workers"))
        children = [stack.enter_context(child_process("worker_child.py", plant.url)) for _ in range(4)]

        def seconds(workers: int) -> float:
            plant.start("ten_external", 480)
            for child in children[:workers]:
                child.send("go")
            return max(child.receive() for child in children[:workers])

        seconds(4)
        ratio = _ratio(lambda: seconds(1), lambda: seconds(4))
    return [Measurement("engine.four_workers", ratio, "x", 1.5, "higher", "the steps/s of one worker process")]


def _ratio(measured: Callable[[], float], reference: Callable[[], float]) -> float:
    """Return the median ratio of figures taken in turns, so that what slows the machine slows both."""
    return statistics.median(measured() / reference() for _ in range(_ROUNDS))
