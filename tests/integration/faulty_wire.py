"""A wire to an object store on which things go wrong, in the order that a test says."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs, urlsplit

import urllib3

_NOT_PASSED_ON = frozenset({"transfer-encoding", "connection"})


@dataclass(frozen=True)
class Fault:
    """What happens to the next request that matches.

    Attributes:
        answer: Status to answer with instead of asking the server.
        cut_after: Bytes of the server's answer to pass on before the connection breaks.
        flips: Whether one bit of the answer's middle is wrong.
        hangs: Set when the request has come, which then gets no answer until the wire goes.
    """

    method: str
    query: str = ""
    answer: int | None = None
    cut_after: int | None = None
    flips: bool = False
    hangs: threading.Event | None = None


@dataclass
class Wire:
    """Where it begins and leads, what has gone over it, and what will go wrong."""

    server: str
    endpoint: str = ""
    requests: list[tuple[str, str]] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    faults: deque[Fault] = field(default_factory=deque)
    is_gone: threading.Event = field(default_factory=threading.Event)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(maxsize=10))

    def parts_sent(self) -> list[int]:
        queries = (parse_qs(urlsplit(path).query) for method, path in self.requests if method == "PUT")
        return [int(query["partNumber"][0]) for query in queries if "partNumber" in query]

    def next_fault(self, method: str, path: str) -> Fault:
        if self.faults and self.faults[0].method == method and self.faults[0].query in path:
            return self.faults.popleft()
        return Fault(method)


@contextmanager
def faulty_wire(server: str) -> Iterator[Wire]:
    """Yield a wire on the loopback interface that leads to the store at `server`."""
    wire = Wire(server)
    with _Listener(wire) as listener:
        wire.endpoint = f"127.0.0.1:{listener.server_address[1]}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield wire
        finally:
            wire.is_gone.set()
            listener.shutdown()
            thread.join()
            wire.pool.clear()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, wire: Wire) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.wire = wire

    def handle_error(self, *_: object) -> None:
        """Say nothing of connections that broke: that is what it is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        if self.raw_requestline and self.parse_request():
            self._pass_on(cast("_Listener", self.server).wire)
        else:
            self.close_connection = True

    def _pass_on(self, wire: Wire) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        wire.requests.append((self.command, self.path))
        fault = wire.next_fault(self.command, self.path)
        if fault.hangs is not None:
            fault.hangs.set()
            wire.is_gone.wait()
            self.close_connection = True
        elif fault.answer is not None:
            self._answer(fault.answer, {"Content-Length": "0"}, b"", fault)
        else:
            self._ask(wire, body, fault)

    def _ask(self, wire: Wire, body: bytes, fault: Fault) -> None:
        if self.command == "GET":
            wire.ranges.append(self.headers.get("Range"))
        url, headers = f"http://{wire.server}{self.path}", dict(self.headers)
        answer = wire.pool.request(self.command, url, body=body, headers=headers, redirect=False)
        content = _flipped(answer.data) if fault.flips else answer.data
        self._answer(answer.status, dict(answer.headers), content, fault)

    def _answer(self, status: int, headers: dict[str, str], content: bytes, fault: Fault) -> None:
        if fault.cut_after == 0:
            self.close_connection = True
            return
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: fault.cut_after])
        self.close_connection = fault.cut_after is not None

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
