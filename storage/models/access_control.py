"""Access control lists: grants of permissions on one record to one principal."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema

from storage.models.enums import Permission, PrincipalType

# JSON Schema has no format for networks, and strict clients refuse a schema whose formats they do not know.
_NETWORK_SCHEMA = {"type": "string", "description": "A network, such as 10.1.0.0/16 or 2001:db8::/32."}


def _ordered(permissions: tuple[Permission, ...]) -> tuple[Permission, ...]:
    return tuple(sorted(set(permissions)))


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


class GrantConditions(BaseModel):
    """What must hold, all of it, for a grant to count.

    Attributes:
        networks: The caller's address lies in one of them; any address where there are none.
        claims: The caller's token says exactly this.
        not_before: The grant begins then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    networks: tuple[Annotated[IPv4Network | IPv6Network, WithJsonSchema(_NETWORK_SCHEMA)], ...] = ()
    claims: dict[str, str] = Field(default_factory=dict)
    not_before: Annotated[AwareDatetime, AfterValidator(_utc)] | None = None


class ACLEntry(BaseModel):
    """One grant.

    Attributes:
        principal: A user's or service's id, a role's or group's name, as `principal_type` says.
        permissions: Each at most once, in alphabetical order.
        expires_at: The grant does not count from then on; never, unless given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    principal: Annotated[str, Field(min_length=1)]
    principal_type: PrincipalType
    permissions: Annotated[tuple[Permission, ...], Field(min_length=1), AfterValidator(_ordered)]
    conditions: GrantConditions = GrantConditions()
    granted_by: str
    granted_at: Annotated[AwareDatetime, AfterValidator(_utc)]
    expires_at: Annotated[AwareDatetime, AfterValidator(_utc)] | None = None
