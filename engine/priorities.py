"""How urgent a job is: `zeebe:priorityDefinition` of its service task."""

from __future__ import annotations

from uuid import UUID

from pydantic import JsonValue

from engine.bpmn import ServiceTask
from engine.errors import ExpressionEvaluationError
from engine.spiff import ProcessTree

_LIMIT = 2**31 - 1


def job_priority(tree: ProcessTree, task_id: UUID, element: ServiceTask, inputs: dict[str, JsonValue]) -> int:
    """Return a job's priority, 0 where the diagram gives none; a higher one is worked on first.

    Raises:
        ExpressionEvaluationError: The value is no whole number of 32 bits.
    """
    if element.priority is None:
        return 0
    value = tree.evaluate(task_id, element.priority, inputs)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or abs(value) > _LIMIT:
        raise ExpressionEvaluationError(source=element.priority, position=0, reason="A priority is a whole number")
    return int(value)
