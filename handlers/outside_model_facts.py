"""What is said of a model from outside, and the checklist of what was looked at."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from handlers.datasets import Name
from storage.models import IN_PROCESS, DataClassification, Framework, ModelArtifact, ModelFormat

_ORDER = tuple(DataClassification)

Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]


class TensorField(BaseModel):
    """One input or output in the datatypes of the Open Inference Protocol; a dimension of -1 may have any size."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    datatype: Datatype
    shape: Annotated[tuple[Annotated[int, Field(ge=-1, le=2**53)], ...], Field(max_length=64)]


class OutsideSignature(BaseModel):
    """What a model takes and gives, as whoever registers it says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    inputs: Annotated[tuple[TensorField, ...], Field(min_length=1, max_length=1_000)]
    outputs: Annotated[tuple[TensorField, ...], Field(min_length=1, max_length=1_000)]


class ModelPayload(BaseModel):
    """A trained model to register.

    Attributes:
        name: The model that this becomes the next version of, or a new one.
        artifact_uri: `file:///...` below one of the server's import folders, or `https://...` on one of the web servers
            that it may ask; safetensors, ONNX with all its data inside, or a program of torch.export.
        signature: What it takes and gives.
        experiment_id: The experiment that it belongs to.
        dataset_version_id: The data that it was trained on.
        data_classification: At least that of the data; unless given, that, and no less than internal.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    artifact_uri: Annotated[str, Field(min_length=1, max_length=4_096)]
    signature: OutsideSignature | None = None
    framework: Framework = Framework.PYTORCH
    experiment_id: UUID | None = None
    dataset_version_id: UUID | None = None
    data_classification: DataClassification | None = None


class Check(BaseModel):
    """One line of the checklist: what was looked at, and whether it is as one would wish."""

    model_config = ConfigDict(frozen=True)

    check: str
    passed: bool
    finding: str


def checks_of(artifact: ModelArtifact) -> tuple[Check, ...]:
    """Return what was looked at when a version from outside came in, and what is still open."""
    is_sealed = _ORDER.index(artifact.data_classification) >= _ORDER.index(DataClassification.CONFIDENTIAL)
    file_format = ModelFormat.SAFETENSORS if artifact.origin is None else artifact.origin.file_format
    data = artifact.linked_experiment or (None if artifact.origin is None else artifact.origin.dataset_version_id)
    return (
        Check(check="format", passed=True, finding=f"{file_format.value}; nothing in it runs when it is loaded"),
        Check(check="storage", passed=True, finding="encrypted" if is_sealed else "stored as it came"),
        Check(check="signature", passed=bool(artifact.signature), finding="given" if artifact.signature else "missing"),
        Check(check="data", passed=data is not None, finding="missing" if data is None else "as stated, not verified"),
        Check(check="metrics", passed=False, finding="nothing was measured here"),
        Check(
            check="service", passed=artifact.target_runtime == IN_PROCESS, finding="kept, not served by the platform"
        ),
    )
