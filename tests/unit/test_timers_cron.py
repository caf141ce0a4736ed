"""Cron lines: the times that they name, where clocks change too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cron import CronLine, parse_cron
from engine.errors import TimerInvalidError
from engine.local_times import instant
from engine.timers import Armed, arm, next_due, parse_timer

BERLIN = ZoneInfo("Europe/Berlin")
MINUTE = timedelta(minutes=1)
# Each with a day in 2026 on which its clocks go forward, and one on which they go back.
CHANGES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Lord_Howe": ("2026-10-04", "2026-04-05"),  # by half an hour
    "America/Havana": ("2026-03-08", "2026-11-01"),  # at midnight
}


def times(text: str, start: datetime, number: int, zone: ZoneInfo = BERLIN) -> list[str]:
    line, moment = parse_cron(text), start
    found = []
    for _ in range(number):
        following = line.after(moment)
        assert following is not None
        moment = following
        found.append(moment.astimezone(zone).strftime("%a %d.%m. %H:%M:%S %Z"))
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CRON_TZ=Europe/Berlin 0 9 * * 1-5", ["Fri 02.01. 09:00:00 CET", "Mon 05.01. 09:00:00 CET"]),
        ("0 9 * * *", ["Thu 01.01. 10:00:00 CET", "Fri 02.01. 10:00:00 CET"]),
        ("*/10 * * * * *", ["Thu 01.01. 09:30:10 CET", "Thu 01.01. 09:30:20 CET"]),
        ("0 0 8 ? * MON#1", ["Mon 05.01. 09:00:00 CET", "Mon 02.02. 09:00:00 CET"]),
        ("@monthly", ["Sun 01.02. 01:00:00 CET", "Sun 01.03. 01:00:00 CET"]),
        ("CRON_TZ=Europe/Berlin @daily", ["Fri 02.01. 00:00:00 CET", "Sat 03.01. 00:00:00 CET"]),
        ("0 0 13 * FRI", ["Fri 02.01. 01:00:00 CET", "Fri 09.01. 01:00:00 CET"]),
        ("0 0 0 13 * FRI", ["Fri 13.02. 01:00:00 CET", "Fri 13.03. 01:00:00 CET"]),
        ("0 0 L * *", ["Sat 31.01. 01:00:00 CET", "Sat 28.02. 01:00:00 CET"]),
    ],
)
def test_a_cron_line_names_times(text: str, expected: list[str]) -> None:
    assert times(text, datetime(2026, 1, 1, 8, 30, tzinfo=UTC), 2) == expected


def test_a_time_of_day_that_does_not_exist_happens_when_the_gap_ends() -> None:
    found = times("CRON_TZ=Europe/Berlin 30 2 * * *", datetime(2026, 3, 28, tzinfo=UTC), 3)

    assert found == ["Sat 28.03. 02:30:00 CET", "Sun 29.03. 03:00:00 CEST", "Mon 30.03. 02:30:00 CEST"]


def test_several_times_of_day_in_a_gap_happen_once() -> None:
    found = times("CRON_TZ=Europe/Berlin */15 2,3 * * *", datetime(2026, 3, 28, 20, tzinfo=UTC), 2)

    assert found == ["Sun 29.03. 03:00:00 CEST", "Sun 29.03. 03:15:00 CEST"]


def test_a_time_of_day_that_exists_twice_happens_the_first_time_only() -> None:
    found = times("CRON_TZ=Europe/Berlin 30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), 2)

    assert found == ["Sun 25.10. 02:30:00 CEST", "Mon 26.10. 02:30:00 CET"]


def test_what_happens_every_hour_goes_on_with_the_time_that_passes() -> None:
    back = times("CRON_TZ=Europe/Berlin 30 * * * *", datetime(2026, 10, 24, 23, 45, tzinfo=UTC), 3)
    forward = times("CRON_TZ=Europe/Berlin 30 * * * *", datetime(2026, 3, 29, 0, 15, tzinfo=UTC), 2)

    assert back == ["Sun 25.10. 02:30:00 CEST", "Sun 25.10. 02:30:00 CET", "Sun 25.10. 03:30:00 CET"]
    assert forward == ["Sun 29.03. 01:30:00 CET", "Sun 29.03. 03:30:00 CEST"]


def test_asked_between_the_two_passes_a_line_does_not_go_back() -> None:
    line = parse_cron("CRON_TZ=Europe/Berlin 0,30 2 * * *")
    second_pass = datetime(2026, 10, 25, 1, 15, tzinfo=UTC)

    assert line.after(second_pass) == datetime(2026, 10, 26, 1, 0, tzinfo=UTC)


def test_a_day_that_a_place_left_out_ends_where_the_next_began() -> None:
    skipped = datetime(2011, 12, 30, 12)  # noqa: DTZ001 - a local time

    assert instant(skipped, ZoneInfo("Pacific/Apia")) == datetime(2011, 12, 30, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "* * * * * * *",
        "61 * * * *",
        "* 24 * * *",
        "0 0 30 2 *",
        "0 0 0 31 2,4 1",
        "@reboot",
        "² * * * *",
        "*/0 * * * *",
        "CRON_TZ=Mars/Base 0 0 * * *",
        "CRON_TZ=../secrets 0 0 * * *",
        "CRON_TZ=Europe 0 0 * * *",
        "CRON_TZ= 0 0 * * *",
        "CRON_TZ=UTC",
        "1" * 300,
    ],
)
def test_what_names_no_times_is_refused(text: str) -> None:
    with pytest.raises(TimerInvalidError) as raised:
        parse_timer("cycle", text)

    assert (raised.value.kind, raised.value.text) == ("cycle", text[:100])


def test_a_cron_cycle_knows_its_time_zone_when_it_goes_on() -> None:
    now = datetime(2026, 3, 27, 12, tzinfo=UTC)

    armed = arm(parse_timer("cycle", "0 9 * * *", time_zone="Europe/Berlin"), now)

    text = "CRON_TZ=Europe/Berlin 0 9 * * *"
    assert armed == Armed(datetime(2026, 3, 28, 8, tzinfo=UTC), None, text)
    assert next_due(text, armed.due_at, None, armed.due_at) == Armed(datetime(2026, 3, 29, 7, tzinfo=UTC), None, text)


def test_a_time_zone_in_the_line_wins() -> None:
    assert parse_cron("CRON_TZ=Europe/Berlin @daily", "America/New_York") == CronLine("0 0 * * *", BERLIN)


def by_hand(line: CronLine, day: datetime) -> list[datetime]:
    """Return the times of a line, with minutes and hours alone, around a change of clocks: minute by minute."""
    minute_field, hour_field, *_ = line.fields.split()
    minutes = {int(part) for part in minute_field.split(",")}
    hours = set(range(24)) if hour_field == "*" else {int(part) for part in hour_field.split(",")}
    found = set()
    for passed in range(3 * 24 * 60):
        moment = day + passed * MINUTE
        local = moment.astimezone(line.zone)
        if local.minute in minutes and local.hour in hours and (hour_field == "*" or local.fold == 0):
            found.add(moment)
        before = (moment - MINUTE).astimezone(line.zone)
        wall, wall_before = local.replace(tzinfo=None), before.replace(tzinfo=None)
        skipped = [wall_before + number * MINUTE for number in range(1, int((wall - wall_before) / MINUTE))]
        if hour_field != "*" and any(wall.minute in minutes and wall.hour in hours for wall in skipped):
            found.add(moment)
    return sorted(found)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(zone, day) for zone, days in CHANGES.items() for day in days]),
    st.sets(st.integers(0, 59), min_size=1, max_size=4),
    st.sets(st.integers(0, 4), min_size=1, max_size=3) | st.none(),
)
def test_a_line_names_the_times_that_a_clock_on_the_wall_shows(
    change: tuple[str, str], minutes: set[int], hours: set[int] | None
) -> None:
    zone, day = change
    minute_field = ",".join(map(str, sorted(minutes)))
    hour_field = "*" if hours is None else ",".join(map(str, sorted(hours)))
    line = parse_cron(f"{minute_field} {hour_field} * * *", zone)
    start = datetime.fromisoformat(f"{day}T00:00:00Z") - timedelta(days=1)

    expected = by_hand(line, start)

    found, moment = [], start - MINUTE / 2
    while (following := line.after(moment)) is not None and following < start + timedelta(days=3):
        found.append(following)
        moment = following
    assert found == expected


@settings(deadline=None)
@given(
    st.sampled_from(["30 2 * * *", "0 */3 * * 1-5", "15,45 0 1 * *", "0 0 12 L * ?", "*/20 * * * *"]),
    st.sampled_from(sorted(CHANGES)),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - as above
)
def test_the_times_of_a_line_rise_and_none_is_left_out(text: str, zone: str, start: datetime) -> None:
    line = parse_cron(text, zone)
    found = [start]
    for _ in range(10):
        following = line.after(found[-1])
        assert following is not None
        found.append(following)

    assert all(earlier < later for earlier, later in pairwise(found))
    middle = found[3] + (found[4] - found[3]) / 2
    assert line.after(middle) == found[4]
