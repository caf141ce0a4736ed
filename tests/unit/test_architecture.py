"""The import contracts hold, and each of them can fail: every violation is planted once in a copy and must be seen."""

from __future__ import annotations

import importlib
import importlib.metadata
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS: list[dict[str, Any]] = PYPROJECT["tool"]["importlinter"]["contracts"]
PACKAGES: list[str] = PYPROJECT["tool"]["importlinter"]["root_packages"]


class Violation(NamedTuple):
    contract: str
    importer: str
    imported: str


VIOLATIONS = [
    Violation("floors", "storage.planted", "engine"),  # upwards by one
    Violation("floors", "domain_sdk.planted", "learning.settings"),  # upwards by five
    Violation("floors", "engine.planted", "runners"),  # sideways
    Violation("floors", "runners.planted", "serving"),
    Violation("floors", "serving.planted", "gsom_service"),
    Violation("floors", "mcp_server.planted", "console"),
    Violation("spiff-door", "engine.planted", "SpiffWorkflow"),
    Violation("spiff-door", "engine.bpmn.planted", "SpiffWorkflow.bpmn.specs"),
    Violation("spiff-door", "handlers.planted", "SpiffWorkflow"),
    Violation("sql-door", "engine.planted", "sqlalchemy"),
    Violation("sql-door", "engine.spiff.planted", "psycopg"),
    Violation("sql-door", "handlers.planted", "sqlalchemy.orm"),
    Violation("sql-door", "learning.planted", "alembic"),
    Violation("object-door", "handlers.planted", "minio"),
    Violation("object-door", "engine.persistence.planted", "pgvector"),
    Violation("mcp-door", "handlers.planted", "mcp.server"),
    Violation("mcp-door", "learning.planted", "mcp_types"),
    Violation("engine-no-torch", "engine.planted", "torch"),
    Violation("engine-no-torch", "engine.spiff.planted", "torch.nn"),
    Violation("engine-no-torch", "storage.planted", "torch"),  # reached from engine through storage
]


@pytest.fixture
def copied_sources(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports_command as lint; lint(prog_name='lint-imports')"
    command = [sys.executable, "-c", program, "--no-cache", "--no-logo", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def plant(folder: Path, violation: Violation) -> None:
    path = folder.joinpath(*violation.importer.split(".")).with_suffix(".py")
    path.write_text(f'"""Planted."""\n\nimport {violation.imported}\n', encoding="utf-8")
    if violation.contract == "engine-no-torch" and not violation.importer.startswith("engine."):
        entry = folder / "engine" / "entry.py"
        entry.write_text(f'"""Planted."""\n\nimport {violation.importer}\n', encoding="utf-8")


def test_every_import_contract_is_kept(copied_sources: Path) -> None:
    outcome = lint(copied_sources)

    assert (outcome.returncode, outcome.stdout.splitlines()[-1]) == (0, f"Contracts: {len(CONTRACTS)} kept, 0 broken.")


@pytest.mark.parametrize("violation", VIOLATIONS, ids=" ".join)
def test_a_planted_violation_breaks_its_contract(copied_sources: Path, violation: Violation) -> None:
    plant(copied_sources, violation)

    outcome = lint(copied_sources, "--contract", violation.contract)

    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert "Contracts: 0 kept, 1 broken." in outcome.stdout
    assert violation.importer in outcome.stdout


def test_every_contract_has_a_violation_that_breaks_it() -> None:
    assert {violation.contract for violation in VIOLATIONS} == {contract["id"] for contract in CONTRACTS}


def test_every_package_of_the_repository_stands_on_a_floor() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    floors = {name.strip() for layer in CONTRACTS[0]["layers"] for name in layer.split("|")}

    assert (floors, set(PACKAGES)) == (folders, folders)


def test_every_package_is_built_and_typed() -> None:
    tools = PYPROJECT["tool"]

    assert tools["hatch"]["build"]["targets"]["wheel"]["packages"] == PACKAGES
    assert tools["mypy"]["packages"] == PACKAGES


@pytest.mark.parametrize("contract", ["object-door", "mcp-door"])
def test_a_door_of_a_package_is_closed_to_every_other_package(contract: str) -> None:
    owner = {"object-door": "storage", "mcp-door": "mcp_server"}[contract]
    sources = next(item["source_modules"] for item in CONTRACTS if item["id"] == contract)

    assert sorted([*sources, owner]) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_name_resolves_to_this_repository(package: str) -> None:
    module = importlib.import_module(package)

    assert Path(str(module.__file__)) == ROOT / package / "__init__.py"


def test_no_installed_distribution_claims_a_package_name() -> None:
    owners = importlib.metadata.packages_distributions()

    assert {owner for package in PACKAGES for owner in owners.get(package, [])} <= {"ami-learning"}
