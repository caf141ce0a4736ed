"""The shipped training process asks as many reviewers as the promotion policy wants."""

from __future__ import annotations

from pathlib import Path

from decision_documents import deployed
from stored_tree import StoredTree

from engine.bpmn import UserTask, read_diagram
from engine.spiff import compile_process

SHIPPED = Path(__file__).parents[2] / "workflows"
REVIEW = "UserTask_ReviewModel"


def registered(classification: str, accuracy: float = 0.9, current_accuracy: float | None = None) -> StoredTree:
    """An experiment whose model has just been registered."""
    models = {model.process_id: model for path in SHIPPED.glob("*.bpmn") for model in read_diagram(path.read_bytes())}
    compiled = compile_process(
        models.pop("supervised-training"),
        models,
        "StartEvent_ExperimentRequested",
        decisions=deployed((SHIPPED / "promotion-policy.dmn").read_bytes()),
    )
    tree = StoredTree(compiled, {"experiment_id": "x", "dataset_version_id": "d"})
    tree.complete("Task_ProfileDataset", profile={})
    tree.complete("Task_CheckRules", validation_passed=True, findings=[])
    tree.complete("Task_MarkValidated", newly_validated=True)
    tree.complete("Task_TrainModel", training={})
    tree.complete("Task_EvaluateModel", evaluation={"accuracy": accuracy, "baseline_accuracy": 0.5})
    tree.complete(
        "Task_RegisterModel",
        model_id="m",
        model_version=1,
        model_artifact_id="a",
        data_classification=classification,
        current_accuracy=current_accuracy,
    )
    return tree


def review(tree: StoredTree, decision: str, reviewer: str) -> None:
    tree.complete(REVIEW, decision=decision, comment=f"{reviewer} says so", completed_by=reviewer)


def test_a_model_of_restricted_data_needs_two_approvals() -> None:
    tree = registered("restricted")
    assert tree.waiting == [REVIEW, REVIEW]

    review(tree, "approve", "rita")
    assert tree.waiting == [REVIEW]
    review(tree, "approve", "rolf")

    assert tree.waiting == ["Task_DeployEndpoint"]
    tree.complete(endpoint_id="e")
    tree.complete(healthy=True)
    assert tree.inputs("Task_PromoteModel")["approved_by"] == "rita, rolf"


def test_one_rejection_is_enough_and_the_other_review_is_withdrawn() -> None:
    tree = registered("restricted")

    review(tree, "reject", "rita")

    assert tree.waiting == ["Task_RejectModel"]
    assert tree.inputs("Task_RejectModel")["comment"] == "rita says so"


def test_other_data_needs_one_approval_with_the_usual_priority() -> None:
    tree = registered("internal")

    (waiting,) = tree.tree.waiting()

    assert isinstance(waiting.element, UserTask)
    assert waiting.element.excluded == ("initiator", REVIEW)
    assert tree.tree.evaluate(waiting.task_id, str(waiting.element.priority)) == 50


def test_a_model_that_is_worse_than_the_one_in_service_is_rejected_with_the_reason_of_the_policy() -> None:
    tree = registered("internal", accuracy=0.8, current_accuracy=0.9)

    assert tree.waiting == ["Task_RejectByPolicy"]
    assert tree.inputs()["comment"] == "The model is worse than the one in service, which does not drift much."
