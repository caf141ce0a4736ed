"""`ami-learning schedule`: processes that start by themselves, for operators."""

from __future__ import annotations

import json
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError

from engine import ScheduleDefinition, ScheduleStatus
from handlers.process_starts import ProcessDefinition, ProcessPayload, define_process
from handlers.schedules import list_schedules, set_schedule_status
from learning.bootstrap import OPERATOR, running_services
from learning.printing import AsJson, print_rows
from learning.settings import LearningSettings

app = typer.Typer(no_args_is_help=True, help="Schedules: list, define, pause, resume, end.")
ScheduleId = Annotated[UUID, typer.Argument(metavar="SCHEDULE", help="As 'schedule list' prints it.")]


@app.command(name="list")
def list_all(
    *, process: Annotated[str | None, typer.Option(help="Only those of this process.")] = None, as_json: AsJson = False
) -> None:
    """List schedules, oldest first."""
    with running_services(LearningSettings()) as services:
        found = list_schedules(services, process, context=OPERATOR)
    columns = ("schedule_id", "process_id", "status", "next_fire_at", "started", "skipped", "failed")
    print_rows([schedule.model_dump(mode="json") for schedule in found], columns, as_json=as_json)


@app.command()
def define(
    process: Annotated[str, typer.Argument(help="The process to start.")],
    definition: Annotated[typer.FileText, typer.Argument(help="Schedule definition, a JSON file; - reads it here.")],
    *,
    variables: Annotated[str, typer.Option(metavar="JSON", help="Given to every instance.")] = "{}",
    paused: Annotated[bool, typer.Option("--paused", help="Let it fire only once it is resumed.")] = False,
    key: Annotated[str | None, typer.Option(help="Idempotency key: repeated under it, one is defined.")] = None,
) -> None:
    """Start a process by itself at the times of a definition, as the operator."""
    asked = _parse(process, definition.read(), variables, is_paused=paused)
    with running_services(LearningSettings()) as services:
        defined = define_process(services, asked, key, context=OPERATOR)
    typer.echo(f"{defined.schedule_id} next fire {defined.next_fire_at or 'none'} audit_ref {defined.audit_ref}")


@app.command()
def pause(schedule: ScheduleId) -> None:
    """Let a schedule fire no more until it is resumed."""
    _set_status(schedule, ScheduleStatus.PAUSED)


@app.command()
def resume(schedule: ScheduleId) -> None:
    """Let a paused schedule fire again, at its times from now on."""
    _set_status(schedule, ScheduleStatus.ACTIVE)


@app.command()
def end(schedule: ScheduleId) -> None:
    """Let a schedule fire no more, for good."""
    _set_status(schedule, ScheduleStatus.ENDED)


def _parse(process: str, definition: str, variables: str, *, is_paused: bool) -> ProcessDefinition:
    try:
        return ProcessDefinition(
            payload=ProcessPayload(process_id=process, variables=json.loads(variables)),
            schedule=ScheduleDefinition.model_validate_json(definition),
            activate=not is_paused,
        )
    except ValidationError as error:
        fields = (f"{'.'.join(map(str, item['loc'])) or 'all'}: {item['msg']}" for item in error.errors())
        raise typer.BadParameter("; ".join(fields)) from error
    except json.JSONDecodeError as error:
        raise typer.BadParameter(str(error), param_hint="--variables") from error


def _set_status(schedule_id: UUID, status: ScheduleStatus) -> None:
    with running_services(LearningSettings()) as services:
        schedule = set_schedule_status(services, schedule_id, status, context=OPERATOR)
    typer.echo(f"{schedule.schedule_id} {schedule.status.value} next fire {schedule.next_fire_at or 'none'}")
