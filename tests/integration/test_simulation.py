from __future__ import annotations

from datetime import timedelta
from typing import Any

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
    event_based,
    flow,
    for_each,
    gateway,
    message,
    parallel,
    path,
    process,
    receive_task,
    script_task,
    service_task,
    signal,
    start,
    subprocess,
    throw,
    undone_by,
    user_task,
)
from pydantic import BaseModel
from simulated import happened, simulated, times

from engine.errors import AnswerNotApplicableError, AnswersInvalidError
from engine.simulation.simulation import MOST_TURNS
from engine.simulation.trace import SimulatedIncident, SimulationResult, TraceEntry, Waiting

_STRAIGHT = diagram("straight", start(), service_task("Work", "work"), end(), path("Begin", "Work", "Done"))
_ASKING = diagram("asking", start(), user_task("Ask", "clerk"), end(), path("Begin", "Ask", "Done"))


def entry(element: str, event: Any, at: str = "PT0S", instance: int = 1) -> TraceEntry:
    return TraceEntry(element=element, event=event, at=at, instance=instance)


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


_RECEIVING = document(
    process("receiving", start(), receive_task("Wait", "Message_Paid"), end(), path("Begin", "Wait", "Done")),
    message("Message_Paid", "paid", "=order"),
)


@pytest.mark.parametrize(
    ("answers", "at"),
    [
        ({"messages": [{"name": "paid", "correlation_key": 7, "payload": {"sum": 1}, "at": "PT5S"}]}, "PT5S"),
        ({"messages": [{"name": "paid", "correlation_key": "7", "payload": {"sum": 1}}]}, "PT0S"),
        ({"messages": [{"name": "paid", "payload": {"sum": 1}, "at": "PT1M"}]}, "PT1M"),
        ({"tasks": {"Wait": {"sum": 1, "$after": "PT2S"}}}, "PT2S"),
    ],
)
def test_a_receive_task_gets_its_message(database_url: str, answers: dict[str, Any], at: str) -> None:
    result = simulated(database_url, _RECEIVING, variables={"order": 7}, **answers)
    assert (result.completed, result.variables, times(result)["Wait"]) == (True, {"order": 7, "sum": 1}, at)


def test_a_message_under_another_key_is_not_received(database_url: str) -> None:
    messages = [{"name": "paid", "correlation_key": "8"}]
    result = simulated(database_url, _RECEIVING, variables={"order": 7}, messages=messages)
    assert result.waiting == (Waiting(element="Wait", kind="message", awaited="paid"),)


def test_a_foreign_message_goes_by_its_name(database_url: str) -> None:
    foreign = _RECEIVING.replace(b'correlationKey="=order"', b"").replace(b"<zeebe:subscription  />", b"")
    messages = [{"name": "paid", "correlation_key": "8", "payload": {"sum": 1}, "at": "PT5S"}]
    assert simulated(database_url, foreign, foreign=True, messages=messages).variables == {"sum": 1}


_LATE_RECEIVER = document(
    process(
        "late",
        start(),
        catch("Pause", timer=duration("PT1H")),
        catch("Wait", message_ref="Message_Paid"),
        end(),
        path("Begin", "Pause", "Wait", "Done"),
    ),
    message("Message_Paid", "paid", '="a"'),
)


@pytest.mark.parametrize(
    ("message_answer", "completes"),
    [
        ({"name": "paid"}, True),
        ({"name": "paid", "at": "PT1M"}, False),
        ({"name": "paid", "correlation_key": "a", "at": "PT1M", "time_to_live": "PT1H"}, True),
    ],
)
def test_a_message_of_a_given_time_is_kept_only_for_its_time_to_live(
    database_url: str, message_answer: dict[str, Any], *, completes: bool
) -> None:
    assert simulated(database_url, _LATE_RECEIVER, messages=[message_answer]).completed is completes


def test_the_first_event_decides_and_signals_come_at_their_time(database_url: str) -> None:
    racing = document(
        process(
            "racing",
            start(),
            event_based("Race"),
            catch("Stopped", signal_ref="Signal_Stop"),
            catch("Late", timer=duration("PT1H")),
            end("Ended"),
            end("Timed_Out"),
            path("Begin", "Race", "Stopped", "Ended"),
            path("Race", "Late", "Timed_Out"),
        ),
        signal("Signal_Stop", "stop"),
    )
    result = simulated(database_url, racing, signals=[{"name": "stop", "payload": {"why": "no"}, "at": "PT59M"}])
    assert happened(result, "completed") == ["Begin", "Stopped", "Race", "Ended"]
    assert (result.variables, times(result)["Ended"]) == ({"why": "no"}, "PT59M")


def test_a_message_starts_the_process(database_url: str) -> None:
    started = document(
        process("started", start(message_ref="Message_Order"), end(), path("Begin", "Done")),
        message("Message_Order", "order"),
    )
    answers = [{"name": "order", "payload": {"item": "x"}, "at": "PT3S"}]
    result = simulated(database_url, started, messages=answers, variables={"tenant": "t"})
    assert (result.completed, result.variables) == (True, {"item": "x", "tenant": "t"})
    assert times(result, "entered")["Begin"] == "PT3S"


def test_a_process_whose_message_never_comes_waits_for_it(database_url: str) -> None:
    started = document(
        process("started", start(message_ref="Message_Order"), end(), path("Begin", "Done")),
        message("Message_Order", "order"),
    )
    result = simulated(database_url, started)
    assert (result.completed, result.trace) == (False, ())
    assert result.waiting == (Waiting(element="Begin", kind="message", awaited="order"),)


def test_a_timer_starts_the_process_once(database_url: str) -> None:
    nightly = diagram("nightly", start(timer=cycle("R/PT2H")), end(), path("Begin", "Done"))
    result = simulated(database_url, nightly, variables={"a": 1})
    assert (result.completed, result.variables) == (True, {"a": 1})
    assert result.trace[0] == entry("Begin", "entered", "PT2H")


def test_called_processes_are_runs_of_their_own(database_url: str) -> None:
    caller = diagram(
        "caller",
        start(),
        call_activity("Call", "called", multi_instance=for_each("=[1, 2]", "n", sequential=True)),
        end(),
        path("Begin", "Call", "Done"),
    )
    called = diagram("called", start("In"), service_task("Inner", "work"), end("Out"), path("In", "Inner", "Out"))
    result = simulated(database_url, caller, called)
    completed = [(each.element, each.instance) for each in result.trace if each.event == "completed"]
    assert completed == [
        ("Begin", 1),
        *[("In", 2), ("Inner", 2), ("Out", 2), ("Call", 1)],
        *[("In", 3), ("Inner", 3), ("Out", 3), ("Call", 1)],
        ("Done", 1),
    ]


def test_a_thrown_message_starts_the_other_process(database_url: str) -> None:
    both = document(
        process(
            "delivering",
            start("Ordered", message_ref="Message_Order"),
            service_task("Pack", "pack"),
            end("Sent", message_ref="Message_Delivery"),
            path("Ordered", "Pack", "Sent"),
        ),
        process(
            "asking",
            start(),
            throw("Order", message_ref="Message_Order"),
            catch("Delivered", message_ref="Message_Delivery"),
            end(),
            path("Begin", "Order", "Delivered", "Done"),
        ),
        message("Message_Order", "order", '="7"'),
        message("Message_Delivery", "delivery", '="7"'),
    )
    result = simulated(database_url, both)
    assert result.completed
    assert [(each.element, each.instance) for each in result.trace if each.element == "Pack"] == [("Pack", 2)] * 2


_BOOKING = diagram(
    "booking",
    start(),
    service_task("Flight", "book"),
    undone_by("Flight", service_task("Cancel_Flight", "cancel")),
    service_task("Hotel", "book"),
    undone_by("Hotel", user_task("Cancel_Hotel", "clerk")),
    throw("Undo", compensates=""),
    end(),
    path("Begin", "Flight", "Hotel", "Undo", "Done"),
)


def test_handlers_of_compensation_are_told_with_what_they_undo(database_url: str) -> None:
    result = simulated(database_url, _BOOKING, tasks={"Cancel_Hotel": {"$after": "PT10M"}})
    assert happened(result, "completed", "compensated") == [
        "Begin completed",
        "Flight completed",
        "Hotel completed",
        "Cancel_Hotel completed",
        "Hotel compensated",
        "Cancel_Flight completed",
        "Flight compensated",
        "Undo completed",
        "Done completed",
    ]
    assert times(result, "compensated") == {"Hotel": "PT10M", "Flight": "PT10M"}


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


@pytest.mark.parametrize(
    ("tasks", "last"),
    [
        ({}, "Bad"),
        ({"Yes": True}, "Good"),
        ({"Which": "Yes"}, "Good"),
        ({"Which": "Good"}, "Good"),
        ({"Which": ["No"]}, "Bad"),
        ({"Yes": [False]}, "Bad"),
    ],
)
def test_the_way_of_a_foreign_gateway_is_told_by_flow_or_by_gateway(
    database_url: str, tasks: dict[str, Any], last: str
) -> None:
    foreign = diagram(
        "foreign",
        start(),
        "<bpmn:exclusiveGateway id='Which' name='?' default='No' />",
        flow("Which", "Good", "${approved}", flow_id="Yes"),
        flow("Which", "Bad", flow_id="No"),
        end("Good"),
        end("Bad"),
        path("Begin", "Which"),
    )
    assert happened(simulated(database_url, foreign, tasks=tasks, foreign=True), "completed")[-1] == last


def test_a_flow_is_answered_with_true_or_false_alone(database_url: str) -> None:
    chosen = diagram(
        "chosen", start(), choice("Which", "=a", "Good", "Bad"), end("Good"), end("Bad"), path("Begin", "Which")
    )
    with pytest.raises(AnswersInvalidError) as raised:
        simulated(database_url, chosen, tasks={"Which_accepted": "yes"})
    assert raised.value.place == "tasks.Which_accepted"


def test_events_that_are_left_are_cancelled_and_not_waited_for(database_url: str) -> None:
    content = diagram(
        "p",
        start(),
        event_based("First"),
        catch("Full", condition="=level > 3"),
        catch("Late", timer=duration("PT1H")),
        user_task("Ask", "clerk"),
        path("Begin", "First", "Late", "Ask"),
        path("First", "Full"),
    )

    result = simulated(database_url, content, variables={"level": 1})

    assert happened(result, "entered") == ["Begin", "First", "Late", "Full", "Ask"]
    assert happened(result, "completed") == ["Begin", "Late", "First"]
    assert happened(result, "cancelled") == ["Full"]
    assert result.waiting == (Waiting(element="Ask", kind="user_task", awaited="clerk"),)


def test_what_begins_in_a_terminated_scope_is_cancelled_and_what_only_stood_by_is_not(database_url: str) -> None:
    content = diagram(
        "p",
        start(),
        parallel("Fork"),
        catch("Pause", timer=duration("P1D")),
        user_task("Ask", "clerk"),
        boundary("Remind", "Ask", timer=duration("PT2H")),
        parallel("Join"),
        service_task("Work", "work"),
        path("Begin", "Fork", "Pause", "Join", "Done"),
        path("Fork", "Ask", "Join"),
        path("Fork", "Work", "Stop"),
        path("Remind", "Told"),
        end(),
        end("Told"),
        end("Stop", terminates=True),
    )

    result = simulated(database_url, content, tasks={"Work": {"$after": "PT1H"}})

    assert sorted(happened(result, "cancelled")) == ["Ask", "Pause"]
    assert result.waiting == ()


def test_only_what_a_handler_has_undone_is_told_to_be_compensated(database_url: str) -> None:
    content = diagram(
        "p",
        start(),
        subprocess(
            "Trip", start("Leave"), service_task("Book", "book"), undone_by("Book", service_task("Cancel", "cancel")),
            end("Back"), path("Leave", "Book", "Back"),
        ),
        throw("Undo", compensates=""),
        end(),
        path("Begin", "Trip", "Undo", "Done"),
    )  # fmt: skip

    assert happened(simulated(database_url, content), "compensated") == ["Book"]


@pytest.mark.parametrize(("level", "ends", "failed"), [(5, ["High"], []), (3, [], ["NO_FLOW_TAKEN"])])
def test_a_gateway_without_a_default_flow_fails_where_no_condition_holds(
    database_url: str, level: int, ends: list[str], failed: list[str]
) -> None:
    content = diagram(
        "p",
        start(),
        gateway("Which"),
        end("Low"),
        end("High"),
        path("Begin", "Which"),
        flow("Which", "Low", "=level < 3", name="low"),
        flow("Which", "High", "=level > 3", name="high"),
    )

    result = simulated(database_url, content, variables={"level": level})

    assert [element for element in happened(result, "completed") if element in {"Low", "High"}] == ends
    assert [(each.element, each.code) for each in result.incidents] == [("Which", code) for code in failed]


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
