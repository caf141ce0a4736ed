from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from requirements import REQUIREMENTS


def _tests() -> Iterator[tuple[str, list[str]]]:
    for path in [*Path(__file__).parent.glob("test_*.py"), *Path(__file__).parents[1].glob("crash/test_*.py")]:
        if path.name == Path(__file__).name:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield f"{path.name}::{node.name}", list(_names(node))


def _names(test: ast.FunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.requirement":
            yield ast.literal_eval(decorator.args[0])


def test_every_acceptance_test_names_a_known_requirement() -> None:
    astray = [test for test, names in _tests() if not names or not set(names) <= REQUIREMENTS.keys()]

    assert astray == []


def test_every_requirement_has_a_test() -> None:
    held = {name for _, names in _tests() for name in names}

    assert REQUIREMENTS.keys() - held == set()
