"""Group `feel`: what a gateway's condition costs, compiled here and evaluated by SpiffWorkflow as shipped."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from measurement import Measurement
from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine

from engine.feel import compile_expression

_FEEL = 'accuracy >= 0.8 and rows > 100 and status = "validated"'
_PYTHON = 'accuracy >= 0.8 and rows > 100 and status == "validated"'
_VARIABLES = {"accuracy": 0.93, "rows": 1_797, "status": "validated", "model": {"name": "digits"}}
_ROUNDS, _CALLS = 9, 20_000
_MICROSECONDS = 1e6
_TIME_BAR, _RATIO_BAR = 1.0, 10.0


def measure() -> list[Measurement]:
    """Return the time of a condition of three comparisons, all of which are asked, and its ratio, interleaved.

    Processor time, the best of the rounds: what else the machine does is not the expression's.
    """
    spiff = PythonScriptEngine().environment
    assert compile_expression(_FEEL).evaluate_condition(_VARIABLES) is spiff.evaluate(_PYTHON, dict(_VARIABLES)) is True
    pairs = [
        (
            _seconds(lambda: compile_expression(_FEEL).evaluate_condition(_VARIABLES), _CALLS),
            _seconds(lambda: spiff.evaluate(_PYTHON, _VARIABLES), _CALLS // 10),
        )
        for _ in range(_ROUNDS)
    ]
    ours, theirs = (min(times) for times in zip(*pairs, strict=True))
    return [
        Measurement(
            "feel.condition",
            ours * _MICROSECONDS,
            "µs",
            _TIME_BAR,
            "lower",
            "processor time; from text, compiled before",
        ),
        Measurement(
            "feel.condition_speed", theirs / ours, "x", _RATIO_BAR, "higher", "SpiffWorkflow's evaluation of the same"
        ),
    ]


def _seconds(call: Callable[[], object], calls: int) -> float:
    return timeit.timeit(call, number=calls, timer=time.process_time) / calls
