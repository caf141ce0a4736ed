"""Errors of the engine, one module for each noun.

EngineError
├── diagrams.py: diagrams, decisions, their versions and expressions
│   ├── DiagramError                        DIAGRAM_REFUSED
│   ├── ExpressionError                     EXPRESSION_INVALID
│   │   └── ExpressionEvaluationError       EXPRESSION_FAILED
│   ├── DecisionModelError                  DECISIONS_REFUSED
│   ├── DecisionEvaluationError             DECISION_FAILED
│   ├── UnknownDecisionError                DECISION_NOT_FOUND
│   ├── UnknownDecisionVersionError         DECISION_NOT_DEPLOYED
│   ├── UnknownProcessError                 PROCESS_NOT_FOUND
│   └── UnknownDefinitionError              PROCESS_DEFINITION_NOT_FOUND
├── instances.py: process instances
│   ├── UnknownInstanceError                PROCESS_INSTANCE_NOT_FOUND
│   ├── InstanceNotActiveError              PROCESS_INSTANCE_NOT_ACTIVE
│   ├── InstanceNotSuspendedError           PROCESS_INSTANCE_NOT_SUSPENDED
│   ├── StaleInstanceError                  STALE_INSTANCE
│   ├── NoWayError                          NO_FLOW_TAKEN
│   ├── StepLimitError                      STEP_LIMIT_EXCEEDED
│   ├── CorruptStateError                   STATE_CORRUPT
│   └── UnknownCursorError                  CURSOR_UNKNOWN
├── operations.py: what operators ask for
│   ├── IdempotencyConflictError            IDEMPOTENCY_CONFLICT
│   ├── ReasonInvalidError                  OPERATION_REASON_INVALID
│   ├── UnknownIncidentError                INCIDENT_NOT_FOUND
│   ├── IncidentNotOpenError                INCIDENT_NOT_OPEN
│   ├── CompensationMissingError            COMPENSATION_NOT_SUPPORTED
│   ├── VariableNameError                   VARIABLE_NAME_INVALID
│   ├── TokenMoveError                      TOKEN_NOT_MOVABLE
│   └── MigrationInvalidError               MIGRATION_INVALID
├── jobs.py: service tasks and the jobs that run them
│   ├── ContractError                       TASK_CONTRACT_VIOLATED
│   ├── PermanentTaskError                  TASK_FAILED_PERMANENTLY
│   ├── UncaughtBpmnError                   BPMN_ERROR_UNCAUGHT
│   ├── StaleLeaseError                     STALE_LEASE
│   ├── TaskGoneError                       TASK_GONE
│   ├── WorkerLostError                     WORKER_LOST
│   └── CrashPointError                     CRASH_POINT_UNKNOWN
├── user_tasks.py: user tasks, forms and the inbox
│   ├── UnknownUserTaskError                USER_TASK_NOT_FOUND
│   ├── UserTaskClosedError                 USER_TASK_ALREADY_COMPLETED
│   ├── UserTaskClaimedError                USER_TASK_ALREADY_CLAIMED
│   ├── ClaimedByAnotherError               USER_TASK_CLAIMED_BY_ANOTHER
│   ├── AssigneeNeededError                 USER_TASK_ASSIGNEE_NEEDED
│   ├── DelegateInvalidError                USER_TASK_DELEGATE_INVALID
│   ├── CommentInvalidError                 USER_TASK_COMMENT_INVALID
│   ├── UserTaskValueError                  USER_TASK_VALUE_INVALID
│   ├── InboxCursorError                    INBOX_CURSOR_INVALID
│   ├── NotACandidateError                  NOT_A_CANDIDATE
│   ├── SeparationOfDutiesError             SEPARATION_OF_DUTIES
│   ├── FormInvalidError                    FORM_INVALID
│   └── FormMissingError                    FORM_MISSING
├── events.py: timers, messages and schedules
│   ├── TimerInvalidError                   TIMER_INVALID
│   ├── MessageInvalidError                 MESSAGE_INVALID
│   ├── MessageNotAwaitedError              MESSAGE_NOT_AWAITED
│   ├── ScheduleInvalidError                SCHEDULE_INVALID
│   ├── UnknownScheduleError                SCHEDULE_NOT_FOUND
│   └── ScheduleEndedError                  SCHEDULE_ENDED
└── simulation.py: what is asked of a simulation
    └── SimulationError                     SIMULATION
        ├── AnswersInvalidError             ANSWERS_INVALID
        ├── AnsweredElementUnknownError     ANSWERED_ELEMENT_UNKNOWN
        ├── AnsweredEventUnknownError       ANSWERED_EVENT_UNKNOWN
        ├── AnswerNotApplicableError        ANSWER_NOT_APPLICABLE
        └── SimulatedProcessError           SIMULATED_PROCESS_UNKNOWN

`BpmnError` is not a failure but an outcome that a boundary event of the diagram catches.
"""

from engine.errors.base import EngineError
from engine.errors.diagrams import (
    DecisionEvaluationError,
    DecisionModelError,
    DiagramError,
    ExpressionError,
    ExpressionEvaluationError,
    Finding,
    UnknownDecisionError,
    UnknownDecisionVersionError,
    UnknownDefinitionError,
    UnknownProcessError,
)
from engine.errors.events import (
    MessageInvalidError,
    MessageNotAwaitedError,
    ScheduleEndedError,
    ScheduleInvalidError,
    TimerInvalidError,
    UnknownScheduleError,
)
from engine.errors.instances import (
    CorruptStateError,
    InstanceNotActiveError,
    InstanceNotSuspendedError,
    NoWayError,
    StaleInstanceError,
    StepLimitError,
    UnknownCursorError,
    UnknownInstanceError,
)
from engine.errors.jobs import (
    BpmnError,
    ContractError,
    CrashPointError,
    PermanentTaskError,
    StaleLeaseError,
    TaskGoneError,
    UncaughtBpmnError,
    WorkerLostError,
)
from engine.errors.operations import (
    CompensationMissingError,
    IdempotencyConflictError,
    IncidentNotOpenError,
    MigrationInvalidError,
    ReasonInvalidError,
    TokenMoveError,
    UnknownIncidentError,
    VariableNameError,
)
from engine.errors.simulation import (
    AnsweredElementUnknownError,
    AnsweredEventUnknownError,
    AnswerNotApplicableError,
    AnswersInvalidError,
    SimulatedProcessError,
    SimulationError,
)
from engine.errors.user_tasks import (
    AssigneeNeededError,
    ClaimedByAnotherError,
    CommentInvalidError,
    DelegateInvalidError,
    FormInvalidError,
    FormMissingError,
    InboxCursorError,
    NotACandidateError,
    SeparationOfDutiesError,
    UnknownUserTaskError,
    UserTaskClaimedError,
    UserTaskClosedError,
    UserTaskValueError,
)

__all__ = [
    "AnswerNotApplicableError",
    "AnsweredElementUnknownError",
    "AnsweredEventUnknownError",
    "AnswersInvalidError",
    "AssigneeNeededError",
    "BpmnError",
    "ClaimedByAnotherError",
    "CommentInvalidError",
    "CompensationMissingError",
    "ContractError",
    "CorruptStateError",
    "CrashPointError",
    "DecisionEvaluationError",
    "DecisionModelError",
    "DelegateInvalidError",
    "DiagramError",
    "EngineError",
    "ExpressionError",
    "ExpressionEvaluationError",
    "Finding",
    "FormInvalidError",
    "FormMissingError",
    "IdempotencyConflictError",
    "InboxCursorError",
    "IncidentNotOpenError",
    "InstanceNotActiveError",
    "InstanceNotSuspendedError",
    "MessageInvalidError",
    "MessageNotAwaitedError",
    "MigrationInvalidError",
    "NoWayError",
    "NotACandidateError",
    "PermanentTaskError",
    "ReasonInvalidError",
    "ScheduleEndedError",
    "ScheduleInvalidError",
    "SeparationOfDutiesError",
    "SimulatedProcessError",
    "SimulationError",
    "StaleInstanceError",
    "StaleLeaseError",
    "StepLimitError",
    "TaskGoneError",
    "TimerInvalidError",
    "TokenMoveError",
    "UncaughtBpmnError",
    "UnknownCursorError",
    "UnknownDecisionError",
    "UnknownDecisionVersionError",
    "UnknownDefinitionError",
    "UnknownIncidentError",
    "UnknownInstanceError",
    "UnknownProcessError",
    "UnknownScheduleError",
    "UnknownUserTaskError",
    "UserTaskClaimedError",
    "UserTaskClosedError",
    "UserTaskValueError",
    "VariableNameError",
    "WorkerLostError",
]
