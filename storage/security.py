"""Who is asking: the security context that every call carries."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from storage.models.enums import RoleType


class SecurityContext(BaseModel):
    """A principal as established at a door; never built from what a request's body claims.

    Attributes:
        user_id: Stable name of the principal.
        tenant_id: The only tenant whose records the principal can see.
        groups: Candidate groups of user tasks, e.g. `reviewer`.
        granted: Ids of RESTRICTED resources that a door granted for this call; lasting grants are in a record's `acl`.
        claims: What the token says of the principal beyond that.
    """

    model_config = ConfigDict(frozen=True)

    user_id: str
    tenant_id: str
    roles: frozenset[RoleType] = frozenset()
    groups: frozenset[str] = frozenset()
    granted: frozenset[str] = frozenset()
    claims: dict[str, str] = Field(default_factory=dict)
    session_id: str | None = None
    address: str | None = None
