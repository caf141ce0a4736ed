"""Simulated processes: what becomes of tasks, answers and time."""

from datetime import timedelta

import pytest
from diagrams import (
    boundary,
    call_activity,
    catch,
    choice,
    cycle,
    date,
    diagram,
    document,
    duration,
    end,
    error,
    escalation,
    for_each,
    message,
    parallel,
    path,
    process,
    receive_task,
    script_task,
    service_task,
    start,
    subprocess,
    user_task,
)
from pydantic import BaseModel
from simulated import entry, happened, simulated, times

from engine.simulation.trace import SimulationResult, Waiting

_STRAIGHT = diagram("straight", start(), service_task("Work", "work"), end(), path("Begin", "Work", "Done"))


_ASKING = diagram("asking", start(), user_task("Ask", "clerk"), end(), path("Begin", "Ask", "Done"))


def test_a_service_task_completes_at_once_with_its_answer(database_url: str) -> None:
    result = simulated(database_url, _STRAIGHT, tasks={"Work": {"weight": 3}}, variables={"name": "a"})
    assert result == SimulationResult(
        completed=True,
        trace=(
            entry("Begin", "entered"),
            entry("Begin", "completed"),
            entry("Work", "entered"),
            entry("Work", "completed"),
            entry("Done", "entered"),
            entry("Done", "completed"),
        ),
        variables={"name": "a", "weight": 3},
        waiting=(),
        incidents=(),
    )


def test_a_user_task_without_an_answer_waits_for_its_group(database_url: str) -> None:
    result = simulated(database_url, _ASKING)
    assert not result.completed
    assert result.waiting == (Waiting(element="Ask", kind="user_task", awaited="clerk"),)
    assert result.document()["waiting"] == [{"element": "Ask", "kind": "user_task", "for": "clerk"}]


def test_an_answer_may_take_its_time(database_url: str) -> None:
    result = simulated(database_url, _ASKING, tasks={"Ask": {"$after": "P1DT2H", "size": 1}})
    assert times(result) == {"Begin": "PT0S", "Ask": "P1DT2H", "Done": "P1DT2H"}
    assert result.variables == {"size": 1}


def test_what_comes_after_the_end_of_the_time_does_not_happen(database_url: str) -> None:
    result = simulated(database_url, _ASKING, tasks={"Ask": {"$after": "PT2H"}}, until=timedelta(hours=1))
    assert (result.completed, [each.element for each in result.waiting]) == (False, ["Ask"])


@pytest.mark.parametrize(("visits", "completes"), [(2, True), (1, False)])
def test_a_list_of_answers_is_for_one_visit_each(database_url: str, visits: int, *, completes: bool) -> None:
    looping = diagram(
        "looping",
        start(),
        user_task("Ask", "clerk"),
        choice("Enough", "=enough", "Done", "Ask"),
        end(),
        path("Begin", "Ask", "Enough"),
    )
    answers = [{"enough": False}, {"enough": True}][:visits]
    result = simulated(database_url, looping, tasks={"Ask": answers})
    assert (result.completed, happened(result, "entered").count("Ask")) == (completes, 2)


def test_an_error_leaves_the_task_by_the_event_that_catches_it(database_url: str) -> None:
    caught = document(
        process(
            "caught",
            start(),
            service_task("Work", "work"),
            boundary("Failed", "Work", "Error_Full"),
            end(),
            end("Refused"),
            path("Begin", "Work", "Done"),
            path("Failed", "Refused"),
        ),
        error("Error_Full", "FULL"),
    )
    result = simulated(database_url, caught, tasks={"Work": {"$bpmn_error": "FULL", "left": 0, "$after": "PT5S"}})
    assert happened(result, "completed") == ["Begin", "Failed", "Refused"]
    assert happened(result, "cancelled") == ["Work"]
    assert (result.variables, times(result)["Failed"]) == ({"left": 0}, "PT5S")


@pytest.mark.parametrize("task", [user_task("Work", "clerk"), receive_task("Work", "Message_Note")])
def test_an_error_leaves_a_task_of_people_or_messages_too(database_url: str, task: str) -> None:
    caught = document(
        process(
            "caught",
            start(),
            subprocess("Part", start("In"), task, end("Out"), path("In", "Work", "Out")),
            boundary("Failed", "Part", "Error_Full"),
            end(),
            end("Refused"),
            path("Begin", "Part", "Done"),
            path("Failed", "Refused"),
        ),
        error("Error_Full", "FULL"),
        message("Message_Note", "note", '="a"'),
    )
    result = simulated(database_url, caught, tasks={"Work": {"$bpmn_error": "FULL"}})
    assert happened(result, "completed") == ["Begin", "In", "Failed", "Refused"]


@pytest.mark.parametrize("interrupting", [True, False])
@pytest.mark.parametrize("task", [user_task("Work", "clerk"), service_task("Work", "work")])
def test_an_escalating_task_goes_on_unless_it_is_interrupted(
    database_url: str, task: str, *, interrupting: bool
) -> None:
    escalating = document(
        process(
            "escalating",
            start(),
            task,
            boundary("Late", "Work", escalation_ref="Escalation_Late", interrupting=interrupting),
            end(),
            end("Told"),
            path("Begin", "Work", "Done"),
            path("Late", "Told"),
        ),
        escalation("Escalation_Late", "LATE"),
    )
    result = simulated(database_url, escalating, tasks={"Work": {"$escalation": "LATE"}})
    completed = ["Begin", "Late", "Told"] if interrupting else ["Begin", "Late", "Told", "Work", "Done"]
    assert (result.completed, happened(result, "completed")) == (True, completed)


def test_the_clock_jumps_to_timers(database_url: str) -> None:
    slow = diagram(
        "slow",
        start(),
        catch("Pause", timer=duration("PT90M")),
        catch("Longer", timer=duration("P3D")),
        end(),
        path("Begin", "Pause", "Longer", "Done"),
    )
    result = simulated(database_url, slow)
    assert times(result) == {"Begin": "PT0S", "Pause": "PT1H30M", "Longer": "P3DT1H30M", "Done": "P3DT1H30M"}


def test_a_boundary_timer_comes_before_an_answer_of_the_same_time(database_url: str) -> None:
    hurried = diagram(
        "hurried",
        start(),
        user_task("Ask", "clerk"),
        boundary("Late", "Ask", timer=duration("PT1H")),
        end(),
        end("Given_Up"),
        path("Begin", "Ask", "Done"),
        path("Late", "Given_Up"),
    )
    result = simulated(database_url, hurried, tasks={"Ask": {"$after": "PT1H"}})
    assert happened(result, "completed") == ["Begin", "Late", "Given_Up"]


def test_reminders_come_until_the_task_is_done(database_url: str) -> None:
    reminded = diagram(
        "reminded",
        start(),
        user_task("Ask", "clerk"),
        boundary("Reminder", "Ask", timer=cycle("R/P1D"), interrupting=False),
        end(),
        end("Reminded"),
        path("Begin", "Ask", "Done"),
        path("Reminder", "Reminded"),
    )
    result = simulated(database_url, reminded, tasks={"Ask": {"$after": "P3DT1H"}})
    assert happened(result, "completed").count("Reminder") == 3
    assert result.completed


def test_each_instance_of_a_multi_instance_task_has_its_visit(database_url: str) -> None:
    each = service_task("Each", "work", multi_instance=for_each("=[1, 2, 3]", "n", collect="got", each="=r"))
    many = diagram("many", start(), each, end(), path("Begin", "Each", "Done"))
    result = simulated(database_url, many, tasks={"Each": [{"r": 10}, {"r": 20}, {"r": 30}]})
    assert (result.variables, happened(result, "completed").count("Each")) == ({"got": [10, 20, 30]}, 3)


def test_an_answered_script_or_call_is_stood_in_for(database_url: str) -> None:
    mixed = diagram(
        "mixed",
        start(),
        script_task("Compute", "=1 + 1", "two"),
        call_activity("Call", "elsewhere"),
        end(),
        path("Begin", "Compute", "Call", "Done"),
    )
    result = simulated(database_url, mixed, tasks={"Compute": {"two": 3}, "Call": {"brought": True}})
    assert (result.completed, result.variables) == (True, {"two": 3, "brought": True})


class _Verdict(BaseModel):
    approved: bool


def test_an_answer_that_does_not_fit_the_form_leaves_the_task_waiting(database_url: str) -> None:
    formed = diagram("formed", start(), user_task("Ask", "clerk", form="verdict"), end(), path("Begin", "Ask", "Done"))
    result = simulated(database_url, formed, tasks={"Ask": {"approved": "perhaps"}}, forms={"verdict": _Verdict})
    assert [(each.element, each.code) for each in result.incidents] == [("Ask", "FORM_INVALID")]
    assert result.waiting == (Waiting(element="Ask", kind="user_task", awaited="clerk"),)


def test_a_condition_that_never_holds_is_waited_for(database_url: str) -> None:
    conditional = diagram(
        "conditional", start(), catch("Full", condition="=n > 3"), end(), path("Begin", "Full", "Done")
    )
    result = simulated(database_url, conditional, variables={"n": 1})
    assert result.waiting == (Waiting(element="Full", kind="condition", awaited="n > 3"),)


def test_parallel_work_of_one_instant_is_done_in_the_order_of_the_diagram(database_url: str) -> None:
    branches = [service_task(f"Work_{number}", "work") for number in range(5)]
    forked = diagram(
        "forked",
        start(),
        parallel("Fork"),
        *branches,
        parallel("Join"),
        end(),
        path("Begin", "Fork"),
        *(path("Fork", f"Work_{number}", "Join") for number in range(5)),
        path("Join", "Done"),
    )
    result = simulated(database_url, forked, tasks={"Work_1": {"$after": "PT1S"}})
    work = [element for element in happened(result, "completed") if element.startswith("Work")]
    assert work == ["Work_0", "Work_2", "Work_3", "Work_4", "Work_1"]


def test_a_date_is_waited_for_from_the_begin_of_the_simulation(database_url: str) -> None:
    dated = diagram(
        "dated", start(), catch("On", timer=date("2026-01-03T00:00:00Z")), end(), path("Begin", "On", "Done")
    )
    assert times(simulated(database_url, dated))["On"] == "P2D"


@pytest.mark.parametrize("thrown", ["$bpmn_error", "$escalation"])
def test_what_comes_with_an_error_or_an_escalation_goes_through_the_outputs_of_the_event(
    database_url: str, thrown: str
) -> None:
    kind = "error_ref" if thrown == "$bpmn_error" else "escalation_ref"
    declared = error("Thrown", "FULL") if thrown == "$bpmn_error" else escalation("Thrown", "FULL")
    caught = boundary("Caught", "Work", outputs={"missing": "=wanted - free"}, **{kind: "Thrown"})
    flows = (path("Begin", "Work", "Done"), path("Caught", "Told"))
    content = process("p", start(), service_task("Work", "work"), caught, end(), end("Told"), *flows)
    answer = {thrown: "FULL", "$after": "PT7S", "wanted": 5, "free": 2}

    result = simulated(database_url, document(declared, content), tasks={"Work": answer})

    assert result.variables == {"missing": 3}
    assert times(result) == {"Begin": "PT0S", "Caught": "PT7S", "Told": "PT7S"}
