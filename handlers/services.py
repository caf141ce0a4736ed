"""What commands and queries work with, built once in `learning.bootstrap`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine import Engine, NotificationHub
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
    """

    import_roots: tuple[Path, ...]
    default_profile: ComputeProfile
    allowed_profiles: tuple[ComputeProfile, ...]


@dataclass(frozen=True)
class Services:
    """The parts of a running platform."""

    storage: Storage
    engine: Engine
    hub: NotificationHub
    compute: Compute
    models: ModelCache
    limits: Limits
