"""Erasing what was measured of deleted records, once what they named need not be retained any longer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from storage.objects.retention import RetentionPolicy
from storage.sql import Queries
from storage.stores import MetricMaintenance

_QUERIES = Queries(Path(__file__).with_name("erasure.sql"))
_RECORDS_AT_A_TIME = 1_000


def erase_measures_of_deleted(connection: Connection, policy: RetentionPolicy, now: datetime) -> int:
    """Erase points and roll-ups of records whose retention is over; return how many points and roll-ups there were.

    On one transaction of the tables' owner. Doing it again erases what has come due since.
    """
    MetricMaintenance(connection).lock()
    _QUERIES.rows(connection, "lock_removals")
    kinds = _QUERIES.rows(connection, "tombstones")
    return sum(_erase(connection, policy, row.model, row.data_classification, now) for row in kinds)


def _erase(connection: Connection, policy: RetentionPolicy, model: str, classification: str, now: datetime) -> int:
    asked = {
        "model": model,
        "data_classification": classification,
        "deleted_until": policy.retained_since(model, classification, now),
        "now": now,
        "limit": _RECORDS_AT_A_TIME,
    }
    erased = 0
    while (found := _QUERIES.rows(connection, "erase_measures", asked)[0]).records:
        erased += found.erased
    return erased
