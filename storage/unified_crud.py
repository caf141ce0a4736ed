"""UnifiedCRUD: the one way to create, read, query, update and delete records.

Every call decides access, filters by tenant, writes its audit leaf and runs on the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import to_jsonable_python
from sqlalchemy import Connection

from storage.access import Resource, decide, require
from storage.audit import AuditEntry, AuditTrail
from storage.errors import FixedFieldError, RecordConflictError, RecordNotFoundError, UnknownFieldError
from storage.json_documents import jsonb_text
from storage.models import DataClassification, Permission, StorageModel
from storage.security import SecurityContext
from storage.sql import Queries
from storage.tenants import enter_tenant

ModelT = TypeVar("ModelT", bound=StorageModel)

_FIXED_FIELDS = frozenset({"id", "tenant_id", "created_at", "revision"})


class UnifiedCRUD(Generic[ModelT]):
    """Records of one model on one transaction."""

    def __init__(self, model: type[ModelT], connection: Connection, queries: Queries, audit: AuditTrail) -> None:
        self._model = model
        self._connection = connection
        self._queries = queries
        self._audit = audit

    def create(self, payload: ModelT, *, context: SecurityContext) -> ModelT:
        """Store a new record and return it.

        Raises:
            AccessDeniedError: No WRITE permission.
            RecordTextError, RecordNumberError: A value that the database cannot hold.
        """
        require(context, Permission.WRITE, self._resource(payload))
        enter_tenant(self._connection, context.tenant_id)
        self._queries.execute(self._connection, "insert_document", self._row(payload))
        self._record("create", payload, context)
        return payload

    def read(self, record_id: UUID, *, context: SecurityContext) -> ModelT:
        """Return the record.

        Raises:
            RecordNotFoundError: There is none, or the principal may not know of it.
        """
        key = {"id": record_id, "model": self._model.__name__, "tenant_id": context.tenant_id}
        enter_tenant(self._connection, context.tenant_id)
        row = self._queries.first(self._connection, "read_document", key)
        record = None if row is None else self._load(row.body, row.revision)
        if record is None or not decide(context, Permission.READ, self._resource(record)).allowed:
            raise RecordNotFoundError(model=self._model.__name__, record_id=record_id)
        return record

    def query(
        self, criteria: Mapping[str, JsonValue | UUID], *, limit: int = 100, context: SecurityContext
    ) -> list[ModelT]:
        """Return readable records whose fields equal `criteria`, newest first, at most `limit`.

        Raises:
            UnknownFieldError: `criteria` names a field that the model does not have.
            RecordTextError, RecordNumberError: A value that no record can hold.
        """
        self._require_fields(criteria)
        parameters = {
            "model": self._model.__name__,
            "tenant_id": context.tenant_id,
            "filter": jsonb_text(dict(criteria), model=self._model.__name__),
            "readable": [kind.value for kind in DataClassification if self._can_read_all(kind, context)],
            "granted": sorted(context.granted),
            "limit": limit,
        }
        enter_tenant(self._connection, context.tenant_id)
        rows = self._queries.rows(self._connection, "query_documents", parameters)
        records = [self._load(row.body, row.revision) for row in rows]
        return [record for record in records if decide(context, Permission.READ, self._resource(record)).allowed]

    def update(self, record: ModelT, patch: Mapping[str, object], *, context: SecurityContext) -> ModelT:
        """Change fields of the record as it was read; return it as it is now.

        Raises:
            AccessDeniedError: No MODIFY permission.
            RecordConflictError: Somebody changed it since.
            UnknownFieldError, FixedFieldError: `patch` names a field that there is not, or that never changes.
            RecordTextError, RecordNumberError: A value that the database cannot hold.
        """
        require(context, Permission.MODIFY, self._resource(record))
        self._require_fields(patch)
        for name in _FIXED_FIELDS & patch.keys():
            raise FixedFieldError(model=self._model.__name__, field=name)
        changes = {**patch, "updated_at": datetime.now(UTC), "revision": record.revision + 1}
        changed = self._model.model_validate({**record.model_dump(), **changes})
        parameters = {**self._row(changed), "revision": record.revision}
        enter_tenant(self._connection, context.tenant_id)
        if self._queries.execute(self._connection, "update_document", parameters) != 1:
            raise RecordConflictError(
                model=self._model.__name__, record_id=record.id, expected_revision=record.revision
            )
        self._record("update", changed, context)
        return changed

    def delete(self, record: ModelT, *, context: SecurityContext) -> None:
        """Put a tombstone on the record; no query returns it any more.

        Raises:
            AccessDeniedError: No MODIFY permission; DELETE is for removal that leaves no tombstone.
            RecordNotFoundError: It is gone already.
        """
        require(context, Permission.MODIFY, self._resource(record))
        key = {"id": record.id, "model": self._model.__name__, "tenant_id": context.tenant_id}
        enter_tenant(self._connection, context.tenant_id)
        if self._queries.execute(self._connection, "delete_document", key) != 1:
            raise RecordNotFoundError(model=self._model.__name__, record_id=record.id)
        self._record("delete", record, context)

    def _require_fields(self, names: Mapping[str, object]) -> None:
        for name in names:
            if name not in self._model.model_fields:
                known = tuple(sorted(self._model.model_fields))
                raise UnknownFieldError(model=self._model.__name__, field=name, known=known)

    def _can_read_all(self, classification: DataClassification, context: SecurityContext) -> bool:
        resource = Resource(kind=self._model.__name__, tenant_id=context.tenant_id, data_classification=classification)
        return decide(context, Permission.READ, resource).allowed

    def _resource(self, record: ModelT) -> Resource:
        return Resource(
            kind=self._model.__name__,
            tenant_id=record.tenant_id,
            data_classification=record.data_classification,
            resource_id=str(record.id),
        )

    def _row(self, record: ModelT) -> dict[str, object]:
        return {
            "id": record.id,
            "model": self._model.__name__,
            "tenant_id": record.tenant_id,
            "data_classification": record.data_classification.value,
            "body": jsonb_text(record.model_dump(exclude={"revision"}), model=self._model.__name__),
            "created_at": record.created_at,
            "updated_at": record.updated_at,
        }

    def _load(self, body: dict[str, JsonValue], revision: int) -> ModelT:
        return self._model.model_validate({**body, "revision": revision})

    def _record(self, verb: str, record: ModelT, context: SecurityContext) -> None:
        details = {"revision": record.revision, "body": to_jsonable_python(record)} if verb != "delete" else {}
        subject = f"{self._model.__name__}/{record.id}"
        self._audit.record(AuditEntry(action=f"storage.{verb}", subject=subject, digest_of=details), context=context)
