"""A running instance goes over to another version of its diagram, or is left as it was."""

from __future__ import annotations

import pytest
from archive import WHY, Archive, open_tasks, opened
from diagrams import (
    boundary,
    call_activity,
    diagram,
    duration,
    end,
    parallel,
    path,
    service_task,
    start,
    undone_by,
    user_task,
)
from engine_shop import ONE_JOB, Nothing, Result, Shop, external, transactional
from user_task_desk import INA, OLGA, RITA, ReviewOffice

from engine import InstanceStatus, JobContext, NotificationHub, TaskContext
from engine.errors import (
    IdempotencyConflictError,
    MigrationInvalidError,
    SeparationOfDutiesError,
    UnknownDefinitionError,
    UnknownInstanceError,
)
from engine.migration import Migrations, Verdict
from storage import Storage
from storage.errors import AccessDeniedError
from storage.identifiers import new_id

REVIEWER = "reviewer"


def review(*content: str) -> bytes:
    return diagram("review", start(), *content, end())


def task(node_id: str, excluded: str = "") -> str:
    return user_task(node_id, REVIEWER, form="review", excluded=excluded)


def late(host: str) -> str:
    return boundary("Late", host, timer=duration('="PT48H"'), interrupting=False) + path("Late", "Noted") + end("Noted")


ONE = review(path("Begin", "Review", "Done"), task("Review"), late("Review"))
SAME = review(path("Begin", "Review", "Done"), task("Review"), late("Review"), "<!-- the second version -->")
BEHIND = review(path("Begin", "Review", "Approve", "Done"), task("Review"), task("Approve"), late("Review"))
BEFORE = review(path("Begin", "Check", "Review", "Done"), task("Check"), task("Review"), late("Review"))
RENAMED = review(path("Begin", "Check", "Done"), task("Check"), late("Check"))
WITHOUT_TIMER = review(path("Begin", "Review", "Done"), task("Review"))
TWO = review(path("Begin", "Review", "Approve", "Done"), task("Review"), task("Approve"))
TWO_SWAPPED = review(path("Begin", "Approve", "Review", "Done"), task("Review"), task("Approve"))
TWO_EXCLUSIVE = review(path("Begin", "Review", "Approve", "Done"), task("Review"), task("Approve", "Review"))
TWO_EXCLUSIVE_RENAMED = review(path("Begin", "Check", "Approve", "Done"), task("Check"), task("Approve", "Check"))
FORKED = review(
    path("Begin", "Fork", "Review", "Join", "Done"),
    path("Fork", "Approve", "Join"),
    *(parallel("Fork"), parallel("Join"), task("Review"), task("Approve")),
)
FORKED_IN_THREE = review(
    path("Begin", "Fork", "Review", "Join", "Done"),
    path("Fork", "Approve", "Join"),
    path("Fork", "Third", "Join"),
    *(parallel("Fork"), parallel("Join"), task("Review"), task("Approve"), task("Third")),
)


def test_an_instance_takes_its_draft_and_its_timer_along(storage: Storage) -> None:
    office, archive, instance, _old, new = opened(storage, ONE, SAME)
    (user_task_id,) = office.instance(instance).open_user_task_ids
    office.act(office.desk.save_draft, user_task_id, {"comment": "so far"}, by=RITA)
    timers = archive.rows("select * from timer")

    assert archive.migrate(instance, new) == Verdict(process_instance_id=instance)

    assert archive.rows("select * from timer") == timers
    assert office.described(user_task_id).draft == {"comment": "so far"}
    assert [ref.process_definition_id for ref in office.instance(instance).definitions] == [new]
    office.complete(user_task_id, RITA)
    assert office.instance(instance).status is InstanceStatus.COMPLETED


def test_what_is_drawn_behind_the_token_is_done(storage: Storage) -> None:
    office, archive, instance, _old, new = opened(storage, ONE, BEHIND)
    archive.migrate(instance, new)

    office.complete(open_tasks(office, instance)["Review"], RITA)
    office.complete(open_tasks(office, instance)["Approve"], RITA)

    assert office.instance(instance).status is InstanceStatus.COMPLETED


def test_a_renamed_element_takes_along_what_waits_at_it(storage: Storage) -> None:
    office, archive, instance, _old, new = opened(storage, ONE, RENAMED)
    (user_task_id,) = office.instance(instance).open_user_task_ids

    assert archive.migrate(instance, new, mapping={"Review": "Check"}).reasons == ()

    assert open_tasks(office, instance) == {"Check": user_task_id}
    office.complete(user_task_id, RITA)
    assert office.instance(instance).status is InstanceStatus.COMPLETED


def test_a_renamed_boundary_timer_keeps_its_time(storage: Storage) -> None:
    renamed = ONE.replace(b'"Late"', b'"Overdue"')
    _office, archive, instance, _old, new = opened(storage, ONE, renamed)
    ((due_at, before),) = archive.rows("select due_at, element_id from timer")

    assert archive.migrate(instance, new, mapping={"Late": "Overdue"}).reasons == ()
    assert (before, archive.rows("select due_at, element_id from timer")) == ("Late", [(due_at, "Overdue")])


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (ONE, BEFORE, "Review: Check would be skipped"),
        (ONE, RENAMED, "Review: the element is not there; name the one that replaces it in the mapping"),
        (ONE, WITHOUT_TIMER, "Review: the events on its boundary are not the same"),
        (ONE, ONE.replace(b"PT48H", b"PT24H"), "Late: its trigger is not the same"),
        (TWO, TWO_SWAPPED, "Review: Approve would be skipped"),
        (FORKED, FORKED_IN_THREE, "Review: the fork Fork, which was passed, does not have as many branches"),
        (FORKED, TWO, "Approve: Review would be skipped"),
    ],
)
def test_an_instance_that_cannot_go_over_stays_untouched(
    storage: Storage, first: bytes, second: bytes, reason: str
) -> None:
    office, archive, instance, old, new = opened(storage, first, second)
    before = archive.everything()

    verdict = archive.migrate(instance, new, idempotency_key="once")

    assert reason in verdict.reasons
    assert archive.plan(old, new) == (verdict,)
    assert archive.everything() == before
    assert archive.rows("select * from operation") == []
    for user_task_id in office.instance(instance).open_user_task_ids:
        office.complete(user_task_id, RITA)


def test_what_is_done_and_would_come_again_is_refused(storage: Storage) -> None:
    office, archive, instance, _old, new = opened(storage, TWO, TWO_SWAPPED)
    office.complete(open_tasks(office, instance)["Review"], RITA)

    assert archive.migrate(instance, new).reasons == ("Approve: Review could be done a second time",)


def test_a_join_that_has_a_token_still_waits_for_the_other(storage: Storage) -> None:
    office, archive, instance, _old, new = opened(storage, FORKED, FORKED + b"<!-- the second version -->")
    office.complete(open_tasks(office, instance)["Review"], RITA)

    assert archive.migrate(instance, new).reasons == ()

    office.complete(open_tasks(office, instance)["Approve"], RITA)
    assert office.instance(instance).status is InstanceStatus.COMPLETED


def test_who_did_a_task_stays_excluded_when_it_has_another_name(storage: Storage) -> None:
    office, archive, instance, _old, new = opened(storage, TWO_EXCLUSIVE, TWO_EXCLUSIVE_RENAMED)
    office.complete(open_tasks(office, instance)["Review"], RITA)

    assert archive.migrate(instance, new, mapping={"Review": "Check"}).reasons == ()

    with pytest.raises(SeparationOfDutiesError):
        office.complete(open_tasks(office, instance)["Approve"], RITA)
    office.complete(open_tasks(office, instance)["Approve"], INA)


def test_the_mapping_is_needed_where_exclusion_is_by_name(storage: Storage) -> None:
    office, archive, instance, _old, new = opened(storage, TWO_EXCLUSIVE, TWO_EXCLUSIVE_RENAMED)
    office.complete(open_tasks(office, instance)["Review"], RITA)

    assert "Approve: its exclusion is not the same" in archive.migrate(instance, new).reasons


def test_a_plan_changes_nothing(storage: Storage) -> None:
    _office, archive, instance, old, new = opened(storage, ONE, BEHIND)
    before = archive.everything()

    assert archive.plan(old, new) == (Verdict(process_instance_id=instance),)
    assert archive.everything() == before


def test_all_instances_go_over_each_for_itself(storage: Storage) -> None:
    office = ReviewOffice(storage, TWO)
    archive = Archive(storage, office.engine, "review")
    reviewed, waiting = office.start(), office.start()
    office.complete(open_tasks(office, reviewed)["Review"], RITA)
    old, new = archive.deploy(TWO), archive.deploy(review(path("Begin", "Approve", "Done"), task("Approve")))

    verdicts = list(Migrations(office.engine).migrate_all(storage, old, new, reason=WHY, context=OLGA))

    assert [(verdict.process_instance_id, not verdict.reasons) for verdict in verdicts] == [
        (reviewed, True),
        (waiting, False),
    ]
    assert [verdict.process_instance_id for verdict in archive.plan(old, new)] == [waiting]


def test_a_migration_repeated_under_its_key_is_done_once_and_another_is_refused(storage: Storage) -> None:
    _office, archive, instance, old, new = opened(storage, ONE, BEHIND)
    first = archive.migrate(instance, new, idempotency_key="k")
    before = archive.everything()

    assert archive.migrate(instance, new, idempotency_key="k") == first
    assert archive.everything() == before
    with pytest.raises(IdempotencyConflictError):
        archive.migrate(instance, old, idempotency_key="k")


UNDOABLE = review(
    path("Begin", "Check", "Review", "Done"), task("Check"), task("Review"), undone_by("Check", task("Undo"))
)


def test_an_instance_that_has_done_what_can_be_undone_stays_until_it_is_over(storage: Storage) -> None:
    office = ReviewOffice(storage, UNDOABLE)
    archive = Archive(storage, office.engine, "review")
    checked, untouched = office.start(), office.start()
    new = archive.deploy(UNDOABLE + b"<!-- the second version -->")
    office.complete(open_tasks(office, checked)["Check"], RITA)
    before = archive.everything()

    verdict = archive.migrate(checked, new)

    assert verdict.reasons == ("what has completed in it can still be compensated",)
    assert archive.everything() == before
    assert archive.migrate(untouched, new).reasons == ()  # nothing has completed in it


def test_a_migration_is_on_record(storage: Storage) -> None:
    _office, archive, instance, old, new = opened(storage, ONE, BEHIND)
    archive.migrate(instance, new)

    event = {"reason": WHY, "by": "olga", "from_definition_id": str(old), "to_definition_id": str(new)}
    assert archive.rows("select payload from event where kind = 'process.migrated'") == [(event,)]
    leaves = archive.rows("select convert_from(canonical_bytes, 'UTF8') from audit_leaf")
    assert sum("process.migrated" in leaf and str(instance) in leaf for (leaf,) in leaves) == 1


def test_only_an_administrator_of_the_tenant_migrates(storage: Storage) -> None:
    _office, archive, instance, _old, new = opened(storage, ONE, BEHIND)
    stranger = OLGA.model_copy(update={"tenant_id": "south"})

    with pytest.raises(AccessDeniedError):
        archive.migrate(instance, new, context=RITA)
    with pytest.raises(UnknownInstanceError):
        archive.migrate(instance, new, context=stranger)


def test_what_are_not_two_versions_of_one_process_is_refused(storage: Storage) -> None:
    _office, archive, instance, old, new = opened(storage, ONE, RENAMED)
    other = Archive(storage, archive.engine, "p").deploy(diagram("p", start(), path("Begin", "Done"), end()))

    for to, mapping in [
        (other, {}),
        (old, {}),
        (new, {"Nowhere": "Check"}),
        (new, {"Review": "Nowhere"}),
        (new, {"Review": "Check", "Begin": "Check"}),
        (new, {"Review": "Done"}),
    ]:
        with pytest.raises(MigrationInvalidError):
            archive.migrate(instance, to, mapping=mapping)
    with pytest.raises(UnknownDefinitionError):
        archive.migrate(instance, new_id())


def test_the_result_of_a_job_that_runs_meanwhile_is_taken(storage: Storage, hub: NotificationHub) -> None:
    renamed = ONE_JOB.replace(b'"Work"', b'"Labour"')

    def run(_context: JobContext, _request: Nothing) -> Result:
        new = Archive(storage, shop.engine, "p").deploy(renamed)
        assert Archive(storage, shop.engine, "p").migrate(instance, new, mapping={"Work": "Labour"}).reasons == ()
        return Result(value=7)

    shop = Shop(storage, hub, ONE_JOB, external(run))
    instance = shop.start()
    worker = shop.worker()
    worker.run_one()

    assert (shop.describe(instance).status, shop.variables(instance), worker.refused_outcomes) == (
        InstanceStatus.COMPLETED,
        {"value": 7},
        0,
    )


def test_a_process_that_is_called_only_by_the_new_version_is_pinned(storage: Storage, hub: NotificationHub) -> None:
    def idle(_context: TaskContext, _request: Nothing) -> Result:
        return Result(value=5)

    shop = Shop(storage, hub, ONE_JOB, transactional(idle))
    archive, instance = Archive(storage, shop.engine, "p"), shop.start()
    Archive(storage, shop.engine, "child").deploy(
        diagram("child", start(), path("Begin", "Inner", "Done"), service_task("Inner", "t"), end())
    )
    calling = (service_task("Work", "t", retries=3), call_activity("Call", "child"))
    new = archive.deploy(diagram("p", start(), path("Begin", "Work", "Call", "Done"), *calling, end()))

    assert archive.migrate(instance, new).reasons == ()
    worker = shop.worker()
    while worker.run_one():
        pass
    assert shop.describe(instance).status is InstanceStatus.COMPLETED
