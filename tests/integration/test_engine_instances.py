"""Starting, user tasks, messages and the event log on a real database."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Literal
from uuid import UUID

import pytest
from diagrams import diagram, document, end, flow, message, path, process, start, user_task
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text

from engine import Engine, Event, InstanceStatus, MessageOutcome, ServiceTaskRegistry
from engine.errors import (
    FormInvalidError,
    IdempotencyConflictError,
    NotACandidateError,
    SeparationOfDutiesError,
    UnknownCursorError,
    UnknownInstanceError,
    UnknownProcessError,
    UnknownUserTaskError,
    UserTaskClosedError,
)
from engine.persistence import EventLog
from storage import SecurityContext, Storage, UnitOfWork
from storage.errors import AccessDeniedError, RecordNumberError, RecordTextError
from storage.identifiers import new_id
from storage.models import RoleType


class Review(BaseModel):
    """The form of the test's user task."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Literal["approve", "reject"]


def _member(user_id: str, *groups: str, tenant_id: str = "north", role: RoleType = RoleType.MEMBER) -> SecurityContext:
    return SecurityContext(user_id=user_id, tenant_id=tenant_id, roles=frozenset({role}), groups=frozenset(groups))


ADMIN = _member("olga", role=RoleType.ADMIN)
INITIATOR = _member("ina", "reviewer")
REVIEWER = _member("rita", "reviewer", "other")
OUTSIDER = _member("otto", "other")
STRANGER = _member("sven", "reviewer", tenant_id="south", role=RoleType.ADMIN)
VIEWER = _member("vera", role=RoleType.VIEWER)
REVIEW = diagram(
    "review",
    start(),
    path("Begin", "Ask", "Done"),
    user_task(
        "Ask",
        "reviewer",
        form="review",
        inputs={"shown": "=score * 2"},
        outputs={"verdict": "=decision", "by": "=completed_by"},
        excludes_initiator=True,
    ),
    end(),
)
PLAIN = diagram("plain", start(), path("Begin", "Done"), end())
ON_MESSAGE = document(
    process("either-way", start(), start("OnMessage", "M"), path("Begin", "Done"), flow("OnMessage", "Done"), end()),
    process("message-only", start("OnMessage2", "M"), path("OnMessage2", "Done2"), end("Done2")),
    message("M", "arrived"),
)
JOIN_SECONDS = 60


@pytest.fixture
def engine(storage: Storage) -> Engine:
    engine = Engine(ServiceTaskRegistry(), {"review": Review}, platform_tenant="north")
    with storage.transaction() as work:
        engine.deploy(work, REVIEW, PLAIN, ON_MESSAGE, context=ADMIN)
    return engine


def _started(engine: Engine, storage: Storage) -> tuple[UUID, UUID]:
    """Start a review; return the ids of the instance and of its user task."""
    with storage.transaction() as work:
        process_instance_id = engine.start(work, "review", {"score": 4}, context=INITIATOR)
        (user_task_id,) = engine.describe(work, process_instance_id, context=INITIATOR).open_user_task_ids
    return process_instance_id, user_task_id


def _complete(engine: Engine, storage: Storage, user_task_id: UUID, context: SecurityContext, **values: str) -> UUID:
    with storage.transaction() as work:
        return engine.complete_user_task(work, user_task_id, values, context=context)


def _instances(storage: Storage) -> int:
    with storage.transaction() as work:
        return int(work.connection.execute(text("select count(*) from process_instance")).scalar_one())


def test_a_key_starts_one_instance_however_often_it_is_used(engine: Engine, storage: Storage) -> None:
    together = threading.Barrier(4)

    def start_one(_number: int) -> UUID:
        together.wait(JOIN_SECONDS)
        with storage.transaction() as work:
            return engine.start(work, "plain", {}, context=INITIATOR, idempotency_key="k")

    with ThreadPoolExecutor(4) as pool:
        ids = list(pool.map(start_one, range(4)))

    assert len(set(ids)) == 1
    assert _instances(storage) == 1


def test_a_key_of_another_process_is_a_conflict_and_of_another_tenant_is_not(engine: Engine, storage: Storage) -> None:
    with storage.transaction() as work:
        first = engine.start(work, "plain", {}, context=INITIATOR, idempotency_key="k")

    with pytest.raises(IdempotencyConflictError) as raised, storage.transaction() as work:
        engine.start(work, "review", {}, context=INITIATOR, idempotency_key="k")

    assert raised.value.idempotency_key == "k"
    with storage.transaction() as work:
        assert engine.start(work, "plain", {}, context=STRANGER, idempotency_key="k") != first


@pytest.mark.parametrize("process_id", ["none", "message-only"])
def test_what_cannot_be_started_directly_is_unknown(engine: Engine, storage: Storage, process_id: str) -> None:
    with pytest.raises(UnknownProcessError) as raised, storage.transaction() as work:
        engine.start(work, process_id, {}, context=INITIATOR)

    assert raised.value.process_id == process_id


def test_a_viewer_starts_nothing(engine: Engine, storage: Storage) -> None:
    with pytest.raises(AccessDeniedError), storage.transaction() as work:
        engine.start(work, "plain", {}, context=VIEWER)
    with pytest.raises(AccessDeniedError), storage.transaction() as work:
        engine.publish_message(work, "arrived", "k", {}, context=VIEWER)

    assert _instances(storage) == 0


def test_an_instance_goes_on_with_the_version_it_was_started_with(engine: Engine, storage: Storage) -> None:
    process_instance_id, user_task_id = _started(engine, storage)
    with storage.transaction() as work:
        engine.deploy(work, REVIEW.replace(b"=decision", b"=null"), context=ADMIN)

    _complete(engine, storage, user_task_id, REVIEWER, decision="approve")

    with storage.transaction() as work:
        assert engine.variables(work, process_instance_id, context=INITIATOR)["verdict"] == "approve"


def test_a_message_starts_every_process_that_waits_for_it_once(engine: Engine, storage: Storage) -> None:
    with storage.transaction() as work:
        first = engine.publish_message(work, "arrived", "key", {"n": 1}, context=INITIATOR, message_id="1")
    with storage.transaction() as work:
        again = engine.publish_message(work, "arrived", "key", {"n": 1}, context=INITIATOR, message_id="1")
        other = engine.publish_message(work, "arrived", "key", {"n": 1}, context=INITIATOR, message_id="2")
        unheard = engine.publish_message(work, "unheard", "key", {}, context=INITIATOR)
        described = [engine.describe(work, each, context=INITIATOR) for each in first.started]
        with_key = engine.instances_of(work, "key", context=INITIATOR)

    assert (again.started, again.is_duplicate) == (first.started, True)
    assert set(first.started).isdisjoint(other.started)
    assert (unheard.outcome, unheard.started) == (MessageOutcome.DROPPED, ())
    assert [each.process_id for each in described] == ["either-way", "message-only"]
    assert set(with_key) == {*first.started, *other.started}


def test_a_message_without_an_id_starts_anew_each_time(engine: Engine, storage: Storage) -> None:
    for _ in range(2):
        with storage.transaction() as work:
            engine.publish_message(work, "arrived", "key", {}, context=INITIATOR)

    assert _instances(storage) == 4


def test_a_user_task_shows_its_candidates_what_is_asked(engine: Engine, storage: Storage) -> None:
    process_instance_id, user_task_id = _started(engine, storage)

    with storage.transaction() as work:
        (seen,) = engine.user_tasks(work, context=REVIEWER)
        (seen_by_initiator,) = engine.user_tasks(work, context=INITIATOR)
        unseen = [engine.user_tasks(work, context=each) for each in (OUTSIDER, STRANGER, VIEWER)]

    assert (seen.user_task_id, seen.process_instance_id) == (user_task_id, process_instance_id)
    assert (seen.context, seen.form_schema) == ({"shown": 8}, Review.model_json_schema())
    assert (seen.can_complete, seen_by_initiator.can_complete) == (True, False)
    assert unseen == [[], [], []]


def test_the_values_of_the_form_reach_the_process(engine: Engine, storage: Storage) -> None:
    process_instance_id, user_task_id = _started(engine, storage)

    audit_ref = _complete(engine, storage, user_task_id, REVIEWER, decision="approve")

    with storage.transaction() as work:
        described = engine.describe(work, process_instance_id, context=INITIATOR)
        variables = engine.variables(work, process_instance_id, context=INITIATOR)
        leaf = work.audit.read(audit_ref, context=REVIEWER)
    assert variables == {"score": 4, "verdict": "approve", "by": "rita"}
    assert (described.status, described.completed_by) == (InstanceStatus.COMPLETED, {"Ask": "rita"})
    assert (leaf["action"], leaf["actor"]) == ("user_task.completed", "rita")


@pytest.mark.parametrize(
    ("context", "values", "error"),
    [
        (OUTSIDER, {"decision": "approve"}, NotACandidateError),
        (INITIATOR, {"decision": "approve"}, SeparationOfDutiesError),
        (STRANGER, {"decision": "approve"}, UnknownUserTaskError),
        (REVIEWER, {"decision": "maybe"}, FormInvalidError),
        (REVIEWER, {}, FormInvalidError),
        (REVIEWER, {"decision": "approve", "completed_by": "somebody else"}, FormInvalidError),
    ],
)
def test_a_completion_that_is_refused_changes_nothing(
    engine: Engine, storage: Storage, context: SecurityContext, values: dict[str, str], error: type[Exception]
) -> None:
    process_instance_id, user_task_id = _started(engine, storage)
    with storage.transaction() as work:
        before = engine.describe(work, process_instance_id, context=INITIATOR)

    with pytest.raises(error):
        _complete(engine, storage, user_task_id, context, **values)

    with storage.transaction() as work:
        assert engine.describe(work, process_instance_id, context=INITIATOR) == before


def test_a_user_task_that_does_not_exist_is_unknown(engine: Engine, storage: Storage) -> None:
    user_task_id = new_id()

    with pytest.raises(UnknownUserTaskError) as raised:
        _complete(engine, storage, user_task_id, REVIEWER, decision="approve")

    assert raised.value.user_task_id == str(user_task_id)


def test_of_two_people_who_complete_at_once_exactly_one_wins(engine: Engine, storage: Storage) -> None:
    process_instance_id, user_task_id = _started(engine, storage)
    people = {"rita": "approve", "rolf": "reject"}
    together = threading.Barrier(len(people))

    def complete(user_id: str) -> UserTaskClosedError | None:
        together.wait(JOIN_SECONDS)
        try:
            _complete(engine, storage, user_task_id, _member(user_id, "reviewer"), decision=people[user_id])
        except UserTaskClosedError as error:
            return error
        return None

    with ThreadPoolExecutor(len(people)) as pool:
        outcomes = dict(zip(people, pool.map(complete, people), strict=True))

    (winner,) = [user_id for user_id, error in outcomes.items() if error is None]
    (refusal,) = [error for error in outcomes.values() if error is not None]
    assert (refusal.code, refusal.completed_by) == ("USER_TASK_ALREADY_COMPLETED", winner)
    with storage.transaction() as work:
        variables = engine.variables(work, process_instance_id, context=INITIATOR)
    assert (variables["verdict"], variables["by"]) == (people[winner], winner)


def test_another_tenant_sees_nothing_of_an_instance(engine: Engine, storage: Storage) -> None:
    process_instance_id, _ = _started(engine, storage)

    with storage.transaction() as work:
        for read in (engine.describe, engine.variables):
            with pytest.raises(UnknownInstanceError) as raised:
                read(work, process_instance_id, context=STRANGER)
            assert raised.value.process_instance_id == str(process_instance_id)
        assert engine.events_after(work, 0, context=STRANGER) == []


def _events(engine: Engine, storage: Storage, cursor: int = 0) -> list[Event]:
    """Return the events once all committed ones are shown: transactions of other tests can hold them up."""
    pause = threading.Event()
    for _ in range(JOIN_SECONDS * 50):
        with storage.transaction() as work:
            settled = not engine.has_unsettled_events(work, context=INITIATOR)
            events = engine.events_after(work, cursor, context=INITIATOR)
        if settled:
            return events
        pause.wait(0.02)
    raise TimeoutError


def _append(work: UnitOfWork, process_instance_id: UUID, kind: str) -> None:
    log = EventLog(work)
    log.append(kind, {}, tenant_id="north", process_instance_id=process_instance_id, business_key=None)


def test_a_reader_misses_no_event_of_a_transaction_that_commits_late(engine: Engine, storage: Storage) -> None:
    process_instance_id, _ = _started(engine, storage)
    cursor = _events(engine, storage)[-1].sequence

    with storage.transaction() as slow:
        _append(slow, process_instance_id, "slow")
        with storage.transaction() as fast:
            _append(fast, process_instance_id, "fast")
        with storage.transaction() as reading:
            early = engine.events_after(reading, cursor, context=INITIATOR)
            unsettled = engine.has_unsettled_events(reading, context=INITIATOR)
    late = _events(engine, storage, cursor)
    after_slow = _events(engine, storage, late[0].sequence)

    assert (early, unsettled) == ([], True)
    assert [event.kind for event in late] == ["slow", "fast"]
    assert [event.kind for event in after_slow] == ["fast"]


def test_reading_in_pages_gives_what_reading_at_once_gives(engine: Engine, storage: Storage) -> None:
    _started(engine, storage)
    _started(engine, storage)
    pages, cursor, whole = [], 0, _events(engine, storage)
    with storage.transaction() as work:
        while page := engine.events_after(work, cursor, context=INITIATOR, limit=2):
            pages += page
            cursor = page[-1].sequence

    assert pages == whole
    assert len(whole) > 6


def test_a_cursor_that_names_no_event_of_the_tenant_is_an_error(engine: Engine, storage: Storage) -> None:
    _started(engine, storage)
    known = _events(engine, storage)[-1].sequence
    with storage.transaction() as work:
        for cursor, context in ((known + 1_000, INITIATOR), (-1, INITIATOR), (known, STRANGER)):
            with pytest.raises(UnknownCursorError) as raised:
                engine.events_after(work, cursor, context=context)
            assert raised.value.sequence == cursor


@pytest.mark.parametrize(
    ("value", "error"),
    [(float("nan"), RecordNumberError), (float("inf"), RecordNumberError), ("a\0b", RecordTextError)],
)
def test_variables_that_the_database_cannot_hold_are_refused(
    engine: Engine, storage: Storage, value: str | float, error: type[Exception]
) -> None:
    with pytest.raises(error), storage.transaction() as work:
        engine.start(work, "plain", {"value": value}, context=INITIATOR, business_key="unstorable")

    with storage.transaction() as work:
        assert engine.instances_of(work, "unstorable", context=INITIATOR) == []


def test_a_candidate_whose_role_may_not_execute_decides_nothing(engine: Engine, storage: Storage) -> None:
    viewer = _member("vera", "reviewer", role=RoleType.VIEWER)
    with storage.transaction() as work:
        engine.start(work, "review", {"score": 1}, context=INITIATOR)
        (task,) = engine.user_tasks(work, context=REVIEWER)

    with pytest.raises(AccessDeniedError), storage.transaction() as work:
        engine.complete_user_task(work, task.user_task_id, {"decision": "approve"}, context=viewer)

    with storage.transaction() as work:
        assert len(engine.user_tasks(work, context=REVIEWER)) == 1
