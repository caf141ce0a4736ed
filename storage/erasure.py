"""Erasing what was measured of deleted records, once what they named need not be retained any longer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from storage.objects.retention import RetentionPolicy
from storage.sql import Queries
from storage.stores import MetricMaintenance

_QUERIES = Queries(Path(__file__).with_name("erasure.sql"))
_RECORDS_AT_A_TIME, _RECORDS_A_TRANSACTION = 1_000, 10_000


def erase_measures_of_deleted(
    connection: Connection, policy: RetentionPolicy, now: datetime, *, most: int = _RECORDS_A_TRANSACTION
) -> int:
    """Erase points and roll-ups of records whose retention is over; return how many points and roll-ups there were.

    On one transaction of the tables' owner. Doing it again erases what has come due since, and what is left over.

    Args:
        connection: The transaction, for whose length nobody places a hold and no later leaf of the audit trail is
            sealed.
        policy: How long what belongs to deleted records is kept.
        now: Aware.
        most: Of so many records.
    """
    MetricMaintenance(connection).lock()
    _QUERIES.rows(connection, "lock_removals")
    erased = 0
    for kind in _QUERIES.rows(connection, "tombstones"):
        due = {
            "model": kind.model,
            "data_classification": kind.data_classification,
            "deleted_until": policy.retained_since(kind.model, kind.data_classification, now),
            "now": now,
        }
        while limit := min(_RECORDS_AT_A_TIME, most):
            (found,) = _QUERIES.rows(connection, "erase_measures", {**due, "limit": limit})
            erased, most = erased + found.erased, most - found.records
            if found.records < limit:
                break
    return erased
