"""Asking validation rules of a dataset: chunk by chunk, in memory that does not grow with the rows.

Uniqueness and foreign keys are the exception: they keep eight bytes for each row and each key, a fingerprint of its
value. That two of ten million values share one has a chance of 3 in a million.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import reduce
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from engine.errors import ExpressionError
from engine.feel import Budget, compile_expression, kind
from handlers.dataset_profile import DatasetProfile
from handlers.validation_rules import (
    BalanceRule,
    ExpressionRule,
    ForeignKeyRule,
    OneOfRule,
    PatternRule,
    RangeRule,
    RequiredRule,
    RuleExample,
    RuleResult,
    TypeRule,
    UniqueRule,
    ValidationRule,
    named,
    whole,
)
from storage import ReportedError
from storage.datasets.canonical import canonical_column
from storage.datasets.column_fingerprints import row_fingerprints, value_fingerprints
from storage.datasets.fingerprints import Fingerprints, combined

Bools = NDArray[np.bool_]
ReadKeys = Callable[[UUID, str], Iterable[pa.Table]]

pc: Any = pyarrow.compute  # whose stubs do not follow its kernels
_EXAMPLES = 5
_QUOTED_CHARACTERS = 100
_MAXIMUM_CLASSES = 10_000
_STEPS_AT_LEAST = 500_000
_STEPS_OF_A_ROW = 500  # of a condition, on average: an hour for ten million rows


def check_rules_of(
    rules: tuple[ValidationRule, ...],
    profile: DatasetProfile,
    chunks: Iterable[pa.Table],
    read_keys: ReadKeys,
    *,
    may_quote: bool,
) -> tuple[RuleResult, ...]:
    """Return what came of each rule, in their order.

    Args:
        rules: What is declared.
        profile: Of the dataset.
        chunks: Its rows, taken once.
        read_keys: Gives the rows of one column of another dataset version, which the rules refer to.
        may_quote: Whether a value may leave the dataset as an example.
    """
    checks = [_check(rule, profile, read_keys) for rule in rules]
    asked = [check for check in checks if check.reason is None]
    first_row = 0
    for chunk in chunks:
        for check in asked:
            check.see(chunk, first_row)
        first_row += chunk.num_rows
    return tuple(check.result(may_quote=may_quote) for check in checks)


class _Check(ABC):
    """One rule being asked.

    Attributes:
        reason: Why it cannot be asked; then it is broken.
    """

    def __init__(self, rule: ValidationRule, reason: str | None = None) -> None:
        self.rule = rule
        self.reason = reason
        self.checked = 0
        self.failed = 0
        self.examples: list[RuleExample] = []

    @abstractmethod
    def see(self, chunk: pa.Table, first_row: int) -> None:
        """Ask the rule of more rows."""

    def passed(self) -> bool:
        """Return whether the rule holds, once all rows were seen."""
        return self.failed == 0

    def result(self, *, may_quote: bool) -> RuleResult:
        """Return what came of the rule."""
        passed = self.reason is None and self.passed()
        examples = (example if may_quote else RuleExample(row=example.row) for example in self.examples)
        return RuleResult(
            name=named(self.rule),
            kind=self.rule.kind,
            severity=self.rule.severity,
            passed=passed,
            checked=self.checked,
            failed=self.failed,
            examples=tuple(examples),
            reason=self.reason,
        )

    def note(self, is_broken: Bools, first_row: int, values: Any) -> None:
        """Count the rows that break the rule, and keep the first ones as examples."""
        broken = np.flatnonzero(is_broken)
        self.failed += len(broken)
        for index in broken[: _EXAMPLES - len(self.examples)]:
            quoted = None if values is None else str(values[int(index)].as_py())[:_QUOTED_CHARACTERS]
            self.examples.append(RuleExample(row=first_row + int(index), value=quoted))


class _Unasked(_Check):
    """A rule that cannot be asked."""

    def see(self, chunk: pa.Table, first_row: int) -> None:
        """See `_Check.see`."""


class _ColumnCheck(_Check):
    """A rule of one column: a function tells which of its values, missing ones left out, break it."""

    def __init__(self, rule: ValidationRule, column: str, is_broken: Callable[[Any], Any]) -> None:
        super().__init__(rule)
        self._column = column
        self._is_broken = is_broken

    def see(self, chunk: pa.Table, first_row: int) -> None:
        """See `_Check.see`."""
        values: Any = chunk.column(self._column)
        present = pc.invert(pc.is_null(values, nan_is_null=pa.types.is_floating(values.type)))
        broken: Any = pc.and_(pc.fill_null(self._is_broken(values), fill_value=False), present)
        self.checked += int(pc.sum(present).as_py() or 0)
        self.note(_bools(broken), first_row, values)


class _Required(_Check):
    def __init__(self, rule: RequiredRule) -> None:
        super().__init__(rule)
        self._column, self._allowed = rule.column, rule.maximum_missing_share

    def see(self, chunk: pa.Table, first_row: int) -> None:
        values: Any = chunk.column(self._column)
        self.checked += len(values)
        self.note(_bools(pc.is_null(values, nan_is_null=pa.types.is_floating(values.type))), first_row, None)

    def passed(self) -> bool:
        return self.failed <= self._allowed * self.checked


class _Unique(_Check):
    def __init__(self, rule: UniqueRule) -> None:
        super().__init__(rule)
        self._columns = rule.columns
        self._prints: list[Fingerprints] = []
        self._rows: list[NDArray[np.int64]] = []

    def see(self, chunk: pa.Table, first_row: int) -> None:
        parts = [_fingerprints(chunk, name) for name in self._columns]
        present = np.logical_and.reduce([is_present for _prints, is_present in parts])
        rows = reduce(combined, (prints for prints, _present in parts), np.zeros(chunk.num_rows, np.uint64))
        self._prints.append(rows[present])
        self._rows.append(np.flatnonzero(present) + first_row)
        self.checked += int(present.sum())

    def passed(self) -> bool:
        if not self._prints:
            return True
        prints, rows = np.concatenate(self._prints), np.concatenate(self._rows)
        order = np.argsort(prints, kind="stable")
        is_repeated = prints[order[1:]] == prints[order[:-1]]
        repeated = np.sort(rows[order[1:][is_repeated]])
        self.failed = len(repeated)
        self.examples = [RuleExample(row=int(row)) for row in repeated[:_EXAMPLES]]
        return self.failed == 0


class _ForeignKey(_Check):
    def __init__(self, rule: ForeignKeyRule, keys: Iterable[pa.Table]) -> None:
        super().__init__(rule)
        self._column = rule.column
        known = [np.unique(prints[present]) for prints, present in (_fingerprints(t, rule.references) for t in keys)]
        self._known = np.unique(np.concatenate([*known, np.empty(0, np.uint64)]))

    def see(self, chunk: pa.Table, first_row: int) -> None:
        prints, present = _fingerprints(chunk, self._column)
        places = np.minimum(np.searchsorted(self._known, prints), max(len(self._known) - 1, 0))
        is_known = self._known[places] == prints if len(self._known) else np.zeros(len(prints), np.bool_)
        self.checked += int(present.sum())
        self.note(present & ~is_known, first_row, chunk.column(self._column))


class _Balance(_Check):
    def __init__(self, rule: BalanceRule) -> None:
        super().__init__(rule)
        self._column, self._share = rule.column, rule.minimum_share
        self._counts: Counter[str] = Counter()

    def see(self, chunk: pa.Table, first_row: int) -> None:  # noqa: ARG002 - which rows they are does not matter
        values: Any = pc.drop_null(chunk.column(self._column))
        for entry in pc.value_counts(values).to_pylist():
            if str(entry["values"]) in self._counts or len(self._counts) < _MAXIMUM_CLASSES:
                self._counts[str(entry["values"])] += entry["counts"]
            self.checked += entry["counts"]

    def passed(self) -> bool:
        needed = self._share * self.checked
        self.failed = sum(count for count in self._counts.values() if count < needed)
        return self.failed == 0


class _Condition(_Check):
    def __init__(self, rule: ExpressionRule, names: tuple[str, ...]) -> None:
        super().__init__(rule)
        self._expression = compile_expression(rule.condition, frozenset(names))
        self._first_failure: str | None = None
        self._steps = _STEPS_AT_LEAST

    def see(self, chunk: pa.Table, first_row: int) -> None:
        if self.reason is not None:
            return
        self._steps += chunk.num_rows * _STEPS_OF_A_ROW
        broken = np.array([not self._holds(row) for row in chunk.to_pylist()], np.bool_)
        self.checked += chunk.num_rows
        self.note(broken, first_row, None)

    def passed(self) -> bool:
        if self._first_failure is not None and self.failed == self.checked:
            self.reason = self._first_failure  # not a matter of the rows
        return self.failed == 0

    def _holds(self, row: Mapping[str, Any]) -> bool:
        if self.reason is not None:
            return False
        budget = Budget()
        try:
            holds = self._expression.value_of({name: _plain(value) for name, value in row.items()}, budget)
            failure = None if isinstance(holds, bool) else f"the condition is {kind(holds)}, not boolean"
        except ExpressionError as error:
            holds, failure = False, str(error)
        self._first_failure = self._first_failure or failure
        self._steps -= budget.spent
        if self._steps < 0:
            self.reason = f"it takes more than {_STEPS_OF_A_ROW} steps for each row"
        return holds is True


def _check(  # noqa: PLR0911 - one return for each kind of rule
    rule: ValidationRule, profile: DatasetProfile, read_keys: ReadKeys
) -> _Check:
    absent = _absent(rule, profile)
    if absent is not None:
        return _Unasked(rule, f"there is no column {absent!r}")
    match rule:
        case TypeRule():
            found = _type_of(profile, rule.column)
            accepted = {"number": {"number", "integer"}}.get(rule.type, {rule.type}) | {"nothing"}
            return _Settled(rule, None if found in accepted else f"the column is {found}, not {rule.type}")
        case ExpressionRule(of="statistics"):
            return _of_statistics(rule, profile)
        case ExpressionRule():
            return _Condition(rule, tuple(column.name for column in profile.columns))
        case RequiredRule():
            return _Required(rule)
        case UniqueRule():
            return _Unique(rule)
        case ForeignKeyRule():
            return _foreign_key(rule, read_keys)
        case BalanceRule():
            return _Balance(rule)
        case _:
            return _of_values(rule, _type_of(profile, rule.column))


def _foreign_key(rule: ForeignKeyRule, read_keys: ReadKeys) -> _Check:
    try:
        return _ForeignKey(rule, read_keys(rule.dataset_version_id, rule.references))
    except ReportedError as error:  # no such version or column, or one that may not be read or cannot be trusted
        return _Unasked(rule, str(error))


def _of_values(rule: RangeRule | PatternRule | OneOfRule, found: str) -> _Check:
    match rule:
        case RangeRule():
            if found not in {"number", "integer", "nothing"}:
                return _Unasked(rule, f"the column is {found}, not number")
            low, high = rule.minimum, rule.maximum
            return _ColumnCheck(rule, rule.column, lambda values: _outside(values, low, high))
        case PatternRule():
            if found not in {"text", "nothing"}:
                return _Unasked(rule, f"the column is {found}, not text")
            pattern = whole(rule.pattern)
            return _ColumnCheck(
                rule, rule.column, lambda values: pc.invert(pc.match_substring_regex(values.cast(pa.string()), pattern))
            )
        case OneOfRule():
            allowed = {str(value) for value in rule.values} | {str(float(v)) for v in rule.values if _is_number(v)}
            return _ColumnCheck(rule, rule.column, lambda values: _not_among(values, allowed))


class _Settled(_Unasked):
    """A rule that the schema or the statistics decide."""


def _of_statistics(rule: ExpressionRule, profile: DatasetProfile) -> _Check:
    figures = {"row_count", "duplicate_row_count", "class_counts"}
    statistics: dict[str, Any] = profile.model_dump(mode="json", include=figures)
    statistics["columns"] = {
        column.name: column.model_dump(mode="json", exclude={"name", "quantiles"}) for column in profile.columns
    }
    try:
        holds = compile_expression(rule.condition).evaluate_condition(statistics)
    except ExpressionError as error:
        return _Settled(rule, str(error))
    return _Settled(rule, None if holds else "the condition is false")


def _absent(rule: ValidationRule, profile: DatasetProfile) -> str | None:
    names = {column.name for column in profile.columns}
    if isinstance(rule, ExpressionRule):
        return None
    asked = rule.columns if isinstance(rule, UniqueRule) else (rule.column,)
    return next((name for name in asked if name not in names), None)


_TYPES = (
    ("integer", ("int", "uint")),
    ("number", ("double", "float", "halffloat", "decimal")),
    ("text", ("string", "large_string")),
    ("boolean", ("bool",)),
    ("time", ("timestamp", "date", "time")),
    ("nothing", ("null",)),
)


def _type_of(profile: DatasetProfile, name: str) -> str:
    datatype = next(column.type for column in profile.columns if column.name == name)
    return next((kind for kind, starts in _TYPES if datatype.startswith(starts)), datatype)


def _outside(values: Any, low: float | None, high: float | None) -> Any:
    numbers = values.cast(pa.float64(), safe=False)
    below = pc.less(numbers, -math.inf if low is None else low)
    return pc.or_(below, pc.greater(numbers, math.inf if high is None else high))


def _not_among(values: Any, allowed: set[str]) -> Any:
    distinct = pc.unique(values)
    texts = ["True" if v is True else "False" if v is False else str(v) for v in distinct.to_pylist()]
    known = distinct.filter(pa.array([text in allowed for text in texts], pa.bool_()))
    return pc.invert(pc.is_in(values, value_set=known))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fingerprints(chunk: pa.Table, name: str) -> tuple[Fingerprints, Bools]:
    """Return a fingerprint of each row's value, and which rows have one."""
    values: Any = chunk.column(name).combine_chunks()
    column = canonical_column(values, name=name)
    present = np.ones(column.length, np.bool_) if column.present is None else column.present
    return row_fingerprints(column, value_fingerprints(column)), present


def _bools(values: Any) -> Bools:
    return np.asarray(values.to_numpy(zero_copy_only=False) if isinstance(values, pa.Array) else values.to_numpy())


def _plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, bool | int | float | str | None) else str(value)
