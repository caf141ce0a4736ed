"""DMN at the door, and the words of its XML."""

from __future__ import annotations

from io import BytesIO

from lxml import etree

from engine.errors import DecisionModelError
from engine.xml_documents import DocumentKind, Element, parse_document

MAXIMUM_BYTES = 5 * 1024 * 1024
MAXIMUM_ELEMENTS = 50_000

_NAMESPACES = frozenset(
    {
        "https://www.omg.org/spec/DMN/20191111/MODEL/",  # 1.3
        "https://www.omg.org/spec/DMN/20211108/MODEL/",  # 1.4
        "https://www.omg.org/spec/DMN/20230324/MODEL/",  # 1.5
        "https://www.omg.org/spec/DMN/20240513/MODEL/",  # 1.6
    }
)

ZEEBE = "http://camunda.org/schema/zeebe/1.0"

_FAMILY = "/DMN/"  # omg.org/spec/DMN/20191111/MODEL/; 1.1 and 1.2 have it too
_DRAWING = "/DMNDI/}DMNDI"


def parse_dmn(content: bytes) -> Element:
    """Return the root element of a DMN document.

    Raises:
        DecisionModelError: Too large, too deep, not well-formed, a DOCTYPE, or not DMN 1.3 or later.
    """
    return parse_document(content, _KIND)


def is_dmn(content: bytes) -> bool:
    """Return whether a document is meant as DMN, of whatever version: its root element says so."""
    elements = etree.iterparse(
        BytesIO(content), ("start",), resolve_entities=False, no_network=True, load_dtd=False, recover=True
    )
    try:
        _, root = next(elements)
    except (StopIteration, etree.XMLSyntaxError):
        return False
    return _FAMILY in (etree.QName(root).namespace or "")


def is_drawing(tag: str) -> bool:
    """Return whether an element of that tag says only how decisions are drawn."""
    return tag.endswith(_DRAWING)


def local_name(element: Element) -> str:
    """Return an element's name within DMN; of another namespace, the whole of it, which nothing here is called."""
    namespace, _, name = str(element.tag).removeprefix("{").rpartition("}")
    return name if namespace in _NAMESPACES else f"{{{namespace}}}{name}"


def children(element: Element, name: str) -> list[Element]:
    """Return the child elements of that name."""
    return [child for child in element if local_name(child) == name]


def text_of(element: Element) -> str:
    """Return the content of an element's `text`, without the spaces around it; empty where it has none."""
    return "".join("".join(child.itertext()) for child in children(element, "text")).strip()


def _is_root(root: Element) -> bool:
    return local_name(root) == "definitions"


_KIND = DocumentKind("DMN 1.3", "model", MAXIMUM_BYTES, MAXIMUM_ELEMENTS, _is_root, "NOT_DMN", DecisionModelError)
