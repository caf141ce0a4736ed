"""The contract of every object store, and what only the one on S3 can get wrong."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from objects_under_test import (
    MEBIBYTE,
    StoreUnderTest,
    described,
    large_file,
    replace_in_bucket,
)
from pydantic import SecretStr

from storage.errors import (
    MasterKeyMissingError,
    ObjectCorruptError,
    ObjectNotFoundError,
    ObjectRangeError,
    ObjectSourceChangedError,
    ObjectStoreUnavailableError,
    ObjectUriError,
    RecordExistsError,
)
from storage.models import DataClassification
from storage.objects import FolderObjectStore, SealingObjectStore
from storage.objects.master_keys import LocalKeys
from storage.objects.port import ByteSource
from storage.objects.s3 import S3Location, S3ObjectStore


@pytest.mark.parametrize("content", [b"", b"weights"])
def test_stored_bytes_are_named_by_their_digest_and_read_back(tested: StoreUnderTest, content: bytes) -> None:
    stored = tested.store.put_bytes(content)

    assert stored == described(content)
    assert tested.store.read_bytes(stored.uri) == content


def test_a_file_and_its_bytes_are_one_object(tested: StoreUnderTest, tmp_path: Path) -> None:
    path = tmp_path / "any name; ../../etc.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")

    assert tested.store.put_file(path) == tested.store.put_bytes(b"weights") == described(b"weights")


def test_a_file_of_several_parts_comes_back_unchanged_and_is_never_held_whole(
    tested: StoreUnderTest, tmp_path: Path
) -> None:
    original = large_file(tmp_path, "three parts", 48 * MEBIBYTE + 3)

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
    small, large = tmp_path / "small", large_file(tmp_path, "stored again", 17 * MEBIBYTE)
    small.write_bytes(b"stored again")

    for path in (small, large):
        stored = tested.store.put_file(path)
        tested.replace(stored, b"planted")
        assert tested.store.put_file(path) == stored
        with pytest.raises(ObjectCorruptError) as raised:
            tested.store.read_bytes(stored.uri)
        assert raised.value.actual == described(b"planted").sha256


def test_many_creators_of_one_object_all_succeed(tested: StoreUnderTest) -> None:
    with ThreadPoolExecutor(6) as pool:
        stored = list(pool.map(tested.store.put_bytes, [b"contended"] * 24))

    assert stored == [described(b"contended")] * 24
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
        assert facts == ("OBJECT_CORRUPT", stored.uri, stored.sha256, described(b"another model!").sha256)
    assert not (tmp_path / "model.bin").exists()


def test_an_object_that_is_not_there_is_not_found_and_leaves_no_file(tested: StoreUnderTest, tmp_path: Path) -> None:
    uri = described(b"never stored").uri

    with pytest.raises(ObjectNotFoundError) as on_read:
        tested.store.read_bytes(uri)
    with pytest.raises(ObjectNotFoundError) as on_fetch:
        tested.store.fetch(uri, tmp_path / "model.bin")

    assert (on_read.value.uri, on_fetch.value.uri) == (uri, uri)
    assert not (tmp_path / "model.bin").exists()


class OvertakenFolder(FolderObjectStore):
    """Of whose first object the second MiB is read only when somebody else has done something."""

    def __init__(self, root: Path, act: Callable[[], object]) -> None:
        super().__init__(root)
        self._acts = [act, lambda: None]

    @contextmanager
    def open_stored(self, uri: str, start: int = 0) -> Iterator[ByteSource]:
        with super().open_stored(uri, start) as source:
            yield cast("ByteSource", SimpleNamespace(read=partial(self._overtaken, source)))

    def _overtaken(self, source: ByteSource, size: int) -> bytes:
        if self._acts:
            self._acts.pop()()
        return source.read(size)


@pytest.mark.parametrize("is_sealed", [False, True])
def test_two_who_fetch_one_object_to_one_place_both_get_it_whole(tmp_path: Path, *, is_sealed: bool) -> None:
    content, found, destination = bytes(range(256)) * 12_288, list[bytes](), tmp_path / "copy"

    def fetch() -> None:
        found.append(store.fetch(uri, destination).read_bytes())

    store = SealingObjectStore(OvertakenFolder(tmp_path / "objects", fetch), LocalKeys((b"k" * 32,)), seals=is_sealed)
    uri = store.put_bytes(content).uri
    fetch()

    assert found == [content, content]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["copy"]


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


def test_a_stream_ends_with_an_error_before_the_last_chunk_of_changed_bytes(
    tested: StoreUnderTest, tmp_path: Path
) -> None:
    original = large_file(tmp_path, "streamed", 3 * MEBIBYTE + 3)
    stored = tested.store.put_file(original)
    assert b"".join(tested.store.stream(stored.uri)) == original.read_bytes()
    tested.replace(stored, original.read_bytes()[:-1] + b"?")

    seen: list[bytes] = []
    with pytest.raises(ObjectCorruptError):
        seen.extend(tested.store.stream(stored.uri))

    assert sum(map(len, seen)) <= 3 * MEBIBYTE


@pytest.mark.parametrize(
    ("start", "size"),
    [(0, 0), (0, 1), (5, 10), (MEBIBYTE - 1, 2), (MEBIBYTE, MEBIBYTE), (0, 3 * MEBIBYTE + 3), (3 * MEBIBYTE, 99)],
)
def test_a_part_of_an_object_is_read_by_itself(tested: StoreUnderTest, tmp_path: Path, start: int, size: int) -> None:
    original = large_file(tmp_path, "in parts", 3 * MEBIBYTE + 3)
    stored = tested.store.put_file(original)
    ranges = tested.store.ranges(stored.uri)

    assert ranges.size_bytes == stored.size_bytes
    assert ranges.read(start, size) == original.read_bytes()[start : start + size]
    assert tested.store.ranges(stored.uri, ranges.digests).read(start, size) == ranges.read(start, size)


def test_a_part_that_was_changed_is_refused_and_the_others_are_not(tested: StoreUnderTest, tmp_path: Path) -> None:
    original = large_file(tmp_path, "one part changed", 3 * MEBIBYTE + 3)
    stored = tested.store.put_file(original)
    ranges = tested.store.ranges(stored.uri)
    changed = bytearray(original.read_bytes())
    changed[2 * MEBIBYTE] ^= 1
    tested.replace(stored, bytes(changed))

    assert ranges.read(0, 2 * MEBIBYTE) == original.read_bytes()[: 2 * MEBIBYTE]
    with pytest.raises(ObjectCorruptError):
        ranges.read(2 * MEBIBYTE - 1, 2)
    with pytest.raises(ObjectCorruptError):
        tested.store.ranges(stored.uri)


@pytest.mark.parametrize(("start", "size"), [(-1, 1), (0, -1), (8, 1)])
def test_a_part_outside_of_an_object_is_refused(tested: StoreUnderTest, start: int, size: int) -> None:
    ranges = tested.store.ranges(tested.store.put_bytes(b"content").uri)

    with pytest.raises(ObjectRangeError) as raised:
        ranges.read(start, size)

    assert (raised.value.start, raised.value.size, raised.value.size_bytes) == (start, size, 7)


def test_a_record_is_kept_under_its_name_and_never_changed(tested: StoreUnderTest) -> None:
    uri = tested.store.create_record("checkpoints/north/000000000017", b"size 17\n")

    assert uri == "object://records/checkpoints/north/000000000017"
    assert tested.store.create_record("checkpoints/north/000000000017", b"size 17\n") == uri
    with pytest.raises(RecordExistsError) as raised:
        tested.store.create_record("checkpoints/north/000000000017", b"size 16\n")
    assert raised.value.uri == uri
    assert tested.store.read_record(uri) == b"size 17\n"


def test_records_are_listed_by_the_beginning_of_their_names(tested: StoreUnderTest) -> None:
    uris = [tested.store.create_record(f"listed/{number:03}", b"x") for number in (2, 1)]
    tested.store.create_record("other", b"x")

    assert tested.store.record_uris("listed/") == sorted(uris)
    assert tested.store.record_uris("absent/") == []


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "..",
            "a/../b",
            ".a",
            "a/.b",
            "A",
            "a b",
            "a#b",
            "a%2fb",
            "a\0",
            "a\n",
            "\ud800",
        ),
        *("a/" * 6 + "a", "a" * 101),
    ],
)
def test_a_record_has_no_name_that_somebody_could_steer(tested: StoreUnderTest, name: str) -> None:
    with pytest.raises(ObjectUriError):
        tested.store.create_record(name, b"x")
    with pytest.raises(ObjectUriError):
        tested.store.read_record(f"object://records/{name}")


def test_a_record_that_is_not_there_is_not_found(tested: StoreUnderTest) -> None:
    with pytest.raises(ObjectNotFoundError):
        tested.store.read_record("object://records/never/written")


def test_a_store_without_keys_takes_nothing_confidential(tested: StoreUnderTest) -> None:
    assert tested.store.for_classification(DataClassification.INTERNAL) is tested.store
    for classification in (DataClassification.CONFIDENTIAL, DataClassification.RESTRICTED):
        with pytest.raises(MasterKeyMissingError):
            tested.store.for_classification(classification)


def test_objects_are_listed_with_their_size_and_time(tested: StoreUnderTest) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)  # the server's clock ticks in seconds
    stored = tested.store.put_bytes(b"listed")

    (listed,) = [item for item in tested.store.list_objects() if item.sha256 == stored.sha256]

    assert listed.size_bytes == 6
    assert before <= listed.modified_at <= datetime.now(UTC) + timedelta(seconds=2)


def test_the_server_refuses_to_complete_an_upload_over_an_existing_object(
    s3_store: S3ObjectStore, tmp_path: Path
) -> None:
    path = large_file(tmp_path, "completed twice", 17 * MEBIBYTE)
    stored = s3_store.put_file(path)
    replace_in_bucket(s3_store, stored, b"planted")

    with path.open("rb") as source:
        s3_store._upload(stored, source)

    with pytest.raises(ObjectCorruptError) as raised:
        s3_store.read_bytes(stored.uri)
    assert raised.value.actual == described(b"planted").sha256


def test_a_file_that_changes_while_it_is_sent_is_not_stored(s3_store: S3ObjectStore, tmp_path: Path) -> None:
    path = large_file(tmp_path, "changed meanwhile", 17 * MEBIBYTE)
    hashed_before_the_change = described(b"x" * 17 * MEBIBYTE)

    with path.open("rb") as source, pytest.raises(ObjectSourceChangedError) as raised:
        s3_store._upload(hashed_before_the_change, source)

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
