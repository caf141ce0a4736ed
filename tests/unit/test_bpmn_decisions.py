"""Business rule tasks against the decisions that they ask: what these read and give, and what the diagram has of it."""

from __future__ import annotations

from collections.abc import Mapping

from decision_documents import decision, document, input_data, literal, table
from diagrams import NOTHING, boundary, business_rule_task, diagram, end, for_each, path, service_task, start
from pydantic import BaseModel

from engine import ServiceTaskRegistry, TaskContext, TransactionalTask, contracts_of, read_diagram, verify
from engine.dmn import drawn_inputs, needed_inputs, read_decisions

DECLARED = (
    "<bpmn:extensionElements><zeebe:properties><zeebe:property name='inputs' value='given' />"
    "</zeebe:properties></bpmn:extensionElements>"
)
MARGIN = decision("margin", literal("score - get or else(former, 0)"),
                  wants=("score", "former"))  # fmt: skip
ROUTE = table(
    ["margin : number", "mood : string"],
    ['> limit | - | "on" | 1'],
    outputs=("route : string", "people : number"),
)
POLICY = document(
    *(input_data(name) for name in ("score", "former", "mood", "limit", "unused")),
    MARGIN,
    decision("policy", ROUTE, needs=("margin",), wants=("mood", "limit")),
)


class Wanted(BaseModel):
    people: int = 0
    names: list[str] = []


def work(_context: TaskContext, _request: Wanted) -> Wanted:
    raise AssertionError


REGISTRY = ServiceTaskRegistry(TransactionalTask("take", Wanted, work))


def findings(*content: str, names: tuple[str, ...] = ("Ask",)) -> list[tuple[str, str, str, str]]:
    """Return severity, code, element and message of what is found in a process that begins with `given` alone."""
    drawn = diagram("p", DECLARED, start(), path("Begin", *names, "Done"), *content, end())
    (model,) = read_diagram(drawn)
    contracts = contracts_of(REGISTRY, {}, [model], decisions=[read_decisions(POLICY)])
    found = verify(model, contracts)
    return [(each.severity, each.code, each.element_id, each.message) for each in found]


def asking(inputs: Mapping[str, str] = NOTHING) -> str:
    return business_rule_task("Ask", "policy", "promotion", inputs)


ALL = {"score": "=given", "mood": "=given", "limit": "=given"}


def test_a_decision_needs_what_it_and_those_that_it_requires_read_without_expecting_null() -> None:
    model = read_decisions(POLICY)

    assert needed_inputs(model, "policy") == {"score", "mood", "limit"}
    assert drawn_inputs(model, "policy") == {"score", "former", "mood", "limit"}
    assert drawn_inputs(read_decisions(document(decision("free", literal("a")))), "free") is None


def test_a_decision_whose_inputs_are_there_is_let_in() -> None:
    assert findings(asking(ALL)) == []


def test_what_a_decision_reads_has_to_be_written_before() -> None:
    found = findings(asking({"score": "=given", "mood": "=given"}))

    assert found == [("error", "VARIABLE_MISSING", "Ask", "limit is read before anything can have written it.")]


def test_an_input_that_a_decision_does_not_have_is_warned_of() -> None:
    assert findings(asking({**ALL, "moood": "=given"})) == [
        ("warning", "INPUT_UNKNOWN", "Ask", "policy has no input 'moood'.")
    ]


def test_the_value_of_a_decision_is_there_behind_its_task_and_has_the_type_of_its_columns() -> None:
    take = service_task("Take", "take", {"people": "=promotion.people", "names": "=promotion"})

    (found,) = findings(asking(ALL), take, names=("Ask", "Take"))

    assert found[:3] == ("error", "INPUT_TYPE", "Take")
    assert "'names'" in found[3]


def test_the_value_is_not_there_before_its_task() -> None:
    take = service_task("Take", "take", {"people": "=promotion.people"})

    (found,) = findings(asking(ALL), take, names=("Take", "Ask"))

    assert found[:3] == ("error", "VARIABLE_MISSING", "Take")


def test_each_item_of_a_multi_instance_task_is_an_input() -> None:
    each = for_each("=given", "score", collect="all", each="=promotion.route")
    task = business_rule_task("Ask", "policy", "promotion", {"mood": "=given", "limit": "=given"}, multi_instance=each)
    take = service_task("Take", "take", {"names": "=all"})

    assert findings(task, take, names=("Ask", "Take")) == []


def test_a_decision_throws_nothing_that_an_event_on_its_boundary_could_catch() -> None:
    late = boundary("Late", "Ask", timer="<bpmn:timeDuration>PT1H</bpmn:timeDuration>")
    broken = boundary("Broken", "Ask")

    found = findings(asking(ALL), late, path("Late", "Done"), broken, path("Broken", "Done"))

    assert [each[:3] for each in found] == [("warning", "BOUNDARY_IDLE", "Broken")]
