"""What a job is asked to do: the JSON documents that go in."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from runners.errors import SpecificationInvalidError

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
_Specification = TypeVar("_Specification", bound=BaseModel)


class Device(StrEnum):
    """PyTorch's name for where tensors live."""

    CPU = "cpu"
    CUDA = "cuda"
    XPU = "xpu"


class SplitMethod(StrEnum):
    """How rows are held back: some of each class, whole groups of rows, or the latest ones."""

    STRATIFIED = "stratified"
    GROUPED = "grouped"
    BY_TIME = "by_time"


class SplitSpecification(BaseModel):
    """How the rows are split.

    Attributes:
        column: Of the groups, or of the times; classes are those of the target.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: SplitMethod = SplitMethod.STRATIFIED
    column: Annotated[str, Field(min_length=1, max_length=500)] | None = None

    @model_validator(mode="after")
    def _has_its_column(self) -> SplitSpecification:
        if (self.method is SplitMethod.STRATIFIED) is (self.column is None):
            return self
        message = "name a column to split by groups or by time, and none to split by classes"
        raise ValueError(message)


class TrainingSpecification(BaseModel):
    """One training run. Equal specifications and equal data give equal weights on one kind of processor.

    Attributes:
        split_seed: Decides which rows are held back; the evaluation uses the same.
        held_back_fraction: Share of each class that training never sees.
        validation_fraction: Share of the remaining rows that is not fitted but measured after every epoch.
        seed: Decides initial weights and the order of the rows.
        threads: Of PyTorch; weights are bitwise reproducible with one.
        output_dir: Receives `package/` and, last, `result.json`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_path: Path
    target: str
    output_dir: Path
    split_seed: Seed = 0
    split: SplitSpecification = SplitSpecification()
    held_back_fraction: Fraction = 0.2
    validation_fraction: Fraction = 0.1
    hidden_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=65_536)], ...], Field(max_length=16)] = (64,)
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 64
    # Steps must fit float32; what is merely too large is found out by training, as divergence.
    learning_rate: Annotated[float, Field(gt=0, le=1e30)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0, le=1e6)] = 1e-4
    seed: Seed = 0
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    device: Device = Device.CPU


class EvaluationSpecification(BaseModel):
    """One evaluation of a model package on the rows that its training held back.

    Attributes:
        package_dir: The package as training wrote it.
        output_dir: Receives `result.json`.
        split_digest: Of the split that training made; another one is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_path: Path
    package_dir: Path
    output_dir: Path
    split_seed: Seed = 0
    split: SplitSpecification = SplitSpecification()
    split_digest: str | None = None
    held_back_fraction: Fraction = 0.2
    threads: Annotated[int, Field(ge=1, le=1024)] = 1


def parse_specification(model: type[_Specification], document: bytes) -> _Specification:
    """Return the specification in a JSON document.

    Raises:
        SpecificationInvalidError: The document does not fit the model.
    """
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise SpecificationInvalidError(field=field, reason=first["msg"]) from error
