"""What random processes have done is undone to the last value, however often the engine crashes on the way."""

from __future__ import annotations

import random

import pytest
from database_owner import as_owner
from fault_suite.undone_runs import SHELF_TABLE, UNDONE_TABLE, Group, Task, UndoneRun, plans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine import InstanceStatus
from storage import Storage

EXAMPLES = settings().max_examples // 10
UNTOUCHED = {"a": 0, "b": 0, "c": 0}
OF_EVERY_KIND = Group(
    "sequence",
    (
        Task("a", 1, is_external=True),
        Group("parallel", (Task("b", 2, is_external=False), Task("c", 3, is_external=True))),
        Group("call", (Group("subprocess", (Task("a", 4, is_external=True, items=2),)),)),
        Group("loop", (Task("b", 5, is_external=False),)),
    ),
)


@pytest.fixture(name="storage")
def shelved_storage(storage: Storage) -> Storage:
    """Stores beside the tables that tasks and handlers write to."""
    with as_owner(storage) as connection:
        connection.execute(text(SHELF_TABLE))
        connection.execute(text(UNDONE_TABLE))
    return storage


def test_a_crash_at_any_step_leaves_nothing_undone_and_nothing_undone_twice(storage: Storage) -> None:
    smooth = UndoneRun(storage, random.Random(1), lambda _hit: False)
    assert smooth.run(OF_EVERY_KIND, operator_after=None) == (InstanceStatus.COMPLETED, UNTOUCHED)

    for crash in range(1, smooth.hits + 1):
        run = UndoneRun(storage, random.Random(1), lambda hit, crash=crash: hit == crash)

        assert run.run(OF_EVERY_KIND, operator_after=None) == (InstanceStatus.COMPLETED, UNTOUCHED), crash
        assert run.hits > crash


def test_after_compensation_the_state_is_what_it_was_before(storage: Storage) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        plan=plans(),
        seed=st.integers(0, 1_000_000),
        crash_probability=st.sampled_from([0.0, 0.05, 0.2]),
        operator_after=st.none() | st.integers(0, 12),
    )
    def check(plan: Group, seed: int, crash_probability: float, operator_after: int | None) -> None:
        dice = random.Random(seed)
        run = UndoneRun(storage, dice, lambda _hit: dice.random() < crash_probability)

        status, state = run.run(plan, operator_after=operator_after)

        ended = InstanceStatus.COMPLETED if operator_after is None else InstanceStatus.CANCELLED
        assert (status, state) == (ended, UNTOUCHED)

    check()
