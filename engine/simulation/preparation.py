"""Diagram files made ready to be simulated: read, verified, and the process chosen that is played through.

Nothing is refused for what a simulation does without: a handler, a form or a group of people that does not exist yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from engine.bpmn import (
    ExclusiveGateway,
    FlowNode,
    InclusiveGateway,
    MessageTrigger,
    ProcessModel,
    ReceiveTask,
    ServiceTask,
    SignalTrigger,
    UserTask,
    called_processes,
    read_document,
    verify,
)
from engine.bpmn.calls import asked_decisions, find_call_cycles
from engine.bpmn.stand_ins import StandIns, process_ids_of, with_stand_ins
from engine.dmn import DecisionModel, is_dmn, read_decisions
from engine.errors import (
    AnsweredElementUnknownError,
    AnsweredEventUnknownError,
    AnswersInvalidError,
    DecisionModelError,
    DiagramError,
    Finding,
    SimulatedProcessError,
)
from engine.handler_contracts import contracts_of
from engine.service_tasks import ServiceTaskRegistry
from engine.simulation.answers import Answers

_DONE_WITHOUT = frozenset({"HANDLER_UNKNOWN", "FORM_UNKNOWN", "GROUP_UNKNOWN", "DEFAULT_FLOW_MISSING"})


@dataclass(frozen=True)
class SourceFile:
    """A file of diagrams or decisions, by the name under which its findings are reported."""

    name: str
    content: bytes


@dataclass(frozen=True)
class FileFinding:
    """A finding, and the file that it is about."""

    file: str
    finding: Finding

    def __str__(self) -> str:
        """Return it as a line for people."""
        found = self.finding
        where = f"{self.file}:{found.line}: {found.element_id}"
        return f"{where}: {found.severity}: {found.code}: {found.message} {found.hint}"


class PreparationError(Exception):
    """The files cannot be simulated; carries every finding of all of them."""

    def __init__(self, findings: tuple[FileFinding, ...]) -> None:
        self.findings = findings
        errors = [each for each in findings if each.finding.severity == "error"]
        super().__init__("\n".join(map(str, errors)))


@dataclass(frozen=True)
class Prepared:
    """What is simulated.

    Attributes:
        process_id: The process that is played through; the others are called, or started by messages and signals.
        documents: What is deployed, stand-ins put in.
        models: All processes.
        warnings: What a deployment would have to be told, or would be refused for.
        foreign: Whether they are of another engine: correlation keys are made up there.
    """

    process_id: str
    documents: tuple[bytes, ...]
    decisions: tuple[bytes, ...]
    models: tuple[ProcessModel, ...]
    warnings: tuple[FileFinding, ...]
    foreign: bool = False

    @property
    def model(self) -> ProcessModel:
        """The process that is played through."""
        return next(model for model in self.models if model.process_id == self.process_id)


@dataclass(frozen=True)
class Surroundings:
    """What a deployment would find around the files.

    Attributes:
        shipped: Files whose processes may be called although they are not given.
    """

    registry: ServiceTaskRegistry
    forms: Mapping[str, type]
    groups: frozenset[str] | None = None
    shipped: tuple[SourceFile, ...] = ()


def prepare(
    files: Sequence[SourceFile],
    answers: Answers,
    surroundings: Surroundings,
    *,
    process_id: str | None = None,
    foreign: bool = False,
) -> Prepared:
    """Read and verify files, and choose the process.

    That is the one that is named, else the first that no other one calls and that begins plainly, if there is one.

    Raises:
        PreparationError: A diagram cannot be executed as drawn.
        SimulatedProcessError: The process is not among the files.
        AnsweredElementUnknownError, AnsweredEventUnknownError, AnswersInvalidError: The answers do not fit
            the diagrams.
    """
    diagrams = [file for file in files if not is_dmn(file.content)]
    read = _Reading(StandIns(answers.tasks, foreign))
    read.take(diagrams, [file for file in files if is_dmn(file.content)])
    if not foreign:
        read.add_called(surroundings.shipped)
    read.verify(surroundings)
    if any(each.finding.severity == "error" for each in read.findings):
        raise PreparationError(tuple(read.findings))
    models = tuple(model for document in read.documents for model in document.models)
    own = [model for document in read.documents[: len(diagrams)] for model in document.models]
    _require_answerable(answers, models)
    require_awaited(answers, models)
    return Prepared(
        process_id=_chosen(own, process_id),
        documents=tuple(document.text for document in read.documents),
        decisions=tuple(file.content for file in read.decision_files),
        models=models,
        warnings=tuple(read.findings),
        foreign=foreign,
    )


@dataclass(frozen=True)
class _ReadDocument:
    file: str
    text: bytes
    models: tuple[ProcessModel, ...]


class _Reading:
    """Files as they are read, one after the other; faults are collected."""

    def __init__(self, stand_ins: StandIns) -> None:
        self.findings: list[FileFinding] = []
        self.documents: list[_ReadDocument] = []
        self.decision_files: list[SourceFile] = []
        self.decisions: list[DecisionModel] = []
        self._stand_ins = stand_ins

    def take(self, diagrams: Sequence[SourceFile], decisions: Sequence[SourceFile]) -> None:
        for file in decisions:
            self._read_decisions(file)
        process_ids = [process_id for file in diagrams for process_id in self._process_ids(file)]
        decision_ids = [decision_id for model in self.decisions for decision_id in model.decisions]
        self._stand_ins = replace(self._stand_ins, process_ids=process_ids, decision_ids=decision_ids)
        for file in diagrams:
            self._read(file)

    def add_called(self, shipped: Sequence[SourceFile]) -> None:
        """Take the shipped files too whose processes are called, directly or not, or whose decisions are asked."""
        left = list(shipped)
        while wanted := [file for file in left if self._misses(file)]:
            for file in wanted:
                left.remove(file)
                self._read_decisions(file) if is_dmn(file.content) else self._read(file)

    def _misses(self, file: SourceFile) -> bool:
        models = [model for document in self.documents for model in document.models]
        if is_dmn(file.content):
            asked = {each for model in models for each in asked_decisions(model)}
            known = {decision_id for model in self.decisions for decision_id in model.decisions}
            return not read_decisions(file.content).decisions.keys().isdisjoint(asked - known)
        called = {each for model in models for each in called_processes(model)}
        known = {model.process_id for model in models}
        return not self._process_ids(file).isdisjoint(called - known)

    def verify(self, surroundings: Surroundings) -> None:
        models = [model for document in self.documents for model in document.models]
        contracts = contracts_of(
            surroundings.registry, surroundings.forms, models, surroundings.groups, decisions=self.decisions
        )
        for document in self.documents:
            for model in document.models:
                if self._stand_ins.foreign:
                    found = (*verify(model, None), *find_call_cycles(model, contracts.calls))
                else:
                    found = verify(model, contracts)
                self._note(document.file, found)

    def _process_ids(self, file: SourceFile) -> frozenset[str]:
        try:
            return process_ids_of(file.content)
        except DiagramError:
            return frozenset()  # reading it says why

    def _read(self, file: SourceFile) -> None:
        try:
            text = with_stand_ins(file.content, self._stand_ins)
            document = read_document(text)
        except DiagramError as error:
            self._note(file.name, error.findings)
        else:
            self.documents.append(_ReadDocument(file.name, text, document.models))
            self._note(file.name, document.warnings)

    def _read_decisions(self, file: SourceFile) -> None:
        try:
            self.decisions.append(read_decisions(file.content))
        except DecisionModelError as error:
            self._note(file.name, error.findings)
        else:
            self.decision_files.append(file)

    def _note(self, file: str, findings: Sequence[Finding]) -> None:
        for finding in dict.fromkeys(findings):
            severity = "warning" if finding.code in _DONE_WITHOUT else finding.severity
            self.findings.append(FileFinding(file, finding.model_copy(update={"severity": severity})))


def _chosen(models: Sequence[ProcessModel], process_id: str | None) -> str:
    known = tuple(model.process_id for model in models)
    if process_id is not None:
        if process_id not in known:
            raise SimulatedProcessError(process_id=process_id, known=known)
        return process_id
    if not models:
        raise SimulatedProcessError(process_id=None, known=())
    called = {each for model in models for each in called_processes(model)}
    uncalled = [model for model in models if model.process_id not in called] or list(models)
    plain = [model for model in uncalled if model.none_start_event() is not None]
    return (plain or uncalled)[0].process_id


def _require_answerable(answers: Answers, models: Sequence[ProcessModel]) -> None:
    nodes = {node.id: node for model in models for node in model.nodes.values()}
    flows = {flow.id for model in models for flow in model.flows}
    unknown = tuple(element_id for element_id in answers.tasks if element_id not in nodes and element_id not in flows)
    if unknown:
        answerable = tuple(node.id for node in nodes.values() if is_answerable(node))
        raise AnsweredElementUnknownError(element_ids=unknown, answerable=answerable)
    for element_id, answer in answers.tasks.items():
        given = answer if isinstance(answer, list) else [answer]
        if element_id in flows and not all(isinstance(each, bool) for each in given):
            raise AnswersInvalidError(place=f"tasks.{element_id}", reason="whether a flow is taken is true or false")
        node = nodes.get(element_id)
        if node is None or is_answerable(node) or not all(isinstance(each, dict | None) for each in given):
            continue
        reason = f"a {type(node).__name__} does not end with an output"
        raise AnswersInvalidError(place=f"tasks.{element_id}", reason=reason)


def require_awaited(answers: Answers, models: Sequence[ProcessModel]) -> None:
    """Return if something in the diagrams waits for each of the messages and signals, sooner or later.

    Raises:
        AnsweredEventUnknownError: Nothing ever does, so a name is misspelt.
    """
    for kind, trigger, expected in (
        ("message", MessageTrigger, answers.messages),
        ("signal", SignalTrigger, answers.signals),
    ):
        triggers = [getattr(node, "trigger", None) for model in models for node in model.nodes.values()]
        known = {each.name for each in triggers if isinstance(each, trigger)}
        if unknown := tuple(dict.fromkeys(each.name for each in expected if each.name not in known)):
            raise AnsweredEventUnknownError(kind=kind, names=unknown, known=tuple(sorted(known)))


def is_answerable(node: FlowNode) -> bool:
    """Return whether a node's outcome can be told beforehand by what it brings."""
    if isinstance(node, ServiceTask | UserTask | ReceiveTask):
        return True
    return isinstance(getattr(node, "trigger", None), MessageTrigger)


def is_gateway(node: FlowNode) -> bool:
    """Return whether a node's way on can be told beforehand."""
    return isinstance(node, ExclusiveGateway | InclusiveGateway)


__all__ = [
    "FileFinding",
    "PreparationError",
    "Prepared",
    "SourceFile",
    "Surroundings",
    "is_answerable",
    "is_gateway",
    "prepare",
    "require_awaited",
]
