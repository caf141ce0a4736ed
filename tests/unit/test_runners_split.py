from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.ordering import counter_order
from runners.split import stratified_split

_LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=200).map(lambda labels: np.array(labels, dtype=np.int64))
_SEEDS = st.integers(0, 2**63 - 1)


@given(count=st.integers(0, 500), seed=_SEEDS, stream=_SEEDS)
@settings(max_examples=50, deadline=None)
def test_an_order_is_a_permutation(count: int, seed: int, stream: int) -> None:
    assert sorted(counter_order(count, seed, stream).tolist()) == list(range(count))


def test_an_order_is_the_same_on_every_machine_and_in_every_version() -> None:
    assert counter_order(8, seed=1, stream=2).tolist() == [6, 5, 1, 0, 2, 7, 3, 4]


def test_each_seed_and_each_epoch_has_an_order_of_its_own() -> None:
    orders = {tuple(counter_order(50, seed, epoch).tolist()) for seed in range(10) for epoch in range(10)}

    assert len(orders) == 100


@given(labels=_LABELS, seed=_SEEDS, fraction=st.floats(0.01, 0.99))
@settings(max_examples=100, deadline=None)
def test_every_class_with_two_rows_is_on_both_sides(labels: np.ndarray, seed: int, fraction: float) -> None:
    split = stratified_split(labels, seed, fraction)

    assert np.sort(np.concatenate([split.training, split.held_back])).tolist() == list(range(len(labels)))
    for label, size in zip(*np.unique(labels, return_counts=True), strict=True):
        assert (labels[split.training] == label).any()
        assert (labels[split.held_back] == label).any() == (size > 1)


def test_the_fraction_holds_in_each_class() -> None:
    labels = np.repeat(np.array([0, 1]), [1000, 50])

    split = stratified_split(labels, seed=3, fraction=0.2)

    assert np.bincount(labels[split.held_back]).tolist() == [200, 10]


@pytest.mark.parametrize("other", [{"seed": 4, "fraction": 0.2}, {"seed": 3, "fraction": 0.3}])
def test_a_split_depends_on_seed_and_fraction_alone(other: dict[str, float]) -> None:
    labels = np.arange(200) % 3
    split = stratified_split(labels, seed=3, fraction=0.2)

    same = stratified_split(labels, seed=3, fraction=0.2)
    different = stratified_split(labels, seed=int(other["seed"]), fraction=other["fraction"])

    assert split.held_back.tolist() == same.held_back.tolist()
    assert split.held_back.tolist() != different.held_back.tolist()
