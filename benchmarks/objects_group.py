"""Group `objects`: an artefact stored and read with its digest checked, against the client of the server alone."""

from __future__ import annotations

import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measurement import Measurement
from minio import Minio

from storage.models import DataClassification
from storage.objects import FolderObjectStore, ObjectStore, SealingObjectStore
from storage.objects.master_keys import LocalKeys
from storage.objects.s3 import S3Location, S3ObjectStore

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "integration"))  # the server that the tests start

_BYTES = 64 * 1024
_ROUNDS, _CALLS = 7, 40
_BAR = 1.6
_RAW_BUCKET = "raw"


def measure() -> list[Measurement]:
    """Return how many times longer storing and reading take than the client takes, interleaved; the rounds' median."""
    from seaweedfs import is_installed, seaweedfs

    if not is_installed():
        return []
    with tempfile.TemporaryDirectory(prefix="ami-bench-") as name, seaweedfs(Path(name)) as location:
        folder = FolderObjectStore(Path(name) / "objects")
        return _measure(location, folder)


def _measure(location: S3Location, folder: FolderObjectStore) -> list[Measurement]:
    stored = S3ObjectStore(location)
    sealed = SealingObjectStore(stored, LocalKeys((os.urandom(32),))).for_classification(
        DataClassification.CONFIDENTIAL
    )
    subjects = {
        "raw": _raw_cycle(location),
        "s3": _cycle(stored),
        "sealed": _cycle(sealed),
        "folder": _cycle(folder),
    }
    for cycle in subjects.values():
        _seconds(cycle)
    rounds = [{name: _seconds(cycle) for name, cycle in subjects.items()} for _ in range(_ROUNDS)]
    ratios = {name: statistics.median(each[name] / each["raw"] for each in rounds) for name in subjects}
    against = "put and get of 64 KiB by the minio client alone, on the same SeaweedFS"
    raw_milliseconds = 1_000 * statistics.median(each["raw"] for each in rounds)
    return [
        Measurement("objects.raw_client", raw_milliseconds, "ms", None, "lower", "one put and one get of 64 KiB"),
        Measurement("objects.put_and_get", ratios["s3"], "x", _BAR, "lower", against),
        Measurement("objects.sealed_put_and_get", ratios["sealed"], "x", None, "lower", against),
        Measurement("objects.folder_put_and_get", ratios["folder"], "x", None, "lower", against),
    ]


def _raw_cycle(location: S3Location) -> Callable[[bytes], None]:
    assert location.access_key is not None
    assert location.secret_key is not None
    client = Minio(
        location.endpoint,
        access_key=location.access_key.get_secret_value(),
        secret_key=location.secret_key.get_secret_value(),
        secure=False,
    )
    client.make_bucket(_RAW_BUCKET)

    def cycle(content: bytes) -> None:
        name = content[:16].hex()
        client.put_object(_RAW_BUCKET, name, io.BytesIO(content), len(content))
        response = client.get_object(_RAW_BUCKET, name)
        try:
            assert len(response.read()) == len(content)
        finally:
            response.close()
            response.release_conn()

    return cycle


def _cycle(objects: ObjectStore) -> Callable[[bytes], None]:
    def cycle(content: bytes) -> None:
        assert len(objects.read_bytes(objects.put_bytes(content).uri)) == len(content)

    return cycle


def _seconds(cycle: Callable[[bytes], None]) -> float:
    contents = [os.urandom(_BYTES) for _ in range(_CALLS)]
    started = time.perf_counter()
    for content in contents:
        cycle(content)
    return (time.perf_counter() - started) / _CALLS
