"""Objects that are about to be collected: out of sight, and back where somebody needs them."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import pytest
from objects_under_test import (
    MEBIBYTE,
    StoreUnderTest,
    large_file,
    modified_at,
)

from storage.errors import (
    ObjectNotFoundError,
)
from storage.objects import FolderObjectStore
from storage.objects.s3 import S3Location, S3ObjectStore


def test_an_object_in_quarantine_is_seen_by_no_reader_until_it_is_restored(tested: StoreUnderTest) -> None:
    stored = tested.store.put_bytes(b"collected too early")
    seen_at = modified_at(tested.store, stored)

    assert [tested.store.quarantine(stored.sha256, seen_at) for _ in range(2)] == [True, False]
    with pytest.raises(ObjectNotFoundError):
        tested.store.read_bytes(stored.uri)
    assert stored.sha256 in {listed.sha256 for listed in tested.store.list_quarantined()}
    tested.store.restore(stored.sha256)
    tested.store.restore(stored.sha256)

    assert tested.store.read_bytes(stored.uri) == b"collected too early"
    assert stored.sha256 not in {listed.sha256 for listed in tested.store.list_quarantined()}


def test_an_object_stored_again_while_it_is_in_quarantine_survives_its_removal(tested: StoreUnderTest) -> None:
    stored = tested.store.put_bytes(b"wanted again")
    tested.store.quarantine(stored.sha256, modified_at(tested.store, stored))
    tested.store.put_bytes(b"wanted again")
    tested.store.purge(stored.sha256)

    assert tested.store.read_bytes(stored.uri) == b"wanted again"
    assert stored.sha256 not in {listed.sha256 for listed in tested.store.list_quarantined()}


@pytest.mark.parametrize("size_bytes", [3, 17 * MEBIBYTE])
def test_an_object_that_was_stored_again_since_it_was_judged_is_not_collected(
    tested: StoreUnderTest, tmp_path: Path, size_bytes: int
) -> None:
    path = large_file(tmp_path, "about to be collected", size_bytes)
    stored = tested.store.put_file(path)
    judged_at = modified_at(tested.store, stored)
    late = time.monotonic() + 20
    while modified_at(tested.store, stored) == judged_at:  # the server's clock ticks in seconds
        assert tested.store.put_file(path) == stored
        assert time.monotonic() < late

    assert not tested.store.quarantine(stored.sha256, judged_at)
    assert tested.store.fetch(stored.uri, tmp_path / "fetched").read_bytes() == path.read_bytes()
    assert stored.sha256 not in {listed.sha256 for listed in tested.store.list_quarantined()}
    assert tested.store.quarantine(stored.sha256, modified_at(tested.store, stored))


def test_an_object_that_is_stored_again_in_the_moment_of_its_quarantine_is_there_for_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FolderObjectStore(tmp_path)
    stored = store.put_bytes(b"wanted in that moment")
    seen_at = modified_at(store, stored)
    replace = Path.replace

    def replace_late(path: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "replace", replace)
        assert store.put_bytes(b"wanted in that moment") == stored
        return path.replace(target)

    monkeypatch.setattr(Path, "replace", replace_late)

    assert not store.quarantine(stored.sha256, seen_at)
    assert store.read_bytes(stored.uri) == b"wanted in that moment"
    assert list(store.list_quarantined()) == []
    assert store.quarantine(stored.sha256, modified_at(store, stored))


class _StoredAgainWhileItIsMoved(S3ObjectStore):
    """A store whose server copies for so long that somebody stores the same bytes again meanwhile."""

    content = b""

    def _modified_at(self, key: str) -> datetime | None:
        found, content = super()._modified_at(key), self.content
        self.content = b""
        late = time.monotonic() + 20
        while content and super()._modified_at(key) == found:  # the server's clock ticks in seconds
            self.put_bytes(content)
            assert time.monotonic() < late
        return found


def test_an_object_that_is_stored_again_while_a_server_copies_it_into_quarantine_stays(
    s3_location: S3Location,
) -> None:
    store = _StoredAgainWhileItIsMoved(s3_location)
    stored = store.put_bytes(b"stored again while it is copied")
    seen_at = modified_at(store, stored)
    store.content = b"stored again while it is copied"

    assert not store.quarantine(stored.sha256, seen_at)

    assert store.read_bytes(stored.uri) == b"stored again while it is copied"
    assert stored.sha256 not in {listed.sha256 for listed in store.list_quarantined()}
