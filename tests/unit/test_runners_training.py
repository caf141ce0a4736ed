from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics
from trained_package import TrainedPackage

from domain_sdk.model_package import MANIFEST_FILE, read_package
from domain_sdk.tables import read_table
from domain_sdk.tabular_classification.classifier import TabularClassifier
from runners.classification_metrics import confusion_matrix, log_loss, macro_f1, precision_recall_f1
from runners.errors import SpecificationInvalidError, SplitMismatchError, TrainingDivergedError
from runners.evaluation import evaluate
from runners.results import RESULT_FILE, EvaluationResult
from runners.specification import EvaluationSpecification, TrainingSpecification, parse_specification
from runners.training import train
from runners.training_data import prepare_training_data


def evaluated(trained: TrainedPackage, output_dir: Path) -> EvaluationResult:
    specification = EvaluationSpecification(
        dataset_path=trained.specification.dataset_path, package_dir=trained.package_dir, output_dir=output_dir
    )
    return evaluate(specification, time.monotonic)


def test_the_same_specification_gives_the_same_package_byte_for_byte(
    trained_visits: TrainedPackage, tmp_path: Path
) -> None:
    again = TrainedPackage(trained_visits.specification.model_copy(update={"output_dir": tmp_path}))

    assert read_package(again.package_dir) == read_package(trained_visits.package_dir)


@pytest.mark.parametrize("change", [{"seed": 1}, {"learning_rate": 0.02}, {"split_seed": 1}])
def test_another_specification_gives_other_weights(
    trained_visits: TrainedPackage, tmp_path: Path, change: dict[str, float]
) -> None:
    other = TrainedPackage(trained_visits.specification.model_copy(update={**change, "output_dir": tmp_path}))

    assert other.result.weights_sha256 != trained_visits.result.weights_sha256


def test_training_learns_what_the_digits_are(trained_digits: TrainedPackage, tmp_path: Path) -> None:
    losses = [epoch.loss for epoch in trained_digits.epochs]
    result = evaluated(trained_digits, tmp_path)

    assert losses == sorted(losses, reverse=True)
    assert result.accuracy > 0.93
    assert result.baseline_accuracy < 0.15
    assert result.held_back_row_count == trained_digits.result.held_back_row_count == len(result.held_back_rows)
    assert result.row_count == result.training_row_count + result.held_back_row_count


def test_text_gaps_and_whole_numbers_can_be_learned_from(trained_visits: TrainedPackage, tmp_path: Path) -> None:
    result = evaluated(trained_visits, tmp_path)

    assert [report.label for report in result.classes] == ["left", "returned"]
    assert result.accuracy > result.baseline_accuracy + 0.1


def test_held_back_rows_have_no_influence_on_training(trained_visits: TrainedPackage, tmp_path: Path) -> None:
    held_back = evaluated(trained_visits, tmp_path / "evaluation").held_back_rows
    lines = trained_visits.specification.dataset_path.read_text().splitlines()
    for row in held_back:
        age, city, member, _weight, *others = lines[row + 1].split(",")
        lines[row + 1] = ",".join([age, city, member, "1000000.0", *others])
    poisoned = tmp_path / "poisoned.csv"
    poisoned.write_text("\n".join(lines) + "\n")
    change = {"dataset_path": poisoned, "output_dir": tmp_path / "output"}

    again = TrainedPackage(trained_visits.specification.model_copy(update=change))

    assert again.result.weights_sha256 == trained_visits.result.weights_sha256


def test_fitted_validation_and_held_back_rows_are_all_rows(trained_digits: TrainedPackage) -> None:
    result = trained_digits.result

    assert result.fitted_row_count + result.validation_row_count + result.held_back_row_count == 1797
    assert result.validation_row_count > 100


def test_a_loss_that_is_not_finite_ends_training_and_unfinishes_an_older_output(
    trained_visits: TrainedPackage, tmp_path: Path
) -> None:
    specification = trained_visits.specification.model_copy(update={"output_dir": tmp_path, "epochs": 1})
    train(specification, lambda _progress: None, time.monotonic)
    assert (tmp_path / RESULT_FILE).exists()

    with pytest.raises(TrainingDivergedError) as caught:
        train(specification.model_copy(update={"learning_rate": 1e30}), lambda _progress: None, time.monotonic)

    assert (caught.value.code, caught.value.epoch, np.isfinite(caught.value.loss)) == ("TRAINING_DIVERGED", 1, False)
    assert not (tmp_path / RESULT_FILE).exists()
    assert not (tmp_path / "package" / MANIFEST_FILE).exists()


def test_a_dataset_of_which_nothing_can_be_held_back_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.csv"
    path.write_text("x,label\n1,a\n2,a\n3,b\n4,b\n")
    specification = TrainingSpecification(dataset_path=path, target="label", output_dir=tmp_path / "output", epochs=1)
    data = prepare_training_data(specification)
    assert (len(data.fitted), len(data.validation), data.split.held_back_row_count) == (2, 0, 2)

    result = train(specification, lambda _progress: None, time.monotonic)

    assert (result.last_epoch.accuracy, result.last_epoch.validation_loss) == (None, None)


def test_the_evaluation_agrees_with_scikit_learn(trained_digits: TrainedPackage, tmp_path: Path) -> None:
    result = evaluated(trained_digits, tmp_path)
    classifier = TabularClassifier.from_package(*read_package(trained_digits.package_dir))
    table = read_table(trained_digits.specification.dataset_path).take(list(result.held_back_rows))
    probabilities = classifier.probabilities(classifier.encoding.encode_table(table))
    actual, predicted = table.column("digit").to_numpy(), probabilities.argmax(axis=1)

    precision, recall, f1, support = metrics.precision_recall_fscore_support(actual, predicted)
    assert result.accuracy == pytest.approx(metrics.accuracy_score(actual, predicted))
    assert result.macro_f1 == pytest.approx(metrics.f1_score(actual, predicted, average="macro"))
    assert result.log_loss == pytest.approx(metrics.log_loss(actual, probabilities))
    assert [list(row) for row in result.confusion] == metrics.confusion_matrix(actual, predicted).tolist()
    assert [(report.label, report.support) for report in result.classes] == list(enumerate(support))
    assert [report.precision for report in result.classes] == pytest.approx(precision)
    assert [report.recall for report in result.classes] == pytest.approx(recall)
    assert [report.f1 for report in result.classes] == pytest.approx(f1)


def test_measures_of_classes_that_never_occur_are_zero_and_do_not_count() -> None:
    actual, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
    confusion = confusion_matrix(actual, predicted, class_count=3)

    precision, recall, f1 = precision_recall_f1(confusion)

    assert confusion.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert (precision.tolist(), recall.tolist()) == ([1.0, 0.5, 0.0], [0.5, 1.0, 0.0])
    assert f1.tolist() == pytest.approx([2 / 3, 2 / 3, 0.0])
    assert macro_f1(confusion) == pytest.approx(2 / 3)


def test_a_certain_and_wrong_answer_has_a_finite_loss() -> None:
    assert log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(36.04, abs=0.01)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"epochs": 0}, "epochs"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"held_back_fraction": 1}, "held_back_fraction"),
        ({"hidden_sizes": [64, 0]}, "hidden_sizes.1"),
        ({"optimiser": "sgd"}, "optimiser"),
        ({"seed": 2**63}, "seed"),
    ],
)
def test_a_specification_that_makes_no_sense_is_refused_with_the_field(change: dict[str, object], field: str) -> None:
    document = {"dataset_path": "data.csv", "target": "label", "output_dir": "output", **change}

    with pytest.raises(SpecificationInvalidError) as caught:
        parse_specification(TrainingSpecification, json.dumps(document).encode())

    assert caught.value.field == field


def test_a_model_is_evaluated_on_no_rows_but_those_that_its_training_held_back(
    trained_visits: TrainedPackage, tmp_path: Path
) -> None:
    record = trained_visits.result.split
    specification = EvaluationSpecification(
        dataset_path=trained_visits.specification.dataset_path,
        package_dir=trained_visits.package_dir,
        output_dir=tmp_path,
        split_digest=record.digest,
    )

    assert evaluate(specification, time.monotonic).split == record
    with pytest.raises(SplitMismatchError):
        evaluate(specification.model_copy(update={"split_seed": 1}), time.monotonic)
