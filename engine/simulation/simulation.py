"""Playing a process through: one thing after the other, and a clock that jumps when nothing can be done.

At one instant jobs come first, then timers, then the answers of people and the messages and signals from outside, in
the order in which they became due.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from pydantic import JsonValue

from engine.bpmn import ProcessModel
from engine.crash_points import CrashPoint, armed
from engine.errors import TaskGoneError, UserTaskClosedError
from engine.persistence import MESSAGE_TYPE, SIGNAL_TYPE, TRIGGER_TYPE, ClaimedJob, EventKind
from engine.persistence.simulation import (
    AwaitedEvent,
    OfferedJob,
    OpenUserTask,
    SimulatedTime,
    SimulatedWork,
)
from engine.simulation.answers import AnswerBook, Ending, MessageAnswer, SignalAnswer, require_possible
from engine.simulation.endings import end_event, end_user_task
from engine.simulation.preparation import Prepared
from engine.simulation.refused_start import refused_start
from engine.simulation.simulated_engine import LEASE_SECONDS, STARTER, World
from engine.simulation.trace import SimulatedIncident, TraceEntry, iso_duration
from engine.waiting_events import correlation_text
from storage import ReportedError

MOST_TURNS = 3_000
_KEPT_SECONDS = 365 * 24 * 3_600.0
_INTERNAL = frozenset({TRIGGER_TYPE, SIGNAL_TYPE, MESSAGE_TYPE})


@dataclass(order=True)
class _Due:
    """Something that happens at a time."""

    at: datetime
    order: int
    act: Callable[[], None] = field(compare=False)


class Simulation:
    """One process being played through.

    Attributes:
        now: What the clock shows.
        book: How tasks end.
        root: The instance of the process that is simulated, once it has begun.
        incidents: What went wrong outside of jobs.
        refused_start: How far the process came that could not be started; nothing of it is stored.
        most_turns: After so many turns a process that never comes to rest is stopped.
    """

    def __init__(
        self,
        world: World,
        prepared: Prepared,
        book: AnswerBook,
        *,
        begin: datetime,
        variables: Mapping[str, JsonValue],
        made_for: Callable[[str], dict[str, JsonValue]] = lambda _type: {},
        most_turns: int = MOST_TURNS,
    ) -> None:
        self.world = world
        self.prepared = prepared
        self.begin = self.now = begin
        self.root: UUID | None = None
        self.incidents: list[SimulatedIncident] = []
        self.refused_start: tuple[TraceEntry, ...] = ()
        self.most_turns = most_turns
        self.turns = 0
        self.book = book
        self._variables = dict(variables)
        self._made_for = made_for
        self._due: list[_Due] = []
        self._floating: list[MessageAnswer | SignalAnswer] = []
        self._noted: set[UUID] = set()
        self._crashed: set[UUID] = set()
        self._people = 0
        self._order = 0

    def start(self) -> None:
        """Start the process, or let it be started by what its start event waits for."""
        if self._model.none_start_event() is None:
            return
        try:
            with self.world.storage.transaction() as work:
                self.root = self.world.engine.start(work, self.prepared.process_id, self._variables, context=STARTER)
        except ReportedError as error:
            self._note_incident(getattr(error, "element_id", None), error)
            self.refused_start = refused_start(self.world, self.prepared, self._variables, self.most_turns)

    def expect(self, message: MessageAnswer) -> None:
        """Let a message come."""
        if message.at is None:
            self._floating.append(message)
        else:
            self._at(self.begin + message.at, partial(self._send, message))

    def expect_signal(self, signal: SignalAnswer) -> None:
        """Let a signal come."""
        if signal.at is None:
            self._floating.append(signal)
        else:
            self._at(self.begin + signal.at, partial(self._broadcast, signal))

    def run(self, until: datetime) -> None:
        """Go on until nothing can happen any more, or only later than `until`."""
        while self.turn(until):
            if self.turns >= self.most_turns:
                self._note_limit()
                return

    def turn(self, until: datetime) -> bool:
        """Do the next thing, or let the clock jump to it; return False where there is none until then."""
        if self._work() or self._fire() or self._answer():
            self.turns += 1
            self._find_root()
            return True
        moment = self._next_moment()
        if moment is None or moment > until or moment <= self.now:
            return False
        self.set_clock(moment)
        return True

    def set_clock(self, now: datetime) -> None:
        """Let it be that time."""
        self.now = now
        with self.world.storage.transaction() as work:
            SimulatedTime(work).set(now)

    @property
    def _model(self) -> ProcessModel:
        return self.prepared.model

    def _at(self, moment: datetime, act: Callable[[], None]) -> None:
        self._order += 1
        self._due.append(_Due(moment, self._order, act))

    # Jobs: service tasks, and what the engine delivers.

    def _work(self) -> bool:
        """Do the job that has been due longest."""
        job = min(self._offered(), key=lambda each: (self._ends_at(each), each.job_id), default=None)
        if job is None or self._ends_at(job) > self.now:
            return False
        with self.world.storage.statement() as work:
            claimed = SimulatedWork(work).claim_job(job.job_id, self.world.worker.worker_id, LEASE_SECONDS)
        if claimed is not None:
            self._work_on(claimed)
        return True

    def _offered(self) -> list[OfferedJob]:
        with self.world.storage.statement() as work:
            return SimulatedWork(work).offered_jobs()

    def _ends_at(self, job: OfferedJob) -> datetime:
        """Return when a job is done; how a service task ends is decided when it is seen first."""
        if job.type in _INTERNAL:
            return job.available_at
        endings = self.world.outcomes.endings
        if job.task_id not in endings:
            made = Ending(output=self._made_for(job.type))
            endings[job.task_id] = self.book.ending(job.element_id, made) or made
        is_first = job.attempt == 1 and job.task_id not in self._crashed
        return job.available_at + (endings[job.task_id].after if is_first else timedelta(0))

    def _work_on(self, job: ClaimedJob) -> None:
        ending = self.world.outcomes.endings.get(job.task_id)
        if ending is None or ending.crash is None or job.task_id in self._crashed:
            self.world.worker.work_on(job)
            return
        self._crashed.add(job.task_id)
        try:
            with armed(partial(_crash, ending.crash)):
                self.world.worker.work_on(job)
        except WorkerCrash:
            self.world.replace_worker()

    # Timers.

    def _fire(self) -> bool:
        moment = self._next_fire()
        if moment is None or moment > self.now:
            return False
        self.world.scheduler.fire_due()
        return True

    def _next_fire(self) -> datetime | None:
        with self.world.storage.statement() as work:
            return SimulatedWork(work).next_fire()

    def _find_root(self) -> None:
        """Notice that the process was started from outside; then no timer starts it again."""
        if self.root is not None or self._model.none_start_event() is not None:
            return
        with self.world.storage.transaction() as work:
            simulated = SimulatedWork(work)
            begun = (each for each in simulated.instances() if each.process_id == self.prepared.process_id)
            first = next(begun, None)
            if first is not None:
                self.root = first.process_instance_id
                simulated.stop_schedules()

    # Answers.

    def _answer(self) -> bool:
        self._note_waiting()
        due = [each for each in self._due if each.at <= self.now]
        if due:
            first = min(due)
            self._due.remove(first)
            first.act()
            return True
        return any(self._settle(each) for each in tuple(self._floating))

    def _note_waiting(self) -> None:
        """Look for tasks that have begun to wait, and plan how those end that are answered."""
        with self.world.storage.statement() as work:
            simulated = SimulatedWork(work)
            tasks, events = simulated.open_user_tasks(), simulated.awaited_events()
        for task in tasks:
            if self._is_new(task.task_id) and (ending := self.book.ending(task.element_id)) is not None:
                require_possible(task.element_id, ending, "user task")
                self._at(self.now + ending.after, partial(self._end_user_task, task, ending))
        for event in events:
            is_answered = event.kind is EventKind.MESSAGE and self._is_new(event.task_id)
            if is_answered and (ending := self.book.ending(event.element_id)) is not None:
                require_possible(event.element_id, ending, "receiver")
                self._at(self.now + ending.after, partial(self._end_event, event, ending))

    def _is_new(self, task_id: UUID) -> bool:
        is_new = task_id not in self._noted
        self._noted.add(task_id)
        return is_new

    def _end_user_task(self, task: OpenUserTask, ending: Ending) -> None:
        self._people += 1
        self._guarded(task.element_id, partial(end_user_task, self.world, task, ending, f"person-{self._people}"))

    def _end_event(self, event: AwaitedEvent, ending: Ending) -> None:
        self._guarded(event.element_id, partial(end_event, self.world, event, ending))

    # Messages and signals.

    def _settle(self, expected: MessageAnswer | SignalAnswer) -> bool:
        """Send what comes as soon as somebody waits for it."""
        with self.world.storage.transaction() as work:
            simulated = SimulatedWork(work)
            starts, events = simulated.awaited_starts(), simulated.awaited_events()
        kind = EventKind.MESSAGE if isinstance(expected, MessageAnswer) else EventKind.SIGNAL
        begins = any(start.kind is kind and start.name == expected.name for start in starts)
        fits = _is_named if self.prepared.foreign else _fits
        if not (begins or any(fits(expected, event) for event in events)):
            return False
        self._floating.remove(expected)
        if isinstance(expected, MessageAnswer):
            self._send(expected)
        else:
            self._broadcast(expected)
        return True

    def _send(self, message: MessageAnswer) -> None:
        """Send a message: without a key, to whoever has waited longest for one of its name."""
        with self.world.storage.transaction() as work:
            awaited = SimulatedWork(work).awaited_events()
        receiver = next((event for event in awaited if _fits(message, event)), None)
        if receiver is None and self.prepared.foreign:
            receiver = next((event for event in awaited if _is_named(message, event)), None)
        self._guarded(None if receiver is None else receiver.element_id, partial(self._publish, message, receiver))

    def _publish(self, message: MessageAnswer, receiver: AwaitedEvent | None) -> None:
        payload = message.payload if self.root is not None else {**self._variables, **message.payload}
        if receiver is not None:
            key = receiver.correlation_key or ""
        else:
            key = "" if message.correlation_key is None else correlation_text("the answers", message.correlation_key)
        with self.world.storage.transaction() as work:
            self.world.engine.publish_message(
                work,
                message.name,
                key,
                payload,
                context=STARTER,
                time_to_live_seconds=min(message.time_to_live.total_seconds(), _KEPT_SECONDS),
            )

    def _broadcast(self, signal: SignalAnswer) -> None:
        payload = signal.payload if self.root is not None else {**self._variables, **signal.payload}
        with self.world.storage.transaction() as work:
            self.world.engine.broadcast_signal(work, signal.name, payload, context=STARTER)

    # Time, and what goes wrong.

    def _next_moment(self) -> datetime | None:
        fire = self._next_fire()
        moments = [each.at for each in self._due] + [self._ends_at(job) for job in self._offered()]
        return min(moments if fire is None else [*moments, fire], default=None)

    def _guarded(self, element_id: str | None, act: Callable[[], None]) -> None:
        try:
            act()
        except (TaskGoneError, UserTaskClosedError):
            pass  # it was interrupted meanwhile
        except ReportedError as error:
            self._note_incident(element_id, error)

    def _note_incident(self, element_id: str | None, error: ReportedError) -> None:
        at = iso_duration(self.now - self.begin)
        self.incidents.append(SimulatedIncident(element=element_id, code=error.code, message=str(error), at=at))

    def _note_limit(self) -> None:
        message = f"The simulation was stopped after {self.most_turns} turns: the process never comes to rest."
        at = iso_duration(self.now - self.begin)
        self.incidents.append(SimulatedIncident(element=None, code="SIMULATION_LIMIT", message=message, at=at))


class WorkerCrash(BaseException):
    """A worker has crashed; no handler of exceptions may notice."""


def _crash(wanted: CrashPoint, reached: CrashPoint) -> None:
    if reached == wanted:
        raise WorkerCrash


def _fits(expected: MessageAnswer | SignalAnswer, event: AwaitedEvent) -> bool:
    if not _is_named(expected, event):
        return False
    key = expected.correlation_key if isinstance(expected, MessageAnswer) else None
    return key is None or correlation_text("the answers", key) == event.correlation_key


def _is_named(expected: MessageAnswer | SignalAnswer, event: AwaitedEvent) -> bool:
    kind = EventKind.MESSAGE if isinstance(expected, MessageAnswer) else EventKind.SIGNAL
    return event.kind is kind and event.name == expected.name
