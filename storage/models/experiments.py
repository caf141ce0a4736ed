"""Experiments and the runs that they consist of."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NewType
from uuid import UUID

from pydantic import Field

from storage.models.enums import ComputeProfile, ExperimentStatus, RunStage, StorageType
from storage.models.storage_model import JsonObject, StorageConfig, StorageModel, UtcDatetime, stored_in

ExperimentId = NewType("ExperimentId", UUID)


class Experiment(StorageModel):
    """A training and evaluation request and what came of it."""

    task_name: str
    model_name: str
    dataset_version_id: UUID
    config: JsonObject
    compute_profile: ComputeProfile
    status: ExperimentStatus = ExperimentStatus.RUNNING
    owner: str
    process_instance_id: UUID | None = None
    metrics_summary: JsonObject = Field(default_factory=dict)
    failure: str | None = None

    class Meta:
        """The record, and its metrics over time."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT, StorageType.TIMESERIES)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType(
            {"model_name": "name", "dataset_version_id": "parent_id", "status": "status"}
        )


class TrainingRun(StorageModel):
    """One stage of an experiment as it was executed.

    Attributes:
        start_time: When the job began, on the clock of the machine that ran it; unknown for runs recorded without it.
        duration_seconds: Of the job, on a clock that does not jump.
        split: How the rows were split into those for training and those held back, with a digest of who is where.
    """

    experiment_id: UUID
    stage: RunStage
    start_time: UtcDatetime | None = None
    end_time: UtcDatetime | None = None
    duration_seconds: float
    artifacts: tuple[str, ...] = ()
    logs_uri: str | None = None
    exit_code: int
    split: JsonObject = Field(default_factory=dict)

    class Meta:
        """The record, and its metrics over time."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT, StorageType.TIMESERIES)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType({"experiment_id": "parent_id", "stage": "status"})
