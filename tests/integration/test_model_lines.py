"""The versions of one name: restricted ones have names of their own, and a promotion sees whatever it replaces."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import outside_models as made
import pytest
from handlers_platform import ADA, ADMIN, STRANGER, RememberingCompute, Workshop, open_workshop, two_clusters
from open_door import Door, open_door
from rows_and_objects import holdings

from engine import InstanceStatus
from handlers.datasets import DatasetPayload, register_dataset
from handlers.errors import ModelLineMixedError
from handlers.experiments import ExperimentConfig, ExperimentPayload, Launch, launch_experiment
from storage import SecurityContext
from storage.models import (
    ACLEntry,
    DataClassification,
    EndpointState,
    Experiment,
    ModelArtifact,
    ModelStatus,
    Permission,
    PrincipalType,
    ServingEndpoint,
    StorageModel,
)

INTERNAL, CONFIDENTIAL, RESTRICTED = (
    DataClassification.INTERNAL,
    DataClassification.CONFIDENTIAL,
    DataClassification.RESTRICTED,
)
ONLY_OLGA = (
    ACLEntry(
        principal="olga",
        principal_type=PrincipalType.USER,
        permissions=tuple(Permission),
        granted_by="ada",
        granted_at="2026-01-01T00:00:00Z",
    ),
)


@pytest.fixture
def shop(database_url: str, tmp_path: Path, compute: RememberingCompute) -> Iterator[Workshop]:
    shop = open_workshop(database_url, tmp_path, compute)
    with shop.services.hub:
        yield shop
    shop.close()


@pytest.fixture
def door(shop: Workshop) -> Iterator[Door]:
    with open_door(shop.services, shop.all_tenants, {"ada": ADA, "olga": ADMIN, "sven": STRANGER}) as door:
        yield door


def register(door: Door, shop: Workshop, number: int, classification: str, who: str = "ada") -> dict[str, Any]:
    """Register another file as a version of the model `line`."""
    path = shop.inbox / f"{number}.safetensors"
    path.write_bytes(made.header({"__metadata__": {"number": str(number)}}))
    payload = {"name": "line", "artifact_uri": path.as_uri(), "data_classification": classification}
    (answer,) = door.ask(who, ("learning.register_model", {"model_payload": payload}))
    return answer


@pytest.mark.parametrize(
    ("first", "second", "third"),
    [("internal", "restricted", "confidential"), ("restricted", "internal", "restricted")],
)
def test_a_restricted_version_beside_others_is_refused_either_way_and_leaves_nothing(
    door: Door, shop: Workshop, first: str, second: str, third: str
) -> None:
    registered = register(door, shop, 1, first)
    before = holdings(shop)

    refused = register(door, shop, 2, second)
    left = holdings(shop)
    following = register(door, shop, 3, third)

    assert (registered["model_version"], following["model_version"]) == (1, 2)
    assert (refused["code"], second in refused["hint"], left) == ("MODEL_LINE_MIXED", True, before)


def test_who_may_not_know_of_a_line_is_told_that_the_name_is_taken_and_no_classification(
    door: Door, shop: Workshop
) -> None:
    register(door, shop, 1, "restricted")
    before = holdings(shop)

    refused = [register(door, shop, 2, asked, "olga") for asked in ("internal", "restricted")]

    assert [answer["code"] for answer in refused] == ["MODEL_NAME_TAKEN"] * 2
    assert "restricted" not in str(refused)
    assert holdings(shop) == before


def test_a_version_that_is_not_the_newest_is_enough_for_a_name_to_be_taken(door: Door, shop: Workshop) -> None:
    register(door, shop, 1, "restricted")
    register(door, shop, 2, "restricted")
    newest = shop.records(ModelArtifact)[-1]
    shop.change(newest, acl=(*newest.acl, *ONLY_OLGA))

    assert newest.version == 2
    assert register(door, shop, 3, "restricted", "olga")["code"] == "MODEL_NAME_TAKEN"


def test_names_of_lines_are_of_one_tenant(door: Door, shop: Workshop) -> None:
    register(door, shop, 1, "restricted")

    assert register(door, shop, 2, "internal", "sven")["model_version"] == 1


def dataset(shop: Workshop, name: str, classification: DataClassification) -> UUID:
    payload = DatasetPayload(
        name=name,
        source_uri=shop.put(f"{name}.csv", two_clusters()),
        target="kind",
        data_classification=classification,
    )
    registered = register_dataset(shop.services, payload, context=ADA)
    shop.finish_jobs()
    return registered.dataset.id


def launch(shop: Workshop, dataset_id: UUID, context: SecurityContext = ADA) -> Launch:
    config = ExperimentConfig(epochs=3, hidden_sizes=(8,), learning_rate=0.05)
    payload = ExperimentPayload(dataset_id=dataset_id, model_name="line", config=config)
    return launch_experiment(shop.services, payload, None, context=context)


@pytest.mark.parametrize(("first", "second"), [(INTERNAL, RESTRICTED), (RESTRICTED, CONFIDENTIAL)])
def test_nothing_is_launched_into_a_line_of_another_kind(
    shop: Workshop, first: DataClassification, second: DataClassification
) -> None:
    one, other = dataset(shop, "one", first), dataset(shop, "other", second)
    launch(shop, one)
    shop.finish_jobs()
    before = holdings(shop)

    with pytest.raises(ModelLineMixedError) as refusal:
        launch(shop, other)

    assert vars(refusal.value) == {
        "model": "line",
        "asked_for": second,
        "registered": first,
        "hint": refusal.value.hint,
    }
    assert holdings(shop) == before
    assert [version.version for version in shop.records(ModelArtifact)] == [1]


def test_of_two_kinds_launched_before_there_was_a_version_the_second_stops_at_its_registration(shop: Workshop) -> None:
    one, other = dataset(shop, "one", INTERNAL), dataset(shop, "other", RESTRICTED)
    launched = [launch(shop, one), launch(shop, other)]

    shop.finish_jobs()

    instances = [shop.instance(each.process_instance_id) for each in launched]
    stopped = [instance for instance in instances if instance.incident is not None]
    assert [instance.incident["code"] for instance in stopped if instance.incident] == ["MODEL_LINE_MIXED"]
    assert [version.version for version in shop.records(ModelArtifact)] == [1]
    assert len(shop.records(Experiment)) == 2


@pytest.mark.parametrize("hidden", [ModelArtifact, ServingEndpoint])
def test_a_promotion_whose_predecessor_is_hidden_stops_and_goes_on_once_it_is_granted(
    shop: Workshop, hidden: type[StorageModel]
) -> None:
    dataset_id = dataset(shop, "one", INTERNAL)
    first, second = launch(shop, dataset_id), launch(shop, dataset_id)
    shop.finish_jobs()
    shop.review(first.process_instance_id, "approve")
    shop.change(shop.records(hidden)[0], data_classification=RESTRICTED, acl=ONLY_OLGA)

    shop.review(second.process_instance_id, "approve")

    stopped = shop.instance(second.process_instance_id)
    assert (stopped.status, (stopped.incident or {})["code"]) == (InstanceStatus.INCIDENT, "MODEL_NAME_TAKEN")
    assert in_service(shop) == ([1], [1])

    (record,) = (found for found in shop.records(hidden, ADMIN) if found.data_classification is RESTRICTED)
    with shop.services.storage.transaction("north") as work:
        work.get_crud(hidden).update(record, {"data_classification": INTERNAL}, context=ADMIN)
        incident_id = UUID(str((stopped.incident or {})["incident_id"]))
        shop.services.operations.retry_incident(work, incident_id, reason="granted", context=ADMIN)
    shop.finish_jobs()

    assert shop.instance(second.process_instance_id).status is InstanceStatus.COMPLETED
    assert in_service(shop) == ([2], [2])


def in_service(shop: Workshop) -> tuple[list[int], list[int]]:
    """Return which versions are in production, and which have a healthy endpoint."""
    versions = {version.id: version for version in shop.records(ModelArtifact, ADMIN)}
    healthy = shop.records(ServingEndpoint, ADMIN, health_state=EndpointState.HEALTHY.value)
    produced = [version.version for version in versions.values() if version.status is ModelStatus.PRODUCTION]
    return produced, [versions[endpoint.model_artifact_id].version for endpoint in healthy]
