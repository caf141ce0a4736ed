"""Random processes do on the engine what they do on paper, however often the engine crashes on the way."""

from __future__ import annotations

import random

from database_owner import as_owner
from fault_suite.blocks import Block, processes
from fault_suite.random_runs import TRACE_TABLE, RandomRun, start_values
from fault_suite.reference_interpreter import interpret, is_possible
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from engine import InstanceStatus
from storage import Storage

EXAMPLES = settings().max_examples // 10


def test_random_processes_do_what_they_do_on_paper(storage: Storage) -> None:
    with as_owner(storage) as connection:
        connection.execute(text(TRACE_TABLE))

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(block=processes(), seed=st.integers(0, 1_000_000), crash_probability=st.sampled_from([0.0, 0.05, 0.2]))
    def check(block: Block, seed: int, crash_probability: float) -> None:
        variables = start_values(block)
        trace = interpret(block, variables)

        observed = RandomRun(storage, block, random.Random(seed), crash_probability).run()

        assert (observed.status, observed.variables) == (InstanceStatus.COMPLETED, variables)
        assert is_possible(trace, observed.effects), (trace, observed.effects)

    check()
