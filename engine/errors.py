"""Errors of the engine.

EngineError
├── DiagramError                       a deploy was refused; carries findings
│   └── DIAGRAM_REFUSED
├── ExpressionError                    EXPRESSION_INVALID
│   └── ExpressionEvaluationError      EXPRESSION_FAILED
├── DecisionModelError                 DECISIONS_REFUSED; carries findings
├── DecisionEvaluationError            DECISION_FAILED
├── UnknownDecisionError               DECISION_NOT_FOUND
├── UnknownProcessError                PROCESS_NOT_FOUND
├── UnknownInstanceError               PROCESS_INSTANCE_NOT_FOUND
├── UnknownUserTaskError               USER_TASK_NOT_FOUND
├── UserTaskClosedError                USER_TASK_ALREADY_COMPLETED
├── UserTaskClaimedError               USER_TASK_ALREADY_CLAIMED
├── ClaimedByAnotherError              USER_TASK_CLAIMED_BY_ANOTHER
├── AssigneeNeededError                USER_TASK_ASSIGNEE_NEEDED
├── DelegateInvalidError               USER_TASK_DELEGATE_INVALID
├── CommentInvalidError                USER_TASK_COMMENT_INVALID
├── UserTaskValueError                 USER_TASK_VALUE_INVALID
├── InboxCursorError                   INBOX_CURSOR_INVALID
├── NotACandidateError                 NOT_A_CANDIDATE
├── SeparationOfDutiesError            SEPARATION_OF_DUTIES
├── FormInvalidError                   FORM_INVALID
├── FormMissingError                   FORM_MISSING
├── UnknownCursorError                 CURSOR_UNKNOWN
├── IdempotencyConflictError           IDEMPOTENCY_CONFLICT
├── ContractError                      TASK_CONTRACT_VIOLATED
├── StaleLeaseError                    STALE_LEASE
├── StepLimitError                     STEP_LIMIT_EXCEEDED
├── StaleInstanceError                 STALE_INSTANCE
├── TaskGoneError                      TASK_GONE
├── CorruptStateError                  STATE_CORRUPT
├── WorkerLostError                    WORKER_LOST
├── UncaughtBpmnError                  BPMN_ERROR_UNCAUGHT
├── InstanceNotActiveError             PROCESS_INSTANCE_NOT_ACTIVE
├── InstanceNotSuspendedError          PROCESS_INSTANCE_NOT_SUSPENDED
├── UnknownIncidentError               INCIDENT_NOT_FOUND
├── IncidentNotOpenError               INCIDENT_NOT_OPEN
├── ReasonInvalidError                 OPERATION_REASON_INVALID
├── CompensationMissingError           COMPENSATION_NOT_SUPPORTED
├── VariableNameError                  VARIABLE_NAME_INVALID
├── TokenMoveError                     TOKEN_NOT_MOVABLE
├── UnknownDefinitionError             PROCESS_DEFINITION_NOT_FOUND
├── MigrationInvalidError              MIGRATION_INVALID
├── TimerInvalidError                  TIMER_INVALID
├── MessageInvalidError                MESSAGE_INVALID
├── ScheduleInvalidError               SCHEDULE_INVALID
├── UnknownScheduleError               SCHEDULE_NOT_FOUND
├── ScheduleEndedError                 SCHEDULE_ENDED
├── CrashPointError                    CRASH_POINT_UNKNOWN
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


class UserTaskClaimedError(EngineError):
    """Somebody else claimed the task first, or it was assigned to somebody else."""

    code = "USER_TASK_ALREADY_CLAIMED"

    def __init__(self, *, user_task_id: object, assignee: str) -> None:
        self.user_task_id = str(user_task_id)
        self.assignee = assignee
        self.hint = f"Choose another task, or ask {assignee} to give this one back or to delegate it."
        super().__init__(f"User task {user_task_id} is claimed by {assignee}.")


class ClaimedByAnotherError(EngineError):
    """What only the claimant of a task may do with it."""

    code = "USER_TASK_CLAIMED_BY_ANOTHER"

    def __init__(self, *, user_task_id: object, user_id: str, assignee: str) -> None:
        self.user_task_id = str(user_task_id)
        self.user_id = user_id
        self.assignee = assignee
        self.hint = f"Ask {assignee}, or an administrator of your tenant, to give it back."
        super().__init__(f"{user_id} cannot do this: user task {user_task_id} is claimed by {assignee}.")


class AssigneeNeededError(EngineError):
    """Without its assignee nobody could do the task, for it has no candidates."""

    code = "USER_TASK_ASSIGNEE_NEEDED"
    hint = "Delegate it to somebody instead."

    def __init__(self, *, user_task_id: object) -> None:
        self.user_task_id = str(user_task_id)
        super().__init__(f"User task {user_task_id} has no candidates to be given back to.")


class DelegateInvalidError(EngineError):
    """The name given cannot be that of a person who takes the task over."""

    code = "USER_TASK_DELEGATE_INVALID"
    hint = "Give the user id of the person who is to do the task."

    def __init__(self, *, delegate: str, reason: str) -> None:
        self.delegate = delegate[:100]
        self.reason = reason
        super().__init__(f"The task cannot be delegated to {self.delegate!r}: {reason}.")


class CommentInvalidError(EngineError):
    """The comment is empty or too long."""

    code = "USER_TASK_COMMENT_INVALID"

    def __init__(self, *, length: int, longest: int) -> None:
        self.length = length
        self.hint = f"Write between 1 and {longest:,} characters."
        super().__init__(f"A comment cannot have {length:,} characters.")


class UserTaskValueError(EngineError):
    """An expression of a user task gives a value of the wrong kind for its assignee, a date or its priority."""

    code = "USER_TASK_VALUE_INVALID"
    hint = "Correct the variable that the expression reads, then resolve the incident."

    def __init__(self, *, element_id: str, field: str, value: object, reason: str) -> None:
        self.element_id = element_id
        self.field = field
        self.value = repr(value)[:100]
        self.reason = reason
        super().__init__(f"{element_id}: the {field} cannot be {self.value}: {reason}.")


class InboxCursorError(EngineError):
    """A reader of the inbox asks for the page behind something that is no cursor."""

    code = "INBOX_CURSOR_INVALID"
    hint = "Read from the first page, or from the cursor that the last page gave."

    def __init__(self, *, cursor: str) -> None:
        self.cursor = cursor[:100]
        super().__init__(f"{self.cursor!r} is not a cursor of the inbox.")


class NotACandidateError(EngineError):
    """The principal is none of the task's candidates."""

    code = "NOT_A_CANDIDATE"

    def __init__(
        self, *, user_id: str, candidate_groups: tuple[str, ...], candidate_users: tuple[str, ...] = ()
    ) -> None:
        self.user_id = user_id
        self.candidate_groups = candidate_groups
        self.candidate_users = candidate_users
        able = [*(f"a member of {group}" for group in candidate_groups), *candidate_users] or ["its assignee"]
        self.hint = f"This is for {' or '.join(able)}."
        super().__init__(f"{user_id} is not among the task's candidates.")


class SeparationOfDutiesError(EngineError):
    """The diagram excludes this principal from the task.

    Attributes:
        performed: The user task whose completion excludes the principal; `None` for the start of the instance.
    """

    code = "SEPARATION_OF_DUTIES"
    hint = "Somebody else of the task's candidates has to do it."

    def __init__(self, *, user_id: str, element_id: str, performed: str | None = None) -> None:
        self.user_id = user_id
        self.element_id = element_id
        self.performed = performed
        done = "started this process instance" if performed is None else f"completed {performed} in this instance"
        super().__init__(f"{user_id} {done} and may have no hand in its task {element_id}.")


class FormInvalidError(EngineError):
    """A submission does not fit the task's form."""

    code = "FORM_INVALID"

    def __init__(self, *, form_id: str, fields: dict[str, str]) -> None:
        self.form_id = form_id
        self.fields = fields
        self.hint = "; ".join(f"{name}: {reason}" for name, reason in fields.items())
        super().__init__(f"The submission does not fit the form {form_id!r}.")


class FormMissingError(EngineError):
    """The task was made for a form that this release does not have."""

    code = "FORM_MISSING"
    hint = "Run the release with which the diagram was deployed, or one that still has the form."

    def __init__(self, *, form_id: str) -> None:
        self.form_id = form_id
        super().__init__(f"There is no form {form_id!r} here.")


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


class StaleInstanceError(EngineError):
    """Somebody else has changed the instance since it was read; the step starts over."""

    code = "STALE_INSTANCE"
    hint = "Repeat the call: nothing of it was done."
    retryable = True

    def __init__(self, *, process_instance_id: object) -> None:
        self.process_instance_id = str(process_instance_id)
        super().__init__(f"Process instance {process_instance_id} has changed meanwhile.")


class TaskGoneError(EngineError):
    """The task is not waiting any more: it was completed, interrupted or cancelled."""

    code = "TASK_GONE"
    hint = "Look at the process instance's events to see what became of it."

    def __init__(self, *, task_id: object) -> None:
        self.task_id = str(task_id)
        super().__init__(f"Task {task_id} is not alive.")


class CorruptStateError(EngineError):
    """Stored rows do not describe an instance of their definition; nothing of it is executed."""

    code = "STATE_CORRUPT"
    hint = "Restore the instance's rows from a backup, then retry the incident."

    def __init__(self, *, subject: str, reason: str) -> None:
        self.subject = subject
        self.reason = reason
        super().__init__(f"The stored {subject} cannot be read: {reason}.")


class WorkerLostError(EngineError):
    """Every worker that took the job vanished while it worked on it."""

    code = "WORKER_LOST"
    hint = "Look for what ends the workers (memory, a native crash), then retry the incident."

    def __init__(self, *, lost: int) -> None:
        self.lost = lost
        super().__init__(f"{lost} workers vanished while they worked on it.")


class UncaughtBpmnError(EngineError):
    """A handler raised a business error that no boundary event of the diagram catches."""

    code = "BPMN_ERROR_UNCAUGHT"

    def __init__(self, *, error_code: str, reason: str) -> None:
        self.error_code = error_code
        self.reason = reason
        self.hint = f"Draw an error boundary event that catches {error_code}, and migrate the instance."
        super().__init__(f"Nothing catches the error {error_code}: {reason}")


class InstanceNotActiveError(EngineError):
    """The instance is suspended or over."""

    code = "PROCESS_INSTANCE_NOT_ACTIVE"

    def __init__(self, *, process_instance_id: object, status: str) -> None:
        self.process_instance_id = str(process_instance_id)
        self.status = status
        suspended = status == "suspended"
        self.hint = "Resume it first." if suspended else "Nothing is left to do in it."
        super().__init__(f"Process instance {process_instance_id} is {status}.")


class InstanceNotSuspendedError(EngineError):
    """Only a suspended instance can be resumed."""

    code = "PROCESS_INSTANCE_NOT_SUSPENDED"
    hint = "Nothing keeps it back; look at its incidents and at what it waits for."

    def __init__(self, *, process_instance_id: object, status: str) -> None:
        self.process_instance_id = str(process_instance_id)
        self.status = status
        super().__init__(f"Process instance {process_instance_id} is {status}, not suspended.")


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


class ReasonInvalidError(EngineError):
    """An operation has to say why, in a sentence that the audit trail can keep."""

    code = "OPERATION_REASON_INVALID"

    def __init__(self, *, length: int, longest: int) -> None:
        self.length = length
        self.hint = f"Write between 1 and {longest:,} characters."
        super().__init__(f"A reason cannot have {length:,} characters.")


class CompensationMissingError(EngineError):
    """Nothing can be compensated yet: no diagram can say how."""

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


class UnknownDefinitionError(EngineError):
    """No definition with that id is deployed."""

    code = "PROCESS_DEFINITION_NOT_FOUND"
    hint = "Take the id from the instance, or from the answer to the deployment."

    def __init__(self, *, process_definition_id: object) -> None:
        self.process_definition_id = str(process_definition_id)
        super().__init__(f"Process definition {process_definition_id} is not deployed.")


class MigrationInvalidError(EngineError):
    """No instance could go from the one definition to the other with this mapping."""

    code = "MIGRATION_INVALID"
    hint = "Name two versions of one process, and in the mapping each element once, by its old and its new id."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The migration is not possible: {reason}.")


class TimerInvalidError(EngineError):
    """The text is no time, duration or cycle."""

    code = "TIMER_INVALID"
    hint = "Write ISO 8601 (2026-03-01T09:00:00Z, PT15M, R3/PT1H) or a cron line (0 9 * * 1-5)."

    def __init__(self, *, kind: str, text: str, reason: str) -> None:
        self.kind = kind
        self.text = text[:100]
        self.reason = reason
        super().__init__(f"{self.text!r} is no {kind} of a timer: {reason}.")


class MessageInvalidError(EngineError):
    """A message or signal that nobody could ever receive."""

    code = "MESSAGE_INVALID"
    hint = "Give a name, and no longer texts or times than docs/reference/messages.md allows."

    def __init__(self, *, field: str, reason: str) -> None:
        self.field = field
        self.reason = reason
        super().__init__(f"The {field} cannot be used: {reason}.")


class ScheduleInvalidError(EngineError):
    """The schedule would never start anything."""

    code = "SCHEDULE_INVALID"
    hint = "Compare its fire times, the times between which it is active, and its execution window."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The schedule never starts anything: {reason}.")


class UnknownScheduleError(EngineError):
    """No such schedule in this tenant."""

    code = "SCHEDULE_NOT_FOUND"
    hint = "Check the id; schedules of another tenant are not visible."

    def __init__(self, *, schedule_id: object) -> None:
        self.schedule_id = str(schedule_id)
        super().__init__(f"Schedule {schedule_id} does not exist.")


class ScheduleEndedError(EngineError):
    """The schedule fires no more, and cannot be paused or resumed."""

    code = "SCHEDULE_ENDED"
    hint = "Define a new schedule."

    def __init__(self, *, schedule_id: object) -> None:
        self.schedule_id = str(schedule_id)
        super().__init__(f"Schedule {schedule_id} has ended.")


class PermanentTaskError(EngineError):
    """A handler failed in a way that no further attempt can mend."""

    code = "TASK_FAILED_PERMANENTLY"
    hint = "Mend the cause named in the incident, then start the process again."


class CrashPointError(EngineError):
    """`AMI_CRASH_POINTS` names a place at which no process can be made to crash."""

    code = "CRASH_POINT_UNKNOWN"

    def __init__(self, *, entry: str, known: tuple[str, ...]) -> None:
        self.entry = entry[:100]
        self.hint = f"Write NAME:HIT, as in after_claim:1, with a name of {', '.join(known)}."
        super().__init__(f"{self.entry!r} is not a crash point and the number of a hit.")
