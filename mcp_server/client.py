"""A client of the server, on the SDK's own: used by the demo and the acceptance tests, usable by anybody."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent

from mcp_server.errors import ServerRefusedError, ServerUnreachableError
from storage import ReportedError


class ToolFailedError(ReportedError):
    """A tool answered with an error; `code` and `hint` are the server's.

    Attributes:
        answer: The structured error, with `audit_ref` and `details`.
    """

    def __init__(self, tool: str, answer: dict[str, Any], text: str) -> None:
        self.tool = tool
        self.answer = answer
        self.code = str(answer.get("code", "UNKNOWN"))
        self.hint = str(answer.get("hint", ""))
        self.add_note(f"{self.code}: {self.hint}")  # a traceback shows it, too
        super().__init__(answer.get("message") or text)


class LearningClient:
    """Calls the tools of one server as one principal."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._token = token
        self._stack = AsyncExitStack()
        self._client: Client | None = None

    async def __aenter__(self) -> Self:
        """Connect over streamable HTTP.

        Raises:
            ServerUnreachableError: Nothing answers at the address.
            ServerRefusedError: The token is not accepted.
        """
        headers = {"Authorization": f"Bearer {self._token}"}
        async with httpx2.AsyncClient(headers=headers) as probe:
            await _require_access(probe, self._url)
        http = await self._stack.enter_async_context(httpx2.AsyncClient(headers=headers, timeout=60))
        transport = streamable_http_client(self._url, http_client=http)
        self._client = await self._stack.enter_async_context(Client(transport))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._stack.aclose()

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; return its structured answer.

        Raises:
            ToolFailedError: The answer is an error.
        """
        if self._client is None:
            raise RuntimeError("use the client as an async context manager")
        result = await self._client.call_tool(tool, arguments)
        answer: dict[str, Any] = dict(result.structured_content or {})
        if result.is_error:
            text = " ".join(block.text for block in result.content if isinstance(block, TextContent))
            raise ToolFailedError(tool, answer, text)
        return answer


async def _require_access(http: httpx2.AsyncClient, url: str) -> None:
    """Ask for nothing, so that what is wrong with the way there is said in the platform's words, not the library's."""
    try:
        answer = await http.post(url, json={})
    except httpx2.TransportError as error:
        raise ServerUnreachableError(url=url) from error
    if answer.status_code == httpx2.codes.UNAUTHORIZED:
        refusal = answer.json()
        raise ServerRefusedError(code=refusal["code"], message=refusal["error"], hint=refusal["hint"])
