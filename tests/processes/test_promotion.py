"""`promotion`, played through."""

from __future__ import annotations

import pytest

from engine.simulation.process_under_test import ProcessUnderTest
from learning.process_testing import ProcessTests


@pytest.fixture
def promotion(process_test: ProcessTests) -> ProcessUnderTest:
    return process_test("workflows/promotion.bpmn", variables={"model_artifact_id": "m", "approved_by": "ada"})


def test_a_healthy_endpoint_is_promoted(promotion: ProcessUnderTest) -> None:
    promotion.run_to_end()
    assert promotion.path[-2:] == ("Task_PromoteModel", "EndEvent_ModelPromoted")


def test_an_endpoint_that_is_not_healthy_is_torn_down(promotion: ProcessUnderTest) -> None:
    promotion.answer("Task_ProbeEndpoint", {"healthy": False})
    promotion.run_to_end()
    assert promotion.path[-3:] == ("Task_TearDownEndpoint", "Event_RollBack", "EndEvent_PromotionRolledBack")


def test_a_corrupt_model_is_torn_down(promotion: ProcessUnderTest) -> None:
    promotion.throw_error("Task_ProbeEndpoint", "ARTIFACT_CORRUPT")
    promotion.run_to_end()
    assert promotion.path[2:] == (
        "BoundaryEvent_ArtifactCorrupt",
        "Task_TearDownEndpoint",
        "Event_RollBack",
        "EndEvent_PromotionRolledBack",
    )


def test_what_is_deployed_when_an_operator_rolls_back_is_torn_down(promotion: ProcessUnderTest) -> None:
    promotion.fail("Task_PromoteModel", "disk full")
    promotion.advance("PT1H")
    promotion.roll_back()
    assert (promotion.path[-1], promotion.result.incidents) == ("Task_TearDownEndpoint", ())
