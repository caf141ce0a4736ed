"""`up`: the whole platform on one machine, each part a process, started together and stopped together."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from learning.bootstrap import authenticator
from learning.database import DatabaseServer, open_database_server, prepare_database
from learning.errors import AlreadyRunningError, PortTakenError, ProcessFailedError
from learning.settings import LearningSettings, PlatformSettings
from runners import tether
from storage.authentication import require_loopback
from storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

_READY_SECONDS = 60.0
_LOOK_SECONDS = 0.1
_WATCH_SECONDS = 0.25
_STOP_SECONDS = 15.0


class Part:
    """One process of the platform, started again when it dies."""

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        self.name = name
        self._environment = environment
        self.log = log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        # Tethered: however the supervisor ends, its parts end with it.
        # -P: what lies in the folder from which the platform is started is not imported.
        module = [sys.executable, "-P", "-m", "learning", self.name]
        command = [sys.executable, tether.__file__, str(os.getpid()), *module]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the parts in order
            )

    def restart_if_dead(self) -> None:
        """Start the process again if it has ended."""
        if self.process.poll() is not None:
            logger.error("part ended, starting it again", extra={"part": self.name, "code": self.process.returncode})
            self.process = self._start()

    def ask_to_end(self) -> None:
        """Tell the process to end, without waiting for it."""
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()

    def await_end(self, timeout_seconds: float) -> None:
        """Return once the process has ended; kill it when the time is up."""
        try:
            self.process.wait(max(0.0, timeout_seconds))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Starts database, application, worker, scheduler and sealer; watches them until told to stop."""

    def __init__(self, settings: LearningSettings) -> None:
        self._settings = settings
        self._host = PlatformSettings().host
        self._parts: list[Part] = []
        self._database: DatabaseServer | None = None
        self._stopping = threading.Event()

    @property
    def address(self) -> str:
        """The application's base URL."""
        return f"http://{self._host}:{self._settings.port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start everything; yield once the application answers; stop everything.

        Raises:
            NotLoopbackError, PortTakenError, AlreadyRunningError, DatabaseUnavailableError: Nothing was started.
            ProcessFailedError: A part did not start; the others were stopped.
        """
        require_loopback(self._host)
        home = self._settings.home.resolve()
        self._settings.inbox.mkdir(parents=True, exist_ok=True)
        authenticator(self._settings)
        with ExitStack() as stack:
            stack.enter_context(_exclusive(home / "up.lock"))
            self._require_free_port()
            self._database = stack.enter_context(open_database_server(self._settings))
            prepare_database(self._database.url)
            stack.callback(self._stop_parts)
            self._start_parts(self._database.url)
            self._wait_until_ready()
            yield

    def watch(self) -> None:
        """Keep database and parts alive until `stop`; call it from the thread that entered `running`.

        From that thread, because a part ends with the thread that started it, not only with the process.
        """
        while not self._stopping.wait(_WATCH_SECONDS):
            self._keep_database_alive()
            for part in self._parts:
                part.restart_if_dead()

    def stop(self) -> None:
        """Make `watch` return."""
        self._stopping.set()

    def _keep_database_alive(self) -> None:
        if self._database is None:
            return
        try:
            self._database.restart_if_dead()
        except DatabaseUnavailableError:
            # Processes of the dead server may hold its memory for a moment.
            logger.exception("database does not start, trying again")

    def _start_parts(self, database_url: str) -> None:
        environment = {**os.environ, **self._settings.as_environment(), "LEARNING_DATABASE_URL": database_url}
        logs = self._settings.logs
        for name in ("serve", "worker", "scheduler", "sealer"):
            self._parts.append(Part(name, environment, logs / f"{name}.log"))

    def _stop_parts(self) -> None:
        deadline = time.monotonic() + _STOP_SECONDS
        for part in self._parts:
            part.ask_to_end()
        for part in self._parts:
            part.await_end(deadline - time.monotonic())

    def _require_free_port(self) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self._host, self._settings.port))
            except OSError as error:
                raise PortTakenError(host=self._host, port=self._settings.port) from error

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        application = self._parts[0]
        while not self._stopping.is_set() and not self._answers():
            exit_code = application.process.poll()
            if exit_code is not None or time.monotonic() > deadline:
                raise ProcessFailedError(part=application.name, exit_code=exit_code, log=str(application.log))
            self._stopping.wait(_LOOK_SECONDS)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self._host, self._settings.port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel releases however this process ends.

    Raises:
        AlreadyRunningError: Another process holds it.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise AlreadyRunningError(home=str(path.parent)) from error
        try:
            yield
        finally:
            path.unlink()
