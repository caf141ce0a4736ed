"""Start events and signals on the tables: which definitions they start, and how many a signal reaches."""

from __future__ import annotations

from contextlib import suppress

import pytest
from post_office import KEY, NAME, OLGA, SVEN, TTL, PostOffice

from engine.bpmn import MessageTrigger, SignalTrigger
from engine.errors import MessageInvalidError
from engine.messages import MessageOutcome
from storage import Storage


@pytest.fixture(name="post")
def post_office(storage: Storage) -> PostOffice:
    return PostOffice(storage)


def started(post: PostOffice) -> set[tuple[object, ...]]:
    columns = "process_instance_id, process_definition_id, tenant_id, business_key"
    return set(post.rows(f"select {columns} from process_instance where process_id <> 'p'"))


def test_a_message_that_nobody_waits_for_starts_one_instance_of_every_process_that_begins_with_it(
    post: PostOffice,
) -> None:
    one = post.deploy("one", MessageTrigger(NAME), MessageTrigger(NAME), SignalTrigger(NAME))
    two = post.deploy("two", MessageTrigger("another-name"), MessageTrigger(NAME))
    post.deploy("three", MessageTrigger("another-name"))

    published = post.publish()

    assert (published.outcome, len(published.started)) == (MessageOutcome.STARTED, 2)
    first, second = published.started
    assert started(post) == {
        (first, one.process_definition_id, "north", KEY),
        (second, two.process_definition_id, "north", KEY),
    }
    assert post.statuses() == ["started"]


def test_a_waiting_task_comes_before_start_events(post: PostOffice) -> None:
    post.deploy("one", MessageTrigger(NAME))
    post.wait()

    outcomes = [post.publish().outcome for _ in range(2)]

    assert outcomes == [MessageOutcome.RECEIVED, MessageOutcome.STARTED]


def test_a_newer_version_takes_the_place_of_the_older_one(post: PostOffice) -> None:
    post.deploy("one", MessageTrigger(NAME), SignalTrigger("stop"))
    newer = post.deploy("one", MessageTrigger("another-name"), version=2)

    outcomes = [post.publish().outcome, post.publish(name="another-name").outcome]

    assert outcomes == [MessageOutcome.DROPPED, MessageOutcome.STARTED]
    assert [row[1] for row in started(post)] == [newer.process_definition_id]
    assert post.broadcast("stop").started == ()


def test_publishing_again_under_the_same_id_starts_nothing(post: PostOffice) -> None:
    post.deploy("one", MessageTrigger(NAME))

    first, again = (post.publish(message_id="known") for _ in range(2))

    assert again == first.model_copy(update={"is_duplicate": True})
    assert len(started(post)) == 1


def test_a_message_that_started_an_instance_is_not_offered_to_its_tasks(post: PostOffice) -> None:
    post.deploy("one", MessageTrigger(NAME))
    post.publish(ttl=TTL)

    waiting = post.wait()

    assert (post.on_the_way(), post.waiting_tasks()) == ([], {waiting.task_id})


def test_a_buffered_message_starts_nothing_that_is_deployed_later(post: PostOffice) -> None:
    post.publish(ttl=TTL)

    post.deploy("one", MessageTrigger(NAME))

    assert (started(post), post.statuses()) == (set(), ["buffered"])


def test_a_start_by_message_belongs_to_the_publishers_tenant(post: PostOffice) -> None:
    post.deploy("one", MessageTrigger(NAME))

    post.publish(by=SVEN)

    assert [row[2] for row in started(post)] == ["south"]


def test_a_publication_that_is_rolled_back_can_be_repeated_under_its_id(post: PostOffice) -> None:
    post.deploy("one", MessageTrigger(NAME))

    with suppress(ConnectionAbortedError), post.storage.transaction() as work:
        post.messenger(work).publish(NAME, KEY, {}, context=OLGA, message_id="known")
        raise ConnectionAbortedError

    assert (post.statuses(), started(post)) == ([], set())
    assert not post.publish(message_id="known").is_duplicate


def test_a_signal_reaches_everybody_of_the_tenant_who_waits_and_starts_what_begins_with_it(post: PostOffice) -> None:
    ref = post.deploy("one", SignalTrigger("stop"))
    once, again = post.wait("stop", None), post.wait("stop", None, repeating=True)
    post.wait("go", None)
    post.wait("stop", KEY)
    post.wait("stop", None, tenant_id="south")

    answers = [post.broadcast("stop", {"n": number}) for number in range(2)]

    assert [answer.received for answer in answers] == [2, 1]
    assert sorted(post.received(), key=str) == sorted(
        [(once.task_id, 0), (again.task_id, 0), (again.task_id, 1)], key=str
    )
    assert post.on_the_way()[0][1] == {"kind": "signal", "variables": {"n": 0}}
    assert {(row[0], row[1]) for row in started(post)} == {
        (instance, ref.process_definition_id) for answer in answers for instance in answer.started
    }


def test_a_signal_for_suspended_instances_rests_with_them(post: PostOffice) -> None:
    post.wait("stop", None, instance=post.instance("suspended"))

    post.broadcast("stop")

    assert post.rows("select status, attempt, max_attempts from job") == [("suspended", 1, 3)]


def test_a_signal_is_not_kept_for_who_waits_later(post: PostOffice) -> None:
    answer = post.broadcast("stop")

    post.wait("stop", None)

    assert (answer.received, answer.started, post.on_the_way()) == (0, (), [])


def test_a_closed_task_is_reached_by_no_signal_not_even_by_one_on_its_way(post: PostOffice) -> None:
    waiting = post.wait("stop", None, repeating=True)
    post.broadcast("stop")

    post.close(waiting)

    assert post.broadcast("stop").received == 0
    assert post.on_the_way() == []


def test_one_signal_reaches_ten_thousand(post: PostOffice) -> None:
    post.execute(
        "insert into subscription (subscription_id, kind, name, tenant_id, process_instance_id, task_id, element_id,"
        " process_id, is_repeating) select gen_random_uuid(), 'signal', 'stop', 'north', gen_random_uuid(),"
        " gen_random_uuid(), 'Wait', 'p', false from generate_series(1, 10000)"
    )

    assert post.broadcast("stop").received == 10_000
    assert post.rows("select count(*), count(distinct task_id) from job") == [(10_000, 10_000)]
    assert post.waiting_tasks() == set()


def test_a_signal_without_a_name_is_refused(post: PostOffice) -> None:
    with pytest.raises(MessageInvalidError) as raised:
        post.broadcast("")

    assert raised.value.field == "name"


def test_a_broadcast_is_on_the_record(post: PostOffice) -> None:
    answer = post.broadcast("stop")

    with post.storage.transaction() as work:
        leaf = work.audit.read(answer.audit_ref, context=OLGA)

    assert (leaf["action"], leaf["subject"]) == ("signal.broadcast", "signal/stop")
    assert leaf["details"] == {"received": 0, "started": []}
