"""What is RESTRICTED is told by no tool to whoever has no grant on it, nor can they act on what is about it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from database_owner import as_owner
from handlers_platform import ADA, ADMIN, GRACE, Workshop, two_clusters
from open_door import Door
from rows_and_objects import denials, holdings
from shop_floor import WHY, failing, review, waiting
from sqlalchemy import text
from tool_calls import CALLS, FURTHER_CALLS, OTHER_CALLS, filled_in

from engine import WITHHELD
from engine.persistence import Instances
from handlers.datasets import DatasetPayload, register_dataset
from handlers.experiments import ExperimentConfig, ExperimentPayload, Launch, launch_experiment
from handlers.schedules import EventQuery, EventState, list_schedules, scheduled_events
from storage import SecurityContext
from storage.models import (
    ACLEntry,
    DataClassification,
    Dataset,
    DatasetVersion,
    DriftReport,
    Experiment,
    ModelArtifact,
    ModelStatus,
    Permission,
    PrincipalType,
    RiskSeverity,
    ServingEndpoint,
    StorageModel,
    TrainingRun,
)

SECRET = "planted7c1"
"""In the name, the columns, the classes and the file of a dataset, and in all that people say about it."""

MIA = GRACE.model_copy(update={"user_id": "mia"})
OLGA = ADMIN.model_copy(update={"groups": frozenset({"reviewer"})})
RUTH = ADMIN.model_copy(update={"user_id": "ruth", "groups": frozenset({"reviewer"})})
XENA = GRACE.model_copy(update={"user_id": "xena"})
RHEA = GRACE.model_copy(update={"user_id": "rhea"})
GWEN = GRACE.model_copy(update={"user_id": "gwen"})
PEOPLE = {"ada": ADA, "grace": GRACE, "mia": MIA, "olga": OLGA, "ruth": RUTH, "gwen": GWEN, "rhea": RHEA, "xena": XENA}
UNTRUSTED = ("mia", "olga")
RECORDS = (Dataset, DatasetVersion, Experiment, ModelArtifact, TrainingRun, ServingEndpoint)
Names = dict[str, str]


@pytest.fixture(scope="module")
def shop(shop_of_module: Workshop) -> Workshop:
    return shop_of_module


def granted(*people: str) -> tuple[ACLEntry, ...]:
    """Grants of everything."""
    return tuple(
        ACLEntry(
            principal=person,
            principal_type=PrincipalType.USER,
            permissions=tuple(Permission),
            granted_by="ada",
            granted_at="2026-01-01T00:00:00Z",
        )
        for person in people
    )


def launch(shop: Workshop, version: DatasetVersion) -> Launch:
    """Bring an experiment on a restricted version to its review."""
    config = ExperimentConfig(epochs=3, hidden_sizes=(8,), learning_rate=0.05)
    payload = ExperimentPayload(dataset_id=version.dataset_id, model_name=f"{SECRET}-model", config=config)
    launched = launch_experiment(shop.services, payload, None, context=ADA)
    shop.finish_jobs()
    return launched


@pytest.fixture(scope="module")
def names(shop: Workshop, door: Door) -> Names:
    """One of everything that has an id or a name, about a restricted version; granted to ada, grace and ruth."""
    content = two_clusters(words=(f"{SECRET}large", f"{SECRET}small")).replace("width", f"{SECRET}width")
    payload = DatasetPayload(
        name=f"{SECRET}-set", source_uri=shop.put(f"{SECRET}.csv", content), target="kind",
        data_classification=DataClassification.RESTRICTED,
    )  # fmt: skip
    version = register_dataset(shop.services, payload, context=ADA).version
    shop.finish_jobs()
    (version,) = shop.records(DatasetVersion)
    shop.change(version, acl=granted("ada", "grace", "ruth"))
    served = launch(shop, version)
    approve(shop, door, served.process_instance_id, "grace")
    approve(shop, door, served.process_instance_id, "ruth")
    reviewed = launch(shop, version)
    task_id, *_ = shop.instance(reviewed.process_instance_id).open_user_task_ids
    return {
        "dataset": str(version.dataset_id),
        "dataset version": str(version.id),
        "experiment": str(reviewed.experiment.id),
        "instance": str(reviewed.process_instance_id),
        "user task": str(task_id),
        "task": str(uuid4()),
        "endpoint": str(shop.records(ServingEndpoint)[0].id),
        "model": str(shop.records(ModelArtifact)[0].model_id),
        "model name": f"{SECRET}-model",
        "process": "failing-work",
        **told_of(shop, door, version, task_id),
    }


def approve(shop: Workshop, door: Door, process_instance_id: UUID, who: str) -> None:
    task_id, *_ = shop.instance(process_instance_id).open_user_task_ids
    submission = {"decision": "approve", "comment": f"{SECRET} is good"}
    asked = {"user_task_id": str(task_id), "submission": submission}
    (answer,) = door.ask(who, ("learning.complete_user_task", asked))
    assert answer.get("completed_by") == who, answer
    shop.finish_jobs()


def told_of(shop: Workshop, door: Door, version: DatasetVersion, task_id: UUID) -> Names:
    """Let ada and grace say the secret wherever people can say something."""
    about = {"about": str(version.id), "note": SECRET}
    schedule = {"trigger": {"kind": "cron", "line": "0 2 1 1 *"}}
    task = str(task_id)
    for process in (failing("failing-work"), waiting("waiting-work")):
        process_id = "failing-work" if b"failing-work" in process else "waiting-work"
        payload = {"process_id": process_id, "bpmn_xml": process.decode()}
        door.ask("olga", ("scheduler_define_process", {"process_payload": payload}))
    key = f"{SECRET}-key"
    defined, failed, waits, *_ = door.ask(
        "ada",
        ("scheduler_define_process", {
            "process_payload": {"process_id": "failing-work", "variables": about}, "schedule_definition": schedule,
        }),
        ("scheduler_start_instance", {
            "process_id": "failing-work", "business_key": key, "variables": {**about, "version": str(uuid4())},
        }),
        ("scheduler_start_instance", {"process_id": "waiting-work", "variables": {**about, "order": SECRET}}),
        ("learning.comment_user_task", {"user_task_id": task, "comment": SECRET}),
    )  # fmt: skip
    draft = {"user_task_id": task, "draft": {"comment": SECRET}}
    door.ask("grace", ("learning.save_user_task_draft", draft))
    shop.finish_jobs()
    (incidents,) = door.ask("ada", ("learning.list_incidents", {}))
    return {
        "schedule": defined["schedule_id"],
        "failed": failed["process_instance_id"],
        "waiting": waits["process_instance_id"],
        "incident": incidents["incidents"][0]["incident_id"],
    }


MORE_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    *FURTHER_CALLS,
    ("learning.list_instances", {}),
    ("learning.list_incidents", {}),
    ("learning.list_user_tasks", {"shows": "all"}),
    ("learning.get_instance", {"process_instance_id": "<failed>"}),
    ("learning.get_instance", {"process_instance_id": "<waiting>"}),
    ("scheduler_list_events", {"process_id": "waiting-work"}),
    ("scheduler_list_events", {"instance_id": "<waiting>"}),
    ("scheduler_trigger_event", {"event_type": "goods.arrived", "instance_id": "<waiting>"}),
    ("scheduler_trigger_event", {"event_type": "goods.arrived", "business_key": SECRET}),
    ("learning.get_production_at", {"at": "2100-01-01T00:00:00Z"}),
    ("learning.get_metrics", {"filter": {"entity_id": "<model>"}}),
    ("learning.get_metrics", {"filter": {"entity_id": "<experiment>"}}),
)
READS = ("get_", "list_", "stream_", "explain_")


def calls(names: Names) -> list[tuple[str, dict[str, Any]]]:
    every = [*CALLS.items(), *((tool, call) for tool, call in OTHER_CALLS.items() if tool not in CALLS), *MORE_CALLS]
    return [(tool, filled_in(arguments, names)) for tool, arguments in every]


def test_every_tool_is_called_below(door: Door, names: Names) -> None:
    assert set(door.tools("ada")) == {tool for tool, _arguments in calls(names)}


@pytest.mark.parametrize("who", UNTRUSTED)
def test_no_tool_tells_anything_of_what_is_restricted_without_a_grant(door: Door, names: Names, who: str) -> None:
    asked = calls(names)

    answers = door.ask(who, *asked)

    echoes = {tool for tool, arguments in asked if SECRET in json.dumps(arguments)}
    told = {tool for (tool, _), answer in zip(asked, answers, strict=True) if SECRET in json.dumps(answer)}
    assert told <= echoes == {"learning.explain_production", "scheduler_trigger_event"}
    assert not told


def test_the_same_calls_tell_it_to_who_has_a_grant(door: Door, names: Names) -> None:
    """Or the test above would hold of a platform that knows nothing."""
    asked = [(tool, arguments) for tool, arguments in calls(names) if tool.rpartition(".")[2].startswith(READS)]
    asked += [
        call for call in calls(names) if call[0].startswith(("scheduler_list_events", "scheduler_list_schedules"))
    ]

    answers = door.ask("grace", *asked)

    assert {tool for (tool, _), answer in zip(asked, answers, strict=True) if SECRET in json.dumps(answer)} == {
        "learning.explain_production",
        "learning.get_experiment_status",
        "learning.get_instance",
        "learning.get_production_at",
        "learning.get_user_task",
        "learning.list_downstream",
        "learning.list_instances",
        "learning.list_user_tasks",
        "scheduler_list_events",
        "scheduler_list_schedules",
    }


ACTS: tuple[tuple[str, dict[str, Any]], ...] = (
    *((tool, CALLS[tool]) for tool in CALLS if tool.endswith("_user_task") and not tool.endswith("get_user_task")),
    ("learning.save_user_task_draft", CALLS["learning.save_user_task_draft"]),
    ("learning.set_variables", CALLS["learning.set_variables"]),
    ("learning.move_token", CALLS["learning.move_token"]),
    ("scheduler_cancel_instance", CALLS["scheduler_cancel_instance"]),
    ("learning.retry_incident", CALLS["learning.retry_incident"]),
    ("scheduler_trigger_event", {"event_type": "goods.arrived", "instance_id": "<waiting>"}),
    ("scheduler_trigger_event", {"event_type": "goods.arrived", "business_key": SECRET}),
)
"""All that changes what a process does or knows."""


def test_nobody_acts_on_what_is_about_restricted_records_without_a_grant(
    door: Door, shop: Workshop, names: Names
) -> None:
    asked, before = [(tool, filled_in(arguments, names)) for tool, arguments in ACTS], holdings(shop)
    noted = len(denials(shop, "olga"))

    answers = door.ask("olga", *asked)

    assert [(tool, answer.get("code")) for (tool, _), answer in zip(asked, answers, strict=True)] == [
        (tool, "FORBIDDEN") for tool, _ in asked
    ]
    version = f"DatasetVersion {names['dataset version']}"
    assert denials(shop, "olga")[noted:].count(version) == len(asked)  # each of them is on the record
    assert holdings(shop) == before


def let_read(door: Door, who: str, *records: StorageModel) -> None:
    for record in records:
        grant = {"model": type(record).__name__, "record_id": str(record.id), "principal": who, "reason": WHY}
        door.ask("ada", ("learning.grant_access", {**grant, "permissions": ["read"]}))


def test_a_restricted_model_answers_those_who_are_granted_its_execution_and_nobody_else(
    door: Door, shop: Workshop, names: Names
) -> None:
    row = {f"{SECRET}width": 12, "height": 3.0, "colour": "red"}
    asked = ("learning.run_inference", {"inference_payload": {"endpoint_id": names["endpoint"], "instances": [row]}})
    (endpoint,), (version,) = (
        shop.records(ServingEndpoint, id=UUID(names["endpoint"])),
        [each for each in shop.records(ModelArtifact) if each.status is ModelStatus.PRODUCTION],
    )
    let_read(door, "rhea", endpoint, version)

    (granted_all,), (granted_read,), (granted_nothing,) = (door.ask(who, asked) for who in ("ada", "rhea", "mia"))

    assert granted_all["predictions"] == [f"{SECRET}large"]
    assert (granted_read["code"], granted_nothing["code"]) == ("FORBIDDEN", "ENDPOINT_NOT_FOUND")
    assert f"ServingEndpoint {endpoint.id}" in denials(shop, "rhea")


def test_who_may_read_a_record_and_not_grant_it_is_told_of_their_own_grants_alone_by_every_answer(
    door: Door, shop: Workshop, names: Names
) -> None:
    report = DriftReport(
        tenant_id="north", model_id=UUID(names["model"]), dataset_version_id=UUID(names["dataset version"]),
        method="psi", severity=RiskSeverity.LOW, acl=granted("ada"),
    )  # fmt: skip
    with shop.services.storage.transaction("north") as work:
        work.get_crud(DriftReport).create(report, context=ADA)
    experiment = {"experiment_id": names["experiment"], "include_runs": True}
    runs = shop.records(TrainingRun, experiment_id=names["experiment"])
    let_read(door, "rhea", *shop.records(Experiment, id=UUID(names["experiment"])), *runs)
    let_read(door, "rhea", *shop.records(ServingEndpoint, id=UUID(names["endpoint"])))
    metrics = {"filter": {"entity_id": names["endpoint"]}}
    asked = ("learning.get_experiment_status", experiment), ("learning.get_metrics", metrics)

    def who_is_named(who: str) -> list[set[str]]:
        status, measured = door.ask(who, *asked)
        records = [*status["runs"], *measured["drift_reports"]]
        return [{entry["principal"] for entry in record["acl"]} for record in records]

    assert who_is_named("ada") == [{"ada", "grace", "ruth", "rhea"}] * len(runs) + [{"ada"}]
    assert who_is_named("rhea") == [{"rhea"}] * len(runs) + [set()]


def test_an_instance_is_halted_and_let_go_on_without_a_grant(door: Door, names: Names) -> None:
    asked = {"instance_id": names["instance"], "reason": WHY}

    halted, resumed = door.ask("olga", ("scheduler_pause_instance", asked), ("scheduler_resume_instance", asked))

    assert (halted["status"], resumed["status"]) == ("suspended", "running")


def test_an_incident_about_restricted_records_says_where_and_not_why(door: Door, names: Names) -> None:
    asked = (("learning.list_incidents", {}), ("learning.get_instance", {"process_instance_id": names["failed"]}))

    told, withheld = door.ask("grace", *asked), door.ask("mia", *asked)

    (incident,) = told[0]["incidents"]
    assert withheld[0]["incidents"] == [{**incident, "message": WITHHELD}] != told[0]["incidents"]
    shown = told[1]["instance"]["incident"]
    assert withheld[1]["instance"]["incident"] == {**shown, "message": WITHHELD} != shown


def test_a_user_task_about_restricted_records_shows_that_and_its_form_alone(door: Door, names: Names) -> None:
    asked = ("learning.get_user_task", {"user_task_id": names["user task"]})

    ((told,), (withheld,)) = door.ask("grace", asked), door.ask("mia", asked)

    untold = {"business_key": None, "context": {}, "draft": None, "can_complete": False, "is_withheld": True}
    refusal = withheld["user_task"]["refusal"]
    assert withheld["user_task"] == {**told["user_task"], **untold, "refusal": refusal}
    assert (refusal["code"], withheld["comments"], len(told["comments"])) == ("FORBIDDEN", [], 1)


def test_who_may_read_and_not_execute_sees_a_task_and_cannot_do_it(door: Door, shop: Workshop, names: Names) -> None:
    reader = granted("mia")[0].model_copy(update={"permissions": (Permission.READ,)})
    with readable_by(shop, names["instance"], reader):
        asked = {"user_task_id": names["user task"]}
        task, claim = door.ask("mia", ("learning.get_user_task", asked), ("learning.claim_user_task", asked))

    assert (task["user_task"]["context"]["model_name"], task["user_task"]["can_complete"]) == (f"{SECRET}-model", False)
    assert claim["code"] == task["user_task"]["refusal"]["code"] == "FORBIDDEN"


def test_a_key_is_no_way_to_find_an_instance_about_what_one_may_not_know(door: Door) -> None:
    asked = ("learning.list_instances", {"business_key": f"{SECRET}-key"})

    ((of_grace,), (of_olga,)) = door.ask("grace", asked), door.ask("olga", asked)

    assert (len(of_grace["instances"]), of_olga["instances"]) == (1, [])


def test_an_instance_of_somebody_elses_is_not_lent_for_acting_on_restricted_records(
    door: Door, shop: Workshop, names: Names
) -> None:
    """It acts for ada, who may read the record; olga may not, and hands it the id."""
    variables = {"order": "open", "of": "ada"}
    (started,) = door.ask("ada", ("scheduler_start_instance", {"process_id": "waiting-work", "variables": variables}))
    instance, named = started["process_instance_id"], names["dataset version"].upper().replace("-", "")
    noted = len(denials(shop, "olga"))

    set_variables, brought, unnamed, of_ada = (
        *door.ask(
            "olga",
            ("learning.set_variables", {"process_instance_id": instance, "variables": {"a": [named]}, "reason": WHY}),
            ("scheduler_trigger_event", {
                "event_type": "goods.arrived", "instance_id": instance, "payload": {"a": {"b": named}},
            }),
            ("scheduler_trigger_event", {
                "event_type": "goods.arrived", "instance_id": instance, "payload": {"": named},
            }),
        ),
        *door.ask("ada", ("scheduler_trigger_event", {
            "event_type": "goods.arrived", "instance_id": instance, "payload": {"a": {"b": named}},
        })),
    )  # fmt: skip

    assert [set_variables["code"], brought["code"], unnamed["code"]] == ["RECORD_NOT_FOUND"] * 3
    assert denials(shop, "olga")[noted:] == [f"DatasetVersion {names['dataset version']}"] * 3
    assert of_ada["outcome"] == "received"


@pytest.mark.parametrize(
    ("about", "planting"),
    [
        ("failed", "update process_instance set business_key = :said"),
        ("failed", "update variable set value = to_jsonb(cast(:said as text))"),
        ("failed", "update job set input = jsonb_build_object('a', cast(:said as text))"),
        ("failed", "update incident set message = :said"),
        ("instance", "update user_task set context = jsonb_build_object('a', cast(:said as text))"),
        ("instance", "update user_task set submission = jsonb_build_object('a', cast(:said as text))"),
    ],
)
def test_an_instance_is_about_what_it_names_wherever_it_keeps_that(
    shop: Workshop, names: Names, about: str, planting: str
) -> None:
    named, instance = uuid4(), UUID(names[about])
    statement = text(f"{planting} where process_instance_id = :instance")

    with shop.services.storage.transaction("north") as work:
        work.connection.execute(text("set local role none"))
        planted = work.connection.execute(statement, {"said": f"it is about {named.hex}!", "instance": instance})
        found = Instances(work).ids_named([instance], "north")
        work.connection.rollback()

    assert planted.rowcount > 0
    assert named in found[instance]


def test_who_may_do_a_task_and_not_read_what_it_is_about_sees_neither_that_nor_its_draft(
    door: Door, shop: Workshop, names: Names
) -> None:
    asked = ("learning.get_user_task", {"user_task_id": names["user task"]})
    for model in RECORDS:
        for record in shop.records(model):
            if record.data_classification is DataClassification.RESTRICTED:
                grant = {"model": model.__name__, "record_id": str(record.id), "principal": "xena", "reason": WHY}
                door.ask("ada", ("learning.grant_access", {**grant, "permissions": ["execute"]}))

    ((of_grace,), (of_xena,)) = door.ask("grace", asked), door.ask("xena", asked)

    shown = {name: of_xena["user_task"][name] for name in ("can_complete", "is_withheld", "context", "draft")}
    assert shown == {"can_complete": True, "is_withheld": True, "context": {}, "draft": None}
    assert of_grace["user_task"]["draft"] == {"comment": SECRET}


def test_why_a_schedule_failed_is_told_to_those_alone_who_may_know_of_what_it_names(
    shop: Workshop, names: Names
) -> None:
    error = {"code": "RECORD_NOT_FOUND", "message": SECRET}
    parameters = {"error": json.dumps(error), "schedule": names["schedule"]}
    with as_owner(shop.services.storage) as connection:
        connection.execute(text("update schedule set last_error = :error where schedule_id = :schedule"), parameters)
        connection.execute(
            text(
                "insert into schedule_fire (schedule_id, fire_at, outcome, error, lateness_seconds, is_sla_breached)"
                " values (:schedule, now(), 'failed', :error, 0, false)"
            ),
            parameters,
        )
    query = EventQuery(process_id="failing-work", states=(EventState.FAILED,))

    def told(context: SecurityContext) -> list[object]:
        listed = list_schedules(shop.services, "failing-work", context=context)
        fires = scheduled_events(shop.services, query, context=context)
        about = UUID(names["schedule"])
        return [each.last_error for each in listed if each.schedule_id == about] + [fire.error for fire in fires]

    assert told(ADA) == [error] * 2
    assert told(MIA) == [{**error, "message": WITHHELD}] * 2


def test_who_does_a_user_task_hands_it_no_record_that_they_may_not_know_of(door: Door, names: Names) -> None:
    payload = {"process_id": "review-work", "bpmn_xml": review("review-work").decode()}
    door.ask("olga", ("scheduler_define_process", {"process_payload": payload}))
    (started,) = door.ask("ada", ("scheduler_start_instance", {"process_id": "review-work"}))
    asked = ("learning.get_instance", {"process_instance_id": started["process_instance_id"]})
    (shown,) = door.ask("ada", asked)
    (task_id,) = shown["instance"]["open_user_task_ids"]
    task, named = {"user_task_id": task_id}, names["dataset version"]
    thrown = {**task, "code": "NO", "variables": {"of": named}}

    answers = door.ask(
        "olga",
        ("learning.complete_user_task", {**task, "submission": {"decision": "approve", "comment": f"as {named}"}}),
        ("learning.throw_from_user_task", {**thrown, "kind": "error"}),
        ("learning.throw_from_user_task", {**thrown, "kind": "escalation"}),
    )

    assert [answer.get("code") for answer in answers] == ["RECORD_NOT_FOUND"] * 3


def test_nobody_starts_or_schedules_what_names_a_record_that_they_may_not_know_of(door: Door, names: Names) -> None:
    """Else what became of it would tell whether an id is that of a restricted record."""
    schedule = {"trigger": {"kind": "cron", "line": "0 2 1 1 *"}}
    about, key = {"a": [names["dataset version"]]}, f"of-{names['experiment']}"
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("scheduler_start_instance", {"process_id": "waiting-work", "variables": {"order": "no", **about}}),
        ("scheduler_start_instance", {"process_id": "waiting-work", "business_key": key}),
        ("scheduler_define_process", {
            "process_payload": {"process_id": "waiting-work", "variables": about}, "schedule_definition": schedule,
        }),
    )  # fmt: skip

    assert [answer.get("code") for answer in door.ask("olga", *asked)] == ["RECORD_NOT_FOUND"] * 3


def test_no_instance_about_restricted_records_is_migrated_without_a_grant(door: Door, names: Names) -> None:
    drawn = waiting("moving-work")
    first, second = (
        {"process_payload": {"process_id": "moving-work", "bpmn_xml": xml.decode()}}
        for xml in (drawn, drawn.replace(b"Done", b"Over"))
    )
    variables = {"order": "moves", "about": names["dataset version"]}
    asked = {"process_id": "moving-work", "from_version": 1, "dry_run": False, "reason": WHY}
    door.ask("olga", ("scheduler_define_process", first))
    door.ask("ada", ("scheduler_start_instance", {"process_id": "moving-work", "variables": variables}))

    _, planned, withheld = door.ask(
        "olga",
        ("scheduler_define_process", second),
        ("learning.migrate_instances", {**asked, "dry_run": True}),
        ("learning.migrate_instances", asked),
    )
    (migrated,) = door.ask("ruth", ("learning.migrate_instances", asked))

    assert [verdict["reasons"] for verdict in planned["verdicts"]] == [[WITHHELD]]
    assert withheld["verdicts"] == planned["verdicts"]
    assert [verdict["reasons"] for verdict in migrated["verdicts"]] == [[]]


def test_what_is_granted_is_told_at_every_door_and_what_is_revoked_at_none(
    door: Door, shop: Workshop, names: Names
) -> None:
    reads = [call for call in calls(names) if call[0].removeprefix("scheduler_").rpartition(".")[2].startswith(READS)]
    records = [
        {"model": model.__name__, "record_id": str(record.id), "principal": "gwen", "reason": WHY}
        for model in RECORDS
        for record in shop.records(model)
        if record.data_classification is DataClassification.RESTRICTED
    ]

    def told() -> set[str]:
        answers = door.ask("gwen", *reads)
        return {tool for (tool, _), answer in zip(reads, answers, strict=True) if SECRET in json.dumps(answer)}

    before = told()
    granted_answers = door.ask(
        "ada", *(("learning.grant_access", {**each, "permissions": ["read"]}) for each in records)
    )
    between = told()
    door.ask("ada", *(("learning.revoke_access", each) for each in records))

    assert {answer["is_changed"] for answer in granted_answers} == {True}
    assert len(between) > len(READS)
    assert before == told() == set()


def test_what_becomes_restricted_takes_what_processes_knew_of_it_along(door: Door, shop: Workshop) -> None:
    registered = shop.register(two_clusters(30), name="reclassified")
    shop.finish_jobs()
    launched = shop.train(registered.dataset.id)
    experiment = {"experiment_id": str(launched.experiment.id)}
    asked = (
        ("learning.get_experiment_status", experiment),
        ("learning.stream_events", {**experiment, "wait_seconds": 0}),
    )
    told = door.ask("olga", *asked)
    (version,) = shop.records(DatasetVersion, id=registered.version.id)
    shop.change(version, data_classification=DataClassification.RESTRICTED, acl=granted("ada"))

    status, stream = door.ask("olga", *asked)

    assert told[0]["variables"]["model_name"] == "reclassified"
    assert (status["variables"], status["process_status"]) == (None, "running")
    assert [event["kind"] for event in stream["events"]] == [event["kind"] for event in told[1]["events"]]
    assert [event["payload"] for event in stream["events"]] == [{}] * len(stream["events"])


@contextmanager
def readable_by(shop: Workshop, process_instance_id: str, entry: ACLEntry) -> Iterator[None]:
    """Grant every record that an instance is about for as long as the block lasts."""
    with shop.services.storage.transaction("north") as work:
        ids = Instances(work).ids_named([UUID(process_instance_id)], "north")[UUID(process_instance_id)]
    records = [record for model in RECORDS for record in shop.records(model) if record.id in ids]
    changed = [shop.change(record, acl=(*record.acl, entry)) for record in records]
    try:
        yield
    finally:
        for record, before in zip(changed, records, strict=True):
            shop.change(record, acl=before.acl)
