"""Contracts: what handlers take, give and throw, what an instance begins with, and which groups there are."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import pytest
from diagram_findings import STRAIGHT
from diagrams import (
    activity,
    boundary,
    call_activity,
    choice,
    diagram,
    document,
    end,
    error,
    event_subprocess,
    for_each,
    message,
    parallel,
    path,
    process,
    script_task,
    service_task,
    start,
    subprocess,
    throw,
    undone_by,
    user_task,
)
from pydantic import BaseModel

from engine import ServiceTaskRegistry, TaskContext, TransactionalTask, contracts_of, read_diagram, verify

DECLARED = (
    "<bpmn:extensionElements><zeebe:properties><zeebe:property name='inputs' value='given, also' />"
    "</zeebe:properties></bpmn:extensionElements>"
)


class Inner(BaseModel):
    size: int


class Wanted(BaseModel):
    key: UUID | None = None
    count: int | None = None
    name: str | None = None
    mood: Literal["glad", "sad"] | None = None
    flag: bool | None = None
    inner: Inner | None = None
    items: list[int] | None = None
    sure: str = ""


class Made(BaseModel):
    text: str
    number: float
    inner: Inner
    items: list[str]


class Review(BaseModel):
    decision: bool


def work(_context: TaskContext, _request: Wanted) -> Made:
    raise AssertionError


REGISTRY = ServiceTaskRegistry(
    TransactionalTask("take", Wanted, work),
    TransactionalTask("make", Wanted, work, Made),
    TransactionalTask("fail", Wanted, work, Made, errors=("BROKEN",)),
)
BEGIN, DONE = start(), end()


def findings(*contents: bytes) -> list[tuple[str, str, str]]:
    """Return severity, code and element of each finding in the first document; the others are deployed."""
    models = [model for content in contents for model in read_diagram(content)]
    contracts = contracts_of(REGISTRY, {"review": Review}, models, frozenset({"reviewer"}))
    return [(finding.severity, finding.code, finding.element_id) for finding in verify(models[0], contracts)]


def taking(source: str, target: str, *before: str) -> bytes:
    """Return a process in which a task that makes something stands before one that takes something."""
    make, take = service_task("Make", "make"), service_task("Take", "take", {target: source})
    return diagram("p", start(), path("Begin", "Make", "Take", "Done"), make, take, *before, end())


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *(
            ("=5", "name"),
            ("five", "count"),
            ('="x"', "key"),
            ("angry", "mood"),
            ("=[1]", "inner"),
            ("={a: 1}", "items"),
        ),
        *(("=text", "count"), ("=number", "name"), ("=inner", "items"), ("=inner.size", "name"), ("=items", "inner")),
        *(("=number > 3", "inner"), ("=if number > 1 then text else number", "items"), ("=null", "sure")),
    ],
)
def test_what_can_never_fit_an_input_is_refused(source: str, target: str) -> None:
    assert findings(taking(source, target)) == [("error", "INPUT_TYPE", "Take")]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        *(("=5", "count"), ("5", "count"), ("glad", "mood"), ('="a"', "name"), ("=true", "flag"), ("=null", "name")),
        *(("c1b7e3a8-52a5-4b2a-b8f1-8d8f43a5a6a1", "key"), ("=text", "name"), ("=text", "key"), ("=number", "count")),
        *(
            ("=inner", "inner"),
            ("=inner.size", "count"),
            ("=items", "items"),
            ("=unknown", "items"),
            ("=[text]", "items"),
            ("=if number > 1 then text else unknown", "items"),
        ),
    ],
)
def test_what_may_fit_an_input_is_accepted(source: str, target: str) -> None:
    assert findings(taking(source, target)) == []


def test_a_variable_that_something_unknown_may_have_written_fits_everything() -> None:
    take = service_task("Take", "take", {"count": "=text"})
    content = diagram(
        "p", start(), path("Begin", "Make", "Open", "Take", "Done"),
        service_task("Make", "make"), service_task("Open", "take"), take, end(),
    )  # fmt: skip

    assert findings(content) == []


def ordered(*tasks: str, declared: str = "", more: tuple[str, ...] = ()) -> bytes:
    """Return a process of some tasks in a row."""
    ids = [task.split('"')[1] for task in tasks]
    return diagram("p", declared, start(), path("Begin", *ids, "Done"), *tasks, *more, end())


MAKE = service_task("Make", "make", {}, {"made": "=text"})
TAKE = service_task("Take", "take", {"sure": "=made"})


def test_a_variable_read_before_anything_has_written_it_is_refused() -> None:
    assert findings(ordered(TAKE, MAKE)) == [("error", "VARIABLE_MISSING", "Take")]
    assert findings(ordered(MAKE, TAKE)) == []


def test_what_nothing_ever_writes_is_what_an_instance_begins_with() -> None:
    assert findings(ordered(TAKE)) == []


def test_where_a_process_declares_its_inputs_everything_else_has_to_be_written() -> None:
    given = service_task("Use", "take", {"sure": "=given"})

    assert findings(ordered(given, declared=DECLARED)) == []
    assert findings(ordered(TAKE, declared=DECLARED)) == [("error", "VARIABLE_MISSING", "Take")]


def test_what_a_node_changes_is_taken_to_be_there() -> None:
    count = service_task("Count", "make", {"count": "=n"}, {"n": "=number"})

    assert findings(ordered(count)) == []
    assert findings(ordered(count, declared=DECLARED)) == [("error", "VARIABLE_MISSING", "Count")]


def branching(take: str) -> bytes:
    """Return a process in which only one of two ways writes what is read behind them."""
    return diagram(
        "p", start(), path("Begin", "Which"), choice("Which", "=go", "Make", "Take"), path("Make", "Take", "Done"),
        MAKE, take, end(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"sure": "=made"}, [("warning", "VARIABLE_PERHAPS_MISSING", "Take")]),
        ({"name": '=made + "x"'}, [("warning", "VARIABLE_PERHAPS_MISSING", "Take")]),
        ({"name": "=made"}, []),
        ({"name": '=if made = null then "x" else "y"'}, []),
        ({"flag": "=is defined(made)"}, []),
    ],
)
def test_a_variable_that_some_way_has_not_written_is_warned_of_where_null_is_not_expected(
    inputs: dict[str, str], expected: list[tuple[str, str, str]]
) -> None:
    assert findings(branching(service_task("Take", "take", inputs))) == expected


def test_behind_a_join_every_branch_has_written() -> None:
    other = service_task("Other", "make", {}, {"other": "=text"})
    take = service_task("Take", "take", {"sure": "=made", "name": '=other + "x"'})
    content = diagram(
        "p", start(), path("Begin", "Fork", "Make", "Join", "Take", "Done"), path("Fork", "Other", "Join"),
        parallel("Fork"), parallel("Join"), MAKE, other, take, end(),
    )  # fmt: skip

    assert findings(content) == []


def test_what_a_branch_beside_it_writes_is_perhaps_there() -> None:
    content = diagram(
        "p", start(), path("Begin", "Fork", "Make", "Join"), path("Fork", "Take", "Join", "Done"),
        parallel("Fork"), parallel("Join"), MAKE, TAKE, end(),
    )  # fmt: skip

    assert findings(content) == [("warning", "VARIABLE_PERHAPS_MISSING", "Take")]


def test_in_a_loop_what_comes_later_has_perhaps_written() -> None:
    content = diagram(
        "p", start(), path("Begin", "Take", "Make", "Which"), choice("Which", "=made = null", "Take", "Done"),
        MAKE, service_task("Take", "make", {"sure": "=made"}, {"taken": "=text"}), end(),
    )  # fmt: skip

    assert findings(content) == [("warning", "VARIABLE_PERHAPS_MISSING", "Take")]


def test_a_condition_is_a_reading_too() -> None:
    content = diagram(
        "p", start(), path("Begin", "Which"), choice("Which", "=made > 1", "Make", "Done"), path("Make", "Done"),
        MAKE, end(),
    )  # fmt: skip

    assert findings(content) == [("error", "VARIABLE_MISSING", "Which_accepted")]


def test_the_form_of_a_user_task_says_what_it_gives() -> None:
    ask = user_task("Ask", "reviewer", form="review")
    take = service_task("Take", "take", {"flag": "=decision"})
    wrong = service_task("Take", "take", {"sure": "=decision"})

    assert findings(ordered(ask, take, declared=DECLARED)) == []
    assert findings(ordered(ask, wrong, declared=DECLARED)) == [("error", "INPUT_TYPE", "Take")]


def test_who_completed_a_user_task_is_read_by_its_outputs_and_by_nobody_else() -> None:
    named = user_task("Ask", "reviewer", form="review", outputs={"flag": "=decision", "by": "=completed_by"})
    unnamed = user_task("Ask", "reviewer", form="review")

    def take(source: str) -> str:
        return service_task("Take", "take", {"flag": "=flag" if source == "by" else "=decision", "sure": f"={source}"})

    assert findings(ordered(named, take("by"), declared=DECLARED)) == []
    missing = findings(ordered(unnamed, take("completed_by"), declared=DECLARED))
    assert missing == [("error", "VARIABLE_MISSING", "Take")]


def test_an_output_reads_the_result_and_what_was_there() -> None:
    good = service_task("Make", "make", {"name": "=given"}, {"made": "=text + name + given"})
    bad = service_task("Make", "make", {}, {"made": "=texts"})

    assert findings(ordered(good, declared=DECLARED)) == []
    assert findings(ordered(bad, declared=DECLARED)) == [("error", "VARIABLE_MISSING", "Make")]


def test_the_item_of_a_round_is_known_within_and_the_outputs_behind() -> None:
    each = for_each("=given", "item", collect="results", each="=text")
    many = service_task("Make", "make", {"name": "=item"}, multi_instance=each)
    take = service_task("Take", "take", {"items": "=results"})
    beyond = service_task("Take", "take", {"sure": "=item"})

    assert findings(ordered(many, take, declared=DECLARED)) == []
    assert findings(ordered(many, beyond, declared=DECLARED)) == [("error", "VARIABLE_MISSING", "Take")]


def test_the_inputs_of_a_subprocess_are_known_within_and_what_it_writes_behind() -> None:
    inner = (
        start("In") + path("In", "Make", "Out") + service_task("Make", "make", {"name": "=local"}, {"made": "=text"})
    )
    mapped = "<zeebe:ioMapping><zeebe:input source='=given' target='local' /></zeebe:ioMapping>"
    nested = activity("subProcess", "Nested", mapped, inner + end("Out"))
    beyond = service_task("Take", "take", {"sure": "=local"})

    for take, expected in ((TAKE, []), (beyond, [("error", "VARIABLE_MISSING", "Take")])):
        content = diagram("p", DECLARED, start(), path("Begin", "Nested", "Take", "Done"), nested, take, end())
        assert findings(content) == expected


@pytest.mark.parametrize(
    ("repeated", "read", "expected"),
    [
        ("", "=local", []),
        (for_each("=given", "item"), "=item", []),
        (for_each("=given", "item"), "=made", []),
        ("", "=item", [("error", "VARIABLE_MISSING", "Undo")]),
        (for_each("=given", "other"), "=item", [("error", "VARIABLE_MISSING", "Undo")]),
    ],
)
def test_what_undoes_a_subprocess_knows_its_inputs_its_item_and_what_stayed_in_it(
    repeated: str, read: str, expected: list[tuple[str, str, str]]
) -> None:
    nested = subprocess(
        "Nested",
        start("In"),
        MAKE,
        end("Out"),
        path("In", "Make", "Out"),
        inputs={"local": "=given"},
        repeated=repeated,
    )
    undoing = undone_by("Nested", script_task("Undo", read, "undone"))
    other = script_task("Other", "=1", "item")
    content = diagram(
        "p", DECLARED, start(), path("Begin", "Nested", "Back", "Other", "Done"), nested, undoing,
        throw("Back", compensates=""), other, end(),
    )  # fmt: skip

    assert findings(content) == expected


@pytest.mark.parametrize("code", [None, "BROKEN", "OTHER"])
def test_an_error_that_a_handler_throws_has_to_be_caught(code: str | None) -> None:
    catching = boundary("Caught", "Work", None if code is None else "E")
    body = (*STRAIGHT, service_task("Work", "fail"), catching, path("Caught", "Done"))
    content = document(process("p", *body), error("E", code or "ANY"))

    assert findings(content) == ([("error", "ERROR_UNCAUGHT", "Work")] if code == "OTHER" else [])


def test_an_error_may_be_caught_by_the_scopes_around_the_task() -> None:
    inside = (start("In"), path("In", "Work", "Out"), service_task("Work", "fail"), end("Out"))
    nested = subprocess("Nested", *inside)
    caught = "<bpmn:startEvent id='Broken'><bpmn:errorEventDefinition /></bpmn:startEvent>"
    beside = event_subprocess("Beside", caught, path("Broken", "Mended"), end("Mended"))
    around = (start(), path("Begin", "Nested", "Done"), end())

    uncaught = [("error", "ERROR_UNCAUGHT", "Work")]
    assert findings(diagram("p", *around, nested)) == uncaught
    assert findings(diagram("p", *around, nested, beside)) == []
    assert findings(diagram("p", *around, nested, boundary("Caught", "Nested"), path("Caught", "Done"))) == []
    assert findings(diagram("p", *around, subprocess("Nested", *inside, beside))) == []


def test_an_error_may_be_caught_by_the_process_that_calls() -> None:
    failing = diagram("p", start(), path("Begin", "Fail", "Done"), service_task("Fail", "fail"), end())
    call = (start(), path("Begin", "Call", "Done"), call_activity("Call", "p"), end())
    heedless, careful = diagram("c", *call), diagram("c", *call, boundary("Caught", "Call"), path("Caught", "Done"))

    assert findings(failing, careful) == []
    assert findings(failing, heedless) == [("error", "ERROR_UNCAUGHT", "Fail")]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (call_activity("Call", "child", {"given": "=x", "also": "=y"}, parent=False, child=False), []),
        (call_activity("Call", "child", {"given": "=x"}, parent=False), [("error", "INPUT_MISSING", "Call")]),
        (call_activity("Call", "child", {"given": "=x"}), []),
    ],
)
def test_a_call_gives_what_the_called_process_declares(call: str, expected: list[tuple[str, str, str]]) -> None:
    child = diagram("child", DECLARED, *STRAIGHT, service_task("Work", "take", {"name": "=given"}))
    content = diagram("p", start(), path("Begin", "Call", "Done"), call, end())

    assert findings(content, child) == expected


def test_a_call_that_passes_all_variables_on_has_to_have_those_that_are_declared() -> None:
    child = diagram("child", DECLARED, *STRAIGHT, service_task("Work", "take", {"name": "=given"}))
    content = diagram("p", DECLARED.replace("also", "more"), *STRAIGHT, call_activity("Work", "child"))

    assert findings(content, child) == [("error", "VARIABLE_MISSING", "Work")]


def test_a_message_may_bring_anything_unless_the_process_declares_what() -> None:
    for declared, expected in (("", []), (DECLARED, [("error", "VARIABLE_MISSING", "Take")])):
        first = process("p", declared, start("Begin", "M"), path("Begin", "Take", "Make", "Done"), TAKE, MAKE, end())
        assert findings(document(first, message("M", "arrived"))) == expected


def test_a_group_in_which_nobody_can_be_is_refused() -> None:
    content = ordered(user_task("Ask", "reviewer, nobody", form="review"))

    assert findings(content) == [("error", "GROUP_UNKNOWN", "Ask")]
