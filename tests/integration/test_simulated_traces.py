"""What a simulation tells of events that are left, of what is undone, and of the ways that gateways take."""

from typing import Any

import pytest
from diagrams import (
    boundary,
    catch,
    choice,
    diagram,
    duration,
    end,
    event_based,
    flow,
    gateway,
    parallel,
    path,
    service_task,
    start,
    subprocess,
    throw,
    undone_by,
    user_task,
)
from simulated import happened, simulated, times

from engine.errors import AnswersInvalidError
from engine.simulation.trace import Waiting

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
