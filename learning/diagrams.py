"""`ami-learning diagram`: verify, describe, deploy and list diagrams; templates and catalogue of service tasks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

from engine import Finding, called_processes, canonical_digest, read_diagram
from learning import bootstrap
from learning.diagram_simulation import simulate_files
from learning.diagram_verification import FileFindings, verify_diagrams
from learning.element_templates import element_templates
from learning.service_task_catalogue import catalogue_page
from learning.settings import LearningSettings

app = typer.Typer(no_args_is_help=True, help="BPMN diagrams: verify, describe, deploy, list.")
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
app.command(name="simulate")(simulate_files)


@app.command(name="verify")
def verify_files(
    files: Files,
    *,
    as_json: Json = False,
    foreign: Annotated[
        bool, typer.Option("--foreign", help="Look at the structure of other engines' diagrams alone.")
    ] = False,
    geometry: Annotated[bool, typer.Option("--geometry", help="Look at the drawing too.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings count as errors.")] = False,
) -> None:
    """Say whether diagrams run as drawn; exit code 1 with every finding where one does not."""
    checked = verify_diagrams(files, foreign=foreign, geometry=geometry)
    if as_json:
        rows = [_row(each.path, finding) for each in checked for finding in each.findings]
        typer.echo(json.dumps({"findings": rows, "files": len(files)}))
    else:
        _print(checked)
    if any(finding.severity == "error" or strict for each in checked for finding in each.findings):
        raise typer.Exit(1)


@app.command(name="describe")
def describe_files(files: Files) -> None:
    """Print, as JSON, what is in diagrams: the digests of each file, and its processes with what they call."""
    typer.echo(json.dumps([_description(path) for path in files], indent=2))


@app.command(name="deploy")
def deploy_files(files: Files) -> None:
    """Deploy diagrams as new versions; those that are deployed already stay as they are."""
    settings = LearningSettings()
    with bootstrap.open_database(settings) as url:
        bootstrap.prepare_database(url)
        with bootstrap.open_services(settings, url) as services, services.storage.transaction() as work:
            diagrams = [path.read_bytes() for path in files]
            canonical = {hashlib.sha256(content).hexdigest(): canonical_digest(content) for content in diagrams}
            for ref in services.engine.deploy(work, *diagrams, context=bootstrap.SYSTEM):
                typer.echo(
                    f"{ref.process_id} version {ref.version} sha256 {ref.sha256} canonical {canonical[ref.sha256]}"
                )


@app.command(name="list")
def list_shipped() -> None:
    """List the diagrams that ship."""
    for path in sorted(bootstrap.WORKFLOWS.glob("*.bpmn")):
        for model in read_diagram(path.read_bytes()):
            typer.echo(f"{model.process_id}\t{model.name}\t{path}")


@app.command(name="templates")
def print_templates() -> None:
    """Print the element templates of all service tasks and forms, for Camunda Modeler."""
    registry, forms = bootstrap.contracts()
    typer.echo(json.dumps(element_templates(registry, forms), indent=2))


@app.command(name="catalogue")
def print_catalogue() -> None:
    """Print the page that lists what every service task takes, gives and throws."""
    registry, _ = bootstrap.contracts()
    typer.echo(catalogue_page(registry), nl=False)


def _row(path: Path, finding: Finding) -> dict[str, str | int]:
    return {
        "file": str(path),
        "line": finding.line,
        "element_id": finding.element_id,
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "hint": finding.hint,
    }


def _print(checked: tuple[FileFindings, ...]) -> None:
    for each in checked:
        for finding in each.findings:
            where = f"{each.path}:{finding.line}: {finding.element_id}"
            typer.echo(f"{where}: {finding.severity}: {finding.code}: {finding.message} {finding.hint}", err=True)
    severities = [finding.severity for each in checked for finding in each.findings]
    counts = f"{severities.count('error')} errors, {severities.count('warning')} warnings"
    typer.echo(f"{len(checked)} files, {counts}")


def _description(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    return {
        "file": str(path),
        "sha256": hashlib.sha256(content).hexdigest(),
        "canonical_sha256": canonical_digest(content),
        "processes": [
            {
                "process_id": model.process_id,
                "name": model.name,
                "version_tag": model.version_tag,
                "inputs": None if model.declared_inputs is None else sorted(model.declared_inputs),
                "calls": sorted(called_processes(model)),
            }
            for model in read_diagram(content)
        ],
    }
