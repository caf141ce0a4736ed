"""What is observed and recorded of each change, and changes that are all or none."""

from __future__ import annotations

import pytest
from recorded_datasets import (
    ADA,
    BOB,
    OLGA,
    create,
    dataset,
    delete,
    leaves,
    observations,
    seen_by,
    update,
)
from sqlalchemy import text

from storage import Storage
from storage.errors import (
    DuplicateRecordError,
    RecordConflictError,
    RecordNotFoundError,
    StatusTransitionError,
)
from storage.identifiers import new_id
from storage.models import (
    DataClassification,
    Dataset,
    DatasetVersion,
    Mutation,
    ObservedPrincipal,
    ProcessObservation,
    RoleType,
    ValidationStatus,
)


def test_each_change_is_observed_in_its_transaction_without_its_values(storage: Storage) -> None:
    version = DatasetVersion(
        tenant_id="north",
        data_classification=DataClassification.RESTRICTED,
        dataset_id=new_id(),
        version=1,
        target="kind",
        storage_location="object://secret",
        file_format="csv",
        size_bytes=1,
        checksum="secret",
    )
    with storage.transaction() as work:
        versions = work.get_crud(DatasetVersion)
        created = versions.create(version, context=ADA)
        changed = versions.update(created, {"row_count": 7, "findings": ({"message": "secret"},)}, context=ADA)
        versions.delete(changed, context=ADA)

    first, second, third = observations(storage)
    assert [(each.mutation, each.entity_uid) for each in (first, second, third)] == [
        (mutation, version.id) for mutation in Mutation
    ]
    assert second == ProcessObservation(
        id=second.id,
        tenant_id="north",
        data_classification=DataClassification.RESTRICTED,
        owner="ada",
        acl=second.acl,
        created_at=changed.updated_at,
        updated_at=changed.updated_at,
        model_type="DatasetVersion",
        entity_uid=version.id,
        mutation=Mutation.UPDATED,
        security_context=ObservedPrincipal(user_id="ada", roles=(RoleType.MEMBER,)),
        changed_fields=("findings", "row_count"),
        graph_context={"dataset_id": str(version.dataset_id)},
        ingested_at=changed.updated_at,
    )
    assert "checksum" in first.changed_fields
    with storage.transaction() as work:
        assert work.get_crud(ProcessObservation).count({}, context=OLGA) == 0
    assert "secret" not in f"{first}{second}{third}"


def test_what_is_rolled_back_was_not_observed(storage: Storage) -> None:
    def fail_after_creating() -> None:
        with storage.transaction() as work:
            work.get_crud(Dataset).create(dataset(), context=ADA)
            raise LookupError

    with pytest.raises(LookupError):
        fail_after_creating()

    assert observations(storage) == []


def test_records_created_together_are_one_leaf_and_one_observation(storage: Storage) -> None:
    with storage.transaction() as work:
        records = work.get_crud(Dataset).bulk_create([dataset(name=f"d{n}") for n in range(100)], context=ADA)

    (leaf,) = leaves(storage, "storage.create")
    (observed,) = observations(storage)
    assert leaf["details"]["record_ids"] == [str(record.id) for record in records]
    assert (observed.entity_uid, observed.entity_count) == (records[0].id, 100)
    assert seen_by(storage, BOB) == list(records)[::-1]


def test_records_created_together_are_created_all_or_none(storage: Storage) -> None:
    kept = create(storage, dataset())

    with storage.transaction() as work, pytest.raises(DuplicateRecordError) as error:
        work.get_crud(Dataset).bulk_create([dataset(name="wine"), kept], context=ADA)
    with storage.transaction() as work:
        assert work.get_crud(Dataset).bulk_create([], context=ADA) == ()

    assert (error.value.model, error.value.constraint) == ("Dataset", "document_pkey")
    assert seen_by(storage, ADA) == [kept]


def test_a_record_is_changed_and_deleted_by_its_id_too(storage: Storage) -> None:
    record = create(storage, dataset())

    with storage.transaction() as work:
        datasets = work.get_crud(Dataset)
        changed = datasets.update(record.id, {"description": "measured twice"}, context=BOB)
        datasets.delete(record.id, context=ADA)
        with pytest.raises(RecordNotFoundError):
            datasets.update(record.id, {"description": "gone"}, context=BOB)

    assert changed.revision == 2


def test_who_deletes_what_has_changed_meanwhile_is_told(storage: Storage) -> None:
    stale = create(storage, dataset())
    changed = update(storage, stale, ADA, name="wine")

    with pytest.raises(RecordConflictError) as error:
        delete(storage, stale, ADA)

    assert error.value.expected_revision == 1
    assert seen_by(storage, ADA) == [changed]


def test_a_status_changes_along_its_lines_alone(storage: Storage) -> None:
    rejected = update(storage, create(storage, dataset()), ADA, validation_status=ValidationStatus.REJECTED)

    with pytest.raises(StatusTransitionError) as error:
        update(storage, rejected, ADA, validation_status=ValidationStatus.VALIDATED)

    assert (error.value.state, error.value.asked_for, error.value.legal) == ("rejected", "validated", ())
    assert seen_by(storage, ADA) == [rejected]


def test_observations_are_never_changed(storage: Storage) -> None:
    create(storage, dataset())
    (observed,) = observations(storage)

    for statement in ("update process_observation set body = '{}'", "delete from process_observation"):
        with storage.transaction() as work:
            with pytest.raises(Exception, match="permission denied"):
                work.connection.execute(text(statement))
            work.connection.rollback()
    assert observations(storage) == [observed]
