"""Element templates and the catalogue page: made from the handlers' models, committed, and no older than those."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from diagram_findings import STRAIGHT
from diagrams import attributes, diagram
from pydantic import BaseModel, Field

from engine import ServiceTaskRegistry, TaskContext, TransactionalTask, contracts_of, read_diagram, verify
from learning import bootstrap
from learning.element_templates import element_templates
from learning.service_task_catalogue import catalogue_page

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / ".camunda" / "element-templates" / "ami-learning.json"
REGISTRY, FORMS = bootstrap.contracts()
TEMPLATES = element_templates(REGISTRY, FORMS)


class Wanted(BaseModel):
    """What to work on."""

    item_id: int
    mood: Annotated[str, Field(pattern="glad|sad")] = "glad"


class Done(BaseModel):
    """What came of it."""

    score: float


def work(_context: TaskContext, _request: Wanted) -> Done:
    """Do the work."""
    return Done(score=1.0)


def test_the_committed_templates_are_those_of_the_handlers() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == TEMPLATES


def test_the_committed_catalogue_is_that_of_the_handlers() -> None:
    committed = (ROOT / "docs" / "reference" / "service-tasks.md").read_text(encoding="utf-8")

    assert committed == catalogue_page(REGISTRY)


def test_every_service_task_and_every_form_has_a_template() -> None:
    expected = {*REGISTRY.types, *(f"form.{form_id}" for form_id in FORMS)}

    assert {str(template["id"]).removeprefix("ami-learning.") for template in TEMPLATES} == expected


def test_a_template_writes_type_inputs_outputs_and_attempts() -> None:
    (template,) = element_templates(ServiceTaskRegistry(TransactionalTask("shop.work", Wanted, work, Done)), {})
    properties: Any = template["properties"]

    assert [(each.get("value"), each["binding"]) for each in properties] == [
        ("shop.work", {"type": "zeebe:taskDefinition", "property": "type"}),
        ("=item_id", {"type": "zeebe:input", "name": "item_id"}),
        (None, {"type": "zeebe:input", "name": "mood"}),
        ("score", {"type": "zeebe:output", "source": "=score"}),
        ("3", {"type": "zeebe:taskDefinition", "property": "retries"}),
    ]
    assert (template["name"], template["description"]) == ("Work", "Do the work.")


@pytest.mark.parametrize("template", TEMPLATES, ids=[str(template["id"]) for template in TEMPLATES])
def test_what_a_template_writes_is_verified_without_error(template: dict[str, Any]) -> None:
    kind = template["elementType"]["value"].removeprefix("bpmn:")
    element = f"{kind[0].lower()}{kind[1:]}"
    content = diagram("p", *STRAIGHT, f"<bpmn:{element} id='Work'>{_written(template)}</bpmn:{element}>")
    contracts = contracts_of(REGISTRY, FORMS, read_diagram(content), frozenset({"reviewer"}))

    findings = [finding for model in read_diagram(content) for finding in verify(model, contracts)]

    assert [
        finding.code for finding in findings if finding.severity == "error" and finding.code != "ERROR_UNCAUGHT"
    ] == []


def _written(template: dict[str, Any]) -> str:
    """Return the extension elements that the modeler writes when somebody chooses a template."""
    elements: dict[str, dict[str, str]] = {}
    mappings = ""
    for each in template["properties"]:
        binding, value = each["binding"], each.get("value", "reviewer")
        kind = binding["type"].removeprefix("zeebe:")
        if kind == "input" and "value" in each:
            mappings += f"<zeebe:input{attributes(source=value, target=binding['name'])} />"
        elif kind == "output":
            mappings += f"<zeebe:output{attributes(source=binding['source'], target=value)} />"
        elif kind != "input":
            elements.setdefault(kind, {}).update({binding["property"]: value} if "property" in binding else {})
    written = "".join(f"<zeebe:{kind}{attributes(**values)} />" for kind, values in elements.items())
    mapped = f"<zeebe:ioMapping>{mappings}</zeebe:ioMapping>" if mappings else ""
    return f"<bpmn:extensionElements>{written}{mapped}</bpmn:extensionElements>"
