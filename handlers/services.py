"""What commands and queries work with, built once in `learning.bootstrap`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine import Engine, Migrations, NotificationHub, Operations, ScheduleBook
from handlers.event_gateway import EventGateway
from handlers.remote_sources import RemoteSources
from runners.compute import Compute
from storage import Storage
from storage.models import ComputeProfile

if TYPE_CHECKING:
    from serving.model_cache import ModelCache


@dataclass(frozen=True)
class Limits:
    """What this deployment allows.

    Attributes:
        import_roots: The only folders from which dataset files are read, resolved.
        remote_sources: The only web servers from which dataset files are fetched.
    """

    import_roots: tuple[Path, ...]
    default_profile: ComputeProfile
    allowed_profiles: tuple[ComputeProfile, ...]
    remote_sources: RemoteSources = field(default_factory=RemoteSources)


@dataclass(frozen=True)
class Services:
    """The parts of a running platform.

    Attributes:
        schedules: What starts by itself, and when.
        operations: What operators do to running instances.
        migrations: Taking instances over to another version of their diagram.
        events: What happens, as messages that processes wait for.
    """

    storage: Storage
    engine: Engine
    schedules: ScheduleBook
    operations: Operations
    migrations: Migrations
    events: EventGateway
    hub: NotificationHub
    compute: Compute
    models: ModelCache
    limits: Limits
