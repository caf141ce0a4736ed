"""What the database refuses is told by its code: to try again, to make room, to ask for less, or a fault of our own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from database_owner import as_owner
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError

from storage import Storage, UnitOfWork
from storage.database import connect
from storage.errors import (
    DatabaseBusyError,
    DatabaseExhaustedError,
    DatabaseLimitError,
    DatabaseUnavailableError,
    StorageError,
)
from storage.objects import FolderObjectStore


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url, pool_size=2)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("sqlstate", "kind", "code"),
    [
        ("40001", DatabaseBusyError, "DATABASE_BUSY"),
        ("40P01", DatabaseBusyError, "DATABASE_BUSY"),
        ("55P03", DatabaseBusyError, "DATABASE_BUSY"),
        ("57014", DatabaseBusyError, "DATABASE_BUSY"),
        ("53100", DatabaseExhaustedError, "DATABASE_EXHAUSTED"),
        ("53200", DatabaseExhaustedError, "DATABASE_EXHAUSTED"),
        ("53300", DatabaseExhaustedError, "DATABASE_EXHAUSTED"),
        ("53400", DatabaseExhaustedError, "DATABASE_EXHAUSTED"),
        ("54000", DatabaseLimitError, "DATABASE_LIMIT_EXCEEDED"),
        ("57P01", DatabaseUnavailableError, "DATABASE_UNAVAILABLE"),
        ("57P03", DatabaseUnavailableError, "DATABASE_UNAVAILABLE"),
        ("58030", DatabaseUnavailableError, "DATABASE_UNAVAILABLE"),
        ("08006", DatabaseUnavailableError, "DATABASE_UNAVAILABLE"),
    ],
)
def test_what_the_server_refuses_is_told_by_its_code(
    storage: Storage, sqlstate: str, kind: type[StorageError], code: str
) -> None:
    with pytest.raises(StorageError) as raised, storage.transaction() as work:
        work.connection.execute(text(f"do $$ begin raise exception 'no' using errcode = '{sqlstate}'; end $$"))

    assert (type(raised.value), raised.value.code) == (kind, code)
    assert raised.value.retryable == (kind is not DatabaseLimitError)


@pytest.mark.parametrize("sqlstate", ["55000", "23514", "P0001"])
def test_what_is_about_the_statement_itself_is_no_outage(storage: Storage, sqlstate: str) -> None:
    with pytest.raises(DBAPIError), storage.transaction() as work:
        work.connection.execute(text(f"do $$ begin raise exception 'no' using errcode = '{sqlstate}'; end $$"))


def test_a_session_that_the_server_ended_is_an_outage(storage: Storage) -> None:
    with pytest.raises(DatabaseUnavailableError) as raised, storage.transaction() as work:
        _end_session(storage, work)

    assert type(raised.value) is DatabaseUnavailableError


def _end_session(storage: Storage, work: UnitOfWork) -> None:
    process_id = work.connection.execute(text("select pg_backend_pid()")).scalar_one()
    with as_owner(storage) as another:
        another.execute(text("select pg_terminate_backend(:id)"), {"id": process_id})
    work.connection.execute(text("select 1"))


@pytest.mark.parametrize("statement", ["select length(repeat('x', 2000000000))", f"select {'+'.join(['1'] * 200_000)}"])
def test_a_statement_that_asks_for_too_much_is_not_worth_repeating(storage: Storage, statement: str) -> None:
    with pytest.raises(DatabaseLimitError), storage.transaction() as work:
        work.connection.execute(text(statement))


def test_more_values_than_a_statement_can_carry_are_not_a_lost_connection(storage: Storage) -> None:
    names = [f"v{number}" for number in range(70_000)]
    with pytest.raises(DatabaseLimitError), storage.transaction() as work:
        work.connection.execute(
            text(f"select {','.join(f'cast(:{name} as integer)' for name in names)}"), dict.fromkeys(names, 1)
        )


def test_of_two_transactions_in_a_deadlock_one_is_told_to_try_again(storage: Storage) -> None:
    both_hold, outcomes = threading.Barrier(2, timeout=20), list[object]()

    def take(first: int, second: int) -> None:
        try:
            with storage.transaction() as work:
                work.connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": first})
                both_hold.wait()
                work.connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": second})
            outcomes.append("committed")
        except DatabaseBusyError as error:
            outcomes.append(error.sqlstate)

    threads = [threading.Thread(target=take, args=keys, daemon=True) for keys in ((71, 72), (72, 71))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert sorted(map(str, outcomes)) == ["40P01", "committed"]


def test_a_pool_without_a_free_connection_is_an_outage(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    engine.pool._timeout = 0.0  # type: ignore[attr-defined]
    crowded = Storage(engine, FolderObjectStore(tmp_path_factory.mktemp("objects")))
    held = [engine.connect() for _ in range(4)]

    with pytest.raises(DatabaseUnavailableError) as raised, crowded.transaction():
        pass

    assert raised.value.reason == "no connection became free"
    for connection in held:
        connection.close()


def test_a_server_that_is_gone_is_an_outage_when_a_connection_is_made(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = create_engine(f"postgresql+psycopg:///postgres?host={tmp_path_factory.mktemp('nobody')}")
    with (
        pytest.raises(DatabaseUnavailableError) as raised,
        Storage(nowhere, FolderObjectStore(tmp_path_factory.mktemp("objects"))).transaction(),
    ):
        pass

    assert raised.value.reason == "no connection could be made"
