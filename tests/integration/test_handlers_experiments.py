"""Experiments to their several ends: in service, rejected, failed; and what may ask the model in service."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from handlers_platform import (
    ADA,
    ADMIN,
    GRACE,
    STRANGER,
    VIEWER,
    RememberingCompute,
    Workshop,
    open_workshop,
    two_clusters,
)

from domain_sdk.errors import InputSchemaMismatchError
from domain_sdk.model_package import WEIGHTS_FILE, parse_manifest
from domain_sdk.tabular_classification import ModelSignature
from engine import CompensationAccount, IdempotencyConflictError, InstanceStatus, Operations
from handlers.datasets import DatasetPayload, register_dataset
from handlers.errors import (
    DatasetNotValidatedError,
    EndpointNotFoundError,
    ModelLineMixedError,
    ModelNameTakenError,
    ProfileNotAllowedError,
)
from handlers.experiments import (
    ExperimentConfig,
    ExperimentPayload,
    Launch,
    get_experiment_status,
    launch_experiment,
)
from handlers.inference import InferencePayload, run_inference
from runners.errors import ComputeProfileUnavailableError
from serving.loading import load_model
from serving.model_cache import ModelCache
from storage import SecurityContext
from storage.errors import AccessDeniedError, ObjectNotFoundError, RecordNotFoundError
from storage.models import (
    ComputeProfile,
    DataClassification,
    DatasetVersion,
    EndpointState,
    Experiment,
    ExperimentStatus,
    ModelArtifact,
    ModelStatus,
    RunStage,
    ServingEndpoint,
    StorageModel,
    TrainingRun,
    ValidationStatus,
)

LARGE = {"width": 12.0, "height": 3.0, "colour": "red"}
SMALL = {"width": 1.0, "height": 3.0, "colour": "blue"}


@pytest.fixture
def dataset_id(shop: Workshop) -> UUID:
    """A validated dataset."""
    registered = shop.register(two_clusters())
    shop.finish_jobs()
    return registered.dataset.id


def in_service(shop: Workshop, dataset_id: UUID, **config: Any) -> ModelArtifact:
    """Bring a model all the way into service; return its version."""
    launched = shop.train(dataset_id, **config)
    shop.review(launched.process_instance_id, "approve")
    (artifact,) = shop.records(ModelArtifact, linked_experiment=launched.experiment.id)
    return artifact


def experiment(shop: Workshop, experiment_id: UUID) -> Experiment:
    (found,) = shop.records(Experiment, id=experiment_id)
    return found


def operate(shop: Workshop, operation: Callable[..., object], *arguments: object, **options: object) -> None:
    with shop.services.storage.transaction("north") as work:
        operation(shop.services.operations, work, *arguments, reason="for the test", context=ADMIN, **options)


def undone(account: CompensationAccount) -> list[tuple[str, str | None, str]]:
    """Return what was undone, by which handler and by whom."""
    return [(each.element_id, each.undone_by, each.by) for each in account.undone]


def facts(record: StorageModel) -> dict[str, Any]:
    """Return what a record says, without when and how often it was written."""
    return record.model_dump(exclude={"updated_at", "revision"})


def empty_cache(shop: Workshop) -> ModelCache:
    return ModelCache(partial(load_model, shop.services.storage.objects), capacity=1)


def ask(
    shop: Workshop, *rows: dict[str, Any], context: SecurityContext = ADA, **whom: UUID
) -> tuple[int, tuple[Any, ...]]:
    answer = run_inference(shop.services, InferencePayload(instances=rows, **whom), context=context)
    return answer.model_version, answer.predictions


def test_a_trained_experiment_waits_for_its_review_with_runs_and_metrics(shop: Workshop, dataset_id: UUID) -> None:
    launched = shop.train(dataset_id)

    report = get_experiment_status(shop.services, launched.experiment.id, context=ADA)
    (artifact,) = shop.records(ModelArtifact)
    assert report.experiment.status is ExperimentStatus.AWAITING_REVIEW
    assert report.experiment.metrics_summary == artifact.metrics
    assert [(run.stage, run.exit_code) for run in report.runs] == [(RunStage.TRAIN, 0), (RunStage.EVAL, 0)]
    assert len(report.instance.open_user_task_ids) == 1
    assert (artifact.status, artifact.version, artifact.name) == (ModelStatus.REGISTERED, 1, "clusters")
    assert [field.name for field in ModelSignature.model_validate(artifact.signature).inputs] == list(LARGE)
    with pytest.raises(EndpointNotFoundError):
        ask(shop, LARGE, model_id=artifact.model_id)
    with pytest.raises(RecordNotFoundError):
        get_experiment_status(shop.services, launched.experiment.id, context=STRANGER)


def test_a_run_says_when_its_job_began_and_ended_on_the_clock_of_its_machine(
    database_url: str, tmp_path: Path, compute: RememberingCompute
) -> None:
    began = datetime(2026, 5, 3, 12, tzinfo=UTC)
    minutes = (began + timedelta(minutes=number) for number in itertools.count())
    shop = open_workshop(database_url, tmp_path, compute, lambda: next(minutes))
    registered = shop.register(two_clusters())
    shop.finish_jobs()

    launched = shop.train(registered.dataset.id)

    runs = get_experiment_status(shop.services, launched.experiment.id, context=ADA).runs
    assert [(run.start_time, run.end_time) for run in runs] == [
        (began, began + timedelta(minutes=1)),
        (began + timedelta(minutes=2), began + timedelta(minutes=3)),
    ]
    shop.close()


def test_the_second_promotion_puts_its_version_in_service_and_the_first_out_of_it(
    shop: Workshop, dataset_id: UUID
) -> None:
    first, second = in_service(shop, dataset_id), in_service(shop, dataset_id)

    assert [(version.version, version.status, version.approved_by) for version in shop.records(ModelArtifact)] == [
        (1, ModelStatus.ARCHIVED, GRACE.user_id),
        (2, ModelStatus.PRODUCTION, GRACE.user_id),
    ]
    endpoints = shop.records(ServingEndpoint)
    assert [(endpoint.model_artifact_id, endpoint.health_state) for endpoint in endpoints] == [
        (first.id, EndpointState.RETIRED),
        (second.id, EndpointState.HEALTHY),
    ]
    assert {found.status for found in shop.records(Experiment)} == {ExperimentStatus.COMPLETED}
    assert first.model_id == second.model_id
    assert ask(shop, LARGE, SMALL, model_id=first.model_id)[0] == 2
    with pytest.raises(EndpointNotFoundError):
        ask(shop, LARGE, endpoint_id=endpoints[0].id)


def test_of_versions_promoted_at_the_same_moment_exactly_one_is_in_service(shop: Workshop, dataset_id: UUID) -> None:
    for launched in [shop.train(dataset_id) for _ in range(3)]:
        shop.decide(launched.process_instance_id, "approve")
    with ThreadPoolExecutor(3) as threads:
        for finished in [threads.submit(shop.finish_jobs) for _ in range(3)]:
            finished.result()
    shop.finish_jobs()

    in_service_now = shop.records(ModelArtifact, status=ModelStatus.PRODUCTION)
    healthy = shop.records(ServingEndpoint, health_state=EndpointState.HEALTHY)
    assert [endpoint.model_artifact_id for endpoint in healthy] == [version.id for version in in_service_now]
    assert [version.version for version in shop.records(ModelArtifact)] == [1, 2, 3]
    assert len(in_service_now) == 1
    assert {found.status for found in shop.records(Experiment)} == {ExperimentStatus.COMPLETED}


def test_a_rejected_model_keeps_the_reviewers_words_and_gets_no_endpoint(shop: Workshop, dataset_id: UUID) -> None:
    launched = shop.train(dataset_id)
    shop.review(launched.process_instance_id, "reject", "Worse than guessing.")

    (artifact,) = shop.records(ModelArtifact)
    assert (artifact.status, artifact.review_comment) == (ModelStatus.REJECTED, "Worse than guessing.")
    assert experiment(shop, launched.experiment.id).status is ExperimentStatus.REJECTED
    assert shop.records(ServingEndpoint) == []
    assert shop.instance(launched.process_instance_id).status is InstanceStatus.COMPLETED


def test_a_training_that_diverges_ends_the_experiment_with_the_reason(shop: Workshop, dataset_id: UUID) -> None:
    launched = shop.train(dataset_id, learning_rate=1e30)

    failed = experiment(shop, launched.experiment.id)
    (finding,) = shop.variables(launched.process_instance_id)["findings"]
    assert (failed.status, failed.failure) == (ExperimentStatus.FAILED, finding["message"])
    assert finding["code"] == "TRAINING_DIVERGED"
    assert (shop.records(ModelArtifact), shop.records(TrainingRun)) == ([], [])
    assert shop.instance(launched.process_instance_id).status is InstanceStatus.COMPLETED


def test_a_dataset_damaged_after_its_validation_fails_the_experiment_and_closes_the_version(
    shop: Workshop, dataset_id: UUID
) -> None:
    (version,) = shop.records(DatasetVersion)
    shop.damage(version.storage_location)
    launched = shop.train(dataset_id)

    (rejected,) = shop.records(DatasetVersion)
    (finding,) = rejected.findings
    failed = experiment(shop, launched.experiment.id)
    assert (rejected.validation_status, finding["code"]) == (ValidationStatus.REJECTED, "OBJECT_CORRUPT")
    assert (failed.status, failed.failure) == (ExperimentStatus.FAILED, finding["message"])
    with pytest.raises(DatasetNotValidatedError) as refusal:
        shop.launch(dataset_id)
    assert vars(refusal.value) == {"dataset": "clusters", "version": 1, "status": "rejected"}


def test_a_model_damaged_before_its_promotion_leaves_the_one_in_service_alone(shop: Workshop, dataset_id: UUID) -> None:
    serving = in_service(shop, dataset_id)
    launched = shop.train(dataset_id, seed=1)
    damaged = shop.records(ModelArtifact)[1]
    manifest = parse_manifest(shop.services.storage.objects.read_bytes(damaged.artifact_uri))
    shop.damage(str(manifest.files[WEIGHTS_FILE].uri))
    shop.review(launched.process_instance_id, "approve")

    assert [version.status for version in shop.records(ModelArtifact)] == [
        ModelStatus.PRODUCTION,
        ModelStatus.REJECTED,
    ]
    states = {endpoint.model_artifact_id: endpoint.health_state for endpoint in shop.records(ServingEndpoint)}
    assert states == {serving.id: EndpointState.HEALTHY, damaged.id: EndpointState.FAILED}
    failed = experiment(shop, launched.experiment.id)
    assert (failed.status, bool(failed.failure)) == (ExperimentStatus.FAILED, True)
    assert ask(shop, LARGE, model_id=serving.model_id)[0] == 1
    accounts = shop.instance(launched.process_instance_id).compensations
    assert [(each.element_id, undone(each)) for each in accounts] == [
        ("Event_RollBack", [("Task_DeployEndpoint", "Task_TearDownEndpoint", ADA.user_id)]),
        ("Event_WithdrawModel", [("Task_RegisterModel", "Task_WithdrawModel", ADA.user_id)]),
    ]


def test_a_promotion_that_is_rolled_back_puts_the_predecessor_back_exactly_as_it_was(
    shop: Workshop, dataset_id: UUID
) -> None:
    serving = in_service(shop, dataset_id)
    (endpoint,) = shop.records(ServingEndpoint)
    launched = shop.train(dataset_id, seed=1)
    operate(shop, Operations.set_variables, launched.process_instance_id, {"evaluation": "lost"})
    shop.review(launched.process_instance_id, "approve")
    assert shop.records(ModelArtifact, status=ModelStatus.PRODUCTION)[0].version == 2

    operate(shop, Operations.cancel, launched.process_instance_id, compensate=True)
    shop.finish_jobs()

    restored, withdrawn = shop.records(ModelArtifact)
    reopened, closed = shop.records(ServingEndpoint)
    assert (facts(restored), facts(reopened)) == (facts(serving), facts(endpoint))
    assert (withdrawn.status, withdrawn.approved_by) == (ModelStatus.REJECTED, None)
    assert (closed.health_state, closed.last_validation) == (EndpointState.FAILED, {})
    assert ask(shop, LARGE, model_id=serving.model_id)[0] == 1
    (version,) = shop.records(DatasetVersion)
    assert version.validation_status is ValidationStatus.VALIDATED
    report = get_experiment_status(shop.services, launched.experiment.id, context=ADA)
    assert (report.experiment.status, report.instance.status) == (ExperimentStatus.CANCELLED, InstanceStatus.CANCELLED)
    (account,) = report.instance.compensations
    assert [each for each in undone(account) if each[1] is not None] == [
        ("Task_PromoteModel", "Task_DemoteModel", ADA.user_id),
        ("Task_DeployEndpoint", "Task_TearDownEndpoint", ADA.user_id),
        ("Task_RegisterModel", "Task_WithdrawModel", ADA.user_id),
        ("Task_MarkValidated", "Task_UndoValidation", ADA.user_id),
    ]


def test_a_demotion_leaves_a_later_promotion_as_it_is(shop: Workshop, dataset_id: UUID) -> None:
    in_service(shop, dataset_id)
    launched = shop.train(dataset_id, seed=1)
    operate(shop, Operations.set_variables, launched.process_instance_id, {"evaluation": "lost"})
    shop.review(launched.process_instance_id, "approve")
    latest = in_service(shop, dataset_id, seed=2)

    operate(shop, Operations.cancel, launched.process_instance_id, compensate=True)
    shop.finish_jobs()

    assert [version.id for version in shop.records(ModelArtifact, status=ModelStatus.PRODUCTION)] == [latest.id]
    healthy = shop.records(ServingEndpoint, health_state=EndpointState.HEALTHY)
    assert [endpoint.model_artifact_id for endpoint in healthy] == [latest.id]


def test_a_cancelled_experiment_reads_cancelled(shop: Workshop, dataset_id: UUID) -> None:
    launched = shop.train(dataset_id)

    operate(shop, Operations.cancel, launched.process_instance_id)

    report = get_experiment_status(shop.services, launched.experiment.id, context=ADA)
    assert report.experiment.status is ExperimentStatus.CANCELLED


def test_a_model_that_is_no_better_than_a_guess_is_rejected_by_the_policy_and_nobody_is_asked(
    shop: Workshop, dataset_id: UUID
) -> None:
    launched = shop.train(dataset_id, epochs=1, learning_rate=1e-9)

    (artifact,) = shop.records(ModelArtifact)
    policy = shop.variables(launched.process_instance_id)["promotion"]
    assert (policy["route"], policy["approvals"]) == ("auto_reject", 0)
    assert (artifact.status, artifact.review_comment) == (ModelStatus.REJECTED, policy["reason"])
    assert experiment(shop, launched.experiment.id).status is ExperimentStatus.REJECTED
    assert shop.instance(launched.process_instance_id).status is InstanceStatus.COMPLETED


def test_a_model_in_memory_goes_on_answering_where_its_objects_are_lost(shop: Workshop, dataset_id: UUID) -> None:
    serving = in_service(shop, dataset_id)
    answered = ask(shop, LARGE, SMALL, model_id=serving.model_id)
    shop.lose(serving.artifact_uri)
    restarted = replace(shop, services=replace(shop.services, models=empty_cache(shop)))

    assert ask(shop, LARGE, SMALL, model_id=serving.model_id) == answered
    with pytest.raises(ObjectNotFoundError):
        ask(restarted, LARGE, model_id=serving.model_id)


def test_a_row_that_does_not_fit_the_model_is_refused_by_field(shop: Workshop, dataset_id: UUID) -> None:
    serving = in_service(shop, dataset_id)

    for row, fields in (
        ({"width": 1.0, "colour": "red", "depth": 1}, {"height", "depth"}),
        ({**LARGE, "width": "broad", "colour": 7}, {"width", "colour"}),
    ):
        with pytest.raises(InputSchemaMismatchError) as mismatch:
            ask(shop, LARGE, row, model_id=serving.model_id)
        assert (set(mismatch.value.problems), set(mismatch.value.expected)) == (fields, set(LARGE))


def test_an_endpoint_answers_only_those_who_may_execute_in_its_tenant(shop: Workshop, dataset_id: UUID) -> None:
    serving = in_service(shop, dataset_id)
    (endpoint,) = shop.records(ServingEndpoint)

    with pytest.raises(AccessDeniedError) as refusal:
        ask(shop, LARGE, endpoint_id=endpoint.id, context=VIEWER)
    assert (refusal.value.permission, refusal.value.resource) == ("execute", f"ServingEndpoint {endpoint.id}")
    for whom in ({"endpoint_id": endpoint.id}, {"model_id": serving.model_id}):
        with pytest.raises(EndpointNotFoundError):
            ask(shop, LARGE, context=STRANGER, **whom)


def test_a_restricted_endpoint_answers_those_who_hold_its_grant(shop: Workshop, dataset_id: UUID) -> None:
    in_service(shop, dataset_id)
    (endpoint,) = shop.records(ServingEndpoint)
    shop.change(endpoint, data_classification=DataClassification.RESTRICTED)
    holder = ADA.model_copy(update={"granted": frozenset({str(endpoint.id)})})

    assert ask(shop, LARGE, endpoint_id=endpoint.id, context=holder)[0] == 1
    with pytest.raises(EndpointNotFoundError):
        ask(shop, LARGE, endpoint_id=endpoint.id)


def test_each_answer_is_on_the_record_without_the_rows(shop: Workshop, dataset_id: UUID) -> None:
    serving = in_service(shop, dataset_id)
    payload = InferencePayload(model_id=serving.model_id, instances=(LARGE, SMALL))

    answer = run_inference(shop.services, payload, context=ADA)

    with shop.services.storage.transaction("north") as work:
        leaf = work.audit.read(answer.audit_ref, context=ADA)
    assert (leaf["action"], leaf["actor"], leaf["details"]) == (
        "inference.run",
        "ada",
        {"model_version": 1, "rows": 2},
    )


def test_nothing_is_launched_on_a_version_that_is_not_validated(shop: Workshop) -> None:
    registered = shop.register(two_clusters())

    with pytest.raises(DatasetNotValidatedError) as refusal:
        shop.launch(registered.dataset.id)

    assert vars(refusal.value) == {"dataset": "clusters", "version": 1, "status": "pending"}
    assert shop.records(Experiment) == []


def test_nothing_is_launched_where_it_may_not_or_cannot_run(shop: Workshop, dataset_id: UUID) -> None:
    def launch(profile: ComputeProfile, context: SecurityContext = ADA) -> None:
        payload = ExperimentPayload(dataset_id=dataset_id, compute_profile=profile)
        launch_experiment(shop.services, payload, None, context=context)

    with pytest.raises(ProfileNotAllowedError) as refusal:
        launch(ComputeProfile.INTEL)
    assert (refusal.value.profile, refusal.value.allowed) == ("intel", ("cpu", "amd"))
    with pytest.raises(ComputeProfileUnavailableError):
        launch(ComputeProfile.AMD)
    with pytest.raises(AccessDeniedError):
        launch(ComputeProfile.CPU, VIEWER)
    with pytest.raises(RecordNotFoundError):
        launch(ComputeProfile.CPU, STRANGER)
    assert shop.records(Experiment) == []
    assert not shop.worker.run_one()


def test_a_model_of_which_somebody_may_not_know_is_not_theirs_to_make_a_version_of(
    shop: Workshop, dataset_id: UUID
) -> None:
    secret = DatasetPayload(
        name="secret",
        source_uri=shop.put("secret.csv", two_clusters()),
        target="kind",
        data_classification=DataClassification.RESTRICTED,
    )
    hers = register_dataset(shop.services, secret, context=ADA).dataset.id
    shop.finish_jobs()
    bob = ADA.model_copy(update={"user_id": "bob"})

    def launch(dataset: UUID, context: SecurityContext, key: str | None = None) -> Launch:
        payload = ExperimentPayload(dataset_id=dataset, model_name="clusters", config=ExperimentConfig(epochs=1))
        return launch_experiment(shop.services, payload, key, context=context)

    before = launch(dataset_id, bob, "before")
    operate(shop, Operations.cancel, before.process_instance_id)
    launch(hers, ADA)
    shop.finish_jobs()
    assert [artifact.version for artifact in shop.records(ModelArtifact)] == [1]

    with pytest.raises(ModelNameTakenError) as refusal:
        launch(dataset_id, bob)
    assert refusal.value.model == "clusters"
    assert launch(dataset_id, bob, "before").experiment.id == before.experiment.id
    with pytest.raises(ModelLineMixedError):
        launch(dataset_id, ADA)
    assert launch(hers, ADA).experiment.model_name == "clusters"


def test_a_launch_under_a_known_key_is_the_first_one_again_unless_it_asks_for_something_else(
    shop: Workshop, dataset_id: UUID
) -> None:
    first, again = shop.launch(dataset_id, "night-42"), shop.launch(dataset_id, "night-42")

    assert (first.replayed, again.replayed) == (False, True)
    assert (again.experiment, again.process_instance_id) == (first.experiment, first.process_instance_id)
    with pytest.raises(IdempotencyConflictError):
        shop.launch(dataset_id, "night-42", epochs=4)
    assert [found.id for found in shop.records(Experiment)] == [first.experiment.id]


def test_the_largest_seed_that_may_be_asked_for_is_kept_exactly(shop: Workshop, dataset_id: UUID) -> None:
    launched = shop.launch(dataset_id, seed=2**63 - 1)

    assert experiment(shop, launched.experiment.id).config["seed"] == 2**63 - 1


def test_experiments_on_one_dataset_run_side_by_side_without_a_conflict(shop: Workshop, dataset_id: UUID) -> None:
    launched = [shop.launch(dataset_id, seed=1) for _ in range(6)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: shop.finish_jobs(), range(4)))

    instances = [shop.instance(launch.process_instance_id) for launch in launched]
    assert [(instance.status, instance.incident) for instance in instances] == [(InstanceStatus.RUNNING, None)] * 6
    with shop.services.storage.transaction("north") as work:
        failures = work.connection.exec_driver_sql("select count(*) from event where kind = 'job.failed'").scalar_one()
    assert failures == 0
