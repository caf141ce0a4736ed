"""What keeps a record from being deleted: a legal hold on it or on an object that it names, or a model in service.

A hold keeps objects whatever becomes of the records that name them; but what is held without its record nobody finds.
"""

from __future__ import annotations

from sqlalchemy import Connection

from storage.errors import RecordHeldError, RecordInProductionError
from storage.models import StorageModel
from storage.objects.keys import mentioned_uris

_WHAT_KEEPS = (
    "select reason, id, name, number from what_keeps_record(%(tenant)s, %(id)s, %(model)s, cast(%(uris)s as text[]))"
)


def require_deletable(connection: Connection, record: StorageModel) -> None:
    """Return if nothing keeps the record; until the transaction ends, nobody places a hold on it.

    Raises:
        RecordHeldError: A legal hold is in force.
        RecordInProductionError: A model in service came of it.
    """
    asked = {
        "tenant": record.tenant_id,
        "id": record.id,
        "model": type(record).__name__,
        "uris": sorted(mentioned_uris(record.model_dump_json())),
    }
    keeping = connection.exec_driver_sql(_WHAT_KEEPS, asked).all()
    if not keeping:
        return
    model, first = type(record).__name__, keeping[0]
    if first.reason == "hold":
        raise RecordHeldError(model=model, record_id=record.id, hold_id=first.id, placed_by=first.name)
    raise RecordInProductionError(
        model=model, record_id=record.id, served_model=first.name, served_version=first.number
    )
