"""The growing map of observations, and the predictors that act on it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, NewType
from uuid import UUID

from pydantic import Field

from storage.models.enums import NeuronStatus, StorageType
from storage.models.storage_model import JsonObject, StorageConfig, StorageModel, UtcDatetime, stored_in

NeuronId = NewType("NeuronId", UUID)
ActivationId = NewType("ActivationId", UUID)

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class SOMNeuron(StorageModel):
    """One prototype of the Growing Self-Organising Map.

    Attributes:
        layer_id: The map that it belongs to; all prototypes of a layer have one dimension.
        quantisation_error: Accumulated squared Euclidean distance of its hits, at least 0.
        growth_epoch: The epoch of the map in which it grew.
    """

    layer_id: UUID
    prototype_vector: Annotated[tuple[_Finite, ...], Field(min_length=1, max_length=16_000)]
    quantisation_error: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    hit_count: Annotated[int, Field(ge=0)] = 0
    growth_epoch: Annotated[int, Field(ge=0)] = 0
    adjacent_neuron_ids: tuple[UUID, ...] = ()
    status: NeuronStatus = NeuronStatus.ACTIVE

    class Meta:
        """A vector with its properties, and its neighbours."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.VECTOR, StorageType.GRAPH)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType({"layer_id": "parent_id", "status": "status"})


class ActivationModelState(StorageModel):
    """An online predictor that acts on the map's assignments, as it was after one update.

    Attributes:
        model_payload: URI of its weights in the object store.
        last_update: Of the weights.
    """

    target_signal: str
    model_payload: str
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    regularisation_meta: JsonObject = Field(default_factory=dict)
    last_update: UtcDatetime
    performance_summary: JsonObject = Field(default_factory=dict)
    linked_neuron_ids: tuple[UUID, ...] = ()

    class Meta:
        """The record, and its weights."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT, StorageType.FILE)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType({"target_signal": "name"})
