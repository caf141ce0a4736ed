"""Dialects: operators of `spiffworkflow:` become service tasks, other engines' words are refused, or become stubs."""

from __future__ import annotations

import pytest
from diagram_findings import STRAIGHT, WORK, codes_of, task
from diagrams import activity, diagram, document, end, flow, path, process, start
from stored_tree import StoredTree

from engine.bpmn import Mapping, ServiceTask, read_document
from engine.errors import DiagramError

SPIFF = 'xmlns:s="http://spiffworkflow.org/bpmn/schema/1.0/core"'
CAMUNDA = 'xmlns:c="http://camunda.org/schema/1.0/bpmn"'


def operator(*parameters: str, attributes: str = 'id="plain"', more: str = "") -> bytes:
    listed = "".join(parameters)
    return task(
        f"<s:serviceTaskOperator {SPIFF} {attributes}><s:parameters>{listed}</s:parameters>{more}"
        "</s:serviceTaskOperator>"
    )


def parameter(name: str, value: str) -> str:
    return f"<s:parameter id='{name}' type='any' value='{value}' />"


def test_an_operator_is_a_service_task_with_inputs() -> None:
    content = operator(
        parameter("url", '"http://a"'),
        parameter("count", "limit - 1"),
        parameter("nothing", "None"),
        more='<s:retry retries="5" backoff_base="2" />',
        attributes='id="plain" resultVariable="answer"',
    )
    (model,) = read_document(content).models

    assert model.nodes["Work"] == ServiceTask(
        "Work",
        "Work",
        model.nodes["Work"].line,
        inputs=(Mapping('"http://a"', "url"), Mapping("(limit - 1)", "count"), Mapping("null", "nothing")),
        type="plain",
        retries=5,
        result_variable="answer",
    )


@pytest.mark.parametrize(
    ("python", "feel"),
    [
        ("a.b.c", "a.b.c"),
        ("a == 1.5", "(a = 1.5)"),
        ("-a", "-(a)"),
        ("[1, True]", "[1, true]"),
        ('{"k": [x]}', '{"k": [x]}'),
        ("&apos;text&apos;", '"text"'),
    ],
)
def test_a_value_that_means_the_same_in_feel_is_translated(python: str, feel: str) -> None:
    (model,) = read_document(operator(parameter("a", python))).models

    node = model.nodes["Work"]
    assert isinstance(node, ServiceTask)
    assert node.inputs == (Mapping(feel, "a"),)


@pytest.mark.parametrize(
    "python",
    [
        *("a[0]", "a or 1", "not a", "f(a)", "a if b else c", "lambda: 1", "{a: 1}", "1 &lt; a &lt; 3", "a ** 2"),
        *('__import__("os").system("true")', 'f"{a}"', "[x for x in a]", "a :=1", "", "(" * 3_000, "1j", 'b"a"'),
        '"a".upper',
    ],
)
def test_a_value_that_would_mean_something_else_is_refused(python: str) -> None:
    assert codes_of(operator(parameter("a", python))) == [("EXPRESSION_UNSUPPORTED", "a")]


@pytest.mark.parametrize("name", ["preScript", "postScript", "calledDecisionId"])
def test_what_spiffworkflow_executes_besides_operators_is_refused(name: str) -> None:
    content = task(f'<zeebe:taskDefinition type="plain" /><s:{name} {SPIFF}>a = 1</s:{name}>')

    assert ("DIALECT_UNSUPPORTED", "Work") in codes_of(content)


def test_notes_of_spiffworkflow_are_warned_of() -> None:
    content = task(f'<zeebe:taskDefinition type="plain" /><s:category {SPIFF}>a</s:category>')

    assert [found.code for found in read_document(content).warnings] == ["EXTENSION_UNKNOWN"]


@pytest.mark.parametrize(
    "namespace",
    [
        "http://camunda.org/schema/1.0/bpmn",
        "http://activiti.org/bpmn",
        "http://flowable.org/bpmn",
        "http://www.jboss.org/drools",
        "http://www.ibm.com/xmlns/prod/bpm/bpmn/ext/process",
    ],
)
@pytest.mark.parametrize(
    "part",
    [
        '<bpmn:serviceTask xmlns:c="{}" id="X" c:class="Worker" />',
        '<bpmn:task xmlns:c="{}" id="X"><bpmn:extensionElements><c:form /></bpmn:extensionElements></bpmn:task>',
        '<bpmn:callActivity xmlns:c="{}" id="X"><c:in /></bpmn:callActivity>',
    ],
)
def test_another_engines_dialect_is_refused_where_it_stands(namespace: str, part: str) -> None:
    with pytest.raises(DiagramError) as raised:
        read_document(diagram("p", *STRAIGHT, WORK, part.format(namespace)))

    assert [(found.code, found.element_id) for found in raised.value.findings] == [("DIALECT_UNSUPPORTED", "X")]


FOREIGN = document(
    process(
        "p",
        start(),
        path("Begin", "Work", "Ask", "Each", "Receive", "Call", "Wait", "Choose"),
        f'<bpmn:serviceTask {CAMUNDA} id="Work" c:class="Worker" c:asyncBefore="true" />',
        f'<bpmn:userTask {CAMUNDA} id="Ask" c:assignee="${{boss}}">'
        "<bpmn:humanPerformer><bpmn:resourceAssignmentExpression /></bpmn:humanPerformer></bpmn:userTask>",
        '<bpmn:serviceTask id="Each"><bpmn:multiInstanceLoopCharacteristics>'
        "<bpmn:loopCardinality>${n}</bpmn:loopCardinality>"
        "<bpmn:completionCondition>${enough}</bpmn:completionCondition>"
        "</bpmn:multiInstanceLoopCharacteristics></bpmn:serviceTask>",
        '<bpmn:receiveTask id="Receive" />',
        '<bpmn:callActivity id="Call" calledElement="other"/>',
        activity(
            "intermediateCatchEvent",
            "Wait",
            "",
            "<bpmn:timerEventDefinition><bpmn:timeDuration>${wait}</bpmn:timeDuration></bpmn:timerEventDefinition>",
        ),
        '<bpmn:exclusiveGateway id="Choose" default="No" />',
        flow("Choose", "Done", "${yes}"),
        flow("Choose", "Done", flow_id="No"),
        end(),
    ).replace(' isExecutable="true"', ""),
)


def test_a_foreign_diagram_is_refused_unless_it_is_to_be_looked_at_as_such() -> None:
    with pytest.raises(DiagramError):
        read_document(FOREIGN)

    (model,) = read_document(FOREIGN, foreign=True).models

    assert list(model.nodes) == ["Begin", "Work", "Ask", "Each", "Receive", "Call", "Wait", "Choose", "Done"]
    assert [flow.condition for flow in model.outgoing("Choose")] == ["false", None]


def test_what_a_foreign_diagram_says_in_our_dialect_is_kept() -> None:
    content = task('<zeebe:taskDefinition type="plain" retries="7" />')

    assert read_document(content, foreign=True) == read_document(content)


def test_a_result_variable_takes_the_whole_result() -> None:
    content = operator(attributes='id="plain" resultVariable="answer"')
    stored = StoredTree.of(content)

    stored.complete(*stored.waiting, a=1, b=2)

    assert stored.variables == {"answer": {"a": 1, "b": 2}}
