"""The database: connecting, and bringing its schema up to date."""

from __future__ import annotations

import re
import time
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from pydantic_core import to_json
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    DisconnectionError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from storage.errors import (
    DatabaseExtensionError,
    DatabaseOwnerError,
    DatabasePrivilegeError,
    DatabaseRoleError,
    DatabaseUnavailableError,
)

_MIGRATIONS = Path(__file__).with_name("migrations")
_IDLE_SECONDS = 1.0
_MIGRATION_LOCK = 0x414D494C  # "AMIL": two processes must not migrate at once
_INSUFFICIENT_PRIVILEGE = "42501"
_EXTENSION = "vector"

APPLICATION_ROLE = "ami_application"
"""Reads and writes rows, owns nothing, and sees what is the tenant's that it works for alone."""

ENGINE_ROLE = "ami_engine"
"""The same, but sees the process instances of all tenants: for workers, schedulers and counts over all of them."""

SEALER_ROLE = "ami_sealer"
"""Orders and signs the audit trail, and erases what is about persons in it."""
CUSTODIAN_ROLE = "ami_custodian"
"""Also sees which objects the records of all tenants name: for garbage collection."""

# Everybody may call it unless somebody took that back. By its answer the sealer, and the login that migrates, tell that
# a dump was restored into another cluster.
_CALLED = "pg_control_system()"
_NOT_CALLABLE = text(
    "select quote_ident(rolname) from pg_roles where (rolname = :sealer or rolname = current_user and :migrates)"
    f" and not has_function_privilege(oid, '{_CALLED}', 'execute') order by rolname"
)

# In an empty database who may make tables will own them.
_IS_OWNER = text(
    "select current_user as login, coalesce("
    "(select pg_has_role(relowner, 'usage') from pg_class where oid = to_regclass('alembic_version')),"
    " has_schema_privilege(current_schema(), 'create')) as is_owner"
)

# What hangs ends: a host that vanished is noticed, and a transaction that a frozen process left open is rolled back by
# the server, or it would hold its locks and every reader of the event log.
_CONNECTION: dict[str, str | int] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
_OPTIONS = "-c idle_in_transaction_session_timeout=60s"


def connect(url: str, *, pool_size: int = 10, role: str = APPLICATION_ROLE) -> Engine:
    """Return a pool of connections to the PostgreSQL at `url` that act as `role`, whoever logs in.

    Raises:
        DatabaseRoleError: The login may not act as that role, or nobody has made it.
        DatabaseUnavailableError: Nothing answers there, or it refuses us.
    """
    try:
        return _pool(url, pool_size, f"{_OPTIONS} -c role={role}")
    except DatabaseUnavailableError as error:
        if f'role "{role}"' in error.reason:
            raise DatabaseRoleError(role=role, reason=error.reason) from error
        raise


def connect_as_owner(url: str) -> Engine:
    """Return a connection that acts as the login itself: for migrations, and for nothing else.

    Raises:
        DatabaseUnavailableError: Nothing answers there, or it refuses us.
    """
    return _pool(url, 1, _OPTIONS)


def _pool(url: str, pool_size: int, options: str) -> Engine:
    try:
        engine = create_engine(
            sqlalchemy_url(url),
            pool_size=pool_size,
            max_overflow=pool_size,
            connect_args={**_CONNECTION, "options": options},
            json_serializer=lambda value: to_json(value).decode(),
        )
    except (ArgumentError, ImportError, ValueError) as error:
        # The URL may hold a password, so it is not repeated.
        raise DatabaseUnavailableError(reason="its URL is not postgresql://user:password@host:port/name") from error
    _look_after_idle_connections(engine)
    try:
        with engine.connect() as connection:
            connection.execute(text("select 1"))
    except OperationalError as error:
        raise DatabaseUnavailableError(reason=_first_line(error)) from error
    return engine


def _role_in(error: DBAPIError) -> str:
    named = re.search(r"\bami_\w+", str(error.orig))
    return APPLICATION_ROLE if named is None else named[0]


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]


def _look_after_idle_connections(engine: Engine) -> None:
    """Replace connections that died while nobody used them; one that was used a moment ago is not asked first.

    To ask each time would cost a round trip for every transaction, a tenth of an engine step.
    """

    @event.listens_for(engine, "checkin")
    def _remember(_connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _look(connection: DBAPIConnection, record: ConnectionPoolEntry, _proxy: PoolProxiedConnection) -> None:
        if time.monotonic() - record.info.get("idle_since", 0.0) > _IDLE_SECONDS and not _is_alive(engine, connection):
            raise DisconnectionError  # the pool opens another connection and tries again


def _is_alive(engine: Engine, connection: DBAPIConnection) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False


def sqlalchemy_url(url: str) -> str:
    """Return `url` with the driver named: `postgresql://` and `postgres://` become `postgresql+psycopg://`."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator and scheme in {"postgresql", "postgres"} else url


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision; safe to call from several processes at once.

    Args:
        engine: As `connect_as_owner` makes it.

    Raises:
        DatabaseRoleError: A role is missing, and the login may not create it.
        DatabaseExtensionError: pgvector is missing, or the login may not add it to the database.
        DatabasePrivilegeError: The login or the sealer's role may not call a function that they need.
        DatabaseOwnerError: There is something to do, and the login does not own the tables.
    """
    try:
        with engine.begin() as connection:
            connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            if _revision(connection) != newest_revision():
                _require_owner(connection)
                _require_privileges(connection, migrates=True)
                _upgrade(connection)
            _require_privileges(connection, migrates=False)  # once more: a migration may have made the sealer's role
    except (ProgrammingError, NotSupportedError) as error:
        if f'extension "{_EXTENSION}"' in str(error.orig):
            raise DatabaseExtensionError(extension=_EXTENSION, reason=_first_line(error)) from error
        if getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
            raise DatabaseRoleError(role=_role_in(error), reason=_first_line(error)) from error
        raise


def require_owner(engine: Engine) -> None:
    """Return if the login owns the tables, or would own those of an empty database.

    Raises:
        DatabaseOwnerError: It does not.
    """
    with engine.connect() as connection:
        _require_owner(connection)


def _require_owner(connection: Connection) -> None:
    row = connection.execute(_IS_OWNER).one()
    if not row.is_owner:
        raise DatabaseOwnerError(login=row.login)


def _require_privileges(connection: Connection, *, migrates: bool) -> None:
    roles = connection.execute(_NOT_CALLABLE, {"sealer": SEALER_ROLE, "migrates": migrates}).scalars().all()
    if roles:
        raise DatabasePrivilegeError(function=_CALLED, roles=tuple(roles))


def _upgrade(connection: Connection) -> None:
    config = _alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def current_revision(engine: Engine) -> str | None:
    """Return the schema's revision, `None` for an empty database."""
    with engine.connect() as connection:
        return _revision(connection)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str | None:
    """Return the revision that this code expects."""
    return ScriptDirectory.from_config(_alembic_config()).get_current_head()


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
