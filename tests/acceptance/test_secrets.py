"""Whatever the platform is told in confidence is in no row, log, event, error, metric or process list afterwards."""

from __future__ import annotations

import base64
import json
import os
import secrets as chance
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from experiment_steps import approve, launch, to_the_end
from planted_secrets import Secrets, Sightings, watching
from platform_under_test import Platform, free_port, running_platform, two_clusters
from sqlalchemy import make_url

from mcp_server import ToolFailedError

CODES_OF_SOURCES = {"DATASET_SOURCE_NOT_ALLOWED", "DATASET_SOURCE_UNREACHABLE"}


@dataclass(frozen=True)
class Witness:
    """A platform to which secrets were given, and everything that it said."""

    platform: Platform
    secrets: Secrets
    database_url: str
    web_port: int
    heard: list[str] = field(default_factory=list)

    def call(self, user_id: str, tool: str, **arguments: Any) -> dict[str, Any]:
        answer = self.platform.call(user_id, tool, **arguments)
        self.heard.append(json.dumps(answer))
        return answer

    def refused(self, tool: str, **arguments: Any) -> str:
        with pytest.raises(ToolFailedError) as refusal:
            self.platform.call("ada", tool, **arguments)
        self.heard.extend([str(refusal.value), json.dumps(refusal.value.answer)])
        return refusal.value.code

    def http(self, method: str, path: str, **request: Any) -> httpx2.Response:
        answer = httpx2.request(method, self.platform.address + path, **request)
        self.heard.extend([answer.text, str(answer.headers)])
        return answer

    def start(self, **settings: str) -> subprocess.Popen[str]:
        """Start a part of the platform by hand."""
        return subprocess.Popen(
            [sys.executable, "-m", "learning", "worker"],
            env={**os.environ, "LEARNING_HOME": str(self.platform.home), **settings}, cwd=self.platform.home,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def ended(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Return the exit code of a part, and the code of the error that it ends with."""
        said, _ = process.communicate(timeout=60)
        self.heard.append(said)
        return process.returncode, said.strip().splitlines()[-1].partition(":")[0]

    def source(self, path: str, user: str = "") -> str:
        return f"http://{user}127.0.0.1:{self.web_port}{path}"


class _WebServer(BaseHTTPRequestHandler):
    """A server that has a dataset, and sends away whoever asks for anything else."""

    def do_GET(self) -> None:
        if self.path.startswith("/clusters.csv"):
            content = two_clusters().encode()
            self.send_response(200)
        else:
            content = b""
            self.send_response(302)
            self.send_header("Location", f"/clusters.csv?{self.path.partition('?')[2]}")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments: Any) -> None:
        pass


@contextmanager
def web_server() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _WebServer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def witness(database_url_of_module: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Witness]:
    secrets, master_key = Secrets(), chance.token_bytes(32)
    secrets.add("master key", master_key)
    with ExitStack() as stack:
        password = secrets.new("database password")
        url = make_url(database_url_of_module).set(password=password).render_as_string(hide_password=False)
        port = stack.enter_context(web_server())
        settings = {
            "LEARNING_DATABASE_URL": url,
            "LEARNING_MASTER_KEY": base64.b64encode(master_key).decode(),
            "LEARNING_S3_ACCESS_KEY": secrets.new("access key of the object store"),
            "LEARNING_S3_SECRET_KEY": secrets.new("secret key of the object store"),
            "LEARNING_SOURCE_ORIGINS": f"http://127.0.0.1:{port}",
            "LEARNING_SOURCE_NETWORKS": "127.0.0.0/8",
            "LEARNING_LOG_LEVEL": "DEBUG",
        }
        platform = stack.enter_context(running_platform(tmp_path_factory.mktemp("home"), **settings))
        for person in json.loads((platform.home / "principals.json").read_text())["principals"]:
            secrets.add(f"token of {person['user_id']}", person["token"].encode())
        yield Witness(platform, secrets, url, port)


@pytest.fixture(scope="module")
def told(witness: Witness) -> Sightings:
    """Everything was done that secrets are given for, and much of it wrongly."""
    with watching(witness.platform.process.pid) as sightings:
        commands = give_secrets_to_the_command_line(witness)
        live_through_everything(witness)
        give_secrets_in_sources(witness)
        give_secrets_to_wrong_doors(witness)
        give_secrets_to_tools(witness)
        assert {name: witness.ended(process) for name, process in commands.items()} == CODES_OF_COMMANDS
    return sightings


def live_through_everything(witness: Witness) -> None:
    platform = witness.platform
    payload = {
        "name": "confided",
        "source_uri": witness.source(f"/clusters.csv?signature={witness.secrets.new('signature of a source')}"),
        "target": "kind",
        "data_classification": "confidential",
    }
    dataset = witness.call("ada", "create_dataset", dataset_payload=payload)
    experiment = launch(platform, dataset, "confided")
    approve(platform, experiment)
    status = to_the_end(platform, experiment)
    rows = [{"width": 12, "height": 6.25, "colour": "red"}]
    inference = {"endpoint_id": status["variables"]["endpoint_id"], "instances": rows}
    events = platform.follow(experiment["experiment_id"], lambda event: event["kind"] == "process.completed")
    witness.heard.append(json.dumps([status, events]))
    witness.call("ada", "run_inference", inference_payload=inference)
    use_a_link(witness, dataset)
    assert status["status"] == "completed"


def use_a_link(witness: Witness, dataset: dict[str, Any]) -> None:
    record = {"model": "DatasetVersion", "record_id": dataset["dataset_version_id"]}
    with psycopg.connect(witness.database_url) as connection:
        statement = "select body->>'storage_location' from document where id = %s"
        (uri,) = connection.execute(statement, (dataset["dataset_version_id"],)).fetchone() or ("",)
    headers = witness.platform.headers("ada")
    issued = httpx2.post(f"{witness.platform.address}/artifacts/links", json={**record, "uri": uri}, headers=headers)
    path = issued.json()["path"]
    witness.secrets.add("link", path.rpartition("/")[2].encode())
    statuses = [httpx2.get(witness.platform.address + path).status_code, witness.http("GET", path).status_code]
    assert statuses == [200, 403]


def give_secrets_in_sources(witness: Witness) -> None:
    secret = witness.secrets.new("password in a source")
    token = witness.secrets.new("token in a source")
    sources = (
        witness.source("/clusters.csv", user=f"me:{secret}@"),
        witness.source(f"/moved.csv?token={token}"),
        witness.source(f"/clusters.csv#{token}"),
        f"https://me:{secret}@data.example/set.csv?token={token}",
        f"https://{secret}@data.example/set.csv",
        f" HTTPS://me:{secret}@data.example/set.csv",
        f"s3://{secret}:{secret}@bucket/set.csv?X-Amz-Signature={token}",
        f"postgresql://me:{secret}@127.0.0.1/set",
        f"file://me:{secret}@localhost{witness.platform.inbox}/set.csv",
        f"//me:{secret}@data.example/set.csv?token={token}#{token}",
        f"https:me:{secret}@data.example/set.csv",
        f"https://me:{secret}\\@data.example/@/set.csv",
        f"https://me:pass/{secret}@data.example/set.csv",
    )
    for source in sources:
        payload = {"name": "kept-out", "source_uri": source, "target": "kind"}
        assert witness.refused("create_dataset", dataset_payload=payload) in CODES_OF_SOURCES


def give_secrets_to_wrong_doors(witness: Witness) -> None:
    token = witness.secrets.new("token of another server")
    wrong = {"Authorization": f"Bearer {token}", "X-Api-Key": token, "Cookie": f"session={token}", "User-Agent": "test"}
    right = {**witness.platform.headers("ada"), "X-Api-Key": token, "Cookie": f"session={token}"}
    statuses = [
        witness.http("POST", "/mcp", headers=wrong, json={"token": token}).status_code,
        witness.http("GET", "/v2/models/confided", headers=wrong).status_code,
        witness.http("GET", f"/v2/models/nobody?access_token={token}", headers=right).status_code,
        witness.http("POST", "/v2/models/confided/infer", headers=right, json={"password": token}).status_code,
        witness.http("POST", "/artifacts/links", headers=right, json={"password": token}).status_code,
        witness.http("GET", f"/artifacts/links/{token}").status_code,
        witness.http("GET", f"/metrics?access_token={token}", headers=right).status_code,
    ]
    witness.http(
        "POST", "/mcp", headers={**right, "Accept": "application/json"}, content=b'{"password": "' + token.encode()
    )
    assert statuses == [401, 401, 404, 400, 400, 403, 200]


def give_secrets_to_tools(witness: Witness) -> None:
    """Put a secret where something else belongs, and where nothing belongs."""
    secret = witness.secrets.new("password in an argument")
    codes = [
        witness.refused("get_instance", process_instance_id=secret),
        witness.refused("list_instances", statuses=[secret]),
        witness.refused("list_instances", limit=secret),
        witness.refused("create_dataset", dataset_payload={"name": {"password": secret}, "password": secret}),
        witness.refused("launch_experiment", experiment_payload=secret),
        witness.refused("run_inference", inference_payload={"endpoint_id": secret, "instances": secret}),
        witness.refused("grant_access", model=secret, record_id=secret, permissions=[secret], conditions=secret),
        witness.refused("grant_access", conditions={"networks": [secret], "claims": [secret], "not_before": secret}),
        witness.refused("scheduler_trigger_event", event_type="drift.detected", payload={"model_id": secret}),
        witness.refused("scheduler_define_process", process_payload={"process_id": "p"}, schedule_definition=secret),
        witness.refused("scheduler_get_metrics", process_id="p", time_window=secret),
    ]
    assert set(codes) == {"ARGUMENTS_INVALID"}


def give_secrets_to_the_command_line(witness: Witness) -> dict[str, subprocess.Popen[str]]:
    """Start parts with settings that cannot work; they end while other things happen."""
    password = witness.secrets.new("password of a database that is not there")
    key = witness.secrets.new("key of a store that is not there")
    nowhere = f"postgresql://me:{password}@127.0.0.1:{free_port()}/nowhere"
    store = {"LEARNING_S3_ACCESS_KEY": key, "LEARNING_S3_SECRET_KEY": key, "LEARNING_S3_SECURE": "false"}
    here = {"LEARNING_DATABASE_URL": witness.database_url}
    return {
        "no server": witness.start(LEARNING_DATABASE_URL=nowhere),
        "no URL": witness.start(LEARNING_DATABASE_URL=f"postgresql://me:{password}@127.0.0.1:{password}/nowhere"),
        "no key": witness.start(**here, LEARNING_MASTER_KEY=key),
        "no origin": witness.start(**here, LEARNING_SOURCE_ORIGINS=f"https://me:{password}@data.example"),
        "no store": witness.start(**here, **store, LEARNING_S3_ENDPOINT=f"127.0.0.1:{free_port()}"),
    }


CODES_OF_COMMANDS = {
    "no server": (1, "DATABASE_UNAVAILABLE"),
    "no URL": (1, "DATABASE_UNAVAILABLE"),
    "no key": (1, "MASTER_KEY_UNUSABLE"),
    "no origin": (1, "SETTINGS_INVALID"),
    "no store": (1, "OBJECT_STORE_UNAVAILABLE"),
}


@pytest.mark.requirement("secrets")
def test_no_secret_is_in_any_row(witness: Witness, told: Sightings) -> None:
    assert told.commands
    assert witness.secrets.found_in_database(witness.database_url) == {}


@pytest.mark.requirement("secrets")
def test_no_secret_is_in_any_file_but_those_that_keep_them(witness: Witness, told: Sightings) -> None:
    home = witness.platform.home
    keepers = [home / "principals.json", home / "audit-key.json"]
    for key in json.loads(keepers[1].read_bytes()):
        witness.secrets.add(f"audit key {key['name']}", base64.b64decode(key["private_key"]))

    assert told.commands
    assert witness.secrets.found_in_files(home, besides=keepers) == {}
    assert {path.name: path.stat().st_mode & 0o777 for path in keepers} == {path.name: 0o600 for path in keepers}


@pytest.mark.requirement("secrets")
def test_no_secret_is_in_the_database_servers_log(witness: Witness, told: Sightings) -> None:
    folder = Path(str(make_url(witness.database_url).query["host"]))

    assert told.commands
    assert witness.secrets.found_in((folder / "log").read_bytes()) == set()


@pytest.mark.requirement("secrets")
def test_no_secret_is_in_any_answer_event_or_output(witness: Witness, told: Sightings) -> None:
    witness.http("GET", "/metrics")

    assert told.commands
    assert [text for text in (*witness.heard, *witness.platform.printed) if witness.secrets.found_in(text)] == []


@pytest.mark.requirement("secrets")
def test_no_secret_is_on_a_command_line_nor_given_to_a_job(witness: Witness, told: Sightings) -> None:
    jobs = {program: witness.secrets.found_in(variables) for program, variables in told.environments.items()}

    assert {command for command in told.commands if witness.secrets.found_in(command)} == set()
    assert {program: found for program, found in jobs.items() if found} == {}
    assert "runners.jobs.train" in jobs


@pytest.mark.requirement("secrets")
def test_a_secret_that_is_given_away_is_found(database_url: str, tmp_path: Path) -> None:
    secrets = Secrets()
    secret = secrets.new("plain").encode()
    kept, given_away, named = tmp_path / "kept", tmp_path / "given-away", tmp_path / f"{secret.decode()}.bin"
    named.touch()
    for path, content in ((kept, secret), (given_away, b"x" + base64.b64encode(b"y" + secret + b"z"))):
        path.write_bytes(content)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create table as_bytes as select %s::bytea", (b"\0" + secret,))
        connection.execute("create table as_document as select jsonb_build_object('a', %s::text)", (secret.decode(),))

    assert secrets.found_in_files(tmp_path, besides=[kept]) == {str(path): {"plain"} for path in (given_away, named)}
    assert secrets.found_in_database(database_url) == {
        "public.as_bytes": {"plain"},
        "public.as_document": {"plain"},
    }
