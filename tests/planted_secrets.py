"""Secrets that can be recognised wherever they turn up, and the places where none may turn up."""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from psycopg import sql


@dataclass(frozen=True)
class Secrets:
    """Every secret that was given to the platform, or that it made, by what it is for."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def new(self, purpose: str) -> str:
        """Return a secret that is nowhere else in the world; of letters that no encoding of URIs or JSON changes."""
        secret = f"planted{uuid4().hex}"
        self.add(purpose, secret.encode())
        return secret

    def add(self, purpose: str, secret: bytes) -> None:
        assert len(secret) >= 16, "a shorter one could turn up by chance"
        self.kept[purpose] = secret

    def found_in(self, content: str | bytes) -> set[str]:
        """Return the purposes of the secrets that a content gives away, as they are or in base64 or hexadecimal."""
        looked_through = content.encode(errors="surrogateescape") if isinstance(content, str) else content
        return {
            purpose for purpose, secret in self.kept.items() if any(form in looked_through for form in _forms(secret))
        }

    def found_in_files(self, folder: Path, besides: Iterable[Path]) -> dict[str, set[str]]:
        """Return what each file of a folder gives away, in content or name; `besides` are made to keep secrets."""
        kept = set(besides)
        files = [path for path in folder.rglob("*") if path.is_file() and path not in kept]
        found = {str(path): self.found_in(path.read_bytes() + str(path).encode()) for path in files}
        return {path: purposes for path, purposes in found.items() if purposes}

    def found_in_database(self, url: str) -> dict[str, set[str]]:
        """Return what each table gives away, binary columns included, and what the server's own views do."""
        forms = [form.decode() for secret in self.kept.values() for form in _forms(secret) if form.isascii()]
        found = {}
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("set row_security = off")  # or rows that a policy hides would count as clean
            for schema, table in connection.execute(_TABLES).fetchall():
                rows = connection.execute(_hits(schema, table), {"forms": forms}).fetchall()
                if rows:
                    found[f"{schema}.{table}"] = set().union(*(self.found_in(row[0]) for row in rows))
        return found


def _forms(secret: bytes) -> Sequence[bytes]:
    """Return a secret as it is, in hexadecimal as PostgreSQL shows bytes, and in base64 wherever it begins."""
    return (secret, secret.hex().encode(), *(_base64_core(secret, before) for before in range(3)))


def _base64_core(secret: bytes, before: int) -> bytes:
    """Return the part of the base64 that depends on the secret alone, where so many other bytes stand before it."""
    begin, end = -(-before * 8 // 6), (before + len(secret)) * 8 // 6
    return base64.b64encode(bytes(before) + secret)[begin:end]


_TABLES = """
select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')
union all select 'pg_catalog', 'pg_stat_activity'
union all select 'pg_catalog', 'pg_proc'
union all select 'pg_catalog', 'pg_description'
"""


def _hits(schema: str, table: str) -> sql.Composed:
    statement = """
    select distinct form from {table} as looked_at, unnest(%(forms)s::text[]) as form
    where strpos(looked_at::text, form) > 0 and {others}
    """
    others = sql.SQL("pid <> pg_backend_pid()" if table == "pg_stat_activity" else "true")
    return sql.SQL(statement).format(table=sql.Identifier(schema, table), others=others)


@dataclass
class Sightings:
    """What one could see of a platform's processes from outside while they ran."""

    commands: set[str] = field(default_factory=set)
    environments: dict[str, str] = field(default_factory=dict)

    def look(self, supervisor: int) -> None:
        """Note the command line of every process below the supervisor, and what its parts' own children were given."""
        for process in psutil.Process(supervisor).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
                command = " ".join(process.cmdline())
                self.commands.add(command)
                if process.ppid() != supervisor:
                    program = re.search(r"-m ([\w.]+)", command)
                    if program is not None:
                        self.environments[program[1]] = "\n".join(
                            f"{name}={value}" for name, value in process.environ().items()
                        )


@contextmanager
def watching(supervisor: int) -> Iterator[Sightings]:
    """Look at a platform's processes again and again while the block runs."""
    sightings, over = Sightings(), threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            sightings.look(supervisor)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield sightings
    finally:
        over.set()
        watcher.join()
