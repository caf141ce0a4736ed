"""Decisions: deployed DMN documents, immutable, one row for each distinct text of each decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from engine.dmn import DecisionRef
from storage import UnitOfWork
from storage.sql import Queries

_QUERIES = Queries(Path(__file__).with_name("decisions.sql"))


class DecisionDefinitions:
    """Deployed decisions on one transaction; `Definitions.lock` keeps other deployments out."""

    def __init__(self, work: UnitOfWork) -> None:
        self._connection = work.connection

    def with_digest(self, decision_id: str, sha256: str) -> DecisionRef | None:
        """Return the version of that decision whose document has exactly that text."""
        return self._first("decision_by_digest", decision_id=decision_id, sha256=sha256)

    def newest(self, decision_id: str) -> DecisionRef | None:
        """Return the highest version of a decision."""
        return self._first("newest_decision", decision_id=decision_id)

    def newest_tagged(self, decision_id: str, version_tag: str) -> DecisionRef | None:
        """Return the highest version of a decision that has this tag."""
        return self._first("newest_tagged_decision", decision_id=decision_id, version_tag=version_tag)

    def newest_when_deployed(self, decision_id: str, deployed_id: UUID) -> DecisionRef | None:
        """Return the highest version that a decision had when a process was deployed, or got with it."""
        return self._first("newest_decision_when_deployed", decision_id=decision_id, deployed_id=deployed_id)

    def all_newest(self) -> tuple[DecisionRef, ...]:
        """Return the highest version of every decision, by decision id."""
        return _refs(_QUERIES.rows(self._connection, "newest_decisions"))

    def by_id(self, decision_definition_ids: Sequence[UUID]) -> tuple[DecisionRef, ...]:
        """Return the versions with these ids, by decision id."""
        parameters = {"decision_definition_ids": list(decision_definition_ids)}
        return _refs(_QUERIES.rows(self._connection, "decisions_by_id", parameters))

    def version_tags(self) -> dict[str, frozenset[str]]:
        """Return the tags of all versions of each decision."""
        rows = _QUERIES.rows(self._connection, "decision_tags")
        return {row.decision_id: frozenset(row.version_tags) for row in rows}

    def xml(self, decision_definition_id: UUID) -> bytes:
        """Return the deployed bytes."""
        row = _QUERIES.first(self._connection, "decision_xml", {"decision_definition_id": decision_definition_id})
        if row is None:
            raise LookupError(decision_definition_id)
        return bytes(row.xml)

    def insert(self, ref: DecisionRef, xml: bytes, deployed_by: str, deployed_at: datetime) -> None:
        """Store a new version; those of one deployment have one time."""
        parameters = {**ref.model_dump(), "xml": xml, "deployed_by": deployed_by, "deployed_at": deployed_at}
        _QUERIES.execute(self._connection, "insert_decision", parameters)

    def _first(self, query: str, **parameters: object) -> DecisionRef | None:
        row = _QUERIES.first(self._connection, query, parameters)
        return None if row is None else _ref(row)


def _ref(row: Row[Any]) -> DecisionRef:
    return DecisionRef.model_validate(row._mapping)  # noqa: SLF001 - SQLAlchemy's name


def _refs(rows: Sequence[Row[Any]]) -> tuple[DecisionRef, ...]:
    return tuple(_ref(row) for row in rows)
