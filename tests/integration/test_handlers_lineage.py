"""Lineage of what the processes made: why a version is in production, what came of a dataset version, and when."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from handlers_platform import ADA, ADMIN, GRACE, STRANGER, Workshop, two_clusters
from pydantic import ValidationError

from handlers.inference import InferencePayload, run_inference
from handlers.lineage import (
    InProduction,
    Lineage,
    ProductionStory,
    WhyQuestion,
    downstream_of,
    in_production_at,
    why_in_production,
)
from storage import SecurityContext
from storage.errors import RecordNotFoundError
from storage.models import (
    DataClassification,
    Dataset,
    DatasetVersion,
    Experiment,
    ModelArtifact,
    RunStage,
    ServingEndpoint,
    TrainingRun,
)
from storage.stores import AliasName, AliasStore, EdgeKind

ROW = {"width": 12.0, "height": 3.0, "colour": "red"}


@pytest.fixture
def dataset_id(shop: Workshop) -> UUID:
    registered = shop.register(two_clusters())
    shop.finish_jobs()
    return registered.dataset.id


def in_service(shop: Workshop, dataset_id: UUID) -> ModelArtifact:
    launched = shop.train(dataset_id)
    shop.review(launched.process_instance_id, "approve", "Good enough.")
    (artifact,) = shop.records(ModelArtifact, linked_experiment=launched.experiment.id)
    return artifact


def why(shop: Workshop, context: SecurityContext = ADA, at: datetime | None = None) -> ProductionStory | None:
    return why_in_production(shop.services, WhyQuestion(model_name="clusters", at=at), context=context)


def why_now(shop: Workshop) -> ProductionStory:
    story = why(shop)
    assert story is not None
    return story


def edges(lineage: Lineage) -> set[tuple[str, EdgeKind, str]]:
    titles = {node.id: f"{node.model} {node.title}" for node in lineage.nodes}
    return {(titles[edge.source_id], edge.kind, titles[edge.target_id]) for edge in lineage.edges}


def test_a_version_in_production_is_there_because_of_data_runs_diagrams_and_a_decision(
    shop: Workshop, dataset_id: UUID
) -> None:
    artifact = in_service(shop, dataset_id)

    story = why_now(shop)
    assert story.period is not None
    assert (story.period.model_artifact_id, story.period.cause.set_by) == (artifact.id, GRACE.user_id)
    assert story.period.cause.process_instance_id == shop.records(Experiment)[0].process_instance_id
    assert story.lineage.is_complete
    assert story.lineage.hidden == 0
    model, experiment = "ModelArtifact clusters version 1", "Experiment clusters"
    training, validation = "ProcessInstance supervised-training", "ProcessInstance dataset-validation"
    assert edges(story.lineage) == {
        ("Dataset clusters", EdgeKind.HAS_VERSION, "DatasetVersion version 1"),
        ("DatasetVersion version 1", EdgeKind.USED_BY, experiment),
        (experiment, EdgeKind.RAN, "TrainingRun train"),
        (experiment, EdgeKind.RAN, "TrainingRun eval"),
        ("TrainingRun train", EdgeKind.PRODUCED, model),
        ("TrainingRun eval", EdgeKind.EVALUATED, model),
        ("UserTask Review model", EdgeKind.APPROVED, model),
        (training, EdgeKind.GOVERNED, experiment),
        (training, EdgeKind.GOVERNED, model),
        (validation, EdgeKind.GOVERNED, "DatasetVersion version 1"),
        ("ProcessDefinition dataset-validation version 1", EdgeKind.DEFINED, validation),
        *(
            (f"ProcessDefinition {process} version 1", EdgeKind.DEFINED, training)
            for process in ("dataset-validation", "promotion", "supervised-training")
        ),
    }


def test_the_story_tells_what_was_decided_by_whom_and_by_which_diagram(shop: Workshop, dataset_id: UUID) -> None:
    in_service(shop, dataset_id)

    nodes = why_now(shop).lineage.nodes
    (decision,) = (node.facts for node in nodes if node.model == "UserTask")
    (version,) = shop.records(DatasetVersion)
    (data,) = (node.facts for node in nodes if node.model == "DatasetVersion")
    digests = {node.facts["sha256"] for node in nodes if node.model == "ProcessDefinition"}
    pinned = {ref.sha256 for ref in shop.instance(_instance(shop)).definitions}
    assert (decision["completed_by"], decision["submission"]) == (
        "grace",
        {"decision": "approve", "comment": "Good enough."},
    )
    assert (data["checksum"], data["row_count"]) == (version.checksum, version.row_count)
    assert digests == pinned


def _instance(shop: Workshop) -> UUID:
    instance_id = shop.records(Experiment)[0].process_instance_id
    assert instance_id is not None
    return instance_id


def test_an_endpoint_has_the_story_of_the_version_behind_it(shop: Workshop, dataset_id: UUID) -> None:
    artifact = in_service(shop, dataset_id)
    (endpoint,) = shop.records(ServingEndpoint)

    story = why_in_production(shop.services, WhyQuestion(endpoint_id=endpoint.id), context=ADA)

    assert story is not None
    assert story.period is None
    assert [(node.model, node.id) for node in story.lineage.nodes[:1]] == [("ServingEndpoint", endpoint.id)]
    assert {node.id for node in why_now(shop).lineage.nodes} <= {node.id for node in story.lineage.nodes}
    assert (artifact.id, endpoint.id) in {(edge.source_id, edge.target_id) for edge in story.lineage.edges}


def test_everything_that_came_of_a_dataset_version_is_found_down_to_the_answers(
    shop: Workshop, dataset_id: UUID
) -> None:
    for _ in range(2):
        in_service(shop, dataset_id)
    payload = InferencePayload(model_id=shop.records(ModelArtifact)[0].model_id, instances=(ROW, ROW))
    answer = run_inference(shop.services, payload, context=ADA)
    (version,) = shop.records(DatasetVersion)

    lineage = downstream_of(shop.services, version.id, context=ADA)

    assert Counter(node.model for node in lineage.nodes) == {
        "DatasetVersion": 1,
        "Experiment": 2,
        "TrainingRun": 4,
        "ModelArtifact": 2,
        "ServingEndpoint": 2,
        "PredictionBatch": 1,
    }
    batch = lineage.nodes[-1]
    assert (batch.id, batch.facts["rows"], batch.facts["model_version"]) == (answer.audit_ref, 2, 2)
    assert (lineage.hidden, lineage.is_complete) == (0, True)


def test_what_lies_beyond_the_limit_is_told_to_be_there(shop: Workshop, dataset_id: UUID) -> None:
    in_service(shop, dataset_id)
    (version,) = shop.records(DatasetVersion)

    lineage = downstream_of(shop.services, version.id, limit=2, context=ADA)

    assert [node.model for node in lineage.nodes] == ["DatasetVersion", "Experiment"]
    assert not lineage.is_complete


def test_what_was_in_production_at_a_time_is_still_known_when_another_version_is(
    shop: Workshop, dataset_id: UUID
) -> None:
    first, second = in_service(shop, dataset_id), in_service(shop, dataset_id)
    periods = [story.period for story in (why_now(shop),) if story.period is not None]
    (promoted,) = (period.valid_from for period in periods)

    def asked(at: datetime, known_at: datetime | None = None) -> list[tuple[int, UUID]]:
        found: tuple[InProduction, ...] = in_production_at(shop.services, at, known_at=known_at, context=ADA)
        return [(one.model_version, one.period.model_artifact_id) for one in found]

    moment = timedelta(microseconds=1)
    assert asked(promoted) == [(2, second.id)]
    assert asked(promoted - moment) == [(1, first.id)]
    assert asked(promoted, known_at=promoted - moment) == [(1, first.id)]
    assert asked(datetime(2000, 1, 1, tzinfo=UTC)) == []
    before = why(shop, at=promoted - moment)
    assert before is not None
    assert before.lineage.nodes[0].id == first.id
    assert why(shop, at=datetime(2000, 1, 1, tzinfo=UTC)) is None


def test_a_promotion_that_is_undone_was_one_for_the_while(shop: Workshop, dataset_id: UUID) -> None:
    first = in_service(shop, dataset_id)
    launched = shop.train(dataset_id, seed=1)
    cancelled = {"reason": "for the test", "context": ADMIN}
    with shop.services.storage.transaction("north") as work:
        # Its last step fails, so that the instance still runs once the version is promoted.
        operations, instance_id = shop.services.operations, launched.process_instance_id
        operations.set_variables(work, instance_id, {"evaluation": "lost"}, **cancelled)
    shop.review(launched.process_instance_id, "approve")
    (second,) = shop.records(ModelArtifact, linked_experiment=launched.experiment.id)
    with shop.services.storage.transaction("north") as work:
        operations.cancel(work, instance_id, compensate=True, **cancelled)
    shop.finish_jobs()

    with shop.services.storage.transaction("north") as work:
        periods = AliasStore(work.connection, "north").history(AliasName("clusters"))
    assert [period.model_artifact_id for period in periods] == [first.id, second.id, first.id]
    assert [period.valid_to for period in periods] == [periods[1].valid_from, periods[2].valid_from, None]
    assert periods[2].cause.process_instance_id == launched.process_instance_id
    assert why_now(shop).period == periods[2]


def test_a_rejected_version_was_never_in_production(shop: Workshop, dataset_id: UUID) -> None:
    launched = shop.train(dataset_id)
    shop.review(launched.process_instance_id, "reject", "Worse than guessing.")

    assert why(shop) is None


def test_another_tenant_learns_nothing(shop: Workshop, dataset_id: UUID) -> None:
    in_service(shop, dataset_id)
    (version,), (endpoint,) = shop.records(DatasetVersion), shop.records(ServingEndpoint)

    assert why(shop, STRANGER) is None
    assert in_production_at(shop.services, datetime.now(UTC), context=STRANGER) == ()
    with pytest.raises(RecordNotFoundError):
        downstream_of(shop.services, version.id, context=STRANGER)
    with pytest.raises(RecordNotFoundError):
        why_in_production(shop.services, WhyQuestion(endpoint_id=endpoint.id), context=STRANGER)


def test_what_the_principal_may_not_read_is_counted_and_not_shown(shop: Workshop, dataset_id: UUID) -> None:
    in_service(shop, dataset_id)
    (dataset,) = shop.records(Dataset)
    (run,) = shop.records(TrainingRun, stage=RunStage.EVAL.value)
    whole = why_now(shop).lineage
    for record in (dataset, run):
        shop.change(record, data_classification=DataClassification.RESTRICTED)

    lineage = why_now(shop).lineage

    assert lineage.hidden == 2
    assert {node.id for node in whole.nodes} - {node.id for node in lineage.nodes} == {dataset.id, run.id}
    shown = {node.id for node in lineage.nodes}
    assert {end for edge in lineage.edges for end in (edge.source_id, edge.target_id)} <= shown


def test_a_question_names_a_model_or_an_endpoint() -> None:
    for fields in ({}, {"model_name": "clusters", "endpoint_id": uuid4()}):
        with pytest.raises(ValidationError):
            WhyQuestion.model_validate(fields)
