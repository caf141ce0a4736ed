"""What is told of user tasks, and what their diagram says of them, on a real database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from user_task_desk import (
    ASSIGNED,
    INA,
    OTTO,
    REVIEW,
    RITA,
    ROLF,
    VERA,
    Review,
    ReviewOffice,
    person,
)

from engine.errors import (
    FormInvalidError,
    FormMissingError,
    UserTaskValueError,
)
from storage import Storage


@pytest.fixture
def office(storage: Storage) -> ReviewOffice:
    return ReviewOffice(storage, REVIEW, ASSIGNED)


def test_a_description_says_why_its_reader_cannot_complete_the_task(office: ReviewOffice) -> None:
    task = office.task(score=3)
    office.act(office.desk.claim, task, by=RITA)

    refusals = {by.user_id: office.described(task, by=by).refusal for by in (RITA, ROLF, INA, OTTO, VERA)}

    assert {user_id: refusal and refusal.code for user_id, refusal in refusals.items()} == {
        "rita": None,
        "rolf": "USER_TASK_CLAIMED_BY_ANOTHER",
        "ina": "SEPARATION_OF_DUTIES",
        "otto": "NOT_A_CANDIDATE",
        "vera": "FORBIDDEN",
    }
    seen = office.described(task)
    assert (seen.can_complete, seen.context, seen.form_schema) == (True, {"shown": 3}, Review.model_json_schema())


def test_a_task_whose_form_is_gone_is_listed_and_says_so(office: ReviewOffice) -> None:
    task = office.task()
    _execute(office, "update user_task set form_id = 'gone'")

    (seen,) = office.inbox(RITA).user_tasks
    with pytest.raises(FormMissingError) as refused:
        office.complete(task, by=RITA)

    assert seen.refusal is not None
    assert (seen.can_complete, seen.refusal.code, seen.form_schema) == (False, "FORM_MISSING", None)
    assert refused.value.form_id == "gone"


def test_the_diagram_says_whose_a_task_is_until_when_and_how_urgent(office: ReviewOffice) -> None:
    task = office.task("assigned", boss="rita", due="2030-05-01T12:00:00+02:00", urgency=90)

    seen = office.described(task)

    assert (seen.assignee, seen.priority) == ("rita", 90)
    assert seen.due_at == datetime(2030, 5, 1, 10, tzinfo=UTC)
    office.complete(task, by=person("rita"))


def test_a_duration_until_a_task_is_due_counts_from_its_creation(office: ReviewOffice) -> None:
    seen = office.described(office.task("assigned", boss="rita", due="P2D"))

    assert seen.due_at is not None
    assert seen.created_at is not None
    assert timedelta(days=2) - timedelta(seconds=5) < seen.due_at - seen.created_at <= timedelta(days=2)


def test_a_task_is_not_assigned_to_whom_it_excludes(office: ReviewOffice) -> None:
    with pytest.raises(UserTaskValueError) as refused:
        office.start("assigned", boss="ina")

    assert (refused.value.element_id, refused.value.field) == ("Ask", "assignee")


def test_a_submission_that_does_not_fit_the_form_leaves_the_task_to_its_claimant(office: ReviewOffice) -> None:
    task = office.task()
    office.act(office.desk.claim, task, by=RITA)

    with pytest.raises(FormInvalidError) as refused:
        office.complete(task, by=RITA, decision="maybe")

    assert list(refused.value.fields) == ["decision"]
    assert office.described(task).assignee == "rita"


def _execute(office: ReviewOffice, statement: str) -> None:
    with office.storage.transaction() as work:
        work.connection.execute(text(statement))
