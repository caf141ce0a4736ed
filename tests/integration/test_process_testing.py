"""The pytest plug-in for tests of processes, as a project of its own would use it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from diagrams import (
    boundary,
    choice,
    diagram,
    document,
    duration,
    end,
    error,
    flow,
    message,
    path,
    process,
    receive_task,
    service_task,
    start,
    throw,
    undone_by,
    user_task,
)

pytest_plugins = ["pytester"]

_ORDER = document(
    process(
        "order",
        start(),
        service_task("Reserve", "shop.reserve"),
        undone_by("Reserve", service_task("Release", "shop.release")),
        user_task("Approve", "reviewer"),
        boundary("Late", "Approve", timer=duration("P2D")),
        choice("Approved", "=approved", "Pay", "Undo"),
        receive_task("Pay", "Message_Paid"),
        service_task("Ship", "shop.ship"),
        boundary("Broken", "Ship", "Error_Broken"),
        throw("Undo", compensates=""),
        end(),
        end("Refused"),
        path("Begin", "Reserve", "Approve", "Approved"),
        path("Pay", "Ship", "Done"),
        path("Late", "Undo"),
        path("Broken", "Undo", "Refused"),
    ),
    message("Message_Paid", "paid", '="a"'),
    error("Error_Broken", "BROKEN"),
)
_TESTS = """
import pytest

from engine.errors import AnsweredEventUnknownError, CrashPointError


@pytest.fixture
def order(process_test):
    return process_test("order.bpmn", variables={"number": 7})


def test_an_approved_order_is_shipped(order):
    order.run()
    assert order.waits_at("Approve")
    order.complete("Approve", {"approved": True}, by="ada")
    order.send("paid")
    assert order.completed
    assert order.path == ("Begin", "Reserve", "Approve", "Approved", "Pay", "Ship", "Done")
    assert order.variables == {"number": 7, "approved": True}


def test_a_broken_one_is_released(order):
    order.answer("Approve", {"approved": True})
    order.answer("Pay", {})
    order.throw_error("Ship", "BROKEN")
    assert order.run_to_end().completed
    assert order.path[-3:] == ("Release", "Undo", "Refused")
"""
_REST = """
def test_steps_can_be_counted(process_test):
    order = process_test("order.bpmn")
    assert order.visits("Approve") == 0
    assert order.step()
    assert (order.visits("Approve"), order.step()) == (1, False)


def test_a_late_approval_is_none(process_test):
    order = process_test("order.bpmn")
    order.run()
    order.advance("P1DT23H")
    assert order.waits_at("Approve")
    order.advance("PT1H")
    assert (order.completed, order.elapsed) == (True, "P2D")


def test_a_refusal_is_none_either(process_test):
    order = process_test("order.bpmn", answers={"Approve": {"approved": False}})
    order.run_until("Refused")


def test_a_worker_that_crashes_is_replaced(process_test):
    order = process_test("order.bpmn")
    order.crash("Reserve")
    order.run()
    assert not order.waits_at("Approve")
    order.advance("PT15S")
    assert (order.waits_at("Approve"), order.visits("Reserve")) == (True, 1)


def test_attempts_that_fail_are_repeated(process_test):
    order = process_test("order.bpmn")
    order.fail("Reserve", "disk full", times=2)
    order.delay("Reserve", "PT1H")
    order.run_until("Approve")
    assert (order.elapsed, order.result.incidents) == ("PT1H3S", ())


@pytest.mark.parametrize("look", ["visits", "waits_at", "run_until"])
def test_a_misspelt_element_is_not_one_that_was_never_reached(order, look):
    with pytest.raises(AssertionError, match="No diagram has an element Aprove"):
        getattr(order, look)("Aprove")


@pytest.mark.parametrize(("send", "awaited"), [("send", "paid"), ("signal", "no signal at all")])
def test_a_misspelt_message_is_not_one_that_nobody_waited_for_in_time(order, send, awaited):
    with pytest.raises(AnsweredEventUnknownError) as raised:
        getattr(order, send)("payed")
    assert raised.value.hint == f"What the diagrams wait for: {awaited}."


def test_a_worker_crashes_at_no_other_place(order):
    with pytest.raises(CrashPointError):
        order.crash("Reserve", "after_everything")


def test_an_incident_can_be_retried(process_test):
    order = process_test("order.bpmn")
    order.fail("Reserve", "disk full")
    order.advance("P1D")
    assert [each.element for each in order.result.incidents] == ["Reserve"]
    order.retry("Reserve")
    assert (order.waits_at("Approve"), order.result.incidents) == (True, ())
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    (pytester.path / "order.bpmn").write_bytes(_ORDER)
    return pytester


def run(project: pytest.Pytester, *arguments: str, tests: str) -> pytest.RunResult:
    project.makepyfile(tests)
    return project.runpytest_inprocess("-p", "learning.process_testing", "-p", "no:randomly", *arguments)


def test_processes_are_moved_hindered_and_looked_at(project: pytest.Pytester) -> None:
    result = run(project, "--process-coverage-min", "100", tests=_TESTS + _REST)
    result.assert_outcomes(passed=14)
    result.stdout.fnmatch_lines(["*process coverage*", "order  nodes 12/12, flows 10/10, compensations 1/1"])
    assert result.ret == pytest.ExitCode.OK


def test_a_run_that_passes_too_little_fails_and_says_what_is_missing(project: pytest.Pytester) -> None:
    result = run(project, "--process-coverage-min", "100", tests=_TESTS)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "order  nodes 11/12, flows 8/10, compensations 1/1",
            "  nodes not passed: Late",
            "  flows not passed: Approved_otherwise, flow-*",
            "FAILED process coverage of order is below 100 %",
        ]
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_workers_of_xdist_count_together(project: pytest.Pytester) -> None:
    result = run(project, "-n", "2", "--process-coverage-min", "100", tests=_TESTS + _REST)
    result.stdout.fnmatch_lines(["order  nodes 12/12, flows 10/10, compensations 1/1"])
    assert result.ret == pytest.ExitCode.OK


def test_a_way_that_is_never_taken_is_told_by_its_flow(project: pytest.Pytester) -> None:
    chosen = diagram(
        "chosen",
        start(),
        choice("Which", "=a", "Work", "Done"),
        service_task("Work", "shop.work"),
        flow("Work", "Done", flow_id="Back"),
        end(),
        path("Begin", "Which"),
    )
    (project.path / "chosen.bpmn").write_bytes(chosen)
    tests = """
def test_one_way(process_test):
    assert process_test("chosen.bpmn", variables={"a": False}).run_to_end().completed
"""
    result = run(project, tests=tests)
    result.stdout.fnmatch_lines(["  nodes not passed: Work", "  flows not passed: Back, Which_accepted"])
    assert result.ret == pytest.ExitCode.OK


_ROOT = Path(__file__).parents[2]
_PACKING = document(
    process(
        "packing",
        start(),
        service_task("Weigh", "parcels.weigh", inputs={"weight": "=1.5"}),
        user_task("Pack", "warehouse", form="packing"),
        end(),
        path("Begin", "Weigh", "Pack", "Done"),
    )
)


def test_what_the_how_to_shows_runs_as_it_says(pytester: pytest.Pytester) -> None:
    page = (_ROOT / "docs/how-to/test-a-process.md").read_text(encoding="utf-8")
    tests, surroundings = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (printed,) = re.findall(r"```\n(promotion .*?)\n```", page, re.DOTALL)
    shutil.copytree(_ROOT / "workflows", pytester.path / "workflows")
    pytester.makeconftest(surroundings)
    (pytester.path / "packing.bpmn").write_bytes(_PACKING)
    pytester.makepyfile(
        test_shown=tests,
        test_packing="""
            def test_a_parcel_is_packed(process_test):
                process = process_test("packing.bpmn")
                process.run()
                process.complete("Pack", {"fragile": True})
                assert process.completed
        """,
    )

    result = pytester.runpytest_subprocess("-p", "no:randomly")

    result.assert_outcomes(passed=3)
    assert printed in result.stdout.str()
