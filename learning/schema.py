"""`ami-learning db`: the database's schema, and the records' own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from learning.database import open_database
from learning.settings import LearningSettings
from storage.database import connect_as_owner, current_revision, migrate, newest_revision

app = typer.Typer(no_args_is_help=True, help="The database's schema: upgrade, current; the records' own: models.")


@app.command()
def upgrade() -> None:
    """Bring the schema to the newest revision."""
    with open_database(LearningSettings()) as url:
        database = connect_as_owner(url)
        migrate(database)
        typer.echo(f"revision {current_revision(database)}")
        database.dispose()


@app.command()
def current() -> None:
    """Print the schema's revision and the newest one; exit code 1 where they differ."""
    with open_database(LearningSettings()) as url:
        database = connect_as_owner(url)
        found, newest = current_revision(database), newest_revision()
        database.dispose()
    typer.echo(f"revision {found or 'none'}, newest {newest}")
    if found != newest:
        raise typer.Exit(1)


@app.command()
def models(folder: Annotated[Path, typer.Argument(help="Where the files go.")]) -> None:
    """Write the JSON Schema of each record's model, one file for each."""
    from storage.models import MODELS

    folder.mkdir(parents=True, exist_ok=True)
    for model in MODELS:
        text = json.dumps(model.model_json_schema(mode="serialization"), indent=2, ensure_ascii=False)
        (folder / f"{model.__name__}.json").write_text(f"{text}\n", encoding="utf-8")
