"""Datasets registered under an idempotency key, through the door: the same answer again, or a conflict."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from handlers_platform import ADA, ADMIN, GRACE, STRANGER, Workshop, two_clusters
from open_door import Door
from rows_and_objects import holdings

from handlers import datasets
from storage.models import Dataset, DatasetVersion

TOOL = "learning.create_dataset"
PEOPLE = {"ada": ADA, "olga": ADMIN, "grace": GRACE, "sven": STRANGER}


@pytest.fixture(scope="module")
def shop(shop_of_module: Workshop) -> Workshop:
    return shop_of_module


def asked(shop: Workshop, name: str, rows: int = 40, **changes: Any) -> dict[str, Any]:
    """Return a call that registers so many rows under a key of the name's own; the file is written anew."""
    source_uri = shop.put(f"{name}.csv", two_clusters(rows))
    payload = {"name": name, "source_uri": source_uri, "target": "kind", **changes}
    return {"dataset_payload": payload, "wait_seconds": 0, "idempotency_key": f"key of {name}"}


def ask(door: Door, call: dict[str, Any], who: str = "ada") -> dict[str, Any]:
    (answer,) = door.ask(who, (TOOL, call))
    return answer


def lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what is the same in the answer to each call."""
    return {name: value for name, value in answer.items() if name not in {"audit_ref", "replayed"}}


def test_a_key_gives_the_same_answer_again_and_changes_nothing(door: Door, shop: Workshop) -> None:
    call = asked(shop, "again")
    first = ask(door, call)
    before = holdings(shop)

    waiting = ask(door, call)
    left = holdings(shop)
    shop.finish_jobs()
    validated = ask(door, call)

    assert (first["replayed"], first["dataset_version"], first["validation_status"]) == (False, 1, "pending")
    assert (waiting["replayed"], lasting(waiting), left) == (True, lasting(first), before)
    assert validated["validation_status"] == "validated"
    same = {"dataset_id", "dataset_version_id", "dataset_version", "checksum", "process_instance_id"}
    assert {name: validated[name] for name in same} == {name: first[name] for name in same}


def test_a_call_without_a_key_and_one_with_it_are_of_one_version_and_the_key_holds(door: Door, shop: Workshop) -> None:
    call = asked(shop, "late key")
    keyless = {name: value for name, value in call.items() if name != "idempotency_key"}
    first, keyed = door.ask("ada", (TOOL, keyless), (TOOL, call))
    before = holdings(shop)

    other = ask(door, asked(shop, "late key", rows=60))

    assert (keyed["replayed"], lasting(keyed)) == (True, lasting(first))
    assert (other["code"], holdings(shop)) == ("IDEMPOTENCY_CONFLICT", before)


def test_other_bytes_under_the_same_address_are_a_conflict_and_leave_nothing(door: Door, shop: Workshop) -> None:
    call = asked(shop, "changed file")
    ask(door, call)
    before = holdings(shop)

    changed = asked(shop, "changed file", rows=60)
    answer = ask(door, changed)

    assert changed == call
    assert (answer["code"], bool(answer["hint"]), holdings(shop)) == ("IDEMPOTENCY_CONFLICT", True, before)


@pytest.mark.parametrize(
    ("who", "change"),
    [
        ("ada", {"name": "by another name"}),
        ("ada", {"target": "colour"}),
        ("ada", {"description": "of late"}),
        ("ada", {"tags": ["late"]}),
        ("ada", {"data_classification": "confidential"}),
        ("ada", {"row_order_matters": False}),
        ("ada", {"rules": [{"kind": "range", "column": "width", "maximum": 99}]}),
        ("grace", {}),
    ],
    ids=str,
)
def test_anything_else_that_is_said_under_a_key_is_a_conflict(
    door: Door, shop: Workshop, who: str, change: dict[str, Any]
) -> None:
    call = asked(shop, "said otherwise")
    ask(door, call)
    before = holdings(shop)

    answer = ask(door, {**call, "dataset_payload": {**call["dataset_payload"], **change}}, who)

    assert (answer["code"], holdings(shop)) == ("IDEMPOTENCY_CONFLICT", before)


def test_the_same_file_somewhere_else_is_the_same_content(door: Door, shop: Workshop) -> None:
    call = asked(shop, "moved")
    first = ask(door, call)
    elsewhere = {**call["dataset_payload"], "source_uri": shop.put("elsewhere.csv", two_clusters())}

    answer = ask(door, {**call, "dataset_payload": elsewhere})

    assert (answer["replayed"], lasting(answer)) == (True, lasting(first))


def test_a_key_that_was_used_for_something_else_is_a_conflict(door: Door, shop: Workshop) -> None:
    call = asked(shop, "other use")
    used = {"process_id": "dataset-validation", "variables": {"dataset_version_id": "x"}}
    door.ask("olga", ("scheduler_start_instance", {**used, "idempotency_key": call["idempotency_key"]}))
    before = holdings(shop)

    answer = ask(door, call)

    assert (answer["code"], holdings(shop)) == ("IDEMPOTENCY_CONFLICT", before)


def test_a_key_is_of_one_tenant(door: Door, shop: Workshop) -> None:
    ours, theirs = ask(door, asked(shop, "of both")), ask(door, asked(shop, "of both", rows=60), "sven")

    assert (ours["replayed"], theirs["replayed"], theirs["dataset_version"]) == (False, False, 1)
    assert ours["dataset_id"] != theirs["dataset_id"]


def test_five_at_once_under_one_key_are_one_version_and_one_answer(door: Door, shop: Workshop) -> None:
    call = asked(shop, "at once")

    with ThreadPoolExecutor(5) as people:
        answers = list(people.map(lambda _: ask(door, call), range(5)))

    (version,) = shop.records(DatasetVersion, dataset_id=answers[0]["dataset_id"])
    assert [lasting(answer) for answer in answers] == [lasting(answers[0])] * 5
    assert sorted(answer["replayed"] for answer in answers) == [False, True, True, True, True]
    assert instances(shop, version) == [answers[0]["process_instance_id"]]


def test_of_five_files_at_once_under_one_key_one_is_registered(door: Door, shop: Workshop) -> None:
    calls = []
    for rows in (40, 42, 44, 46, 48):
        call = asked(shop, "contested")
        source = shop.put(f"contested {rows}.csv", two_clusters(rows)).replace(" ", "%20")
        calls.append({**call, "dataset_payload": {**call["dataset_payload"], "source_uri": source}})

    with ThreadPoolExecutor(5) as people:
        answers = list(people.map(lambda call: ask(door, call), calls))

    (won,) = (answer for answer in answers if "dataset_version_id" in answer)
    assert [answer["code"] for answer in answers if answer is not won] == ["IDEMPOTENCY_CONFLICT"] * 4
    assert [str(version.id) for version in shop.records(DatasetVersion, dataset_id=won["dataset_id"])] == [
        won["dataset_version_id"]
    ]
    assert len(shop.records(Dataset, name="contested")) == 1


class _DiedError(Exception):
    """The server is gone."""


@pytest.mark.parametrize("step", ["store_content", "_register", "_start_validation", "announce_version"])
def test_a_call_whose_first_attempt_died_between_steps_is_done_once(
    door: Door, shop: Workshop, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    call = asked(shop, f"died at {step}")
    is_done = getattr(datasets, step)

    def die(*arguments: Any, **named: Any) -> None:
        is_done(*arguments, **named)
        raise _DiedError

    with monkeypatch.context() as patch:
        patch.setattr(datasets, step, die)
        assert ask(door, call)["code"] == "TOOL_BROKEN"
    assert shop.records(Dataset, name=call["dataset_payload"]["name"]) == []

    answer, again = ask(door, call), ask(door, call)

    (version,) = shop.records(DatasetVersion, dataset_id=answer["dataset_id"])
    assert (answer["replayed"], answer["dataset_version"], again["replayed"]) == (False, 1, True)
    assert instances(shop, version) == [answer["process_instance_id"]] == [again["process_instance_id"]]


def test_a_call_that_died_before_its_answer_is_answered_by_the_next(
    door: Door, shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = asked(shop, "unanswered")

    def die(*_arguments: Any, **_named: Any) -> None:
        raise _DiedError

    with monkeypatch.context() as patch:
        patch.setattr("mcp_server.tools.wait_for_end", die)
        assert ask(door, call)["code"] == "TOOL_BROKEN"
    before = holdings(shop)

    answer = ask(door, call)

    assert (answer["replayed"], answer["dataset_version"], holdings(shop)) == (True, 1, before)


def test_a_rejection_is_the_same_answer_again_and_a_mended_file_needs_another_key(door: Door, shop: Workshop) -> None:
    call = asked(shop, "rejected")
    source = shop.put("rejected.csv", two_clusters(words=("same", "same")))
    pending = ask(door, call)
    shop.finish_jobs()
    before = holdings(shop)

    first, second = ask(door, call), ask(door, call)
    left = holdings(shop)
    shop.put("rejected.csv", two_clusters())
    mended = ask(door, call)
    anew = ask(door, {**call, "idempotency_key": "another"})

    assert (pending["validation_status"], source) == ("pending", call["dataset_payload"]["source_uri"])
    volatile = {"audit_ref"}
    assert {k: v for k, v in first.items() if k not in volatile} == {
        k: v for k, v in second.items() if k not in volatile
    }
    assert (first["code"], mended["code"], left) == ("DATASET_SINGLE_CLASS", "IDEMPOTENCY_CONFLICT", before)
    assert (anew["dataset_version"], anew["replayed"]) == (1, False)


def test_what_was_deleted_since_is_not_found_and_not_registered_again(door: Door, shop: Workshop) -> None:
    call = asked(shop, "deleted")
    answer = ask(door, call)
    shop.finish_jobs()
    with shop.services.storage.transaction("north") as work:
        (version,) = work.get_crud(DatasetVersion).query({"dataset_id": answer["dataset_id"]}, context=ADA)
        work.get_crud(DatasetVersion).delete(version, context=ADA)
    before = holdings(shop)

    again = ask(door, call)

    assert (again["code"], holdings(shop)) == ("RECORD_NOT_FOUND", before)


def instances(shop: Workshop, version: DatasetVersion) -> list[str]:
    with shop.services.storage.transaction("north") as work:
        return [str(found) for found in shop.services.engine.instances_of(work, str(version.id), context=ADA)]
