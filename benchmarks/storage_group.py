"""Group `storage`: what records cost through UnifiedCRUD, with access, audit and observation, over plain SQL.

Floors and workloads alternate in one run, on one embedded PostgreSQL that really writes; each figure is the ratio of
the medians. MLflow, where it is installed, does the same work on the same server, in rounds of its own with the floor.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from uuid import UUID

import psycopg
from engine_peers import ChildProcess
from engine_plant import cluster, new_database
from measurement import Measurement
from mlflow_peer import mlflow_peer

from storage import FolderObjectStore, SecurityContext, Storage
from storage.database import connect, connect_as_owner, migrate
from storage.filters import Condition, Operator, Order
from storage.identifiers import new_id
from storage.models import ComputeProfile, Experiment, ExperimentStatus, JsonObject, MetricSnapshot, RoleType

ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}))
RUNS = 10_000
BATCH = 1_000
_ROUNDS = {"metric": 300, "batch": 15, "run": 150, "search": 25}
_PLAIN = """
create table plain_metric (
    run uuid, key text, value double precision, step bigint, at timestamptz, primary key (run, key, step)
);
create table plain_run (id uuid primary key, body jsonb not null);
"""
_INSERT_METRIC = "insert into plain_metric values (%s, %s, %s, %s, %s)"
_COPY_METRICS = "copy plain_metric from stdin"
_INSERT_RUN = "insert into plain_run values (%s, %s)"
_UPDATE_RUN = "update plain_run set body = body || %s where id = %s"
_SEARCH = """
select body from plain_run
where (body #>> '{metrics,m0}')::double precision > 0.9 and body #>> '{params,p0}' = '3'
order by (body #>> '{metrics,m1}')::double precision desc limit 100
"""
_WANTED = (
    Condition("metrics_summary.m0", Operator.GT, 0.9),
    Condition("config.p0", Operator.EQ, "3"),
)
_BY_METRIC = (Order("metrics_summary.m1", is_descending=True),)


@dataclass
class Laboratory:
    """The platform's records and plain tables in one database."""

    storage: Storage
    plain: psycopg.Connection
    chance: random.Random
    run_id: UUID
    step: int = 0

    def next_step(self) -> int:
        """Return a number that no metric of the run has had."""
        self.step += 1
        return self.step


Workload = Callable[[Laboratory], Callable[[], None]]
"""Prepares what is stored; what it returns is measured."""


@dataclass(frozen=True)
class Comparison:
    """One piece of work, done through the platform, in plain SQL and, under its name there, in `mlflow_child.py`."""

    in_mlflow: str
    name: str
    ours: Workload
    plain: Workload
    bar: float
    against: str


def measure() -> list[Measurement]:
    """Run all workloads."""
    with (
        cluster() as url,
        _laboratory(new_database(url, "storage")) as laboratory,
        mlflow_peer(new_database(url, "mlflow")) as peer,
    ):
        writing = [figure for work in _writing() for figure in _figures(laboratory, peer, work)]
        _fill(laboratory)
        if peer is not None:
            peer.ask("fill")
        return [*writing, *_figures(laboratory, peer, _searching())]


def _writing() -> list[Comparison]:
    batch, row = f"COPY of {BATCH:,} rows, committed", "one row inserted and updated by psycopg"
    return [
        Comparison("metric", "one durable metric", _one_metric, _plain_metric, 2.5, "one row inserted, committed"),
        Comparison("batch", f"batch of {BATCH:,} metrics", _metric_batch, _plain_batch, 2.3, batch),
        Comparison("run", "run with 10 metrics, 10 parameters, 5 tags", _run_cycle, _plain_run, 7.0, row),
    ]


def _searching() -> Comparison:
    name = f"filtered search over {RUNS:,} runs, top 100"
    return Comparison("search", name, _search, _plain_search, 2.6, "the same search in SQL")


def _figures(laboratory: Laboratory, peer: ChildProcess | None, work: Comparison) -> list[Measurement]:
    def plain() -> float:
        return _seconds(work.plain(laboratory))

    rounds = _ROUNDS[work.in_mlflow]
    figures = [_figure(work, "", work.bar, *_medians(rounds, lambda: _seconds(work.ours(laboratory)), plain))]
    if peer is not None:
        medians = _medians(rounds, lambda: peer.ask(work.in_mlflow), plain)
        figures.append(_figure(work, ", MLflow", None, *medians))
    return figures


def _figure(work: Comparison, who: str, bar: float | None, seconds: float, floor: float) -> Measurement:
    against = f"{work.against}: {1_000 * floor:.2f} ms"
    return Measurement(f"storage.{work.name}{who}", seconds / floor, "x", bar, "lower", against)


@contextmanager
def _laboratory(url: str) -> Iterator[Laboratory]:
    owner = connect_as_owner(url)
    migrate(owner)
    owner.dispose()
    engine = connect(url, pool_size=1)
    with tempfile.TemporaryDirectory() as folder, psycopg.connect(url, autocommit=True) as plain:
        plain.execute(_PLAIN)
        chance = random.Random(7)  # noqa: S311 - it has to be the same in every run
        yield Laboratory(Storage(engine, FolderObjectStore(Path(folder))), plain, chance, new_id())
        engine.dispose()


def _medians(rounds: int, measured: Callable[[], float], floor: Callable[[], float]) -> tuple[float, float]:
    """Return the median seconds of both over alternating rounds, after a few that warm both up."""
    for _ in range(5):
        measured()
        floor()
    seconds = [(measured(), floor()) for _ in range(rounds)]
    return median(pair[0] for pair in seconds), median(pair[1] for pair in seconds)


def _seconds(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _snapshot(laboratory: Laboratory) -> MetricSnapshot:
    return MetricSnapshot(
        tenant_id="north",
        entity_id=laboratory.run_id,
        timestamp=datetime.now(UTC),
        metric_name="loss",
        value=laboratory.chance.random(),
        source="benchmark",
        step=laboratory.next_step(),
    )


def _one_metric(laboratory: Laboratory) -> Callable[[], None]:
    snapshot = _snapshot(laboratory)

    def store() -> None:
        with laboratory.storage.statement() as work:
            work.get_crud(MetricSnapshot).create(snapshot, context=ADA)

    return store


def _plain_metric(laboratory: Laboratory) -> Callable[[], None]:
    row = _plain_row(laboratory)

    def store() -> None:
        laboratory.plain.execute(_INSERT_METRIC, row)

    return store


def _plain_row(laboratory: Laboratory) -> tuple[object, ...]:
    return (laboratory.run_id, "loss", laboratory.chance.random(), laboratory.next_step(), datetime.now(UTC))


def _metric_batch(laboratory: Laboratory) -> Callable[[], None]:
    snapshots = [_snapshot(laboratory) for _ in range(BATCH)]

    def store() -> None:
        with laboratory.storage.statement() as work:
            work.get_crud(MetricSnapshot).bulk_create(snapshots, context=ADA)

    return store


def _plain_batch(laboratory: Laboratory) -> Callable[[], None]:
    rows = [_plain_row(laboratory) for _ in range(BATCH)]

    def store() -> None:
        with laboratory.plain.cursor().copy(_COPY_METRICS) as copy:
            for row in rows:
                copy.write_row(row)

    return store


def _parameters(laboratory: Laboratory) -> JsonObject:
    return {f"p{number}": str(laboratory.chance.randrange(10)) for number in range(10)}


def _metrics(laboratory: Laboratory) -> JsonObject:
    return {f"m{number}": laboratory.chance.random() for number in range(10)}


def _experiment(laboratory: Laboratory, **fields: object) -> Experiment:
    given = {"tags": [f"tag {number}" for number in range(5)], **_parameters(laboratory)}
    return Experiment.model_validate(
        {
            "tenant_id": "north",
            "task_name": "tabular-classification",
            "model_name": "iris",
            "dataset_version_id": laboratory.run_id,
            "config": given,
            "compute_profile": ComputeProfile.CPU,
            "owner": "ada",
            **fields,
        }
    )


def _run_cycle(laboratory: Laboratory) -> Callable[[], None]:
    experiment = _experiment(laboratory)
    patch = {"metrics_summary": _metrics(laboratory), "status": ExperimentStatus.COMPLETED}

    def store() -> None:
        with laboratory.storage.statement() as work:
            created = work.get_crud(Experiment).create(experiment, context=ADA)
        with laboratory.storage.statement() as work:
            work.get_crud(Experiment).update(created, patch, context=ADA)

    return store


def _plain_run(laboratory: Laboratory) -> Callable[[], None]:
    run_id, tags = new_id(), [f"tag {number}" for number in range(5)]
    body = {"params": _parameters(laboratory), "tags": tags, "status": "running"}
    finished = {"metrics": _metrics(laboratory), "status": "completed"}

    def store() -> None:
        laboratory.plain.execute(_INSERT_RUN, (run_id, json.dumps(body)))
        laboratory.plain.execute(_UPDATE_RUN, (json.dumps(finished), run_id))

    return store


def _fill(laboratory: Laboratory) -> None:
    """Bring both sides to the same number of finished runs, and let the database look at them."""
    laboratory.plain.execute("truncate plain_run")
    laboratory.plain.execute("truncate document")
    runs = [
        _experiment(laboratory, metrics_summary=_metrics(laboratory), status=ExperimentStatus.COMPLETED)
        for _ in range(RUNS)
    ]
    for start in range(0, RUNS, BATCH):
        _create(laboratory, runs[start : start + BATCH])
    with laboratory.plain.cursor().copy("copy plain_run from stdin") as copy:
        for run in runs:
            copy.write_row((run.id, json.dumps({"params": run.config, "metrics": run.metrics_summary})))
    laboratory.plain.execute("vacuum analyze")


def _create(laboratory: Laboratory, runs: Sequence[Experiment]) -> None:
    with laboratory.storage.transaction() as work:
        work.get_crud(Experiment).bulk_create(runs, context=ADA)


def _search(laboratory: Laboratory) -> Callable[[], None]:
    def ask() -> None:
        with laboratory.storage.transaction() as work:
            found = work.get_crud(Experiment).query(_WANTED, order=_BY_METRIC, limit=100, context=ADA)
        assert found

    return ask


def _plain_search(laboratory: Laboratory) -> Callable[[], None]:
    def ask() -> None:
        assert laboratory.plain.execute(_SEARCH).fetchall()

    return ask
