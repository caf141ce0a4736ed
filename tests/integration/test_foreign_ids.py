"""What belongs to another tenant, or is RESTRICTED, is to every tool what an id is that never was."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import UUID, uuid4

import pytest
from database_owner import as_owner
from forgetful_statements import forgetful_statements
from handlers_platform import ADA, ADMIN, GRACE, STRANGER, Workshop, two_clusters
from open_door import Door
from rows_and_objects import denials, holdings
from shop_floor import failing
from sqlalchemy import text
from tool_calls import CALLS, FURTHER_CALLS, OTHER_CALLS, filled_in
from tool_schemas import EACH, paths_of_ids, paths_of_texts, placed

from handlers.datasets import DatasetPayload, register_dataset
from storage.models import DataClassification, DatasetVersion, ModelArtifact, ServingEndpoint

PEOPLE = {"ada": ADA, "grace": GRACE, "olga": ADMIN, "sven": STRANGER}
Found = dict[str, str]

FOREIGN_KEY = ("dataset_payload", "rules", EACH, "dataset_version_id")
"""Tried by a test of its own, which needs a file to register."""


@pytest.fixture(scope="module")
def shop(shop_of_module: Workshop) -> Workshop:
    return shop_of_module


@pytest.fixture(scope="module")
def theirs(shop: Workshop, door: Door) -> Found:
    """One of everything that has an id or a name, of the tenant north."""
    registered = shop.register(two_clusters())
    shop.finish_jobs()
    served = shop.train(registered.dataset.id)
    shop.review(served.process_instance_id, "approve")
    reviewed = shop.train(registered.dataset.id)
    (task_id,) = shop.instance(reviewed.process_instance_id).open_user_task_ids
    schedule = {"trigger": {"kind": "cron", "line": "0 2 1 1 *"}}
    payload = {"process_id": "failing-work", "bpmn_xml": failing("failing-work").decode()}
    (defined, _started) = door.ask(
        "olga",
        ("scheduler_define_process", {"process_payload": payload, "schedule_definition": schedule}),
        ("scheduler_start_instance", {"process_id": "failing-work", "variables": {"version": str(uuid4())}}),
    )
    shop.finish_jobs()
    (incidents,) = door.ask("olga", ("learning.list_incidents", {}))
    (endpoint,), model = shop.records(ServingEndpoint), shop.records(ModelArtifact)[0]
    with as_owner(shop.services.storage) as connection:
        task = connection.execute(
            text("select task_id from user_task where user_task_id = :id"), {"id": task_id}
        ).scalar_one()
    return {
        "dataset": str(registered.dataset.id),
        "dataset version": str(registered.version.id),
        "experiment": str(reviewed.experiment.id),
        "instance": str(reviewed.process_instance_id),
        "user task": str(task_id),
        "task": str(task),
        "schedule": defined["schedule_id"],
        "incident": incidents["incidents"][0]["incident_id"],
        "endpoint": str(endpoint.id),
        "model": str(model.model_id),
        "model name": model.name,
        "process": "failing-work",
    }


def nobodys(theirs: Found) -> Found:
    """The same names for things that never were."""
    return {name: str(uuid4()) if _is_uuid(value) else f"never-{uuid4().hex[:8]}" for name, value in theirs.items()}


def _is_uuid(value: str) -> bool:
    try:
        return bool(UUID(value))
    except ValueError:
        return False


def told(answer: dict[str, Any], names: Found) -> str:
    """What an answer says, whatever the thing is called that was asked for."""
    said = {name: value for name, value in answer.items() if name != "audit_ref"}
    told_text = json.dumps(said, sort_keys=True)
    for name, value in sorted(names.items(), key=lambda item: -len(item[1])):
        told_text = told_text.replace(value, f"<{name}>")
    return told_text


def paths_in(arguments: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Return where in a call something is to be filled in."""
    if isinstance(arguments, dict):
        return set().union(*(paths_in(value, (*path, name)) for name, value in arguments.items()))
    return {path} if isinstance(arguments, str) and arguments.startswith("<") else set()


@pytest.mark.usefixtures("theirs")
def test_every_argument_that_is_an_id_is_tried_below(door: Door) -> None:
    tried = {"learning.create_dataset": {FOREIGN_KEY}}
    for tool, arguments in (*CALLS.items(), *FURTHER_CALLS):
        tried.setdefault(tool, set()).update(paths_in(arguments))

    taken = {tool: paths_of_ids(schema) for tool, schema in door.tools("ada").items()}

    assert {
        tool: paths - tried.get(tool, set()) for tool, paths in taken.items() if paths - tried.get(tool, set())
    } == {}


@pytest.mark.parametrize("statements", [nullcontext, forgetful_statements], ids=["as written", "forgetting the tenant"])
def test_what_belongs_to_another_tenant_is_answered_as_what_never_was(
    door: Door, shop: Workshop, theirs: Found, statements: Callable[[], AbstractContextManager[None]]
) -> None:
    unknown, before = nobodys(theirs), holdings(shop)
    calls = [*CALLS.items(), *FURTHER_CALLS]

    with statements():
        of_theirs = door.ask("sven", *((tool, filled_in(arguments, theirs)) for tool, arguments in calls))
        of_nobody = door.ask("sven", *((tool, filled_in(arguments, unknown)) for tool, arguments in calls))

    for (tool, _arguments), answer, other in zip(calls, of_theirs, of_nobody, strict=True):
        assert (tool, told(answer, theirs)) == (tool, told(other, unknown))
        assert answer["audit_ref"], tool
    assert holdings(shop) == before


def test_no_text_that_no_row_can_hold_is_taken_by_any_tool_in_any_place(
    door: Door, shop: Workshop, theirs: Found
) -> None:
    before, taken = holdings(shop), []
    for tool, schema in door.tools("ada").items():
        arguments = filled_in(OTHER_CALLS.get(tool) or CALLS.get(tool, {}), theirs)
        for path in sorted(paths_of_texts(schema)):
            for unstorable in ("a\0b", "a\ud800b", "a\udfff\ud800"):
                answer = door.call_as_written("olga", tool, json.dumps(placed(arguments, path, unstorable)))
                if code_of(answer) in {None, "TOOL_BROKEN"}:
                    taken.append((tool, ".".join(path), unstorable, code_of(answer)))

    assert taken == []
    assert holdings(shop) == before


def code_of(answer: dict[str, Any]) -> object:
    """The code of a refusal, the tool's or the protocol's own; `None` where there was none."""
    if "error" in answer:
        return answer["error"]["code"]
    return (answer["result"].get("structuredContent") or {}).get("code")


def test_the_same_calls_find_what_is_ones_own(door: Door, theirs: Found) -> None:
    """Or the test above would hold of a server that finds nothing at all."""
    reads = {
        tool: arguments
        for tool, arguments in CALLS.items()
        if tool.rpartition(".")[2].startswith(("get_", "list_", "stream_", "explain_"))
    }

    answers = door.ask("olga", *((tool, filled_in(arguments, theirs)) for tool, arguments in reads.items()))

    assert [answer.get("code") for answer in answers] == [None] * len(reads)


@pytest.mark.usefixtures("theirs")
def test_a_diagram_is_of_all_tenants_but_what_it_counts_is_not(door: Door) -> None:
    asked = ("scheduler_get_metrics", {"process_id": "failing-work"})

    (of_south,), (of_north,) = door.ask("sven", asked), door.ask("olga", asked)

    assert set(of_south["instances"].values()) | set(of_south["incidents"].values()) == {0}
    assert (of_north["instances"]["started"], of_north["incidents"]["raised"]) == (1, 1)


def test_an_event_for_another_tenants_model_or_experiment_reaches_nobody(door: Door, theirs: Found) -> None:
    drift = {"model_id": theirs["model"], "method": "psi", "severity": "high"}
    request = {"experiment_id": theirs["experiment"]}
    updated = {"dataset_id": theirs["dataset"], "dataset_version_id": theirs["dataset version"]}

    answers = door.ask(
        "sven",
        ("scheduler_trigger_event", {"event_type": "drift.detected", "payload": drift}),
        ("scheduler_trigger_event", {"event_type": "experiment.requested", "payload": request}),
        ("scheduler_trigger_event", {"event_type": "dataset.updated", "payload": updated}),
    )

    assert [(answer["outcome"], answer["process_instance_id"], answer["started"]) for answer in answers] == [
        ("buffered", None, [])
    ] * 3


def test_the_keys_of_another_tenants_dataset_are_not_asked(door: Door, shop: Workshop, theirs: Found) -> None:
    unknown = str(uuid4())
    answers = {theirs["dataset version"]: "", unknown: ""}

    for number, version_id in enumerate(answers):
        rule = {"kind": "foreign_key", "column": "kind", "dataset_version_id": version_id, "references": "kind"}
        source = shop.put(f"own-{number}.csv", two_clusters())
        payload = {"name": f"own-{number}", "source_uri": source, "target": "kind", "rules": [rule]}
        (pending,) = door.ask("sven", ("learning.create_dataset", {"dataset_payload": payload, "wait_seconds": 0}))
        shop.finish_jobs()
        asked = {"process_instance_id": pending["process_instance_id"]}
        (ended,) = door.ask("sven", ("learning.get_instance", asked))
        answers[version_id] = json.dumps(ended["variables"]["findings"]).replace(version_id, "<id>")

    assert answers[theirs["dataset version"]] == answers[unknown]
    assert "does not exist" in answers[unknown]


@pytest.mark.parametrize("path", ["/v2/models/{name}", "/v2/models/{name}/ready"])
def test_a_model_of_another_tenant_is_no_model_over_http(door: Door, theirs: Found, path: str) -> None:
    def answer(who: str, name: str) -> tuple[int, str]:
        found = door.http("GET", path.format(name=name), who)
        return found.status_code, found.text.replace(name, "<name>")

    assert answer("sven", theirs["model name"]) == answer("sven", "never-there")
    assert answer("ada", theirs["model name"])[0] == 200


def test_no_link_is_given_to_what_belongs_to_another_tenant(door: Door, shop: Workshop, theirs: Found) -> None:
    (version,) = [each for each in shop.records(DatasetVersion) if str(each.id) == theirs["dataset version"]]
    asked = {"model": "DatasetVersion", "record_id": str(version.id), "uri": version.storage_location}
    before = holdings(shop)

    def answer(who: str, record_id: str) -> tuple[int, str]:
        found = door.http("POST", "/artifacts/links", who, json={**asked, "record_id": record_id})
        return found.status_code, found.text.replace(record_id, "<id>")

    unknown = str(uuid4())
    assert answer("sven", str(version.id)) == answer("sven", unknown)
    assert answer("sven", unknown)[0] == 404
    assert holdings(shop) == before


@pytest.fixture(scope="module")
def restricted(shop: Workshop) -> DatasetVersion:
    """A RESTRICTED version, granted to who registered it alone."""
    payload = DatasetPayload(
        name="withheld",
        source_uri=shop.put("withheld.csv", two_clusters(30)),
        target="kind",
        data_classification=DataClassification.RESTRICTED,
    )
    version = register_dataset(shop.services, payload, context=ADA).version
    shop.finish_jobs()
    return version


def test_what_is_restricted_is_unknown_to_an_administrator_without_a_grant_and_the_denial_is_on_record(
    door: Door, shop: Workshop, restricted: DatasetVersion
) -> None:
    names = {"dataset": str(restricted.dataset_id), "dataset version": str(restricted.id)}
    unknown, before = nobodys(names), holdings(shop)
    calls = [(tool, CALLS[tool]) for tool in ("learning.launch_experiment", "learning.list_downstream")]

    withheld = door.ask("olga", *((tool, filled_in(arguments, names)) for tool, arguments in calls))
    absent = door.ask("olga", *((tool, filled_in(arguments, unknown)) for tool, arguments in calls))

    assert [answer["code"] for answer in withheld] == ["RECORD_NOT_FOUND"] * len(calls)
    assert [told(answer, names) for answer in withheld] == [told(answer, unknown) for answer in absent]
    assert set(denials(shop, "olga")) >= {f"Dataset {restricted.dataset_id}", f"DatasetVersion {restricted.id}"}
    assert holdings(shop) == before


def test_what_a_process_knows_of_restricted_data_is_told_with_a_grant_alone(
    door: Door, restricted: DatasetVersion
) -> None:
    (listed,) = door.ask("ada", ("learning.list_instances", {"business_key": str(restricted.id)}))
    asked = ("learning.get_instance", {"process_instance_id": listed["instances"][0]["process_instance_id"]})

    (granted,), (withheld,) = door.ask("ada", asked), door.ask("olga", asked)

    assert granted["variables"]["profile"]["row_count"] == 30
    untold = {**granted["instance"], "business_key": None, "is_withheld": True}
    assert (withheld["variables"], withheld["instance"]) == (None, untold)


def test_no_link_is_given_to_what_is_restricted(door: Door, restricted: DatasetVersion) -> None:
    asked = {"model": "DatasetVersion", "record_id": str(restricted.id), "uri": restricted.storage_location}

    answer = door.http("POST", "/artifacts/links", "olga", json=asked)

    assert (answer.status_code, answer.json()["code"]) == (404, "RECORD_NOT_FOUND")
