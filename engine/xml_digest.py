"""What documents that mean the same have in common: a digest that neither layout nor spelling of the XML changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_OF_THE_TOOL = frozenset({"exporter", "exporterVersion"})


def digest_of(root: Any, is_drawing: Callable[[str], bool]) -> str:
    """Return the SHA-256, in hexadecimal, of what a parsed document says.

    It is the same for documents that differ only in the drawing, the order of attributes, namespace prefixes, comments,
    white space around texts, or the tool that wrote them. The order of elements counts: gateways ask their flows, and
    tables their rules, in that order.

    Args:
        root: An lxml element, without comments and processing instructions.
        is_drawing: Whether a tag, with its namespace, is of the drawing.
    """
    digest = hashlib.sha256()
    for part in _parts(root, is_drawing):
        digest.update(json.dumps(part, separators=(",", ":")).encode())
    return digest.hexdigest()


def _parts(root: Any, is_drawing: Callable[[str], bool]) -> Iterator[object]:
    """Return the beginning, with attributes, and the end of each element; texts before what follows them."""
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        if is_drawing(str(element.tag)):
            if event == "start":
                walk.skip_subtree()
        elif event == "start":
            yield element.tag, _attributes(element, is_root=element is root), _text(element.text)
        else:
            yield (element.tag,)
        if event == "end" and _text(element.tail):
            yield _text(element.tail)


def _attributes(element: Any, *, is_root: bool) -> list[tuple[str, str]]:
    named = ((str(name), str(value)) for name, value in element.attrib.items())
    return sorted(
        (name, _resolved(element, value) if name == _TYPE else value)
        for name, value in named
        if not (is_root and name in _OF_THE_TOOL)
    )


def _resolved(element: Any, name: str) -> str:
    """Return a qualified name with its namespace for its prefix."""
    prefix, _, local = name.rpartition(":")
    return f"{{{element.nsmap.get(prefix or None, '')}}}{local}"


def _text(text: str | None) -> str:
    return (text or "").strip()
