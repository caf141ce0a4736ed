"""How handlers end on a real database: what commits together, and what becomes a retry, a flow or an incident."""

from __future__ import annotations

import logging

import pytest
from diagrams import boundary, choice, diagram, document, end, error, flow, path, process, service_task, start
from engine_shop import EAGER, ONE_JOB, Count, Nothing, Result, Shop, raising, transactional, write_dataset
from pydantic import JsonValue

from engine import (
    BpmnError,
    InstanceStatus,
    NotificationHub,
    PermanentTaskError,
    TaskContext,
    TransactionalTask,
)
from engine.persistence import Jobs
from storage import Storage


def test_the_rows_of_a_handler_and_the_step_of_the_process_are_committed_together(
    storage: Storage, hub: NotificationHub
) -> None:
    def write(context: TaskContext, _request: Nothing) -> Result:
        write_dataset(context)
        return Result(value=shop.datasets())

    shop = Shop(storage, hub, ONE_JOB, transactional(write))
    process_instance_id = shop.start()

    assert [shop.worker().run_one(), shop.worker().run_one()] == [True, False]

    assert shop.variables(process_instance_id) == {"value": 0}  # what another transaction saw meanwhile
    assert shop.datasets() == 1
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    assert shop.job() is None


def test_a_handler_that_raises_after_writing_leaves_nothing_and_runs_again(
    storage: Storage, hub: NotificationHub
) -> None:
    keys = []

    def fail_once(context: TaskContext, _request: Nothing) -> Result:
        write_dataset(context)
        keys.append(context.idempotency_key)
        if context.attempt == 1:
            raise ConnectionError
        return Result()

    shop = Shop(storage, hub, ONE_JOB, transactional(fail_once))
    process_instance_id = shop.start()
    worker = shop.worker(EAGER)

    worker.run_one()
    assert (shop.datasets(), shop.job()) == (0, ("available", 2, 1))
    worker.run_one()

    assert (shop.datasets(), shop.job()) == (1, None)
    assert len(set(keys)) == 1
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_a_failing_handler_is_tried_again_with_growing_delays_until_an_incident(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, ONE_JOB, raising(ConnectionError("no route")))
    process_instance_id = shop.start()
    worker, delays = shop.worker(), []

    for _ in range(3):
        assert worker.run_one()
        with storage.transaction() as work:
            delays.append(Jobs(work).seconds_until_next(("t",)))
        assert not worker.run_one()
        shop.execute("update job set available_at = clock_timestamp()")

    assert [None if delay is None else round(delay, -2) for delay in delays] == [1_000, 2_000, None]
    described = shop.describe(process_instance_id)
    assert described.status is InstanceStatus.INCIDENT
    incident = described.incident or {}
    assert (incident["element_id"], incident["code"], incident["message"]) == ("Work", "TASK_FAILED", "no route")
    assert (shop.job(), shop.datasets()) == (("failed", 3, 3), 0)


AFTERWARDS = diagram(
    "p",
    start(),
    path("Begin", "Work", "Which"),
    service_task("Work", "t", {}, {"value": "=value"}, retries=3),
    choice("Which", "=value > 1", "Done", "Circle"),
    choice("Circle", "=false", "Done", "Again"),
    choice("Again", "=false", "Done", "Circle"),
    end(),
)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        pytest.param("text", "EXPRESSION_FAILED", id="the gateway behind it cannot decide"),
        pytest.param(0, "STEP_LIMIT_EXCEEDED", id="the process runs in circles behind it"),
    ],
)
def test_a_step_that_fails_behind_a_finished_handler_is_an_incident_and_nothing_is_half_written(
    storage: Storage, hub: NotificationHub, value: JsonValue, code: str
) -> None:
    def write(context: TaskContext, _request: Nothing) -> Result:
        write_dataset(context)
        return Result(value=value)

    shop = Shop(storage, hub, AFTERWARDS, transactional(write))
    process_instance_id = shop.start(value=1)

    shop.worker().run_one()

    described = shop.describe(process_instance_id)
    assert (described.status, (described.incident or {})["code"]) == (InstanceStatus.INCIDENT, code)
    assert (shop.datasets(), shop.variables(process_instance_id)) == (0, {"value": 1})
    assert shop.job() == ("failed", 1, 1)
    assert [(step.element_id, step.state) for step in described.steps] == [("Work", "activated")]


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (PermanentTaskError("broken for good"), "TASK_FAILED_PERMANENTLY"),
        (BpmnError("UNHEARD", "of"), "BPMN_ERROR_UNCAUGHT"),
    ],
)
def test_a_failure_that_no_attempt_can_mend_is_an_incident_at_once(
    storage: Storage, hub: NotificationHub, failure: Exception, code: str
) -> None:
    shop = Shop(storage, hub, ONE_JOB, raising(failure))
    process_instance_id = shop.start()

    shop.worker().run_one()

    described = shop.describe(process_instance_id)
    assert (described.status, (described.incident or {}).get("code")) == (InstanceStatus.INCIDENT, code)
    assert (shop.job(), shop.datasets()) == (("failed", 1, 1), 0)


def test_values_that_do_not_fit_the_handler_are_an_incident_that_names_the_field(
    storage: Storage, hub: NotificationHub
) -> None:
    def never(_context: TaskContext, _request: Count) -> Result:
        raise AssertionError("the handler was called")

    work_task = service_task("Work", "t", {"count": "=n"})
    content = diagram("p", start(), path("Begin", "Work", "Done"), work_task, end())
    shop = Shop(storage, hub, content, TransactionalTask("t", Count, never))
    process_instance_id = shop.start(n="many")

    shop.worker().run_one()

    incident = shop.describe(process_instance_id).incident or {}
    assert incident["code"] == "TASK_CONTRACT_VIOLATED"
    assert "count" in str(incident["message"])


def test_a_business_error_leaves_by_its_boundary_event_without_the_rows_of_the_handler(
    storage: Storage, hub: NotificationHub
) -> None:
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Work", "Done"),
            service_task("Work", "t"),
            boundary("Caught", "Work", "Error"),
            flow("Caught", "Failed"),
            end(),
            end("Failed"),
        ),
        error("Error", "BROKEN"),
    )
    shop = Shop(storage, hub, content, raising(BpmnError("BROKEN", "dust", variables={"reason": "dust"})))
    process_instance_id = shop.start()

    shop.worker().run_one()

    described = shop.describe(process_instance_id)
    assert (described.status, described.incident) == (InstanceStatus.COMPLETED, None)
    assert [(step.element_id, step.state) for step in described.steps] == [("Work", "cancelled")]
    assert (shop.variables(process_instance_id), shop.datasets()) == ({"reason": "dust"}, 0)
    assert shop.job() is None


@pytest.mark.parametrize("failure", [ValueError("a\x00b \udcff"), BpmnError("UNHEARD", "a\x00b \udcff")])
def test_a_failure_whose_message_the_database_cannot_hold_becomes_an_incident_all_the_same(
    storage: Storage, hub: NotificationHub, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The captured log would hold half a character, which pytest-xdist cannot send from process to process.
    monkeypatch.setattr(logging.getLogger("engine.worker"), "disabled", True)
    content = ONE_JOB.replace(b'retries="3"', b'retries="1"')
    shop = Shop(storage, hub, content, raising(failure))
    process_instance_id = shop.start()

    shop.worker().run_one()

    incident = shop.describe(process_instance_id).incident or {}
    assert str(incident["message"]).endswith("ab ?")
