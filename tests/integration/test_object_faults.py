"""The object store is away, slow, cut off, killed or lying: what was stored is read, what was not is not seen."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from faulty_wire import Fault, Wire, faulty_wire

from storage.errors import ObjectCorruptError, ObjectNotFoundError, ObjectStoreUnavailableError
from storage.objects import FolderObjectStore
from storage.objects.keys import plain_uri
from storage.objects.s3 import S3Location, S3ObjectStore

MEBIBYTE = 1024 * 1024
CHILD = Path(__file__).with_name("object_child.py")


@pytest.fixture
def wire(s3_location: S3Location) -> Iterator[Wire]:
    with faulty_wire(s3_location.endpoint) as wire:
        yield wire


@pytest.fixture
def store(wire: Wire, s3_location: S3Location) -> S3ObjectStore:
    return S3ObjectStore(s3_location.model_copy(update={"endpoint": wire.endpoint, "read_seconds": 5}))


def large_file(folder: Path, content_of: str, size_bytes: int) -> tuple[Path, str]:
    """Return a file and the URI that it will have."""
    path = folder / "large.bin"
    path.write_bytes(hashlib.shake_128(content_of.encode()).digest(size_bytes))
    return path, plain_uri(hashlib.sha256(path.read_bytes()).hexdigest())


def is_visible(store: S3ObjectStore | FolderObjectStore, uri: str) -> bool:
    try:
        store.stored_size(uri)
    except ObjectNotFoundError:
        return False
    return True


def test_a_server_that_is_busy_for_a_moment_is_asked_again(store: S3ObjectStore, wire: Wire) -> None:
    wire.faults.extend([Fault("PUT", answer=503), Fault("PUT", answer=503), Fault("GET", answer=503)])

    stored = store.put_bytes(b"busy for a moment")

    assert store.read_bytes(stored.uri) == b"busy for a moment"
    assert not wire.faults


def test_a_server_that_stays_busy_is_unavailable(store: S3ObjectStore, wire: Wire) -> None:
    stored = store.put_bytes(b"busy from now on")
    wire.faults.extend([Fault("GET", answer=503)] * 40)

    with pytest.raises(ObjectStoreUnavailableError) as raised:
        store.read_bytes(stored.uri)

    assert (raised.value.endpoint, raised.value.retryable) == (wire.endpoint, True)


def test_a_server_that_never_answers_is_unavailable(wire: Wire, s3_location: S3Location) -> None:
    patience = {"endpoint": wire.endpoint, "read_seconds": 0.3}
    store = S3ObjectStore(s3_location.model_copy(update=patience))
    wire.faults.extend([Fault("PUT", hangs=threading.Event())] * 8)

    with pytest.raises(ObjectStoreUnavailableError):
        store.put_bytes(b"no answer ever")


def test_a_lost_answer_to_a_successful_put_is_no_failure(store: S3ObjectStore, wire: Wire) -> None:
    wire.faults.append(Fault("PUT", cut_after=0))

    stored = store.put_bytes(b"the answer was lost")

    assert store.read_bytes(stored.uri) == b"the answer was lost"


def test_a_read_that_is_cut_off_goes_on_where_it_was(store: S3ObjectStore, wire: Wire, tmp_path: Path) -> None:
    path, uri = large_file(tmp_path, "cut off", 6 * MEBIBYTE)
    store.put_file(path)
    wire.ranges.clear()
    wire.faults.extend([Fault("GET", cut_after=2 * MEBIBYTE), Fault("GET", cut_after=MEBIBYTE)])

    assert store.read_bytes(uri) == path.read_bytes()
    assert wire.ranges == [None, f"bytes={2 * MEBIBYTE}-", f"bytes={3 * MEBIBYTE}-"]


def test_a_fetch_that_failed_is_taken_up_by_the_next_one(store: S3ObjectStore, wire: Wire, tmp_path: Path) -> None:
    path, uri = large_file(tmp_path, "taken up", 6 * MEBIBYTE)
    store.put_file(path)
    wire.faults.extend([Fault("GET", cut_after=4 * MEBIBYTE), *[Fault("GET", answer=503)] * 40])
    with pytest.raises(ObjectStoreUnavailableError):
        store.fetch(uri, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    wire.faults.clear()
    wire.ranges.clear()

    assert store.fetch(uri, tmp_path / "copy").read_bytes() == path.read_bytes()
    assert wire.ranges == [f"bytes={4 * MEBIBYTE}-"]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["copy", "large.bin"]


@pytest.mark.parametrize("left", [b"something else", b"x" * 7 * MEBIBYTE], ids=["shorter", "longer"])
def test_what_lies_in_the_way_of_a_fetch_does_no_harm(store: S3ObjectStore, tmp_path: Path, left: bytes) -> None:
    path, uri = large_file(tmp_path, "in the way", 6 * MEBIBYTE)
    stored = store.put_file(path)
    (tmp_path / f".copy.{stored.sha256[:16]}.partial").write_bytes(left)

    assert store.fetch(uri, tmp_path / "copy").read_bytes() == path.read_bytes()


def test_wrong_bytes_on_the_way_are_seen(store: S3ObjectStore, wire: Wire, tmp_path: Path) -> None:
    stored = store.put_bytes(b"right bytes")
    wire.faults.extend([Fault("GET", flips=True)] * 2)

    with pytest.raises(ObjectCorruptError):
        store.read_bytes(stored.uri)
    with pytest.raises(ObjectCorruptError):
        store.fetch(stored.uri, tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []
    assert store.read_bytes(stored.uri) == b"right bytes"


def put_in_a_process(path: Path, settings: dict[str, object]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "STORE": json.dumps(settings)}
    return subprocess.Popen([sys.executable, CHILD, "put", path], env=environment)


def as_settings(location: S3Location) -> dict[str, object]:
    assert location.access_key is not None
    assert location.secret_key is not None
    secrets = {
        "access_key": location.access_key.get_secret_value(),
        "secret_key": location.secret_key.get_secret_value(),
    }
    return {"s3": {**location.model_dump(), **secrets}}


def test_an_upload_that_was_killed_is_not_seen_and_taken_up_by_another_process(
    store: S3ObjectStore, wire: Wire, s3_location: S3Location, tmp_path: Path
) -> None:
    path, uri = large_file(tmp_path, "killed upload", 40 * MEBIBYTE)
    third_part_begun = threading.Event()
    wire.faults.append(Fault("PUT", query="partNumber=3", hangs=third_part_begun))
    wire.requests.clear()
    location = s3_location.model_copy(update={"endpoint": wire.endpoint})
    with put_in_a_process(path, as_settings(location)) as child:
        wait_for(third_part_begun.is_set, child)
        child.kill()
    assert not is_visible(store, uri)
    assert wire.parts_sent() == [1, 2, 3]
    wire.requests.clear()

    store.put_file(path)

    assert wire.parts_sent() == [3]
    assert store.read_bytes(uri) == path.read_bytes()


def test_an_upload_that_was_killed_is_collected(wire: Wire, s3_location: S3Location, tmp_path: Path) -> None:
    path, uri = large_file(tmp_path, "killed and collected", 40 * MEBIBYTE)
    location = s3_location.model_copy(update={"endpoint": wire.endpoint, "bucket": "uploads-of-a-killed-process"})
    store, completing = S3ObjectStore(location), threading.Event()
    wire.faults.append(Fault("POST", query="uploadId=", hangs=completing))
    with put_in_a_process(path, as_settings(location)) as child:
        wait_for(completing.is_set, child)
        child.kill()

    assert store.remove_unfinished(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.remove_unfinished(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert store.remove_unfinished(datetime.now(UTC) + timedelta(hours=1)) == 0
    assert not is_visible(store, uri)
    wire.requests.clear()
    store.put_file(path)
    assert wire.parts_sent() == [1, 2, 3]


def test_a_part_that_the_server_holds_wrongly_is_sent_again(
    store: S3ObjectStore, wire: Wire, s3_location: S3Location, tmp_path: Path
) -> None:
    path, uri = large_file(tmp_path, "wrong part held", 40 * MEBIBYTE)
    client, key = store._client, f"sha256/{uri[16:18]}/{uri[18:20]}/{uri[16:]}"
    upload_id = client._create_multipart_upload(s3_location.bucket, key, {})
    client._upload_part(s3_location.bucket, key, b"planted" * MEBIBYTE, None, upload_id, 2)
    wire.requests.clear()

    store.put_file(path)

    assert wire.parts_sent() == [1, 2, 3]
    assert store.read_bytes(uri) == path.read_bytes()


def test_a_copy_into_the_folder_that_was_killed_is_not_seen_and_collected(tmp_path: Path) -> None:
    root, pipe = tmp_path / "objects", tmp_path / "pipe"
    store = FolderObjectStore(root)
    os.mkfifo(pipe)
    with put_in_a_process(pipe, {"folder": str(root)}) as child, pipe.open("wb") as writer:
        writer.write(b"half of it" * MEBIBYTE)
        writer.flush()
        wait_for(lambda: sum(item.stat().st_size for item in root.glob(".incoming-*")) > 0, child)
        child.send_signal(signal.SIGKILL)
        child.wait()

    assert list(store.list_objects()) == []
    assert store.remove_unfinished(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.remove_unfinished(datetime.now(UTC) + timedelta(hours=1)) == 1
    assert [item for item in root.rglob("*") if item.is_file()] == []


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_large_object_needs_little_memory_plain_and_sealed(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    path = tmp_path / "large.bin"
    block = os.urandom(MEBIBYTE)
    with path.open("wb") as target:
        target.writelines(index.to_bytes(4, "big") + block[4:] for index in range(256))
    in_folder: dict[str, object] = {"folder": str(tmp_path / "objects")}
    settings = in_folder if kind == "folder" else as_settings(request.getfixturevalue("s3_location"))
    environment = {**os.environ, "STORE": json.dumps({**settings, "more_bytes": 128 * MEBIBYTE})}
    command = [sys.executable, CHILD, "cycle", path]

    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)

    assert (outcome.returncode, outcome.stdout) == (0, "done\n"), outcome.stderr[-3_000:]


def wait_for(happened: object, child: subprocess.Popen[bytes]) -> None:
    assert callable(happened)
    deadline = time.monotonic() + 60
    while not happened():
        assert child.poll() is None, "the process has ended by itself"
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
