"""XML at the door: parsed without entities, document types, comments or network, within limits.

The limits are on bytes, elements, the attributes of each, and depth. The deployed bytes stay as they are; what is
parsed here is only read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from lxml import etree

from engine.errors import EngineError, Finding

Element: TypeAlias = Any  # lxml carries no types

MAXIMUM_DEPTH = 100
MAXIMUM_ATTRIBUTES = 100  # of one element; each is looked for among all
MAXIMUM_ID_LENGTH = 200  # ids are looked up in the database by indexes, which take no long texts


@dataclass(frozen=True)
class DocumentKind:
    """What a document has to be.

    Attributes:
        language: BPMN or DMN, with its version.
        noun: What such a document is called.
        is_root: Whether a root element is one of the language.
        code_of_others: Of the finding that a document is in no such language.
        refused: The error of findings.
    """

    language: str
    noun: str
    maximum_bytes: int
    maximum_elements: int
    is_root: Callable[[Element], bool]
    code_of_others: str
    refused: Callable[[tuple[Finding, ...]], EngineError]

    def refusal(self, code: str, message: str, hint: str, line: int = 1) -> EngineError:
        """Return the error of a document that cannot be read at all."""
        finding = Finding(line=line, element_id="definitions", code=code, message=message, hint=hint)
        return self.refused((finding,))


def parse_document(content: bytes, kind: DocumentKind) -> Element:
    """Return the root element of a document.

    Raises:
        EngineError: As `kind` has it: too large, too deep, not well-formed, a DOCTYPE, or not of the language.
    """
    if len(content) > kind.maximum_bytes:
        message = f"The document has more than {kind.maximum_bytes} bytes."
        raise kind.refusal("DOCUMENT_TOO_LARGE", message, f"Split the {kind.noun}.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise (_doctype(kind) if b"<!DOCTYPE" in content else _syntax(kind, error)) from error
    if root.getroottree().docinfo.doctype:
        raise _doctype(kind)
    _require_limits(root, kind)
    if not kind.is_root(root):
        message = f"The root element is not definitions of {kind.language}."
        raise kind.refusal(kind.code_of_others, message, f"Export the {kind.noun} as {kind.language}.")
    return root


def _require_limits(root: Element, kind: DocumentKind) -> None:
    depth = 0
    for count, (event, element) in enumerate(etree.iterwalk(root, events=("start", "end"))):
        depth += 1 if event == "start" else -1
        if depth > MAXIMUM_DEPTH:
            raise _too_deep(kind, element.sourceline or 1)
        if len(element.attrib) > MAXIMUM_ATTRIBUTES:
            message = f"An element has more than {MAXIMUM_ATTRIBUTES} attributes."
            raise kind.refusal("DOCUMENT_TOO_LARGE", message, "Remove attributes.", element.sourceline or 1)
        if count >= 2 * kind.maximum_elements:
            message = f"More than {kind.maximum_elements} elements."
            raise kind.refusal("DOCUMENT_TOO_LARGE", message, f"Split the {kind.noun}.")


def _doctype(kind: DocumentKind) -> EngineError:
    return kind.refusal("DOCTYPE_REFUSED", "The document has a DOCTYPE.", "Remove the DOCTYPE; none is needed.")


def _syntax(kind: DocumentKind, error: etree.XMLSyntaxError) -> EngineError:
    line = error.lineno or 1
    if error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT:
        if "depth" in error.msg:
            return _too_deep(kind, line)
        return kind.refusal("DOCUMENT_TOO_LARGE", "A text of the document is too long.", "Shorten the text.", line)
    message = f"The document is not well-formed XML: {error.msg}."
    return kind.refusal("XML_INVALID", message, f"Save the {kind.noun} again in an editor.", line)


def _too_deep(kind: DocumentKind, line: int) -> EngineError:
    message = f"More than {MAXIMUM_DEPTH} elements stand within each other."
    hint = f"Draw what is nested in a {kind.noun} of its own."
    return kind.refusal("DOCUMENT_TOO_DEEP", message, hint, line)
