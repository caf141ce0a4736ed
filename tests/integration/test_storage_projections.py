"""What the stores beside the documents hold of a record, in the record's own transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from database_owner import as_owner
from sqlalchemy import text

from storage import SecurityContext, Storage
from storage.errors import MetricMonthMissingError, VectorDimensionError, WithoutDocumentError
from storage.identifiers import new_id
from storage.models import BreachState, DriftReport, MetricSnapshot, RiskSeverity, RoleType, ServingEndpoint, SOMNeuron
from storage.projections import collection_of
from storage.stores import (
    Direction,
    EdgeKind,
    GraphStore,
    MetricPoint,
    MetricSeries,
    Node,
    TimeseriesStore,
    VectorStore,
)

ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}))
MAP = SecurityContext(user_id="gsom", tenant_id="north", roles=frozenset({RoleType.SERVICE}))
NOW = datetime.now(UTC)


def neuron(vector: tuple[float, ...] = (0.0, 1.0), **fields: object) -> SOMNeuron:
    return SOMNeuron.model_validate({"tenant_id": "north", "layer_id": new_id(), "prototype_vector": vector, **fields})


def snapshot(value: float, step: int, at: datetime = NOW) -> MetricSnapshot:
    return MetricSnapshot(
        tenant_id="north",
        entity_id=ENTITY,
        timestamp=at,
        metric_name="loss",
        value=value,
        threshold=0.5,
        breach_state=BreachState.BREACHED if value > 0.5 else BreachState.NONE,
        source="runner",
        step=step,
    )


ENTITY = new_id()


def test_an_endpoint_and_a_report_are_connected_to_what_they_are_about(storage: Storage) -> None:
    artifact_id, version_id = new_id(), new_id()
    endpoint = ServingEndpoint(tenant_id="north", name="e", model_id=new_id(), model_artifact_id=artifact_id, uri="/v2")
    report = DriftReport(
        tenant_id="north", model_id=new_id(), dataset_version_id=version_id, method="ks", severity=RiskSeverity.HIGH
    )

    with storage.transaction() as work:
        work.get_crud(ServingEndpoint).create(endpoint, context=ADA)
        work.get_crud(DriftReport).create(report, context=ADA)
        graph = GraphStore(work.connection, "north")
        served = graph.traverse(Node("ModelArtifact", artifact_id), Direction.DOWNSTREAM)
        reported = graph.traverse(Node("DatasetVersion", version_id), Direction.DOWNSTREAM)

    assert [(edge.kind, edge.target) for edge in (*served.edges, *reported.edges)] == [
        (EdgeKind.SERVED_BY, Node("ServingEndpoint", endpoint.id)),
        (EdgeKind.REPORTED_IN, Node("DriftReport", report.id)),
    ]


def test_a_neuron_is_where_its_prototype_and_its_neighbours_say_until_it_is_deleted(storage: Storage) -> None:
    first, second = neuron(), neuron()
    with storage.transaction() as work:
        neurons = work.get_crud(SOMNeuron)
        created = neurons.create(first, context=MAP)
        vectors = VectorStore(work.connection, "north", collection_of(first.layer_id))
        assert vectors.nearest((0.0, 0.9)).neighbours[0].id == first.id

        patch = {"prototype_vector": (5.0, 5.0), "adjacent_neuron_ids": (second.id,), "hit_count": 3}
        moved = neurons.update(created, patch, context=MAP)
        graph = GraphStore(work.connection, "north")
        near = graph.neighbours(Node("SOMNeuron", first.id), kinds={EdgeKind.ADJACENT_TO})
        (point,) = vectors.read(first.id)
        assert (point.embedding, point.properties["hit_count"]) == ((5.0, 5.0), 3)
        assert {node.id for node in near.nodes} == {first.id, second.id}
        assert neurons.read(first.id, context=MAP) == moved

        neurons.delete(moved, context=ADA.model_copy(update={"roles": frozenset({RoleType.ADMIN})}))
        gone = graph.neighbours(Node("SOMNeuron", first.id), kinds={EdgeKind.ADJACENT_TO}, at=NOW + timedelta(days=1))
        assert (vectors.read(first.id), gone.edges) == ((), ())


def test_a_neuron_that_does_not_fit_its_layer_leaves_nothing(storage: Storage) -> None:
    first = neuron()
    with storage.transaction() as work:
        work.get_crud(SOMNeuron).create(first, context=MAP)

    with pytest.raises(VectorDimensionError), storage.transaction() as work:
        work.get_crud(SOMNeuron).create(neuron((1.0, 2.0, 3.0), layer_id=first.layer_id), context=MAP)

    with storage.transaction() as work:
        assert work.get_crud(SOMNeuron).query({}, context=MAP) == [first.model_copy(update={"owner": "gsom"})]


def test_metrics_are_points_with_a_leaf_and_an_observation_and_the_same_point_is_kept_once(storage: Storage) -> None:
    points = [snapshot(step / 10, step) for step in range(8)]
    with storage.statement() as work:
        work.get_crud(MetricSnapshot).create(points[0], context=ADA)
    with storage.statement() as work:
        work.get_crud(MetricSnapshot).bulk_create(points, context=ADA)

    series = MetricSeries(entity_id=ENTITY, metric_name="loss", begin=NOW - timedelta(1), end=NOW + timedelta(1))
    with storage.transaction() as work:
        kept = TimeseriesStore(work.connection, "north").points(series)
    expected = [
        MetricPoint(at=each.timestamp, **each.model_dump(include=MetricPoint.model_fields.keys() - {"at"}))
        for each in points
    ]
    assert list(kept) == expected
    with as_owner(storage) as connection:
        assert connection.execute(text("select count(*) from audit_leaf")).scalar_one() == 2
        assert connection.execute(text("select count(*) from process_observation")).scalar_one() == 2


def test_points_of_a_month_that_is_not_held_are_refused_with_their_times(storage: Storage) -> None:
    old = NOW - timedelta(days=4_000)

    with pytest.raises(MetricMonthMissingError) as error, storage.transaction() as work:
        work.get_crud(MetricSnapshot).create(snapshot(1.0, 1, old), context=ADA)

    assert (error.value.begin, error.value.end) == (old, old)


def test_points_have_no_record_to_read_change_or_delete(storage: Storage) -> None:
    point = snapshot(1.0, 1)
    with storage.transaction() as work:
        metrics = work.get_crud(MetricSnapshot)
        for attempt in (
            lambda: metrics.read(point.id, context=ADA),
            lambda: metrics.query({}, context=ADA),
            lambda: metrics.count({}, context=ADA),
            lambda: metrics.update(point, {"value": 0.0}, context=ADA),
            lambda: metrics.delete(point.id, context=ADA),
        ):
            with pytest.raises(WithoutDocumentError):
                attempt()
