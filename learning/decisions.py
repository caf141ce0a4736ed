"""`ami-learning decision`: verify and evaluate DMN files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import JsonValue, TypeAdapter
from pydantic_core import from_json

from engine.dmn import DecisionModel, evaluate, read_decisions
from engine.errors import DecisionModelError

app = typer.Typer(no_args_is_help=True, help="DMN decisions: verify, evaluate.")
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True)]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]

_VARIABLES = TypeAdapter(dict[str, JsonValue])


@app.command(name="verify")
def verify_files(
    files: Files,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print findings as JSON.")] = False,
) -> None:
    """Say whether decision models can be evaluated as drawn; exit code 1 with every finding where one cannot."""
    findings = [(path, error) for path in files if (error := _refusal(path)) is not None]
    rows = [
        {"file": str(path), "severity": "error", **finding.model_dump()}
        for path, error in findings
        for finding in error.findings
    ]
    if as_json:
        typer.echo(json.dumps({"findings": rows, "files": len(files)}))
    else:
        for row in rows:
            where = f"{row['file']}:{row['line']}: {row['element_id']}"
            typer.echo(f"{where}: {row['code']}: {row['message']} {row['hint']}", err=True)
        typer.echo(f"{len(files)} files, {len(rows)} findings")
    if rows:
        raise typer.Exit(1)


@app.command(name="eval")
def evaluate_file(
    file: File,
    variables: Annotated[str, typer.Option("--input", help="The input data, a JSON object; @FILE reads a file.")],
    decision_id: Annotated[
        str | None, typer.Option("--decision", help="The decision's id; needed where several are final.")
    ] = None,
) -> None:
    """Print the value of a decision as JSON, with the rules that matched on the way."""
    model = read_decisions(file.read_bytes())
    result = evaluate(model, decision_id or _only_decision(model), _parsed(variables))
    typer.echo(result.model_dump_json())


def _refusal(path: Path) -> DecisionModelError | None:
    try:
        read_decisions(path.read_bytes())
    except DecisionModelError as error:
        return error
    return None


def _parsed(text: str) -> dict[str, JsonValue]:
    try:
        content = Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()
        return _VARIABLES.validate_python(from_json(content, allow_inf_nan=False))
    except (OSError, ValueError):
        _refuse("--input is no JSON object, and no @FILE with one in it.")


def _only_decision(model: DecisionModel) -> str:
    if len(model.final_decisions) != 1:
        _refuse(f"Say which decision with --decision: {', '.join(model.decisions)}.")
    return model.final_decisions[0]


def _refuse(sentence: str) -> NoReturn:
    raise typer.BadParameter(sentence)
