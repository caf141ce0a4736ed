"""The Python in programs of torch.export: sizes and guards are texts that PyTorch evaluates where it loads a program.

`torch.export.load` gives each size to `sympy.sympify`, `ExportedProgram.module` each guard to `exec`. Both would run
anything. So only what the exporter itself writes is let through: arithmetic on sizes, by names that are listed here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

_LONGEST = 10_000
_SYMBOL = re.compile(r"[a-z]{1,4}\d{1,6}|true|false|oo|int_oo")
_TEXT = re.compile(r"[\w.-]*", re.ASCII)
_PLAIN = re.compile(r"[\w\s()\[\]{}.,:+*/%<>=!&|~'-]*", re.ASCII)
_SYMPY_FUNCTIONS = frozenset(
    """
    Symbol Integer Float Rational Add Mul Pow Mod Max Min FloorDiv ModularIndexing Where PythonMod CleanDiv CeilToInt
    FloorToInt CeilDiv LShift RShift PowByNatural FloatPow FloatTrueDiv IntTrueDiv IsNonOverlappingAndDenseIndicator
    TruncToFloat TruncToInt RoundToInt RoundDecimal ToFloat Identity floor ceiling Abs Eq Ne Lt Le Gt Ge Equality
    Unequality StrictLessThan LessThan StrictGreaterThan GreaterThan And Or Not Piecewise ExprCondPair
    """.split()  # noqa: SIM905 - as a list it would be five times as long
)
_GUARD_NAMES = frozenset({"L", "math", "inf", "max", "min", "abs", "int", "float", "bool", "round"})
_GUARD_METHODS = frozenset(
    {"size", "stride", "storage_offset", "dim", "numel", "ceil", "floor", "trunc", "sqrt", "inf"}
)
_ARITHMETIC = (
    ast.Expression,
    ast.expr_context,
    ast.boolop,
    ast.operator,
    ast.unaryop,
    ast.cmpop,
    ast.BoolOp,
    ast.BinOp,
    ast.UnaryOp,
    ast.Compare,
    ast.IfExp,
    ast.Tuple,
)


def is_size(text: str) -> bool:
    """Return whether a text is arithmetic on symbols, as sizes of tensors are written.

    >>> is_size("FloorDiv(Add(Symbol('s77', positive=True, integer=True), Integer(3)), Integer(2))"), is_size("4*s65")
    (True, True)
    >>> is_size("__import__('os').system('id')"), is_size("Symbol.mro()"), is_size("lambdify('x', 'x')")
    (False, False, False)
    """
    return _consists_of(text, _is_part_of_size)


def is_guard(text: str) -> bool:
    """Return whether a text is a condition on the sizes of inputs, as guards are written.

    >>> is_guard("(L['x'].size()[0] // 2) <= L['y'].size()[0]")
    True
    >>> is_guard("L['x'].__class__.mro()"), is_guard("exit()"), is_guard("1 == 1) or print(1")
    (False, False, False)
    """
    return _consists_of(text, _is_part_of_guard)


def _consists_of(text: str, is_part: Callable[[ast.AST], bool]) -> bool:
    if len(text) > _LONGEST or not _PLAIN.fullmatch(text) or "\n" in text or "\r" in text:
        return False
    try:
        return all(is_part(node) for node in ast.walk(ast.parse(text.strip(), mode="eval")))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_part_of_size(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=name)):
            return name in _SYMPY_FUNCTIONS
        case ast.Name(id=name):
            return name in _SYMPY_FUNCTIONS or bool(_SYMBOL.fullmatch(name))
        case ast.keyword(arg=str(), value=ast.Constant(value=bool())):
            return True
        case _:
            return _is_arithmetic(node)


def _is_part_of_guard(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute() | ast.Name(), keywords=[]):
            return True  # which function it is, these parts say
        case ast.Attribute(attr=name):
            return name in _GUARD_METHODS
        case ast.Name(id=name):
            return name in _GUARD_NAMES
        case ast.Subscript(slice=ast.Constant()):
            return True
        case _:
            return _is_arithmetic(node)


def _is_arithmetic(node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str(text)):
            return bool(_TEXT.fullmatch(text))
        case ast.Constant(value=bool() | int() | float()):
            return True
        case _:
            return isinstance(node, _ARITHMETIC)
