"""`ami-learning artifacts`: the objects that datasets and models are made of, for operators."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer

from handlers.artifacts import collect_garbage, list_holds, place_hold, release_hold, rewrap_data_keys, verify_objects
from learning.bootstrap import OPERATOR, open_custody
from learning.printing import AsJson, print_rows
from learning.settings import LearningSettings
from storage.objects.garbage import GarbageReport
from storage.objects.retention import parse_retention

app = typer.Typer(no_args_is_help=True, help="Stored objects: gc, hold, release, holds, verify, rewrap.")
Reason = Annotated[str, typer.Option(help="Why, for the audit trail.")]


@app.command()
def gc(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, say what would be done.")] = False,
    grace_hours: Annotated[float, typer.Option(min=1, help="How old what nobody names has to be.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Put aside what nobody needs, remove what was put aside before and not missed; exit code 1 where some is lost."""
    settings = LearningSettings()
    policy, grace = parse_retention(settings.retention), timedelta(hours=grace_hours)
    with open_custody(settings) as custody:
        report = collect_garbage(custody, policy, grace, is_dry_run=dry_run, context=OPERATOR)
    if as_json:
        typer.echo(report.model_dump_json())
    else:
        _print_report(report)
    if report.missing or report.unreadable:
        raise typer.Exit(1)


@app.command()
def hold(
    subject: Annotated[str, typer.Argument(help="A record's id, for all objects that it names, or an object's URI.")],
    *,
    reason: Reason,
) -> None:
    """Keep objects whatever is deleted, until the hold is released."""
    with open_custody(LearningSettings()) as custody:
        placed = place_hold(custody.storage, subject, reason, context=OPERATOR)
    typer.echo(f"{placed.hold_id} holds {placed.subject}")


@app.command()
def release(
    hold_id: Annotated[UUID, typer.Argument(metavar="HOLD", help="As 'holds' prints it.")], *, reason: Reason
) -> None:
    """Release a hold."""
    with open_custody(LearningSettings()) as custody:
        release_hold(custody.storage, hold_id, reason, context=OPERATOR)
    typer.echo(f"{hold_id} released")


@app.command()
def holds(*, as_json: AsJson = False) -> None:
    """List holds, released ones as well, oldest first."""
    with open_custody(LearningSettings()) as custody:
        found = list_holds(custody.storage, context=OPERATOR)
    columns = ("hold_id", "subject", "reason", "placed_by", "placed_at", "released_by", "released_at")
    print_rows([item.model_dump(mode="json") for item in found], columns, as_json=as_json)


@app.command()
def verify(*, as_json: AsJson = False) -> None:
    """Read every object and compare it with its digest; exit code 1 where one cannot be relied on."""
    with open_custody(LearningSettings()) as custody:
        found = verify_objects(custody, context=OPERATOR)
    if as_json:
        typer.echo(found.model_dump_json())
    else:
        typer.echo(f"{found.objects} objects of {found.size_bytes} bytes are as they were stored")
        for fault in ("corrupt", "unopened", "missing"):
            for name in getattr(found, fault):
                typer.echo(f"{fault}: {name}", err=True)
    if not found.is_sound:
        raise typer.Exit(1)


@app.command()
def rewrap() -> None:
    """Let the newest master key wrap the key of every sealed object, so that older ones are no longer needed."""
    with open_custody(LearningSettings()) as custody:
        done = rewrap_data_keys(custody, context=OPERATOR)
    typer.echo(f"{done.rewrapped} rewrapped, {done.current} were current, {done.removed} old ones removed")
    for digest in done.unopened:
        typer.echo(f"unopened: {digest}", err=True)
    if done.unopened:
        raise typer.Exit(1)


def _print_report(report: GarbageReport) -> None:
    if report.is_dry_run:
        typer.echo("Dry run: nothing was changed.")
    for need, tally in report.needed.items():
        typer.echo(f"needed, {need}\t{tally.objects}\t{tally.size_bytes} bytes")
    for verdict, tally in report.totals.items():
        typer.echo(f"{verdict}\t{tally.objects}\t{tally.size_bytes} bytes")
    typer.echo(f"unfinished uploads removed\t{report.unfinished_uploads}")
    typer.echo(f"keys without an object removed\t{report.orphaned_keys}")
    for fault, uris in (("missing", report.missing), ("unreadable", report.unreadable)):
        for uri in uris:
            typer.echo(f"{fault}: {uri}", err=True)
