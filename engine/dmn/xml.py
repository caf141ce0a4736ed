"""DMN at the door: parsed without entities, document types, comments or network, within limits of size and count."""

from __future__ import annotations

from io import BytesIO
from typing import Any, TypeAlias

from lxml import etree

from engine.errors import DecisionModelError, Finding

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

Element: TypeAlias = Any  # lxml carries no types


def parse_dmn(content: bytes) -> Element:
    """Return the root element of a DMN document.

    Raises:
        DecisionModelError: Too large, not well-formed, a DOCTYPE, or not DMN 1.3 or later.
    """
    if len(content) > MAXIMUM_BYTES:
        raise _refusal("DOCUMENT_TOO_LARGE", f"The document has more than {MAXIMUM_BYTES} bytes.", "Split the model.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        message = f"The document is not well-formed XML: {error.msg}."
        raise _refusal("XML_INVALID", message, "Save the model again in a DMN editor.", error.lineno or 1) from error
    if root.getroottree().docinfo.doctype:
        raise _refusal("DOCTYPE_REFUSED", "The document has a DOCTYPE.", "Remove the DOCTYPE; DMN needs none.")
    if sum(1 for _ in root.iter()) > MAXIMUM_ELEMENTS:
        raise _refusal("DOCUMENT_TOO_LARGE", f"More than {MAXIMUM_ELEMENTS} elements.", "Split the model.")
    if etree.QName(root).localname != "definitions" or etree.QName(root).namespace not in _NAMESPACES:
        raise _refusal("NOT_DMN", "The root element is not definitions of DMN 1.3 or later.", "Export it as DMN 1.3.")
    return root


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


def _refusal(code: str, message: str, hint: str, line: int = 1) -> DecisionModelError:
    return DecisionModelError((Finding(line=line, element_id="definitions", code=code, message=message, hint=hint),))
