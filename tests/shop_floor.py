"""Processes of the tests' own on a running platform, deployed and started through its doors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from diagrams import boundary, catch, document, end, message, path, process, service_task, start, user_task
from platform_under_test import Platform

from mcp_server import ToolFailedError

WHY = "the test asks for it"


def new_process_id() -> str:
    return f"test-{uuid4().hex[:12]}"


def review(process_id: str) -> bytes:
    """A process that asks a reviewer, then is done."""
    asked = user_task("Review", "reviewer", form="model-review")
    return document(process(process_id, start(), path("Begin", "Review", "Done"), asked, end()))


def two_reviews(process_id: str) -> bytes:
    """The same with a second review."""
    asked = (user_task(name, "reviewer", form="model-review") for name in ("Review", "Approve"))
    return document(process(process_id, start(), path("Begin", "Review", "Approve", "Done"), *asked, end()))


def waiting(process_id: str) -> bytes:
    """A process that waits for the message `goods.arrived` under its variable `order`, then is done."""
    goods = message("Message_Goods", "goods.arrived", "=order")
    wait = catch("Wait", message_ref="Message_Goods")
    return document(goods, process(process_id, start(), path("Begin", "Wait", "Done"), wait, end()))


def failing(process_id: str) -> bytes:
    """A process that stops at an incident, where its variable `version` names no dataset version."""
    work = service_task("Profile", "datasets.profile_version", inputs={"dataset_version_id": "=version"}, retries=1)
    unreadable = (boundary("Unreadable", "Profile"), path("Unreadable", "Lost"), end("Lost"))
    return document(process(process_id, start(), path("Begin", "Profile", "Done"), work, *unreadable, end()))


def deployed(platform: Platform, drawn: Callable[[str], bytes], process_id: str | None = None) -> str:
    """Deploy a process as the operator; return its id."""
    process_id = process_id or new_process_id()
    payload = {"process_id": process_id, "bpmn_xml": drawn(process_id).decode()}
    platform.call("operator", "scheduler_define_process", process_payload=payload)
    return process_id


def started(platform: Platform, process_id: str, user_id: str = "ada", **variables: Any) -> str:
    """Start an instance; return its id."""
    answer = platform.call(user_id, "scheduler_start_instance", process_id=process_id, variables=variables)
    instance_id: str = answer["process_instance_id"]
    return instance_id


def instance(platform: Platform, instance_id: str) -> dict[str, Any]:
    answer = platform.call("ada", "get_instance", process_instance_id=instance_id)
    return {**answer["instance"], **{name: answer[name] for name in ("variables", "expected_events")}}


def status(platform: Platform, instance_id: str) -> str:
    shown: str = instance(platform, instance_id)["status"]
    return shown


def refusal(platform: Platform, user_id: str, tool: str, **arguments: Any) -> ToolFailedError:
    with pytest.raises(ToolFailedError) as refused:
        platform.call(user_id, tool, **arguments)
    assert refused.value.answer["audit_ref"]
    return refused.value
