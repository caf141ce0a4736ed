from __future__ import annotations

from collections.abc import Iterator

import pytest
from fault_suite.cluster import Cluster, running_cluster
from hypothesis import settings

SEEDS = range(6)

settings.register_profile("long", max_examples=2_000)  # of which random processes take a tenth


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--seed", type=int, help="run the simulation of this seed alone, as a failure says")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        # Not there where a run collects more than this folder.
        chosen = metafunc.config.getoption("--seed", default=None)
        metafunc.parametrize("seed", SEEDS if chosen is None else [chosen])


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster
