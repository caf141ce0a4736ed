"""`ami-learning diagram simulate`: a process played through, and what it would need of people and machines."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import JsonValue, TypeAdapter, ValidationError

from engine.durations import parse_duration
from engine.simulation.answers import Answers, read_answers
from engine.simulation.needs import Need, needs_of
from engine.simulation.playing import Play, play
from engine.simulation.preparation import FileFinding, PreparationError, SourceFile, Surroundings, prepare
from engine.simulation.trace import SimulationResult
from learning import bootstrap
from learning.settings import LearningSettings

_VARIABLES = TypeAdapter(dict[str, JsonValue])
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True)]


def simulate_files(
    files: Files,
    *,
    process_id: Annotated[
        str | None, typer.Option("--process", help="The process to play through; else the first that none calls.")
    ] = None,
    variables: Annotated[
        str, typer.Option("--variables", help="What it begins with, a JSON object; @FILE reads a file.")
    ] = "{}",
    answers: Annotated[
        Path | None, typer.Option("--answers", exists=True, dir_okay=False, help="How tasks end and what comes, JSON.")
    ] = None,
    until: Annotated[str, typer.Option("--until", help="For how long the clock runs, an ISO 8601 duration.")] = "P365D",
    begin: Annotated[
        datetime | None, typer.Option("--begin", help="What the clock shows at the start (UTC); else the time now.")
    ] = None,
    foreign: Annotated[bool, typer.Option("--foreign", help="Play through other engines' diagrams.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Play a process through with virtual time and stand-ins for its tasks, and say what happens and what waits.

    Several files: the others hold called processes and decisions. Exit code 1 where a diagram is refused.
    """
    length, values = _duration(until), _parsed(variables)
    told = Answers() if answers is None else read_answers(answers.read_bytes())
    registry, forms = bootstrap.contracts()
    groups = frozenset(LearningSettings().groups)
    surroundings = Surroundings(registry, forms, groups, tuple(_shipped()))
    try:
        prepared = prepare(
            [SourceFile(str(path), path.read_bytes()) for path in files],
            told,
            surroundings,
            process_id=process_id,
            foreign=foreign,
        )
    except PreparationError as error:
        _print_findings(error.findings)
        raise typer.Exit(1) from error
    _print_findings(prepared.warnings)
    start = datetime.now(UTC).replace(microsecond=0) if begin is None else begin.replace(tzinfo=UTC)
    with _quiet():
        result = play(Play(prepared, told, registry, forms, values, start), length)
    if as_json:
        typer.echo(json.dumps(result.document()))
    else:
        _print_result(result, needs_of(prepared.models, registry, LearningSettings().default_compute.value))


def _shipped() -> Iterator[SourceFile]:
    for path in bootstrap.shipped_documents():
        yield SourceFile(str(path), path.read_bytes())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the engine from logging failures: they are in the result."""
    engine = logging.getLogger("engine")
    level = engine.level
    engine.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        engine.setLevel(level)


def _duration(text: str) -> timedelta:
    try:
        return parse_duration(text).approximate_length
    except ValueError as error:
        _refuse(f"--until: {error}.")


def _parsed(text: str) -> dict[str, JsonValue]:
    try:
        return _VARIABLES.validate_json(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except (OSError, ValidationError):
        _refuse("--variables is no JSON object, and no @FILE with one in it.")


def _print_findings(findings: Sequence[FileFinding]) -> None:
    for each in findings:
        found = each.finding
        where = f"{each.file}:{found.line}: {found.element_id}"
        typer.echo(f"{where}: {found.severity}: {found.code}: {found.message} {found.hint}", err=True)


def _print_result(result: SimulationResult, needs: Sequence[Need]) -> None:
    rows = [("AT", "RUN", "EVENT", "ELEMENT")]
    rows += [(entry.at, str(entry.instance), entry.event, entry.element) for entry in result.trace]
    _print_table(rows)
    typer.echo("\nThe process has come to its end." if result.completed else "\nThe process has not come to its end.")
    for name, value in result.variables.items():
        typer.echo(f"  {name} = {json.dumps(value)}")
    say = partial(_print_list, result)
    say("Waiting", [f"{each.element}: {each.kind.replace('_', ' ')}, for {each.awaited}" for each in result.waiting])
    say("Incidents", [f"{each.element or '-'} at {each.at}: {each.code}: {each.message}" for each in result.incidents])
    say("Needs", [f"{need.element}: {need.sentence}" for need in needs])


def _print_list(_result: SimulationResult, title: str, lines: Sequence[str]) -> None:
    if lines:
        typer.echo(f"{title}:")
        for line in lines:
            typer.echo(f"  {line}")


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _refuse(sentence: str) -> NoReturn:
    raise typer.BadParameter(sentence)
