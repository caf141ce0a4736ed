"""Tasks that wait, messages and signals, on the tables alone: what the tests of messages share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from database_owner import as_owner
from pydantic import JsonValue
from sqlalchemy import text

from engine.bpmn import MessageTrigger, ProcessModel, SignalTrigger, StartEvent
from engine.messages import BroadcastSignal, Messenger, PublishedMessage, replace_start_subscriptions
from engine.persistence import DefinitionRef, Definitions, EventKind, Subscriptions, WaitingEvent
from storage import SecurityContext, Storage, UnitOfWork
from storage.identifiers import new_id
from storage.models import RoleType

OLGA = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
VERA = SecurityContext(user_id="vera", tenant_id="north", roles=frozenset({RoleType.VIEWER}))
SVEN = SecurityContext(user_id="sven", tenant_id="south", roles=frozenset({RoleType.ADMIN}))
NAME, KEY = "result-arrived", "order-1"
TTL = 3_600.0


class PostOffice:
    """Each call is a transaction of its own; instances are rows, and what starts one inserts a row."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.definition = DefinitionRef(
            process_definition_id=new_id(), process_id="p", version=1, version_tag=None, name="p", sha256="0"
        )
        with storage.transaction() as work:
            Definitions(work).insert(self.definition, b"", "olga")

    def instance(self, status: str = "running", tenant_id: str = "north") -> UUID:
        with self.storage.transaction() as work:
            return self.insert_instance(work, status=status, tenant_id=tenant_id)

    def insert_instance(
        self,
        work: UnitOfWork,
        *,
        ref: DefinitionRef | None = None,
        status: str = "running",
        tenant_id: str = "north",
        business_key: str | None = None,
    ) -> UUID:
        process_instance_id, ref = new_id(), ref or self.definition
        statement = text(
            "insert into process_instance (process_instance_id, process_definition_id, process_id, pinned_definitions,"
            " start_event_id, tenant_id, business_key, started_by, status)"
            " values (:instance, :definition, :process, '{}', 'Begin', :tenant, :key, '{}', :status)"
        )
        parameters = {
            "instance": process_instance_id,
            "definition": ref.process_definition_id,
            "process": ref.process_id,
            "tenant": tenant_id,
            "key": business_key,
            "status": status,
        }
        work.connection.execute(statement, parameters)
        return process_instance_id

    def event(
        self,
        name: str = NAME,
        key: str | None = KEY,
        *,
        instance: UUID | None = None,
        tenant_id: str = "north",
        repeating: bool = False,
    ) -> WaitingEvent:
        """A task that is about to wait; a signal's where there is no key."""
        return WaitingEvent(
            kind=EventKind.SIGNAL if key is None else EventKind.MESSAGE,
            name=name,
            correlation_key=key,
            tenant_id=tenant_id,
            process_instance_id=instance or self.instance(tenant_id=tenant_id),
            task_id=new_id(),
            element_id="Wait",
            process_id="p",
            is_repeating=repeating,
        )

    def open(self, *events: WaitingEvent) -> None:
        with self.storage.transaction() as work:
            Subscriptions(work).open(events)

    def wait(self, name: str = NAME, key: str | None = KEY, **options: Any) -> WaitingEvent:
        event = self.event(name, key, **options)
        self.open(event)
        return event

    def close(self, event: WaitingEvent, *, executing: UUID | None = None) -> None:
        with self.storage.transaction() as work:
            Subscriptions(work).close(event.process_instance_id, [event.task_id], executing=executing)

    def publish(
        self,
        payload: Mapping[str, JsonValue] | None = None,
        *,
        name: str = NAME,
        key: str = KEY,
        by: SecurityContext = OLGA,
        message_id: str | None = None,
        ttl: float = 0,
    ) -> PublishedMessage:
        with self.storage.transaction() as work:
            return self.messenger(work).publish(
                name, key, payload or {}, context=by, message_id=message_id, time_to_live_seconds=ttl
            )

    def broadcast(
        self, name: str, variables: Mapping[str, JsonValue] | None = None, by: SecurityContext = OLGA
    ) -> BroadcastSignal:
        with self.storage.transaction() as work:
            return self.messenger(work).broadcast_signal(name, variables or {}, context=by)

    def messenger(self, work: UnitOfWork) -> Messenger:
        def start(
            ref: DefinitionRef,
            _start_event_id: str,
            _variables: Mapping[str, JsonValue],
            *,
            business_key: str | None,
            idempotency_key: str | None,
            context: SecurityContext,
        ) -> UUID:
            assert idempotency_key is None or ref.process_id in idempotency_key
            return self.insert_instance(work, ref=ref, tenant_id=context.tenant_id, business_key=business_key)

        return Messenger(work, start)

    def deploy(self, process_id: str, *triggers: MessageTrigger | SignalTrigger, version: int = 1) -> DefinitionRef:
        ref = self.definition.model_copy(
            update={
                "process_definition_id": new_id(),
                "process_id": process_id,
                "version": version,
                "sha256": f"{process_id}{version}",
            }
        )
        starts = [StartEvent(f"Begin_{i}", "", 1, trigger=trigger) for i, trigger in enumerate(triggers)]
        nodes = {event.id: event for event in starts}
        model = ProcessModel(process_id, process_id, 1, None, dict(nodes), ())
        with self.storage.transaction() as work:
            Definitions(work).insert(ref, b"", "olga")
            replace_start_subscriptions(work, ref, model)
        return ref

    def on_the_way(self) -> list[tuple[UUID, dict[str, Any]]]:
        """Return task and payload of every trigger job, oldest first."""
        rows = self.rows("select task_id, payload from job where type = 'engine.trigger' order by created_at, job_id")
        return [(row[0], row[1]) for row in rows]

    def received(self) -> list[tuple[UUID, JsonValue]]:
        """Return what is on its way, as task and variable `n`."""
        return [(task_id, payload["variables"].get("n")) for task_id, payload in self.on_the_way()]

    def waiting_tasks(self) -> set[UUID]:
        return {row[0] for row in self.rows("select task_id from subscription where process_instance_id is not null")}

    def statuses(self) -> list[str]:
        return [row[0] for row in self.rows("select status from message order by published_at")]

    def rows(self, statement: str, **parameters: object) -> list[tuple[Any, ...]]:
        with as_owner(self.storage) as connection:
            return [tuple(row) for row in connection.execute(text(statement), parameters)]

    def execute(self, statement: str, **parameters: object) -> None:
        with as_owner(self.storage) as connection:
            connection.execute(text(statement), parameters)
