"""Claiming, giving back and delegating user tasks on a real database."""

from __future__ import annotations

import pytest
from diagrams import diagram, end, path, start, user_task
from user_task_desk import (
    ASSIGNED,
    OLGA,
    OTTO,
    REVIEW,
    RITA,
    ROLF,
    ReviewOffice,
    delegate,
    draft,
    together,
    unclaim,
)

from engine.errors import (
    AssigneeNeededError,
    ClaimedByAnotherError,
    DelegateInvalidError,
    NotACandidateError,
    SeparationOfDutiesError,
    UserTaskClaimedError,
    UserTaskValueError,
)
from storage import SecurityContext, Storage


@pytest.fixture
def office(storage: Storage) -> ReviewOffice:
    return ReviewOffice(storage, REVIEW, ASSIGNED)


def test_what_is_claimed_only_its_claimant_completes(office: ReviewOffice) -> None:
    task = office.task()

    office.act(office.desk.claim, task, by=RITA)

    with pytest.raises(ClaimedByAnotherError) as refused:
        office.complete(task, by=ROLF)
    assert (refused.value.code, refused.value.assignee) == ("USER_TASK_CLAIMED_BY_ANOTHER", "rita")
    office.complete(task, by=RITA)
    assert office.described(task).completed_by == "rita"


def test_of_two_who_claim_at_once_one_gets_the_task_and_the_other_hears_who(office: ReviewOffice) -> None:
    task = office.task()

    outcomes = together(*(lambda by=by: office.act(office.desk.claim, task, by=by) for by in (RITA, ROLF)))

    assignee = office.described(task).assignee
    (refusal,) = [error for error in outcomes if error is not None]
    assert isinstance(refusal, UserTaskClaimedError)
    assert (refusal.code, refusal.assignee) == ("USER_TASK_ALREADY_CLAIMED", assignee)
    assert [event.kind for event in office.events(task)] == ["user_task.created", "user_task.claimed"]


def test_claiming_a_task_again_changes_nothing(office: ReviewOffice) -> None:
    task = office.task()

    for _ in range(2):
        office.act(office.desk.claim, task, by=RITA)

    assert office.described(task).assignee == "rita"
    assert [event.kind for event in office.events(task)] == ["user_task.created", "user_task.claimed"]


def test_a_task_that_is_given_back_can_be_claimed_by_another_who_finds_its_draft(office: ReviewOffice) -> None:
    task = office.task()
    office.act(office.desk.claim, task, by=RITA)
    office.act(office.desk.save_draft, task, {"comment": "so far"}, by=RITA)

    office.act(office.desk.unclaim, task, by=RITA)
    office.act(office.desk.unclaim, task, by=RITA)
    office.act(office.desk.claim, task, by=ROLF)

    seen = office.described(task, by=ROLF)
    assert (seen.assignee, seen.draft, seen.can_complete) == ("rolf", {"comment": "so far"}, True)


@pytest.mark.parametrize("by", [OLGA, RITA], ids=["an administrator", "the delegator"])
def test_a_task_is_taken_back_from_its_assignee_by(office: ReviewOffice, by: SecurityContext) -> None:
    task = office.task()
    office.act(office.desk.delegate, task, "rolf", by=RITA)

    office.act(office.desk.unclaim, task, by=by)

    seen = office.described(task)
    assert (seen.assignee, seen.delegated_by) == (None, None)


def test_a_candidate_does_not_take_a_task_from_its_claimant(office: ReviewOffice) -> None:
    task = office.task()
    office.act(office.desk.claim, task, by=RITA)

    for act in (unclaim, delegate, draft):
        with pytest.raises(ClaimedByAnotherError) as refused:
            act(office, task, ROLF)
        assert (refused.value.user_id, refused.value.assignee) == ("rolf", "rita")

    assert office.described(task).assignee == "rita"


def test_a_task_without_candidates_is_delegated_but_not_given_back(office: ReviewOffice) -> None:
    task = office.task("assigned", boss="rita")

    with pytest.raises(AssigneeNeededError) as refused:
        office.act(office.desk.unclaim, task, by=RITA)
    office.act(office.desk.delegate, task, "otto", by=RITA)

    assert refused.value.user_task_id == str(task)
    office.complete(task, by=OTTO)
    assert office.described(task).completed_by == "otto"


def test_a_delegate_who_is_no_candidate_does_the_task_and_the_delegator_is_on_the_record(office: ReviewOffice) -> None:
    task = office.task()

    office.act(office.desk.delegate, task, " otto ", by=RITA)
    audit_ref = office.complete(task, by=OTTO)

    delegated, completed = office.events(task)[1:]
    with office.storage.transaction() as work:
        leaf = work.audit.read(audit_ref, context=RITA)
    assert (delegated.kind, delegated.payload) == (
        "user_task.delegated",
        {"user_task_id": str(task), "assignee": "otto", "delegated_by": "rita", "by": "rita"},
    )
    assert (completed.payload["completed_by"], completed.payload["delegated_by"]) == ("otto", "rita")
    assert (leaf["actor"], leaf["action"], leaf["details"]["delegated_by"]) == ("otto", "user_task.completed", "rita")
    assert office.leaves("user_task.delegated") == [("rita", f"user_task/{task}")]


def test_nobody_delegates_to_a_person_whom_the_task_excludes(office: ReviewOffice) -> None:
    task = office.task()

    for by in (RITA, OLGA):
        with pytest.raises(SeparationOfDutiesError) as refused:
            office.act(office.desk.delegate, task, "ina", by=by)
        assert (refused.value.user_id, refused.value.performed) == ("ina", None)

    assert office.described(task).assignee is None


@pytest.mark.parametrize("name", ["", "   ", "a\0b", "x" * 201, "rita"])
def test_a_delegate_is_somebody_else(office: ReviewOffice, name: str) -> None:
    task = office.task()
    office.act(office.desk.claim, task, by=RITA)

    with pytest.raises(DelegateInvalidError) as refused:
        office.act(office.desk.delegate, task, name, by=RITA)

    assert refused.value.delegate == name.strip()[:100]


def test_an_administrator_does_not_make_a_candidate_of_themselves(office: ReviewOffice) -> None:
    task = office.task()

    with pytest.raises(DelegateInvalidError):
        office.act(office.desk.delegate, task, "olga", by=OLGA)
    with pytest.raises(NotACandidateError):
        office.complete(task, by=OLGA)

    office.act(office.desk.delegate, task, "otto", by=OLGA)
    office.complete(task, by=OTTO)


GIVEN = diagram(
    "given",
    start(),
    path("Begin", "Work", "Ask", "Done"),
    user_task("Work", "reviewer", outputs={"groups": "=groups"}),
    user_task("Ask", "=groups"),
    end(),
)


def test_the_groups_that_an_expression_gives_may_claim_and_no_others(storage: Storage) -> None:
    office = ReviewOffice(storage, GIVEN)
    office.start("given")
    (work,) = office.listed(RITA)

    office.act(office.engine.complete_user_task, work, {"groups": ["other"]}, by=RITA)

    (ask,) = office.listed(OTTO)
    assert office.listed(RITA) == []
    with pytest.raises(NotACandidateError) as refused:
        office.act(office.desk.claim, ask, by=RITA)
    assert refused.value.candidate_groups == ("other",)
    office.act(office.desk.claim, ask, by=OTTO)


def test_a_step_that_would_ask_nobody_is_refused_and_its_task_stays_open(storage: Storage) -> None:
    office = ReviewOffice(storage, GIVEN)
    office.start("given")
    (work,) = office.listed(RITA)

    with pytest.raises(UserTaskValueError) as refused:
        office.act(office.engine.complete_user_task, work, {"groups": "other"}, by=RITA)

    assert (refused.value.element_id, refused.value.field) == ("Ask", "candidate groups")
    assert office.listed(RITA) == [work]
