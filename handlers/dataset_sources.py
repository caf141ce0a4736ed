"""Where dataset files may come from: local files below folders that the operator named, nothing else."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from handlers.errors import SourceNotAllowedError


def local_source(source_uri: str, roots: tuple[Path, ...]) -> Path:
    """Return the file that a `file://` URI names, links resolved.

    Raises:
        SourceNotAllowedError: Another scheme, a host, a query or fragment, or a path outside `roots`.
    """
    refusal = SourceNotAllowedError(source_uri=source_uri, roots=tuple(str(root) for root in roots))
    parts = urlsplit(source_uri)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"} or parts.query or parts.fragment:
        raise refusal
    path = unquote(parts.path)
    if "\0" in path:
        raise refusal
    resolved = Path(path).resolve()
    if not any(resolved.is_relative_to(root) for root in roots):
        raise refusal
    return resolved
