"""Separation of duties: who had a hand in one user task has none in another, however they try."""

from __future__ import annotations

from uuid import UUID

import pytest
from diagrams import choice, diagram, end, for_each, parallel, path, start, user_task
from user_task_desk import INA, OLGA, RITA, ROLF, ReviewOffice, person, together

from engine.errors import SeparationOfDutiesError
from storage import SecurityContext, Storage

SENA = person("sena", "reviewer")
TWO_STEPS = diagram(
    "review",
    start(),
    path("Begin", "Check", "Approve", "Done"),
    user_task("Check", "reviewer", form="review", outputs={"checked_by": "=completed_by"}),
    user_task("Approve", "reviewer", form="review", excluded="initiator, Check"),
    end(),
)
AGAIN = diagram(
    "again",
    start(),
    path("Begin", "Review", "Agreed"),
    user_task("Review", "reviewer", form="review", excluded="Review"),
    choice("Agreed", '=decision = "approve"', "Done", "Review"),
    end(),
)
SIDE_BY_SIDE = diagram(
    "side-by-side",
    start(),
    path("Begin", "Fork", "Left", "Join", "Done"),
    path("Fork", "Right", "Join"),
    parallel("Fork"),
    user_task("Left", "reviewer", form="review", excluded="Right"),
    user_task("Right", "reviewer", form="review", excluded="Left"),
    parallel("Join"),
    end(),
)
TWO_OF_THREE = diagram(
    "two-of-three",
    start(),
    path("Begin", "Approve", "Done"),
    user_task(
        "Approve",
        "reviewer",
        form="review",
        excluded="initiator, Approve",
        multi_instance=for_each(
            "=[1, 2, 3]",
            collect="decisions",
            each="=decision",
            until='=count(decisions[item = "approve"]) >= 2',
        ),
    ),
    end(),
)


@pytest.fixture
def office(storage: Storage) -> ReviewOffice:
    return ReviewOffice(storage, TWO_STEPS, AGAIN)


@pytest.fixture
def parallel_office(storage: Storage) -> ReviewOffice:
    return ReviewOffice(storage, SIDE_BY_SIDE, TWO_OF_THREE)


def _next_task(office: ReviewOffice, process_instance_id: UUID) -> UUID:
    (user_task_id,) = office.instance(process_instance_id).open_user_task_ids
    return user_task_id


def _checked(office: ReviewOffice, by: SecurityContext) -> UUID:
    """Start an instance and check it; return the task of approving it."""
    process_instance_id = office.start()
    office.complete(_next_task(office, process_instance_id), by=by)
    return _next_task(office, process_instance_id)


def test_who_checked_does_not_approve(office: ReviewOffice) -> None:
    approve = _checked(office, by=RITA)

    with pytest.raises(SeparationOfDutiesError) as refused:
        office.complete(approve, by=RITA)

    assert (refused.value.user_id, refused.value.element_id, refused.value.performed) == ("rita", "Approve", "Check")
    office.complete(approve, by=ROLF)
    assert office.described(approve).completed_by == "rolf"


def test_who_checked_neither_claims_nor_drafts_nor_delegates_nor_is_a_delegate(office: ReviewOffice) -> None:
    approve = _checked(office, by=RITA)
    attempts = [
        (office.desk.claim, (), RITA),
        (office.desk.save_draft, ({},), RITA),
        (office.desk.delegate, ("rolf",), RITA),
        (office.desk.delegate, ("rita",), ROLF),
        (office.desk.delegate, ("rita",), OLGA),
    ]

    for call, arguments, by in attempts:
        with pytest.raises(SeparationOfDutiesError) as refused:
            office.act(call, approve, *arguments, by=by)
        assert (refused.value.user_id, refused.value.performed) == ("rita", "Check")


def test_an_administrator_who_is_excluded_hands_the_task_to_nobody(office: ReviewOffice) -> None:
    process_instance_id = office.start(by=OLGA)
    office.complete(_next_task(office, process_instance_id), by=RITA)

    with pytest.raises(SeparationOfDutiesError) as refused:
        office.act(office.desk.delegate, _next_task(office, process_instance_id), "rolf", by=OLGA)

    assert (refused.value.user_id, refused.value.performed) == ("olga", None)


def test_who_delegated_the_check_and_did_not_do_it_may_approve(office: ReviewOffice) -> None:
    process_instance_id = office.start()
    check = _next_task(office, process_instance_id)
    office.act(office.desk.delegate, check, "rolf", by=RITA)
    office.complete(check, by=ROLF)
    approve = _next_task(office, process_instance_id)

    with pytest.raises(SeparationOfDutiesError):
        office.complete(approve, by=ROLF)

    office.complete(approve, by=RITA)
    assert office.described(approve).completed_by == "rita"


def test_who_checked_one_instance_approves_another(office: ReviewOffice) -> None:
    _checked(office, by=RITA)
    approve = _checked(office, by=ROLF)

    office.complete(approve, by=RITA)

    assert office.described(approve).completed_by == "rita"


def test_the_inbox_shows_a_task_to_whom_it_excludes_and_says_so(office: ReviewOffice) -> None:
    approve = _checked(office, by=RITA)

    (seen,) = office.inbox(RITA).user_tasks
    (seen_by_another,) = office.inbox(ROLF).user_tasks

    assert seen.refusal is not None
    assert (seen.user_task_id, seen.can_complete, seen.refusal.code) == (approve, False, "SEPARATION_OF_DUTIES")
    assert (seen_by_another.can_complete, seen_by_another.excluded_elements) == (True, ("Check",))


def test_a_task_that_excludes_its_own_performers_is_never_done_twice_by_one_person(office: ReviewOffice) -> None:
    process_instance_id = office.start("again")
    office.complete(_next_task(office, process_instance_id), by=RITA, decision="reject")
    second = _next_task(office, process_instance_id)

    with pytest.raises(SeparationOfDutiesError) as refused:
        office.complete(second, by=RITA)

    assert refused.value.performed == "Review"
    office.complete(second, by=INA)


def test_one_person_who_completes_two_tasks_at_once_that_exclude_each_other_does_one(
    parallel_office: ReviewOffice,
) -> None:
    office = parallel_office
    tasks = office.instance(office.start("side-by-side")).open_user_task_ids

    outcomes = together(*(lambda task=task: office.complete(task, by=RITA) for task in tasks))

    assert [type(error) for error in outcomes if error is not None] == [SeparationOfDutiesError]
    assert sorted(office.described(task).status.value for task in tasks) == ["completed", "open"]


def test_two_of_three_must_be_two_persons_and_end_the_third_task(parallel_office: ReviewOffice) -> None:
    office = parallel_office
    process_instance_id = office.start("two-of-three")
    first, second, third = office.instance(process_instance_id).open_user_task_ids

    office.complete(first, by=RITA)
    with pytest.raises(SeparationOfDutiesError) as refused:
        office.complete(second, by=RITA)
    office.complete(second, by=ROLF, decision="reject")
    office.complete(third, by=SENA)

    assert refused.value.performed == "Approve"
    assert office.instance(process_instance_id).status.value == "completed"


def test_a_majority_withdraws_the_tasks_that_are_left(parallel_office: ReviewOffice) -> None:
    office = parallel_office
    process_instance_id = office.start("two-of-three")
    first, second, third = office.instance(process_instance_id).open_user_task_ids
    office.act(office.desk.save_draft, third, {"decision": "reject"}, by=SENA)

    office.complete(first, by=RITA)
    office.complete(second, by=ROLF)

    withdrawn = office.described(third)
    assert (withdrawn.status.value, withdrawn.refusal and withdrawn.refusal.code) == (
        "cancelled",
        "USER_TASK_ALREADY_COMPLETED",
    )
    assert office.instance(process_instance_id).status.value == "completed"
