"""Garbage collection: what nobody needs is put aside, and removed when it was not missed for a while.

An object is published before the row that names it, and the same bytes may be stored again at any time, so nothing is
removed at first sight. An object that no row names and that is older than the period of grace goes into quarantine; one
that is needed after all comes back with the next collection; one that stayed there for another period of grace is
removed. Whatever happens between a collection's looks, no row ever loses its object, as long as rows follow their
objects within that period.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain
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

_READ_WHOLE_BYTES = 4 * 1024 * 1024
_URI_BYTES = 100  # a little more than the longest URI of an object
_AT_A_TIME = 64


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


Removing = Callable[[], AbstractContextManager[Sequence[HoldInForce]]]
"""Begins a block in which nobody places a hold, and tells which are in force."""


def collect(
    store: ObjectHousekeeping,
    reader: ObjectReader,
    inventory: Inventory,
    collection: Collection,
    removing: Removing,
) -> GarbageReport:
    """Collect garbage, or say what would be collected.

    Args:
        store: Where the objects lie.
        reader: Opens them, to see which others they name.
        inventory: Taken before the references of `collection` were read.
        collection: What to go by.
        removing: Entered for a few objects at a time. A hold that was placed since is heeded, and whoever places one
            waits for those few alone.

    Raises:
        ReferencesUnreadableError: An object that may name others cannot be read; nothing was collected, unless it is
            one that was held meanwhile. A dry run reports it instead.
    """
    following = _Following(store, reader, inventory, is_dry_run=collection.is_dry_run)
    needed = following.needed(collection)
    judged = judge(inventory, needed, collection)
    if not collection.is_dry_run:
        disposal = _Disposal(store, reader, inventory, collection, needed)
        judged = disposal.dispose(judged, removing)
        needed = disposal.needed
    report = GarbageReport(
        is_dry_run=collection.is_dry_run,
        needed=_tallies(inventory, needed),
        judged=judged,
        missing=tuple(sorted(one.uri for digest, one in needed.items() if not _is_there(inventory, digest))),
        unreadable=following.unreadable,
    )
    if collection.is_dry_run:
        return report
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
        self, store: ObjectHousekeeping, reader: ObjectReader, inventory: Inventory, *, is_dry_run: bool = False
    ) -> None:
        self._store = store
        self._reader = reader
        self._inventory = inventory
        self._is_dry_run = is_dry_run
        self._unreadable: list[str] = []

    @property
    def unreadable(self) -> tuple[str, ...]:
        return tuple(sorted(self._unreadable))

    def needed(self, collection: Collection) -> dict[str, Needed]:
        needed = needed_objects(collection.references, collection.holds, collection.policy, collection.now)
        self._follow(needed)
        if self._unreadable and not self._is_dry_run:
            raise ReferencesUnreadableError(uris=self.unreadable)
        return needed

    def _follow(self, needed: dict[str, Needed]) -> None:
        waiting = list(needed.items())
        while waiting:
            digest, (uri, need) = waiting.pop()
            news = [mentioned for mentioned in self._named_by(digest, uri) if strengthen(needed, mentioned, need)]
            waiting.extend((stored_digest_of(mentioned), Needed(mentioned, need)) for mentioned in news)

    def _named_by(self, digest: str, uri: str) -> frozenset[str]:
        listed = self._inventory.present.get(digest) or self._inventory.quarantined.get(digest)
        if listed is None:
            return frozenset()
        if digest not in self._inventory.present and not self._is_dry_run:
            self._store.restore(digest)
        try:
            is_small = listed.size_bytes <= _READ_WHOLE_BYTES
            return _mentioned(iter([self._reader.read_bytes(uri)]) if is_small else self._reader.stream(uri))
        except ObjectNotFoundError:
            return frozenset()
        except (ObjectCorruptError, ObjectUnsealableError):
            self._unreadable.append(uri)
            return frozenset()


def _mentioned(chunks: Iterator[bytes]) -> frozenset[str]:
    """Return every URI in a JSON document; of what is none, however large, only the beginning is read."""
    first = next(chunks, b"")
    if first.lstrip()[:1] not in {b"{", b"["}:
        return frozenset()
    found, rest = set[str](), b""
    for chunk in chain([first], chunks):
        content = rest + chunk
        found |= mentioned_uris(content.decode(errors="replace"))
        rest = content[-_URI_BYTES:]
    return frozenset(found)


class _Disposal:
    """Does what was decided, a few objects at a time, and decides anew where a hold was placed meanwhile.

    Attributes:
        needed: Objects that somebody needs, as far as is known by now.
    """

    def __init__(
        self,
        store: ObjectHousekeeping,
        reader: ObjectReader,
        inventory: Inventory,
        collection: Collection,
        needed: dict[str, Needed],
    ) -> None:
        self._store = store
        self._reader = reader
        self._there = Inventory(dict(inventory.present), dict(inventory.quarantined))
        self._collection = collection
        self.needed = needed

    def dispose(self, judged: Sequence[Judgement], removing: Removing) -> tuple[Judgement, ...]:
        """Return what became of the objects."""
        waiting, done = deque(judged), list[Judgement]()
        while waiting:
            with removing() as holds:
                if self._heed(holds):
                    missed = {judgement.sha256: judgement for judgement in done if self._is_missed(judgement)}
                    waiting = deque([*missed.values(), *filter(self._is_still_due, waiting)])
                    done = [judgement for judgement in done if judgement.sha256 not in missed]
                done += [self._act(waiting.popleft()) for _ in range(min(len(waiting), _AT_A_TIME))]
        return tuple(sorted(done, key=lambda judgement: judgement.sha256))

    def _heed(self, holds: Sequence[HoldInForce]) -> bool:
        """Take note of the holds in force; return whether one of them is new."""
        if {hold.hold_id for hold in holds} <= {hold.hold_id for hold in self._collection.holds}:
            return False
        self._collection = self._collection._replace(holds=holds)
        self.needed = _Following(self._store, self._reader, self._there).needed(self._collection)
        return True

    def _is_missed(self, judgement: Judgement) -> bool:
        """Return whether somebody needs an object that is in quarantine alone."""
        digest = judgement.sha256
        return digest in self.needed and digest in self._there.quarantined and digest not in self._there.present

    def _is_still_due(self, judgement: Judgement) -> bool:
        """Return whether there is something to be done to an object: nothing where somebody needs it, and has it."""
        is_about_present = judgement.verdict in {Verdict.QUARANTINED, Verdict.YOUNG}
        return not (is_about_present and judgement.sha256 in self.needed)

    def _act(self, judgement: Judgement) -> Judgement:
        """Do what was decided; return what became of the object."""
        digest = judgement.sha256
        verdict = Verdict.RESTORED if self._is_missed(judgement) else judgement.verdict
        match verdict:
            case Verdict.QUARANTINED if self._store.quarantine(digest, self._there.present[digest].modified_at):
                self._there.quarantined[digest] = self._there.present.pop(digest)
            case Verdict.QUARANTINED:  # stored again since it was listed: somebody is about to name it
                verdict = Verdict.YOUNG
            case Verdict.RESTORED:
                self._store.restore(digest)
                self._there.present[digest] = self._there.quarantined.pop(digest)
            case Verdict.REMOVED:
                self._store.purge(digest)
                del self._there.quarantined[digest]
            case Verdict.YOUNG | Verdict.WAITING:
                pass
        return judgement.model_copy(update={"verdict": verdict})


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
