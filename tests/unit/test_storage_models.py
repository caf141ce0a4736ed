"""The records' models: complete, in the stores that the blueprint says, with times, ids and states that hold."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from learning.schema import app
from storage.errors import StatusTransitionError
from storage.identifiers import new_id
from storage.models import (
    MODELS,
    TRANSITIONS,
    ACLEntry,
    Dataset,
    ModelArtifact,
    ModelStatus,
    Permission,
    PrincipalType,
    StorageModel,
    may_follow,
)
from storage.mutations import require_transitions

DOCS = Path(__file__).parents[2] / "docs" / "reference" / "models"
PAGE = (DOCS / "README.md").read_text()
BLUEPRINT = {
    "Dataset": "dataset_id name description source_uri schema_hash validation_status tags classification",
    "DatasetVersion": "dataset_id version storage_location row_count feature_stats created_at checksum lineage_refs",
    "Experiment": ("experiment_id task_name dataset_version config compute_profile status owner metrics_summary"),
    "TrainingRun": "run_id experiment_id stage start_time end_time artifacts logs_uri exit_code",
    "ModelArtifact": (
        "model_id version framework artifact_uri signature target_runtime status metrics linked_experiment"
        " compliance_docs"
    ),
    "ServingEndpoint": "endpoint_id model_id runtime uri scaling_policy health_state last_validation",
    "MetricSnapshot": "entity_id timestamp metric_name value threshold breach_state source",
    "DriftReport": ("report_id model_id dataset_version method severity details recommended_action evidence_refs"),
    "ProcessObservation": (
        "observation_id model_type entity_uid security_context feature_vector graph_context ingested_at"
    ),
    "SOMNeuron": (
        "neuron_id layer_id prototype_vector quantisation_error hit_count growth_epoch adjacent_neuron_ids status"
    ),
    "ActivationModelState": (
        "activation_id target_signal model_payload learning_rate regularisation_meta last_update performance_summary"
        " linked_neuron_ids"
    ),
}
MAPPED = {
    name: row[1].strip(" `")
    for row in (line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| `"))
    for name in re.findall(r"`(\w+\.\w+)`", row[0])
    if name.split(".")[0] in BLUEPRINT
}
STORES = {
    name: set(stores.split(", "))
    for name, stores in re.findall(r"^\| \[`(\w+)`\]\S+ \| .* \| (.*) \|$", PAGE, re.MULTILINE)
}
TARGETS = {
    "Dataset": {"document", "graph"},
    "DatasetVersion": {"document"},
    "Experiment": {"document", "timeseries"},
    "TrainingRun": {"document", "timeseries"},
    "ModelArtifact": {"document", "graph", "file"},
    "ServingEndpoint": {"graph", "document"},
    "MetricSnapshot": {"timeseries"},
    "DriftReport": {"document", "graph"},
    "ProcessObservation": {"document", "timeseries"},
    "SOMNeuron": {"vector", "graph"},
    "ActivationModelState": {"document", "file"},
}


def dataset(**fields: object) -> Dataset:
    return Dataset.model_validate({"tenant_id": "north", "name": "iris", "source_uri": "file:///iris.csv", **fields})


@pytest.mark.parametrize("model", MODELS)
def test_a_model_has_every_field_of_the_blueprint_under_its_name_or_the_documented_one(
    model: type[StorageModel],
) -> None:
    wanted = {MAPPED.get(f"{model.__name__}.{name}", name) for name in BLUEPRINT[model.__name__].split()}

    assert wanted - model.model_fields.keys() == set()


def test_models_are_kept_where_the_blueprint_and_the_page_say() -> None:
    kept = {model.__name__: {str(each.storage_type) for each in model.Meta.storage_configs} for model in MODELS}

    assert kept == TARGETS == STORES


def test_the_documented_json_schemas_are_the_models_own(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["models", str(tmp_path)])

    assert result.exit_code == 0
    written = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    documented = {path.name: json.loads(path.read_text()) for path in DOCS.glob("*.json")}
    assert written == documented
    assert len(written) == len(MODELS) == 11


def test_indexed_fields_are_fields() -> None:
    strangers = {
        (model.__name__, name) for model in MODELS for name in model.Meta.indexed if name not in model.model_fields
    }

    assert strangers == set()


def test_times_are_kept_in_utc_and_refused_without_an_offset() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))

    assert dataset(created_at=noon).created_at.tzinfo is UTC
    with pytest.raises(ValidationError):
        dataset(created_at=noon.replace(tzinfo=None))


def test_ids_are_of_version_seven() -> None:
    assert dataset().id.version == 7
    with pytest.raises(ValidationError):
        dataset(id=uuid4())


def test_permissions_of_a_grant_are_a_set_in_one_order() -> None:
    entry = ACLEntry(
        principal="ada",
        principal_type=PrincipalType.USER,
        permissions=(Permission.WRITE, Permission.READ, Permission.WRITE),
        granted_by="olga",
        granted_at=datetime.now(UTC),
    )

    assert entry.permissions == (Permission.READ, Permission.WRITE)


def test_the_documented_transitions_are_those_that_hold() -> None:
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \| (.*?) ?\|$", PAGE, re.MULTILINE)
    machines = {machine.__name__ for machine in TRANSITIONS}
    documented = {
        (machine, state): set(re.findall(r"`(\w+)`", legal)) for machine, state, legal in rows if machine in machines
    }
    held = {
        (machine.__name__, state.value): {legal.value for legal in following}
        for machine, states in TRANSITIONS.items()
        for state, following in states.items()
    }

    assert documented == held


@pytest.mark.parametrize("machine", TRANSITIONS, ids=lambda machine: machine.__name__)
def test_every_state_has_its_transitions_and_may_stay(machine: type[StrEnum]) -> None:
    assert set(TRANSITIONS[machine]) == set(machine)
    assert all(may_follow(state, state) for state in machine)


def test_an_illegal_transition_names_the_legal_ones() -> None:
    version = ModelArtifact(
        tenant_id="north",
        model_id=new_id(),
        name="iris",
        version=1,
        artifact_uri="object://",
        signature={},
        metrics={},
        linked_experiment=new_id(),
        status=ModelStatus.ARCHIVED,
    )

    with pytest.raises(StatusTransitionError) as error:
        require_transitions(version, version.model_copy(update={"status": ModelStatus.REGISTERED}))

    assert vars(error.value) == {
        "model": "ModelArtifact",
        "field": "status",
        "state": "archived",
        "asked_for": "registered",
        "legal": ("production", "rejected"),
        "hint": "From archived it can become production, rejected.",
    }
