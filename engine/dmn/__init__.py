"""Decisions: DMN 1.3 and later, read, verified, evaluated; expressions are those of `engine.feel`.

Decision tables with every hit policy, literal expressions, and the requirements between decisions. What is refused, and
what the findings mean, stands in docs/reference/dmn.md.
"""

from engine.dmn.deployed import DecisionRef, DeployedDecision
from engine.dmn.digest import canonical_decision_digest
from engine.dmn.evaluation import DecisionResult, EvaluatedDecision, MatchedRule, evaluate
from engine.dmn.model import (
    Decision,
    DecisionModel,
    DecisionTable,
    HitPolicy,
    InputData,
    LiteralExpression,
    OutputClause,
)
from engine.dmn.needs import drawn_inputs, needed_inputs
from engine.dmn.reader import read_decisions
from engine.dmn.xml import is_dmn

__all__ = [
    "Decision",
    "DecisionModel",
    "DecisionRef",
    "DecisionResult",
    "DecisionTable",
    "DeployedDecision",
    "EvaluatedDecision",
    "HitPolicy",
    "InputData",
    "LiteralExpression",
    "MatchedRule",
    "OutputClause",
    "canonical_decision_digest",
    "drawn_inputs",
    "evaluate",
    "is_dmn",
    "needed_inputs",
    "read_decisions",
]
