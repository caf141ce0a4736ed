"""Where a model in production comes from, told to agents and in a terminal."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import Any

import pytest
from experiment_steps import decide, launch, review_task, to_the_end
from platform_under_test import Platform
from terminal import typed


def run(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    return typed(platform.home, *arguments, LEARNING_HOME=str(platform.home))


@pytest.mark.requirement("lineage")
def test_agents_and_operators_learn_why_a_version_is_in_production(platform: Platform, dataset: dict[str, Any]) -> None:
    experiment = launch(platform, dataset, "explained")
    decide(platform, "grace", review_task(platform, experiment), "approve")
    to_the_end(platform, experiment)
    now = datetime.now(UTC).isoformat()

    story = platform.call("ada", "explain_production", question={"model_name": "explained"})
    downstream = platform.call("ada", "list_downstream", dataset_version_id=dataset["dataset_version_id"])
    at = platform.call("ada", "get_production_at", at=now)
    told = run(platform, "lineage", "why", "explained")
    listed = json.loads(run(platform, "lineage", "production-at", now, "--json").stdout)

    kinds = {node["model"] for node in story["lineage"]["nodes"]}
    records = {"Dataset", "DatasetVersion", "Experiment", "TrainingRun", "ModelArtifact"}
    assert kinds == records | {"ProcessInstance", "ProcessDefinition", "UserTask"}
    assert story["period"]["cause"]["set_by"] == "grace"
    assert {node["id"] for node in downstream["lineage"]["nodes"]} >= {experiment["experiment_id"]}
    assert "explained" in {model["period"]["model_name"] for model in at["models"]}
    assert told.stdout.splitlines()[0].endswith("set by grace")
    assert [line.split("\t")[1] for line in told.stdout.splitlines()[1:2]] == ["ModelArtifact"]
    assert "explained" in {row["model_name"] for row in listed}


@pytest.mark.requirement("lineage")
@pytest.mark.requirement("one-sentence")
def test_a_model_that_is_not_in_production_has_no_story(platform: Platform) -> None:
    asked = platform.call("ada", "explain_production", question={"model_name": "nobody made it"})
    told = run(platform, "lineage", "why", "nobody made it")
    nowhere = run(platform, "lineage", "production-at", "2001-01-01")

    assert (asked["period"], asked["lineage"]) == (None, None)
    assert (told.returncode, told.stdout, told.stderr.count("\n")) == (1, "", 1)
    assert (nowhere.returncode, nowhere.stdout, nowhere.stderr.count("\n")) == (0, "", 1)


@pytest.mark.requirement("operations")
def test_an_operator_looks_after_metric_points(platform: Platform) -> None:
    first, again = (run(platform, "metrics", "maintain", "--from", "2020-01-15") for _ in range(2))
    dry, dropped = (run(platform, "metrics", "retain", *option) for option in (["--dry-run"], []))
    backwards = run(platform, "metrics", "retain", "--points", "90", "--minutes", "10")

    assert int(first.stdout.split()[0]) >= 60
    assert again.stdout.split()[:2] == ["0", "months"]
    assert dry.stdout.splitlines()[:-1] == dropped.stdout.splitlines()[:-1]
    assert dropped.stdout.startswith("metric_point_2020_01\tabout 0 points\n")
    assert backwards.returncode == 2
