"""Definitions: deployed diagrams, immutable, one row for each distinct text of each process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row

from engine.persistence.statements import QUERIES
from storage import UnitOfWork


class DefinitionRef(BaseModel):
    """Which diagram.

    Attributes:
        sha256: Of the deployed bytes.
        canonical_sha256: Of what they say, however it is drawn and written; not kept of the oldest versions.
    """

    model_config = ConfigDict(frozen=True)

    process_definition_id: UUID
    process_id: str
    version: int
    version_tag: str | None
    name: str
    sha256: str
    canonical_sha256: str | None = None


class Definitions:
    """Deployed diagrams on one transaction."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def lock(self) -> datetime:
        """Let no other transaction deploy until this one ends; return the time of the deployment."""
        QUERIES.rows(self._connection, "lock_deployments")
        (row,) = QUERIES.rows(self._connection, "time_of_deployment")
        deployed_at: datetime = row.deployed_at
        return deployed_at

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

    def newest_tagged(self, process_id: str, version_tag: str) -> DefinitionRef | None:
        """Return the highest version of a process that has this tag."""
        parameters = {"process_id": process_id, "version_tag": version_tag}
        return _ref(QUERIES.first(self._connection, "newest_tagged_definition", parameters))

    def newest_when_deployed(self, process_id: str, deployed_id: UUID) -> DefinitionRef | None:
        """Return the highest version that a process had when another definition was deployed, or got with it."""
        parameters = {"process_id": process_id, "deployed_id": deployed_id}
        return _ref(QUERIES.first(self._connection, "newest_definition_when_deployed", parameters))

    def version_tags(self) -> dict[str, frozenset[str]]:
        """Return the tags of all versions of each process."""
        rows = QUERIES.rows(self._connection, "version_tags")
        return {row.process_id: frozenset(row.version_tags) for row in rows}

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

    def insert(self, ref: DefinitionRef, xml: bytes, deployed_by: str, deployed_at: datetime | None = None) -> None:
        """Store a new definition; those of one deployment have one time, now where none is given."""
        parameters = {**ref.model_dump(), "xml": xml, "deployed_by": deployed_by, "deployed_at": deployed_at}
        QUERIES.execute(self._connection, "insert_definition", parameters)


def _ref(row: Row[Any] | None) -> DefinitionRef | None:
    return None if row is None else DefinitionRef.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name


def _refs(rows: Sequence[Row[Any]]) -> tuple[DefinitionRef, ...]:
    return tuple(ref for row in rows if (ref := _ref(row)) is not None)
