"""The base of every record: schema only, no persistence methods."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from storage.identifiers import new_id
from storage.models.enums import DataClassification, StorageType


class StorageConfig(BaseModel):
    """One storage target of a model."""

    model_config = ConfigDict(frozen=True)

    storage_type: StorageType


class StorageModel(BaseModel):
    """A record with identity, tenant, classification and times (aware, UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: UUID = Field(default_factory=new_id)
    tenant_id: str
    data_classification: DataClassification = DataClassification.INTERNAL
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    updated_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    revision: int = 1

    class Meta:
        """Storage targets; overridden by each model."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = (StorageConfig(storage_type=StorageType.DOCUMENT),)
