"""The processes that the engine's benchmarks run, as BPMN XML."""

from __future__ import annotations

from itertools import pairwise

EXTERNAL, TRANSACTIONAL = "external", "transactional"
_NAMESPACES = (
    'xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"'
)
_LOOP = (
    "<bpmn:multiInstanceLoopCharacteristics><bpmn:extensionElements>"
    '<zeebe:loopCharacteristics inputCollection="=items" inputElement="item" />'
    "</bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics>"
)


def chain(process_id: str, task_type: str, length: int) -> bytes:
    """Return a process of `length` service tasks in a row."""
    return _diagram(process_id, [_service_task(f"Task_{number}", task_type) for number in range(length)])


def for_each_item(process_id: str) -> bytes:
    """Return a process with one external task for each of the variable `items`, all at once."""
    return _diagram(process_id, [_service_task("Task_0", EXTERNAL, _LOOP)])


def approval(process_id: str, group: str) -> bytes:
    """Return a process that waits for a member of a group."""
    assigned = f'<zeebe:userTask /><zeebe:assignmentDefinition candidateGroups="{group}" />'
    extensions = f"<bpmn:extensionElements>{assigned}</bpmn:extensionElements>"
    return _diagram(process_id, [f'<bpmn:userTask id="Task_0">{extensions}</bpmn:userTask>'])


def _service_task(task_id: str, task_type: str, loop: str = "") -> str:
    definition = f'<bpmn:extensionElements><zeebe:taskDefinition type="{task_type}" /></bpmn:extensionElements>'
    return f'<bpmn:serviceTask id="{task_id}">{definition}{loop}</bpmn:serviceTask>'


def _diagram(process_id: str, tasks: list[str]) -> bytes:
    ids = ["Start", *(f"Task_{number}" for number in range(len(tasks))), "End"]
    flows = "".join(
        f'<bpmn:sequenceFlow id="Flow_{source}" sourceRef="{source}" targetRef="{target}" />'
        for source, target in pairwise(ids)
    )
    nodes = f'<bpmn:startEvent id="Start" />{"".join(tasks)}<bpmn:endEvent id="End" />{flows}'
    process = f'<bpmn:process id="{process_id}" isExecutable="true">{nodes}</bpmn:process>'
    return f'<bpmn:definitions {_NAMESPACES} targetNamespace="http://benchmark">{process}</bpmn:definitions>'.encode()
