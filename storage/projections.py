"""What the stores beside the documents hold of a record: edges, vectors, points in time.

The document holds the whole record, so these can be made again from it. Metric snapshots alone have no document: their
points are all there is of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypeGuard, assert_never
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import Connection

from storage.models import (
    DriftReport,
    Experiment,
    MetricSnapshot,
    ServingEndpoint,
    SOMNeuron,
    StorageModel,
    TrainingRun,
)
from storage.models.enums import StorageType
from storage.points import place_points
from storage.stores import LINEAGE, Edge, EdgeKind, GraphStore, Node, VectorPoint, VectorStore

_LONGEST_NAME = 200
_LARGEST_INTEGER = 2**63
_WITHOUT_THE_VECTOR = {"prototype_vector", "acl", "tenant_id"}


def has_document(model: type[StorageModel]) -> bool:
    """Return whether records of a model can be read again one by one."""
    return {config.storage_type for config in model.Meta.storage_configs} != {StorageType.TIMESERIES}


def project(connection: Connection, before: StorageModel | None, after: StorageModel | None) -> None:
    """Bring the stores of a record's model from how it was to how it is; `None` where it is not."""
    record = after or before
    if record is None:
        return
    for config in record.Meta.storage_configs:
        match config.storage_type:
            case StorageType.GRAPH:
                _connect(connection, record.tenant_id, before, after)
            case StorageType.VECTOR:
                _place(connection, before, after)
            case StorageType.TIMESERIES:
                _measure(connection, before, after)
            case StorageType.DOCUMENT | StorageType.FILE | StorageType.RELATIONAL | StorageType.CACHE:
                continue  # written with the record, or published before it
            case _:
                assert_never(config.storage_type)


def leave(connection: Connection, record: StorageModel) -> None:
    """Take a deleted record out of where it would still be found; what it came of and what came of it stays told.

    Its vectors go, whoever wrote them, and edges that tell how things are now, and not what happened, end.
    """
    VectorStore.forget(connection, record.tenant_id, record.id)
    GraphStore(connection, record.tenant_id).part(record.id, set(EdgeKind) - LINEAGE)


def edges_of(record: StorageModel) -> Iterator[Edge]:
    """Yield the edges that a record says by itself; what a process knows beyond that, its handlers write."""
    match record:
        case ServingEndpoint():
            yield _edge(EdgeKind.SERVED_BY, ("ModelArtifact", record.model_artifact_id), record)
        case DriftReport():
            yield _edge(EdgeKind.REPORTED_IN, ("DatasetVersion", record.dataset_version_id), record)
        case SOMNeuron():
            for neighbour in record.adjacent_neuron_ids:
                yield _edge(EdgeKind.ADJACENT_TO, ("SOMNeuron", neighbour), record)


def measures_of(record: StorageModel) -> dict[str, float]:
    """Return the numbers of a record that are metrics over time, by name."""
    match record:
        case Experiment():
            metrics = record.metrics_summary.items()
            return {
                name: float(value) for name, value in metrics if _is_number(value) and 0 < len(name) <= _LONGEST_NAME
            }
        case TrainingRun():
            return {"duration_seconds": record.duration_seconds}
        case _:
            return {}


def collection_of(layer_id: UUID) -> str:
    """Return the name of the vector collection that holds a layer's prototypes."""
    return f"som/{layer_id}"


def _edge(kind: EdgeKind, source: tuple[str, UUID], record: StorageModel) -> Edge:
    return Edge(kind=kind, source=Node(*source), target=Node(type(record).__name__, record.id))


def _connect(connection: Connection, tenant_id: str, before: StorageModel | None, after: StorageModel | None) -> None:
    old = () if before is None else tuple(edges_of(before))
    new = () if after is None else tuple(edges_of(after))
    graph = GraphStore(connection, tenant_id)
    graph.disconnect(*(edge for edge in old if edge not in new))
    graph.connect(*(edge for edge in new if edge not in old))


def _measure(connection: Connection, before: StorageModel | None, after: StorageModel | None) -> None:
    """Add a point for each number that is new or another one; what was measured before stays measured."""
    if after is None:
        return
    known = {} if before is None else measures_of(before)
    points = [
        MetricSnapshot(
            tenant_id=after.tenant_id,
            entity_id=after.id,
            timestamp=after.updated_at,
            metric_name=name,
            value=value,
            source=type(after).__name__,
        )
        for name, value in measures_of(after).items()
        if known.get(name) != value
    ]
    if points:
        place_points(connection, after.tenant_id, points)


def _is_number(value: JsonValue) -> TypeGuard[float]:
    match value:
        case bool():
            return False
        case int():
            return abs(value) < _LARGEST_INTEGER
        case float():
            return math.isfinite(value)
        case _:
            return False


def _place(connection: Connection, before: StorageModel | None, after: StorageModel | None) -> None:
    if isinstance(before, SOMNeuron) and (after is None or _has_moved(before, after)):
        VectorStore(connection, before.tenant_id, collection_of(before.layer_id)).delete(before.id)
    if isinstance(after, SOMNeuron):
        properties = after.model_dump(mode="json", exclude=_WITHOUT_THE_VECTOR)
        point = VectorPoint(id=after.id, embedding=after.prototype_vector, properties=properties)
        VectorStore(connection, after.tenant_id, collection_of(after.layer_id)).upsert([point])


def _has_moved(before: SOMNeuron, after: StorageModel) -> bool:
    return isinstance(after, SOMNeuron) and after.layer_id != before.layer_id
