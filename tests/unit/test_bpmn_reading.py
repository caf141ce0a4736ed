"""What each element of a diagram says, read whole."""

from __future__ import annotations

import pytest
from diagrams import (
    activity,
    boundary,
    call_activity,
    catch,
    cycle,
    date,
    document,
    duration,
    end,
    error,
    escalation,
    for_each,
    gateway,
    lanes,
    message,
    parallel,
    path,
    process,
    receive_task,
    service_task,
    signal,
    start,
    throw,
    user_task,
)

from engine.bpmn import (
    BoundaryEvent,
    CallActivity,
    CandidateExpression,
    EndEvent,
    ErrorTrigger,
    EscalationTrigger,
    ExclusiveGateway,
    FlowNode,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    Mapping,
    MessageTrigger,
    MultiInstance,
    ParallelGateway,
    ReceiveTask,
    ServiceTask,
    SignalTrigger,
    StartEvent,
    TimerTrigger,
    UserTask,
    read_diagram,
    read_document,
)
from engine.errors import DiagramError

DECLARED = (
    message("Paid", "order-paid", "= order.id"),
    signal("Stop", "stop-all"),
    error("Broken", "BROKEN"),
)
PAID = MessageTrigger(name="order-paid", correlation_key="order.id")
STOP = SignalTrigger(name="stop-all")
INPUTS, OUTPUTS = {"a": "=b.c", "text": 'say "hi" \\ '}, {"d": "=e"}
READ_INPUTS = (Mapping(source="b.c", target="a"), Mapping(source='"say \\"hi\\" \\\\ "', target="text"))
READ_OUTPUTS = (Mapping(source="e", target="d"),)
EACH = for_each("=items", "item", collect="results", each="=result", until="=count(results) > 2", sequential=True)
READ_EACH = MultiInstance(
    is_sequential=True,
    input_collection="items",
    input_element="item",
    output_collection="results",
    output_element="result",
    completion_condition="count(results) > 2",
)


def read(*elements: str) -> FlowNode:
    """Return the node `X` of a process of these elements."""
    content = document("\n", process("p", *elements), *DECLARED).replace(b"\n", b" ")
    (model,) = read_diagram(content)
    return model.nodes["X"]


@pytest.mark.parametrize(
    ("element", "node"),
    [
        (start("X"), StartEvent("X", "X", 1)),
        (start("X", "Paid"), StartEvent("X", "X", 1, trigger=MessageTrigger(name="order-paid"))),
        (start("X", signal_ref="Stop"), StartEvent("X", "X", 1, trigger=STOP)),
        (start("X", timer=cycle("R/PT1H")), StartEvent("X", "X", 1, trigger=TimerTrigger("cycle", '"R/PT1H"'))),
        (end("X"), EndEvent("X", "X", 1)),
        (end("X", terminates=True), EndEvent("X", "X", 1, terminates=True)),
        (end("X", signal_ref="Stop"), EndEvent("X", "X", 1, signal="stop-all")),
        (throw("X"), IntermediateThrowEvent("X", "X", 1)),
        (throw("X", "Stop"), IntermediateThrowEvent("X", "X", 1, signal="stop-all")),
        (
            catch("X", timer=date(" 2030-01-01T00:00:00Z ")),
            IntermediateCatchEvent("X", "X", 1, trigger=TimerTrigger("date", '"2030-01-01T00:00:00Z"')),
        ),
        (
            catch("X", timer=duration("=wait")),
            IntermediateCatchEvent("X", "X", 1, trigger=TimerTrigger("duration", "wait")),
        ),
        (
            catch("X", message_ref="Paid", outputs=OUTPUTS),
            IntermediateCatchEvent("X", "X", 1, trigger=PAID, outputs=READ_OUTPUTS),
        ),
        (catch("X", signal_ref="Stop"), IntermediateCatchEvent("X", "X", 1, trigger=STOP)),
        (
            boundary("X", "Work", "Broken"),
            BoundaryEvent("X", "X", 1, attached_to="Work", trigger=ErrorTrigger("BROKEN")),
        ),
        (boundary("X", "Work"), BoundaryEvent("X", "X", 1, attached_to="Work", trigger=ErrorTrigger())),
        (
            boundary("X", "Work", timer=cycle("0 9 * * *"), interrupting=False),
            BoundaryEvent(
                *("X", "X", 1),
                attached_to="Work",
                trigger=TimerTrigger("cycle", '"0 9 * * *"'),
                is_interrupting=False,
            ),
        ),
        (
            boundary("X", "Work", message_ref="Paid", outputs=OUTPUTS),
            BoundaryEvent("X", "X", 1, attached_to="Work", trigger=PAID, outputs=READ_OUTPUTS),
        ),
        (
            boundary("X", "Work", signal_ref="Stop")
            .replace("cancelActivity", "x")
            .replace("id=", "cancelActivity='1' id="),
            BoundaryEvent("X", "X", 1, attached_to="Work", trigger=STOP),
        ),
        (gateway("X", "F", name=None), ExclusiveGateway("X", "X", 1, default_flow="F")),
        (parallel("X"), ParallelGateway("X", "X", 1)),
        (
            service_task("X", "work", INPUTS, OUTPUTS, retries=7, priority="=urgency", multi_instance=EACH),
            ServiceTask(
                *("X", "X", 1),
                inputs=READ_INPUTS,
                outputs=READ_OUTPUTS,
                multi_instance=READ_EACH,
                type="work",
                retries=7,
                priority="urgency",
            ),
        ),
        (
            receive_task("X", "Paid", INPUTS, OUTPUTS, multi_instance=for_each("=[1, 2]")),
            ReceiveTask(
                *("X", "X", 1),
                inputs=READ_INPUTS,
                outputs=READ_OUTPUTS,
                multi_instance=MultiInstance(is_sequential=False, input_collection="[1, 2]"),
                trigger=PAID,
            ),
        ),
        (
            call_activity("X", "child", INPUTS, OUTPUTS, parent=False, child=False, multi_instance=EACH),
            CallActivity(
                *("X", "X", 1),
                inputs=READ_INPUTS,
                outputs=READ_OUTPUTS,
                multi_instance=READ_EACH,
                called_process="child",
                propagates_parent_variables=False,
                propagates_child_variables=False,
            ),
        ),
        (
            user_task(
                *("X", " reviewer ,, admin "),
                form="review",
                inputs=INPUTS,
                outputs=OUTPUTS,
                excluded=" initiator , X,",
                users="ada, bob",
                assignee="=owner",
                due_date="2030-01-01T00:00:00Z",
                follow_up_date="=later",
                priority="70",
                multi_instance=EACH,
            ),
            UserTask(
                *("X", "X", 1),
                inputs=READ_INPUTS,
                outputs=READ_OUTPUTS,
                multi_instance=READ_EACH,
                form_id="review",
                candidate_groups=("reviewer", "admin"),
                candidate_users=("ada", "bob"),
                assignee="owner",
                due_date='"2030-01-01T00:00:00Z"',
                follow_up_date="later",
                priority="70",
                excluded=("initiator", "X"),
            ),
        ),
    ],
)
def test_an_element_is_read_whole(element: str, node: FlowNode) -> None:
    assert read(element) == node


def test_a_task_that_nobody_is_assigned_to_belongs_to_its_lane() -> None:
    drawn = lanes({"Model\n review": ["X"]})
    tasks = [
        read(drawn, user_task("X", None)),
        read(drawn, user_task("X", "admin")),
        read(drawn, user_task("X", None, assignee="ada")),
        read(drawn, user_task("X", None, users="ada")),
    ]

    assert [task.candidate_groups for task in tasks if isinstance(task, UserTask)] == [
        ("Model review",),
        ("admin",),
        (),
        (),
    ]
    assert {task.lane for task in tasks} == {"Model review"}


def test_candidates_are_names_or_an_expression_that_gives_them() -> None:
    task = read(lanes({"Review": ["X"]}), user_task("X", "=groups", users="=[owner]"))

    assert isinstance(task, UserTask)
    assert (task.candidate_groups, task.candidate_users) == (
        CandidateExpression("groups"),
        CandidateExpression("[owner]"),
    )


def test_the_innermost_lane_counts() -> None:
    outer = '<bpmn:lane id="Outer" name="outer"><bpmn:flowNodeRef>X</bpmn:flowNodeRef><bpmn:childLaneSet id="Inner">'
    inner = '<bpmn:lane id="In" name="inner"><bpmn:flowNodeRef>X</bpmn:flowNodeRef></bpmn:lane>'
    drawn = f'<bpmn:laneSet id="Lanes">{outer}{inner}</bpmn:childLaneSet></bpmn:lane></bpmn:laneSet>'

    assert read(drawn, user_task("X", None)).lane == "inner"


def test_headers_other_than_exclusions_are_kept() -> None:
    headers = (
        '<zeebe:taskDefinition type="a" /><zeebe:taskHeaders><zeebe:header key="k" value="v" /></zeebe:taskHeaders>'
    )
    node = read(activity("serviceTask", "X", headers))

    assert isinstance(node, ServiceTask)
    assert node.headers == {"k": "v"}


def test_a_modelers_own_notes_change_nothing() -> None:
    timer = '<bpmn:timeDuration id="T" xsi:type="bpmn:tFormalExpression">PT1H</bpmn:timeDuration>'
    definition = f'<bpmn:timerEventDefinition id="D">{timer}</bpmn:timerEventDefinition>'
    drawn = f"<bpmn:documentation>d</bpmn:documentation><bpmn:incoming>F</bpmn:incoming>{definition}"

    assert read(f'<bpmn:intermediateCatchEvent id="X">{drawn}</bpmn:intermediateCatchEvent>') == IntermediateCatchEvent(
        "X", "X", 1, trigger=TimerTrigger("duration", '"PT1H"')
    )


def test_data_that_is_drawn_changes_nothing_but_what_it_assigns_is_refused() -> None:
    plain = document(process("p", start(), path("Begin", "X", "Done"), service_task("X", "t"), end()))
    drawn = document(
        '<bpmn:dataStore id="Store" name="Registry" />',
        process(
            "p",
            start(),
            path("Begin", "X", "Done"),
            activity(
                "serviceTask",
                "X",
                '<zeebe:taskDefinition type="t" />',
                '<bpmn:property id="Property" name="__targetRef_placeholder" />'
                '<bpmn:dataInputAssociation id="In"><bpmn:sourceRef>Reference</bpmn:sourceRef>'
                "<bpmn:targetRef>Property</bpmn:targetRef></bpmn:dataInputAssociation>"
                '<bpmn:dataOutputAssociation id="Out"><bpmn:targetRef>StoreReference</bpmn:targetRef>'
                "</bpmn:dataOutputAssociation>",
            ),
            end(),
            '<bpmn:dataObjectReference id="Reference" dataObjectRef="Object" /><bpmn:dataObject id="Object" />'
            '<bpmn:dataStoreReference id="StoreReference" dataStoreRef="Store" />',
        ),
    )

    assert [list(model.nodes) for model in read_diagram(drawn)] == [list(model.nodes) for model in read_diagram(plain)]
    with pytest.raises(DiagramError):
        read_diagram(drawn.replace(b"</bpmn:targetRef>", b"</bpmn:targetRef><bpmn:assignment />", 1))


@pytest.mark.parametrize(
    ("event", "code", "trigger"),
    [
        (boundary("B", "X", "Codeless"), "ERROR_CODE_MISSING", ErrorTrigger()),
        (boundary("B", "X", escalation_ref="Mute"), "ESCALATION_CODE_MISSING", EscalationTrigger()),
    ],
)
def test_what_catches_something_without_a_code_catches_every_one_and_is_warned_of(
    event: str, code: str, trigger: object
) -> None:
    content = document(
        error("Codeless", None),
        escalation("Mute", None),
        process("p", start(), path("Begin", "X", "Done"), service_task("X", "t"), event, path("B", "Done"), end()),
    )

    read_whole = read_document(content)

    assert [(found.code, found.severity, found.element_id) for found in read_whole.warnings] == [(code, "warning", "B")]
    (model,) = read_whole.models
    node = model.nodes["B"]
    assert isinstance(node, BoundaryEvent)
    assert node.trigger == trigger
