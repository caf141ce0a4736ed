"""Expressions: a subset of FEEL (DMN 1.3, chapter 10), parsed once, compiled to closures, bounded; never Python.

Supported: null, booleans, numbers, strings, lists, contexts, names and paths, arithmetic, comparison, `in`, `between`,
three-valued `and`/`or`/`not(...)`, `if ... then ... else ...`, `list[...]`, `some`/`every ... satisfies ...`, and the
functions of `engine.feel.builtins`.
"""

from engine.feel.compiler import Expression, compile_expression

__all__ = ["Expression", "compile_expression"]
