"""Deployed processes and decisions: each immutable definition is read and compiled once in a process's life."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import TypeVar, assert_never
from uuid import UUID

from engine.bpmn import (
    BusinessRuleTask,
    CallActivity,
    ProcessModel,
    business_rule_tasks,
    call_activities,
    called_key,
    called_processes,
    decision_key,
    is_decision_key,
    process_of,
    read_diagram,
)
from engine.dmn import DecisionRef, DeployedDecision, read_decisions
from engine.errors import UnknownDecisionVersionError, UnknownDefinitionError, UnknownProcessError
from engine.persistence import DecisionDefinitions, DefinitionRef, Definitions
from engine.spiff import CompiledProcess, Judge, compile_process, holds
from storage import UnitOfWork

_CAPACITY = 256
Key = TypeVar("Key")
Value = TypeVar("Value")


class ProcessLibrary:
    """Models by definition id, and compiled processes by what they pin; safe between threads.

    Args:
        judge: Says whether the condition of a flow holds.
    """

    def __init__(self, judge: Judge = holds) -> None:
        self._judge = judge
        self._lock = threading.Lock()
        self._models: OrderedDict[UUID, ProcessModel] = OrderedDict()
        self._decisions: OrderedDict[UUID, DeployedDecision] = OrderedDict()
        self._compiled: OrderedDict[tuple[object, ...], CompiledProcess] = OrderedDict()

    def model(self, work: UnitOfWork, ref_id: UUID, process_id: str) -> ProcessModel:
        """Return the model of a definition."""
        with self._lock:
            if ref_id in self._models:
                return self._models[ref_id]
        models = {model.process_id: model for model in read_diagram(Definitions(work).xml(ref_id))}
        with self._lock:
            return _keep(self._models, ref_id, models[process_id])

    def decision(self, work: UnitOfWork, ref: DecisionRef) -> DeployedDecision:
        """Return a version of a decision, ready to be asked."""
        with self._lock:
            if ref.decision_definition_id in self._decisions:
                return self._decisions[ref.decision_definition_id]
        model = read_decisions(DecisionDefinitions(work).xml(ref.decision_definition_id))
        with self._lock:
            return _keep(self._decisions, ref.decision_definition_id, DeployedDecision(ref, model))

    def definition(self, work: UnitOfWork, process_id: str, version: int | None = None) -> DefinitionRef:
        """Return a version of a process, the newest unless one is named.

        Raises:
            UnknownProcessError, UnknownDefinitionError: It is not deployed.
        """
        definitions = Definitions(work)
        newest = definitions.newest(process_id)
        if newest is None:
            known = tuple(ref.process_id for ref in definitions.all_newest())
            raise UnknownProcessError(process_id=process_id, known=known)
        ref = newest if version is None else definitions.of_version(process_id, version)
        if ref is None:
            raise UnknownDefinitionError(process_definition_id=f"{process_id} version {version}")
        return ref

    def callers(self, work: UnitOfWork, process_id: str) -> tuple[str, ...]:
        """Return the processes whose newest versions call this one."""
        return tuple(
            ref.process_id
            for ref in Definitions(work).all_newest()
            if process_id in called_processes(self.model(work, ref.process_definition_id, ref.process_id))
        )

    def pin(self, work: UnitOfWork, ref: DefinitionRef) -> dict[str, UUID]:
        """Return the definition and the versions to which its calls are bound, directly or not, by their keys.

        Those are of processes that it can call, and of decisions that any of these can ask.

        Raises:
            UnknownProcessError, UnknownDefinitionError: A called process, or the version, is not deployed.
            UnknownDecisionVersionError: A decision, or the version, is not.
        """
        pinned, frontier = {ref.process_id: ref.process_definition_id}, [(ref.process_id, ref)]
        while frontier:
            key, current = frontier.pop()
            model = self.model(work, current.process_definition_id, current.process_id)
            for task in business_rule_tasks(model):
                pinned[decision_key(key, task)] = _bound_decision(work, current, task).decision_definition_id
            for activity in call_activities(model):
                called = called_key(key, activity)
                if called not in pinned:
                    version = _bound(work, current, activity)
                    pinned[called] = version.process_definition_id
                    frontier.append((called, version))
        return pinned

    def compiled(
        self, work: UnitOfWork, definition_id: UUID, pinned: Mapping[str, UUID], start_event_id: str
    ) -> CompiledProcess:
        """Return the process ready to run, with the processes and decisions that were pinned when it started."""
        key = (definition_id, start_event_id, *sorted(pinned.items()))
        with self._lock:
            if key in self._compiled:
                return self._compiled[key]
        processes = {name: ref_id for name, ref_id in pinned.items() if not is_decision_key(name)}
        models = {name: self.model(work, ref_id, process_of(name)) for name, ref_id in processes.items()}
        own = next(name for name, ref_id in processes.items() if ref_id == definition_id)
        asked = self._asked(work, pinned)
        compiled = compile_process(models.pop(own), models, start_event_id, decisions=asked, judge=self._judge)
        with self._lock:
            return _keep(self._compiled, key, compiled)

    def _asked(self, work: UnitOfWork, pinned: Mapping[str, UUID]) -> dict[str, DeployedDecision]:
        ids = {key: ref_id for key, ref_id in pinned.items() if is_decision_key(key)}
        if not ids:
            return {}
        refs = {ref.decision_definition_id: ref for ref in DecisionDefinitions(work).by_id(list(ids.values()))}
        return {key: self.decision(work, refs[ref_id]) for key, ref_id in ids.items()}


def _bound_decision(work: UnitOfWork, caller: DefinitionRef, task: BusinessRuleTask) -> DecisionRef:
    """Return the version that a task which asks a decision is bound to."""
    decisions = DecisionDefinitions(work)
    match task.binding:
        case "latest":
            asked = decisions.newest(task.decision_id)
        case "versionTag":
            asked = decisions.newest_tagged(task.decision_id, str(task.version_tag))
        case "deployment":
            asked = decisions.newest_when_deployed(task.decision_id, caller.process_definition_id)
        case _:
            assert_never(task.binding)
    if asked is None:
        raise UnknownDecisionVersionError(decision_id=task.decision_id, version_tag=task.version_tag)
    return asked


def _bound(work: UnitOfWork, caller: DefinitionRef, activity: CallActivity) -> DefinitionRef:
    """Return the version that a call of a process is bound to."""
    definitions, process_id = Definitions(work), activity.called_process
    match activity.binding:
        case "latest":
            called = definitions.newest(process_id)
        case "versionTag":
            called = definitions.newest_tagged(process_id, str(activity.version_tag))
        case "deployment":
            called = definitions.newest_when_deployed(process_id, caller.process_definition_id)
        case _:
            assert_never(activity.binding)
    if called is None and activity.version_tag is not None:
        raise UnknownDefinitionError(process_definition_id=f"{process_id} with the version tag {activity.version_tag}")
    if called is None:
        raise UnknownProcessError(process_id=process_id)
    return called


def _keep(cache: OrderedDict[Key, Value], key: Key, value: Value) -> Value:
    cache[key] = value
    if len(cache) > _CAPACITY:
        cache.popitem(last=False)
    return value
