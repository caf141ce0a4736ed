"""The versions of a model, and which number the next one gets."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from handlers.errors import ModelNameTakenError
from storage import SecurityContext, UnitOfWork
from storage.filters import Order
from storage.identifiers import new_id
from storage.models import ModelArtifact

_ALL_VERSIONS = 10_000


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


def require_line(work: UnitOfWork, name: str, context: SecurityContext) -> None:
    """Return if the principal may read the newest version of that name, or there is none.

    A version beside one that its maker does not know of would be put into service beside it.

    Raises:
        ModelNameTakenError: There is one that they may not know of.
    """
    crud = work.get_crud(ModelArtifact)
    newest = crud.query({"name": name}, limit=1, order=[Order("version", is_descending=True)], context=context)
    if crud.highest("version", {"name": name}, context=context) > max((found.version for found in newest), default=0):
        raise ModelNameTakenError(model=name)


def next_version_of(work: UnitOfWork, name: str, context: SecurityContext) -> NextVersion:
    """Return what the next version is to be; until the transaction ends, nobody else is told the same.

    Raises:
        ModelNameTakenError: As `require_line`.
    """
    work.lock(model_lock(name, context))
    require_line(work, name, context)
    # Ids come from the clocks of several machines; only the number tells which version is the newest.
    newest = max(versions_of(work, name, context), key=lambda found: found.version, default=None)
    if newest is None:
        return NextVersion(model_id=new_id(), version=1)
    return NextVersion(model_id=newest.model_id, version=newest.version + 1)
