"""Which version of a model an alias names, named at any time, and was believed to name at any time before.

Nothing is overwritten: a change ends what was believed and writes what is believed instead, in one transaction. A
constraint of the database lets no alias name two versions at one moment.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from storage.identifiers import new_id
from storage.json_documents import jsonb_text
from storage.sql import Queries
from storage.stores.alias_periods import AliasName, AliasPeriod, Cause, Planned, Window, revise
from storage.tenants import enter_tenant

_QUERIES = Queries(Path(__file__).with_name("aliases.sql"))


class AliasStore:
    """The aliases of one tenant on one transaction."""

    def __init__(self, connection: Connection, tenant_id: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def assign(
        self,
        name: AliasName,
        model_artifact_id: UUID | None,
        cause: Cause,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[AliasPeriod, ...]:
        """Let an alias name a version, or none, from `since` (now) until `until` (for good).

        Changes of one alias follow one another: the second waits for the first one's transaction.

        Returns:
            What is believed from now on that was not before; empty where it says what was believed already.

        Raises:
            RecordTextError: A text that the database cannot hold.
        """
        enter_tenant(self._connection, self._tenant_id)
        key = self._key(name)
        lock = f"alias:{self._tenant_id}:{name.model_name}:{name.alias}"
        _QUERIES.rows(self._connection, "lock_alias", {"key": lock})
        rows = _QUERIES.rows(self._connection, "believed_periods", key)
        moment: datetime = rows[0].moment
        believed = [_period(row) for row in rows if row.alias_period_id is not None]
        revision = revise(believed, Window(since or moment, until), model_artifact_id, cause)
        ended = {"tenant_id": self._tenant_id, "moment": moment, "period_ids": list(revision.superseded)}
        if revision.superseded:
            _QUERIES.execute(self._connection, "cease_to_believe", ended)
        return self._believe(name, moment, revision.added)

    def at(self, name: AliasName, valid_at: datetime, *, known_at: datetime | None = None) -> AliasPeriod | None:
        """Return which version the alias named at a moment, as it is known now, or was known at another moment."""
        found = self._periods(name, valid_at=valid_at, known_at=known_at)
        return found[0] if found else None

    def current(self, name: AliasName) -> AliasPeriod | None:
        """Return which version the alias names now."""
        enter_tenant(self._connection, self._tenant_id)
        rows = _QUERIES.rows(self._connection, "believed_periods", self._key(name))
        periods = [_period(row) for row in rows if row.alias_period_id is not None]
        return next((period for period in periods if period.valid.contains(rows[0].moment)), None)

    def history(
        self, name: AliasName, *, known_at: datetime | None = None, ever_believed: bool = False
    ) -> tuple[AliasPeriod, ...]:
        """Return the periods of an alias, the earliest first, as they are known now or were known at a moment.

        Args:
            name: The alias.
            known_at: As the platform knew them then.
            ever_believed: Also what is believed no longer.
        """
        return self._periods(name, known_at=known_at, ever_believed=ever_believed)

    def all_at(self, alias: str, valid_at: datetime, *, known_at: datetime | None = None) -> tuple[AliasPeriod, ...]:
        """Return what the alias named at a moment, of every model that had it, in the order of the models' names."""
        enter_tenant(self._connection, self._tenant_id)
        asked = {"tenant_id": self._tenant_id, "alias": alias, "valid_at": valid_at, "known_at": known_at}
        return tuple(map(_period, _QUERIES.rows(self._connection, "periods_at", asked)))

    def of_versions(self, *model_artifact_ids: UUID) -> tuple[AliasPeriod, ...]:
        """Return the periods in which any alias named one of the versions, as they are known now."""
        enter_tenant(self._connection, self._tenant_id)
        parameters = {"tenant_id": self._tenant_id, "versions": list(model_artifact_ids)}
        return tuple(map(_period, _QUERIES.rows(self._connection, "periods_of_version", parameters)))

    def _believe(self, name: AliasName, moment: datetime, added: tuple[Planned, ...]) -> tuple[AliasPeriod, ...]:
        periods = tuple(_new_period(name, moment, planned) for planned in added)
        rows = [{**period.model_dump(mode="json"), **period.cause.model_dump(mode="json")} for period in periods]
        if rows:
            parameters = {
                "tenant_id": self._tenant_id,
                "moment": moment,
                "periods": jsonb_text(rows, model="ModelAlias"),
            }
            _QUERIES.execute(self._connection, "believe", parameters)
        return periods

    def _periods(
        self,
        name: AliasName,
        *,
        valid_at: datetime | None = None,
        known_at: datetime | None = None,
        ever_believed: bool = False,
    ) -> tuple[AliasPeriod, ...]:
        enter_tenant(self._connection, self._tenant_id)
        asked = {"valid_at": valid_at, "known_at": known_at, "ever_believed": ever_believed}
        rows = _QUERIES.rows(self._connection, "periods_of_alias", {**self._key(name), **asked})
        return tuple(map(_period, rows))

    def _key(self, name: AliasName) -> dict[str, object]:
        return {"tenant_id": self._tenant_id, "model_name": name.model_name, "alias": name.alias}


def _new_period(name: AliasName, moment: datetime, planned: Planned) -> AliasPeriod:
    return AliasPeriod(
        alias_period_id=new_id(),
        model_name=name.model_name,
        alias=name.alias,
        model_artifact_id=planned.model_artifact_id,
        valid_from=planned.valid.begin,
        valid_to=planned.valid.end,
        recorded_at=moment,
        cause=planned.cause,
    )


def _period(row: Row[Any]) -> AliasPeriod:
    return AliasPeriod(
        alias_period_id=row.alias_period_id,
        model_name=row.model_name,
        alias=row.alias,
        model_artifact_id=row.model_artifact_id,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        recorded_at=row.recorded_at,
        superseded_at=getattr(row, "superseded_at", None),
        cause=Cause(set_by=row.set_by, reason=row.reason, process_instance_id=row.process_instance_id),
    )
