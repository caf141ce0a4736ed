"""What an error of the database's driver means for who called: try again, ask for less, or neither.

By the code of the error (SQLSTATE, PostgreSQL's appendix A) and never by its text, which depends on the server's
language. Errors of statements themselves, such as a violated constraint, stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from storage.errors import (
    DatabaseBusyError,
    DatabaseExhaustedError,
    DatabaseLimitError,
    DatabaseUnavailableError,
    StorageError,
)
from storage.errors.base import printable

_BUSY = frozenset({"55006", "55P03", "57014"})  # object in use, lock not available, query cancelled
_OUT_OF_SERVICE = frozenset({"08", "28", "3D", "57", "58"})


@contextmanager
def translated_outages() -> Iterator[None]:
    """Raise `outage` of what is raised in the block, where it is one."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError) as error:
        found = outage(error)
        if found is None:
            raise
        raise found from error


def outage(error: DBAPIError | PoolTimeoutError) -> StorageError | None:
    """Return what is to be reported of an error; `None` for one that is about the statement itself."""
    if isinstance(error, PoolTimeoutError):
        return DatabaseUnavailableError(reason="no connection became free")
    state = getattr(error.orig, "sqlstate", None) or ""
    match state[:2]:
        case "53":
            return DatabaseExhaustedError(sqlstate=state, reason=_reason(error))
        case "54":
            return DatabaseLimitError(reason=_reason(error))
        case "40":
            return DatabaseBusyError(sqlstate=state)
        case _ if state in _BUSY:
            return DatabaseBusyError(sqlstate=state)
        case _:
            return _without_answer(error, state)


def _without_answer(error: DBAPIError, state: str) -> StorageError | None:
    if error.connection_invalidated or state[:2] in _OUT_OF_SERVICE:
        return DatabaseUnavailableError(reason="the connection was lost")
    if state or not isinstance(error, OperationalError):
        return None
    if error.statement is None:
        return DatabaseUnavailableError(reason="no connection could be made")
    # The driver did not send it, and the connection is as it was.
    return DatabaseLimitError(reason=_reason(error))


def _reason(error: DBAPIError) -> str:
    said = getattr(getattr(error.orig, "diag", None), "message_primary", None) or str(error.orig)
    return printable(said.strip().partition("\n")[0])
