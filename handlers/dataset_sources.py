"""Where dataset files may come from: local files below folders that the operator named, nothing else."""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit

from handlers.errors import SourceNotAllowedError


def local_source(source_uri: str, roots: tuple[Path, ...]) -> Path:
    """Return the file that a `file://` URI names, links resolved.

    Raises:
        SourceNotAllowedError: Another scheme, a host, a query or fragment, a path outside `roots`, a pipe or device.
    """
    refusal = SourceNotAllowedError(source_uri=source_uri, roots=tuple(str(root) for root in roots))
    try:
        parts = urlsplit(source_uri)
        resolved = Path(unquote(parts.path)).resolve()
    except (ValueError, RuntimeError) as error:  # no URI, NUL or half a character in the path, links in a circle
        raise refusal from error
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise refusal
    if not parts.path.startswith("/") or not any(resolved.is_relative_to(root) for root in roots):
        raise refusal
    if _is_pipe_or_device(resolved):
        raise refusal
    return resolved


def _is_pipe_or_device(path: Path) -> bool:
    """Return whether opening `path` may wait for ever, or do something."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
