from __future__ import annotations

from collections.abc import Iterator

import pytest
from platform_under_test import Platform, running_platform, two_clusters


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """One running platform for all tests; each test uses datasets of its own names."""
    with running_platform(tmp_path_factory.mktemp("home"), LEARNING_LEASE_SECONDS="1") as running:
        yield running


@pytest.fixture(scope="session")
def dataset(platform: Platform) -> dict[str, object]:
    """A validated dataset."""
    payload = {"name": "clusters", "source_uri": platform.put("clusters.csv", two_clusters()), "target": "kind"}
    return platform.call("ada", "create_dataset", dataset_payload=payload)
