"""What a cell of a table lets pass, as intervals of one kind of value, where that can be said without evaluating it.

Exact for constants, comparisons with constants, ranges between constants, and negations and alternatives of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from engine.feel import UnaryTests, Value, constant_value, is_number, kind
from engine.feel.numbers import exact
from engine.feel.syntax import Comparing, Matching, RangeOf, Test
from engine.feel.temporal_arithmetic import instant, since_midnight

# Comparing two cells takes time by the product of their tests.
MAXIMUM_TESTS = 100

_Point: TypeAlias = Any


@dataclass(frozen=True)
class Interval:
    """What lies between two points; a point that is `None` has no limit on its side."""

    low: _Point
    is_low_included: bool
    high: _Point
    is_high_included: bool

    def meets(self, other: Interval) -> Interval | None:
        """Return what lies in both; none where nothing does."""
        low, is_low_included = _later((self.low, self.is_low_included), (other.low, other.is_low_included))
        high, is_high_included = _earlier((self.high, self.is_high_included), (other.high, other.is_high_included))
        is_bounded = low is not None and high is not None
        if is_bounded and (low > high or (low == high and not (is_low_included and is_high_included))):
            return None
        return Interval(low, is_low_included, high, is_high_included)


_EVERYTHING = Interval(None, is_low_included=False, high=None, is_high_included=False)


@dataclass(frozen=True)
class ValueSet:
    """Values of one kind.

    Attributes:
        kind: FEEL's name of it.
        intervals: Which of them; they may overlap.
    """

    kind: str
    intervals: tuple[Interval, ...]

    def meets(self, other: ValueSet) -> ValueSet:
        """Return what is in both."""
        if self.kind != other.kind:
            return ValueSet(self.kind, ())
        return self._with(one.meets(each) for one in self.intervals for each in other.intervals)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it."""
        return not self.intervals

    @property
    def complement(self) -> ValueSet:
        """All other values of the kind."""
        rest = ValueSet(self.kind, (_EVERYTHING,))
        for interval in self.intervals:
            rest = rest.meets(ValueSet(self.kind, tuple(_outside(interval))))
        return rest

    def _with(self, intervals: Iterable[Interval | None]) -> ValueSet:
        found = tuple(dict.fromkeys(interval for interval in intervals if interval is not None))
        return ValueSet(self.kind, found)


def value_set(cell: UnaryTests) -> ValueSet | None:
    """Return what a cell lets pass; none where that cannot be said, or where it is everything, null included.

    It cannot be said of a cell with more than 100 tests.
    """
    if not 0 < len(cell.tests) <= MAXIMUM_TESTS:
        return None
    sets = [_set_of(test) for test in cell.tests]
    known = [each for each in sets if each is not None]
    if len(known) < len(sets) or len({each.kind for each in known}) > 1:
        return None
    union = ValueSet(known[0].kind, tuple(interval for each in known for interval in each.intervals))
    return _only_values(union.complement if cell.is_negated else union)


def _only_values(values: ValueSet) -> ValueSet:
    """Return a set of booleans as points: between false and true there is nothing."""
    if values.kind != "boolean":
        return values
    points = ValueSet("boolean", (_point(value=False), _point(value=True)))
    return points.meets(values)


def _set_of(test: Test) -> ValueSet | None:
    match test:
        case Comparing(symbol, operand):
            return _compared(symbol, constant_value(operand))
        case Matching(RangeOf(start, end, is_start_included, is_end_included), is_condition=False):
            low, high = constant_value(start), constant_value(end)
            points = [_key(low), _key(high)]
            if kind(low) != kind(high) or None in points:
                return None
            interval = Interval(points[0], is_start_included, points[1], is_end_included)
            everything = ValueSet(kind(low), (_EVERYTHING,))
            return everything.meets(ValueSet(kind(low), (interval,)))
        case Matching(expression, is_condition=False):
            return _compared("=", constant_value(expression))
        case _:
            return None


def _compared(symbol: str, value: Value) -> ValueSet | None:
    point = _key(value)
    if point is None:
        return None
    match symbol:
        case "=" | "!=":
            same = ValueSet(kind(value), (_point(value=point),))
            return same if symbol == "=" else same.complement
        case "<" | "<=":
            interval = Interval(None, is_low_included=False, high=point, is_high_included=symbol == "<=")
        case _:
            interval = Interval(point, is_low_included=symbol == ">=", high=None, is_high_included=False)
    return ValueSet(kind(value), (interval,))


def _key(value: Value) -> _Point:
    """Return what values of a kind are compared by; none where they have no order."""
    if is_number(value):
        return exact(value)
    match kind(value):
        case "boolean" | "string" | "date" | "days and time duration" | "years and months duration":
            return value
        case "date and time":
            moment: Any = value
            return None if moment.tzinfo is None else instant(moment)
        case "time":
            clock: Any = value
            return since_midnight(clock)
    return None


def _point(*, value: _Point) -> Interval:
    return Interval(value, is_low_included=True, high=value, is_high_included=True)


def _outside(interval: Interval) -> Iterator[Interval]:
    if interval.low is not None:
        yield Interval(None, is_low_included=False, high=interval.low, is_high_included=not interval.is_low_included)
    if interval.high is not None:
        yield Interval(interval.high, is_low_included=not interval.is_high_included, high=None, is_high_included=False)


def _later(one: tuple[_Point, bool], other: tuple[_Point, bool]) -> tuple[_Point, bool]:
    if one[0] is None or other[0] is None:
        return other if one[0] is None else one
    if one[0] == other[0]:
        return one[0], one[1] and other[1]
    return max(one, other, key=lambda end: end[0])


def _earlier(one: tuple[_Point, bool], other: tuple[_Point, bool]) -> tuple[_Point, bool]:
    if one[0] is None or other[0] is None:
        return other if one[0] is None else one
    if one[0] == other[0]:
        return one[0], one[1] and other[1]
    return min(one, other, key=lambda end: end[0])
