"""`ami-learning diagram`: verify, deploy and list diagrams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from engine import Contracts, DiagramError, Finding, ProcessModel, called_processes, read_diagram, verify
from learning import bootstrap
from learning.settings import LearningSettings

app = typer.Typer(no_args_is_help=True, help="BPMN diagrams: verify, deploy, list.")
Files = Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, readable=True)]


@app.command(name="verify")
def verify_files(
    files: Files,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print findings as JSON.")] = False,
) -> None:
    """Say whether diagrams run as drawn; exit code 1 with every finding where one does not."""
    findings = [(path, finding) for path, found in _verify(files).items() for finding in found]
    if as_json:
        rows = [{"file": str(path), "severity": "error", **finding.model_dump()} for path, finding in findings]
        typer.echo(json.dumps({"findings": rows, "files": len(files)}))
    else:
        for path, finding in findings:
            where = f"{path}:{finding.line}: {finding.element_id}"
            typer.echo(f"{where}: {finding.code}: {finding.message} {finding.hint}", err=True)
        typer.echo(f"{len(files)} files, {len(findings)} findings")
    if findings:
        raise typer.Exit(1)


@app.command(name="deploy")
def deploy_files(files: Files) -> None:
    """Deploy diagrams as new versions; those that are deployed already stay as they are."""
    settings = LearningSettings()
    with bootstrap.open_database(settings) as url:
        bootstrap.prepare_database(url)
        with bootstrap.open_services(settings, url) as services, services.storage.transaction() as work:
            diagrams = [path.read_bytes() for path in files]
            for ref in services.engine.deploy(work, *diagrams, context=bootstrap.SYSTEM):
                typer.echo(f"{ref.process_id} version {ref.version} sha256 {ref.sha256}")


@app.command(name="list")
def list_shipped() -> None:
    """List the diagrams that ship."""
    for path in sorted(bootstrap.WORKFLOWS.glob("*.bpmn")):
        for model in read_diagram(path.read_bytes()):
            typer.echo(f"{model.process_id}\t{model.name}\t{path}")


def _verify(files: list[Path]) -> dict[Path, tuple[Finding, ...]]:
    findings: dict[Path, tuple[Finding, ...]] = {}
    models = []
    for path in files:
        try:
            models += [(path, model) for model in read_diagram(path.read_bytes())]
        except DiagramError as error:
            findings[path] = error.findings
    contracts = _contracts([model for _, model in models])
    for path, model in models:
        findings[path] = (*findings.get(path, ()), *verify(model, contracts))
    return findings


def _contracts(offered: list[ProcessModel]) -> Contracts:
    registry, forms = bootstrap.contracts()
    shipped = [model for path in bootstrap.WORKFLOWS.glob("*.bpmn") for model in read_diagram(path.read_bytes())]
    return Contracts(
        inputs=registry.contracts(),
        form_ids=frozenset(forms),
        calls={model.process_id: called_processes(model) for model in (*shipped, *offered)},
    )
