"""Random block-structured processes: what Hypothesis draws, and how it is drawn.

Every variable is a whole number and exists from the start. A task writes one variable of its own; it reads only what no
parallel branch may be writing. So the final variables, and the order of effects but for parallel branches, follow from
the blocks alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import strategies as st


@dataclass(frozen=True)
class Work:
    """A service task that writes `constant` plus the variables it reads.

    Attributes:
        is_external: Whether its handler runs outside the step.
    """

    number: int
    constant: int
    reads: tuple[str, ...]
    is_external: bool

    @property
    def writes(self) -> str:
        return f"x{self.number}"


@dataclass(frozen=True)
class Sequence:
    """One after the other."""

    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Choice:
    """The first block where a variable is greater than the threshold, else the second."""

    number: int
    reads: str
    threshold: int
    accepted: Block
    otherwise: Block


@dataclass(frozen=True)
class Parallel:
    """All at once."""

    number: int
    branches: tuple[Block, ...]


@dataclass(frozen=True)
class Loop:
    """The block, a number of times."""

    number: int
    times: int
    body: Block


@dataclass(frozen=True)
class Each:
    """A multi-instance task: item plus variables, for each item of a list."""

    number: int
    items: tuple[int, ...]
    reads: tuple[str, ...]
    is_sequential: bool
    is_external: bool


@dataclass(frozen=True)
class Call:
    """The block as a process of its own."""

    number: int
    body: Block


@dataclass(frozen=True)
class Nested:
    """The block as a subprocess, with a variable of its own whose value it leaves behind."""

    number: int
    constant: int
    reads: str
    body: Block

    @property
    def local(self) -> str:
        return f"l{self.number}"

    @property
    def writes(self) -> str:
        return f"x{self.number}"


@dataclass(frozen=True)
class Some:
    """At once every branch whose variable is greater than its threshold, or else the last block."""

    number: int
    branches: tuple[tuple[str, int, Block], ...]
    otherwise: Block


Block: TypeAlias = Work | Sequence | Choice | Parallel | Loop | Each | Call | Nested | Some
_LEAVES = ("work", "each")
_NESTS = ("sequence", "sequence", "choice", "parallel", "loop", "call", "nested", "some")


def processes() -> st.SearchStrategy[Block]:
    """Return the strategy of random processes."""
    return st.composite(lambda draw: _Dealer(draw).sequence(("x0",), depth=3))()


def written(block: Block) -> tuple[str, ...]:  # noqa: PLR0911 - one case a kind
    """Return the variables that a block may write, those of its calls included."""
    match block:
        case Work():
            return (block.writes,)
        case Sequence(blocks) | Parallel(branches=blocks):
            return tuple(name for each in blocks for name in written(each))
        case Choice():
            return (*written(block.accepted), *written(block.otherwise))
        case Loop():
            return (f"c{block.number}", *written(block.body))
        case Each():
            return (f"y{block.number}",)
        case Call():
            return written(block.body)
        case Nested():
            return (block.writes, *written(block.body))
        case Some():
            blocks = (*(branch for _, _, branch in block.branches), block.otherwise)
            return tuple(name for each in blocks for name in written(each))


class _Dealer:
    """Draws blocks; numbers them so that every element and every variable has one owner."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._numbers = 0

    def sequence(self, readable: tuple[str, ...], depth: int) -> Sequence:
        blocks: list[Block] = []
        for _ in range(self._draw(st.integers(1, 3))):
            blocks.append(self._block(readable, depth))
            readable += tuple(name for name in written(blocks[-1]) if not name.startswith("y"))
        return Sequence(tuple(blocks))

    def _block(self, readable: tuple[str, ...], depth: int) -> Block:  # noqa: PLR0911 - one case a kind
        kind = self._draw(st.sampled_from(_LEAVES if depth == 0 else (*_LEAVES, *_NESTS)))
        number, inner = self._number(), depth - 1
        reads = st.lists(st.sampled_from(readable), max_size=2, unique=True).map(tuple)
        match kind:
            case "work":
                constant, is_external = self._draw(st.integers(0, 5)), self._draw(st.booleans())
                return Work(number, constant, self._draw(reads), is_external)
            case "each":
                items = tuple(self._draw(st.lists(st.integers(0, 9), min_size=1, max_size=3)))
                is_sequential, is_external = self._draw(st.booleans()), self._draw(st.booleans())
                return Each(number, items, self._draw(reads), is_sequential, is_external)
            case "choice":
                name, threshold = self._draw(st.sampled_from(readable)), self._draw(st.integers(0, 8))
                accepted, otherwise = (self.sequence(readable, inner) for _ in range(2))
                return Choice(number, name, threshold, accepted, otherwise)
            case "parallel":
                count = self._draw(st.integers(2, 3))
                return Parallel(number, tuple(self.sequence(readable, inner) for _ in range(count)))
            case "loop":
                return Loop(number, self._draw(st.integers(1, 3)), self.sequence(readable, inner))
            case "call":
                # What a called process is given are the variables of the process, not those of a subprocess.
                return Call(number, self.sequence(tuple(name for name in readable if name[0] != "l"), inner))
            case "nested":
                constant, name = self._draw(st.integers(0, 5)), self._draw(st.sampled_from(readable))
                return Nested(number, constant, name, self.sequence((*readable, f"l{number}"), inner))
            case "some":
                return self._some(number, readable, inner)
            case _:
                return self.sequence(readable, inner)

    def _some(self, number: int, readable: tuple[str, ...], depth: int) -> Some:
        branches: list[tuple[str, int, Block]] = []
        for _ in range(self._draw(st.integers(1, 3))):
            name, threshold = self._draw(st.sampled_from(readable)), self._draw(st.integers(0, 8))
            branches.append((name, threshold, self.sequence(readable, depth)))
        return Some(number, tuple(branches), self.sequence(readable, depth))

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers
