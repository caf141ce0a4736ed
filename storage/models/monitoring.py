"""What is measured of models and endpoints, and what drifted."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, ClassVar, NewType
from uuid import UUID

from pydantic import Field

from storage.models.enums import BreachState, RecommendedAction, RiskSeverity, StorageType
from storage.models.storage_model import JsonObject, StorageConfig, StorageModel, UtcDatetime, stored_in

DriftReportId = NewType("DriftReportId", UUID)


class MetricSnapshot(StorageModel):
    """One value of a metric at one time.

    Attributes:
        entity_id: The model, endpoint, experiment or run that it was measured of.
        threshold: What the value was compared with, where it was.
        source: Who measured: a service task, a runner, an endpoint.
        step: Of a training, where there is one.
    """

    entity_id: UUID
    timestamp: UtcDatetime
    metric_name: Annotated[str, Field(min_length=1, max_length=200)]
    value: Annotated[float, Field(allow_inf_nan=False)]
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None = None
    breach_state: BreachState = BreachState.NONE
    source: str
    step: int | None = None

    class Meta:
        """A point in time, without a document of its own."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.TIMESERIES)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType({})


class DriftReport(StorageModel):
    """What a drift or anomaly detector found.

    Attributes:
        method: The statistic or detector, by name.
        evidence_refs: URIs of what the finding rests on.
    """

    model_id: UUID
    dataset_version_id: UUID
    method: str
    severity: RiskSeverity
    details: JsonObject = Field(default_factory=dict)
    recommended_action: RecommendedAction = RecommendedAction.NONE
    evidence_refs: tuple[str, ...] = ()

    class Meta:
        """The record, and the model and data that it is about."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT, StorageType.GRAPH)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType({"model_id": "parent_id", "severity": "status"})
