"""Datasets and one trained model package that the unit tests share."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from sklearn.datasets import load_digits
from trained_package import TrainedPackage

from runners.specification import TrainingSpecification
from storage.objects import FolderObjectStore


@pytest.fixture(scope="session")
def digits_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    digits = load_digits()
    columns = {f"pixel_{index:02}": digits.data[:, index] for index in range(64)}
    path = tmp_path_factory.mktemp("digits") / "digits.parquet"
    parquet.write_table(pa.table({**columns, "digit": digits.target}), path)
    return path


@pytest.fixture(scope="session")
def visits_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small mixed table: whole numbers with gaps, text with gaps, booleans, a constant, dates; labels are text."""
    lines = ["age,city,member,weight,constant,visited_at,outcome"]
    for row in range(120):
        age = "" if row % 10 == 3 else str(20 + row % 50)
        city = "" if row % 12 == 5 else ("Bern", "Basel", "Chur")[row % 3]
        outcome = "returned" if (row % 50) > 24 or row % 3 == 0 else "left"
        member = "true" if row % 2 else "false"
        lines.append(f"{age},{city},{member},{50 + row / 7:.3f},7,2026-01-{row % 28 + 1:02},{outcome}")
    path = tmp_path_factory.mktemp("visits") / "visits.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def trained_digits(digits_path: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedPackage:
    output_dir = tmp_path_factory.mktemp("trained-digits")
    return TrainedPackage(
        TrainingSpecification(dataset_path=digits_path, target="digit", output_dir=output_dir, epochs=12)
    )


@pytest.fixture(scope="session")
def trained_visits(visits_path: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedPackage:
    output_dir = tmp_path_factory.mktemp("trained-visits")
    return TrainedPackage(
        TrainingSpecification(
            dataset_path=visits_path,
            target="outcome",
            output_dir=output_dir,
            epochs=30,
            batch_size=16,
            learning_rate=0.01,
            hidden_sizes=(16,),
        )
    )


@pytest.fixture
def objects(tmp_path: Path) -> FolderObjectStore:
    return FolderObjectStore(tmp_path / "objects")
