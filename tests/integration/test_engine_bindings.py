"""Which version of a process a call runs: each instance keeps the versions that it was bound to when it started."""

from __future__ import annotations

from uuid import UUID

import pytest
from diagrams import call_activity, document, end, path, process, script_task, start
from engine_shop import ADMIN

from engine import Engine, InstanceStatus, ServiceTaskRegistry
from engine.errors import DiagramError
from storage import Storage


def child(version: int, tag: str | None = None) -> bytes:
    """A process that says which version it is."""
    extension = "" if tag is None else f'<zeebe:versionTag value="{tag}" />'
    extended = f"<bpmn:extensionElements>{extension}</bpmn:extensionElements>"
    say = script_task("Say", f"={version}", "said")
    return document(process("child", extended, start("In"), path("In", "Say", "Out"), say, end("Out")))


def calling(*calls: tuple[str, str | None], process_id: str = "p", note: str = "", called: str = "child") -> bytes:
    """A process that calls once for each binding, and keeps what was said."""
    names = [f"Call{number}" for number in range(len(calls))]
    activities = [
        call_activity(name, called, outputs={f"said{number}": "=said"}, binding=binding, version_tag=tag)
        for number, (name, (binding, tag)) in enumerate(zip(names, calls, strict=True))
    ]
    return document(process(process_id, start(), path("Begin", *names, "Done"), *activities, end(), name=note or None))


LATEST, DEPLOYMENT = ("latest", None), ("deployment", None)


class Deployments:
    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.engine = Engine(ServiceTaskRegistry(), {}, platform_tenant="north")

    def deploy(self, *contents: bytes) -> None:
        with self.storage.transaction() as work:
            self.engine.deploy(work, *contents, context=ADMIN)

    def said(self, process_id: str = "p") -> list[object]:
        """Start an instance, and return what its calls said."""
        with self.storage.transaction() as work:
            instance: UUID = self.engine.start(work, process_id, {}, context=ADMIN)
        with self.storage.transaction() as work:
            assert self.engine.describe(work, instance, context=ADMIN).status is InstanceStatus.COMPLETED
            variables = self.engine.variables(work, instance, context=ADMIN)
        return [variables[name] for name in sorted(variables)]


def test_each_call_runs_the_version_that_its_binding_says(storage: Storage) -> None:
    deployments = Deployments(storage)
    deployments.deploy(child(1, "stable"))
    deployments.deploy(calling(LATEST, ("versionTag", "stable"), DEPLOYMENT), child(2))
    deployments.deploy(child(3))

    assert deployments.said() == [3, 1, 2]


def test_a_call_bound_to_its_deployment_takes_what_was_there_before(storage: Storage) -> None:
    deployments = Deployments(storage)
    deployments.deploy(child(1))
    deployments.deploy(calling(DEPLOYMENT))
    deployments.deploy(child(2))

    assert deployments.said() == [1]
    deployments.deploy(calling(DEPLOYMENT, note="deployed anew"))
    assert deployments.said() == [2]


def test_of_several_versions_with_a_tag_the_newest_is_called(storage: Storage) -> None:
    deployments = Deployments(storage)
    for version in (1, 2):
        deployments.deploy(child(version, "stable"))
    deployments.deploy(child(3))
    deployments.deploy(calling(("versionTag", "stable")))

    assert deployments.said() == [2]


def test_a_called_process_is_bound_as_its_own_diagram_says(storage: Storage) -> None:
    deployments = Deployments(storage)
    deployments.deploy(child(1), calling(DEPLOYMENT, process_id="between", note="first"))
    deployments.deploy(child(2))
    outer = calling(LATEST, LATEST, called="between").replace(b'source="=said"', b'source="=said0"')
    deployments.deploy(outer)

    assert deployments.said() == [1, 1]


def test_a_tag_may_be_that_of_a_version_deployed_with_the_call(storage: Storage) -> None:
    deployments = Deployments(storage)

    deployments.deploy(calling(("versionTag", "stable")), child(1, "stable"))

    assert deployments.said() == [1]


def test_a_tag_that_no_version_has_is_refused(storage: Storage) -> None:
    deployments = Deployments(storage)

    with pytest.raises(DiagramError) as refused:
        deployments.deploy(calling(("versionTag", "gone")), child(1, "stable"))

    found = [(finding.code, finding.element_id) for finding in refused.value.findings]
    assert found == [("PROCESS_VERSION_UNKNOWN", "Call0")]
