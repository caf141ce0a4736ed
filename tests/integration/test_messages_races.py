"""Publishers, waiting tasks and closing tasks at once: nothing is missed, lost or received twice."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from lock_waits import lock_waits
from patience import becomes
from post_office import NAME, TTL, PostOffice

from engine.bpmn import MessageTrigger
from engine.messages import MessageOutcome
from engine.persistence import Subscriptions
from storage import Storage

JOIN_SECONDS = 60


@pytest.fixture(name="post")
def post_office(storage: Storage) -> PostOffice:
    return PostOffice(storage)


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls in as many threads, begun at the same moment."""
    barrier = threading.Barrier(len(calls), timeout=JOIN_SECONDS)

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def somebody_waits_for_a_lock(post: PostOffice) -> bool:
    with post.storage.transaction() as work:
        return lock_waits(work.connection) > 0


def test_a_message_and_a_task_that_begin_at_the_same_moment_never_miss_each_other(post: PostOffice) -> None:
    missed = []
    for number in range(60):
        event = post.event(key=str(number))
        together(
            lambda event=event: post.open(event),
            lambda number=number: post.publish({"n": number}, key=str(number), ttl=TTL),
        )
        if post.received()[-1:] != [(event.task_id, number)]:
            missed.append(number)

    assert missed == []
    assert (len(post.on_the_way()), post.waiting_tasks(), set(post.statuses())) == (60, set(), {"delivered"})


def test_who_begins_to_wait_is_seen_by_a_publisher_that_came_first_but_had_to_wait(post: PostOffice) -> None:
    event, opened, outcome = post.event(), threading.Event(), []

    def publish() -> None:
        opened.wait(JOIN_SECONDS)
        outcome.append(post.publish().outcome)

    publisher = threading.Thread(target=publish)
    publisher.start()
    with post.storage.transaction() as work:
        Subscriptions(work).open([event])
        opened.set()
        assert becomes(lambda: somebody_waits_for_a_lock(post))
        assert outcome == []
    publisher.join(JOIN_SECONDS)

    assert outcome == [MessageOutcome.RECEIVED]


def test_a_publisher_waits_for_a_closing_task_and_does_not_lose_its_message_if_that_is_rolled_back(
    post: PostOffice,
) -> None:
    waiting, closed, outcome = post.wait(), threading.Event(), []

    def publish() -> None:
        closed.wait(JOIN_SECONDS)
        outcome.append(post.publish({"n": 1}).outcome)

    publisher = threading.Thread(target=publish)
    publisher.start()
    with suppress(ConnectionAbortedError), post.storage.transaction() as work:
        Subscriptions(work).close(waiting.process_instance_id, [waiting.task_id])
        closed.set()
        assert becomes(lambda: somebody_waits_for_a_lock(post))
        raise ConnectionAbortedError
    publisher.join(JOIN_SECONDS)

    assert (outcome, post.received()) == ([MessageOutcome.RECEIVED], [(waiting.task_id, 1)])


def test_five_publishers_of_one_id_get_one_answer_and_one_delivery(post: PostOffice) -> None:
    for number in range(10):
        key = str(number)
        waiting = post.wait(key=key)

        answers = together(*[lambda key=key: post.publish(key=key, message_id=f"id-{key}")] * 5)

        assert Counter(answer.is_duplicate for answer in answers) == {True: 4, False: 1}
        assert len({answer.model_copy(update={"is_duplicate": False}) for answer in answers}) == 1
        assert answers[0].process_instance_id == waiting.process_instance_id
    assert len(post.on_the_way()) == 10


def test_five_publishers_of_one_id_start_one_instance(post: PostOffice) -> None:
    post.deploy("one", MessageTrigger(NAME))

    answers = together(*[lambda: post.publish(message_id="known")] * 5)

    assert len({answer.started for answer in answers}) == 1
    assert post.rows("select count(*) from process_instance where process_id = 'one'") == [(1,)]


def test_five_publishers_reach_five_tasks_one_each(post: PostOffice) -> None:
    for _ in range(5):
        waiting = [post.wait() for _ in range(5)]

        together(*[post.publish] * 5)

        received = [task_id for task_id, _ in post.received()][-5:]
        assert sorted(received) == sorted(event.task_id for event in waiting)
    assert post.waiting_tasks() == set()


def test_tasks_that_open_and_close_while_messages_come_lose_none_and_double_none(post: PostOffice) -> None:
    keys = ("a", "b", "c")
    living = set[UUID]()

    def publish(seed: int) -> None:
        chance = random.Random(seed)
        for number in range(20):
            post.publish({"n": seed * 100 + number}, key=chance.choice(keys), ttl=TTL)

    def come_and_go(seed: int) -> None:
        chance = random.Random(seed)
        instance, alive = post.instance(), []
        for _ in range(20):
            closed = [alive.pop() for _ in range(min(len(alive), chance.randint(0, 2)))]
            opened = [post.event(key=chance.choice(keys), instance=instance) for _ in range(chance.randint(1, 2))]
            with post.storage.transaction() as work:
                subscriptions = Subscriptions(work)
                subscriptions.change(instance, closed=[event.task_id for event in closed], opened=opened)
            alive += opened
        living.update(event.task_id for event in alive)

    together(*[lambda seed=seed: publish(seed) for seed in (1, 2)], *[lambda s=s: come_and_go(s) for s in (3, 4)])

    received = post.received()
    delivered = [number for _, number in received]
    buffered = post.rows("select payload ->> 'n', correlation_key from message where status = 'buffered'")
    waited_for = {row[0] for row in post.rows("select correlation_key from subscription")}
    assert {task_id for task_id, _ in received} <= living
    assert len({task_id for task_id, _ in received}) == len(received)
    assert sorted([*delivered, *(int(number) for number, _ in buffered)]) == [
        seed * 100 + number for seed in (1, 2) for number in range(20)
    ]
    assert not waited_for & {key for _, key in buffered}
