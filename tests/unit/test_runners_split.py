from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from runners.errors import SplitColumnUnusableError
from runners.ordering import counter_order
from runners.results import SplitRecord
from runners.specification import SplitMethod, SplitSpecification
from runners.split import Split, grouped_split, record_of, split_rows, stratified_split, time_split

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


def groups_of(numbers: list[int]) -> np.ndarray[Any, Any]:
    return np.unique(np.array(numbers, np.int64), return_inverse=True)[1].astype(np.int64)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=200), _SEEDS, st.floats(0.01, 0.99))
@settings(max_examples=100, deadline=None)
def test_a_group_is_never_divided_and_two_groups_are_never_on_one_side(
    numbers: list[int], seed: int, fraction: float
) -> None:
    groups = groups_of(numbers)
    split = grouped_split(groups, seed, fraction)
    held_back = set(groups[split.held_back].tolist())

    assert sorted([*split.training.tolist(), *split.held_back.tolist()]) == list(range(len(numbers)))
    assert not held_back & set(groups[split.training].tolist())
    assert (len(split.held_back) > 0) is (len(set(numbers)) > 1)
    assert len(split.training) > 0


def test_about_the_asked_share_of_the_rows_is_held_back_by_groups() -> None:
    split = grouped_split(np.arange(10_000) // 10, seed=3, fraction=0.2)

    assert len(split.held_back) == 2_000


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=100), st.floats(0.01, 0.99), st.data())
@settings(max_examples=100, deadline=None)
def test_no_row_of_training_is_later_than_one_held_back(
    numbers: list[int], fraction: float, data: st.DataObject
) -> None:
    moments = np.array(numbers, np.int64)
    known = np.array(data.draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers))))
    split = time_split(moments, known, fraction)

    is_training = np.zeros(len(numbers), np.bool_)
    is_training[split.training] = True
    if len(split.held_back):
        assert moments[is_training & known].max() < moments[split.held_back].min()
    assert known[split.held_back].all()
    assert (len(split.held_back) > 0) is (len(np.unique(moments[known])) > 1)


DAYS = pa.array([dt.date(2026, 1, day) for day in (5, 1, 4, 2, 3)])
TABLE = pa.table({"day": DAYS, "patient": ["a", "b", "a", "c", None], "size": [1, 2, 3, 4, 5]})
LABELS = np.array([0, 1, 0, 1, 0])


def test_a_table_is_split_by_the_column_that_is_named() -> None:
    by_time = split_rows(TABLE, LABELS, SplitSpecification(method=SplitMethod.BY_TIME, column="day"), 0, 0.4)
    grouped = split_rows(TABLE, LABELS, SplitSpecification(method=SplitMethod.GROUPED, column="patient"), 0, 0.4)

    assert by_time.held_back.tolist() == [0, 2]
    assert ({0, 2} <= set(grouped.held_back.tolist())) or ({0, 2} <= set(grouped.training.tolist()))


@pytest.mark.parametrize(
    ("method", "column"),
    [(SplitMethod.BY_TIME, "absent"), (SplitMethod.BY_TIME, "size"), (SplitMethod.GROUPED, "absent")],
)
def test_a_column_that_splits_nothing_is_named(method: SplitMethod, column: str) -> None:
    with pytest.raises(SplitColumnUnusableError) as error:
        split_rows(TABLE, LABELS, SplitSpecification(method=method, column=column), 0, 0.4)

    assert error.value.column == column


@pytest.mark.parametrize(("method", "column"), [("stratified", "day"), ("grouped", None), ("by_time", None)])
def test_a_split_names_a_column_exactly_if_it_needs_one(method: str, column: str | None) -> None:
    with pytest.raises(ValidationError):
        SplitSpecification.model_validate({"method": method, "column": column})


def test_the_record_of_a_split_tells_any_two_assignments_apart() -> None:
    how = SplitSpecification()
    splits = [stratified_split(np.arange(40) % 2, seed, 0.2) for seed in range(20)]
    records = [record_of(split, how, seed, 0.2) for seed, split in enumerate(splits)]

    assert len({record.digest for record in records}) == len({tuple(split.held_back.tolist()) for split in splits})
    assert records[3] == SplitRecord(
        method=SplitMethod.STRATIFIED,
        column=None,
        seed=3,
        held_back_fraction=0.2,
        training_row_count=32,
        held_back_row_count=8,
        digest=splits[3].digest,
    )
    assert Split(np.array([0]), np.array([1])).digest != Split(np.array([0]), np.array([1, 2])).digest
