"""Verifying diagram files as a deployment would, or, for those of other engines, their structure alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engine import (
    Contracts,
    DiagramError,
    Finding,
    ProcessModel,
    check_geometry,
    contracts_of,
    read_document,
    verify,
)
from engine.dmn import DecisionModel, is_dmn, read_decisions
from engine.errors import DecisionModelError
from learning import bootstrap
from learning.settings import LearningSettings


@dataclass(frozen=True)
class FileFindings:
    """What was found in one file, in the order of its lines."""

    path: Path
    findings: tuple[Finding, ...]


def verify_diagrams(
    paths: Sequence[Path], *, foreign: bool = False, geometry: bool = False
) -> tuple[FileFindings, ...]:
    """Return the findings of each file; the files may call and ask each other and those that ship.

    Args:
        paths: BPMN and DMN files.
        foreign: Whether they are of other engines: what they need of handlers, forms and other processes is not looked
            at, nor what they say in other dialects.
        geometry: Whether to look at the drawing of processes too.
    """
    read = [_read(path, foreign=foreign, geometry=geometry) for path in paths]
    contracts = None if foreign else _contracts(read)
    return tuple(each.verified(contracts) for each in read)


@dataclass(frozen=True)
class _ReadFile:
    path: Path
    models: tuple[ProcessModel, ...]
    findings: tuple[Finding, ...]
    decisions: DecisionModel | None = None

    def verified(self, contracts: Contracts | None) -> FileFindings:
        found = (*self.findings, *(finding for model in self.models for finding in verify(model, contracts)))
        return FileFindings(self.path, tuple(sorted(dict.fromkeys(found), key=lambda finding: finding.line)))


def _read(path: Path, *, foreign: bool = False, geometry: bool = False) -> _ReadFile:
    content = path.read_bytes()
    try:
        if is_dmn(content):
            return _ReadFile(path, (), (), read_decisions(content))
        drawn = check_geometry(content) if geometry else ()
        document = read_document(content, foreign=foreign)
    except (DiagramError, DecisionModelError) as error:
        return _ReadFile(path, (), error.findings)
    return _ReadFile(path, document.models, (*document.warnings, *drawn))


def _contracts(offered: Sequence[_ReadFile]) -> Contracts:
    registry, forms = bootstrap.contracts()
    known = [*(_read(path) for path in bootstrap.shipped_documents()), *offered]
    models = [model for each in known for model in each.models]
    decisions = [each.decisions for each in known if each.decisions is not None]
    return contracts_of(registry, forms, models, frozenset(LearningSettings().groups), decisions=decisions)
