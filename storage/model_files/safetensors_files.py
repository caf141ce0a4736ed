"""Safetensors: a header of bounded size in JSON, and tensors that lie gapless behind it and nowhere else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from storage.model_files.errors import ModelFileRefusedError

_LENGTH_BYTES = 8
_MAXIMUM_HEADER_BYTES = 16 * 1024**2  # the reference implementation takes 100 MB; no model of today has 2 MB
_LARGEST = 2**53
_MAXIMUM_DIMENSIONS = 64
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip

_Number = Annotated[int, Field(ge=0, le=_LARGEST, strict=True)]


class _Tensor(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    shape: Annotated[tuple[_Number, ...], Field(max_length=_MAXIMUM_DIMENSIONS)]
    data_offsets: tuple[_Number, _Number]


_METADATA = TypeAdapter(dict[str, Annotated[str, Field(strict=True)]])
_METADATA_NAME: Literal["__metadata__"] = "__metadata__"


def require_safetensors(path: Path, size: int) -> None:
    """Return if the file is whole and every tensor is where it should be.

    Raises:
        ModelFileRefusedError: It is not.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if length > min(_MAXIMUM_HEADER_BYTES, size - _LENGTH_BYTES):
            raise _refused(path, "its header is longer than the file or than 16 MiB")
        header = file.read(length)
    tensors = _tensors(path, header)
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        start, stop = tensor.data_offsets
        bits = _BITS.get(tensor.dtype)
        if bits is None or start != end or (stop - start) * 8 != math.prod(tensor.shape) * bits:
            raise _refused(path, f"tensor {name[:100]!r} is not where its shape and type say")
        end = stop
    if end != size - _LENGTH_BYTES - length:
        raise _refused(path, "there are bytes that belong to no tensor")


def _tensors(path: Path, header: bytes) -> dict[str, _Tensor]:
    try:
        document = json.loads(header.decode(), object_pairs_hook=_without_repetition)
        if not isinstance(document, dict):
            raise _refused(path, "its header is no JSON object")
        _METADATA.validate_python(document.pop(_METADATA_NAME, {}))
        tensors = {name: _Tensor.model_validate(value) for name, value in document.items()}
    except (ValidationError, ValueError, RecursionError) as error:
        raise _refused(path, "its header cannot be read") from error
    if not all(name.isprintable() for name in tensors):
        raise _refused(path, "a tensor's name has characters that cannot be printed")
    return tensors


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object of JSON that has each name once: of two, another reader might take the other one."""
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name is there twice")
    return document


def _refused(path: Path, reason: str) -> ModelFileRefusedError:
    return ModelFileRefusedError(file=path.name, reason=reason)
