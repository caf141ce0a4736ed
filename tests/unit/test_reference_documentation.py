"""The reference pages name what the code has, all of it and nothing else."""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from domain_sdk.errors import ReportedError
from engine import ExternalTask, read_diagram
from engine.feel import compile_expression
from handlers import Services, service_tasks
from handlers.dataset_rules import Severity
from handlers.errors import DatasetRejectedError
from mcp_server import create_mcp_server
from runners.compute import Compute
from storage import AuditEntry, SecurityContext, make_leaf

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
CODE = re.compile(r"[A-Z]+(_[A-Z0-9]+)+")


def section(page: str, title: str) -> str:
    text = (REFERENCE / page).read_text(encoding="utf-8")
    return next(part for part in re.split(r"^## ", text, flags=re.MULTILINE) if part.startswith(title))


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [row for row in cells if not set(row[0]) <= set("- ") and row[0].startswith("`")]


def first_column(text: str) -> list[str]:
    return [name for row in rows(text) for name in re.findall(r"`([^`]+)`", row[0])]


def string_literals(*paths: Path) -> Iterator[str]:
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def codes_in(*paths: Path) -> set[str]:
    return {literal for literal in string_literals(*paths) if CODE.fullmatch(literal)}


def error_modules() -> list[str]:
    paths = [*ROOT.glob("*/errors.py"), *ROOT.glob("*/errors/__init__.py")]
    return sorted([*(path.relative_to(ROOT).parts[0] for path in paths), "storage.datasets", "storage.model_files"])


@pytest.mark.parametrize("package", error_modules())
def test_the_error_page_lists_every_error_code_of_a_package(package: str) -> None:
    module = importlib.import_module(f"{package}.errors")
    kinds = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, ReportedError)]
    codes = {kind.code for kind in kinds if kind.__module__.startswith(module.__name__) and "code" in vars(kind)}

    text = (REFERENCE / "errors.md").read_text(encoding="utf-8")
    pages = [part for part in re.split(r"^## ", text, flags=re.MULTILINE) if f"(`{package}`)" in part.splitlines()[0]]
    assert set(first_column("".join(pages))) == codes


def test_no_two_errors_share_a_code() -> None:
    text = (REFERENCE / "errors.md").read_text(encoding="utf-8").partition("## Findings")[0]
    codes = first_column(text)

    assert sorted(set(codes)) == sorted(codes)


def test_the_error_page_lists_every_finding_of_the_verification() -> None:
    documented = set(first_column(section("errors.md", "Findings of diagram")))

    modules = (*(ROOT / "engine" / "bpmn").glob("*.py"), ROOT / "engine" / "xml_documents.py")
    assert documented == codes_in(*modules) | {"UNREACHABLE"}


def test_the_error_page_lists_every_warning_of_the_dataset_validation() -> None:
    documented = set(first_column(section("errors.md", "Findings of dataset")))
    rejections = {kind.code for kind in DatasetRejectedError.__subclasses__()}

    assert set(Severity) == {Severity.ERROR, Severity.WARNING}
    assert documented == codes_in(ROOT / "handlers" / "dataset_rules.py") - rejections


def test_the_error_page_lists_every_bpmn_error_that_a_diagram_catches() -> None:
    documented = set(first_column(section("errors.md", "BPMN errors")))
    caught = {
        code
        for path in (ROOT / "workflows").glob("*.bpmn")
        for code in re.findall(r'errorCode="([^"]+)"', path.read_text(encoding="utf-8"))
    }

    assert documented == caught


def test_the_settings_page_says_what_the_example_environment_says() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    example = {
        name: (value, explanation.removeprefix("# "))
        for explanation, line in pairwise(lines)
        for name, value in re.findall(r"^#([A-Z0-9_]+)=(.*)$", line)
    }
    settings = (REFERENCE / "settings.md").read_text(encoding="utf-8").partition("## Make")[0]

    assert {row[0].strip("`"): (row[1].strip("`"), row[2]) for row in rows(settings)} == example


def expression_examples() -> list[tuple[str, str, str]]:
    table = rows((REFERENCE / "feel.md").read_text(encoding="utf-8"))
    return [(row[0].strip("`"), row[1].strip("`"), row[2].strip("`")) for row in table]


@pytest.mark.parametrize(("source", "variables", "value"), expression_examples())
def test_an_expression_of_the_page_has_the_value_that_the_page_gives(source: str, variables: str, value: str) -> None:
    result = compile_expression(source).evaluate(json.loads(variables or "{}"))

    assert json.dumps(result) == json.dumps(json.loads(value))


def no_services() -> Services:
    return cast("Services", None)  # listing tools and contracts touches none of the platform's parts


def tool_arguments() -> dict[str, set[str]]:
    tools = asyncio.run(create_mcp_server(no_services(), "0").list_tools())
    return {tool.name: set(argument_names(tool.input_schema, tool.input_schema)) for tool in tools}


def argument_names(schema: dict[str, Any], root: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in schema.get("properties", {}).items():
        reference = str(value.get("$ref", "")).rpartition("/")[2]
        nested = root.get("$defs", {}).get(reference, {})
        if "properties" in nested:
            yield from argument_names(nested, root, f"{prefix}{name}.")
        else:
            yield prefix + name


def formats_of(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from (value for name, value in schema.items() if name == "format" and isinstance(value, str))
        yield from (name for value in schema.values() for name in formats_of(value))
    elif isinstance(schema, list):
        yield from (name for value in schema for name in formats_of(value))


def test_tools_name_only_formats_that_json_schema_has_so_strict_clients_take_them() -> None:
    tools = asyncio.run(create_mcp_server(no_services(), "0").list_tools())
    schemas = [schema for tool in tools for schema in (tool.input_schema, tool.output_schema)]

    assert {*formats_of(schemas)} <= {"date-time", "date", "time", "duration", "uuid", "uri", "email", "ipv4", "ipv6"}


def test_the_tool_page_lists_every_tool_with_its_arguments() -> None:
    text = (REFERENCE / "mcp-tools.md").read_text(encoding="utf-8")
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]

    assert {part.splitlines()[0]: set(first_column(part)) for part in parts} == tool_arguments()


def test_the_process_page_describes_every_process_with_its_picture() -> None:
    text = (REFERENCE / "processes.md").read_text(encoding="utf-8")
    diagrams = list((ROOT / "workflows").glob("*.bpmn"))
    process_ids = {model.process_id for path in diagrams for model in read_diagram(path.read_bytes())}

    assert (
        set(re.findall(r"^## ([a-z-]+)\n\n!\[[^\]]+\]\(\.\./images/\1\.png\)", text, flags=re.MULTILINE)) == process_ids
    )


def test_the_process_page_says_of_every_service_task_where_it_runs() -> None:
    registry = service_tasks(cast("Compute", None))
    documented = {row[0].strip("`"): row[1] for row in rows(section("processes.md", "Service tasks"))}

    kinds = {name: "job" if isinstance(registry[name], ExternalTask) else "in the step" for name in registry.types}
    assert documented == kinds


def test_the_event_page_lists_every_kind_of_event_that_is_appended() -> None:
    documented = set(first_column((REFERENCE / "events.md").read_text(encoding="utf-8")))
    paths = [*(ROOT / "engine").rglob("*.py"), ROOT / "handlers" / "experiment_runs.py"]
    kind = re.compile(r"(process|element|compensation|decision|job|incident|user_task|training)\.[a-z]+")
    written = {literal for literal in string_literals(*paths) if kind.fullmatch(literal)}

    changes = {f"element.{change}" for change in ("activated", "completed", "cancelled", "compensated")}
    of_leaves_alone = {"process.moved"}
    assert documented == (written | changes) - of_leaves_alone


def test_the_audit_page_lists_every_finding_of_the_verifier() -> None:
    documented = set(first_column(section("audit.md", "Findings of the verifier")))

    assert documented == codes_in(ROOT / "storage" / "audit" / "offline_verifier.py")


def test_the_audit_page_lists_every_field_of_a_leaf() -> None:
    documented = set(first_column(section("audit.md", "Leaves")))
    entry = AuditEntry(
        action="a", subject="s", details={"d": 1}, digest_of={"d": 1}, before={"d": 1}, after={"d": 1},
        personal={"d": 1}, tool="t", element_id="e", definition_sha256="0",
    )  # fmt: skip
    leaf = make_leaf(entry, context=SecurityContext(user_id="ada", tenant_id="north"))

    assert documented == set(json.loads(leaf.canonical_text))


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]

    assert broken == []
