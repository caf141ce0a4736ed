"""From conditions, order and place to one SQL statement, whose text holds nothing that a caller wrote."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

from pydantic import AwareDatetime, JsonValue
from pydantic_core import to_jsonable_python

from storage.errors import CursorInvalidError, FilterInvalidError, UnknownFieldError
from storage.filters import Condition, Operand, Operator, Order
from storage.json_documents import jsonb_text
from storage.models import StorageModel

_COLUMN_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "id": "uuid",
        "tenant_id": "text",
        "data_classification": "text",
        "revision": "integer",
        "created_at": "timestamptz",
        "updated_at": "timestamptz",
        "name": "text",
        "status": "text",
        "parent_id": "uuid",
        "version": "integer",
    }
)
_OWN_COLUMNS = ("id", "tenant_id", "data_classification", "revision", "created_at", "updated_at")
_SIGNS: Mapping[Operator, str] = MappingProxyType(
    {
        Operator.EQ: "=",
        Operator.NE: "<>",
        Operator.LT: "<",
        Operator.LE: "<=",
        Operator.GT: ">",
        Operator.GE: ">=",
    }
)
_TYPES: Mapping[Any, str] = MappingProxyType(
    {
        datetime: "timestamptz",
        AwareDatetime: "timestamptz",  # a class of its own while the program runs
        UUID: "uuid",
        int: "number",
        float: "number",
        bool: "boolean",
        str: "text",
        StrEnum: "text",
    }
)
_MOST_CONDITIONS = 50
_MOST_CHOICES = 1_000
_LARGEST_INTEGER = 2**31 - 1
_MOST_STEPS = 4
_POSITION = re.compile(r"\s*[+-]?\d+\s*")


def is_json(name: str) -> bool:
    """Return whether a field is compared and ordered as JSON, for want of a column that holds it for every model."""
    return name not in _OWN_COLUMNS


@dataclass
class Statement:
    """The conditions of a statement, and its parameters by name."""

    model: type[StorageModel]
    conditions: list[str] = field(default_factory=list)
    parameters: dict[str, object] = field(default_factory=dict)

    def bind(self, value: object) -> str:
        """Return the placeholder of a value."""
        name = f"p{len(self.parameters)}"
        self.parameters[name] = value
        return f"%({name})s"

    def where(self, wanted: Sequence[Condition]) -> None:
        """Add conditions.

        Raises:
            UnknownFieldError: The model does not have the field.
            FilterInvalidError: The value is not one that the field is compared with by this operator.
        """
        if len(wanted) > _MOST_CONDITIONS:
            raise FilterInvalidError(
                model=self.model.__name__, field="*", reason=f"there are more than {_MOST_CONDITIONS} conditions"
            )
        cheapest_first = sorted(wanted, key=lambda condition: condition.operator is not Operator.EQ)
        self.conditions += [self._condition(condition) for condition in cheapest_first]

    def after(self, order: Sequence[Order], values: Sequence[JsonValue], cursor: str) -> None:
        """Add the condition that a record comes behind the one that has these values."""
        alternatives, equal = list[str](), list[str]()
        for each, value in zip(order, values, strict=True):
            key, place = self.sort_key(each.field), self._place(each.field, value, cursor)
            alternatives.append(" and ".join([*equal, f"{key} {'<' if each.is_descending else '>'} {place}"]))
            equal.append(f"{key} = {place}")
        self.conditions.append("(" + " or ".join(f"({each})" for each in alternatives) + ")")

    def sort_key(self, name: str) -> str:
        """Return an expression that is never null and orders as the field does."""
        if not _is_time(self.model, name) or name in _OWN_COLUMNS:
            return self.shown(name)
        # A time is written with as many decimals as it has, so its text does not order as it does.
        microseconds = f"cast(extract(epoch from {self._as(name, 'timestamptz')}) * 1000000 as bigint)"
        return f"coalesce(to_jsonb({microseconds}), 'null'::jsonb)"

    def shown(self, name: str) -> str:
        """Return an expression for the field as it is, never null."""
        self._require(name)
        return f"coalesce({self._json(name)}, 'null'::jsonb)" if is_json(name) else name

    def _place(self, name: str, value: JsonValue, cursor: str) -> str:
        if is_json(name):
            return f"cast({self.bind(jsonb_text(value, model=self.model.__name__))} as jsonb)"
        try:
            return self._typed(name, _COLUMN_TYPES[name], value)
        except FilterInvalidError as error:
            raise CursorInvalidError(cursor=cursor) from error

    def _condition(self, condition: Condition) -> str:
        self._require(condition.field)
        if condition.operator in {Operator.CONTAINS, Operator.PREFIX}:
            return self._on_json(condition)
        column = self._column(condition.field)
        if column is not None:
            return self._on_column(column, _COLUMN_TYPES[column], condition)
        kind = _json_type(self.model, condition.field)
        if kind in {"timestamptz", "uuid"}:
            return self._on_column(self._as(condition.field, kind), kind, condition)
        fragment = self._on_json(condition)
        self._require_kind(kind, condition)
        return fragment

    def _on_column(self, column: str, kind: str, condition: Condition) -> str:
        value = condition.value
        match condition.operator:
            case Operator.IN:
                places = [self._typed(condition.field, kind, each) for each in self._several(condition)]
                return f"{column} in ({', '.join(places)})" if places else "false"
            case Operator.IS_NULL:
                return f"{column} is {'' if self._flag(condition) else 'not '}null"
            case Operator.EQ | Operator.NE if value is None:
                return f"{column} is {'' if condition.operator is Operator.EQ else 'not '}null"
            case Operator.NE:
                return f"{column} is distinct from {self._typed(condition.field, kind, value)}"
            case operator:
                return f"{column} {_SIGNS[operator]} {self._typed(condition.field, kind, value)}"

    def _on_json(self, condition: Condition) -> str:
        plain = self._json(condition.field)
        found = f"coalesce({plain}, 'null'::jsonb)"
        match condition.operator:
            case Operator.EQ if condition.value is not None:
                return self._equal(plain, condition)
            case Operator.EQ | Operator.NE:
                return f"{found} {_SIGNS[condition.operator]} {self._as_json(condition.value)}"
            case Operator.IN:
                choices = [self._as_json(each) for each in self._several(condition)]
                return f"{found} in ({', '.join(choices)})" if choices else "false"
            case Operator.IS_NULL:
                return f"{found} {'=' if self._flag(condition) else '<>'} 'null'::jsonb"
            case Operator.PREFIX | Operator.CONTAINS:
                return self._inside(plain, condition)
            case _:
                return self._ordered(plain, condition)

    def _equal(self, found: str, condition: Condition) -> str:
        if not isinstance(condition.value, str):
            return f"{found} = {self._as_json(condition.value)}"
        # Text is compared several times faster than JSON; what kind it is, is looked at only where it is equal.
        text = self._inside_body(condition.field, as_text=True)
        return f"({text} = {self._text(condition)} and jsonb_typeof({found}) = 'string')"

    def _inside(self, found: str, condition: Condition) -> str:
        is_text = f"jsonb_typeof({found}) = 'string'"
        if condition.operator is Operator.PREFIX:
            return f"({is_text} and starts_with({found} #>> '{{}}', {self._text(condition)}))"
        member = f"(jsonb_typeof({found}) in ('array', 'object') and {found} @> {self._as_json(condition.value)})"
        if not isinstance(condition.value, str):
            return member
        return f"({member} or {is_text} and strpos({found} #>> '{{}}', {self._text(condition)}) > 0)"

    def _ordered(self, found: str, condition: Condition) -> str:
        sign = _SIGNS[condition.operator]
        match condition.value:
            case datetime():
                raise self._invalid(condition.field, "it is not a time")
            case bool() | None:
                raise self._invalid(condition.field, "order is by number, text or time")
            case int() | float():
                return f"({found} {sign} {self._as_json(condition.value)} and jsonb_typeof({found}) = 'number')"
            case str():
                return f"(jsonb_typeof({found}) = 'string' and {found} #>> '{{}}' {sign} {self._text(condition)})"
            case _:
                raise self._invalid(condition.field, "order is by number, text or time")

    def _json(self, name: str) -> str:
        return f"({self._inside_body(name)})"

    def _inside_body(self, name: str, *, as_text: bool = False) -> str:
        """Return what a path leads to; by single steps where no list can be meant, as they take a quarter less."""
        path = name.split(".")
        jsonb_text(path, model=self.model.__name__)
        end = ">>" if as_text else ">"
        if len(path) > _MOST_STEPS or any(map(_POSITION.fullmatch, path)):
            return f"body #{end} {self.bind(path)}::text[]"
        *way, last = (f"{self.bind(step)}::text" for step in path)
        return " -> ".join(["body", *way]) + f" -{end} {last}"

    def _as(self, name: str, kind: str) -> str:
        """Return a field that is kept as text, as what it is."""
        return f"cast({self._inside_body(name, as_text=True)} as {kind})"

    def _require_kind(self, kind: str | None, condition: Condition) -> None:
        """Refuse a value that the field could never have: to find nothing would look like an answer."""
        if kind is None or condition.operator is Operator.IS_NULL:
            return
        values = self._several(condition) if condition.operator is Operator.IN else (condition.value,)
        if not all(value is None or _fits(kind, value) for value in values):
            raise self._invalid(condition.field, f"it is compared with {kind}")

    def _typed(self, name: str, kind: str, value: Operand) -> str:
        match kind, value:
            case "uuid", UUID() | str():
                try:
                    return f"cast({self.bind(str(UUID(str(value))))} as uuid)"
                except ValueError as error:
                    raise self._invalid(name, "it is not a UUID") from error
            case "timestamptz", datetime():
                return self._moment(name, value)
            case "timestamptz", str():
                try:
                    return self._moment(name, datetime.fromisoformat(value))
                except ValueError as error:
                    raise self._invalid(name, "it is not a time") from error
            case "integer", int() if not isinstance(value, bool) and abs(value) <= _LARGEST_INTEGER:
                return f"cast({self.bind(value)} as integer)"
            case "text", str():
                jsonb_text(value, model=self.model.__name__)
                return f"cast({self.bind(str(value))} as text)"
        raise self._invalid(name, f"it is compared with {kind}")

    def _moment(self, name: str, value: datetime) -> str:
        if value.tzinfo is None:
            raise self._invalid(name, "a time needs its offset")
        return f"cast({self.bind(value)} as timestamptz)"

    def _as_json(self, value: Operand) -> str:
        if isinstance(value, float) and not math.isfinite(value):
            jsonb_text(value, model=self.model.__name__)
        return f"cast({self.bind(jsonb_text(to_jsonable_python(value), model=self.model.__name__))} as jsonb)"

    def _text(self, condition: Condition) -> str:
        if not isinstance(condition.value, str):
            raise self._invalid(condition.field, "it is compared with text")
        jsonb_text(condition.value, model=self.model.__name__)
        return f"cast({self.bind(str(condition.value))} as text)"

    def _several(self, condition: Condition) -> Sequence[Operand]:
        if isinstance(condition.value, str) or not isinstance(condition.value, Sequence):
            raise self._invalid(condition.field, "`in` takes a list")
        if len(condition.value) > _MOST_CHOICES:
            raise self._invalid(condition.field, f"`in` takes at most {_MOST_CHOICES} values")
        return condition.value

    def _flag(self, condition: Condition) -> bool:
        if not isinstance(condition.value, bool):
            raise self._invalid(condition.field, "`is_null` takes true or false")
        return condition.value

    def _column(self, name: str) -> str | None:
        return name if name in _OWN_COLUMNS else self.model.Meta.indexed.get(name)

    def _require(self, name: str) -> None:
        first = name.partition(".")[0]
        if first not in self.model.model_fields or (first != name and first in _OWN_COLUMNS):
            known = tuple(sorted(self.model.model_fields))
            raise UnknownFieldError(model=self.model.__name__, field=name, known=known)

    def _invalid(self, name: str, reason: str) -> FilterInvalidError:
        return FilterInvalidError(model=self.model.__name__, field=name, reason=reason)


def _is_time(model: type[StorageModel], name: str) -> bool:
    return _json_type(model, name) == "timestamptz"


def _json_type(model: type[StorageModel], name: str) -> str | None:
    """Return the type of a field that has a single one and is not within another."""
    field_info = model.model_fields.get(name)
    kinds = set() if field_info is None else set(_mentioned(field_info.annotation)) - {type(None)}
    return _TYPES.get(kinds.pop()) if len(kinds) == 1 else None


def _mentioned(annotation: Any) -> Iterator[Any]:
    match get_origin(annotation):
        case None:
            yield StrEnum if isinstance(annotation, type) and issubclass(annotation, StrEnum) else annotation
        case origin if origin in {Union, UnionType}:
            for argument in get_args(annotation):
                yield from _mentioned(argument)
        case origin if origin is Annotated:
            yield from _mentioned(get_args(annotation)[0])
        case origin:
            yield origin


def _fits(kind: str, value: object) -> bool:
    match kind:
        case "number":
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str)
