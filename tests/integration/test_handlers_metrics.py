"""Metrics over time: what training, evaluation and serving measured, what breached and what drifted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from uuid import UUID

import pytest
from handlers_platform import ADA, STRANGER, VIEWER, Workshop, two_clusters
from sqlalchemy import text
from starlette.testclient import TestClient

from handlers.inference import InferencePayload, run_inference
from handlers.lineage import downstream_of
from handlers.metrics import Breach, MetricsFilter, MetricsReport, get_metrics
from learning.application import create_application
from storage import SecurityContext
from storage.errors import InvalidTokenError, RecordNotFoundError
from storage.identifiers import new_id
from storage.models import (
    BreachState,
    DataClassification,
    DatasetVersion,
    DriftReport,
    Experiment,
    MetricSnapshot,
    ModelArtifact,
    RiskSeverity,
    RunStage,
    ServingEndpoint,
    TrainingRun,
)
from storage.stores import Resolution

ROW = {"width": 12, "height": 3.0, "colour": "red"}


class People:
    def authenticate(self, authorization: str | None, _address: str | None) -> SecurityContext:
        if authorization != "Bearer ada":
            raise InvalidTokenError
        return ADA


@pytest.fixture
def client(shop: Workshop) -> Iterator[TestClient]:
    application = create_application(shop.services, People(), "127.0.0.1", shop.all_tenants)
    with closing(TestClient(application, "http://127.0.0.1")) as client:
        yield client


@pytest.fixture
def endpoint(shop: Workshop) -> ServingEndpoint:
    """An endpoint that answers."""
    registered = shop.register(two_clusters())
    shop.finish_jobs()
    launched = shop.train(registered.dataset.id)
    shop.review(launched.process_instance_id, "approve")
    (endpoint,) = shop.records(ServingEndpoint)
    return endpoint


@pytest.fixture
def quiet(shop: Workshop) -> ServingEndpoint:
    """An endpoint that nobody has asked."""
    endpoint = ServingEndpoint(
        tenant_id="north", name="quiet", model_id=new_id(), model_artifact_id=new_id(), uri="/v2/models/quiet"
    )
    with shop.services.storage.transaction("north") as work:
        return work.get_crud(ServingEndpoint).create(endpoint, context=ADA)


def measure(shop: Workshop, entity_id: UUID, *values: float, threshold: float | None = None) -> list[MetricSnapshot]:
    """Write points of the last minutes."""
    with shop.services.storage.transaction("north") as work:
        points = [
            MetricSnapshot(
                tenant_id="north",
                entity_id=entity_id,
                timestamp=work.now - timedelta(seconds=len(values) - number),
                metric_name="drift",
                value=value,
                threshold=threshold,
                breach_state=BreachState.BREACHED if threshold and value > threshold else BreachState.NONE,
                source="monitor",
            )
            for number, value in enumerate(values)
        ]
        work.get_crud(MetricSnapshot).bulk_create(points, context=ADA)
    return points


def metrics(shop: Workshop, entity_id: UUID, context: SecurityContext = ADA, **asked: object) -> MetricsReport:
    question = MetricsFilter.model_validate({"entity_id": entity_id, **asked})
    return get_metrics(shop.services, question, context=context)


def values(report: MetricsReport) -> dict[str, list[float]]:
    return {series.metric_name: [point.value for point in series.points] for series in report.series}


@pytest.mark.usefixtures("endpoint")
def test_an_experiment_and_its_runs_have_what_they_measured(shop: Workshop) -> None:
    (experiment,) = shop.records(Experiment)
    training, evaluation = shop.records(TrainingRun)
    measured = {name: [value] for name, value in experiment.metrics_summary.items()}

    assert (training.stage, evaluation.stage) == (RunStage.TRAIN, RunStage.EVAL)
    assert set(measured) == {"accuracy", "baseline_accuracy", "log_loss", "macro_f1"}
    assert values(metrics(shop, experiment.id)) == measured
    assert values(metrics(shop, evaluation.id)) == {**measured, "duration_seconds": [evaluation.duration_seconds]}
    curves = {
        series.metric_name: [point.step for point in series.points] for series in metrics(shop, training.id).series
    }
    every_epoch = [1, 2, 3]
    assert curves.pop("duration_seconds") == [None]
    assert curves == dict.fromkeys(("loss", "validation_accuracy", "validation_loss"), every_epoch)


def test_an_answer_is_a_latency_and_a_batch_of_predictions_by_whichever_door_it_came(
    shop: Workshop, endpoint: ServingEndpoint, client: TestClient
) -> None:
    answer = run_inference(shop.services, InferencePayload(endpoint_id=endpoint.id, instances=(ROW,)), context=ADA)
    tensors = [
        {"name": name, "shape": [2], "datatype": datatype, "data": [ROW[name], ROW[name]]}
        for name, datatype in (("width", "INT64"), ("height", "FP64"), ("colour", "BYTES"))
    ]
    url, headers = f"/v2/models/{endpoint.name}/infer", {"Authorization": "Bearer ada"}
    response = client.post(url, json={"inputs": tensors}, headers=headers)
    assert response.status_code == 200, response.text
    (version,) = shop.records(DatasetVersion)

    lineage = downstream_of(shop.services, version.id, context=ADA)
    batches = [(node.id, node.facts["rows"]) for node in lineage.nodes if node.model == "PredictionBatch"]
    assert sorted(batches) == [(answer.audit_ref, 1), (UUID(response.headers["Audit-Ref"]), 2)]
    (series,) = metrics(shop, endpoint.id).series
    assert (series.metric_name, len(series.points)) == ("latency_milliseconds", 2)
    assert series.points[0].value == answer.latency_milliseconds


def test_a_request_that_gets_no_answer_leaves_no_batch(
    shop: Workshop, endpoint: ServingEndpoint, client: TestClient
) -> None:
    url, headers = f"/v2/models/{endpoint.name}/infer", {"Authorization": "Bearer ada"}
    response = client.post(url, json={"inputs": [{"name": "no", "shape": [1], "datatype": "FP64", "data": [1]}]},
                           headers=headers)  # fmt: skip

    assert (response.status_code, "Audit-Ref" in response.headers) == (400, True)
    assert metrics(shop, endpoint.id).series == ()


def test_an_endpoint_answers_although_no_month_takes_its_latency(shop: Workshop, endpoint: ServingEndpoint) -> None:
    with shop.services.storage.transaction("north") as work:
        work.connection.execute(text("set local role none"))
        for name in work.connection.execute(
            text("select inhrelid::regclass::text from pg_inherits where inhparent = 'metric_point'::regclass")
        ).scalars():
            work.connection.execute(text(f"drop table {name}"))

    answer = run_inference(shop.services, InferencePayload(endpoint_id=endpoint.id, instances=(ROW,)), context=ADA)

    (version,) = shop.records(DatasetVersion)
    assert answer.audit_ref in {node.id for node in downstream_of(shop.services, version.id, context=ADA).nodes}


def test_breaches_and_the_drift_reports_of_the_model_come_with_the_points(
    shop: Workshop, quiet: ServingEndpoint
) -> None:
    low, high = measure(shop, quiet.id, 0.1, 0.9, threshold=0.5)
    report = DriftReport(
        tenant_id="north",
        model_id=quiet.model_id,
        dataset_version_id=new_id(),
        method="ks",
        severity=RiskSeverity.HIGH,
    )
    other = report.model_copy(update={"id": new_id(), "model_id": new_id()})
    with shop.services.storage.transaction("north") as work:
        report, _ = work.get_crud(DriftReport).bulk_create([report, other], context=ADA)

    found = metrics(shop, quiet.id)

    assert (found.entity_model, found.drift_reports) == ("ServingEndpoint", (report,))
    (series,) = found.series
    assert [point.at for point in series.points] == [low.timestamp, high.timestamp]
    assert series.breaches == (Breach(at=high.timestamp, value=0.9, threshold=0.5),)


def test_what_is_too_much_is_summed_up_with_its_breaches(shop: Workshop, quiet: ServingEndpoint) -> None:
    measure(shop, quiet.id, 1.0, 2.0, 3.0, threshold=1.5)

    (series,) = metrics(shop, quiet.id, most_points=2).series

    assert (series.resolution, series.points) == (Resolution.DAY, ())
    assert sum(bucket.count for bucket in series.buckets) == 3
    assert sum(breach.count for breach in series.breaches) == 2


def test_names_and_times_choose(shop: Workshop, quiet: ServingEndpoint) -> None:
    first, second = measure(shop, quiet.id, 0.1, 0.2)

    assert values(metrics(shop, quiet.id, metric_names=["other"])) == {"other": []}
    assert values(metrics(shop, quiet.id, begin=second.timestamp)) == {"drift": [0.2]}
    assert values(metrics(shop, quiet.id, end=second.timestamp)) == {"drift": [0.1]}
    assert metrics(shop, quiet.id, end=first.timestamp - timedelta(days=2)).series == ()


def test_a_model_line_is_asked_by_the_id_that_its_versions_share(shop: Workshop, endpoint: ServingEndpoint) -> None:
    measure(shop, endpoint.model_id, 0.3)

    assert values(metrics(shop, endpoint.model_id, VIEWER)) == {"drift": [0.3]}


def test_what_is_gone_strange_or_secret_has_no_metrics(shop: Workshop, quiet: ServingEndpoint) -> None:
    measure(shop, quiet.id, 0.1)
    with shop.services.storage.transaction("north") as work:
        restricted = ModelArtifact(
            tenant_id="north", name="m", model_id=new_id(), version=1, artifact_uri="", signature={}, metrics={},
            linked_experiment=new_id(), data_classification=DataClassification.RESTRICTED,
        )  # fmt: skip
        work.get_crud(ModelArtifact).create(restricted, context=ADA)
    for entity_id, who in ((quiet.id, STRANGER), (restricted.id, VIEWER), (restricted.model_id, VIEWER)):
        with pytest.raises(RecordNotFoundError):
            metrics(shop, entity_id, who)

    with shop.services.storage.transaction("north") as work:
        work.get_crud(ServingEndpoint).delete(quiet.id, context=ADA)
    with pytest.raises(RecordNotFoundError):
        metrics(shop, quiet.id)
