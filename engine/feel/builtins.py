"""FEEL's built-in functions, a closed set (DMN 1.3, 10.3.4): pure and bounded; of null, null.

`is defined` looks at names instead of values: the compiler knows it, and comes here only where there is no name.
"""

from __future__ import annotations

from engine.feel.context_functions import CONTEXT_FUNCTIONS
from engine.feel.list_functions import LIST_FUNCTIONS
from engine.feel.number_functions import NUMBER_FUNCTIONS
from engine.feel.parameters import ANY, BuiltIn, built_in
from engine.feel.pattern_functions import PATTERN_FUNCTIONS
from engine.feel.temporal_functions import TEMPORAL_FUNCTIONS
from engine.feel.text_functions import TEXT_FUNCTIONS

IS_DEFINED = "is defined"

BUILT_INS: dict[str, BuiltIn] = {
    **TEXT_FUNCTIONS,
    **PATTERN_FUNCTIONS,
    **NUMBER_FUNCTIONS,
    **LIST_FUNCTIONS,
    **CONTEXT_FUNCTIONS,
    **TEMPORAL_FUNCTIONS,
    IS_DEFINED: built_in(IS_DEFINED, lambda _budget, _value: True, ANY),
    "get or else": built_in(
        "get or else", lambda _budget, value, default: default if value is None else value, ANY, ANY
    ),
}

_NO_CLOCK = "an expression has no clock, so that it gives the same value again; pass the time as a variable"
_NO_CHANCE = "an expression has no chance in it, so that it gives the same value again"
_NO_RANGE_FUNCTIONS = "compare the ends, as in range.start <= value"
FUNCTIONS_REFUSED: dict[str, str] = {
    **dict.fromkeys(("now", "today"), _NO_CLOCK),
    "random number": _NO_CHANCE,
    "function": "functions stand only in sort(list, function(a, b) a < b)",
    **dict.fromkeys(
        (
            *("before", "after", "meets", "met by", "overlaps", "overlaps before", "overlaps after", "finishes"),
            *("finished by", "includes", "during", "starts", "started by", "coincides"),
        ),
        _NO_RANGE_FUNCTIONS,
    ),
}
