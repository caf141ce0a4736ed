"""Versions in the object store: what they share is kept once, and what comes back is what went in."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from storage import FolderObjectStore, ObjectStore
from storage.datasets.chunks import CHUNK_ROWS
from storage.datasets.confinement import ingest_confined
from storage.datasets.errors import DatasetManifestInvalidError
from storage.datasets.ingestion import ingest
from storage.datasets.scanning import scan
from storage.datasets.unordered import BagHash, unordered_digest
from storage.datasets.versions import (
    DatasetManifest,
    fetch_dataset,
    publish,
    read_chunks,
    read_manifest,
    read_sketches,
)
from storage.errors import ObjectCorruptError, ObjectNotFoundError
from storage.objects.keys import object_key, stored_digest_of

ROWS = 3 * CHUNK_ROWS + 1_000


def table_of(rows: int = ROWS) -> pa.Table:
    chance = np.random.default_rng(5)
    return pa.table({"number": chance.normal(size=rows), "word": [f"w{row % 11}" for row in range(rows)]})


@pytest.fixture
def store(tmp_path: Path) -> FolderObjectStore:
    return FolderObjectStore(tmp_path / "objects")


def stored(store: ObjectStore, folder: Path, table: pa.Table, name: str = "data") -> tuple[DatasetManifest, str]:
    work = folder / f"{name}-draft"
    work.mkdir(parents=True)
    parquet.write_table(table, folder / f"{name}.parquet", row_group_size=10_007)
    draft = ingest(folder / f"{name}.parquet", work)
    manifest, written = publish(store, draft, work)
    return manifest, written.uri


def with_row(table: pa.Table, row: int, number: float) -> pa.Table:
    numbers = table["number"].to_numpy().copy()
    numbers[row] = number
    return table.set_column(0, "number", pa.array(numbers))


def test_what_comes_back_is_what_went_in(store: FolderObjectStore, tmp_path: Path) -> None:
    table = table_of()
    manifest, uri = stored(store, tmp_path, table)

    assert read_manifest(store, uri) == manifest
    assert parquet.read_table(fetch_dataset(store, uri, tmp_path / "back")).equals(table)
    assert pa.concat_tables(read_chunks(store, manifest, ["word"])).equals(table.select(["word"]))
    assert [sketch.name for sketch in read_sketches(store, manifest).columns] == ["number", "word"]
    assert [chunk.row_count for chunk in manifest.chunks] == [CHUNK_ROWS] * 3 + [1_000]


@pytest.mark.parametrize("row", [0, CHUNK_ROWS, ROWS - 1])
def test_a_version_with_one_changed_row_shares_all_other_chunks(
    store: FolderObjectStore, tmp_path: Path, row: int
) -> None:
    table = table_of()
    first, _uri = stored(store, tmp_path, table)
    second, _uri = stored(store, tmp_path, with_row(table, row, 7.0), "changed")

    changed = [
        number for number, pair in enumerate(zip(first.chunks, second.chunks, strict=True)) if pair[0] != pair[1]
    ]
    assert changed == [row // CHUNK_ROWS]
    assert first.content.digest != second.content.digest


def test_a_version_with_rows_added_at_the_end_shares_all_full_chunks(store: FolderObjectStore, tmp_path: Path) -> None:
    table = table_of()
    first, _uri = stored(store, tmp_path, table)
    longer, _uri = stored(store, tmp_path, pa.concat_tables([table, table.slice(0, 10)]), "longer")

    assert longer.chunks[:3] == first.chunks[:3]
    assert longer.chunks[3] != first.chunks[3]


@pytest.mark.parametrize("row_group_size", [1_000, CHUNK_ROWS - 1, 10 * CHUNK_ROWS])
def test_identity_does_not_depend_on_the_files_own_groups(tmp_path: Path, row_group_size: int) -> None:
    table = table_of()
    parquet.write_table(table, tmp_path / "data", row_group_size=row_group_size)

    assert ingest(tmp_path / "data", tmp_path).content.digest == scan(table.schema, table.to_batches()).digest


@pytest.mark.parametrize("victim", ["manifest", "chunk"])
@pytest.mark.parametrize(("harm", "error"), [("change", ObjectCorruptError), ("lose", ObjectNotFoundError)])
def test_a_harmed_object_is_noticed_and_leaves_no_file(
    store: FolderObjectStore, tmp_path: Path, victim: str, harm: str, error: type[Exception]
) -> None:
    manifest, uri = stored(store, tmp_path, table_of(2_000))
    harmed = uri if victim == "manifest" else manifest.chunks[0].uri
    path = tmp_path / "objects" / object_key(stored_digest_of(harmed))
    content = path.read_bytes()
    path.unlink()
    if harm == "change":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(error):
        fetch_dataset(store, uri, tmp_path / "back")

    assert not (tmp_path / "back").exists()


def forged(manifest: DatasetManifest, store: ObjectStore, **changes: Any) -> str:
    return store.put_bytes(manifest.model_copy(update=changes).model_dump_json().encode()).uri


def test_a_manifest_that_does_not_fit_its_content_is_refused(store: FolderObjectStore, tmp_path: Path) -> None:
    manifest, _uri = stored(store, tmp_path, table_of(CHUNK_ROWS + 5))
    swapped = forged(manifest, store, chunks=manifest.chunks[::-1])
    renamed = forged(manifest, store, content=manifest.content.model_copy(update={"row_count": 5}))
    doubled = forged(
        manifest,
        store,
        chunks=(manifest.chunks[0].model_copy(update={"uri": manifest.chunks[1].uri}), manifest.chunks[1]),
    )
    nonsense = store.put_bytes(b"a,b\n1,2\n").uri

    for uri in (swapped, renamed, doubled, nonsense):
        with pytest.raises(DatasetManifestInvalidError):
            fetch_dataset(store, uri, tmp_path / "back")


rows = st.lists(st.tuples(st.integers(-3, 3), st.sampled_from(["a", "b", "", None])), max_size=12)


def batch_of(content: list[tuple[int, str | None]]) -> pa.RecordBatch:
    numbers, words = (
        pa.array([row[0] for row in content], pa.int64()),
        pa.array([row[1] for row in content], pa.string()),
    )
    return pa.RecordBatch.from_arrays([numbers, words], ["n", "w"])


@settings(max_examples=60, deadline=None)
@given(rows, rows, st.randoms(use_true_random=False))
def test_a_bag_is_known_by_its_rows_and_their_counts_in_any_order(
    first: list[tuple[int, str | None]], second: list[tuple[int, str | None]], chance: random.Random
) -> None:
    shuffled = chance.sample(first, len(first))
    schema = batch_of([]).schema

    digest = unordered_digest(schema, [batch_of(first)])

    assert unordered_digest(schema, [batch_of(shuffled)]) == digest
    is_equal = sorted(first, key=str) == sorted(second, key=str)
    assert (unordered_digest(schema, [batch_of(second)]) == digest) is is_equal


def bag_of(*batches: pa.RecordBatch, names: tuple[str, ...] = ("n", "w")) -> BagHash:
    bag = BagHash(names)
    for batch in batches:
        bag.add(batch)
    return bag


def test_bags_are_hashed_in_parts_and_types_do_not_count() -> None:
    batch = batch_of([(1, "a"), (2, None), (2, None)])
    parts = [bag_of(batch.slice(start, 1)) for start in (2, 0, 1)]
    odd = pa.RecordBatch.from_arrays([batch["n"].cast(pa.float64()), batch["w"].dictionary_encode()], ["n", "w"])

    whole = bag_of(batch).hexdigest()

    assert parts[0].merged(parts[1]).merged(parts[2]).hexdigest() == whole
    assert bag_of(odd).hexdigest() == whole
    assert bag_of(batch, names=("m", "w")).hexdigest() != whole


def test_a_dataset_whose_order_does_not_matter_is_known_by_its_rows(tmp_path: Path) -> None:
    table = table_of(1_000)
    identities = []
    for name, content in {"plain": table, "sorted": table.sort_by("number")}.items():
        parquet.write_table(content, tmp_path / name)
        drafts = [ingest(tmp_path / name, tmp_path, as_bag=as_bag) for as_bag in (True, False)]
        drafts.append(ingest_confined(tmp_path / name, tmp_path, as_bag=True))
        identities.append([draft.content.identity for draft in drafts])

    (bag, ordered, confined), (other_bag, other_ordered, other_confined) = identities
    assert len({bag, confined, other_bag, other_confined}) == 1
    assert len({bag, ordered, other_ordered}) == 3


def test_the_digest_of_a_table_never_changes() -> None:
    table = pa.table({"n": [1, None, 3], "w": ["a", "b", "a"]})

    assert scan(table.schema, table.to_batches()).digest == PINNED
    assert len(PINNED) == hashlib.sha256().digest_size * 2


PINNED = "b66f25b44987af641096cefb229a7af524dedd9fedd25760a5448a28b3c4f614"
