"""Named SQL from `.sql` files: each query follows a line `-- name: <name>` and comments that say why it is so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


class Queries:
    """The named queries of one file, run on a connection that the caller owns."""

    def __init__(self, path: Path) -> None:
        self._statements = _parse(path.read_text(encoding="utf-8"))

    def execute(self, connection: Connection, name: str, parameters: Mapping[str, object] | None = None) -> int:
        """Run a statement; return the number of rows it touched."""
        return connection.execute(self._statements[name], dict(parameters or {})).rowcount

    def rows(
        self, connection: Connection, name: str, parameters: Mapping[str, object] | None = None
    ) -> Sequence[Row[Any]]:
        """Run a query; return all its rows."""
        return connection.execute(self._statements[name], dict(parameters or {})).all()

    def stream(
        self, connection: Connection, name: str, parameters: Mapping[str, object], *, rows_at_a_time: int
    ) -> Iterator[Row[Any]]:
        """Run a query; yield its rows without holding all of them in memory. The transaction must stay open."""
        options = {"yield_per": rows_at_a_time}
        with connection.execute(self._statements[name], dict(parameters), execution_options=options) as result:
            yield from result

    def first(
        self, connection: Connection, name: str, parameters: Mapping[str, object] | None = None
    ) -> Row[Any] | None:
        """Run a query; return its first row, or `None`."""
        return connection.execute(self._statements[name], dict(parameters or {})).first()


def _parse(source: str) -> dict[str, TextClause]:
    parts = _NAME.split(source)
    return {name: text(body.strip()) for name, body in zip(parts[1::2], parts[2::2], strict=True)}
