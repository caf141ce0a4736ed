"""The contract of every key service, and what only a program can get wrong."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from learning.bootstrap import master_keys
from learning.settings import LearningSettings
from storage.errors import MasterKeyUnusableError, ObjectUnsealableError
from storage.models import DataClassification
from storage.objects import FolderObjectStore, SealingObjectStore
from storage.objects.key_command import CommandKeys
from storage.objects.master_keys import KeyService, LocalKeys
from storage.objects.sealing import rewrap

# Not a cipher that anybody should use: the contract is about who may open what.
PROGRAM = """#!{python}
import base64, hashlib, hmac, sys
keys = {keys!r}
if sys.argv[1] == "keys":
    print("\\n".join(keys))
    raise SystemExit
act, name = sys.argv[1:]
content, purpose = (base64.b64decode(line) for line in sys.stdin.buffer)
pad = hashlib.sha256(keys[name].encode() + purpose).digest()
tag = hmac.digest(pad, name.encode(), "sha256")
if act == "unwrap":
    content, found = content[:-32], content[-32:]
    if found != tag:
        raise SystemExit(3)
print(base64.b64encode(bytes(a ^ b for a, b in zip(content, pad)) + (tag if act == "wrap" else b"")).decode())
"""


def program(folder: Path, text: str) -> Path:
    path = folder / f"keys-{len(list(folder.iterdir()))}"
    path.write_text(text)
    path.chmod(0o700)
    return path


def service(kind: str, folder: Path, *names: str) -> KeyService:
    if kind == "local":
        return LocalKeys(tuple(name.encode().ljust(32, b".") for name in names))
    keys = {name: f"secret of {name}" for name in names}
    return CommandKeys(program(folder, PROGRAM.format(python=sys.executable, keys=keys)), {})


@pytest.mark.parametrize("kind", ["local", "command"])
def test_a_key_service_unwraps_what_that_master_key_wrapped_for_that_purpose(kind: str, tmp_path: Path) -> None:
    keys, others = service(kind, tmp_path, "new", "old"), service(kind, tmp_path, "other")
    wrapped = keys.wrap(b"d" * 32, b"this object")

    assert keys.unwrap(keys.key_ids[0], wrapped, b"this object") == b"d" * 32
    assert keys.unwrap(keys.key_ids[0], wrapped, b"another object") is None
    assert keys.unwrap(keys.key_ids[1], wrapped, b"this object") is None
    assert keys.unwrap("never heard of", wrapped, b"this object") is None
    assert others.unwrap(others.key_ids[0], wrapped, b"this object") is None
    assert b"d" * 32 not in wrapped


@pytest.mark.parametrize("kind", ["local", "command"])
def test_objects_are_sealed_opened_and_taken_over_by_a_key_service(kind: str, tmp_path: Path) -> None:
    folder = FolderObjectStore(tmp_path / "objects")
    old, new = service(kind, tmp_path, "old"), service(kind, tmp_path, "new", "old")
    stored = SealingObjectStore(folder, old).for_classification(DataClassification.RESTRICTED).put_bytes(b"content")

    assert SealingObjectStore(folder, new).read_bytes(stored.uri) == b"content"
    assert rewrap(folder, new).rewrapped == 1
    assert SealingObjectStore(folder, service(kind, tmp_path, "new")).read_bytes(stored.uri) == b"content"
    with pytest.raises(ObjectUnsealableError):
        SealingObjectStore(folder, old).read_bytes(stored.uri)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/bin/sh\nexit 1\n", "'keys' ended with exit code 1"),
        ("#!/bin/sh\n", "it names no keys, or none that could be a name"),
        ("#!/bin/sh\necho ../../etc\n", "it names no keys, or none that could be a name"),
        ("#!/bin/sh\necho one\n", "its answer is not base64"),
        (
            "#!/bin/sh\n[ $1 = keys ] && echo one && exit 0\nexit 3\n",
            "it does not wrap with the key that it names first",
        ),
        ("#!/bin/sh\n[ $1 = keys ] && echo one\nexit 0\n", "what it wraps is less than the key"),
        ("#!/bin/sh\nexec sleep 60\n", "it cannot be run (TimeoutExpired)"),
        ("no program", "it cannot be run (OSError)"),
    ],
)
def test_a_program_that_fails_seals_nothing(text: str, reason: str, tmp_path: Path) -> None:
    path = program(tmp_path, text)
    keys = CommandKeys(path, {}, timeout_seconds=1 if "sleep" in text else 30)
    folder = FolderObjectStore(tmp_path / "objects")
    sealing = SealingObjectStore(folder, keys).for_classification(DataClassification.CONFIDENTIAL)

    with pytest.raises(MasterKeyUnusableError) as raised:
        sealing.put_bytes(b"content")

    assert (raised.value.source, raised.value.reason) == (str(path), reason)
    assert list(folder.list_objects()) == []


def test_a_program_that_unwraps_what_is_no_key_is_unusable(tmp_path: Path) -> None:
    path = program(tmp_path, "#!/bin/sh\n[ $1 = keys ] && echo one\n[ $1 = wrap ] && head -1\nexit 0\n")
    folder = FolderObjectStore(tmp_path / "objects")
    sealing = SealingObjectStore(folder, CommandKeys(path, {})).for_classification(DataClassification.CONFIDENTIAL)
    stored = sealing.put_bytes(b"content")

    with pytest.raises(MasterKeyUnusableError) as raised:
        sealing.read_bytes(stored.uri)

    assert (raised.value.source, raised.value.reason) == (str(path), "what it unwraps is no key")


def test_a_program_that_is_not_there_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(MasterKeyUnusableError) as raised:
        CommandKeys(tmp_path / "absent", {}).key_ids  # noqa: B018 - asking is the act

    assert raised.value.reason == "it cannot be run (FileNotFoundError)"


def test_a_program_sees_of_the_environment_what_the_settings_name_and_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(tmp_path, f"#!/bin/sh\nenv > {tmp_path}/seen\necho one\n")
    monkeypatch.setenv("LEARNING_DATABASE_URL", "postgresql://me:secret@127.0.0.1/ami")
    monkeypatch.setenv("KEY_REGION", "north")
    monkeypatch.setenv("KEY_ACCOUNT", "7")
    settings = LearningSettings(key_command=path, key_command_environment="KEY_REGION, KEY_ACCOUNT")

    keys = master_keys(settings)

    assert keys is not None
    assert keys.key_ids == ("one",)
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    of_the_shell = {"PWD", "SHLVL", "_", "OLDPWD"}
    assert seen.keys() - of_the_shell == {"PATH", "HOME", "KEY_REGION", "KEY_ACCOUNT"}
    assert (seen["KEY_REGION"], seen["PATH"]) == ("north", os.environ["PATH"])
