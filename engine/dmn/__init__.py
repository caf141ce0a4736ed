"""Decisions: DMN 1.3 and later, read, verified, evaluated; expressions are those of `engine.feel`.

Decision tables with every hit policy, literal expressions, and the requirements between decisions. What is refused, and
what the findings mean, stands in docs/reference/dmn.md.
"""

from engine.dmn.evaluation import DecisionResult, EvaluatedDecision, MatchedRule, evaluate
from engine.dmn.model import Decision, DecisionModel, DecisionTable, HitPolicy, InputData, LiteralExpression
from engine.dmn.reader import read_decisions

__all__ = [
    "Decision",
    "DecisionModel",
    "DecisionResult",
    "DecisionTable",
    "EvaluatedDecision",
    "HitPolicy",
    "InputData",
    "LiteralExpression",
    "MatchedRule",
    "evaluate",
    "read_decisions",
]
