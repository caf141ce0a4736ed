"""A folder of images as a dataset: registered from an archive, validated, known by its images, and read back."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib

import pytest
from handlers_platform import ADA, Workshop

from domain_sdk.errors import FileNotTabularError
from handlers.datasets import DatasetPayload, Registration, register_dataset
from handlers.errors import DatasetNotTrainableError
from storage.datasets.images import read_images
from storage.datasets.versions import read_manifest
from storage.models import DataClassification, Dataset, DatasetVersion, Experiment, ValidationStatus


def picture(width: int, shade: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, 4, 8, 0, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress((b"\0" + bytes([shade]) * width) * 4)
    chunks = (header, pixels, b"IEND")
    framed = (struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) for chunk in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


PETS = {
    f"pets/{kind}/{number:02}.png": picture(4 + number, shade)
    for shade, kind in enumerate(("cat", "dog"))
    for number in range(12)
}


def zipped(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, image in members.items():
            archive.writestr(name, image)
    return content.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, image in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(image)
            archive.addfile(info, io.BytesIO(image))
    return content.getvalue()


def register(
    shop: Workshop, file: str, content: bytes, classification: DataClassification = DataClassification.INTERNAL
) -> Registration:
    (shop.inbox / file).write_bytes(content)
    payload = DatasetPayload(
        name="pets",
        source_uri=(shop.inbox / file).as_uri(),
        target="label",
        data_classification=classification,
    )
    return register_dataset(shop.services, payload, context=ADA)


def test_no_table_classifier_learns_the_names_of_images(shop: Workshop) -> None:
    dataset_id = register(shop, "pets.zip", zipped(PETS)).dataset.id
    shop.finish_jobs()

    with pytest.raises(DatasetNotTrainableError) as refusal:
        shop.launch(dataset_id)
    assert vars(refusal.value) == {
        "dataset": "pets",
        "version": 1,
        "file_format": "images",
        "task_name": "tabular-classification",
    }
    assert shop.records(Experiment) == []


@pytest.mark.parametrize("classification", [DataClassification.INTERNAL, DataClassification.CONFIDENTIAL])
def test_registered_images_are_validated_and_read_back_as_they_were(
    shop: Workshop, classification: DataClassification
) -> None:
    register(shop, "pets.zip", zipped(PETS), classification)
    shop.finish_jobs()

    (version,) = shop.records(DatasetVersion)
    objects = shop.services.storage.objects
    manifest = read_manifest(objects, version.storage_location)
    assert (version.validation_status, version.row_count) == (ValidationStatus.VALIDATED, 24)
    assert version.feature_stats["class_counts"] == {"cat": 12, "dog": 12}
    assert {image.path: image.content for image in read_images(objects, manifest)} == PETS


def test_the_same_images_packed_in_another_order_are_the_same_version_and_a_changed_one_is_another(
    shop: Workshop,
) -> None:
    changed = {**PETS, "pets/dog/03.png": picture(7, 200)}
    registered = [
        register(shop, "pets.zip", zipped(PETS)),
        register(shop, "pets.tar", tarred(dict(reversed(PETS.items())))),
        register(shop, "changed.tar", tarred(changed)),
    ]

    assert [answer.version.version for answer in registered] == [1, 1, 2]
    assert len({answer.version.checksum for answer in registered}) == 2


def test_a_folder_with_anything_but_images_in_it_leaves_nothing(shop: Workshop) -> None:
    with pytest.raises(FileNotTabularError) as refusal:
        register(shop, "pets.zip", zipped({**PETS, "pets/cat/notes.txt": b"fur"}))

    assert "'pets/cat/notes.txt'" in refusal.value.reason
    assert shop.records(Dataset) == []
    assert [path for path in shop.objects.rglob("*") if path.is_file()] == []
