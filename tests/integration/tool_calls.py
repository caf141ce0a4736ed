"""A call of every tool, with a place for each thing that it names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shop_floor import WHY

CALLS: dict[str, dict[str, Any]] = {
    "learning.launch_experiment": {"experiment_payload": {"dataset_id": "<dataset>"}},
    "learning.get_experiment_status": {"experiment_id": "<experiment>"},
    "learning.stream_events": {"experiment_id": "<experiment>", "wait_seconds": 0},
    "learning.run_inference": {"inference_payload": {"endpoint_id": "<endpoint>", "instances": [{"width": 1}]}},
    "learning.register_model": {
        "model_payload": {"name": "m", "artifact_uri": "file:///inbox/m", "experiment_id": "<experiment>"}
    },
    "learning.get_user_task": {"user_task_id": "<user task>"},
    "learning.claim_user_task": {"user_task_id": "<user task>"},
    "learning.unclaim_user_task": {"user_task_id": "<user task>"},
    "learning.delegate_user_task": {"user_task_id": "<user task>", "delegate": "sven"},
    "learning.save_user_task_draft": {"user_task_id": "<user task>", "draft": {}},
    "learning.comment_user_task": {"user_task_id": "<user task>", "comment": "seen"},
    "learning.complete_user_task": {"user_task_id": "<user task>", "submission": {"decision": "approve"}},
    "learning.throw_from_user_task": {"user_task_id": "<user task>", "kind": "error", "code": "E"},
    "scheduler_trigger_event": {"event_type": "anything", "instance_id": "<instance>"},
    "scheduler_pause_instance": {"instance_id": "<instance>", "reason": WHY},
    "scheduler_resume_instance": {"instance_id": "<instance>", "reason": WHY},
    "scheduler_cancel_instance": {"instance_id": "<instance>", "reason": WHY},
    "scheduler_list_events": {"instance_id": "<instance>"},
    "scheduler_set_schedule_status": {"schedule_id": "<schedule>", "status": "ended"},
    "learning.list_instances": {"before": "<instance>"},
    "learning.get_instance": {"process_instance_id": "<instance>"},
    "learning.retry_incident": {"incident_id": "<incident>", "reason": WHY, "wait_seconds": 0},
    "learning.set_variables": {"process_instance_id": "<instance>", "variables": {"a": 1}, "reason": WHY},
    "learning.move_token": {
        "process_instance_id": "<instance>",
        "element_id": "UserTask_ReviewModel",
        "to_element_id": "UserTask_ReviewModel",
        "task_id": "<task>",
        "reason": WHY,
    },
    "learning.migrate_instances": {"process_id": "supervised-training", "from_version": 1, "after": "<instance>"},
    "learning.explain_production": {"question": {"endpoint_id": "<endpoint>"}},
    "learning.list_downstream": {"dataset_version_id": "<dataset version>"},
    "learning.get_metrics": {"filter": {"entity_id": "<endpoint>"}},
    "learning.grant_access": {
        "model": "DatasetVersion",
        "record_id": "<dataset version>",
        "principal": "bob",
        "permissions": ["read"],
        "reason": WHY,
    },
    "learning.revoke_access": {
        "model": "DatasetVersion",
        "record_id": "<dataset version>",
        "principal": "bob",
        "reason": WHY,
    },
    "learning.list_grants": {"model": "DatasetVersion", "record_id": "<dataset version>"},
}
"""A call of every tool that takes an id, with every argument that is one."""

OTHER_CALLS: dict[str, dict[str, Any]] = {
    "learning.create_dataset": {
        "dataset_payload": {"name": "n", "source_uri": "file:///inbox/n.csv", "target": "kind"},
        "wait_seconds": 0,
    },
    "learning.explain_production": {"question": {"model_name": "<model name>"}},
    "learning.get_production_at": {"at": "2026-01-01T00:00:00Z"},
    "scheduler_start_instance": {"process_id": "<process>"},
    "scheduler_get_metrics": {"process_id": "<process>"},
    "scheduler_define_process": {
        "process_payload": {"process_id": "<process>"},
        "schedule_definition": {"trigger": {"kind": "cron", "line": "0 2 1 1 *"}},
    },
}
"""Calls of tools that take no id."""

FURTHER_CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("learning.run_inference", {"inference_payload": {"model_id": "<model>", "instances": [{"width": 1}]}}),
    (
        "learning.register_model",
        {"model_payload": {"name": "m", "artifact_uri": "file:///inbox/m", "dataset_version_id": "<dataset version>"}},
    ),
    ("learning.explain_production", {"question": {"model_name": "<model name>"}}),
    ("learning.list_instances", {"business_key": "<experiment>"}),
    ("learning.list_instances", {"process_id": "<process>"}),
    ("learning.list_user_tasks", {"process_id": "<process>", "shows": "all"}),
    ("scheduler_list_events", {"process_id": "<process>"}),
    ("scheduler_list_schedules", {"process_id": "<process>"}),
)
"""The same for what names a thing without being an id. Diagrams are not among them: they are of all tenants."""


def filled_in(arguments: Any, names: Mapping[str, str]) -> Any:
    filled = json.dumps(arguments)
    for name, value in names.items():
        filled = filled.replace(f"<{name}>", value)
    assert "<" not in filled
    return json.loads(filled)
