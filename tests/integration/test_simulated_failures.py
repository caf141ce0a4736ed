"""Simulated processes that fail, that never rest, or that cannot begin."""

import pytest
from decision_documents import decision
from decision_documents import document as decisions
from decision_documents import table as decision_table
from diagrams import (
    boundary,
    business_rule_task,
    catch,
    choice,
    diagram,
    document,
    duration,
    end,
    error,
    flow,
    gateway,
    message,
    path,
    process,
    receive_task,
    script_task,
    service_task,
    start,
    user_task,
)
from simulated import entry, happened, simulated

from engine.errors import AnswerNotApplicableError
from engine.simulation.simulation import MOST_TURNS
from engine.simulation.trace import SimulatedIncident

_STRAIGHT = diagram("straight", start(), service_task("Work", "work"), end(), path("Begin", "Work", "Done"))


_ASKING = diagram("asking", start(), user_task("Ask", "clerk"), end(), path("Begin", "Ask", "Done"))


def test_an_error_that_nothing_catches_becomes_an_incident(database_url: str) -> None:
    result = simulated(database_url, _STRAIGHT, tasks={"Work": {"$bpmn_error": "FULL"}})
    assert [(each.element, each.code) for each in result.incidents] == [("Work", "BPMN_ERROR_UNCAUGHT")]
    assert (result.completed, happened(result, "failed"), result.waiting) == (False, ["Work"], ())


def test_a_failing_task_is_tried_again_and_becomes_one_incident(database_url: str) -> None:
    result = simulated(database_url, _STRAIGHT, tasks={"Work": {"$fail": "disk full"}})
    assert result.incidents == (SimulatedIncident(element="Work", code="TASK_FAILED", message="disk full", at="PT3S"),)
    assert happened(result, "failed") == ["Work"]


def test_a_user_task_cannot_fail(database_url: str) -> None:
    with pytest.raises(AnswerNotApplicableError) as raised:
        simulated(database_url, _ASKING, tasks={"Ask": {"$fail": "no"}})
    assert raised.value.element_id == "Ask"


def test_a_process_that_never_rests_is_stopped(database_url: str) -> None:
    endless = diagram(
        "endless",
        start(),
        service_task("Work", "work"),
        choice("Enough", "=enough", "Done", "Work"),
        end(),
        path("Begin", "Work", "Enough"),
    )
    result = simulated(database_url, endless, variables={"enough": False}, most_turns=20)
    assert [(each.element, each.code) for each in result.incidents] == [(None, "SIMULATION_LIMIT")]
    assert happened(result, "completed").count("Work") == 20


def test_a_chain_of_many_tasks_is_not_taken_for_a_process_that_never_rests(database_url: str) -> None:
    names = [f"Work{number}" for number in range(MOST_TURNS + 1)]
    work = "".join(service_task(name, "work") for name in names)

    result = simulated(database_url, diagram("p", start(), work, end(), path("Begin", *names, "Done")), most_turns=None)

    assert (result.completed, result.incidents) == (True, ())


def test_a_loop_without_waits_ends_too(database_url: str) -> None:
    endless = diagram(
        "endless",
        start(),
        script_task("Turn", "=1", "one"),
        choice("Enough", "=one = 2", "Done", "Turn"),
        end(),
        path("Begin", "Turn", "Enough"),
    )
    result = simulated(database_url, endless)
    assert [each.code for each in result.incidents] == ["STEP_LIMIT_EXCEEDED"]


def test_a_start_that_fails_shows_how_far_it_came(database_url: str) -> None:
    undecided = diagram(
        "undecided",
        start(),
        gateway("Which"),
        flow("Which", "Good", "=a = 1", flow_id="One", name="1"),
        flow("Which", "Bad", "=a = 2", flow_id="Two", name="2"),
        end("Good"),
        end("Bad"),
        path("Begin", "Which"),
    )
    result = simulated(database_url, undecided, variables={"a": 3}, foreign=True)
    assert result.trace == (
        entry("Begin", "entered"),
        entry("Begin", "completed"),
        entry("Which", "entered"),
        entry("Which", "failed"),
    )
    assert [(each.element, each.code) for each in result.incidents] == [("Which", "NO_FLOW_TAKEN")]


@pytest.mark.parametrize(
    ("element", "code"),
    [
        (script_task("Work", '="a" + 1', "sum"), "EXPRESSION_FAILED"),
        (service_task("Work", "work", {"sum": '="a" + 1'}), "EXPRESSION_FAILED"),
        (user_task("Work", "clerk", inputs={"sum": '="a" + 1'}), "EXPRESSION_FAILED"),
        (catch("Work", condition='="a" < 1'), "EXPRESSION_FAILED"),
        (catch("Work", message_ref="Paid"), "EXPRESSION_FAILED"),
        (catch("Work", timer=duration('="a" + "b"')), "TIMER_INVALID"),
    ],
)
def test_what_fails_at_the_start_is_told_with_its_element_and_not_waited_for(
    database_url: str, element: str, code: str
) -> None:
    straight = process("p", start(), element, end(), path("Begin", "Work", "Done"))

    result = simulated(database_url, document(message("Paid", "paid", "=order"), straight))

    assert [(each.element, each.code) for each in result.incidents] == [("Work", code)]
    assert happened(result, "failed") == ["Work"]
    assert result.waiting == ()


_UNDECIDED = decisions(decision("rate", decision_table(["x : number"], ["> 1 | 10", "x > 2 | 20"])))
_RATED = diagram(
    "p",
    start(),
    business_rule_task("Rate", "rate", "rating"),
    boundary("Late", "Rate", timer=duration("PT1H")),
    end(),
    end("Unrated"),
    path("Begin", "Rate", "Done"),
    path("Late", "Unrated"),
)


@pytest.mark.parametrize(("given", "last", "at"), [(2, "Done", "PT0S"), (3, "Unrated", "PT1H")])
def test_a_decision_that_fails_is_left_by_the_event_on_its_boundary(
    database_url: str, given: int, last: str, at: str
) -> None:
    result = simulated(database_url, _RATED, _UNDECIDED, variables={"x": given})

    assert (result.completed, result.incidents, result.waiting) == (True, (), ())
    assert (result.trace[-1].element, result.trace[-1].at) == (last, at)


def test_a_task_that_only_receives_ends_with_an_error_where_it_is_answered_so(database_url: str) -> None:
    asking = document(
        process(
            "p", start(), receive_task("Ask", "M"), boundary("Broken", "Ask", "Error"), end(), end("Lost"),
            path("Begin", "Ask", "Done"), path("Broken", "Lost"),
        ),
        message("M", "m", '="a"'),
        error("Error", "BROKEN"),
    )  # fmt: skip

    result = simulated(database_url, asking, tasks={"Ask": {"$bpmn_error": "BROKEN"}})

    assert happened(result, "completed") == ["Begin", "Broken", "Lost"]
