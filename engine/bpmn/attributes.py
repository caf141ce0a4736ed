"""Attributes of BPMN elements that change how they run: each has the one meaning that is executed, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.bpmn.known_attributes import require_known_attributes
from engine.bpmn.refusals import Refusals
from engine.bpmn.xml import BPMN, local_name
from engine.xml_documents import Element

_FALSE, _TRUE = frozenset({"false", "0"}), frozenset({"true", "1"})
_FEEL = "feel"


@dataclass(frozen=True)
class _Refused:
    """An attribute that is let in only with values that change nothing.

    Attributes:
        is_neutral: Whether a value changes nothing.
        elements: The elements on which it is looked at; all where none are named.
    """

    is_neutral: Callable[[str], bool]
    hint: str
    elements: frozenset[str] = frozenset()


def _one_of(values: frozenset[str]) -> Callable[[str], bool]:
    return lambda value: value in values


def _never(_value: str) -> bool:
    return False


def _is_feel(value: str) -> bool:
    return not value or _FEEL in value.lower()


_REFUSED = {
    "waitForCompletion": _Refused(
        _one_of(_TRUE), "The event goes on when all is compensated: draw a parallel branch for what must not wait."
    ),
    "method": _Refused(
        _one_of(frozenset({"##Compensate", "compensate"})),
        "A transaction is given up by compensation: leave it out.",
        frozenset({"transaction"}),
    ),
    "instantiate": _Refused(_one_of(_FALSE), "Begin the process with a message start event."),
    "parallelMultiple": _Refused(_one_of(_FALSE), "Draw an event for each, behind a parallel gateway."),
    "startQuantity": _Refused(_one_of(frozenset({"1"})), "Join the tokens with a parallel gateway."),
    "completionQuantity": _Refused(_one_of(frozenset({"1"})), "Fork the tokens with a parallel gateway."),
    "eventGatewayType": _Refused(
        _one_of(frozenset({"Exclusive"})), "Draw a parallel gateway before the events, to wait for all of them."
    ),
    "behavior": _Refused(_one_of(frozenset({"All"})), "Events of single instances are not thrown: leave it out."),
    "isImmediate": _Refused(_one_of(_TRUE), "Draw what happens in between."),
    "operationRef": _Refused(_never, "Name a handler in zeebe:taskDefinition, or a message."),
    "calledElement": _Refused(_never, "Name the process in zeebe:calledElement.", frozenset({"callActivity"})),
    "scriptFormat": _Refused(_is_feel, "Write the script in FEEL.", frozenset({"scriptTask"})),
    "language": _Refused(_is_feel, "Write the expression in FEEL."),
}


def require_plain_meaning(process: Element, refusals: Refusals) -> None:
    """Refuse each attribute within a process, or on it, that would have to be executed in another way."""
    for element in process.iter(f"{{{BPMN}}}*"):
        require_known_attributes(element, refusals)
        for name, value in element.attrib.items():
            refused = _REFUSED.get(str(name))
            if refused is None or (refused.elements and local_name(element) not in refused.elements):
                continue
            if not refused.is_neutral(value.strip()):
                message = f"{name}={value[:20]} is not executed by this engine."
                refusals.find(element, "ATTRIBUTE_UNSUPPORTED", message, refused.hint)
