"""`ami-learning diagram`: verify, describe, deploy and list diagrams; templates and catalogue of service tasks."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated

import typer

from engine import Finding, asked_decisions, called_processes, canonical_digest, read_diagram
from engine.dmn import canonical_decision_digest, drawn_inputs, is_dmn, read_decisions
from learning import bootstrap
from learning.database import open_prepared_database
from learning.diagram_simulation import simulate_files
from learning.diagram_verification import FileFindings, verify_diagrams
from learning.element_templates import element_templates
from learning.service_task_catalogue import catalogue_page
from learning.settings import LearningSettings

app = typer.Typer(
    no_args_is_help=True, help="BPMN diagrams and the decisions they ask: verify, describe, deploy, list."
)
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
    """Print, as JSON, what is in files: their digests, and their processes, with what they call, or decisions."""
    typer.echo(json.dumps([_description(path) for path in files], indent=2))


@app.command(name="deploy")
def deploy_files(files: Files) -> None:
    """Deploy diagrams and decisions as new versions; those that are deployed already stay as they are."""
    settings = LearningSettings()
    with open_prepared_database(settings) as url:
        documents, context = [path.read_bytes() for path in files], bootstrap.SYSTEM
        with (
            bootstrap.open_services(settings, url) as services,
            services.storage.transaction(context.tenant_id) as work,
        ):
            deployment = services.engine.deploy(work, *documents, context=context)
    for finding in deployment.warnings:
        typer.echo(_sentence(f"line {finding.line}", finding), err=True)
    for process in deployment.processes:
        digests = f"sha256 {process.sha256} canonical {process.canonical_sha256}"
        typer.echo(f"{process.process_id} version {process.version} {digests}")
    for decision in deployment.decisions:
        digests = f"sha256 {decision.sha256} canonical {decision.canonical_sha256}"
        typer.echo(f"{decision.decision_id} version {decision.version} {digests}")


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
            typer.echo(_sentence(f"{each.path}:{finding.line}", finding), err=True)
    severities = [finding.severity for each in checked for finding in each.findings]
    counts = f"{severities.count('error')} errors, {severities.count('warning')} warnings"
    typer.echo(f"{len(checked)} files, {counts}")


def _sentence(where: str, finding: Finding) -> str:
    what = f"{finding.severity}: {finding.code}: {finding.message} {finding.hint}"
    return f"{where}: {finding.element_id}: {what}"


def _description(path: Path) -> dict[str, object]:
    content = path.read_bytes()
    said = _decisions(content) if is_dmn(content) else _processes(content)
    return {"file": str(path), "sha256": hashlib.sha256(content).hexdigest(), **said}


def _processes(content: bytes) -> dict[str, object]:
    return {
        "canonical_sha256": canonical_digest(content),
        "processes": [
            {
                "process_id": model.process_id,
                "name": model.name,
                "version_tag": model.version_tag,
                "inputs": None if model.declared_inputs is None else sorted(model.declared_inputs),
                "calls": sorted(called_processes(model)),
                "decisions": sorted(asked_decisions(model)),
            }
            for model in read_diagram(content)
        ],
    }


def _decisions(content: bytes) -> dict[str, object]:
    model = read_decisions(content)
    return {
        "canonical_sha256": canonical_decision_digest(content),
        "decisions": [
            {
                "decision_id": each.id,
                "name": each.name,
                "version_tag": each.version_tag,
                "inputs": sorted(drawn_inputs(model, each.id) or ()),
            }
            for each in model.decisions.values()
        ],
    }
