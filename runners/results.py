"""What comes out of a job: progress lines, and the result document that is written last."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from domain_sdk.json_values import JsonScalar
from runners.errors import JobResultMissingError
from runners.specification import SplitMethod

RESULT_FILE = "result.json"
PACKAGE_FOLDER = "package"

_Result = TypeVar("_Result", bound=BaseModel)


class SplitRecord(BaseModel):
    """How the rows were split: what is needed to make the same split again, and to know it again.

    Attributes:
        column: Of groups or times, where the split went by them.
        digest: SHA-256 over how many rows there are and on which side each of them is.
    """

    model_config = ConfigDict(frozen=True)

    method: SplitMethod
    column: str | None
    seed: int
    held_back_fraction: float
    training_row_count: int
    held_back_row_count: int
    digest: str


class EpochProgress(BaseModel):
    """One line of a training job's progress.

    Attributes:
        loss: Mean cross-entropy over the fitted rows, in nats, while the epoch's steps were taken.
        validation_loss: The same over the validation rows after the epoch; None where there are none.
        accuracy: Over the validation rows after the epoch; None where there are none.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["epoch"] = "epoch"
    epoch: int
    epochs: int
    loss: float
    validation_loss: float | None
    accuracy: float | None
    duration_seconds: float


class TrainingResult(BaseModel):
    """How a training run ended.

    Attributes:
        package_dir: Folder of the model package, relative to the result's own folder.
        weights_sha256: Digest of the weights' file.
    """

    model_config = ConfigDict(frozen=True)

    package_dir: str = PACKAGE_FOLDER
    weights_sha256: str
    last_epoch: EpochProgress
    fitted_row_count: int
    validation_row_count: int
    held_back_row_count: int
    split: SplitRecord
    duration_seconds: float


class ClassReport(BaseModel):
    """How one class fared on the held-back rows.

    Attributes:
        support: Held-back rows of this class.
        precision: 0 where the class was never predicted.
        recall: 0 where the class has no held-back row.
    """

    model_config = ConfigDict(frozen=True)

    label: JsonScalar
    support: int
    precision: float
    recall: float
    f1: float


class EvaluationResult(BaseModel):
    """Quality of a model on the rows that its training never saw.

    Attributes:
        macro_f1: Mean over the classes that occur among the held-back labels or the predictions.
        log_loss: Mean cross-entropy in nats.
        baseline_accuracy: Of always answering the commonest class of the training rows.
        confusion: `confusion[actual][predicted]` counts rows; classes in the order of `classes`.
        held_back_rows: Indices into the dataset, ascending.
        predictions: What the model said of them, in the same order.
    """

    model_config = ConfigDict(frozen=True)

    accuracy: float
    macro_f1: float
    log_loss: float
    baseline_accuracy: float
    classes: tuple[ClassReport, ...]
    confusion: tuple[tuple[int, ...], ...]
    row_count: int
    training_row_count: int
    held_back_row_count: int
    held_back_rows: tuple[int, ...]
    predictions: tuple[JsonScalar, ...]
    weights_sha256: str
    split: SplitRecord
    duration_seconds: float


def read_result(model: type[_Result], output_dir: Path) -> _Result:
    """Return the finished result in a job's output folder.

    Raises:
        JobResultMissingError: The job did not finish, or wrote something else.
    """
    path = output_dir / RESULT_FILE
    try:
        return model.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise JobResultMissingError(path=path) from error
