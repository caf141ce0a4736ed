"""`ami-learning metrics`: looking after metric points, for operators; acts as the owner of the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from learning.database import open_current_database
from learning.settings import LearningSettings
from storage.database import connect_as_owner, require_owner
from storage.stores import MetricMaintenance, MetricRetention, create_vector_indexes

app = typer.Typer(no_args_is_help=True, help="Metric points: maintain, retain.")

_A_DAY = ["%Y-%m-%d"]


@app.command()
def maintain(
    *,
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=_A_DAY, help="Make months from this day on; otherwise from now on."),
    ] = None,
) -> None:
    """Make the months that points will come in, roll points up, and index large collections of vectors."""
    now = datetime.now(UTC)
    with open_current_database(LearningSettings()) as url:
        owner = connect_as_owner(url)
        require_owner(owner)
        with owner.begin() as connection:
            maintenance = MetricMaintenance(connection)
            past = () if since is None else maintenance.create_partitions(since.date(), now.date())
            months = (*past, *maintenance.create_partitions_ahead(now))
        with owner.begin() as connection:
            changes = MetricMaintenance(connection).roll_up()
        with owner.begin() as connection:
            indexes = create_vector_indexes(connection)
        owner.dispose()
    typer.echo(f"{len(months)} months made, {changes} changes rolled up, {len(indexes)} vector indexes")


@app.command()
def retain(
    *,
    points: Annotated[int, typer.Option(min=1, help="Days that points are kept at least.")] = 90,
    minutes: Annotated[int, typer.Option(min=1, help="Days that roll-ups by minute are kept.")] = 180,
    hours: Annotated[int, typer.Option(min=1, help="Days that roll-ups by hour are kept.")] = 730,
    days: Annotated[int, typer.Option(min=1, help="Days that roll-ups by day are kept.")] = 3_650,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Drop months of points, and roll-ups, that have had their time."""
    if not points <= minutes <= hours <= days:
        raise typer.BadParameter("what is coarser is kept as long at least: points <= minutes <= hours <= days")
    policy = MetricRetention(points=points, minutes=minutes, hours=hours, days=days)
    with open_current_database(LearningSettings()) as url:
        owner = connect_as_owner(url)
        require_owner(owner)
        with owner.begin() as connection:
            report = MetricMaintenance(connection).retain(policy, datetime.now(UTC), dry_run=dry_run)
        owner.dispose()
    for partition in report.dropped:
        typer.echo(f"{partition.name}\tabout {partition.estimated_points} points")
    for resolution, number in report.rollups.items():
        typer.echo(f"roll-ups by {resolution.value}\t{number}")
    typer.echo("nothing was dropped: a dry run" if dry_run else "dropped")
