"""UnifiedCRUD: the one way to create, read, query, update and delete records.

Every call decides access, works for one tenant, writes its audit leaf and its observation, and runs on the caller's
transaction. What it refuses is on the record too, whatever becomes of that transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import Connection

from storage.access import resource_of
from storage.audit import AuditLeaf, AuditTrail, make_leaf
from storage.deletions import require_deletable
from storage.documents import DocumentStore, Question, access_of
from storage.errors import (
    FixedFieldError,
    RecordConflictError,
    RecordNotFoundError,
    UnknownFieldError,
    WithoutDocumentError,
    WrittenByPlatformError,
)
from storage.filters import NEWEST_FIRST, Filter, Order, conditions, read_cursor, with_id
from storage.models import (
    STORED,
    ACLEntry,
    DataClassification,
    JsonObject,
    MetricSnapshot,
    Mutation,
    Permission,
    PrincipalType,
    ProcessObservation,
    StorageModel,
)
from storage.mutations import bulk_entry, changed_fields, entry, observation, require_transitions
from storage.points import record_points
from storage.projections import has_document, leave, project
from storage.record_access import RecordAccess
from storage.security import SecurityContext

ModelT = TypeVar("ModelT", bound=StorageModel)

_FIXED_FIELDS = frozenset({"id", "tenant_id", "created_at", "revision"})
_ADMINISTERED_FIELDS = frozenset({"acl", "owner", "data_classification"})


@dataclass(frozen=True)
class Page(Generic[ModelT]):
    """Some of the records that fit a query.

    Attributes:
        next_cursor: Where to go on; `None` after the last page. Opaque, and of use for the same question alone.
    """

    records: tuple[ModelT, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class _Said:
    """What is written beside a change."""

    observation: ProcessObservation
    leaf: AuditLeaf
    is_deletion: bool = False


class UnifiedCRUD(Generic[ModelT]):
    """Records of one model on one transaction."""

    def __init__(
        self, model: type[ModelT], connection: Connection, audit: AuditTrail, clock: Callable[[], datetime]
    ) -> None:
        self._model = model
        self._connection = connection
        self._audit = audit
        self._clock = clock

    def create(self, payload: ModelT, *, context: SecurityContext) -> ModelT:
        """Store a new record and return it, owned by its creator unless it says otherwise.

        Whoever creates a RESTRICTED record holds every permission on it, by a grant.

        Raises:
            AccessDeniedError: No WRITE permission.
            DuplicateRecordError: There is one already.
            WrittenByPlatformError: The model is not for callers to write; nor to change or delete.
            RecordTextError, RecordNumberError: A value that the database cannot hold.
        """
        return self._create([payload], context)[0]

    def bulk_create(self, payloads: Sequence[ModelT], *, context: SecurityContext) -> tuple[ModelT, ...]:
        """Store new records, all or none, with one audit leaf and one observation for all; errors as `create`."""
        return self._create(payloads, context) if payloads else ()

    def read(self, record_id: UUID, *, context: SecurityContext) -> ModelT:
        """Return the record.

        Raises:
            RecordNotFoundError: There is none, or the principal may not know of it.
        """
        row = self._store(context).read(record_id)
        if row is None:
            raise RecordNotFoundError(model=self._model.__name__, record_id=record_id)
        record = self._load(row.body, row.revision)
        self._access(context).require(Permission.READ, record)
        return record

    def query(
        self, criteria: Filter, *, limit: int = 100, order: Sequence[Order] = NEWEST_FIRST, context: SecurityContext
    ) -> list[ModelT]:
        """Return readable records that fit `criteria`, newest first unless ordered otherwise, at most `limit`.

        Raises:
            UnknownFieldError: `criteria` or `order` names a field that the model does not have.
            FilterInvalidError: A value that the field cannot be compared with.
            RecordTextError, RecordNumberError: A value that no record can hold.
        """
        return list(self.page(criteria, limit=limit, order=order, context=context).records)

    def page(
        self,
        criteria: Filter,
        *,
        limit: int = 100,
        order: Sequence[Order] = NEWEST_FIRST,
        cursor: str | None = None,
        context: SecurityContext,
    ) -> Page[ModelT]:
        """Return one page of what `query` returns, and where to go on; errors as there.

        A record is on one page alone, and none is left out, however many come and go meanwhile.

        Raises:
            CursorInvalidError: The cursor is not one of this question.
        """
        store, order = self._store(context), with_id(order)
        after = None if cursor is None else (read_cursor(self._model.__name__, order, cursor), cursor)
        question = Question(conditions(criteria), self._access(context).readable(), order, after, limit + 1)
        rows = store.rows(question)
        next_cursor = store.cursor(question, rows[limit - 1]) if len(rows) > limit > 0 else None
        return Page(tuple(self._load(row.body, row.revision) for row in rows[:limit]), next_cursor)

    def project(
        self,
        fields: Sequence[str],
        criteria: Filter,
        *,
        limit: int = 100,
        order: Sequence[Order] = NEWEST_FIRST,
        context: SecurityContext,
    ) -> list[JsonObject]:
        """Return some fields, as JSON, of what `query` returns; errors as there."""
        question = Question(conditions(criteria), self._access(context).readable(), with_id(order), None, limit)
        return self._store(context).fields(question, fields)

    def count(self, criteria: Filter, *, context: SecurityContext) -> int:
        """Return how many readable records fit; errors as `query`."""
        return self._store(context).count(Question(conditions(criteria), self._access(context).readable()))

    def highest(self, field: str, criteria: Filter, *, context: SecurityContext) -> int:
        """Return the largest whole number in a field of all records of the tenant that fit, 0 where there is none.

        Records that the principal may not read count too, because numbers are given once: that one was given is all
        that is told of them. Errors as `query`.
        """
        return self._store(context).highest(Question(conditions(criteria), self._access(context).everything()), field)

    def hides_any(self, criteria: Filter, *, context: SecurityContext) -> bool:
        """Return whether the tenant has a record that fits and that the principal may not read.

        For what would be wrong if it were decided by the readable ones alone; nothing else is told of the others.
        Errors as `query`.
        """
        hidden = Question(conditions(criteria), self._access(context).readable(), of_hidden=True)
        return self._store(context).count(hidden) > 0

    def update(self, record: ModelT | UUID, patch: Mapping[str, object], *, context: SecurityContext) -> ModelT:
        """Change fields of the record as it was read, or as it is where an id is given; return it as it is now.

        Raises:
            RecordNotFoundError: There is none, or the principal may not know of it.
            AccessDeniedError: No MODIFY permission; no ADMIN permission for owner, classification or grants. What is
                stored of these decides, whatever a copy of the record says.
            RecordConflictError: Somebody changed it since.
            UnknownFieldError, FixedFieldError: `patch` names a field that there is not, or that never changes.
            StatusTransitionError: The status cannot follow the one that it has.
            RecordTextError, RecordNumberError: A value that the database cannot hold.
        """
        self._require_own_writing()
        before = self.read(record, context=context) if isinstance(record, UUID) else record
        self._require_fields(patch)
        needed = Permission.ADMIN if _ADMINISTERED_FIELDS & patch.keys() else Permission.MODIFY
        self._access(context).require(needed, before)
        now = self._clock()
        changes = {**patch, "updated_at": now, "revision": before.revision + 1}
        after = self._model.model_validate({**dict(before), **changes})
        require_transitions(before, after)
        changed = changed_fields(before, after)
        seen = observation([after], Mutation.UPDATED, changed, context=context, now=now)
        said = _Said(seen, make_leaf(entry(Mutation.UPDATED, after, before, changed), context=context))
        if not self._is_changed(before, after, said, needed, context):
            raise RecordConflictError(
                model=self._model.__name__, record_id=before.id, expected_revision=before.revision
            )
        project(self._connection, before, after)
        return after

    def delete(self, record: ModelT | UUID, *, context: SecurityContext) -> None:
        """Put a tombstone on the record as it was read, or as it is where an id is given; no query returns it any more.

        Its vectors are gone with it, its lineage stays; what was measured of it is erased once its retention is over.

        Raises:
            RecordNotFoundError: There is none, or the principal may not know of it.
            AccessDeniedError: No DELETE permission; owners have it.
            RecordHeldError, RecordInProductionError: It has to stay.
            RecordConflictError: Somebody changed it since.
        """
        self._require_own_writing()
        before = self.read(record, context=context) if isinstance(record, UUID) else record
        self._access(context).require(Permission.DELETE, before)
        require_deletable(self._connection, before)
        now = self._clock()
        seen = observation([before], Mutation.DELETED, (), context=context, now=now)
        said = _Said(seen, make_leaf(entry(Mutation.DELETED, before, before), context=context), is_deletion=True)
        after = before.model_copy(update={"updated_at": now, "revision": before.revision + 1})
        if not self._is_changed(before, after, said, Permission.DELETE, context):
            raise self._lost(self._store(context), before)
        project(self._connection, before, None)
        leave(self._connection, before)

    def _create(self, payloads: Sequence[ModelT], context: SecurityContext) -> tuple[ModelT, ...]:
        self._require_own_writing()
        now = self._clock()
        for payload in {payload.tenant_id: payload for payload in payloads}.values():
            self._access(context).require_creation(payload.tenant_id)
        if not has_document(self._model):
            return self._record_points(payloads, context, now)
        records = tuple(_owned(payload, context, now) for payload in payloads)
        given = sorted(set().union(*(record.model_fields_set for record in records)))
        seen = observation(records, Mutation.CREATED, given, context=context, now=now)
        store = self._store(context)
        rows = [store.row(record) for record in records]
        said = entry(Mutation.CREATED, records[0], None) if len(records) == 1 else bulk_entry(records)
        store.create(rows, seen, [make_leaf(said, context=context)])
        for record in records:
            project(self._connection, None, record)
        return records

    def _record_points(self, payloads: Sequence[ModelT], context: SecurityContext, now: datetime) -> tuple[ModelT, ...]:
        given = sorted(payloads[0].model_fields_set)
        seen = observation(payloads, Mutation.CREATED, given, context=context, now=now)
        snapshots = [payload for payload in payloads if isinstance(payload, MetricSnapshot)]
        record_points(self._connection, snapshots, seen, context=context)
        return tuple(payloads)

    def _is_changed(
        self, before: ModelT, after: ModelT, said: _Said, permission: Permission, context: SecurityContext
    ) -> bool:
        """Write a record over its last revision; return whether that was still there, and was what `before` says.

        A copy may say what it likes of its owner, classification and grants; what is stored of them decides.
        """
        store = self._store(context)
        row, beside = store.row(after), (said.observation, [said.leaf])
        if store.change(row, access_of(before), *beside, is_deleted=said.is_deletion):
            return True
        stored = store.read(before.id)
        if stored is None or stored.revision != before.revision:
            return False
        now_there = self._load(stored.body, stored.revision)
        self._access(context).require(permission, now_there)
        if resource_of(now_there) != resource_of(before):
            return False
        # The same, written down by an earlier version in another form.
        access = store.stored_access(before.id)
        return access is not None and store.change(row, access, *beside, is_deleted=said.is_deletion)

    def _lost(self, store: DocumentStore, record: ModelT) -> RecordConflictError | RecordNotFoundError:
        model = self._model.__name__
        if store.read(record.id) is None:
            return RecordNotFoundError(model=model, record_id=record.id)
        return RecordConflictError(model=model, record_id=record.id, expected_revision=record.revision)

    def _require_own_writing(self) -> None:
        if issubclass(self._model, ProcessObservation):
            raise WrittenByPlatformError(model=self._model.__name__)

    def _require_fields(self, names: Mapping[str, object]) -> None:
        for name in names:
            if name not in self._model.model_fields:
                known = tuple(sorted(self._model.model_fields))
                raise UnknownFieldError(model=self._model.__name__, field=name, known=known)
            if name in _FIXED_FIELDS:
                raise FixedFieldError(model=self._model.__name__, field=name)

    def _access(self, context: SecurityContext) -> RecordAccess:
        return RecordAccess(self._model.__name__, context, self._audit, self._clock)

    def _store(self, context: SecurityContext) -> DocumentStore:
        """Return where the records are.

        Raises:
            WithoutDocumentError: They are points in time and nothing else.
        """
        if not has_document(self._model):
            raise WithoutDocumentError(model=self._model.__name__)
        return DocumentStore(self._model, self._connection, context.tenant_id)

    def _load(self, body: str, revision: int) -> ModelT:
        try:
            return self._model.model_validate_json(f'{{"revision":{revision},{body[1:]}', context=STORED)
        except ValidationError:  # JSON may be nested more deeply than this parser goes
            return self._model.model_validate({**json.loads(body), "revision": revision}, context=STORED)


def _owned(payload: ModelT, context: SecurityContext, now: datetime) -> ModelT:
    """Return a new record with its owner, who holds every permission on it where it is RESTRICTED."""
    record = payload if payload.owner else payload.model_copy(update={"owner": context.user_id})
    record = record if record.revision == 1 else record.model_copy(update={"revision": 1})
    if record.data_classification is not DataClassification.RESTRICTED or _administers(context, record):
        return record
    grant = ACLEntry(
        principal=context.user_id,
        principal_type=PrincipalType.USER,
        permissions=tuple(Permission),
        granted_by=context.user_id,
        granted_at=now,
    )
    return record.model_copy(update={"acl": (*record.acl, grant)})


def _administers(context: SecurityContext, record: StorageModel) -> bool:
    """Return whether a grant lets its creator grant a RESTRICTED record to others already."""
    me = (PrincipalType.USER, context.user_id, tuple(sorted(Permission)))
    return any((grant.principal_type, grant.principal, grant.permissions) == me for grant in record.acl)
