"""Events: what starts, holds, interrupts and ends a process (BPMN 2.0.2, 10.5)."""

from __future__ import annotations

from typing import Literal

from engine.bpmn.extensions import Extensions, expression_text
from engine.bpmn.model import (
    BoundaryEvent,
    BoundaryTrigger,
    CancelTrigger,
    CompensationEvent,
    CompensationThrow,
    CompensationTrigger,
    ConditionTrigger,
    EndEvent,
    ErrorTrigger,
    EscalationTrigger,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    LinkEvent,
    Mapping,
    MessageThrow,
    MessageTrigger,
    NodeIdentity,
    SignalTrigger,
    StartEvent,
    TimerTrigger,
    Trigger,
)
from engine.bpmn.refusals import NODE_CHILDREN, Refusals
from engine.bpmn.xml import BPMN, is_true, local_name
from engine.xml_documents import Element

_TIMER, _MESSAGE, _SIGNAL = "timerEventDefinition", "messageEventDefinition", "signalEventDefinition"
_ERROR, _TERMINATE, _LINK = "errorEventDefinition", "terminateEventDefinition", "linkEventDefinition"
_ESCALATION, _CONDITION = "escalationEventDefinition", "conditionalEventDefinition"
_COMPENSATE, _CANCEL = "compensateEventDefinition", "cancelEventDefinition"
_CATCHING = frozenset({_TIMER, _MESSAGE, _SIGNAL})
_THROWING = frozenset({_MESSAGE, _SIGNAL, _ESCALATION, _COMPENSATE})
_BESIDE = _CATCHING | {_ERROR, _ESCALATION, _CONDITION}
_NAMED_BY_ID = ("message", "signal", "error", "escalation")
_TIMES: dict[str, Literal["date", "duration", "cycle"]] = {
    "timeDate": "date",
    "timeDuration": "duration",
    "timeCycle": "cycle",
}
_PARTS = {_TIMER: frozenset(_TIMES), _CONDITION: frozenset({"condition"}), _LINK: frozenset({"source", "target"})}
_TIME_TO_LIVE = "time_to_live"  # a property of what throws a message
_DEFAULT_TIME_TO_LIVE = "PT1H"


class EventReader:
    """Reads the events of one document, whose messages, signals and errors they refer to."""

    def __init__(self, root: Element, refusals: Refusals) -> None:
        self._refusals = refusals
        self._declared = {
            (kind, element.get("id")): element
            for kind in _NAMED_BY_ID
            for element in root.iterfind(f"{{{BPMN}}}{kind}")
        }
        self._associated = _associated(root)

    def start_event(self, element: Element, identity: NodeIdentity, *, begins_beside: bool) -> StartEvent:
        """Return a start event.

        Args:
            element: Of the diagram.
            identity: The node's.
            begins_beside: Whether it starts an event subprocess; then it waits as a boundary event does. The message of
                any other start event needs no correlation key.
        """
        definition = self._definition(element, _BESIDE | {_COMPENSATE} if begins_beside else _CATCHING)
        if definition is None:
            self._refusals.extensions(element)
            return StartEvent(**identity)
        if not begins_beside:
            self._refusals.extensions(element)
            return StartEvent(**identity, trigger=self._trigger(element, definition, correlates=False))
        return StartEvent(
            **identity,
            trigger=self._beside(element, definition),
            is_interrupting=self._interrupts(element, definition, "isInterrupting"),
            outputs=self._outputs(element, definition),
        )

    def end_event(self, element: Element, identity: NodeIdentity) -> EndEvent:  # noqa: PLR0911 - one case a kind
        """Return an end event."""
        definition = self._definition(element, _THROWING | {_ERROR, _TERMINATE, _CANCEL})
        if definition is None:
            self._refusals.extensions(element)
            return EndEvent(**identity)
        extensions = self._thrown_extensions(element, definition)
        match local_name(definition):
            case "terminateEventDefinition":
                return EndEvent(**identity, terminates=True)
            case "cancelEventDefinition":
                return EndEvent(**identity, cancels=True)
            case "compensateEventDefinition":
                return EndEvent(**identity, compensation=_compensation(definition))
            case "errorEventDefinition":
                return EndEvent(**identity, error_code=self._error(element, definition, is_thrown=True).error_code)
            case "escalationEventDefinition":
                return EndEvent(**identity, escalation_code=self._escalation_code(element, definition))
            case "messageEventDefinition":
                message = self.message_throw(element, definition, extensions)
                return EndEvent(**identity, message=message, inputs=tuple(extensions.inputs))
            case _:
                return EndEvent(**identity, signal=self._signal(element, definition).name)

    def throw_event(self, element: Element, identity: NodeIdentity) -> IntermediateThrowEvent | LinkEvent:
        """Return an intermediate event that throws something, or nothing."""
        definition = self._definition(element, _THROWING | {_LINK})
        if definition is None:
            self._refusals.extensions(element)
            return IntermediateThrowEvent(**identity)
        extensions = self._thrown_extensions(element, definition)
        match local_name(definition):
            case "linkEventDefinition":
                return self._link(element, definition, identity, is_catching=False)
            case "compensateEventDefinition":
                return IntermediateThrowEvent(**identity, compensation=_compensation(definition))
            case "escalationEventDefinition":
                return IntermediateThrowEvent(**identity, escalation_code=self._escalation_code(element, definition))
            case "messageEventDefinition":
                message = self.message_throw(element, definition, extensions)
                return IntermediateThrowEvent(**identity, message=message, inputs=tuple(extensions.inputs))
            case _:
                return IntermediateThrowEvent(**identity, signal=self._signal(element, definition).name)

    def catch_event(self, element: Element, identity: NodeIdentity) -> IntermediateCatchEvent | LinkEvent | None:
        """Return an intermediate event that waits; `None`, and a finding, where it waits for nothing."""
        definition = self._definition(element, _CATCHING | {_CONDITION, _LINK})
        if definition is None:
            self._waits_for_nothing(element)
            return None
        if local_name(definition) == _LINK:
            self._refusals.extensions(element)
            return self._link(element, definition, identity, is_catching=True)
        is_condition = local_name(definition) == _CONDITION
        trigger = self._condition(element, definition) if is_condition else self._trigger(element, definition)
        return IntermediateCatchEvent(**identity, trigger=trigger, outputs=self._outputs(element, definition))

    def boundary_event(self, element: Element, identity: NodeIdentity) -> BoundaryEvent | CompensationEvent | None:
        """Return a boundary event; `None`, and a finding, where it waits for nothing."""
        definition = self._definition(element, _BESIDE | {_COMPENSATE, _CANCEL})
        if definition is None:
            self._waits_for_nothing(element)
            return None
        if local_name(definition) == _COMPENSATE:
            self._refusals.extensions(element)
            attached_to = element.get("attachedToRef", "")
            return CompensationEvent(**identity, attached_to=attached_to, handlers=self._handlers(identity["id"]))
        return BoundaryEvent(
            **identity,
            attached_to=element.get("attachedToRef", ""),
            trigger=self._beside(element, definition),
            is_interrupting=self._interrupts(element, definition, "cancelActivity"),
            outputs=self._outputs(element, definition),
        )

    def message(self, element: Element, referring: Element, *, correlates: bool = True) -> MessageTrigger:
        """Return the message to which an event's definition, or a task itself, refers."""
        declaration = self._declaration("message", referring.get("messageRef"))
        name = None if declaration is None else self._refusals.plain_value(declaration, "name")
        if declaration is None or name is None:
            self._refusals.find(element, "MESSAGE_MISSING", "It names no message.", "Choose a message by name.")
        if declaration is None or not correlates:
            return MessageTrigger(name=name or "")
        key = self._refusals.extensions(declaration, frozenset({"subscription"})).correlation_key
        if key is None:
            message = f"Nothing says which {name or 'message'} of many is waited for."
            hint = "Give the message a subscription correlation key, an expression such as =order_id."
            self._refusals.find(element, "CORRELATION_KEY_MISSING", message, hint)
        return MessageTrigger(name=name or "", correlation_key=key)

    def message_throw(self, element: Element, referring: Element, extensions: Extensions) -> MessageThrow:
        """Return the message that an event or a send task throws."""
        message = self.message(element, referring)
        time_to_live = extensions.properties.get(_TIME_TO_LIVE, _DEFAULT_TIME_TO_LIVE)
        return MessageThrow(message.name, message.correlation_key or "null", expression_text(time_to_live))

    def throws_message(self, element: Element) -> bool:
        """Return whether an event throws a message."""
        return element.find(f"{{{BPMN}}}{_MESSAGE}") is not None

    def require_message_definition(self, element: Element) -> None:
        """Refuse what a message event that a handler sends has besides its message."""
        self._definition(element, frozenset({_MESSAGE}))

    def _beside(self, element: Element, definition: Element) -> BoundaryTrigger:
        match local_name(definition):
            case "errorEventDefinition":
                return self._error(element, definition)
            case "escalationEventDefinition":
                return self._escalation(element, definition)
            case "conditionalEventDefinition":
                return self._condition(element, definition)
            case "compensateEventDefinition":
                return CompensationTrigger()
            case "cancelEventDefinition":
                return CancelTrigger()
            case _:
                return self._trigger(element, definition)

    def _handlers(self, event_id: str) -> tuple[str, ...]:
        """Return what associations connect a compensation event with."""
        return tuple(self._associated.get(event_id, ()))

    def _interrupts(self, element: Element, definition: Element, attribute: str) -> bool:
        is_interrupting = is_true(element, attribute, default=True)
        if local_name(definition) in {_ERROR, _CANCEL} and not is_interrupting:
            message = "An event of this kind that does not interrupt has no meaning."
            self._refusals.find(element, "ATTRIBUTE_UNSUPPORTED", message, "Let it interrupt.")
        return is_interrupting

    def _thrown_extensions(self, element: Element, definition: Element) -> Extensions:
        is_message = local_name(definition) == _MESSAGE
        extensions = self._refusals.extensions(element, frozenset({"ioMapping"}) if is_message else frozenset())
        if extensions.outputs:
            message = "A thrown message brings nothing back: outputs have no meaning here."
            self._refusals.find(element, "MAPPING_INVALID", message, "Remove the outputs; inputs are what it carries.")
        return extensions

    def _link(self, element: Element, definition: Element, identity: NodeIdentity, *, is_catching: bool) -> LinkEvent:
        name = str(definition.get("name") or "").strip()
        if not name:
            self._refusals.find(element, "LINK_INVALID", "The link has no name.", "Give both its ends the same name.")
        return LinkEvent(**identity, link=name, is_catching=is_catching)

    def _condition(self, element: Element, definition: Element) -> ConditionTrigger:
        condition = definition.find(f"{{{BPMN}}}condition")
        if condition is None:
            message, hint = "The event has no condition.", "Give it one, such as =amount > 100."
            self._refusals.find(element, "CONDITION_MISSING", message, hint)
            return ConditionTrigger("false")
        return ConditionTrigger(self._refusals.condition(element, condition))

    def _escalation(self, element: Element, definition: Element) -> EscalationTrigger:
        if self._catches_every(element, definition, "escalation", "ESCALATION_CODE_MISSING"):
            return EscalationTrigger()
        return EscalationTrigger(self._escalation_code(element, definition))

    def _catches_every(self, element: Element, definition: Element, kind: str, code: str) -> bool:
        """Return whether a catching event names nothing, or something without a code (BPMN 2.0.2, table 10.90)."""
        reference = definition.get(f"{kind}Ref")
        declaration = self._declaration(kind, reference)
        if declaration is None or declaration.get(f"{kind}Code"):
            return reference is None
        message = f"The {kind} has no code: the event catches every {kind}."
        self._refusals.warn(element, code, message, f"Give the {kind} a code, or let the event name none.")
        return True

    def _escalation_code(self, element: Element, definition: Element) -> str:
        declaration = self._declaration("escalation", definition.get("escalationRef"))
        code = None if declaration is None else self._refusals.plain_value(declaration, "escalationCode")
        if code is None:
            message = "The escalation has no code."
            self._refusals.find(element, "ESCALATION_CODE_MISSING", message, "Choose an escalation that has one.")
        return code or ""

    def _trigger(self, element: Element, definition: Element, *, correlates: bool = True) -> Trigger:
        match local_name(definition):
            case "timerEventDefinition":
                return self._timer(element, definition)
            case "messageEventDefinition":
                return self.message(element, definition, correlates=correlates)
            case _:
                return self._signal(element, definition)

    def _timer(self, element: Element, definition: Element) -> TimerTrigger:
        times = [child for child in definition if local_name(child) in _TIMES]
        text = (times[0].text or "").strip() if len(times) == 1 else ""
        if not text:
            message = "Not one time but none or several are given."
            hint = "Give a date, a duration or a cycle: PT15M, or an expression such as =due_at."
            self._refusals.find(element, "TIMER_MISSING", message, hint)
            return TimerTrigger(kind="duration", expression='"PT0S"')
        self._refusals.require_children(times[0], frozenset())
        return TimerTrigger(kind=_TIMES[local_name(times[0])], expression=expression_text(text))

    def _signal(self, element: Element, definition: Element) -> SignalTrigger:
        declaration = self._declaration("signal", definition.get("signalRef"))
        name = None if declaration is None else self._refusals.plain_value(declaration, "name")
        if name is None:
            self._refusals.find(element, "SIGNAL_MISSING", "The event names no signal.", "Choose a signal by name.")
        return SignalTrigger(name=name or "")

    def _error(self, element: Element, definition: Element, *, is_thrown: bool = False) -> ErrorTrigger:
        if not is_thrown and self._catches_every(element, definition, "error", "ERROR_CODE_MISSING"):
            return ErrorTrigger()
        declaration = self._declaration("error", definition.get("errorRef"))
        code = None if declaration is None else self._refusals.plain_value(declaration, "errorCode")
        if code is None:
            self._refusals.find(element, "ERROR_CODE_MISSING", "The error has no code.", "Give the error a code.")
        return ErrorTrigger(error_code=code)

    def _outputs(self, element: Element, definition: Element) -> tuple[Mapping, ...]:
        brings_payload = local_name(definition) in {_MESSAGE, _SIGNAL}
        allowed = frozenset({"ioMapping"}) if brings_payload else frozenset[str]()
        extensions = self._refusals.extensions(element, allowed)
        if extensions.inputs:
            message = "An event takes nothing in: inputs have no meaning here."
            self._refusals.find(element, "MAPPING_INVALID", message, "Remove the inputs; map outputs.")
        return tuple(extensions.outputs)

    def _definition(self, element: Element, allowed: frozenset[str]) -> Element | None:
        definition = None
        for child in element:
            name = local_name(child)
            if name in allowed and definition is None:
                definition = child
                self._refusals.extensions(child)
                parts = _PARTS.get(name, frozenset()) | {"documentation", "extensionElements"}
                self._refusals.require_children(child, parts)
            elif name not in NODE_CHILDREN:
                self._refusals.unsupported(child, owner=element)
        return definition

    def _waits_for_nothing(self, element: Element) -> None:
        if all(local_name(child) in NODE_CHILDREN for child in element):  # else it is refused for what it waits for
            message, hint = (
                "The event has nothing to wait for.",
                "Give it a time, a message, a signal or a condition.",
            )
            self._refusals.find(element, "EVENT_UNSUPPORTED", message, hint)

    def _declaration(self, kind: str, reference: str | None) -> Element | None:
        return None if reference is None else self._declared.get((kind, reference))


def _compensation(definition: Element) -> CompensationThrow:
    return CompensationThrow(definition.get("activityRef") or None)


def _associated(root: Element) -> dict[str, list[str]]:
    """Return what is connected with what by associations, but for text annotations; their direction says nothing."""
    texts = {text.get("id") for text in root.iter(f"{{{BPMN}}}textAnnotation")}
    connected: dict[str, list[str]] = {}
    for association in root.iter(f"{{{BPMN}}}association"):
        source, target = association.get("sourceRef", ""), association.get("targetRef", "")
        if not texts & {source, target}:
            connected.setdefault(source, []).append(target)
            connected.setdefault(target, []).append(source)
    return connected
