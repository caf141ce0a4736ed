"""A confidential dataset lives as any other does, and nothing that comes of it lies in the store in clear."""

from __future__ import annotations

import pytest
from handlers_platform import ADA, Workshop, two_clusters

from handlers.datasets import DatasetPayload, register_dataset
from storage import FolderObjectStore
from storage.errors import MasterKeyMissingError
from storage.models import DataClassification, DatasetVersion, ModelArtifact, ModelStatus, TrainingRun, ValidationStatus
from storage.objects.keys import is_sealed


def payload(shop: Workshop) -> DatasetPayload:
    return DatasetPayload(
        name="clusters",
        source_uri=shop.put("clusters.csv", two_clusters()),
        target="kind",
        data_classification=DataClassification.CONFIDENTIAL,
    )


def test_everything_that_comes_of_a_confidential_dataset_is_sealed(shop: Workshop) -> None:
    registered = register_dataset(shop.services, payload(shop), context=ADA)
    shop.finish_jobs()
    launched = shop.train(registered.dataset.id)
    shop.review(launched.process_instance_id, "approve")

    (version,), (model,) = shop.records(DatasetVersion), shop.records(ModelArtifact)
    runs = shop.records(TrainingRun)
    assert (version.validation_status, model.status) == (ValidationStatus.VALIDATED, ModelStatus.PRODUCTION)
    uris = [version.storage_location, model.artifact_uri, *(str(run.logs_uri) for run in runs)]
    uris += [uri for run in runs for uri in run.artifacts]
    assert [uri for uri in uris if not is_sealed(uri)] == []
    lying = [path.read_bytes() for path in (shop.objects / "sha256").rglob("*") if path.is_file()]
    assert len(lying) > len(uris)  # the package's files as well
    assert [content for content in lying if not content.startswith(b"AMISEAL1")] == []


def test_the_same_confidential_file_is_the_same_version(shop: Workshop) -> None:
    first = register_dataset(shop.services, payload(shop), context=ADA)
    second = register_dataset(shop.services, payload(shop), context=ADA)

    assert (second.version.id, second.version.version) == (first.version.id, 1)


def test_a_damaged_confidential_dataset_is_withdrawn(shop: Workshop) -> None:
    registered = register_dataset(shop.services, payload(shop), context=ADA)
    shop.damage(registered.version.storage_location)
    shop.finish_jobs()

    assert shop.records(DatasetVersion) == []


def test_without_master_keys_a_confidential_dataset_is_refused_and_nothing_is_kept(shop: Workshop) -> None:
    shop.services.storage.objects = FolderObjectStore(shop.objects)

    with pytest.raises(MasterKeyMissingError):
        register_dataset(shop.services, payload(shop), context=ADA)

    assert shop.records(DatasetVersion) == []
    assert list(shop.objects.iterdir()) == []
