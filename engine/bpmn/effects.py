"""What each node reads and writes of the variables around it, as far as its contract tells."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace

from engine.bpmn.contracts import Contracts
from engine.bpmn.model import (
    Activity,
    BoundaryEvent,
    BusinessRuleTask,
    CallActivity,
    ConditionTrigger,
    FlowNode,
    IntermediateCatchEvent,
    Mapping,
    MessageThrow,
    MessageTrigger,
    ReceiveTask,
    ScriptTask,
    SequenceFlow,
    ServiceTask,
    StartEvent,
    SubProcess,
    TimerTrigger,
    UserTask,
)
from engine.bpmn.static_types import ANYTHING, StaticType, type_of_expression
from engine.bpmn.variables import is_plain_variable, variables_read
from engine.errors import ExpressionError
from engine.feel.parser import parse

Types = MappingOf[str, StaticType]
_TEXT = StaticType(frozenset({"string"}))
_LIST = StaticType(frozenset({"list"}))
_CONTEXT = frozenset({"context"})
_LOOP_COUNTER = "loopCounter"
COMPLETED_BY = "completed_by"
"""Who completed a user task: what its output mappings and its output element can read, and no variable by itself."""


@dataclass(frozen=True)
class Read:
    """An expression that is evaluated when a token comes to a node, or leaves it.

    Attributes:
        accepts_null: Whether the value is passed on to something that takes null.
    """

    source: str
    names: frozenset[str]
    accepts_null: bool = False


@dataclass(frozen=True)
class Effects:
    """What becomes of the variables around a node.

    Attributes:
        reads: What the node's expressions look for outside of it.
        writes: What is there when a token leaves the node.
        perhaps: What may be there besides.
        inside: What only the nodes within a subprocess see.
        is_open: Whether variables of any name may be there.
    """

    reads: tuple[Read, ...] = ()
    writes: Types = field(default_factory=dict)
    perhaps: frozenset[str] = frozenset()
    inside: frozenset[str] = frozenset()
    is_open: bool = False


def effects_of(node: FlowNode, contracts: Contracts) -> Effects:
    """Return what a node does to the variables."""
    result = _result(node, contracts)
    reads = tuple(_reads(node, result, contracts))
    writes = _written(node, result)
    inside = _inside(node) if isinstance(node, SubProcess) else frozenset[str]()
    if isinstance(node, Activity) and node.multi_instance is not None:
        collection = node.multi_instance.output_collection  # an instance keeps all else to itself
        return Effects(reads, {} if collection is None else {collection: _LIST}, inside=inside)
    if isinstance(node, Activity) and node.loop is not None and node.loop.tests_before:
        return Effects(reads, {}, frozenset(writes or ()), inside, is_open=writes is None)
    return Effects(reads, writes or {}, inside=inside, is_open=writes is None)


def _result(node: FlowNode, contracts: Contracts) -> Types | None:  # noqa: PLR0911 - one case for each kind of node
    """Return what the work of a node, or what it waits for, brings; `None` where that can be anything."""
    match node:
        case ServiceTask():
            outputs = contracts.signature(node.type).outputs
            if node.result_variable is not None:
                return {node.result_variable: StaticType(_CONTEXT, outputs or {})}
            return outputs
        case UserTask():
            fields = contracts.forms.get(node.form_id or "")
            return None if fields is None else {**fields, COMPLETED_BY: _TEXT}
        case CallActivity():
            return None if node.outputs or node.propagates_child_variables else {}
        case StartEvent() | IntermediateCatchEvent() | BoundaryEvent():
            return {} if isinstance(node.trigger, TimerTrigger | ConditionTrigger | None) else None
        case ScriptTask():
            return {node.result_variable: _type(node.expression, {})}
        case BusinessRuleTask():
            return {node.result_variable: contracts.decision(node.decision_id).output}
        case ReceiveTask():
            return None
        case _:
            return {}


def _written(node: FlowNode, result: Types | None) -> Types | None:
    outputs = getattr(node, "outputs", ())
    if not outputs:
        return None if result is None else {name: kind for name, kind in result.items() if name != COMPLETED_BY}
    return {mapping.target: _type(mapping.source, result or {}) for mapping in outputs}


def condition_of(flow: SequenceFlow) -> Read | None:
    """Return what a flow's condition looks for."""
    return next(_read(flow.condition), None) if flow.condition is not None else None


def _reads(node: FlowNode, result: Types | None, contracts: Contracts) -> Iterator[Read]:
    inside = _of_one_round(node)
    if isinstance(node, Activity) and node.multi_instance is not None:
        yield from _read(node.multi_instance.input_collection)
    for mapping in getattr(node, "inputs", ()):
        for read in _read(mapping.source, inside):
            yield replace(read, accepts_null=_takes_null(node, mapping, contracts))
    targets = frozenset(mapping.target for mapping in getattr(node, "inputs", ()))
    for source in _sources(node):
        yield from _read(source, inside | targets)
    if isinstance(node, CallActivity) and node.propagates_parent_variables:
        needed = contracts.process_inputs.get(node.called_process, frozenset()) - inside - targets
        yield Read(node.called_process, needed)
    if isinstance(node, BusinessRuleTask):
        yield Read(node.decision_id, contracts.decision(node.decision_id).needed - inside - targets)
    if result is not None and not isinstance(node, SubProcess):
        for mapping in getattr(node, "outputs", ()):
            yield from _read(mapping.source, inside | targets | result.keys())


def _takes_null(node: FlowNode, mapping: Mapping, contracts: Contracts) -> bool:
    """Return whether a bare variable goes to an input that may be null; only handlers say that one may not."""
    if not is_plain_variable(mapping.source):
        return False
    accepted = contracts.signature(node.type).inputs.get(mapping.target) if isinstance(node, ServiceTask) else None
    return accepted is None or "null" in accepted.type.kinds


def _sources(node: FlowNode) -> Iterator[str]:
    trigger = getattr(node, "trigger", None)
    if isinstance(trigger, MessageTrigger) and trigger.correlation_key is not None:
        yield trigger.correlation_key
    if isinstance(trigger, TimerTrigger):
        yield trigger.expression
    message = getattr(node, "message", None)
    if isinstance(message, MessageThrow):
        yield from (message.correlation_key, message.time_to_live)
    if isinstance(node, ScriptTask):
        yield node.expression
    if isinstance(node, ServiceTask | UserTask) and node.priority is not None:
        yield node.priority
    if isinstance(node, UserTask):
        yield from node.candidate_expressions
        yield from (each for each in (node.assignee, node.due_date, node.follow_up_date) if each is not None)


def _inside(node: SubProcess) -> frozenset[str]:
    return _of_one_round(node) | {mapping.target for mapping in node.inputs}


def _of_one_round(node: FlowNode) -> frozenset[str]:
    """Return the variables that only the rounds of a loop or of a multi-instance activity have."""
    if isinstance(node, Activity) and node.loop is not None:
        return frozenset({_LOOP_COUNTER})
    if not isinstance(node, Activity) or node.multi_instance is None:
        return frozenset()
    element, collection = node.multi_instance.input_element, node.multi_instance.output_collection
    return frozenset({_LOOP_COUNTER, *(name for name in (element, collection) if name is not None)})


def _read(source: str, known: frozenset[str] = frozenset()) -> Iterator[Read]:
    try:
        names = variables_read(source) - known
    except ExpressionError:  # a finding of its own
        return
    if names:
        yield Read(source, names)


def _type(source: str, variables: Types) -> StaticType:
    try:
        return type_of_expression(parse(source), variables)
    except ExpressionError:
        return ANYTHING
