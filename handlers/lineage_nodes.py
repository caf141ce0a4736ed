"""What is told of the nodes of a lineage: a title and facts of each that the principal may read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from engine import InstanceOrigin, origin_of
from handlers.lineage_edges import DEFINITION, INSTANCE, PREDICTIONS, USER_TASK
from storage import SecurityContext, UnitOfWork
from storage.errors import RecordNotFoundError
from storage.models import (
    Dataset,
    DatasetVersion,
    Experiment,
    JsonObject,
    ModelArtifact,
    ServingEndpoint,
    StorageModel,
    TrainingRun,
)
from storage.stores import Edge, EdgeKind, ReachedNode, Traversal

_MODELS: dict[str, type[StorageModel]] = {
    model.__name__: model
    for model in (Dataset, DatasetVersion, Experiment, TrainingRun, ModelArtifact, ServingEndpoint)
}
_FACTS: dict[str, set[str]] = {
    "Dataset": {"name", "source_uri"},
    "DatasetVersion": {"version", "checksum", "row_count", "validation_status", "lineage_refs"},
    "Experiment": {"task_name", "model_name", "config", "owner", "status", "metrics_summary"},
    "TrainingRun": {"stage", "start_time", "end_time", "duration_seconds", "exit_code", "artifacts", "logs_uri"},
    "ModelArtifact": {"name", "version", "artifact_uri", "status", "metrics", "approved_by", "origin"},
    "ServingEndpoint": {"name", "uri", "health_state", "last_validation"},
}


class LineageNode(BaseModel):
    """One record of a lineage.

    Attributes:
        depth: How many edges lie between it and what was asked about.
        facts: What a reader of the lineage needs of it; the whole is read from the record.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    id: UUID
    depth: int
    title: str
    facts: JsonObject


def described(work: UnitOfWork, traversal: Traversal, context: SecurityContext) -> dict[UUID, LineageNode]:
    """Return the nodes that the principal may read, in the traversal's order; others are left out."""
    origins = [origin for node in traversal.nodes for origin in _origins(work, node, context)]
    known = {node.id: node for node in (*_of_engine(origins, traversal.nodes), *_answers(traversal))}
    for node in traversal.nodes:
        record = _record(work, node, context)
        if record is not None:
            known[node.id] = _of_record(node, record)
    return {node.id: known[node.id] for node in traversal.nodes if node.id in known}


def _origins(work: UnitOfWork, node: ReachedNode, context: SecurityContext) -> Iterator[InstanceOrigin]:
    origin = origin_of(work, node.id, context=context) if node.model == INSTANCE else None
    if origin is not None:
        yield origin


def _of_engine(origins: Sequence[InstanceOrigin], nodes: Iterable[ReachedNode]) -> Iterator[LineageNode]:
    """Yield process instances, their diagrams and the decisions in them."""
    told: dict[UUID, tuple[str, JsonObject]] = {}
    for origin in origins:
        fields = {"status", "started_by", "started_at"}
        told[origin.process_instance_id] = (origin.process_id, origin.model_dump(mode="json", include=fields))
        for ref in origin.definitions:
            title = f"{ref.process_id} version {ref.version}"
            told[ref.process_definition_id] = (title, ref.model_dump(mode="json", include={"name", "sha256"}))
        for decision in origin.decisions:
            fields = {"element_id", "process_id", "completed_by", "completed_at", "submission"}
            told[decision.user_task_id] = (decision.name, decision.model_dump(mode="json", include=fields))
    for node in nodes:
        if node.model in {INSTANCE, DEFINITION, USER_TASK} and node.id in told:
            title, facts = told[node.id]
            yield LineageNode(model=node.model, id=node.id, depth=node.depth, title=title, facts=facts)


def _answers(traversal: Traversal) -> Iterator[LineageNode]:
    """Yield what endpoints have answered; what is told of it stands on the edge."""
    answers: dict[UUID, Edge] = {edge.target.id: edge for edge in traversal.edges if edge.kind is EdgeKind.ANSWERED}
    for node in traversal.nodes:
        if node.model == PREDICTIONS and node.id in answers:
            edge = answers[node.id]
            answered_at = edge.valid_from.isoformat() if edge.valid_from else ""
            facts: JsonObject = {**edge.properties, "answered_at": answered_at}
            yield LineageNode(model=node.model, id=node.id, depth=node.depth, title="Predictions", facts=facts)


def _record(work: UnitOfWork, node: ReachedNode, context: SecurityContext) -> StorageModel | None:
    if node.model not in _MODELS:
        return None
    try:
        return work.get_crud(_MODELS[node.model]).read(node.id, context=context)
    except RecordNotFoundError:
        return None


def _of_record(node: ReachedNode, record: StorageModel) -> LineageNode:
    facts: JsonObject = record.model_dump(mode="json", include=_FACTS[node.model])
    return LineageNode(model=node.model, id=node.id, depth=node.depth, title=_title(record), facts=facts)


def _title(record: StorageModel) -> str:
    match record:
        case ModelArtifact():
            return f"{record.name} version {record.version}"
        case DatasetVersion():
            return f"version {record.version}"
        case Experiment():
            return record.model_name
        case TrainingRun():
            return record.stage.value
        case Dataset() | ServingEndpoint():
            return record.name
        case _:
            return str(record.id)
