"""Floor 4: the door for people. For now one page that says where everything is; it shows no data."""

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

__all__ = ["home_page"]

_PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>AMI Learning</title>
  <style>
    body { font: 16px/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #222; }
    code { background: #f2f2f2; padding: .1em .3em; border-radius: 3px; }
    dt { font-weight: 600; margin-top: 1rem; }
  </style>
</head>
<body>
  <h1>AMI Learning</h1>
  <p>The life of a machine-learning model as BPMN processes. This server is running.</p>
  <dl>
    <dt><code>/mcp</code></dt><dd>MCP over streamable HTTP, for agents. Needs a bearer token.</dd>
    <dt><code>/v2</code></dt><dd>Open Inference Protocol. Models need a bearer token.</dd>
    <dt><code>/metrics</code></dt><dd>Prometheus metrics.</dd>
    <dt><code>/healthz</code></dt><dd>Answers once the database does.</dd>
  </dl>
</body>
</html>
"""


async def home_page(_request: Request) -> Response:
    """Answer with the page."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"})
