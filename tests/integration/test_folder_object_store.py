"""What only an object store in a local folder can meet."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from objects_under_test import (
    described,
    key,
)

from storage.errors import (
    ObjectNotFoundError,
    ObjectStoreUnavailableError,
)
from storage.objects import FolderObjectStore


def _make_pipe(path: Path) -> None:
    os.mkfifo(path)


def _make_dangling_link(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize("make", [Path.mkdir, _make_pipe, _make_dangling_link])
def test_what_is_no_file_in_an_objects_place_is_no_object(make: Callable[[Path], None], tmp_path: Path) -> None:
    root = tmp_path / "objects"
    store, missing = FolderObjectStore(root), described(b"weights")
    (root / key(missing)).parent.mkdir(parents=True)
    make(root / key(missing))

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
    store, missing = FolderObjectStore(tmp_path), described(b"weights")
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
    store, unreadable = FolderObjectStore(root), described(b"weights")
    (root / key(unreadable)).parent.mkdir(parents=True)
    (root / key(unreadable)).symlink_to("/proc/self/mem")

    with pytest.raises(ObjectStoreUnavailableError) as on_read:
        store.read_bytes(unreadable.uri)
    with pytest.raises(ObjectStoreUnavailableError) as on_fetch:
        store.fetch(unreadable.uri, tmp_path / "model.bin")

    facts = (on_read.value.endpoint, on_read.value.reason)
    assert facts == (on_fetch.value.endpoint, on_fetch.value.reason) == (str(root), os.strerror(errno.EIO))
    assert not (tmp_path / "model.bin").exists()


def test_a_stored_file_is_read_by_its_owner_only(tmp_path: Path) -> None:
    stored = FolderObjectStore(tmp_path).put_bytes(b"weights")

    assert stat.S_IMODE((tmp_path / key(stored)).stat().st_mode) == 0o400
