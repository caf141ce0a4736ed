"""A version of a decision, as it was deployed: with it goes the whole document in which it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from engine.dmn.evaluation import DecisionResult, evaluate
from engine.dmn.model import DecisionModel


class DecisionRef(BaseModel):
    """Which version: `sha256` is that of the deployed bytes, `canonical_sha256` that of what they say."""

    model_config = ConfigDict(frozen=True)

    decision_definition_id: UUID
    decision_id: str
    version: int
    version_tag: str | None
    name: str
    sha256: str
    canonical_sha256: str


@dataclass(frozen=True)
class DeployedDecision:
    """A version of a decision, ready to be asked."""

    ref: DecisionRef
    model: DecisionModel

    def alone(self) -> DecisionModel:
        """Return the document without the decisions that this one does not need."""
        kept = {decision.id: decision for decision in self.model.in_order(self.ref.decision_id)}
        return self.model.model_copy(update={"decisions": kept})

    def evaluate(self, variables: Mapping[str, JsonValue]) -> DecisionResult:
        """Return the decision's value for what it takes of the variables; raises as `evaluate`."""
        drawn = frozenset(data.name for data in self.model.inputs.values())
        taken = {name: variables[name] for name in (drawn or variables) if name in variables}
        return evaluate(self.model, self.ref.decision_id, taken)
