"""Model files from outside: what can be loaded without trusting its author comes in, everything else is refused."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from storage.datasets.errors import PickleRefusedError
from storage.model_files import ModelFormat, require_safe_model_file
from storage.model_files.errors import ModelFileRefusedError

TENSORS = {"a": torch.zeros(2, 3), "b": torch.arange(4), "c": torch.zeros(0)}


class Bomb:
    """Unpickling this would print."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("ran",))


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return bytes([number << 3, value])
    assert len(value) < 128
    return bytes([number << 3 | 2, len(value)]) + value


def onnx(tensor: bytes = b"") -> bytes:
    """A model of one tensor: version, graph with an initial value, operator set."""
    initial = field(1, 2) + field(2, 1) + field(8, b"weight") + tensor
    return field(1, 10) + field(7, field(2, b"graph") + field(5, initial)) + field(8, field(2, 21))


def exported(path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(3, 2), (torch.zeros(1, 3),))
    content = io.BytesIO()  # a file's own name would become that of the archive's folder
    torch.export.save(program, content)
    path.write_bytes(content.getvalue())


def repacked(path: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """An exported program with other members."""
    exported(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda path: save_file(TENSORS, path, {"format": "pt"}), ModelFormat.SAFETENSORS),
        (lambda path: path.write_bytes(onnx(field(9, b"\0\0\0\0"))), ModelFormat.ONNX),
        (exported, ModelFormat.EXPORTED_PROGRAM),
        (lambda path: repacked(path, lambda members: None), ModelFormat.EXPORTED_PROGRAM),  # noqa: ARG005
    ],
)
def test_what_needs_no_trust_comes_in(tmp_path: Path, write: Callable[[Path], Any], expected: ModelFormat) -> None:
    write(tmp_path / "model.pt2")

    assert require_safe_model_file(tmp_path / "model.pt2") is expected


def hidden_in_samples(members: dict[str, bytes]) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Bomb(), 2))
    members["archive/data/sample_inputs/model.pt"] = inner.getvalue()


def hidden_by_its_stack(members: dict[str, bytes]) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("model/data.pkl", pickle.dumps(Bomb(), 4))
    members["archive/data/sample_inputs/model.pt"] = inner.getvalue()


def pickled_weight(members: dict[str, bytes]) -> None:
    members["archive/data/weights/weight_0"] = pickle.dumps(Bomb())


def nested_archive(members: dict[str, bytes]) -> None:
    inner = io.BytesIO()
    torch.save({"a": 1}, inner)
    members["archive/data/weights/weight_0"] = inner.getvalue()


@pytest.mark.parametrize(
    "write",
    [
        *(
            lambda path, protocol=protocol: path.write_bytes(pickle.dumps(Bomb(), protocol))
            for protocol in (0, 2, 4, 5)
        ),
        lambda path: torch.save(TENSORS, path),
        lambda path: torch.save(TENSORS, path, _use_new_zipfile_serialization=False),
        lambda path: torch.save(torch.nn.Linear(2, 2), path),
        lambda path: repacked(path, hidden_in_samples),
        lambda path: repacked(path, hidden_by_its_stack),
        lambda path: repacked(path, pickled_weight),
        lambda path: repacked(path, nested_archive),
    ],
)
def test_pickled_objects_are_refused_unopened(
    tmp_path: Path, write: Callable[[Path], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "model.safetensors")

    with pytest.raises(PickleRefusedError):
        require_safe_model_file(tmp_path / "model.safetensors")

    assert capsys.readouterr().out == ""


def header(document: object, data: bytes = b"") -> bytes:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(start: int, end: int, shape: tuple[int, ...] = (1,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


OUTSIDE = field(13, field(1, b"location") + field(2, b"../../etc/passwd"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"a,b\n1,2\n", id="text"),
        pytest.param(b"\x89HDF\r\n\x1a\n", id="HDF5"),
        pytest.param(header({})[:-1] + b"{" * 50, id="header cut off"),
        pytest.param(struct.pack("<Q", 2**63) + b"{}", id="header longer than the file"),
        pytest.param(header(b"{" * 9), id="header no JSON"),
        pytest.param(header(b'{"a":' * 5_000 + b"1" + b"}" * 5_000), id="header nested deeply"),
        pytest.param(header({"a": tensor(0, 8)}, b"\0" * 8), id="more bytes than the shape has"),
        pytest.param(header({"a": tensor(0, 4), "b": tensor(0, 4)}, b"\0" * 4), id="tensors over each other"),
        pytest.param(header({"a": tensor(4, 8)}, b"\0" * 8), id="a gap"),
        pytest.param(header({"a": tensor(0, 4)}, b"\0" * 9), id="bytes behind"),
        pytest.param(header({"a": tensor(0, 4)}), id="data missing"),
        pytest.param(header({"a": tensor(0, 4, dtype="OBJECT")}, b"\0" * 4), id="unknown type"),
        pytest.param(header({"a": tensor(0, 4, shape=(-1,))}, b"\0" * 4), id="negative shape"),
        pytest.param(onnx(OUTSIDE + field(14, 1)), id="ONNX with data outside"),
        pytest.param(onnx(field(14, 1)), id="ONNX that says its data is outside"),
        pytest.param(onnx(OUTSIDE), id="ONNX that names a file"),
        pytest.param(onnx()[:-2], id="ONNX cut off"),
        pytest.param(field(1, 10), id="a message that is no model"),
    ],
)
def test_what_is_no_sound_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model").write_bytes(content)

    with pytest.raises(ModelFileRefusedError):
        require_safe_model_file(tmp_path / "model")


def slip(members: dict[str, bytes]) -> None:
    members["archive/../../x"] = b""


def no_program(members: dict[str, bytes]) -> None:
    del members["archive/models/model.json"]


def two_folders(members: dict[str, bytes]) -> None:
    members["other/x"] = b""


@pytest.mark.parametrize("change", [slip, no_program, two_folders])
def test_an_archive_that_is_no_exported_program_is_refused(
    tmp_path: Path, change: Callable[[dict[str, bytes]], None]
) -> None:
    repacked(tmp_path / "model.pt2", change)

    with pytest.raises(ModelFileRefusedError):
        require_safe_model_file(tmp_path / "model.pt2")
