"""Model files from outside: what can be loaded without trusting its author comes in, everything else is refused."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import outside_models as made
import pytest
import torch

from storage.datasets.errors import PickleRefusedError
from storage.model_files import ModelFormat, look_through, require_safe_model_file
from storage.model_files.errors import ModelFileRefusedError

FUNCTION = made.field(1, b"Twice") + made.field(10, b"mine") + made.field(9, made.field(2, 21))
BY_FUNCTION = made.onnx(
    node=made.field(4, b"Twice") + made.field(7, b"mine"),
    model=made.field(8, made.field(1, b"mine") + made.field(2, 1)) + made.field(25, FUNCTION),
)


def test_what_needs_no_trust_comes_in(tmp_path: Path) -> None:
    contents = {
        ModelFormat.SAFETENSORS: [made.safetensors()],
        ModelFormat.ONNX: [made.onnx(made.field(9, bytes(4))), made.onnx(made.field(9, b"\x70\x01")), BY_FUNCTION],
        ModelFormat.EXPORTED_PROGRAM: [made.exported(), made.repacked(lambda members: None)],  # noqa: ARG005
    }

    for expected, files in contents.items():
        for content in files:
            (tmp_path / "model").write_bytes(content)
            assert require_safe_model_file(tmp_path / "model") is expected


class Recurrent(torch.nn.Module):
    """Guards, sizes computed from sizes, a branch, a constant, and a dictionary of inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = torch.nn.LSTM(4, 8, 2)

    def forward(self, rows: torch.Tensor, more: dict[str, torch.Tensor]) -> torch.Tensor:
        inner: torch.Tensor = self.inner(rows.reshape(-1, 1, 4))[0].sum(0)
        chosen = torch.cond(inner.sum() > 0, lambda value: value + 1, lambda value: value - 1, (inner,))
        return chosen[0] + more["k"][: rows.shape[0] // 2].sum() + torch.tensor([1.0])  # type: ignore[no-any-return]


@pytest.mark.filterwarnings("ignore")  # PyTorch has several to say while it exports
def test_a_program_with_guards_and_computed_sizes_comes_in(tmp_path: Path) -> None:
    dynamic = torch.export.Dim.DYNAMIC
    program = torch.export.export(
        Recurrent(), (torch.zeros(16), {"k": torch.zeros(9)}), dynamic_shapes=({0: dynamic}, {"k": {0: dynamic}})
    )
    torch.export.save(program, tmp_path / "model.pt2")

    assert require_safe_model_file(tmp_path / "model.pt2") is ModelFormat.EXPORTED_PROGRAM


def test_a_file_that_takes_more_memory_than_it_may_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sound").write_bytes(made.safetensors())
    (tmp_path / "greedy").write_bytes(made.header(b'{"a": [' + b"{}," * 5_000_000 + b"{}]}"))

    assert look_through(tmp_path / "sound", 400 * 1024**2) is ModelFormat.SAFETENSORS
    with pytest.raises(ModelFileRefusedError) as refusal:
        look_through(tmp_path / "greedy", 400 * 1024**2)
    assert refusal.value.reason == "looking through it takes more memory or time than it may"


def test_what_was_found_in_a_process_of_its_own_is_told_as_if_it_were_ours(tmp_path: Path) -> None:
    (tmp_path / "pickle").write_bytes(made.pickled(tmp_path / "proof"))
    (tmp_path / "text").write_bytes(b"a,b")

    with pytest.raises(PickleRefusedError):
        look_through(tmp_path / "pickle")
    with pytest.raises(ModelFileRefusedError) as refusal:
        look_through(tmp_path / "text")
    assert refusal.value.reason == "it is of no format that is known here"


def torch_file(thing: object, **options: bool) -> bytes:
    content = io.BytesIO()
    torch.save(thing, content, **options)
    return content.getvalue()


PICKLES: list[Callable[[Path], bytes]] = [
    *(lambda proof, protocol=protocol: made.pickled(proof, protocol) for protocol in (0, 2, 4, 5)),
    lambda _: torch_file(made.TENSORS),
    lambda _: torch_file(made.TENSORS, _use_new_zipfile_serialization=False),
    lambda _: torch_file(torch.nn.Linear(2, 2)),
    made.pickled_samples,
    lambda proof: made.with_member(
        "data/sample_inputs/model.pt", made.packed({"model/data.pkl": made.pickled(proof, 4)})
    ),
    lambda proof: made.with_member("data/weights/weight_0", made.pickled(proof)),
    lambda proof: made.with_member("data/constants/custom_obj_0.pt", made.pickled(proof)),
    lambda proof: made.packed({"archive/data.pkl": made.pickled(proof)}),
    lambda _: made.with_member("data/weights/weight_0", torch_file({"a": 1})),
]


@pytest.mark.parametrize("make", PICKLES)
def test_pickled_objects_are_refused_unopened(tmp_path: Path, make: Callable[[Path], bytes]) -> None:
    (tmp_path / "model.safetensors").write_bytes(make(tmp_path / "proof"))

    with pytest.raises(PickleRefusedError):
        require_safe_model_file(tmp_path / "model.safetensors")

    assert not (tmp_path / "proof").exists()


def tensor(start: int, end: int, shape: tuple[object, ...] = (1,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


ONE = b'"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
FOUR = bytes(4)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"a,b\n1,2\n", id="text"),
        pytest.param(b"\x89HDF\r\n\x1a\n", id="HDF5"),
        pytest.param(b"\x7fELF" + bytes(60), id="a program of the machine"),
        pytest.param(made.header({})[:-1] + b"{" * 50, id="header cut off"),
        pytest.param(struct.pack("<Q", 2**63) + b"{}", id="header longer than the file"),
        pytest.param(made.header(b"{" + b" " * 17 * 1024**2 + b"}"), id="header of 17 MiB"),
        pytest.param(made.header(b"{" * 9), id="header no JSON"),
        pytest.param(made.header(b'{"a":' * 5_000 + b"1" + b"}" * 5_000), id="header nested deeply"),
        pytest.param(made.header('{"a": 1}'.encode("utf-16-le")), id="header in UTF-16"),
        pytest.param(made.header(b"{" + ONE + b", " + ONE + b"}", FOUR), id="a name twice"),
        pytest.param(made.header({"a\0b": tensor(0, 4)}, FOUR), id="NUL in a name"),
        pytest.param(made.header({"__metadata__": {"a": [1]}, "a": tensor(0, 4)}, FOUR), id="metadata that is no text"),
        pytest.param(made.header({"a": tensor(0, 4, shape=(1.0,))}, FOUR), id="a shape of fractions"),
        pytest.param(made.header({"a": tensor(0, 4, shape=(0, 10**4_000))}, FOUR), id="a shape beyond all measure"),
        pytest.param(made.header({"a": tensor(0, 4, shape=(1,) * 1_000)}, FOUR), id="a thousand dimensions"),
        pytest.param(made.header({"a": tensor(0, 8)}, bytes(8)), id="more bytes than the shape has"),
        pytest.param(made.header({"a": tensor(0, 4), "b": tensor(0, 4)}, FOUR), id="tensors over each other"),
        pytest.param(made.header({"a": tensor(4, 8)}, bytes(8)), id="a gap"),
        pytest.param(made.header({"a": tensor(0, 4)}, bytes(9)), id="bytes behind"),
        pytest.param(made.header({"a": tensor(0, 4)}), id="data missing"),
        pytest.param(made.header({"a": tensor(0, 4, dtype="OBJECT")}, FOUR), id="unknown type"),
        pytest.param(made.header({"a": tensor(0, 4, shape=(-1,))}, FOUR), id="negative shape"),
    ],
)
def test_what_is_no_sound_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model").write_bytes(content)

    with pytest.raises(ModelFileRefusedError):
        require_safe_model_file(tmp_path / "model")


def in_a_branch(tensor: bytes) -> bytes:
    """An attribute with a graph of its own."""
    inner = made.field(5, made.field(8, b"w") + tensor)
    return made.field(5, made.field(1, b"then_branch") + made.field(6, inner))


LONG_TAG = b"\xea\x80\x80\x80\x10"  # field 13 with bits beyond the 32 that parsers look at
GROUP = b"\xf3\x01\xf4\x01"  # an empty group of field 30: what parsers skip and would hide the rest from others


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(made.onnx(made.OUTSIDE + made.field(14, 1)), id="data outside"),
        pytest.param(made.onnx(made.field(14, 1)), id="that says its data is outside"),
        pytest.param(made.onnx(made.field(14, 2**32 + 1)), id="that says so beyond 32 bits"),
        pytest.param(made.onnx(made.OUTSIDE), id="that names a file"),
        pytest.param(made.onnx(LONG_TAG + made.OUTSIDE[1:]), id="that names one under a long tag"),
        pytest.param(made.onnx(GROUP + made.OUTSIDE), id="that names one behind a group"),
        pytest.param(made.onnx(node=in_a_branch(made.OUTSIDE)), id="data of a branch outside"),
        pytest.param(made.onnx(node=made.field(7, b"com.evil")), id="an operator of another domain"),
        pytest.param(made.onnx(node=made.field(7, b"ai.onnx.contrib") + made.field(4, b"PyOp")), id="Python"),
        pytest.param(made.onnx(node=made.field(7, b"com.microsoft") + made.field(4, b"PythonOp")), id="Python at work"),
        pytest.param(made.onnx(model=made.field(8, made.field(1, b"com.evil"))), id="an imported domain"),
        pytest.param(
            made.onnx(
                node=made.field(4, b"Load") + made.field(7, b"mine"),
                model=made.field(8, made.field(1, b"mine")) + made.field(25, FUNCTION),
            ),
            id="an operator beside the functions of its domain",
        ),
        pytest.param(made.onnx(model=made.field(99, b"x")), id="a field that nobody knows"),
        pytest.param(made.onnx(model=made.field(20, 7)), id="a number where a message belongs"),
        pytest.param(made.onnx()[:-2], id="cut off"),
        pytest.param(made.field(1, 10), id="a message that is no model"),
    ],
)
def test_an_onnx_model_that_needs_more_than_itself_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model").write_bytes(content)

    with pytest.raises(ModelFileRefusedError):
        require_safe_model_file(tmp_path / "model")


END = b"PK\x05\x06" + b"\xff" * 16 + b"\0\0"
"""The end of an archive that refers to an end of another kind before it."""


def name_in_no_code() -> bytes:
    content = bytearray(made.exported())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 9] |= 0x08  # the name is UTF-8
    content[entry + 46] = 0xFF
    return bytes(content)


def no_program(members: made.Members) -> None:
    del members["archive/models/model.json"]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: made.repacked(no_program), id="no program"),
        pytest.param(lambda: made.with_member("../../x", b""), id="a way out"),
        pytest.param(lambda: made.repacked(lambda members: members.update({"other/x": b""})), id="two folders"),
        pytest.param(made.bomb, id="compressed"),
        pytest.param(made.overlapping, id="members over each other"),
        pytest.param(made.with_nul_in_name, id="NUL in a name"),
        pytest.param(lambda: b"#!/bin/sh\n" + made.exported(), id="something before it"),
        pytest.param(lambda: made.with_member("data/aotinductor/model/a.so", b"\x7fELF"), id="a library"),
        pytest.param(lambda: made.with_member("data/constants/custom_obj_0", b"x"), id="an object"),
        pytest.param(lambda: made.exported()[:-30], id="cut off"),
        pytest.param(name_in_no_code, id="a name in no code"),
        pytest.param(lambda: made.exported() + b"PK\x06\x07" + b"\xff" * 16 + END, id="on several disks"),
    ],
)
def test_an_archive_that_is_no_exported_program_is_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    (tmp_path / "model.pt2").write_bytes(make())

    with pytest.raises(ModelFileRefusedError):
        require_safe_model_file(tmp_path / "model.pt2")


@pytest.mark.parametrize(
    "make",
    [
        *(
            lambda guard=guard: made.with_guard(guard)
            for guard in (
                "print(1)",
                "L['x'].__class__.mro()",
                "math.__loader__",
                "torch.hub.os.getpid()",
                "(lambda: 1)()",
                "[1 for _ in (1, 2)]",
                "L['\"); print(1); (\"']",
                "True) or (1\n",
                "(" * 300 + ")" * 300,
            )
        ),
        *(
            lambda size=size: made.with_size(size)
            for size in ("print(1)", "Symbol.mro()", "lambdify('x', 'x')", "preview(x1)", "s1!", "1 if exit() else 2")
        ),
        *(
            lambda target=target: made.with_operator(target)
            for target in (
                "torch.hub.os.system",
                "torch.ops.aten.from_file.default",
                "torch.ops.load_library",
                "torch.ops.aten.add.__class__",
                "torch.ops.evil.run.default",
                "_operator.methodcaller",
                "_operator.attrgetter",
                "#executorch:x",
                "print",
            )
        ),
        *(lambda name=name: made.with_value_name(name) for name in ("x=print(1)", "x\ny", "x)", "a b")),
        lambda: made.with_nesting("builtins.tuple", {"__enum__": True, "fqn": "builtins:print", "name": "ran"}),
        lambda: made.with_nesting("collections.defaultdict", {"default_factory_module": "os"}),
        lambda: made.with_member("data/weights/model_weights_config.json", b'{"config": {"a": {"use_pickle": true}}}'),
        lambda: made.with_member("models/other.json", b'{"target": "math.pi", "target": "math.sin"}'),
        lambda: made.with_member("models/other.json", b"[" * 100_000),
    ],
)
def test_a_program_with_a_text_that_would_be_run_is_refused(tmp_path: Path, make: Callable[[], bytes]) -> None:
    (tmp_path / "model.pt2").write_bytes(make())

    with pytest.raises(ModelFileRefusedError):
        require_safe_model_file(tmp_path / "model.pt2")


def test_the_file_that_is_changed_in_these_tests_is_taken_unchanged() -> None:
    with zipfile.ZipFile(io.BytesIO(made.exported())) as archive:
        assert {"archive/models/model.json", "archive/data/weights/weight_1"} <= set(archive.namelist())


def test_nothing_is_imported_from_the_folder_in_which_the_platform_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("storage.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('it was imported')")
    (tmp_path / "model").write_bytes(made.safetensors())
    monkeypatch.chdir(tmp_path)

    assert look_through(tmp_path / "model") is ModelFormat.SAFETENSORS
