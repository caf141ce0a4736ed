"""The application's doors on a service layer in the test's own process, for principals of several tenants."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import uvicorn
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from platform_under_test import free_port

from handlers import Services
from learning.application import create_application
from mcp_server import LearningClient, ToolFailedError
from storage import SecurityContext, Storage
from storage.errors import InvalidTokenError

_REVISION = "2026-07-28"


class People:
    """Each token is the name of whom it belongs to."""

    def __init__(self, people: Mapping[str, SecurityContext]) -> None:
        self._people = people

    def authenticate(self, authorization: str | None, _address: str | None) -> SecurityContext:
        """Return whose name the token is."""
        name = (authorization or "").removeprefix("Bearer ")
        if name not in self._people:
            raise InvalidTokenError
        return self._people[name]


@dataclass(frozen=True)
class Door:
    """Where the application answers."""

    address: str

    def ask(self, who: str, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Call tools one after the other over one connection; return each answer, errors too."""
        answers = []

        async def ask_all() -> None:
            async with LearningClient(f"{self.address}/mcp", who) as client:
                for tool, arguments in calls:
                    try:
                        answers.append(await client.call(tool, **arguments))
                    except ToolFailedError as refusal:
                        answers.append(refusal.answer)

        anyio.run(ask_all)
        return answers

    def tools(self, who: str) -> dict[str, dict[str, Any]]:
        """Return the input schema of every tool."""
        schemas: dict[str, dict[str, Any]] = {}

        async def list_tools() -> None:
            headers, url = {"Authorization": f"Bearer {who}"}, f"{self.address}/mcp"
            async with (
                httpx2.AsyncClient(headers=headers) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                schemas.update({tool.name: tool.input_schema for tool in (await client.list_tools()).tools})

        anyio.run(list_tools)
        return schemas

    def call_as_written(self, who: str, tool: str, arguments: str) -> dict[str, Any]:
        """Call a tool with arguments in JSON exactly as they are written, which no well-behaved client would send."""
        meta = {"io.modelcontextprotocol/protocolVersion": _REVISION, "io.modelcontextprotocol/clientCapabilities": {}}
        params = f'{{"name": "{tool}", "arguments": {arguments}, "_meta": {json.dumps(meta)}}}'
        headers = {
            "Authorization": f"Bearer {who}",
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Mcp-Protocol-Version": _REVISION,
            "Mcp-Method": "tools/call",
            "Mcp-Name": tool,
        }
        content = f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {params}}}'
        answer: dict[str, Any] = httpx2.post(f"{self.address}/mcp", content=content.encode(), headers=headers).json()
        return answer

    def http(self, method: str, path: str, who: str, **request: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {who}"}
        return httpx2.request(method, self.address + path, headers=headers, **request)


@contextmanager
def open_door(services: Services, all_tenants: Storage, people: Mapping[str, SecurityContext]) -> Iterator[Door]:
    """Serve the application on a free port of loopback, from a thread of this process."""
    port = free_port()
    application = create_application(services, People(people), "127.0.0.1", all_tenants)
    config = uvicorn.Config(application, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        address = f"http://127.0.0.1:{port}"
        _await_answer(f"{address}/healthz")
        yield Door(address)
    finally:
        server.should_exit = True
        thread.join()


def _await_answer(url: str) -> None:
    pause = threading.Event()
    for _ in range(400):
        try:
            if httpx2.get(url).status_code == httpx2.codes.OK:
                return
        except httpx2.TransportError:
            pause.wait(0.05)
    raise TimeoutError(url)
