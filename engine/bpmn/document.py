"""A document at the door: parsed, brought into one dialect, and read; what is only warned of comes with it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.bpmn.dialects import foreign_dialects, warn_of_unknown_attributes
from engine.bpmn.findings import errors_among
from engine.bpmn.foreign import stub_foreign_parts
from engine.bpmn.model import ProcessModel
from engine.bpmn.reader import read_models
from engine.bpmn.references import resolve_references
from engine.bpmn.refusals import Refusals
from engine.bpmn.spiff_dialect import translate_service_tasks
from engine.bpmn.xml import parse_xml
from engine.errors import DiagramError, Finding


@dataclass(frozen=True)
class Document:
    """The executable processes of one document, and what reading it warns of."""

    models: tuple[ProcessModel, ...]
    warnings: tuple[Finding, ...] = ()


def read_document(content: bytes, *, foreign: bool = False) -> Document:
    """Return what a document says.

    Args:
        content: BPMN 2.0 XML in the `zeebe:` or the `spiffworkflow:` dialect.
        foreign: Whether implementations and expressions of other dialects become stubs instead of being refused, so
            that the structure can be looked at. Nothing that is deployed is read so.

    Raises:
        DiagramError: With every finding, where the document cannot be read as drawn.
    """
    root, refusals = parse_xml(content), Refusals()
    resolve_references(root)
    if foreign:
        stub_foreign_parts(root)
    elif findings := foreign_dialects(root):
        raise DiagramError(findings)
    translate_service_tasks(root, refusals)
    warn_of_unknown_attributes(root, refusals)
    models = read_models(root, refusals)
    found = tuple(dict.fromkeys(refusals.findings))
    if errors_among(found):
        raise DiagramError(found)
    return Document(models, found)


def read_diagram(content: bytes) -> tuple[ProcessModel, ...]:
    """Return the executable processes of a document.

    Raises:
        DiagramError: With every finding, where the document cannot be read as drawn.
    """
    return read_document(content).models
