"""Which model files may come in."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from storage.datasets.errors import PickleRefusedError
from storage.datasets.reading.sniffing import is_pickle
from storage.model_files.errors import ModelFileRefusedError
from storage.model_files.exported_programs import require_exported_program
from storage.model_files.onnx_files import require_onnx
from storage.model_files.safetensors_files import require_safetensors
from storage.models.enums import ModelFormat

_HEAD_BYTES = 4_096
_TORCH_LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"  # what torch.save wrote before 1.6
_HDF5 = b"\x89HDF\r\n\x1a\n"


def require_safe_model_file(path: Path) -> ModelFormat:
    """Return what a file is, if it can be loaded without running anything of its author's.

    Raises:
        PickleRefusedError: It is, or holds, pickled objects.
        ModelFileRefusedError: It is damaged, of another format, or needs files that it names.
    """
    with path.open("rb") as file:
        head, size = file.read(_HEAD_BYTES), os.fstat(file.fileno()).st_size
    if is_pickle(head) or head.startswith(_TORCH_LEGACY):
        raise PickleRefusedError(file=path.name)
    if head.startswith(_HDF5):
        raise ModelFileRefusedError(file=path.name, reason="it is HDF5, whose Keras models hold pickled functions")
    if _is_archive(path):
        require_exported_program(path, size)
        return ModelFormat.EXPORTED_PROGRAM
    if head[8:9] == b"{":
        require_safetensors(path, size)
        return ModelFormat.SAFETENSORS
    require_onnx(path, size)
    return ModelFormat.ONNX


def _is_archive(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:  # one that says of itself what cannot be
        return True
