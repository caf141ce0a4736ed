"""Deploying on a real database: immutable versions, refusals that store nothing, circles of calls."""

from __future__ import annotations

import hashlib

import pytest
from database_owner import as_owner
from diagrams import call_activity, diagram, document, end, path, process, service_task, start
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from engine import DefinitionRef, DiagramError, Engine, ServiceTaskRegistry
from engine.persistence import Definitions
from storage import SecurityContext, Storage
from storage.errors import AccessDeniedError
from storage.models import RoleType

ADMIN = SecurityContext(user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}))
MEMBER = SecurityContext(user_id="mia", tenant_id="north", roles=frozenset({RoleType.MEMBER}))
STRANGER = ADMIN.model_copy(update={"user_id": "sven", "tenant_id": "south"})
PLAIN = diagram("plain", start(), path("Begin", "Done"), end())
CHANGED = PLAIN.replace(b"Done", b"Finished")


@pytest.fixture
def engine() -> Engine:
    return Engine(ServiceTaskRegistry(), {}, platform_tenant="north")


def _deploy(engine: Engine, storage: Storage, *diagrams: bytes) -> tuple[DefinitionRef, ...]:
    with storage.transaction() as work:
        return engine.deploy(work, *diagrams, context=ADMIN).processes


def _count(storage: Storage, table: str) -> int:
    with as_owner(storage) as connection:
        return int(connection.execute(text(f"select count(*) from {table}")).scalar_one())


def _calling(process_id: str, called: str) -> bytes:
    return diagram(process_id, start(), path("Begin", "Call", "Done"), call_activity("Call", called), end())


def test_the_same_text_stays_its_version_and_a_new_text_is_a_new_one(engine: Engine, storage: Storage) -> None:
    (first,) = _deploy(engine, storage, PLAIN)
    (again,) = _deploy(engine, storage, PLAIN)
    (second,) = _deploy(engine, storage, CHANGED)
    (back,) = _deploy(engine, storage, PLAIN)

    assert first == again == back
    assert (first.process_id, first.version, first.sha256) == ("plain", 1, hashlib.sha256(PLAIN).hexdigest())
    assert (second.version, second.sha256) == (2, hashlib.sha256(CHANGED).hexdigest())
    assert _count(storage, "process_definition") == 2


def test_what_is_deployed_comes_back_to_the_byte_with_what_other_tools_wrote(engine: Engine, storage: Storage) -> None:
    note = b'<other:note xmlns:other="http://other" x="1"> kept </other:note>'
    note = b"<bpmn:extensionElements>" + note + b"</bpmn:extensionElements>"
    content = PLAIN.replace(b"<bpmn:sequenceFlow", note + b"<!-- so -->\n  <bpmn:sequenceFlow", 1)

    (deployed,) = _deploy(engine, storage, content)

    with storage.transaction() as work:
        assert Definitions(work).xml(deployed.process_definition_id) == content


def test_the_administrators_of_the_platforms_tenant_alone_deploy_and_all_tenants_start(
    engine: Engine, storage: Storage
) -> None:
    _deploy(engine, storage, PLAIN)

    with pytest.raises(AccessDeniedError) as refused, storage.transaction("south") as work:
        engine.deploy(work, CHANGED, context=STRANGER)
    with storage.transaction("south") as work:
        instance = engine.start(work, "plain", {}, context=STRANGER)
        described = engine.describe(work, instance, context=STRANGER)

    assert (refused.value.code, refused.value.reason) == ("FORBIDDEN", "it belongs to another tenant")
    assert (described.status, _count(storage, "process_definition")) == ("completed", 1)


def test_a_refused_deploy_stores_nothing_of_what_came_with_it(engine: Engine, storage: Storage) -> None:
    faulty = diagram("faulty", start(), path("Begin", "Work", "Done"), service_task("Work", "unknown"), end())

    with pytest.raises(DiagramError) as raised:
        _deploy(engine, storage, PLAIN, faulty)

    assert [(finding.code, finding.element_id) for finding in raised.value.findings] == [("HANDLER_UNKNOWN", "Work")]
    assert _count(storage, "process_definition") == 0


def test_each_of_two_texts_of_one_process_is_verified(engine: Engine, storage: Storage) -> None:
    faulty = diagram("plain", start(), path("Begin", "Work", "Done"), service_task("Work", "unknown"), end())

    with pytest.raises(DiagramError):
        _deploy(engine, storage, faulty, PLAIN)

    assert _count(storage, "process_definition") == 0


def test_only_an_administrator_deploys(engine: Engine, storage: Storage) -> None:
    with pytest.raises(AccessDeniedError), storage.transaction() as work:
        engine.deploy(work, PLAIN, context=MEMBER)

    assert _count(storage, "process_definition") == 0


def test_a_process_that_calls_itself_is_refused(engine: Engine, storage: Storage) -> None:
    with pytest.raises(DiagramError) as raised:
        _deploy(engine, storage, _calling("a", "a"))

    (finding,) = raised.value.findings
    assert (finding.code, finding.element_id) == ("CALL_CYCLE", "Call")


def test_a_circle_of_calls_in_one_deploy_is_refused_at_each_call(engine: Engine, storage: Storage) -> None:
    with pytest.raises(DiagramError) as raised:
        _deploy(engine, storage, _calling("a", "b"), _calling("b", "c"), _calling("c", "a"), _calling("d", "a"))

    assert [finding.code for finding in raised.value.findings] == ["CALL_CYCLE"] * 3
    assert _count(storage, "process_definition") == 0


def test_a_new_version_that_closes_a_circle_through_deployed_processes_is_refused(
    engine: Engine, storage: Storage
) -> None:
    _deploy(engine, storage, diagram("c", start(), path("Begin", "Done"), end()))
    _deploy(engine, storage, _calling("b", "c"))
    _deploy(engine, storage, _calling("a", "b"))

    with pytest.raises(DiagramError) as raised:
        _deploy(engine, storage, _calling("c", "a"))

    assert [finding.code for finding in raised.value.findings] == ["CALL_CYCLE"]
    assert _count(storage, "process_definition") == 3


def test_processes_of_one_document_may_call_each_other_and_share_its_text(engine: Engine, storage: Storage) -> None:
    content = document(
        process("outer", start(), path("Begin", "Call", "Done"), call_activity("Call", "inner"), end()),
        process("inner", start("In"), path("In", "Out"), end("Out")),
    )

    outer, inner = _deploy(engine, storage, content)

    assert (outer.process_id, inner.process_id, outer.sha256 == inner.sha256) == ("outer", "inner", True)
    with storage.transaction() as work:
        process_instance_id = engine.start(work, "outer", {}, context=ADMIN)
        described = engine.describe(work, process_instance_id, context=ADMIN)
    assert described.status == "completed"
    assert described.definitions == (inner, outer)


@pytest.mark.parametrize("table", ["process_definition", "audit_leaf", "event"])
@pytest.mark.parametrize("change", ["update {} set tenant_id = 'x'", "delete from {}"])
def test_what_is_written_for_good_can_be_neither_changed_nor_deleted(
    engine: Engine, storage: Storage, table: str, change: str
) -> None:
    _deploy(engine, storage, PLAIN)
    with storage.transaction() as work:
        engine.start(work, "plain", {}, context=ADMIN)
    before = _count(storage, table)
    statement = change.format(table).replace("tenant_id", "name" if table == "process_definition" else "tenant_id")

    with pytest.raises(DBAPIError) as raised, as_owner(storage) as connection:
        connection.execute(text(statement))

    assert getattr(raised.value.orig, "sqlstate", None) == "23001"
    assert _count(storage, table) == before > 0
