"""Group `learning`: what the platform costs around a training."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
from bare_training import EPOCHS, HIDDEN
from measurement import Measurement

from learning.bootstrap import authenticator
from learning.demo_data import DemoData, prepare_data
from learning.settings import LearningSettings
from learning.supervisor import Supervisor
from mcp_server import LearningClient

_ROUNDS = 3
_BAR = 2.5


def measure() -> list[Measurement]:
    """Return the demo's experiment, without start-up and the human, over the bare script: wall time, interleaved."""
    with tempfile.TemporaryDirectory() as folder:
        settings = LearningSettings(home=Path(folder), port=_free_port())
        data = prepare_data(settings.inbox, None, None)
        supervisor = Supervisor(settings)
        with supervisor.running():
            pairs = [(_experiment(settings, supervisor, data), _bare(data)) for _ in range(_ROUNDS)]
    ratio = statistics.median(experiment for experiment, _ in pairs) / statistics.median(bare for _, bare in pairs)
    against = "the bare training script of the same network, imports included"
    return [Measurement("learning.experiment_wall_time", ratio, "x", _BAR, "lower", against)]


def _bare(data: DemoData) -> float:
    started = time.perf_counter()
    script = Path(__file__).with_name("bare_training.py")
    subprocess.run([sys.executable, str(script), str(data.path), data.target], check=True, capture_output=True)
    return time.perf_counter() - started


def _experiment(settings: LearningSettings, supervisor: Supervisor, data: DemoData) -> float:
    tokens, url = authenticator(settings), f"{supervisor.address}/mcp"
    clients = (LearningClient(url, tokens.token_of("ada")), LearningClient(url, tokens.token_of("grace")))
    return anyio.run(_drive, data, *clients)


async def _drive(data: DemoData, ada: LearningClient, grace: LearningClient) -> float:
    async with ada, grace:
        payload = {"name": data.name, "source_uri": data.path.as_uri(), "target": data.target}
        dataset = await ada.call("learning.create_dataset", dataset_payload=payload)
        config = {"epochs": EPOCHS, "hidden_sizes": [HIDDEN]}
        launched_at = time.perf_counter()
        request = {"dataset_id": dataset["dataset_id"], "config": config}
        launch = await ada.call("learning.launch_experiment", experiment_payload=request)
        created = await _until(ada, launch["experiment_id"], "user_task.created")
        waiting_at = time.perf_counter()
        approval = {"decision": "approve"}
        task_id = created["payload"]["user_task_id"]
        await grace.call("learning.complete_user_task", user_task_id=task_id, submission=approval)
        approved_at = time.perf_counter()
        await _until(ada, launch["experiment_id"], "process.completed")
        return (waiting_at - launched_at) + (time.perf_counter() - approved_at)


async def _until(client: LearningClient, experiment_id: str, kind: str) -> dict[str, Any]:
    cursor = "0"
    while True:
        answer = await client.call("learning.stream_events", experiment_id=experiment_id, subscription_token=cursor)
        cursor = answer["subscription_token"]
        for event in answer["events"]:
            if event["kind"] == "incident.raised":
                raise RuntimeError(event["payload"])
            if event["kind"] == kind:
                found: dict[str, Any] = event
                return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
