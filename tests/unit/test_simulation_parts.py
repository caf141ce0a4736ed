"""What a simulation decides without a database."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Literal
from uuid import UUID

import pytest
from diagrams import choice, diagram, end, path, start
from pydantic import BaseModel, Field

from engine.bpmn import read_diagram
from engine.errors import AnswersInvalidError
from engine.simulation.answers import AnswerBook, Answers, Ending, MessageAnswer, read_answers, read_ending
from engine.simulation.coverage import Covered, merged
from engine.simulation.made_outputs import made_output
from engine.simulation.told_ways import ToldWays
from engine.simulation.trace import iso_duration


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "PT0S"),
        (timedelta(seconds=5), "PT5S"),
        (timedelta(seconds=90), "PT1M30S"),
        (timedelta(hours=1), "PT1H"),
        (timedelta(days=400), "P400D"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=50), "P1DT2H3M4.05S"),
        (timedelta(milliseconds=1500), "PT1.5S"),
    ],
)
def test_a_length_of_time_is_written_in_days_and_less(length: timedelta, text: str) -> None:
    assert iso_duration(length) == text


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("[]", ""),
        ("{", ""),
        ('{"tasks": {"A": {"size": NaN}}}', ""),
        ('{"tasks": {"A": {"size": 1e999}}}', ""),
        ('{"task": {}}', "task"),
        ('{"messages": [{"name": "a", "at": "soon"}]}', "messages.0.at"),
        ('{"messages": [{"key": "a"}]}', "messages.0.name"),
        ('{"tasks": {"A": {"$later": "PT1S"}}}', "tasks.A"),
        ('{"tasks": {"A": [{}, {"$after": "1h"}]}}', "tasks.A.$after"),
        ('{"tasks": {"A": {"$fail": 3}}}', "tasks.A.$fail"),
        ('{"tasks": {"A": {"$fail": "a", "$bpmn_error": "B"}}}', "tasks.A"),
    ],
)
def test_answers_of_another_form_are_refused_where_they_are_wrong(content: str, place: str) -> None:
    with pytest.raises(AnswersInvalidError) as raised:
        read_answers(content)
    assert raised.value.place == place


def test_answers_are_read() -> None:
    content = '{"tasks": {"A": {"a": 1}}, "messages": [{"name": "m", "correlation_key": 7, "at": "PT1M"}]}'
    message = MessageAnswer(name="m", correlation_key=7, at=timedelta(minutes=1))
    assert read_answers(content) == Answers(tasks={"A": {"a": 1}}, messages=(message,))


def test_directions_are_no_variables() -> None:
    answer = {"a": 1, "$bpmn_error": "FULL", "$after": "PT1M"}
    assert read_ending("A", answer) == Ending(output={"a": 1}, after=timedelta(minutes=1), bpmn_error="FULL")


def test_a_list_is_gone_through_visit_by_visit_and_has_an_end() -> None:
    book = AnswerBook({"A": [{"n": 1}, {"n": 2}], "B": {"n": 3}})
    assert [book.ending("A") for _ in range(3)] == [Ending({"n": 1}), Ending({"n": 2}), None]
    assert [book.ending("B") for _ in range(2)] == [Ending({"n": 3}), Ending({"n": 3})]
    assert book.ending("C") is None


def test_a_fault_is_for_one_visit_and_several_kinds_meet() -> None:
    book = AnswerBook({"A": {"n": 1}})
    book.inject("A", "failure", lambda ending: Ending(ending.output, failure="full", failures=1))
    book.inject("A", "after", lambda ending: Ending(ending.output, timedelta(1), failure=ending.failure))
    first, second = book.ending("A"), book.ending("A")
    assert (first, second) == (Ending({"n": 1}, timedelta(1), failure="full"), Ending({"n": 1}))


class _Size(StrEnum):
    SMALL = "small"


class _Part(BaseModel):
    weight: float = Field(gt=1)


class _Output(BaseModel):
    name: str
    size: _Size
    count: int = Field(ge=2)
    kind: Literal["a", "b"]
    made: bool
    part: _Part
    parts: tuple[_Part, ...]
    note: str | None
    number: UUID
    given: int = 7


def test_an_output_is_made_that_fits_its_contract() -> None:
    made = made_output(_Output)
    assert made == {
        "name": "name",
        "size": "small",
        "count": 2,
        "kind": "a",
        "made": True,
        "part": {"weight": 2.0},
        "parts": [],
        "note": "note",
        "number": "00000000-0000-0000-0000-000000000000",
        "given": 7,
    }
    assert _Output.model_validate(made).number == UUID(int=0)
    assert made_output(None) == {}


_CHOOSING = diagram(
    "choosing", start(), choice("Which", "=a", "Good", "Bad"), end("Good"), end("Bad"), path("Begin", "Which")
)


@pytest.mark.parametrize(
    ("tasks", "taken"),
    [
        ({}, [True, True]),
        ({"Which": "Good"}, [True, True]),
        ({"Which": ["Bad", "Good"]}, [False, True]),
        ({"Which_accepted": [False]}, [False, False]),
    ],
)
def test_a_way_is_taken_as_it_is_told(tasks: dict[str, object], taken: list[bool]) -> None:
    (model,) = read_diagram(_CHOOSING)
    ways = ToldWays(AnswerBook(Answers.model_validate({"tasks": tasks}).tasks), [model])
    flow = next(flow for flow in model.flows if flow.id == "Which_accepted")
    assert [ways.judge(flow, {"a": True}) for _ in range(2)] == taken


def test_coverage_of_several_tests_adds_up() -> None:
    def passed(*names: str) -> dict[str, dict[str, Covered]]:
        every = frozenset({"a", "b", "c"})
        parts = {"nodes": Covered(every=every, passed=frozenset(names))}
        return {"p": {**parts, "flows": Covered(every=frozenset()), "compensations": Covered(every=frozenset())}}

    both = merged(passed("a"), passed("b"))["p"]["nodes"]  # type: ignore[arg-type]
    assert (both.missing, round(both.percent), Covered(every=frozenset()).percent) == (("c",), 67, 100.0)
