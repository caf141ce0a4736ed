"""Lineage: why a version is in production, what came of a dataset version, and what was in production at a time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from handlers.lineage_edges import node_of
from handlers.lineage_nodes import LineageNode, described
from handlers.services import Services
from storage import SecurityContext, UnitOfWork
from storage.errors import RecordNotFoundError
from storage.models import DatasetVersion, ModelArtifact, ServingEndpoint, StorageModel
from storage.stores import (
    PRODUCTION,
    AliasName,
    AliasPeriod,
    AliasStore,
    Bounds,
    Direction,
    EdgeKind,
    GraphStore,
    Node,
    Traversal,
)

_BOUNDS = Bounds(depth=32, nodes=2_000)

Limit = Annotated[int, Field(ge=1, le=10_000)]


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class LineageEdge(BaseModel):
    """What came of what, between two nodes of a lineage."""

    model_config = ConfigDict(frozen=True)

    kind: EdgeKind
    source_id: UUID
    target_id: UUID
    since: AwareDatetime | None


class Lineage(BaseModel):
    """What came of a record, or what it came of.

    Attributes:
        nodes: The nearest first, beginning with the record itself.
        hidden: How many nodes were left out because the principal may not read them, or because they are gone.
        is_complete: Whether nothing lies beyond the bounds.
    """

    model_config = ConfigDict(frozen=True)

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]
    hidden: int
    is_complete: bool


class WhyQuestion(BaseModel):
    """Which model is asked about, by its name and an alias, or by an endpoint.

    Attributes:
        at: When the alias named the version; now, unless given.
        known_at: As it was known then; as it is known now, unless given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    model_name: Name | None = None
    alias: Name = PRODUCTION
    endpoint_id: UUID | None = None
    at: AwareDatetime | None = None
    known_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.model_name is None) == (self.endpoint_id is None):
            raise ValueError("give either model_name or endpoint_id")
        return self


class ProductionStory(BaseModel):
    """How a version came to be where it is: everything upstream of it.

    Attributes:
        period: When the alias has named it, who made it so, and in which process; `None` for an endpoint.
    """

    model_config = ConfigDict(frozen=True)

    period: AliasPeriod | None
    lineage: Lineage


class InProduction(BaseModel):
    """What an alias named at a moment."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())

    model_version: int
    period: AliasPeriod


def why_in_production(services: Services, question: WhyQuestion, *, context: SecurityContext) -> ProductionStory | None:
    """Return everything that led to the version that an alias names, or that answers at an endpoint.

    `None` where the alias names nothing at that time, or nothing that the principal may read.

    Raises:
        RecordNotFoundError: There is no such endpoint, or none that the principal may read.
    """
    with services.storage.transaction(context.tenant_id) as work:
        if question.endpoint_id is not None:
            endpoint = work.get_crud(ServingEndpoint).read(question.endpoint_id, context=context)
            return ProductionStory(period=None, lineage=_lineage(work, endpoint, Direction.UPSTREAM, context))
        period = _period(work, question, context)
        version = None if period is None else _readable_version(work, period, context)
        if version is None:
            return None
        return ProductionStory(period=period, lineage=_lineage(work, version, Direction.UPSTREAM, context))


def downstream_of(
    services: Services, dataset_version_id: UUID, *, limit: Limit = 2_000, context: SecurityContext
) -> Lineage:
    """Return everything that came of a dataset version: experiments, models, endpoints and what those answered.

    Raises:
        RecordNotFoundError: There is no such version, or none that the principal may read.
    """
    bounds = Bounds(nodes=limit)
    with services.storage.transaction(context.tenant_id) as work:
        version = work.get_crud(DatasetVersion).read(dataset_version_id, context=context)
        return _lineage(work, version, Direction.DOWNSTREAM, context, bounds)


def in_production_at(
    services: Services,
    at: datetime,
    *,
    known_at: datetime | None = None,
    alias: str = PRODUCTION,
    context: SecurityContext,
) -> tuple[InProduction, ...]:
    """Return what an alias named at a moment, of each model whose version the principal may read.

    As it was: what is known now of that moment. With `known_at`, as the platform knew it at another moment.
    """
    with services.storage.transaction(context.tenant_id) as work:
        periods = _aliases(work, context).all_at(alias, at, known_at=known_at)
        versions = ((_readable_version(work, period, context), period) for period in periods)
        return tuple(
            InProduction(model_version=version.version, period=period)
            for version, period in versions
            if version is not None
        )


def _period(work: UnitOfWork, question: WhyQuestion, context: SecurityContext) -> AliasPeriod | None:
    name = AliasName(str(question.model_name), question.alias)
    return _aliases(work, context).at(name, question.at or work.now, known_at=question.known_at)


def _readable_version(work: UnitOfWork, period: AliasPeriod, context: SecurityContext) -> ModelArtifact | None:
    try:
        return work.get_crud(ModelArtifact).read(period.model_artifact_id, context=context)
    except RecordNotFoundError:
        return None


def _lineage(
    work: UnitOfWork, record: StorageModel, direction: Direction, context: SecurityContext, bounds: Bounds = _BOUNDS
) -> Lineage:
    start: Node = node_of(record)
    traversal = GraphStore(work.connection, context.tenant_id).traverse(start, direction, bounds=bounds)
    return _visible(traversal, described(work, traversal, context))


def _visible(traversal: Traversal, known: dict[UUID, LineageNode]) -> Lineage:
    edges = (edge for edge in traversal.edges if edge.source.id in known and edge.target.id in known)
    return Lineage(
        nodes=tuple(known.values()),
        edges=tuple(
            LineageEdge(kind=edge.kind, source_id=edge.source.id, target_id=edge.target.id, since=edge.valid_from)
            for edge in edges
        ),
        hidden=len(traversal.nodes) - len(known),
        is_complete=traversal.is_complete,
    )


def _aliases(work: UnitOfWork, context: SecurityContext) -> AliasStore:
    return AliasStore(work.connection, context.tenant_id)
