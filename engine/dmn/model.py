"""A decision model as it was read: decisions, the data that they start from, and what each requires."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property

from pydantic import BaseModel, ConfigDict


class HitPolicy(StrEnum):
    """What several matching rules make together (DMN 1.3, 8.2.8)."""

    UNIQUE = "UNIQUE"
    ANY = "ANY"
    PRIORITY = "PRIORITY"
    FIRST = "FIRST"
    RULE_ORDER = "RULE ORDER"
    OUTPUT_ORDER = "OUTPUT ORDER"
    COLLECT = "COLLECT"

    @property
    def is_list(self) -> bool:
        """Whether the outputs of several rules stand side by side."""
        return self in {HitPolicy.RULE_ORDER, HitPolicy.OUTPUT_ORDER, HitPolicy.COLLECT}


class Aggregator(StrEnum):
    """What COLLECT computes over the outputs."""

    SUM = "SUM"
    COUNT = "COUNT"
    MIN = "MIN"
    MAX = "MAX"


class _Part(BaseModel):
    """What has a place in the document.

    Attributes:
        line: Where it stands, from 1.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    line: int


class InputData(_Part):
    """A value that decisions start from.

    Attributes:
        name: Under which expressions know it, and under which it is given.
        type_name: FEEL's name of its type; any where there is none.
    """

    name: str
    type_name: str | None


class InputClause(_Part):
    """An input column.

    Attributes:
        label: As people read it.
        expression: FEEL.
        allowed: Unary tests that every value but null passes.
    """

    label: str
    expression: str
    type_name: str | None
    allowed: str | None


class OutputClause(_Part):
    """An output column.

    Attributes:
        name: The key of its value, where there are several columns.
        allowed: Unary tests; for PRIORITY and OUTPUT ORDER values, the most important one first.
        default: FEEL, for when no rule matches.
    """

    name: str
    type_name: str | None
    allowed: str | None
    default: str | None


class Rule(_Part):
    """A row.

    Attributes:
        tests: Unary tests, one for each input column.
        outputs: FEEL, one for each output column.
    """

    tests: tuple[str, ...]
    outputs: tuple[str, ...]


class DecisionTable(_Part):
    """The logic of a decision as rules."""

    hit_policy: HitPolicy
    aggregator: Aggregator | None
    inputs: tuple[InputClause, ...]
    outputs: tuple[OutputClause, ...]
    rules: tuple[Rule, ...]


class LiteralExpression(_Part):
    """The logic of a decision as one expression."""

    source: str


class Decision(_Part):
    """A decision.

    Attributes:
        name: As people read it.
        variable: Under which decisions that require this one know its value.
        version_tag: As `zeebe:versionTag` gives it.
        required_inputs: Ids of input data.
        required_decisions: Ids of decisions.
    """

    name: str
    variable: str
    type_name: str | None
    required_inputs: tuple[str, ...]
    required_decisions: tuple[str, ...]
    logic: DecisionTable | LiteralExpression
    version_tag: str | None = None


class DecisionModel(BaseModel):
    """The decisions of one document, and its input data, by id."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    inputs: dict[str, InputData]
    decisions: dict[str, Decision]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of more than one word that expressions may use."""
        names = [*(data.name for data in self.inputs.values()), *(each.variable for each in self.decisions.values())]
        return frozenset(name for name in names if not name.isidentifier())

    @property
    def final_decisions(self) -> tuple[str, ...]:
        """The ids of the decisions that no other one requires, in the order of the document."""
        required = {needed for decision in self.decisions.values() for needed in decision.required_decisions}
        return tuple(decision_id for decision_id in self.decisions if decision_id not in required)

    def in_order(self, decision_id: str) -> tuple[Decision, ...]:
        """Return a decision and all that it requires, each after those that it requires itself."""
        ordered: dict[str, Decision] = {}
        open_ids = [(decision_id, False)]
        while open_ids:
            current, is_ready = open_ids.pop()
            decision = self.decisions[current]
            if is_ready:
                ordered.setdefault(current, decision)
            elif current not in ordered:
                open_ids.append((current, True))
                open_ids += [(needed, False) for needed in decision.required_decisions]
        return tuple(ordered.values())
