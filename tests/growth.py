"""How the time of a call grows with the size of what it is given, measured so that a busy machine fakes no growth."""

from __future__ import annotations

import gc
from collections.abc import Callable
from math import inf
from time import process_time

ROUNDS = 5


def growth_of(small: Callable[[], object], large: Callable[[], object], bound: float) -> float:
    """Processor time of `large` over that of `small`: the least ratio of rounds that measure both, one after the other.

    What disturbs the machine makes some rounds worse; what the code costs makes all of them worse. So the first round
    below the bound is the last one.
    """
    least = inf
    gc.collect()
    gc.freeze()  # a collection that walks over the objects of other tests is no cost of the call
    for _ in range(ROUNDS):
        least = min(least, _seconds(large) / _seconds(small))
        if least < bound:
            break
    return least


def _seconds(call: Callable[[], object]) -> float:
    began = process_time()
    call()
    return process_time() - began
