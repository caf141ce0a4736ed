"""Compensation: what of it is refused, where, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from diagram_findings import CONTRACTS, codes_of
from diagrams import (
    boundary,
    call_activity,
    catch,
    diagram,
    document,
    duration,
    end,
    event_based,
    event_subprocess,
    message,
    path,
    process,
    receive_task,
    script_task,
    service_task,
    start,
    subprocess,
    throw,
    transaction,
    undone_by,
    user_task,
)

from engine.bpmn import Signature, read_diagram, verify

HANDLER = service_task("Undo", "plain")
UNDO_ALL = (path("Begin", "X", "Throw", "Done"), throw("Throw", compensates=""), start(), end())
X = service_task("X", "plain")
FOR_COMPENSATION = '<bpmn:serviceTask id="Undo" isForCompensation="true"><bpmn:extensionElements>\
<zeebe:taskDefinition type="plain" /></bpmn:extensionElements></bpmn:serviceTask>'
EVENT = boundary("On", "X", compensates="")


PROPERTIES = (
    b'<bpmn:extensionElements><zeebe:properties><zeebe:property name="inputs" value="" />'
    b"</zeebe:properties></bpmn:extensionElements>"
)


def associated(source: str, target: str) -> str:
    return f'<bpmn:association id="From_{source}_to_{target}" sourceRef="{source}" targetRef="{target}" />'


def drawn(*content: str) -> bytes:
    return diagram("p", *UNDO_ALL, X, *content)


def within(*content: str, kind: str = "Sub") -> tuple[str, ...]:
    """What stands in a subprocess."""
    return (start("In"), path("In", f"{kind}Work", "Out"), service_task(f"{kind}Work", "plain"), end("Out"), *content)


@pytest.mark.parametrize(
    ("content", "code", "element_id"),
    [
        (drawn(EVENT), "COMPENSATION_HANDLER_MISSING", "On"),
        (drawn(EVENT, HANDLER, path("On", "Undo")), "COMPENSATION_CONNECTED", "On"),
        (drawn(EVENT, FOR_COMPENSATION), "COMPENSATION_HANDLER_UNUSED", "Undo"),
        (
            drawn(EVENT, FOR_COMPENSATION, associated("On", "Undo"), path("Undo", "Done")),
            "COMPENSATION_CONNECTED",
            "Undo",
        ),
        (
            drawn(
                undone_by("X", HANDLER), boundary("Late", "Undo", timer=duration("PT1H")), path("Late", "Done")
            ),
            "COMPENSATION_CONNECTED",
            "Undo",
        ),
        (drawn(undone_by("X", HANDLER), EVENT, associated("On", "Undo")), "BOUNDARY_AMBIGUOUS", "On"),
        (
            drawn(undone_by("X", HANDLER), boundary("On", "Undo", compensates="")),
            "BOUNDARY_MISPLACED",
            "On",
        ),
        (
            drawn(event_subprocess("Events", start("On", compensates=""), path("On", "E"), end("E"))),
            "COMPENSATION_MISPLACED",
            "On",
        ),
        (
            diagram("p", *UNDO_ALL, subprocess("X", *within(
                event_subprocess("Events", start("On", compensates=""), path("On", "E"), end("E")))),
                undone_by("X", HANDLER)),
            "COMPENSATION_MISPLACED",
            "On",
        ),
        (
            diagram("p", start(), path("Begin", "X", "Throw", "Done"), X, throw("Throw", compensates="X"), end()),
            "COMPENSATION_TARGET_UNKNOWN",
            "Throw",
        ),
        (
            diagram("p", start(), path("Begin", "X", "Throw", "Done"), X, throw("Throw", compensates="Y"), end()),
            "COMPENSATION_TARGET_UNKNOWN",
            "Throw",
        ),
        (
            diagram("p", start(), path("Begin", "X", "Throw", "Done"), end(), throw("Throw", compensates="SubWork"),
                    subprocess("X", *within(undone_by("SubWork", HANDLER)))),
            "COMPENSATION_TARGET_UNKNOWN",
            "Throw",
        ),
        (diagram("p", start(), path("Begin", "X", "Done"), X, end(cancels=True)), "COMPENSATION_MISPLACED", "Done"),
        (
            diagram("p", start(), path("Begin", "X", "Done"), end(),
                    transaction("X", start("In"), path("In", "Out"), end("Out", cancels=True))),
            "CANCEL_UNCAUGHT",
            "Out",
        ),
        (
            drawn(boundary("On", "X", cancels=True), path("On", "Done")),
            "BOUNDARY_MISPLACED",
            "On",
        ),
        (
            drawn().replace(b"EventDefinition", b'EventDefinition waitForCompletion="false"'),
            "ATTRIBUTE_UNSUPPORTED",
            "Throw",
        ),
        (
            drawn().replace(b"<bpmn:compensateEvent", b"<bpmn:cancelEvent"),
            "ELEMENT_UNSUPPORTED",
            "Throw",
        ),
    ],
)  # fmt: skip
def test_what_could_not_be_executed_as_drawn_is_refused(content: bytes, code: str, element_id: str) -> None:
    assert (code, element_id) in codes_of(content)


def test_an_event_subprocess_is_for_compensation_by_its_start_event_and_not_by_a_mark_alone() -> None:
    def marked(trigger: str) -> bytes:
        events = event_subprocess("Events", start("On", **{trigger: ""}), path("On", "Handled"), end("Handled"))
        return diagram(
            "p", *UNDO_ALL, subprocess("X", *within(events.replace(" id=", ' isForCompensation="true" id=', 1)))
        )

    assert codes_of(marked("compensates")) == []
    assert codes_of(marked("error_ref")) == [("ATTRIBUTE_UNSUPPORTED", "Events")]


def test_a_receive_task_behind_an_event_based_gateway_cannot_be_undone() -> None:
    content = document(
        process("p", start(), path("Begin", "Which", "Got", "Done"), path("Which", "Late", "Done"), end(),
                event_based("Which"), receive_task("Got", "Paid"), catch("Late", timer=duration("PT1H")),
                undone_by("Got", HANDLER)),
        message("Paid", "paid", "=key"),
    )  # fmt: skip

    assert codes_of(content) == [("EVENT_GATEWAY_INVALID", "Undo_Got")]


@pytest.mark.parametrize(
    "handler",
    [
        HANDLER,
        user_task("Undo", "people"),
        script_task("Undo", "=1", "x"),
        subprocess("Undo", *within()),
        call_activity("Undo", "child"),
    ],
)
def test_any_kind_of_activity_can_be_a_handler(handler: str) -> None:
    assert codes_of(drawn(undone_by("X", handler))) == []


def test_a_subprocess_with_handlers_and_a_cancelled_transaction_are_accepted() -> None:
    content = diagram(
        "p", start(), path("Begin", "X", "Tx", "Throw", "Done"), path("Off", "Done"), end(compensates="X"),
        subprocess("X", *within(undone_by("SubWork", HANDLER))), throw("Throw", compensates=""),
        transaction("Tx", start("S"), path("S", "Pay", "Give"), service_task("Pay", "plain"),
                    undone_by("Pay", service_task("Refund", "plain")), end("Give", cancels=True)),
        boundary("Off", "Tx", cancels=True),
    )  # fmt: skip

    assert codes_of(content) == []


def test_a_variable_that_only_a_handler_writes_may_be_there_behind_the_throw() -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "X", "Throw", "Last", "Done"),
        script_task("X", "=1", "x"),
        undone_by("X", script_task("Undo", "=x", "undone")),
        throw("Throw", compensates=""),
        script_task("Last", "=undone", "y"),
        end(),
    ).replace(b"<bpmn:startEvent", PROPERTIES + b"<bpmn:startEvent", 1)

    assert codes_of(content) == [("VARIABLE_PERHAPS_MISSING", "Last")]


def test_a_service_task_whose_handler_has_an_inverse_that_nothing_uses_is_warned_of() -> None:
    contracts = replace(CONTRACTS, signatures={"plain": Signature(inverse="unplain")})
    (model,) = read_diagram(diagram("p", start(), path("Begin", "X", "Done"), X, end()))
    (undone,) = read_diagram(drawn(undone_by("X", HANDLER)))

    (finding,) = verify(model, contracts)

    assert (finding.code, finding.element_id, finding.severity) == ("COMPENSATION_MISSING", "X", "warning")
    assert verify(undone, contracts) == ()
