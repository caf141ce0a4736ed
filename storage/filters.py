"""What a query asks for: typed conditions on fields, an order, and a place to go on from.

Only values and paths ever come from callers, and both travel as parameters: the text of a statement is made of the
fragments in `record_queries` alone.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from pydantic import JsonValue

from storage.errors import CursorInvalidError


class Operator(StrEnum):
    """How a field is compared."""

    EQ = "eq"
    NE = "ne"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    IN = "in"
    CONTAINS = "contains"
    PREFIX = "prefix"
    IS_NULL = "is_null"


Operand: TypeAlias = JsonValue | UUID | datetime | Sequence["JsonValue | UUID | datetime"]


@dataclass(frozen=True)
class Condition:
    """One condition on a record.

    Attributes:
        field: A field of the model; dots lead into JSON fields, as in `metrics_summary.accuracy`.
        operator: `NE` holds for records without a value too; `CONTAINS` finds an element of a list, members of an
            object, or a part of a text; `IS_NULL` takes true or false; order is by number, text or time.
        value: Of the field's own type; for `IN` a list of such.
    """

    field: str
    operator: Operator
    value: Operand


Filter: TypeAlias = Mapping[str, Operand] | Iterable[Condition]
"""Conditions that hold together; a mapping stands for equalities."""


@dataclass(frozen=True)
class Order:
    """By which field records are ordered; records without a value come before all others."""

    field: str
    is_descending: bool = False


NEWEST_FIRST: tuple[Order, ...] = (Order("id", is_descending=True),)
"""Ids order by creation."""


def conditions(criteria: Filter) -> tuple[Condition, ...]:
    """Return the conditions that a filter stands for."""
    if isinstance(criteria, Mapping):
        return tuple(Condition(field, Operator.EQ, value) for field, value in criteria.items())
    return tuple(criteria)


def with_id(order: Sequence[Order]) -> tuple[Order, ...]:
    """Return an order in which no two records are equal."""
    if any(each.field == "id" for each in order):
        return tuple(order)
    return (*order, Order("id", is_descending=order[-1].is_descending if order else True))


def write_cursor(model: str, order: Sequence[Order], values: Sequence[JsonValue]) -> str:
    """Return the place behind a record, for the next page."""
    place = {"model": model, "order": _signature(order), "values": list(values)}
    return base64.urlsafe_b64encode(json.dumps(place, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(model: str, order: Sequence[Order], cursor: str) -> list[JsonValue]:
    """Return the values of the last record of the page before.

    Raises:
        CursorInvalidError: It was not made here, or for another question.
    """
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise CursorInvalidError(cursor=cursor) from error
    expected = {"model": model, "order": _signature(order)}
    if not isinstance(place, dict) or {name: place.get(name) for name in expected} != expected:
        raise CursorInvalidError(cursor=cursor)
    values = place.get("values")
    if not isinstance(values, list) or len(values) != len(order):
        raise CursorInvalidError(cursor=cursor)
    return values


def _signature(order: Sequence[Order]) -> list[str]:
    return [f"-{each.field}" if each.is_descending else each.field for each in order]
