"""Whatever a caller sends through a door, it gets its own code, and leaves neither row nor object nor file behind."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from handlers_platform import ADA, ADMIN, RememberingCompute, Workshop, open_workshop, two_clusters
from open_door import Door, open_door
from pyarrow import ipc, parquet
from rows_and_objects import holdings

from handlers.remote_sources import RemoteSources
from storage.errors import RecordConflictError
from storage.models import Dataset

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40
INJECTIONS = (
    "' or '1'='1",
    "'; drop table document; --",
    "x') union select body::text from document --",
    "%' or 1=1 --",
    "\\'; select pg_sleep(30); --",
    "$$; delete from audit_leaf; $$",
    "%s %(tenant_id)s :tenant_id {0} $1",
)


class Web(BaseHTTPRequestHandler):
    """A server that sends everybody on to where they must not go."""

    asked: list[str] = []  # noqa: RUF012 - of the class, for a handler lives for one request

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(302)
        self.send_header("Location", self.path.partition("?to=")[2] or "/set.csv")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def shop(database_url_of_module: str, tmp_path_factory: pytest.TempPathFactory, web: int) -> Iterator[Workshop]:
    """One service layer for all tests of this file; it may ask one web server, and some of names that lead astray."""
    folder = tmp_path_factory.mktemp("shop")
    shop = open_workshop(database_url_of_module, folder, RememberingCompute(folder / "jobs"))
    origins = (f"http://127.0.0.1:{web}", "http://169.254.169.254", "http://[::1]:8080", "http://0x7f000001")
    sources = RemoteSources(origins=(*origins, "http://localhost"), networks=(ip_network("127.0.0.1/32"),))
    services = replace(shop.services, limits=replace(shop.services.limits, remote_sources=sources))
    shop = replace(shop, services=services)
    with services.hub:
        yield shop
    shop.close()


@pytest.fixture(scope="module")
def door(shop: Workshop) -> Iterator[Door]:
    with open_door(shop.services, shop.all_tenants, {"ada": ADA, "olga": ADMIN}) as door:
        yield door


@pytest.fixture
def untouched(shop: Workshop) -> Iterator[None]:
    """Nothing that the test does leaves anything behind, but for what is on the audit trail."""
    before = holdings(shop)
    yield
    assert holdings(shop) == before


def register(door: Door, **payload: Any) -> dict[str, Any]:
    asked = {"name": "hostile", "target": "kind", **payload}
    (answer,) = door.ask("ada", ("learning.create_dataset", {"dataset_payload": asked, "wait_seconds": 0}))
    return answer


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("file:///etc/passwd", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file://{inbox}/../secret.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file://{inbox}/%2e%2e%2fsecret.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file://{inbox}/..%2fsecret.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file://{inbox}/%252e%252e/secret.csv", "FILE_UNREADABLE"),
        ("file://{inbox}/..\\secret.csv", "FILE_UNREADABLE"),
        ("file://{inbox}/x.csv#/../../secret.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file://{inbox}/x.csv?/../secret.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file://{inbox}/x.csv%00.png", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file://{inbox}/link.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("file://evil.example{inbox}/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("{inbox}/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("../x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("object://records/audit/checkpoint", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://127.0.0.1:1/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://2130706433/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://0177.0.0.1/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://[::ffff:127.0.0.1]/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://127.0.0.1:{web}@evil.example/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://me:secret@127.0.0.1:{web}/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://127.0.0.1:{web}/x.csv#@evil.example", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://127.0.0.1:{web}\\@evil.example/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://127.0.0.1:{web}/x.csv\r\nHost: evil.example", "DATASET_SOURCE_NOT_ALLOWED"),
        ("gopher://127.0.0.1:{web}/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("ftp://127.0.0.1:{web}/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://169.254.169.254/latest/meta-data/", "DATASET_SOURCE_ADDRESS_REFUSED"),
        ("http://[::1]:8080/x.csv", "DATASET_SOURCE_NOT_ALLOWED"),
        ("http://127.0.0.1:{web}/?to=http://169.254.169.254/latest/", "DATASET_SOURCE_UNREACHABLE"),
        ("http://127.0.0.1:{web}/?to=file:///etc/passwd", "DATASET_SOURCE_UNREACHABLE"),
        ("http://127.0.0.1:{web}/?to=/x.csv", "DATASET_SOURCE_UNREACHABLE"),
    ],
)
def test_a_source_that_leads_astray_is_refused(door: Door, shop: Workshop, web: int, source: str, code: str) -> None:
    (shop.inbox.parent / "secret.csv").write_text(two_clusters())
    if not (shop.inbox / "link.csv").is_symlink():
        (shop.inbox / "link.csv").symlink_to(shop.inbox.parent / "secret.csv")
    Web.asked.clear()

    answer = register(door, source_uri=source.format(inbox=shop.inbox, web=web))

    assert (answer["code"], bool(answer["hint"]), bool(answer["audit_ref"])) == (code, True, True)
    assert len(Web.asked) == (code == "DATASET_SOURCE_UNREACHABLE")


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, member in members.items():
            packed.writestr(name, member)
    return content.getvalue()


def linked() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as packed:
        info = tarfile.TarInfo("cat/a.png")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        packed.addfile(info)
    return content.getvalue()


class Deed:
    """Unpickled, it would leave a file in the temporary folder."""

    def __init__(self, proof: Path) -> None:
        self._proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._proof,)


def arrays(proof: Path) -> bytes:
    content = io.BytesIO()
    np.savez(content, allow_pickle=True, kind=np.array([Deed(proof)] * 3, dtype=object))
    return content.getvalue()


def columnar(write: Callable[[pa.Table, io.BytesIO], None], width: Sequence[object] = range(500)) -> bytes:
    content = io.BytesIO()
    write(pa.table({"width": width, "kind": ["a", "b"] * (len(width) // 2)}), content)
    return content.getvalue()


def _as_arrow(table: pa.Table, content: io.BytesIO) -> None:
    with ipc.new_file(content, table.schema) as writer:
        writer.write_table(table)


def _flipped(content: bytes, place: float) -> bytes:
    at = int(len(content) * place)
    return content[:at] + bytes(byte ^ 0xFF for byte in content[at : at + 8]) + content[at + 8 :]


FILES: list[tuple[str, Callable[[Path], bytes], str]] = [
    ("a pickle", lambda proof: pickle.dumps(Deed(proof)), "PICKLE_REFUSED"),
    ("a torch file", lambda proof: archive(**{"a/data.pkl": pickle.dumps(Deed(proof))}), "PICKLE_REFUSED"),
    ("arrays of objects", arrays, "PICKLE_REFUSED"),
    ("a slipping zip", lambda _: archive(**{"../../cat/a.png": PNG, "dog/b.png": PNG}), "FILE_NOT_TABULAR"),
    ("an absolute zip", lambda _: archive(**{"/cat/a.png": PNG, "dog/b.png": PNG}), "FILE_NOT_TABULAR"),
    ("a tar with a link", lambda _: linked(), "FILE_NOT_TABULAR"),
    ("a bomb", lambda _: columnar(parquet.write_table, width=["x" * 17 * 1024**2] * 2), "FILE_TOO_LARGE"),
    ("half a Parquet file", lambda _: columnar(parquet.write_table)[:900], "FILE_NOT_TABULAR"),
    ("a Parquet file with a wrong footer", lambda _: _flipped(columnar(parquet.write_table), 0.9), "FILE_NOT_TABULAR"),
    ("half an Arrow file", lambda _: columnar(_as_arrow)[:700], "FILE_NOT_TABULAR"),
    ("JSON lines of two kinds", lambda _: b'{"width": 1, "kind": "a"}\n[1, 2]\n', "FILE_NOT_TABULAR"),
    ("JSON without an end", lambda _: b'{"width": 1, "kind": "a"}\n{"width": ', "FILE_NOT_TABULAR"),
    ("deep JSON", lambda _: b'{"kind": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "FILE_NOT_TABULAR"),
    ("CSV with NUL", lambda _: b"width,kind\n1,a\0b\n", "FILE_NOT_TABULAR"),
    ("CSV with half a character", lambda _: b"width,kind\n1,\xed\xa0\x80\n", "FILE_NOT_TABULAR"),
    ("ragged CSV", lambda _: b"width,kind\n1,a\n1,a,b\n", "FILE_NOT_TABULAR"),
]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("make", "code"), [pytest.param(make, code, id=name) for name, make, code in FILES])
def test_a_file_made_to_do_harm_is_refused(
    door: Door, shop: Workshop, tmp_path: Path, make: Callable[[Path], bytes], code: str
) -> None:
    proof = tmp_path / "ran"
    (shop.inbox / "harmful").write_bytes(make(proof))

    answer = register(door, source_uri=(shop.inbox / "harmful").as_uri())

    assert (answer["code"], bool(answer["hint"]), proof.exists()) == (code, True, False)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../x",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "a#b",
        "a%2fb",
        "a%00b",
        "",
        " x",
        "x" * 101,
        "a\x00b",
        "\N{ZERO WIDTH SPACE}",
        *INJECTIONS,
    ],
)
def test_a_name_that_could_be_more_than_a_name_is_refused(door: Door, shop: Workshop, name: str) -> None:
    answer = register(door, source_uri=shop.put("sound.csv", two_clusters()), name=name)

    assert (answer["code"], answer["details"].keys()) == ("ARGUMENTS_INVALID", {"dataset_payload.name"})


FILTERS: list[tuple[str, dict[str, Any]]] = [
    ("learning.list_instances", {"business_key": "TEXT"}),
    ("learning.list_instances", {"process_id": "TEXT"}),
    ("learning.list_user_tasks", {"process_id": "TEXT"}),
    ("learning.list_user_tasks", {"cursor": "TEXT"}),
    ("learning.explain_production", {"question": {"model_name": "TEXT"}}),
    ("learning.explain_production", {"question": {"model_name": "clusters", "alias": "TEXT"}}),
    ("learning.get_production_at", {"at": "2026-01-01T00:00:00Z", "alias": "TEXT"}),
    ("scheduler_list_events", {"process_id": "TEXT"}),
    ("scheduler_list_schedules", {"process_id": "TEXT"}),
    ("scheduler_get_metrics", {"process_id": "TEXT"}),
]
EMPTY: tuple[object, ...] = ([], None, {})


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("injection", INJECTIONS)
def test_sql_in_a_filter_is_a_text_that_nothing_equals(door: Door, injection: str) -> None:
    calls = [
        (tool, json.loads(json.dumps(asked).replace("TEXT", json.dumps(injection)[1:-1]))) for tool, asked in FILTERS
    ]

    answers = door.ask("olga", *calls)

    for (tool, asked), answer in zip(calls, answers, strict=True):
        found = {name: value for name, value in answer.items() if name != "audit_ref"}
        is_refused = found.get("code") in {
            "ARGUMENTS_INVALID",
            "CURSOR_INVALID",
            "PROCESS_NOT_FOUND",
            "INBOX_CURSOR_INVALID",
        }
        assert is_refused or all(value in EMPTY for value in found.values()), (tool, asked, answer)


def test_of_those_who_change_one_record_at_once_one_wins_and_the_others_are_told(shop: Workshop) -> None:
    registered = shop.register(two_clusters(22), name="contested")
    together = threading.Barrier(4)

    def change(number: int) -> str:
        together.wait()
        try:
            shop.change(registered.dataset, description=f"by {number}")
        except RecordConflictError as conflict:
            return conflict.code
        return "changed"

    with ThreadPoolExecutor(4) as people:
        outcomes = sorted(people.map(change, range(4)))

    assert outcomes == ["RECORD_CONFLICT"] * 3 + ["changed"]


def test_the_same_file_registered_by_many_at_once_is_one_version(door: Door, shop: Workshop) -> None:
    source = shop.put("together.csv", two_clusters(26))

    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda _: register(door, source_uri=source, name="together"), range(4)))

    assert len({answer["dataset_version_id"] for answer in answers}) == 1
    assert len(shop.records(Dataset, name="together")) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "change"),
    [
        (
            "scheduler_trigger_event",
            {"event_type": "told", "business_key": "k", "payload": {"a": 1}},
            {"payload": {"a": 2}},
        ),
        (
            "scheduler_define_process",
            {
                "process_payload": {"process_id": "promotion"},
                "schedule_definition": {"trigger": {"kind": "cron", "line": "0 2 1 1 *"}},
            },
            {"schedule_definition": {"trigger": {"kind": "cron", "line": "0 3 1 1 *"}}},
        ),
        (
            "scheduler_start_instance",
            {"process_id": "dataset-validation", "variables": {"dataset_version_id": "x"}},
            {"variables": {"dataset_version_id": "y"}},
        ),
    ],
)
def test_a_key_gives_the_same_answer_again_and_a_conflict_for_other_content(
    door: Door, shop: Workshop, tool: str, arguments: dict[str, Any], change: dict[str, Any]
) -> None:
    keyed = {**arguments, "idempotency_key": f"key of {tool}"}
    (first,) = door.ask("olga", (tool, keyed))
    before = holdings(shop)

    (again, other) = door.ask("olga", (tool, keyed), (tool, {**keyed, **change}))

    volatile = {"audit_ref", "is_duplicate"}
    assert {k: v for k, v in again.items() if k not in volatile} == {
        k: v for k, v in first.items() if k not in volatile
    }
    assert other["code"] == "IDEMPOTENCY_CONFLICT"
    assert holdings(shop) == before
