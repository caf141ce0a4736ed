"""Compensation through subprocesses, called processes, repeated activities and transactions."""

from __future__ import annotations

import pytest
from compensation_diagrams import do, given_up, work
from diagrams import (
    boundary,
    call_activity,
    diagram,
    document,
    duration,
    end,
    event_subprocess,
    for_each,
    loop,
    parallel,
    path,
    process,
    script_task,
    service_task,
    signal,
    start,
    subprocess,
    throw,
    transaction,
    undone_by,
    user_task,
)
from stored_tree import StoredTree


def test_what_completed_in_a_subprocess_is_undone_in_its_turn() -> None:
    inner = (start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"))
    content = diagram("p", start(), path("Begin", "A", "Sub", "F", "Undo", "Done"), work("A"), work("F"),
                      subprocess("Sub", *inner), throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "C", "D", "F")

    do(tree, "UnF", "UnD", "UnC", "UnA")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["F", "D", "C", "Sub", "A"]


def test_subprocesses_that_end_without_another_step_are_undone_in_the_order_of_their_ends() -> None:
    one, two = (
        subprocess(name, start(f"In{name}"), path(f"In{name}", name.lower(), f"Last{name}"),
                   work(name.lower()), service_task(f"Last{name}", "t"))
        for name in ("One", "Two")
    )  # fmt: skip
    content = diagram("p", start(), parallel("Fork"), path("Begin", "Fork", "One"), path("Fork", "Two"),
                      path("Fork", "Check", "Undo", "Done"), one, two, service_task("Check", "t"),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "one", "two", "LastOne", "LastTwo", "Check")

    assert tree.waiting == ["Untwo"]
    tree.complete()
    assert tree.waiting == ["Unone"]
    tree.complete()

    assert tree.is_clean()


@pytest.mark.parametrize("holder", ["a subprocess", "a called process", "a repeated subprocess"])
def test_what_completed_beside_is_undone_between_the_parts_of_what_completed_around_it(holder: str) -> None:
    inner = (start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"))
    held, called = subprocess("Sub", *inner), ""
    if holder == "a called process":
        held, called = call_activity("Sub", "child"), process("child", *inner)
    elif holder == "a repeated subprocess":
        held = subprocess("Sub", *inner, repeated=for_each("=[1]", "thing"))
    parent = process("p", start(), parallel("Fork"), parallel("Join"), path("Begin", "Fork", "Sub", "Join", "Undo"),
                     path("Fork", "B", "Join"), path("Undo", "Done"), work("B"), held,
                     throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(document(parent, called))
    do(tree, "C", "B", "D")

    do(tree, "UnD", "UnB", "UnC")

    assert tree.is_clean()
    assert list(dict.fromkeys(tree.happened("compensated"))) == ["D", "B", "C", "Sub"]


def test_the_bodies_of_a_repeated_task_are_undone_among_what_completed_beside_them() -> None:
    each = service_task("Each", "do", multi_instance=for_each("=[1, 2]", "thing"))
    content = diagram("p", start(), parallel("Fork"), parallel("Join"), path("Begin", "Fork", "Each", "Join", "Undo"),
                      path("Fork", "B", "Join"), path("Undo", "Done"), work("B"), each,
                      undone_by("Each", service_task("UnEach", "undo")),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "Each", "B", "Each")

    do(tree, "UnEach", "UnB", "UnEach")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["Each", "B", "Each", "Each"]


def test_one_activity_is_undone_alone_though_others_completed_among_its_parts() -> None:
    inner = (start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"))
    content = diagram("p", start(), parallel("Fork"), parallel("Join"), path("Begin", "Fork", "Sub", "Join", "Undo"),
                      path("Fork", "B", "Join"), path("Undo", "Rest", "Done"), work("B"), subprocess("Sub", *inner),
                      throw("Undo", compensates="Sub"), throw("Rest", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "C", "B", "D")

    do(tree, "UnD", "UnC", "UnB")

    assert tree.is_clean()


def test_a_completed_subprocess_listens_to_nothing_any_more_within_it_or_on_its_boundary() -> None:
    begin = start("On", signal_ref="Sig", interrupting=False)
    events = event_subprocess("Events", begin, path("On", "Over"), end("Over"))
    inner = (start("S"), path("S", "C", "E"), work("C"), end("E"), events)
    content = document(
        process("p", start(), path("Begin", "Sub", "Check", "Undo", "Done"), path("Alarm", "Done"), end(),
                subprocess("Sub", *inner), boundary("Alarm", "Sub", signal_ref="Sig"), service_task("Check", "t"),
                throw("Undo", compensates="")),
        signal("Sig", "alarm"),
    )  # fmt: skip
    tree = StoredTree.of(content)
    assert tree.waiting == ["Alarm", "On", "C"]

    tree.complete("C")

    assert tree.waiting == ["Check"]
    do(tree, "Check", "UnC")
    assert tree.is_clean()


def test_a_handler_in_one_of_several_keeps_to_itself_what_it_writes() -> None:
    inner = (start("S"), path("S", "C", "E"), service_task("C", "t"), end("E"),
             undone_by("C", script_task("UnC", "=thing", "undone")))  # fmt: skip
    content = diagram("p", start(), path("Begin", "Each", "Undo", "Done"), throw("Undo", compensates=""), end(),
                      subprocess("Each", *inner, repeated=for_each("=[1, 2]", "thing")))  # fmt: skip
    tree = StoredTree.of(content)

    do(tree, "C", "C")

    assert tree.is_clean()
    assert tree.variables == {}
    assert tree.happened("compensated") == ["C", "Each", "C", "Each", "Each"]


def test_what_completed_in_a_called_process_is_undone_in_its_turn() -> None:
    child = process("child", start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"))
    parent = process("p", start(), path("Begin", "A", "Call", "Undo", "Done"), work("A"), end(),
                     call_activity("Call", "child"), throw("Undo", compensates=""))  # fmt: skip
    content = document(parent, child)
    tree = StoredTree.of(content)
    do(tree, "A", "C", "D")

    do(tree, "UnD", "UnC", "UnA")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["D", "C", "Call", "A"]


def test_the_handler_of_a_subprocess_stands_for_all_in_it() -> None:
    inner = (start("S"), path("S", "C", "E"), work("C"), end("E"))
    content = diagram("p", start(), path("Begin", "Sub", "Undo", "Done"),
                      subprocess("Sub", *inner), undone_by("Sub", service_task("UnSub", "t")),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("C")

    assert tree.waiting == ["UnSub"]
    tree.complete()
    assert tree.is_clean()


def test_what_a_cancelled_subprocess_had_done_is_not_undone_around_it() -> None:
    inner = (start("S"), path("S", "C", "Wait", "E"), work("C"), service_task("Wait", "t"), end("E"))
    content = diagram("p", start(), path("Begin", "Sub", "Done"), subprocess("Sub", *inner), boundary("Broken", "Sub"),
                      path("Broken", "Undo", "Done"), throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("C")

    tree.raise_error("Wait", "ANY", {})

    assert tree.is_clean()
    assert tree.happened("compensated") == []


def test_an_event_subprocess_that_an_error_begins_undoes_what_was_done_in_its_scope() -> None:
    events = event_subprocess("Events", start("On", error_ref=""), path("On", "Undo", "Handled"),
                              throw("Undo", compensates=""), end("Handled"))  # fmt: skip
    content = diagram("p", start(), path("Begin", "A", "B", "Done"), work("A"), service_task("B", "t"), end(), events)
    tree = StoredTree.of(content)
    tree.complete("A")

    tree.raise_error("B", "ANY", {})
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()


def test_each_completed_instance_of_a_multi_instance_activity_is_undone() -> None:
    each = service_task("A", "do", multi_instance=for_each("=items", "item"))
    handler = service_task("UnA", "undo", {"what": "=item", "got": "=result"})
    content = diagram("p", start(), path("Begin", "A", "Undo", "Done"), each, undone_by("A", handler),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content, items=["x", "y", "z"])
    first, second, third = (task.task_id for task in tree.tree.waiting())
    for task_id, number in ((second, 1), (third, 2), (first, 3)):
        tree.tree.complete(task_id, {"result": number}, {})
        tree.keep()

    seen = []
    while tree.waiting:
        seen.append(tree.inputs("UnA"))
        tree.complete()

    assert seen == [{"what": "x", "got": 3}, {"what": "z", "got": 2}, {"what": "y", "got": 1}]
    assert tree.is_clean()


def test_each_round_of_a_loop_is_undone() -> None:
    rounds = script_task("A", "=n + 1", "n", repeated=loop("=n < 3"))
    handler = service_task("UnA", "undo", {"n": "=n"})
    content = diagram("p", start(), path("Begin", "A", "Undo", "Done"), rounds, undone_by("A", handler),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content, n=0)

    seen = []
    while tree.waiting:
        seen.append(tree.inputs("UnA"))
        tree.complete()

    assert seen == [{"n": 3}, {"n": 2}, {"n": 1}]


def test_what_was_done_in_repeated_subprocesses_is_undone_instance_by_instance() -> None:
    inner = (start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"))
    content = diagram("p", start(), path("Begin", "Sub", "Undo", "Done"),
                      subprocess("Sub", *inner, repeated=for_each("=[1, 2]", sequential=True)),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "C", "D", "C", "D")

    do(tree, "UnD", "UnC", "UnD", "UnC")

    assert tree.is_clean()


def test_a_handler_may_be_done_for_each_item() -> None:
    handler = user_task("UnA", "people", multi_instance=for_each("=[1, 2]", "item"))
    content = diagram("p", start(), path("Begin", "A", "Undo", "Done"), service_task("A", "t"), undone_by("A", handler),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("A")

    do(tree, "UnA", "UnA")

    assert tree.is_clean()


def test_a_handler_may_call_a_process() -> None:
    child = process("child", start("S"), path("S", "C", "E"), work("C"), end("E"))
    parent = process("p", start(), path("Begin", "A", "Undo", "Done"), service_task("A", "t"), end(),
                     undone_by("A", call_activity("UnA", "child")), throw("Undo", compensates=""))  # fmt: skip
    content = document(parent, child)
    tree = StoredTree.of(content, x=1)
    do(tree, "A", "C")

    assert tree.is_clean()
    assert tree.variables == {"x": 1}


def test_a_cancelled_transaction_is_undone_and_left_by_its_cancel_event() -> None:
    inner = (start("S"), path("S", "Fork", "C", "D", "GiveUp"), path("Fork", "Slow", "GiveUp"), parallel("Fork"),
             work("C"), work("D"), work("Slow"), end("GiveUp", cancels=True))  # fmt: skip
    tree = StoredTree.of(given_up(*inner))
    do(tree, "A", "C", "D")

    assert tree.waiting == ["UnD"]
    do(tree, "UnD", "UnC")
    assert tree.waiting == ["Instead"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["D", "C"]


def test_nothing_begins_any_more_in_a_transaction_that_is_being_undone() -> None:
    again = event_subprocess("Again", start("OnSignal", signal_ref="Sig"), path("OnSignal", "Over"), end("Over"))
    broken = event_subprocess("Broken", start("OnError", error_ref=""), path("OnError", "Mended"), end("Mended"))
    content = document(
        process("p", start(), path("Begin", "Tx", "Done"), end(),
                transaction("Tx", start("S"), path("S", "C", "GiveUp"), work("C"), end("GiveUp", cancels=True),
                            again, broken),
                boundary("Cancelled", "Tx", cancels=True), path("Cancelled", "Instead", "Done"),
                boundary("Hazard", "Tx", error_ref=""), path("Hazard", "Look", "Done"),
                boundary("Late", "Tx", timer=duration("PT1H")), path("Late", "Done"),
                boundary("Noted", "Tx", signal_ref="Sig", interrupting=False), path("Noted", "Done"),
                service_task("Instead", "t"), service_task("Look", "t")),
        signal("Sig", "alarm"),
    )  # fmt: skip
    tree = StoredTree.of(content)
    assert tree.waiting == ["Late", "Noted", "OnSignal", "C"]
    tree.complete("C")
    assert tree.waiting == ["UnC"]

    tree.raise_error("UnC", "ANY", {})

    assert tree.waiting == ["Look"]


def test_a_transaction_that_is_not_cancelled_is_a_subprocess() -> None:
    tree = StoredTree.of(given_up(start("S"), path("S", "C", "E"), work("C"), end("E")))

    do(tree, "A", "C")

    assert tree.is_clean()


def test_the_compensation_event_subprocess_of_a_subprocess_undoes_it() -> None:
    events = event_subprocess("Events", start("On", compensates=""), path("On", "Before", "All", "Handled"),
                              service_task("Before", "t", {"x": "=x"}),
                              throw("All", compensates=""), end("Handled"))  # fmt: skip
    inner = (start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"), events)
    content = diagram("p", start(), path("Begin", "A", "Sub", "Change", "Undo", "Done"), work("A"),
                      subprocess("Sub", *inner, inputs={"x": "=1"}), script_task("Change", "=3", "x"),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "C", "D")
    assert tree.inputs("Before") == {"x": 1}

    do(tree, "Before", "UnD", "UnC", "UnA")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["D", "C", "Sub", "A"]
