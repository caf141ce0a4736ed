"""A TCP proxy before PostgreSQL that loses the server's answer to some commits, and the connection with it.

It reads the server's side of the wire protocol (PostgreSQL, "Message Formats"): each message is a type byte and a
length that counts itself. The end of a transaction is a ReadyForQuery that says "idle" after a CommandComplete. The
server has committed by then; the client cannot know.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Self

from sqlalchemy import make_url

_HEADER = struct.Struct("!cI")
_CHUNK_BYTES = 65_536


class CommitProxy:
    """Forwards everything but each n-th answer that ends a transaction; the first is lost soon, so no run is spared.

    Attributes:
        lost: How many answers were lost, by the command's name.
    """

    def __init__(self, upstream: Path, *, lose_every: int) -> None:
        self.lost = Counter[str]()
        self._seen = Counter[str]()
        self._upstream = upstream
        self._lose_every = lose_every
        self._counting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # or the thread in accept would hold it open
        self._listener.close()

    def url_of(self, database_url: str) -> str:
        """Return the URL of the same database through this proxy."""
        query = {"sslmode": "disable", "gssencmode": "disable"}
        url = make_url(database_url).set(host="127.0.0.1", port=self._listener.getsockname()[1], query=query)
        return url.render_as_string(hide_password=False)

    def _accept(self) -> None:
        with suppress(OSError):  # closed: the end
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.connect(str(self._upstream))
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            self._answer(server, client)
            _hang_up(server)
            _hang_up(client)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        """Forward messages; hold back from a command's end until it is known whether its transaction ended too."""
        held, command = b"", None
        with server.makefile("rb") as messages:
            while header := messages.read(_HEADER.size):
                kind, length = _HEADER.unpack(header)
                body = messages.read(length - 4)
                held += header + body
                if kind == b"C":
                    command = body.partition(b" ")[0].rstrip(b"\0").decode()
                if kind == b"Z":
                    if body == b"I" and command is not None and self._is_lost(command):
                        return
                    command = None
                if command is None:
                    client.sendall(held)
                    held = b""

    def _is_lost(self, command: str) -> bool:
        with self._counting:
            self._seen[command] += 1
            is_lost = self._seen[command] % self._lose_every == self._lose_every // 2
            self.lost[command] += is_lost
        return is_lost


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            target.sendall(chunk)
    _hang_up(target)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
