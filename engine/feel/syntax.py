"""The syntax tree of an expression: one class for each thing that can be written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Literal:
    """A constant."""

    value: str | int | float | bool | None


@dataclass(frozen=True)
class Path:
    """A variable and the keys that lead on from it."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class ListOf:
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class ContextOf:
    """A context: names with values."""

    entries: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Negation:
    """`-x` or `not(x)`."""

    operator: str
    operand: Node


@dataclass(frozen=True)
class Operation:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Conditional:
    """`if condition then accepted else otherwise`."""

    condition: Node
    accepted: Node
    otherwise: Node


@dataclass(frozen=True)
class Member:
    """`operand.key`: of a list, that of each item."""

    operand: Node
    key: str


@dataclass(frozen=True)
class Selection:
    """`operand[selector]`: the item at an index, or the items for which a condition holds.

    Attributes:
        size: The selector's, in tokens: what looking at one item costs.
    """

    operand: Node
    selector: Node
    size: int


@dataclass(frozen=True)
class Call:
    """A built-in function with its arguments."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Quantified:
    """`some name in collection satisfies condition`, or `every ...`.

    Attributes:
        size: The condition's, in tokens: what looking at one item costs.
    """

    is_every: bool
    name: str
    collection: Node
    condition: Node
    size: int


@dataclass(frozen=True)
class Between:
    """`value between lowest and highest`, both included."""

    value: Node
    lowest: Node
    highest: Node


@dataclass(frozen=True)
class Membership:
    """`value in (candidates)`."""

    value: Node
    candidates: tuple[Node, ...]


Node: TypeAlias = (
    Literal
    | Path
    | ListOf
    | ContextOf
    | Negation
    | Operation
    | Conditional
    | Member
    | Selection
    | Call
    | Quantified
    | Between
    | Membership
)
