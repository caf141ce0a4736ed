"""Floor 3: the service layer, one module for each noun.

Commands and queries are plain functions over `Services`; what processes do are service tasks, listed here by type.
No rule lives in a transport above, none in a store below.
"""

from datetime import UTC, datetime

from engine import ServiceTaskRegistry
from handlers import dataset_validation, demotions, endpoint_probe, endpoints, experiments, models
from handlers.experiment_runs import Clock, run_tasks
from handlers.forms import FORMS
from handlers.services import Limits, Services
from runners.compute import Compute


def _utc_now() -> datetime:
    return datetime.now(UTC)


def service_tasks(compute: Compute, clock: Clock = _utc_now) -> ServiceTaskRegistry:
    """Return every service task of the platform.

    Args:
        compute: Where jobs run.
        clock: Returns the time (aware) at which jobs begin and end.
    """
    return ServiceTaskRegistry(
        *dataset_validation.SERVICE_TASKS,
        *experiments.SERVICE_TASKS,
        *run_tasks(compute, clock),
        *models.SERVICE_TASKS,
        *demotions.SERVICE_TASKS,
        *endpoints.SERVICE_TASKS,
        *endpoint_probe.SERVICE_TASKS,
    )


__all__ = ["FORMS", "Limits", "Services", "service_tasks"]
