from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from requirements import REQUIREMENTS


def _tests() -> Iterator[tuple[str, list[str]]]:
    for path in [*Path(__file__).parent.glob("test_*.py"), *Path(__file__).parents[1].glob("crash/test_*.py")]:
        if path.name == Path(__file__).name:
            continue
        module = ast.parse(path.read_text(encoding="utf-8"))
        of_all = [name for mark in _marks_of_module(module) for name in _names(mark)]
        for node in module.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                own = [name for mark in node.decorator_list for name in _names(mark)]
                yield f"{path.name}::{node.name}", [*of_all, *own]


def _marks_of_module(module: ast.Module) -> Iterator[ast.expr]:
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield from node.value.elts if isinstance(node.value, ast.List) else [node.value]


def _names(mark: ast.expr) -> Iterator[str]:
    if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.requirement":
        yield ast.literal_eval(mark.args[0])


def test_every_acceptance_test_names_a_known_requirement() -> None:
    astray = [test for test, names in _tests() if not names or not set(names) <= REQUIREMENTS.keys()]

    assert astray == []


def test_every_requirement_has_a_test() -> None:
    held = {name for _, names in _tests() for name in names}

    assert REQUIREMENTS.keys() - held == set()
