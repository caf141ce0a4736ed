"""Errors about simulations: what was asked of one does not fit its diagrams."""

from __future__ import annotations

from engine.errors.base import EngineError


class SimulationError(EngineError):
    """Base of the errors of simulations."""

    code = "SIMULATION"


class AnswersInvalidError(SimulationError):
    """The answers are not of the form that is read."""

    code = "ANSWERS_INVALID"
    hint = "See docs/reference/diagrams.md for the form of answers."

    def __init__(self, *, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"Answers, {place or 'as a whole'}: {reason.rstrip('.')}.")


class AnsweredElementUnknownError(SimulationError):
    """Something is answered that no diagram has."""

    code = "ANSWERED_ELEMENT_UNKNOWN"

    def __init__(self, *, element_ids: tuple[str, ...], answerable: tuple[str, ...]) -> None:
        self.element_ids = element_ids
        self.answerable = answerable
        self.hint = f"What can be answered: {', '.join(answerable) or 'nothing'}."
        super().__init__(f"The diagrams have nothing to be answered under {', '.join(map(repr, element_ids))}.")


class AnsweredEventUnknownError(SimulationError):
    """A message or a signal is to come that no element of the diagrams ever waits for."""

    code = "ANSWERED_EVENT_UNKNOWN"

    def __init__(self, *, kind: str, names: tuple[str, ...], known: tuple[str, ...]) -> None:
        self.kind = kind
        self.names = names
        self.known = known
        self.hint = f"What the diagrams wait for: {', '.join(known) or f'no {kind} at all'}."
        super().__init__(f"Nothing in the diagrams waits for a {kind} {', '.join(map(repr, names))}.")


class AnswerNotApplicableError(SimulationError):
    """An element cannot end in the way that its answer says."""

    code = "ANSWER_NOT_APPLICABLE"

    def __init__(self, *, element_id: str, reason: str, hint: str) -> None:
        self.element_id = element_id
        self.reason = reason
        self.hint = hint
        super().__init__(f"The answer to {element_id}: {reason}.")


class SimulatedProcessError(SimulationError):
    """The files do not say which process is to be simulated, or do not have it."""

    code = "SIMULATED_PROCESS_UNKNOWN"

    def __init__(self, *, process_id: str | None, known: tuple[str, ...]) -> None:
        self.process_id = process_id
        self.known = known
        self.hint = f"Executable processes: {', '.join(known) or 'none'}."
        super().__init__("There is no process to simulate." if process_id is None else f"No process {process_id!r}.")
