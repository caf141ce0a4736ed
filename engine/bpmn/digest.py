"""What two diagrams have in common that mean the same: a digest that neither layout nor spelling of the XML changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

from lxml import etree

from engine.bpmn.xml import BPMN, BPMN_DIAGRAM, Element, parse_xml

_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_OF_THE_TOOL = frozenset({"exporter", "exporterVersion"})


def canonical_digest(content: bytes) -> str:
    """Return the SHA-256, in hexadecimal, of what a BPMN document says.

    It is the same for documents that differ only in the drawing (BPMN DI), the order of attributes, namespace prefixes,
    comments, white space around texts, or the tool that wrote them. The order of elements counts: gateways ask their
    flows in that order.

    Raises:
        DiagramError: As `parse_xml`.
    """
    digest = hashlib.sha256()
    for part in _parts(parse_xml(content)):
        digest.update(json.dumps(part, separators=(",", ":")).encode())
    return digest.hexdigest()


def _parts(root: Element) -> Iterator[object]:
    """Return the beginning, with attributes, and the end of each element; texts before what follows them."""
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        if str(element.tag).startswith(f"{{{BPMN_DIAGRAM}}}"):
            if event == "start":
                walk.skip_subtree()
        elif event == "start":
            yield element.tag, _attributes(element), _text(element.text)
        else:
            yield (element.tag,)
        if event == "end" and _text(element.tail):
            yield _text(element.tail)


def _attributes(element: Element) -> list[tuple[str, str]]:
    is_root = element.tag == f"{{{BPMN}}}definitions"
    named = ((str(name), str(value)) for name, value in element.attrib.items())
    return sorted(
        (name, _resolved(element, value) if name == _TYPE else value)
        for name, value in named
        if not (is_root and name in _OF_THE_TOOL)
    )


def _resolved(element: Element, name: str) -> str:
    """Return a qualified name with its namespace for its prefix."""
    prefix, _, local = name.rpartition(":")
    return f"{{{element.nsmap.get(prefix or None, '')}}}{local}"


def _text(text: str | None) -> str:
    return (text or "").strip()
