"""What is needed stays, what is not goes late, and no interleaving takes an object from a row that names it."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from storage.errors import ObjectCorruptError, ObjectNotFoundError, ReferencesUnreadableError, RetentionPolicyError
from storage.identifiers import new_id
from storage.models import DataClassification
from storage.objects import FolderObjectStore, ListedObject
from storage.objects.garbage import (
    Collection,
    GarbageReport,
    Inventory,
    Judgement,
    Removing,
    Tally,
    Verdict,
    collect,
    judge,
    take_inventory,
)
from storage.objects.keys import plain_uri, stored_digest_of
from storage.objects.references import HoldInForce, Need, Needed, Reference, needed_objects
from storage.objects.retention import RetentionPolicy, parse_retention

NOW = datetime(2026, 5, 1, tzinfo=UTC)
GRACE, DAY = timedelta(hours=24), timedelta(days=1)
NO_POLICY = RetentionPolicy()


def uri(name: str) -> str:
    return plain_uri(digest(name))


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def listed(name: str, age: timedelta) -> ListedObject:
    return ListedObject(sha256=digest(name), size_bytes=len(name), modified_at=NOW - age)


def reference(name: str, **facts: object) -> Reference:
    known = {"model": "ModelArtifact", "record_id": "r", "tenant_id": "north", "data_classification": "internal"}
    return Reference.model_validate({"uri": uri(name), **known, **facts})


def collection(*references: Reference, policy: RetentionPolicy = NO_POLICY, is_dry_run: bool = False) -> Collection:
    return Collection(references, (), policy, GRACE, NOW, is_dry_run)


def need(
    *references: Reference, holds: tuple[HoldInForce, ...] = (), policy: RetentionPolicy = NO_POLICY
) -> Need | None:
    found = needed_objects(references, holds, policy, NOW).get(digest("it"))
    return None if found is None else found.need


def hold(subject: str, tenant_id: str = "north") -> HoldInForce:
    return HoldInForce(hold_id=new_id(), tenant_id=tenant_id, subject=subject, reason="a lawsuit")


def test_who_names_an_object_needs_it() -> None:
    deleted = reference("it", deleted_at=NOW - DAY)
    a_process = Reference(uri=uri("it"), model="variable")

    assert need(reference("it")) is Need.RECORD
    assert need(reference("it", in_production=True)) is Need.IN_PRODUCTION
    assert need(a_process) is Need.PROCESS
    assert need(deleted) is None
    assert need(deleted, a_process) is Need.PROCESS
    assert need(reference("another")) is None


def test_the_strongest_reason_is_told_whichever_comes_first() -> None:
    record, production = reference("it"), reference("it", in_production=True)

    assert need(record, production) is need(production, record) is Need.IN_PRODUCTION


def test_what_was_deleted_is_needed_where_a_model_in_service_came_of_it() -> None:
    assert need(reference("it", deleted_at=NOW - DAY, in_production=True)) is Need.IN_PRODUCTION


def test_a_hold_keeps_what_a_deleted_record_of_its_tenant_names() -> None:
    deleted = reference("it", deleted_at=NOW - DAY, record_id="r")

    assert need(deleted, holds=(hold("r"),)) is Need.LEGAL_HOLD
    assert need(deleted, holds=(hold("r", "south"),)) is None
    assert need(deleted, holds=(hold("another"),)) is None
    assert need(deleted, holds=(hold(uri("it")),)) is Need.LEGAL_HOLD


def test_the_longest_rule_that_speaks_of_a_deleted_record_retains_it() -> None:
    policy = parse_retention("default=1, ModelArtifact=10,*/restricted=100 ,DatasetVersion/restricted=5")
    deleted_at = NOW

    def days(model: str, classification: DataClassification) -> int:
        return (policy.retained_until(model, classification, deleted_at) - deleted_at).days

    assert days("Experiment", DataClassification.INTERNAL) == 1
    assert days("ModelArtifact", DataClassification.INTERNAL) == 10
    assert days("ModelArtifact", DataClassification.RESTRICTED) == 100
    assert days("DatasetVersion", DataClassification.RESTRICTED) == 100


def test_records_are_retained_since_the_moment_that_lies_a_period_back_or_since_ever() -> None:
    policy = parse_retention("ModelArtifact=2,*/restricted=999999")
    since_ever = datetime(1, 1, 1, tzinfo=UTC)

    assert policy.retained_since("ModelArtifact", DataClassification.INTERNAL, NOW) == NOW - 2 * DAY
    assert policy.retained_since("ModelArtifact", DataClassification.RESTRICTED, NOW) == since_ever


def test_a_deleted_record_keeps_its_objects_until_the_policy_lets_them_go() -> None:
    policy = parse_retention("ModelArtifact=2")

    assert need(reference("it", deleted_at=NOW - DAY), policy=policy) is Need.RETENTION
    assert need(reference("it", deleted_at=NOW - 2 * DAY), policy=policy) is None


@pytest.mark.parametrize(
    "text", ["default", "default=", "=1", "default=-1", "x=1", "Model/secret=1", "default=1;x", "a=b=1"]
)
def test_what_is_no_retention_rule_is_refused(text: str) -> None:
    with pytest.raises(RetentionPolicyError) as raised:
        parse_retention(text)

    assert raised.value.rule == text


def test_what_nobody_needs_goes_by_its_age_and_by_where_it_is() -> None:
    present = [listed("needed", 9 * DAY), listed("young", DAY / 2), listed("old", 2 * DAY)]
    quarantined = [listed("waiting", DAY / 2), listed("forgotten", 2 * DAY), listed("missed", 9 * DAY)]
    inventory = Inventory({item.sha256: item for item in present}, {item.sha256: item for item in quarantined})
    needed = {digest(name): Needed(uri(name), Need.RECORD) for name in ("needed", "missed")}

    judged = judge(inventory, needed, collection())

    assert {item.sha256: item.verdict for item in judged} == {
        digest("young"): Verdict.YOUNG,
        digest("old"): Verdict.QUARANTINED,
        digest("waiting"): Verdict.WAITING,
        digest("forgotten"): Verdict.REMOVED,
        digest("missed"): Verdict.RESTORED,
    }


def test_what_is_as_old_as_the_period_of_grace_has_not_outlived_it_yet() -> None:
    second = timedelta(seconds=1)
    present = [listed("just", GRACE), listed("over", GRACE + second)]
    quarantined = [listed("just waiting", GRACE), listed("waited", GRACE + second)]
    inventory = Inventory({item.sha256: item for item in present}, {item.sha256: item for item in quarantined})

    judged = judge(inventory, {}, collection())

    assert {item.sha256: item.verdict for item in judged} == {
        digest("just"): Verdict.YOUNG,
        digest("over"): Verdict.QUARANTINED,
        digest("just waiting"): Verdict.WAITING,
        digest("waited"): Verdict.REMOVED,
    }


class Shelf:
    """Objects in memory, aged by a clock of the test's own."""

    def __init__(self) -> None:
        self.now = NOW
        self.contents: dict[str, bytes] = {}
        self.present: dict[str, datetime] = {}
        self.aside: dict[str, datetime] = {}

    def put(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self.contents[sha256] = content
        self.present[sha256] = self.now
        return plain_uri(sha256)

    def read_bytes(self, uri: str) -> bytes:
        sha256 = stored_digest_of(uri)
        if sha256 not in self.present:
            raise ObjectNotFoundError(uri=uri)
        content = self.contents[sha256]
        if content.startswith(b"corrupt"):
            raise ObjectCorruptError(uri=uri, expected=sha256, actual="")
        return content

    def list_objects(self) -> Iterator[ListedObject]:
        return iter([ListedObject(sha256=key, size_bytes=1, modified_at=at) for key, at in self.present.items()])

    def list_quarantined(self) -> Iterator[ListedObject]:
        return iter([ListedObject(sha256=key, size_bytes=1, modified_at=at) for key, at in self.aside.items()])

    def quarantine(self, sha256: str, seen_at: datetime) -> bool:
        if self.present.get(sha256) != seen_at:
            return False
        del self.present[sha256]
        self.aside[sha256] = self.now
        return True

    def restore(self, sha256: str) -> None:
        if self.aside.pop(sha256, None) is not None:
            self.present[sha256] = self.now

    def purge(self, sha256: str) -> None:
        self.aside.pop(sha256, None)

    def remove_unfinished(self, _before: datetime) -> int:
        return 0

    def read_data_key(self, sha256: str, master_key_id: str) -> bytes | None:
        raise NotImplementedError

    def create_data_key(self, sha256: str, master_key_id: str, wrapped: bytes) -> None:
        raise NotImplementedError

    def delete_data_key(self, sha256: str, master_key_id: str) -> None:
        raise NotImplementedError

    def list_data_keys(self) -> Iterator[object]:
        return iter(())


def nobody_holds() -> AbstractContextManager[tuple[HoldInForce, ...]]:
    return nullcontext(())


def run(shelf: Shelf, inventory: Inventory, going_by: Collection, removing: Removing = nobody_holds) -> GarbageReport:
    return collect(shelf, shelf, inventory, going_by, removing)  # type: ignore[arg-type]


def inventory_of(shelf: Shelf) -> Inventory:
    return Inventory(
        {item.sha256: item for item in shelf.list_objects()}, {item.sha256: item for item in shelf.list_quarantined()}
    )


def test_what_a_needed_document_names_is_needed_however_deep() -> None:
    shelf = Shelf()
    weights = shelf.put(b"weights")
    manifest = shelf.put(f'{{"weights": "{weights}"}}'.encode())
    index = shelf.put(f'["{manifest}"]'.encode())
    csv = shelf.put(f"a,b\n{shelf.put(b'named by no document')},1\n".encode())
    references = [reference("x", uri=index), reference("x", uri=csv)]
    late = NOW + 9 * DAY

    report = run(shelf, inventory_of(shelf), Collection(references, (), NO_POLICY, GRACE, late, is_dry_run=False))

    assert report.needed[Need.RECORD] == Tally(objects=4, size_bytes=4)
    unneeded = Judgement(
        sha256=hashlib.sha256(b"named by no document").hexdigest(), size_bytes=1, verdict=Verdict.QUARANTINED
    )
    assert report.judged == (unneeded,)


def test_a_manifest_in_quarantine_is_restored_before_it_is_read() -> None:
    shelf = Shelf()
    weights = shelf.put(b"weights")
    manifest = shelf.put(f'{{"weights": "{weights}"}}'.encode())
    for item in (weights, manifest):
        assert shelf.quarantine(stored_digest_of(item), NOW)
    late = NOW + 9 * DAY

    run(shelf, inventory_of(shelf), Collection([reference("x", uri=manifest)], (), NO_POLICY, GRACE, late, False))

    assert set(shelf.present) == {stored_digest_of(weights), stored_digest_of(manifest)}
    assert not shelf.aside


def test_where_a_document_cannot_be_read_nothing_is_collected() -> None:
    shelf = Shelf()
    unreadable, unneeded = shelf.put(b"corrupt manifest"), shelf.put(b"unneeded")
    late, references = NOW + 9 * DAY, [reference("x", uri=unreadable)]

    with pytest.raises(ReferencesUnreadableError) as raised:
        run(shelf, inventory_of(shelf), Collection(references, (), NO_POLICY, GRACE, late, is_dry_run=False))
    report = run(shelf, inventory_of(shelf), Collection(references, (), NO_POLICY, GRACE, late, is_dry_run=True))

    assert raised.value.uris == report.unreadable == (unreadable,)
    assert stored_digest_of(unneeded) in shelf.present


def test_a_dry_run_changes_nothing_and_says_what_a_run_would_do() -> None:
    shelf = Shelf()
    shelf.put(b"unneeded")
    missing = reference("never stored")
    late = NOW + 9 * DAY
    before = dict(shelf.present)

    dry = run(shelf, inventory_of(shelf), Collection([missing], (), NO_POLICY, GRACE, late, is_dry_run=True))
    assert (shelf.present, shelf.aside) == (before, {})
    wet = run(shelf, inventory_of(shelf), Collection([missing], (), NO_POLICY, GRACE, late, is_dry_run=False))

    assert dry == wet.model_copy(update={"is_dry_run": True})
    assert dry.missing == (missing.uri,)
    assert not shelf.present


class Held:
    """Whoever places a hold when some objects have been dealt with already."""

    def __init__(self, hold: HoldInForce, after: Callable[[], bool]) -> None:
        self._hold = hold
        self._after = after

    def __call__(self) -> AbstractContextManager[tuple[HoldInForce, ...]]:
        return nullcontext((self._hold,) if self._after() else ())


@pytest.mark.parametrize("is_aside", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_a_hold_that_is_placed_while_a_collection_runs_keeps_all_that_is_left_of_its_subject(
    seed: int, *, is_aside: bool
) -> None:
    shelf, chance = Shelf(), random.Random(seed)
    parts = [shelf.put(f"{seed} {number}".encode()) for number in range(200)]
    manifest = shelf.put(json.dumps(parts).encode())
    unneeded = [shelf.put(f"unneeded {number}".encode()) for number in range(100)]
    if is_aside:
        for item in (*parts, manifest, *unneeded):
            shelf.quarantine(stored_digest_of(item), NOW)
    late, references = NOW + 9 * DAY, [reference("x", uri=manifest, deleted_at=NOW, record_id="r")]
    left: set[str] = set()

    def is_placed() -> bool:
        moved = len(shelf.aside) if not is_aside else 301 - len(shelf.aside)
        if not left and moved > chance.randrange(300):
            left.update({*shelf.present, *shelf.aside})
        return bool(left)

    report = run(
        shelf,
        inventory_of(shelf),
        Collection(references, (), NO_POLICY, GRACE, late, is_dry_run=False),
        Held(hold("r"), is_placed),
    )

    is_followed = stored_digest_of(manifest) in left
    held = {stored_digest_of(item) for item in ((*parts, manifest) if is_followed else ())} & left
    assert held <= shelf.present.keys()
    assert report.needed[Need.LEGAL_HOLD].objects >= len(held)
    assert not shelf.present.keys() - held if left else not shelf.present


@pytest.mark.parametrize("seed", range(60))
def test_no_interleaving_takes_an_object_from_a_row_that_names_it(seed: int) -> None:
    """Writers commit within the period of grace, rows come and go, and slow collections overlap them."""
    chance, shelf = random.Random(seed), Shelf()
    contents = [b"one", b"two", b"three"]
    rows: list[str] = []
    uncommitted: list[tuple[datetime, str]] = []
    looked_at: tuple[Inventory, Collection] | None = None
    removed = 0
    for _ in range(1000):
        match chance.choice(["put", "commit", "delete", "wait", "look", "act"]):
            case "put":
                uncommitted.append((shelf.now, shelf.put(chance.choice(contents))))
            case "commit" if uncommitted:
                rows.append(uncommitted.pop(chance.randrange(len(uncommitted)))[1])
            case "delete" if rows:
                rows.pop(chance.randrange(len(rows)))
            case "wait":
                shelf.now += chance.random() * GRACE / 2
                uncommitted = [(at, name) for at, name in uncommitted if shelf.now - at < GRACE]
            case "look" if looked_at is None:
                inventory = inventory_of(shelf)
                references = [reference("x", uri=name) for name in rows]
                looked_at = inventory, Collection(references, (), NO_POLICY, GRACE, shelf.now, is_dry_run=False)
            case "act" if looked_at is not None:
                before = len(shelf.present) + len(shelf.aside)
                run(shelf, *looked_at)
                removed += before - len(shelf.present) - len(shelf.aside)
                looked_at = None
        assert [name for name in rows if stored_digest_of(name) not in shelf.present] == []
    assert removed > 0


def test_the_folder_really_removes_only_what_stayed_in_quarantine(tmp_path: Path) -> None:
    store = FolderObjectStore(tmp_path)
    kept, gone = store.put_bytes(b"kept"), store.put_bytes(b"gone")
    references = [reference("x", uri=kept.uri)]
    verdicts = []
    for days in (2, 2, 4):
        inventory = Inventory(
            {item.sha256: item for item in store.list_objects()},
            {item.sha256: item for item in store.list_quarantined()},
        )
        now = datetime.now(UTC) + timedelta(days=days) if days > 2 or not verdicts else datetime.now(UTC)
        going_by = Collection(references, (), NO_POLICY, GRACE, now, is_dry_run=False)
        report = collect(store, store, inventory, going_by, nobody_holds)
        verdicts += [(item.sha256, item.verdict) for item in report.judged]

    assert verdicts == [(gone.sha256, each) for each in (Verdict.QUARANTINED, Verdict.WAITING, Verdict.REMOVED)]
    assert store.read_bytes(kept.uri) == b"kept"
    with pytest.raises(ObjectNotFoundError):
        store.read_bytes(gone.uri)


@pytest.mark.parametrize("before", [4 * 1024 * 1024, 5 * 1024 * 1024 - 40])
def test_a_large_document_keeps_what_it_names_wherever_that_stands(tmp_path: Path, before: int) -> None:
    """As the manifest of a dataset with many columns of long names."""
    folder = FolderObjectStore(tmp_path)
    chunk, unneeded = folder.put_bytes(b"chunk"), folder.put_bytes(b"unneeded")
    large = folder.put_bytes(b"not a document " * 500_000)
    manifest = folder.put_bytes(b'{"names": "' + b"x" * before + f'", "chunks": ["{chunk.uri}"]}}'.encode())
    references = [reference("x", uri=manifest.uri), reference("x", uri=large.uri)]
    going_by = Collection(references, (), NO_POLICY, GRACE, datetime.now(UTC) + 9 * DAY, is_dry_run=False)

    report = collect(folder, folder, take_inventory(folder), going_by, nobody_holds)

    assert [judgement.sha256 for judgement in report.judged] == [unneeded.sha256]
    assert folder.read_bytes(chunk.uri) == b"chunk"
