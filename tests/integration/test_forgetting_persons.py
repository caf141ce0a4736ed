"""What is left of somebody who was forgotten: exactly what the reference says, so that nobody promises more."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest
from database_owner import as_owner
from handlers_platform import ADA, ADMIN, GRACE, Workshop, two_clusters
from open_door import Door
from shop_floor import failing, waiting
from sqlalchemy import text

from handlers.artifacts import place_hold, release_hold
from storage import Storage
from storage.audit.personal_data import erase_person
from storage.database import SEALER_ROLE, connect
from storage.models import DatasetVersion

EVE = ADMIN.model_copy(
    update={"user_id": "eve@example.org", "groups": frozenset({"reviewer"}), "address": "203.0.113.77"}
)
YEARLY = {"trigger": {"kind": "cron", "line": "0 2 1 1 *"}}
PEOPLE = {"eve": EVE, "ada": ADA, "grace": GRACE, "olga": ADMIN}
SAID = "so says Eve"
MARKS = (EVE.user_id, str(EVE.address), SAID)
REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "audit.md"


@pytest.fixture(scope="module")
def shop(shop_of_module: Workshop) -> Workshop:
    return shop_of_module


def live(shop: Workshop, door: Door) -> None:
    """Let Eve do whatever leaves her name, her address or her words somewhere."""
    define("eve", door, "failing-work", failing("failing-work"))
    define("eve", door, "waiting-work", waiting("waiting-work"))
    payload = {"name": "hers", "source_uri": shop.put("hers.csv", two_clusters()), "target": "kind"}
    asked = {"dataset_payload": {**payload, "description": SAID}, "wait_seconds": 0}
    (dataset,) = door.ask("eve", ("learning.create_dataset", asked))
    shop.finish_jobs()
    decide_as_a_reviewer(shop, door, dataset["dataset_id"])
    be_reviewed(shop, door, dataset["dataset_id"])
    share(shop, door, dataset["dataset_version_id"])
    run_processes(shop, door)


def define(who: str, door: Door, process_id: str, bpmn: bytes) -> None:
    payload = {"process_id": process_id, "bpmn_xml": bpmn.decode()}
    door.ask(who, ("scheduler_define_process", {"process_payload": payload}))


def decide_as_a_reviewer(shop: Workshop, door: Door, dataset_id: str) -> None:
    launched = shop.train(UUID(dataset_id))
    (task_id,) = shop.instance(launched.process_instance_id).open_user_task_ids
    task, decision = {"user_task_id": str(task_id)}, {"decision": "approve", "comment": SAID}
    answers = door.ask(
        "eve",
        ("learning.claim_user_task", task),
        ("learning.comment_user_task", {**task, "comment": SAID}),
        ("learning.complete_user_task", {**task, "submission": decision}),
    )
    assert [answer.get("code") for answer in answers] == [None] * 3
    shop.finish_jobs()


def be_reviewed(shop: Workshop, door: Door, dataset_id: str) -> None:
    """Launch what Eve may not review; she drafts and hands on another review."""
    (mine,) = door.ask("eve", ("learning.launch_experiment", {"experiment_payload": {"dataset_id": dataset_id}}))
    assert "code" not in mine
    others = shop.train(UUID(dataset_id), learning_rate=0.06)
    (task_id,) = shop.instance(others.process_instance_id).open_user_task_ids
    task = {"user_task_id": str(task_id)}
    answers = door.ask(
        "eve",
        ("learning.claim_user_task", task),
        ("learning.save_user_task_draft", {**task, "draft": {"comment": SAID}}),
        ("learning.delegate_user_task", {**task, "delegate": "grace"}),
    )
    assert [answer.get("code") for answer in answers] == [None] * 3


def share(shop: Workshop, door: Door, dataset_version_id: str) -> None:
    version = {"model": "DatasetVersion", "record_id": dataset_version_id}
    granted = {**version, "principal": "bob", "permissions": ["read"], "reason": SAID}
    door.ask("eve", ("learning.grant_access", granted))
    uri = next(each.storage_location for each in shop.records(DatasetVersion) if str(each.id) == dataset_version_id)
    assert door.http("POST", "/artifacts/links", "eve", json={**version, "uri": uri}).status_code == 201
    hold = place_hold(shop.services.storage, dataset_version_id, SAID, context=EVE)
    release_hold(shop.services.storage, hold.hold_id, SAID, context=EVE)


def run_processes(shop: Workshop, door: Door) -> None:
    schedule = {"process_payload": {"process_id": "waiting-work"}, "schedule_definition": YEARLY}
    waits, *_ = door.ask(
        "eve",
        ("scheduler_start_instance", {"process_id": "waiting-work", "variables": {"order": "1"}}),
        ("scheduler_start_instance", {"process_id": "failing-work", "variables": {"version": "x"}}),
        ("scheduler_define_process", schedule),
        ("scheduler_trigger_event", {"event_type": "kept.event", "business_key": "k", "payload": {}}),
    )
    shop.finish_jobs()
    instance = waits["process_instance_id"]
    (incidents,) = door.ask("eve", ("learning.list_incidents", {}))
    retried = {"incident_id": incidents["incidents"][0]["incident_id"], "reason": SAID, "wait_seconds": 0}
    answers = door.ask(
        "eve",
        ("learning.retry_incident", retried),
        ("learning.set_variables", {"process_instance_id": instance, "variables": {"a": 1}, "reason": SAID}),
        ("scheduler_pause_instance", {"instance_id": instance, "reason": SAID}),
    )
    assert [answer.get("code") for answer in answers] == [None] * 3


def columns_with(storage: Storage, *marks: str) -> set[str]:
    """Return, of all columns of the database, those in which one of the texts stands."""
    with as_owner(storage) as connection:
        connection.execute(text("set local row_security = off"))  # or rows that a policy hides would count as clean
        columns = connection.execute(text(_COLUMNS)).all()
        return {
            f"{column.table}.{column.name}"
            for column in columns
            for mark in marks
            if connection.execute(text(_holds(column.table, column.name, column.kind)), {"mark": mark}).scalar_one()
        }


_COLUMNS = """
select c.table_name as table, c.column_name as name, c.data_type as kind
from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
where t.table_schema = 'public' and t.table_type = 'BASE TABLE'
"""


def _holds(table: str, column: str, kind: str) -> str:
    shown = f"encode({column}, 'escape')" if kind == "bytea" else f"cast({column} as text)"
    return f"select exists (select from {table} where strpos({shown}, :mark) > 0)"


def documented() -> set[str]:
    section = REFERENCE.read_text(encoding="utf-8").partition("## What an erasure leaves")[2].partition("\n## ")[0]
    return set(re.findall(r"`([a-z_]+\.[a-z_]+)`", section))


def test_an_erasure_takes_what_stands_beside_leaves_and_leaves_what_the_reference_says(
    shop: Workshop, door: Door, database_url_of_module: str
) -> None:
    live(shop, door)
    before = columns_with(shop.services.storage, *MARKS)
    engine = connect(database_url_of_module, role=SEALER_ROLE)
    with Storage(engine, shop.services.storage.objects).transaction() as work:
        erase_person(work, EVE.user_id, reason="Article 17", context=ADMIN)
    engine.dispose()

    left = columns_with(shop.services.storage, *MARKS)

    assert left == documented()
    assert before - left == {"audit_personal.content", "audit_personal.person"}
