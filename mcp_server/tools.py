"""The tools of a model's life: parse, call a command or query, shape the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from mcp.types import ToolAnnotations
from pydantic import Field

from engine import Event, InstanceStatus
from handlers.datasets import DatasetPayload, Registration, find_version, register_dataset, require_not_rejected
from handlers.errors import ValidationIncidentError
from handlers.experiments import ExperimentPayload, get_experiment_status, launch_experiment
from handlers.inference import InferencePayload, run_inference
from handlers.metrics import MetricsFilter, get_metrics
from handlers.processes import experiment_events, readable_variables, wait_for_end
from mcp_server.answers import (
    DatasetAnswer,
    EventAnswer,
    EventsAnswer,
    ExperimentAnswer,
    InferenceReply,
    LaunchAnswer,
    MetricsAnswer,
)
from mcp_server.principals import principal_of
from mcp_server.toolbox import CREATES, READS, Ctx, IdempotencyKey, Toolbox, WaitSeconds
from storage import SecurityContext
from storage.models import JsonObject

SubscriptionToken = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
_FROM_THE_START = "0"


class LearningTools(Toolbox):
    """Datasets, experiments and models."""

    def tools(self) -> Iterable[tuple[Callable[..., Any], ToolAnnotations]]:
        """See `Toolbox.tools`."""
        return (
            (self.create_dataset, CREATES),
            (self.launch_experiment, CREATES),
            (self.get_experiment_status, READS),
            (self.stream_events, READS),
            (self.run_inference, READS),
            (self.get_metrics, READS),
        )

    async def create_dataset(
        self,
        dataset_payload: DatasetPayload,
        ctx: Ctx,
        wait_seconds: WaitSeconds = 20,
        idempotency_key: IdempotencyKey | None = None,
    ) -> DatasetAnswer:
        """Register a file as a dataset version and run the dataset-validation process on it.

        The file is CSV, JSON Lines, Parquet, Arrow or NumPy, or a zip or tar file of images, LABEL/NAME.png, whose
        target is the column label. Waits up to wait_seconds for the verdict. A rejected version leaves nothing
        registered; the error lists every finding. Registering the same content again returns the same version; with an
        idempotency_key, other content is refused.
        """
        context = principal_of(ctx)
        call = partial(self._create_dataset, dataset_payload, wait_seconds, idempotency_key, context)
        return await self._waiting.run(context, call)

    def _create_dataset(
        self,
        dataset_payload: DatasetPayload,
        wait_seconds: float,
        idempotency_key: str | None,
        context: SecurityContext,
    ) -> DatasetAnswer:
        registration = register_dataset(self._services, dataset_payload, idempotency_key, context=context)
        instance_id = registration.process_instance_id
        instance = wait_for_end(self._services, instance_id, wait_seconds, context=context)
        if instance.incident is not None:
            raise ValidationIncidentError(process_instance_id=instance_id, reason=str(instance.incident["message"]))
        if instance.status is InstanceStatus.COMPLETED:
            self._require_validated(instance_id, context)
            registration = self._reread(registration, context)
        return _dataset_answer(registration, instance.definitions)

    def launch_experiment(
        self, experiment_payload: ExperimentPayload, ctx: Ctx, idempotency_key: IdempotencyKey | None = None
    ) -> LaunchAnswer:
        """Start the supervised-training process: validate, train, evaluate, register, ask a reviewer, promote, deploy.

        Returns at once. With an idempotency_key, launching again returns the same experiment.
        """
        launch = launch_experiment(self._services, experiment_payload, idempotency_key, context=principal_of(ctx))
        return LaunchAnswer(
            audit_ref=launch.audit_ref,
            experiment_id=UUID(str(launch.experiment.id)),
            process_instance_id=launch.process_instance_id,
            replayed=launch.replayed,
            status=launch.experiment.status,
            compute_profile=launch.experiment.compute_profile,
            subscription_token=_FROM_THE_START,
        )

    def get_experiment_status(self, experiment_id: UUID, ctx: Ctx, include_runs: bool = False) -> ExperimentAnswer:  # noqa: FBT001, FBT002 - named by the specification
        """Return an experiment's status, metrics, the steps of its process with durations, and what it waits for."""
        context = principal_of(ctx)
        report = get_experiment_status(self._services, experiment_id, context=context)
        instance = report.instance
        with self._services.storage.transaction(context.tenant_id) as work:
            variables = readable_variables(self._services, work, instance, context=context)
        return ExperimentAnswer(
            audit_ref=self._audited("get_experiment_status", f"Experiment/{experiment_id}", context),
            experiment_id=experiment_id,
            status=report.experiment.status,
            requested_by=instance.started_by,
            metrics=report.experiment.metrics_summary,
            failure=report.experiment.failure,
            process_instance_id=instance.process_instance_id,
            process_status=instance.status.value,
            definitions=instance.definitions,
            steps=instance.steps,
            open_user_task_ids=instance.open_user_task_ids,
            completed_by=instance.completed_by,
            incident=instance.incident,
            variables=variables,
            runs=report.runs if include_runs else (),
        )

    async def stream_events(
        self,
        experiment_id: UUID,
        ctx: Ctx,
        subscription_token: SubscriptionToken = _FROM_THE_START,
        wait_seconds: WaitSeconds = 20,
    ) -> EventsAnswer:
        """Return the events of an experiment behind subscription_token; wait up to wait_seconds for the first new one.

        Call again with the token returned to follow the experiment live: process steps, training progress, user tasks.
        """
        context = principal_of(ctx)
        call = partial(self._stream_events, experiment_id, subscription_token, wait_seconds, context)
        return await self._waiting.run(context, call)

    def _stream_events(
        self, experiment_id: UUID, subscription_token: str, wait_seconds: float, context: SecurityContext
    ) -> EventsAnswer:
        sequence = int(subscription_token)
        events = experiment_events(self._services, experiment_id, sequence, wait_seconds, context=context)
        return EventsAnswer(
            audit_ref=self._audited("stream_events", f"Experiment/{experiment_id}", context),
            events=tuple(_event_answer(event) for event in events),
            subscription_token=str(events[-1].sequence) if events else subscription_token,
        )

    def run_inference(self, inference_payload: InferencePayload, ctx: Ctx) -> InferenceReply:
        """Predict rows with a deployed model, named by endpoint_id or model_id."""
        answer = run_inference(self._services, inference_payload, context=principal_of(ctx))
        return InferenceReply.model_validate(answer.model_dump())

    def get_metrics(self, filter: MetricsFilter, ctx: Ctx) -> MetricsAnswer:  # noqa: A002 - named by the specification
        """Return metrics over time of an endpoint, model, version, experiment or run, and drift reports on its model.

        Points where they are few, otherwise buckets; breaches says which of them lay beyond their threshold.
        """
        context = principal_of(ctx)
        report = get_metrics(self._services, filter, context=context)
        audit_ref = self._audited("get_metrics", f"{report.entity_model}/{report.entity_id}", context)
        return MetricsAnswer(
            audit_ref=audit_ref,
            entity_id=report.entity_id,
            entity_model=report.entity_model,
            begin=report.begin,
            end=report.end,
            series=report.series,
            drift_reports=report.drift_reports,
        )

    def _require_validated(self, process_instance_id: UUID, context: SecurityContext) -> None:
        with self._services.storage.transaction(context.tenant_id) as work:
            require_not_rejected(self._services, work, process_instance_id, context=context)

    def _reread(self, registration: Registration, context: SecurityContext) -> Registration:
        version = registration.version
        dataset, version = find_version(self._services, version.dataset_id, version.version, context=context)
        return registration.model_copy(update={"dataset": dataset, "version": version})


def _dataset_answer(registration: Registration, definitions: Any) -> DatasetAnswer:
    dataset, version = registration.dataset, registration.version
    stats: JsonObject = version.feature_stats
    return DatasetAnswer(
        audit_ref=registration.audit_ref,
        dataset_id=dataset.id,
        dataset_version_id=version.id,
        dataset_version=version.version,
        name=dataset.name,
        target=version.target,
        data_classification=version.data_classification,
        validation_status=version.validation_status,
        row_count=version.row_count,
        size_bytes=version.size_bytes,
        checksum=version.checksum,
        feature_stats=stats,
        findings=version.findings,
        process_instance_id=registration.process_instance_id,
        definitions=definitions,
        replayed=registration.replayed,
    )


def _event_answer(event: Event) -> EventAnswer:
    return EventAnswer(
        sequence=event.sequence,
        kind=event.kind,
        element_id=event.element_id,
        payload=event.payload,
        occurred_at=event.occurred_at,
    )
