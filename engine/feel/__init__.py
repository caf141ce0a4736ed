"""Expressions: a subset of FEEL (DMN 1.3, chapter 10), parsed once, compiled to closures, and bounded.

What there is, and what is not, stands in docs/reference/feel.md. A text goes through `lexer`, `parser`, `compiler`;
nothing is ever evaluated as Python. What values do stands in `numbers`, `temporals`, `comparison`, `operations`, what
functions do in the modules that end in `_functions`.
"""

from engine.feel.expression import CellTests, Expression, compile_expression, compile_tests
from engine.feel.values import Value

__all__ = ["CellTests", "Expression", "Value", "compile_expression", "compile_tests"]
