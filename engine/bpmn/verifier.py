"""Deploy is verification: what a process model must satisfy before it may run.

Checks structure, events, expressions, soundness, and contracts with handlers, forms and called processes.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.calls import find_call_cycles
from engine.bpmn.compensation import check_compensation, check_inverse
from engine.bpmn.contracts import Contracts, check_contract
from engine.bpmn.data_flow import DataFlow
from engine.bpmn.effects import condition_of, effects_of
from engine.bpmn.endless_loops import check_endless_loops
from engine.bpmn.findings import errors_among, finding_at
from engine.bpmn.input_types import check_input_types
from engine.bpmn.model import (
    Activity,
    ConditionTrigger,
    FlowNode,
    MessageThrow,
    MessageTrigger,
    ProcessModel,
    ScriptTask,
    SequenceFlow,
    ServiceTask,
    UserTask,
)
from engine.bpmn.soundness import check_soundness
from engine.bpmn.structure import check_structure
from engine.bpmn.triggers import check_triggers
from engine.bpmn.undefined_variables import check_variables
from engine.errors import ExpressionError, Finding
from engine.feel import compile_expression

_INITIATOR = "initiator"


def verify(model: ProcessModel, contracts: Contracts | None) -> tuple[Finding, ...]:
    """Return every reason not to deploy `model`, and warnings; without errors it runs as drawn.

    Without contracts only what the diagram says by itself is looked at, as for a diagram of another engine: there a
    gateway may do without a default flow, and fails where no condition holds.
    """
    structure = (*check_structure(model), *check_triggers(model), *check_compensation(model))
    if contracts is None:
        structure = tuple(map(_of_another_engine, structure))
    return (
        *structure,
        *(() if errors_among(structure) else _behaviour(model)),
        *(finding for flow in model.flows if flow.condition for finding in _expression(flow, flow.condition)),
        *(finding for node in model.nodes.values() for finding in _node(model, node)),
        *(() if contracts is None else _surroundings(model, contracts)),
    )


def _behaviour(model: ProcessModel) -> tuple[Finding, ...]:
    """Return what can go wrong with the tokens of a process whose structure has no fault."""
    found = tuple(check_soundness(model))
    return found if errors_among(found) else (*found, *check_endless_loops(model))


def _of_another_engine(finding: Finding) -> Finding:
    is_tolerated = finding.code == "DEFAULT_FLOW_MISSING"
    return finding.model_copy(update={"severity": "warning"}) if is_tolerated else finding


def _surroundings(model: ProcessModel, contracts: Contracts) -> Iterator[Finding]:
    """Return what does not fit the handlers, forms, roles and processes around, or the variables that they give."""
    yield from find_call_cycles(model, contracts.calls)
    effects = {node.id: effects_of(node, contracts) for node in model.nodes.values()}
    conditions = {flow: read for flow in model.flows if (read := condition_of(flow)) is not None}
    data_flow = DataFlow(model, effects, conditions.values())
    for node in model.nodes.values():
        yield from check_contract(model, node, contracts)
        if isinstance(node, ServiceTask):
            yield from check_input_types(node, data_flow, contracts)
            yield from check_inverse(model, node, contracts)
    yield from check_variables(model, data_flow, effects, conditions)


def _node(model: ProcessModel, node: FlowNode) -> Iterator[Finding]:
    for source in _expressions(node):
        yield from _expression(node, source)
    if isinstance(node, UserTask):
        yield from _exclusions(model, node)


def _expressions(node: FlowNode) -> Iterator[str]:
    """Return the FEEL texts of a node; those of times are looked at with the times."""
    yield from (mapping.source for mapping in getattr(node, "inputs", ()))
    yield from (mapping.source for mapping in getattr(node, "outputs", ()))
    if isinstance(node, Activity):
        yield from _repetition(node)
    match getattr(node, "trigger", None):
        case MessageTrigger(correlation_key=str() as key):
            yield key
        case ConditionTrigger(expression=condition):
            yield condition
        case _:
            pass
    match getattr(node, "message", None):
        case MessageThrow(correlation_key=key, time_to_live=time_to_live):
            yield from (key, time_to_live)
        case _:
            pass
    match node:
        case ServiceTask(priority=str() as priority):
            yield priority
        case ScriptTask():
            yield node.expression
        case UserTask():
            yield from node.candidate_expressions
            yield from (source for source in (node.assignee, node.priority) if source is not None)
        case _:
            pass


def _repetition(activity: Activity) -> Iterator[str]:
    each, loop = activity.multi_instance, activity.loop
    texts = () if each is None else (each.input_collection, each.output_element, each.completion_condition)
    yield from (text for text in texts if text is not None)
    if loop is not None and loop.condition is not None:
        yield loop.condition


def _exclusions(model: ProcessModel, task: UserTask) -> Iterator[Finding]:
    for entry in task.excluded:
        if entry != _INITIATOR and not isinstance(model.nodes.get(entry), UserTask):
            message = f"excluded_principals names {entry!r}, which is no user task of this process."
            yield finding_at(task, "HEADER_INVALID", message, "Write 'initiator' or ids of user tasks, with commas.")


def _expression(owner: FlowNode | SequenceFlow, source: str) -> Iterator[Finding]:
    try:
        compile_expression(source)
    except ExpressionError as error:
        yield finding_at(owner, error.code, str(error), error.hint)
