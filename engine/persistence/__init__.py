"""The engine's tables, always on the caller's transaction, and waiting for their changes."""

from engine.persistence.decisions import DecisionDefinitions
from engine.persistence.definitions import DefinitionRef, Definitions
from engine.persistence.events import Event, EventLog
from engine.persistence.incidents import Incident, Incidents, IncidentStatus
from engine.persistence.instances import InstanceRow, Instances, InstanceSelection, InstanceStatus
from engine.persistence.jobs import MESSAGE_TYPE, SIGNAL_TYPE, TRIGGER_TYPE, Claim, ClaimedJob, Jobs
from engine.persistence.notifications import NotificationHub
from engine.persistence.schedules import (
    FireOutcome,
    FireSelection,
    ScheduleFire,
    ScheduleRow,
    Schedules,
    ScheduleStatistics,
    ScheduleStatus,
    schedule_statistics,
)
from engine.persistence.statistics import (
    EngineStatistics,
    EventCounts,
    ProcessCounts,
    count_events,
    count_process,
    engine_statistics,
    queue_depths,
)
from engine.persistence.steps import Lease, StepDocument, step_text, transition_entry, write_step, write_steps
from engine.persistence.subscriptions import Subscriptions
from engine.persistence.timers import TimerRow, Timers
from engine.persistence.user_tasks import (
    InboxSelection,
    UserTaskComment,
    UserTaskForPerson,
    UserTaskRow,
    UserTasks,
    UserTaskStatus,
)
from engine.persistence.waiting import EventKind, WaitingEvent
from engine.persistence.workers import WorkerRegister, WorkerRow

__all__ = [
    "MESSAGE_TYPE",
    "SIGNAL_TYPE",
    "TRIGGER_TYPE",
    "Claim",
    "ClaimedJob",
    "DecisionDefinitions",
    "DefinitionRef",
    "Definitions",
    "EngineStatistics",
    "Event",
    "EventCounts",
    "EventKind",
    "EventLog",
    "FireOutcome",
    "FireSelection",
    "InboxSelection",
    "Incident",
    "IncidentStatus",
    "Incidents",
    "InstanceRow",
    "InstanceSelection",
    "InstanceStatus",
    "Instances",
    "Jobs",
    "Lease",
    "NotificationHub",
    "ProcessCounts",
    "ScheduleFire",
    "ScheduleRow",
    "ScheduleStatistics",
    "ScheduleStatus",
    "Schedules",
    "StepDocument",
    "Subscriptions",
    "TimerRow",
    "Timers",
    "UserTaskComment",
    "UserTaskForPerson",
    "UserTaskRow",
    "UserTaskStatus",
    "UserTasks",
    "WaitingEvent",
    "WorkerRegister",
    "WorkerRow",
    "count_events",
    "count_process",
    "engine_statistics",
    "queue_depths",
    "schedule_statistics",
    "step_text",
    "transition_entry",
    "write_step",
    "write_steps",
]
