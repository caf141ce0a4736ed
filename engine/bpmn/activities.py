"""Activities: the work of handlers, of people and of other processes, once or for each item (BPMN 2.0.2, 10.3)."""

from __future__ import annotations

from engine.bpmn.events import EventReader
from engine.bpmn.extensions import Extensions, Loop
from engine.bpmn.model import CallActivity, MultiInstance, NodeIdentity, ReceiveTask, ServiceTask, UserTask
from engine.bpmn.refusals import NODE_CHILDREN, Refusals
from engine.bpmn.xml import BPMN, Element, is_true

_EXTENSIONS = frozenset({"ioMapping", "taskHeaders"})
_JOB = frozenset({"taskDefinition", "jobPriorityDefinition", "priorityDefinition"})
_ASSIGNMENT = frozenset({"userTask", "formDefinition", "assignmentDefinition", "taskSchedule", "priorityDefinition"})
_MULTI_INSTANCE = "multiInstanceLoopCharacteristics"
_MULTI_INSTANCE_CHILDREN = frozenset({"documentation", "extensionElements", "completionCondition"})
_RESULT_VARIABLE = "resultVariable"
_EXCLUDED_PRINCIPALS = "excluded_principals"


class ActivityReader:
    """Reads the activities of one document."""

    def __init__(self, refusals: Refusals, events: EventReader) -> None:
        self._refusals = refusals
        self._events = events

    def service_task(self, element: Element, identity: NodeIdentity) -> ServiceTask:
        """Return a service task."""
        extensions, repetition = self._parts(element, _EXTENSIONS | _JOB)
        if not extensions.task_type:
            message = "The service task has no type."
            self._refusals.find(element, "TASK_TYPE_MISSING", message, "Choose an element template.")
        result_variable = extensions.headers.pop(_RESULT_VARIABLE, None)
        if result_variable is not None and not result_variable.isidentifier():
            message = f"{_RESULT_VARIABLE} {result_variable[:60]!r} is not a variable name."
            self._refusals.find(element, "HEADER_INVALID", message, "Use a plain name.")
        return ServiceTask(
            **identity,
            inputs=tuple(extensions.inputs),
            outputs=tuple(extensions.outputs),
            headers=extensions.headers,
            multi_instance=repetition,
            type=extensions.task_type or "",
            retries=extensions.retries,
            priority=extensions.priority,
            result_variable=result_variable,
        )

    def user_task(self, element: Element, identity: NodeIdentity) -> UserTask:
        """Return a user task; where the diagram assigns nobody, those whom its lane names are the candidates."""
        extensions, repetition = self._parts(element, _EXTENSIONS | _ASSIGNMENT)
        groups, lane = extensions.candidate_groups, identity["lane"]
        if not (groups or extensions.candidate_users or extensions.assignee):
            groups = (lane,) if lane else ()
        if not (groups or extensions.candidate_users or extensions.assignee):
            message = "Nobody may complete the task."
            hint = "Assign it to candidate groups, candidate users or an assignee, or draw it in a named lane."
            self._refusals.find(element, "CANDIDATES_MISSING", message, hint)
        excluded = extensions.headers.pop(_EXCLUDED_PRINCIPALS, "")
        return UserTask(
            **identity,
            inputs=tuple(extensions.inputs),
            outputs=tuple(extensions.outputs),
            headers=extensions.headers,
            multi_instance=repetition,
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
        extensions, repetition = self._parts(element, frozenset({"ioMapping"}))
        return ReceiveTask(
            **identity,
            inputs=tuple(extensions.inputs),
            outputs=tuple(extensions.outputs),
            multi_instance=repetition,
            trigger=self._events.message(element, element),
        )

    def call_activity(self, element: Element, identity: NodeIdentity) -> CallActivity:
        """Return a call activity."""
        extensions, repetition = self._parts(element, _EXTENSIONS | {"calledElement"})
        if not extensions.called_process:
            message = "No called process is named."
            self._refusals.find(element, "CALLED_PROCESS_MISSING", message, "Name the process's id.")
        if extensions.binding.type != "latest":
            message = "A call takes the newest version that is deployed when the instance starts."
            self._refusals.find(element, "BINDING_UNSUPPORTED", message, "Set the binding to 'latest'.")
        return CallActivity(
            **identity,
            inputs=tuple(extensions.inputs),
            outputs=tuple(extensions.outputs),
            headers=extensions.headers,
            multi_instance=repetition,
            called_process=extensions.called_process or "",
            propagates_parent_variables=extensions.propagates_parent_variables,
            propagates_child_variables=extensions.propagates_child_variables,
        )

    def _parts(self, element: Element, allowed: frozenset[str]) -> tuple[Extensions, MultiInstance | None]:
        self._refusals.require_children(element, NODE_CHILDREN | {_MULTI_INSTANCE})
        repetitions = element.findall(f"{{{BPMN}}}{_MULTI_INSTANCE}")
        if len(repetitions) > 1:
            self._refusals.unsupported(repetitions[1], owner=element)
        repetition = self._multi_instance(repetitions[0]) if repetitions else None
        return self._refusals.extensions(element, allowed), repetition

    def _multi_instance(self, element: Element) -> MultiInstance | None:
        self._refusals.require_children(element, _MULTI_INSTANCE_CHILDREN)
        loop = self._refusals.extensions(element, frozenset({"loopCharacteristics"})).loop
        if element.get("behavior", "All") != "All":
            message = "Events of single instances are not thrown."
            self._refusals.find(element, "ATTRIBUTE_UNSUPPORTED", message, "Leave out the attribute behavior.")
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
