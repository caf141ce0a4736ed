"""`ami-learning incident`: where process instances stopped, for operators."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from engine import IncidentStatus
from handlers.incidents import RetryRequest, retry_incident
from learning.bootstrap import OPERATOR, running_services
from learning.printing import AsJson, print_rows
from learning.settings import LearningSettings

app = typer.Typer(no_args_is_help=True, help="Incidents: list and retry.")


@app.command(name="list")
def list_incidents(*, limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100, as_json: AsJson = False) -> None:
    """List unresolved incidents, oldest first."""
    with running_services(LearningSettings()) as services, services.storage.transaction(OPERATOR.tenant_id) as work:
        found = services.operations.incidents(work, context=OPERATOR, limit=limit)
    columns = ("incident_id", "process_instance_id", "element_id", "status", "code", "message")
    print_rows([incident.model_dump(mode="json") for incident in found], columns, as_json=as_json)


@app.command()
def retry(
    incident: Annotated[UUID, typer.Argument(metavar="INCIDENT", help="As 'incident list' prints it.")],
    *,
    reason: Annotated[str, typer.Option(help="What has been mended, for the audit trail.")],
    retries: Annotated[int, typer.Option(min=1, max=100, help="How many attempts there are at most.")] = 3,
    again: Annotated[bool, typer.Option("--again", help="Run the handler anew, though it had a result.")] = False,
    wait_seconds: Annotated[float, typer.Option(min=0, help="How long to wait for the outcome.")] = 30,
    key: Annotated[str | None, typer.Option(help="Idempotency key: repeated under it, it is retried once.")] = None,
) -> None:
    """Try again what an incident stopped at; exit code 1 unless that resolved it while we waited."""
    request = RetryRequest(incident, reason, retries, keep_result=not again, idempotency_key=key)
    with running_services(LearningSettings()) as services:
        outcome = retry_incident(services, request, wait_seconds, context=OPERATOR)
    if outcome.status is IncidentStatus.RESOLVED:
        typer.echo(f"{outcome.incident_id} resolved")
        return
    why = "the attempt goes on; is a worker running?" if outcome.status is IncidentStatus.RETRYING else outcome.message
    typer.echo(f"{outcome.incident_id} {outcome.status.value}: {why}", err=True)
    raise typer.Exit(1)
