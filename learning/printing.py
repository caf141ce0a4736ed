"""Lists on the terminal: one row a line for people, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer
from pydantic import JsonValue

AsJson = Annotated[bool, typer.Option("--json", help="Print everything, as JSON.")]


def print_rows(rows: Sequence[Mapping[str, JsonValue]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a JSON array, or these columns of them between tabs."""
    if as_json:
        typer.echo(json.dumps(rows))
        return
    for row in rows:
        typer.echo("\t".join(_cell(row[column]) for column in columns))


def _cell(value: JsonValue) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)
