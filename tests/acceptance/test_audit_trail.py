"""An auditor follows an answer's reference to a proof, and verifies the whole trail without the platform."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

import pytest
from patience import becomes
from platform_under_test import Platform
from terminal import typed

from storage.audit import offline_verifier
from storage.audit.notes import VerifierKey
from storage.audit.proofs import AuditProof, verify_proof


def run(platform: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    return typed(platform.home, "audit", *arguments, LEARNING_HOME=str(platform.home))


def proved(platform: Platform, audit_ref: str) -> AuditProof:
    """Ask until the leaf is in its tree."""
    deadline = time.monotonic() + 60
    while (asked := run(platform, "prove", audit_ref)).returncode and time.monotonic() < deadline:
        assert asked.stderr.startswith("AUDIT_NOT_SEALED")
    return AuditProof.model_validate_json(asked.stdout)


@pytest.mark.requirement("audit-trail")
def test_an_answers_reference_leads_to_its_leaf_and_to_a_proof_under_the_public_key(platform: Platform) -> None:
    audit_ref = platform.call("ada", "list_user_tasks")["audit_ref"]
    proof = proved(platform, audit_ref)
    leaf = json.loads(run(platform, "show", audit_ref).stdout)
    keys = [VerifierKey.parse(line) for line in run(platform, "keys").stdout.splitlines()]
    signed = run(platform, "checkpoint", "--whole-log").stdout

    log_id = UUID(signed.splitlines()[0].split("/")[1])
    assert (leaf["actor"], leaf["action"], leaf["tool"]) == ("ada", "tool.list_user_tasks", "list_user_tasks")
    assert verify_proof(proof, log_id, keys)
    assert keys[0].verifies(signed)


@pytest.mark.requirement("audit-trail")
def test_a_bundle_is_verified_by_one_file_alone_and_fits_an_earlier_checkpoint(
    platform: Platform, tmp_path: Path
) -> None:
    proved(platform, platform.call("ada", "list_user_tasks")["audit_ref"])
    known = run(platform, "checkpoint", "--whole-log").stdout
    (tmp_path / "known.txt").write_text(known, encoding="utf-8")
    proved(platform, platform.call("grace", "list_user_tasks")["audit_ref"])
    key = run(platform, "keys").stdout.splitlines()[0]

    out = tmp_path / "bundle.tar"
    exported = run(platform, "export", "--out", str(out), "--known", str(tmp_path / "known.txt"))
    shutil.copy(offline_verifier.__file__, tmp_path / "verifier.py")
    verified = subprocess.run(
        [sys.executable, "-I", "verifier.py", "bundle.tar", "--key", key, "--known", "known.txt"],
        cwd=tmp_path, env={}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert exported.returncode == 0, exported.stderr
    assert (verified.returncode, verified.stdout[:3], verified.stderr) == (0, "OK:", "")
    assert run(platform, "verify", str(out), "--key", key).stdout == verified.stdout


@pytest.mark.requirement("audit-trail")
def test_the_platforms_own_verification_takes_what_the_file_takes(platform: Platform, tmp_path: Path) -> None:
    proved(platform, platform.call("ada", "list_user_tasks")["audit_ref"])
    note, key, out = tmp_path / "known.txt", tmp_path / "key.txt", tmp_path / "bundle.tar"
    note.write_text(run(platform, "checkpoint", "--whole-log").stdout, encoding="utf-8")
    key.write_text(run(platform, "keys").stdout.splitlines()[0], encoding="utf-8")
    run(platform, "export", "--out", str(out), "--known", str(note))

    def verdict(*arguments: object) -> tuple[int, str]:
        ended = run(platform, "verify", str(out), *map(str, arguments))
        return ended.returncode, (ended.stdout or ended.stderr).partition(":")[0]

    assert verdict("--key", key, "--known", note, "--tenant", "local") == (0, "OK")
    assert verdict("--key", key, "--tenant", "north") == (1, "ANOTHER_TENANT")
    assert verdict("--key", note) == verdict("--key", key, "--known", key) == (1, "AUDIT_ARGUMENTS_INVALID")


@pytest.mark.requirement("audit-trail")
def test_keys_change_and_personal_data_goes_while_the_platform_runs(platform: Platform) -> None:
    before = run(platform, "keys").stdout.splitlines()
    rotated = run(platform, "rotate-key")
    erased = run(platform, "erase", "--person", "grace", "--reason", "asked to be forgotten")
    proof = proved(platform, platform.call("ada", "list_user_tasks")["audit_ref"])

    assert run(platform, "keys").stdout.splitlines() == [*before, rotated.stdout.strip()]
    assert VerifierKey.parse(rotated.stdout).verifies(proof.in_tenant.checkpoint.note)
    assert erased.stdout.startswith("erased beside ")
    both = run(platform, "erase", "--reason", "r")
    assert (both.returncode, both.stderr.split(":")[0]) == (1, "AUDIT_ARGUMENTS_INVALID")


@pytest.mark.requirement("audit-trail")
def test_a_sealer_that_is_killed_is_replaced_and_seals_on(platform: Platform) -> None:
    first = platform.pid_of("sealer")
    os.kill(first, 9)
    assert becomes(lambda: platform.pid_of("sealer") not in {None, first})

    assert proved(platform, platform.call("ada", "list_user_tasks")["audit_ref"])


@pytest.mark.requirement("audit-trail")
def test_files_that_cannot_be_read_or_written_are_named_without_a_traceback(platform: Platform, tmp_path: Path) -> None:
    proved(platform, platform.call("ada", "list_user_tasks")["audit_ref"])
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    out = ("export", "--out", str(tmp_path / "bundle.tar"))

    failures = [
        run(platform, *out, "--known", str(tmp_path / "absent")),
        run(platform, *out, "--known", str(tmp_path / "binary")),
        run(platform, "export", "--out", str(tmp_path / "absent" / "bundle.tar")),
    ]

    assert [(failed.returncode, failed.stderr.partition(":")[0]) for failed in failures] == [
        (1, "AUDIT_ARGUMENTS_INVALID")
    ] * 3
    assert not (tmp_path / "bundle.tar").exists()
