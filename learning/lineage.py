"""`ami-learning lineage`: why a version is in production, what came of a dataset version, and what was there when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer
from pydantic import JsonValue

from handlers.lineage import (
    InProduction,
    Lineage,
    ProductionStory,
    WhyQuestion,
    downstream_of,
    in_production_at,
    why_in_production,
)
from learning.bootstrap import OPERATOR, running_services
from learning.printing import AsJson, print_rows
from learning.settings import LearningSettings
from storage.stores import PRODUCTION

app = typer.Typer(no_args_is_help=True, help="Lineage: why, downstream, production-at.")

_TIMES = ["%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]
Alias = Annotated[str, typer.Option(help="Which alias of the model.")]
At = Annotated[datetime | None, typer.Option(formats=_TIMES, help="As it was then; UTC unless it says otherwise.")]
KnownAt = Annotated[datetime | None, typer.Option(formats=_TIMES, help="As the platform knew it then.")]
_COLUMNS = ("depth", "model", "title", "id")


@app.command()
def why(
    model: Annotated[str | None, typer.Argument(help="The model's name.")] = None,
    *,
    endpoint: Annotated[UUID | None, typer.Option(help="An endpoint instead of a model.")] = None,
    alias: Alias = PRODUCTION,
    at: At = None,
    known_at: KnownAt = None,
    as_json: AsJson = False,
) -> None:
    """Say what led to the version that an alias names or that an endpoint serves; exit code 1 where it names none."""
    if (model is None) == (endpoint is None):
        raise typer.BadParameter("name a model, or give --endpoint")
    question = WhyQuestion(model_name=model, endpoint_id=endpoint, alias=alias, at=_utc(at), known_at=_utc(known_at))
    with running_services(LearningSettings()) as services:
        story = why_in_production(services, question, context=OPERATOR)
    if story is None:
        typer.echo(f"{alias} names no version of {model} at that time", err=True)
        raise typer.Exit(1)
    _print_story(story, as_json=as_json)


@app.command()
def downstream(
    dataset_version: Annotated[UUID, typer.Argument(help="The id of a dataset version.")],
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many records.")] = 2_000,
    as_json: AsJson = False,
) -> None:
    """List everything that came of a dataset version: experiments, models, endpoints, predictions."""
    with running_services(LearningSettings()) as services:
        lineage = downstream_of(services, dataset_version, limit=limit, context=OPERATOR)
    _print_lineage(lineage, as_json=as_json)


@app.command(name="production-at")
def production_at(
    at: Annotated[datetime, typer.Argument(formats=_TIMES, help="UTC unless it says otherwise.")],
    *,
    alias: Alias = PRODUCTION,
    known_at: KnownAt = None,
    as_json: AsJson = False,
) -> None:
    """List which version of each model an alias named at a time."""
    moment = _utc(at) or at
    with running_services(LearningSettings()) as services:
        found = in_production_at(services, moment, known_at=_utc(known_at), alias=alias, context=OPERATOR)
    if not found:
        typer.echo(f"{alias} named no version of any model at that time", err=True)
    columns = ("model_name", "model_version", "valid_from", "valid_to", "set_by")
    print_rows([_production_row(one) for one in found], columns, as_json=as_json)


def _print_story(story: ProductionStory, *, as_json: bool) -> None:
    if as_json:
        typer.echo(story.model_dump_json(indent=2))
        return
    if story.period is not None:
        period = story.period
        until = "now" if period.valid_to is None else period.valid_to.isoformat()
        typer.echo(f"{period.alias} from {period.valid_from.isoformat()} until {until}, set by {period.cause.set_by}")
    _print_lineage(story.lineage, as_json=False)


def _print_lineage(lineage: Lineage, *, as_json: bool) -> None:
    if as_json:
        typer.echo(lineage.model_dump_json(indent=2))
        return
    print_rows([node.model_dump(mode="json") for node in lineage.nodes], _COLUMNS, as_json=False)
    if not lineage.is_complete:
        typer.echo("There is more: raise --limit.", err=True)


def _production_row(found: InProduction) -> dict[str, JsonValue]:
    row: dict[str, JsonValue] = found.period.model_dump(mode="json")
    return {**row, "model_version": found.model_version, "set_by": found.period.cause.set_by}


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
