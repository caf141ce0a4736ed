"""One diagram with each fault of extensions, and of what they ask of handlers and forms, and the finding it gets."""

from __future__ import annotations

import pytest
from diagram_findings import ASSIGNED, STRAIGHT, TYPE, codes_of, person, task
from diagrams import (
    activity,
    call_activity,
    diagram,
    service_task,
)

NEEDED = {"needed": "=a"}


@pytest.mark.parametrize(
    ("content", "code", "element_id"),
    [
        pytest.param(task(""), "TASK_TYPE_MISSING", "Work", id="no task type"),
        pytest.param(
            task('<zeebe:taskDefinition type="=a" />'),
            "EXPRESSION_UNSUPPORTED",
            "Work",
            id="task type is an expression",
        ),
        pytest.param(task(TYPE + TYPE), "EXTENSION_REPEATED", "Work", id="extension twice"),
        pytest.param(
            task(TYPE + "<zeebe:executionListeners />"), "EXTENSION_UNSUPPORTED", "Work", id="unknown extension"
        ),
        pytest.param(
            task(TYPE.replace("/>", 'pool="a" />')), "ATTRIBUTE_UNSUPPORTED", "Work", id="attribute of an extension"
        ),
        pytest.param(
            task(TYPE + "<zeebe:taskHeaders><zeebe:entry key='a' /></zeebe:taskHeaders>"),
            "EXTENSION_UNSUPPORTED",
            "Work",
            id="no header",
        ),
        pytest.param(
            task(TYPE + "<zeebe:taskHeaders><zeebe:header key='resultVariable' value='a b' /></zeebe:taskHeaders>"),
            "HEADER_INVALID",
            "Work",
            id="result variable is no name",
        ),
        pytest.param(
            task('<taskDefinition type="plain" />'), "EXTENSION_UNSUPPORTED", "Work", id="extension without namespace"
        ),
        pytest.param(task(TYPE + ASSIGNED), "EXTENSION_UNSUPPORTED", "Work", id="extension of another element"),
        pytest.param(
            task(TYPE + "<zeebe:ioMapping><zeebe:both source='=a' target='b' /></zeebe:ioMapping>"),
            "EXTENSION_UNSUPPORTED",
            "Work",
            id="no mapping",
        ),
        pytest.param(
            task(TYPE + "<zeebe:ioMapping><zeebe:input source='=a' target='b.c' /></zeebe:ioMapping>"),
            "MAPPING_INVALID",
            "Work",
            id="target is no name",
        ),
        pytest.param(
            task(TYPE + "<zeebe:ioMapping><zeebe:output source='=a' target='true' /></zeebe:ioMapping>"),
            "MAPPING_INVALID",
            "Work",
            id="target is a word of FEEL",
        ),
        pytest.param(
            task(TYPE + "<zeebe:ioMapping><zeebe:input target='b' /></zeebe:ioMapping>"),
            "MAPPING_INVALID",
            "Work",
            id="no source",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "plain", {}, {"a": "=b +"})),
            "EXPRESSION_INVALID",
            "Work",
            id="mapping is no expression",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "plain", retries=0)),
            "RETRIES_INVALID",
            "Work",
            id="no attempt",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "plain", retries=101)),
            "RETRIES_INVALID",
            "Work",
            id="too many attempts",
        ),
        pytest.param(
            task('<zeebe:taskDefinition type="plain" retries="²" />'),
            "RETRIES_INVALID",
            "Work",
            id="retries that are a digit and no number",
        ),
        pytest.param(
            task(f'<zeebe:taskDefinition type="plain" retries="{"1" * 5_000}" />'),
            "RETRIES_INVALID",
            "Work",
            id="retries of more digits than Python converts",
        ),
        pytest.param(
            task('<zeebe:taskDefinition type="plain" retries="=n" />'),
            "RETRIES_INVALID",
            "Work",
            id="attempts are an expression",
        ),
        pytest.param(person("<zeebe:userTask />"), "CANDIDATES_MISSING", "Work", id="no candidates"),
        pytest.param(
            person('<zeebe:assignmentDefinition candidateGroups="=a +" />'),
            "EXPRESSION_INVALID",
            "Work",
            id="candidates are no expression",
        ),
        pytest.param(
            person('<zeebe:assignmentDefinition candidateGroups="a" taskPool="b" />'),
            "ATTRIBUTE_UNSUPPORTED",
            "Work",
            id="assigned in another way",
        ),
        pytest.param(
            person(ASSIGNED + '<zeebe:formDefinition formId="=a" />'),
            "EXPRESSION_UNSUPPORTED",
            "Work",
            id="form is an expression",
        ),
        pytest.param(
            person(ASSIGNED + '<zeebe:formDefinition formId="other" />'), "FORM_UNKNOWN", "Work", id="unknown form"
        ),
        pytest.param(
            person(
                ASSIGNED + "<zeebe:taskHeaders><zeebe:header key='excluded_principals' value='all' />"
                "</zeebe:taskHeaders>"
            ),
            "HEADER_INVALID",
            "Work",
            id="unknown exclusion",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, activity("callActivity", "Work", "")),
            "CALLED_PROCESS_MISSING",
            "Work",
            id="no called process",
        ),
        pytest.param(
            person(ASSIGNED + '<zeebe:formDefinition formKey="camunda-forms:bpmn:a" />'),
            "ATTRIBUTE_UNSUPPORTED",
            "Work",
            id="form of another kind",
        ),
        pytest.param(
            person(ASSIGNED + '<zeebe:formDefinition formId="review" bindingType="deployment" />'),
            "BINDING_UNSUPPORTED",
            "Work",
            id="version of a form",
        ),
        *(
            pytest.param(
                diagram(
                    "p", *STRAIGHT, activity("callActivity", "Work", f'<zeebe:calledElement processId="p" {text} />')
                ),
                code,
                "Work",
                id=f"call with {text}",
            )
            for text, code in (
                ('bindingType="versionTag"', "BINDING_INVALID"),
                ('bindingType="newest"', "BINDING_INVALID"),
                ('versionTag="1.0"', "BINDING_INVALID"),
                ('processIdExpression="=a"', "ATTRIBUTE_UNSUPPORTED"),
                ('propagateAllChildVariables="yes"', "ATTRIBUTE_UNSUPPORTED"),
            )
        ),
        pytest.param(
            diagram("p", *STRAIGHT, call_activity("Work", "=a")),
            "EXPRESSION_UNSUPPORTED",
            "Work",
            id="called process is an expression",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, call_activity("Work", "other")),
            "PROCESS_UNKNOWN",
            "Work",
            id="unknown called process",
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "other")), "HANDLER_UNKNOWN", "Work", id="unknown handler"
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "work")), "INPUT_MISSING", "Work", id="missing input"
        ),
        pytest.param(
            diagram("p", *STRAIGHT, service_task("Work", "work", NEEDED | {"other": "=a"})),
            "INPUT_UNKNOWN",
            "Work",
            id="unknown input",
        ),
    ],
)
def test_a_fault_is_found_where_it_stands(content: bytes, code: str, element_id: str) -> None:
    assert (code, element_id) in codes_of(content)
