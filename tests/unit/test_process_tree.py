"""Running instances in memory: every path of the shipped diagrams, scopes, errors, loops, state and its return."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from diagrams import (
    boundary,
    call_activity,
    choice,
    document,
    end,
    error,
    flow,
    gateway,
    path,
    process,
    service_task,
    start,
    user_task,
)
from pydantic import JsonValue
from SpiffWorkflow.bpmn.script_engine import PythonScriptEngine, TaskDataEnvironment

from engine.bpmn import BoundaryErrorEvent, ProcessModel, StartEvent, read_diagram
from engine.errors import ExpressionEvaluationError, StepLimitError
from engine.spiff import CompiledProcess, JournalEntry, ProcessTree, compile_process
from engine.spiff.specs import Scope
from engine.spiff.tree import MAXIMUM_AUTOMATIC_TASKS

SHIPPED = Path(__file__).parents[2] / "workflows"
Outcome = Scope | str  # a result, or the code of an error
OUTCOMES: dict[str, tuple[Outcome, ...]] = {
    "Task_ProfileDataset": ({"profile": {"rows": 2}}, "DATASET_UNREADABLE"),
    "Task_CheckRules": (
        {"validation_passed": True, "findings": []},
        {"validation_passed": False, "findings": [{"rule": "rows"}]},
    ),
    "Task_MarkValidated": ({},),
    "Task_WithdrawVersion": ({"validation_passed": False, "findings": [{"rule": "rows"}]},),
    "Task_TrainModel": ({"training": {"epochs": 3}}, "TRAINING_FAILED"),
    "Task_EvaluateModel": ({"evaluation": {"accuracy": 0.9}},),
    "Task_RegisterModel": ({"model_id": "m", "model_version": 1, "model_artifact_id": "a"},),
    "UserTask_ReviewModel": (
        {"decision": "approve", "comment": "", "completed_by": "rita"},
        {"decision": "reject", "comment": "no", "completed_by": "rita"},
    ),
    "Task_DeployEndpoint": ({"endpoint_id": "e"},),
    "Task_ProbeEndpoint": ({"healthy": True}, {"healthy": False}, "ARTIFACT_CORRUPT"),
    "Task_PromoteModel": ({"promoted": True},),
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


def _compile(content: bytes, start_event_id: str = "Begin") -> CompiledProcess:
    """Compile the first process of a document, with the others to call."""
    first, *others = read_diagram(content)
    return compile_process(first, {model.process_id: model for model in others}, start_event_id)


def _begin(content: bytes, **variables: JsonValue) -> ProcessTree:
    return ProcessTree.begin(_compile(content), variables)


def _reloaded(compiled: CompiledProcess, tree: ProcessTree) -> ProcessTree:
    return ProcessTree.load(compiled, json.loads(json.dumps(tree.dump())))


def _perform(tree: ProcessTree, outcome: Outcome) -> None:
    (waiting,) = tree.waiting_tasks()
    tree.inputs(waiting)
    if isinstance(outcome, str):
        assert tree.raise_error(waiting.task_id, outcome, {})
    else:
        tree.complete(waiting.task_id, outcome)


def _paths(
    compiled: CompiledProcess, tree: ProcessTree, so_far: tuple[Outcome, ...] = ()
) -> Iterator[tuple[Outcome, ...]]:
    if tree.is_completed:
        yield so_far
        return
    (waiting,) = tree.waiting_tasks()
    for outcome in OUTCOMES[waiting.element.id]:
        branch = _reloaded(compiled, tree)
        _perform(branch, outcome)
        yield from _paths(compiled, branch, (*so_far, outcome))


def _follow(
    compiled: CompiledProcess, outcomes: tuple[Outcome, ...], *, reloads: bool
) -> tuple[ProcessTree, list[JournalEntry]]:
    tree = ProcessTree.begin(compiled, REQUEST)
    journal = tree.take_journal()
    for outcome in outcomes:
        tree = _reloaded(compiled, tree) if reloads else tree
        _perform(tree, outcome)
        journal += tree.take_journal()
    return tree, journal


def _entry(process_id: str, start_event_id: str) -> CompiledProcess:
    models = _shipped()
    return compile_process(models.pop(process_id), models, start_event_id)


def _flows_taken(compiled: CompiledProcess, journal: list[JournalEntry]) -> set[tuple[str, str]]:
    """Return source and target of each flow: one process runs one element at a time."""
    models = (compiled.model, *compiled.called.values())
    home = {node_id: model.process_id for model in models for node_id in model.nodes}
    left: dict[str, str] = {}
    flows = set()
    for each in journal:
        node_id, process_id = each.element.id, home[each.element.id]
        if each.change == "activated" and not isinstance(each.element, StartEvent | BoundaryErrorEvent):
            flows.add((left[process_id], node_id))
        elif each.change == "completed":
            left[process_id] = node_id
    return flows


def test_every_node_and_every_flow_of_the_shipped_diagrams_is_taken() -> None:
    nodes, flows = set(), set()
    for process_id, start_event_id in ENTRIES:
        compiled = _entry(process_id, start_event_id)
        for outcomes in _paths(compiled, ProcessTree.begin(compiled, REQUEST)):
            _, journal = _follow(compiled, outcomes, reloads=True)
            nodes |= {each.element.id for each in journal if each.change == "completed"}
            flows |= _flows_taken(compiled, journal)

    models = _shipped().values()
    assert nodes == {node_id for model in models for node_id in model.nodes}
    assert flows == {(each.source, each.target) for model in models for each in model.flows}


@pytest.mark.parametrize(("process_id", "start_event_id"), ENTRIES)
def test_an_instance_that_is_stored_and_loaded_after_every_step_ends_as_one_that_is_not(
    process_id: str, start_event_id: str
) -> None:
    compiled = _entry(process_id, start_event_id)

    for outcomes in _paths(compiled, ProcessTree.begin(compiled, REQUEST)):
        kept, kept_journal = _follow(compiled, outcomes, reloads=False)
        stored, stored_journal = _follow(compiled, outcomes, reloads=True)
        assert kept.is_completed
        assert stored.is_completed
        assert stored.variables == kept.variables
        assert [(e.change, e.element) for e in stored_journal] == [(e.change, e.element) for e in kept_journal]


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
            count += sum(1 for _ in _paths(each, ProcessTree.begin(each, REQUEST)))

    assert count == 7 + 3 + 3 + 3


def test_no_lasting_trace_of_finished_work_is_kept_in_the_state() -> None:
    compiled = _compile(
        document(
            process(
                "p",
                start(),
                path("Begin", "Work", "Call", "Again"),
                service_task("Work", "t", {}, {"n": "=n + 1"}),
                boundary("Caught", "Work"),
                flow("Caught", "Again"),
                call_activity("Call", "child"),
                choice("Again", "=n < 1100", "Work", "Done"),
                end(),
            ),
            process("child", start("In"), path("In", "Out"), end("Out")),
        )
    )
    tree = ProcessTree.begin(compiled, {"n": 0})
    sizes = set()

    while not tree.is_completed:
        _perform(tree, {})
        state = tree.dump()
        sizes.add(len(json.dumps(state["process"])))
        assert len(state["called"]) <= 1
        tree.take_journal()

    assert tree.variables == {"n": 1100}
    assert max(sizes) < 5_000


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
        _begin(content)

    expected = ("STEP_LIMIT_EXCEEDED", "p", MAXIMUM_AUTOMATIC_TASKS)
    assert (raised.value.code, raised.value.process_id, raised.value.limit) == expected


def test_many_elements_in_one_step_are_no_circle() -> None:
    names = [f"G{number}" for number in range(300)]
    content = document(process("p", start(), path("Begin", *names, "Done"), *map(gateway, names), end()))

    assert _begin(content).is_completed


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
    tree = _begin(content)
    _perform(tree, {})

    (waiting,) = tree.waiting_tasks()

    assert waiting.element.id == name


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

    taken = [_begin(content, n=n).waiting_tasks()[0].element.id for n in (9, 3, 0)]

    assert taken == ["B", "C", "A"]


def test_a_condition_that_fails_says_so_and_the_stored_state_still_waits() -> None:
    compiled = _compile(
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
    state = json.dumps(ProcessTree.begin(compiled, {}).dump())
    tree = ProcessTree.load(compiled, json.loads(state))

    with pytest.raises(ExpressionEvaluationError):
        _perform(tree, {"score": "high"})
    again = ProcessTree.load(compiled, json.loads(state))
    _perform(again, {"score": 2})

    assert again.is_completed


CHILD = process(
    "child", start("In"), path("In", "Inner", "Out"), service_task("Inner", "t", {"seen": "=secret"}), end("Out")
)


def _calling(call: str) -> bytes:
    return document(
        process("p", start(), path("Begin", "Call", "After", "Done"), call, service_task("After", "t"), end()), CHILD
    )


@pytest.mark.parametrize(
    ("parent", "child", "inputs", "outputs", "seen_inside", "after"),
    [
        (False, False, {}, {}, None, {"secret": 1}),
        (True, False, {}, {}, 1, {"secret": 1}),
        (False, False, {"secret": "=secret + 1"}, {}, 2, {"secret": 1}),
        (True, False, {"secret": "=secret + 1"}, {}, 2, {"secret": 1}),
        (False, True, {}, {}, None, {"secret": 1, "made": 5}),
        (True, True, {"secret": "=7"}, {}, 7, {"secret": 7, "made": 5}),
        (False, False, {}, {"result": "=made"}, None, {"secret": 1, "result": 5}),
        (True, True, {"local": "=0"}, {"result": "=made"}, 1, {"secret": 1, "result": 5}),
    ],
)
def test_a_called_process_sees_and_returns_what_the_diagram_says(
    *,
    parent: bool,
    child: bool,
    inputs: dict[str, str],
    outputs: dict[str, str],
    seen_inside: JsonValue,
    after: Scope,
) -> None:
    tree = _begin(_calling(call_activity("Call", "child", inputs, outputs, parent=parent, child=child)), secret=1)

    (inner,) = tree.waiting_tasks()
    seen = tree.inputs(inner)
    tree.complete(inner.task_id, {"made": 5})

    assert seen == {"seen": seen_inside}
    assert tree.variables == after
    assert tree.dump()["scopes"] == {"root": after}


def test_two_calls_of_one_process_do_not_see_each_other() -> None:
    calls = [call_activity(name, "child", parent=False, outputs={name: "=made"}) for name in ("First", "Second")]
    content = document(process("p", start(), path("Begin", "First", "Second", "Done"), *calls, end()), CHILD)
    tree = _begin(content, secret=1)

    _perform(tree, {"made": 1, "secret": 99})
    (inner,) = tree.waiting_tasks()

    assert tree.inputs(inner) == {"seen": None}
    _perform(tree, {"made": 2})
    assert tree.variables == {"secret": 1, "First": 1, "Second": 2}


def test_output_mappings_see_inputs_and_result_and_write_only_their_targets() -> None:
    work = service_task("Work", "t", {"doubled": "=n * 2"}, {"sum": "=doubled + made", "copy": "=sum + n"})
    tree = _begin(document(process("p", start(), path("Begin", "Work", "Done"), work, end())), n=3)

    (waiting,) = tree.waiting_tasks()
    assert tree.inputs(waiting) == {"doubled": 6}
    tree.complete(waiting.task_id, {"made": 4, "noise": True})

    assert tree.variables == {"n": 3, "sum": 10, "copy": 13}


def test_without_output_mappings_the_result_is_written_as_it_is() -> None:
    content = document(process("p", start(), path("Begin", "Ask", "Done"), user_task("Ask", "g"), end()))
    tree = _begin(content, n=3)

    _perform(tree, {"n": 4, "decision": "approve"})

    assert tree.variables == {"n": 4, "decision": "approve"}


def _nested(*boundaries: str, inner: str = "") -> CompiledProcess:
    """p calls middle, middle calls child; `boundaries` stand on the call in p, `inner` on the task in child."""
    return _compile(
        document(
            process(
                "p",
                start(),
                path("Begin", "Call", "Normal", "Done"),
                call_activity("Call", "middle"),
                service_task("Normal", "t"),
                *boundaries,
                *(service_task(name, "t") + flow(name, "Done") for name in ("Specific", "Any")),
                end(),
            ),
            process("middle", start("In2"), path("In2", "Call2", "Out2"), call_activity("Call2", "child"), end("Out2")),
            process(
                "child",
                start("In"),
                path("In", "Inner", "Out"),
                service_task("Inner", "t"),
                inner,
                service_task("InnerRecovery", "t"),
                flow("InnerRecovery", "Out"),
                end("Out"),
            ),
            error("Broken", "BROKEN"),
            error("Other", "OTHER"),
        )
    )


SPECIFIC = boundary("CatchSpecific", "Call", "Broken") + flow("CatchSpecific", "Specific")
OTHER = boundary("CatchOther", "Call", "Other") + flow("CatchOther", "Any")
ANY = boundary("CatchAny", "Call") + flow("CatchAny", "Any")


@pytest.mark.parametrize(
    ("compiled", "continues_at"),
    [
        pytest.param(_nested(SPECIFIC), "Specific", id="two calls further out"),
        pytest.param(_nested(ANY), "Any", id="catch-all"),
        pytest.param(_nested(ANY, SPECIFIC), "Specific", id="a named code before catch-all"),
        pytest.param(_nested(OTHER, SPECIFIC), "Specific", id="not another code"),
        pytest.param(
            _nested(SPECIFIC, inner=boundary("Own", "Inner") + flow("Own", "InnerRecovery")),
            "InnerRecovery",
            id="the nearest first",
        ),
    ],
)
@pytest.mark.parametrize("reloads", [False, True])
def test_an_error_leaves_by_the_nearest_event_that_catches_it(
    *, compiled: CompiledProcess, continues_at: str, reloads: bool
) -> None:
    tree = ProcessTree.begin(compiled, {})
    tree = _reloaded(compiled, tree) if reloads else tree
    (waiting,) = tree.waiting_tasks()

    assert tree.raise_error(waiting.task_id, "BROKEN", {"reason": "dust"})

    assert [each.element.id for each in tree.waiting_tasks()] == [continues_at]
    while not tree.is_completed:
        _perform(tree, {})
    assert tree.variables == {"reason": "dust"}
    assert list(tree.dump()["scopes"]) == ["root"]


@pytest.mark.parametrize("compiled", [_nested(), _nested(OTHER)])
def test_an_error_that_nothing_catches_changes_nothing(compiled: CompiledProcess) -> None:
    tree = ProcessTree.begin(compiled, {})
    before = json.dumps(tree.dump())
    (waiting,) = tree.waiting_tasks()
    tree.take_journal()

    assert not tree.raise_error(waiting.task_id, "BROKEN", {"reason": "dust"})

    assert json.dumps(tree.dump()) == before
    assert tree.take_journal() == []


def test_an_error_caught_outside_cancels_what_was_called_and_the_journal_tells() -> None:
    tree = ProcessTree.begin(_nested(SPECIFIC), {})
    tree.take_journal()
    (waiting,) = tree.waiting_tasks()

    tree.raise_error(waiting.task_id, "BROKEN", {})

    changes = [(each.change, each.element.id) for each in tree.take_journal()]
    assert {
        ("cancelled", "Inner"),
        ("cancelled", "Call2"),
        ("cancelled", "Call"),
        ("completed", "CatchSpecific"),
    } <= set(changes)
    assert changes.index(("completed", "CatchSpecific")) < changes.index(("activated", "Specific"))


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
    tree = _begin(content)
    (waiting,) = tree.waiting_tasks()
    tree.complete(waiting.task_id, {})

    (following,) = tree.waiting_tasks()
    assert following.task_id != waiting.task_id
    assert isinstance(following.task_id, UUID)
