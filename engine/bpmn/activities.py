"""Activities: the work of handlers, of people and of other processes, once or for each item (BPMN 2.0.2, 10.3)."""

from __future__ import annotations

import re
from typing import TypedDict

from engine.bpmn.events import EventReader
from engine.bpmn.extensions import Extensions, Loop
from engine.bpmn.model import (
    BusinessRuleTask,
    CallActivity,
    Mapping,
    MultiInstance,
    NodeIdentity,
    PlainTask,
    ReceiveTask,
    ScriptTask,
    SendTask,
    ServiceTask,
    StandardLoop,
    SubProcess,
    UserTask,
)
from engine.bpmn.refusals import NODE_CHILDREN, Refusals
from engine.bpmn.xml import BPMN, ZEEBE, is_true, local_name
from engine.feel import is_variable_name
from engine.xml_documents import Element

_MAPPING = frozenset({"ioMapping"})
_EXTENSIONS = _MAPPING | {"taskHeaders"}
_JOB = frozenset({"taskDefinition", "jobPriorityDefinition", "priorityDefinition"})
_ASSIGNMENT = frozenset({"userTask", "formDefinition", "assignmentDefinition", "taskSchedule", "priorityDefinition"})
_LOOP = "standardLoopCharacteristics"
_MULTI_INSTANCE = "multiInstanceLoopCharacteristics"
_MULTI_INSTANCE_CHILDREN = frozenset({"documentation", "extensionElements", "completionCondition"})
_RESULT_VARIABLE = "resultVariable"
_EXCLUDED_PRINCIPALS = "excluded_principals"
_WHOLE_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
REPETITIONS = frozenset({_MULTI_INSTANCE, _LOOP})


class _Common(TypedDict):
    """What every activity is made with, besides its identity."""

    inputs: tuple[Mapping, ...]
    outputs: tuple[Mapping, ...]
    headers: dict[str, str]
    multi_instance: MultiInstance | None
    loop: StandardLoop | None
    default_flow: str | None
    is_for_compensation: bool


class ActivityReader:
    """Reads the activities of one document."""

    def __init__(self, refusals: Refusals, events: EventReader) -> None:
        self._refusals = refusals
        self._events = events

    def service_task(self, element: Element, identity: NodeIdentity) -> ServiceTask:
        """Return a service task, or what else a handler does: its event's definition is looked at with the events."""
        extensions, common = self._parts(element, _EXTENSIONS | _JOB, frozenset({"messageEventDefinition"}))
        if not extensions.task_type:
            message = "The service task has no type."
            self._refusals.find(element, "TASK_TYPE_MISSING", message, "Choose an element template.")
        result_variable = extensions.headers.pop(_RESULT_VARIABLE, None)
        if result_variable is not None and not is_variable_name(result_variable):
            message = f"{_RESULT_VARIABLE} {result_variable[:60]!r} is not a variable name."
            self._refusals.find(element, "HEADER_INVALID", message, "Use a plain name.")
        return ServiceTask(
            **identity,
            **common,
            type=extensions.task_type or "",
            retries=extensions.retries,
            priority=extensions.priority,
            result_variable=result_variable,
        )

    def user_task(self, element: Element, identity: NodeIdentity) -> UserTask:
        """Return a user task; where the diagram assigns nobody, those whom its lane names are the candidates."""
        extensions, common = self._parts(element, _EXTENSIONS | _ASSIGNMENT)
        groups, lane = extensions.candidate_groups, identity["lane"]
        if not (groups or extensions.candidate_users or extensions.assignee):
            groups = (lane,) if lane else ()
        if not (groups or extensions.candidate_users or extensions.assignee):
            message = "Nobody may complete the task."
            hint = "Assign it to candidate groups, candidate users or an assignee, or draw it in one named lane."
            self._refusals.find(element, "CANDIDATES_MISSING", message, hint)
        excluded = extensions.headers.pop(_EXCLUDED_PRINCIPALS, "")
        return UserTask(
            **identity,
            **common,
            form_id=extensions.form_id,
            candidate_groups=groups,
            candidate_users=extensions.candidate_users,
            assignee=extensions.assignee,
            due_date=extensions.due_date,
            follow_up_date=extensions.follow_up_date,
            priority=extensions.priority,
            excluded=tuple(entry.strip() for entry in excluded.split(",") if entry.strip()),
        )

    def receive_task(self, element: Element, identity: NodeIdentity) -> ReceiveTask:
        """Return a receive task."""
        common = self._parts(element, frozenset({"ioMapping"}))[1]
        return ReceiveTask(
            **identity,
            **common,
            trigger=self._events.message(element, element),
        )

    def send_task(self, element: Element, identity: NodeIdentity) -> SendTask:
        """Return a send task that publishes its message."""
        extensions, common = self._parts(element, _MAPPING)
        message = self._events.message_throw(element, element, extensions)
        return SendTask(**identity, **common, message=message)

    def script_task(self, element: Element, identity: NodeIdentity) -> ScriptTask:
        """Return a script task: FEEL, and nothing else."""
        self._refusals.require_children(element, NODE_CHILDREN | REPETITIONS)
        extensions, common = self._parts(element, _MAPPING | {"script"})
        if extensions.script is None:
            message = "The script task has no FEEL expression."
            hint = "Choose the implementation 'FEEL expression', or a job worker."
            self._refusals.find(element, "SCRIPT_INVALID", message, hint)
            return ScriptTask(**identity, **common)
        script = extensions.script
        return ScriptTask(**identity, **common, expression=script.expression, result_variable=script.result_variable)

    def business_rule_task(self, element: Element, identity: NodeIdentity) -> BusinessRuleTask:
        """Return a business rule task that asks a decision."""
        extensions, common = self._parts(element, _MAPPING | {"calledDecision"})
        called = extensions.called_decision
        if called is None:
            if element.find(f"{{{BPMN}}}extensionElements/{{{ZEEBE}}}calledDecision") is None:
                message = "The business rule task asks no decision."
                hint = "Choose the implementation 'DMN decision', or a job worker and let a handler decide."
                self._refusals.find(element, "CALLED_DECISION_INVALID", message, hint)
            return BusinessRuleTask(**identity, **common)
        return BusinessRuleTask(
            **identity,
            **common,
            decision_id=called.decision_id,
            result_variable=called.result_variable,
            binding=called.binding.type,
            version_tag=called.binding.version_tag,
        )

    def plain_task(self, element: Element, identity: NodeIdentity) -> PlainTask:
        """Return an abstract or a manual task."""
        return PlainTask(**identity, **self._parts(element, _MAPPING)[1])

    def subprocess(self, element: Element, identity: NodeIdentity) -> SubProcess:
        """Return an embedded subprocess; its children are read on their own."""
        common = self._common(element, self._refusals.extensions(element, _MAPPING))
        is_transaction = local_name(element) == "transaction"
        if is_transaction and (common["multi_instance"] or common["loop"]):
            message = "A transaction is done once: nothing says what the cancelling of one round means for the others."
            self._refusals.find(element, "ATTRIBUTE_UNSUPPORTED", message, "Draw it in a repeated subprocess.")
        return SubProcess(**identity, **common, is_transaction=is_transaction)

    def is_job(self, element: Element) -> bool:
        """Return whether a handler does the work of an element that could do without."""
        return element.find(f"{{{BPMN}}}extensionElements/{{{ZEEBE}}}taskDefinition") is not None

    def call_activity(self, element: Element, identity: NodeIdentity) -> CallActivity:
        """Return a call activity."""
        extensions, common = self._parts(element, _EXTENSIONS | {"calledElement"})
        if not extensions.called_process:
            message = "No called process is named."
            self._refusals.find(element, "CALLED_PROCESS_MISSING", message, "Name the process's id.")
        return CallActivity(
            **identity,
            **common,
            called_process=extensions.called_process or "",
            binding=extensions.binding.type,
            version_tag=extensions.binding.version_tag,
            propagates_parent_variables=extensions.propagates_parent_variables,
            propagates_child_variables=extensions.propagates_child_variables,
        )

    def _parts(
        self, element: Element, allowed: frozenset[str], children: frozenset[str] = frozenset()
    ) -> tuple[Extensions, _Common]:
        self._refusals.require_children(element, NODE_CHILDREN | REPETITIONS | children)
        extensions = self._refusals.extensions(element, allowed)
        return extensions, self._common(element, extensions)

    def _common(self, element: Element, extensions: Extensions) -> _Common:
        repetitions = [child for child in element if local_name(child) in REPETITIONS]
        if len(repetitions) > 1:
            self._refusals.unsupported(repetitions[1], owner=element)
        first = repetitions[0] if repetitions else None
        is_loop = first is not None and local_name(first) == _LOOP
        return _Common(
            inputs=tuple(extensions.inputs),
            outputs=tuple(extensions.outputs),
            headers=extensions.headers,
            multi_instance=None if first is None or is_loop else self._multi_instance(first),
            loop=self._loop(element, first) if is_loop else None,
            default_flow=element.get("default"),
            is_for_compensation=is_true(element, "isForCompensation"),
        )

    def _loop(self, element: Element, loop: Element) -> StandardLoop:
        self._refusals.require_children(loop, frozenset({"documentation", "extensionElements", "loopCondition"}))
        self._refusals.extensions(loop)
        condition, maximum = loop.find(f"{{{BPMN}}}loopCondition"), str(loop.get("loopMaximum") or "").strip()
        if maximum and not _WHOLE_NUMBER.fullmatch(maximum):
            message = f"loopMaximum {maximum[:20]!r} is no whole number above 0."
            self._refusals.find(element, "LOOP_INVALID", message, "Give a number of rounds.")
            maximum = ""
        elif condition is None and not maximum:
            message = "The loop has neither a condition nor a maximum, and so no end."
            self._refusals.find(element, "LOOP_INVALID", message, "Give it a condition, such as =attempts < 3.")
        return StandardLoop(
            condition=None if condition is None else self._refusals.condition(element, condition),
            tests_before=is_true(loop, "testBefore"),
            maximum=int(maximum) if maximum else None,
        )

    def _multi_instance(self, element: Element) -> MultiInstance | None:
        self._refusals.require_children(element, _MULTI_INSTANCE_CHILDREN)
        loop = self._refusals.extensions(element, frozenset({"loopCharacteristics"})).loop
        if not self._is_complete(element, loop):
            return None
        return MultiInstance(
            is_sequential=is_true(element, "isSequential"),
            input_collection=loop.input_collection or "",
            input_element=loop.input_element,
            output_collection=loop.output_collection,
            output_element=loop.output_element,
            completion_condition=self._completion_condition(element),
        )

    def _is_complete(self, element: Element, loop: Loop) -> bool:
        if loop.input_collection is None:
            message = "Nothing says for which items it is done."
            self._refusals.find(element, "MULTI_INSTANCE_INVALID", message, "Give an input collection, such as =items.")
        if (loop.output_collection is None) != (loop.output_element is None):
            message = "Of output collection and output element one is missing."
            self._refusals.find(element, "MULTI_INSTANCE_INVALID", message, "Give both or neither.")
        return loop.input_collection is not None

    def _completion_condition(self, element: Element) -> str | None:
        condition = element.find(f"{{{BPMN}}}completionCondition")
        return None if condition is None else self._refusals.condition(element, condition)
