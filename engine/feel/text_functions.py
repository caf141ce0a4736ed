"""Functions of strings (DMN 1.3, table 74), without those that take regular expressions (see `pattern_functions`)."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from typing import Any

from engine.feel.numbers import Number, is_number, literal, text_of
from engine.feel.parameters import ANY, LIST, TEXT, WHOLE, BuiltIn, built_in
from engine.feel.temporals import temporal_text
from engine.feel.values import Budget, LimitError, MismatchError, Months, Value, kind

_NUMBER = re.compile(r"-?[0-9]{1,34}(?:\.[0-9]{1,34})?", re.ASCII)


def text_of_value(budget: Budget, value: Value) -> str | None:
    """Return a value as the text that `string` gives.

    Raises:
        MismatchError: It is a list, a context, a range or a function.
    """
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case date() | time() | timedelta() | Months():
            return temporal_text(value)
    if is_number(value):
        return budget.spend_on_making(text_of(value))
    raise MismatchError(f"string takes no {kind(value)}")


def number_of_text(budget: Budget, value: Any, grouping: str | None = None, point: str | None = None) -> Number | None:
    """Return the number that a text means, null where it means none."""
    if is_number(value):
        return value
    if not isinstance(value, str):
        raise MismatchError(f"number takes a string, not a {kind(value)}")
    budget.spend_on_reading(value)
    text = value.replace(grouping, "") if grouping else value
    text = text.replace(point, ".") if point else text
    if not _NUMBER.fullmatch(text):
        return None
    return -literal(text[1:]) if text.startswith("-") else literal(text)


def _number(budget: Budget, value: Value, grouping: Value = None, point: Value = None) -> Value:
    if value is None:
        return None
    if (grouping, point) != (None, None):
        if not _is_one_of(grouping, " ,.") or not _is_one_of(point, ",.") or grouping == point:
            raise MismatchError("number takes one of ' ', ',' and '.' for groups, and ',' or '.' for the fraction")
        return number_of_text(budget, value, str(grouping or ""), str(point or ""))
    return number_of_text(budget, value)


def _is_one_of(sign: Value, signs: str) -> bool:
    return sign is None or (isinstance(sign, str) and len(sign) == 1 and sign in signs)


def _substring(budget: Budget, text: str, start: int, length: int | None = None) -> Value:
    if start == 0 or start < -len(text):
        raise MismatchError(f"substring: the text has no place {start}")
    if length is not None and length < 1:
        raise MismatchError("substring: the length is less than 1")
    first = start - 1 if start > 0 else len(text) + start
    return budget.spend_on_making(text[first : None if length is None else first + length])


def _before(budget: Budget, text: str, part: str) -> str:
    before, found, _ = text.partition(part) if part else ("", "", "")
    return budget.spend_on_making(before) if found else ""


def _after(budget: Budget, text: str, part: str) -> str:
    _, found, after = text.partition(part) if part else ("", "+", text)
    return budget.spend_on_making(after) if found else ""


def _join(budget: Budget, items: list[Value], delimiter: Value = "") -> str:
    budget.spend(len(items))
    parts = [item for item in items if item is not None]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) < len(parts) or not isinstance(delimiter, str | None):
        raise MismatchError("string join takes a list of strings and a string")
    length = sum(map(len, texts)) + len(delimiter or "") * len(texts)
    if length > 2 * 100_000:
        raise LimitError("Text too long")
    return budget.spend_on_making((delimiter or "").join(texts))


def _cased(budget: Budget, text: str, *, is_upper: bool) -> str:
    budget.spend_on_making(text)
    return budget.spend_on_making(text.upper() if is_upper else text.lower())


TEXT_FUNCTIONS: dict[str, BuiltIn] = {
    "string": built_in("string", text_of_value, ANY),
    "number": built_in("number", _number, ANY, ANY, ANY, optional=2),
    "string length": built_in("string length", lambda _budget, text: len(text), TEXT),
    "substring": built_in("substring", _substring, TEXT, WHOLE, WHOLE, optional=1),
    "substring before": built_in("substring before", _before, TEXT, TEXT),
    "substring after": built_in("substring after", _after, TEXT, TEXT),
    "string join": built_in("string join", _join, LIST, ANY, optional=1),
    "contains": built_in("contains", lambda _budget, text, part: part in text, TEXT, TEXT),
    "starts with": built_in("starts with", lambda _budget, text, part: text.startswith(part), TEXT, TEXT),
    "ends with": built_in("ends with", lambda _budget, text, part: text.endswith(part), TEXT, TEXT),
    "upper case": built_in("upper case", lambda budget, text: _cased(budget, text, is_upper=True), TEXT),
    "lower case": built_in("lower case", lambda budget, text: _cased(budget, text, is_upper=False), TEXT),
}
