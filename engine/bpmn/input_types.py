"""Whether what is mapped to a handler's inputs can be what the handler takes."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.contracts import Contracts, InputContract
from engine.bpmn.data_flow import DataFlow
from engine.bpmn.findings import finding_at
from engine.bpmn.model import Mapping, ServiceTask
from engine.bpmn.static_types import StaticType, type_of_expression
from engine.bpmn.variables import variables_read
from engine.errors import ExpressionError, Finding
from engine.feel import compile_expression
from engine.feel.parser import parse


def check_input_types(task: ServiceTask, flow: DataFlow, contracts: Contracts) -> Iterator[Finding]:
    """Return the inputs of a service task whose value cannot fit, whatever happens."""
    accepted = contracts.signature(task.type).inputs
    for mapping in task.inputs:
        contract = accepted.get(mapping.target)
        reason = None if contract is None else _objection(task, mapping, contract, flow)
        if reason is not None:
            message = f"{task.type} does not take this as {mapping.target!r}: {reason}."
            yield finding_at(task, "INPUT_TYPE", message, "Compare the mapping with the handler's input.")


def _objection(task: ServiceTask, mapping: Mapping, contract: InputContract, flow: DataFlow) -> str | None:
    try:
        constant, node = compile_expression(mapping.source).constant, parse(mapping.source)
        names = variables_read(mapping.source)
    except ExpressionError:  # a finding of its own
        return None
    if constant is not None:
        return contract.objection(constant)
    found = type_of_expression(node, {name: each for name in names if (each := _known(task, name, flow)) is not None})
    return None if found.fits(contract.type) else f"it is {found}, not {contract.type}"


def _known(task: ServiceTask, name: str, flow: DataFlow) -> StaticType | None:
    """Return what a variable can hold; `None` where others than this process's nodes may have written it."""
    state = flow.before(task.id)
    if state is None or state.is_open or not state.is_certain(name) or name in flow.given:
        return None
    if task.multi_instance is not None and name == task.multi_instance.input_element:
        return None
    return flow.type_of(name)
