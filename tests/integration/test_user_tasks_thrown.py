"""What people throw from user tasks: errors and escalations, under the rules of completing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from diagrams import boundary, document, end, error, escalation, flow, path, process, start, user_task
from user_task_desk import INA, OTTO, RITA, ROLF, ReviewOffice

from engine import BpmnError, InstanceStatus, UserTaskThrows
from engine.errors import NotACandidateError, SeparationOfDutiesError, UncaughtBpmnError, UserTaskClosedError
from storage import Storage


def asking(*, interrupting: bool = True) -> bytes:
    """A review that may end with UNREADABLE or report LATE; either way a second person looks then."""
    return document(
        error("Unreadable", "UNREADABLE"),
        escalation("Late", "LATE"),
        process(
            "review",
            start(),
            path("Begin", "Ask", "Done"),
            user_task("Ask", "reviewer", form="review", excluded="initiator"),
            boundary("Unread", "Ask", "Unreadable"),
            flow("Unread", "Look"),
            boundary("Report", "Ask", escalation_ref="Late", interrupting=interrupting),
            flow("Report", "Look"),
            user_task("Look", "reviewer", excluded="Ask"),
            flow("Look", "Done"),
            end(),
        ),
    )


UNREADABLE = BpmnError("UNREADABLE", "The scan is black.", variables={"page": 4})


def throws(office: ReviewOffice) -> UserTaskThrows:
    return UserTaskThrows(office.engine)


def open_tasks(office: ReviewOffice) -> dict[str, UUID]:
    return {task.element_id: task.user_task_id for task in office.inbox(by=ROLF, shows="all").user_tasks}


def test_an_error_of_a_person_leads_over_the_boundary_and_counts_as_performed(storage: Storage) -> None:
    office = ReviewOffice(storage, asking())
    process_instance_id = office.start()
    ask = open_tasks(office)["Ask"]

    office.act(throws(office).throw_error, ask, UNREADABLE, by=RITA)

    (look,) = open_tasks(office).items()
    assert look[0] == "Look"
    assert office.act(office.engine.variables, process_instance_id, by=INA) == {"page": 4}
    (told,) = [event for event in office.events(ask) if event.kind == "user_task.error"]
    thrown = {"error_code": "UNREADABLE", "message": "The scan is black."}
    assert told.payload == {"user_task_id": str(ask), **thrown, "by": "rita"}
    assert office.leaves("user_task.error") == [("rita", f"process_instance/{process_instance_id}")]
    with pytest.raises(SeparationOfDutiesError):
        office.act(office.engine.complete_user_task, look[1], {}, by=RITA)
    office.act(office.engine.complete_user_task, look[1], {}, by=ROLF)
    assert office.instance(process_instance_id).status is InstanceStatus.COMPLETED


def test_an_error_that_nothing_catches_leaves_the_task_as_it_was(storage: Storage) -> None:
    office = ReviewOffice(storage, asking())
    ask = office.task()

    with pytest.raises(UncaughtBpmnError) as caught:
        office.act(throws(office).throw_error, ask, BpmnError("OTHER", "Why not?"), by=RITA)

    assert caught.value.error_code == "OTHER"
    assert office.complete(ask, by=RITA)


def test_an_escalation_that_does_not_interrupt_leaves_the_task_open(storage: Storage) -> None:
    office = ReviewOffice(storage, asking(interrupting=False))
    process_instance_id = office.start()
    ask = open_tasks(office)["Ask"]

    office.act(throws(office).escalate, ask, "LATE", {"days": 2}, by=RITA)

    assert open_tasks(office).keys() == {"Ask", "Look"}
    assert office.act(office.engine.variables, process_instance_id, by=INA) == {"days": 2}
    assert office.leaves("user_task.escalated") == [("rita", f"process_instance/{process_instance_id}")]
    assert office.complete(ask, by=RITA)


def test_an_escalation_that_interrupts_ends_the_task_as_performed(storage: Storage) -> None:
    office = ReviewOffice(storage, asking())
    ask = office.task()

    office.act(throws(office).escalate, ask, "LATE", {}, by=RITA)

    tasks = open_tasks(office)
    assert tasks.keys() == {"Look"}
    with pytest.raises(SeparationOfDutiesError):
        office.act(office.engine.complete_user_task, tasks["Look"], {}, by=RITA)


@pytest.mark.parametrize(("person", "refusal"), [(OTTO, NotACandidateError), (INA, SeparationOfDutiesError)])
@pytest.mark.parametrize(
    ("verb", "arguments"), [("throw_error", (UNREADABLE,)), ("escalate", ("LATE", {}))], ids=["error", "escalation"]
)
def test_only_who_may_complete_a_task_may_throw_from_it(
    storage: Storage, person: Any, refusal: type[Exception], verb: str, arguments: tuple[object, ...]
) -> None:
    office = ReviewOffice(storage, asking())
    ask = office.task()

    with pytest.raises(refusal):
        office.act(getattr(throws(office), verb), ask, *arguments, by=person)

    assert open_tasks(office) == {"Ask": ask}


def test_nothing_is_thrown_from_a_task_that_is_over(storage: Storage) -> None:
    office = ReviewOffice(storage, asking())
    ask = office.task()
    office.complete(ask, by=RITA)

    with pytest.raises(UserTaskClosedError):
        office.act(throws(office).throw_error, ask, UNREADABLE, by=RITA)
