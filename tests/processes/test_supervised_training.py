"""`supervised-training`, played through with the processes that it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.simulation.process_under_test import ProcessUnderTest
from learning.process_testing import ProcessTests

Training = Callable[..., ProcessUnderTest]
_REGISTERED = {"data_classification": "internal", "current_accuracy": 0.7}


@pytest.fixture
def training(process_test: ProcessTests) -> Training:
    """The process, with a model of this accuracy; always answering the commonest class is right half of the time."""

    def start(accuracy: float = 0.8, **answers: Any) -> ProcessUnderTest:
        evaluated = {"evaluation": {"accuracy": accuracy, "baseline_accuracy": 0.5}}
        told = {"Task_EvaluateModel": evaluated, "Task_RegisterModel": _REGISTERED, **answers}
        return process_test("workflows/supervised-training.bpmn", answers=told, variables={"requested_by": "ben"})

    return start


def test_an_approved_model_goes_into_service(training: Training) -> None:
    process = training()
    process.run()
    assert process.waits_at("UserTask_ReviewModel")
    process.complete("UserTask_ReviewModel", {"decision": "approve"})
    assert process.path[-4:] == (
        "CallActivity_PromoteModel",
        "Gateway_ModelInService",
        "Task_CompleteExperiment",
        "EndEvent_ModelInService",
    )


def test_a_rejected_model_does_not(training: Training) -> None:
    process = training(UserTask_ReviewModel={"decision": "reject"})
    process.run_to_end()
    assert process.path[-2:] == ("Task_RejectModel", "EndEvent_ModelRejected")
    assert process.visits("CallActivity_PromoteModel") == 0


def test_a_model_that_is_no_better_than_guessing_is_not_reviewed(training: Training) -> None:
    process = training(accuracy=0.4)
    process.run_to_end()
    assert process.path[-2:] == ("Task_RejectByPolicy", "EndEvent_RejectedByPolicy")
    assert process.visits("UserTask_ReviewModel") == 0


def test_an_invalid_dataset_is_not_trained_on(training: Training) -> None:
    failed = {"validation_passed": False, "findings": []}
    process = training(Task_CheckRules=failed, Task_WithdrawVersion=failed)
    process.run_to_end()
    assert process.path[-3:] == ("Gateway_DatasetValid", "Task_RecordFailure", "EndEvent_ExperimentFailed")


def test_a_training_that_fails_ends_the_experiment(training: Training) -> None:
    process = training()
    process.throw_error("Task_TrainModel", "TRAINING_FAILED")
    process.run_to_end()
    assert process.path[-3:] == ("BoundaryEvent_TrainingFailed", "Task_RecordFailure", "EndEvent_ExperimentFailed")


def test_a_model_that_does_not_answer_is_withdrawn(training: Training) -> None:
    process = training(UserTask_ReviewModel={"decision": "approve"}, Task_ProbeEndpoint={"healthy": False})
    process.run_to_end()
    assert process.path[-4:] == (
        "Task_WithdrawModel",
        "Event_WithdrawModel",
        "Task_RecordFailure",
        "EndEvent_ExperimentFailed",
    )


def test_rolling_back_undoes_the_promotion_the_registration_and_the_validation(training: Training) -> None:
    process = training(UserTask_ReviewModel={"decision": "approve"})
    process.fail("Task_CompleteExperiment", "disk full")
    process.advance("PT1H")
    process.roll_back()
    assert process.path[-4:] == (
        "Task_DemoteModel",
        "Task_TearDownEndpoint",
        "Task_WithdrawModel",
        "Task_UndoValidation",
    )
