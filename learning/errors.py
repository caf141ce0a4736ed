"""Errors of starting and running the platform on one machine.

LearningError
├── PortTakenError          PORT_TAKEN
├── AlreadyRunningError     ALREADY_RUNNING
├── ProcessFailedError      PROCESS_FAILED
├── SettingsIncompleteError SETTINGS_INCOMPLETE
├── PlatformNotFoundError   PLATFORM_NOT_FOUND
├── SchemaOutdatedError     SCHEMA_OUTDATED
├── AuditArgumentsError     AUDIT_ARGUMENTS_INVALID
└── DemoError               DEMO_FAILED
"""

from __future__ import annotations

from storage import ReportedError


class LearningError(ReportedError):
    """Base of this floor's errors."""

    code = "LEARNING"


class PortTakenError(LearningError):
    """Something else listens where the application should."""

    code = "PORT_TAKEN"

    def __init__(self, *, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.hint = "Stop what uses it, or set LEARNING_PORT to a free port."
        super().__init__(f"Port {port} of {host} is taken.")


class AlreadyRunningError(LearningError):
    """Another `ami-learning up` runs on the same home."""

    code = "ALREADY_RUNNING"
    hint = "Stop it first, or set LEARNING_HOME to another folder."

    def __init__(self, *, home: str) -> None:
        self.home = home
        super().__init__(f"The platform in {home} is running already.")


class ProcessFailedError(LearningError):
    """A part of the platform did not start."""

    code = "PROCESS_FAILED"

    def __init__(self, *, part: str, exit_code: int | None, log: str) -> None:
        self.part = part
        self.exit_code = exit_code
        self.hint = f"Read {log}."
        outcome = "does not answer" if exit_code is None else f"ended with exit code {exit_code}"
        super().__init__(f"The part {part!r} {outcome}.")


class SettingsIncompleteError(LearningError):
    """Settings that belong together are given in part."""

    code = "SETTINGS_INCOMPLETE"

    def __init__(self, *, missing: tuple[str, ...]) -> None:
        self.missing = missing
        self.hint = "See .env.example."
        super().__init__(f"Also set {' and '.join(missing)}.")


class PlatformNotFoundError(LearningError):
    """A command that asks a platform was run where there is none."""

    code = "PLATFORM_NOT_FOUND"
    hint = "Run it in the folder, or with the settings, of a platform; 'ami-learning up' makes one."

    def __init__(self, *, home: str) -> None:
        self.home = home
        super().__init__(f"There is no platform in {home}.")


class SchemaOutdatedError(LearningError):
    """The database's schema is not the one that this version works on."""

    code = "SCHEMA_OUTDATED"
    hint = "Run 'ami-learning db upgrade'."

    def __init__(self, *, found: str | None, newest: str | None) -> None:
        self.found = found
        self.newest = newest
        super().__init__(f"The database has revision {found or 'none'}, this version needs {newest}.")


class AuditArgumentsError(LearningError):
    """The arguments of an audit command do not fit together."""

    code = "AUDIT_ARGUMENTS_INVALID"
    hint = "Run the command with --help."

    def __init__(self, *, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The command cannot be run: {reason}.")


class DemoError(LearningError):
    """The demo met something it cannot go on with."""

    code = "DEMO_FAILED"

    def __init__(self, message: str, hint: str = "") -> None:
        self.hint = hint
        super().__init__(message)
