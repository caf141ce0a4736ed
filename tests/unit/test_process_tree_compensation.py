"""Compensation: what is undone, in which order, with which variables; stored and loaded again after every step."""

from __future__ import annotations

from uuid import UUID

import pytest
from diagrams import (
    boundary,
    call_activity,
    diagram,
    document,
    end,
    event_subprocess,
    flow,
    for_each,
    inclusive,
    loop,
    parallel,
    path,
    process,
    script_task,
    service_task,
    start,
    subprocess,
    throw,
    transaction,
    undone_by,
    user_task,
)
from pydantic import JsonValue
from stored_tree import ROOT, StoredTree, compile_document

from engine.errors import CorruptStateError


def work(name: str) -> str:
    """A service task that a handler undoes."""
    return service_task(name, "do") + undone_by(name, service_task(f"Un{name}", "undo"))


def simple(*names: str, inner: str = "", activity: str = "") -> bytes:
    """A process that does some work, and then undoes it."""
    return diagram(
        "p",
        start(),
        path("Begin", *names, "Undo", "After", "Done"),
        *map(work, names),
        throw("Undo", compensates=activity),
        service_task("After", "t"),
        end(),
        inner,
    )


def do(tree: StoredTree, *names: str) -> None:
    for name in names:
        tree.complete(name)


def test_completed_activities_are_undone_one_after_another_the_last_one_first() -> None:
    tree = StoredTree.of(simple("A", "B", "C"))
    do(tree, "A", "B", "C")

    order = []
    for _ in range(3):
        order += tree.waiting
        tree.complete()

    assert order == ["UnC", "UnB", "UnA"]
    assert tree.happened("compensated") == ["C", "B", "A"]
    assert tree.waiting == ["After"]
    tree.complete()
    assert tree.is_clean()


def test_a_throw_goes_on_where_there_is_nothing_to_undo() -> None:
    tree = StoredTree.of(diagram("p", start(), path("Begin", "Undo", "Done"), throw("Undo", compensates=""), end()))

    assert tree.is_clean()


def test_records_leave_with_the_process() -> None:
    tree = StoredTree.of(diagram("p", start(), path("Begin", "A", "Done"), work("A"), end()))

    tree.complete("A")

    assert tree.is_clean()


def test_only_the_activity_that_a_throw_names_is_undone() -> None:
    tree = StoredTree.of(simple("A", "B", "C", activity="B"))
    do(tree, "A", "B", "C")

    assert tree.waiting == ["UnB"]
    tree.complete()

    assert tree.waiting == ["After"]


def test_a_second_throw_does_not_undo_what_the_first_one_has() -> None:
    content = diagram("p", start(), path("Begin", "A", "Undo", "B", "Again", "Done"), work("A"), work("B"), end(),
                      throw("Undo", compensates=""), throw("Again", compensates=""))  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "UnA", "B")

    assert tree.waiting == ["UnB"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["A", "B"]


def test_two_throws_at_once_undo_one_after_another() -> None:
    content = diagram("p", start(), path("Begin", "A", "B", "Fork", "One", "Done"), path("Fork", "Two", "Done"),
                      work("A"), work("B"), parallel("Fork"), end(),
                      throw("One", compensates=""), throw("Two", compensates=""))  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "B")

    assert tree.waiting == ["UnB"]
    tree.complete()
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["B", "A"]


def test_what_is_active_or_completes_later_is_not_undone() -> None:
    content = diagram("p", start(), path("Begin", "Fork", "A", "Undo", "Done"), path("Fork", "B", "Done"),
                      parallel("Fork"), work("A"), work("B"), throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("A")
    assert tree.waiting == ["B", "UnA"]

    tree.complete("B")
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["A"]


def test_an_end_event_compensates_before_its_token_ends() -> None:
    content = diagram("p", start(), path("Begin", "A", "Done"), work("A"), end(compensates=""))
    tree = StoredTree.of(content)

    tree.complete("A")
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()


def test_a_handler_sees_the_variables_as_they_were_when_its_activity_completed() -> None:
    handler = script_task("UnA", "=x + 1", "undone")
    content = diagram("p", start(), path("Begin", "A", "B", "Undo", "Done"),
                      service_task("A", "t"), undone_by("A", handler), script_task("B", "=100", "x"),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)

    tree.complete("A", x=1)

    assert tree.is_clean()
    assert tree.variables == {"x": 100, "undone": 2}


def test_a_handler_does_not_see_a_variable_that_was_not_there() -> None:
    handler = script_task("UnA", "=is defined(late)", "seen")
    content = diagram("p", start(), path("Begin", "A", "B", "Undo", "Done"),
                      service_task("A", "t"), undone_by("A", handler), script_task("B", "=100", "late"),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)

    tree.complete("A")

    assert tree.variables == {"late": 100, "seen": False}


def test_only_variables_that_the_handler_mentions_are_kept() -> None:
    handler = service_task("UnA", "undo", {"what": "=x.id"})
    content = diagram("p", start(), path("Begin", "A", "Wait", "Undo", "Done"), service_task("A", "t"), end(),
                      undone_by("A", handler), service_task("Wait", "t"), throw("Undo", compensates=""))  # fmt: skip
    tree = StoredTree.of(content, x={"id": 1}, large="...")

    tree.complete("A")

    assert {name for scope, name in tree.rows.variables if scope.int != 1} == {"x"}
    tree.complete("Wait")
    assert tree.inputs("UnA") == {"what": 1}


def test_what_stands_in_a_handler_sees_what_came_before_it_there() -> None:
    inner = (start("S"), path("S", "One", "Two", "E"), script_task("One", "=x + 1", "x"),
             script_task("Two", "=x * 10", "y"), end("E"))  # fmt: skip
    content = diagram("p", start(), path("Begin", "A", "B", "Undo", "Done"), service_task("A", "t"),
                      undone_by("A", subprocess("UnA", *inner)), script_task("B", "=50", "x"),
                      throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content, x=1)

    tree.complete("A")

    assert tree.is_clean()
    assert tree.variables == {"x": 2, "y": 20}


def test_what_completed_in_a_subprocess_is_undone_in_its_turn() -> None:
    inner = (start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"))
    content = diagram("p", start(), path("Begin", "A", "Sub", "F", "Undo", "Done"), work("A"), work("F"),
                      subprocess("Sub", *inner), throw("Undo", compensates=""), end())  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "C", "D", "F")

    do(tree, "UnF", "UnD", "UnC", "UnA")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["F", "D", "C", "Sub", "A"]


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


def given_up(*inner: str) -> bytes:
    return diagram(
        "p",
        start(),
        path("Begin", "A", "Tx", "Done"),
        work("A"),
        transaction("Tx", *inner),
        boundary("Cancelled", "Tx", cancels=True),
        path("Cancelled", "Instead", "Done"),
        service_task("Instead", "t"),
        end(),
    )


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


def test_an_interrupted_compensation_can_be_taken_up_again() -> None:
    events = event_subprocess("Events", start("On", error_ref=""), path("On", "Fix", "Again", "Handled"),
                              service_task("Fix", "t"), throw("Again", compensates=""), end("Handled"))  # fmt: skip
    content = diagram("p", start(), path("Begin", "A", "B", "Undo", "Done"), work("A"), work("B"), end(), events,
                      throw("Undo", compensates=""))  # fmt: skip
    tree = StoredTree.of(content)
    do(tree, "A", "B", "UnB")

    tree.raise_error("UnA", "ANY", {})
    assert tree.waiting == ["Fix"]
    do(tree, "Fix", "UnA")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["B", "A"]


def test_a_rolled_back_instance_undoes_all_that_has_completed_in_it() -> None:
    inner = (start("S"), path("S", "C", "D", "E"), work("C"), work("D"), end("E"))
    content = diagram("p", start(), path("Begin", "A", "Sub", "Done"), work("A"), subprocess("Sub", *inner), end())
    tree = StoredTree.of(content)
    do(tree, "A", "C")

    assert tree.tree.roll_back({"reason": "wrong data"})
    tree.keep()
    assert tree.waiting == ["UnC"]
    tree.complete()
    tree.tree.complete(tree.task("UnA").task_id, {}, {})
    changes = tree.keep()

    assert changes.rolled_back == {"reason": "wrong data"}
    assert tree.is_clean()
    assert tree.happened("cancelled") == ["D", "Sub"]


def test_an_instance_that_has_done_nothing_to_undo_is_not_rolled_back() -> None:
    tree = StoredTree.of(diagram("p", start(), path("Begin", "A", "Done"), work("A"), end()))

    assert not tree.tree.roll_back({})

    assert tree.waiting == ["A"]


def test_a_subprocess_may_be_undone_by_its_event_subprocess_alone() -> None:
    events = event_subprocess("Events", start("On", compensates=""), path("On", "Mend", "Handled"), end("Handled"),
                              service_task("Mend", "t", {"x": "=x"}))  # fmt: skip
    inner = (start("S"), path("S", "C", "E"), service_task("C", "t"), end("E"), events)
    content = diagram("p", start(), path("Begin", "Sub", "Change", "Undo", "Done"), subprocess("Sub", *inner), end(),
                      script_task("Change", "=3", "x"), throw("Undo", compensates=""))  # fmt: skip
    tree = StoredTree.of(content, x=1)
    tree.complete("C")

    assert tree.inputs("Mend") == {"x": 1}
    tree.complete("Mend")

    assert tree.is_clean()
    assert tree.happened("compensated") == ["Sub"]


def test_a_throw_goes_on_from_memory_as_from_rows() -> None:
    tree = StoredTree(compile_document(simple("A", "B")), {}, reloads=False)

    do(tree, "A", "B", "UnB", "UnA", "After")

    assert tree.is_clean()


def test_an_interrupted_transaction_leaves_no_handler_behind() -> None:
    inner = (start("S"), path("S", "C", "GiveUp"), work("C"), end("GiveUp", cancels=True))
    content = diagram("p", start(), path("Begin", "Tx", "Done"), transaction("Tx", *inner), end(),
                      boundary("Off", "Tx", cancels=True), path("Off", "Done"),
                      boundary("Broken", "Tx"), path("Broken", "Fix", "Done"), service_task("Fix", "t"))  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("C")

    tree.raise_error("UnC", "ANY", {})

    assert tree.waiting == ["Fix"]
    tree.complete("Fix")
    assert tree.is_clean()


def test_what_is_being_undone_is_undone_anew_when_the_instance_is_rolled_back() -> None:
    tree = StoredTree.of(simple("A", "B"))
    do(tree, "A", "B", "UnB")

    assert tree.tree.roll_back({})
    tree.keep()
    assert tree.waiting == ["UnA"]
    tree.complete()

    assert tree.is_clean()
    assert tree.happened("compensated") == ["B", "A"]


def test_a_cancelled_instance_leaves_nothing_of_its_compensation() -> None:
    tree = StoredTree.of(simple("A", "B"))
    do(tree, "A", "B")

    tree.tree.cancel()
    tree.keep()

    assert tree.is_clean()


def test_a_record_that_no_step_can_have_written_is_refused() -> None:
    tree = StoredTree.of(simple("A", "B"))
    do(tree, "A", "B")
    records = [row for row in tree.rows.tasks.values() if "completion" in row["internal"]]
    damaged: list[dict[str, JsonValue]] = [
        {},
        {"completion": "1"},
        {"completion": 1, "undoing": "nobody"},
        {"completion": 1, "undoing": str(ROOT)},
        {"completion": 1, "other": 1},
    ]

    for internal in damaged:
        twin = tree.branch()
        twin.rows.tasks[UUID(records[0]["task_id"])] = {**records[0], "internal": internal}
        with pytest.raises(CorruptStateError):
            twin.load()


def test_an_inclusive_join_does_not_wait_for_a_subprocess_that_has_become_a_record() -> None:
    inner = (start("S"), path("S", "C", "E"), work("C"), end("E"))
    content = diagram("p", start(), path("Begin", "Fork"), flow("Fork", "A", "=true"), flow("Fork", "Sub", "=true"),
                      inclusive("Fork"), inclusive("Join"), path("A", "Join", "Last", "Done"), end(),
                      flow("Sub", "Join", "=again", flow_id="Again"), flow("Sub", "Other", "=not(again)"), end("Other"),
                      work("A"), subprocess("Sub", *inner), service_task("Last", "t"))  # fmt: skip
    for reloads in (True, False):
        tree = StoredTree(compile_document(content), {"again": False}, reloads=reloads)
        do(tree, "A", "C")

        assert tree.waiting == ["Last"]
        tree.complete()
        assert tree.is_clean()
