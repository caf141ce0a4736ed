"""Why a decision model is refused, gathered while it is read."""

from __future__ import annotations

from engine.dmn.xml import local_name
from engine.errors import Finding
from engine.xml_documents import Element


class Findings:
    """What has been found so far."""

    def __init__(self) -> None:
        self.found: list[Finding] = []

    def at(self, element: Element, code: str, message: str, hint: str) -> None:
        """Add a finding at an element."""
        owner = element
        while owner is not None and owner.get("id") is None:
            owner = owner.getparent()
        element_id = "definitions" if owner is None else owner.get("id")
        line = element.sourceline or 0
        self.found.append(Finding(line=line, element_id=element_id, code=code, message=message, hint=hint))

    def unsupported(self, element: Element, hint: str) -> None:
        """Add the finding that an element is none that is evaluated here."""
        self.at(element, "ELEMENT_UNSUPPORTED", f"{local_name(element)} is not evaluated by this engine.", hint)

    def require_feel(self, element: Element) -> None:
        """Add a finding where expressions are written in another language."""
        language = element.get("expressionLanguage")
        if language is not None and "feel" not in language.lower():
            message = f"Expressions are written in {language[:60]!r}."
            self.at(element, "EXPRESSION_LANGUAGE_UNSUPPORTED", message, "Write them in FEEL.")
