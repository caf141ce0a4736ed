"""Who calls a tool: the principal that the application authenticated for this very request."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context

from storage import SecurityContext
from storage.authentication import PRINCIPAL
from storage.errors import AuthenticationError


def principal_of(context: Context[Any, Any]) -> SecurityContext:
    """Return the request's principal.

    Raises:
        AuthenticationError: The call did not come through the application's authentication.
    """
    request = context.request_context.request
    principal = None if request is None else request.scope.get(PRINCIPAL)
    if not isinstance(principal, SecurityContext):
        raise AuthenticationError(reason="the call did not come through the application's door")
    return principal
