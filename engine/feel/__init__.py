"""Expressions: a subset of FEEL (DMN 1.3, chapter 10), parsed once, compiled to closures, and bounded.

What there is, and what is not, stands in docs/reference/feel.md. A text goes through `lexer`, `parser`, `compiler`;
nothing is ever evaluated as Python. What values do stands in `numbers`, `temporals`, `comparison`, `operations`, what
functions do in the modules that end in `_functions`.
"""

from engine.feel.comparison import equal
from engine.feel.expression import CellTests, Expression, compile_expression, compile_tests, constant_value
from engine.feel.json_values import from_json, to_json
from engine.feel.lexer import is_variable_name
from engine.feel.numbers import is_number
from engine.feel.syntax import UnaryTests
from engine.feel.syntax_walk import free_names
from engine.feel.types import is_instance
from engine.feel.values import Budget, StoppedError, Value, kind

__all__ = [
    "Budget",
    "CellTests",
    "Expression",
    "StoppedError",
    "UnaryTests",
    "Value",
    "compile_expression",
    "compile_tests",
    "constant_value",
    "equal",
    "free_names",
    "from_json",
    "is_instance",
    "is_number",
    "is_variable_name",
    "kind",
    "to_json",
]
