"""Definitions: deployed diagrams, immutable, one row for each distinct text of each process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row

from engine.persistence.statements import QUERIES
from storage import UnitOfWork


class DefinitionRef(BaseModel):
    """Which diagram: `sha256` is that of the deployed bytes."""

    model_config = ConfigDict(frozen=True)

    process_definition_id: UUID
    process_id: str
    version: int
    version_tag: str | None
    name: str
    sha256: str


class Definitions:
    """Deployed diagrams on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def lock(self) -> None:
        """Let no other transaction deploy until this one ends."""
        QUERIES.rows(self._connection, "lock_deployments")

    def with_digest(self, process_id: str, sha256: str) -> DefinitionRef | None:
        """Return the definition of that process with exactly that text."""
        return _ref(
            QUERIES.first(self._connection, "definition_by_digest", {"process_id": process_id, "sha256": sha256})
        )

    def newest(self, process_id: str) -> DefinitionRef | None:
        """Return the highest version of a process."""
        return _ref(QUERIES.first(self._connection, "newest_definition", {"process_id": process_id}))

    def of_version(self, process_id: str, version: int) -> DefinitionRef | None:
        """Return one version of a process."""
        parameters = {"process_id": process_id, "version": version}
        return _ref(QUERIES.first(self._connection, "definition_of_version", parameters))

    def all_newest(self) -> tuple[DefinitionRef, ...]:
        """Return the highest version of every process, by process id."""
        return _refs(QUERIES.rows(self._connection, "newest_definitions"))

    def by_id(self, process_definition_ids: Sequence[UUID]) -> tuple[DefinitionRef, ...]:
        """Return the definitions with these ids, by process id."""
        parameters = {"process_definition_ids": list(process_definition_ids)}
        return _refs(QUERIES.rows(self._connection, "definitions_by_id", parameters))

    def xml(self, process_definition_id: UUID) -> bytes:
        """Return the deployed bytes."""
        row = QUERIES.first(self._connection, "definition_xml", {"process_definition_id": process_definition_id})
        if row is None:
            raise LookupError(process_definition_id)
        return bytes(row.xml)

    def insert(self, ref: DefinitionRef, xml: bytes, deployed_by: str) -> None:
        """Store a new definition."""
        parameters = {**ref.model_dump(), "xml": xml, "deployed_by": deployed_by}
        QUERIES.execute(self._connection, "insert_definition", parameters)


def _ref(row: Row[Any] | None) -> DefinitionRef | None:
    return None if row is None else DefinitionRef.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name


def _refs(rows: Sequence[Row[Any]]) -> tuple[DefinitionRef, ...]:
    return tuple(ref for row in rows if (ref := _ref(row)) is not None)
