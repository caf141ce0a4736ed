"""Two versions of a process, the first with running instances: what the tests of migrations share."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from database_owner import as_owner
from engine_shop import ADMIN
from sqlalchemy import text
from user_task_desk import OLGA, ReviewOffice

from engine import Engine, Migrations, Verdict
from storage import SecurityContext, Storage

WHY = "the new rules hold for everybody"


class Archive:
    """Two versions of a process, the first with running instances."""

    def __init__(self, storage: Storage, engine: Engine, process_id: str) -> None:
        self.storage = storage
        self.engine = engine
        self.process_id = process_id

    def deploy(self, content: bytes) -> UUID:
        with self.storage.transaction() as work:
            refs = self.engine.deploy(work, content, context=ADMIN).processes
        return next(ref.process_definition_id for ref in refs if ref.process_id == self.process_id)

    def migrate(self, instance: UUID, to: UUID, context: SecurityContext = OLGA, **options: Any) -> Verdict:
        with self.storage.transaction() as work:
            return Migrations(self.engine).migrate(work, instance, to, reason=WHY, context=context, **options)

    def plan(self, old: UUID, new: UUID, **options: Any) -> tuple[Verdict, ...]:
        with self.storage.transaction() as work:
            return Migrations(self.engine).plan(work, old, new, context=OLGA, **options)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with as_owner(self.storage) as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def everything(self) -> list[list[tuple[Any, ...]]]:
        """Return all that an instance consists of."""
        tables = ("process_instance", "task", "timer", "subscription", "job", "user_task", "incident", "event")
        return [self.rows(f"select to_jsonb(t)::text from {table} t order by 1") for table in tables]


def opened(storage: Storage, first: bytes, second: bytes) -> tuple[ReviewOffice, Archive, UUID, UUID, UUID]:
    """Return an office with an instance of the first version, and the ids of instance and versions."""
    office = ReviewOffice(storage, first)
    archive = Archive(storage, office.engine, "review")
    instance = office.start()
    return office, archive, instance, archive.deploy(first), archive.deploy(second)


def open_tasks(office: ReviewOffice, instance: UUID) -> dict[str, UUID]:
    return {office.described(each).element_id: each for each in office.instance(instance).open_user_task_ids}
