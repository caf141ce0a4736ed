from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import outside_models as made
import pytest
from platform_under_test import Platform
from terminal import typed

from mcp_server import ToolFailedError

FORMATS = {"safetensors": made.safetensors, "onnx": made.onnx, "torch.export": made.exported}


def register(platform: Platform, name: str, content: bytes, **said: Any) -> dict[str, Any]:
    payload = {"name": name, "artifact_uri": platform.put(name, content), **said}
    return platform.call("ada", "register_model", model_payload=payload)


@pytest.mark.requirement("outside-models")
@pytest.mark.parametrize("file_format", FORMATS)
def test_a_model_of_each_format_is_registered_and_downloaded_as_it_came(platform: Platform, file_format: str) -> None:
    content = FORMATS[file_format]()

    answer = register(platform, f"outside-{file_format}", content)

    assert (answer["status"], answer["origin"]["file_format"]) == ("registered", file_format)
    asked = {"model": "ModelArtifact", "record_id": answer["model_artifact_id"], "uri": answer["artifact_uri"]}
    headers = platform.headers("ada")
    link = httpx2.post(f"{platform.address}/artifacts/links", headers=headers, json=asked).json()
    assert httpx2.get(platform.address + link["path"], headers=headers).content == content


@pytest.mark.requirement("outside-models")
@pytest.mark.requirement("bad-input")
def test_what_would_run_when_loaded_is_refused_with_a_code_and_not_registered(
    platform: Platform, tmp_path: Path
) -> None:
    attacks = {
        "pickle.safetensors": made.pickled(tmp_path / "proof"),
        "archive.pt2": made.packed({"archive/data.pkl": made.pickled(tmp_path / "proof")}),
        "outside.onnx": made.onnx(made.OUTSIDE + made.field(14, 1)),
        "python.onnx": made.onnx(node=made.field(7, b"ai.onnx.contrib") + made.field(4, b"PyOp")),
        "bomb.pt2": made.bomb(),
        "guard.pt2": made.with_guard("print(1)"),
    }
    codes = {}

    for name, content in attacks.items():
        with pytest.raises(ToolFailedError) as refusal:
            register(platform, name, content)
        codes[name] = refusal.value.code
    sound = register(platform, "pickle.safetensors", made.safetensors())

    assert codes == {
        "pickle.safetensors": "PICKLE_REFUSED",
        "archive.pt2": "PICKLE_REFUSED",
        "outside.onnx": "MODEL_FILE_REFUSED",
        "python.onnx": "MODEL_FILE_REFUSED",
        "bomb.pt2": "MODEL_FILE_REFUSED",
        "guard.pt2": "MODEL_FILE_REFUSED",
    }
    assert (sound["model_version"], (tmp_path / "proof").exists()) == (1, False)


def in_terminal(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    return typed(Path.cwd(), "model", "register", *arguments, LEARNING_HOME=str(platform.home))


@pytest.mark.requirement("outside-models")
@pytest.mark.requirement("one-sentence")
def test_a_model_is_registered_in_a_terminal_from_any_folder(platform: Platform, tmp_path: Path) -> None:
    sound, hostile, signature = tmp_path / "a#b.onnx", tmp_path / "evil.pt2", tmp_path / "signature.json"
    sound.write_bytes(made.onnx())
    hostile.write_bytes(made.with_size("print(1)"))
    field = {"name": "x", "datatype": "FP32", "shape": [-1]}
    signature.write_text(json.dumps({"inputs": [field], "outputs": [field]}))
    said = ("--name", "terminal", "--signature", str(signature), "--classification", "confidential")

    first = in_terminal(platform, str(sound), *said, "--json")
    again = in_terminal(platform, str(sound), *said)
    refused = in_terminal(platform, str(hostile), "--name", "terminal")

    registered = json.loads(first.stdout)["artifact"]
    assert (registered["name"], registered["version"], registered["owner"]) == ("terminal", 1, "operator")
    assert registered["artifact_uri"].startswith("object://sealed/")
    assert again.stdout.splitlines()[0] == f"terminal version 1 is registered already: {registered['id']}"
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1)
    assert refused.stderr.startswith("MODEL_FILE_REFUSED: ")
