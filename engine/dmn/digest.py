"""The digest of what a decision model says, however it is drawn and written."""

from __future__ import annotations

from engine.dmn.xml import is_drawing, parse_dmn
from engine.xml_digest import digest_of


def canonical_decision_digest(content: bytes) -> str:
    """Return the SHA-256, in hexadecimal, of what a DMN document says: see `digest_of`.

    Raises:
        DecisionModelError: As `parse_dmn`.
    """
    return digest_of(parse_dmn(content), is_drawing)
