"""The inbox: whose tasks it shows, in which order, page by page, and by which way the database finds them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from diagrams import diagram, end, path, start, user_task
from pydantic import ValidationError
from sqlalchemy import Connection, text
from user_task_desk import CARL, INA, OTTO, RITA, ROLF, SVEN, VERA, ReviewOffice, person

from engine.errors import InboxCursorError
from engine.inbox import InboxQuery, InboxShows
from storage import Storage
from storage.errors import AccessDeniedError
from storage.identifiers import new_id
from storage.models import RoleType

REVIEW = diagram(
    "review",
    start(),
    path("Begin", "Ask", "Done"),
    user_task("Ask", "reviewer", users="carl", form="review", priority="=urgency", due_date="=due"),
    end(),
)
OTHER = diagram("other", start(), path("Begin", "Look", "Done"), user_task("Look", "reviewer", form="review"), end())
DUE = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def office(storage: Storage) -> ReviewOffice:
    return ReviewOffice(storage, REVIEW, OTHER)


def test_the_most_urgent_task_comes_first_and_among_equals_the_oldest(office: ReviewOffice) -> None:
    plain = office.task()
    low, high = (office.task(urgency=urgency) for urgency in (10, 90))
    later = office.task(urgency=50)

    assert office.listed(RITA) == [high, plain, later, low]


def test_a_task_is_for_its_groups_and_for_whom_it_names(office: ReviewOffice) -> None:
    task = office.task()

    listed = {by.user_id: office.listed(by) for by in (RITA, INA, VERA, CARL, OTTO, SVEN)}

    assert listed == {"rita": [task], "ina": [task], "vera": [task], "carl": [task], "otto": [], "sven": []}


def test_who_may_not_read_sees_no_inbox(office: ReviewOffice) -> None:
    guest = person("gus", "reviewer", role=RoleType.GUEST)

    for call, arguments in ((office.desk.inbox, ()), (office.desk.describe, (new_id(),))):
        with pytest.raises(AccessDeniedError):
            office.act(call, *arguments, by=guest)


def test_what_others_have_claimed_is_listed_when_it_is_asked_for(office: ReviewOffice) -> None:
    mine, hers, free, given = (office.task() for _ in range(4))
    office.act(office.desk.claim, mine, by=RITA)
    office.act(office.desk.claim, hers, by=ROLF)
    office.act(office.desk.delegate, given, "otto", by=ROLF)

    listed = {shows.value: office.listed(RITA, shows=shows) for shows in InboxShows}

    assert listed == {
        "available": [mine, free],
        "mine": [mine],
        "unclaimed": [free],
        "all": [mine, hers, free, given],
    }
    assert office.listed(OTTO) == [given]


def test_what_is_completed_leaves_the_inbox(office: ReviewOffice) -> None:
    task = office.task()

    office.complete(task, by=RITA)

    assert office.listed(RITA, shows=InboxShows.ALL) == []


def test_the_inbox_can_be_narrowed_to_what_is_due_and_to_a_process(office: ReviewOffice) -> None:
    office.task()
    soon = office.task(due=DUE.isoformat())
    office.task(due=(DUE + timedelta(days=1)).isoformat())
    other = office.task("other")

    assert office.listed(RITA, due_before=DUE + timedelta(seconds=1)) == [soon]
    assert office.listed(RITA, due_before=DUE) == []
    assert office.listed(RITA, process_id="other") == [other]


def test_pages_together_are_what_one_large_page_is(office: ReviewOffice) -> None:
    for number in range(11):
        office.task(urgency=number % 3)
    pages, cursor = [], None
    while True:
        page = office.inbox(RITA, limit=4, cursor=cursor)
        pages.append([task.user_task_id for task in page.user_tasks])
        cursor = page.next_cursor
        if cursor is None:
            break

    assert [len(page) for page in pages] == [4, 4, 3]
    assert [task for page in pages for task in page] == office.listed(RITA)


def test_a_page_goes_on_behind_the_last_one_although_its_last_task_is_done(office: ReviewOffice) -> None:
    first, second, third, fourth = (office.task() for _ in range(4))
    page = office.inbox(RITA, limit=2)
    urgent = office.task(urgency=100)

    office.complete(second, by=RITA)

    assert [task.user_task_id for task in page.user_tasks] == [first, second]
    assert office.listed(RITA, cursor=page.next_cursor) == [third, fourth]
    assert office.listed(RITA, limit=1) == [urgent]


@pytest.mark.parametrize(
    "cursor", ["", "50", "50.", f"-1.{UUID(int=0).hex}", f"5000.{UUID(int=0).hex}", "x" * 200, "५0.00"]
)
def test_what_is_no_cursor_is_refused(office: ReviewOffice, cursor: str) -> None:
    with pytest.raises(InboxCursorError) as refused:
        office.inbox(RITA, cursor=cursor)

    assert refused.value.cursor == cursor[:100]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"process_id": "a\0b"}, {"due_before": "2030-01-01"}])
def test_a_query_that_cannot_be_answered_is_refused_at_the_door(query: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        InboxQuery.model_validate(query)


def test_a_page_shows_the_business_key_and_how_much_was_said(office: ReviewOffice) -> None:
    with office.storage.transaction() as work:
        office.engine.start(work, "other", {}, context=INA, business_key="experiment-7")
    (task,) = office.listed(RITA)
    office.act(office.desk.comment, task, "Soon.", by=RITA)

    (seen,) = office.inbox(RITA).user_tasks

    assert (seen.business_key, seen.process_id, seen.comments) == ("experiment-7", "other", 1)


def test_a_page_of_ten_thousand_open_tasks_is_one_range_of_an_index(office: ReviewOffice) -> None:
    task = office.task()
    copies = text(
        "insert into user_task (user_task_id, process_instance_id, process_id, task_id, element_id, name, form_id,"
        " candidate_groups, candidate_users, excluded_principals, context, tenant_id)"
        " select gen_random_uuid(), process_instance_id, process_id, gen_random_uuid(), element_id, name, form_id,"
        " candidate_groups, candidate_users, excluded_principals, context, tenant_id"
        " from user_task, generate_series(1, 10000) where user_task_id = :task"
    )
    with office.storage.transaction() as work:
        work.connection.execute(copies, {"task": task})
        work.connection.execute(text("analyze user_task"))
        before = _rows_read(work.connection)
        page = office.desk.inbox(work, InboxQuery(limit=50), context=RITA)
        read = _rows_read(work.connection) - before

    assert len(page.user_tasks) == 50
    assert read < 200


def _rows_read(connection: Connection) -> int:
    statement = text(
        "select seq_tup_read + coalesce(idx_tup_fetch, 0) as number"
        " from pg_stat_xact_user_tables where relname = 'user_task'"
    )
    return int(connection.execute(statement).scalar_one())
