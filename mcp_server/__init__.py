"""Floor 4: the door for agents. The only package that imports the MCP SDK; no rule of the platform lives here."""

from mcp_server.client import LearningClient, ToolFailedError
from mcp_server.errors import ServerRefusedError, ServerUnreachableError
from mcp_server.server import create_mcp_server, mcp_application

__all__ = [
    "LearningClient",
    "ServerRefusedError",
    "ServerUnreachableError",
    "ToolFailedError",
    "create_mcp_server",
    "mcp_application",
]
