"""What came of what, written where it happens: in the transaction that writes the records themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from engine import origin_of
from storage import SecurityContext, UnitOfWork
from storage.models import JsonObject, ModelArtifact, ServingEndpoint, StorageModel
from storage.stores import Edge, EdgeKind, GraphStore, Node

INSTANCE, DEFINITION, USER_TASK, PREDICTIONS = "ProcessInstance", "ProcessDefinition", "UserTask", "PredictionBatch"
"""Nodes that are no records: the engine's, and the answers of endpoints, which the audit trail keeps."""


class Maker(Protocol):
    """In whose transaction, for whom and in which process instance a record is made; a `TaskContext` is one."""

    @property
    def work(self) -> UnitOfWork:
        """The transaction."""

    @property
    def principal(self) -> SecurityContext:
        """For whom."""

    @property
    def process_instance_id(self) -> UUID:
        """Where."""


@dataclass(frozen=True)
class LineageScope:
    """A maker for records that are written beside the start of their process instance."""

    work: UnitOfWork
    principal: SecurityContext
    process_instance_id: UUID


def node_of(record: StorageModel) -> Node:
    """Return the record as a node."""
    return Node(type(record).__name__, record.id)


def came_of(source: StorageModel, kind: EdgeKind, target: StorageModel) -> Edge:
    """Return the edge between two records."""
    return Edge(kind=kind, source=node_of(source), target=node_of(target))


def record_lineage(maker: Maker, made: StorageModel, *edges: Edge) -> None:
    """Write edges, and that the process instance and the diagrams that it runs by made the record.

    Repeating it changes nothing.
    """
    instance = Node(INSTANCE, maker.process_instance_id)
    origin = origin_of(maker.work, maker.process_instance_id, context=maker.principal)
    diagrams = [] if origin is None else [ref.process_definition_id for ref in origin.definitions]
    _graph(maker.work, maker.principal).connect(
        *edges,
        Edge(kind=EdgeKind.GOVERNED, source=instance, target=node_of(made)),
        *(Edge(kind=EdgeKind.DEFINED, source=Node(DEFINITION, diagram), target=instance) for diagram in diagrams),
    )


def record_statements(work: UnitOfWork, context: SecurityContext, *edges: Edge) -> None:
    """Write edges that nobody here can vouch for, with the name of who says so; repeating it changes nothing."""
    _graph(work, context).connect(*(edge._replace(properties={"stated_by": context.user_id}) for edge in edges))


def decisions_in(maker: Maker, artifact: ModelArtifact) -> tuple[Edge, ...]:
    """Return an edge for each decision that people have made in the process instance on its way to the version."""
    origin = origin_of(maker.work, maker.process_instance_id, context=maker.principal)
    decisions = () if origin is None else origin.decisions
    return tuple(
        Edge(
            kind=EdgeKind.APPROVED,
            source=Node(USER_TASK, decision.user_task_id),
            target=node_of(artifact),
            properties={"by": decision.completed_by, "at": decision.completed_at.isoformat()},
        )
        for decision in decisions
    )


def record_prediction(
    work: UnitOfWork, endpoint: ServingEndpoint, audit_ref: UUID, details: JsonObject, *, context: SecurityContext
) -> None:
    """Write that an endpoint has answered; the answer's node is the leaf of the audit trail that tells of it."""
    answer = Node(PREDICTIONS, audit_ref)
    edge = Edge(kind=EdgeKind.ANSWERED, source=node_of(endpoint), target=answer, properties=details)
    _graph(work, context).connect(edge)


def _graph(work: UnitOfWork, context: SecurityContext) -> GraphStore:
    return GraphStore(work.connection, context.tenant_id)
