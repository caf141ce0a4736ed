from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from trained_package import TrainedPackage

from domain_sdk.errors import ModelPackageInvalidError
from domain_sdk.model_package import (
    MANIFEST_FILE,
    SIGNATURE_FILE,
    WEIGHTS_FILE,
    ModelPackage,
    describe_file,
    read_package,
)
from domain_sdk.tabular_classification.classifier import TabularClassifier


class Bomb:
    """Unpickling it would leave a mark."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("bomb-went-off"),))


@pytest.fixture
def package_dir(trained_visits: TrainedPackage, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_visits.package_dir, tmp_path / "package"))


def replace_file(package_dir: Path, name: str, content: bytes) -> None:
    """Put other bytes into the package and make the manifest agree with them."""
    package, _ = read_package(package_dir)
    files = {**package.files, name: describe_file(content)}
    (package_dir / name).write_bytes(content)
    (package_dir / MANIFEST_FILE).write_bytes(package.model_copy(update={"files": files}).to_bytes())


def load_classifier(package_dir: Path) -> TabularClassifier:
    return TabularClassifier.from_package(*read_package(package_dir))


def test_a_package_reads_back_as_it_was_written(trained_visits: TrainedPackage) -> None:
    package, contents = read_package(trained_visits.package_dir)

    last = trained_visits.result.last_epoch
    assert package == ModelPackage(
        framework_version=torch.__version__,
        hidden_sizes=(16,),
        class_count=2,
        seed=0,
        metrics={
            "training_loss": last.loss,
            "validation_loss": last.validation_loss,
            "validation_accuracy": last.accuracy,
        },
        files={name: describe_file(content) for name, content in contents.items()},
    )


@pytest.mark.parametrize("name", [WEIGHTS_FILE, SIGNATURE_FILE])
def test_an_altered_or_absent_file_is_refused(package_dir: Path, name: str) -> None:
    content = bytearray((package_dir / name).read_bytes())
    content[-1] ^= 1
    (package_dir / name).write_bytes(content)
    with pytest.raises(ModelPackageInvalidError) as altered:
        read_package(package_dir)

    (package_dir / name).unlink()
    with pytest.raises(ModelPackageInvalidError) as absent:
        read_package(package_dir)

    assert (altered.value.file, absent.value.file) == (name, name)


def test_a_folder_without_a_manifest_is_no_package(package_dir: Path) -> None:
    (package_dir / MANIFEST_FILE).unlink()

    with pytest.raises(ModelPackageInvalidError) as caught:
        read_package(package_dir)

    assert caught.value.file == MANIFEST_FILE


@pytest.mark.parametrize(
    "change",
    [("pytorch", "pickle"), ('"format_version":1', '"format_version":2'), (WEIGHTS_FILE, "../../weights")],
)
def test_a_manifest_of_another_format_is_refused(package_dir: Path, change: tuple[str, str]) -> None:
    manifest = (package_dir / MANIFEST_FILE).read_text()
    (package_dir / MANIFEST_FILE).write_text(manifest.replace(*change))

    with pytest.raises(ModelPackageInvalidError) as caught:
        read_package(package_dir)

    assert caught.value.file == MANIFEST_FILE


def test_a_pickle_in_place_of_the_weights_is_refused_and_not_run(
    package_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Bomb()}, tmp_path / "evil.pt")
    for content in (pickle.dumps(Bomb()), (tmp_path / "evil.pt").read_bytes()):
        replace_file(package_dir, WEIGHTS_FILE, content)

        with pytest.raises(ModelPackageInvalidError) as caught:
            load_classifier(package_dir)

        assert caught.value.file == WEIGHTS_FILE
    assert not Path("bomb-went-off").exists()


def test_weights_of_another_architecture_or_with_a_nan_are_refused(package_dir: Path) -> None:
    tensors = load((package_dir / WEIGHTS_FILE).read_bytes())
    first, *others = sorted(tensors)
    wrong = [
        {name: tensors[name] for name in others},
        {**tensors, "extra": torch.zeros(1)},
        {**tensors, first: torch.zeros(3)},
        {**tensors, first: torch.full_like(tensors[first], torch.nan)},
        {**tensors, first: tensors[first].to(torch.float64)},
    ]
    for weights in wrong:
        replace_file(package_dir, WEIGHTS_FILE, save(weights))

        with pytest.raises(ModelPackageInvalidError) as caught:
            load_classifier(package_dir)

        assert caught.value.file == WEIGHTS_FILE


def test_a_signature_that_describes_another_model_is_refused(package_dir: Path, trained_digits: TrainedPackage) -> None:
    replace_file(package_dir, SIGNATURE_FILE, (trained_digits.package_dir / SIGNATURE_FILE).read_bytes())

    with pytest.raises(ModelPackageInvalidError) as caught:
        load_classifier(package_dir)

    assert caught.value.file == SIGNATURE_FILE
