"""`ami-learning access`: who may do what with a single record, for operators."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, get_args
from uuid import UUID

import typer
from pydantic import TypeAdapter, ValidationError

from handlers.grants import (
    ChangedGrants,
    GrantRequest,
    RecordModel,
    RevocationRequest,
    grant_access,
    list_grants,
    revoke_access,
)
from learning.bootstrap import OPERATOR, running_services
from learning.printing import AsJson, print_rows
from learning.settings import LearningSettings
from storage.models import GrantConditions, Permission, PrincipalType

app = typer.Typer(no_args_is_help=True, help="Grants on records: grant, revoke, list.")

_MODEL: TypeAdapter[RecordModel] = TypeAdapter(RecordModel)
_NETWORK: TypeAdapter[IPv4Network | IPv6Network] = TypeAdapter(IPv4Network | IPv6Network)
_TIMES = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"]


def _parse_model(text: str) -> RecordModel:
    try:
        return _MODEL.validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(f"it is one of {', '.join(get_args(RecordModel))}") from error


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    try:
        return _NETWORK.validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(f"{text!r} is no network") from error


Model = Annotated[str, typer.Argument(metavar="MODEL", help="Such as Dataset, DatasetVersion or ModelArtifact.")]
RecordId = Annotated[UUID, typer.Argument(metavar="ID")]
Principal = Annotated[str, typer.Argument(metavar="PRINCIPAL", help="Whose id or name.")]
Kind = Annotated[PrincipalType, typer.Option("--type", help="What the principal is.")]
Reason = Annotated[str, typer.Option(help="Why, for the audit trail.")]
Revision = Annotated[int | None, typer.Option(min=1, help="Refuse where the record is no longer at it.")]
Chosen = Annotated[list[Permission] | None, typer.Option("--permission", help="Only this one; may be repeated.")]
Moment = Annotated[datetime | None, typer.Option(formats=_TIMES, help="UTC unless it says otherwise.")]


@app.command()
def grant(
    model: Model,
    record: RecordId,
    principal: Principal,
    *,
    permission: Annotated[list[Permission], typer.Option(help="What is granted; may be repeated.")],
    reason: Reason,
    kind: Kind = PrincipalType.USER,
    expires_at: Moment = None,
    not_before: Moment = None,
    network: Annotated[list[str] | None, typer.Option(help="Only for callers from it; may be repeated.")] = None,
    claim: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only with it in the token.")] = None,
    revision: Revision = None,
) -> None:
    """Grant permissions on a record; repeating it changes nothing."""
    conditions = GrantConditions(
        networks=tuple(map(_parse_network, network or ())),
        claims=dict(map(_claim, claim or ())),
        not_before=_utc(not_before),
    )
    request = GrantRequest(
        model=_parse_model(model),
        record_id=record,
        principal=principal,
        principal_type=kind,
        permissions=tuple(permission),
        expires_at=_utc(expires_at),
        conditions=conditions,
        reason=reason,
        revision=revision,
    )
    with running_services(LearningSettings()) as services:
        _print(grant_access(services, request, context=OPERATOR))


@app.command()
def revoke(
    model: Model,
    record: RecordId,
    principal: Principal,
    *,
    reason: Reason,
    permission: Chosen = None,
    kind: Kind = PrincipalType.USER,
    revision: Revision = None,
) -> None:
    """Take permissions on a record back, all unless some are named."""
    request = RevocationRequest(
        model=_parse_model(model),
        record_id=record,
        principal=principal,
        principal_type=kind,
        permissions=tuple(permission or Permission),
        reason=reason,
        revision=revision,
    )
    with running_services(LearningSettings()) as services:
        _print(revoke_access(services, request, context=OPERATOR))


@app.command(name="list")
def list_all(model: Model, record: RecordId, *, as_json: AsJson = False) -> None:
    """List the grants on a record, oldest first."""
    with running_services(LearningSettings()) as services:
        found = list_grants(services, _parse_model(model), record, context=OPERATOR)
    rows = [{**entry.model_dump(mode="json"), "may": ",".join(entry.permissions)} for entry in found.grants]
    columns = ("principal_type", "principal", "may", "expires_at", "granted_by", "granted_at")
    print_rows(rows, columns, as_json=as_json)


def _print(changed: ChangedGrants) -> None:
    what = "changed" if changed.is_changed else "as it was"
    links = f" {changed.withdrawn_links} links withdrawn" if changed.withdrawn_links else ""
    typer.echo(f"{changed.record_id} {what} revision {changed.revision}{links} audit_ref {changed.audit_ref}")


def _claim(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE")
    return name, value


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
