"""What holds of every act on a user task, on a real database."""

from __future__ import annotations

import pytest
from user_task_desk import (
    ASSIGNED,
    INA,
    OTTO,
    REVIEW,
    RITA,
    SVEN,
    VERA,
    Act,
    ReviewOffice,
    claim,
    comment,
    complete,
    delegate,
    draft,
    unclaim,
)

from engine.errors import (
    NotACandidateError,
    SeparationOfDutiesError,
    UnknownUserTaskError,
    UserTaskClosedError,
)
from storage import SecurityContext, Storage
from storage.errors import AccessDeniedError
from storage.identifiers import new_id


@pytest.fixture
def office(storage: Storage) -> ReviewOffice:
    return ReviewOffice(storage, REVIEW, ASSIGNED)


FOR_CANDIDATES = [claim, delegate, draft, complete]


ACTS = [*FOR_CANDIDATES, unclaim, comment]


@pytest.mark.parametrize("act", FOR_CANDIDATES)
@pytest.mark.parametrize(("by", "error"), [(INA, SeparationOfDutiesError), (OTTO, NotACandidateError)])
def test_who_is_excluded_or_no_candidate_has_no_hand_in_a_task(
    office: ReviewOffice, act: Act, by: SecurityContext, error: type[Exception]
) -> None:
    task = office.task()
    before = office.described(task)

    with pytest.raises(error):
        act(office, task, by)

    assert office.described(task) == before
    assert [event.kind for event in office.events(task)] == ["user_task.created"]


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(("by", "error"), [(SVEN, UnknownUserTaskError), (VERA, AccessDeniedError)])
def test_a_stranger_finds_no_task_and_a_viewer_changes_none(
    office: ReviewOffice, act: Act, by: SecurityContext, error: type[Exception]
) -> None:
    task = office.task()

    with pytest.raises(error):
        act(office, task, by)

    assert [event.kind for event in office.events(task)] == ["user_task.created"]


@pytest.mark.parametrize("act", ACTS)
def test_nothing_is_done_with_a_completed_task(office: ReviewOffice, act: Act) -> None:
    task = office.task()
    office.complete(task, by=RITA)

    with pytest.raises(UserTaskClosedError) as refused:
        act(office, task, RITA)

    assert (refused.value.status, refused.value.completed_by) == ("completed", "rita")


@pytest.mark.parametrize("act", ACTS)
def test_a_task_that_does_not_exist_is_unknown(office: ReviewOffice, act: Act) -> None:
    task = new_id()

    with pytest.raises(UnknownUserTaskError) as refused:
        act(office, task, RITA)

    assert refused.value.user_task_id == str(task)


@pytest.mark.parametrize("act", [claim, delegate, draft, unclaim, comment])
def test_every_act_is_on_the_record_with_who_did_it(office: ReviewOffice, act: Act) -> None:
    task = office.task()
    office.act(office.desk.claim, task, by=RITA)
    if act is claim:
        office.act(office.desk.unclaim, task, by=RITA)

    act(office, task, RITA)

    last = office.events(task)[-1]
    assert (last.kind, last.payload["by"], last.element_id) == (f"user_task.{_PARTICIPLES[act]}", "rita", "Ask")
    assert office.leaves(last.kind)[-1] == ("rita", f"user_task/{task}")


_PARTICIPLES: dict[Act, str] = {
    claim: "claimed",
    delegate: "delegated",
    draft: "drafted",
    unclaim: "unclaimed",
    comment: "commented",
}


def test_an_act_that_is_rolled_back_leaves_no_trace(office: ReviewOffice) -> None:
    task = office.task()

    def claim_and_fail() -> None:
        with office.storage.transaction() as work:
            office.desk.claim(work, task, context=RITA)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        claim_and_fail()

    assert office.described(task).assignee is None
    assert [event.kind for event in office.events(task)] == ["user_task.created"]
