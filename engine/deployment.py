"""Deploying: documents are verified together, and each process and decision in them becomes a new version or none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pydantic import BaseModel

from engine.bpmn import Document, ProcessModel, canonical_digest, errors_among, read_document, verify
from engine.dmn import DecisionModel, DecisionRef, canonical_decision_digest, is_dmn, read_decisions
from engine.errors import DiagramError, Finding
from engine.handler_contracts import contracts_of
from engine.library import ProcessLibrary
from engine.persistence import DecisionDefinitions, DefinitionRef, Definitions
from engine.service_tasks import ServiceTaskRegistry
from storage import SecurityContext, UnitOfWork
from storage.identifiers import new_id

Listen: TypeAlias = Callable[[DefinitionRef, ProcessModel], None]


@dataclass(frozen=True)
class Surroundings:
    """What a release has around its diagrams; `groups` is `None` where principals may be in any."""

    registry: ServiceTaskRegistry
    forms: Mapping[str, type[BaseModel]]
    groups: frozenset[str] | None


@dataclass(frozen=True)
class Deployment:
    """What a call has deployed, each in the order of the documents; versions that were there already are among them.

    Attributes:
        warnings: What the verification found, and does not refuse.
    """

    processes: tuple[DefinitionRef, ...] = ()
    decisions: tuple[DecisionRef, ...] = ()
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Text:
    """The exact bytes of a document, and the digests that name them."""

    content: bytes
    sha256: str
    canonical_sha256: str


class Deployer:
    """One deployment, on one transaction.

    Args:
        surroundings: The handlers, forms and groups of this release.
        listen: Lets events start a process that has become the newest version.
    """

    def __init__(
        self,
        work: UnitOfWork,
        library: ProcessLibrary,
        surroundings: Surroundings,
        listen: Listen,
        context: SecurityContext,
    ) -> None:
        self._work = work
        self._library = library
        self._surroundings = surroundings
        self._listen = listen
        self._context = context

    def deploy(self, contents: Sequence[bytes]) -> Deployment:
        """Verify documents and store what is new in them; see `Engine.deploy`."""
        deployed_at = Definitions(self._work).lock()
        decided = [(_decision_text(content), read_decisions(content)) for content in contents if is_dmn(content)]
        drawn = [(_diagram_text(content), read_document(content)) for content in contents if not is_dmn(content)]
        warnings = self._verified([document for _, document in drawn], [model for _, model in decided])
        decisions = [
            self._store_decision(text, model, decision_id, deployed_at)
            for text, model in decided
            for decision_id in model.decisions
        ]
        processes = [self._store(text, model, deployed_at) for text, document in drawn for model in document.models]
        return Deployment(tuple(processes), tuple(decisions), warnings)

    def _verified(self, documents: Iterable[Document], decisions: Iterable[DecisionModel]) -> tuple[Finding, ...]:
        """Return the warnings.

        Raises:
            DiagramError: There are errors.
        """
        read = tuple(documents)
        offered = [model for document in read for model in document.models]
        contracts = contracts_of(
            self._surroundings.registry,
            self._surroundings.forms,
            (*self._deployed_processes(), *offered),
            self._surroundings.groups,
            decisions=(*self._deployed_decisions(), *decisions),
            version_tags=Definitions(self._work).version_tags(),
            decision_tags=DecisionDefinitions(self._work).version_tags(),
        )
        warned = tuple(finding for document in read for finding in document.warnings)
        findings = (*warned, *(finding for model in offered for finding in verify(model, contracts)))
        if errors_among(findings):
            raise DiagramError(findings)
        return findings

    def _deployed_processes(self) -> list[ProcessModel]:
        newest = Definitions(self._work).all_newest()
        return [self._library.model(self._work, ref.process_definition_id, ref.process_id) for ref in newest]

    def _deployed_decisions(self) -> list[DecisionModel]:
        """Return the newest version of each decision, without what else its document says."""
        newest = DecisionDefinitions(self._work).all_newest()
        return [self._library.decision(self._work, ref).alone() for ref in newest]

    def _store(self, text: _Text, model: ProcessModel, deployed_at: datetime) -> DefinitionRef:
        definitions = Definitions(self._work)
        known = definitions.with_digest(model.process_id, text.sha256)
        newest = definitions.newest(model.process_id)
        if known is not None:
            if known == newest:
                self._listen(known, model)
            return known
        ref = DefinitionRef(
            process_definition_id=new_id(),
            process_id=model.process_id,
            version=1 if newest is None else newest.version + 1,
            version_tag=model.version_tag,
            name=model.name,
            sha256=text.sha256,
            canonical_sha256=text.canonical_sha256,
        )
        definitions.insert(ref, text.content, self._context.user_id, deployed_at)
        self._listen(ref, model)
        return ref

    def _store_decision(
        self, text: _Text, model: DecisionModel, decision_id: str, deployed_at: datetime
    ) -> DecisionRef:
        definitions = DecisionDefinitions(self._work)
        known = definitions.with_digest(decision_id, text.sha256)
        if known is not None:
            return known
        newest = definitions.newest(decision_id)
        ref = DecisionRef(
            decision_definition_id=new_id(),
            decision_id=decision_id,
            version=1 if newest is None else newest.version + 1,
            version_tag=model.decisions[decision_id].version_tag,
            name=model.decisions[decision_id].name,
            sha256=text.sha256,
            canonical_sha256=text.canonical_sha256,
        )
        definitions.insert(ref, text.content, self._context.user_id, deployed_at)
        return ref


def _diagram_text(content: bytes) -> _Text:
    return _Text(content, hashlib.sha256(content).hexdigest(), canonical_digest(content))


def _decision_text(content: bytes) -> _Text:
    return _Text(content, hashlib.sha256(content).hexdigest(), canonical_decision_digest(content))
