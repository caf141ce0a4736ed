"""Settings: environment variables and `.env`, documented in `.env.example`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from storage.models import ComputeProfile
from storage.stores import MetricRetention

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]
_HOST_AND_PORT = r"^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$"
_BUCKET = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"


class LearningSettings(BaseSettings):
    """`LEARNING_*`: where things are kept and how this process runs.

    Attributes:
        home: Folder of the embedded database, artefacts, inbox, tokens and logs.
        database_url: A PostgreSQL server; without it the embedded one in `home` is used.
        artifact_root: Folder of the local object store, `home`/artifacts unless given.
        s3_endpoint: `host:port` of an S3-compatible store; without it the local folder is used.
        master_key: Keys that wrap those of sealed objects, in base64; the newest first, separated by white space.
        master_key_file: The same keys in a file, one a line; without both, a local folder gets `home`/master.key.
        key_command: A program that wraps and opens keys with master keys that this machine never sees.
        key_command_environment: Names of the variables that it sees besides `PATH` and `HOME`.
        retention: Days that the objects and metrics of deleted records are kept, as `MODEL/classification=days`.
        metric_retention: Days that metric points and their roll-ups are kept; for good unless given.
        import_roots: The only folders from which `file://` dataset sources are read; `home`/inbox unless given.
        source_origins: The only web servers from which `https://` and `http://` dataset sources are fetched.
        source_networks: Private networks to which the names of these servers may lead.
        allowed_profiles: Compute profiles that may be asked for.
        audit_key_file: The private keys that sign the audit trail's checkpoints; `home`/audit-key.json unless given.
        groups: Groups of people to which diagrams may assign user tasks.
        worker_threads: Jobs that one worker process runs at a time.
        lease_seconds: How long a silent worker keeps a job.
        job_limits: How many jobs of a service-task type run at once over all workers, as `type=number`.
    """

    model_config = SettingsConfigDict(env_prefix="LEARNING_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Path(".learning")
    database_url: SecretStr | None = None
    artifact_root: Path | None = None
    s3_endpoint: Annotated[str, Field(pattern=_HOST_AND_PORT)] | None = None
    s3_bucket: Annotated[str, Field(pattern=_BUCKET)] = "ami-learning"
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_secure: bool = True
    master_key: SecretStr | None = None
    master_key_file: Path | None = None
    key_command: Path | None = None
    key_command_environment: Annotated[tuple[str, ...], NoDecode] = ()
    retention: str = "default=30"
    metric_retention: Annotated[MetricRetention | None, NoDecode] = None
    import_roots: Annotated[tuple[Path, ...], NoDecode] = ()
    source_origins: Annotated[tuple[Origin, ...], NoDecode] = ()
    source_networks: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = ()
    default_compute: ComputeProfile = ComputeProfile.CPU
    allowed_profiles: Annotated[tuple[ComputeProfile, ...], NoDecode] = (ComputeProfile.CPU,)
    audit_key_file: Path | None = None
    groups: Annotated[tuple[str, ...], NoDecode] = ("data-scientist", "reviewer", "operator")
    port: Annotated[int, Field(ge=1, le=65_535)] = 8765
    worker_threads: Annotated[int, Field(ge=1, le=64)] = 4
    lease_seconds: Annotated[float, Field(ge=0.2, le=3_600)] = 15.0
    job_limits: Annotated[dict[str, Annotated[int, Field(ge=1)]], NoDecode] = {}
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator(
        "import_roots",
        "source_origins",
        "source_networks",
        "allowed_profiles",
        "groups",
        "key_command_environment",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("metric_retention", mode="before")
    @classmethod
    def _retention(cls, value: object) -> object:
        return (cls._limits(value) or None) if isinstance(value, str) else value

    @field_validator("job_limits", mode="before")
    @classmethod
    def _limits(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        return {name.strip(): number.strip() for name, _, number in pairs}

    @property
    def artifacts(self) -> Path:
        """The local object store's folder."""
        return (self.artifact_root or self.home / "artifacts").resolve()

    @property
    def own_master_key_file(self) -> Path:
        """The file of the master keys where none is given."""
        return (self.home / "master.key").resolve()

    @property
    def inbox(self) -> Path:
        """The folder into which people put files to register."""
        return (self.home / "inbox").resolve()

    @property
    def audit_keys(self) -> Path:
        """The file of the keys that sign the audit trail's checkpoints."""
        return (self.audit_key_file or self.home / "audit-key.json").resolve()

    @property
    def logs(self) -> Path:
        """The folder of the log files, made if it is not there."""
        folder = (self.home / "logs").resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders from which dataset files may be read, resolved."""
        return tuple(root.resolve() for root in self.import_roots) or (self.inbox,)

    def as_environment(self) -> dict[str, str]:
        """Return the variables that give another process the settings that were given to this one."""
        given = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        return {f"LEARNING_{name.upper()}": _as_text(value) for name, value in given.items() if value is not None}


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, MetricRetention):
        value = value.model_dump()
    if isinstance(value, dict):
        return ",".join(f"{name}={number}" for name, number in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


class PlatformSettings(BaseSettings):
    """`AMI_*`: what the whole platform shares.

    Attributes:
        compute_profile: Overrides `LEARNING_DEFAULT_COMPUTE`.
        host: Address to listen on. Development principals are for loopback only; another address is refused.
    """

    model_config = SettingsConfigDict(env_prefix="AMI_", env_file=".env", extra="ignore", frozen=True)

    compute_profile: ComputeProfile | None = None
    host: str = "127.0.0.1"


class SchedulerSettings(BaseSettings):
    """`AMI_SCHEDULER_*`: how a scheduler process waits and retries.

    Attributes:
        poll_seconds: How long to wait at most; a new schedule is noticed within this time.
        retry_seconds: Delay before a scheduled start that failed is tried again.
        upkeep_seconds: How long to wait between rounds of upkeep.
    """

    model_config = SettingsConfigDict(env_prefix="AMI_SCHEDULER_", env_file=".env", extra="ignore", frozen=True)

    poll_seconds: Annotated[float, Field(ge=0.1, le=3_600)] = 5.0
    retry_seconds: Annotated[float, Field(ge=0.1, le=86_400)] = 30.0
    upkeep_seconds: Annotated[float, Field(ge=1, le=86_400)] = 300.0
