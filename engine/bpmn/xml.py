"""BPMN at the door, and the words of its XML."""

from __future__ import annotations

from engine.errors import DiagramError
from engine.xml_documents import DocumentKind, Element, parse_document

MAXIMUM_BYTES = 10 * 1024 * 1024
MAXIMUM_ELEMENTS = 200_000  # 5,000 tasks in a chain, drawn, are some 60,000

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
BPMN_DIAGRAM = "http://www.omg.org/spec/BPMN/20100524/DI"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"


def parse_xml(content: bytes) -> Element:
    """Return the root element of a BPMN document.

    Raises:
        DiagramError: Too large, too deep, not well-formed, a DOCTYPE, or not BPMN.
    """
    return parse_document(content, _KIND)


def local_name(element: Element) -> str:
    """Return an element's name within BPMN; of another namespace, the whole of it, which nothing here is called."""
    namespace, _, name = str(element.tag).removeprefix("{").rpartition("}")
    return name if namespace in {BPMN, BPMN_DIAGRAM} else f"{{{namespace}}}{name}"


def is_true(element: Element, attribute: str, *, default: bool = False) -> bool:
    """Return a boolean attribute as XML Schema writes it, `1` and `0` included."""
    value = element.get(attribute)
    return default if value is None else value.strip() in {"true", "1"}


def _is_root(root: Element) -> bool:
    return str(root.tag) == f"{{{BPMN}}}definitions"


_KIND = DocumentKind("BPMN 2.0", "diagram", MAXIMUM_BYTES, MAXIMUM_ELEMENTS, _is_root, "NOT_BPMN", DiagramError)
