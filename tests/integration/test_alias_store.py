"""Aliases of models: what they named at any time, what was believed of it, and one version at each moment."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage import Storage
from storage.stores import AliasName, AliasPeriod, AliasStore, Cause

IRIS = AliasName("iris")
DAWN = datetime(2026, 1, 1, tzinfo=UTC)
ADA = Cause(set_by="ada")
GRACE = Cause(set_by="grace", reason="The labels were wrong.", process_instance_id=UUID(int=99))
ONE, TWO = UUID(int=1), UUID(int=2)


def hour(number: int) -> datetime:
    return DAWN + timedelta(hours=number)


def spans(periods: tuple[AliasPeriod, ...]) -> list[tuple[UUID, datetime, datetime | None]]:
    return [(period.model_artifact_id, period.valid_from, period.valid_to) for period in periods]


@pytest.fixture
def connection(storage: Storage) -> Iterator[Connection]:
    with storage.transaction() as work:
        yield work.connection


@pytest.fixture
def aliases(connection: Connection) -> AliasStore:
    return AliasStore(connection, "north")


def test_an_alias_names_the_version_that_it_was_given_until_it_is_given_another(aliases: AliasStore) -> None:
    assert aliases.current(IRIS) is None

    (first,) = aliases.assign(IRIS, ONE, ADA)
    (_, second) = aliases.assign(IRIS, TWO, GRACE)

    assert aliases.current(IRIS) == second
    assert (second.model_artifact_id, second.cause, second.valid_to) == (TWO, GRACE, None)
    assert spans(aliases.history(IRIS)) == [
        (ONE, first.valid_from, second.valid_from),
        (TWO, second.valid_from, None),
    ]
    assert [period.cause for period in aliases.history(IRIS)] == [ADA, GRACE]


def test_an_alias_that_is_withdrawn_names_nothing_from_then_on(aliases: AliasStore) -> None:
    (given_to_one,) = aliases.assign(IRIS, ONE, ADA)
    (ended,) = aliases.assign(IRIS, None, GRACE)

    assert aliases.current(IRIS) is None
    assert aliases.at(IRIS, given_to_one.valid_from) == ended
    assert ended.valid_to == ended.recorded_at


def test_saying_what_is_believed_already_changes_nothing(aliases: AliasStore) -> None:
    aliases.assign(IRIS, ONE, ADA)

    assert aliases.assign(IRIS, ONE, GRACE) == ()
    assert aliases.assign(AliasName("iris", "challenger"), None, GRACE) == ()
    assert len(aliases.history(IRIS, ever_believed=True)) == 1


def test_a_correction_is_known_from_then_on_and_what_was_known_before_stays(aliases: AliasStore) -> None:
    (believed,) = aliases.assign(IRIS, ONE, ADA, since=hour(0))
    (before, corrected, after) = aliases.assign(IRIS, TWO, GRACE, since=hour(2), until=hour(4))

    assert spans((before, corrected, after)) == [(ONE, hour(0), hour(2)), (TWO, hour(2), hour(4)), (ONE, hour(4), None)]
    as_it_was, as_it_was_known = aliases.at(IRIS, hour(3)), aliases.at(IRIS, hour(3), known_at=believed.recorded_at)
    assert (as_it_was, aliases.at(IRIS, hour(4)), aliases.at(IRIS, hour(-1))) == (corrected, after, None)
    assert as_it_was_known == believed.model_copy(update={"superseded_at": corrected.recorded_at})
    assert aliases.at(IRIS, hour(3), known_at=believed.recorded_at - timedelta(microseconds=1)) is None


def test_aliases_and_tenants_do_not_disturb_each_other(connection: Connection, aliases: AliasStore) -> None:
    other, south = AliasName("iris", "challenger"), AliasStore(connection, "south")
    (mine,) = aliases.assign(IRIS, ONE, ADA)
    (challenger,) = aliases.assign(other, TWO, ADA)
    (theirs,) = south.assign(IRIS, TWO, ADA)

    assert (aliases.current(IRIS), aliases.current(other), south.current(IRIS)) == (mine, challenger, theirs)
    assert aliases.of_versions(ONE, TWO) == (challenger, mine)


def test_changes_at_the_same_moment_follow_one_another(storage: Storage) -> None:
    def assign(number: int) -> None:
        with storage.transaction() as work:
            AliasStore(work.connection, "north").assign(IRIS, UUID(int=number), ADA)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(assign, range(1, 19)))

    with storage.transaction() as work:
        periods = AliasStore(work.connection, "north").history(IRIS)
    assert sorted(period.model_artifact_id.int for period in periods) == list(range(1, 19))
    assert [period.valid_to for period in periods] == [*(period.valid_from for period in periods[1:]), None]


@pytest.mark.parametrize(
    "statement",
    [
        "update model_alias set model_artifact_id = gen_random_uuid()",
        "update model_alias set recorded = tstzrange(lower(recorded) - interval '1 day', null)",
        "delete from model_alias",
        "truncate model_alias",
    ],
)
def test_the_history_of_an_alias_is_not_rewritten(connection: Connection, aliases: AliasStore, statement: str) -> None:
    aliases.assign(IRIS, ONE, ADA)

    with pytest.raises(DBAPIError):
        connection.execute(text(statement))


def test_a_belief_that_has_ended_is_not_taken_up_again(connection: Connection, aliases: AliasStore) -> None:
    aliases.assign(IRIS, ONE, ADA)
    aliases.assign(IRIS, None, ADA)

    with pytest.raises(DBAPIError):
        connection.execute(text("update model_alias set recorded = tstzrange(lower(recorded), null)"))


def test_the_database_lets_no_alias_name_two_versions_at_one_moment(
    connection: Connection, aliases: AliasStore
) -> None:
    aliases.assign(IRIS, ONE, ADA, since=hour(1), until=hour(3))
    insert = text("""
        insert into model_alias
            (alias_period_id, tenant_id, model_name, alias, model_artifact_id, valid, recorded, set_by)
        values (gen_random_uuid(), 'north', 'iris', 'production', gen_random_uuid(), tstzrange(:begin, null),
            tstzrange(now(), null), 'mallory')
    """)

    connection.execute(insert, {"begin": hour(3)})
    with pytest.raises(IntegrityError):
        connection.execute(insert, {"begin": hour(2)})


STATEMENTS = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 5) | st.none(), st.sampled_from([ONE, TWO, None])), max_size=6
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=STATEMENTS)
def test_an_alias_named_what_was_said_last_of_each_moment_at_each_time(
    connection: Connection, statements: list[tuple[int, int | None, UUID | None]]
) -> None:
    nested = connection.begin_nested()
    aliases = AliasStore(connection, "north")
    said: list[tuple[int, int | None, UUID | None]] = []
    believed_at: list[tuple[datetime, list[UUID | None]]] = []
    for begin, length, version in statements:
        aliases.assign(IRIS, version, ADA, since=hour(begin), until=length and hour(begin + length))
        said.append((begin, length and begin + length, version))
        moment = connection.execute(text("select clock_timestamp()")).scalar_one()
        believed_at.append((moment, [named_at(said, number) for number in range(-1, 15)]))
    answers = [[version_at(aliases, hour(number), known_at) for number in range(-1, 15)] for known_at, _ in believed_at]
    now = [version_at(aliases, hour(number), None) for number in range(-1, 15)]
    nested.rollback()

    assert answers == [believed for _, believed in believed_at]
    assert now == [named_at(said, number) for number in range(-1, 15)]


def named_at(said: list[tuple[int, int | None, UUID | None]], number: int) -> UUID | None:
    fitting = (version for begin, end, version in reversed(said) if begin <= number and (end is None or number < end))
    return next(fitting, None)


def version_at(aliases: AliasStore, valid_at: datetime, known_at: datetime | None) -> UUID | None:
    period = aliases.at(IRIS, valid_at, known_at=known_at)
    return None if period is None else period.model_artifact_id
