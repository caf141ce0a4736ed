"""MLflow's SQL tracking store, called in process: `mlflow_child.py URL` answers a workload's name with its seconds."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count, islice

import psycopg

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")

from mlflow.entities import Metric, Param, RunStatus, RunTag, ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

RUNS = 10_000
_CHANCE = random.Random(7)  # noqa: S311 - it has to be the same in every run
_STEPS = count()
_FILTER, _ORDER = "metrics.m0 > 0.9 and params.p0 = '3'", ["metrics.m1 DESC"]
# What a copy of a run has that the run has not: by table, as SQL over the row and the copy's number.
_OF_A_COPY = {
    "runs": "",
    "metrics": ", 'value', abs(hashtext(t.key || number)) %% 1000000 / 1e6",
    "latest_metrics": ", 'value', abs(hashtext(t.key || number)) %% 1000000 / 1e6",
    "params": ", 'value', (abs(hashtext(t.key || number)) %% 10)::text",
    "tags": "",
}


@dataclass(frozen=True)
class Laboratory:
    """The store, the run that metrics go to, and the experiment that is searched."""

    url: str
    store: SqlAlchemyStore
    experiment_id: str
    run_id: str


def laboratory(url: str) -> Laboratory:
    """Let MLflow make its tables, and a run."""
    store = SqlAlchemyStore(url, "unused")
    run = store.create_run("0", "ada", _now(), [], "metrics")
    return Laboratory(url, store, store.create_experiment("searched"), run.info.run_id)


def one_metric(laboratory: Laboratory) -> Callable[[], None]:
    """One value of one metric, durable when the call returns."""
    metric = _metric("loss", next(_STEPS))
    return lambda: laboratory.store.log_metric(laboratory.run_id, metric)


def metric_batch(laboratory: Laboratory) -> Callable[[], None]:
    """100 steps of 10 metrics."""
    metrics = [_metric(f"m{number}", step) for step in islice(_STEPS, 100) for number in range(10)]
    return lambda: laboratory.store.log_batch(laboratory.run_id, metrics, [], [])


def run_cycle(laboratory: Laboratory, experiment_id: str = "0", name: str = "cycle") -> Callable[[], None]:
    """A run that begins, says everything in one batch, and finishes."""
    metrics = [_metric(f"m{number}", 0) for number in range(10)]
    parameters = [Param(f"p{number}", str(_CHANCE.randrange(10))) for number in range(10)]
    tags = [RunTag(f"tag {number}", "set") for number in range(5)]

    def record() -> None:
        run_id = laboratory.store.create_run(experiment_id, "ada", _now(), [], name).info.run_id
        laboratory.store.log_batch(run_id, metrics, parameters, tags)
        laboratory.store.update_run_info(run_id, RunStatus.FINISHED, _now(), None)

    return record


def fill(laboratory: Laboratory) -> Callable[[], None]:
    """Bring the searched experiment to its number of runs: one through the store, the others copies of its rows."""

    def copy() -> None:
        run_cycle(laboratory, laboratory.experiment_id, "searched")()
        with psycopg.connect(laboratory.url, autocommit=True) as connection:
            found = connection.execute("select run_uuid from runs where name = 'searched'").fetchone()
            for table, fields in _OF_A_COPY.items():
                connection.execute(_copying(table, fields), found)
            connection.execute("vacuum analyze")

    return copy


def search(laboratory: Laboratory) -> Callable[[], None]:
    """The first hundred of the runs that a filter lets through."""

    def ask() -> None:
        found = laboratory.store.search_runs(
            [laboratory.experiment_id], _FILTER, ViewType.ACTIVE_ONLY, max_results=100, order_by=_ORDER
        )
        assert found

    return ask


WORKLOADS = {"metric": one_metric, "batch": metric_batch, "run": run_cycle, "fill": fill, "search": search}


def main() -> None:
    """Answer until the input ends."""
    bench = laboratory(sys.argv[1])
    print(0, flush=True)
    for line in sys.stdin:
        work = WORKLOADS[line.strip()](bench)
        started = time.perf_counter()
        work()
        print(time.perf_counter() - started, flush=True)


def _copying(table: str, fields: str) -> bytes:
    return (
        f"insert into {table} select copy.* from {table} t cross join generate_series(2, {RUNS}) as number cross join "
        f"lateral jsonb_populate_record(t, jsonb_build_object('run_uuid', md5(number::text){fields})) as copy "
        "where t.run_uuid = %s"
    ).encode()


def _metric(key: str, step: int) -> Metric:
    return Metric(key, _CHANCE.random(), _now(), step)


def _now() -> int:
    return int(time.time() * 1_000)


main()
