"""The engine's tables, always on the caller's transaction, and waiting for their changes."""

from engine.persistence.definitions import DefinitionRef, Definitions
from engine.persistence.events import Event, EventLog
from engine.persistence.instances import InstanceRow, Instances, InstanceStatus
from engine.persistence.jobs import ClaimedJob, Jobs
from engine.persistence.notifications import NotificationHub
from engine.persistence.schedules import MissedFires, ScheduleRow, Schedules
from engine.persistence.statistics import EngineStatistics, engine_statistics
from engine.persistence.user_tasks import UserTaskRow, UserTasks, UserTaskStatus

__all__ = [
    "ClaimedJob",
    "DefinitionRef",
    "Definitions",
    "EngineStatistics",
    "Event",
    "EventLog",
    "InstanceRow",
    "InstanceStatus",
    "Instances",
    "Jobs",
    "MissedFires",
    "NotificationHub",
    "ScheduleRow",
    "Schedules",
    "UserTaskRow",
    "UserTaskStatus",
    "UserTasks",
    "engine_statistics",
]
