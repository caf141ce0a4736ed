"""A job's output folder: `package/`, and `result.json` last."""

from __future__ import annotations

from pathlib import Path

import torch
from pydantic import BaseModel

from domain_sdk.model_package import (
    ENCODING_FILE,
    MANIFEST_FILE,
    SIGNATURE_FILE,
    WEIGHTS_FILE,
    ModelPackage,
    describe_file,
)
from domain_sdk.tabular_classification import TabularEncoding, describe_signature
from runners.results import PACKAGE_FOLDER, RESULT_FILE, EpochProgress
from runners.specification import TrainingSpecification
from runners.whole_files import write_whole


def prepare_output(output_dir: Path) -> None:
    """Make the folder, and take from an earlier attempt's output the two files that would make it look finished."""
    output_dir.mkdir(parents=True, exist_ok=True)
    (output_dir / RESULT_FILE).unlink(missing_ok=True)
    (output_dir / PACKAGE_FOLDER / MANIFEST_FILE).unlink(missing_ok=True)


def write_result(output_dir: Path, result: BaseModel) -> None:
    """Write the document that says that the job is finished; everything else must be written by then."""
    write_whole(output_dir / RESULT_FILE, result.model_dump_json().encode())


def write_package(
    specification: TrainingSpecification, encoding: TabularEncoding, weights: bytes, last_epoch: EpochProgress
) -> ModelPackage:
    """Write the model package, its manifest last, and return the manifest."""
    contents = {
        WEIGHTS_FILE: weights,
        ENCODING_FILE: encoding.model_dump_json().encode(),
        SIGNATURE_FILE: describe_signature(encoding).model_dump_json().encode(),
    }
    package = ModelPackage(
        framework_version=torch.__version__,
        hidden_sizes=specification.hidden_sizes,
        class_count=len(encoding.target.classes),
        seed=specification.seed,
        metrics=_training_metrics(last_epoch),
        files={name: describe_file(content) for name, content in contents.items()},
    )
    folder = specification.output_dir / PACKAGE_FOLDER
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        write_whole(folder / name, content)
    write_whole(folder / MANIFEST_FILE, package.to_bytes())
    return package


def _training_metrics(last_epoch: EpochProgress) -> dict[str, float]:
    measured = {
        "training_loss": last_epoch.loss,
        "validation_loss": last_epoch.validation_loss,
        "validation_accuracy": last_epoch.accuracy,
    }
    return {name: value for name, value in measured.items() if value is not None}
