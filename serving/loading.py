"""A registered model in memory, ready to answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, JsonValue

from domain_sdk.json_values import JsonScalar
from domain_sdk.tabular_classification import ModelSignature
from domain_sdk.tabular_classification.classifier import TabularClassifier
from serving.packages import read_published_package
from storage.objects import ObjectStore


class Prediction(BaseModel):
    """The answer for one row.

    Attributes:
        label: The likeliest class, in the type that the dataset's labels have.
        probabilities: Class, as text, to its probability; they sum to 1.
    """

    model_config = ConfigDict(frozen=True)

    label: JsonScalar
    probabilities: dict[str, float]


class LoadedModel:
    """One model version; several threads may ask it at once."""

    def __init__(self, artifact_uri: str, classifier: TabularClassifier) -> None:
        self.artifact_uri = artifact_uri
        self._classifier = classifier

    @property
    def signature(self) -> ModelSignature:
        """What the model takes and gives."""
        return self._classifier.signature

    def predict(self, rows: Sequence[Mapping[str, JsonValue]]) -> list[Prediction]:
        """Return one prediction per row, in order.

        Raises:
            InputSchemaMismatchError: A row does not fit the signature; the fields are named.
        """
        probabilities = self.predict_probabilities(rows)
        classes = self.signature.classes
        return [
            Prediction(label=label, probabilities=dict(zip(classes, row, strict=True)))
            for label, row in zip(self.labels_of(probabilities), probabilities.tolist(), strict=True)
        ]

    def predict_probabilities(self, rows: Sequence[Mapping[str, JsonValue]]) -> NDArray[np.float64]:
        """Return float64 `[rows, classes]`; raises as `predict`."""
        return self._classifier.probabilities(self._classifier.encoding.encode(rows))

    def labels_of(self, probabilities: NDArray[np.float64]) -> list[JsonScalar]:
        """Return the label of each row's likeliest class; the first of equals."""
        return [self._classifier.encoding.decode(index) for index in probabilities.argmax(axis=1).tolist()]


def load_model(objects: ObjectStore, artifact_uri: str) -> LoadedModel:
    """Return the model of a published package; every byte it is built from has been checked against its digest.

    Raises:
        ObjectUriError, ObjectNotFoundError, ObjectCorruptError: See `ObjectStore.read_bytes`.
        ModelPackageInvalidError: The objects are not one whole package in a format that is safe to load.
    """
    package, contents = read_published_package(objects, artifact_uri)
    return LoadedModel(artifact_uri, TabularClassifier.from_package(package, contents))
