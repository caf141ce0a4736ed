"""The model package: four files that are one trained model, and the manifest that binds them.

On disk: `manifest.json`, `model.safetensors`, `encoding.json`, `signature.json`. The manifest is written last, so a
folder without one is not a package. Pickle has no place in it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from domain_sdk.errors import ModelPackageInvalidError

MANIFEST_FILE = "manifest.json"
WEIGHTS_FILE = "model.safetensors"
ENCODING_FILE = "encoding.json"
SIGNATURE_FILE = "signature.json"
PACKAGED_FILES = frozenset({WEIGHTS_FILE, ENCODING_FILE, SIGNATURE_FILE})


class PackagedFile(BaseModel):
    """What a file of the package must be.

    Attributes:
        uri: Where its bytes are kept, once the package is published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0)]
    uri: str | None = None

    def require(self, name: str, content: bytes) -> None:
        """Check the bytes against size and digest.

        Raises:
            ModelPackageInvalidError: They are not the bytes that were packaged.
        """
        if describe_file(content).sha256 != self.sha256 or len(content) != self.size_bytes:
            raise ModelPackageInvalidError(file=name, reason="its bytes are not those that were packaged")


class ModelPackage(BaseModel):
    """The manifest. It holds no time and no path, so training again with the same result gives the same bytes.

    Attributes:
        metrics: What training measured on its own rows; the evaluation is a document of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = 1
    framework: Literal["pytorch"] = "pytorch"
    framework_version: str
    template: Literal["tabular-classification"] = "tabular-classification"
    hidden_sizes: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(max_length=16)]
    class_count: Annotated[int, Field(ge=2)]
    seed: int
    metrics: dict[str, float]
    files: dict[str, PackagedFile]

    @field_validator("files")
    @classmethod
    def _has_exactly_the_packaged_files(cls, files: dict[str, PackagedFile]) -> dict[str, PackagedFile]:
        if files.keys() != PACKAGED_FILES:
            raise ValueError(f"must name exactly {', '.join(sorted(PACKAGED_FILES))}")
        return files

    def to_bytes(self) -> bytes:
        """Return the manifest as JSON with sorted keys, the same bytes for equal manifests."""
        document = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def describe_file(content: bytes) -> PackagedFile:
    """Return the manifest's entry for these bytes."""
    return PackagedFile(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def parse_manifest(content: bytes) -> ModelPackage:
    """Return the manifest in these bytes.

    Raises:
        ModelPackageInvalidError: They are not a manifest of a known format.
    """
    try:
        return ModelPackage.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ModelPackageInvalidError(file=MANIFEST_FILE, reason=f"{place} {first['msg']}".strip()) from error


def read_package(directory: Path) -> tuple[ModelPackage, dict[str, bytes]]:
    """Return a package's manifest and the content of its files, each digest checked.

    Raises:
        ModelPackageInvalidError: A file is absent or altered, or the manifest is not one.
    """
    package = parse_manifest(_read(directory / MANIFEST_FILE))
    contents: dict[str, bytes] = {}
    for name, expected in package.files.items():
        contents[name] = _read(directory / name)
        expected.require(name, contents[name])
    return package, contents


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelPackageInvalidError(file=path.name, reason=error.strerror or str(error)) from error
