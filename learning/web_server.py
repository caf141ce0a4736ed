"""The web server of `ami-learning serve`: uvicorn, which ends open waits when it is told to stop."""

from __future__ import annotations

import contextlib
import sys
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from uvicorn.config import STARTUP_FAILURE

from engine import NotificationHub

_OPEN_STREAMS_SECONDS = 5


def run_web_server(application: Starlette, hub: NotificationHub, host: str, port: int) -> None:
    """Serve until SIGINT, or until SIGTERM, which uvicorn raises again once it has stopped.

    Raises:
        SystemExit: The server did not start; its log says why.
    """
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_OPEN_STREAMS_SECONDS,
    )
    server = _WebServer(config, hub)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


class _WebServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, hub: NotificationHub) -> None:
        super().__init__(config)
        self._hub = hub

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Answers that wait for news would otherwise hold the server for as long as their callers allowed.
        self._hub.stop_waiting()
        super().handle_exit(sig, frame)
