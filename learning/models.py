"""`ami-learning model`: models that were not trained here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError

from handlers.outside_model_facts import ModelPayload, OutsideSignature
from handlers.outside_models import register_outside_model
from learning.bootstrap import OPERATOR, running_services
from learning.printing import AsJson
from learning.settings import LearningSettings
from storage.models import DataClassification, Framework

app = typer.Typer(no_args_is_help=True, help="Models from outside: register.")


@app.callback()
def group() -> None:
    """Keep `register` a command of its own."""


@app.command()
def register(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="safetensors, ONNX or torch.export.")],
    *,
    name: Annotated[str, typer.Option(help="The model that this becomes the next version of.")],
    signature: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON with inputs and outputs.")
    ] = None,
    framework: Annotated[Framework, typer.Option(help="What it was built with.")] = Framework.PYTORCH,
    experiment: Annotated[UUID | None, typer.Option(help="The experiment that it belongs to.")] = None,
    dataset_version: Annotated[UUID | None, typer.Option(help="The data that it was trained on.")] = None,
    classification: Annotated[DataClassification | None, typer.Option(help="Unless that of the data.")] = None,
    key: Annotated[str | None, typer.Option(help="Repeated under the same key, it is registered once.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look through a trained model's file and register it; exit code 1 where it may not come in."""
    source = file.resolve()
    try:
        payload = ModelPayload(
            name=name,
            artifact_uri=source.as_uri(),
            signature=None if signature is None else OutsideSignature.model_validate_json(signature.read_bytes()),
            framework=framework,
            experiment_id=experiment,
            dataset_version_id=dataset_version,
            data_classification=classification,
        )
    except ValidationError as error:
        fields = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise typer.BadParameter(fields) from error
    with running_services(LearningSettings()) as services:
        # Whoever sits here may read the file anyway; agents are held to the import folders.
        here = replace(services, limits=replace(services.limits, import_roots=(source.parent,)))
        done = register_outside_model(here, payload, key, context=OPERATOR)
    if as_json:
        typer.echo(done.model_dump_json(indent=2))
        return
    again = "is registered already" if done.replayed else "is registered"
    typer.echo(f"{done.artifact.name} version {done.artifact.version} {again}: {done.artifact.id}")
    for line in done.checklist:
        typer.echo(f"{'ok' if line.passed else 'open'}\t{line.check}\t{line.finding}")
