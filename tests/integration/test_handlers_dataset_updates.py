"""A dataset's new version is told to the processes that wait for it, in the transaction that registers it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from diagrams import catch, document, end, message, path, process, start, user_task
from handlers_platform import ADA, ADMIN, Workshop, two_clusters
from sqlalchemy import text

from engine import InstanceStatus
from engine.errors import UserTaskValueError
from storage.identifiers import new_id
from storage.models import ComputeProfile, DatasetVersion, Experiment, ModelArtifact, ModelStatus

RETRAIN = document(
    message("Message_Updated", "dataset.updated", "=model_id"),
    process(
        "retrain",
        start(),
        path("Begin", "Wait", "Done"),
        catch("Wait", message_ref="Message_Updated"),
        end(),
    ),
)
UNFIT = document(
    message("Message_Updated", "dataset.updated"),
    process(
        "unfit",
        start("Begin", "Message_Updated"),
        path("Begin", "Look", "Done"),
        user_task("Look", None, assignee="=1"),
        end(),
    ),
)


def deploy(shop: Workshop, content: bytes) -> None:
    with shop.services.storage.transaction("north") as work:
        shop.services.engine.deploy(work, content, context=ADMIN)


def put_into_service(shop: Workshop, version: DatasetVersion, status: ModelStatus = ModelStatus.PRODUCTION) -> UUID:
    """Record a model that was trained on a version; return the model's id."""
    common: dict[str, Any] = {"tenant_id": ADA.tenant_id}
    experiment = Experiment(
        task_name="tabular-classification",
        model_name=f"model-{new_id()}",
        dataset_version_id=version.id,
        config={},
        compute_profile=ComputeProfile.CPU,
        owner="ada",
        **common,
    )
    artifact = ModelArtifact(
        model_id=new_id(),
        name=experiment.model_name,
        version=1,
        artifact_uri="",
        signature={},
        metrics={},
        linked_experiment=experiment.id,
        status=status,
        **common,
    )
    with shop.services.storage.transaction("north") as work:
        work.get_crud(Experiment).create(experiment, context=ADA)
        work.get_crud(ModelArtifact).create(artifact, context=ADA)
    return artifact.model_id


def announced(shop: Workshop) -> list[tuple[str, dict[str, Any]]]:
    """Return key and payload of every `dataset.updated`, oldest first."""
    statement = text(
        "select correlation_key, payload from message where name = 'dataset.updated' order by published_at, message_id"
    )
    with shop.services.storage.transaction("north") as work:
        return [(row[0], row[1]) for row in work.connection.execute(statement)]


def variables(version: DatasetVersion, model_id: UUID | None) -> dict[str, Any]:
    return {
        "dataset_id": str(version.dataset_id),
        "dataset_version_id": str(version.id),
        "model_id": None if model_id is None else str(model_id),
        "experiment_id": None,
    }


def test_a_version_that_no_model_in_service_knows_is_told_under_its_dataset(shop: Workshop) -> None:
    first = shop.register(two_clusters()).version
    put_into_service(shop, first, ModelStatus.REGISTERED)
    put_into_service(shop, shop.register(two_clusters(), name="others").version)
    second = shop.register(two_clusters(60)).version
    shop.register(two_clusters(60))

    key = str(first.dataset_id)
    told = [entry for entry in announced(shop) if entry[1]["dataset_id"] == key]
    assert told == [(key, variables(first, None)), (key, variables(second, None))]


def test_a_process_that_waits_for_news_of_its_model_receives_the_version(shop: Workshop) -> None:
    deploy(shop, RETRAIN)
    models = [put_into_service(shop, shop.register(two_clusters()).version) for _ in range(2)]
    with shop.services.storage.transaction("north") as work:
        waiting = shop.services.engine.start(work, "retrain", {"model_id": str(models[1])}, context=ADA)

    version = shop.register(two_clusters(60)).version
    shop.finish_jobs()

    assert sorted(announced(shop)[1:]) == sorted((str(each), variables(version, each)) for each in models)
    assert shop.instance(waiting).status is InstanceStatus.COMPLETED
    assert shop.variables(waiting) == variables(version, models[1])


def test_a_version_whose_news_cannot_be_told_is_not_registered(shop: Workshop) -> None:
    deploy(shop, UNFIT)

    with pytest.raises(UserTaskValueError):
        shop.register(two_clusters())

    assert (announced(shop), shop.records(DatasetVersion)) == ([], [])
