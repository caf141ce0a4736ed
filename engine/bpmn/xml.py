"""XML at the door: parsed without entities, document types, comments or network, within limits.

The limits are on bytes, elements and depth. The deployed bytes stay as they are; what is parsed here is only read.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from lxml import etree

from engine.errors import DiagramError, Finding

MAXIMUM_BYTES = 10 * 1024 * 1024
MAXIMUM_ELEMENTS = 200_000  # 5,000 tasks in a chain, drawn, are some 60,000
MAXIMUM_DEPTH = 100

BPMN = "http://www.omg.org/spec/BPMN/20100524/MODEL"
BPMN_DIAGRAM = "http://www.omg.org/spec/BPMN/20100524/DI"
ZEEBE = "http://camunda.org/schema/zeebe/1.0"

Element: TypeAlias = Any  # lxml carries no types


def parse_xml(content: bytes) -> Element:
    """Return the root element of a BPMN document.

    Raises:
        DiagramError: Too large, too deep, not well-formed, a DOCTYPE, or not BPMN.
    """
    if len(content) > MAXIMUM_BYTES:
        raise _refusal("DOCUMENT_TOO_LARGE", f"The document has more than {MAXIMUM_BYTES} bytes.", "Split the diagram.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise (_doctype_refusal() if b"<!DOCTYPE" in content else _syntax_refusal(error)) from error
    if root.getroottree().docinfo.doctype:
        raise _doctype_refusal()
    _require_limits(root)
    if root.tag != f"{{{BPMN}}}definitions":
        raise _refusal("NOT_BPMN", "The root element is not bpmn:definitions.", "Export the diagram as BPMN 2.0 XML.")
    return root


def _require_limits(root: Element) -> None:
    depth = 0
    for count, (event, element) in enumerate(etree.iterwalk(root, events=("start", "end"))):
        depth += 1 if event == "start" else -1
        if depth > MAXIMUM_DEPTH:
            raise _too_deep(element.sourceline or 1)
        if count > 2 * MAXIMUM_ELEMENTS:
            raise _refusal("DOCUMENT_TOO_LARGE", f"More than {MAXIMUM_ELEMENTS} elements.", "Split the diagram.")


def _doctype_refusal() -> DiagramError:
    return _refusal("DOCTYPE_REFUSED", "The document has a DOCTYPE.", "Remove the DOCTYPE; BPMN needs none.")


def _syntax_refusal(error: etree.XMLSyntaxError) -> DiagramError:
    line = error.lineno or 1
    if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
        if "depth" in error.msg:
            return _too_deep(line)
        return _refusal("DOCUMENT_TOO_LARGE", "A text of the document is too long.", "Shorten the text.", line)
    message = f"The document is not well-formed XML: {error.msg}."
    return _refusal("XML_INVALID", message, "Save the diagram again in a BPMN editor.", line)


def _too_deep(line: int) -> DiagramError:
    message = f"More than {MAXIMUM_DEPTH} elements stand within each other."
    return _refusal("DOCUMENT_TOO_DEEP", message, "Draw nested subprocesses as processes of their own.", line)


def local_name(element: Element) -> str:
    """Return an element's name within BPMN; of another namespace, the whole of it, which nothing here is called."""
    namespace, _, name = str(element.tag).removeprefix("{").rpartition("}")
    return name if namespace in {BPMN, BPMN_DIAGRAM} else f"{{{namespace}}}{name}"


def is_true(element: Element, attribute: str, *, default: bool = False) -> bool:
    """Return a boolean attribute as XML Schema writes it, `1` and `0` included."""
    value = element.get(attribute)
    return default if value is None else value.strip() in {"true", "1"}


def _refusal(code: str, message: str, hint: str, line: int = 1) -> DiagramError:
    return DiagramError((Finding(line=line, element_id="definitions", code=code, message=message, hint=hint),))
