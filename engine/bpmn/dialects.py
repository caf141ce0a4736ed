"""Which engine a diagram was drawn for: ours (`zeebe:`), one that is translated, or one that is refused."""

from __future__ import annotations

from collections.abc import Iterator

from engine.bpmn.refusals import Refusals
from engine.bpmn.xml import BPMN, BPMN_DIAGRAM, ZEEBE
from engine.errors import Finding
from engine.xml_documents import Element

SPIFFWORKFLOW = "http://spiffworkflow.org/bpmn/schema/1.0/core"
_XML_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"
_EXTENSION_ELEMENTS = f"{{{BPMN}}}extensionElements"
_MODELER = "http://camunda.org/schema/modeler/1.0"
_WITHOUT_EFFECT = frozenset({_XML_SCHEMA, _MODELER, ZEEBE, SPIFFWORKFLOW})
_ENGINES = {
    "http://camunda.org/schema/1.0/bpmn": "Camunda 7",
    "http://camunda.org/BPMN20-extensions": "Camunda 7",
    "http://www.camunda.com/fox": "Camunda 7",
    "http://activiti.org/bpmn": "Activiti",
    "http://activiti.com/modeler": "Activiti",
    "http://flowable.org/bpmn": "Flowable",
    "http://www.jboss.org/drools": "jBPM",
    "http://www.jboss.org/drools/flow/gpd": "jBPM",
    "http://www.ibm.com/xmlns/prod/bpm": "IBM BPM",
    "http://xmlns.oracle.com/bpm": "Oracle BPM",
    "http://www.bizagi.com/bpmn20": "Bizagi",
}


def foreign_engine(name: str) -> str | None:
    """Return the engine, other than this, that executes an element or attribute of this name."""
    namespace = name.removeprefix("{").rpartition("}")[0]
    if not namespace:
        return None
    exact = _ENGINES.get(namespace)
    return exact or next((engine for known, engine in _ENGINES.items() if namespace.startswith(f"{known}/")), None)


def foreign_dialects(root: Element) -> tuple[Finding, ...]:
    """Return a finding for each BPMN element that says in another engine's words what it does."""
    refusals = Refusals()
    for owner in _elements(root):
        names = [*owner.attrib, *(child.tag for child in _extensions(owner))]
        engine = next((engine for name in names if (engine := foreign_engine(str(name)))), None)
        if engine is not None:
            message = f"It is written for {engine}, in words that this engine does not execute."
            hint = (
                "Convert the diagram to Camunda 8 and choose element templates; to look only at its structure, "
                "run 'ami-learning diagram verify --foreign'."
            )
            refusals.find(owner, "DIALECT_UNSUPPORTED", message, hint)
    return tuple(refusals.findings)


def warn_of_unknown_attributes(root: Element, refusals: Refusals) -> None:
    """Warn of each BPMN element's attributes that stand in a namespace without meaning here."""
    for owner in _elements(root):
        unknown = [str(name) for name in owner.attrib if _is_unknown(str(name))]
        if unknown:
            message = f"Attributes that mean nothing here; they stay in the diagram: {', '.join(unknown)}."
            refusals.warn(
                owner, "EXTENSION_UNKNOWN", message, "Remove them, or leave them to the tool that wrote them."
            )


def _is_unknown(name: str) -> bool:
    namespace = name.removeprefix("{").rpartition("}")[0]
    return bool(namespace) and namespace not in _WITHOUT_EFFECT


def _elements(root: Element) -> Iterator[Element]:
    """Return all BPMN elements but the containers of extensions, which go by their owners."""
    return (element for element in root.iter(f"{{{BPMN}}}*") if element.tag != _EXTENSION_ELEMENTS)


def _extensions(owner: Element) -> Iterator[Element]:
    """Return what another vendor put into an element, directly or as its extensions."""
    for child in owner:
        if child.tag == _EXTENSION_ELEMENTS:
            yield from child
        elif not str(child.tag).startswith((f"{{{BPMN}}}", f"{{{BPMN_DIAGRAM}}}")):
            yield child
