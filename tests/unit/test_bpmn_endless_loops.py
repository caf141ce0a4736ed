"""Loops without a way out: which are warned of, and which something else ends."""

from __future__ import annotations

import pytest
from diagram_findings import codes_of
from diagrams import (
    boundary,
    catch,
    choice,
    document,
    duration,
    end,
    event_subprocess,
    parallel,
    path,
    process,
    service_task,
    signal,
    start,
    subprocess,
)

_WATCH = service_task("Watch", "plain")
_HOURLY = catch("Hourly", timer=duration("PT1H"))
_ENDLESS = (start(), _WATCH, _HOURLY, path("Begin", "Watch", "Hourly", "Watch"))
_STOP = start("Stop", signal_ref="S")
_NOTE = start("Stop", signal_ref="S", interrupting=False)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(_ENDLESS, id="two in a circle"),
        pytest.param((start(), _WATCH, path("Begin", "Watch", "Watch")), id="one that leads to itself"),
        pytest.param((*_ENDLESS, end(), parallel("Fork"), path("Begin", "Fork", "Done")), id="beside a way that ends"),
        pytest.param(
            (*_ENDLESS, event_subprocess("Beside", _NOTE, end("Over"), path("Stop", "Over"))),
            id="beside what does not interrupt",
        ),
    ],
)  # fmt: skip
def test_a_loop_without_a_way_out_is_warned_of_at_its_first_node(content: tuple[str, ...]) -> None:
    assert codes_of(_with_signal(*content)) == [("LOOP_ENDLESS", "Watch")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(
            (start(), _WATCH, choice("Again", "=found", "Done", "Watch"), end(), path("Begin", "Watch", "Again")),
            id="a choice leads out",
        ),
        pytest.param(
            (*_ENDLESS, boundary("Late", "Watch", timer=duration("PT1H")), end(), path("Late", "Done")),
            id="an event on the boundary leads out",
        ),
        pytest.param(
            (*_ENDLESS, event_subprocess("Beside", _STOP, end("Over"), path("Stop", "Over"))),
            id="an event subprocess interrupts it",
        ),
        pytest.param(
            (
                start("First"), path("First", "Around", "Done"), subprocess("Around", *_ENDLESS),
                boundary("Late", "Around", timer=duration("P1D")), path("Late", "Done"), end(),
            ),
            id="the scope around it is interrupted",
        ),
        pytest.param(
            (*_ENDLESS, end(terminates=True), parallel("Fork"), path("Begin", "Fork", "Done")),
            id="an end beside it terminates",
        ),
    ],
)  # fmt: skip
def test_nothing_is_said_of_a_loop_that_something_ends(content: tuple[str, ...]) -> None:
    assert codes_of(_with_signal(*content)) == []


def test_an_event_subprocess_does_not_end_its_own_loop() -> None:
    beside = event_subprocess("Beside", _STOP, _WATCH, path("Stop", "Watch", "Watch"))
    content = (start(), service_task("Work", "plain"), end(), path("Begin", "Work", "Done"), beside)

    assert codes_of(_with_signal(*content)) == [("LOOP_ENDLESS", "Watch")]


def _with_signal(*content: str) -> bytes:
    return document(signal("S", "stop"), process("p", *content))
