"""`ami-learning audit`: the audit trail, for auditors and for those who keep it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from pydantic import BaseModel

from learning.bootstrap import OPERATOR, audit_storage
from learning.errors import AuditArgumentsError
from learning.settings import LearningSettings
from storage import SecurityContext
from storage.audit import offline_verifier
from storage.audit.checkpoints import GLOBAL_TREE, Checkpoint, tenant_tree
from storage.audit.export import ExportedBundle, export_bundle
from storage.audit.keys import KeyFile
from storage.audit.personal_data import erase_leaf, erase_person
from storage.audit.proofs import AuditProofs
from storage.audit.signers import rotate_key
from storage.authentication import DEVELOPMENT_TENANT
from storage.errors import ErasureNotSealedError

app = typer.Typer(no_args_is_help=True, help="The audit trail: show, prove, export, verify, erase, rotate keys.")

Reference = Annotated[UUID, typer.Argument(metavar="AUDIT_REF", help="As answers carry it.")]
Tenant = Annotated[str, typer.Option(help="Whose trail.")]
Whole = Annotated[bool, typer.Option("--whole-log", help="The tree over all tenants instead.")]
_ATTEMPTS, _PAUSE_SECONDS = 10, 0.5


@app.command()
def show(audit_ref: Reference, *, tenant: Tenant = DEVELOPMENT_TENANT) -> None:
    """Print a leaf, with what is about persons as long as that is not erased."""
    with audit_storage(LearningSettings()) as storage, storage.transaction() as work:
        leaf = work.audit.read(audit_ref, context=_context(tenant))
    typer.echo(json.dumps(leaf, indent=2, ensure_ascii=False))


@app.command()
def prove(audit_ref: Reference, *, tenant: Tenant = DEVELOPMENT_TENANT) -> None:
    """Print the proof that a leaf is in the signed trees."""
    with audit_storage(LearningSettings()) as storage, storage.transaction() as work:
        proof = AuditProofs(work.connection, _context(tenant)).prove(audit_ref)
    _print(proof)


@app.command()
def checkpoint(*, tenant: Tenant = DEVELOPMENT_TENANT, whole_log: Whole = False) -> None:
    """Print the newest checkpoint, to be kept where nobody here can change it."""
    with audit_storage(LearningSettings()) as storage, storage.transaction() as work:
        signed = AuditProofs(work.connection, _context(tenant)).checkpoint(_tree(tenant, whole_log=whole_log))
    typer.echo(signed.note, nl=False)


@app.command()
def consistency(
    size: Annotated[int, typer.Argument(metavar="SIZE", min=0, help="Of an earlier checkpoint.")],
    *,
    tenant: Tenant = DEVELOPMENT_TENANT,
    whole_log: Whole = False,
) -> None:
    """Print the proof that the newest tree begins with what it was at an earlier size."""
    with audit_storage(LearningSettings()) as storage, storage.transaction() as work:
        proof = AuditProofs(work.connection, _context(tenant)).consistency(_tree(tenant, whole_log=whole_log), size)
    _print(proof)


@app.command()
def keys() -> None:
    """Print the public keys in their order; auditors begin with the first."""
    with audit_storage(LearningSettings()) as storage, storage.transaction() as work:
        for key in AuditProofs(work.connection, OPERATOR).signers():
            typer.echo(key.verifier)


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The tar file to write.")],
    *,
    tenant: Tenant = DEVELOPMENT_TENANT,
    known: Annotated[Path | None, typer.Option(help="A checkpoint of the whole log, from before.")] = None,
) -> None:
    """Write everything that an auditor needs to verify a tenant's trail without this program."""
    from_before = None if known is None else Checkpoint.parse(_text_in(known))
    with audit_storage(LearningSettings()) as storage:

        def attempt() -> ExportedBundle:
            with storage.transaction() as work:
                return export_bundle(work.connection, out, known=from_before, context=_context(tenant))

        try:
            bundle = when_sealed(attempt, lambda: time.sleep(_PAUSE_SECONDS))
        except OSError as error:
            raise AuditArgumentsError(reason=f"{out} cannot be written ({error.strerror})") from error
    typer.echo(f"{bundle.path} {bundle.leaves} leaves; verify it with {offline_verifier.__file__}")


def when_sealed(attempt: Callable[[], ExportedBundle], pause: Callable[[], None]) -> ExportedBundle:
    """Return what an export wrote, once what was erased a moment ago is sealed.

    Raises:
        ErasureNotSealedError: After as many attempts as a sealer that runs does not need.
    """
    for _ in range(_ATTEMPTS - 1):
        try:
            return attempt()
        except ErasureNotSealedError:
            pause()
    return attempt()


def _text_in(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise AuditArgumentsError(reason=f"{path} cannot be read ({reason})") from error


@app.command()
def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="As 'audit export' writes it.")],
    *,
    key: Annotated[str, typer.Option(help="The public key that you trust, or a file that holds it.")],
    tenant: Annotated[str | None, typer.Option(help="Whose trail you asked for.")] = None,
    known: Annotated[list[Path] | None, typer.Option(help="A checkpoint from before; may be repeated.")] = None,
) -> None:
    """Verify a bundle with the offline verifier; exit code 1 where something is wrong."""
    from_before = [_checkpoint_in(path) for path in known or []]
    size, findings = offline_verifier.verify(bundle, _trusted(key), from_before, tenant)
    for finding in findings:
        typer.echo(f"{finding.code}: {finding.sentence}")
    if findings:
        raise typer.Exit(1)
    typer.echo(f"OK: {size} leaves of {offline_verifier.tenant_of(bundle)}, each as it was signed.")


def _trusted(key: str) -> offline_verifier.Key:
    try:
        return offline_verifier.trusted_key(key)
    except (OSError, ValueError) as error:
        reason = "--key is neither a public key as 'audit keys' prints it nor a file that holds one"
        raise AuditArgumentsError(reason=reason) from error


def _checkpoint_in(path: Path) -> offline_verifier.Checkpoint:
    try:
        return offline_verifier.read_checkpoint(_text_in(path))
    except ValueError as error:
        raise AuditArgumentsError(reason=f"{path} is not a checkpoint as 'audit checkpoint' prints it") from error


@app.command()
def erase(
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    person: Annotated[str | None, typer.Option(help="User id: what is about persons in all that they did.")] = None,
    leaf: Annotated[UUID | None, typer.Option(help="AUDIT_REF: what is about persons in this one leaf.")] = None,
    tenant: Tenant = DEVELOPMENT_TENANT,
) -> None:
    """Erase what is about persons; the leaves and the trees stay, and the erasure is on the record."""
    if (person is None) == (leaf is None):
        raise AuditArgumentsError(reason="give either --person or --leaf")
    with audit_storage(LearningSettings()) as storage, storage.transaction() as work:
        context = _context(tenant)
        if person is not None:
            number = erase_person(work, person, reason=reason, context=context)
        if leaf is not None:
            number = erase_leaf(work, leaf, reason=reason, context=context)
    typer.echo(f"erased beside {number} leaves")


@app.command(name="rotate-key")
def rotate() -> None:
    """Let a new key sign from now on, endorsed by the old one, which is forgotten; print its public half."""
    settings = LearningSettings()
    with audit_storage(settings) as storage:
        typer.echo(str(rotate_key(storage, KeyFile(settings.audit_keys), context=OPERATOR)))


def _context(tenant: str) -> SecurityContext:
    return OPERATOR.model_copy(update={"tenant_id": tenant})


def _tree(tenant: str, *, whole_log: bool) -> str:
    return GLOBAL_TREE if whole_log else tenant_tree(tenant)


def _print(document: BaseModel) -> None:
    typer.echo(document.model_dump_json(indent=2))
