"""Model packages on their way into the object store and out of it."""

from __future__ import annotations

from pathlib import Path

from domain_sdk.errors import ModelPackageInvalidError
from domain_sdk.model_package import MANIFEST_FILE, ModelPackage, PackagedFile, parse_manifest, read_package
from storage.objects import ObjectStore, StoredObject


def publish_package(objects: ObjectStore, package_dir: Path) -> StoredObject:
    """Store a package's files, and last a manifest that says where they are; return where the manifest is.

    Publishing the same package again changes nothing and returns the same object.

    Raises:
        ModelPackageInvalidError: The folder is not a whole, unaltered package.
    """
    package, contents = read_package(package_dir)
    stored = {name: objects.put_bytes(content) for name, content in contents.items()}
    files = {
        name: PackagedFile(sha256=item.sha256, size_bytes=item.size_bytes, uri=item.uri)
        for name, item in stored.items()
    }
    return objects.put_bytes(package.model_copy(update={"files": files}).to_bytes())


def read_published_package(objects: ObjectStore, artifact_uri: str) -> tuple[ModelPackage, dict[str, bytes]]:
    """Return a published package's manifest and the content of its files, each digest checked.

    Raises:
        ObjectUriError, ObjectNotFoundError, ObjectCorruptError: See `ObjectStore.read_bytes`.
        ModelPackageInvalidError: The objects are not one package.
    """
    package = parse_manifest(objects.read_bytes(artifact_uri))
    return package, {name: _read(objects, name, file) for name, file in package.files.items()}


def fetch_package(objects: ObjectStore, artifact_uri: str, package_dir: Path) -> Path:
    """Write a published package to a folder, its manifest last, and return the folder; raises as reading does."""
    package, contents = read_published_package(objects, artifact_uri)
    package_dir.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (package_dir / name).write_bytes(content)
    (package_dir / MANIFEST_FILE).write_bytes(package.to_bytes())
    return package_dir


def _read(objects: ObjectStore, name: str, file: PackagedFile) -> bytes:
    if file.uri is None:
        raise ModelPackageInvalidError(file=name, reason="the manifest does not say where its bytes are")
    content = objects.read_bytes(file.uri)
    file.require(name, content)
    return content
