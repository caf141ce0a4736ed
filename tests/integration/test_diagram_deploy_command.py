"""`ami-learning diagram deploy`: what it prints of what it deploys, and of what the verification warns of."""

from __future__ import annotations

import hashlib
from pathlib import Path

import psycopg
import pytest
from decision_documents import decision, document, literal
from diagrams import business_rule_task, diagram, end, path, start
from sqlalchemy import make_url
from typer.testing import CliRunner

from engine import canonical_digest
from engine.dmn import canonical_decision_digest
from learning.cli import app
from learning.errors import SchemaOutdatedError

DECIDED = document(decision("more", literal("a + 1")))
# What a note of another vendor means is not known: the verification warns of it.
NOTED = diagram("asking", start(), path("Begin", "Ask", "Done"), business_rule_task("Ask", "more", "b"), end()).replace(
    b"<zeebe:calledDecision", b'<note xmlns="http://vendor" /><zeebe:calledDecision'
)


@pytest.fixture
def files(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("LEARNING_DATABASE_URL", database_url)
    monkeypatch.setenv("LEARNING_HOME", str(tmp_path / "home"))
    paths = tmp_path / "asking.bpmn", tmp_path / "more.dmn"
    for each, content in zip(paths, (NOTED, DECIDED), strict=True):
        each.write_bytes(content)
    return paths


def test_versions_are_printed_with_both_digests_and_warnings_beside_them(files: tuple[Path, Path]) -> None:
    result = CliRunner().invoke(app, ["diagram", "deploy", *map(str, files)])

    of_diagram = f"sha256 {hashlib.sha256(NOTED).hexdigest()} canonical {canonical_digest(NOTED)}"
    of_decision = f"sha256 {hashlib.sha256(DECIDED).hexdigest()} canonical {canonical_decision_digest(DECIDED)}"
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"asking version 1 {of_diagram}", f"more version 1 {of_decision}"]
    (warning,) = result.stderr.splitlines()
    assert "Ask: warning: EXTENSION_UNKNOWN" in warning


def test_a_login_that_owns_nothing_deploys_and_never_upgrades(
    files: tuple[Path, Path], cluster_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(database_url).set(username="ami_test_deployer").render_as_string(hide_password=False)
    monkeypatch.setenv("LEARNING_DATABASE_URL", url)
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(b"create role ami_test_deployer login in role ami_application, ami_engine")
        try:
            deployed = CliRunner().invoke(app, ["diagram", "deploy", *map(str, files)])
            with psycopg.connect(database_url, autocommit=True) as older:
                older.execute("update alembic_version set version_num = '0001'")
            refused = CliRunner().invoke(app, ["diagram", "deploy", *map(str, files)])
        finally:
            connection.execute(b"drop role ami_test_deployer")

    assert deployed.exit_code == 0
    assert isinstance(refused.exception, SchemaOutdatedError)
