"""Messages, signals and platform events through the engine and its workers, to the end of a process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from diagrams import boundary, catch, diagram, document, end, message, path, process, receive_task, signal, start, throw
from diagrams import user_task as person_task
from engine_shop import ADMIN, EAGER, ONE_JOB, Shop, five
from engine_shop import external as external_task
from pydantic import JsonValue, TypeAdapter, ValidationError
from sqlalchemy import text

from engine import InstanceStatus, MessageOutcome, NotificationHub, PublishedMessage
from handlers.event_gateway import DatasetUpdated, DriftDetected, EventGateway, ExperimentRequested, PlatformEvent
from storage import SecurityContext, Storage
from storage.errors import AccessDeniedError
from storage.identifiers import new_id
from storage.models import RiskSeverity, RoleType

RESULT = message("Message_Result", "result-arrived", "=order_id")
WAITS = document(
    RESULT, process("p", start(), path("Begin", "Wait", "Done"), catch("Wait", message_ref="Message_Result"), end())
)
VIEWER = SecurityContext(user_id="vera", tenant_id="north", roles=frozenset({RoleType.VIEWER}))


def publish(
    shop: Shop, name: str = "result-arrived", key: str = "7", *, ttl: float = 0, **payload: JsonValue
) -> PublishedMessage:
    with shop.storage.transaction() as work:
        return shop.engine.publish_message(work, name, key, payload, context=ADMIN, time_to_live_seconds=ttl)


def work_off(shop: Shop) -> int:
    worker = shop.worker(EAGER)
    return sum(1 for _ in iter(worker.run_one, False))


def status(shop: Shop, process_instance_id: UUID) -> InstanceStatus:
    return shop.describe(process_instance_id).status


def count(shop: Shop, table: str) -> int:
    with shop.storage.transaction() as work:
        return int(work.connection.execute(text(f"select count(*) from {table}")).scalar_one())


def test_a_waiting_instance_goes_on_with_the_payload_as_variables(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, WAITS)
    process_instance_id = shop.start(order_id=7)

    published = publish(shop, accuracy=0.9)
    before = status(shop, process_instance_id)
    work_off(shop)

    assert (published.outcome, published.process_instance_id) == (MessageOutcome.RECEIVED, process_instance_id)
    assert (before, status(shop, process_instance_id)) == (InstanceStatus.RUNNING, InstanceStatus.COMPLETED)
    assert shop.variables(process_instance_id) == {"order_id": 7, "accuracy": 0.9}


def test_a_buffered_message_takes_an_instance_through_that_comes_later(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, WAITS)
    publish(shop, ttl=60, accuracy=0.9)

    process_instance_id = shop.start(order_id="7")
    work_off(shop)

    assert status(shop, process_instance_id) is InstanceStatus.COMPLETED
    assert (count(shop, "subscription"), count(shop, "job")) == (0, 0)


def test_a_receive_task_is_done_when_its_message_arrives(storage: Storage, hub: NotificationHub) -> None:
    task = receive_task("Wait", "Message_Result", outputs={"score": "=accuracy"})
    shop = Shop(storage, hub, document(RESULT, process("p", start(), path("Begin", "Wait", "Done"), task, end())))
    process_instance_id = shop.start(order_id=7)

    publish(shop, accuracy=0.9)
    work_off(shop)

    assert shop.variables(process_instance_id) == {"order_id": 7, "score": 0.9}


def attached(*, interrupting: bool) -> bytes:
    return document(
        RESULT,
        process(
            "p",
            start(),
            path("Begin", "Review", "Done"),
            person_task("Review", "reviewer"),
            boundary("Result", "Review", message_ref="Message_Result", interrupting=interrupting),
            path("Result", "Overtaken"),
            end(),
            end("Overtaken"),
        ),
    )


def test_a_message_interrupts_the_activity_that_it_is_drawn_on(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, attached(interrupting=True))
    process_instance_id = shop.start(order_id=7)

    publish(shop)
    work_off(shop)

    assert status(shop, process_instance_id) is InstanceStatus.COMPLETED
    assert count(shop, "subscription") == 0


def test_a_boundary_event_that_does_not_interrupt_receives_again_and_again(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, attached(interrupting=False))
    process_instance_id = shop.start(order_id=7)

    outcomes = [publish(shop).outcome for _ in range(3)]
    work_off(shop)

    assert outcomes == [MessageOutcome.RECEIVED] * 3
    assert status(shop, process_instance_id) is InstanceStatus.RUNNING
    assert (count(shop, "subscription"), count(shop, "job")) == (1, 0)


def test_a_message_that_comes_too_late_for_a_completed_activity_waits_for_the_next(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, attached(interrupting=True))
    shop.start(order_id=7)
    publish(shop, ttl=60)
    with storage.transaction() as work:
        reviewer = ADMIN.model_copy(update={"groups": frozenset({"reviewer"})})
        (task,) = shop.engine.user_tasks(work, context=reviewer)
        shop.engine.complete_user_task(work, task.user_task_id, {}, context=reviewer)
    assert count(shop, "job") == 0

    second = shop.start(order_id=7)
    work_off(shop)

    assert status(shop, second) is InstanceStatus.COMPLETED


def test_a_message_starts_an_instance_with_the_key_as_business_key(storage: Storage, hub: NotificationHub) -> None:
    begins = document(
        message("Message_Begin", "order-placed"),
        process("p", start(message_ref="Message_Begin"), path("Begin", "Done"), end()),
    )
    shop = Shop(storage, hub, begins)

    published = publish(shop, "order-placed", "order-1", amount=3)

    (process_instance_id,) = published.started
    assert shop.variables(process_instance_id) == {"amount": 3}
    with storage.transaction() as work:
        assert shop.engine.instances_of(work, "order-1", context=ADMIN) == [process_instance_id]


def test_a_thrown_signal_reaches_other_instances_and_starts_new_ones(storage: Storage, hub: NotificationHub) -> None:
    content = document(
        signal("Signal_Stop", "stop"),
        process("p", start(), path("Begin", "Throw", "Done"), throw("Throw", "Signal_Stop"), end()),
        process("q", start("B"), path("B", "Wait", "D"), catch("Wait", signal_ref="Signal_Stop"), end("D")),
        process("r", start("Started", signal_ref="Signal_Stop"), path("Started", "E"), end("E")),
    )
    shop = Shop(storage, hub, content)
    with storage.transaction() as work:
        waiting = [shop.engine.start(work, "q", {}, context=ADMIN) for _ in range(3)]

    shop.start()
    work_off(shop)

    assert {status(shop, each) for each in waiting} == {InstanceStatus.COMPLETED}
    with storage.transaction() as work:
        statement = "select process_id, count(*) from process_instance group by process_id order by process_id"
        assert [tuple(row) for row in work.connection.execute(text(statement))] == [("p", 1), ("q", 3), ("r", 1)]


def test_workers_and_publishers_side_by_side_take_every_instance_through(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, WAITS)

    def start_and_publish(keys: range) -> list[UUID]:
        started = []
        for key in keys:
            publish(shop, key=str(key), ttl=60)
            started.append(shop.start(order_id=key))
            work_off(shop)
        return started

    with ThreadPoolExecutor(3) as pool:
        instances = [
            each for group in pool.map(start_and_publish, [range(10), range(10), range(10, 20)]) for each in group
        ]
    work_off(shop)

    assert {status(shop, each) for each in instances} == {InstanceStatus.COMPLETED}
    assert (count(shop, "subscription"), count(shop, "job")) == (0, 0)


def test_an_event_becomes_a_message_with_its_fields_as_variables_once(storage: Storage, hub: NotificationHub) -> None:
    model_id = new_id()
    drift = message("Message_Drift", "drift.detected", "=model_id")
    wait = catch("Wait", message_ref="Message_Drift")
    shop = Shop(storage, hub, document(drift, process("p", start(), path("Begin", "Wait", "Done"), wait, end())))
    instances = [shop.start(model_id=str(model_id)) for _ in range(2)]
    event = DriftDetected(
        event_id=new_id(), model_id=model_id, method="page-hinkley", severity=RiskSeverity.HIGH, details={"mean": 2}
    )

    first, again = (dispatch(shop, event) for _ in range(2))
    work_off(shop)

    assert (first.process_instance_id, again) == (instances[0], first.model_copy(update={"is_duplicate": True}))
    assert [status(shop, each) for each in instances] == [InstanceStatus.COMPLETED, InstanceStatus.RUNNING]
    assert shop.variables(instances[0]) == {
        "model_id": str(model_id),
        "method": "page-hinkley",
        "severity": "high",
        "dataset_version_id": None,
        "details": {"mean": 2},
    }


def test_events_are_correlated_by_experiment_or_model(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, external_task(five))
    dataset_id, experiment_id = new_id(), new_id()
    version = {"dataset_id": dataset_id, "dataset_version_id": new_id()}
    events: list[PlatformEvent] = [
        DatasetUpdated(event_id=new_id(), **version),
        DatasetUpdated(event_id=new_id(), experiment_id=experiment_id, **version),
        ExperimentRequested(event_id=new_id(), experiment_id=experiment_id, parameters={"epochs": 3}),
    ]

    outcomes = {dispatch(shop, event).outcome for event in events}

    assert outcomes == {MessageOutcome.BUFFERED}
    with storage.transaction() as work:
        statement = text("select name, correlation_key, expires_at - published_at = '1 day' from message")
        assert {tuple(row) for row in work.connection.execute(statement)} == {
            ("dataset.updated", str(dataset_id), True),
            ("dataset.updated", str(experiment_id), True),
            ("experiment.requested", str(experiment_id), True),
        }


def test_an_event_is_read_by_its_kind_and_nothing_else_is_accepted() -> None:
    reader: TypeAdapter[PlatformEvent] = TypeAdapter(PlatformEvent)
    event = ExperimentRequested(event_id=new_id(), experiment_id=new_id())

    assert reader.validate_json(event.model_dump_json()) == event
    with pytest.raises(ValidationError):
        reader.validate_python({**event.model_dump(), "kind": "experiment.deleted"})
    with pytest.raises(ValidationError):
        reader.validate_python({**event.model_dump(), "tenant_id": "south"})


def test_a_viewer_may_not_dispatch_an_event(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, diagram("p", start(), path("Begin", "Done"), end()))

    with pytest.raises(AccessDeniedError):
        dispatch(shop, ExperimentRequested(event_id=new_id(), experiment_id=new_id()), VIEWER)


def dispatch(shop: Shop, event: PlatformEvent, context: SecurityContext = ADMIN) -> PublishedMessage:
    with shop.storage.transaction() as work:
        return EventGateway(shop.engine).dispatch(work, event, context=context)
