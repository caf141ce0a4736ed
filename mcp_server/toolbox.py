"""What every set of tools shares: how tools are registered, what their arguments may be, and the record of a call."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Annotated, Any
from uuid import UUID

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from handlers import Services
from mcp_server.waiting import WaitingRoom
from storage import AuditEntry, SecurityContext, UnitOfWork

Ctx = Context[Any, Any]
WaitSeconds = Annotated[float, Field(ge=0, le=25)]
IdempotencyKey = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]
ProcessId = Annotated[str, Field(pattern=r"^[\w.\-]+$", max_length=200)]
BusinessKey = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00]+$")]
Limit = Annotated[int, Field(ge=1, le=500)]
Reason = Annotated[str, Field(min_length=1, max_length=1_000)]

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
CREATES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False)
DECIDES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False)


class Toolbox(ABC):
    """One method for each tool; its docstring is what the agent reads.

    Attributes:
        prefix: Stands before the methods' names.
    """

    prefix = "learning."

    def __init__(self, services: Services, waiting: WaitingRoom) -> None:
        self._services = services
        self._waiting = waiting

    @abstractmethod
    def tools(self) -> Iterable[tuple[Callable[..., Any], ToolAnnotations]]:
        """Return every tool with what it does to the platform."""

    def add_to(self, server: MCPServer[Any]) -> None:
        """Register every tool under its name."""
        for tool, kind in self.tools():
            name = f"{self.prefix}{tool.__name__}"
            server.add_tool(tool, name=name, description=inspect.getdoc(tool), annotations=kind)

    def _audited(self, action: str, subject: str, context: SecurityContext) -> UUID:
        with self._services.storage.transaction(context.tenant_id) as work:
            return record_call(work, action, subject, context)


def record_call(work: UnitOfWork, action: str, subject: str, context: SecurityContext) -> UUID:
    """Put a call on the record, in the transaction of what it did; return its `audit_ref`."""
    return work.audit.record(AuditEntry(action=f"tool.{action}", subject=subject, tool=action), context=context)
