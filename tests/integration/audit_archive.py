"""An audit trail that is exported, and an auditor who verifies the bundle with a copy of the verifier alone."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from audit_office import ADA, AuditOffice

from storage import SecurityContext
from storage.audit import offline_verifier
from storage.audit.checkpoints import Checkpoint
from storage.audit.export import export_bundle
from storage.audit.proofs import AuditProofs

Members = dict[str, bytes]


@dataclass(frozen=True)
class Verdict:
    """What the verifier said: its exit code, and its lines by their first words."""

    code: int
    lines: tuple[str, ...]

    @property
    def findings(self) -> list[str]:
        return [line.partition(":")[0] for line in self.lines]


class Auditor:
    """Somebody with a folder of their own, the verifier in it, and nothing else of this program."""

    def __init__(self, folder: Path, key: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.key = key
        shutil.copy(offline_verifier.__file__, folder / "offline_verifier.py")

    def verify(self, bundle: Path, *known: str, key: str | None = None, tenant: str | None = None) -> Verdict:
        arguments = [str(bundle), "--key", key or self.key]
        arguments += [] if tenant is None else ["--tenant", tenant]
        for number, note in enumerate(known):
            path = self.folder / f"known-{number}.txt"
            path.write_text(note, encoding="utf-8")
            arguments += ["--known", str(path)]
        ended = subprocess.run(
            [sys.executable, "-I", "offline_verifier.py", *arguments],
            cwd=self.folder, env={}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ended.stderr == ""
        return Verdict(ended.returncode, tuple(ended.stdout.splitlines()))


class Archive:
    """An office whose trail is exported."""

    def __init__(self, office: AuditOffice, folder: Path) -> None:
        self.office = office
        self.folder = folder

    def export(self, name: str = "bundle.tar", known: str | None = None, context: SecurityContext = ADA) -> Path:
        with self.office.storage.transaction() as work:
            checkpoint = None if known is None else Checkpoint.parse(known)
            bundle = export_bundle(work.connection, self.folder / name, known=checkpoint, context=context)
        return bundle.path

    def checkpoint(self, tree: str) -> str:
        with self.office.storage.transaction() as work:
            return AuditProofs(work.connection, ADA).checkpoint(tree).note

    def auditor(self) -> Auditor:
        with self.office.storage.transaction() as work:
            key = AuditProofs(work.connection, ADA).signers()[0].verifier
        return Auditor(self.folder / "auditor", key)

    def rebuilt(self, bundle: Path, change: Callable[[Members], None]) -> Path:
        with tarfile.open(bundle) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        change(members)
        out = self.folder / "tampered.tar"
        with tarfile.open(out, "w") as tar:
            for name, content in members.items():
                described = tarfile.TarInfo(name)
                described.size = len(content)
                tar.addfile(described, io.BytesIO(content))
        return out
