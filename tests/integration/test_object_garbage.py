"""Garbage collection, holds and verification on the real database: every row that names an object keeps it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from handlers_platform import ADA, ADMIN, STRANGER, Workshop, two_clusters
from lock_waits import lock_waits
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from terminal import typed

from handlers.artifacts import (
    Custody,
    collect_garbage,
    list_holds,
    place_hold,
    release_hold,
    rewrap_data_keys,
    verify_objects,
)
from handlers.datasets import DatasetPayload, register_dataset
from storage import SealingObjectStore, Storage
from storage.database import CUSTODIAN_ROLE, connect, connect_as_owner
from storage.errors import AccessDeniedError, RecordNotFoundError
from storage.identifiers import new_id
from storage.models import DataClassification, DatasetVersion
from storage.objects import FolderObjectStore
from storage.objects.garbage import GarbageReport, Tally
from storage.objects.holds import Hold
from storage.objects.master_keys import LocalKeys
from storage.objects.references import Need, read_references
from storage.objects.retention import RetentionPolicy, parse_retention

NOTHING = Tally()
OF_A_VERSION = 3  # its manifest, its only chunk, and its sketches


@pytest.fixture
def custody(shop: Workshop, database_url: str) -> Iterator[Custody]:
    objects = shop.services.storage.objects
    assert isinstance(objects, SealingObjectStore)
    engine = connect(database_url, pool_size=2, role=CUSTODIAN_ROLE)
    yield Custody(Storage(engine, objects), objects, LocalKeys((b"k" * 32,)))
    engine.dispose()


Sql = Callable[..., None]


@pytest.fixture
def as_owner(database_url: str) -> Iterator[Sql]:
    engine = connect_as_owner(database_url)

    def run(statement: str, **parameters: object) -> None:
        with engine.begin() as connection:
            connection.execute(text(statement), parameters)

    yield run
    engine.dispose()


def collect(custody: Custody, policy: RetentionPolicy | None = None, *, is_dry_run: bool = False) -> GarbageReport:
    """Collect with no period of grace: what nobody needs goes at once into quarantine, and next time for good."""
    grace = timedelta(seconds=-60)
    return collect_garbage(custody, policy or RetentionPolicy(), grace, is_dry_run=is_dry_run, context=ADMIN)


def counted(report: GarbageReport) -> dict[str, int]:
    needed = {need.name: tally.objects for need, tally in report.needed.items() if tally.objects}
    return needed | {verdict.name: tally.objects for verdict, tally in report.totals.items() if tally.objects}


def digest_of(version: DatasetVersion) -> str:
    """Return the digest under which the version's manifest is stored."""
    return version.storage_location.rpartition("/")[2]


def delete_versions(shop: Workshop) -> None:
    with shop.services.storage.transaction("north") as work:
        versions = work.get_crud(DatasetVersion)
        for version in versions.query({}, context=ADMIN):
            versions.delete(version, context=ADMIN)


def test_nothing_of_a_model_in_service_is_collected_even_if_its_records_are_deleted(
    shop: Workshop, custody: Custody, as_owner: Sql
) -> None:
    registered = shop.register(two_clusters())
    shop.finish_jobs()
    launched = shop.train(registered.dataset.id)
    shop.review(launched.process_instance_id, "approve")
    stored = sum(1 for _ in custody.objects.inner.list_objects())
    assert counted(collect(custody)) == {"IN_PRODUCTION": stored}

    as_owner(
        "update document set deleted_at = now() where model = 'DatasetVersion'"
    )  # the platform itself would refuse

    assert counted(collect(custody)) == {"IN_PRODUCTION": stored}
    assert verify_objects(custody, context=ADMIN).is_sound


def test_what_a_deleted_record_named_is_retained_then_put_aside_then_removed(shop: Workshop, custody: Custody) -> None:
    version = shop.register(two_clusters()).version
    shop.finish_jobs()
    assert counted(collect(custody)) == {"RECORD": OF_A_VERSION}
    delete_versions(shop)

    assert counted(collect(custody, parse_retention("DatasetVersion/internal=1"))) == {"RETENTION": OF_A_VERSION}
    assert counted(collect(custody, parse_retention("DatasetVersion/restricted=1"), is_dry_run=True)) == {
        "QUARANTINED": OF_A_VERSION
    }
    assert counted(collect(custody)) == {"QUARANTINED": OF_A_VERSION}
    assert counted(collect(custody)) == {"REMOVED": OF_A_VERSION}
    assert counted(collect(custody)) == {}
    assert not [path for path in shop.objects.rglob("*") if path.is_file()]
    assert version.storage_location


def test_what_is_registered_again_comes_back_from_quarantine(shop: Workshop, custody: Custody) -> None:
    version = shop.register(two_clusters()).version
    shop.finish_jobs()
    (listed,) = (one for one in custody.objects.inner.list_objects() if one.sha256 == digest_of(version))
    assert custody.objects.inner.quarantine(listed.sha256, listed.modified_at)

    assert counted(collect(custody)) == {"RECORD": OF_A_VERSION, "RESTORED": 1}
    assert custody.objects.read_bytes(version.storage_location)


def test_the_keys_of_a_removed_confidential_object_go_with_it(shop: Workshop, custody: Custody) -> None:
    payload = DatasetPayload(
        name="clusters",
        source_uri=shop.put("clusters.csv", two_clusters()),
        target="kind",
        data_classification=DataClassification.CONFIDENTIAL,
    )
    register_dataset(shop.services, payload, context=ADA)
    custody.objects.for_classification(DataClassification.CONFIDENTIAL).put_bytes(b"named by nobody")
    shop.finish_jobs()

    assert counted(collect(custody)) == {"RECORD": OF_A_VERSION, "QUARANTINED": 1}
    assert counted(collect(custody)) == {"RECORD": OF_A_VERSION, "REMOVED": 1}
    assert len(list(custody.objects.inner.list_data_keys())) == OF_A_VERSION
    custody.objects.inner.create_data_key("f" * 64, "0" * 16, b"of an object that never came")
    assert collect(custody).orphaned_keys == 1
    assert verify_objects(custody, context=ADMIN).is_sound


def test_a_hold_keeps_what_a_deleted_record_named_until_it_is_released(shop: Workshop, custody: Custody) -> None:
    version = shop.register(two_clusters()).version
    shop.finish_jobs()
    delete_versions(shop)
    hold = place_hold(shop.services.storage, str(version.id), "a lawsuit", context=ADMIN)
    assert counted(collect(custody)) == {"LEGAL_HOLD": OF_A_VERSION}

    release_hold(shop.services.storage, hold.hold_id, "settled", context=ADMIN)

    assert counted(collect(custody)) == {"QUARANTINED": OF_A_VERSION}
    (listed,) = list_holds(shop.services.storage, context=ADMIN)
    assert (listed.placed_by, listed.reason, listed.released_by, listed.release_reason) == (
        ADMIN.user_id,
        "a lawsuit",
        ADMIN.user_id,
        "settled",
    )


class HookedFolder(FolderObjectStore):
    """A folder with something that happens before an object is read, and something before one is removed."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.before_reading: Callable[[], object] = lambda: None
        self.before_removing: Callable[[], object] = lambda: None

    def read_bytes(self, uri: str) -> bytes:
        self.before_reading()
        return super().read_bytes(uri)

    def purge(self, sha256: str) -> None:
        self.before_removing()
        super().purge(sha256)


@pytest.fixture
def hooked(shop: Workshop, custody: Custody) -> tuple[Custody, HookedFolder]:
    folder = HookedFolder(shop.objects)
    return replace(custody, objects=SealingObjectStore(folder, custody.keys)), folder


def test_a_hold_that_is_placed_after_a_collection_read_the_holds_is_heeded(
    shop: Workshop, hooked: tuple[Custody, HookedFolder]
) -> None:
    custody, folder = hooked
    version = shop.register(two_clusters()).version
    shop.finish_jobs()
    delete_versions(shop)
    assert counted(collect(custody)) == {"QUARANTINED": OF_A_VERSION}
    shop.register(two_clusters(50))
    shop.finish_jobs()
    placed: list[Hold] = []

    def place() -> None:
        if not placed:
            placed.append(place_hold(shop.services.storage, str(version.id), "a lawsuit", context=ADMIN))

    folder.before_reading = place

    assert counted(collect(custody)) == {
        "RECORD": OF_A_VERSION,
        "LEGAL_HOLD": OF_A_VERSION,
        "RESTORED": OF_A_VERSION,
    }
    assert custody.objects.read_bytes(version.storage_location)


def test_who_places_a_hold_waits_for_the_removals_under_way_and_no_longer(
    shop: Workshop, hooked: tuple[Custody, HookedFolder]
) -> None:
    custody, folder = hooked
    version = shop.register(two_clusters()).version
    shop.finish_jobs()
    delete_versions(shop)
    assert counted(collect(custody)) == {"QUARANTINED": OF_A_VERSION}
    storage, holds = shop.services.storage, list[Hold]()
    placing = Thread(
        target=lambda: holds.append(place_hold(storage, str(version.id), "a lawsuit", context=ADMIN)), daemon=True
    )

    def place_in_vain() -> None:
        if placing.ident is None:
            placing.start()
            wait_until(lambda: waiting_locks(storage) == 1)
        assert list_holds(storage, context=ADMIN) == []

    folder.before_removing = place_in_vain

    assert counted(collect(custody)) == {"REMOVED": OF_A_VERSION}
    placing.join(20)
    assert [hold.hold_id for hold in list_holds(storage, context=ADMIN)] == [hold.hold_id for hold in holds] != []


def waiting_locks(storage: Storage) -> int:
    with storage.transaction() as work:
        return lock_waits(work.connection)


def wait_until(condition: Callable[[], bool]) -> None:
    late = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < late


def test_an_object_is_held_by_its_uri(shop: Workshop, custody: Custody) -> None:
    version = shop.register(two_clusters()).version
    shop.finish_jobs()
    delete_versions(shop)
    place_hold(shop.services.storage, version.storage_location, "a lawsuit", context=ADMIN)

    assert counted(collect(custody)) == {"LEGAL_HOLD": OF_A_VERSION}


def test_nobody_holds_or_releases_what_is_not_their_tenants(shop: Workshop) -> None:
    version = shop.register(two_clusters()).version
    storage = shop.services.storage
    hold = place_hold(storage, str(version.id), "a lawsuit", context=ADMIN)

    for subject in (str(version.id), version.storage_location, str(new_id()), "object://sha256/../x", ""):
        with pytest.raises(RecordNotFoundError):
            place_hold(storage, subject, "mine", context=STRANGER)
    with pytest.raises(RecordNotFoundError):
        release_hold(storage, hold.hold_id, "mine", context=STRANGER)
    assert list_holds(storage, context=STRANGER) == []


def test_only_administrators_look_after_objects(shop: Workshop, custody: Custody) -> None:
    storage = shop.services.storage
    acts: list[Callable[[], object]] = [
        lambda: collect_garbage(custody, RetentionPolicy(), timedelta(0), is_dry_run=True, context=ADA),
        lambda: place_hold(storage, "x", "x", context=ADA),
        lambda: release_hold(storage, new_id(), "x", context=ADA),
        lambda: list_holds(storage, context=ADA),
        lambda: verify_objects(custody, context=ADA),
        lambda: rewrap_data_keys(custody, context=ADA),
    ]
    for act in acts:
        with pytest.raises(AccessDeniedError):
            act()


def test_the_application_itself_cannot_see_what_other_tenants_name_nor_change_a_hold(shop: Workshop) -> None:
    version = shop.register(two_clusters()).version
    place_hold(shop.services.storage, str(version.id), "a lawsuit", context=ADMIN)
    statements = (
        "select * from object_references()",
        "select * from object_holds()",
        "delete from object_hold",
        "update object_hold set reason = 'none'",
    )
    for statement in statements:
        with (
            pytest.raises(ProgrammingError, match="permission denied"),
            shop.services.storage.transaction("north") as work,
        ):
            work.connection.execute(text(statement))


def test_a_running_process_keeps_what_its_variables_name_and_an_ended_one_does_not(
    shop: Workshop, custody: Custody, as_owner: Sql
) -> None:
    registered = shop.register(two_clusters())
    uri = custody.objects.put_bytes(b"an intermediate result").uri
    instance_id = registered.process_instance_id
    values = {"instance": instance_id, "scope": new_id(), "value": json.dumps({"nested": [uri]})}
    as_owner("insert into variable values (:instance, :scope, 'result', cast(:value as jsonb))", **values)

    assert counted(collect(custody)) == {"RECORD": OF_A_VERSION, "PROCESS": 1}
    as_owner("update process_instance set ended_at = now() where process_instance_id = :instance", instance=instance_id)
    assert counted(collect(custody)) == {"RECORD": OF_A_VERSION, "QUARANTINED": 1}


def test_a_table_of_a_later_revision_keeps_what_it_names(custody: Custody, as_owner: Sql) -> None:
    uris = [custody.objects.put_bytes(content).uri for content in (b"in a text", b"in an array", b"in a document")]
    as_owner("create table invented (id integer, plain text, many text[], document jsonb)")
    values = dict(zip(("plain", "many", "document"), uris, strict=True))
    as_owner(
        "insert into invented values "
        "(1, 'see ' || :plain || '.', array[:many], jsonb_build_object('a', cast(:document as text)))",
        **values,
    )

    with custody.storage.transaction() as work:
        references, _ = read_references(work.connection)

    assert {(one.uri, one.model) for one in references} == {(uri, "invented") for uri in uris}


def test_verification_names_what_is_corrupt_missing_or_cannot_be_opened(shop: Workshop, custody: Custody) -> None:
    versions = [
        register_dataset(
            shop.services,
            DatasetPayload(
                name=f"set{number}",
                source_uri=shop.put(f"{number}.csv", two_clusters(40 + number)),
                target="kind",
                data_classification=DataClassification.CONFIDENTIAL if number == 2 else DataClassification.INTERNAL,
            ),
            context=ADA,
        ).version
        for number in range(4)
    ]
    assert verify_objects(custody, context=ADMIN).is_sound
    shop.damage(versions[0].storage_location)
    shop.lose(versions[1].storage_location)
    keys = list(custody.objects.inner.list_data_keys())
    (key,) = (key for key in keys if key.sha256 == digest_of(versions[2]))
    custody.objects.inner.delete_data_key(key.sha256, key.master_key_id)

    found = verify_objects(custody, context=ADMIN)

    assert (found.objects, found.corrupt, found.missing, found.unopened) == (
        4 * OF_A_VERSION - 2,
        (digest_of(versions[0]),),
        (versions[1].storage_location,),
        (versions[2].storage_location,),
    )
    assert not found.is_sound


def test_the_command_line_collects_holds_verifies_and_rewraps(
    shop: Workshop, database_url: str, tmp_path: Path
) -> None:
    version = shop.register(two_clusters()).version
    shop.finish_jobs()
    key_file = tmp_path / "master.key"
    key_file.write_text("a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=\n")
    key_file.chmod(0o600)
    settings = {
        "LEARNING_DATABASE_URL": database_url,
        "LEARNING_HOME": str(tmp_path / "home"),
        "LEARNING_ARTIFACT_ROOT": str(shop.objects),
        "LEARNING_MASTER_KEY_FILE": str(key_file),
    }

    def call(*arguments: str) -> tuple[int, str]:
        outcome = typed(tmp_path, "artifacts", *arguments, **settings)
        return outcome.returncode, outcome.stdout + outcome.stderr

    code, answer = call("gc", "--dry-run", "--json")
    assert (code, json.loads(answer)["needed"][Need.RECORD]["objects"]) == (0, OF_A_VERSION)
    assert call("verify")[0] == 0
    assert call("rewrap") == (0, "0 rewrapped, 0 were current, 0 old ones removed\n")
    code, answer = call("hold", str(version.id), "--reason", "a lawsuit")
    # The operator's tenant is not that of the workshop.
    assert (code, answer.split(":")[0]) == (1, "RECORD_NOT_FOUND")
    shop.lose(version.storage_location)
    assert call("gc")[0] == 1
    assert call("verify")[0] == 1


def test_the_copies_of_the_audit_trails_checkpoints_are_kept_and_what_its_leaves_say_is_not(
    custody: Custody, as_owner: Sql
) -> None:
    copied, remembered = (custody.objects.put_bytes(content).uri for content in (b"a checkpoint", b"in a leaf only"))
    as_owner("insert into audit_checkpoint_copy (tree, size, uri) values ('north', 1, :uri)", uri=copied)
    as_owner(
        "insert into event (tenant_id, process_instance_id, kind, payload) "
        "values ('north', :id, 'training.epoch', jsonb_build_object('uri', cast(:uri as text)))",
        id=new_id(),
        uri=remembered,
    )

    assert counted(collect(custody)) == {"PROCESS": 1, "QUARANTINED": 1}
    assert custody.objects.read_bytes(copied) == b"a checkpoint"
