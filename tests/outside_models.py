"""Model files as they come from outside: real ones, and ones made to do harm."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

TENSORS = {"a": torch.zeros(2, 3), "b": torch.arange(4), "c": torch.zeros(0)}
Members = dict[str, bytes]


class Deed:
    """Unpickled, it would leave a file behind."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._proof,)


def safetensors() -> bytes:
    return save(TENSORS, {"format": "pt"})


def header(document: object, data: bytes = b"") -> bytes:
    """A file of safetensors with a header of one's own."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<Q", len(text)) + text + data


def field(number: int, value: int | bytes) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def varint(value: int) -> bytes:
    head = bytearray()
    while value >= 0x80:
        head.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(head) + bytes([value])


def onnx(tensor: bytes = b"", node: bytes = b"", model: bytes = b"") -> bytes:
    """A model that adds its one tensor to its input: version, producer, graph, operator set; and more of each."""
    weight = field(1, 2) + field(2, 1) + field(8, b"weight") + tensor
    add = field(1, b"x") + field(1, b"weight") + field(2, b"y") + field(3, b"add") + field(4, b"Add") + node
    graph = (
        field(1, add) + field(2, b"graph") + field(5, weight) + field(11, field(1, b"x")) + field(12, field(1, b"y"))
    )
    return field(1, 10) + field(2, b"maker") + field(7, graph) + field(8, field(2, 21)) + model


OUTSIDE = field(13, field(1, b"location") + field(2, b"../../etc/passwd"))


@cache
def exported() -> bytes:
    """A program of torch.export with a size that is not fixed, as PyTorch writes it."""
    sizes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(torch.nn.Linear(3, 2), (torch.zeros(4, 3),), dynamic_shapes=sizes)
    content = io.BytesIO()  # a file's own name would become that of the archive's folder
    torch.export.save(program, content)
    return content.getvalue()


def repacked(change: Callable[[Members], None], compression: int = zipfile.ZIP_STORED) -> bytes:
    """An exported program with other members."""
    with zipfile.ZipFile(io.BytesIO(exported())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    return packed(members, compression)


def packed(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def rewritten(change: Callable[[dict[str, Any]], None]) -> bytes:
    """An exported program whose JSON says something else."""

    def rewrite(members: Members) -> None:
        document = json.loads(members["archive/models/model.json"])
        change(document)
        members["archive/models/model.json"] = json.dumps(document).encode()

    return repacked(rewrite)


def with_guard(guard: str) -> bytes:
    return rewritten(lambda document: document.update(guards_code=[guard]))


def with_size(size: str) -> bytes:
    def change(document: dict[str, Any]) -> None:
        values = document["graph_module"]["graph"]["tensor_values"]
        values["input"]["sizes"][0] = {"as_expr": {"expr_str": size, "hint": None}}

    return rewritten(change)


def with_operator(target: str) -> bytes:
    return rewritten(lambda document: document["graph_module"]["graph"]["nodes"][-1].update(target=target))


def with_value_name(name: str) -> bytes:
    return rewritten(lambda document: document["graph_module"]["graph"]["inputs"][-1]["as_tensor"].update(name=name))


def with_nesting(kind: str, context: object) -> bytes:
    nesting = [1, {"type": kind, "context": json.dumps(context), "children_spec": []}]

    def change(document: dict[str, Any]) -> None:
        document["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps(nesting)

    return rewritten(change)


def with_member(name: str, content: bytes) -> bytes:
    return repacked(lambda members: members.update({f"archive/{name}": content}))


def bomb() -> bytes:
    """A program that is unpacked to a thousand times its size."""
    return repacked(
        lambda members: members.update({"archive/data/weights/weight_9": bytes(64 * 1024**2)}), zipfile.ZIP_DEFLATED
    )


def overlapping() -> bytes:
    """A program of which two members share their bytes."""
    content = with_member("data/weights/weight_8", bytes(4096))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = {info.filename: info for info in archive.infolist()}
    placed = struct.pack("<I", infos["archive/data/weights/weight_8"].header_offset)
    other = infos["archive/data/weights/weight_1"]
    entry = content.rindex(b"archive/data/weights/weight_1") - 46
    assert struct.unpack("<I", content[entry + 42 : entry + 46]) == (other.header_offset,)
    return content[: entry + 42] + placed + content[entry + 46 :]


def with_nul_in_name() -> bytes:
    """A member that Python reads under a shorter name than others do."""
    return with_member("extra/note", b"x").replace(b"archive/extra/note", b"archive/extra/no\0e")


def pickled(proof: Path, protocol: int = 4) -> bytes:
    return pickle.dumps(Deed(proof), protocol)


def pickled_samples(proof: Path) -> bytes:
    samples = packed({"model/data.pkl": pickled(proof, 2)})
    return with_member("data/sample_inputs/model.pt", samples)
