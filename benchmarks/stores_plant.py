"""A database of its own for the groups that measure the stores."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from storage.database import connect, connect_as_owner, migrate
from storage.embedded_postgres import embedded_postgres


@contextmanager
def running_database() -> Iterator[tuple[Engine, Engine]]:
    """Yield the application's pool and the owner's connection on an embedded PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with embedded_postgres(Path(folder) / "postgres") as cluster:
            owner = connect_as_owner(cluster.url)
            migrate(owner)
            application = connect(cluster.url, pool_size=1)
            try:
                yield application, owner
            finally:
                application.dispose()
                owner.dispose()


def milliseconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1_000


def percentile(values: list[float], fraction: float) -> float:
    """Return the value below which `fraction` of the values lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(fraction * 100) - 1]
