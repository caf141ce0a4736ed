"""Programs of torch.export: an archive of JSON and raw numbers.

The one pickle that `torch.export.save` puts in, the sample inputs, is read opcode by opcode without being loaded: it
may rebuild tensors and name nothing else.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
import zlib
from pathlib import Path

from storage.datasets.errors import PickleRefusedError
from storage.datasets.reading.sniffing import is_pickle
from storage.model_files.errors import ModelFileRefusedError

_MAXIMUM_MEMBERS = 100_000
_MAXIMUM_SAMPLE_BYTES = 64 * 1024**2
_HEAD_BYTES = 4_096
_ZIP = b"PK\x03\x04"
_HARMLESS = frozenset(
    {
        ("collections", "OrderedDict"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch.serialization", "_get_layout"),
        *(
            ("torch", f"{kind}Storage")
            for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char")
        ),
        *(("torch", f"{kind}Storage") for kind in ("Byte", "Bool", "ComplexFloat", "ComplexDouble")),
    }
)


def require_exported_program(path: Path) -> None:
    """Return if the archive is a program of torch.export and of nothing that is loaded by running it.

    Raises:
        PickleRefusedError: It has pickles other than its sample inputs, or these name more than tensors.
        ModelFileRefusedError: It is another kind of archive, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _require_members(path, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ModelFileRefusedError(file=path.name, reason="the archive is damaged") from error


def _require_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = archive.infolist()
    names = {name.partition("/")[2] for name in archive.namelist()}
    if len(members) > _MAXIMUM_MEMBERS or len({name.partition("/")[0] for name in archive.namelist()}) != 1:
        raise ModelFileRefusedError(file=path.name, reason="its members are too many, or not in one folder")
    for member in members:
        name = member.filename.partition("/")[2]
        if ".." in Path(name).parts or name.startswith("/"):
            raise ModelFileRefusedError(file=path.name, reason=f"the name {name[:100]!r} leads out of the archive")
        with archive.open(member) as file:
            head = file.read(_HEAD_BYTES)
        if name.startswith("data/sample_inputs/") and head.startswith(_ZIP):
            _require_samples(path, archive, member)
        elif name.endswith((".pkl", ".pt", ".pth")) or is_pickle(head) or head.startswith(_ZIP):
            raise PickleRefusedError(file=path.name)
    is_program = "archive_format" in names and any(n.startswith("models/") and n.endswith(".json") for n in names)
    if not is_program:
        raise ModelFileRefusedError(file=path.name, reason="the archive is no program of torch.export")


def _require_samples(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    if member.file_size > _MAXIMUM_SAMPLE_BYTES:
        raise ModelFileRefusedError(file=path.name, reason="its sample inputs are too large")
    with zipfile.ZipFile(io.BytesIO(archive.read(member))) as samples:
        for inner in samples.infolist():
            if inner.filename.endswith(".pkl"):
                if inner.file_size > _MAXIMUM_SAMPLE_BYTES:
                    raise ModelFileRefusedError(file=path.name, reason="its sample inputs are too large")
                _require_harmless(path, samples.read(inner))


def _require_harmless(path: Path, content: bytes) -> None:
    try:
        for opcode, argument, _place in pickletools.genops(content):
            is_named = opcode.name == "GLOBAL" and tuple(str(argument).split(" ", 1)) in _HARMLESS
            if opcode.name in {"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ", "NEWOBJ_EX"}:
                raise PickleRefusedError(file=path.name)
            if opcode.name == "GLOBAL" and not is_named:
                raise PickleRefusedError(file=path.name)
    except ValueError as error:
        raise PickleRefusedError(file=path.name) from error
