"""Dates, times and durations: their texts, their properties, and what one can compute with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from engine.errors import ExpressionError, ExpressionEvaluationError
from engine.feel import compile_expression


def value_of(source: str, **variables: JsonValue) -> JsonValue:
    return compile_expression(source).evaluate(variables)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01",
        "10:30:00",
        "10:30:00.5",
        "10:30:00Z",
        "10:30:00-05:30",
        "2026-03-01T10:30:00",
        "2026-03-01T10:30:00Z",
        "2026-03-01T10:30:00.000001+02:00",
        "2026-03-01T10:30:00@Europe/Berlin",
        "PT0S",
        "P1DT2H3M4.5S",
        "-PT5M",
        "P1Y6M",
        "-P2M",
    ],
)
def test_a_temporal_value_leaves_as_the_text_that_it_came_as(text: str) -> None:
    assert value_of(f'@"{text}"') == text
    assert value_of(f'string(@"{text}")') == text
    assert compile_expression(f'@"{text}"').constant == text


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ('date("2026-03-01")', "2026-03-01"),
        ("date(2026, 3, 1)", "2026-03-01"),
        ('date(date and time("2026-03-01T10:30:00Z"))', "2026-03-01"),
        ('time("10:30:00Z")', "10:30:00Z"),
        ("time(10, 30, 0)", "10:30:00"),
        ('time(10, 30, 0, duration("PT2H"))', "10:30:00+02:00"),
        ('time(date and time("2026-07-01T10:30:00@Europe/Berlin"))', "10:30:00+02:00"),
        ('date and time("2026-03-01")', "2026-03-01T00:00:00"),
        ('date and time(date("2026-03-01"), time("10:30:00"))', "2026-03-01T10:30:00"),
        ('duration("PT90M")', "PT1H30M"),
        ('duration("P18M")', "P1Y6M"),
        ('years and months duration(date("2024-02-29"), date("2026-01-15"))', "P1Y10M"),
        ('years and months duration(date("2026-01-15"), date("2024-02-29"))', "-P1Y10M"),
        ("date(nothing)", None),
        ("duration(nothing)", None),
        ('@"2026-03-01".year', 2026),
        ('@"2026-03-01".weekday', 7),
        ('@"2026-03-01T10:30:15.5+02:00".second', 15.5),
        ('@"2026-03-01T10:30:15+02:00".time offset', "PT2H"),
        ('@"2026-03-01T10:30:15@Europe/Berlin".timezone', "Europe/Berlin"),
        ('@"10:30:00".time offset', None),
        ('@"P1DT2H3M4S".hours', 2),
        ('@"-P1DT2H3M4S".days', -1),
        ('@"-P1DT2H3M4S".seconds', -4),
        ('@"P18M".years', 1),
        ('@"-P18M".months', -6),
        ('@"2026-03-01".nothing', None),
        ('[@"2026-03-01", @"2027-03-01"].year', [2026, 2027]),
        ('day of week(@"2026-03-01")', "Sunday"),
        ('day of year(@"2026-03-01")', 60),
        ('month of year(@"2026-03-01")', "March"),
        ('week of year(@"2026-01-01")', 1),
        ('@"2026-01-31" + @"P1M"', "2026-02-28"),
        ('@"2026-03-31" - @"P1M"', "2026-02-28"),
        ('@"2026-03-01" + @"PT36H"', "2026-03-02"),
        ('@"PT36H" + @"2026-03-01"', "2026-03-02"),
        ('@"2026-03-01" - @"2026-02-28"', "P1D"),
        ('@"2026-03-01T00:00:00Z" - @"2026-02-28"', "P1D"),
        ('@"2026-03-29T01:30:00@Europe/Berlin" + @"PT1H"', "2026-03-29T03:30:00@Europe/Berlin"),
        ('@"2026-03-29T03:30:00@Europe/Berlin" - @"2026-03-29T01:30:00@Europe/Berlin"', "PT1H"),
        ('@"23:30:00" + @"PT1H"', "00:30:00"),
        ('@"00:30:00Z" - @"PT1H"', "23:30:00Z"),
        ('@"10:30:00Z" - @"10:30:00+02:00"', "PT2H"),
        ('@"PT1H" + @"PT30M"', "PT1H30M"),
        ('@"PT1H" * 1.5', "PT1H30M"),
        ('2 * @"P1M"', "P2M"),
        ('@"PT1H" / 4', "PT15M"),
        ('@"PT1H" / @"PT15M"', 4),
        ('@"P1Y" / @"P1M"', 12),
        ('@"PT1H" / 0', None),
        ('-@"PT1H"', "-PT1H"),
        ('abs(@"-P2M")', "P2M"),
        ('sum(@"PT1H", @"PT2H")', "PT3H"),
        ('@"2026-03-01T10:00:00Z" = @"2026-03-01T12:00:00+02:00"', True),
        ('@"2026-03-01T10:00:00Z" < @"2026-03-01T11:00:00+02:00"', False),
        ('@"10:00:00Z" < @"11:00:00+02:00"', False),
        ('@"00:30:00+02:00" < @"23:00:00Z"', True),
        ('@"PT1H" > @"PT59M"', True),
        ('@"P1M" < @"P1Y"', True),
        ('@"2026-03-01" in [@"2026-01-01"..@"2026-12-31"]', True),
        ('@"2026-03-01" between @"2026-03-01" and @"2026-03-02"', True),
        ('max(@"2026-03-01", @"2027-03-01")', "2027-03-01"),
        ('date("2026-03-01") > date(due)', True),
        ('@"2026-03-01" instance of date', True),
        ('@"2026-03-01T00:00:00" instance of date', False),
        ('duration("P1D") instance of days and time duration', True),
        ('{ends: date(due) + @"P1D"}', {"ends": "2026-01-02"}),
    ],
)
def test_a_temporal_expression_has_this_value(source: str, value: JsonValue) -> None:
    assert value_of(source, nothing=None, due="2026-01-01") == value


@pytest.mark.parametrize(
    "source",
    [
        'date("2026-02-30")',
        'date("1 March")',
        'date("12026-01-01")',
        "date(2026, 13, 1)",
        "date(2026.5, 1, 1)",
        'time("25:00:00")',
        'time("10:30:00@Europe/Berlin")',
        'date and time("2026-03-01T10:30:00@Nowhere/City")',
        'date and time("2026-03-01T10:30:00@../../etc/passwd")',
        'duration("P1Y1D")',
        'duration("P")',
        'duration("PT")',
        '@"9999-12-31" + @"P1D"',
        '@"0001-01-01" - @"P1M"',
        '@"2026-03-01" + 1',
        '@"2026-03-01" < "2026-03-02"',
        '@"2026-03-01" = "2026-03-01"',
        '@"2026-03-01T10:00:00" < @"2026-03-01T10:00:00Z"',
        '@"2026-03-01T10:00:00" - @"2026-03-01T10:00:00Z"',
        '@"10:00:00" < @"11:00:00Z"',
        '@"P1D" < @"P1M"',
        '@"P1D" + @"P1M"',
        '@"PT1H" * @"PT1H"',
        '[@"2026-03-01"..@"2026-03-02"]',
    ],
)
def test_what_has_no_temporal_value_is_an_error_and_not_a_silent_null(source: str) -> None:
    with pytest.raises(ExpressionEvaluationError):
        value_of(source)


@pytest.mark.parametrize("source", ['@"tomorrow"', '@"2026-02-30"', "@due", "now()", "today()"])
def test_what_can_never_have_a_temporal_value_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        compile_expression(source)

    assert raised.value.code == "EXPRESSION_INVALID"


_MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_LENGTHS = st.timedeltas(timedelta(days=-30_000), timedelta(days=30_000))


@given(_MOMENTS, _LENGTHS)
def test_moments_and_durations_are_computed_as_python_computes_them(moment: datetime, length: timedelta) -> None:
    texts: dict[str, JsonValue] = {"moment": moment.isoformat(), "length": length.total_seconds()}
    later = value_of('date and time(moment) + @"PT1S" * length', **texts)

    assert isinstance(later, str)
    assert abs(datetime.fromisoformat(later) - (moment + length)) <= timedelta(microseconds=1)


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.dates(date(1900, 1, 1), date(2100, 1, 1)))
def test_the_days_between_two_dates_are_those_of_the_calendar(early: date, late: date) -> None:
    days = value_of("(date(late) - date(early)).days", early=early.isoformat(), late=late.isoformat())

    assert days == (late - early).days


@given(st.timedeltas(timedelta(days=-90_000), timedelta(days=90_000)))
def test_a_duration_survives_its_text(length: timedelta) -> None:
    microseconds = length // timedelta(microseconds=1)
    text = value_of('@"PT1S" * (n / 1000000)', n=microseconds)

    assert value_of('duration(text) / @"PT1S" * 1000000', text=text) == microseconds
