"""The long form of tests/simulation: many seeds, under milder and under harsher faults."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_suite.cluster import Cluster, running_cluster
from fault_suite.simulation import HARSH_FROM, assert_seed

pytestmark = [pytest.mark.crash, pytest.mark.requirement("crash")]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.mark.parametrize("seed", range(100, 200))
def test_nothing_is_lost_or_doubled(cluster: Cluster, tmp_path: Path, seed: int) -> None:
    assert_seed(cluster, tmp_path, seed)


@pytest.mark.parametrize("seed", range(HARSH_FROM, HARSH_FROM + 50))
def test_nothing_is_lost_or_doubled_under_many_faults(cluster: Cluster, tmp_path: Path, seed: int) -> None:
    assert_seed(cluster, tmp_path, seed)
