"""Inclusive and event-based gateways in memory."""

from __future__ import annotations

import time
from itertools import permutations

import pytest
from diagram_findings import findings_of
from diagrams import (
    boundary,
    catch,
    choice,
    diagram,
    document,
    duration,
    end,
    event_based,
    flow,
    for_each,
    gateway,
    inclusive,
    message,
    parallel,
    path,
    process,
    receive_task,
    service_task,
    signal,
    start,
    subprocess,
)
from stored_tree import StoredTree

from engine.errors import NoWayError

TASKS = tuple(service_task(name, "t") for name in ("A", "B", "C"))
FORK = (
    inclusive("Fork", "Otherwise"),
    flow("Fork", "A", '=contains(which, "A")', name="a"),
    flow("Fork", "B", '=contains(which, "B")', name="b"),
    flow("Fork", "C", flow_id="Otherwise", name="else"),
)  # fmt: skip
DIAMOND = diagram(
    "p", start(), path("Begin", "Fork"), *FORK, *TASKS, path("A", "Join", "After", "Done"), flow("B", "Join"),
    flow("C", "Join"), inclusive("Join"), service_task("After", "t"), end(),
)  # fmt: skip


@pytest.mark.parametrize("which", ["A", "B", "AB", ""])
def test_an_inclusive_gateway_forks_what_holds_and_joins_what_was_forked(which: str) -> None:
    expected = list(which) or ["C"]
    for order in permutations(expected):
        tree = StoredTree.of(DIAMOND, which=which)
        assert tree.waiting == expected
        for number, name in enumerate(order):
            assert tree.waiting == [each for each in expected if each not in order[:number]]
            tree.complete(name)
        assert tree.waiting == ["After"]
        tree.complete("After")
        assert tree.is_clean()
        assert tree.happened("completed").count("Join") == 1


def test_an_inclusive_join_waits_for_a_token_that_may_yet_choose_another_way() -> None:
    content = diagram(
        "p", start(), path("Begin", "Fork", "A", "Join", "After"), path("Fork", "B", "Where"), parallel("Fork"),
        choice("Where", "=there", "Join", "C"), *TASKS, inclusive("Join"), service_task("After", "t"),
    )  # fmt: skip
    for there in (True, False):
        tree = StoredTree.of(content)
        tree.complete("A")
        assert tree.waiting == ["B"]
        tree.complete("B", there=there)
        assert tree.waiting == (["After"] if there else ["C", "After"])


def test_an_inclusive_join_waits_for_what_leaves_by_a_boundary_event() -> None:
    content = diagram(
        "p", start(), path("Begin", "Fork", "A", "Join", "After"), path("Fork", "B", "Done"), parallel("Fork"),
        boundary("Caught", "B"), flow("Caught", "Join"), *TASKS[:2], inclusive("Join"), service_task("After", "t"),
        end(),
    )  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("A")
    assert tree.waiting == ["B"]

    failed = tree.branch()
    failed.raise_error("B", "ANY", {})
    assert failed.waiting == ["After"]
    tree.complete("B")
    assert tree.waiting == ["After"]


def test_a_token_that_could_as_well_come_where_one_has_come_is_not_waited_for() -> None:
    content = diagram(
        "p", start(), path("Begin", "Before", "Fork", "A", "Join", "After"), path("Fork", "B", "Join"),
        path("Begin", "A"), service_task("Before", "t"), parallel("Fork"), *TASKS[:2], inclusive("Join"),
        service_task("After", "t"),
    )  # fmt: skip
    tree = StoredTree.of(content)

    tree.complete("A")

    assert tree.waiting == ["Before", "After"]


@pytest.mark.parametrize("merges", [False, True], ids=["by a flow of its own", "merged with another branch"])
def test_a_token_whose_event_leads_where_one_has_come_is_waited_for(*, merges: bool) -> None:
    content = diagram(
        "p", start(), path("Begin", "Fork", "A", "Join", "After"), parallel("Fork"), path("Fork", "B", "Met", "Join"),
        boundary("Remind", "A", timer=duration("PT1H"), interrupting=False), gateway("Met"),
        flow("Remind", "Met" if merges else "Join"), *TASKS[:2], inclusive("Join"), service_task("After", "t"), end(),
    )  # fmt: skip
    tree = StoredTree.of(content)

    tree.complete("B")
    if not merges:
        tree.trigger("Remind")
    assert tree.waiting == ["A", "Remind"]
    tree.complete("A")

    assert tree.waiting == ["After"]


def test_a_join_does_not_wait_for_tokens_of_another_scope() -> None:
    inside = (start("In"), path("In", "Split", "A", "Join", "Out"), path("Split", "B", "Join"), parallel("Split"),
              *TASKS[:2], inclusive("Join"), end("Out"))  # fmt: skip
    content = diagram("p", start(), path("Begin", "Fork", "Sub", "After"), path("Fork", "C"), parallel("Fork"),
                      subprocess("Sub", *inside), TASKS[2], service_task("After", "t"))  # fmt: skip
    tree = StoredTree.of(content)

    tree.complete("A")
    tree.complete("B")

    assert tree.waiting == ["C", "After"]


def test_a_second_round_waits_behind_the_first() -> None:
    content = diagram("p", start(), path("Begin", "A", "Join", "After"), path("Begin", "B", "Join"), *TASKS[:2],
                      path("Begin", "C", "A"), TASKS[2], inclusive("Join"), service_task("After", "t"))  # fmt: skip
    tree = StoredTree.of(content)
    tree.complete("A")
    tree.complete("C")
    tree.complete("A")
    assert tree.waiting == ["B"]

    tree.complete("B")

    assert tree.waiting == ["After", "After"]


def test_a_join_is_not_looked_at_while_only_other_scopes_change() -> None:
    inside = (start("In"), path("In", "Split", "A", "Join"), path("Split", "B", "Join"), parallel("Split"),
              *TASKS[:2], inclusive("Join"))  # fmt: skip
    content = diagram("p", start(), path("Begin", "Sub"), subprocess("Sub", *inside, repeated=for_each("=[1, 2, 3]")))
    tree = StoredTree.of(content)
    for _ in range(3):
        tree.complete("A")
    workflow = tree.tree._workflow
    scope_id, *others = workflow.inclusive_joins
    assert len(others) == 2

    assert workflow.joins_to_judge() == []  # nothing has moved since it was loaded
    workflow.moved[scope_id] = None
    assert [join._parent for join in workflow.joins_to_judge()] == [scope_id]


def test_what_a_join_costs_does_not_grow_with_what_has_happened() -> None:
    content = diagram(
        "p", start(), path("Begin", "Round", "Fork", "A", "Join", "Again"), path("Fork", "B", "Join"), parallel("Fork"),
        gateway("Round"), service_task("A", "t", outputs={"n": "=n + 1"}), TASKS[1], inclusive("Join"),
        choice("Again", "=n < 300", "Round", "Done"), end(),
    )  # fmt: skip
    tree, seconds = StoredTree.of(content, n=0), []
    while not tree.is_completed:
        began = time.process_time()
        tree.complete("A")
        tree.complete("B")
        tree.journal.clear()
        seconds.append(time.process_time() - began)

    assert min(seconds[-100:]) < 2 * min(seconds[:100])  # the least: what disturbs the machine only adds


DECLARED = (message("Message", "paid", "=key"), signal("Signal", "alarm"))


def _awaiting(*further: str) -> bytes:
    events = (
        catch("Late", timer=duration("PT1H")),
        catch("Paid", message_ref="Message", outputs={"got": "=sent"}),
        receive_task("Received", "Message", outputs={"got": "=sent"}),
        catch("Alarmed", signal_ref="Signal"),
        catch("Full", condition="=level > 3"),
    )
    names = ("Late", "Paid", "Received", "Alarmed", "Full")
    content = [part for name in names for part in (flow("Which", name), flow(name, f"After{name}"))]
    tasks = (service_task(f"After{name}", "t") for name in names)
    return document(process("p", start(), path("Begin", "Which"), event_based("Which"), *events, *content, *tasks,
                            *further), *DECLARED)  # fmt: skip


@pytest.mark.parametrize(
    ("event", "got"),
    [("Late", {}), ("Paid", {"got": 1}), ("Received", {"got": 1}), ("Alarmed", {"sent": 1})],
)
def test_the_first_event_behind_an_event_based_gateway_is_the_way_on(event: str, got: dict[str, int]) -> None:
    tree = StoredTree.of(_awaiting(), key="k")
    assert tree.waiting == ["Late", "Paid", "Received", "Alarmed"]

    changes = tree.trigger(event, **({} if event == "Late" else {"sent": 1}))

    assert tree.waiting == [f"After{event}"]
    assert tree.variables == {"key": "k", **got}
    assert {each.element.id for each in changes.closed} == {"Late", "Paid", "Received", "Alarmed"}
    assert ("Received" in tree.happened("cancelled")) is (event != "Received")
    tree.complete(f"After{event}")
    assert tree.is_clean()


def test_a_condition_behind_an_event_based_gateway_is_an_event_too() -> None:
    tree = StoredTree.of(_awaiting(), key="k", level=1)

    tree.tree.set_variables({"level": 4})
    tree.keep()

    assert tree.waiting == ["AfterFull"]


def test_a_token_at_an_event_based_gateway_can_be_moved_and_its_events_cannot() -> None:
    tree = StoredTree.of(_awaiting(), key="k")

    assert [token.element.id for token in tree.tree.tokens()] == ["Which"]
    (token,) = tree.tree.tokens()
    tree.tree.move(token.task_id, "AfterLate")
    tree.keep()

    assert tree.waiting == ["AfterLate"]


@pytest.mark.parametrize("join", [parallel("Join"), inclusive("Join")], ids=["parallel", "inclusive"])
def test_a_join_without_a_flow_out_of_it_ends_what_it_joins(join: str) -> None:
    content = diagram(
        "p", start(), path("Begin", "Fork", "A", "Join"), path("Fork", "B", "Join"), parallel("Fork"), *TASKS[:2], join
    )
    assert findings_of(content, None) == ()
    tree = StoredTree.of(content)

    tree.complete("A")
    assert not tree.is_completed
    tree.complete("B")

    assert tree.is_clean()
    assert tree.happened("completed").count("Join") == 1


@pytest.mark.parametrize("kind", ["exclusiveGateway", "inclusiveGateway"])
def test_a_gateway_of_another_engine_that_leaves_no_way_fails_its_step(kind: str) -> None:
    content = diagram(
        "p",
        start(),
        path("Begin", "A", "Choose"),
        TASKS[0],
        f'<bpmn:{kind} id="Choose" name="Which?" />',
        flow("Choose", "Done", "=n = 1", name="one"),
        end(),
    )
    assert [(found.code, found.severity) for found in findings_of(content, None)] == [
        ("DEFAULT_FLOW_MISSING", "warning")
    ]
    assert ("DEFAULT_FLOW_MISSING", "error") in [(found.code, found.severity) for found in findings_of(content)]
    tree = StoredTree.of(content, n=2)

    with pytest.raises(NoWayError) as raised:
        tree.complete("A")

    assert raised.value.element_id == "Choose"
    one = StoredTree.of(content, n=1)
    one.complete("A")
    assert one.is_clean()
