"""A trained classifier put together from its package, for the evaluator and the server alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError
from torch import nn

from domain_sdk.errors import ModelPackageInvalidError
from domain_sdk.model_package import ENCODING_FILE, SIGNATURE_FILE, WEIGHTS_FILE, ModelPackage
from domain_sdk.tabular_classification.encoding import TabularEncoding
from domain_sdk.tabular_classification.network import class_probabilities, load_network
from domain_sdk.tabular_classification.signature import ModelSignature, describe_signature

_Document = TypeVar("_Document", bound=BaseModel)


class TabularClassifier:
    """Encoding, signature and network of one model; safe to use from several threads at once."""

    def __init__(self, encoding: TabularEncoding, signature: ModelSignature, network: nn.Module) -> None:
        self.encoding = encoding
        self.signature = signature
        self._network = network

    @classmethod
    def from_package(cls, package: ModelPackage, contents: Mapping[str, bytes]) -> TabularClassifier:
        """Return the classifier of a package whose digests were checked.

        Raises:
            ModelPackageInvalidError: The files do not fit each other.
        """
        encoding = _parse(TabularEncoding, ENCODING_FILE, contents)
        signature = _parse(ModelSignature, SIGNATURE_FILE, contents)
        if signature != describe_signature(encoding):
            raise ModelPackageInvalidError(file=SIGNATURE_FILE, reason="it does not describe the packaged encoding")
        if len(encoding.target.classes) != package.class_count:
            raise ModelPackageInvalidError(file=ENCODING_FILE, reason="its classes are not those of the manifest")
        weights = contents[WEIGHTS_FILE]
        network = load_network(weights, encoding.width, package.hidden_sizes, package.class_count)
        return cls(encoding, signature, network)

    def probabilities(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return float64 `[batch, classes]` for encoded rows, float32 `[batch, width]`."""
        return class_probabilities(self._network, features)


def _parse(model: type[_Document], name: str, contents: Mapping[str, bytes]) -> _Document:
    try:
        return model.model_validate_json(contents[name])
    except ValidationError as error:
        raise ModelPackageInvalidError(file=name, reason=f"it is not a {model.__name__}") from error
