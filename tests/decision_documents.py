"""DMN documents for tests, written in a few words."""

from __future__ import annotations

from uuid import UUID
from xml.sax.saxutils import escape, quoteattr

from engine.dmn import DecisionRef, DeployedDecision, read_decisions

_ZEEBE = "http://camunda.org/schema/zeebe/1.0"
NAMESPACE = "https://www.omg.org/spec/DMN/20191111/MODEL/"


def document(*parts: str, namespace: str = NAMESPACE) -> bytes:
    return f'<definitions xmlns="{namespace}" id="D" name="D" namespace="http://test">{"".join(parts)}</definitions>'.encode()


def input_data(name: str, type_name: str = "Any") -> str:
    variable = f'<variable name={quoteattr(name)} typeRef="{type_name}" />'
    return f'<inputData id="{_id(name)}" name={quoteattr(name)}>{variable}</inputData>'


def decision(
    name: str,
    logic: str,
    *,
    needs: tuple[str, ...] = (),
    wants: tuple[str, ...] = (),
    type_name: str = "Any",
    version_tag: str | None = None,
) -> str:
    """Return a decision that needs other decisions and wants input data, all by name."""
    required = [f'<requiredDecision href="#{_id(each)}" />' for each in needs]
    required += [f'<requiredInput href="#{_id(each)}" />' for each in wants]
    requirements = "".join(f"<informationRequirement>{each}</informationRequirement>" for each in required)
    variable = f'<variable name={quoteattr(name)} typeRef="{type_name}" />'
    tag = "" if version_tag is None else f'<versionTag xmlns="{_ZEEBE}" value={quoteattr(version_tag)} />'
    extensions = f"<extensionElements>{tag}</extensionElements>" if tag else ""
    return f'<decision id="{_id(name)}" name={quoteattr(name)}>{extensions}{variable}{requirements}{logic}</decision>'


def literal(source: str) -> str:
    return f"<literalExpression><text>{escape(source)}</text></literalExpression>"


def table(
    columns: list[str],
    rules: list[str],
    *,
    policy: str = "UNIQUE",
    outputs: tuple[str, ...] = ("result",),
    aggregation: str = "",
) -> str:
    """Return a table.

    Args:
        columns: `expression`, `expression : type` or `expression : type : allowed values`.
        rules: Cells with ` | ` between them.
        policy: The hit policy.
        outputs: `name`, `name : type`, `name : type : allowed values` or the same and ` : default`.
        aggregation: Of COLLECT.
    """
    attribute = f' aggregation="{aggregation}"' if aggregation else ""
    body = "".join(
        [
            *(_input(number, *_fields(column, 3)) for number, column in enumerate(columns)),
            *(_output(number, *_fields(output, 4)) for number, output in enumerate(outputs)),
            *(
                _rule(number, [cell.strip() for cell in rule.split("|")], len(columns))
                for number, rule in enumerate(rules, 1)
            ),
        ]
    )
    return f'<decisionTable id="T" hitPolicy="{policy}"{attribute}>{body}</decisionTable>'


def deployed(content: bytes) -> dict[str, DeployedDecision]:
    """Return the decisions of a document by the keys that tasks bound to the newest version have for them."""
    model = read_decisions(content)
    return {
        f"decision/{each.id}": DeployedDecision(
            DecisionRef(
                decision_definition_id=UUID(int=number),
                decision_id=each.id,
                version=1,
                version_tag=None,
                name=each.name,
                sha256="",
                canonical_sha256="",
            ),
            model,
        )
        for number, each in enumerate(model.decisions.values())
    }


def _id(name: str) -> str:
    return name.replace(" ", "_")


def _fields(text: str, count: int) -> list[str]:
    fields = [field.strip() for field in text.split(" : ")]
    return [*fields, *[""] * (count - len(fields))]


def _input(number: int, expression: str, type_name: str, allowed: str) -> str:
    values = f"<inputValues><text>{escape(allowed)}</text></inputValues>" if allowed else ""
    reference = f' typeRef="{type_name}"' if type_name else ""
    asked = f"<inputExpression{reference}><text>{escape(expression)}</text></inputExpression>"
    return f'<input id="I{number}">{asked}{values}</input>'


def _output(number: int, name: str, type_name: str, allowed: str, default: str) -> str:
    values = f"<outputValues><text>{escape(allowed)}</text></outputValues>" if allowed else ""
    values += f"<defaultOutputEntry><text>{escape(default)}</text></defaultOutputEntry>" if default else ""
    reference = f' typeRef="{type_name}"' if type_name else ""
    return f'<output id="O{number}" name="{name}"{reference}>{values}</output>'


def _rule(number: int, cells: list[str], inputs: int) -> str:
    entries = [
        f"<{kind}><text>{escape(cell)}</text></{kind}>"
        for position, cell in enumerate(cells)
        for kind in ["inputEntry" if position < inputs else "outputEntry"]
    ]
    return f'<rule id="R{number}">{"".join(entries)}</rule>'
