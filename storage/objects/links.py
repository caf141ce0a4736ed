"""Links by which one object can be read once, without a token, until they expire.

A link is a random secret, of which the database keeps the digest together with what it leads to. It holds no address,
so it cannot be re-aimed, and it is used up by the first who reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection

from storage.objects.references import QUERIES


class LinkedObject(BaseModel):
    """What a link leads to, and to whom it was given."""

    model_config = ConfigDict(frozen=True)

    tenant_id: str
    uri: str
    issued_to: str


class SpentLink(BaseModel):
    """A link that is good for nothing any more."""

    model_config = ConfigDict(frozen=True)

    linked: LinkedObject
    reason: str


class Links:
    """The links of all tenants, on the caller's transaction; who may read an object is decided before it is linked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, secret: str, linked: LinkedObject, seconds: int) -> datetime:
        """Let a secret lead to an object for so long; return when that ends."""
        self.forget_expired()
        values = {**linked.model_dump(), "token_sha256": _digest(secret), "seconds": seconds}
        (row,) = QUERIES.rows(self._connection, "add_link", values)
        expires_at: datetime = row.expires_at
        return expires_at

    def forget_expired(self) -> int:
        """Forget links a day after they have expired, used or not; return how many."""
        return QUERIES.execute(self._connection, "forget_links")

    def withdraw(self, tenant_id: str, uris: Collection[str]) -> int:
        """Let no link lead to these objects any more, whoever it was given to; return how many did."""
        return QUERIES.execute(self._connection, "withdraw_links", {"tenant_id": tenant_id, "uris": sorted(uris)})

    def use(self, secret: str) -> LinkedObject | None:
        """Return what a secret leads to, which is nowhere from now on; `None` where it leads nowhere already."""
        row = QUERIES.first(self._connection, "use_link", {"token_sha256": _digest(secret)})
        return None if row is None else LinkedObject.model_validate(row._asdict())

    def spent(self, secret: str) -> SpentLink | None:
        """Return where a secret led that leads nowhere any more, and why; `None` where it never led anywhere."""
        row = QUERIES.first(self._connection, "find_link", {"token_sha256": _digest(secret)})
        if row is None:
            return None
        linked = LinkedObject(tenant_id=row.tenant_id, uri=row.uri, issued_to=row.issued_to)
        return SpentLink(linked=linked, reason="it has expired" if row.used_at is None else "it was used before")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
