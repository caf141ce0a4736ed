"""Inserts side by side: `insert_child.py URL CONNECTIONS` answers `plain` or `audited` and seconds with inserts/s.

Both insert the same row, each in a commit of its own; the audited one makes its leaf and writes it along.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psycopg

from storage import AuditEntry, SecurityContext, make_leaf
from storage.models import RoleType

_ADA = SecurityContext(user_id="ada", tenant_id="north", roles=frozenset({RoleType.MEMBER}))
_BODY = '{"name": "iris", "rows": 150}'
_PLAIN = b"insert into thing (body) values (%(body)s)"
_AUDITED = (
    b"with leaf as (insert into audit_leaf (audit_ref, tenant_id, canonical_bytes) values"
    b" (%(audit_ref)s, %(tenant_id)s, %(canonical_bytes)s)) " + _PLAIN
)


def _plain_row() -> Mapping[str, object]:
    return {"body": _BODY}


def _audited_row() -> Mapping[str, object]:
    leaf = make_leaf(AuditEntry(action="storage.create", subject="Thing/1", after={"v": 1}), context=_ADA)
    return {"body": _BODY, **leaf.as_parameters()}


_WORK: Mapping[str, tuple[bytes, Callable[[], Mapping[str, object]]]] = {
    "plain": (_PLAIN, _plain_row),
    "audited": (_AUDITED, _audited_row),
}


def _inserts(kind: str, end: float, connection: psycopg.Connection[Any]) -> int:
    statement, row = _WORK[kind]
    inserted = 0
    while time.perf_counter() < end:
        connection.execute(statement, row())
        inserted += 1
    return inserted


def main(url: str, number: int) -> None:
    """Answer until the input is closed."""
    connections = [
        psycopg.connect(url, autocommit=True, options="-c role=ami_application", prepare_threshold=0)
        for _ in range(number)
    ]
    with ThreadPoolExecutor(number) as threads:
        print(0, flush=True)
        for line in sys.stdin:
            kind, seconds = line.split()
            end = time.perf_counter() + float(seconds)
            print(sum(threads.map(partial(_inserts, kind, end), connections)) / float(seconds), flush=True)


main(sys.argv[1], int(sys.argv[2]))
