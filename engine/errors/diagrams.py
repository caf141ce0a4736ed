"""Errors about diagrams, decisions, their versions and their expressions."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from engine.errors.base import EngineError


class Finding(BaseModel):
    """One reason why a diagram is refused, or a warning about it."""

    model_config = ConfigDict(frozen=True)

    line: int
    element_id: str
    code: str
    severity: Literal["error", "warning"] = "error"
    message: str
    hint: str


class DiagramError(EngineError):
    """The diagram cannot be executed as drawn."""

    code = "DIAGRAM_REFUSED"

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        first = next((finding for finding in findings if finding.severity == "error"), findings[0])
        self.hint = first.hint
        more = f" ({len(findings) - 1} more findings)" if len(findings) > 1 else ""
        super().__init__(f"Line {first.line}, {first.element_id}: {first.message}{more}")


class ExpressionError(EngineError):
    """The text is not an expression of the supported FEEL subset."""

    code = "EXPRESSION_INVALID"
    hint = "See docs/reference/feel.md for what is supported."

    def __init__(self, *, source: str, position: int, reason: str) -> None:
        self.source = source
        self.position = position
        self.reason = reason
        super().__init__(f"{reason} at character {position + 1} of {source[:120]!r}.")


class ExpressionEvaluationError(ExpressionError):
    """The expression is well-formed, but these values do not fit it."""

    code = "EXPRESSION_FAILED"
    hint = "Compare the variables of the process instance with the expression."


class DecisionModelError(EngineError):
    """The decision model cannot be evaluated as drawn."""

    code = "DECISIONS_REFUSED"

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        first = findings[0]
        self.hint = first.hint
        more = f" ({len(findings) - 1} more findings)" if len(findings) > 1 else ""
        super().__init__(f"Line {first.line}, {first.element_id}: {first.message}{more}")


class DecisionEvaluationError(EngineError):
    """The decision is well-formed, but these values do not fit it."""

    code = "DECISION_FAILED"
    hint = "Compare the values that were given with the decision's inputs and rules."

    def __init__(self, *, element_id: str, reason: str) -> None:
        self.element_id = element_id
        self.reason = reason
        super().__init__(f"{element_id}: {reason.rstrip('.')}.")


class UnknownDecisionError(EngineError):
    """The document has no decision of that id."""

    code = "DECISION_NOT_FOUND"

    def __init__(self, *, decision_id: str, known: tuple[str, ...] = ()) -> None:
        self.decision_id = decision_id
        self.hint = f"Its decisions: {', '.join(known) or 'none'}."
        super().__init__(f"There is no decision {decision_id!r}.")


class UnknownDecisionVersionError(EngineError):
    """No version of that decision is deployed to which a task could be bound."""

    code = "DECISION_NOT_DEPLOYED"
    hint = "Deploy its DMN file with 'ami-learning diagram deploy FILE', then start the process again."

    def __init__(self, *, decision_id: str, version_tag: str | None = None) -> None:
        self.decision_id = decision_id
        self.version_tag = version_tag
        tagged = "" if version_tag is None else f" with the version tag {version_tag!r}"
        super().__init__(f"No decision {decision_id!r}{tagged} is deployed.")


class UnknownProcessError(EngineError):
    """No definition of that process is deployed."""

    code = "PROCESS_NOT_FOUND"

    def __init__(self, *, process_id: str, known: tuple[str, ...] = ()) -> None:
        self.process_id = process_id
        self.hint = f"Deployed processes: {', '.join(known) or 'none'}. Deploy with 'ami-learning diagram deploy FILE'."
        super().__init__(f"No process {process_id!r} is deployed.")


class UnknownDefinitionError(EngineError):
    """No definition with that id is deployed."""

    code = "PROCESS_DEFINITION_NOT_FOUND"
    hint = "Take the id from the instance, or from the answer to the deployment."

    def __init__(self, *, process_definition_id: object) -> None:
        self.process_definition_id = str(process_definition_id)
        super().__init__(f"Process definition {process_definition_id} is not deployed.")
