"""Denials, transitions and sign-ins: what is on the record though nobody changed a record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from database_owner import as_owner
from handlers_platform import VIEWER, Workshop
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from user_task_desk import INA, OTTO, REVIEW, RITA, VERA, ReviewOffice

from engine import EngineError
from engine.errors import NotACandidateError, SeparationOfDutiesError
from handlers import Services
from handlers.artifacts import place_hold
from handlers.datasets import DatasetPayload, register_dataset
from handlers.experiments import ExperimentPayload, launch_experiment
from handlers.outside_model_facts import ModelPayload
from handlers.outside_models import register_outside_model
from learning.middleware import Authentication
from learning.sign_ins import SignIns
from storage import AuditEntry, SecurityContext, Storage
from storage.authentication import DevelopmentTokens, development_tokens
from storage.errors import AccessDeniedError
from storage.identifiers import new_id
from storage.models import Dataset, RoleType

GIL = SecurityContext(user_id="gil", tenant_id="north", roles=frozenset({RoleType.GUEST}))


@pytest.fixture
def office(storage: Storage) -> ReviewOffice:
    return ReviewOffice(storage, REVIEW)


def leaves(storage: Storage, *actions: str) -> list[dict[str, Any]]:
    """Return the leaves of these actions, as they were written."""
    with as_owner(storage) as connection:
        rows = connection.execute(text("select canonical_bytes from audit_leaf order by audit_ref")).all()
    found = [json.loads(row.canonical_bytes) for row in rows]
    return [leaf for leaf in found if leaf["action"] in actions]


def test_who_is_turned_away_before_anything_is_looked_at_is_on_the_record(shop: Workshop) -> None:
    services = shop.services
    data = DatasetPayload(name="d", source_uri="file:///d", target="t")
    model = ModelPayload(name="m", artifact_uri="file:///m")
    attempts: tuple[Callable[[], object], ...] = (
        lambda: register_dataset(services, data, context=VIEWER),
        lambda: launch_experiment(services, ExperimentPayload(dataset_id=new_id()), None, context=VIEWER),
        lambda: register_outside_model(services, model, None, context=VIEWER),
        lambda: place_hold(services.storage, "x", "r", context=VIEWER),
    )

    for attempt in attempts:
        with pytest.raises(AccessDeniedError):
            attempt()

    denied = leaves(services.storage, "access.denied")
    assert [(leaf["actor"], leaf["subject"], leaf["details"]["permission"]) for leaf in denied] == [
        ("vera", "dataset d", "write"),
        ("vera", "experiments", "write"),
        ("vera", "model m", "write"),
        ("vera", "artifacts", "admin"),
    ]


def test_a_denial_is_on_the_record_though_its_transaction_was_rolled_back(storage: Storage) -> None:
    dataset = Dataset(tenant_id="north", name="n", source_uri="file:n")

    def record_and_be_refused() -> None:
        with storage.transaction() as work:
            work.audit.record(AuditEntry(action="effect", subject="s"), context=GIL)
            work.get_crud(Dataset).create(dataset, context=GIL)

    with pytest.raises(AccessDeniedError):
        record_and_be_refused()

    (leaf,) = leaves(storage, "access.denied", "effect")
    assert (leaf["actor"], leaf["roles"], leaf["tenant_id"]) == ("gil", ["guest"], "north")
    assert leaf["subject"] == "Dataset"
    assert leaf["details"] == {"permission": "write", "reason": "none of the roles guest carries write"}


def test_a_denial_that_passes_several_transactions_is_on_the_record_once(storage: Storage) -> None:
    def be_refused_inside() -> None:
        with storage.transaction(), storage.transaction() as work:
            work.get_crud(Dataset).create(Dataset(tenant_id="north", name="n", source_uri="file:n"), context=GIL)

    with pytest.raises(AccessDeniedError):
        be_refused_inside()

    assert len(leaves(storage, "access.denied")) == 1


def test_a_denial_in_a_transaction_that_commits_is_on_the_record_too(storage: Storage) -> None:
    with storage.transaction() as work:
        audit_ref = work.audit.deny(AuditEntry(action="access.denied", subject="s"), context=GIL)

    with storage.transaction() as work:
        assert work.audit.read(audit_ref, context=GIL)["subject"] == "s"


@pytest.mark.parametrize(
    ("by", "error"), [(INA, SeparationOfDutiesError), (OTTO, NotACandidateError)], ids=["excluded", "no candidate"]
)
def test_what_the_engine_refuses_a_person_is_on_the_record(
    office: ReviewOffice, by: SecurityContext, error: type[EngineError]
) -> None:
    task = office.task()

    with pytest.raises(error):
        office.complete(task, by=by)

    (leaf,) = leaves(office.storage, "access.denied")
    assert (leaf["actor"], leaf["subject"], leaf["element_id"]) == (by.user_id, f"user_task/{task}", "Ask")
    assert leaf["details"] == {"code": error.code}


def test_who_may_not_work_at_all_is_on_the_record(office: ReviewOffice) -> None:
    task = office.task()

    with pytest.raises(AccessDeniedError):
        office.complete(task, by=VERA)

    assert [leaf["actor"] for leaf in leaves(office.storage, "access.denied")] == ["vera"]


def test_every_step_names_the_elements_that_were_entered_and_left_and_the_diagram(office: ReviewOffice) -> None:
    task = office.task(score=4)
    office.complete(task, by=RITA)

    started, completed = leaves(office.storage, "process.started", "process.completed")
    assert started["details"]["transitions"] == ["activated Begin", "completed Begin", "activated Ask"]
    assert completed["details"]["transitions"] == ["completed Ask", "activated Done", "completed Done"]
    assert {started["definition_sha256"], completed["definition_sha256"]} == {hashlib.sha256(REVIEW).hexdigest()}


def test_an_approval_names_the_decision_for_ever_and_the_comment_as_long_as_it_is_not_erased(
    office: ReviewOffice,
) -> None:
    audit_ref = office.complete(office.task(), by=RITA, decision="reject", comment="Ina was in a hurry.")

    (leaf,) = leaves(office.storage, "user_task.completed")
    assert leaf["details"]["submission"] == {"decision": "reject"}
    assert (leaf["actor"], leaf["element_id"]) == ("rita", "Ask")
    assert leaf["definition_sha256"] == hashlib.sha256(REVIEW).hexdigest()
    assert "hurry" not in json.dumps(leaf)
    with office.storage.transaction() as work:
        read = work.audit.read(audit_ref, context=RITA)
    assert read["personal"] == {"submission": {"comment": "Ina was in a hurry."}}


async def hello(_request: Request) -> Response:
    return PlainTextResponse("hello")


@pytest.fixture
def door(storage: Storage, tmp_path: Path) -> tuple[TestClient, DevelopmentTokens]:
    """An application that says hello to whoever signs in."""
    tokens = development_tokens(tmp_path / "principals.json")
    services = cast("Services", SimpleNamespace(storage=storage))
    application = Starlette(
        routes=[Route("/hello", hello)],
        middleware=[Middleware(Authentication, authenticator=tokens), Middleware(SignIns, services=services)],
    )
    return TestClient(application), tokens


def test_the_first_request_of_a_token_is_a_sign_in(
    storage: Storage, door: tuple[TestClient, DevelopmentTokens]
) -> None:
    client, tokens = door
    for user_id in ("ada", "grace", "ada"):
        headers = {"Authorization": f"Bearer {tokens.token_of(user_id)}"}
        assert client.get("/hello", headers=headers).status_code == 200

    assert client.get("/hello", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    ada, grace = leaves(storage, "session.started")
    digest = hashlib.sha256(tokens.token_of("ada").encode()).hexdigest()
    assert (ada["actor"], ada["roles"], ada["subject"]) == ("ada", ["member"], f"session/{digest[:16]}")
    assert ada["details"] == {"method": "bearer token", "groups": ["data-scientist"]}
    assert grace["actor"] == "grace"
    assert "testclient" not in json.dumps([ada, grace])
