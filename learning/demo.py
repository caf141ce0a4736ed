"""`ami-learning demo`: one model from a file to an approved endpoint, through MCP, as two principals."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
from anyio.from_thread import start_blocking_portal
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from learning.bootstrap import WORKFLOWS, authenticator, configure_logging
from learning.demo_data import DemoData, prepare_data
from learning.errors import DemoError
from learning.settings import LearningSettings
from learning.supervisor import Supervisor
from mcp_server import LearningClient, ToolFailedError

REQUESTER, REVIEWER = "ada", "grace"
_EPOCHS = 30


class Story:
    """What happened, told on the terminal and kept for the result file."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.facts: dict[str, Any] = {}

    def tell(self, sentence: str, audit_ref: str | None = None) -> None:
        """Print one step; its audit reference in a dim line."""
        self._console.print(f"[green]✓[/] {sentence}", highlight=False)
        if audit_ref is not None:
            self._console.print(f"  [dim]audit_ref {audit_ref}[/]", highlight=False)

    def heading(self, text: str) -> None:
        """Print a heading."""
        self._console.print(f"\n[bold]{text}[/]")

    def progress(self) -> Progress:
        """Return a progress bar for epochs."""
        columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, TextColumn("{task.fields[measures]}"), console=self._console)


def run_demo(settings: LearningSettings, data: Path | None, target: str | None, result: Path) -> None:
    """Start the platform, drive the main job, print the account and write the result file.

    Raises:
        ReportedError: With one sentence; the platform is stopped.
    """
    story = Story(Console(soft_wrap=True))
    dataset = prepare_data(settings.inbox, data, target)
    configure_logging(settings, settings.logs / "demo.log")
    supervisor = Supervisor(settings)
    story.heading("Starting PostgreSQL, the application and a worker")
    with supervisor.running():
        story.tell(f"Up at {supervisor.address}")
        tokens = authenticator(settings)
        url = f"{supervisor.address}/mcp"
        clients = (
            LearningClient(url, tokens.token_of(REQUESTER)),
            LearningClient(url, tokens.token_of(REVIEWER)),
        )
        try:
            _watch_while(supervisor, partial(_drive, story, dataset, *clients))
            _infer_over_http(story, supervisor.address, tokens.token_of(REQUESTER), dataset)
        except* ToolFailedError as failures:
            raise _first_failure(failures) from None
    result.write_text(json.dumps(story.facts, indent=2) + "\n", encoding="utf-8")
    _say_where_to_look(story, settings, supervisor.address, result)


def _watch_while(supervisor: Supervisor, drive: Callable[[], Awaitable[None]]) -> None:
    """Run the clients on a thread of their own: this one started the parts of the platform, and has to watch them."""
    with start_blocking_portal() as portal:
        driving = portal.start_task_soon(drive)
        driving.add_done_callback(lambda _driving: supervisor.stop())
        supervisor.watch()
        driving.result()


async def _drive(story: Story, dataset: DemoData, requester: LearningClient, reviewer: LearningClient) -> None:
    async with requester, reviewer:
        await _register(story, dataset, requester)
        await _train(story, requester)
        await _review(story, requester, reviewer)
        await _wait_for_service(story, requester)
        await _infer(story, dataset, requester)


async def _register(story: Story, dataset: DemoData, requester: LearningClient) -> None:
    story.heading(f"1  Dataset: {dataset.path.name}, target {dataset.target!r}")
    payload = {"name": dataset.name, "source_uri": dataset.path.as_uri(), "target": dataset.target}
    answer = await requester.call("learning.create_dataset", dataset_payload=payload, wait_seconds=25)
    while answer["validation_status"] == "pending":  # a large file takes longer than one call may wait
        answer = await requester.call("learning.create_dataset", dataset_payload=payload, wait_seconds=25)
    stats = answer["feature_stats"]
    story.facts |= {
        "dataset_id": answer["dataset_id"],
        "dataset_version": answer["dataset_version"],
        "definitions": answer["definitions"],
    }
    sentence = (
        f"Version {answer['dataset_version']} is {answer['validation_status']}: {answer['row_count']} rows, "
        f"{len(stats['columns'])} columns, {len(stats['class_counts'])} classes"
    )
    story.tell(sentence, answer["audit_ref"])
    for finding in answer["findings"]:
        story.tell(f"Note: {finding['message']}")


async def _train(story: Story, requester: LearningClient) -> None:
    story.heading(f"2  Experiment, requested by {REQUESTER}")
    payload = {
        "dataset_id": story.facts["dataset_id"],
        "dataset_version": story.facts["dataset_version"],
        "config": {"epochs": _EPOCHS, "hidden_sizes": [128]},
    }
    launch = await requester.call("learning.launch_experiment", experiment_payload=payload)
    story.facts |= {key: launch[key] for key in ("experiment_id", "process_instance_id")}
    story.tell(f"Experiment {launch['experiment_id']} launched", launch["audit_ref"])
    with story.progress() as progress:
        bar = progress.add_task("training", total=_EPOCHS, measures="")
        cursor = "0"
        while True:
            answer = await requester.call(
                "learning.stream_events", experiment_id=launch["experiment_id"], subscription_token=cursor
            )
            cursor = answer["subscription_token"]
            for event in answer["events"]:
                _show_progress(progress, bar, event)
            if any(event["kind"] == "user_task.created" for event in answer["events"]):
                break
            await _require_running(requester, story, answer["events"])
    status = await requester.call("learning.get_experiment_status", experiment_id=launch["experiment_id"])
    story.facts["accuracy"] = status["metrics"]["accuracy"]
    story.facts["held_back_sample"] = status["variables"]["evaluation"]["held_back_sample"]
    metrics = ", ".join(f"{name} {value:.3f}" for name, value in status["metrics"].items())
    story.tell(f"Trained, evaluated on held-back rows and registered: {metrics}", status["audit_ref"])


def _show_progress(progress: Progress, bar: Any, event: dict[str, Any]) -> None:
    payload = event["payload"]
    if event["kind"] == "training.progress" and payload.get("kind") == "epoch":
        measures = f"loss {payload['loss']:.4f}"
        if payload["accuracy"] is not None:
            measures += f"  validation accuracy {payload['accuracy']:.3f}"
        progress.update(bar, completed=payload["epoch"], measures=measures)
    elif event["kind"] == "element.activated" and event["element_id"].startswith(("Task_", "CallActivity_")):
        progress.console.print(f"  [dim]{payload['lane']}:[/] {payload['name']}", highlight=False)


async def _require_running(client: LearningClient, story: Story, events: list[dict[str, Any]]) -> None:
    if not any(event["kind"] in {"process.completed", "incident.raised"} for event in events):
        return
    status = await client.call("learning.get_experiment_status", experiment_id=story.facts["experiment_id"])
    reason = status["failure"] or (status["incident"] or {}).get("message", "no reason was recorded")
    raise DemoError(f"The experiment ended as {status['status']}: {reason}")


async def _review(story: Story, requester: LearningClient, reviewer: LearningClient) -> None:
    story.heading(f"3  Review, by {REVIEWER}")
    listed = await reviewer.call("learning.list_user_tasks")
    task = next(
        task for task in listed["user_tasks"] if task["process_instance_id"] == story.facts["process_instance_id"]
    )
    story.facts |= {"model_id": task["context"]["model_id"], "model_version": task["context"]["model_version"]}
    story.tell(f"{REVIEWER} finds {task['name']!r} in the inbox", listed["audit_ref"])
    approval = {
        "user_task_id": task["user_task_id"],
        "submission": {"decision": "approve", "comment": "Accuracy is well above the baseline."},
    }
    try:
        await requester.call("learning.complete_user_task", **approval)
    except ToolFailedError as refusal:
        story.tell(f"{REQUESTER} tries to approve and is refused: {refusal.code}", refusal.answer["audit_ref"])
    else:
        raise DemoError("The requester could approve the own model.")
    answer = await reviewer.call("learning.complete_user_task", **approval)
    story.facts |= {"approved_by": answer["completed_by"], "requested_by": REQUESTER}
    story.tell(f"{REVIEWER} approves", answer["audit_ref"])


async def _wait_for_service(story: Story, requester: LearningClient) -> None:
    story.heading("4  Promotion, deployment, inference")
    cursor, ended = "0", False
    while not ended:
        answer = await requester.call(
            "learning.stream_events", experiment_id=story.facts["experiment_id"], subscription_token=cursor
        )
        cursor = answer["subscription_token"]
        ended = any(event["kind"] in {"process.completed", "incident.raised"} for event in answer["events"])
    status = await requester.call("learning.get_experiment_status", experiment_id=story.facts["experiment_id"])
    if status["status"] != "completed":
        await _require_running(requester, story, answer["events"])
    known = {definition["process_id"] for definition in story.facts["definitions"]}
    story.facts["definitions"] += [item for item in status["definitions"] if item["process_id"] not in known]
    story.facts["definitions"] = [_definition(item) for item in story.facts["definitions"]]
    story.facts["endpoint_id"] = status["variables"]["endpoint_id"]
    story.facts["steps"] = [
        {"name": step["name"], "state": step["state"], "duration_seconds": step["duration_seconds"]}
        for step in status["steps"]
    ]
    story.tell(f"Model version {story.facts['model_version']} is in service", status["audit_ref"])


def _definition(ref: dict[str, Any]) -> dict[str, Any]:
    return {"id": ref["process_id"], "version": ref["version"], "sha256": ref["sha256"]}


async def _infer(story: Story, dataset: DemoData, requester: LearningClient) -> None:
    rows, labels = dataset.rows(story.facts.pop("held_back_sample"))
    answer = await requester.call(
        "learning.run_inference",
        inference_payload={"endpoint_id": story.facts["endpoint_id"], "instances": rows},
    )
    story.facts |= {"predictions": answer["predictions"], "labels": labels}
    sentence = f"Five held-back rows: predicted {answer['predictions']}, labels {labels}"
    story.tell(f"{sentence} ({answer['latency_milliseconds']:.1f} ms)", answer["audit_ref"])


def _infer_over_http(story: Story, address: str, token: str, dataset: DemoData) -> None:
    url = f"{address}/v2/models/{dataset.name}"
    headers = {"Authorization": f"Bearer {token}"}
    rows = dataset.last_rows
    metadata = httpx2.get(url, headers=headers).json()
    answer = httpx2.post(f"{url}/infer", headers=headers, json=_inference_request(metadata, rows)).json()
    if "error" in answer:
        raise DemoError(answer["error"], answer.get("hint", ""))
    outputs = {output["name"]: output["data"] for output in answer["outputs"]}
    if outputs["label"] != story.facts["predictions"]:
        raise DemoError("The model answers otherwise over HTTP than over MCP.")
    story.tell(f"The same over HTTP, POST {url}/infer: {outputs['label']}")


def _inference_request(metadata: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows as the model's metadata asks for them: one matrix, or one tensor for each column."""
    tensors = []
    for tensor in metadata["inputs"]:
        columns = tensor.get("parameters", {}).get("columns")
        data = (
            [[row[column] for column in columns] for row in rows] if columns else [row[tensor["name"]] for row in rows]
        )
        shape = [len(rows), *([len(columns)] if columns else [])]
        tensors.append({"name": tensor["name"], "datatype": tensor["datatype"], "shape": shape, "data": data})
    return {"inputs": tensors}


def _first_failure(failures: BaseExceptionGroup[ToolFailedError]) -> ToolFailedError:
    first = failures.exceptions[0]
    return _first_failure(first) if isinstance(first, BaseExceptionGroup) else first


def _say_where_to_look(story: Story, settings: LearningSettings, address: str, result: Path) -> None:
    home = settings.home.resolve()
    story.heading("Where to look next")
    for line in (
        f"{result.resolve()}: everything above as JSON",
        f"{WORKFLOWS}: the diagrams that ran; open them in Camunda Modeler",
        f"{home}: database, artefacts, logs, tokens of {REQUESTER} and {REVIEWER} (principals.json)",
        f"make up: starts it all again at {address}/",
    ):
        story.tell(line)
