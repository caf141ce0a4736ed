"""Every process that ships has tests, which pass all of it: `make test` asks for that."""

from __future__ import annotations

from pathlib import Path

from engine import read_diagram
from learning.bootstrap import WORKFLOWS


def test_every_process_that_ships_has_a_file_of_tests() -> None:
    shipped = {model.process_id for path in WORKFLOWS.glob("*.bpmn") for model in read_diagram(path.read_bytes())}
    tested = {path.stem.removeprefix("test_").replace("_", "-") for path in Path(__file__).parent.glob("test_*.py")}
    assert shipped - tested == set()


def test_every_test_run_asks_for_all_of_them() -> None:
    makefile = Path(__file__).resolve().parents[2] / "Makefile"
    assert "--process-coverage-min 100" in makefile.read_text(encoding="utf-8")
