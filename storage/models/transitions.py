"""State machines: which status may follow which.

A status may always stay what it is. What undoes a step leads back to where the step began, so that compensation can
restore what was.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from storage.models.enums import (
    ComplianceStatus,
    EndpointState,
    ExperimentStatus,
    ModelStatus,
    NeuronStatus,
    ValidationStatus,
)

TRANSITIONS: Mapping[type[StrEnum], Mapping[StrEnum, tuple[StrEnum, ...]]] = MappingProxyType(
    {
        ValidationStatus: {
            ValidationStatus.PENDING: (ValidationStatus.VALIDATED, ValidationStatus.REJECTED),
            ValidationStatus.VALIDATED: (ValidationStatus.REJECTED,),
            ValidationStatus.REJECTED: (),
        },
        ExperimentStatus: {
            ExperimentStatus.RUNNING: (
                ExperimentStatus.AWAITING_REVIEW,
                ExperimentStatus.COMPLETED,
                ExperimentStatus.REJECTED,
                ExperimentStatus.FAILED,
                ExperimentStatus.CANCELLED,
            ),
            ExperimentStatus.AWAITING_REVIEW: (
                ExperimentStatus.COMPLETED,
                ExperimentStatus.REJECTED,
                ExperimentStatus.FAILED,
                ExperimentStatus.CANCELLED,
            ),
            ExperimentStatus.COMPLETED: (),
            # Undoing a registration rejects; the process may say afterwards that the experiment has failed.
            ExperimentStatus.REJECTED: (ExperimentStatus.FAILED,),
            ExperimentStatus.FAILED: (),
            ExperimentStatus.CANCELLED: (),
        },
        ModelStatus: {
            ModelStatus.REGISTERED: (ModelStatus.PRODUCTION, ModelStatus.REJECTED, ModelStatus.ARCHIVED),
            ModelStatus.PRODUCTION: (ModelStatus.ARCHIVED, ModelStatus.REGISTERED, ModelStatus.REJECTED),
            ModelStatus.ARCHIVED: (ModelStatus.PRODUCTION, ModelStatus.REJECTED),
            ModelStatus.REJECTED: (),
        },
        EndpointState: {
            EndpointState.STARTING: (EndpointState.HEALTHY, EndpointState.FAILED, EndpointState.RETIRED),
            EndpointState.HEALTHY: (EndpointState.RETIRED, EndpointState.FAILED, EndpointState.STARTING),
            EndpointState.RETIRED: (EndpointState.HEALTHY, EndpointState.FAILED),
            EndpointState.FAILED: (),
        },
        ComplianceStatus: {
            ComplianceStatus.PENDING: (ComplianceStatus.IN_REVIEW, ComplianceStatus.WAIVED),
            ComplianceStatus.IN_REVIEW: (
                ComplianceStatus.COMPLIANT,
                ComplianceStatus.NON_COMPLIANT,
                ComplianceStatus.WAIVED,
                ComplianceStatus.PENDING,
            ),
            ComplianceStatus.COMPLIANT: (ComplianceStatus.IN_REVIEW, ComplianceStatus.NON_COMPLIANT),
            ComplianceStatus.NON_COMPLIANT: (ComplianceStatus.IN_REVIEW, ComplianceStatus.WAIVED),
            ComplianceStatus.WAIVED: (ComplianceStatus.IN_REVIEW,),
        },
        NeuronStatus: {
            NeuronStatus.ACTIVE: (NeuronStatus.STALE, NeuronStatus.PRUNED),
            NeuronStatus.STALE: (NeuronStatus.ACTIVE, NeuronStatus.PRUNED),
            NeuronStatus.PRUNED: (),
        },
    }
)


def may_follow(state: StrEnum, following: StrEnum) -> bool:
    """Return whether a record in `state` may change to `following`, which may be the same."""
    return state is following or following in TRANSITIONS[type(state)][state]
