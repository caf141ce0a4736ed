"""The syntax tree of an expression: one class for each thing that can be written.

A `position` is the character where the operation stands, for messages. A `size` is the number of tokens of a part that
is evaluated again and again: what each time costs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from engine.feel.values import Value


@dataclass(frozen=True)
class Literal:
    """A constant."""

    value: Value


@dataclass(frozen=True)
class Path:
    """A variable and the keys that lead on from it."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class InputValue:
    """`?`: what a unary test is about."""


@dataclass(frozen=True)
class ListOf:
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class ContextOf:
    """A context: names with values, each of which sees those before it."""

    entries: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class RangeOf:
    """`[start..end]`; round brackets, or turned ones, exclude their end."""

    start: Node
    end: Node
    is_start_included: bool
    is_end_included: bool


@dataclass(frozen=True)
class Negation:
    """`-x` or `not(x)`."""

    operator: str
    operand: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Operation:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Conditional:
    """`if condition then accepted else otherwise`."""

    condition: Node
    accepted: Node
    otherwise: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Member:
    """`operand.key`: of a list, that of each item."""

    operand: Node
    key: str


@dataclass(frozen=True)
class Selection:
    """`operand[selector]`: the item at an index, or the items for which a condition holds."""

    operand: Node
    selector: Node
    size: int = field(default=1, compare=False)
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Call:
    """A built-in function with its arguments."""

    function: str
    arguments: tuple[Node, ...]
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Lambda:
    """`function(a, b) body`, as an argument of a built-in function."""

    parameters: tuple[str, ...]
    body: Node
    size: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Iteration:
    """`name in domain`."""

    name: str
    domain: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Quantified:
    """`some name in domain, ... satisfies condition`, or `every ...`."""

    is_every: bool
    iterations: tuple[Iteration, ...]
    condition: Node
    size: int = field(default=1, compare=False)
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class For:
    """`for name in domain, ... return result`.

    Attributes:
        uses_partial: Whether the result reads `partial`, the list of the results before it.
    """

    iterations: tuple[Iteration, ...]
    result: Node
    uses_partial: bool
    size: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Between:
    """`value between lowest and highest`, both included."""

    value: Node
    lowest: Node
    highest: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class InstanceOf:
    """`value instance of type`."""

    value: Node
    type_name: str


@dataclass(frozen=True)
class Comparing:
    """A unary test `< operand` and the like."""

    operator: str
    operand: Node
    position: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Matching:
    """A unary test that names a value, a list or a range, or that is a condition of its own, often about `?`."""

    expression: Node
    is_condition: bool
    position: int = field(default=0, compare=False)


Test: TypeAlias = Comparing | Matching


@dataclass(frozen=True)
class Membership:
    """`value in (tests)`."""

    value: Node
    tests: tuple[Test, ...]


@dataclass(frozen=True)
class UnaryTests:
    """The tests of a cell of a decision table; `-`, which everything passes, has none."""

    tests: tuple[Test, ...]
    is_negated: bool = False


Node: TypeAlias = (
    Literal
    | Path
    | InputValue
    | ListOf
    | ContextOf
    | RangeOf
    | Negation
    | Operation
    | Conditional
    | Member
    | Selection
    | Call
    | Lambda
    | Quantified
    | For
    | Between
    | InstanceOf
    | Membership
)
