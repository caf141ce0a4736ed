"""The content of a dataset version: bringing it into the object store, and describing what is there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import UUID

import pyarrow as pa
from pydantic import TypeAdapter

from domain_sdk.errors import FileNotTabularError, TargetColumnMissingError
from engine import JobContext
from handlers.dataset_profile import DatasetProfile, profile_dataset
from handlers.rule_checks import check_rules_of
from handlers.validation_rules import ValidationRule
from storage import ObjectStore
from storage.datasets.confinement import ingest_confined
from storage.datasets.versions import DatasetManifest, publish, read_chunks, read_manifest, read_sketches
from storage.errors import RecordNumberError, RecordTextError
from storage.json_documents import require_storable
from storage.models import DataClassification, DatasetVersion

_RULES = TypeAdapter(tuple[ValidationRule, ...])


@dataclass(frozen=True)
class StoredContent:
    """Content in the object store, and where its manifest is."""

    manifest: DatasetManifest
    uri: str


def store_content(objects: ObjectStore, path: Path, target: str, *, as_bag: bool) -> StoredContent:
    """Read a file in one pass, and store its content as chunks.

    Args:
        objects: Where to.
        path: The file, in a folder that may be written to.
        target: A column that it has to have.
        as_bag: Whether the rows are known without their order.

    Raises:
        FileUnreadableError, FileTooLargeError, FileNotTabularError, DatasetContentError, TargetColumnMissingError:
            Nothing was stored.
    """
    folder = Path(tempfile.mkdtemp(dir=path.parent))  # the file itself may have any name
    draft = ingest_confined(path, folder, as_bag=as_bag)
    columns = tuple(column.name for column in draft.content.columns)
    if target not in columns:
        raise TargetColumnMissingError(target=target, columns=columns)
    manifest, stored = publish(objects, draft, folder)
    return StoredContent(manifest=manifest, uri=stored.uri)


def profile_stored(context: JobContext, version: DatasetVersion) -> DatasetProfile:
    """Return what a version is like, what came of its rules included.

    Raises:
        DomainSdkError, DatasetContentError, ObjectNotFoundError, ObjectCorruptError: It cannot be described or trusted.
    """
    objects = context.storage.objects
    manifest = read_manifest(objects, version.storage_location)
    sketches = read_sketches(objects, manifest)
    profile = profile_dataset(manifest.content, sketches, partial(read_chunks, objects, manifest), version.target)
    results = check_rules_of(
        _RULES.validate_python(version.rules),
        profile,
        read_chunks(objects, manifest) if version.rules else (),
        partial(_read_keys, context),
        may_quote=version.data_classification is not DataClassification.RESTRICTED,
    )
    profile = profile.model_copy(update={"sketches_uri": manifest.sketches_uri, "rule_results": results})
    try:
        require_storable(profile.model_dump(mode="json"), model="DatasetVersion")
    except (RecordTextError, RecordNumberError) as error:  # in nested names, where no column shows it
        raise FileNotTabularError(path=Path(version.storage_location), reason=str(error).rstrip(".")) from error
    return profile


def _read_keys(context: JobContext, dataset_version_id: UUID, column: str) -> Iterator[pa.Table]:
    """Yield a column of another version, if whom we act for may read it."""
    with context.storage.transaction() as work:
        version = work.get_crud(DatasetVersion).read(dataset_version_id, context=context.principal)
    manifest = read_manifest(context.storage.objects, version.storage_location)
    names = tuple(found.name for found in manifest.content.columns)
    if column not in names:
        raise TargetColumnMissingError(target=column, columns=names)
    yield from read_chunks(context.storage.objects, manifest, [column])
