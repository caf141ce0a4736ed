"""Messages on the tables: one receiver each, kept while they live, never lost between two receivers."""

from __future__ import annotations

from uuid import UUID

import pytest
from post_office import KEY, NAME, OLGA, SVEN, TTL, VERA, PostOffice

from engine.errors import IdempotencyConflictError, MessageInvalidError
from engine.messages import MessageOutcome, PublishedMessage, expire_messages
from engine.persistence import Subscriptions
from storage import Storage
from storage.errors import AccessDeniedError, RecordNumberError, RecordTextError


@pytest.fixture(name="post")
def post_office(storage: Storage) -> PostOffice:
    return PostOffice(storage)


def age(post: PostOffice, seconds: float) -> None:
    """Let all messages and all that wait be older."""
    interval = f"make_interval(secs => {seconds})"
    post.execute(
        f"update message set published_at = published_at - {interval}, expires_at = expires_at - {interval},"
        f" kept_until = kept_until - {interval}"
    )
    post.execute(f"update subscription set created_at = created_at - {interval}")


def expire(post: PostOffice) -> int:
    with post.storage.transaction() as work:
        return expire_messages(work)


def test_a_message_is_sent_to_the_task_that_waits_for_its_name_and_key(post: PostOffice) -> None:
    waiting = post.wait()
    post.wait(key="order-2")
    post.wait("another-name")
    post.wait(tenant_id="south")

    published = post.publish({"n": 1})

    assert published == PublishedMessage(
        message_id=published.message_id,
        outcome=MessageOutcome.RECEIVED,
        process_instance_id=waiting.process_instance_id,
        audit_ref=published.audit_ref,
    )
    payload = {"kind": "message", "message_id": str(published.message_id), "variables": {"n": 1}}
    assert post.on_the_way() == [(waiting.task_id, payload)]


def test_what_carries_a_message_is_a_job_that_any_worker_can_claim(post: PostOffice) -> None:
    waiting = post.wait()

    post.publish()

    columns = "process_instance_id, element_id, tenant_id, status, attempt, max_attempts, input"
    assert post.rows(f"select {columns} from job") == [
        (waiting.process_instance_id, "Wait", "north", "available", 1, 3, {})
    ]


def test_a_message_for_a_suspended_instance_rests_with_it(post: PostOffice) -> None:
    post.wait(instance=post.instance("suspended"))

    post.publish()

    assert post.rows("select status from job") == [("suspended",)]


def test_of_several_that_wait_only_the_oldest_receives(post: PostOffice) -> None:
    first, second = post.wait(), post.wait()

    for number in range(2):
        post.publish({"n": number})

    assert post.received() == [(first.task_id, 0), (second.task_id, 1)]
    assert post.waiting_tasks() == set()


def test_a_task_that_goes_on_waiting_receives_every_message(post: PostOffice) -> None:
    waiting = post.wait(repeating=True)

    outcomes = [post.publish({"n": number}).outcome for number in range(2)]

    assert outcomes == [MessageOutcome.RECEIVED] * 2
    assert post.received() == [(waiting.task_id, 0), (waiting.task_id, 1)]


def test_a_message_without_time_to_live_that_nobody_waits_for_is_dropped_and_recorded(post: PostOffice) -> None:
    published = post.publish({"n": 1})

    waiting = post.wait()

    assert (published.outcome, published.process_instance_id) == (MessageOutcome.DROPPED, None)
    assert (post.statuses(), post.on_the_way(), post.waiting_tasks()) == (["dropped"], [], {waiting.task_id})


def test_buffered_messages_are_received_oldest_first_by_those_that_wait_later(post: PostOffice) -> None:
    outcomes = [post.publish({"n": number}, ttl=TTL).outcome for number in range(3)]

    first, second = post.wait(), post.wait()

    assert outcomes == [MessageOutcome.BUFFERED] * 3
    assert post.received() == [(first.task_id, 0), (second.task_id, 1)]
    assert (post.statuses(), post.waiting_tasks()) == (["delivered", "delivered", "buffered"], set())


def test_tasks_that_begin_to_wait_together_share_what_is_buffered(post: PostOffice) -> None:
    for number in range(2):
        post.publish({"n": number}, ttl=TTL)
    events = [post.event() for _ in range(3)]

    post.open(*events)

    assert post.received() == [(events[0].task_id, 0), (events[1].task_id, 1)]
    assert post.waiting_tasks() == {events[2].task_id}


def test_a_task_that_goes_on_waiting_takes_all_that_is_buffered(post: PostOffice) -> None:
    for number in range(3):
        post.publish({"n": number}, ttl=TTL)

    waiting = post.wait(repeating=True)

    assert post.received() == [(waiting.task_id, number) for number in range(3)]
    assert post.waiting_tasks() == {waiting.task_id}


def test_a_message_whose_time_is_over_is_received_by_nobody(post: PostOffice) -> None:
    post.publish(ttl=TTL)
    age(post, TTL)

    post.wait()

    assert post.on_the_way() == []


def test_expiry_closes_messages_that_nobody_came_for_and_forgets_old_ones(post: PostOffice) -> None:
    post.publish(ttl=TTL)
    post.publish(ttl=TTL, message_id="known")
    post.publish(ttl=10 * TTL)
    age(post, TTL + 120)

    assert [expire(post), expire(post)] == [2, 0]
    assert post.statuses() == ["expired", "expired", "buffered"]

    age(post, 25 * TTL)
    assert [expire(post), expire(post)] == [2, 0]  # one closed, and the one without an id forgotten
    assert post.statuses() == ["expired", "expired"]


def test_a_message_id_is_known_for_thirty_days(post: PostOffice) -> None:
    post.publish(message_id="known")

    age(post, 29 * 24 * TTL)
    expire(post)
    assert post.publish(message_id="known").is_duplicate

    age(post, 2 * 24 * TTL)
    expire(post)
    assert not post.publish(message_id="known").is_duplicate


def test_publishing_again_under_the_same_id_changes_nothing_and_has_the_first_answer(post: PostOffice) -> None:
    first = post.publish({"n": 1}, message_id="known", ttl=TTL)
    waiting = post.wait()

    again = post.publish({"n": 1}, message_id="known", ttl=TTL)

    assert again == first.model_copy(update={"is_duplicate": True})
    assert first.outcome is MessageOutcome.BUFFERED
    assert post.received() == [(waiting.task_id, 1)]


def test_the_same_id_under_another_name_or_tenant_is_another_message(post: PostOffice) -> None:
    answers = [
        post.publish(message_id="known"),
        post.publish(message_id="known", name="another-name"),
        post.publish(message_id="known", by=SVEN),
    ]

    assert [answer.is_duplicate for answer in answers] == [False] * 3


@pytest.mark.parametrize("change", [{"payload": {"n": 2}}, {"key": "order-2"}])
def test_the_same_id_with_another_content_is_refused(post: PostOffice, change: dict[str, object]) -> None:
    request: dict[str, object] = {"payload": {"n": 1}, "message_id": "known"}
    post.publish(**request)

    with pytest.raises(IdempotencyConflictError) as raised:
        post.publish(**{**request, **change})

    assert raised.value.idempotency_key == "known"


def test_a_closed_task_receives_nothing(post: PostOffice) -> None:
    post.close(post.wait())

    assert post.publish().outcome is MessageOutcome.DROPPED


def test_a_message_on_its_way_to_a_task_that_closes_goes_to_the_next(post: PostOffice) -> None:
    first, second = post.wait(), post.wait()
    post.publish({"n": 1})

    post.close(first)

    assert post.received() == [(second.task_id, 1)]
    assert post.rows("select status, receivers from message") == [("delivered", [str(second.process_instance_id)])]


def test_a_message_whose_receiver_closes_waits_again_while_it_lives(post: PostOffice) -> None:
    first = post.wait()
    post.publish({"n": 1}, ttl=TTL)
    post.close(first)
    assert (post.on_the_way(), post.statuses()) == ([], ["buffered"])

    second = post.wait()

    assert post.received() == [(second.task_id, 1)]


def test_a_message_given_back_comes_before_younger_ones(post: PostOffice) -> None:
    first = post.wait()
    for number in range(2):
        post.publish({"n": number}, ttl=TTL)
    post.close(first)

    second = post.wait()

    assert post.received() == [(second.task_id, 0)]


def test_an_expired_message_whose_receiver_closes_goes_only_to_who_waited_when_it_was_published(
    post: PostOffice,
) -> None:
    first = post.wait()
    post.publish({"n": 1})
    late = post.wait()

    post.close(first)

    assert (post.on_the_way(), post.statuses(), post.waiting_tasks()) == ([], ["expired"], {late.task_id})


def test_a_task_that_closes_and_waits_again_in_one_step_gets_back_what_was_on_its_way(post: PostOffice) -> None:
    before = post.wait()
    post.publish({"n": 1}, ttl=TTL)
    after = post.event(instance=before.process_instance_id)

    with post.storage.transaction() as work:
        Subscriptions(work).change(before.process_instance_id, closed=[before.task_id], opened=[after])

    assert post.received() == [(after.task_id, 1)]


def test_what_the_executing_job_brings_is_not_given_back(post: PostOffice) -> None:
    waiting, _ = post.wait(), post.wait()
    post.publish({"n": 1}, ttl=TTL)
    ((job_id,),) = post.rows("select job_id from job")

    post.close(waiting, executing=job_id)

    assert (post.received(), post.statuses()) == ([(waiting.task_id, 1)], ["delivered"])


def test_a_message_that_a_worker_has_claimed_is_recalled_from_a_task_that_closes(post: PostOffice) -> None:
    first, second = post.wait(), post.wait()
    post.publish({"n": 1})
    post.execute("update job set status = 'running', epoch = 1, lease_until = engine_now() + interval '1 minute'")

    post.close(first)

    assert post.received() == [(second.task_id, 1)]


def test_messages_can_be_given_back_by_their_ids(post: PostOffice) -> None:
    post.wait()
    message_id = post.publish(ttl=TTL).message_id
    post.execute("delete from job")

    with post.storage.transaction() as work:
        Subscriptions(work).give_back([message_id, UUID(int=0)])

    assert post.statuses() == ["buffered"]


def test_closing_leaves_other_tasks_and_other_jobs_alone(post: PostOffice) -> None:
    closed = post.wait()
    other = post.wait(instance=closed.process_instance_id)
    post.execute(
        "insert into job (job_id, process_instance_id, task_id, element_id, type, input, max_attempts, tenant_id)"
        " values (gen_random_uuid(), :instance, :task, 'Work', 't', '{}', 3, 'north')",
        instance=closed.process_instance_id,
        task=closed.task_id,
    )

    post.close(closed)

    assert post.waiting_tasks() == {other.task_id}
    assert post.rows("select type from job") == [("t",)]


def test_a_thousand_tasks_wait_in_one_step(post: PostOffice) -> None:
    instance = post.instance()
    events = [post.event(key=f"item-{number}", instance=instance) for number in range(1_000)]

    post.open(*events)

    assert len(post.waiting_tasks()) == 1_000


def test_publishing_is_on_the_record_without_its_payload(post: PostOffice) -> None:
    published = post.publish({"secret": "s3cr3t"}, message_id="known")

    with post.storage.transaction() as work:
        leaf = work.audit.read(published.audit_ref, context=OLGA)

    details = {"name": NAME, "correlation_key": KEY, "published_id": "known", "outcome": "dropped"}
    assert (leaf["action"], leaf["subject"], leaf["details"]) == (
        "message.published",
        f"message/{published.message_id}",
        details,
    )
    assert "s3cr3t" not in str(leaf)


def test_a_viewer_may_neither_publish_nor_broadcast(post: PostOffice) -> None:
    with pytest.raises(AccessDeniedError):
        post.publish(by=VERA)
    with pytest.raises(AccessDeniedError):
        post.broadcast("stop", by=VERA)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 201}, "name"),
        ({"key": "\N{GRINNING FACE}" * 301}, "correlation_key"),
        ({"message_id": ""}, "message_id"),
        ({"ttl": -1.0}, "time_to_live_seconds"),
        ({"ttl": float("nan")}, "time_to_live_seconds"),
        ({"ttl": 1e300}, "time_to_live_seconds"),
    ],
)
def test_a_message_that_nobody_could_receive_is_refused(
    post: PostOffice, change: dict[str, object], field: str
) -> None:
    with pytest.raises(MessageInvalidError) as raised:
        post.publish(**change)

    assert raised.value.field == field


def test_the_longest_texts_can_be_waited_for_and_published(post: PostOffice) -> None:
    name, key = "\N{GRINNING FACE}" * 200, "\N{GRINNING FACE}" * 300
    waiting = post.wait(name, key)

    post.publish({"n": 1}, name=name, key=key, message_id=key)

    assert post.received() == [(waiting.task_id, 1)]


def test_what_the_database_cannot_hold_is_refused(post: PostOffice) -> None:
    with pytest.raises(RecordTextError):
        post.publish(key="\0")
    with pytest.raises(RecordTextError):
        post.publish({"n": "\ud800"})
    with pytest.raises(RecordNumberError):
        post.publish({"n": float("inf")})
    with pytest.raises(RecordTextError):
        post.wait(key="\udfff")
