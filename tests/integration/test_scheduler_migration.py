"""Schedules of the older form live on in the newer one, and back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from alembic import command
from clockwork import OPERATOR, cron, every
from sqlalchemy import Engine, make_url, text

from engine import IntervalTrigger, ScheduleDefinition, ScheduleRow, ScheduleStatus
from engine.persistence import Schedules
from storage import FolderObjectStore, Storage
from storage.database import _alembic_config, connect_as_owner
from storage.identifiers import new_id

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
LIMITED = ScheduleDefinition(trigger=IntervalTrigger(every="PT1H", repetitions=3))
OLDER = "select interval_seconds, is_active, missed_fires, next_fire_at, due_at from schedule order by interval_seconds"


@pytest.fixture(name="database")
def empty_database(cluster_url: str) -> Iterator[Engine]:
    name = f"empty_{uuid4().hex}"
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"'.encode())
    engine = connect_as_owner(make_url(cluster_url).set(database=name).render_as_string(hide_password=False))
    yield engine
    engine.dispose()


def move(database: Engine, revision: str, *, up: bool) -> None:
    with database.begin() as connection:
        config = _alembic_config()
        config.attributes["connection"] = connection
        (command.upgrade if up else command.downgrade)(config, revision)


def insert_older(database: Engine, interval_seconds: float, *, is_active: bool) -> None:
    statement = text(
        "insert into schedule (schedule_id, tenant_id, process_id, variables, interval_seconds, missed_fires,"
        " next_fire_at, due_at, started_by, is_active)"
        " values (:id, 'north', 'nightly', '{}', :seconds, 'once', :next, :next, cast(:by as jsonb), :active)"
    )
    parameters = {
        "id": new_id(),
        "seconds": interval_seconds,
        "next": MIDNIGHT,
        "by": OPERATOR.model_dump_json(),
        "active": is_active,
    }
    with database.begin() as connection:
        connection.execute(statement, parameters)


def schedules(database: Engine, folder: Path) -> list[ScheduleRow]:
    with Storage(database, FolderObjectStore(folder)).transaction() as work:
        return Schedules(work).of_tenant("north")


def test_a_schedule_of_fixed_intervals_keeps_its_grid_of_times(database: Engine, tmp_path: Path) -> None:
    move(database, "0003", up=True)
    insert_older(database, 86_400, is_active=True)
    insert_older(database, 1.5, is_active=False)

    move(database, "0004", up=True)

    active, ended = schedules(database, tmp_path)
    assert active.definition == every("PT86400S", MIDNIGHT)
    assert (active.status, active.next_fire_at, active.due_at) == (ScheduleStatus.ACTIVE, MIDNIGHT, MIDNIGHT)
    assert active.definition.fire_after(MIDNIGHT, active.anchor_at) == MIDNIGHT + timedelta(days=1)
    assert (ended.definition, ended.status, ended.next_fire_at) == (
        every("PT1.5S", MIDNIGHT),
        ScheduleStatus.ENDED,
        None,
    )


def test_back_and_forth_loses_what_the_older_form_cannot_say_and_nothing_else(database: Engine, tmp_path: Path) -> None:
    move(database, "0003", up=True)
    insert_older(database, 3_600, is_active=True)
    insert_older(database, 7_200, is_active=False)
    move(database, "0004", up=True)
    with Storage(database, FolderObjectStore(tmp_path)).transaction() as work:
        for definition in (every("P1DT12H"), every("P1M"), LIMITED, cron("@daily")):
            row = ScheduleRow(
                schedule_id=new_id(),
                tenant_id="north",
                process_id="nightly",
                variables={},
                definition=definition,
                anchor_at=MIDNIGHT,
                next_fire_at=MIDNIGHT,
                due_at=MIDNIGHT,
                started_by=OPERATOR,
            )
            Schedules(work).insert(row)

    move(database, "0003", up=False)

    with database.connect() as connection:
        older = [tuple(row) for row in connection.execute(text(OLDER))]
    assert older == [
        (3_600, True, "once", MIDNIGHT, MIDNIGHT),
        (7_200, False, "once", MIDNIGHT, MIDNIGHT),
        (129_600, True, "once", MIDNIGHT, MIDNIGHT),
    ]
    move(database, "0004", up=True)
    assert [row.definition for row in schedules(database, tmp_path)] == [
        every("PT3600S", MIDNIGHT),
        every("PT7200S", MIDNIGHT),
        every("PT129600S", MIDNIGHT),
    ]
