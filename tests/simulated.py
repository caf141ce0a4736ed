"""Processes played through in a test's own database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from engine.service_tasks import ServiceTaskRegistry
from engine.simulation.answers import read_answers
from engine.simulation.outcome import result_of
from engine.simulation.playing import LONGEST, Play, opened
from engine.simulation.preparation import SourceFile, Surroundings, prepare
from engine.simulation.trace import SimulationResult, TraceEntry

NO_HANDLERS = ServiceTaskRegistry()


def simulated(
    database_url: str,
    *diagrams: bytes,
    tasks: Mapping[str, Any] | None = None,
    messages: list[dict[str, Any]] | None = None,
    signals: list[dict[str, Any]] | None = None,
    variables: Mapping[str, Any] | None = None,
    process_id: str | None = None,
    foreign: bool = False,
    until: timedelta = LONGEST,
    known: ServiceTaskRegistry = NO_HANDLERS,
    forms: Mapping[str, type[BaseModel]] | None = None,
    most_turns: int | None = 300,
) -> SimulationResult:
    """What diagrams lead to with these answers."""
    told = {"tasks": tasks or {}, "messages": messages or [], "signals": signals or []}
    answers = read_answers(json.dumps(told))
    files = [SourceFile(f"{number}.bpmn", content) for number, content in enumerate(diagrams)]
    prepared = prepare(files, answers, Surroundings(known, forms or {}), process_id=process_id, foreign=foreign)
    play = Play(prepared, answers, known, forms or {}, variables or {}, most_turns=most_turns)
    with opened(play, database_url) as simulation:
        simulation.start()
        simulation.run(play.begin + until)
        return result_of(simulation)


def happened(result: SimulationResult, *events: str) -> list[str]:
    """Elements in the order in which these things happened to them, as `Element` or `Element event` for several."""
    chosen = [entry for entry in result.trace if entry.event in events]
    return [entry.element if len(events) == 1 else f"{entry.element} {entry.event}" for entry in chosen]


def times(result: SimulationResult, event: str = "completed") -> dict[str, str]:
    """When this happened to each element, the last time."""
    return {entry.element: entry.at for entry in result.trace if entry.event == event}


def entry(element: str, event: Any, at: str = "PT0S", instance: int = 1) -> TraceEntry:
    return TraceEntry(element=element, event=event, at=at, instance=instance)
