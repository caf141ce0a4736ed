"""From DMN XML to a decision model, refused with every finding where it cannot be evaluated as drawn."""

from __future__ import annotations

from engine.dmn.findings import Findings
from engine.dmn.model import Decision, DecisionModel, DecisionTable, InputData, LiteralExpression
from engine.dmn.tables import TableReader, type_name
from engine.dmn.verification import verify
from engine.dmn.xml import ZEEBE, children, is_drawing, local_name, parse_dmn, text_of
from engine.errors import DecisionModelError
from engine.xml_documents import MAXIMUM_ID_LENGTH, Element

_DESCRIPTIVE = frozenset(
    {
        *("description", "extensionElements", "knowledgeSource", "textAnnotation", "association", "group"),
        *("organizationUnit", "performanceIndicator", "elementCollection"),
        *("question", "allowedAnswers", "variable", "authorityRequirement", "informationRequirement"),
    }
)
_HINTS = {
    "businessKnowledgeModel": "Write its expression into the decisions that use it.",
    "decisionService": "Evaluate its output decisions by their ids.",
    "itemDefinition": "Use FEEL's own types, and the values of the columns for what is allowed.",
    "import": "Copy what it imports into this document.",
}
_LOGIC = ("decisionTable", "literalExpression")


def read_decisions(content: bytes) -> DecisionModel:
    """Return the decisions of a document, verified.

    Raises:
        DecisionModelError: With every finding, where the document cannot be evaluated as drawn.
    """
    findings = Findings()
    model = _Reader(parse_dmn(content), findings).model()
    found = tuple(dict.fromkeys(findings.found)) or verify(model)
    if found:
        raise DecisionModelError(found)
    return model


class _Reader:
    def __init__(self, root: Element, findings: Findings) -> None:
        self._root = root
        self._findings = findings
        self._tables = TableReader(findings)

    def model(self) -> DecisionModel:
        self._require_ids()
        self._findings.require_feel(self._root)
        inputs: dict[str, InputData] = {}
        decisions: dict[str, Decision] = {}
        for element in self._root:
            match local_name(element):
                case "inputData":
                    data = self._input_data(element)
                    inputs[data.id] = data
                case "decision":
                    decision = self._decision(element)
                    if decision is not None:
                        decisions[decision.id] = decision
                case name if name not in _DESCRIPTIVE and not is_drawing(name):
                    self._findings.unsupported(element, _HINTS.get(name, "Remove it."))
        if not decisions and not self._findings.found:
            self._findings.at(self._root, "DECISION_MISSING", "The document has no decision.", "Draw one.")
        name = self._root.get("name") or self._root.get("id") or ""
        return DecisionModel(id=self._root.get("id") or "", name=name, inputs=inputs, decisions=decisions)

    def _require_ids(self) -> None:
        seen: set[str] = set()
        for element in self._root.iter():
            element_id = element.get("id")
            if element_id is not None and not local_name(element).startswith("{"):
                if element_id in seen:
                    message = f"Another element has the id {element_id!r}."
                    self._findings.at(element, "ID_DUPLICATE", message, "Give each its own.")
                if len(element_id) > MAXIMUM_ID_LENGTH:
                    message = f"The id has {len(element_id)} characters and may have {MAXIMUM_ID_LENGTH}."
                    self._findings.at(element, "ID_INVALID", message, "Choose a shorter one.")
                seen.add(element_id)

    def _input_data(self, element: Element) -> InputData:
        (variable, *_) = [*children(element, "variable"), element]
        return InputData(
            id=self._id(element),
            line=element.sourceline or 0,
            name=variable.get("name") or element.get("name") or element.get("id") or "",
            type_name=type_name(variable, self._findings),
        )

    def _decision(self, element: Element) -> Decision | None:
        (variable, *_) = [*children(element, "variable"), element]
        name = element.get("name") or self._id(element)
        logic = self._logic(element)
        if logic is None:
            return None
        return Decision(
            id=self._id(element),
            line=element.sourceline or 0,
            name=name,
            variable=variable.get("name") or name,
            type_name=type_name(variable, self._findings),
            required_inputs=self._required(element, "requiredInput"),
            required_decisions=self._required(element, "requiredDecision"),
            logic=logic,
            version_tag=_version_tag(element),
        )

    def _logic(self, element: Element) -> DecisionTable | LiteralExpression | None:
        logics = []
        for child in element:
            name = local_name(child)
            if name in _LOGIC:
                logics.append(child)
            elif name == "knowledgeRequirement":
                self._findings.unsupported(child, _HINTS["businessKnowledgeModel"])
            elif name not in _DESCRIPTIVE:
                self._findings.unsupported(child, "Use a decision table or a literal expression.")
        if len(logics) != 1:
            if not self._findings.found:
                message = "The decision has no decision table and no literal expression."
                self._findings.at(element, "LOGIC_MISSING", message, "Give it one of them.")
            return None
        (logic,) = logics
        return self._expression(logic) if local_name(logic) == "literalExpression" else self._tables.read(logic)

    def _required(self, element: Element, kind: str) -> tuple[str, ...]:
        requirements = [each for part in children(element, "informationRequirement") for each in children(part, kind)]
        return tuple((each.get("href") or "").removeprefix("#") for each in requirements)

    def _expression(self, element: Element) -> LiteralExpression:
        self._findings.require_feel(element)
        return LiteralExpression(id=element.get("id") or "", line=element.sourceline or 0, source=text_of(element))

    def _id(self, element: Element) -> str:
        element_id: str = element.get("id") or ""
        if not element_id:
            self._findings.at(element, "ID_MISSING", f"A {local_name(element)} has no id.", "Give it one.")
        return element_id


def _version_tag(element: Element) -> str | None:
    tag = element.find(f"{element.tag.removesuffix('decision')}extensionElements/{{{ZEEBE}}}versionTag")
    return None if tag is None else tag.get("value") or None
