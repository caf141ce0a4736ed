"""The versions of a model, and which number the next one gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from handlers.errors import ModelLineMixedError, ModelNameTakenError
from storage import SecurityContext, UnitOfWork
from storage.filters import Filter
from storage.identifiers import new_id
from storage.models import DataClassification, ModelArtifact, StorageModel

_ALL_VERSIONS = 10_000
_RESTRICTED = DataClassification.RESTRICTED
RecordT = TypeVar("RecordT", bound=StorageModel)


@dataclass(frozen=True)
class NextVersion:
    """The line that a new version belongs to, and its number."""

    model_id: UUID
    version: int


def model_lock(name: str, context: SecurityContext) -> str:
    """Return the name of the lock under which versions of a model are numbered, promoted and demoted."""
    return f"model:{context.tenant_id}:{name}"


def versions_of(work: UnitOfWork, name: str, context: SecurityContext) -> list[ModelArtifact]:
    """Return the versions of a model that the principal may read."""
    return work.get_crud(ModelArtifact).query({"name": name}, limit=_ALL_VERSIONS, context=context)


def require_line(
    work: UnitOfWork, name: str, classification: DataClassification, context: SecurityContext
) -> list[ModelArtifact]:
    """Return the versions of that name, if the principal may read them all and such a one may stand beside them.

    A version beside one that its maker does not know of would be put into service beside it. That is why versions that
    are RESTRICTED, which others may not know of, and versions that are not, have names of their own.

    Raises:
        ModelNameTakenError: There is one that they may not know of.
        ModelLineMixedError: The versions are RESTRICTED and this one would not be, or the other way round.
    """
    versions = all_that_fit(work, ModelArtifact, {"name": name}, name, context)
    is_restricted = classification is _RESTRICTED
    beside = next((found for found in versions if (found.data_classification is _RESTRICTED) != is_restricted), None)
    if beside is not None:
        raise ModelLineMixedError(model=name, asked_for=classification, registered=beside.data_classification)
    return versions


def all_that_fit(
    work: UnitOfWork, model: type[RecordT], criteria: Filter, name: str, context: SecurityContext
) -> list[RecordT]:
    """Return all records of a model of that name that fit, not only those that the principal may read.

    Raises:
        ModelNameTakenError: There is one that they may not know of.
    """
    crud = work.get_crud(model)
    if crud.hides_any(criteria, context=context):
        raise ModelNameTakenError(model=name)
    return crud.query(criteria, limit=_ALL_VERSIONS, context=context)


def next_version_of(
    work: UnitOfWork, name: str, classification: DataClassification, context: SecurityContext
) -> NextVersion:
    """Return what the next version is to be; until the transaction ends, nobody else is told the same.

    Raises:
        ModelNameTakenError, ModelLineMixedError: As `require_line`.
    """
    work.lock(model_lock(name, context))
    versions = require_line(work, name, classification, context)
    # Ids come from the clocks of several machines; only the number tells which version is the newest.
    newest = max(versions, key=lambda found: found.version, default=None)
    if newest is None:
        return NextVersion(model_id=new_id(), version=1)
    return NextVersion(model_id=newest.model_id, version=newest.version + 1)
