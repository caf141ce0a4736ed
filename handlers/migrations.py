"""Taking the instances of a process over to another version of its diagram, page by page."""

from __future__ import annotations

from typing import Annotated, Self, TypedDict
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from engine import Verdict
from handlers.services import Services
from storage import SecurityContext, UnitOfWork


class MigrationRequest(BaseModel):
    """Which instances are to go over, and to what.

    Attributes:
        to_version: The newest unless given.
        mapping: Old element id to new, for elements that have another id in the new version.
        dry_run: Whether to say only what would happen.
        reason: For the audit trail; a dry run needs none.
        after: Only instances that are younger than this one, the oldest of them first.
        limit: How many of them at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    process_id: str
    from_version: int
    to_version: int | None = None
    mapping: dict[str, str] = Field(default_factory=dict)
    dry_run: bool = True
    reason: str | None = None
    after: UUID | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if not self.dry_run and self.reason is None:
            raise ValueError("a migration needs a reason")
        return self


class MigrationReport(BaseModel):
    """What came of a page of instances, or would.

    Attributes:
        dry_run: Whether nothing has changed.
        verdicts: An instance without reasons has gone over, or could.
        next_after: Where the next page begins; `None` where this was the last.
    """

    model_config = ConfigDict(frozen=True)

    dry_run: bool
    from_definition_id: UUID
    to_definition_id: UUID
    verdicts: tuple[Verdict, ...]
    next_after: UUID | None


class _Page(TypedDict):
    context: SecurityContext
    after: UUID | None
    limit: int


def migrate_instances(services: Services, request: MigrationRequest, *, context: SecurityContext) -> MigrationReport:
    """Judge a page of instances and, unless it is a dry run, let go over those that can, each for itself.

    Raises:
        AccessDeniedError: No ADMIN permission, or for a dry run no READ permission.
        UnknownProcessError, UnknownDefinitionError: A version is not deployed.
        MigrationInvalidError: The mapping does not fit the versions, or they are the same.
        ReasonInvalidError: The reason says nothing, or too much.
    """
    page: _Page = {"context": context, "after": request.after, "limit": request.limit}
    with services.storage.transaction(context.tenant_id) as work:
        old, new = _definitions(services, work, request)
        instances = services.migrations.live_instances(work, old, **page)
        verdicts = services.migrations.plan(work, old, new, request.mapping, **page) if request.dry_run else ()
    if not request.dry_run:
        reason = request.reason or ""
        verdicts = tuple(
            services.migrations.migrate_all(services.storage, old, new, request.mapping, reason=reason, **page)
        )
    return MigrationReport(
        dry_run=request.dry_run,
        from_definition_id=old,
        to_definition_id=new,
        verdicts=verdicts,
        next_after=instances[-1] if len(instances) == request.limit else None,
    )


def _definitions(services: Services, work: UnitOfWork, request: MigrationRequest) -> tuple[UUID, UUID]:
    library = services.engine.library
    old = library.definition(work, request.process_id, request.from_version)
    new = library.definition(work, request.process_id, request.to_version)
    return old.process_definition_id, new.process_definition_id
