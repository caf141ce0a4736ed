"""Errors of the engine.

EngineError
├── DiagramError                       a deploy was refused; carries findings
│   └── DIAGRAM_REFUSED
├── ExpressionError                    EXPRESSION_INVALID
│   └── ExpressionEvaluationError      EXPRESSION_FAILED
├── UnknownProcessError                PROCESS_NOT_FOUND
├── UnknownInstanceError               PROCESS_INSTANCE_NOT_FOUND
├── UnknownUserTaskError               USER_TASK_NOT_FOUND
├── UserTaskClosedError                USER_TASK_ALREADY_COMPLETED
├── NotACandidateError                 NOT_A_CANDIDATE
├── SeparationOfDutiesError            SEPARATION_OF_DUTIES
├── FormInvalidError                   FORM_INVALID
├── UnknownCursorError                 CURSOR_UNKNOWN
├── IdempotencyConflictError           IDEMPOTENCY_CONFLICT
├── ContractError                      TASK_CONTRACT_VIOLATED
├── StaleLeaseError                    STALE_LEASE
├── StepLimitError                     STEP_LIMIT_EXCEEDED
├── ScheduleIntervalError              SCHEDULE_INTERVAL_INVALID
├── UnknownScheduleError               SCHEDULE_NOT_FOUND
└── PermanentTaskError                 TASK_FAILED_PERMANENTLY

`BpmnError` is not a failure but an outcome that a boundary event of the diagram catches.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

from storage import ReportedError


class EngineError(ReportedError):
    """Base of the engine's errors."""

    code = "ENGINE"


class BpmnError(Exception):
    """A business error: control leaves the task through the error boundary event that names its code.

    Attributes:
        error_code: What the diagram's `bpmn:error` must carry.
        variables: Written to the scope of the task before the boundary event's flow is taken.
    """

    def __init__(self, error_code: str, message: str, *, variables: dict[str, JsonValue] | None = None) -> None:
        self.error_code = error_code
        self.message = message
        self.variables = variables or {}
        super().__init__(f"{error_code}: {message}")


class Finding(BaseModel):
    """One reason why a diagram is refused, or a warning about it."""

    model_config = ConfigDict(frozen=True)

    line: int
    element_id: str
    code: str
    message: str
    hint: str


class DiagramError(EngineError):
    """The diagram cannot be executed as drawn."""

    code = "DIAGRAM_REFUSED"

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        first = findings[0]
        self.hint = first.hint
        more = f" ({len(findings) - 1} more findings)" if len(findings) > 1 else ""
        super().__init__(f"Line {first.line}, {first.element_id}: {first.message}{more}")


class ExpressionError(EngineError):
    """The text is not an expression of the supported FEEL subset."""

    code = "EXPRESSION_INVALID"
    hint = "See docs/reference/expressions.md for what is supported."

    def __init__(self, *, source: str, position: int, reason: str) -> None:
        self.source = source
        self.position = position
        self.reason = reason
        super().__init__(f"{reason} at character {position + 1} of {source[:120]!r}.")


class ExpressionEvaluationError(ExpressionError):
    """The expression is well-formed, but these values do not fit it."""

    code = "EXPRESSION_FAILED"
    hint = "Compare the variables of the process instance with the expression."


class UnknownProcessError(EngineError):
    """No definition of that process is deployed."""

    code = "PROCESS_NOT_FOUND"

    def __init__(self, *, process_id: str, known: tuple[str, ...] = ()) -> None:
        self.process_id = process_id
        self.hint = f"Deployed processes: {', '.join(known) or 'none'}. Deploy with 'ami-learning diagram deploy FILE'."
        super().__init__(f"No process {process_id!r} is deployed.")


class UnknownInstanceError(EngineError):
    """No such process instance in this tenant."""

    code = "PROCESS_INSTANCE_NOT_FOUND"
    hint = "Check the id; instances of another tenant are not visible."

    def __init__(self, *, process_instance_id: object) -> None:
        self.process_instance_id = str(process_instance_id)
        super().__init__(f"Process instance {process_instance_id} does not exist.")


class UnknownUserTaskError(EngineError):
    """No such user task in this tenant."""

    code = "USER_TASK_NOT_FOUND"
    hint = "List the open tasks with learning.list_user_tasks."

    def __init__(self, *, user_task_id: object) -> None:
        self.user_task_id = str(user_task_id)
        super().__init__(f"User task {user_task_id} does not exist.")


class UserTaskClosedError(EngineError):
    """Somebody was faster, or the task was withdrawn."""

    code = "USER_TASK_ALREADY_COMPLETED"
    hint = "Nothing is left to do; the decision that was taken is in the process instance's events."

    def __init__(self, *, user_task_id: object, status: str, completed_by: str | None) -> None:
        self.user_task_id = str(user_task_id)
        self.status = status
        self.completed_by = completed_by
        super().__init__(f"User task {user_task_id} is {status} (by {completed_by or 'the process'}).")


class NotACandidateError(EngineError):
    """The principal is in none of the task's candidate groups."""

    code = "NOT_A_CANDIDATE"

    def __init__(self, *, user_id: str, candidate_groups: tuple[str, ...]) -> None:
        self.user_id = user_id
        self.candidate_groups = candidate_groups
        self.hint = f"A member of {' or '.join(candidate_groups)} can complete it."
        super().__init__(f"{user_id} is in none of the groups {', '.join(candidate_groups)}.")


class SeparationOfDutiesError(EngineError):
    """The diagram excludes this principal from the task."""

    code = "SEPARATION_OF_DUTIES"
    hint = "Somebody else of the task's candidate groups has to complete it."

    def __init__(self, *, user_id: str, element_id: str) -> None:
        self.user_id = user_id
        self.element_id = element_id
        super().__init__(f"{user_id} started this process instance and may not complete its task {element_id}.")


class FormInvalidError(EngineError):
    """A submission does not fit the task's form."""

    code = "FORM_INVALID"

    def __init__(self, *, form_id: str, fields: dict[str, str]) -> None:
        self.form_id = form_id
        self.fields = fields
        self.hint = "; ".join(f"{name}: {reason}" for name, reason in fields.items())
        super().__init__(f"The submission does not fit the form {form_id!r}.")


class UnknownCursorError(EngineError):
    """A reader asks for the events behind one that never was."""

    code = "CURSOR_UNKNOWN"
    hint = "Read from 0, or from a token that this server gave."

    def __init__(self, *, sequence: int) -> None:
        self.sequence = sequence
        super().__init__(f"No event has the sequence number {sequence}.")


class IdempotencyConflictError(EngineError):
    """The idempotency key was used before, for something else."""

    code = "IDEMPOTENCY_CONFLICT"
    hint = "Use a new idempotency key, or repeat the earlier call unchanged."

    def __init__(self, *, idempotency_key: str) -> None:
        self.idempotency_key = idempotency_key
        super().__init__(f"Idempotency key {idempotency_key!r} belongs to another request.")


class ContractError(EngineError):
    """A service task got or made values that its handler's model does not accept."""

    code = "TASK_CONTRACT_VIOLATED"
    hint = "Compare the task's input mappings in the diagram with the handler's model."

    def __init__(self, *, element_id: str, task_type: str, fields: dict[str, str]) -> None:
        self.element_id = element_id
        self.task_type = task_type
        self.fields = fields
        listed = "; ".join(f"{name}: {reason}" for name, reason in fields.items())
        super().__init__(f"{element_id} ({task_type}): {listed}")


class StaleLeaseError(EngineError):
    """Another worker owns the job by now; this result is refused."""

    code = "STALE_LEASE"
    hint = "Nothing is lost: the job's new owner finishes it."

    def __init__(self, *, job_id: object, epoch: int) -> None:
        self.job_id = str(job_id)
        self.epoch = epoch
        super().__init__(f"Job {job_id} is no longer leased under epoch {epoch}.")


class StepLimitError(EngineError):
    """A process runs in circles through gateways and called processes, and never waits for work."""

    code = "STEP_LIMIT_EXCEEDED"
    hint = "Compare the conditions of the circle in the diagram with the variables of the process instance."

    def __init__(self, *, process_id: str, limit: int) -> None:
        self.process_id = process_id
        self.limit = limit
        super().__init__(f"Process {process_id!r} passed {limit} elements without waiting for work.")


class ScheduleIntervalError(EngineError):
    """The text is not an interval in which a schedule can fire."""

    code = "SCHEDULE_INTERVAL_INVALID"
    hint = "Write an ISO 8601 duration of at least a second, without years and months: PT15M, P1DT12H, P2W."

    def __init__(self, *, interval: str, reason: str) -> None:
        self.interval = interval[:100]
        self.reason = reason
        super().__init__(f"{self.interval!r} is not an interval: {reason}.")


class UnknownScheduleError(EngineError):
    """No such schedule in this tenant."""

    code = "SCHEDULE_NOT_FOUND"
    hint = "Check the id; schedules of another tenant are not visible."

    def __init__(self, *, schedule_id: object) -> None:
        self.schedule_id = str(schedule_id)
        super().__init__(f"Schedule {schedule_id} does not exist.")


class PermanentTaskError(EngineError):
    """A handler failed in a way that no further attempt can mend."""

    code = "TASK_FAILED_PERMANENTLY"
    hint = "Mend the cause named in the incident, then start the process again."
