"""The MCP server: the SDK's `MCPServer` with errors as structured, audited answers."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from anyio import to_thread
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, InputRequiredResult, TextContent
from pydantic import ValidationError
from starlette.applications import Starlette

from engine import DiagramError
from handlers import Services
from handlers.errors import DatasetRejectedError
from mcp_server.access_tools import AccessTools
from mcp_server.answers import ErrorAnswer
from mcp_server.errors import ArgumentsInvalidError, ToolBrokenError, ToolNotFoundError
from mcp_server.lineage_tools import LineageTools
from mcp_server.model_tools import ModelTools
from mcp_server.operator_tools import OperatorTools
from mcp_server.principals import principal_of
from mcp_server.scheduler_tools import SchedulerTools
from mcp_server.tools import LearningTools
from mcp_server.user_task_tools import UserTaskTools
from mcp_server.waiting import WaitingRoom
from storage import AuditEntry, ReportedError, SecurityContext
from storage.errors import DatabaseUnavailableError
from storage.models import JsonObject

logger = logging.getLogger(__name__)

_INSTRUCTIONS = """Drive the life of a model: learning.create_dataset, learning.launch_experiment, follow it with
learning.stream_events, let another principal decide with learning.list_user_tasks and learning.complete_user_task,
then learning.run_inference. scheduler_start_instance starts any process, scheduler_trigger_event tells processes of
events; learning.list_instances and learning.list_incidents show where one stopped. Every answer and every error carries
an audit_ref; errors say what to do next."""
_ANONYMOUS = SecurityContext(user_id="anonymous", tenant_id="none")


class LearningServer(MCPServer[Any]):
    """Answers every failed call with code, message, hint and `audit_ref`."""

    def __init__(self, services: Services, version: str) -> None:
        super().__init__("ami-learning", instructions=_INSTRUCTIONS, version=version, log_level="WARNING")
        self._services = services

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; a failure becomes an `ErrorAnswer`."""
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            return await to_thread.run_sync(self._report, name, error, context)

    def _report(self, name: str, error: ToolError, context: Context[Any, Any] | None) -> CallToolResult:
        failure = reported_failure(name, error)
        if isinstance(failure, ToolBrokenError):
            logger.error("tool failed", extra={"tool": name}, exc_info=error)
        answer = ErrorAnswer(
            audit_ref=self._audit(name, failure.code, context),
            code=failure.code,
            message=str(failure),
            hint=failure.hint,
            retryable=failure.retryable,
            details=_details(failure),
        )
        text = TextContent(type="text", text=f"{answer.code}: {answer.message} {answer.hint}".strip())
        return CallToolResult(content=[text], structured_content=answer.model_dump(mode="json"), is_error=True)

    def _audit(self, name: str, code: str, context: Context[Any, Any] | None) -> UUID | None:
        try:
            principal = _ANONYMOUS if context is None else principal_of(context)
        except ReportedError:
            principal = _ANONYMOUS
        entry = AuditEntry(action="tool.refused", subject=name, details={"code": code}, tool=name)
        try:
            with self._services.storage.transaction(principal.tenant_id) as work:
                return work.audit.record(entry, context=principal)
        except DatabaseUnavailableError:
            logger.exception("refusal not recorded", extra={"tool": name})
            return None


def create_mcp_server(services: Services, version: str) -> LearningServer:
    """Return the server with all tools."""
    server = LearningServer(services, version)
    waiting = WaitingRoom()
    for toolbox in (LearningTools, ModelTools, UserTaskTools, SchedulerTools, OperatorTools, LineageTools, AccessTools):
        toolbox(services, waiting).add_to(server)
    return server


def mcp_application(server: LearningServer, host: str) -> Starlette:
    """Return the ASGI application that serves `/mcp` over streamable HTTP.

    Its lifespan must run. Requests with a foreign Host or Origin are refused, against DNS rebinding.
    """
    return server.streamable_http_app(json_response=True, host=host)


def reported_failure(name: str, error: ToolError) -> ReportedError:
    """Return what made a tool fail, as an error that may leave the process."""
    cause = error.__cause__
    if isinstance(cause, ReportedError):
        return cause
    if isinstance(cause, ValidationError):
        return ArgumentsInvalidError(
            fields={".".join(map(str, item["loc"])): item["msg"] for item in cause.errors(include_input=False)}
        )
    return ToolNotFoundError(name=name) if cause is None else ToolBrokenError(name=name)


def _details(error: ReportedError) -> JsonObject:
    if isinstance(error, DatasetRejectedError):
        return {"findings": list(error.findings)}
    if isinstance(error, DiagramError):
        return {"findings": [finding.model_dump(mode="json") for finding in error.findings]}
    fields = getattr(error, "fields", None) or getattr(error, "problems", None)
    return dict(fields) if isinstance(fields, dict) else {}
