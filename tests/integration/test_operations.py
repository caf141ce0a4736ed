"""What operators do to running instances: each act once, for a reason, and on record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import product
from uuid import UUID

import pytest
from diagrams import diagram, end, path, service_task, start, user_task
from engine_shop import ADMIN, EAGER, ONE_JOB, Nothing, Result, Shop, external, transactional
from user_task_desk import INA, OLGA, RITA, ReviewOffice

from engine import InstanceStatus, NotificationHub
from engine.errors import (
    CompensationMissingError,
    IdempotencyConflictError,
    IncidentNotOpenError,
    InstanceNotActiveError,
    InstanceNotSuspendedError,
    ReasonInvalidError,
    SeparationOfDutiesError,
    TokenMoveError,
    VariableNameError,
)
from engine.operations import OperationResult, Operations
from engine.persistence import EventLog, IncidentStatus
from engine.service_tasks import JobContext, TaskContext
from engine.token_moves import TokenMove
from storage import SecurityContext, Storage, UnitOfWork
from storage.errors import AccessDeniedError
from storage.models import RoleType

WHY = "the disk is full"
REVIEW = diagram(
    "review",
    start(),
    path("Begin", "Task_Review", "Task_Approve", "Done"),
    user_task("Task_Review", "reviewer", form="review"),
    user_task("Task_Approve", "reviewer", form="review", excluded="initiator"),
    end(),
)


def suspend(shop: Shop, instance: UUID, key: str | None = None, reason: str = WHY) -> OperationResult:
    with shop.storage.transaction() as work:
        operations = Operations(shop.engine)
        return operations.suspend(work, instance, reason=reason, context=ADMIN, idempotency_key=key)


def resume(shop: Shop, instance: UUID) -> OperationResult:
    with shop.storage.transaction() as work:
        return Operations(shop.engine).resume(work, instance, reason=WHY, context=ADMIN)


def cancel(shop: Shop, instance: UUID) -> OperationResult:
    with shop.storage.transaction() as work:
        return Operations(shop.engine).cancel(work, instance, reason=WHY, context=ADMIN)


def kinds(shop: Shop, instance: UUID) -> list[str]:
    with shop.storage.transaction() as work:
        return [event.kind for event in EventLog(work).of_instance(instance)]


def idle(_context: TaskContext, _request: Nothing) -> Result:
    return Result(value=5)


def test_a_suspended_instance_gives_out_no_job_until_it_is_resumed(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, transactional(idle))
    instance = shop.start()
    assert suspend(shop, instance).status is InstanceStatus.SUSPENDED

    assert not shop.worker().run_one()
    assert resume(shop, instance).status is InstanceStatus.RUNNING
    assert shop.worker().run_one()
    assert shop.describe(instance).status is InstanceStatus.COMPLETED
    assert [kind for kind in kinds(shop, instance) if kind.startswith("process.")] == [
        "process.started",
        "process.suspended",
        "process.resumed",
        "process.completed",
    ]


def test_what_a_job_brings_to_a_suspended_instance_is_kept_and_not_done_again(
    storage: Storage, hub: NotificationHub
) -> None:
    runs: list[int] = []

    def run(_context: JobContext, _request: Nothing) -> Result:
        runs.append(1)
        suspend(shop, instance)
        return Result(value=7)

    shop = Shop(storage, hub, ONE_JOB, external(run))
    instance = shop.start()
    shop.worker().run_one()
    assert shop.job("status, result") == ("suspended", {"value": 7})

    resume(shop, instance)
    shop.worker().run_one()
    assert (shop.describe(instance).status, shop.variables(instance), runs) == (
        InstanceStatus.COMPLETED,
        {"value": 7},
        [1],
    )


def test_the_result_of_a_job_that_ran_while_its_instance_was_cancelled_is_refused(
    storage: Storage, hub: NotificationHub
) -> None:
    def run(_context: JobContext, _request: Nothing) -> Result:
        cancel(shop, instance)
        return Result(value=7)

    shop = Shop(storage, hub, ONE_JOB, external(run))
    instance = shop.start()
    worker = shop.worker()
    worker.run_one()

    described = shop.describe(instance)
    assert (described.status, worker.refused_outcomes) == (InstanceStatus.CANCELLED, 1)
    assert "process.completed" not in kinds(shop, instance)
    with pytest.raises(InstanceNotActiveError):
        suspend(shop, instance)


def test_a_request_repeated_under_its_key_gives_the_first_result_and_another_is_refused(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, ONE_JOB, transactional(idle))
    instance = shop.start()
    first = suspend(shop, instance, "k")

    assert suspend(shop, instance, "k") == first
    assert kinds(shop, instance).count("process.suspended") == 1
    with pytest.raises(IdempotencyConflictError):
        suspend(shop, instance, "k", reason="another reason")


def test_a_retried_incident_is_resolved_or_open_again_with_the_new_error(
    storage: Storage, hub: NotificationHub
) -> None:
    failures = ["first", "second"]

    def run(_context: TaskContext, _request: Nothing) -> Result:
        if failures:
            raise RuntimeError(failures.pop(0))
        return Result(value=1)

    content = diagram("p", start(), path("Begin", "Work", "Done"), service_task("Work", "t", retries=1), end())
    shop = Shop(storage, hub, content, transactional(run))
    operations = Operations(shop.engine)
    instance = shop.start()
    worker = shop.worker(EAGER)
    worker.run_one()
    with storage.transaction() as work:
        (incident,) = operations.incidents(work, context=ADMIN)
    seen = []
    for _ in range(2):
        with storage.transaction() as work:
            retried = operations.retry_incident(work, incident.incident_id, reason=WHY, retries=1, context=ADMIN)
        with pytest.raises(IncidentNotOpenError), storage.transaction() as work:
            operations.retry_incident(work, incident.incident_id, reason=WHY, context=ADMIN)
        worker.run_one()
        with storage.transaction() as work:
            after = operations.outcome(work, incident.incident_id, context=ADMIN)
        seen.append((retried.status, after.status, after.message))

    assert seen == [
        (IncidentStatus.RETRYING, IncidentStatus.OPEN, "second"),
        (IncidentStatus.RETRYING, IncidentStatus.RESOLVED, "second"),
    ]
    assert shop.describe(instance).status is InstanceStatus.COMPLETED


def failing_shop(storage: Storage, hub: NotificationHub) -> tuple[Shop, UUID, UUID]:
    """Return a shop, an instance of it, and its incident."""

    def run(_context: TaskContext, _request: Nothing) -> Result:
        raise RuntimeError

    content = diagram("p", start(), path("Begin", "Work", "Done"), service_task("Work", "t", retries=1), end())
    shop = Shop(storage, hub, content, transactional(run))
    instance = shop.start()
    shop.worker(EAGER).run_one()
    with storage.transaction() as work:
        (incident,) = Operations(shop.engine).incidents(work, context=ADMIN)
    return shop, instance, incident.incident_id


def test_cancelling_resolves_the_instances_incidents(storage: Storage, hub: NotificationHub) -> None:
    shop, instance, _ = failing_shop(storage, hub)
    cancel(shop, instance)

    with storage.transaction() as work:
        assert Operations(shop.engine).incidents(work, context=ADMIN) == []
    assert "incident.resolved" in kinds(shop, instance)


def test_variables_are_set_under_names_that_expressions_can_read(storage: Storage, hub: NotificationHub) -> None:
    shop = Shop(storage, hub, ONE_JOB, transactional(idle))
    instance = shop.start(kept=1)
    operations = Operations(shop.engine)
    with storage.transaction() as work:
        operations.set_variables(work, instance, {"rate": 0.5}, reason=WHY, context=ADMIN)
    with pytest.raises(VariableNameError), storage.transaction() as work:
        operations.set_variables(work, instance, {"no name": 1}, reason=WHY, context=ADMIN)

    assert shop.variables(instance) == {"kept": 1, "rate": 0.5}


def test_a_token_moved_in_a_suspended_instance_offers_its_job_when_resumed(
    storage: Storage, hub: NotificationHub
) -> None:
    content = diagram(
        "p", start(), path("Begin", "One", "Two", "Done"), service_task("One", "t"), service_task("Two", "t"), end()
    )
    shop = Shop(storage, hub, content, transactional(idle))
    instance = shop.start()
    suspend(shop, instance)
    move = TokenMove(element_id="One", to_element_id="Two")
    with storage.transaction() as work:
        Operations(shop.engine).move_token(work, instance, move, reason=WHY, context=ADMIN)

    assert shop.job("element_id, status") == ("Two", "suspended")
    resume(shop, instance)
    shop.worker().run_one()
    assert shop.describe(instance).status is InstanceStatus.COMPLETED


@pytest.mark.parametrize(("element_id", "to"), [("Done", "Work"), ("Work", "Begin"), ("Work", "Nowhere")])
def test_a_token_that_is_not_there_or_cannot_go_there_is_not_moved(
    storage: Storage, hub: NotificationHub, element_id: str, to: str
) -> None:
    shop = Shop(storage, hub, ONE_JOB, transactional(idle))
    instance = shop.start()
    move = TokenMove(element_id=element_id, to_element_id=to)
    with pytest.raises(TokenMoveError), storage.transaction() as work:
        Operations(shop.engine).move_token(work, instance, move, reason=WHY, context=ADMIN)

    assert shop.job("element_id, status") == ("Work", "available")


MOVE = TokenMove(element_id="Work", to_element_id="Done")
ACTS: dict[str, Callable[[Operations, UnitOfWork, UUID, SecurityContext], object]] = {
    "suspend": lambda o, w, i, who: o.suspend(w, i, reason=WHY, context=who),
    "resume": lambda o, w, i, who: o.resume(w, i, reason=WHY, context=who),
    "cancel": lambda o, w, i, who: o.cancel(w, i, reason=WHY, context=who),
    "set variables": lambda o, w, i, who: o.set_variables(w, i, {"rate": 0.5}, reason=WHY, context=who),
    "move token": lambda o, w, i, who: o.move_token(w, i, MOVE, reason=WHY, context=who),
}
QUESTIONS: dict[str, Callable[[Operations, UnitOfWork, UUID, SecurityContext], object]] = {
    "retry incident": lambda o, w, i, who: o.retry_incident(w, i, reason=WHY, context=who),
    "incidents": lambda o, w, _, who: o.incidents(w, context=who),
    "outcome": lambda o, w, i, who: o.outcome(w, i, context=who),
}


def test_each_act_is_for_those_whose_roles_carry_its_permission(storage: Storage, hub: NotificationHub) -> None:
    shop, instance, incident = failing_shop(storage, hub)
    subjects = dict.fromkeys(ACTS, instance) | dict.fromkeys(QUESTIONS, incident)
    allowed: dict[RoleType, set[str]] = {role: set() for role in RoleType}

    for role, (name, act) in product(RoleType, {**ACTS, **QUESTIONS}.items()):
        who = SecurityContext(user_id="pat", tenant_id="north", roles=frozenset({role}))
        with suppress(AccessDeniedError), storage.transaction() as work:
            with suppress(InstanceNotSuspendedError):
                act(Operations(shop.engine), work, subjects[name], who)
            allowed[role].add(name)
            work.connection.rollback()

    assert allowed == {
        RoleType.OWNER: {*ACTS, *QUESTIONS},
        RoleType.ADMIN: {*ACTS, *QUESTIONS},
        RoleType.MEMBER: {*QUESTIONS},
        RoleType.SERVICE: {*QUESTIONS},
        RoleType.VIEWER: {"incidents", "outcome"},
        RoleType.GUEST: set(),
    }


@pytest.mark.parametrize("name", ACTS)
def test_nothing_is_done_to_an_instance_that_is_over(storage: Storage, hub: NotificationHub, name: str) -> None:
    shop = Shop(storage, hub, ONE_JOB, transactional(idle))
    instance = shop.start()
    shop.worker().run_one()
    before = kinds(shop, instance)

    with pytest.raises((InstanceNotActiveError, InstanceNotSuspendedError)) as refused, storage.transaction() as work:
        ACTS[name](Operations(shop.engine), work, instance, ADMIN)

    assert (refused.value.process_instance_id, refused.value.status) == (str(instance), "completed")
    assert isinstance(refused.value, InstanceNotSuspendedError) is (name == "resume")
    assert (kinds(shop, instance), shop.variables(instance)) == (before, {"value": 5})


def test_an_incident_of_a_suspended_instance_is_retried_once_that_is_resumed(
    storage: Storage, hub: NotificationHub
) -> None:
    shop, instance, incident = failing_shop(storage, hub)
    operations = Operations(shop.engine)
    suspend(shop, instance)

    with pytest.raises(InstanceNotActiveError) as refused, storage.transaction() as work:
        operations.retry_incident(work, incident, reason=WHY, context=ADMIN)
    assert (refused.value.process_instance_id, refused.value.status) == (str(instance), "suspended")
    assert "incident.retried" not in kinds(shop, instance)

    resume(shop, instance)
    with storage.transaction() as work:
        retried = operations.retry_incident(work, incident, reason=WHY, context=ADMIN)
    assert retried.status is IncidentStatus.RETRYING


def test_the_event_of_an_act_says_who_did_what_and_why(storage: Storage, hub: NotificationHub) -> None:
    shop, instance, incident = failing_shop(storage, hub)
    operations = Operations(shop.engine)
    told = {"reason": WHY, "by": ADMIN.user_id}
    suspend(shop, instance)
    resume(shop, instance)
    with storage.transaction() as work:
        operations.retry_incident(work, incident, reason=WHY, context=ADMIN)
        operations.set_variables(work, instance, {"b": 1, "a": 2}, reason=WHY, context=ADMIN)
        operations.move_token(work, instance, MOVE, reason=WHY, context=ADMIN)
    with storage.transaction() as work:
        events = {event.kind: event.payload for event in EventLog(work).of_instance(instance)}

    assert len(str(events["process.edited"].pop("request_sha256"))) == 64
    assert {kind: payload for kind, payload in events.items() if "reason" in payload} == {
        "process.suspended": told,
        "process.resumed": told,
        "incident.retried": {"incident_id": str(incident), **told},
        "process.edited": {"variables": ["a", "b"], **told},
        "process.redirected": {**MOVE.model_dump(mode="json"), **told},
    }


def test_an_administrator_cannot_move_a_token_past_a_task_that_excludes_them(storage: Storage) -> None:
    office = ReviewOffice(storage, REVIEW)
    operations = Operations(office.engine)
    instance = office.start(by=OLGA)
    (review,) = office.instance(instance).open_user_task_ids
    office.complete(review, by=RITA)
    move = TokenMove(element_id="Task_Approve", to_element_id="Done")

    with pytest.raises(SeparationOfDutiesError):
        office.act(operations.move_token, instance, move, by=OLGA, reason=WHY)


def test_a_member_cannot_cancel_and_nobody_can_without_a_reason_or_with_compensation(
    storage: Storage, hub: NotificationHub
) -> None:
    shop = Shop(storage, hub, ONE_JOB, transactional(idle))
    instance = shop.start()
    operations = Operations(shop.engine)
    with pytest.raises(AccessDeniedError), storage.transaction() as work:
        operations.cancel(work, instance, reason=WHY, context=INA)
    with pytest.raises(ReasonInvalidError), storage.transaction() as work:
        operations.cancel(work, instance, reason="  ", context=ADMIN)
    with pytest.raises(CompensationMissingError), storage.transaction() as work:
        operations.cancel(work, instance, reason=WHY, context=ADMIN, compensate=True)
    with pytest.raises(InstanceNotSuspendedError):
        resume(shop, instance)

    assert shop.describe(instance).status is InstanceStatus.RUNNING
