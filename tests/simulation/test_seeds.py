"""The simulation: whatever the dice do to workers, connections and the clock, nothing is lost and nothing doubled."""

from __future__ import annotations

from pathlib import Path

from fault_suite.cluster import Cluster
from fault_suite.simulation import assert_seed, simulate


def test_nothing_is_lost_or_doubled(cluster: Cluster, tmp_path: Path, seed: int) -> None:
    assert_seed(cluster, tmp_path, seed)


def test_a_seed_gives_the_same_history_each_time(cluster: Cluster, tmp_path: Path) -> None:
    first, second = (simulate(cluster, tmp_path / name, seed=0) for name in ("first", "second"))

    assert first == second


def test_another_seed_gives_another_history(cluster: Cluster, tmp_path: Path) -> None:
    first, second = (simulate(cluster, tmp_path / str(seed), seed) for seed in (1, 2))

    assert first.digest != second.digest
