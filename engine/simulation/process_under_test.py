"""A process in the hands of a test: moved step by step on a virtual clock, answered, hindered and looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import JsonValue

from engine.crash_points import CRASH_POINTS, CrashPoint
from engine.durations import parse_duration
from engine.errors import AnsweredElementUnknownError, CrashPointError
from engine.operations import Operations
from engine.persistence import Event
from engine.persistence.simulation import OpenUserTask, SimulatedWork
from engine.simulation.answers import Answers, Ending, Fault, MessageAnswer, SignalAnswer, read_ending
from engine.simulation.coverage import Coverage, coverage_of
from engine.simulation.endings import end_user_task
from engine.simulation.outcome import result_of
from engine.simulation.preparation import is_answerable, require_awaited
from engine.simulation.simulated_engine import STARTER
from engine.simulation.simulation import Simulation
from engine.simulation.trace import SimulationResult, iso_duration

_FOR_EVER = timedelta(days=36_525)


class NotReachedError(AssertionError):
    """The process never came to where the test expected it."""


class ProcessUnderTest:
    """One process on a clock of its own.

    Service tasks complete at once, with their answer or an output made from their contract; people, messages and time
    do nothing until the test says so, unless they are answered beforehand.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    # Moving.

    def start(self) -> None:
        """Start the process; nothing that follows from it is done yet."""
        self._simulation.start()

    def step(self) -> bool:
        """Do the next thing that can be done now; return False where there is none."""
        return self._simulation.turn(self._simulation.now)

    def run(self) -> None:
        """Do all that can be done now, up to where everything waits."""
        self._simulation.run(self._simulation.now)

    def run_to_end(self) -> SimulationResult:
        """Do all that can be done, and let the clock jump, until nothing can happen any more; return what it led to."""
        self._simulation.run(self._simulation.begin + _FOR_EVER)
        return self.result

    def run_until(self, element_id: str) -> None:
        """Do what can be done, and let the clock jump, until an element is entered that is not entered yet.

        Raises:
            NotReachedError: It never is.
        """
        entered = self.visits(element_id)
        while self.visits(element_id) == entered:
            if not self._simulation.turn(self._simulation.begin + _FOR_EVER):
                raise NotReachedError(f"{element_id} is never entered; waiting: {self.result.waiting}")

    def advance(self, duration: str) -> None:
        """Let an ISO 8601 duration pass; what becomes due on the way is done at its time."""
        moment = parse_duration(duration).after(self._simulation.now)
        self._simulation.run(moment)
        self._simulation.set_clock(moment)
        self.run()

    # Answering.

    def answer(self, element_id: str, *outputs: JsonValue) -> None:
        """Let an element end so from its next visit on; several outputs are for one visit each.

        Raises:
            AnsweredElementUnknownError, AnswersInvalidError: It cannot be answered so.
        """
        self._require(element_id)
        for output in outputs:
            read_ending(element_id, output)
        self._simulation.book.answer(element_id, outputs[0] if len(outputs) == 1 else list(outputs))

    def complete(self, element_id: str, output: Mapping[str, JsonValue] | None = None, *, by: str = "person") -> None:
        """Let somebody whom it is for complete the user task that has waited longest, and go on.

        Raises:
            NotReachedError: No such task waits.
            ReportedError: The output does not fit the form, or what follows from it failed.
        """
        task = self._open_task(element_id)
        end_user_task(self._simulation.world, task, Ending(output=dict(output or {})), by)
        self.run()

    def send(self, name: str, payload: Mapping[str, JsonValue] | None = None, *, key: str | int | None = None) -> None:
        """Send a message now, without a key to whoever has waited longest, and go on.

        Raises:
            AnsweredEventUnknownError: Nothing in the diagrams ever waits for it.
        """
        length = self._simulation.now - self._simulation.begin
        message = MessageAnswer(name=name, correlation_key=key, payload=dict(payload or {}), at=length)
        require_awaited(Answers(messages=(message,)), self._simulation.prepared.models)
        self._simulation.expect(message)
        self.run()

    def signal(self, name: str, payload: Mapping[str, JsonValue] | None = None) -> None:
        """Broadcast a signal now, and go on.

        Raises:
            AnsweredEventUnknownError: Nothing in the diagrams ever waits for it.
        """
        length = self._simulation.now - self._simulation.begin
        signal = SignalAnswer(name=name, payload=dict(payload or {}), at=length)
        require_awaited(Answers(signals=(signal,)), self._simulation.prepared.models)
        self._simulation.expect_signal(signal)
        self.run()

    # Faults: each is for the next visit of a task that has none of its kind yet.

    def fail(self, element_id: str, reason: str = "it fails", *, times: int | None = None) -> None:
        """Let a service task's attempts fail: all of them, or so many until one succeeds."""
        self._inject(element_id, "failure", lambda ending: replace(ending, failure=reason, failures=times))

    def throw_error(self, element_id: str, error_code: str, variables: Mapping[str, JsonValue] | None = None) -> None:
        """Let a task end with a BPMN error."""
        self._inject(
            element_id,
            "bpmn_error",
            lambda ending: replace(ending, bpmn_error=error_code, output=dict(variables or {})),
        )

    def escalate(self, element_id: str, escalation_code: str) -> None:
        """Let a task escalate before it completes."""
        self._inject(element_id, "escalation", lambda ending: replace(ending, escalation=escalation_code))

    def delay(self, element_id: str, duration: str) -> None:
        """Let a task take its time."""
        length = parse_duration(duration).approximate_length
        self._inject(element_id, "after", lambda ending: replace(ending, after=length))

    def crash(self, element_id: str, at: CrashPoint = "after_handler") -> None:
        """Let the worker crash that works on a service task; another one takes over when its lease expires.

        Raises:
            CrashPointError: There is no such place to crash at.
        """
        if at not in CRASH_POINTS:
            raise CrashPointError(entry=at, known=CRASH_POINTS)
        self._inject(element_id, "crash", lambda ending: replace(ending, crash=at))

    def retry(self, element_id: str) -> None:
        """Let an operator have the failed task of an incident tried again, and go on.

        Raises:
            NotReachedError: There is no incident about it.
        """
        operations, world = Operations(self._simulation.world.engine), self._simulation.world
        with world.storage.transaction() as work:
            found = [each for each in operations.incidents(work, context=STARTER) if each.element_id == element_id]
        if not found:
            raise NotReachedError(f"There is no incident about {element_id}: {self.result.incidents}")
        world.outcomes.endings.pop(found[0].task_id, None)
        with world.storage.transaction() as work:
            operations.retry_incident(work, found[0].incident_id, reason="the test says so", context=STARTER)
        self.run()

    def roll_back(self) -> None:
        """Let an operator cancel the process and have undone what it has done, and go on.

        Raises:
            InstanceNotActiveError: It is over.
            CompensationMissingError: No diagram says how anything is undone.
        """
        world, root = self._simulation.world, self._simulation.root
        if root is None:
            raise NotReachedError("The process has not begun")
        with world.storage.transaction() as work:
            Operations(world.engine).cancel(work, root, reason="the test says so", context=STARTER, compensate=True)
        self.run()

    # Looking.

    @property
    def result(self) -> SimulationResult:
        """What it has led to so far."""
        return result_of(self._simulation)

    @property
    def completed(self) -> bool:
        """Whether it has come to its end."""
        return self.result.completed

    @property
    def variables(self) -> dict[str, JsonValue]:
        """The variables of the process."""
        return self.result.variables

    @property
    def path(self) -> tuple[str, ...]:
        """The elements that were completed, in that order."""
        return tuple(entry.element for entry in self.result.trace if entry.event == "completed")

    @property
    def now(self) -> datetime:
        """What the clock shows."""
        return self._simulation.now

    @property
    def elapsed(self) -> str:
        """How long it has run, as ISO 8601 writes it."""
        return iso_duration(self._simulation.now - self._simulation.begin)

    def visits(self, element_id: str) -> int:
        """Return how often an element was entered.

        Raises:
            NotReachedError: No diagram has it.
        """
        self._require_drawn(element_id)
        with self._simulation.world.storage.statement() as work:
            return SimulatedWork(work).count_events(element_id, "element.activated")

    def waits_at(self, element_id: str) -> bool:
        """Return whether something waits at an element.

        Raises:
            NotReachedError: No diagram has it.
        """
        self._require_drawn(element_id)
        return any(each.element == element_id for each in self.result.waiting)

    @property
    def coverage(self) -> Coverage:
        """Which parts of its diagrams were passed."""
        return coverage_of(self._simulation.prepared.models, self._events())

    def _events(self) -> list[Event]:
        with self._simulation.world.storage.transaction() as work:
            return SimulatedWork(work).events()

    def _open_task(self, element_id: str) -> OpenUserTask:
        with self._simulation.world.storage.statement() as work:
            tasks = [each for each in SimulatedWork(work).open_user_tasks() if each.element_id == element_id]
        if not tasks:
            raise NotReachedError(f"No user task waits at {element_id}; waiting: {self.result.waiting}")
        return tasks[0]

    def _inject(self, element_id: str, kind: str, fault: Fault) -> None:
        self._require(element_id)
        self._simulation.book.inject(element_id, kind, fault)

    def _require_drawn(self, element_id: str) -> None:
        if not any(element_id in model.nodes for model in self._simulation.prepared.models):
            raise NotReachedError(f"No diagram has an element {element_id}")

    def _require(self, element_id: str) -> None:
        nodes = [node for model in self._simulation.prepared.models for node in model.nodes.values()]
        answerable = tuple(node.id for node in nodes if is_answerable(node))
        if element_id not in answerable:
            raise AnsweredElementUnknownError(element_ids=(element_id,), answerable=answerable)
