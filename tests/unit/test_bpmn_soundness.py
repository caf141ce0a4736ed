"""Concurrent flows: which joins and loops are refused, and which unusual ones are not."""

from __future__ import annotations

import time

import pytest
from diagram_findings import codes_of, findings_of
from diagrams import choice, document, end, gateway, parallel, path, process, signal, start
from drawn_nets import TokenGame, TooManyError, drawn, model_of
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from engine.bpmn import Activity, ProcessModel, soundness
from engine.bpmn.components import strong_components
from engine.bpmn.reachability import reached_from
from engine.bpmn.soundness import check_soundness
from engine.bpmn.structure import check_structure

JOIN, LOOP = "UNSOUND_JOIN", "UNSOUND_LOOP"


@pytest.mark.parametrize(
    ("flows", "faults"),
    [
        pytest.param("S>X1 X1>T1 X1>P2 T1>P2 P2>E", [(JOIN, "P2")], id="a join of an exclusive choice"),
        pytest.param(
            "S>P1 P1>T1 P1>X1 X1>E X1>P2 T1>P2 P2>E", [(JOIN, "P2")], id="a branch that may end before the join"
        ),
        pytest.param(
            "S>P1 P1>T1 P1>T2 T1!B1 B1>E T1>P2 T2>P2 P2>E", [(JOIN, "P2")], id="a branch that may time out instead"
        ),
        pytest.param(
            "S>P1 P1>I1 P1>T1 T1>I2 I1>I2 I2>I1 I1>E", [(JOIN, "I1"), (JOIN, "I2")], id="two that wait for each other"
        ),
        pytest.param("S>I1 I1>T1 I1>T2 T1>P1 T2>P1 P1>E", [(JOIN, "P1")], id="a parallel join of an inclusive choice"),
        pytest.param("S>T1 T1>P1 T1>X1 X1>P1 X1>E P1>E", [(JOIN, "P1")], id="a fork that no gateway draws"),
        pytest.param("S>T1 T1~B1 B1>P2 T1>P2 P2>E", [(JOIN, "P2")], id="a join with a reminder that may not happen"),
        pytest.param(
            "S>P1 P1>P2 P1>P3 P2>P4 P3>P5 P4>T1 T1>P5 P5>T2 T2>P4 P4>E P5>E",
            [(JOIN, "P4"), (JOIN, "P5")],
            id="two joins that wait for each other",
        ),
        pytest.param("S>P1 P1>T1 P1>T2 T1>X2 T2>X2 X2>P2 P1>P2 P2>E", [(JOIN, "P2")], id="one token too many"),
        pytest.param(
            "S>P1 P1>T1 P1>P2 T1>X1 X1>T1 X1>P2 P2>E P1>T3 T3>X3 X3>E X3>P2",
            [(JOIN, "P2")],
            id="a choice beside a loop",
        ),
        pytest.param("S>P1 P1>T1 P1>P2 T1>T2 T2>T1 P1>X1 X1>P2 X1>E P2>E", [(JOIN, "P2")], id="beside an endless task"),
        pytest.param("S>X0 X0>P1 P1>T1 P1>X1 X1>X0 X1>P2 T1>P2 P2>E", [(LOOP, "P1")], id="a fork within a loop"),
        pytest.param("S>X0 X0>P1 P1>X0 P1>X1 X1>X0 X1>E", [(LOOP, "P1")], id="both branches go back"),
        pytest.param("S>X0 X0>P1 P1>X0 P1>X0", [(LOOP, "P1")], id="nothing but a fork"),
        pytest.param(
            "S>X0 X0>T1 T1~B1 B1>X2 X2>X0 X2>E T1>X1 X1>X0 X1>E", [(LOOP, "B1")], id="a reminder that goes back"
        ),
        pytest.param(
            "S>P1 P1>T1 P1>T2 T1>P2 T2>P2 P2>X1 X1>P1 X1>E",
            [(JOIN, "P1")],
            id="a loop back into the fork itself, which so is a join",
        ),
    ],
)
def test_an_unsound_join_or_loop_is_found_where_it_stands(flows: str, faults: list[tuple[str, str]]) -> None:
    assert sorted(codes_of(drawn(flows))) == sorted(faults)


@pytest.mark.parametrize(
    "flows",
    [
        pytest.param("S>P1 P1>T1 P1>T2 P1>P2 T1>P2 T2>P2 P2>E", id="fork and join"),
        pytest.param("S>P1 P1>E P1>T1 T1>E", id="a fork without join"),
        pytest.param("S>I1 I1>T1 I1>T2 T1>I2 T2>I2 I2>E", id="inclusive fork and join"),
        pytest.param("S>P1 P1>X1 P1>T1 X1>I1 X1>E T1>I1 I1>E", id="an inclusive join of a branch that may end"),
        pytest.param("S>T1 T1>T2 T1>T3 T2>P1 T3>P1 P1>E", id="a fork that no gateway draws"),
        pytest.param("S>T1 T1>T2 T1>T3 T2>I1 T3>I1 T1~B1 B1>I1 I1>E", id="a reminder that joins"),
        pytest.param("S>P1 P1>T1 P1>T2 T1>X1 T2>X1 X1>E", id="two tokens that end together"),
        pytest.param("S>T1 T1!B1 B1>X1 T1>X1 X1>T2 T2>E", id="a way out that merges"),
        pytest.param("S>T1 T1~B1 B1>X1 T1>X1 X1>T2 T2>E", id="a reminder that merges"),
        pytest.param("S>P1 P1>X1 P1>T1 X1>T2 X1>T3 T2>X2 T3>X2 X2>P2 T1>P2 P2>E", id="a choice within a branch"),
        pytest.param("S>X0 X0>P1 P1>T1 P1>T2 T1>P2 T2>P2 P2>X1 X1>X0 X1>T3 T3>E", id="a loop around fork and join"),
        pytest.param("S>P1 P1>P2 P2>E", id="gateways of one flow"),
        pytest.param("S>P1 P1>X1 P1>T1 X1>X2 X1>T2 T2>X2 X2>P2 T1>P2 P2>E", id="a choice between fork and join"),
        pytest.param("S>P1 P1>X1 P1>T1 X1>T2 T2>X2 X2>X1 X2>P2 T1>P2 P2>E", id="a loop between fork and join"),
        pytest.param("S>X0 X0>P1 P1>T1 P1>T2 T1>P2 T2>P2 P2>X1 X1>X0 X1>E", id="fork and join within a loop"),
        pytest.param("S>P1 P1>P2 P1>P3 P2>P4 P2>P5 P3>P4 P3>P5 P4>E P5>E", id="joins of crossing branches"),
        pytest.param("S>T1 T1~B1 B1>E T1>E", id="a reminder"),
        pytest.param("S>P1 P1>T1 P1>T2 T1~B1 B1>X9 X9>E X9>T9 T9>E T1>P2 T2>P2 P2>E", id="a reminder within a branch"),
        pytest.param("S>X0 X0>T1 T1~B1 B1>X2 X2>T2 X2>E T2>E T1>X1 X1>X0 X1>E", id="a reminder within a loop"),
        pytest.param("S>X0 X0>P1 P1>X2 X2>E X2>T1 T1>E P1>X1 X1>X0 X1>E", id="each round sends one token to an end"),
        pytest.param(
            "S>X0 X0>P1 P1>P3 P3>X3 X3>X4 X3>T3 T3>X4 X4>P4 P3>P4 P4>E P1>X1 X1>X0 X1>E",
            id="each round sends off a fork",
        ),
        pytest.param("S>P1 P1>T1 P1>T2 T1>P2 T2>X2 X2>P2 X2>K P2>E", id="a branch that ends everything"),
        pytest.param("S>P1 P1>T1 T1>T2 T2>T1 P1>X1 X1>K X1>E", id="an endless branch beside one that ends everything"),
        pytest.param("S>X1 X1>X2 X2>X1 X2>E X1>E", id="a circle of gateways"),
        pytest.param("S>T1 T1!B1 B1>T1 T1>E", id="a time limit that begins anew"),
    ],
)
def test_what_comes_to_its_end_has_no_findings(flows: str) -> None:
    assert codes_of(drawn(flows)) == []


@pytest.mark.parametrize(
    ("flows", "where"),
    [
        pytest.param("S>P1 P1>T1 P1>T2 T1>X1 T2>X1 X1>T3 T3>E", ["X1"], id="an exclusive merge"),
        pytest.param("S>P1 P1>T1 P1>T2 T1>T3 T2>T3 T3>E", ["T3"], id="a task as merge"),
        pytest.param("S>T1 T1>T2 T1>T3 T2>X1 T3>X1 X1>T4 T4>E", ["X1"], id="a fork that no gateway draws"),
        pytest.param("S>I1 I1>T1 I1>T2 T1>X1 T2>X1 X1>T3 T3>E", ["X1"], id="an inclusive fork"),
        pytest.param("S>P1 P1>T1 P1>T2 T1!B1 B1>X1 T1>E T2>X1 X1>T3 T3>E", ["X1"], id="a way out of a branch"),
        pytest.param("S>P1 P1>T1 P1>T2 T1>X1 T2>X1 X1>X2 X2>T3 T3>X3 X3>E", ["X1"], id="only where they meet"),
        pytest.param("S>P1 P1>P2 P1>T1 P2>T2 P2>T3 T2>P3 T3>P3 P3>X1 T1>X1 X1>T4 T4>E", ["X1"], id="one branch joined"),
        pytest.param("S>P1 P1>T1 P1>T2 T1>I1 T2>I1 I1>T3 T3>E", [], id="an inclusive join"),
    ],
)
def test_branches_that_meet_without_a_join_are_warned_of(flows: str, where: list[str]) -> None:
    found = [finding for finding in findings_of(drawn(flows)) if finding.code == "MERGE_UNSYNCHRONISED"]

    assert [(finding.element_id, finding.severity) for finding in found] == [(node_id, "warning") for node_id in where]


FLOWS = st.builds(
    lambda pairs, attached: " ".join(
        ["S>" + pairs[0][0], *dict.fromkeys(f"{source}>{target}" for source, target in pairs), *attached]
    ),
    st.lists(
        st.tuples(
            st.sampled_from(["T1", "T2", "TT", "X1", "X2", "P1", "P2", "P3", "I1", "I2", "B1"]),
            st.sampled_from(["T1", "T2", "TT", "X1", "X2", "P1", "P2", "P3", "I1", "I2", "E", "E", "K"]),
        ),
        min_size=4,
        max_size=12,
    ),
    st.sampled_from([[], ["T1!B1"], ["T1~B1"]]),
)


@settings(max_examples=200, deadline=None)
@given(FLOWS)
def test_the_findings_are_those_of_the_plain_token_game(flows: str) -> None:
    content = drawn(_connected(flows))
    model = model_of(content)
    assume(not list(check_structure(model)))
    found = [finding for finding in check_soundness(model) if finding.severity == "error"]
    faults = {(finding.code, finding.element_id) for finding in found}
    try:
        game = TokenGame(content, maximum=3_000)
    except TooManyError:
        return
    joins = {(JOIN, join) for position in game.ends() for join in game.waiting_joins(position)}

    assert {code for code, _ in faults} <= {JOIN}
    if not game.has_circle_without_end():
        assert faults == joins


@settings(max_examples=200, deadline=None)
@example("S>TT TT>X1 T2>T1 TT>T2 TT>I1 X1>I1 I1>T2")
@given(FLOWS)
def test_what_would_be_done_twice_at_once_is_found(flows: str) -> None:
    content = drawn(_connected(flows))
    model = model_of(content)
    assume("~" not in flows and not list(check_structure(model)) and not _has_loop(model))
    try:
        game = TokenGame(content, maximum=2_000)
    except TooManyError:
        return
    crowded = {place for position in game.moves for place, tokens in position if tokens > 1}
    doubled = [
        flow
        for number, flow in enumerate(model.flows)
        if f"flow:{number}" in crowded and _leads_to_work(model, flow.target)
    ]

    assert bool(doubled) <= bool(list(check_soundness(model)))


def _has_loop(model: ProcessModel) -> bool:
    return any(
        node_id in reached_from(model, [flow.target for flow in model.outgoing(node_id)]) for node_id in model.nodes
    )


def _leads_to_work(model: ProcessModel, node_id: str) -> bool:
    return any(isinstance(model.nodes[each], Activity) for each in reached_from(model, [node_id]))


def _connected(flows: str) -> str:
    """Return the flows that a start leads to, with one way out of each task, and a way on for what has none."""
    words, kept, reached = flows.split(), dict[str, None](), ["S"]
    for node_id in reached:
        attached = [word for word in words if word.startswith((f"{node_id}!", f"{node_id}~"))]
        ways = [word for word in words if word.startswith(f"{node_id}>")] or [f"{node_id}>E"]
        if node_id[0] in "EK":
            continue
        ways = ways if node_id[0] in "XPI" or node_id == "TT" else ways[:1]  # the task TT may fork
        kept.update(dict.fromkeys([*ways, *attached]))
        following = [word.split(">")[1] for word in ways] + [word[-2:] for word in attached]
        reached += [each for each in dict.fromkeys(following) if each not in reached]
    return " ".join(kept)


def test_a_join_waits_only_for_what_its_start_can_bring() -> None:
    starts = [start(), start("Also", signal_ref="Go"), path("Join", "Done"), end(), parallel("Join")]
    either = process("p", *starts, path("Begin", "Join"), path("Also", "Join"))
    split = process(
        "p", *starts, path("Begin", "X"), choice("X", "=a", "Join", "M"), path("Also", "M", "Join"), gateway("M")
    )

    assert codes_of(document(either, signal("Go", "go"))) == []
    assert codes_of(document(split, signal("Go", "go"))) == [(JOIN, "Join")]


def test_many_branches_are_looked_at_without_trying_every_order() -> None:
    branches = [f"P1>X{n} X{n}>XX{n} X{n}>T{n} T{n}!B{n} B{n}>X{n} T{n}>XX{n} XX{n}>P2" for n in range(100)]
    broken = [*branches, "P1>X100 X100>E X100>P2"]

    assert codes_of(drawn(" ".join(["S>P1", *branches, "P2>E"]))) == []
    assert codes_of(drawn(" ".join(["S>P1", *broken, "P2>E"]))) == [(JOIN, "P2")]


@pytest.mark.parametrize(
    "flows",
    [
        pytest.param([f"P1>X{n} X{n}>E X{n}>T{n} T{n}>P2" for n in range(60)], id="each branch has its own end"),
        pytest.param([f"P1>T{n} T{n}!B{n} B{n}>E T{n}>X0 X0>P1" for n in range(60)], id="each branch goes back"),
        pytest.param([f"P1>X{n} X{n}>P2 X{n}>X{(n + 1) % 60}" for n in range(60)], id="each branch joins the next"),
        pytest.param([f"P1>X{n} X{n}>P2 X{n}>T{n} T{n}>P2" for n in range(3_000)], id="very many branches"),
    ],
)
def test_the_search_ends_soon_whatever_is_drawn(flows: list[str]) -> None:
    model = model_of(drawn(" ".join(dict.fromkeys(" ".join(["S>P1", *flows, "P2>E"]).split()))))
    began = time.thread_time()

    list(check_soundness(model))

    assert time.thread_time() - began < 60


def test_a_long_way_is_searched_without_recursion() -> None:
    count = 1_500
    stages = [f"P{n}>T{n} P{n}>X{n} T{n}>PJ{n} X{n}>X{n} X{n}>PJ{n} PJ{n}>P{n + 1}" for n in range(count)]

    assert codes_of(drawn(" ".join(["S>P0", *stages, f"P{count}>E"]))) == []


def test_where_the_bound_is_reached_that_is_all_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundness, "MAXIMUM_MARKINGS", 1)

    found = findings_of(drawn("S>P1 P1>T1 P1>T2 T1>P2 T2>P2 P2>E"))

    assert [(finding.code, finding.severity, finding.element_id) for finding in found] == [
        ("SOUNDNESS_UNKNOWN", "warning", "p")
    ]


def test_the_components_of_a_graph_stand_behind_those_that_they_lead_to() -> None:
    components = strong_components([[1], [2], [0, 3], [4], [3], []])

    assert [sorted(component) for component in components] == [[3, 4], [0, 1, 2], [5]]
