"""The files around the code say what the code says: settings, pins, targets, services and metric names."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic_settings import BaseSettings

from learning import settings
from learning.cli import app
from learning.metrics import REGISTRY, live_families

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
PLATFORM_IMAGE = "ami-learning:0.1.0"
PROFILES = ["cpu", "nvidia", "intel", "amd"]
# What the images of other projects read; everything else in docker-compose.yml must be a setting of ours.
FOREIGN_PREFIXES = {"postgres": "POSTGRES_", "seaweedfs": "AWS_", "grafana": "GF_"}


def settings_classes() -> list[type[BaseSettings]]:
    named = vars(settings).values()
    return [
        item for item in named if isinstance(item, type) and issubclass(item, BaseSettings) and item != BaseSettings
    ]


def setting_defaults() -> dict[str, object]:
    return {
        f"{owner.model_config['env_prefix']}{name}".upper(): field.default
        for owner in settings_classes()
        for name, field in owner.model_fields.items()
    }


def compose_secrets() -> set[str]:
    return set(re.findall(r"\$\{([A-Z0-9_]+):\?", (ROOT / "docker-compose.yml").read_text(encoding="utf-8")))


def example_lines() -> list[str]:
    return (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()


def example_values() -> dict[str, str]:
    assignments = (line.removeprefix("#").partition("=") for line in example_lines() if re.match(r"#[A-Z_0-9]+=", line))
    return {name: value for name, _, value in assignments}


def written(value: object) -> str:
    """Return a default as a person would write it into `.env`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value in (None, {}) else str(value)


@pytest.mark.parametrize("service", [name for name, it in SERVICES.items() if it["image"] == PLATFORM_IMAGE])
def test_a_platform_service_is_given_settings_that_exist(service: str) -> None:
    assert set(SERVICES[service]["environment"]) <= set(setting_defaults())


@pytest.mark.parametrize("service", [name for name, it in SERVICES.items() if it["image"] != PLATFORM_IMAGE])
def test_a_foreign_service_is_given_its_own_variables_only(service: str) -> None:
    prefix = FOREIGN_PREFIXES.get(service, "none at all")

    assert [name for name in SERVICES[service].get("environment", {}) if not name.startswith(prefix)] == []


def test_the_platform_settings_of_the_services_are_accepted() -> None:
    environment = SERVICES["application"]["environment"]
    plain = {name: value for name, value in environment.items() if "${" not in value}

    for owner in settings_classes():
        prefix = str(owner.model_config["env_prefix"])
        owner(**{name.removeprefix(prefix).lower(): value for name, value in plain.items() if name.startswith(prefix)})


def test_no_secret_of_the_services_has_a_default() -> None:
    values = [
        (name, value)
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if re.search(r"PASSWORD|SECRET|ACCESS_KEY", name)
    ]

    assert [(name, value) for name, value in values if not re.fullmatch(r"\$\{[A-Z0-9_]+:\?.+\}", value)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_restarted_hardened_and_on_the_hosts_loopback(service: str) -> None:
    definition = SERVICES[service]

    assert definition["network_mode"] == "host"
    assert definition["read_only"] is True
    assert definition["security_opt"] == ["no-new-privileges:true"]
    assert definition["restart"] in {"unless-stopped", "on-failure"}
    assert "0.0.0.0" not in json.dumps(definition)  # noqa: S104 - the address is looked for, not listened on


def test_a_service_waits_only_for_services_that_report_their_state() -> None:
    for definition in SERVICES.values():
        for name, dependency in definition.get("depends_on", {}).items():
            one_shot = dependency["condition"] == "service_completed_successfully"
            assert one_shot or "healthcheck" in SERVICES[name], name


def test_a_platform_service_runs_a_command_that_exists() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    commands |= {str(group.name) for group in app.registered_groups}
    started = {it["command"][0] for it in SERVICES.values() if it["image"] == PLATFORM_IMAGE}

    assert started - commands == set()


def test_the_folders_and_files_that_services_mount_exist() -> None:
    mounts = [mount.split(":")[0] for it in SERVICES.values() for mount in it.get("volumes", [])]

    assert [mount for mount in mounts if mount.startswith("./") and not (ROOT / mount).exists()] == []
    assert {mount for mount in mounts if not mount.startswith("./")} == set(COMPOSE["volumes"])


def test_prometheus_scrapes_the_applications_address() -> None:
    scraped = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    environment = SERVICES["application"]["environment"]
    address = f"{environment['AMI_HOST']}:{environment['LEARNING_PORT']}"

    assert address in [target for job in scraped for group in job["static_configs"] for target in group["targets"]]


def test_the_example_environment_lists_every_setting_with_its_default() -> None:
    defaults = {name: written(default) for name, default in setting_defaults().items()}

    assert example_values() == defaults | dict.fromkeys(compose_secrets() - set(defaults), "")


def test_every_variable_of_the_example_environment_is_explained() -> None:
    lines = example_lines()
    assignments = [index for index, line in enumerate(lines) if re.match(r"#[A-Z_0-9]+=", line)]

    assert [lines[index] for index in assignments if not lines[index - 1].startswith("# ")] == []


def test_the_makefile_has_every_target_and_explains_it() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    targets = set(re.findall(r"^([a-z]+):.*## \S", makefile, flags=re.MULTILINE))
    assert targets == {"help", "demo", "test", "check", "bench", "crash", "up", "fmt"}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_pins_torch_and_every_other_package(profile: str) -> None:
    lines = (ROOT / f"requirements.env.{profile}.txt").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not line.startswith("#")] == ["-r requirements.pinned.txt", "torch==2.13.0"]


def pinned_requirements() -> list[Requirement]:
    lines = (ROOT / "requirements.pinned.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def test_every_requirement_is_one_exact_version_without_an_address() -> None:
    loose = [it for it in pinned_requirements() if it.url or [pin.operator for pin in it.specifier] != ["=="]]

    assert loose == []


def test_every_dependency_of_the_project_is_pinned_to_a_version_that_it_allows() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = map(Requirement, [*project["dependencies"], *extras["dev"], *extras["demo"]])
    pins = {str(canonicalize_name(it.name)): next(iter(it.specifier)).version for it in pinned_requirements()}
    pins |= {"torch": "2.13.0", "ami-learning": project["version"]}

    unmet = [str(it) for it in wanted if not it.specifier.contains(pins.get(canonicalize_name(it.name), "0"))]
    assert unmet == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_a_requirements_file_names_no_address(path: Path) -> None:
    assert not re.search(
        r"://|--(extra-)?index-url|--find-links|^-[if] ", path.read_text(encoding="utf-8"), re.MULTILINE
    )


def test_the_continuous_integration_script_runs_the_checks_and_the_tests() -> None:
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & 0o111
    assert re.search(r"^make .*\bcheck test\b", script.read_text(encoding="utf-8"), flags=re.MULTILINE)


def dashboard_metrics() -> set[str]:
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/ami-learning.json").read_text(encoding="utf-8"))
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return {name for expression in expressions for name in re.findall(r"\bami_\w+", expression)}


def test_the_dashboard_shows_metrics_that_the_platform_exports() -> None:
    exported = set(REGISTRY._names_to_collectors) | {family.name for family in live_families()}

    assert dashboard_metrics() - exported == set()
