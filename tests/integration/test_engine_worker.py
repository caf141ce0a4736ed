"""Workers on a real database: what commits together, who owns a job, and how failures end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from diagrams import boundary, choice, diagram, document, end, error, flow, path, process, service_task, start
from pydantic import BaseModel, JsonValue
from sqlalchemy import text

from engine import (
    BpmnError,
    Engine,
    ExternalTask,
    InstanceDescription,
    InstanceStatus,
    JobContext,
    NotificationHub,
    PermanentTaskError,
    ServiceTaskRegistry,
    TaskContext,
    TransactionalTask,
    Worker,
    WorkerPolicy,
)
from engine.errors import StaleLeaseError
from engine.persistence import ClaimedJob, Jobs
from storage import SecurityContext, Storage
from storage.models import Dataset, RoleType

ADMIN = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
JOIN_SECONDS = 20
PATIENT = WorkerPolicy(lease_seconds=60, backoff_seconds=1_000, chance=lambda: 0.5)
EAGER = WorkerPolicy(lease_seconds=60, backoff_seconds=0)
ONE_JOB = diagram("p", start(), path("Begin", "Work", "Done"), service_task("Work", "t", retries=3), end())


class Nothing(BaseModel):
    """A handler's input without fields."""


class Result(BaseModel):
    """What the tests' handlers return."""

    value: JsonValue = None


class Count(BaseModel):
    """A handler's input with a required field."""

    count: int


@pytest.fixture
def hub(database_url: str) -> NotificationHub:
    """A hub that listens only where a test enters it: to run one job nobody waits for notifications."""
    return NotificationHub(database_url)


class Shop:
    """One deployed process with handlers for its tasks, and workers for it."""

    def __init__(self, storage: Storage, hub: NotificationHub, content: bytes, *tasks: Any) -> None:
        self.storage = storage
        self.hub = hub
        self.engine = Engine(ServiceTaskRegistry(*tasks), {})
        with storage.transaction() as work:
            self.engine.deploy(work, content, context=ADMIN)

    def worker(self, policy: WorkerPolicy = PATIENT) -> Worker:
        return Worker(self.engine, self.storage, self.hub, policy)

    def start(self, **variables: JsonValue) -> UUID:
        with self.storage.transaction() as work:
            return self.engine.start(work, "p", variables, context=ADMIN)

    def describe(self, process_instance_id: UUID) -> InstanceDescription:
        with self.storage.transaction() as work:
            return self.engine.describe(work, process_instance_id, context=ADMIN)

    def variables(self, process_instance_id: UUID) -> dict[str, JsonValue]:
        with self.storage.transaction() as work:
            return self.engine.variables(work, process_instance_id, context=ADMIN)

    def claim(self, lease_seconds: float = 60) -> ClaimedJob:
        """Claim as a worker would that is never heard of again."""
        with self.storage.transaction() as work:
            job = Jobs(work).claim(self.engine.registry.types, "lost", lease_seconds)
        assert job is not None
        return job

    def job(self, fields: str = "status, attempt, epoch") -> tuple[Any, ...]:
        with self.storage.transaction() as work:
            return tuple(work.connection.execute(text(f"select {fields} from job")).one())

    def execute(self, statement: str) -> None:
        with self.storage.transaction() as work:
            work.connection.execute(text(statement))

    def events_are_settled(self) -> bool:
        """Return whether every committed event is shown: transactions of other tests can hold it up."""
        with self.storage.transaction() as work:
            return not self.engine.has_unsettled_events(work, context=ADMIN)

    def datasets(self) -> int:
        with self.storage.transaction() as work:
            return len(work.get_crud(Dataset).query({}, context=ADMIN))


def _transactional(run: Callable[[TaskContext, Nothing], Result]) -> TransactionalTask[Nothing, Result]:
    return TransactionalTask("t", Nothing, run)


def _external(run: Callable[[JobContext, Nothing], Result]) -> ExternalTask[Nothing, Result]:
    return ExternalTask("t", Nothing, run)


def _write(context: TaskContext) -> None:
    dataset = Dataset(tenant_id="north", name="iris", source_uri="file:iris.csv")
    context.work.get_crud(Dataset).create(dataset, context=context.principal)


def _raising(failure: Exception) -> TransactionalTask[Nothing, Result]:
    def write_and_raise(context: TaskContext, _request: Nothing) -> Result:
        _write(context)
        raise failure

    return _transactional(write_and_raise)


def _five(_context: JobContext, _request: Nothing) -> Result:
    return Result(value=5)


def test_the_rows_of_a_handler_and_the_step_of_the_process_are_committed_together(
    storage: Storage, hub: NotificationHub
) -> None:
    def write(context: TaskContext, _request: Nothing) -> Result:
        _write(context)
        return Result(value=shop.datasets())

    shop = Shop(storage, hub, ONE_JOB, _transactional(write))
    process_instance_id = shop.start()

    assert [shop.worker().run_one(), shop.worker().run_one()] == [True, False]

    assert shop.variables(process_instance_id) == {"value": 0}  # what another transaction saw meanwhile
    assert shop.datasets() == 1
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED
    assert shop.job() == ("done", 1, 1)


def test_a_handler_that_raises_after_writing_leaves_nothing_and_runs_again(
    storage: Storage, hub: NotificationHub
) -> None:
    keys = []

    def fail_once(context: TaskContext, _request: Nothing) -> Result:
        _write(context)
        keys.append(context.idempotency_key)
        if context.attempt == 1:
            raise ConnectionError
        return Result()

    shop = Shop(storage, hub, ONE_JOB, _transactional(fail_once))
    process_instance_id = shop.start()
    worker = shop.worker(EAGER)

    worker.run_one()
    assert (shop.datasets(), shop.job()) == (0, ("available", 1, 1))
    worker.run_one()

    assert (shop.datasets(), shop.job()) == (1, ("done", 2, 2))
    assert len(set(keys)) == 1
    assert shop.describe(process_instance_id).status is InstanceStatus.COMPLETED


def test_a_failing_handler_is_tried_again_with_growing_delays_until_an_incident(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, ONE_JOB, _raising(ConnectionError("no route")))
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
    assert described.incident == {"element_id": "Work", "code": "TASK_FAILED", "message": "no route", "attempt": 3}
    assert (shop.job()[0], shop.datasets()) == ("failed", 0)


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
        _write(context)
        return Result(value=value)

    shop = Shop(storage, hub, AFTERWARDS, _transactional(write))
    process_instance_id = shop.start(value=1)

    shop.worker().run_one()

    described = shop.describe(process_instance_id)
    assert (described.status, (described.incident or {})["code"]) == (InstanceStatus.INCIDENT, code)
    assert (shop.datasets(), shop.variables(process_instance_id)) == (0, {"value": 1})
    assert shop.job() == ("failed", 1, 1)
    assert [(step.element_id, step.state) for step in described.steps] == [("Work", "activated")]


@pytest.mark.parametrize(
    ("failure", "code"),
    [(PermanentTaskError("broken for good"), "TASK_FAILED_PERMANENTLY"), (BpmnError("UNHEARD", "of"), None)],
)
def test_a_failure_that_no_attempt_can_mend_is_an_incident_at_once(
    storage: Storage, hub: NotificationHub, failure: Exception, code: str | None
) -> None:
    shop = Shop(storage, hub, ONE_JOB, _raising(failure))
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
    shop = Shop(storage, hub, content, _raising(BpmnError("BROKEN", "dust", variables={"reason": "dust"})))
    process_instance_id = shop.start()

    shop.worker().run_one()

    described = shop.describe(process_instance_id)
    assert (described.status, described.incident) == (InstanceStatus.COMPLETED, None)
    assert [(step.element_id, step.state) for step in described.steps] == [("Work", "cancelled")]
    assert (shop.variables(process_instance_id), shop.datasets()) == ({"reason": "dust"}, 0)
    assert shop.job() == ("done", 1, 1)


@pytest.mark.parametrize("failure", [ValueError("a\x00b \udcff"), BpmnError("UNHEARD", "a\x00b \udcff")])
def test_a_failure_whose_message_the_database_cannot_hold_becomes_an_incident_all_the_same(
    storage: Storage, hub: NotificationHub, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The captured log would hold half a character, which pytest-xdist cannot send from process to process.
    monkeypatch.setattr(logging.getLogger("engine.worker"), "disabled", True)
    content = ONE_JOB.replace(b'retries="3"', b'retries="1"')
    shop = Shop(storage, hub, content, _raising(failure))
    process_instance_id = shop.start()

    shop.worker().run_one()

    incident = shop.describe(process_instance_id).incident or {}
    assert incident["message"] == "ab ?"


def test_a_result_under_a_lease_that_another_worker_has_taken_over_is_refused(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, ONE_JOB, _external(_five))
    process_instance_id = shop.start()
    stale, owned = shop.claim(lease_seconds=0), shop.claim()
    before = shop.describe(process_instance_id)

    with pytest.raises(StaleLeaseError) as raised:
        shop.worker()._execute(stale)

    assert (raised.value.job_id, raised.value.epoch) == (str(stale.job_id), 1)
    assert shop.describe(process_instance_id) == before
    assert (shop.variables(process_instance_id), shop.job()) == ({}, ("running", 2, 2))
    shop.worker()._execute(owned)
    assert (shop.variables(process_instance_id), shop.job()) == ({"value": 5}, ("done", 2, 2))


@pytest.mark.parametrize("failure", [BpmnError("UNHEARD", "of"), PermanentTaskError("broken")])
def test_a_failure_under_a_lease_that_another_worker_has_taken_over_changes_nothing(
    storage: Storage, hub: NotificationHub, failure: Exception
) -> None:
    def lose_the_lease(_context: JobContext, _request: Nothing) -> Result:
        shop.execute("update job set lease_until = clock_timestamp() - interval '1 second'")
        shop.claim()
        raise failure

    shop = Shop(storage, hub, ONE_JOB, _external(lose_the_lease))
    process_instance_id = shop.start()

    assert shop.worker().run_one()

    described = shop.describe(process_instance_id)
    assert (described.status, described.incident) == (InstanceStatus.RUNNING, None)
    assert shop.job() == ("running", 2, 2)


def test_an_external_handler_learns_that_its_lease_is_lost(storage: Storage, hub: NotificationHub) -> None:
    seen = []

    def lose_the_lease(context: JobContext, _request: Nothing) -> Result:
        shop.execute("update job set epoch = epoch + 1")
        seen.append(_becomes(context.should_stop))
        raise ConnectionAbortedError

    shop = Shop(storage, hub, ONE_JOB, _external(lose_the_lease))
    process_instance_id = shop.start()

    shop.worker(WorkerPolicy(lease_seconds=0.2)).run_one()

    assert seen == [True]
    assert shop.describe(process_instance_id).status is InstanceStatus.RUNNING
    assert shop.job() == ("running", 1, 2)


def test_a_lease_is_renewed_for_as_long_as_the_handler_runs(storage: Storage, hub: NotificationHub) -> None:
    seen = []

    def outlast_the_lease(context: JobContext, _request: Nothing) -> Result:
        (first_lease_until,) = shop.job("lease_until")
        seen.append(_becomes(lambda: shop.job("clock_timestamp()")[0] > first_lease_until))
        seen.append(shop.worker().run_one() or context.should_stop())
        return Result(value=5)

    shop = Shop(storage, hub, ONE_JOB, _external(outlast_the_lease))
    process_instance_id = shop.start()

    shop.worker(WorkerPolicy(lease_seconds=0.5)).run_one()

    assert seen == [True, False]
    assert shop.variables(process_instance_id) == {"value": 5}
    assert shop.job() == ("done", 1, 1)


def test_a_worker_that_stops_gives_its_job_back_unharmed(storage: Storage, hub: NotificationHub) -> None:
    is_running = threading.Event()

    def run_until_stopped(context: JobContext, _request: Nothing) -> Result:
        is_running.set()
        assert _becomes(context.should_stop)
        raise InterruptedError

    shop = Shop(storage, hub, ONE_JOB, _external(run_until_stopped))
    process_instance_id = shop.start()

    with _running(shop.worker(), hub):
        assert is_running.wait(JOIN_SECONDS)

    assert shop.job("status, attempt, lease_owner, last_error") == ("available", 0, None, None)
    assert shop.describe(process_instance_id).incident is None
    assert shop.claim().attempt == 1


def test_a_job_whose_workers_died_each_time_becomes_an_incident_without_another_run(
    storage: Storage, hub: NotificationHub
) -> None:
    def never(_context: JobContext, _request: Nothing) -> Result:
        raise AssertionError("the handler was called")

    shop = Shop(storage, hub, ONE_JOB, _external(never))
    process_instance_id = shop.start()
    attempts = [shop.claim(lease_seconds=0).attempt for _ in range(3)]

    shop.worker().run_one()

    assert attempts == [1, 2, 3]
    incident = shop.describe(process_instance_id).incident or {}
    assert incident["code"] == "TASK_FAILED_PERMANENTLY"
    assert shop.job()[0] == "failed"


def test_a_job_under_a_lease_is_not_claimed_and_an_expired_one_is(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, _external(_five))
    shop.start()
    shop.claim()
    assert not shop.worker().run_one()

    shop.execute("update job set lease_until = clock_timestamp() - interval '1 second'")

    assert shop.worker().run_one()
    assert shop.job() == ("done", 2, 2)


def test_what_an_external_handler_reports_is_read_before_it_ends(storage: Storage, hub: NotificationHub) -> None:
    seen = []

    def report(context: JobContext, _request: Nothing) -> Result:
        context.report("training.epoch", {"epoch": 1})
        assert _becomes(shop.events_are_settled)
        with storage.transaction() as work:
            events = shop.engine.events_after(work, 0, context=ADMIN)
        seen.extend([(event.kind, event.element_id, event.payload) for event in events[-1:]])
        return Result()

    shop = Shop(storage, hub, ONE_JOB, _external(report))
    shop.start()
    shop.worker().run_one()

    assert seen == [("training.epoch", "Work", {"epoch": 1, "attempt": 1})]


def test_workers_side_by_side_do_each_job_exactly_once(storage: Storage, hub: NotificationHub) -> None:
    def write(context: TaskContext, _request: Nothing) -> Result:
        _write(context)
        return Result()

    shop = Shop(storage, hub, ONE_JOB, _transactional(write))
    instances = [shop.start() for _ in range(15)]

    def work_off(worker: Worker) -> int:
        return sum(1 for _ in iter(worker.run_one, False))

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(work_off, [shop.worker() for _ in range(3)]))

    assert sum(done) == shop.datasets() == 15
    assert {shop.describe(each).status for each in instances} == {InstanceStatus.COMPLETED}


def test_a_running_worker_takes_a_job_as_soon_as_it_is_offered(storage: Storage, hub: NotificationHub) -> None:
    done = threading.Event()

    def finish(_context: TaskContext, _request: Nothing) -> Result:
        done.set()
        return Result()

    shop = Shop(storage, hub, ONE_JOB, _transactional(finish))

    with _running(shop.worker(WorkerPolicy(poll_seconds=3_600)), hub):
        shop.start()
        assert done.wait(JOIN_SECONDS)


@contextmanager
def _running(worker: Worker, hub: NotificationHub) -> Iterator[None]:
    """Run the worker in a thread until the end of the block, and require that it ends then."""
    thread = threading.Thread(target=worker.run)
    with hub:
        thread.start()
        try:
            yield
        finally:
            worker.stop()
            thread.join(JOIN_SECONDS)
    assert not thread.is_alive()


def _becomes(condition: Callable[[], bool]) -> bool:
    """Ask until the condition holds; False where it does not within the time limit."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.02) for _ in range(JOIN_SECONDS * 50))
