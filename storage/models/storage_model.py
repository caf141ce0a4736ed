"""The base of every record: schema only, no persistence methods."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, ClassVar, TypeAlias
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from storage.identifiers import new_id
from storage.models.access_control import ACLEntry
from storage.models.enums import DataClassification, StorageType

STORED = object()
"""The validation context of what the database gives back: JSON that it holds is JSON, however deep."""


def _json_unless_stored(
    value: dict[str, JsonValue], validate: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> dict[str, JsonValue]:
    if info.context is STORED:
        return value
    validated: dict[str, JsonValue] = validate(value)
    return validated


JsonObject: TypeAlias = Annotated[dict[str, JsonValue], WrapValidator(_json_unless_stored)]


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _version_seven(identifier: UUID) -> UUID:
    if identifier.version != 7:  # noqa: PLR2004 - RFC 9562's number for ids in the order of time
        raise ValueError("it is not a UUID of version 7")
    return identifier


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A moment with its offset, kept in UTC; one without an offset is refused."""

RecordId = Annotated[UUID, AfterValidator(_version_seven)]
"""A UUID of version 7: ids order as their records were made."""


class StorageConfig(BaseModel):
    """One storage target of a model."""

    model_config = ConfigDict(frozen=True)

    storage_type: StorageType


def stored_in(*storage_types: StorageType) -> tuple[StorageConfig, ...]:
    """Return the storage targets of a model, the one that holds the whole record first."""
    return tuple(StorageConfig(storage_type=storage_type) for storage_type in storage_types)


class StorageModel(BaseModel):
    """A record with identity, tenant, classification, owner, access control list and times.

    Attributes:
        owner: The user who answers for it; whoever created it, unless it says otherwise.
        acl: Who may do what with it beyond what their roles say.
        revision: Counts its changes; a change names the one that it is based on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    id: RecordId = Field(default_factory=new_id)
    tenant_id: Annotated[str, Field(min_length=1)]
    data_classification: DataClassification = DataClassification.INTERNAL
    owner: str = ""
    acl: tuple[ACLEntry, ...] = ()
    created_at: UtcDatetime = Field(default_factory=lambda: datetime.now(UTC))
    updated_at: UtcDatetime = Field(default_factory=lambda: datetime.now(UTC))
    revision: int = 1

    class Meta:
        """What persistence has to know; overridden by each model.

        Attributes:
            storage_configs: Where it is kept, the store of the whole record first.
            indexed: Fields that queries name often, and the column each has an index on.
        """

        storage_configs: ClassVar[tuple[StorageConfig, ...]] = stored_in(StorageType.DOCUMENT)
        indexed: ClassVar[Mapping[str, str]] = MappingProxyType({})
