"""Writing metric snapshots: points in time without documents, one or a thousand in one statement."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pydantic import TypeAdapter
from pydantic_core import to_json
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from storage.audit import AuditEntry, make_leaf
from storage.errors import MetricMonthMissingError
from storage.json_documents import jsonb_text
from storage.models import MetricSnapshot, ProcessObservation
from storage.security import SecurityContext

_RECORD = "select record_metrics(%(tenant)s, %(points)s::json, %(observations)s::jsonb, %(leaves)s::jsonb)"
_OF_A_POINT = {"entity_id", "metric_name", "timestamp", "step", "value", "threshold", "breach_state", "source"}
_SNAPSHOTS = TypeAdapter(tuple[MetricSnapshot, ...])


def record_points(
    connection: Connection,
    snapshots: Sequence[MetricSnapshot],
    observation: ProcessObservation,
    *,
    context: SecurityContext,
) -> None:
    """Write points with one audit leaf and one observation for all; of equal points the first is kept.

    Raises:
        RecordTextError: A text that the database cannot hold.
        MetricMonthMissingError: Points of a time that the store does not hold (yet, or any more).
    """
    points = _dumped(snapshots)
    leaf = make_leaf(_entry(snapshots, points), context=context)
    beside = {"observations": f"[{observation.model_dump_json()}]", "leaves": to_json([leaf.as_row()]).decode()}
    _write(connection, snapshots, {"tenant": context.tenant_id, "points": points, **beside})


def place_points(connection: Connection, tenant_id: str, snapshots: Sequence[MetricSnapshot]) -> None:
    """Write points that a record says by itself, whose leaf and observation tell of them; otherwise as `record_points`.

    Raises:
        RecordTextError, MetricMonthMissingError: As `record_points`.
    """
    beside = {"observations": "[]", "leaves": "[]"}
    _write(connection, snapshots, {"tenant": tenant_id, "points": _dumped(snapshots), **beside})


def _dumped(snapshots: Sequence[MetricSnapshot]) -> str:
    points = _SNAPSHOTS.dump_json(tuple(snapshots), include={"__all__": _OF_A_POINT}).decode()
    if "\\u0000" in points:
        jsonb_text([snapshot.model_dump() for snapshot in snapshots], model="MetricSnapshot")
    return points


def _write(connection: Connection, snapshots: Sequence[MetricSnapshot], parameters: dict[str, str]) -> None:
    try:
        connection.exec_driver_sql(_RECORD, parameters)
    except IntegrityError as error:
        moments = [snapshot.timestamp for snapshot in snapshots]
        raise MetricMonthMissingError(begin=min(moments), end=max(moments)) from error


def _entry(snapshots: Sequence[MetricSnapshot], points: str) -> AuditEntry:
    digest = hashlib.sha256(points.encode()).hexdigest()
    return AuditEntry(
        action="storage.create",
        subject=f"MetricSnapshot/{snapshots[0].entity_id}",
        details={"count": len(snapshots), "points_sha256": digest},
    )
