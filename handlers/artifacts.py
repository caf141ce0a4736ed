"""Artifacts as objects: collecting garbage, holds, verification and new master keys, for operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine import require_reason
from storage import AuditEntry, Resource, SealingObjectStore, SecurityContext, Storage
from storage.errors import MasterKeyMissingError, ObjectCorruptError, ObjectNotFoundError, ObjectUnsealableError
from storage.identifiers import new_id
from storage.models import Permission
from storage.objects import ObjectReader
from storage.objects.garbage import Collection, GarbageReport, collect, take_inventory
from storage.objects.holds import Hold, Holds
from storage.objects.keys import is_sealed, plain_uri, stored_digest_of
from storage.objects.master_keys import KeyService
from storage.objects.references import holds_standing_still, one_at_a_time, read_references
from storage.objects.retention import RetentionPolicy
from storage.objects.sealing import Rewrapping, rewrap


@dataclass(frozen=True)
class Custody:
    """What looking after the object store takes.

    Attributes:
        storage: On a connection that may see which objects the records of all tenants name.
    """

    storage: Storage
    objects: SealingObjectStore
    keys: KeyService | None


class Verification(BaseModel):
    """What reading every object has shown.

    Attributes:
        objects: How many were as they were stored.
        corrupt: Stored bytes that are no longer what their names say.
        unopened: URIs of sealed objects that cannot be opened with our master keys.
        missing: URIs that rows name and that the store does not have.
    """

    model_config = ConfigDict(frozen=True)

    objects: int
    size_bytes: int
    corrupt: tuple[str, ...]
    unopened: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether every object that is needed can be read."""
        return not (self.corrupt or self.unopened or self.missing)


def collect_garbage(
    custody: Custody, policy: RetentionPolicy, grace: timedelta, *, is_dry_run: bool, context: SecurityContext
) -> GarbageReport:
    """Collect what nobody needs, or say what would be collected; one collection runs at a time.

    Raises:
        AccessDeniedError: No ADMIN permission.
        ReferencesUnreadableError: Nobody can tell what is needed; nothing was collected.
        ObjectStoreUnavailableError: It went away on the way; collect again.
    """
    _require_admin(custody.storage, context)
    with custody.storage.statement() as guard, one_at_a_time(guard.connection):
        inventory = take_inventory(custody.objects.inner)
        with custody.storage.transaction() as work:
            references, holds = read_references(work.connection)
            collection = Collection(references, holds, policy, grace, work.now, is_dry_run)
        removing = partial(holds_standing_still, guard.connection)
        report = collect(custody.objects.inner, custody.objects, inventory, collection, removing)
        if not is_dry_run:
            with custody.storage.transaction() as work:
                entry = AuditEntry("artifacts.collected", "objects", _figures(report))
                work.audit.record(entry, context=context)
    return report


def place_hold(storage: Storage, subject: str, reason: str, *, context: SecurityContext) -> Hold:
    """Keep all objects that a record names, or one object, until the hold is released.

    Raises:
        AccessDeniedError: No ADMIN permission.
        ReasonInvalidError: The reason says nothing, or too much.
        RecordNotFoundError: The tenant has no such record or object.
    """
    _require_admin(storage, context)
    require_reason(reason)
    with storage.transaction() as work:
        hold = Holds(work.connection, context.tenant_id).place(new_id(), subject, reason, context.user_id)
        entry = AuditEntry("artifacts.held", subject, {"hold_id": str(hold.hold_id)}, personal={"reason": reason})
        work.audit.record(entry, context=context)
    return hold


def release_hold(storage: Storage, hold_id: UUID, reason: str, *, context: SecurityContext) -> None:
    """Release a hold.

    Raises:
        AccessDeniedError: No ADMIN permission.
        ReasonInvalidError: The reason says nothing, or too much.
        RecordNotFoundError: The tenant has no such hold in force.
    """
    _require_admin(storage, context)
    require_reason(reason)
    with storage.transaction() as work:
        Holds(work.connection, context.tenant_id).release(hold_id, reason, context.user_id)
        entry = AuditEntry("artifacts.released", str(hold_id), personal={"reason": reason})
        work.audit.record(entry, context=context)


def list_holds(storage: Storage, *, context: SecurityContext) -> list[Hold]:
    """Return the tenant's holds, released ones as well; raises AccessDeniedError without ADMIN permission."""
    _require_admin(storage, context)
    with storage.transaction() as work:
        return Holds(work.connection, context.tenant_id).all()


def verify_objects(custody: Custody, *, context: SecurityContext) -> Verification:
    """Read every object and compare it with its digest; open every sealed one that a row names.

    Raises:
        AccessDeniedError: No ADMIN permission.
    """
    _require_admin(custody.storage, context)
    with custody.storage.transaction() as work:
        references, _ = read_references(work.connection)
    present, corrupt, size_bytes = set(), [], 0
    for listed in custody.objects.inner.list_objects():
        present.add(listed.sha256)
        if _is_readable(custody.objects.inner, plain_uri(listed.sha256)):
            size_bytes += listed.size_bytes
        else:
            corrupt.append(listed.sha256)
    named = sorted({reference.uri for reference in references})
    there = [uri for uri in named if stored_digest_of(uri) in present and stored_digest_of(uri) not in set(corrupt)]
    return Verification(
        objects=len(present) - len(corrupt),
        size_bytes=size_bytes,
        corrupt=tuple(corrupt),
        unopened=tuple(uri for uri in there if is_sealed(uri) and not _is_readable(custody.objects, uri)),
        missing=tuple(uri for uri in named if stored_digest_of(uri) not in present),
    )


def rewrap_data_keys(custody: Custody, *, context: SecurityContext) -> Rewrapping:
    """Let the newest master key wrap every data key; it may be interrupted and repeated.

    Raises:
        AccessDeniedError: No ADMIN permission.
        MasterKeyMissingError: There is no master key.
    """
    _require_admin(custody.storage, context)
    if custody.keys is None:
        raise MasterKeyMissingError
    done = rewrap(custody.objects.inner, custody.keys)
    with custody.storage.transaction() as work:
        figures: dict[str, JsonValue] = {"rewrapped": done.rewrapped, "removed": done.removed}
        work.audit.record(AuditEntry("artifacts.rewrapped", custody.keys.key_ids[0], figures), context=context)
    return done


def _is_readable(reader: ObjectReader, uri: str) -> bool:
    try:
        for _ in reader.stream(uri):
            pass
    except (ObjectCorruptError, ObjectNotFoundError, ObjectUnsealableError):
        return False
    return True


def _require_admin(storage: Storage, context: SecurityContext) -> None:
    storage.require(Permission.ADMIN, Resource(kind="artifacts", tenant_id=context.tenant_id), context=context)


def _figures(report: GarbageReport) -> dict[str, JsonValue]:
    figures: dict[str, JsonValue] = {verdict.name.lower(): tally.objects for verdict, tally in report.totals.items()}
    return figures
