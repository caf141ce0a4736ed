"""`ami-learning instance`: process instances, for operators."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import JsonValue

from engine import InstanceSelection, InstanceStatus, OperationResult, TokenMove, expected_by_instance
from handlers.migrations import MigrationReport, MigrationRequest, migrate_instances
from handlers.processes import readable_variables
from learning.bootstrap import OPERATOR, running_services
from learning.printing import AsJson, print_rows
from learning.settings import LearningSettings

app = typer.Typer(no_args_is_help=True, help="Process instances: list, show, suspend, resume, cancel, mend, migrate.")

InstanceId = Annotated[UUID, typer.Argument(metavar="INSTANCE", help="As 'instance list' prints it.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit trail.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key: repeated under it, the command is done once.")]
_PAGE = 100


@app.command(name="list")
def list_instances(
    *,
    process: Annotated[str | None, typer.Option(help="Only instances of this process.")] = None,
    business_key: Annotated[str | None, typer.Option(help="Only instances with this business key.")] = None,
    status: Annotated[list[InstanceStatus] | None, typer.Option(help="Only these; may be repeated.")] = None,
    before: Annotated[UUID | None, typer.Option(help="Only instances older than this one.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """List instances, the newest first."""
    selection = InstanceSelection(process, business_key, tuple(status) if status else None, before, limit)
    with running_services(LearningSettings()) as services, services.storage.transaction(OPERATOR.tenant_id) as work:
        found = services.engine.list_instances(work, selection, context=OPERATOR)
    print_rows(
        [instance.model_dump(mode="json") for instance in found],
        ("process_instance_id", "process_id", "status", "started_at", "business_key"),
        as_json=as_json,
    )


@app.command()
def show(instance: InstanceId) -> None:
    """Print, as JSON, what an instance has done, its variables, and what it waits for."""
    with running_services(LearningSettings()) as services, services.storage.transaction(OPERATOR.tenant_id) as work:
        described = services.engine.describe(work, instance, context=OPERATOR)
        variables = readable_variables(services, work, described, context=OPERATOR)
        expected = expected_by_instance(work, instance, context=OPERATOR)
    document = {
        **described.model_dump(mode="json"),
        "variables": variables,
        "expected_events": [event.model_dump(mode="json", exclude_none=True) for event in expected],
    }
    typer.echo(json.dumps(document, indent=2))


@app.command()
def suspend(instance: InstanceId, *, reason: Reason, key: Key = None) -> None:
    """Let an instance rest until it is resumed."""
    _operate("suspend", instance, reason=reason, idempotency_key=key)


@app.command()
def resume(instance: InstanceId, *, reason: Reason, key: Key = None) -> None:
    """Let a suspended instance go on."""
    _operate("resume", instance, reason=reason, idempotency_key=key)


@app.command()
def cancel(
    instance: InstanceId,
    *,
    reason: Reason,
    compensate: Annotated[bool, typer.Option("--compensate", help="Undo what it has done, as drawn.")] = False,
    key: Key = None,
) -> None:
    """End an instance for good."""
    _operate("cancel", instance, reason=reason, compensate=compensate, idempotency_key=key)


@app.command(name="set-variables")
def set_variables(
    instance: InstanceId,
    values: Annotated[list[str], typer.Argument(metavar="NAME=JSON...")],
    *,
    reason: Reason,
    key: Key = None,
) -> None:
    """Write variables of an instance; the others stay."""
    _operate("set_variables", instance, dict(map(_variable, values)), reason=reason, idempotency_key=key)


@app.command(name="move-token")
def move_token(
    instance: InstanceId,
    element: Annotated[str, typer.Argument(help="The element at which the token waits.")],
    to_element: Annotated[str, typer.Argument(help="The element at which it is to arrive.")],
    *,
    reason: Reason,
    task: Annotated[UUID | None, typer.Option(help="Which token, where several wait at the element.")] = None,
    key: Key = None,
) -> None:
    """Take a token from where it waits to another element."""
    move = TokenMove(element_id=element, to_element_id=to_element, task_id=task)
    _operate("move_token", instance, move, reason=reason, idempotency_key=key)


@app.command()
def migrate(
    process: Annotated[str, typer.Argument(help="The process.")],
    *,
    from_version: Annotated[int, typer.Option("--from", min=1, help="The version whose instances go over.")],
    to_version: Annotated[int | None, typer.Option("--to", min=1, help="The newest unless given.")] = None,
    renamed: Annotated[list[str] | None, typer.Option("--map", metavar="OLD=NEW", help="A renamed element.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the audit trail; a dry run needs none.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: AsJson = False,
) -> None:
    """Let live instances go over to another version; exit code 1 where some cannot, with the reasons."""
    if reason is None and not dry_run:
        raise typer.BadParameter("give a reason, or ask for a dry run", param_hint="--reason")
    mapping = dict(_pair(text, "OLD=NEW") for text in renamed or ())
    request = MigrationRequest(
        process_id=process,
        from_version=from_version,
        to_version=to_version,
        mapping=mapping,
        dry_run=dry_run,
        reason=reason,
        limit=_PAGE,
    )
    verdicts = [verdict for report in _pages(request) for verdict in report.verdicts]
    rows = [
        {**verdict.model_dump(mode="json"), "can_go_over": not verdict.reasons, "why_not": "; ".join(verdict.reasons)}
        for verdict in verdicts
    ]
    print_rows(rows, ("process_instance_id", "can_go_over", "why_not"), as_json=as_json)
    if any(verdict.reasons for verdict in verdicts):
        raise typer.Exit(1)


def _pages(request: MigrationRequest) -> Iterator[MigrationReport]:
    with running_services(LearningSettings()) as services:
        while True:
            report = migrate_instances(services, request, context=OPERATOR)
            yield report
            if report.next_after is None:
                return
            request = request.model_copy(update={"after": report.next_after})


def _operate(operation: str, *arguments: Any, **options: Any) -> None:
    """Do one of the operations that leave an instance with a status, and print it."""
    with running_services(LearningSettings()) as services, services.storage.transaction(OPERATOR.tenant_id) as work:
        act: Callable[..., OperationResult] = getattr(services.operations, operation)
        result = act(work, *arguments, context=OPERATOR, **options)
    typer.echo(f"{result.process_instance_id} {result.status.value} audit_ref {result.audit_ref}")


def _variable(text: str) -> tuple[str, JsonValue]:
    name, value = _pair(text, "NAME=JSON")
    try:
        return name, json.loads(value)
    except ValueError as error:
        message = f"{name}: {value!r} is not JSON; write texts as {name}='\"text\"'"
        raise typer.BadParameter(message) from error


def _pair(text: str, form: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise typer.BadParameter(f"{text!r} is not {form}")
    return name, value
