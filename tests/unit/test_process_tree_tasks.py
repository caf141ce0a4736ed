"""Loops, scripts and messages that are sent, in memory."""

from __future__ import annotations

import pytest
from diagrams import (
    activity,
    boundary,
    diagram,
    document,
    duration,
    end,
    for_each,
    io_mapping,
    loop,
    message,
    path,
    process,
    script_task,
    service_task,
    start,
    subprocess,
    throw,
)
from stored_tree import StoredTree

from engine.errors import ExpressionEvaluationError
from engine.spiff import ThrownMessage


def _repeated(repeated: str, *further: str) -> bytes:
    work = service_task("Work", "t", {"which": "=loopCounter"}, multi_instance=repeated)
    return diagram("p", start(), path("Begin", "Work", "After"), work, service_task("After", "t"), *further)


@pytest.mark.parametrize(
    ("repeated", "rounds"),
    [
        pytest.param(loop("=n < 3"), 3, id="as long as a condition holds"),
        pytest.param(loop("=n < 0"), 1, id="the condition is looked at after a round"),
        pytest.param(loop("=n < 0", tests_before=True), 0, id="or before it"),
        pytest.param(loop("=n < 9", maximum=2), 2, id="at most so often"),
        pytest.param(loop(maximum=2), 2, id="so often"),
        pytest.param(loop("=loopCounter < 4"), 4, id="the condition sees the number of rounds"),
    ],
)
def test_a_loop_goes_round(repeated: str, rounds: int) -> None:
    tree, seen = StoredTree.of(_repeated(repeated), n=0), []

    while tree.waiting == ["Work"]:
        seen.append(tree.inputs("Work")["which"])
        tree.complete("Work", n=len(seen))

    assert seen == list(range(1, rounds + 1))
    assert tree.waiting == ["After"]
    assert tree.variables == {"n": rounds}
    tree.complete("After")
    assert tree.is_clean()


def test_an_event_on_the_boundary_of_a_loop_ends_all_of_it() -> None:
    content = _repeated(loop(maximum=9), boundary("Late", "Work", timer=duration("PT1H")), path("Late", "After"))
    tree = StoredTree.of(content)
    tree.complete("Work")
    assert tree.waiting == ["Late", "Work"]

    tree.trigger("Late")

    assert tree.waiting == ["After"]


def test_a_subprocess_may_be_a_loop() -> None:
    inside = (start("In"), path("In", "Work", "Count"), service_task("Work", "t"), script_task("Count", "=n + 1", "n"))
    content = diagram("p", start(), path("Begin", "Sub"), subprocess("Sub", *inside, repeated=loop("=n < 3")))
    tree = StoredTree.of(content, n=0)

    for _ in range(3):
        tree.complete("Work")

    assert tree.variables == {"n": 3}
    assert tree.is_clean()


def test_a_script_is_an_expression_over_its_inputs() -> None:
    script = script_task("Sum", "=a + b", "total", {"b": "=2 * a"})
    tree = StoredTree.of(diagram("p", start(), path("Begin", "Sum", "Done"), script, end()), a=1)

    assert tree.variables == {"a": 1, "total": 3}
    assert tree.is_clean()


def test_a_script_may_be_done_for_each_item() -> None:
    repeated = for_each("=[1, 2, 3]", "item", collect="squares", each="=square")
    script = script_task("Square", "=item * item", "square", repeated=repeated)
    tree = StoredTree.of(diagram("p", start(), path("Begin", "Square", "Done"), script, end()))

    assert tree.variables == {"squares": [1, 4, 9]}


def test_a_script_whose_values_do_not_fit_fails_its_step() -> None:
    script = script_task("Sum", '=sum("a")', "total")

    with pytest.raises(ExpressionEvaluationError):
        StoredTree.of(diagram("p", start(), path("Begin", "Sum", "Done"), script, end()))


PAYLOAD = {"amount": "=total * 2"}
SENDERS = [
    pytest.param(throw("Send", message_ref="Message", inputs=PAYLOAD) + path("Send", "Done") + end(), id="throw"),
    pytest.param(
        activity("endEvent", "Send", io_mapping(PAYLOAD, {}), '<bpmn:messageEventDefinition messageRef="Message" />'),
        id="end",
    ),
    pytest.param(activity("sendTask", "Send", io_mapping(PAYLOAD, {}), messageRef="Message"), id="send task"),
]


@pytest.mark.parametrize("sender", SENDERS)
def test_a_message_that_is_sent_carries_its_inputs_and_nothing_else(sender: str) -> None:
    content = document(process("p", start(), path("Begin", "Send"), sender), message("Message", "paid", "=order"))
    tree = StoredTree.of(content, order=17, total=2)

    (sent,) = tree.messages

    assert sent == ThrownMessage(
        element=sent.element,
        name="paid",
        correlation_source="order",
        correlation_key=17,
        payload={"amount": 4},
        time_to_live="PT1H",
    )
    assert sent.element.id == "Send"
    assert tree.is_clean()


def test_a_message_says_itself_how_long_it_is_kept() -> None:
    properties = '<zeebe:properties><zeebe:property name="time_to_live" value="=lasting" /></zeebe:properties>'
    sender = activity("sendTask", "Send", properties, messageRef="Message")
    content = document(process("p", start(), path("Begin", "Send"), sender), message("Message", "paid", "=order"))

    (sent,) = StoredTree.of(content, order=1, lasting="P2D").messages

    assert sent.time_to_live == "P2D"
