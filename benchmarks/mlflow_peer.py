"""What the group `storage` is compared with where it is installed: MLflow's SQL tracking store."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager

from engine_peers import ChildProcess, child_process

ABSENT = "MLflow is not installed, so it is not compared: .venv/bin/pip install -e '.[peers]' brings it."


@contextmanager
def mlflow_peer(url: str) -> Iterator[ChildProcess | None]:
    """Yield MLflow on an empty database, in a process of its own, so that its presence changes no other figure.

    It answers the name of a workload with the seconds that the workload took. None where it is not installed.
    """
    if importlib.util.find_spec("mlflow") is None:
        print(ABSENT)
        yield None
        return
    with child_process("mlflow_child.py", url) as child:
        yield child
