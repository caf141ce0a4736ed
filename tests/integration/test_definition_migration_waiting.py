"""What an instance waits for goes over with it: messages, timers, bodies of multi-instance activities, people."""

from __future__ import annotations

from functools import partial

import pytest
from archive import WHY, Archive, open_tasks, opened
from diagrams import boundary, catch, diagram, document, duration, end, for_each, message, path, process, start
from diagrams import user_task as person_task
from engine_shop import ADMIN, EAGER, Shop
from user_task_desk import OLGA, RITA, ROLF, ReviewOffice, together

from engine import InstanceStatus, MessageOutcome, Migrations, NotificationHub, Verdict
from engine.due_timers import fire_due_timers
from engine.errors import InstanceNotActiveError
from storage import Storage

GOODS = message("Message_Goods", "goods.arrived", "=order")


def user_task(node_id: str, multi_instance: str = "") -> str:
    return person_task(node_id, "reviewer", form="review", multi_instance=multi_instance)


def waiting(*content: str) -> bytes:
    return document(GOODS, process("p", start(), *content, end()))


def at_catch(node_id: str = "Wait") -> bytes:
    """A process that waits at an event, and is done then."""
    return waiting(path("Begin", node_id, "Done"), catch(node_id, message_ref="Message_Goods"))


def at_boundary(node_id: str = "Goods") -> bytes:
    """A process whose user task may be interrupted by a message."""
    event = boundary(node_id, "Review", message_ref="Message_Goods")
    return waiting(
        path("Begin", "Review", "Done"), person_task("Review", "reviewer"), event, path(node_id, "Sold"), end("Sold")
    )


def at_timer(node_id: str = "Pause") -> bytes:
    pause = catch(node_id, timer=duration('="PT48H"'))
    return waiting(path("Begin", node_id, "Done"), pause)


def shop_of(storage: Storage, hub: NotificationHub, content: bytes) -> tuple[Shop, Archive]:
    shop = Shop(storage, hub, content)
    return shop, Archive(storage, shop.engine, "p")


def work_off(shop: Shop) -> None:
    worker = shop.worker(EAGER)
    while worker.run_one():
        pass


def publish(shop: Shop, order: str) -> MessageOutcome:
    with shop.storage.transaction() as work:
        return shop.engine.publish_message(work, "goods.arrived", order, {"boxes": 3}, context=ADMIN).outcome


@pytest.mark.parametrize(
    ("first", "second", "mapping"),
    [
        (at_catch(), at_catch() + b"<!-- the second version -->", {}),
        (at_catch(), at_catch("Await"), {"Wait": "Await"}),
        (at_boundary(), at_boundary() + b"<!-- the second version -->", {}),
        (at_boundary(), at_boundary("Arrived"), {"Goods": "Arrived"}),
    ],
    ids=["catching", "catching, renamed", "boundary", "boundary, renamed"],
)
def test_a_message_that_was_waited_for_before_arrives_after(
    storage: Storage, hub: NotificationHub, first: bytes, second: bytes, mapping: dict[str, str]
) -> None:
    shop, archive = shop_of(storage, hub, first)
    instance = shop.start(order="o-1")
    ids = archive.rows("select subscription_id from subscription where process_instance_id is not null")

    assert archive.migrate(instance, archive.deploy(second), mapping=mapping, context=ADMIN).reasons == ()

    assert archive.rows("select subscription_id from subscription where process_instance_id is not null") == ids
    assert publish(shop, "o-1") is MessageOutcome.RECEIVED
    work_off(shop)
    assert (shop.describe(instance).status, shop.variables(instance)) == (
        InstanceStatus.COMPLETED,
        {"order": "o-1", "boxes": 3},
    )


def test_a_message_on_its_way_arrives_at_the_element_by_its_new_name(storage: Storage, hub: NotificationHub) -> None:
    shop, archive = shop_of(storage, hub, at_catch())
    instance = shop.start(order="o-1")
    publish(shop, "o-1")

    assert archive.migrate(instance, archive.deploy(at_catch("Await")), mapping={"Wait": "Await"}).reasons == ()

    work_off(shop)
    assert (shop.describe(instance).status, shop.variables(instance)["boxes"]) == (InstanceStatus.COMPLETED, 3)


@pytest.mark.parametrize("name", ["Pause", "Rest"])
def test_a_timer_that_ran_before_fires_at_its_time_after(storage: Storage, hub: NotificationHub, name: str) -> None:
    shop, archive = shop_of(storage, hub, at_timer())
    instance = shop.start()
    ((timer_id, due_at),) = archive.rows("select timer_id, due_at from timer")

    new = archive.deploy(at_timer(name) + b"<!-- the second version -->")
    assert archive.migrate(instance, new, mapping={"Pause": name}).reasons == ()

    assert archive.rows("select timer_id, due_at, element_id from timer") == [(timer_id, due_at, name)]
    shop.execute("update timer set due_at = due_at - interval '48 hours'")
    with storage.transaction() as work:
        assert fire_due_timers(work, 10) == 1
    work_off(shop)
    assert shop.describe(instance).status is InstanceStatus.COMPLETED


@pytest.mark.parametrize("sequential", [False, True], ids=["parallel", "sequential"])
def test_the_bodies_of_a_multi_instance_activity_go_over_and_none_is_done_twice(
    storage: Storage, *, sequential: bool
) -> None:
    each = for_each("=[1, 2, 3]", "item", collect="decisions", each="=decision", sequential=sequential)
    one = diagram("review", start(), path("Begin", "Review", "Done"), user_task("Review", each), end())
    two = diagram(
        "review", start(), path("Begin", "Check", "Sign", "Done"), user_task("Check", each), user_task("Sign"), end()
    )
    office, archive, instance, _old, new = opened(storage, one, two)
    office.complete(office.instance(instance).open_user_task_ids[0], RITA, "reject")
    left = office.instance(instance).open_user_task_ids

    assert archive.migrate(instance, new, mapping={"Review": "Check"}).reasons == ()

    assert office.instance(instance).open_user_task_ids == left
    for _ in range(2):
        office.complete(office.instance(instance).open_user_task_ids[0], RITA)
    assert list(open_tasks(office, instance)) == ["Sign"]
    office.complete(open_tasks(office, instance)["Sign"], RITA)
    assert office.instance(instance).status is InstanceStatus.COMPLETED
    assert archive.rows("select element_id, count(*) from user_task group by 1 order by 1") == [
        ("Check", 3),
        ("Sign", 1),
    ]


def test_bodies_do_not_go_over_to_another_loop(storage: Storage) -> None:
    several, one = user_task("Review", for_each("=[1, 2]", "item")), user_task("Review")
    drawn = [diagram("review", start(), path("Begin", "Review", "Done"), each, end()) for each in (several, one)]
    _office, archive, instance, _old, new = opened(storage, *drawn)

    assert "Review: its loop is not the same" in archive.migrate(instance, new).reasons


def test_of_a_migration_and_a_completion_at_once_none_is_lost(storage: Storage) -> None:
    one = diagram("review", start(), path("Begin", "Review", "Done"), user_task("Review"), end())
    asked = map(user_task, ("Review", "Approve"))
    two = diagram("review", start(), path("Begin", "Review", "Approve", "Done"), *asked, end())
    office = ReviewOffice(storage, one)
    archive = Archive(storage, office.engine, "review")
    instances = [office.start() for _ in range(12)]
    tasks = [open_tasks(office, instance)["Review"] for instance in instances]
    new = archive.deploy(two)

    raced = [
        together(partial(office.complete, task, RITA), partial(archive.migrate, instance, new))
        for instance, task in zip(instances, tasks, strict=True)
    ]

    assert [completed for completed, _ in raced] == [None] * len(instances)
    assert {type(refused) for _, refused in raced} <= {type(None), InstanceNotActiveError}
    for instance, task, (_, refused) in zip(instances, tasks, raced, strict=True):
        assert office.described(task).completed_by == "rita"
        if refused is None:  # it went over first, so that the second task came
            office.complete(open_tasks(office, instance)["Approve"], ROLF)
        assert office.instance(instance).status is InstanceStatus.COMPLETED


def test_two_migrations_at_once_are_one(storage: Storage) -> None:
    one = diagram("review", start(), path("Begin", "Review", "Done"), user_task("Review"), end())
    office = ReviewOffice(storage, one)
    archive = Archive(storage, office.engine, "review")
    instances = [office.start() for _ in range(10)]
    asked = map(user_task, ("Review", "Approve"))
    drawn = diagram("review", start(), path("Begin", "Review", "Approve", "Done"), *asked, end())
    old, new = archive.deploy(one), archive.deploy(drawn)
    verdicts: list[list[Verdict]] = [[], []]

    def migrate(into: list[Verdict]) -> None:
        into += Migrations(office.engine).migrate_all(storage, old, new, reason=WHY, context=OLGA)

    outcomes = together(*(partial(migrate, each) for each in verdicts))

    assert outcomes == [None, None]
    migrated = sorted(verdict.process_instance_id for each in verdicts for verdict in each)
    assert migrated == sorted(instances)
    assert archive.rows("select count(*) from event where kind = 'process.migrated'") == [(len(instances),)]
