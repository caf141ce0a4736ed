"""The digest of what a diagram says, however it is drawn and written."""

from __future__ import annotations

from engine.bpmn.xml import BPMN_DIAGRAM, parse_xml
from engine.xml_digest import digest_of


def canonical_digest(content: bytes) -> str:
    """Return the SHA-256, in hexadecimal, of what a BPMN document says: see `digest_of`.

    Raises:
        DiagramError: As `parse_xml`.
    """
    return digest_of(parse_xml(content), lambda tag: tag.startswith(f"{{{BPMN_DIAGRAM}}}"))
