"""What online learners see of the platform: one observation for each change of a record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import ClassVar, NewType
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from storage.models.enums import Mutation, RoleType, StorageType
from storage.models.storage_model import JsonObject, StorageConfig, StorageModel, UtcDatetime, stored_in

ObservationId = NewType("ObservationId", UUID)


class ObservedPrincipal(BaseModel):
    """Who changed a record: no address, no session, no claims."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: str
    roles: tuple[RoleType, ...] = ()
    groups: tuple[str, ...] = ()


class ProcessObservation(StorageModel):
    """One change of a record, without its values.

    Attributes:
        entity_uid: The record that changed; with several at once, the first of them.
        entity_count: How many records changed at once.
        changed_fields: Names alone, of a RESTRICTED record's fields too.
        feature_vector: What learners made of it; empty until they did.
        graph_context: Ids of the records that the changed one names, by the field that names them.
    """

    model_type: str
    entity_uid: UUID
    entity_count: int = 1
    mutation: Mutation
    security_context: ObservedPrincipal
    changed_fields: tuple[str, ...] = ()
    feature_vector: tuple[float, ...] = ()
    graph_context: JsonObject = Field(default_factory=dict)
    ingested_at: UtcDatetime = Field(default_factory=lambda: datetime.now(UTC))

    class Meta:
        """A record that is written beside every other and never changed."""

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT, StorageType.TIMESERIES)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType({})
