"""Records through UnifiedCRUD on a real database: tenants, access, conflicts, tombstones, hostile input."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from database_owner import as_owner
from pydantic import ValidationError
from sqlalchemy import text

from storage import ReportedError, SecurityContext, Storage
from storage.errors import (
    AccessDeniedError,
    FixedFieldError,
    RecordConflictError,
    RecordNotFoundError,
    RecordNumberError,
    RecordTextError,
    UnknownFieldError,
)
from storage.identifiers import new_id
from storage.models import ComputeProfile, DataClassification, Dataset, DatasetVersion, Experiment, RoleType


def principal(tenant_id: str, *roles: RoleType, granted: frozenset[str] = frozenset()) -> SecurityContext:
    return SecurityContext(user_id=f"user of {tenant_id}", tenant_id=tenant_id, roles=frozenset(roles), granted=granted)


MEMBER = principal("north", RoleType.MEMBER)
VIEWER = principal("north", RoleType.VIEWER)
GUEST = principal("north", RoleType.GUEST)
STRANGER = principal("south", RoleType.OWNER)


def dataset(name: str = "iris", **fields: Any) -> Dataset:
    return Dataset(**{"tenant_id": "north", "name": name, "source_uri": "file:///iris.csv", **fields})


def experiment(config: dict[str, Any]) -> Experiment:
    return Experiment(
        tenant_id="north",
        task_name="tabular-classification",
        model_name="iris",
        dataset_version_id=new_id(),
        config=config,
        compute_profile=ComputeProfile.CPU,
        owner="ada",
    )


def create(storage: Storage, record: Dataset, context: SecurityContext = MEMBER) -> Dataset:
    with storage.transaction() as work:
        return work.get_crud(Dataset).create(record, context=context)


def read(storage: Storage, record_id: UUID, context: SecurityContext = MEMBER) -> Dataset:
    with storage.transaction() as work:
        return work.get_crud(Dataset).read(record_id, context=context)


def query(
    storage: Storage, criteria: dict[str, Any], *, limit: int = 100, context: SecurityContext = MEMBER
) -> list[Dataset]:
    with storage.transaction() as work:
        return work.get_crud(Dataset).query(criteria, limit=limit, context=context)


def update(storage: Storage, record: Dataset, context: SecurityContext = MEMBER, **patch: Any) -> Dataset:
    with storage.transaction() as work:
        return work.get_crud(Dataset).update(record, patch, context=context)


def delete(storage: Storage, record: Dataset, context: SecurityContext = MEMBER) -> None:
    with storage.transaction() as work:
        work.get_crud(Dataset).delete(record, context=context)


def leaves(storage: Storage) -> int:
    with as_owner(storage) as connection:
        return int(connection.execute(text("select count(*) from audit_leaf")).scalar_one())


def restrict(storage: Storage, record: Dataset) -> Dataset:
    return update(storage, record, data_classification=DataClassification.RESTRICTED)


def test_a_record_is_read_as_it_was_created_and_as_it_was_changed(storage: Storage) -> None:
    created = create(storage, dataset(tags=("a", "Zürich \N{GRINNING FACE}"), description=r"not NUL: \u0000"))
    assert read(storage, created.id) == created

    changed = update(storage, created, description="measured twice")

    assert read(storage, created.id) == changed
    assert changed == created.model_copy(
        update={"description": "measured twice", "revision": 2, "updated_at": changed.updated_at}
    )
    assert changed.updated_at > created.updated_at


def test_a_query_returns_equal_fields_newest_first_up_to_its_limit(storage: Storage) -> None:
    first, second, other = (create(storage, dataset(name)) for name in ("iris", "iris", "wine"))

    assert query(storage, {"name": "iris"}) == [second, first]
    assert query(storage, {"name": "iris", "tags": []}, limit=1) == [second]
    assert query(storage, {"id": other.id}) == [other]
    assert query(storage, {}, limit=2) == [other, second]


def test_a_query_keeps_models_apart(storage: Storage) -> None:
    create(storage, dataset())

    with storage.transaction() as work:
        assert work.get_crud(DatasetVersion).query({}, context=MEMBER) == []


def test_another_tenant_can_neither_see_nor_touch_a_record(storage: Storage) -> None:
    record = create(storage, dataset())
    attempts: list[tuple[Callable[[], object], type[ReportedError]]] = [
        (lambda: read(storage, record.id, STRANGER), RecordNotFoundError),
        (lambda: update(storage, record, STRANGER, name="theirs"), RecordNotFoundError),
        (lambda: delete(storage, record, STRANGER), RecordNotFoundError),
        (lambda: create(storage, dataset(), STRANGER), AccessDeniedError),
        # A copy that claims to be the stranger's finds no row of that tenant.
        (lambda: update(storage, record.model_copy(update={"tenant_id": "south"}), STRANGER), RecordConflictError),
        (lambda: delete(storage, record.model_copy(update={"tenant_id": "south"}), STRANGER), RecordNotFoundError),
    ]

    for attempt, error in attempts:
        with pytest.raises(error):
            attempt()
    assert query(storage, {"tenant_id": "north"}, context=STRANGER) == []
    assert read(storage, record.id) == record
    assert leaves(storage) == 1 + 3  # the record's, and one for each denial


def test_a_viewer_reads_and_changes_nothing(storage: Storage) -> None:
    record = create(storage, dataset())

    assert read(storage, record.id, VIEWER) == record
    for attempt in (
        lambda: create(storage, dataset(), VIEWER),
        lambda: update(storage, record, VIEWER, name="theirs"),
        lambda: delete(storage, record, VIEWER),
    ):
        with pytest.raises(AccessDeniedError):
            attempt()


def test_a_guest_finds_only_what_is_public(storage: Storage) -> None:
    internal = create(storage, dataset())
    public = create(storage, dataset(data_classification=DataClassification.PUBLIC))

    assert query(storage, {}, context=GUEST) == [public]
    with pytest.raises(RecordNotFoundError):
        read(storage, internal.id, GUEST)


def test_a_restricted_record_is_there_for_those_who_hold_its_grant(storage: Storage) -> None:
    record = restrict(storage, create(storage, dataset()))
    holder = principal("north", RoleType.MEMBER, granted=frozenset({str(record.id)}))

    assert query(storage, {}, context=holder) == [read(storage, record.id, holder)] == [record]
    assert query(storage, {}) == []
    with pytest.raises(RecordNotFoundError):
        read(storage, record.id)


def test_records_that_may_not_be_read_do_not_use_up_the_limit(storage: Storage) -> None:
    readable = create(storage, dataset())
    restrict(storage, create(storage, dataset()))

    assert query(storage, {"name": "iris"}, limit=1) == [readable]


def test_of_two_writers_who_read_the_same_revision_the_second_is_told(storage: Storage) -> None:
    stale = create(storage, dataset())
    changed = update(storage, stale, name="first")

    with pytest.raises(RecordConflictError) as conflict:
        update(storage, stale, name="second")

    expected = {"model": "Dataset", "record_id": str(stale.id), "expected_revision": 1}
    assert (vars(conflict.value), conflict.value.retryable) == (expected, True)
    assert read(storage, stale.id) == changed


def test_of_writers_at_the_same_moment_exactly_one_succeeds(storage: Storage) -> None:
    record, start = create(storage, dataset()), threading.Barrier(4)

    def write(name: str) -> Dataset | None:
        start.wait()
        try:
            return update(storage, record, name=name)
        except RecordConflictError:
            return None

    with ThreadPoolExecutor(4) as threads:
        written = [changed for changed in threads.map(write, "abcd") if changed is not None]

    assert written == [read(storage, record.id)]
    assert leaves(storage) == 2


def test_a_deleted_record_is_gone_for_every_call_and_kept_for_the_record(storage: Storage) -> None:
    record = create(storage, dataset())
    delete(storage, record)

    assert query(storage, {}) == []
    for attempt, error in (
        (lambda: read(storage, record.id), RecordNotFoundError),
        (lambda: update(storage, record, name="back"), RecordConflictError),
        (lambda: delete(storage, record), RecordNotFoundError),
    ):
        with pytest.raises(error):
            attempt()
    with as_owner(storage) as connection:
        tombstones = connection.execute(text("select id, deleted_at is not null from document")).all()
    assert [tuple(row) for row in tombstones] == [(record.id, True)]


@pytest.mark.parametrize("field", ["nmae", "revision; drop table document", ""])
def test_a_field_that_the_model_does_not_have_is_named(storage: Storage, field: str) -> None:
    record = create(storage, dataset())

    for attempt in (lambda: query(storage, {field: 1}), lambda: update(storage, record, MEMBER, **{field: 1})):
        with pytest.raises(UnknownFieldError) as error:
            attempt()
        assert (error.value.model, error.value.field) == ("Dataset", field)


@pytest.mark.parametrize("field", ["id", "tenant_id", "created_at", "revision"])
def test_a_patch_cannot_turn_a_record_into_another(storage: Storage, field: str) -> None:
    record, other = create(storage, dataset()), create(storage, dataset("wine"))

    with pytest.raises(FixedFieldError) as error:
        update(storage, record, **{field: getattr(other, field)})

    assert (error.value.model, error.value.field) == ("Dataset", field)
    assert query(storage, {}) == [other, record]


def test_a_patch_that_breaks_the_model_changes_nothing(storage: Storage) -> None:
    record = create(storage, dataset())

    with pytest.raises(ValidationError):
        update(storage, record, name=None)

    assert read(storage, record.id) == record


@pytest.mark.parametrize(
    "value", ["' or '1'='1", "'; drop table document; --", "\"}' or true --", "%", "\\", ":name", "{}", "$1"]
)
def test_sql_in_a_value_is_only_text(storage: Storage, value: str) -> None:
    create(storage, dataset())
    named = create(storage, dataset(value))

    assert query(storage, {"name": value}) == [named]


@pytest.mark.parametrize(
    ("config", "error"),
    [
        ({"note": "a\0b"}, RecordTextError),
        ({"note": "\ud800"}, RecordTextError),
        ({"learning_rate": float("nan")}, RecordNumberError),
        ({"learning_rate": float("inf")}, RecordNumberError),
    ],
)
def test_a_value_that_the_database_cannot_hold_has_its_own_error(
    storage: Storage, config: dict[str, Any], error: type[ReportedError]
) -> None:
    with pytest.raises(error), storage.transaction() as work:
        work.get_crud(Experiment).create(experiment(config), context=MEMBER)
    with pytest.raises(error), storage.transaction() as work:
        work.get_crud(Experiment).query({"config": config}, context=MEMBER)
    with storage.transaction() as work:
        stored = work.get_crud(Experiment).create(experiment({}), context=MEMBER)
    with pytest.raises(error), storage.transaction() as work:
        work.get_crud(Experiment).update(stored, {"config": config}, context=MEMBER)

    with storage.transaction() as work:
        assert work.get_crud(Experiment).query({}, context=MEMBER) == [stored]
    assert leaves(storage) == 1


def test_whole_numbers_of_any_size_are_kept_exactly(storage: Storage) -> None:
    with storage.transaction() as work:
        stored = work.get_crud(Experiment).create(experiment({"seed": 2**63 - 1, "huge": -(10**40)}), context=MEMBER)

    with storage.transaction() as work:
        assert work.get_crud(Experiment).read(stored.id, context=MEMBER) == stored


def test_what_one_transaction_did_is_undone_together(storage: Storage) -> None:
    kept = create(storage, dataset())

    def fail_after_writing() -> None:
        with storage.transaction() as work:
            records = work.get_crud(Dataset)
            records.create(dataset("wine"), context=MEMBER)
            records.update(kept, {"name": "changed"}, context=MEMBER)
            raise LookupError

    with pytest.raises(LookupError):
        fail_after_writing()

    assert query(storage, {}) == [kept]
    assert leaves(storage) == 1


def test_a_name_is_locked_until_the_transaction_ends(storage: Storage) -> None:
    order: list[str] = []
    locked, second_asks = threading.Event(), threading.Event()

    def second() -> None:
        locked.wait()
        with storage.transaction() as work:
            second_asks.set()
            work.lock("iris")
            order.append("second")

    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(second)
        with storage.transaction() as work:
            work.lock("iris")
            locked.set()
            second_asks.wait()
            order.append("first")
        done.result()

    assert order == ["first", "second"]


def test_the_transactions_time_is_aware_and_stands_still(storage: Storage) -> None:
    with storage.transaction() as work:
        assert work.now is work.now
        assert work.now.tzinfo is not None
