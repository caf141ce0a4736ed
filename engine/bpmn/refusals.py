"""What reading a document finds to refuse, each with the element's id and line."""

from __future__ import annotations

from engine.bpmn.extensions import Extensions, expression_text, read_extensions
from engine.bpmn.xml import BPMN, local_name
from engine.errors import Finding
from engine.xml_documents import Element

NODE_CHILDREN = frozenset({"incoming", "outgoing", "documentation", "extensionElements"})
_SUPPORTED = "see docs/reference/bpmn.md"
_INSTEAD = {
    "loopCardinality": "Give an input collection instead, of as many items.",
    "adHocSubProcess": "Draw the order of the activities, or choose between them with gateways.",
    "complexGateway": "Draw what it means with inclusive and parallel gateways.",
    "script": "Write the script in FEEL, as a zeebe:script expression.",
}


class Refusals:
    """Collects findings; its methods are what every reader of a part asks of an element."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._read: set[Element] = set()

    def find(self, element: Element, code: str, message: str, hint: str, *, owner: Element | None = None) -> None:
        """Add a finding; without an id of its own, the element goes by that of its owner or of what it stands in."""
        self.findings.append(_finding(element, code, message, hint, owner))

    def warn(self, element: Element, code: str, message: str, hint: str) -> None:
        """Add a warning, as `find` adds an error."""
        self.findings.append(_finding(element, code, message, hint).model_copy(update={"severity": "warning"}))

    def unsupported(self, element: Element, owner: Element | None = None) -> None:
        """Refuse an element of a kind that is not executed."""
        name = local_name(element)
        hint = _INSTEAD.get(name, f"What is executed: {_SUPPORTED}.")
        self.find(element, "ELEMENT_UNSUPPORTED", f"{name} is not executed by this engine.", hint, owner=owner)

    def require_children(self, element: Element, allowed: frozenset[str] = NODE_CHILDREN) -> None:
        """Refuse each child that is not allowed."""
        for child in element:
            if local_name(child) not in allowed:
                self.unsupported(child, owner=element)

    def extensions(self, element: Element, allowed: frozenset[str] = frozenset()) -> Extensions:
        """Return what the element's extensions say; properties are allowed everywhere, the others where named."""
        containers = element.findall(f"{{{BPMN}}}extensionElements")
        self._read.update(containers)
        return read_extensions(containers, allowed | {"properties"}, self.find, self.warn)

    def has_read(self, container: Element) -> bool:
        """Return whether `extensions` has looked into a container of extensions."""
        return container in self._read

    def condition(self, owner: Element, condition: Element) -> str:
        """Return the FEEL text of a condition."""
        self.require_children(condition, frozenset())
        text = (condition.text or "").strip()
        if not text.startswith("="):
            self.find(owner, "CONDITION_INVALID", "A condition is FEEL and starts with '='.", "Put '=' before it.")
        return expression_text(text)

    def plain_value(self, element: Element, attribute: str) -> str | None:
        """Return an attribute that may be no expression; `None` where it is missing or empty."""
        value = str(element.get(attribute) or "")
        if value.startswith("="):
            self.find(element, "EXPRESSION_UNSUPPORTED", f"{attribute} is an expression.", "Write the value itself.")
        return value or None


def _finding(element: Element, code: str, message: str, hint: str, owner: Element | None = None) -> Finding:
    around = (element, owner, *element.iterancestors())
    named = next((each for each in around if each is not None and each.get("id")), element)
    line = next((each.sourceline for each in around if each is not None and each.sourceline), 0)
    return Finding(line=line, element_id=named.get("id") or local_name(named), code=code, message=message, hint=hint)
