from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from trained_package import TrainedPackage

from domain_sdk.errors import InputSchemaMismatchError, ModelPackageInvalidError
from domain_sdk.model_package import WEIGHTS_FILE, parse_manifest, read_package
from domain_sdk.tables import read_table
from domain_sdk.tabular_classification.classifier import TabularClassifier
from serving.loading import LoadedModel, load_model
from serving.model_cache import ModelCache
from serving.packages import fetch_package, publish_package
from storage.errors import ObjectCorruptError, ObjectNotFoundError, ObjectUriError
from storage.objects import FolderObjectStore, digest_of


def object_path(root: Path, uri: str) -> Path:
    """Return where the folder store keeps an object."""
    [path] = root.rglob(digest_of(uri))
    return path


def test_the_served_model_answers_exactly_like_the_trained_one(
    objects: FolderObjectStore, trained_visits: TrainedPackage
) -> None:
    trained = TabularClassifier.from_package(*read_package(trained_visits.package_dir))
    table = read_table(trained_visits.specification.dataset_path)
    rows = json.loads(json.dumps(table.to_pylist(), default=str))
    model = load_model(objects, publish_package(objects, trained_visits.package_dir).uri)

    served = model.predict_probabilities(rows)

    assert np.array_equal(served, trained.probabilities(trained.encoding.encode_table(table)))
    assert model.signature == trained.signature


def test_a_prediction_has_the_user_s_label_and_a_probability_for_each_class(
    objects: FolderObjectStore, trained_digits: TrainedPackage
) -> None:
    table = read_table(trained_digits.specification.dataset_path)
    model = load_model(objects, publish_package(objects, trained_digits.package_dir).uri)

    predictions = model.predict(table.slice(0, 5).to_pylist())

    assert [prediction.label for prediction in predictions] == table.column("digit").to_pylist()[:5]
    for prediction in predictions:
        assert list(prediction.probabilities) == [str(digit) for digit in range(10)]
        assert sum(prediction.probabilities.values()) == pytest.approx(1)
        assert max(prediction.probabilities, key=prediction.probabilities.__getitem__) == str(prediction.label)


def test_a_row_that_does_not_fit_the_signature_is_refused_by_field(
    objects: FolderObjectStore, trained_visits: TrainedPackage
) -> None:
    model = load_model(objects, publish_package(objects, trained_visits.package_dir).uri)

    with pytest.raises(InputSchemaMismatchError) as caught:
        model.predict([{"age": "old", "city": None, "member": True, "weight": 70.5}])

    assert caught.value.problems == {"age": "must be a whole number, but row 0 has 'old'"}


def test_publishing_twice_gives_one_object(objects: FolderObjectStore, trained_visits: TrainedPackage) -> None:
    first = publish_package(objects, trained_visits.package_dir)

    assert publish_package(objects, trained_visits.package_dir) == first


def test_a_published_package_can_be_fetched_and_published_again(
    objects: FolderObjectStore, trained_visits: TrainedPackage, tmp_path: Path
) -> None:
    published = publish_package(objects, trained_visits.package_dir)

    fetched = fetch_package(objects, published.uri, tmp_path / "fetched")

    assert publish_package(objects, fetched) == published


def test_corrupted_weights_are_refused(
    objects: FolderObjectStore, trained_visits: TrainedPackage, tmp_path: Path
) -> None:
    published = publish_package(objects, trained_visits.package_dir)
    weights_uri = parse_manifest(objects.read_bytes(published.uri)).files[WEIGHTS_FILE].uri
    assert weights_uri is not None
    path = object_path(tmp_path / "objects", weights_uri)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")

    with pytest.raises(ObjectCorruptError) as caught:
        load_model(objects, published.uri)

    assert caught.value.uri == weights_uri


def test_a_manifest_that_points_to_other_bytes_is_refused(
    objects: FolderObjectStore, trained_visits: TrainedPackage
) -> None:
    package = parse_manifest(objects.read_bytes(publish_package(objects, trained_visits.package_dir).uri))
    other = objects.put_bytes(b"other weights")
    weights = package.files[WEIGHTS_FILE].model_copy(update={"uri": other.uri})
    forged = package.model_copy(update={"files": {**package.files, WEIGHTS_FILE: weights}})

    with pytest.raises(ModelPackageInvalidError) as caught:
        load_model(objects, objects.put_bytes(forged.to_bytes()).uri)

    assert caught.value.file == WEIGHTS_FILE


def test_what_is_no_published_package_is_refused(objects: FolderObjectStore, trained_visits: TrainedPackage) -> None:
    unpublished, _ = read_package(trained_visits.package_dir)

    with pytest.raises(ModelPackageInvalidError):
        load_model(objects, objects.put_bytes(b"{}").uri)
    with pytest.raises(ModelPackageInvalidError):
        load_model(objects, objects.put_bytes(unpublished.to_bytes()).uri)
    with pytest.raises(ObjectNotFoundError):
        load_model(objects, f"object://sha256/{'0' * 64}")
    with pytest.raises(ObjectUriError):
        load_model(objects, "file:///etc/passwd")


class Loader:
    """Loads the same model under any name, and remembers what was asked of it."""

    def __init__(self, objects: FolderObjectStore, trained: TrainedPackage) -> None:
        self._classifier = load_model(objects, publish_package(objects, trained.package_dir).uri)._classifier
        self.loaded: list[str] = []
        self.may_finish = threading.Event()
        self.may_finish.set()

    def __call__(self, artifact_uri: str) -> LoadedModel:
        self.loaded.append(artifact_uri)
        assert self.may_finish.wait(60)
        if artifact_uri.startswith("bad"):
            raise ObjectNotFoundError(uri=artifact_uri)
        return LoadedModel(artifact_uri, self._classifier)


@pytest.fixture
def loader(objects: FolderObjectStore, trained_visits: TrainedPackage) -> Loader:
    return Loader(objects, trained_visits)


def test_the_cache_keeps_the_models_used_last(loader: Loader) -> None:
    cache = ModelCache(loader, capacity=2)

    for uri in ("a", "b", "a", "c", "a", "b"):
        assert cache.get(uri).artifact_uri == uri

    assert loader.loaded == ["a", "b", "c", "b"]


def test_threads_that_ask_for_one_model_at_once_share_one_load(loader: Loader) -> None:
    cache = ModelCache(loader, capacity=2)
    loader.may_finish.clear()
    all_ask = threading.Barrier(9, action=loader.may_finish.set)

    def ask() -> LoadedModel:
        all_ask.wait(60)
        return cache.get("a")

    with ThreadPoolExecutor(9) as threads:
        models = [future.result(30) for future in [threads.submit(ask) for _ in range(9)]]

    assert loader.loaded == ["a"]
    assert all(model is models[0] for model in models)


def test_a_failed_load_is_reported_and_tried_again(loader: Loader) -> None:
    cache = ModelCache(loader, capacity=2)

    for _ in range(2):
        with pytest.raises(ObjectNotFoundError):
            cache.get("bad")

    assert loader.loaded == ["bad", "bad"]
