"""Prometheus metrics: requests of this process, and what the database says is going on; no id is ever a label."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from handlers import Services

REGISTRY = CollectorRegistry()

HTTP_REQUESTS = Counter("ami_http_requests", "Requests by door and status.", ("door", "status"), registry=REGISTRY)
HTTP_SECONDS = Histogram(
    "ami_http_request_duration_seconds", "Time to answer a request, by door.", ("door",), registry=REGISTRY
)


class EngineCollector(Collector):
    """Reads the engine's live counts when they are asked for; so workers need no port of their own."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without values, so that registering needs no database."""
        return live_families()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics with the values of now."""
        with self._services.storage.transaction() as work:
            statistics = self._services.engine.statistics(work)
        instances, jobs, user_tasks, wait = families = live_families()
        for labels, number in statistics.instances.items():
            instances.add_metric(labels, number)
        for labels, number in statistics.jobs.items():
            jobs.add_metric(labels, number)
        for name, number in statistics.open_user_tasks.items():
            user_tasks.add_metric([name], number)
        wait.add_metric([], statistics.longest_wait_seconds)
        return families


def live_families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    """Return the live metrics, without values."""
    return (
        GaugeMetricFamily(
            "ami_process_instances", "Live instances by process and status.", labels=["process", "status"]
        ),
        GaugeMetricFamily("ami_jobs", "Jobs that wait or run.", labels=["task_type", "status"]),
        GaugeMetricFamily("ami_user_tasks_open", "User tasks that wait for a person.", labels=["task"]),
        GaugeMetricFamily("ami_job_queue_wait_seconds", "Age of the oldest job that could run and does not."),
    )
