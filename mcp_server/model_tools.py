"""Tools for models that were not trained here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from uuid import UUID

from mcp.types import ToolAnnotations

from handlers.outside_model_facts import Check, ModelPayload
from handlers.outside_models import ModelRegistration, register_outside_model
from mcp_server.answers import Answer
from mcp_server.principals import principal_of
from mcp_server.toolbox import CREATES, Ctx, IdempotencyKey, Toolbox
from storage import SecurityContext
from storage.models import DataClassification, Framework, JsonObject, ModelOrigin, ModelStatus


class ModelAnswer(Answer):
    """A registered version of a model from outside.

    Attributes:
        artifact_uri: Of its file in the object store; a download link is asked for with it.
        checklist: What was looked at; where `passed` is false, something is open.
        replayed: Whether it had been registered before.
    """

    model_artifact_id: UUID
    model_id: UUID
    model_version: int
    name: str
    status: ModelStatus
    framework: Framework
    target_runtime: str
    data_classification: DataClassification
    artifact_uri: str
    signature: JsonObject
    linked_experiment: UUID | None
    origin: ModelOrigin | None
    checklist: tuple[Check, ...]
    replayed: bool


class ModelTools(Toolbox):
    """Models from outside."""

    def tools(self) -> Iterable[tuple[Callable[..., Any], ToolAnnotations]]:
        """See `Toolbox.tools`."""
        return ((self.register_model, CREATES),)

    async def register_model(
        self, model_payload: ModelPayload, ctx: Ctx, idempotency_key: IdempotencyKey | None = None
    ) -> ModelAnswer:
        """Register a trained model's file as the next version of a model: safetensors, ONNX or a torch.export program.

        Pickle and whatever would run or fetch something when loaded is refused. The version is kept, not served.
        Registering the same file again returns the same version.
        """
        context = principal_of(ctx)
        return await self._waiting.run(context, partial(self._register, model_payload, idempotency_key, context))

    def _register(self, payload: ModelPayload, idempotency_key: str | None, context: SecurityContext) -> ModelAnswer:
        return _answer(register_outside_model(self._services, payload, idempotency_key, context=context))


def _answer(registration: ModelRegistration) -> ModelAnswer:
    artifact = registration.artifact
    same = {name: getattr(artifact, name) for name in ModelAnswer.model_fields if name in type(artifact).model_fields}
    return ModelAnswer(
        **same,
        audit_ref=registration.audit_ref,
        model_artifact_id=artifact.id,
        model_version=artifact.version,
        checklist=registration.checklist,
        replayed=registration.replayed,
    )
