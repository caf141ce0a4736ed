"""Prometheus metrics of the application process; none has an id as a label."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

REGISTRY = CollectorRegistry()

HTTP_REQUESTS = Counter("ami_http_requests", "Requests by door and status.", ("door", "status"), registry=REGISTRY)
HTTP_SECONDS = Histogram(
    "ami_http_request_duration_seconds", "Time to answer a request, by door.", ("door",), registry=REGISTRY
)
