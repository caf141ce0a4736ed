"""What a deployment needs from time to time: done by one process at a time, whatever fails meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from database_owner import as_owner
from sqlalchemy import Connection, make_url, text

from storage import Storage
from storage.errors import DatabaseUnavailableError, MetricMonthMissingError
from storage.identifiers import new_id
from storage.objects.links import LinkedObject, Links
from storage.objects.retention import RetentionPolicy
from storage.stores import MetricMaintenance, MetricPoint, MetricRetention, MetricSeries, Resolution, TimeseriesStore
from storage.upkeep import Chore, Upkeep, UpkeepPolicy, UpkeepRound, chores

ENTITY = UUID(int=1)
NOW = datetime.now(UTC)
EVERY_DEPLOYMENT = (
    "make_metric_months", "roll_up_metrics", "index_vectors", "forget_download_links", "erase_measures_of_deleted",
)  # fmt: skip


END_THE_SESSION = """
    select pg_terminate_backend(pid, 5000) from pg_locks
    where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())
"""  # of no other database: the server is shared with whatever test runs at the same time


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Recorder:
    """A chore that fails so many times."""

    failures: int = 0
    times: list[datetime] = field(default_factory=list)

    def __call__(self, connection: Connection, now: datetime) -> int:
        self.times.append(now)
        if len(self.times) <= self.failures:
            connection.execute(text("select 1 / 0"))
        return 1


MakeUpkeep = Callable[..., Upkeep]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def upkeep_of(database_url: str, clock: Clock) -> Iterator[MakeUpkeep]:
    made: list[Upkeep] = []

    def make(*own: Chore, retention: MetricRetention | None = None) -> Upkeep:
        policy = UpkeepPolicy(every_seconds=0, retry_seconds=0, lock_seconds=0.1)
        made.append(Upkeep(database_url, own or chores(retention, RetentionPolicy()), clock, policy))
        return made[-1]

    yield make
    for each in made:
        each.resign()


def record(storage: Storage, at: datetime) -> None:
    with storage.transaction() as work:
        point = MetricPoint(entity_id=ENTITY, metric_name="loss", at=at, value=1.0)
        TimeseriesStore(work.connection, "north").record(point)


def count(storage: Storage, table: str) -> int:
    with as_owner(storage) as connection:
        number: int = connection.execute(text(f"select count(*) from {table}")).scalar_one()
        return number


def test_a_deployment_that_runs_for_half_a_year_still_takes_points(
    storage: Storage, upkeep_of: MakeUpkeep, clock: Clock
) -> None:
    later = NOW + timedelta(days=180)
    with pytest.raises(MetricMonthMissingError):
        record(storage, later)

    upkeep = upkeep_of()
    for days in range(0, 181, 60):
        clock.now = NOW + timedelta(days=days)
        assert upkeep.do_round() == UpkeepRound(done=EVERY_DEPLOYMENT, failed=())

    record(storage, later)


def test_many_points_are_rolled_up_on_several_transactions_each_of_them_short(
    storage: Storage, upkeep_of: MakeUpkeep
) -> None:
    for hours in range(5):
        record(storage, NOW + timedelta(hours=hours))
    began: list[int] = []

    def roll_up(connection: Connection, _now: datetime) -> int:
        began.append(connection.execute(text("select pg_current_xact_id()::text::bigint")).scalar_one())
        changes = MetricMaintenance(connection).roll_up(most=4)
        assert changes <= 4
        return changes

    assert upkeep_of(Chore("roll_up", roll_up, at_a_time=4)).do_round() == UpkeepRound(done=("roll_up",), failed=())

    assert len(set(began)) == len(began) >= 4
    assert count(storage, "metric_change") == 0
    assert [chore.name for chore in chores(None, RetentionPolicy()) if chore.at_a_time < 100_000] == ["roll_up_metrics"]


def test_points_are_rolled_up_and_kept_where_no_retention_is_configured(
    storage: Storage, upkeep_of: MakeUpkeep, clock: Clock
) -> None:
    record(storage, NOW)
    clock.now = NOW + timedelta(days=400)

    upkeep_of().do_round()

    assert (count(storage, "metric_point"), count(storage, "metric_rollup")) == (1, len(Resolution))
    assert count(storage, "metric_change") == 0


def test_points_that_have_had_their_time_go_and_their_roll_ups_stay(
    storage: Storage, upkeep_of: MakeUpkeep, clock: Clock
) -> None:
    record(storage, NOW)
    clock.now = NOW + timedelta(days=120)

    finished = upkeep_of(retention=MetricRetention(points=30)).do_round()

    assert finished == UpkeepRound(done=(*EVERY_DEPLOYMENT, "retain_metrics"), failed=())
    assert count(storage, "metric_point") == 0
    series = MetricSeries(entity_id=ENTITY, metric_name="loss", begin=NOW - timedelta(1), end=NOW + timedelta(1))
    with storage.transaction() as work:
        (day,) = TimeseriesStore(work.connection, "north").rollups(series, Resolution.DAY)
    assert (day.count, day.sum) == (1, 1.0)


def test_links_that_have_expired_are_forgotten_and_others_are_not(storage: Storage, upkeep_of: MakeUpkeep) -> None:
    linked = LinkedObject(tenant_id="north", uri="sha256/aa", issued_to="ada")
    with as_owner(storage) as connection:
        Links(connection).add("expired", linked, 60)
        connection.execute(text("update object_link set expires_at = engine_now() - interval '25 hours'"))
    with storage.transaction() as work:
        work.connection.execute(
            text(
                "insert into object_link (token_sha256, tenant_id, uri, issued_to, expires_at)"
                " values ('\\x00', 'north', 'sha256/bb', 'ada', engine_now() + interval '1 hour')"
            )
        )

    upkeep_of().do_round()

    with as_owner(storage) as connection:
        assert connection.execute(text("select uri from object_link")).scalars().all() == ["sha256/bb"]


def test_of_two_one_does_the_chores_and_the_other_takes_over_when_it_resigns(upkeep_of: MakeUpkeep) -> None:
    first_did, second_did = Recorder(), Recorder()
    first, second = upkeep_of(Chore("chore", first_did)), upkeep_of(Chore("chore", second_did))

    assert [first.do_round(), second.do_round(), first.do_round()] == [
        UpkeepRound(("chore",), ()),
        None,
        UpkeepRound(("chore",), ()),
    ]
    first.resign()
    assert [second.do_round(), first.do_round()] == [UpkeepRound(("chore",), ()), None]
    assert (len(first_did.times), len(second_did.times)) == (2, 1)


def test_a_login_that_owns_nothing_leaves_upkeep_to_one_that_does(
    storage: Storage, database_url: str, upkeep_of: MakeUpkeep, clock: Clock
) -> None:
    with as_owner(storage) as connection:
        name = f"guest_{new_id().hex}"
        connection.execute(text(f"create role {name} login in role ami_application"))
    url = make_url(database_url).set(username=name, password=None).render_as_string(hide_password=False)
    guest = Upkeep(url, [Chore("chore", Recorder())], clock, UpkeepPolicy())

    assert [guest.do_round(), upkeep_of(Chore("chore", Recorder())).do_round()] == [None, UpkeepRound(("chore",), ())]

    with as_owner(storage) as connection:
        connection.execute(text(f"drop role {name}"))


def test_whoever_has_lost_the_session_does_nothing_more_beside_the_next_leader(
    storage: Storage, upkeep_of: MakeUpkeep
) -> None:
    first_did, second_did = Recorder(), Recorder()
    first, second = upkeep_of(Chore("chore", first_did)), upkeep_of(Chore("chore", second_did))
    first.do_round()
    with as_owner(storage) as connection:
        connection.execute(text(END_THE_SESSION))

    assert second.do_round() == UpkeepRound(("chore",), ())
    assert [first.do_round(), first.do_round()] == [UpkeepRound((), ("chore",)), None]
    assert (len(first_did.times), len(second_did.times)) == (1, 1)


def test_a_chore_that_fails_leaves_nothing_stops_no_other_and_is_done_in_the_next_round(
    storage: Storage, upkeep_of: MakeUpkeep
) -> None:
    def make_a_month_and_fail(connection: Connection, _now: datetime) -> int:
        MetricMaintenance(connection).create_partitions(date(2001, 1, 1), date(2001, 1, 1))
        return failing(connection, NOW)

    failing, sound = Recorder(failures=1), Recorder()
    upkeep = upkeep_of(Chore("failing", make_a_month_and_fail), Chore("sound", sound))

    assert upkeep.do_round() == UpkeepRound(done=("sound",), failed=("failing",))
    with as_owner(storage) as connection:
        assert MetricMaintenance(connection).partitions()[0].begin > datetime(2001, 2, 1, tzinfo=UTC)
    assert upkeep.do_round() == UpkeepRound(done=("failing", "sound"), failed=())


def test_a_chore_does_not_wait_for_long_for_a_table_that_is_in_use(storage: Storage, upkeep_of: MakeUpkeep) -> None:
    with as_owner(storage) as connection:
        connection.execute(text("lock table metric_change in access exclusive mode"))
        finished = upkeep_of().do_round()

    assert finished is not None
    assert finished.failed == ("roll_up_metrics",)


def test_it_runs_through_failures_until_it_is_stopped_and_then_lets_others_lead(upkeep_of: MakeUpkeep) -> None:
    recorder = Recorder(failures=3)

    def stop_once_done(connection: Connection, now: datetime) -> int:
        changes = recorder(connection, now)
        upkeep.stop()
        return changes

    upkeep = upkeep_of(Chore("chore", stop_once_done))
    upkeep.run()

    assert len(recorder.times) == 4
    assert upkeep_of(Chore("chore", Recorder())).do_round() == UpkeepRound(("chore",), ())


def test_a_database_that_is_away_is_reported(clock: Clock) -> None:
    away = Upkeep("postgresql://127.0.0.1:1/none", [Chore("chore", Recorder())], clock, UpkeepPolicy())
    with pytest.raises(DatabaseUnavailableError):
        away.do_round()
