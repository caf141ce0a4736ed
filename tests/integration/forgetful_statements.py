"""The engine's statements as they would be if every one of them had forgotten to ask for the tenant."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from sqlalchemy import text

from engine import persistence
from storage.sql import Queries

_CONDITION = re.compile(r"(?:\w+\.)?tenant_id = (?::tenant_id|cast\(:tenant_id as text\))")


@contextmanager
def forgetful_statements() -> Iterator[None]:
    """Let no statement of the engine ask for the tenant until the end of the block."""
    with contextlib.ExitStack() as stack:
        for queries in _all_queries():
            forgetful = {name: text(_without_tenant(each.text)) for name, each in queries._statements.items()}
            stack.enter_context(mock.patch.object(queries, "_statements", forgetful))
        yield


def _without_tenant(statement: str) -> str:
    # The parameter has to stay: it is given.
    return _CONDITION.sub("cast(:tenant_id as text) is not null", statement).replace("tenant_id = w.tenant_id", "true")


def _all_queries() -> list[Queries]:
    modules = (
        importlib.import_module(f"{persistence.__name__}.{found.name}")
        for found in pkgutil.iter_modules(persistence.__path__)
    )
    found = {id(value): value for module in modules for value in vars(module).values() if isinstance(value, Queries)}
    return list(found.values())
