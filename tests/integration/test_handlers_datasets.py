"""Registering and validating datasets: one version for one content, and nothing left of what was rejected."""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from handlers_platform import ADA, STRANGER, VIEWER, Workshop, two_clusters
from lock_waits import lock_waits
from pyarrow import csv, ipc, parquet

from domain_sdk.errors import FileNotTabularError, FileUnreadableError, TargetColumnMissingError
from engine import InstanceStatus
from handlers.dataset_content import store_content
from handlers.datasets import (
    DatasetPayload,
    Registration,
    _register,
    find_version,
    register_dataset,
)
from handlers.errors import SourceNotAllowedError
from storage import SecurityContext
from storage.errors import AccessDeniedError, RecordNotFoundError, ReportedError
from storage.models import (
    ACLEntry,
    DataClassification,
    Dataset,
    DatasetVersion,
    Permission,
    PrincipalType,
    ValidationStatus,
)

ONE_CLASS = two_clusters(words=("same", "same"))


def put_parquet(shop: Workshop, columns: dict[str, Any]) -> str:
    path = shop.inbox / "data.parquet"
    parquet.write_table(pa.table(columns), path, store_schema=False)
    return path.as_uri()


def finding_codes(shop: Workshop, registration: Registration) -> list[str]:
    findings = shop.variables(registration.process_instance_id)["findings"]
    return [finding["code"] for finding in findings]


def test_a_good_dataset_is_measured_and_opened_for_training(shop: Workshop) -> None:
    registered = shop.register(two_clusters())
    shop.finish_jobs()

    (dataset,), (version,) = shop.records(Dataset), shop.records(DatasetVersion)
    assert (dataset.id, version.id) == (registered.dataset.id, registered.version.id)
    assert (dataset.validation_status, version.validation_status) == (ValidationStatus.VALIDATED,) * 2
    assert (version.version, version.row_count, version.findings) == (1, 40, ())
    assert version.feature_stats["class_counts"] == {"large": 20, "small": 20}
    assert dataset.schema_hash == version.feature_stats["schema_hash"]
    assert shop.instance(registered.process_instance_id).status is InstanceStatus.COMPLETED
    assert find_version(shop.services, dataset.id, None, context=ADA) == (dataset, version)


def test_the_same_content_is_the_same_version_and_starts_nothing(shop: Workshop) -> None:
    first = shop.register(two_clusters())
    waiting = shop.register(two_clusters())
    shop.finish_jobs()
    validated = shop.register(two_clusters())

    assert {answer.version.id for answer in (first, waiting, validated)} == {first.version.id}
    assert {answer.process_instance_id for answer in (first, waiting, validated)} == {first.process_instance_id}
    assert len({answer.audit_ref for answer in (first, waiting, validated)}) == 3
    assert not shop.worker.run_one()


def test_a_file_that_is_registered_again_is_not_read_again(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shop.register(two_clusters())
    monkeypatch.setattr("handlers.dataset_content.ingest_confined", None)

    assert shop.register(two_clusters()).version.id == first.version.id
    with pytest.raises(TypeError):
        shop.register(two_clusters(), target="colour")


def test_other_content_or_another_target_is_the_next_version(shop: Workshop) -> None:
    registered = [
        shop.register(two_clusters()),
        shop.register(two_clusters(rows=60)),
        shop.register(two_clusters(), target="colour"),
    ]

    assert [answer.version.version for answer in registered] == [1, 2, 3]
    assert len({answer.dataset.id for answer in registered}) == 1
    assert registered[2].version.checksum == registered[0].version.checksum


def test_the_same_rows_in_another_format_are_the_same_version_and_one_changed_cell_is_another(shop: Workshop) -> None:
    rows = csv.read_csv(shop.inbox / Path(shop.put("rows.csv", two_clusters())).name).to_pylist()
    changed = [dict(rows[0], kind="other"), *rows[1:]]
    registered = []
    for number, content in enumerate((rows, rows, changed)):
        table = pa.Table.from_pylist(content)
        path = shop.inbox / f"{number}.file"
        with ipc.new_file(path, table.schema) if number else parquet.ParquetWriter(path, table.schema) as writer:
            writer.write_table(table)
        payload = DatasetPayload(name="clusters", source_uri=path.as_uri(), target="kind")
        registered.append(register_dataset(shop.services, payload, context=ADA))

    first = shop.register(two_clusters())

    assert [answer.version.version for answer in (first, *registered)] == [1, 1, 1, 2]
    assert registered[2].version.checksum != first.version.checksum


@pytest.mark.parametrize("sizes", [(40, 40, 40), (40, 60, 80)])
def test_versions_registered_at_the_same_moment_are_numbered_without_gap_or_double(
    shop: Workshop, sizes: tuple[int, ...]
) -> None:
    start = Barrier(len(sizes))

    def register(rows: int) -> Registration:
        payload = DatasetPayload(name="clusters", source_uri=shop.put(f"{rows}.csv", two_clusters(rows)), target="kind")
        start.wait()
        return register_dataset(shop.services, payload, context=ADA)

    for rows in sizes:
        shop.put(f"{rows}.csv", two_clusters(rows))
    with ThreadPoolExecutor(len(sizes)) as threads:
        registered = list(threads.map(register, sizes))

    assert len(shop.records(Dataset)) == 1
    assert [version.version for version in shop.records(DatasetVersion)] == list(range(1, len(set(sizes)) + 1))
    assert len({answer.process_instance_id for answer in registered}) == len(set(sizes))


@pytest.mark.parametrize("name", ["draft", "draft.json", "-", "a b"])
def test_a_file_may_have_any_name(shop: Workshop, name: str) -> None:
    payload = DatasetPayload(name="clusters", source_uri=shop.put(name, two_clusters()), target="kind")

    assert register_dataset(shop.services, payload, context=ADA).version.version == 1


def test_tenants_have_datasets_of_their_own_under_one_name(shop: Workshop) -> None:
    ours, theirs = shop.register(two_clusters()), shop.register(two_clusters(), context=STRANGER)

    assert ours.dataset.id != theirs.dataset.id
    assert (ours.version.version, theirs.version.version) == (1, 1)
    with pytest.raises(RecordNotFoundError):
        find_version(shop.services, ours.dataset.id, None, context=STRANGER)


def test_what_somebody_may_not_know_of_neither_holds_them_up_nor_gets_mixed_with_theirs(shop: Workshop) -> None:
    bob = ADA.model_copy(update={"user_id": "bob"})
    secret = DataClassification.RESTRICTED

    def register(rows: int, context: SecurityContext, **facts: Any) -> tuple[UUID, int]:
        payload = DatasetPayload(
            name="clusters", source_uri=shop.put("c.csv", two_clusters(rows)), target="kind", **facts
        )
        registered = register_dataset(shop.services, payload, context=context)
        shop.finish_jobs()
        return registered.dataset.id, registered.version.version

    hers = register(40, ADA, data_classification=secret)
    his = register(50, bob)
    assert (hers[1], his[1], hers[0] == his[0]) == (1, 1, False)
    assert register(60, ADA, data_classification=secret) == (hers[0], 2)
    assert register(40, ADA, data_classification=secret) == hers

    shared = DatasetPayload(name="shared", source_uri=shop.put("s.csv", two_clusters(40)), target="kind")
    dataset_id = register_dataset(shop.services, shared, context=bob).dataset.id
    kept_back = shared.model_copy(
        update={"source_uri": shop.put("s.csv", two_clusters(60)), "data_classification": secret}
    )
    assert register_dataset(shop.services, kept_back, context=ADA).version.version == 2
    shop.put("s.csv", two_clusters(80))
    again = register_dataset(shop.services, shared, context=bob)
    assert (again.dataset.id, again.version.version) == (dataset_id, 3)


@pytest.mark.parametrize(("classification", "let_in"), [("internal", {"guest"}), ("restricted", {"ada"})])
def test_a_version_takes_over_what_is_granted_on_its_dataset_unless_it_alone_is_restricted(
    shop: Workshop, classification: str, let_in: set[str]
) -> None:
    dataset = shop.register(two_clusters(40)).dataset
    grant = ACLEntry(
        principal="guest", principal_type=PrincipalType.ROLE, permissions=(Permission.READ,), granted_by="ada",
        granted_at=datetime(2026, 3, 1, tzinfo=UTC),
    )  # fmt: skip
    with shop.services.storage.transaction("north") as work:
        work.get_crud(Dataset).update(dataset, {"acl": (grant,)}, context=ADA)

    payload = DatasetPayload(
        name="clusters", source_uri=shop.put("c.csv", two_clusters(60)), target="kind",
        data_classification=DataClassification(classification),
    )  # fmt: skip
    version = register_dataset(shop.services, payload, context=ADA).version

    assert (version.dataset_id, {entry.principal for entry in version.acl}) == (dataset.id, let_in)


def test_a_rejected_first_version_leaves_nothing_but_its_findings(shop: Workshop) -> None:
    rejected = shop.register(ONE_CLASS)
    shop.finish_jobs()

    assert (shop.records(Dataset), shop.records(DatasetVersion)) == ([], [])
    assert finding_codes(shop, rejected) == ["DATASET_SINGLE_CLASS"]
    assert shop.instance(rejected.process_instance_id).status is InstanceStatus.COMPLETED
    assert shop.register(two_clusters()).version.version == 1


def test_a_rejected_second_version_leaves_the_first_as_it_was(shop: Workshop) -> None:
    first = shop.register(two_clusters())
    shop.finish_jobs()
    before = (shop.records(Dataset), shop.records(DatasetVersion))
    shop.register(ONE_CLASS)
    shop.finish_jobs()

    assert (shop.records(Dataset), shop.records(DatasetVersion)) == before
    assert find_version(shop.services, first.dataset.id, None, context=ADA)[1].id == first.version.id


@pytest.mark.parametrize(("harm", "code"), [("damage", "OBJECT_CORRUPT"), ("lose", "OBJECT_NOT_FOUND")])
def test_a_stored_file_that_cannot_be_trusted_is_withdrawn(shop: Workshop, harm: str, code: str) -> None:
    registered = shop.register(two_clusters())
    getattr(shop, harm)(registered.version.storage_location)
    shop.finish_jobs()

    assert finding_codes(shop, registered) == [code]
    assert (shop.records(Dataset), shop.records(DatasetVersion)) == ([], [])
    assert shop.instance(registered.process_instance_id).status is InstanceStatus.COMPLETED


LABELS = ["a", "b"] * 6


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"x": ["fine", "not\0fine"] * 6, "label": LABELS}, id="NUL in text"),
        pytest.param({"x\0": [1, 2] * 6, "label": LABELS}, id="NUL in a name"),
        pytest.param({"x": [{"a\0": 1}] * 12, "label": LABELS}, id="NUL in a nested name"),
        pytest.param({"x": [1, 2] * 6, "label": ["a", "b\0"] * 6}, id="NUL in a label"),
        pytest.param(
            {"x": pa.Array.from_buffers(pa.string(), 12, pa.array([b"\xff"] * 12).buffers()), "label": LABELS},
            id="text that is not UTF-8",
        ),
    ],
)
def test_a_table_that_cannot_be_kept_is_refused_at_the_door(shop: Workshop, columns: dict[str, Any]) -> None:
    payload = DatasetPayload(name="hostile", source_uri=put_parquet(shop, columns), target="label")

    with pytest.raises(FileNotTabularError):
        register_dataset(shop.services, payload, context=ADA)

    assert (shop.records(Dataset), list(shop.objects.iterdir())) == ([], [])


def test_a_table_whose_classes_cannot_be_counted_is_rejected_and_nobody_is_called(shop: Workshop) -> None:
    columns = {"x": [1, 2] * 6, "label": [[1], [2]] * 6}
    payload = DatasetPayload(name="hostile", source_uri=put_parquet(shop, columns), target="label")
    registered = register_dataset(shop.services, payload, context=ADA)
    shop.finish_jobs()

    assert shop.instance(registered.process_instance_id).status is InstanceStatus.COMPLETED
    assert finding_codes(shop, registered) == ["TARGET_UNUSABLE"]
    assert (shop.records(Dataset), shop.records(DatasetVersion)) == ([], [])


def test_columns_of_unusual_numbers_are_measured(shop: Workshop) -> None:
    columns = {"id": [2**60 + number for number in range(12)], "huge": [1.7e308, -1.7e308] * 6, "label": LABELS}
    payload = DatasetPayload(name="unusual", source_uri=put_parquet(shop, columns), target="label")
    register_dataset(shop.services, payload, context=ADA)
    shop.finish_jobs()

    (version,) = shop.records(DatasetVersion)
    assert version.validation_status is ValidationStatus.VALIDATED


def test_withdrawing_the_only_version_spares_a_dataset_whose_next_version_is_being_registered(
    shop: Workshop, tmp_path: Path
) -> None:
    shop.register(ONE_CLASS)
    payload = DatasetPayload(name="clusters", source_uri=shop.put("next.csv", two_clusters()), target="kind")
    draft = tmp_path / "next"
    draft.mkdir()
    copied = Path(shutil.copy(shop.inbox / "next.csv", draft))
    stored = store_content(shop.services.storage.objects, copied, "kind", as_bag=False)

    with ThreadPoolExecutor(1) as threads:
        with shop.services.storage.transaction("north") as work:
            second = _register(shop.services, work, payload, stored, context=ADA)
            withdrawing = threads.submit(shop.finish_jobs)
            _wait_for_lock(shop, withdrawing)
        withdrawing.result()
    shop.finish_jobs()

    assert [dataset.id for dataset in shop.records(Dataset)] == [second.dataset_id]
    (left,) = shop.records(DatasetVersion)
    assert (left.id, left.version, left.validation_status) == (second.dataset_version_id, 2, ValidationStatus.VALIDATED)


def _wait_for_lock(shop: Workshop, doing: Future[None]) -> None:
    """Return once somebody waits for a named lock, or `doing` is over without having waited."""
    while not doing.done():
        with shop.services.storage.transaction("north") as work:
            if lock_waits(work.connection):
                return


@pytest.mark.parametrize(
    ("source", "target", "error"),
    [
        ("{inbox}/clusters.csv", "no such column", TargetColumnMissingError),
        ("{inbox}/absent.csv", "kind", FileUnreadableError),
        ("{inbox}", "kind", FileUnreadableError),
        ("{inbox}/binary.csv", "kind", FileNotTabularError),
        ("file:///etc/passwd", "kind", SourceNotAllowedError),
    ],
)
def test_a_file_that_is_refused_at_the_door_leaves_no_object_and_no_record(
    shop: Workshop, source: str, target: str, error: type[ReportedError]
) -> None:
    shop.put("clusters.csv", two_clusters())
    shop.put("binary.csv", "a,b\n\0,1\n")
    uri = source.format(inbox=shop.inbox.as_uri())

    with pytest.raises(error):
        register_dataset(shop.services, DatasetPayload(name="bad", source_uri=uri, target=target), context=ADA)

    assert shop.records(Dataset) == []
    assert list(shop.objects.iterdir()) == []


def test_who_may_not_write_registers_nothing(shop: Workshop) -> None:
    with pytest.raises(AccessDeniedError):
        shop.register(two_clusters(), context=VIEWER)

    assert list(shop.objects.iterdir()) == []


def test_declared_rules_decide_over_a_version(shop: Workshop) -> None:
    shop.register("code,n\nblue,1\ngreen,2\n" * 6, name="colours", target="n")
    shop.finish_jobs()
    (colours,) = shop.records(DatasetVersion)
    document = {
        "name": "clusters",
        "source_uri": shop.put("clusters.csv", two_clusters()),
        "target": "kind",
        "rules": [
            {"kind": "foreign_key", "column": "colour", "dataset_version_id": colours.id, "references": "code"},
            {"kind": "range", "column": "width", "maximum": 15, "severity": "warning", "name": "narrow"},
        ],
    }
    rejected = register_dataset(shop.services, DatasetPayload.model_validate(document), context=ADA)
    shop.finish_jobs()

    findings = shop.variables(rejected.process_instance_id)["findings"]
    assert [(found["code"], found["severity"]) for found in findings] == [
        ("DATASET_RULE_BROKEN", "error"),
        ("DATASET_RULE_BROKEN", "warning"),
    ]
    assert "20 of 40 rows, the first being row 0 ('red')" in findings[0]["message"]
    assert shop.records(DatasetVersion) == [colours]


def test_the_same_rows_under_other_rules_are_another_version(shop: Workshop) -> None:
    document = {"name": "clusters", "source_uri": shop.put("clusters.csv", two_clusters()), "target": "kind"}
    rules = [{"kind": "range", "column": "width", "maximum": 15, "severity": "warning"}]
    for declared in ((), rules, rules):
        payload = DatasetPayload.model_validate({**document, "rules": declared})
        last = register_dataset(shop.services, payload, context=ADA)
    shop.finish_jobs()

    assert [version.version for version in shop.records(DatasetVersion)] == [1, 2]
    version = find_version(shop.services, last.dataset.id, 2, context=ADA)[1]
    (result,) = version.feature_stats["rule_results"]
    assert (result["passed"], result["checked"], result["failed"]) == (False, 40, 3)
    assert [finding["code"] for finding in version.findings] == ["DATASET_RULE_BROKEN"]
