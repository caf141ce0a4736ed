"""Execution windows: when they are open, and when they open next."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from engine import AbsolutePeriod, ExecutionWindow, Weekday, WeeklyPeriod

WORKDAYS = frozenset(Weekday) - {Weekday.SATURDAY, Weekday.SUNDAY}
OFFICE = WeeklyPeriod(weekdays=WORKDAYS, from_time=time(9), until_time=time(17), time_zone="Europe/Berlin")
NIGHT = WeeklyPeriod(weekdays=frozenset({Weekday.FRIDAY}), from_time=time(22), until_time=time(6))
CHRISTMAS = AbsolutePeriod(from_at=datetime(2026, 12, 24, tzinfo=UTC), until_at=datetime(2027, 1, 4, tzinfo=UTC))
MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text + "+00:00")


def test_a_window_without_periods_is_always_open() -> None:
    assert ExecutionWindow().next_opening(at("2026-03-01T00:00")) == at("2026-03-01T00:00")


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-03-02T08:00", "2026-03-02T08:00"),  # Monday, 9 o'clock in Berlin
        ("2026-03-02T07:59", "2026-03-02T08:00"),
        ("2026-03-02T15:59", "2026-03-02T15:59"),
        ("2026-03-02T16:00", "2026-03-03T08:00"),
        ("2026-03-06T16:00", "2026-03-09T08:00"),  # over the weekend
        ("2026-03-27T16:00", "2026-03-30T07:00"),  # over a weekend on which clocks go forward
    ],
)
def test_an_allowed_period_opens_and_closes_by_the_local_clock(moment: str, opening: str) -> None:
    assert ExecutionWindow(allowed=(OFFICE,)).next_opening(at(moment)) == at(opening)


@pytest.mark.parametrize(
    ("moment", "opening"),
    [
        ("2026-03-06T21:59", "2026-03-06T21:59"),  # Friday
        ("2026-03-06T22:00", "2026-03-07T06:00"),
        ("2026-03-07T05:59", "2026-03-07T06:00"),
        ("2026-03-07T22:00", "2026-03-07T22:00"),
    ],
)
def test_a_blackout_may_last_over_midnight(moment: str, opening: str) -> None:
    assert ExecutionWindow(blackouts=(NIGHT,)).next_opening(at(moment)) == at(opening)


def test_a_blackout_wins_over_an_allowed_period() -> None:
    window = ExecutionWindow(allowed=(OFFICE,), blackouts=(CHRISTMAS,))

    assert not window.is_open(at("2026-12-28T10:00"))
    assert window.next_opening(at("2026-12-28T10:00")) == at("2027-01-04T08:00")


def test_a_period_whose_times_are_equal_lasts_a_day() -> None:
    window = ExecutionWindow(allowed=(WeeklyPeriod(from_time=time(6), until_time=time(6)),))

    assert window.is_open(at("2026-03-01T05:59"))


def test_a_period_covers_both_passes_of_an_hour_that_comes_twice() -> None:
    period = WeeklyPeriod(from_time=time(1), until_time=time(2, 30), time_zone="Europe/Berlin")

    assert period.end_if_within(at("2026-10-24T23:30")) == at("2026-10-25T01:30")


@pytest.mark.parametrize(
    "window",
    [
        ExecutionWindow(allowed=(CHRISTMAS,)),
        ExecutionWindow(allowed=(OFFICE,), blackouts=(WeeklyPeriod(from_time=time(0), until_time=time(0)),)),
    ],
)
def test_a_window_that_does_not_open_again_has_no_opening(window: ExecutionWindow) -> None:
    assert window.next_opening(at("2027-03-01T00:00")) is None


@pytest.mark.parametrize(
    "period",
    [
        {"kind": "weekly", "from_time": "09:00", "until_time": "17:00", "time_zone": "Mars/Base"},
        {"kind": "weekly", "from_time": "09:00+01:00", "until_time": "17:00"},
        {"kind": "weekly", "from_time": "09:00", "until_time": "17:00", "weekdays": []},
        {"kind": "absolute", "from_at": "2026-03-01T00:00:00Z", "until_at": "2026-03-01T00:00:00Z"},
        {"kind": "absolute", "from_at": "2026-03-01T00:00:00", "until_at": "2026-03-02T00:00:00Z"},
        {"kind": "absolute", "from_at": "2026-03-01T00:00:00Z", "until_at": "9999-12-31T23:59:59-10:00"},
    ],
)
def test_what_is_no_period_is_refused(period: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ExecutionWindow.model_validate({"allowed": [period]})


def test_a_window_survives_json() -> None:
    window = ExecutionWindow(allowed=(OFFICE, NIGHT), blackouts=(CHRISTMAS,))

    assert ExecutionWindow.model_validate_json(window.model_dump_json()) == window


minutes = st.integers(0, 24 * 60 - 1).map(lambda minute: time(minute // 60, minute % 60))
zones = st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Havana"])
weekly = st.builds(
    WeeklyPeriod, weekdays=st.frozensets(st.sampled_from(Weekday), min_size=1), from_time=minutes, until_time=minutes,
    time_zone=zones,
)  # fmt: skip
periods = st.lists(weekly, max_size=3).map(tuple)
starts = st.sampled_from([at("2026-03-27T12:00"), at("2026-10-23T12:00"), at("2026-06-10T00:30")])


@settings(max_examples=60, deadline=None)
@given(periods, periods, starts, st.integers(0, 3 * 24 * 60))
def test_the_next_opening_is_open_and_the_window_is_closed_until_then(
    allowed: tuple[WeeklyPeriod, ...], blackouts: tuple[WeeklyPeriod, ...], start: datetime, later: int
) -> None:
    window = ExecutionWindow(allowed=allowed, blackouts=blackouts)
    moment = start + later * MINUTE

    opening = window.next_opening(moment)

    end = moment + timedelta(days=8) if opening is None else opening
    assert opening is None or window.is_open(opening)
    length = int((end - moment) / MINUTE)
    closed = [moment + passed * MINUTE for passed in range(0, length, 1 + length // 200)]
    assert not any(window.is_open(passing) for passing in closed)


@given(weekly, st.integers(0, 7 * 24 * 60 - 1))
def test_without_changes_of_clocks_a_weekly_period_is_a_part_of_the_week(period: WeeklyPeriod, minute: int) -> None:
    monday = at("2026-06-08T00:00")
    in_utc = period.model_copy(update={"time_zone": "UTC"})
    begin, end = (each.hour * 60 + each.minute for each in (period.from_time, period.until_time))
    length = end - begin if end > begin else end - begin + 24 * 60

    passed = [(minute - list(Weekday).index(day) * 24 * 60 - begin) % (7 * 24 * 60) for day in period.weekdays]

    left = max((length - each for each in passed if each < length), default=None)
    moment = monday + minute * MINUTE
    assert in_utc.end_if_within(moment) == (None if left is None else moment + left * MINUTE)
