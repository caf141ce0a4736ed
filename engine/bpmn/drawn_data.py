"""Data objects and stores: pictures of what is in variables (BPMN 2.0.2, 10.4.1); nothing is executed for them.

A data association that only connects says what an activity reads or makes. One that transforms or assigns would have to
be executed, and is refused with what it stands in.
"""

from __future__ import annotations

from engine.bpmn.refusals import Refusals
from engine.bpmn.xml import BPMN, local_name
from engine.xml_documents import Element

_PICTURES = frozenset({"dataObject", "dataObjectReference", "dataStore", "dataStoreReference"})
_ASSOCIATIONS = frozenset({"dataInputAssociation", "dataOutputAssociation"})
_CONNECTING = frozenset({"documentation", "extensionElements", "sourceRef", "targetRef"})
_PLACEHOLDER = "__targetRef_placeholder"  # bpmn-js writes such a property where an association needs a target


def pass_over_drawn_data(root: Element, refusals: Refusals) -> None:
    """Remove from a parsed document what only pictures data; extensions of it are looked at first."""
    for element in [each for each in root.iter(f"{{{BPMN}}}*") if _is_picture(each)]:
        refusals.extensions(element)
        element.getparent().remove(element)


def _is_picture(element: Element) -> bool:
    name = local_name(element)
    if name in _ASSOCIATIONS:
        return all(local_name(child) in _CONNECTING for child in element)
    return name in _PICTURES or (name == "property" and element.get("name") == _PLACEHOLDER)
