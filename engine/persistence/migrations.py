"""Rows of an instance that goes over to another version of its diagram."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from engine.persistence.instances import InstanceRow
from storage import UnitOfWork
from storage.json_documents import jsonb_text
from storage.sql import Queries

_QUERIES = Queries(Path(__file__).with_name("migrations.sql"))
_RENAMING = (
    "migrate_jobs",
    "migrate_timers",
    "migrate_subscriptions",
    "migrate_incidents",
    "migrate_user_tasks",
    "migrate_exclusions",
    "migrate_tasks",
)


def write_migration(work: UnitOfWork, row: InstanceRow, renamed: Mapping[str, str]) -> None:
    """Write a locked instance's new definition, and rename its elements in everything that waits; the version grows.

    Args:
        work: Holds the lock of the instance.
        row: The instance as it is to be.
        renamed: Old element id to new, of the process itself; those of called processes stay.
    """
    pinned: dict[str, str] = {process_id: str(ref_id) for process_id, ref_id in row.pinned_definitions.items()}
    instance: dict[str, UUID | str] = {
        "process_instance_id": row.process_instance_id,
        "process_definition_id": row.process_definition_id,
        "pinned_definitions": jsonb_text(pinned, model="process instance"),
        "start_event_id": row.start_event_id,
    }
    _QUERIES.execute(work.connection, "migrate_instance", instance)
    if renamed:
        parameters = {
            "process_instance_id": row.process_instance_id,
            "process_id": row.process_id,
            "renamed": jsonb_text(dict(renamed), model="migration"),
        }
        for name in _RENAMING:
            _QUERIES.execute(work.connection, name, parameters)
