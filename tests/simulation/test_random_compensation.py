"""What random processes have done is undone to the last value, however often the engine crashes on the way."""

from __future__ import annotations

import random

from database_owner import as_owner
from fault_suite.undone_runs import SHELF_TABLE, UNDONE_TABLE, Group, UndoneRun, plans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine import InstanceStatus
from storage import Storage

EXAMPLES = 30
UNTOUCHED = {"a": 0, "b": 0, "c": 0}


def test_after_compensation_the_state_is_what_it_was_before(storage: Storage) -> None:
    with as_owner(storage) as connection:
        connection.execute(text(SHELF_TABLE))
        connection.execute(text(UNDONE_TABLE))

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        plan=plans(),
        seed=st.integers(0, 1_000_000),
        crash_probability=st.sampled_from([0.0, 0.05, 0.2]),
        operator_after=st.none() | st.integers(0, 12),
    )
    def check(plan: Group, seed: int, crash_probability: float, operator_after: int | None) -> None:
        run = UndoneRun(storage, random.Random(seed), crash_probability)

        status, state = run.run(plan, operator_after=operator_after)

        ended = InstanceStatus.COMPLETED if operator_after is None else InstanceStatus.CANCELLED
        assert (status, state) == (ended, UNTOUCHED)

    check()
