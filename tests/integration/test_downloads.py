"""A link gives its one object once, and nothing to whoever uses it again, too late, or for something else."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from handlers_platform import ADA, STRANGER, Workshop, two_clusters
from lock_waits import lock_waits
from patience import becomes
from sqlalchemy import text
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from handlers.datasets import DatasetPayload, register_dataset
from handlers.grants import grants_lock
from learning.downloads import download_routes
from learning.middleware import Authentication
from storage import SecurityContext
from storage.errors import InvalidTokenError
from storage.models import DataClassification, DatasetVersion


class People:
    """Whoever says who they are."""

    def authenticate(self, authorization: str | None, _address: str | None) -> SecurityContext:
        people = {"Bearer ada": ADA, "Bearer sven": STRANGER}
        if authorization not in people:
            raise InvalidTokenError
        return people[authorization]


@pytest.fixture
def client(shop: Workshop) -> Iterator[TestClient]:
    middleware = [Middleware(Authentication, authenticator=People())]
    with closing(TestClient(Starlette(routes=download_routes(shop.services), middleware=middleware))) as client:
        yield client


@pytest.fixture
def version(shop: Workshop) -> DatasetVersion:
    payload = DatasetPayload(
        name="clusters",
        source_uri=shop.put("clusters.csv", two_clusters()),
        target="kind",
        data_classification=DataClassification.CONFIDENTIAL,
    )
    return register_dataset(shop.services, payload, context=ADA).version


def asking(version: DatasetVersion, **changes: object) -> dict[str, object]:
    return {"model": "DatasetVersion", "record_id": str(version.id), "uri": version.storage_location, **changes}


def ask(client: TestClient, body: dict[str, object], who: str = "ada") -> Any:
    return client.post("/artifacts/links", json=body, headers={"Authorization": f"Bearer {who}"})


def stored(shop: Workshop, version: DatasetVersion) -> bytes:
    """Return what the version's object says: its manifest."""
    return shop.services.storage.objects.read_bytes(version.storage_location)


def link(client: TestClient, version: DatasetVersion) -> str:
    answer = ask(client, asking(version))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["path"])


def outcome(answer: Any) -> tuple[int, str, str]:
    return answer.status_code, answer.json()["code"], answer.json()["error"].split(": ")[1]


def test_a_link_gives_its_object_once_and_without_a_token(
    client: TestClient, version: DatasetVersion, shop: Workshop
) -> None:
    path = link(client, version)

    first, second = client.get(path), client.get(path)

    assert (first.status_code, first.content) == (200, stored(shop, version))
    assert first.headers["cache-control"] == "no-store"
    assert outcome(second) == (403, "LINK_REFUSED", "it was used before.")


def test_a_link_that_has_expired_gives_nothing(client: TestClient, version: DatasetVersion, shop: Workshop) -> None:
    path = link(client, version)
    with shop.services.storage.transaction("north") as work:
        work.connection.execute(text("update object_link set expires_at = now() - interval '1 second'"))

    assert outcome(client.get(path)) == (403, "LINK_REFUSED", "it has expired.")


def test_a_link_of_somebodys_own_making_gives_nothing(
    client: TestClient, version: DatasetVersion, shop: Workshop
) -> None:
    path = link(client, version)

    for other in (path[:-1], f"{path}x", path.swapcase(), f"/artifacts/links/{version.checksum}"):
        answer = client.get(other)
        assert answer.status_code in {401, 403, 404}
    assert client.get(f"{path}?uri=object://sha256/{'0' * 64}").content == stored(shop, version)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "POST", "DELETE", "OPTIONS"])
def test_another_method_gives_nothing_and_uses_nothing_up(
    client: TestClient, version: DatasetVersion, method: str
) -> None:
    path = link(client, version)

    assert client.request(method, path).status_code == 405
    assert client.get(path).status_code == 200


def test_no_link_leads_to_what_the_record_does_not_name(client: TestClient, version: DatasetVersion) -> None:
    for uri in (
        f"object://sha256/{'0' * 64}",
        f"{version.storage_location}0",
        "object://records/x",
        "file:///etc/passwd",
        "",
    ):
        assert outcome(ask(client, asking(version, uri=uri))) == (
            403,
            "LINK_REFUSED",
            "the record does not name that object.",
        )


def test_whoever_may_not_read_the_record_gets_no_link(client: TestClient, version: DatasetVersion) -> None:
    assert ask(client, asking(version), who="sven").json()["code"] == "RECORD_NOT_FOUND"
    assert ask(client, asking(version), who="nobody").status_code == 401


def test_a_link_that_is_asked_for_while_a_revocation_is_under_way_is_refused_once_that_counts(
    client: TestClient, version: DatasetVersion, shop: Workshop
) -> None:
    restricted = {"data_classification": DataClassification.RESTRICTED, "acl": ()}

    with ThreadPoolExecutor() as others, shop.services.storage.transaction("north") as work:
        work.lock(grants_lock(version.id))
        work.get_crud(DatasetVersion).update(version, restricted, context=ADA)
        answer = others.submit(ask, client, asking(version))
        assert becomes(lambda: answer.done() or lock_waits(work.connection) > 0)

    assert answer.result().json()["code"] == "RECORD_NOT_FOUND"


@pytest.mark.parametrize(
    "changes", [{"model": "Experiment"}, {"record_id": "x"}, {"seconds": 0}, {"seconds": 3_601}, {"more": 1}]
)
def test_a_request_that_is_none_is_refused(
    client: TestClient, version: DatasetVersion, changes: dict[str, object]
) -> None:
    assert ask(client, asking(version, **changes)).status_code == 400


def test_the_secret_of_a_link_is_not_in_the_database(
    client: TestClient, version: DatasetVersion, shop: Workshop
) -> None:
    secret = link(client, version).rpartition("/")[2]
    with shop.services.storage.transaction("north") as work:
        (row,) = work.connection.execute(text("select object_link::text from object_link")).all()

    assert secret not in row[0]


def test_a_download_and_an_attempt_at_a_second_one_are_on_the_record_of_whom_the_link_was_given_to(
    client: TestClient, version: DatasetVersion, shop: Workshop
) -> None:
    path = link(client, version)
    client.get(path)
    client.get(path)
    client.get("/artifacts/links/nowhere")
    with shop.services.storage.transaction("north") as work:
        work.connection.execute(text("select set_config('learning.tenant_id', 'north', true)"))
        statement = "select convert_from(canonical_bytes, 'utf8')::jsonb from audit_leaf order by audit_ref"
        leaves = [row[0] for row in work.connection.execute(text(statement))]

    told = ("artifacts.", "access.denied")
    found = [(leaf["actor"], leaf["action"], leaf["subject"]) for leaf in leaves if leaf["action"].startswith(told)]
    uri = version.storage_location
    assert found == [
        ("ada", "artifacts.linked", f"DatasetVersion/{version.id}"),
        ("ada", "artifacts.downloaded", uri),
        ("ada", "access.denied", uri),
    ]
