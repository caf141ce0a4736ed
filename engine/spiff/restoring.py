"""Stored tasks back in their tree: a row that no step can have written is refused, and never executed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import JsonValue
from SpiffWorkflow.util.task import TaskState

from engine.errors import CorruptStateError
from engine.spiff.activities import CallActivitySpec, SubprocessSpec, WaitingSpec
from engine.spiff.boundary import AttachedEventSpec
from engine.spiff.compensation import CompensatingSpec, RecordSpec, RollingBackSpec
from engine.spiff.decisions import DecisionTaskSpec
from engine.spiff.gateways import EventBasedGatewaySpec, InclusiveGatewaySpec, JoiningSpec
from engine.spiff.repetition import MultiInstanceSpec, RepeatingSpec, StandardLoopSpec
from engine.spiff.scope_specs import EventSubprocessSpec, ListenerSpec, is_interrupted
from engine.spiff.throwing import ErrorEndEventSpec
from engine.spiff.workflow import InstanceTask, InstanceWorkflow, is_process_run

if TYPE_CHECKING:
    from engine.spiff.changes import TaskRow

_ITEM_KEYS = {"item", "round"}
_RECORD_IDS = {"activity", "undoing"}
_RECORD_KEYS = {"completion", "cut", *_RECORD_IDS}


def restore_tasks(workflow: InstanceWorkflow, rows: Iterable[TaskRow]) -> None:
    """Hang stored tasks below the root, each below the one that it hung below.

    Raises:
        CorruptStateError: The rows do not describe an instance of this definition.
    """
    for row in sorted(rows, key=lambda row: row.position):
        _restore(workflow, row)
    for task in workflow.tasks.values():
        if not _is_whole(task):
            raise CorruptStateError(subject=f"task {task.id}", reason="what belongs to it is not there")


def _restore(workflow: InstanceWorkflow, row: TaskRow) -> None:
    try:
        task_spec: Any = workflow.subprocess_specs[row.process_id].task_specs[row.spec]
        parent = workflow.tasks[row.parent_id]
    except KeyError as error:
        raise CorruptStateError(subject=f"task {row.task_id}", reason=f"{error.args[0]} is not there") from error
    if row.state == TaskState.COMPLETED:
        task_spec = getattr(task_spec, "record", None) or task_spec
    if not (_has_place(task_spec, parent, row.internal) and _has_form(task_spec, row.state, row.internal)):
        raise CorruptStateError(subject=f"task {row.task_id}", reason="its state is none that can be stored")
    task = InstanceTask(workflow, task_spec, parent, row.state, row.task_id, row.position)
    task.internal_data = dict(row.internal)
    if isinstance(task_spec, CompensatingSpec | RollingBackSpec):
        workflow.compensations[task.id] = task
    if isinstance(task_spec, JoiningSpec):
        workflow.joins[row.parent_id, row.spec].append(task)
    if isinstance(task_spec, InclusiveGatewaySpec):
        workflow.await_others(task)
    if row.state == TaskState.WAITING and "holds" in row.internal:
        workflow.conditions[task.id] = task


def _has_place(task_spec: Any, parent: InstanceTask, internal: Mapping[str, JsonValue]) -> bool:  # noqa: PLR0911 - one case a kind of place
    """Return whether a task of this kind can hang below the parent."""
    around = parent.task_spec
    if isinstance(task_spec, RecordSpec):
        return _can_hold(around, task_spec)
    if isinstance(around, RecordSpec):
        return around.handler is task_spec
    if task_spec is task_spec._wf_spec.start:
        return isinstance(around, CallActivitySpec) and around.called == task_spec._wf_spec.name
    if isinstance(task_spec, RollingBackSpec):
        return parent is parent.workflow.task_tree
    if around._wf_spec is not task_spec._wf_spec:
        return False
    match task_spec:
        case AttachedEventSpec():
            return task_spec in getattr(around, "attached", ())
        case ListenerSpec():
            return task_spec in _content(around, "listeners")
        case _ if _ITEM_KEYS & internal.keys():
            return isinstance(around, RepeatingSpec) and around.inner is task_spec
        case _ if isinstance(around, EventBasedGatewaySpec):
            return any(event is task_spec for _, event in around.flows)
        case _:
            scope = around.node.id if isinstance(around, SubprocessSpec | EventSubprocessSpec) else None
            is_scope = scope is not None or around is task_spec._wf_spec.start
            return is_scope and getattr(task_spec, "node", None) is not None and task_spec.node.scope == scope


def _can_hold(around: Any, record: RecordSpec) -> bool:
    """Return whether what a record is of can have completed below a task of this kind."""
    around, completed = around.origin or around, record.origin
    if completed is completed._wf_spec.start:
        return isinstance(around, CallActivitySpec) and around.called == completed._wf_spec.name
    if around._wf_spec is not completed._wf_spec:
        return False
    if record.handler is completed:
        return _compensation(around) is completed
    if isinstance(around, RepeatingSpec):
        return around.inner is completed
    scope = around.node.id if isinstance(around, SubprocessSpec | EventSubprocessSpec) else None
    return (scope is not None or around is completed._wf_spec.start) and completed.node.scope == scope


def _compensation(around: Any) -> Any:
    return getattr(getattr(around, "content", None), "compensation", None)


def _content(around: Any, part: str) -> list[Any]:
    found: list[Any] = getattr(getattr(around, "content", None), part, [])
    return found


def _has_form(task_spec: Any, state: int, internal: Mapping[str, JsonValue]) -> bool:
    """Return whether a task of this kind rests in such a state, with such values for its spec to read."""
    values = {key: value for key, value in internal.items() if key not in _ITEM_KEYS}
    if len(internal) - len(values) > 1 or not _is_item(internal):
        return False
    return state == _resting_state(task_spec) and _has_values(task_spec, values)


def _is_item(internal: Mapping[str, JsonValue]) -> bool:
    match internal.get("item", {"loopCounter": 1}), internal.get("round", 1):
        case {"loopCounter": int()}, int():
            return True
        case _:
            return False


def _resting_state(task_spec: Any) -> int | None:
    """Return the state in which tasks of a kind rest between two steps; `None` where they never rest."""
    match task_spec:
        case RecordSpec():
            return int(TaskState.COMPLETED)
        case CompensatingSpec() | RollingBackSpec():
            return int(TaskState.STARTED)
        case RepeatingSpec() | CallActivitySpec() | SubprocessSpec() | EventSubprocessSpec() | EventBasedGatewaySpec():
            return int(TaskState.STARTED)
        case JoiningSpec() | WaitingSpec() | AttachedEventSpec() | ListenerSpec():
            return int(TaskState.WAITING)
        case ErrorEndEventSpec() | DecisionTaskSpec():
            return int(TaskState.WAITING)
        case _:
            return int(TaskState.STARTED) if task_spec is task_spec._wf_spec.start else None


def _has_values(task_spec: Any, values: Mapping[str, JsonValue]) -> bool:  # noqa: PLR0911 - one case a kind
    match task_spec, values:
        case RecordSpec() | CompensatingSpec() | RollingBackSpec(), _:
            return _has_values_of_compensation(task_spec, values)
        case MultiInstanceSpec(), {"total": int(), "started": int(), "completed": int()}:
            return len(values) == 3  # noqa: PLR2004 - those of the pattern
        case StandardLoopSpec(), {"rounds": int()}:
            return len(values) == 1
        case JoiningSpec(), {"arrived": [_, *_] as flows}:
            return len(values) == 1 and all(isinstance(flow, str) for flow in flows)
        case RepeatingSpec() | JoiningSpec(), _:
            return False
        case ((AttachedEventSpec() | ListenerSpec() | WaitingSpec()), {"holds": bool()}):
            return len(values) == 1 and not task_spec.waits_outside
        case ((AttachedEventSpec() | ListenerSpec() | WaitingSpec()), _):
            return not values and task_spec.waits_outside
        case _:
            return not values


def _has_values_of_compensation(task_spec: Any, values: Mapping[str, JsonValue]) -> bool:
    match task_spec, values:
        case RecordSpec(), {"completion": int()}:
            return values.keys() <= _RECORD_KEYS and all(_is_id(values[key]) for key in values.keys() & _RECORD_IDS)
        case CompensatingSpec(), {"before": int()}:
            return len(values) == 1
        case RollingBackSpec(), {"before": int(), "request": dict()}:
            return len(values) == 2  # noqa: PLR2004 - those of the pattern
        case _:
            return False


def _is_whole(task: InstanceTask) -> bool:  # noqa: PLR0911 - one case a kind
    """Return whether the tasks and values that it cannot go on without are there."""
    task_spec, children = task.task_spec, task.children_now
    match task_spec:
        case RecordSpec():
            return _is_whole_record(task)
        case MultiInstanceSpec():
            instances = sum("item" in child.internal_data for child in children if child.task_spec.is_token)
            counts = task.internal_data
            return instances == counts["started"] - counts["completed"] > 0 and task_spec.has_items(task)
        case StandardLoopSpec():
            return [child.internal_data["round"] - 1 for child in children if child.task_spec.is_token] == [
                task.internal_data["rounds"]
            ]
        case CallActivitySpec():
            return sum(is_process_run(child) for child in children) == 1
        case EventBasedGatewaySpec():
            return {child.task_spec for child in children} == {event for _, event in task_spec.flows}
        case SubprocessSpec() | EventSubprocessSpec():
            return task.tokens > 0 and _listens(task)
        case _ if is_process_run(task):
            # Of the outermost run nothing may be left.
            return (task.tokens > 0 and _listens(task)) or (task is task.workflow.task_tree and not children)
        case _:
            return True


def _is_whole_record(record: InstanceTask) -> bool:
    """Return whether a record holds what can be undone, and what undoes it for a throw that is there."""
    throw, held = record.internal_data.get("undoing"), [each for each in record.children_now if not _is_token(each)]
    if throw is not None and UUID(throw) not in record.workflow.compensations:
        return False
    if record.task_spec.handler is not None:
        return not held and record.tokens == (throw is not None)
    is_going_on = throw is None or sum(each.internal_data.get("undoing") == throw for each in held) == 1
    return record.tokens == 0 and (bool(held) or "cut" in record.internal_data) and is_going_on


def _is_token(task: InstanceTask) -> bool:
    return bool(task.task_spec.is_token)


def _is_id(value: JsonValue) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


def _listens(scope: InstanceTask) -> bool:
    """Return whether the events that can begin beside a scope's tokens wait, or none where one has interrupted it."""
    waiting = [child.task_spec for child in scope.children_now if isinstance(child.task_spec, ListenerSpec)]
    expected = [] if is_interrupted(scope) else scope.task_spec.content.listeners
    return sorted(each.name for each in waiting) == sorted(each.name for each in expected)
