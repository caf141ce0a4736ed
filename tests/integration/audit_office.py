"""A database with an audit trail and somebody who seals it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from storage import AuditEntry, SecurityContext, Storage
from storage.audit.keys import KeyFile
from storage.audit.sealer import Sealer, SealerPolicy
from storage.database import SEALER_ROLE, connect
from storage.models import RoleType

ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}))
SVEN = SecurityContext(user_id="sven", tenant_id="south", roles=frozenset({RoleType.ADMIN}))
OLGA = ADA.model_copy(update={"user_id": "olga", "roles": frozenset({RoleType.ADMIN})})


class AuditOffice:
    """Writes leaves and seals them.

    Attributes:
        storage: As the application has it.
        records: As those have it who keep the trail.
    """

    def __init__(self, storage: Storage, records: Storage, folder: Path) -> None:
        self.storage = storage
        self.records = records
        self.key_file = KeyFile(folder / "audit-key.json")
        self.sealer = self.new_sealer("first")

    def new_sealer(self, holder: str, **policy: float) -> Sealer:
        """Return another sealer of the same log."""
        return Sealer(self.records, self.key_file, holder, SealerPolicy(**policy))  # type: ignore[arg-type]

    def record(
        self, number: int, context: SecurityContext = ADA, *, settles: bool = True, **entry: object
    ) -> list[UUID]:
        """Write leaves, all in one transaction."""
        with self.storage.transaction() as work:
            leaves = [
                work.audit.record(AuditEntry("a", f"thing/{each}")._replace(**entry), context=context)
                for each in range(number)
            ]
        if settles:
            self.settle()
        return leaves

    def settle(self) -> None:
        """Wait until all that is committed can be sealed: transactions of other tests can hold it up."""
        ((newest,),) = self.rows("select cast(pg_snapshot_xmax(pg_current_snapshot()) as text)")
        query = "select pg_snapshot_xmin(pg_current_snapshot()) >= cast(:newest as xid8)"
        pause = threading.Event()
        assert any(self.rows(query, newest=newest) == [(True,)] or pause.wait(0.02) for _ in range(3_000))

    def seal(self) -> int:
        """Seal all that is committed, at most one batch."""
        self.settle()
        return self.sealer.seal()

    def order(self, tenant_id: str = "north") -> list[UUID]:
        """Return the leaves of a tenant's tree in their order."""
        query = "select audit_ref from audit_position where tenant_id = :tenant_id order by position"
        with self.records.transaction() as work:
            return list(work.connection.execute(text(query), {"tenant_id": tenant_id}).scalars())

    def rows(self, query: str, **parameters: object) -> list[tuple[object, ...]]:
        """Return what a query finds, over all tenants."""
        with self.records.transaction() as work:
            return [tuple(row) for row in work.connection.execute(text(query), parameters)]


@contextmanager
def audit_office(storage: Storage, database_url: str, folder: Path) -> Iterator[AuditOffice]:
    """Open an office on a database."""
    database = connect(database_url, role=SEALER_ROLE)
    try:
        yield AuditOffice(storage, Storage(database, storage.objects), folder)
    finally:
        database.dispose()
