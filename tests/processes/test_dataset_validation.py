"""`dataset-validation`, played through."""

from __future__ import annotations

import pytest

from engine.simulation.process_under_test import ProcessUnderTest
from learning.process_testing import ProcessTests


@pytest.fixture
def validation(process_test: ProcessTests) -> ProcessUnderTest:
    return process_test("workflows/dataset-validation.bpmn", variables={"dataset_version_id": "d"})


def test_a_version_that_passes_is_marked_validated(validation: ProcessUnderTest) -> None:
    validation.answer("Task_CheckRules", {"validation_passed": True, "findings": []})
    validation.run_to_end()
    assert validation.path[-2:] == ("Task_MarkValidated", "EndEvent_DatasetValidated")


def test_a_version_that_fails_is_withdrawn(validation: ProcessUnderTest) -> None:
    validation.answer("Task_CheckRules", {"validation_passed": False, "findings": []})
    validation.run_to_end()
    assert validation.path[-2:] == ("Task_WithdrawVersion", "EndEvent_DatasetRejected")


def test_a_version_that_cannot_be_read_is_withdrawn(validation: ProcessUnderTest) -> None:
    validation.throw_error("Task_ProfileDataset", "DATASET_UNREADABLE")
    validation.run_to_end()
    assert validation.path[1:] == (
        "BoundaryEvent_DatasetUnreadable",
        "Task_WithdrawVersion",
        "EndEvent_DatasetRejected",
    )


def test_a_registered_version_is_validated_without_being_asked_for(validation: ProcessUnderTest) -> None:
    validation.run_to_end()
    validation.send("dataset-version-registered", {"dataset_version_id": "e"})
    assert validation.visits("StartEvent_DatasetVersionRegistered") == 1
    assert validation.visits("EndEvent_DatasetValidated") == 2


def test_a_crash_after_the_profile_repeats_it_and_nothing_else(validation: ProcessUnderTest) -> None:
    validation.crash("Task_ProfileDataset", "before_commit")
    validation.run_to_end()
    assert (validation.completed, validation.visits("Task_ProfileDataset"), validation.elapsed) == (True, 1, "PT15S")
