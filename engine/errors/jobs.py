"""Errors about service tasks and the jobs that run them."""

from __future__ import annotations

from pydantic import JsonValue

from engine.errors.base import EngineError


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


class PermanentTaskError(EngineError):
    """A handler failed in a way that no further attempt can mend."""

    code = "TASK_FAILED_PERMANENTLY"
    hint = "Mend the cause named in the incident, then start the process again."


class UncaughtBpmnError(EngineError):
    """A handler raised a business error that no boundary event of the diagram catches."""

    code = "BPMN_ERROR_UNCAUGHT"

    def __init__(self, *, error_code: str, reason: str) -> None:
        self.error_code = error_code
        self.reason = reason
        self.hint = f"Draw an error boundary event that catches {error_code}, and migrate the instance."
        super().__init__(f"Nothing catches the error {error_code}: {reason}")


class StaleLeaseError(EngineError):
    """Another worker owns the job by now; this result is refused."""

    code = "STALE_LEASE"
    hint = "Nothing is lost: the job's new owner finishes it."

    def __init__(self, *, job_id: object, epoch: int) -> None:
        self.job_id = str(job_id)
        self.epoch = epoch
        super().__init__(f"Job {job_id} is no longer leased under epoch {epoch}.")


class TaskGoneError(EngineError):
    """The task is not waiting any more: it was completed, interrupted or cancelled."""

    code = "TASK_GONE"
    hint = "Look at the process instance's events to see what became of it."

    def __init__(self, *, task_id: object) -> None:
        self.task_id = str(task_id)
        super().__init__(f"Task {task_id} is not alive.")


class WorkerLostError(EngineError):
    """Every worker that took the job vanished while it worked on it."""

    code = "WORKER_LOST"
    hint = "Look for what ends the workers (memory, a native crash), then retry the incident."

    def __init__(self, *, lost: int) -> None:
        self.lost = lost
        super().__init__(f"{lost} workers vanished while they worked on it.")


class CrashPointError(EngineError):
    """`AMI_CRASH_POINTS` names a place at which no process can be made to crash."""

    code = "CRASH_POINT_UNKNOWN"

    def __init__(self, *, entry: str, known: tuple[str, ...]) -> None:
        self.entry = entry[:100]
        self.hint = f"Write NAME:HIT, as in after_claim:1, with a name of {', '.join(known)}."
        super().__init__(f"{self.entry!r} is not a crash point and the number of a hit.")
