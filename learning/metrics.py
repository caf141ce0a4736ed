"""Prometheus metrics: requests of this process, and what the database says is going on; no id is ever a label."""

from __future__ import annotations

import threading
from collections import Counter as Counted
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine import Engine, count_events, queue_depths, schedule_statistics
from storage import Storage, UnitOfWork

REGISTRY = CollectorRegistry()

HTTP_REQUESTS = Counter("ami_http_requests", "Requests by door and status.", ("door", "status"), registry=REGISTRY)
HTTP_SECONDS = Histogram(
    "ami_http_request_duration_seconds", "Time to answer a request, by door.", ("door",), registry=REGISTRY
)


class EngineCollector(Collector):
    """Reads the engine's counts when they are asked for; so workers need no port of their own.

    What is live is counted anew each time. What happened is counted from the first time that somebody asks, and then
    from one time to the next; where several applications run, each has seen everything.

    Args:
        engine: Whose counts.
        storage: Acts as the engine, which sees what is all tenants'.
    """

    def __init__(self, engine: Engine, storage: Storage) -> None:
        self._engine = engine
        self._storage = storage
        self._lock = threading.Lock()
        self._horizon: str | None = None
        self._events: Counted[tuple[str, str]] = Counted()
        self._retries: Counted[str] = Counted()

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without values, so that registering needs no database."""
        return [*live_families(), *schedule_families(), *event_families()]

    def collect(self) -> Iterable[Metric]:
        """Return the metrics with the values of now."""
        with self._storage.transaction() as work:
            families = [*self._live(work), *_schedules(work)]
        return [*families, *self._happened()]

    def _live(self, work: UnitOfWork) -> Iterable[Metric]:
        statistics = self._engine.statistics(work)
        instances, jobs, user_tasks, wait, depth = families = live_families()
        for labels, number in statistics.instances.items():
            instances.add_metric(labels, number)
        for labels, number in statistics.jobs.items():
            jobs.add_metric(labels, number)
        for name, number in statistics.open_user_tasks.items():
            user_tasks.add_metric([name], number)
        wait.add_metric([], statistics.longest_wait_seconds)
        for queue, number in queue_depths(work).items():
            depth.add_metric([queue], number)
        return families

    def _happened(self) -> Iterable[Metric]:
        events, retries = families = event_families()
        with self._lock:  # two who ask at once must not count the same events
            self._count_on()
            for labels, number in self._events.items():
                events.add_metric(labels, number)
            for process, number in self._retries.items():
                retries.add_metric([process], number)
        return families

    def _count_on(self) -> None:
        with self._storage.transaction() as work:
            counts = count_events(work, self._horizon)
        self._horizon = counts.horizon
        self._events.update(counts.events)
        self._retries.update(counts.retries)


def _schedules(work: UnitOfWork) -> Iterable[Metric]:
    statistics = schedule_statistics(work)
    fires, breaches, delay = families = schedule_families()
    for process, counts in statistics.fires.items():
        for outcome in ("started", "skipped", "failed"):
            fires.add_metric([process, outcome], getattr(counts, outcome))
        breaches.add_metric([process], counts.sla_breaches)
    delay.add_metric([], statistics.longest_delay_seconds)
    return families


def live_families() -> tuple[
    GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily
]:
    """Return the metrics of what is live, without values."""
    return (
        GaugeMetricFamily(
            "ami_process_instances", "Live instances by process and status.", labels=["process", "status"]
        ),
        GaugeMetricFamily("ami_jobs", "Jobs that wait or run.", labels=["task_type", "status"]),
        GaugeMetricFamily("ami_user_tasks_open", "User tasks that wait for a person.", labels=["task"]),
        GaugeMetricFamily("ami_job_queue_wait_seconds", "Age of the oldest job that could run and does not."),
        GaugeMetricFamily(
            "scheduler_queue_depth", "Jobs, timers and schedules that are due and not yet taken.", labels=["queue"]
        ),
    )


def schedule_families() -> tuple[CounterMetricFamily, CounterMetricFamily, GaugeMetricFamily]:
    """Return the metrics of schedules, without values."""
    return (
        CounterMetricFamily("ami_schedule_fires", "Settled fires of schedules.", labels=["process", "outcome"]),
        CounterMetricFamily("ami_schedule_sla_breaches", "Starts later than their schedule says.", labels=["process"]),
        GaugeMetricFamily("ami_schedule_delay_seconds", "How long the schedule or timer is due that is due longest."),
    )


def event_families() -> tuple[CounterMetricFamily, CounterMetricFamily]:
    """Return the metrics of what happened, without values."""
    return (
        CounterMetricFamily("process_events", "Events of process instances.", labels=["process", "kind"]),
        CounterMetricFamily("worker_retry", "Attempts of jobs that failed and are repeated.", labels=["process"]),
    )
