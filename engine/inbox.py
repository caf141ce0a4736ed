"""The inbox: pages of open user tasks, most urgent first, then oldest first.

A cursor names the last task of a page; the next page begins behind it, whatever was completed or created meanwhile.
"""

from __future__ import annotations

import re
from enum import StrEnum
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from engine.description import UserTaskDescription
from engine.errors import InboxCursorError
from engine.persistence import InboxSelection, UserTaskForPerson

LARGEST_PAGE = 500
_CURSOR = re.compile(r"([0-9]{1,3})\.([0-9a-f]{32})")
_BEFORE_ALL = (-1_000, UUID(int=0))


class InboxShows(StrEnum):
    """Which of the tasks that are for a principal are listed.

    AVAILABLE: what the principal has claimed and what nobody has. MINE and UNCLAIMED: one of the two. ALL: also what
    others have claimed.
    """

    AVAILABLE = "available"
    MINE = "mine"
    UNCLAIMED = "unclaimed"
    ALL = "all"


class InboxQuery(BaseModel):
    """What is asked of the inbox.

    Attributes:
        due_before: Only tasks that are due before this time.
        process_id: Only tasks that stand in the diagram of this process.
        cursor: From the page before; without it the first page.
    """

    model_config = ConfigDict(frozen=True)

    shows: InboxShows = InboxShows.AVAILABLE
    due_before: AwareDatetime | None = None
    process_id: str | None = Field(default=None, pattern=r"^[\w.\-]+$")
    limit: int = Field(default=50, ge=1, le=LARGEST_PAGE)
    cursor: str | None = None

    def selection(self) -> InboxSelection:
        """Return what is to be read: one task more than asked for, to see whether there is a next page.

        Raises:
            InboxCursorError: The cursor is none.
        """
        after_rank, after_id = _BEFORE_ALL if self.cursor is None else _read_cursor(self.cursor)
        return InboxSelection(
            shows_own=self.shows is not InboxShows.UNCLAIMED,
            shows_unclaimed=self.shows is not InboxShows.MINE,
            shows_claimed=self.shows is InboxShows.ALL,
            due_before=self.due_before,
            process_id=self.process_id,
            after_rank=after_rank,
            after_id=after_id,
            limit=self.limit + 1,
        )


class InboxPage(BaseModel):
    """A page of the inbox; `next_cursor` is `None` on the last one."""

    model_config = ConfigDict(frozen=True)

    user_tasks: tuple[UserTaskDescription, ...]
    next_cursor: str | None


def cursor_behind(task: UserTaskForPerson) -> str:
    """Return the cursor of the page that begins behind a task."""
    return f"{task.priority}.{task.user_task_id.hex}"


def _read_cursor(cursor: str) -> tuple[int, UUID]:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InboxCursorError(cursor=cursor)
    return -int(match[1]), UUID(hex=match[2])
