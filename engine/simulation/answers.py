"""What a simulation is told beforehand: how tasks end, which messages and signals come, and when."""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, TypeAdapter, ValidationError
from pydantic_core import from_json

from engine.bpmn import SequenceFlow
from engine.crash_points import CrashPoint
from engine.durations import parse_duration
from engine.errors import AnswerNotApplicableError, AnswersInvalidError

_BPMN_ERROR, _ESCALATION, _FAIL, _AFTER = "$bpmn_error", "$escalation", "$fail", "$after"
_DIRECTIONS = frozenset({_BPMN_ERROR, _ESCALATION, _FAIL, _AFTER})
_NO_TIME = timedelta(0)


def _length(text: object) -> timedelta:
    if isinstance(text, timedelta):
        return text
    if not isinstance(text, str):
        raise ValueError("it is no ISO 8601 duration")  # noqa: TRY004 - pydantic reports a ValueError
    return parse_duration(text).approximate_length


Length = Annotated[timedelta, BeforeValidator(_length)]


class MessageAnswer(BaseModel):
    """A message that comes.

    Attributes:
        correlation_key: `None` for whoever waits for a message of that name.
        at: When, from the start of the simulation; `None` as soon as somebody waits for it.
        time_to_live: How long it is kept where nobody waits for it then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    correlation_key: str | int | float | bool | None = None
    payload: dict[str, JsonValue] = Field(default_factory=dict)
    at: Length | None = None
    time_to_live: Length = _NO_TIME


class SignalAnswer(BaseModel):
    """A signal that is broadcast.

    Attributes:
        at: When, from the start of the simulation; `None` as soon as somebody waits for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    payload: dict[str, JsonValue] = Field(default_factory=dict)
    at: Length | None = None


class Answers(BaseModel):
    """All that a simulation is told beforehand.

    Attributes:
        tasks: By element id, how the element ends each time, or a list of how it ends the first time, the second, ...
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: dict[str, JsonValue] = Field(default_factory=dict)
    messages: tuple[MessageAnswer, ...] = ()
    signals: tuple[SignalAnswer, ...] = ()


@dataclass(frozen=True)
class Ending:
    """How a task ends.

    Attributes:
        output: What it brings; an error and an escalation bring it too.
        after: How long it takes.
        escalation: What it throws before it completes, unless that interrupts it.
        failure: The text with which attempts fail.
        failures: How many of them fail; `None` for all.
        crash: Where the worker crashes that works on it first, if it does.
    """

    output: dict[str, JsonValue] = field(default_factory=dict)
    after: timedelta = _NO_TIME
    bpmn_error: str | None = None
    escalation: str | None = None
    failure: str | None = None
    failures: int | None = None
    crash: CrashPoint | None = None

    def fails(self, attempt: int) -> bool:
        """Return whether this attempt fails; the first is 1."""
        return self.failure is not None and (self.failures is None or attempt <= self.failures)


def read_answers(content: str | bytes) -> Answers:
    """Return the answers of a JSON document.

    Raises:
        AnswersInvalidError: It has none of that form; the first fault is named.
    """
    try:
        json.dumps(from_json(content, allow_inf_nan=False), allow_nan=False)  # 1e999 reads as infinity
    except ValueError as error:
        raise AnswersInvalidError(place="", reason=f"it is no JSON: {error}") from error
    try:
        answers = Answers.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise AnswersInvalidError(place=".".join(map(str, first["loc"])), reason=first["msg"]) from error
    for element_id, answer in answers.tasks.items():
        for each in answer if isinstance(answer, list) else [answer]:
            if isinstance(each, dict):
                read_ending(element_id, each)
    return answers


def read_ending(element_id: str, answer: JsonValue) -> Ending:
    """Return how a task ends that is answered so.

    Raises:
        AnswersInvalidError: It is no object, or directs what is not known.
    """
    place = f"tasks.{element_id}"
    if answer is None:
        return Ending()
    if not isinstance(answer, dict):
        raise AnswersInvalidError(place=place, reason="an output is an object, whose keys become variables")
    directions = {name: value for name, value in answer.items() if name.startswith("$")}
    if unknown := sorted(directions.keys() - _DIRECTIONS):
        reason = f"{unknown[0]} is none of {', '.join(sorted(_DIRECTIONS))}"
        raise AnswersInvalidError(place=place, reason=reason)
    texts = {name: _text(place, name, value) for name, value in directions.items()}
    if len(texts.keys() & {_BPMN_ERROR, _ESCALATION, _FAIL}) > 1:
        raise AnswersInvalidError(place=place, reason="a task fails, throws an error or escalates: one of them")
    try:
        after = _length(texts.get(_AFTER, "PT0S"))
    except ValueError as error:
        raise AnswersInvalidError(place=f"{place}.{_AFTER}", reason=str(error)) from error
    return Ending(
        output={name: value for name, value in answer.items() if name not in directions},
        after=after,
        bpmn_error=texts.get(_BPMN_ERROR),
        escalation=texts.get(_ESCALATION),
        failure=texts.get(_FAIL),
    )


def _text(place: str, name: str, value: JsonValue) -> str:
    if not isinstance(value, str):
        raise AnswersInvalidError(place=f"{place}.{name}", reason="it is no text")
    return value


Fault: TypeAlias = Callable[[Ending], Ending]


class AnswerBook:
    """The answers to tasks, gone through visit by visit."""

    def __init__(self, tasks: Mapping[str, JsonValue]) -> None:
        self._tasks = dict(tasks)
        self._visits = Counter[str]()
        self._faults = defaultdict[str, defaultdict[str, deque[Fault]]](lambda: defaultdict(deque))

    def __contains__(self, element_id: str) -> bool:
        return element_id in self._tasks

    def ending(self, element_id: str, otherwise: Ending | None = None) -> Ending | None:
        """Return how the element ends on its next visit; `None` where it is not answered, or no more."""
        ending = self._answered(element_id) or otherwise
        for faults in self._faults[element_id].values():
            if faults:
                ending = faults.popleft()(ending or Ending())
        return ending

    def answer(self, element_id: str, answer: JsonValue) -> None:
        """Let an element end so from now on; a list counts from its next visit."""
        self._tasks[element_id] = answer
        self._visits[element_id] = 0

    def inject(self, element_id: str, kind: str, fault: Fault) -> None:
        """Change how an element ends on the next of its visits that no fault of this kind changes yet."""
        self._faults[element_id][kind].append(fault)

    def _answered(self, element_id: str) -> Ending | None:
        if element_id not in self._tasks:
            return None
        answer = self._next(element_id)
        return None if answer is _NONE_LEFT else read_ending(element_id, answer)

    def decision(self, flow: SequenceFlow) -> bool | None:
        """Return whether a flow is taken now; `None` where that is not answered.

        Raises:
            AnswersInvalidError: The answer is neither true nor false.
        """
        if flow.id not in self._tasks:
            return None
        answer = self._next(flow.id)
        if answer is _NONE_LEFT:
            return False
        if not isinstance(answer, bool):
            raise AnswersInvalidError(place=f"tasks.{flow.id}", reason="whether a flow is taken is true or false")
        return answer

    def ways(self, element_id: str) -> frozenset[str]:
        """Return which flows leave a gateway on its next visit: their ids, or those of the nodes that they lead to.

        Raises:
            AnswersInvalidError: The answer is neither an id nor a list of ids.
        """
        answer = self._next(element_id)
        if answer is _NONE_LEFT:
            return frozenset()
        try:
            names = _IDS.validate_python(answer)
        except ValidationError as error:
            reason = "it says the way on by the id of a flow, or several by a list of ids for each visit"
            raise AnswersInvalidError(place=f"tasks.{element_id}", reason=reason) from error
        return frozenset([names] if isinstance(names, str) else names)

    def _next(self, element_id: str) -> JsonValue:
        answer, visit = self._tasks[element_id], self._visits[element_id]
        self._visits[element_id] += 1
        if not isinstance(answer, list):
            return answer
        return answer[visit] if visit < len(answer) else _NONE_LEFT


_IDS: TypeAdapter[str | list[str]] = TypeAdapter(str | list[str])
_NONE_LEFT: JsonValue = "no answer is left for this visit"


def require_possible(element_id: str, ending: Ending, kind: str) -> None:
    """Return if a task that no handler works on can end so.

    Raises:
        AnswerNotApplicableError: It cannot fail.
    """
    if ending.failure is not None:
        hint = "Leave it without an answer, or let a '$bpmn_error' or '$escalation' leave it."
        raise AnswerNotApplicableError(element_id=element_id, reason=f"a {kind} cannot fail", hint=hint)
