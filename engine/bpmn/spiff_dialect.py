"""The second dialect: service tasks of `spiffworkflow:`, written anew in the words of `zeebe:`.

An operator becomes a task type, its parameters become inputs. A parameter's value is Python there; literals, names,
paths, comparisons and arithmetic mean the same in FEEL and are translated, everything else is refused: above all what
counts from nought, and `and`, `or` and `not`, which take any value for a truth.
"""

from __future__ import annotations

import ast
import json

from lxml import etree

from engine.bpmn.dialects import SPIFFWORKFLOW
from engine.bpmn.refusals import Refusals
from engine.bpmn.xml import BPMN, ZEEBE
from engine.xml_documents import Element

_OPERATOR = "serviceTaskOperator"
_LONGEST_VALUE = 2_000
# Everything else of the dialect is a note for people.
_EXECUTED_ELSEWHERE = frozenset(
    {
        *("preScript", "postScript", "calledDecisionId", "messagePayload", "messageVariable"),
        *("processVariableCorrelation", "variables", "guestConfirmation", "allowGuest"),
    }
)
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISON: dict[type[ast.cmpop], str] = {
    ast.Eq: "=",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


class _UntranslatableError(Exception):
    """The value has no equal in FEEL."""


def translate_service_tasks(root: Element, refusals: Refusals) -> None:
    """Replace each `spiffworkflow:` operator by the `zeebe:` elements that say the same; refuse what has no equal."""
    for extension in list(root.iter(f"{{{SPIFFWORKFLOW}}}*")):
        container = extension.getparent()
        if container is None or container.tag != f"{{{BPMN}}}extensionElements":
            continue
        name = str(extension.tag).removeprefix(f"{{{SPIFFWORKFLOW}}}")
        if name == _OPERATOR and container.getparent().tag == f"{{{BPMN}}}serviceTask":
            _translate(extension, container, refusals)
            container.remove(extension)
        elif name == _OPERATOR or name in _EXECUTED_ELSEWHERE:
            message = f"spiffworkflow:{name} is not executed by this engine here."
            refusals.find(extension, "DIALECT_UNSUPPORTED", message, "Say it with zeebe: elements, or draw it.")


def _translate(operator: Element, container: Element, refusals: Refusals) -> None:
    definition = _add(container, "taskDefinition", type=operator.get("id", ""))
    for retry in operator.iter(f"{{{SPIFFWORKFLOW}}}retry"):
        definition.set("retries", retry.get("retries", ""))
    parameters = [each for each in operator.iter(f"{{{SPIFFWORKFLOW}}}parameter") if each.get("value") is not None]
    mapping = _add(container, "ioMapping") if parameters else None
    for parameter in parameters:
        source = _source(parameter, refusals)
        _add(mapping, "input", source=f"={source}", target=parameter.get("id", ""))
    if operator.get("resultVariable"):
        headers = _add(container, "taskHeaders")
        _add(headers, "header", key="resultVariable", value=operator.get("resultVariable"))


def _add(parent: Element, name: str, **attributes: str) -> Element:
    return etree.SubElement(parent, f"{{{ZEEBE}}}{name}", attributes)


def _source(parameter: Element, refusals: Refusals) -> str:
    text = parameter.get("value").strip()
    try:
        return _feel(ast.parse(text if len(text) <= _LONGEST_VALUE else "", mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError, _UntranslatableError):
        message = f"The value {text[:60]!r} of parameter {parameter.get('id', '')!r} has no equal in FEEL."
        hint = "Give a literal, a variable, a path, a comparison or arithmetic, or use zeebe:ioMapping."
        refusals.find(parameter, "EXPRESSION_UNSUPPORTED", message, hint)
        return "null"


def _feel(node: ast.expr) -> str:  # noqa: PLR0911 - one case for each kind of node
    """Return FEEL text of the same meaning."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return json.dumps(value, ensure_ascii=False)
        case ast.List(elts=items):
            return f"[{', '.join(_feel(item) for item in items)}]"
        case ast.Dict(keys=keys, values=values):
            names = [key.value if isinstance(key, ast.Constant) else None for key in keys]
            if not all(isinstance(name, str) for name in names):
                raise _UntranslatableError
            entries = (f"{json.dumps(name)}: {_feel(value)}" for name, value in zip(names, values, strict=True))
            return f"{{{', '.join(entries)}}}"
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name() | ast.Attribute() as owner, attr=name):
            return f"{_feel(owner)}.{name}"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"-({_feel(operand)})"
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
            return f"({_feel(left)} {_ARITHMETIC[type(operator)]} {_feel(right)})"
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _COMPARISON:
            return f"({_feel(left)} {_COMPARISON[type(operator)]} {_feel(right)})"
    raise _UntranslatableError
