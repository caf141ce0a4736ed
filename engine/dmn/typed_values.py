"""Values and the types that a decision model gives them."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import JsonValue

from engine.errors import DecisionEvaluationError
from engine.feel import Budget, StoppedError, Value, is_instance, kind, to_json
from engine.feel.temporals import parse_date, parse_date_and_time, parse_duration, parse_time

_PARSERS: dict[str, Callable[[str], Value]] = {
    "date": parse_date,
    "time": parse_time,
    "date and time": parse_date_and_time,
    "days and time duration": parse_duration,
    "years and months duration": parse_duration,
}


def typed(value: Value, type_name: str | None, element_id: str, name: str) -> Value:
    """Return a value of a type; the text of a date, a time or a duration becomes what it means.

    Raises:
        DecisionEvaluationError: It is of another type.
    """
    parse = _PARSERS.get(type_name or "")
    if parse is not None and isinstance(value, str):
        parsed = parse(value)
        value = value if parsed is None else parsed
    require_type(value, type_name, element_id, name)
    return value


def require_type(value: Value, type_name: str | None, element_id: str, name: str) -> None:
    """Refuse a value of another type; null is of every type.

    Raises:
        DecisionEvaluationError: It is of another type.
    """
    if value is not None and type_name is not None and not is_instance(value, type_name):
        raise DecisionEvaluationError(element_id=element_id, reason=f"{name} is a {kind(value)}, not a {type_name}")


def json_of(value: Value, element_id: str, budget: Budget) -> JsonValue:
    """Return a value as JSON.

    Raises:
        DecisionEvaluationError: It has no JSON form, or is too large.
    """
    try:
        return to_json(value, budget)
    except StoppedError as error:
        raise DecisionEvaluationError(element_id=element_id, reason=str(error)) from error
