"""What a run of the suite takes place in: a database server to torment, and a place where processes come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fault_suite.cluster import Cluster, running_cluster
from fault_suite.nursery import Nursery


@dataclass(frozen=True)
class Laboratory:
    """Shared by the runs of one test module, one after the other."""

    cluster: Cluster
    nursery: Nursery


@contextmanager
def open_laboratory() -> Iterator[Laboratory]:
    """Start both, and stop both at the end of the block."""
    with Nursery() as nursery, running_cluster() as cluster:
        yield Laboratory(cluster, nursery)
