"""Garbage collection: what nobody needs is put aside, and removed when it was not missed for a while.

An object is published before the row that names it, and the same bytes may be stored again at any time, so nothing is
removed at first sight. An object that no row names and that is older than the period of grace goes into quarantine; one
that is needed after all comes back with the next collection; one that stayed there for another period of grace is
removed. Whatever happens between a collection's looks, no row ever loses its object, as long as rows follow their
objects within that period.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from storage.errors import (
    ObjectCorruptError,
    ObjectNotFoundError,
    ObjectUnsealableError,
    ReferencesUnreadableError,
)
from storage.objects.keys import mentioned_uris, stored_digest_of
from storage.objects.port import ListedObject, ObjectHousekeeping, ObjectReader
from storage.objects.references import HoldInForce, Need, Needed, Reference, needed_objects, strengthen
from storage.objects.retention import RetentionPolicy

_LARGEST_MANIFEST_BYTES = 4 * 1024 * 1024


class Verdict(StrEnum):
    """What becomes of an object that nobody needs, or of one in quarantine."""

    YOUNG = "kept: younger than the period of grace"
    QUARANTINED = "put into quarantine"
    WAITING = "waits in quarantine"
    RESTORED = "restored from quarantine"
    REMOVED = "removed"


class Judgement(BaseModel):
    """An object and what becomes of it."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    size_bytes: int
    verdict: Verdict


class Tally(BaseModel):
    """How many objects, and their bytes."""

    model_config = ConfigDict(frozen=True)

    objects: int = 0
    size_bytes: int = 0


class GarbageReport(BaseModel):
    """What a collection found and did; of a dry run, what it would have done.

    Attributes:
        needed: Objects that stay because somebody needs them, by the strongest reason.
        judged: All other objects, and those that came back.
        missing: URIs that rows name and that the store does not have.
        unreadable: URIs of objects that may name others and cannot be read; then nothing was collected.
        orphaned_keys: Wrapped data keys without an object that were removed.
        unfinished_uploads: Uploads that never ended and were removed.
    """

    model_config = ConfigDict(frozen=True)

    is_dry_run: bool
    needed: dict[Need, Tally]
    judged: tuple[Judgement, ...]
    missing: tuple[str, ...]
    unreadable: tuple[str, ...] = ()
    orphaned_keys: int = 0
    unfinished_uploads: int = 0

    @property
    def totals(self) -> dict[Verdict, Tally]:
        """How many objects got which verdict."""
        return {verdict: _tally(item for item in self.judged if item.verdict is verdict) for verdict in Verdict}


class Collection(NamedTuple):
    """What a collection goes by.

    Attributes:
        grace: How long objects may be unnamed, and then wait in quarantine.
    """

    references: Sequence[Reference]
    holds: Sequence[HoldInForce]
    policy: RetentionPolicy
    grace: timedelta
    now: datetime
    is_dry_run: bool


class Inventory(NamedTuple):
    """What the store has; looked at before the references are read, so that no row can come between."""

    present: dict[str, ListedObject]
    quarantined: dict[str, ListedObject]


def take_inventory(store: ObjectHousekeeping) -> Inventory:
    """Return what the store has."""
    return Inventory(
        present={listed.sha256: listed for listed in store.list_objects()},
        quarantined={listed.sha256: listed for listed in store.list_quarantined()},
    )


def collect(
    store: ObjectHousekeeping, reader: ObjectReader, inventory: Inventory, collection: Collection
) -> GarbageReport:
    """Collect garbage, or say what would be collected.

    Args:
        store: Where the objects lie.
        reader: Opens them, to see which others they name.
        inventory: Taken before the references of `collection` were read.
        collection: What to go by.

    Raises:
        ReferencesUnreadableError: An object that may name others cannot be read; nothing was collected. A dry run
            reports it instead.
    """
    needed = needed_objects(collection.references, collection.holds, collection.policy, collection.now)
    followed = _Following(store, reader, inventory, collection).follow(needed)
    if followed.unreadable and not collection.is_dry_run:
        raise ReferencesUnreadableError(uris=followed.unreadable)
    judged = judge(inventory, needed, collection)
    report = GarbageReport(
        is_dry_run=collection.is_dry_run,
        needed=_tallies(inventory, needed),
        judged=judged,
        missing=tuple(sorted(one.uri for digest, one in needed.items() if not _is_there(inventory, digest))),
        unreadable=followed.unreadable,
    )
    if collection.is_dry_run:
        return report
    _act(store, judged)
    return report.model_copy(update=_sweep(store, inventory, collection))


def judge(inventory: Inventory, needed: dict[str, Needed], collection: Collection) -> tuple[Judgement, ...]:
    """Return what becomes of each object that is not needed where it is."""
    before = collection.now - collection.grace
    verdicts: list[tuple[ListedObject, Verdict]] = []
    for digest, listed in inventory.quarantined.items():
        if digest in needed and digest not in inventory.present:
            verdicts.append((listed, Verdict.RESTORED))
        else:
            verdicts.append((listed, Verdict.REMOVED if listed.modified_at < before else Verdict.WAITING))
    for digest, listed in inventory.present.items():
        if digest not in needed:
            verdicts.append((listed, Verdict.QUARANTINED if listed.modified_at < before else Verdict.YOUNG))
    ordered = sorted(verdicts, key=lambda item: item[0].sha256)
    return tuple(
        Judgement(sha256=listed.sha256, size_bytes=listed.size_bytes, verdict=verdict) for listed, verdict in ordered
    )


class _Following:
    """Finds what needed objects name in turn; whatever is needed and in quarantine comes back to be read."""

    def __init__(
        self, store: ObjectHousekeeping, reader: ObjectReader, inventory: Inventory, collection: Collection
    ) -> None:
        self._store = store
        self._reader = reader
        self._inventory = inventory
        self._is_dry_run = collection.is_dry_run
        self._unreadable: list[str] = []

    @property
    def unreadable(self) -> tuple[str, ...]:
        return tuple(sorted(self._unreadable))

    def follow(self, needed: dict[str, Needed]) -> _Following:
        waiting = list(needed.items())
        while waiting:
            digest, (uri, need) = waiting.pop()
            news = [mentioned for mentioned in self._named_by(digest, uri) if strengthen(needed, mentioned, need)]
            waiting.extend((stored_digest_of(mentioned), Needed(mentioned, need)) for mentioned in news)
        return self

    def _named_by(self, digest: str, uri: str) -> frozenset[str]:
        listed = self._inventory.present.get(digest) or self._inventory.quarantined.get(digest)
        if listed is None or listed.size_bytes > _LARGEST_MANIFEST_BYTES:
            return frozenset()
        if digest not in self._inventory.present and not self._is_dry_run:
            self._store.restore(digest)
        try:
            content = self._reader.read_bytes(uri)
        except ObjectNotFoundError:
            return frozenset()
        except (ObjectCorruptError, ObjectUnsealableError):
            self._unreadable.append(uri)
            return frozenset()
        is_document = content.lstrip()[:1] in {b"{", b"["}
        return mentioned_uris(content.decode(errors="replace")) if is_document else frozenset()


def _act(store: ObjectHousekeeping, judged: Iterable[Judgement]) -> None:
    for judgement in judged:
        match judgement.verdict:
            case Verdict.QUARANTINED:
                store.quarantine(judgement.sha256)
            case Verdict.RESTORED:
                store.restore(judgement.sha256)
            case Verdict.REMOVED:
                store.purge(judgement.sha256)
            case Verdict.YOUNG | Verdict.WAITING:
                pass


def _sweep(store: ObjectHousekeeping, inventory: Inventory, collection: Collection) -> dict[str, int]:
    """Remove what interrupted writers left: uploads that never ended, keys whose objects never came."""
    before = collection.now - collection.grace
    orphaned = [
        listed
        for listed in store.list_data_keys()
        if not _is_there(inventory, listed.sha256) and listed.modified_at < before
    ]
    for listed in orphaned:
        store.delete_data_key(listed.sha256, listed.master_key_id)
    return {"orphaned_keys": len(orphaned), "unfinished_uploads": store.remove_unfinished(before)}


def _is_there(inventory: Inventory, digest: str) -> bool:
    return digest in inventory.present or digest in inventory.quarantined


def _tallies(inventory: Inventory, needed: dict[str, Needed]) -> dict[Need, Tally]:
    objects: Counter[Need] = Counter()
    size_bytes: Counter[Need] = Counter()
    for digest, one in needed.items():
        listed = inventory.present.get(digest) or inventory.quarantined.get(digest)
        if listed is not None:
            objects[one.need] += 1
            size_bytes[one.need] += listed.size_bytes
    return {need: Tally(objects=objects[need], size_bytes=size_bytes[need]) for need in Need}


def _tally(judged: Iterable[Judgement]) -> Tally:
    sizes = [item.size_bytes for item in judged]
    return Tally(objects=len(sizes), size_bytes=sum(sizes))
