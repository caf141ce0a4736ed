"""Drafting and discussing user tasks on a real database."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from user_task_desk import (
    ASSIGNED,
    CARL,
    INA,
    OTTO,
    REVIEW,
    RITA,
    ROLF,
    SVEN,
    VERA,
    ReviewOffice,
)

from engine.errors import (
    CommentInvalidError,
    UnknownUserTaskError,
)
from storage import Storage
from storage.errors import RecordNumberError, RecordTextError


@pytest.fixture
def office(storage: Storage) -> ReviewOffice:
    return ReviewOffice(storage, REVIEW, ASSIGNED)


def test_a_draft_need_not_fit_the_form_and_the_last_one_stays(office: ReviewOffice) -> None:
    task = office.task()

    office.act(office.desk.save_draft, task, {"decision": "approve"}, by=RITA)
    office.act(office.desk.save_draft, task, {"decision": "perhaps", "further": [1, None]}, by=CARL)

    assert office.described(task).draft == {"decision": "perhaps", "further": [1, None]}
    assert "perhaps" not in str([event.payload for event in office.events(task)])


def test_a_draft_is_shown_to_those_who_may_finish_it(office: ReviewOffice) -> None:
    task = office.task()
    office.act(office.desk.claim, task, by=RITA)
    office.act(office.desk.save_draft, task, {"decision": "reject"}, by=RITA)

    seen_by = {by.user_id: office.described(task, by=by).draft for by in (RITA, ROLF, INA, OTTO, VERA)}

    assert seen_by == {"rita": {"decision": "reject"}, "rolf": None, "ina": None, "otto": None, "vera": None}


@pytest.mark.parametrize(
    ("value", "error"), [("a\0b", RecordTextError), (float("nan"), RecordNumberError)], ids=["text", "number"]
)
def test_a_draft_that_the_database_cannot_hold_is_refused(
    office: ReviewOffice, value: str | float, error: type[Exception]
) -> None:
    task = office.task()

    with pytest.raises(error):
        office.act(office.desk.save_draft, task, {"comment": value}, by=RITA)

    assert office.described(task).draft is None


def test_a_completed_task_keeps_its_submission_and_no_draft(office: ReviewOffice) -> None:
    task = office.task()
    office.act(office.desk.save_draft, task, {"decision": "reject"}, by=RITA)

    office.complete(task, by=RITA, decision="approve")

    (row,) = _rows(office, "status, submission, draft")
    assert row == ("completed", {"decision": "approve", "comment": ""}, None)


def test_comments_are_read_in_the_order_in_which_they_were_made(office: ReviewOffice) -> None:
    task = office.task()

    for by, content in ((RITA, "Why?"), (INA, "The data changed."), (OTTO, "I saw that too.")):
        office.act(office.desk.comment, task, content, by=by)

    comments = office.act(office.desk.comments, task, by=VERA)
    assert [(comment.author, comment.content) for comment in comments] == [
        ("rita", "Why?"),
        ("ina", "The data changed."),
        ("otto", "I saw that too."),
    ]
    assert office.described(task).comments == 3
    with pytest.raises(UnknownUserTaskError):
        office.act(office.desk.comments, task, by=SVEN)


@pytest.mark.parametrize("content", ["", " \n", "x" * 10_001])
def test_a_comment_says_something_and_not_too_much(office: ReviewOffice, content: str) -> None:
    task = office.task()

    with pytest.raises(CommentInvalidError) as refused:
        office.act(office.desk.comment, task, content, by=RITA)

    assert refused.value.length == len(content.strip())
    assert office.described(task).comments == 0


def test_a_comment_that_the_database_cannot_hold_is_refused(office: ReviewOffice) -> None:
    task = office.task()

    with pytest.raises(RecordTextError):
        office.act(office.desk.comment, task, "a\0b", by=RITA)


def _rows(office: ReviewOffice, columns: str) -> list[tuple[object, ...]]:
    with office.storage.transaction() as work:
        return [tuple(row) for row in work.connection.execute(text(f"select {columns} from user_task"))]
