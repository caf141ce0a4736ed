"""One transaction over all stores, and what can be reached through it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Connection, Engine

from storage.access import Decision, Resource, decide, require
from storage.audit import AuditLeaf, AuditTrail, denial_leaves
from storage.errors import AccessDeniedError, DatabaseUnavailableError
from storage.models import Permission, StorageModel
from storage.objects import ObjectStore
from storage.outages import translated_outages
from storage.security import SecurityContext
from storage.sql import Queries
from storage.tenants import enter_tenant
from storage.unified_crud import UnifiedCRUD
from storage.withheld import has_restricted_records, restricted_records

logger = logging.getLogger(__name__)

ModelT = TypeVar("ModelT", bound=StorageModel)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class UnitOfWork:
    """Everything that commits together or not at all.

    Attributes:
        connection: The transaction, for the persistence modules that share it.
        objects: The object store; objects are published before the rows that name them.
    """

    def __init__(
        self, connection: Connection, objects: ObjectStore, queries: Queries, clock: Callable[[], datetime]
    ) -> None:
        self.connection = connection
        self.objects = objects
        self._queries = queries
        self._clock = clock
        self.audit = AuditTrail(connection)

    def get_crud(self, model: type[ModelT]) -> UnifiedCRUD[ModelT]:
        """Return the records of `model` on this transaction."""
        return UnifiedCRUD(model, self.connection, self.audit, self._clock)

    def has_restricted_records(self, *, context: SecurityContext) -> bool:
        """Return whether the principal's tenant has any record that is RESTRICTED; a look at one row of an index."""
        return has_restricted_records(self.connection, context)

    def restricted_records(self, ids: Collection[UUID], *, context: SecurityContext) -> dict[UUID, Resource]:
        """Return those that are RESTRICTED records of the principal's tenant, deleted ones included."""
        return restricted_records(self.connection, ids, context)

    def clock(self) -> datetime:
        """Return the time (aware) that grants are measured against."""
        return self._clock()

    def decide(self, permission: Permission, resource: Resource, *, context: SecurityContext) -> Decision:
        """Return the access decision as of now."""
        return decide(context, permission, resource, now=self._clock())

    def lock(self, name: str) -> None:
        """Wait until no other transaction holds `name`; hold it until this one ends."""
        self._queries.execute(self.connection, "lock_name", {"name": name})

    @cached_property
    def now(self) -> datetime:
        """Return the database's time (aware), the same throughout this transaction."""
        row = self._queries.first(self.connection, "database_time")
        assert row is not None  # noqa: S101 - a select without a table has one row
        now: datetime = row.now
        return now


class Storage:
    """The stores of one deployment.

    Args:
        engine: Connections to the database, as `connect` makes them.
        objects: Where files are.
        clock: Returns the time (aware), for what records say of themselves and for how long grants count.
    """

    def __init__(self, engine: Engine, objects: ObjectStore, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._clock = clock
        self._engine = engine
        self._self_committing = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.objects = objects
        self._queries = Queries(Path(__file__).with_name("queries.sql"))

    @contextmanager
    def transaction(self, tenant_id: str | None = None) -> Iterator[UnitOfWork]:
        """Open a unit of work; commit at the end of the block, roll back on any exception.

        Args:
            tenant_id: For whom a door opens it: whose process instances it can see. Who works for all tenants names
                none.

        Raises:
            DatabaseUnavailableError: The connection was lost. Then nothing was committed, unless it was lost while the
                database confirmed the commit: who must know has to look.
            DatabaseBusyError, DatabaseExhaustedError: Such an error too, for another reason; nothing was committed.
            DatabaseLimitError: A statement asked for more than the database takes; nothing was committed.
        """
        with self._denials_recorded() as begun, translated_outages(), self._engine.begin() as connection:
            if tenant_id is not None:
                enter_tenant(connection, tenant_id)
            work = UnitOfWork(connection, self.objects, self._queries, self._clock)
            begun.append(work.audit)
            yield work

    @contextmanager
    def statement(self) -> Iterator[UnitOfWork]:
        """Open a unit of work for one statement, which commits by itself: one round trip instead of three.

        Raises:
            DatabaseUnavailableError, DatabaseLimitError: As `transaction`.
        """
        with self._denials_recorded() as begun, translated_outages(), self._self_committing.connect() as connection:
            work = UnitOfWork(connection, self.objects, self._queries, self._clock)
            begun.append(work.audit)
            yield work

    def require(self, permission: Permission, resource: Resource, *, context: SecurityContext) -> None:
        """Return if the principal holds the permission, before anything is opened; a denial goes on the record.

        Raises:
            AccessDeniedError: It does not.
        """
        with self._denials_recorded():
            require(context, permission, resource, now=self._clock())

    @contextmanager
    def _denials_recorded(self) -> Iterator[list[AuditTrail]]:
        """Write what was denied in the block once that is over: its own transaction may have been rolled back."""
        begun: list[AuditTrail] = []
        denials: list[AuditLeaf] = []
        try:
            yield begun
        except AccessDeniedError as error:
            denials += denial_leaves(error)
            error.context = None  # an outer transaction need not write it again
            raise
        finally:
            for trail in begun:
                denials += trail.take_denials()
            if denials:
                self._record_denials(denials)

    def _record_denials(self, denials: Sequence[AuditLeaf]) -> None:
        try:
            with translated_outages(), self._engine.begin() as connection:
                AuditTrail(connection).append(denials)
        except DatabaseUnavailableError:
            logger.exception("denials not recorded", extra={"denials": [leaf.canonical_text for leaf in denials]})
