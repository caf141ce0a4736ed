"""Moving a token: which one, whether it may go, and where to."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict

from engine.bpmn import BoundaryEvent, EventSubProcess, StartEvent
from engine.denials import note_denial
from engine.duties import excluded
from engine.errors import TokenMoveError
from engine.execution import Step
from engine.persistence import UserTasks, UserTaskStatus
from engine.spiff import Token
from storage import SecurityContext


class TokenMove(BaseModel):
    """Which token is to go where.

    Attributes:
        element_id: Where the token waits.
        task_id: Which token, where several wait at the element.
    """

    model_config = ConfigDict(frozen=True)

    element_id: str
    to_element_id: str
    task_id: UUID | None = None


def move_token(step: Step, move: TokenMove, context: SecurityContext) -> None:
    """Move a token of a loaded instance.

    Raises:
        TokenMoveError: There is no such token, more than one, or it cannot go there.
        SeparationOfDutiesError: It waits at a user task that excludes the principal.
    """
    token = _chosen(step, move)
    _require_not_excluded(step, token, context)
    target = step.tree.target(token.task_id, move.to_element_id)
    if target is None:
        raise TokenMoveError(
            place=move.to_element_id,
            reason="no such element can be reached in the process or subprocess that the token runs in",
            hint="Name an element beside the one where it waits.",
        )
    if isinstance(target.element, StartEvent | BoundaryEvent | EventSubProcess) or target.joins:
        raise TokenMoveError(
            place=move.to_element_id,
            reason="a token cannot be put onto a start or boundary event, an event subprocess or a joining gateway",
            hint="Name the element behind it.",
        )
    step.tree.move(token.task_id, move.to_element_id)


def _chosen(step: Step, move: TokenMove) -> Token:
    found = [
        token
        for token in step.tree.tokens()
        if token.element.id == move.element_id and move.task_id in {None, token.task_id}
    ]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(str(token.task_id) for token in found[:10])
        raise TokenMoveError(
            place=move.element_id, reason=f"{len(found)} tokens wait there", hint=f"Name one with task_id: {ids}."
        )
    places = ", ".join(sorted({token.element.id for token in step.tree.tokens()})) or "none"
    raise TokenMoveError(
        place=move.element_id, reason="no token that can be moved waits there", hint=f"Tokens wait at: {places}."
    )


def _require_not_excluded(step: Step, token: Token, context: SecurityContext) -> None:
    """Refuse to lead a token past a decision in which the principal may have no hand."""
    tasks = UserTasks(step.work)
    for task in tasks.of_instance(step.row.process_instance_id):
        if task.status is UserTaskStatus.OPEN and task.task_id in token.task_ids:
            refusal = excluded(task, context.user_id, tasks.performed(task, context.user_id))
            if refusal is not None:
                subject = f"process_instance/{step.row.process_instance_id}"
                note_denial(step.work, subject, task.element_id, refusal, context)
                raise refusal
