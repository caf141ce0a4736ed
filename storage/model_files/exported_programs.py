"""Programs of torch.export: an archive of JSON and raw numbers.

The JSON may name operators of PyTorch and arithmetic on sizes, nothing else (`program_documents`). The one pickle that
`torch.export.save` puts in, the sample inputs, is read opcode by opcode without being loaded: it may rebuild tensors
and name nothing else. No member is compressed, none lies over another, so nothing unpacks to more than the file has.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
import zlib
from itertools import pairwise
from pathlib import Path

from storage.datasets.errors import PickleRefusedError
from storage.datasets.reading.sniffing import is_pickle
from storage.model_files.errors import ModelFileRefusedError
from storage.model_files.program_documents import require_harmless_document

_MAXIMUM_MEMBERS = 100_000
_MAXIMUM_SAMPLE_BYTES = 64 * 1024**2
_MAXIMUM_DOCUMENT_BYTES = 256 * 1024**2
_HEAD_BYTES = 4_096
_ZIP = b"PK\x03\x04"
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin")
_FOLDER = re.compile(r"[^/\\\x00-\x1f\x7f]{1,200}")
_SAMPLES = re.compile(r"data/sample_inputs/[\w.-]+\.pt", re.ASCII)
_DOCUMENTS = re.compile(r"models/[\w.-]+\.json|data/(?:weights|constants)/[\w.-]+_config\.json", re.ASCII)
_OTHERS = re.compile(
    r"archive_format|archive_version|version|byteorder|\.data/\w+|\.format_version|\.storage_alignment"
    r"|data/weights/weight_\d+|data/constants/tensor_\d+|extra/[\w.-]+",
    re.ASCII,
)
_HARMLESS = frozenset(
    {
        ("collections", "OrderedDict"),
        ("torch", "Tensor"),
        ("torch._tensor", "_rebuild_from_type_v2"),
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


def require_exported_program(path: Path, size: int) -> None:
    """Return if the archive is a program of torch.export and of nothing that is loaded by running it.

    Raises:
        PickleRefusedError: It has pickles other than its sample inputs, or these name more than tensors.
        ModelFileRefusedError: It is another kind of archive, damaged, or has the loader run or fetch something.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _require_packing(path, size, archive.infolist())
            _require_members(path, archive)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise ModelFileRefusedError(file=path.name, reason="the archive is damaged") from error


def _require_packing(path: Path, size: int, members: list[zipfile.ZipInfo]) -> None:
    """Return if the members lie side by side as they are, under names that every reader reads alike."""
    if not 0 < len(members) <= _MAXIMUM_MEMBERS or len({_folder_of(member) for member in members}) != 1:
        raise ModelFileRefusedError(file=path.name, reason="its members are too many, or not in one folder")
    if len({member.filename for member in members}) != len(members):
        raise ModelFileRefusedError(file=path.name, reason="two of its members have one name")
    if any(_reads_differently(member) for member in members):
        raise ModelFileRefusedError(file=path.name, reason="a member's name has characters that no name needs")
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise ModelFileRefusedError(file=path.name, reason="a member is compressed or encrypted, as no program is")
    ordered = sorted(members, key=lambda member: member.header_offset)
    ends = [member.header_offset + member.file_size for member in ordered]
    is_apart = all(end < after.header_offset for end, (_, after) in zip(ends, pairwise(ordered), strict=False))
    if not is_apart or ordered[0].header_offset != 0 or ends[-1] > size:
        raise ModelFileRefusedError(file=path.name, reason="its members do not lie side by side from its first byte on")


def _folder_of(member: zipfile.ZipInfo) -> str:
    return member.filename.partition("/")[0]


def _reads_differently(member: zipfile.ZipInfo) -> bool:
    # Python cuts a name off at NUL, others do not.
    is_cut = member.orig_filename != member.filename
    return is_cut or not _FOLDER.fullmatch(_folder_of(member)) or "\\" in member.filename


def _require_members(path: Path, archive: zipfile.ZipFile) -> None:
    names = {member.filename.partition("/")[2] for member in archive.infolist()}
    for member in archive.infolist():
        name = member.filename.partition("/")[2]
        with archive.open(member) as file:
            head = file.read(_HEAD_BYTES)
        if _SAMPLES.fullmatch(name) and head.startswith(_ZIP):
            _require_samples(path, archive, member)
        elif name.endswith(_PICKLES) or is_pickle(head) or head.startswith(_ZIP):
            raise PickleRefusedError(file=path.name)
        elif _DOCUMENTS.fullmatch(name):
            _require_document(path, archive, member)
        elif not _OTHERS.fullmatch(name):
            raise ModelFileRefusedError(file=path.name, reason=f"{name[:100]!r} has no place in a program")
    if "archive_format" not in names or not any(name.startswith("models/") for name in names):
        raise ModelFileRefusedError(file=path.name, reason="the archive is no program of torch.export")


def _require_document(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    if member.file_size > _MAXIMUM_DOCUMENT_BYTES:
        raise ModelFileRefusedError(file=path.name, reason="its JSON is too large to be looked through")
    try:
        require_harmless_document(archive.read(member))
    except ValueError as error:
        raise ModelFileRefusedError(file=path.name, reason=str(error)) from error


def _require_samples(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    if member.file_size > _MAXIMUM_SAMPLE_BYTES:
        raise ModelFileRefusedError(file=path.name, reason="its sample inputs are too large")
    with zipfile.ZipFile(io.BytesIO(archive.read(member))) as samples:
        _require_packing(path, member.file_size, samples.infolist())
        for inner in samples.infolist():
            if inner.filename.endswith(_PICKLES):
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
