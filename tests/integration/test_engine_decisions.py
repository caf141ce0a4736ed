"""Business rule tasks on a real database: decisions deployed, pinned, asked, on the record, and failing."""

from __future__ import annotations

from uuid import UUID

import pytest
from database_owner import as_owner
from decision_documents import decision, document, input_data, literal, table
from diagrams import business_rule_task, diagram, end, for_each, path, start
from engine_shop import ADMIN, PATIENT, Shop, running
from patience import becomes
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from engine import (
    DecisionRef,
    Deployment,
    DiagramError,
    Engine,
    InstanceStatus,
    NotificationHub,
    Operations,
    ServiceTaskRegistry,
    Worker,
)
from engine.errors import DecisionModelError, UnknownDecisionVersionError
from storage import Storage

SIZES = table(["size : number"], ["< 10 | 1", ">= 10 | 2"], outputs=("parcels : number",))
PARCELS = document(input_data("size", "number"), decision("parcels", SIZES, wants=("size",)))
ASK = business_rule_task("Ask", "parcels", "count")


def asking(*tasks: str, names: tuple[str, ...] = ("Ask",)) -> bytes:
    return diagram("p", start(), path("Begin", *names, "Done"), *(tasks or (ASK,)), end())


def constant(value: int, tag: str | None = None) -> bytes:
    """A decision that says which version it is."""
    return document(decision("parcels", literal(str(value)), version_tag=tag))


def deploy(shop: Shop, *contents: bytes) -> Deployment:
    with shop.storage.transaction() as work:
        return shop.engine.deploy(work, *contents, context=ADMIN)


@pytest.fixture
def shop(storage: Storage, hub: NotificationHub) -> Shop:
    return Shop(storage, hub, diagram("other", start(), path("Begin", "Done"), end()))


def test_a_decision_of_the_same_deployment_is_asked_with_the_variables_that_the_task_sees(shop: Shop) -> None:
    deploy(shop, asking(), PARCELS)

    instance = shop.start(size=12)

    assert shop.describe(instance).status is InstanceStatus.COMPLETED
    assert shop.variables(instance) == {"size": 12, "count": 2}


def test_inputs_are_seen_by_the_decision_alone_and_outputs_replace_the_result(shop: Shop) -> None:
    deploy(
        shop,
        asking(business_rule_task("Ask", "parcels", "count", {"size": "=weight * 2"}, {"double": "=count * 2"})),
        PARCELS,
    )

    instance = shop.start(weight=6)

    assert shop.variables(instance) == {"weight": 6, "double": 4}


def test_each_item_of_a_multi_instance_task_is_decided(shop: Shop) -> None:
    each = for_each("=sizes", "size", collect="counts", each="=count")
    deploy(shop, asking(business_rule_task("Ask", "parcels", "count", multi_instance=each)), PARCELS)

    assert shop.variables(shop.start(sizes=[3, 30, 9])) == {"sizes": [3, 30, 9], "counts": [1, 2, 1]}


def test_each_task_asks_the_version_that_its_binding_says_and_an_instance_keeps_its_versions(shop: Shop) -> None:
    tasks = [
        business_rule_task("Ask0", "parcels", "latest"),
        business_rule_task("Ask1", "parcels", "tagged", binding="versionTag", version_tag="stable"),
        business_rule_task("Ask2", "parcels", "deployed", binding="deployment"),
    ]
    deploy(shop, constant(1, "stable"))
    deploy(shop, asking(*tasks, names=("Ask0", "Ask1", "Ask2")), constant(2))
    deploy(shop, constant(3))

    assert shop.variables(shop.start()) == {"latest": 3, "tagged": 1, "deployed": 2}


def test_the_same_text_stays_its_version_and_another_drawing_says_the_same(shop: Shop) -> None:
    spaced = PARCELS.replace(b"><decision", b">\n<decision")

    (first,) = deploy(shop, PARCELS).decisions
    (again,) = deploy(shop, PARCELS).decisions
    (second,) = deploy(shop, spaced).decisions

    assert first == again
    assert (first.decision_id, first.version, second.version) == ("parcels", 1, 2)
    assert first.sha256 != second.sha256
    assert first.canonical_sha256 == second.canonical_sha256


def test_a_deployed_decision_cannot_be_changed(shop: Shop) -> None:
    deploy(shop, PARCELS)

    for statement in ("update decision_definition set name = 'x'", "truncate decision_definition"):
        with pytest.raises(DBAPIError):
            shop.execute(statement)


def test_what_was_decided_is_on_the_record_with_its_rules_and_version(shop: Shop) -> None:
    (ref,) = deploy(shop, PARCELS, asking()).decisions

    instance = shop.start(size=12)

    assert becomes(shop.events_are_settled)
    with shop.storage.transaction() as work:
        events = shop.engine.events_after(work, 0, context=ADMIN, process_instance_id=instance)
    with as_owner(shop.storage) as connection:
        leaves = connection.execute(
            text("select convert_from(canonical_bytes, 'utf8')::jsonb from audit_leaf")
        ).scalars()
        decided = [leaf for leaf in leaves if leaf["action"] == "decision.evaluated"]
    (event,) = [each for each in events if each.kind == "decision.evaluated"]
    assert event.element_id == "Ask"
    assert {key: event.payload[key] for key in ("decision_id", "version", "sha256", "value", "evaluated")} == {
        "decision_id": "parcels",
        "version": 1,
        "sha256": ref.sha256,
        "value": 2,
        "evaluated": [
            {
                "decision_id": "parcels",
                "inputs": {"size": 12},
                "matched_rules": [{"rule_id": "R2", "number": 2, "outputs": [2]}],
                "value": 2,
            }
        ],
    }
    assert [leaf["details"]["matched"] for leaf in decided] == [{"parcels": ["R2"]}]
    assert shop.describe(instance).decisions == (ref,)


def test_a_decision_that_fails_is_an_incident_at_its_task_and_goes_on_once_its_values_are_mended(
    shop: Shop, hub: NotificationHub
) -> None:
    overlapping = table(["size : number"], ["< a | 1", "> b | 2"], outputs=("parcels : number",))
    deploy(shop, asking(), document(decision("parcels", overlapping)))
    instance = shop.start(size=5, a=10, b=1)

    elsewhere = Worker(Engine(ServiceTaskRegistry(), {}, platform_tenant="north"), shop.storage, hub, PATIENT)

    with running(elsewhere, hub):
        assert becomes(lambda: shop.describe(instance).incident is not None)
        incident = shop.describe(instance).incident
        assert incident is not None
        assert (incident["element_id"], incident["code"]) == ("Ask", "DECISION_FAILED")
        with shop.storage.transaction() as work:
            Operations(shop.engine).set_variables(work, instance, {"b": 7}, reason="b was wrong", context=ADMIN)
            Operations(shop.engine).retry_incident(
                work, UUID(str(incident["incident_id"])), reason="b is right now", context=ADMIN
            )
        assert becomes(lambda: shop.describe(instance).status is InstanceStatus.COMPLETED)

    assert shop.variables(instance) == {"size": 5, "a": 10, "b": 7, "count": 1}
    assert shop.describe(instance).incident is None


def test_a_diagram_that_asks_what_is_not_deployed_is_refused(shop: Shop) -> None:
    tagged = business_rule_task("Ask", "parcels", "count", binding="versionTag", version_tag="gone")

    for content, code in ((asking(), "DECISION_UNKNOWN"), (asking(tagged), "DECISION_UNKNOWN")):
        with pytest.raises(DiagramError) as refused:
            deploy(shop, content)
        assert [(each.code, each.element_id) for each in refused.value.findings] == [(code, "Ask")]
    with pytest.raises(DiagramError) as refused:
        deploy(shop, asking(tagged), PARCELS)
    assert [each.code for each in refused.value.findings] == ["DECISION_VERSION_UNKNOWN"]


def test_a_refused_decision_stores_nothing_of_what_came_with_it(shop: Shop) -> None:
    faulty = document(decision("parcels", literal("1 +")))

    with pytest.raises(DecisionModelError):
        deploy(shop, asking(), faulty)

    assert deploy(shop, PARCELS).decisions[0].version == 1


def test_a_task_bound_to_its_deployment_does_not_start_where_the_decision_came_later(shop: Shop) -> None:
    deploy(shop, constant(1, "stable"))
    shop.execute("alter table decision_definition disable trigger user")
    deploy(shop, asking(business_rule_task("Ask", "parcels", "count", binding="deployment")))
    shop.execute("update decision_definition set deployed_at = deployed_at + interval '1 day'")

    with pytest.raises(UnknownDecisionVersionError) as refused:
        shop.start()

    assert refused.value.decision_id == "parcels"


def test_refs_name_the_decision_and_its_tag(shop: Shop) -> None:
    (ref,) = deploy(shop, constant(1, "stable")).decisions

    assert ref == DecisionRef(
        decision_definition_id=ref.decision_definition_id,
        decision_id="parcels",
        version=1,
        version_tag="stable",
        name="parcels",
        sha256=ref.sha256,
        canonical_sha256=ref.canonical_sha256,
    )
