"""A whole simulation, from files and answers to what they lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, JsonValue

from engine.service_tasks import ServiceTaskRegistry
from engine.simulation.answers import AnswerBook, Answers
from engine.simulation.made_outputs import made_output
from engine.simulation.outcome import result_of
from engine.simulation.preparation import Prepared
from engine.simulation.simulated_engine import build_world, deploy, install_clock
from engine.simulation.simulation import MOST_TURNS, Simulation
from engine.simulation.trace import SimulationResult
from storage.throwaway_database import throwaway_database, throwaway_storage

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST = timedelta(days=365)


@dataclass(frozen=True)
class Play:
    """What is to be played through.

    Attributes:
        known: The handlers for which stand-ins are made, with their contracts.
        forms: By id.
        begin: What the clock shows when the process starts.
    """

    prepared: Prepared
    answers: Answers
    known: ServiceTaskRegistry
    forms: Mapping[str, type[BaseModel]]
    variables: Mapping[str, JsonValue] = field(default_factory=dict)
    begin: datetime = BEGIN
    most_turns: int = MOST_TURNS


def play(subject: Play, until: timedelta = LONGEST) -> SimulationResult:
    """Play a process through on a throw-away database, until nothing can happen within that time.

    Raises:
        DatabaseUnavailableError: The database does not start.
        AnswersInvalidError, AnswerNotApplicableError: A task cannot end as it is answered.
    """
    with throwaway_database() as url, opened(subject, url) as simulation:
        simulation.start()
        simulation.run(subject.begin + until)
        return result_of(simulation)


@contextmanager
def opened(subject: Play, database_url: str) -> Iterator[Simulation]:
    """Yield a simulation that has not begun, on a database that is its own."""
    book = AnswerBook(subject.answers.tasks)
    install_clock(database_url, subject.begin)
    with throwaway_storage(database_url) as storage:
        world = build_world(storage, database_url, subject.prepared, book, subject.forms)
        deploy(world, subject.prepared, subject.variables)
        simulation = Simulation(
            world,
            subject.prepared,
            book,
            begin=subject.begin,
            variables=subject.variables,
            made_for=lambda task_type: _made(subject.known, task_type),
            most_turns=subject.most_turns,
        )
        for message in subject.answers.messages:
            simulation.expect(message)
        for signal in subject.answers.signals:
            simulation.expect_signal(signal)
        yield simulation


def _made(known: ServiceTaskRegistry, task_type: str) -> dict[str, JsonValue]:
    return made_output(known[task_type].output) if task_type in known.types else {}
