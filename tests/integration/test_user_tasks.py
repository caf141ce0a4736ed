"""Claiming, giving back, delegating, drafting and discussing user tasks on a real database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from diagrams import diagram, end, path, start, user_task
from sqlalchemy import text
from user_task_desk import CARL, INA, OLGA, OTTO, RITA, ROLF, SVEN, VERA, Review, ReviewOffice, person, together

from engine.errors import (
    AssigneeNeededError,
    ClaimedByAnotherError,
    CommentInvalidError,
    DelegateInvalidError,
    FormInvalidError,
    FormMissingError,
    NotACandidateError,
    SeparationOfDutiesError,
    UnknownUserTaskError,
    UserTaskClaimedError,
    UserTaskClosedError,
    UserTaskValueError,
)
from storage import SecurityContext, Storage
from storage.errors import AccessDeniedError, RecordNumberError, RecordTextError
from storage.identifiers import new_id

REVIEW = diagram(
    "review",
    start(),
    path("Begin", "Ask", "Done"),
    user_task("Ask", "reviewer", users="carl", form="review", inputs={"shown": "=score"}, excluded="initiator"),
    end(),
)
ASSIGNED = diagram(
    "assigned",
    start(),
    path("Begin", "Ask", "Done"),
    user_task("Ask", None, assignee="=boss", form="review", due_date="=due", priority="=urgency", excluded="initiator"),
    end(),
)


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

    for act in (_unclaim, _delegate, _draft):
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


def _claim(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.claim, task, by=by)


def _delegate(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.delegate, task, "nora", by=by)


def _draft(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.save_draft, task, {"decision": "reject"}, by=by)


def _complete(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.complete(task, by=by)


def _unclaim(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.unclaim, task, by=by)


def _comment(office: ReviewOffice, task: UUID, by: SecurityContext) -> None:
    office.act(office.desk.comment, task, "Hm.", by=by)


Act = Callable[[ReviewOffice, UUID, SecurityContext], None]
FOR_CANDIDATES = [_claim, _delegate, _draft, _complete]
ACTS = [*FOR_CANDIDATES, _unclaim, _comment]


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


@pytest.mark.parametrize("act", [_claim, _delegate, _draft, _unclaim, _comment])
def test_every_act_is_on_the_record_with_who_did_it(office: ReviewOffice, act: Act) -> None:
    task = office.task()
    office.act(office.desk.claim, task, by=RITA)
    if act is _claim:
        office.act(office.desk.unclaim, task, by=RITA)

    act(office, task, RITA)

    last = office.events(task)[-1]
    assert (last.kind, last.payload["by"], last.element_id) == (f"user_task.{_PARTICIPLES[act]}", "rita", "Ask")
    assert office.leaves(last.kind)[-1] == ("rita", f"user_task/{task}")


_PARTICIPLES: dict[Act, str] = {
    _claim: "claimed",
    _delegate: "delegated",
    _draft: "drafted",
    _unclaim: "unclaimed",
    _comment: "commented",
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


def test_a_completed_task_keeps_its_submission_and_no_draft(office: ReviewOffice) -> None:
    task = office.task()
    office.act(office.desk.save_draft, task, {"decision": "reject"}, by=RITA)

    office.complete(task, by=RITA, decision="approve")

    (row,) = _rows(office, "status, submission, draft")
    assert row == ("completed", {"decision": "approve", "comment": ""}, None)


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


def _rows(office: ReviewOffice, columns: str) -> list[tuple[object, ...]]:
    with office.storage.transaction() as work:
        return [tuple(row) for row in work.connection.execute(text(f"select {columns} from user_task"))]


def _execute(office: ReviewOffice, statement: str) -> None:
    with office.storage.transaction() as work:
        work.connection.execute(text(statement))
