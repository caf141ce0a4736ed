"""Running instances in memory: every path of the shipped diagrams, conditions, circles, mappings."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest
from decision_documents import deployed
from diagrams import (
    boundary,
    call_activity,
    choice,
    document,
    end,
    flow,
    gateway,
    path,
    process,
    service_task,
    start,
    user_task,
)
from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine, TaskDataEnvironment
from stored_tree import Outcome, StoredTree, compile_document, every_path

from engine.bpmn import Activity, BoundaryEvent, CompensationEvent, ProcessModel, StartEvent, read_diagram
from engine.dmn import DeployedDecision
from engine.errors import ExpressionEvaluationError, StepLimitError, TaskGoneError
from engine.spiff import CompiledProcess, JournalEntry, compile_process
from engine.spiff.scopes import Scope
from engine.spiff.tree import MAXIMUM_AUTOMATIC_TASKS

SHIPPED = Path(__file__).parents[2] / "workflows"
OUTCOMES: dict[str, tuple[Outcome, ...]] = {
    "Task_ProfileDataset": ({"profile": {"rows": 2}}, "DATASET_UNREADABLE"),
    "Task_CheckRules": (
        {"validation_passed": True, "findings": []},
        {"validation_passed": False, "findings": [{"rule": "rows"}]},
    ),
    "Task_MarkValidated": ({"newly_validated": True},),
    "Task_UndoValidation": ({"validation_passed": False},),
    "Task_WithdrawVersion": ({"validation_passed": False, "findings": [{"rule": "rows"}]},),
    "Task_TrainModel": ({"training": {"epochs": 3}}, "TRAINING_FAILED"),
    "Task_EvaluateModel": (
        {"evaluation": {"accuracy": 0.9, "baseline_accuracy": 0.5}},
        {"evaluation": {"accuracy": 0.4, "baseline_accuracy": 0.5}},
    ),
    "Task_RegisterModel": (
        {
            "model_id": "m",
            "model_version": 1,
            "model_artifact_id": "a",
            "data_classification": "internal",
            "current_accuracy": None,
        },
    ),
    "Task_WithdrawModel": ({},),
    "Task_RejectByPolicy": ({},),
    "UserTask_ReviewModel": (
        {"decision": "approve", "comment": "", "completed_by": "rita"},
        {"decision": "reject", "comment": "no", "completed_by": "rita"},
    ),
    "Task_DeployEndpoint": ({"endpoint_id": "e"},),
    "Task_ProbeEndpoint": ({"healthy": True}, {"healthy": False}, "ARTIFACT_CORRUPT"),
    "Task_PromoteModel": ({"promoted": True, "replaced": {}},),
    "Task_DemoteModel": ({"promoted": False},),
    "Task_TearDownEndpoint": ({"promoted": False},),
    "Task_CompleteExperiment": ({},),
    "Task_RejectModel": ({},),
    "Task_RecordFailure": ({},),
}
REQUEST: Scope = {"experiment_id": "x", "dataset_version_id": "d"}
ENTRIES = [
    ("supervised-training", "StartEvent_ExperimentRequested"),
    ("promotion", "StartEvent_PromotionApproved"),
    ("dataset-validation", "StartEvent_ValidationRequested"),
    ("dataset-validation", "StartEvent_DatasetVersionRegistered"),
]


def _shipped() -> dict[str, ProcessModel]:
    models = [model for file in SHIPPED.glob("*.bpmn") for model in read_diagram(file.read_bytes())]
    return {model.process_id: model for model in models}


def _decisions() -> dict[str, DeployedDecision]:
    return deployed((SHIPPED / "promotion-policy.dmn").read_bytes())


def _follow(compiled: CompiledProcess, outcomes: tuple[Outcome, ...], *, reloads: bool) -> StoredTree:
    tree = StoredTree(compiled, REQUEST, reloads=reloads)
    for outcome in outcomes:
        tree.perform(outcome)
    return tree


def _entry(process_id: str, start_event_id: str) -> CompiledProcess:
    models = _shipped()
    return compile_process(models.pop(process_id), models, start_event_id, decisions=_decisions())


def _flows_taken(journal: list[JournalEntry]) -> set[tuple[str, str]]:
    """Return source and target of each flow: one process runs one element at a time."""
    home = {node_id: model.process_id for model in _shipped().values() for node_id in model.nodes}
    left: dict[str, str] = {}
    flows = set()
    for each in journal:
        if isinstance(each.element, Activity) and each.element.is_for_compensation:
            continue
        node_id, process_id = each.element.id, home[each.element.id]
        if each.change == "activated" and not isinstance(each.element, StartEvent | BoundaryEvent):
            flows.add((left[process_id], node_id))
        elif each.change == "completed":
            left[process_id] = node_id
    return flows


def test_every_node_and_every_flow_of_the_shipped_diagrams_is_taken() -> None:
    nodes, flows = set(), set()
    for process_id, start_event_id in ENTRIES:
        compiled = _entry(process_id, start_event_id)
        for outcomes in every_path(StoredTree(compiled, REQUEST), OUTCOMES):
            tree = _follow(compiled, outcomes, reloads=True)
            nodes |= set(tree.happened("completed"))
            flows |= _flows_taken(tree.journal)

    models = _shipped().values()
    of_rollback = {"Task_UndoValidation", "Task_DemoteModel"}  # see the next test
    drawn = {node.id for model in models for node in model.nodes.values() if not isinstance(node, CompensationEvent)}
    assert nodes == drawn - of_rollback
    assert flows == {(each.source, each.target) for model in models for each in model.flows}


def test_an_experiment_that_is_rolled_back_undoes_the_last_step_first() -> None:
    tree = StoredTree(_entry(*ENTRIES[0]), REQUEST)
    while tree.waiting != ["Task_CompleteExperiment"]:
        tree.perform(OUTCOMES[tree.waiting[0]][0])

    tree.tree.roll_back({})
    tree.keep()
    while tree.waiting:
        tree.perform(OUTCOMES[tree.waiting[0]][0])

    undone = [entry.undone_by for entry in tree.journal if entry.change == "compensated" and entry.undone_by]
    assert undone == ["Task_DemoteModel", "Task_TearDownEndpoint", "Task_WithdrawModel", "Task_UndoValidation"]
    assert tree.is_completed


@pytest.mark.parametrize(("process_id", "start_event_id"), ENTRIES)
def test_an_instance_that_is_stored_and_loaded_after_every_step_ends_as_one_that_is_not(
    process_id: str, start_event_id: str
) -> None:
    compiled = _entry(process_id, start_event_id)

    for outcomes in every_path(StoredTree(compiled, REQUEST), OUTCOMES):
        kept = _follow(compiled, outcomes, reloads=False)
        stored = _follow(compiled, outcomes, reloads=True)
        assert kept.is_clean()
        assert stored.is_clean()
        assert stored.variables == kept.variables
        assert [(e.change, e.element) for e in stored.journal] == [(e.change, e.element) for e in kept.journal]


def test_the_shipped_diagrams_run_through_every_path_while_any_evaluation_of_python_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise AssertionError("Python was asked to evaluate")

    for owner in (PythonScriptEngine, TaskDataEnvironment, *PythonScriptEngine.__mro__, *TaskDataEnvironment.__mro__):
        for name in ("evaluate", "execute", "_evaluate", "_execute", "call_service"):
            if name in vars(owner):
                monkeypatch.setattr(owner, name, refuse)
    compiled = [_entry(*entry) for entry in ENTRIES]
    count = 0
    with monkeypatch.context() as evaluation:
        for name in ("eval", "exec", "compile"):
            evaluation.setattr(builtins, name, refuse)
        for each in compiled:
            count += sum(1 for _ in every_path(StoredTree(each, REQUEST), OUTCOMES))

    assert count == 8 + 3 + 3 + 3


@pytest.mark.parametrize(
    "circle",
    [
        pytest.param((choice("A", "=false", "Done", "B"), choice("B", "=false", "Done", "A")), id="gateways"),
        pytest.param((call_activity("A", "child"), choice("B", "=false", "Done", "A"), path("A", "B")), id="calls"),
    ],
)
def test_a_circle_in_which_nothing_waits_is_an_error_and_not_endless(circle: tuple[str, ...]) -> None:
    content = document(
        process("p", start(), path("Begin", "A"), *circle, end()),
        process("child", start("In"), path("In", "Out"), end("Out")),
    )

    with pytest.raises(StepLimitError) as raised:
        StoredTree.of(content)

    expected = ("STEP_LIMIT_EXCEEDED", "p", MAXIMUM_AUTOMATIC_TASKS)
    assert (raised.value.code, raised.value.process_id, raised.value.limit) == expected


def test_many_elements_in_one_step_are_no_circle() -> None:
    names = [f"G{number}" for number in range(300)]
    content = document(process("p", start(), path("Begin", *names, "Done"), *map(gateway, names), end()))

    assert StoredTree.of(content).is_completed


@pytest.mark.parametrize("name", ["Start", "End", "Root", "p.EndJoin", "Work.BoundaryEventSplit", "root"])
def test_an_element_may_have_any_id(name: str) -> None:
    content = document(
        process(
            "p",
            start("Begin"),
            path("Begin", "Work", name, "Done"),
            service_task("Work", "t"),
            boundary("Caught", "Work"),
            path("Caught", name),
            service_task(name, "t"),
            end(),
        )
    )
    tree = StoredTree.of(content)

    tree.complete("Work")

    assert tree.waiting == [name]


def test_the_first_flow_whose_condition_is_true_is_taken() -> None:
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Which"),
            gateway("Which", "default"),
            flow("Which", "A", flow_id="default", name="else"),
            flow("Which", "B", "=n > 5", name="more"),
            flow("Which", "C", "=n > 1", name="some"),
            *(service_task(name, "t") + flow(name, "Done") for name in "ABC"),
            end(),
        )
    )

    taken = [StoredTree.of(content, n=n).waiting for n in (9, 3, 0)]

    assert taken == [["B"], ["C"], ["A"]]


def test_a_condition_that_fails_says_so_and_the_stored_state_still_waits() -> None:
    compiled = compile_document(
        document(
            process(
                "p",
                start(),
                path("Begin", "Work", "Which"),
                service_task("Work", "t"),
                choice("Which", "=score > 1", "Done", "Work"),
                end(),
            )
        )
    )
    tree = StoredTree(compiled, {})
    again = tree.branch()

    with pytest.raises(ExpressionEvaluationError):
        tree.perform({"score": "high"})
    again.perform({"score": 2})

    assert again.is_clean()


def test_output_mappings_see_inputs_and_result_and_write_only_their_targets() -> None:
    work = service_task("Work", "t", {"doubled": "=n * 2"}, {"sum": "=doubled + made", "copy": "=sum + n"})
    tree = StoredTree.of(document(process("p", start(), path("Begin", "Work", "Done"), work, end())), n=3)

    assert tree.inputs() == {"doubled": 6}
    tree.complete("Work", made=4, noise=True)

    assert tree.variables == {"n": 3, "sum": 10, "copy": 13}


def test_without_output_mappings_the_result_is_written_as_it_is() -> None:
    content = document(process("p", start(), path("Begin", "Ask", "Done"), user_task("Ask", "g"), end()))
    tree = StoredTree.of(content, n=3)

    tree.complete("Ask", n=4, decision="approve")

    assert tree.variables == {"n": 4, "decision": "approve"}


def test_a_task_that_does_not_wait_cannot_be_completed_twice() -> None:
    content = document(
        process(
            "p",
            start(),
            path("Begin", "Work", "Next", "Done"),
            service_task("Work", "t"),
            service_task("Next", "t"),
            end(),
        )
    )
    tree = StoredTree.of(content)
    gone = tree.task("Work").task_id
    tree.complete("Work")

    for again in (
        lambda: tree.tree.complete(gone, {}, {}),
        lambda: tree.tree.trigger(gone, {}),
        lambda: tree.tree.raise_error(gone, "ANY", {}),
        lambda: tree.tree.inputs(gone),
    ):
        with pytest.raises(TaskGoneError) as raised:
            again()
        assert raised.value.task_id == str(gone)

    assert tree.waiting == ["Next"]
    assert not tree.tree.is_waiting(gone)
