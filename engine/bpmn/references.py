"""References by qualified name: `tns:Order` is the `Order` of this document, if `tns` is its target namespace."""

from __future__ import annotations

from engine.bpmn.xml import BPMN
from engine.xml_documents import Element

# The attributes of BPMN 2.0's schema that are of the type xsd:QName and lead to something that is read.
_REFERENCES = (
    *("messageRef", "signalRef", "errorRef", "escalationRef", "activityRef", "attachedToRef", "processRef"),
    *("calledElement", "operationRef"),
)


def resolve_references(root: Element) -> None:
    """Write each reference to an element of this document as its plain id."""
    target = root.get("targetNamespace")
    for element in root.iter(f"{{{BPMN}}}*"):
        for attribute in _REFERENCES:
            prefix, colon, name = element.get(attribute, "").partition(":")
            if colon and target is not None and element.nsmap.get(prefix) == target:
                element.set(attribute, name)
