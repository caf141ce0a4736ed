"""The command line: `ami-learning up | serve | worker | scheduler | sealer | demo`, and a group for each noun."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError

from learning import (
    access,
    artifacts,
    audit,
    decisions,
    diagrams,
    incidents,
    instances,
    lineage,
    metric_points,
    models,
    schedules,
    schema,
)
from learning.loading import loading
from learning.settings import LearningSettings, PlatformSettings, SchedulerSettings
from storage import ReportedError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The life of a machine-learning model as BPMN.")
app.add_typer(diagrams.app, name="diagram")
app.add_typer(decisions.app, name="decision")
app.add_typer(schema.app, name="db")
app.add_typer(instances.app, name="instance")
app.add_typer(access.app, name="access")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(incidents.app, name="incident")
app.add_typer(schedules.app, name="schedule")
app.add_typer(audit.app, name="audit")
app.add_typer(lineage.app, name="lineage")
app.add_typer(metric_points.app, name="metrics")
app.add_typer(models.app, name="model")


_SETTINGS = {
    settings.__name__: settings.model_config.get("env_prefix", "")
    for settings in (LearningSettings, PlatformSettings, SchedulerSettings)
}


def main() -> None:
    """Run the command line; a reported error becomes one sentence and exit code 1."""
    os.umask(0o077)  # what the platform writes is for its own user
    signal.signal(signal.SIGTERM, _leave_in_order)
    try:
        app()
    except ReportedError as error:
        _fail(f"{error.code}: {error} {error.hint}", error)
    except ValidationError as error:
        if error.title in _SETTINGS:
            _fail(f"SETTINGS_INVALID: {_settings_at_fault(error)}. See .env.example.", error)
        fields = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        _fail(f"ARGUMENTS_INVALID: {fields}.", error)


def _settings_at_fault(error: ValidationError) -> str:
    """Return what is wrong with which settings, by the names that they have in the environment."""
    prefix = _SETTINGS[error.title]
    faults = ((prefix + str(item["loc"][0]).upper() if item["loc"] else "", item["msg"]) for item in error.errors())
    return "; ".join(f"{name}: {message}".removeprefix(": ") for name, message in faults)


def _leave_in_order(_number: int, _frame: FrameType | None) -> NoReturn:
    """Unwind, so that what was started is stopped; being told twice does not cut that short."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    sys.exit(128 + signal.SIGTERM)


def _fail(sentence: str, error: Exception) -> NoReturn:
    print(sentence.strip(), file=sys.stderr)  # noqa: T201 - the command line's voice
    raise SystemExit(1) from error


@app.command()
def up() -> None:
    """Run database, application, worker, scheduler and sealer on this machine until Ctrl-C."""
    from learning.bootstrap import configure_logging
    from learning.supervisor import Supervisor

    settings = LearningSettings()
    configure_logging(settings, settings.logs / "up.log")
    supervisor = Supervisor(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: supervisor.stop())
    with supervisor.running():
        typer.echo(f"AMI Learning is up: {supervisor.address}/ (MCP at /mcp, models at /v2). Stop it with Ctrl-C.")
        typer.echo(f"Tokens of the development principals: {settings.home.resolve() / 'principals.json'}")
        typer.echo(f"Put dataset files into {settings.inbox}; logs are in {settings.home.resolve() / 'logs'}.")
        supervisor.watch()


@app.command()
def serve() -> None:
    """Run the application: MCP, Open Inference Protocol and console on one port."""
    with loading():
        from learning.application import create_application
        from learning.bootstrap import authenticator, configure_logging, deploy_shipped, running_application
        from learning.web_server import run_web_server
        from storage.authentication import require_loopback

    settings, host = LearningSettings(), PlatformSettings().host
    require_loopback(host)
    configure_logging(settings)
    with running_application(settings) as (services, all_tenants):
        deploy_shipped(services)
        application = create_application(services, authenticator(settings), host, all_tenants)
        run_web_server(application, services.hub, host, settings.port)


@app.command()
def worker() -> None:
    """Run a worker: it claims jobs and runs their handlers until SIGTERM."""
    from learning import bootstrap
    from storage.database import ENGINE_ROLE

    settings = LearningSettings()
    bootstrap.configure_logging(settings)
    with bootstrap.running_services(settings, ENGINE_ROLE) as services:
        running = bootstrap.worker(settings, services)
        _run_until_told([running.run] * settings.worker_threads, running.stop)


@app.command()
def scheduler() -> None:
    """Run a scheduler: it starts process instances when their schedules are due, and keeps metrics, until SIGTERM."""
    from learning import bootstrap

    settings = LearningSettings()
    bootstrap.configure_logging(settings)
    with bootstrap.running_scheduler(settings) as (running, upkeep):

        def stop() -> None:
            running.stop()
            upkeep.stop()

        _run_until_told([running.run, upkeep.run], stop)


@app.command()
def sealer() -> None:
    """Run a sealer: it puts audit leaves into their trees and signs these, until SIGTERM; one works, others wait."""
    from learning import bootstrap

    settings = LearningSettings()
    bootstrap.configure_logging(settings)
    with bootstrap.audit_storage(settings) as storage:
        running = bootstrap.sealer(settings, storage)
        _run_until_told([running.run], running.stop)


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(envvar="DATA", help="A CSV or Parquet file; digits by default.")] = None,
    target: Annotated[str | None, typer.Option(envvar="TARGET", help="The column to predict.")] = None,
    result: Annotated[Path, typer.Option(help="Where to write the result.")] = Path("demo-result.json"),
) -> None:
    """Walk one model from a dataset to an approved endpoint, through MCP, as two principals."""
    with loading():
        from learning.demo import run_demo

    try:
        run_demo(LearningSettings(), data, target, result)
    except KeyboardInterrupt:
        typer.echo("Stopped. What was launched is kept: it goes on with the next 'make up' or 'make demo'.", err=True)
        raise typer.Exit(128 + signal.SIGINT) from None


def _run_until_told(duties: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
    def tell(_number: int, _frame: FrameType | None) -> None:
        threading.Thread(target=stop).start()  # not in the handler: it may interrupt a holder of the same lock

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, tell)
    running = [threading.Thread(target=duty, name=f"run-{number}") for number, duty in enumerate(duties)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
