"""DBOS, with a workflow of ten steps: `dbos_child.py URL` answers each line, a number of seconds, with steps/s."""

from __future__ import annotations

import sys
import time

from dbos import DBOS


@DBOS.step()
def one_step(number: int) -> int:
    """Do nothing, durably."""
    return number + 1


@DBOS.workflow()
def ten_steps(number: int) -> int:
    """Take ten steps."""
    for _ in range(10):
        number = one_step(number)
    return number


def steps_per_second(seconds: float) -> float:
    """Run workflows one after the other for a while."""
    started, steps = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < seconds:
        ten_steps(0)
        steps += 10
    return steps / passed


DBOS(config={"name": "benchmark", "system_database_url": sys.argv[1], "log_level": "ERROR", "run_admin_server": False})
DBOS.launch()
assert ten_steps(0) == 10
print(0, flush=True)
for line in sys.stdin:
    print(steps_per_second(float(line)), flush=True)
DBOS.destroy()
