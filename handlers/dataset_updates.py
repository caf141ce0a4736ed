"""Telling processes of a dataset's new version, in the transaction that registers it."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID, uuid5

from handlers.event_gateway import DatasetUpdated, EventGateway
from storage import SecurityContext, UnitOfWork
from storage.models import DatasetVersion, Experiment, ModelArtifact, ModelStatus

_ALL_MODELS = 10_000


def announce_version(
    events: EventGateway,
    work: UnitOfWork,
    version: DatasetVersion,
    earlier: Collection[DatasetVersion],
    *,
    context: SecurityContext,
) -> None:
    """Dispatch one event for each model in service that was trained on an earlier version, or else one for the dataset.

    The version is not validated yet; who trains on it waits for that.
    """
    models: list[UUID] = _models_in_service(work, {known.id for known in earlier}, context)
    for model_id in models or (None,):
        event = DatasetUpdated(
            event_id=uuid5(version.id, str(model_id)),
            dataset_id=version.dataset_id,
            dataset_version_id=version.id,
            model_id=model_id,
        )
        events.dispatch(work, event, context=context)


def _models_in_service(work: UnitOfWork, trained_on: Collection[UUID], context: SecurityContext) -> list[UUID]:
    in_service = {"status": ModelStatus.PRODUCTION.value}
    artifacts = work.get_crud(ModelArtifact).query(in_service, limit=_ALL_MODELS, context=context)
    experiments = work.get_crud(Experiment)
    return sorted(
        {
            artifact.model_id
            for artifact in artifacts
            if artifact.linked_experiment is not None
            for experiment in experiments.query({"id": artifact.linked_experiment}, limit=1, context=context)
            if experiment.dataset_version_id in trained_on
        }
    )
