"""The pytest plug-in for tests of processes: the fixture `process_test`, and how much of the diagrams they have passed.

How to use it: docs/how-to/test-a-process.md. What is heavy is imported by the first test that asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from engine.simulation.coverage import Coverage
    from engine.simulation.preparation import Surroundings
    from engine.simulation.process_under_test import ProcessUnderTest
    from storage.throwaway_database import ThrowawayCluster

_COVERAGE = pytest.StashKey[dict[str, Any]]()
_OUTPUT = "process_coverage"
_OPTION = "--process-coverage-min"


class ProcessTests:
    """Makes the processes of one test; at its end they are gone.

    Args:
        cluster: Where their databases are made.
        surroundings: The handlers, forms and groups that the diagrams are verified against.
        find: Returns where a file is that is named relative to the test.
    """

    def __init__(self, cluster: ThrowawayCluster, surroundings: Surroundings, find: Callable[[str], Path]) -> None:
        self._cluster = cluster
        self._surroundings = surroundings
        self._find = find
        self._opened = ExitStack()
        self._processes: list[ProcessUnderTest] = []

    def __call__(
        self,
        *files: str | Path | bytes,
        process_id: str | None = None,
        variables: Mapping[str, Any] | None = None,
        answers: Mapping[str, Any] | None = None,
        begin: datetime | None = None,
        foreign: bool = False,
    ) -> ProcessUnderTest:
        """Return a process that has been started, on a clock of its own; nothing that follows is done yet.

        Args:
            files: Diagrams and decisions, by path or content; without `process_id` the first process is meant that no
                other one calls.
            process_id: Which process.
            variables: What it begins with.
            answers: How tasks end, by element id, as in the answers of `diagram simulate`.
            begin: What the clock shows; 1 January 2026 unless given.
            foreign: Whether the diagrams are of another engine.

        Raises:
            PreparationError: A diagram cannot be executed as drawn.
            SimulationError: The process or the answers do not fit the diagrams.
        """
        from engine.simulation.answers import read_answers
        from engine.simulation.playing import BEGIN, Play, opened
        from engine.simulation.preparation import prepare
        from engine.simulation.process_under_test import ProcessUnderTest

        told = read_answers(json.dumps({"tasks": answers or {}}))
        sources = [self._source(number, file) for number, file in enumerate(files)]
        prepared = prepare(sources, told, self._surroundings, process_id=process_id, foreign=foreign)
        registry, forms = self._surroundings.registry, self._surroundings.forms
        play = Play(prepared, told, registry, forms, variables or {}, begin or BEGIN)
        database_url = self._opened.enter_context(self._cluster.database())
        process = ProcessUnderTest(self._opened.enter_context(opened(play, database_url)))
        process.start()
        self._processes.append(process)
        return process

    def close(self) -> Coverage:
        """Let everything go; return which parts of the diagrams were passed."""
        from engine.simulation.coverage import merged

        coverage: Coverage = {}
        with self._opened:
            for process in self._processes:
                coverage = merged(coverage, process.coverage)
        return coverage

    def _source(self, number: int, file: str | Path | bytes) -> Any:
        from engine.simulation.preparation import SourceFile

        if isinstance(file, bytes):
            return SourceFile(f"file {number}", file)
        path = self._find(str(file))
        return SourceFile(str(path), path.read_bytes())


@pytest.fixture(scope="session")
def process_cluster() -> Iterator[ThrowawayCluster]:
    """A database server of the test run's own."""
    from storage.throwaway_database import throwaway_cluster

    with throwaway_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def process_surroundings() -> Surroundings:
    """What diagrams are verified against: the handlers, forms, groups and diagrams that ship; yours may override it."""
    from engine.simulation.preparation import SourceFile, Surroundings
    from learning import bootstrap
    from learning.settings import LearningSettings

    registry, forms = bootstrap.contracts()
    shipped = tuple(SourceFile(str(path), path.read_bytes()) for path in bootstrap.shipped_documents())
    return Surroundings(registry, forms, frozenset(LearningSettings().groups), shipped)


@pytest.fixture
def process_test(
    process_cluster: ThrowawayCluster, process_surroundings: Surroundings, request: pytest.FixtureRequest
) -> Iterator[ProcessTests]:
    """Give processes to the test; what of their diagrams it has passed is counted."""
    tests = ProcessTests(process_cluster, process_surroundings, _finder(request))
    try:
        yield tests
    finally:
        _count(request.config, tests.close())


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that lets a run fail which passes too little of a diagram."""
    text = "Fail where less than so much of the nodes, flows or compensations of a tested process is passed."
    parser.getgroup("process tests").addoption(_OPTION, type=float, default=None, metavar="PERCENT", help=text)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the count over to the process that reports it, or fail the run where it is too low."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_OUTPUT] = _written(session.config)
    elif _below(session.config) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist has counted."""
    written = getattr(node, "workeroutput", {}).get(_OUTPUT)
    if written:
        _count(node.config, _read(written))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was passed of each process, and what was not."""
    coverage = _coverage(config)
    if not coverage:
        return
    terminalreporter.section("process coverage")
    for line in _lines(coverage):
        terminalreporter.line(line)
    for process_id in _below(config):
        minimum = config.getoption(_OPTION)
        terminalreporter.line(f"FAILED process coverage of {process_id} is below {minimum:g} %", red=True)


def _finder(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    def find(name: str) -> Path:
        beside = request.path.parent / name
        return beside if beside.exists() else request.config.rootpath / name

    return find


def _coverage(config: pytest.Config) -> Coverage:
    return config.stash.get(_COVERAGE, {})


def _count(config: pytest.Config, coverage: Coverage) -> None:
    from engine.simulation.coverage import merged

    config.stash[_COVERAGE] = dict(merged(_coverage(config), coverage))


def _below(config: pytest.Config) -> list[str]:
    """Return the processes of which too little was passed."""
    minimum = config.getoption(_OPTION)
    if minimum is None:
        return []
    coverage = sorted(_coverage(config).items())
    return [process_id for process_id, parts in coverage if min(part.percent for part in parts.values()) < minimum]


def _lines(coverage: Coverage) -> Iterator[str]:
    width = max(map(len, coverage))
    for process_id, parts in sorted(coverage.items()):
        counts = (f"{name} {len(part.passed & part.every)}/{len(part.every)}" for name, part in parts.items())
        yield f"{process_id.ljust(width)}  {', '.join(counts)}"
        for name, part in parts.items():
            if part.missing:
                yield f"  {name} not passed: {', '.join(part.missing)}"


def _written(config: pytest.Config) -> str:
    rows = {
        process_id: {name: part.model_dump(mode="json") for name, part in parts.items()}
        for process_id, parts in _coverage(config).items()
    }
    return json.dumps(rows)


def _read(written: str) -> Coverage:
    from engine.simulation.coverage import Covered

    rows = json.loads(written)
    return {
        process_id: {name: Covered.model_validate(part) for name, part in parts.items()}
        for process_id, parts in rows.items()
    }
