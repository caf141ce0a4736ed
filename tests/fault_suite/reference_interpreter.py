"""What a block-structured process does, said once more and without an engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

from fault_suite.blocks import Block, Call, Choice, Each, Loop, Nested, Parallel, Sequence, Some, Work, written

Effect: TypeAlias = tuple[str, int]
Variables: TypeAlias = dict[str, int | list[int]]


@dataclass(frozen=True)
class InOrder:
    """Traces one after the other."""

    parts: tuple[Trace, ...]


@dataclass(frozen=True)
class AtOnce:
    """Traces of different elements in any interleaving."""

    parts: tuple[Trace, ...]


Trace: TypeAlias = Effect | InOrder | AtOnce


def interpret(block: Block, variables: Variables) -> Trace:  # noqa: PLR0911 - one case a kind
    """Change `variables` as the block does; return the effects of its tasks."""
    match block:
        case Work():
            value = block.constant + sum(_number(variables, name) for name in block.reads)
            variables[block.writes] = value
            return (f"Work{block.number}", value)
        case Sequence(blocks):
            return InOrder(tuple(interpret(each, variables) for each in blocks))
        case Choice():
            is_accepted = _number(variables, block.reads) > block.threshold
            return interpret(block.accepted if is_accepted else block.otherwise, variables)
        case Parallel():
            return AtOnce(tuple(interpret(each, variables) for each in block.branches))
        case Loop():
            variables[f"c{block.number}"] = block.times
            rounds = [(interpret(block.body, variables), (f"Count{block.number}", n + 1)) for n in range(block.times)]
            return InOrder(((f"Reset{block.number}", 0), *(part for pair in rounds for part in pair)))
        case Each():
            added = sum(_number(variables, name) for name in block.reads)
            values = [item + added for item in block.items]
            variables[f"y{block.number}"] = values
            effects = tuple((f"Each{block.number}", value) for value in values)
            return InOrder(effects) if block.is_sequential else AtOnce(effects)
        case Nested():
            variables[block.local] = _number(variables, block.reads) + block.constant
            trace = interpret(block.body, variables)
            variables[block.writes] = variables.pop(block.local)
            return trace
        case Some():
            chosen = [branch for name, threshold, branch in block.branches if _number(variables, name) > threshold]
            return AtOnce(tuple(interpret(branch, variables) for branch in chosen or [block.otherwise]))
        case Call():
            inner = dict(variables)
            trace = interpret(block.body, inner)
            variables.update({name: inner[name] for name in written(block)})
            return trace


def is_possible(trace: Trace, observed: list[Effect]) -> bool:
    """Return whether effects may be observed in this order."""
    match trace:
        case InOrder(parts):
            rest = observed
            for part in parts:
                head, rest = rest[: _length(part)], rest[_length(part) :]
                if not is_possible(part, head):
                    return False
            return not rest
        case AtOnce(parts) if all(isinstance(part, tuple) for part in parts):
            return Counter(observed) == Counter(parts)
        case AtOnce(parts):
            names = [_elements(part) for part in parts]
            projected = [[effect for effect in observed if effect[0] in own] for own in names]
            possible = all(is_possible(part, own) for part, own in zip(parts, projected, strict=True))
            return possible and sum(map(len, projected)) == len(observed)
        case _:
            return observed == [trace]


def _length(trace: Trace) -> int:
    return sum(map(_length, trace.parts)) if isinstance(trace, InOrder | AtOnce) else 1


def _elements(trace: Trace) -> frozenset[str]:
    if isinstance(trace, InOrder | AtOnce):
        return frozenset(name for part in trace.parts for name in _elements(part))
    return frozenset({trace[0]})


def _number(variables: Variables, name: str) -> int:
    value = variables[name]
    assert isinstance(value, int)
    return value
