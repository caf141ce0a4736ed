"""Errors about what operators ask for."""

from __future__ import annotations

from engine.errors.base import EngineError


class IdempotencyConflictError(EngineError):
    """The idempotency key was used before, for something else."""

    code = "IDEMPOTENCY_CONFLICT"
    hint = "Use a new idempotency key, or repeat the earlier call unchanged."

    def __init__(self, *, idempotency_key: str) -> None:
        self.idempotency_key = idempotency_key
        super().__init__(f"Idempotency key {idempotency_key!r} belongs to another request.")


class ReasonInvalidError(EngineError):
    """An operation has to say why, in a sentence that the audit trail can keep."""

    code = "OPERATION_REASON_INVALID"

    def __init__(self, *, length: int, longest: int) -> None:
        self.length = length
        self.hint = f"Write between 1 and {longest:,} characters."
        super().__init__(f"A reason cannot have {length:,} characters.")


class UnknownIncidentError(EngineError):
    """No such incident in this tenant."""

    code = "INCIDENT_NOT_FOUND"
    hint = "List the unresolved incidents; those of another tenant are not visible."

    def __init__(self, *, incident_id: object) -> None:
        self.incident_id = str(incident_id)
        super().__init__(f"Incident {incident_id} does not exist.")


class IncidentNotOpenError(EngineError):
    """The incident is being retried already, or is resolved."""

    code = "INCIDENT_NOT_OPEN"

    def __init__(self, *, incident_id: object, status: str) -> None:
        self.incident_id = str(incident_id)
        self.status = status
        waits = status == "retrying"
        self.hint = "Wait for the outcome of the attempt." if waits else "Nothing is left to do about it."
        super().__init__(f"Incident {incident_id} is {status}.")


class CompensationMissingError(EngineError):
    """Nothing can be compensated: no diagram of the instance says how."""

    code = "COMPENSATION_NOT_SUPPORTED"
    hint = "Cancel it without compensation, and undo by hand what has to be undone."

    def __init__(self, *, process_instance_id: object) -> None:
        self.process_instance_id = str(process_instance_id)
        super().__init__(f"Process instance {process_instance_id} cannot be cancelled with compensation.")


class VariableNameError(EngineError):
    """No expression could read a variable of that name."""

    code = "VARIABLE_NAME_INVALID"
    hint = "Use letters, digits and underscores, and no digit first."

    def __init__(self, *, name: str) -> None:
        self.name = name[:100]
        super().__init__(f"{self.name!r} is not the name of a variable.")


class TokenMoveError(EngineError):
    """The token cannot be moved, or not to there."""

    code = "TOKEN_NOT_MOVABLE"

    def __init__(self, *, place: object, reason: str, hint: str) -> None:
        self.place = str(place)
        self.reason = reason
        self.hint = hint
        super().__init__(f"{place}: {reason}.")


class MigrationInvalidError(EngineError):
    """No instance could go from the one definition to the other with this mapping."""

    code = "MIGRATION_INVALID"
    hint = "Name two versions of one process, and in the mapping each element once, by its old and its new id."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The migration is not possible: {reason}.")
