"""Tools for grants: who may do what with a single record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any
from uuid import UUID

from mcp.types import ToolAnnotations
from pydantic import AwareDatetime, Field

from handlers.grants import (
    ChangedGrants,
    GrantRequest,
    Permissions,
    Principal,
    RecordGrants,
    RecordModel,
    RevocationRequest,
    grant_access,
    list_grants,
    revoke_access,
)
from mcp_server.answers import Answer
from mcp_server.principals import principal_of
from mcp_server.toolbox import CHANGES, CREATES, READS, Ctx, Reason, Toolbox
from storage.models import GrantConditions, PrincipalType

Revision = Annotated[int, Field(ge=1)]
_NO_CONDITIONS = GrantConditions()


class ChangedGrantsAnswer(ChangedGrants, Answer):
    """The record's grants after the call; is_changed is false where it was so before already."""


class RecordGrantsAnswer(RecordGrants, Answer):
    """A record's grants, and what the caller may do with it."""


class AccessTools(Toolbox):
    """Grants on records."""

    def tools(self) -> Iterable[tuple[Callable[..., Any], ToolAnnotations]]:
        """See `Toolbox.tools`."""
        return ((self.grant_access, CREATES), (self.revoke_access, CHANGES), (self.list_grants, READS))

    def grant_access(
        self,
        model: RecordModel,
        record_id: UUID,
        ctx: Ctx,
        *,
        principal: Principal,
        permissions: Permissions,
        reason: Reason,
        principal_type: PrincipalType = PrincipalType.USER,
        expires_at: AwareDatetime | None = None,
        conditions: GrantConditions = _NO_CONDITIONS,
        revision: Revision | None = None,
    ) -> ChangedGrantsAnswer:
        """Grant permissions on one record to a user, role, group or service; repeating it changes nothing.

        Needs admin on the record, and gives nothing that you do not hold: within the bounds of your own grant. A
        restricted record is known to its creator and to whom it is granted, and so is what processes know of it. To do
        a user task about one takes read and execute on every record that it names. conditions: networks, claims,
        not_before. With revision it is refused where the record has changed since.
        """
        request = GrantRequest(
            model=model,
            record_id=record_id,
            principal=principal,
            principal_type=principal_type,
            permissions=permissions,
            expires_at=expires_at,
            conditions=conditions,
            reason=reason,
            revision=revision,
        )
        changed = grant_access(self._services, request, context=principal_of(ctx))
        return ChangedGrantsAnswer.model_validate(changed.model_dump())

    def revoke_access(
        self,
        model: RecordModel,
        record_id: UUID,
        ctx: Ctx,
        *,
        principal: Principal,
        reason: Reason,
        principal_type: PrincipalType = PrincipalType.USER,
        permissions: Permissions | None = None,
        revision: Revision | None = None,
    ) -> ChangedGrantsAnswer:
        """Take permissions on one record back, all unless they are named; at once, and with links not yet used.

        Needs admin on the record. What roles and ownership give stays. Whoever granted them does not matter; what the
        principal has granted to others stays too. Refused for the last who holds read and admin of a restricted
        record for good.
        """
        given = {} if permissions is None else {"permissions": permissions}
        request = RevocationRequest(
            model=model,
            record_id=record_id,
            principal=principal,
            principal_type=principal_type,
            reason=reason,
            revision=revision,
            **given,
        )
        changed = revoke_access(self._services, request, context=principal_of(ctx))
        return ChangedGrantsAnswer.model_validate(changed.model_dump())

    def list_grants(self, model: RecordModel, record_id: UUID, ctx: Ctx) -> RecordGrantsAnswer:
        """List the grants on a record that you may read, and say what you may do with it and who owns it.

        All grants with admin on the record, else those that are to you.
        """
        context = principal_of(ctx)
        found = list_grants(self._services, model, record_id, context=context)
        audit_ref = self._audited("list_grants", f"{model}/{record_id}", context)
        return RecordGrantsAnswer(audit_ref=audit_ref, **found.model_dump())
