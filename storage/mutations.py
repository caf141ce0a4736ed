"""What is said of a change beside the change itself: its observation and its audit entry. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any, get_args
from uuid import UUID

from pydantic import JsonValue
from pydantic_core import to_jsonable_python

from storage.audit import AuditEntry
from storage.errors import StatusTransitionError
from storage.models import (
    TRANSITIONS,
    ACLEntry,
    DataClassification,
    JsonObject,
    Mutation,
    ObservedPrincipal,
    Permission,
    PrincipalType,
    ProcessObservation,
    RoleType,
    StorageModel,
    may_follow,
)
from storage.security import SecurityContext

_VERBS = {Mutation.CREATED: "create", Mutation.UPDATED: "update", Mutation.DELETED: "delete"}
_OWN_IDS = frozenset({"id"})
_BOOKKEEPING = frozenset({"updated_at", "revision"})
_SENSITIVITY = tuple(DataClassification)


def observation(
    records: Sequence[StorageModel],
    mutation: Mutation,
    changed_fields: Sequence[str],
    *,
    context: SecurityContext,
    now: datetime,
) -> ProcessObservation:
    """Return the observation of a change of records of one model; names and ids of other records, no values."""
    first = records[0]
    classification = max((record.data_classification for record in records), key=_SENSITIVITY.index)
    return ProcessObservation(
        tenant_id=first.tenant_id,
        data_classification=classification,
        owner=context.user_id,
        acl=(_for_services(now),) if classification is DataClassification.RESTRICTED else (),
        created_at=now,
        updated_at=now,
        model_type=type(first).__name__,
        entity_uid=first.id,
        entity_count=len(records),
        mutation=mutation,
        security_context=ObservedPrincipal(
            user_id=context.user_id, roles=tuple(sorted(context.roles)), groups=tuple(sorted(context.groups))
        ),
        changed_fields=tuple(changed_fields),
        graph_context=graph_context(first),
        ingested_at=now,
    )


def _for_services(now: datetime) -> ACLEntry:
    """Return the grant by which learners see that a RESTRICTED record changed; people do not learn of it."""
    return ACLEntry(
        principal=RoleType.SERVICE.value,
        principal_type=PrincipalType.ROLE,
        permissions=(Permission.READ,),
        granted_by="platform",
        granted_at=now,
    )


def graph_context(record: StorageModel) -> JsonObject:
    """Return the ids of the records that a record names, by the field that names them."""
    named = {name: getattr(record, name) for name in _id_fields(type(record))}
    return {name: str(identifier) for name, identifier in named.items() if identifier is not None}


@cache
def _id_fields(model: type[StorageModel]) -> tuple[str, ...]:
    fields = model.model_fields.items()
    return tuple(name for name, field in fields if name not in _OWN_IDS and _is_id(field.annotation))


def _is_id(annotation: Any) -> bool:
    return annotation is UUID or UUID in get_args(annotation)


def changed_fields(before: StorageModel, after: StorageModel) -> tuple[str, ...]:
    """Return the names of the fields in which two revisions differ, without those that every change touches."""
    names = sorted(type(after).model_fields.keys() - _BOOKKEEPING)
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def entry(
    mutation: Mutation,
    after: StorageModel,
    before: StorageModel | None,
    changed: Sequence[str] = (),
) -> AuditEntry:
    """Return what the audit trail says of one record's change: values only as digests."""
    details: dict[str, JsonValue] = {"data_classification": after.data_classification.value}
    if changed:
        details["changed_fields"] = list(changed)
    return AuditEntry(
        action=f"storage.{_VERBS[mutation]}",
        subject=f"{type(after).__name__}/{after.id}",
        details=details,
        before=None if before is None else to_jsonable_python(before),
        after=None if mutation is Mutation.DELETED else to_jsonable_python(after),
    )


def bulk_entry(records: Sequence[StorageModel]) -> AuditEntry:
    """Return what the audit trail says of many records created at once: their ids, and one digest over all."""
    ids: list[JsonValue] = [str(record.id) for record in records]
    return AuditEntry(
        action="storage.create",
        subject=f"{type(records[0]).__name__}/{records[0].id}",
        details={"record_ids": ids},
        after={"records": to_jsonable_python(list(records))},
    )


def require_transitions(before: StorageModel, after: StorageModel) -> None:
    """Return if every status that changed may follow the one before.

    Raises:
        StatusTransitionError: One may not; the legal ones are named.
    """
    for name in type(after).model_fields:
        state, following = getattr(before, name), getattr(after, name)
        if isinstance(state, StrEnum) and type(state) in TRANSITIONS and not may_follow(state, following):
            raise StatusTransitionError(
                model=type(after).__name__,
                field=name,
                state=state.value,
                asked_for=str(following),
                legal=tuple(legal.value for legal in TRANSITIONS[type(state)][state]),
            )
