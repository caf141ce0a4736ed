"""The rules that the owner of a dataset may declare for it, as they come with its registration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from engine.errors import ExpressionError
from engine.feel import compile_expression
from handlers.severity import Severity

ColumnName = Annotated[str, Field(min_length=1, max_length=500)]
Share = Annotated[float, Field(ge=0, le=1)]
Scalar = bool | int | float | str


class _Rule(BaseModel):
    """What all rules have.

    Attributes:
        name: By which its findings call it; made of the rule where it is not given.
        severity: An error rejects the version, a warning is recorded with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(max_length=200)] = ""
    severity: Severity = Severity.ERROR


class TypeRule(_Rule):
    """The column is of this type; whole numbers are numbers also, and a column without any value is of every type."""

    kind: Literal["type"]
    column: ColumnName
    type: Literal["integer", "number", "text", "boolean", "time"]


class RangeRule(_Rule):
    """Every number in the column is within the bounds, which belong to the range."""

    kind: Literal["range"]
    column: ColumnName
    minimum: float | None = None
    maximum: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> RangeRule:
        if self.minimum is None and self.maximum is None:
            message = "give a minimum, a maximum, or both"
            raise ValueError(message)
        return self


class PatternRule(_Rule):
    """Every text in the column matches the whole of a regular expression (RE2: linear time, no look-around)."""

    kind: Literal["pattern"]
    column: ColumnName
    pattern: Annotated[str, Field(min_length=1, max_length=1_000)]

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            for expression in (pattern, whole(pattern)):  # alone as well: it must not close what it is put into
                pc.match_substring_regex(pa.array([""]), expression)
        except pa.ArrowInvalid as error:
            message = f"not a regular expression of RE2 ({str(error)[:200]})"
            raise ValueError(message) from error
        return pattern


class RequiredRule(_Rule):
    """At most this share of the column's values is missing."""

    kind: Literal["required"]
    column: ColumnName
    maximum_missing_share: Share = 0.0


class OneOfRule(_Rule):
    """Every value in the column is one of these."""

    kind: Literal["one_of"]
    column: ColumnName
    values: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=10_000)]


class UniqueRule(_Rule):
    """No two rows have the same values in these columns; rows in which one is missing are not asked."""

    kind: Literal["unique"]
    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1, max_length=20)]


class ForeignKeyRule(_Rule):
    """Every value in the column stands in a column of another dataset version."""

    kind: Literal["foreign_key"]
    column: ColumnName
    dataset_version_id: UUID
    references: ColumnName


class BalanceRule(_Rule):
    """Every class of the column has at least this share of the rows that have a class."""

    kind: Literal["class_balance"]
    column: ColumnName
    minimum_share: Share


class ExpressionRule(_Rule):
    """A FEEL condition is true: of every row, by the names of its columns, or of the statistics.

    Statistics are `row_count`, `duplicate_row_count`, `class_counts`, and `columns`, in which each column has
    `missing`, `distinct`, `minimum`, `maximum`, `mean` and `standard_deviation`.
    """

    kind: Literal["expression"]
    condition: Annotated[str, Field(min_length=1, max_length=2_000)]
    of: Literal["rows", "statistics"] = "rows"

    @field_validator("condition")
    @classmethod
    def _parses(cls, condition: str) -> str:
        try:
            compile_expression(condition)
        except ExpressionError as error:
            raise ValueError(str(error)) from error
        return condition


ValidationRule = Annotated[
    TypeRule
    | RangeRule
    | PatternRule
    | RequiredRule
    | OneOfRule
    | UniqueRule
    | ForeignKeyRule
    | BalanceRule
    | ExpressionRule,
    Field(discriminator="kind"),
]


class RuleExample(BaseModel):
    """A row that breaks a rule, counted from 0; its value only where the dataset may be quoted."""

    model_config = ConfigDict(frozen=True)

    row: int
    value: str | None = None


class RuleResult(BaseModel):
    """What came of one rule.

    Attributes:
        checked: Rows that it was asked of.
        failed: Rows that break it.
        reason: Why it could not be asked at all, or what it found of the whole.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: str
    severity: Severity
    passed: bool
    checked: int = 0
    failed: int = 0
    examples: tuple[RuleExample, ...] = ()
    reason: str | None = None


def whole(pattern: str) -> str:
    """Return the expression that matches where `pattern` matches all of a text."""
    return rf"\A(?:{pattern})\z"


def named(rule: _Rule) -> str:
    """Return the rule's name, or one made of it."""
    facts: Mapping[str, Any] = rule.model_dump(exclude={"name", "severity"}, exclude_none=True)
    return rule.name or " ".join(str(value) for value in facts.values())[:200]


def as_documents(rules: tuple[_Rule, ...]) -> tuple[dict[str, JsonValue], ...]:
    """Return the rules as they are stored with a version."""
    return tuple(rule.model_dump(mode="json") for rule in rules)
