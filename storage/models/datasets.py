"""Datasets and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, NewType
from uuid import UUID

from pydantic import Field

from storage.models.enums import StorageType, ValidationStatus
from storage.models.storage_model import JsonObject, StorageConfig, StorageModel, stored_in

DatasetId = NewType("DatasetId", UUID)
DatasetVersionId = NewType("DatasetVersionId", UUID)


class Dataset(StorageModel):
    """A named line of dataset versions."""

    name: str
    description: str = ""
    source_uri: str
    schema_hash: str | None = None
    validation_status: ValidationStatus = ValidationStatus.PENDING
    tags: tuple[str, ...] = ()

    class Meta:
        """The record and what came of it."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT, StorageType.GRAPH)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType({"name": "name", "validation_status": "status"})


class DatasetVersion(StorageModel):
    """One immutable snapshot of a dataset.

    Attributes:
        storage_location: The manifest of its chunks in the object store.
        checksum: SHA-256 over the canonical rows, whatever file they came in.
        feature_stats: Per column: type, missing, distinct and, where numeric, moments; what came of the rules.
        rules: What was declared of its content when it was registered.
    """

    dataset_id: UUID
    version: int
    target: str
    storage_location: str
    file_format: str
    size_bytes: int
    checksum: str
    row_count: int | None = None
    feature_stats: JsonObject = Field(default_factory=dict)
    rules: tuple[JsonObject, ...] = ()
    validation_status: ValidationStatus = ValidationStatus.PENDING
    findings: tuple[JsonObject, ...] = ()
    lineage_refs: tuple[str, ...] = ()

    class Meta:
        """The record; its chunks are objects that the manifest at `storage_location` names."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType(
            {"dataset_id": "parent_id", "version": "version", "validation_status": "status"}
        )
