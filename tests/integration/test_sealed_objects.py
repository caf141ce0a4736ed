"""Confidential objects are encrypted where they lie, opened by whoever has the master key, and by nobody else."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from storage.errors import (
    MasterKeyMissingError,
    ObjectCorruptError,
    ObjectNotFoundError,
    ObjectStoreUnavailableError,
    ObjectUnsealableError,
    SealBrokenError,
)
from storage.models import DataClassification
from storage.objects import FolderObjectStore, SealingObjectStore, object_key, stored_digest_of
from storage.objects.addressed import AddressedObjects
from storage.objects.envelope import SEALED_CHUNK_BYTES
from storage.objects.keys import data_keys_prefix, quarantine_key, sealed_uri
from storage.objects.master_keys import LocalKeys, make_master_key_file, read_master_keys
from storage.objects.s3 import S3Location, S3ObjectStore
from storage.objects.sealing import Rewrapping, rewrap

CONTENT = hashlib.shake_128(b"confidential").digest(300_000)
OLD, NEW, FOREIGN = LocalKeys((b"o" * 32,)), LocalKeys((b"n" * 32, b"o" * 32)), LocalKeys((b"f" * 32,))


@pytest.fixture(params=["folder", "s3"])
def inner(request: pytest.FixtureRequest, tmp_path: Path) -> AddressedObjects:
    if request.param == "folder":
        return FolderObjectStore(tmp_path / "objects")
    location: S3Location = request.getfixturevalue("s3_location")
    return S3ObjectStore(location)


@pytest.fixture
def folder(tmp_path: Path) -> FolderObjectStore:
    return FolderObjectStore(tmp_path / "objects")


def sealing(inner: AddressedObjects, keys: LocalKeys | None = OLD) -> SealingObjectStore:
    return SealingObjectStore(inner, keys).for_classification(DataClassification.CONFIDENTIAL)


def test_a_sealed_object_is_read_as_it_was_stored_in_every_way(inner: AddressedObjects, tmp_path: Path) -> None:
    path = tmp_path / "secret.bin"
    path.write_bytes(CONTENT)

    for stored in (sealing(inner).put_bytes(CONTENT), sealing(inner).put_file(path)):
        objects = SealingObjectStore(inner, OLD)
        assert (stored.sha256, stored.size_bytes) == (hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
        assert objects.read_bytes(stored.uri) == b"".join(objects.stream(stored.uri)) == CONTENT
        assert objects.fetch(stored.uri, tmp_path / "copy").read_bytes() == CONTENT
        for start, size in ((0, 1), (65_535, 2), (65_536, 65_536), (299_999, 10), (0, 300_000), (300_000, 1)):
            assert objects.ranges(stored.uri).read(start, size) == CONTENT[start : start + size]
    assert sorted(item.name for item in tmp_path.iterdir() if item.is_file()) == ["copy", "secret.bin"]


def test_what_lies_in_the_store_tells_neither_the_content_nor_that_two_are_equal(tmp_path: Path) -> None:
    objects = sealing(FolderObjectStore(tmp_path))
    secret = b"a recognisable secret" * 1_000

    first, second = objects.put_bytes(secret), objects.put_bytes(secret)

    assert first.uri != second.uri
    assert first.sha256 == second.sha256
    lying = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(lying) == 4  # each object and its wrapped key
    assert not [path for path, content in lying.items() if b"recognisable" in content or first.sha256 in str(path)]


@pytest.mark.parametrize("classification", DataClassification)
def test_what_is_confidential_or_above_is_sealed(folder: FolderObjectStore, classification: DataClassification) -> None:
    stored = SealingObjectStore(folder, OLD).for_classification(classification).put_bytes(b"content")

    is_encrypted = folder.read_bytes(stored.uri) != b"content"
    assert is_encrypted is (classification in {DataClassification.CONFIDENTIAL, DataClassification.RESTRICTED})


def test_without_master_keys_nothing_is_sealed_or_opened(folder: FolderObjectStore) -> None:
    stored = sealing(folder).put_bytes(b"content")
    plain = SealingObjectStore(folder, None)

    with pytest.raises(MasterKeyMissingError):
        plain.for_classification(DataClassification.RESTRICTED)
    with pytest.raises(MasterKeyMissingError):
        plain.read_bytes(stored.uri)
    assert plain.read_bytes(plain.put_bytes(b"public").uri) == b"public"


def test_foreign_master_keys_open_nothing_and_say_so(inner: AddressedObjects, tmp_path: Path) -> None:
    stored = sealing(inner).put_bytes(b"not for strangers")
    foreign = SealingObjectStore(inner, FOREIGN)

    for read in (foreign.read_bytes, foreign.ranges, lambda uri: foreign.fetch(uri, tmp_path / "copy")):
        with pytest.raises(ObjectUnsealableError) as raised:
            read(stored.uri)
        assert raised.value.uri == stored.uri
    assert not (tmp_path / "copy").exists()


def test_a_sealed_object_that_is_not_there_is_not_found(inner: AddressedObjects) -> None:
    with pytest.raises(ObjectNotFoundError):
        SealingObjectStore(inner, OLD).read_bytes(sealed_uri("0" * 64))


def damage(tmp_path: Path, key: str, position: int) -> None:
    path = tmp_path / "objects" / key
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


def test_changed_bytes_of_a_sealed_object_are_refused_by_every_read(folder: FolderObjectStore, tmp_path: Path) -> None:
    stored = sealing(folder).put_bytes(CONTENT)
    damage(tmp_path, object_key(stored_digest_of(stored.uri)), SEALED_CHUNK_BYTES * 2)
    objects = SealingObjectStore(folder, OLD)

    with pytest.raises(ObjectCorruptError):
        objects.read_bytes(stored.uri)
    with pytest.raises(ObjectCorruptError):
        objects.fetch(stored.uri, tmp_path / "copy")
    ranges = objects.ranges(stored.uri)
    with pytest.raises(SealBrokenError):
        ranges.read(120_000, 20_000)
    assert ranges.read(0, 65_536) == CONTENT[:65_536]
    assert not (tmp_path / "copy").exists()


def test_an_object_in_the_place_of_another_is_refused(folder: FolderObjectStore, tmp_path: Path) -> None:
    one, other = sealing(folder).put_bytes(b"one"), sealing(folder).put_bytes(b"two")
    root = tmp_path / "objects"
    ours, theirs = stored_digest_of(one.uri), stored_digest_of(other.uri)
    for mine, its in (
        (root / object_key(ours), root / object_key(theirs)),
        (root / data_keys_prefix(ours) / OLD.key_ids[0], root / data_keys_prefix(theirs) / OLD.key_ids[0]),
    ):
        mine.unlink()
        mine.write_bytes(its.read_bytes())

    with pytest.raises(ObjectCorruptError):
        SealingObjectStore(folder, OLD).read_bytes(one.uri)


def test_a_changed_data_key_opens_nothing(folder: FolderObjectStore, tmp_path: Path) -> None:
    stored = sealing(folder).put_bytes(b"content")
    damage(tmp_path, data_keys_prefix(stored_digest_of(stored.uri)) + OLD.key_ids[0], 20)

    with pytest.raises(SealBrokenError) as raised:
        SealingObjectStore(folder, OLD).read_bytes(stored.uri)

    assert raised.value.reason == "its data key was changed"


def test_removing_what_an_interrupted_move_left_in_quarantine_keeps_the_key_of_the_object(tmp_path: Path) -> None:
    folder = FolderObjectStore(tmp_path)
    stored = sealing(folder).put_bytes(b"in both places")
    digest = stored_digest_of(stored.uri)
    copy = tmp_path / quarantine_key(digest)
    copy.parent.mkdir(parents=True)
    copy.write_bytes((tmp_path / object_key(digest)).read_bytes())

    folder.purge(digest)

    assert not copy.exists()
    assert SealingObjectStore(folder, OLD).read_bytes(stored.uri) == b"in both places"


def test_a_new_master_key_takes_over_without_an_object_being_rewritten(tmp_path: Path) -> None:
    folder = FolderObjectStore(tmp_path)
    stored = [sealing(folder).put_bytes(content) for content in (b"one", b"two")]
    lying = {path: path.stat().st_mtime_ns for path in (tmp_path / "sha256").rglob("*")}

    assert rewrap(folder, NEW) == Rewrapping(current=0, rewrapped=2, removed=2, unopened=())
    assert rewrap(folder, NEW) == Rewrapping(current=2, rewrapped=0, removed=0, unopened=())

    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "sha256").rglob("*")} == lying
    new_alone = SealingObjectStore(folder, LocalKeys((b"n" * 32,)))
    assert [new_alone.read_bytes(item.uri) for item in stored] == [b"one", b"two"]
    with pytest.raises(ObjectUnsealableError):
        SealingObjectStore(folder, OLD).read_bytes(stored[0].uri)


def test_a_takeover_leaves_alone_what_it_cannot_open(inner: AddressedObjects) -> None:
    theirs = sealing(inner, FOREIGN).put_bytes(b"sealed by somebody else")

    done = rewrap(inner, NEW)

    assert stored_digest_of(theirs.uri) in done.unopened
    assert SealingObjectStore(inner, FOREIGN).read_bytes(theirs.uri) == b"sealed by somebody else"


@dataclass
class Interrupted(FolderObjectStore):
    """A folder that is away after so many changes."""

    root: Path
    left: int
    acts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__(self.root)

    def create_data_key(self, sha256: str, master_key_id: str, wrapped: bytes) -> None:
        self._count()
        super().create_data_key(sha256, master_key_id, wrapped)

    def delete_data_key(self, sha256: str, master_key_id: str) -> None:
        self._count()
        super().delete_data_key(sha256, master_key_id)

    def _count(self) -> None:
        if not self.left:
            raise ObjectStoreUnavailableError(endpoint="test", reason="gone")
        self.left -= 1


@pytest.mark.parametrize("changes", range(6))
def test_a_takeover_can_be_interrupted_anywhere_and_repeated(tmp_path: Path, changes: int) -> None:
    folder = FolderObjectStore(tmp_path)
    stored = [sealing(folder).put_bytes(content) for content in (b"1", b"2", b"3")]

    with pytest.raises(ObjectStoreUnavailableError):
        rewrap(Interrupted(tmp_path, changes), NEW)
    assert [SealingObjectStore(folder, NEW).read_bytes(item.uri) for item in stored] == [b"1", b"2", b"3"]
    rewrap(folder, NEW)

    new_alone = SealingObjectStore(folder, LocalKeys((b"n" * 32,)))
    assert [new_alone.read_bytes(item.uri) for item in stored] == [b"1", b"2", b"3"]
    assert {listed.master_key_id for listed in folder.list_data_keys()} == {NEW.key_ids[0]}


def test_a_key_file_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "home" / "master.key"

    make_master_key_file(path, b"1" * 32)
    make_master_key_file(path, b"2" * 32)

    assert read_master_keys(path).key_ids == LocalKeys((b"1" * 32,)).key_ids
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]
