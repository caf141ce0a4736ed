"""Every model is kept in every store that it declares: from its creation, through its changes, until it is deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy import Connection

from storage import SecurityContext, Storage, UnifiedCRUD, UnitOfWork
from storage.database import CUSTODIAN_ROLE, connect
from storage.errors import RecordNotFoundError, WithoutDocumentError, WrittenByPlatformError
from storage.filters import Condition, Operator
from storage.identifiers import new_id
from storage.models import (
    MODELS,
    ActivationModelState,
    ComputeProfile,
    Dataset,
    DatasetVersion,
    DriftReport,
    Experiment,
    MetricSnapshot,
    ModelArtifact,
    Mutation,
    ProcessObservation,
    RiskSeverity,
    RoleType,
    RunStage,
    ServingEndpoint,
    SOMNeuron,
    StorageModel,
    StorageType,
    TrainingRun,
)
from storage.objects.references import read_references
from storage.projections import collection_of
from storage.stores import Edge, EdgeKind, GraphStore, MetricSeries, Node, TimeseriesStore, VectorStore

ADMIN = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
FIRST, SECOND = UUID(int=1), UUID(int=2)
LAYER, PARENT = new_id(), new_id()
FIRST_FILE, SECOND_FILE = b"the first weights", b"the second weights"

Held = list[object]


@dataclass(frozen=True)
class Stores:
    """The stores, and a look at which files the rows of all tenants name."""

    storage: Storage
    custodian: Connection


Look = Callable[[Stores, StorageModel], Held]
Beside = Callable[[UnitOfWork, StorageModel], None]


def _nothing_beside(_work: UnitOfWork, _record: StorageModel) -> None:
    pass


@dataclass(frozen=True)
class Route:
    """One model in one of its stores.

    Attributes:
        look: Returns what the store holds of the record.
        created, changed, deleted: What that is, one after the other.
        beside: What a handler writes in the transaction that creates the record.
    """

    store: StorageType
    record: StorageModel
    patch: dict[str, object]
    look: Look
    created: Held
    changed: Held
    deleted: Held
    beside: Beside = _nothing_beside


def crud(work: UnitOfWork, record: StorageModel) -> UnifiedCRUD[StorageModel]:
    return cast("UnifiedCRUD[StorageModel]", work.get_crud(type(record)))


def in_documents(field: str) -> Look:
    def look(stores: Stores, record: StorageModel) -> Held:
        with stores.storage.transaction() as work:
            found = crud(work, record).query({"id": record.id}, context=ADMIN)
            try:
                assert [crud(work, record).read(record.id, context=ADMIN)] == found
            except RecordNotFoundError:
                assert found == []
        return [getattr(each, field) for each in found]

    return look


def in_graph(stores: Stores, record: StorageModel) -> Held:
    """Return the other ends of the record's edges."""
    node = Node(type(record).__name__, record.id)
    with stores.storage.transaction() as work:
        edges = GraphStore(work.connection, "north").neighbours(node, kinds=set(EdgeKind), at=work.now).edges
    return [(edge.kind, edge.source.id if edge.target == node else edge.target.id) for edge in edges]


def in_time(stores: Stores, record: StorageModel) -> Held:
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(hours=1)
    with stores.storage.transaction() as work:
        store = TimeseriesStore(work.connection, "north")
        return [
            (name, point.value)
            for name in store.metric_names(record.id, begin, end)
            for point in store.points(MetricSeries(entity_id=record.id, metric_name=name, begin=begin, end=end))
        ]


def in_vectors(stores: Stores, record: StorageModel) -> Held:
    with stores.storage.transaction() as work:
        points = VectorStore(work.connection, "north", collection_of(LAYER)).read(record.id)
    return [point.embedding for point in points]


def in_files(stores: Stores, record: StorageModel) -> Held:
    """Return the contents of the files that are kept for the record for as long as it is there."""
    references, _ = read_references(stores.custodian)
    stores.custodian.rollback()
    named = {each.uri for each in references if each.record_id == str(record.id) and each.deleted_at is None}
    return [stores.storage.objects.read_bytes(uri) for uri in sorted(named)]


def with_edge(kind: EdgeKind) -> Beside:
    """Return what writes an edge as the handler of the model does, which knows what the record does not say."""

    def beside(work: UnitOfWork, record: StorageModel) -> None:
        edge = Edge(kind=kind, source=Node("Other", FIRST), target=Node(type(record).__name__, record.id))
        GraphStore(work.connection, "north").connect(edge)

    return beside


def document(record: StorageModel, field: str, value: object) -> Route:
    return Route(
        StorageType.DOCUMENT, record, {field: value}, in_documents(field), [getattr(record, field)], [value], []
    )


def dataset() -> Dataset:
    return Dataset(tenant_id="north", name="d", source_uri="file:///d.csv")


def version() -> DatasetVersion:
    return DatasetVersion(
        tenant_id="north", dataset_id=PARENT, version=1, target="t", storage_location="", file_format="csv",
        size_bytes=1, checksum="0",
    )  # fmt: skip


def experiment() -> Experiment:
    return Experiment(
        tenant_id="north", task_name="t", model_name="m", dataset_version_id=PARENT, config={}, owner="olga",
        compute_profile=ComputeProfile.CPU, metrics_summary={"accuracy": 0.5, "name": "no number", "is_best": True},
    )  # fmt: skip


def run() -> TrainingRun:
    return TrainingRun(tenant_id="north", experiment_id=PARENT, stage=RunStage.TRAIN, duration_seconds=1.5, exit_code=0)


def artifact(uri: str = "") -> ModelArtifact:
    return ModelArtifact(
        tenant_id="north", model_id=PARENT, name="m", version=1, artifact_uri=uri, signature={}, metrics={},
        linked_experiment=PARENT,
    )  # fmt: skip


def endpoint() -> ServingEndpoint:
    return ServingEndpoint(tenant_id="north", name="e", model_id=PARENT, model_artifact_id=FIRST, uri="/v2/models/e")


def report() -> DriftReport:
    return DriftReport(
        tenant_id="north", model_id=PARENT, dataset_version_id=FIRST, method="ks", severity=RiskSeverity.LOW
    )


def neuron() -> SOMNeuron:
    return SOMNeuron(
        tenant_id="north", layer_id=LAYER, prototype_vector=(1.0, 0.0), adjacent_neuron_ids=(NEIGHBOURS[0],)
    )


def activation(uri: str = "object://none") -> ActivationModelState:
    return ActivationModelState.model_validate(
        {"tenant_id": "north", "target_signal": "s", "model_payload": uri, "learning_rate": 0.1, "last_update": NOW}
    )


NOW = datetime.now(UTC)
NEIGHBOURS = (new_id(), new_id())


def routes(first_uri: str, second_uri: str) -> list[Route]:
    edge, kept = [(EdgeKind.SERVED_BY, FIRST)], [(EdgeKind.PRODUCED, FIRST)]
    has_version = [(EdgeKind.HAS_VERSION, FIRST)]
    return [
        document(dataset(), "description", "new"),
        # Lineage is history: what a handler has written of a record stays when that is deleted.
        Route(StorageType.GRAPH, dataset(), {"description": "new"}, in_graph, [*has_version], [*has_version],
              [*has_version], with_edge(EdgeKind.HAS_VERSION)),
        document(version(), "row_count", 10),
        document(experiment(), "failure", "it failed"),
        # What was measured stays measured.
        Route(StorageType.TIMESERIES, experiment(), {"metrics_summary": {"accuracy": 0.75, "loss": 1}}, in_time,
              [("accuracy", 0.5)], [("accuracy", 0.5), ("accuracy", 0.75), ("loss", 1.0)],
              [("accuracy", 0.5), ("accuracy", 0.75), ("loss", 1.0)]),
        document(run(), "exit_code", 1),
        Route(StorageType.TIMESERIES, run(), {"duration_seconds": 2.5}, in_time, [("duration_seconds", 1.5)],
              [("duration_seconds", 1.5), ("duration_seconds", 2.5)],
              [("duration_seconds", 1.5), ("duration_seconds", 2.5)]),
        document(artifact(), "review_comment", "fine"),
        Route(StorageType.GRAPH, artifact(), {"review_comment": "fine"}, in_graph, [*kept], [*kept], [*kept],
              with_edge(EdgeKind.PRODUCED)),
        Route(StorageType.FILE, artifact(first_uri), {"artifact_uri": second_uri}, in_files, [FIRST_FILE],
              [SECOND_FILE], []),
        document(endpoint(), "name", "another"),
        Route(StorageType.GRAPH, endpoint(), {"model_artifact_id": SECOND}, in_graph, [*edge],
              [(EdgeKind.SERVED_BY, SECOND)], []),
        document(report(), "method", "psi"),
        Route(StorageType.GRAPH, report(), {"dataset_version_id": SECOND}, in_graph, [(EdgeKind.REPORTED_IN, FIRST)],
              [(EdgeKind.REPORTED_IN, SECOND)], []),
        document(neuron(), "hit_count", 3),
        Route(StorageType.VECTOR, neuron(), {"prototype_vector": (0.0, 2.0)}, in_vectors, [(1.0, 0.0)], [(0.0, 2.0)],
              []),
        Route(StorageType.GRAPH, neuron(), {"adjacent_neuron_ids": (NEIGHBOURS[1],)}, in_graph,
              [(EdgeKind.ADJACENT_TO, NEIGHBOURS[0])], [(EdgeKind.ADJACENT_TO, NEIGHBOURS[1])], []),
        document(activation(), "learning_rate", 0.2),
        Route(StorageType.FILE, activation(first_uri), {"model_payload": second_uri}, in_files, [FIRST_FILE],
              [SECOND_FILE], []),
    ]  # fmt: skip


NAMES = [f"{type(route.record).__name__}-{route.store.value}" for route in routes("", "")]
OTHERWISE = {
    ("MetricSnapshot", StorageType.TIMESERIES),
    ("ProcessObservation", StorageType.DOCUMENT),
    ("ProcessObservation", StorageType.TIMESERIES),
}
"""Written once and never changed: the last tests are about them."""


@pytest.fixture
def stores(storage: Storage, database_url: str) -> Iterator[Stores]:
    engine = connect(database_url, pool_size=1, role=CUSTODIAN_ROLE)
    with engine.connect() as custodian:
        yield Stores(storage, custodian)
    engine.dispose()


@pytest.fixture(params=range(len(NAMES)), ids=NAMES)
def route(request: pytest.FixtureRequest, storage: Storage) -> Route:
    first, second = (storage.objects.put_bytes(content).uri for content in (FIRST_FILE, SECOND_FILE))
    return routes(first, second)[request.param]


class ChangedMindError(Exception):
    """What makes a transaction roll back."""


@contextmanager
def rolled_back(stores: Stores) -> Iterator[UnitOfWork]:
    with suppress(ChangedMindError), stores.storage.transaction() as work:
        yield work
        raise ChangedMindError


def create(work: UnitOfWork, route: Route) -> StorageModel:
    created = crud(work, route.record).create(route.record, context=ADMIN)
    route.beside(work, created)
    return created


def test_the_table_has_every_model_and_each_store_that_it_declares() -> None:
    declared = {(model.__name__, config.storage_type) for model in MODELS for config in model.Meta.storage_configs}
    covered = {(type(route.record).__name__, route.store) for route in routes("", "")}

    assert covered | OTHERWISE == declared | {("SOMNeuron", StorageType.DOCUMENT)}


def test_a_store_holds_a_record_follows_it_and_lets_go_of_it(route: Route, stores: Stores) -> None:
    with stores.storage.transaction() as work:
        created = create(work, route)
    held = [route.look(stores, created)]
    with stores.storage.transaction() as work:
        changed = crud(work, created).update(created, route.patch, context=ADMIN)
    held.append(route.look(stores, changed))
    with stores.storage.transaction() as work:
        crud(work, changed).delete(changed, context=ADMIN)
    held.append(route.look(stores, changed))

    assert held == [route.created, route.changed, route.deleted]


def test_a_store_holds_nothing_of_what_was_rolled_back(route: Route, stores: Stores) -> None:
    with rolled_back(stores) as work:
        created = create(work, route)
    assert route.look(stores, route.record) == []

    with stores.storage.transaction() as work:
        created = create(work, route)
    with rolled_back(stores) as work:
        crud(work, created).update(created, route.patch, context=ADMIN)
    assert route.look(stores, created) == route.created

    with rolled_back(stores) as work:
        crud(work, created).delete(created, context=ADMIN)
    assert route.look(stores, created) == route.created


def test_a_metric_is_a_point_from_its_creation_and_nothing_else_ever(stores: Stores) -> None:
    snapshot = MetricSnapshot(
        tenant_id="north", entity_id=PARENT, timestamp=datetime.now(UTC), metric_name="loss", value=1.0, source="test"
    )
    of_entity = dataset().model_copy(update={"id": PARENT})
    with rolled_back(stores) as work:
        work.get_crud(MetricSnapshot).create(snapshot, context=ADMIN)
    assert in_time(stores, of_entity) == []

    with stores.storage.transaction() as work:
        metrics = work.get_crud(MetricSnapshot)
        metrics.create(snapshot, context=ADMIN)
        with pytest.raises(WithoutDocumentError):
            metrics.update(snapshot, {"value": 2.0}, context=ADMIN)
        with pytest.raises(WithoutDocumentError):
            metrics.delete(snapshot, context=ADMIN)
    assert in_time(stores, of_entity) == [("loss", 1.0)]


def test_an_observation_is_written_with_a_change_read_by_id_and_by_time_and_touched_by_nobody(stores: Stores) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    with rolled_back(stores) as work:
        work.get_crud(Dataset).create(dataset(), context=ADMIN)
    with stores.storage.transaction() as work:
        created = work.get_crud(Dataset).create(dataset(), context=ADMIN)

    with stores.storage.transaction() as work:
        observations = work.get_crud(ProcessObservation)
        (seen,) = observations.query([Condition("ingested_at", Operator.GE, before)], context=ADMIN)
        assert observations.query([Condition("ingested_at", Operator.LT, before)], context=ADMIN) == []
        assert observations.read(seen.id, context=ADMIN) == seen
        assert (seen.entity_uid, seen.mutation) == (created.id, Mutation.CREATED)
        for touch in (
            lambda: observations.create(seen.model_copy(update={"id": new_id()}), context=ADMIN),
            lambda: observations.update(seen, {"changed_fields": ("name",)}, context=ADMIN),
            lambda: observations.delete(seen, context=ADMIN),
        ):
            with pytest.raises(WrittenByPlatformError):
                touch()
        assert observations.count({}, context=ADMIN) == 1
