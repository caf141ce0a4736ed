"""Objects in a local folder: `sha256/aa/bb/<digest>`, read by the files' owner only, written by nobody."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from storage.errors import ObjectNotFoundError, ObjectStoreUnavailableError
from storage.objects.addressed import AddressedObjects, ListedKey
from storage.objects.keys import object_key, plain_uri
from storage.objects.port import ByteSource, StoredObject
from storage.objects.verified import copy_hashed, sync_folder

_INCOMING = ".incoming-"
_ATTEMPTS = 3


class FolderObjectStore(AddressedObjects):
    """An `ObjectStore` in a local folder; one chunk of a file is in memory at a time."""

    def __init__(self, root: Path) -> None:
        """Make the folder where there is none.

        Raises:
            ObjectStoreUnavailableError: It cannot be made.
        """
        self._root = root
        self._durable: set[Path] = set()
        with _translated(self._root):
            root.mkdir(parents=True, exist_ok=True)

    def put_file(self, path: Path) -> StoredObject:
        """See `ObjectStore.put_file`."""
        with path.open("rb") as source:
            return self._put(source)

    def put_bytes(self, content: bytes) -> StoredObject:
        """See `ObjectStore.put_bytes`."""
        return self._put(io.BytesIO(content))

    def remove_unfinished(self, before: datetime) -> int:
        """See `ObjectHousekeeping.remove_unfinished`."""
        removed = 0
        with _translated(self._root):
            for path in self._root.glob(f"{_INCOMING}*"):
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime < before.timestamp():
                        path.unlink()
                        removed += 1
        return removed

    @contextlib.contextmanager
    def _open(self, uri: str, key: str, start: int = 0) -> Iterator[ByteSource]:
        path = self._existing(uri, key)
        with _translated(self._root):
            try:
                source = path.open("rb")
            except FileNotFoundError as error:
                raise ObjectNotFoundError(uri=uri) from error
            source.seek(start)
        with source:
            yield _TranslatedSource(self._root, source)

    def _size(self, uri: str, key: str) -> int:
        with _translated(self._root):
            return self._existing(uri, key).stat().st_size

    def _existing(self, uri: str, key: str) -> Path:
        path = self._root / key
        with _translated(self._root):
            # Asked before it is opened, because opening a pipe would wait for a writer.
            if not path.is_file():
                raise ObjectNotFoundError(uri=uri)
        return path

    def _put(self, source: IO[bytes]) -> StoredObject:
        with _translated(self._root), self._incoming() as (incoming, target):
            digest, size_bytes = copy_hashed(source, target)
            self._publish(incoming, target, self._root / object_key(digest))
        return StoredObject(uri=plain_uri(digest), sha256=digest, size_bytes=size_bytes)

    def _create(self, key: str, content: bytes) -> None:
        with _translated(self._root), self._incoming() as (incoming, target):
            target.write(content)
            self._publish(incoming, target, self._root / key)

    @contextlib.contextmanager
    def _incoming(self) -> Iterator[tuple[Path, IO[bytes]]]:
        handle, name = tempfile.mkstemp(dir=self._root, prefix=_INCOMING)
        incoming = Path(name)
        try:
            with os.fdopen(handle, "wb") as target:
                yield incoming, target
        finally:
            incoming.unlink(missing_ok=True)

    def _publish(self, incoming: Path, target: IO[bytes], final: Path) -> None:
        target.flush()
        os.fsync(target.fileno())
        incoming.chmod(0o400)
        if not final.parent.is_dir():
            self._durable.difference_update(final.parents)
            final.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):  # what is there may be collected in between
            if _linked(incoming, final) or _renewed(final):
                self._sync(final.parent)
                return
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))

    def _sync(self, folder: Path) -> None:
        # A row may name the object next: its name must outlive a loss of power, as its bytes do. So must the names of
        # its folders, each of which has to be seen to only once.
        sync_folder(folder)
        while folder != self._root and folder not in self._durable:
            sync_folder(folder.parent)
            self._durable.add(folder)
            folder = folder.parent

    def _list(self, folder: str) -> Iterator[ListedKey]:
        with _translated(self._root):
            for path in _files(self._root / folder):
                with contextlib.suppress(FileNotFoundError):
                    facts = path.stat()
                    key = path.relative_to(self._root).as_posix()
                    yield ListedKey(key, facts.st_size, _modified_at(facts))

    def _move(self, old: str, new: str, seen_at: datetime | None = None) -> bool:
        source, target = self._root / old, self._root / new
        with _translated(self._root), contextlib.suppress(FileNotFoundError):
            if seen_at is not None and _modified_at(source.stat()) != seen_at:
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            source.replace(target)
            # Asked of what was moved: whoever stored it again until then made it younger, and counts on finding it.
            if seen_at is not None and _modified_at(target.stat()) != seen_at:
                target.replace(source)
                return False
            os.utime(target)
            self._sync(target.parent)
            return True
        return False

    def _delete(self, key: str) -> None:
        with _translated(self._root):
            (self._root / key).unlink(missing_ok=True)


class _TranslatedSource:
    """A file of the store, of which a failing read is the store's fault and not the destination's."""

    def __init__(self, root: Path, file: IO[bytes]) -> None:
        self._root = root
        self._file = file

    def read(self, size: int, /) -> bytes:
        with _translated(self._root):
            return self._file.read(size)


def _linked(incoming: Path, final: Path) -> bool:
    """Give a finished file its name; a hard link fails where the name exists: create-only, also between processes."""
    try:
        os.link(incoming, final)
    except FileExistsError:
        return False
    return True


def _renewed(final: Path) -> bool:
    """Let a file be as young as if it had just been written; return whether it is there."""
    try:
        os.utime(final)
    except FileNotFoundError:
        return False
    return final.is_file()


def _modified_at(facts: os.stat_result) -> datetime:
    return datetime.fromtimestamp(facts.st_mtime, UTC)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder, one folder of them in memory at a time."""
    try:
        with os.scandir(folder) as entries:
            ordered = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in ordered:
        if entry.is_dir(follow_symlinks=False):
            yield from _files(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


@contextlib.contextmanager
def _translated(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ObjectStoreUnavailableError(endpoint=str(root), reason=reason) from error
