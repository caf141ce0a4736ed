"""Events: what starts, holds, interrupts and ends a process (BPMN 2.0.2, 10.5)."""

from __future__ import annotations

from typing import Literal

from engine.bpmn.extensions import expression_text
from engine.bpmn.model import (
    BoundaryEvent,
    EndEvent,
    ErrorTrigger,
    IntermediateCatchEvent,
    IntermediateThrowEvent,
    Mapping,
    MessageTrigger,
    NodeIdentity,
    SignalTrigger,
    StartEvent,
    TimerTrigger,
    Trigger,
)
from engine.bpmn.refusals import NODE_CHILDREN, Refusals
from engine.bpmn.xml import BPMN, Element, is_true, local_name

_TIMER, _MESSAGE, _SIGNAL = "timerEventDefinition", "messageEventDefinition", "signalEventDefinition"
_ERROR, _TERMINATE = "errorEventDefinition", "terminateEventDefinition"
_CATCHING = frozenset({_TIMER, _MESSAGE, _SIGNAL})
_NAMED_BY_ID = ("message", "signal", "error")
_TIMES: dict[str, Literal["date", "duration", "cycle"]] = {
    "timeDate": "date",
    "timeDuration": "duration",
    "timeCycle": "cycle",
}


class EventReader:
    """Reads the events of one document, whose messages, signals and errors they refer to."""

    def __init__(self, root: Element, refusals: Refusals) -> None:
        self._refusals = refusals
        self._declared = {
            (kind, element.get("id")): element
            for kind in _NAMED_BY_ID
            for element in root.iterfind(f"{{{BPMN}}}{kind}")
        }

    def start_event(self, element: Element, identity: NodeIdentity) -> StartEvent:
        """Return a start event; its message needs no correlation key."""
        self._refusals.extensions(element)
        definition = self._definition(element, _CATCHING)
        if definition is None:
            return StartEvent(**identity)
        return StartEvent(**identity, trigger=self._trigger(element, definition, correlates=False))

    def end_event(self, element: Element, identity: NodeIdentity) -> EndEvent:
        """Return an end event: none, signal or terminate."""
        self._refusals.extensions(element)
        definition = self._definition(element, frozenset({_SIGNAL, _TERMINATE}))
        if definition is None:
            return EndEvent(**identity)
        if local_name(definition) == _TERMINATE:
            return EndEvent(**identity, terminates=True)
        return EndEvent(**identity, signal=self._signal(element, definition).name)

    def throw_event(self, element: Element, identity: NodeIdentity) -> IntermediateThrowEvent:
        """Return an intermediate event that throws a signal, or nothing."""
        self._refusals.extensions(element)
        definition = self._definition(element, frozenset({_SIGNAL}))
        signal = None if definition is None else self._signal(element, definition).name
        return IntermediateThrowEvent(**identity, signal=signal)

    def catch_event(self, element: Element, identity: NodeIdentity) -> IntermediateCatchEvent | None:
        """Return an intermediate event that waits; `None`, and a finding, where it waits for nothing."""
        definition = self._definition(element, _CATCHING)
        if definition is None:
            self._waits_for_nothing(element)
            return None
        trigger, outputs = self._trigger(element, definition), self._outputs(element, definition)
        return IntermediateCatchEvent(**identity, trigger=trigger, outputs=outputs)

    def boundary_event(self, element: Element, identity: NodeIdentity) -> BoundaryEvent | None:
        """Return a boundary event; `None`, and a finding, where it waits for nothing."""
        definition = self._definition(element, _CATCHING | {_ERROR})
        if definition is None:
            self._waits_for_nothing(element)
            return None
        is_interrupting = is_true(element, "cancelActivity", default=True)
        trigger: Trigger | ErrorTrigger
        if local_name(definition) == _ERROR:
            trigger = self._error(element, definition)
            if not is_interrupting:
                message = "An error event that does not interrupt has no meaning."
                self._refusals.find(element, "ATTRIBUTE_UNSUPPORTED", message, "Let it interrupt the activity.")
        else:
            trigger = self._trigger(element, definition)
        return BoundaryEvent(
            **identity,
            attached_to=element.get("attachedToRef", ""),
            trigger=trigger,
            is_interrupting=is_interrupting,
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

    def _error(self, element: Element, definition: Element) -> ErrorTrigger:
        reference = definition.get("errorRef")
        declaration = self._declaration("error", reference)
        code = None if declaration is None else self._refusals.plain_value(declaration, "errorCode")
        if reference is not None and code is None:
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
                parts = frozenset(_TIMES) if name == _TIMER else frozenset[str]()
                self._refusals.extensions(child)
                self._refusals.require_children(child, parts | {"documentation", "extensionElements"})
            elif name not in NODE_CHILDREN:
                self._refusals.unsupported(child, owner=element)
        return definition

    def _waits_for_nothing(self, element: Element) -> None:
        if all(local_name(child) in NODE_CHILDREN for child in element):  # else it is refused for what it waits for
            message, hint = "The event has nothing to wait for.", "Make it a timer, message, signal or error event."
            self._refusals.find(element, "EVENT_UNSUPPORTED", message, hint)

    def _declaration(self, kind: str, reference: str | None) -> Element | None:
        return None if reference is None else self._declared.get((kind, reference))
