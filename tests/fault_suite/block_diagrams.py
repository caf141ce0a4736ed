"""Block-structured processes as diagrams."""

from __future__ import annotations

from itertools import pairwise

from diagrams import (
    call_activity,
    document,
    end,
    flow,
    for_each,
    gateway,
    inclusive,
    parallel,
    path,
    process,
    service_task,
    start,
    subprocess,
)
from fault_suite.blocks import Block, Call, Choice, Each, Loop, Nested, Parallel, Sequence, Some, Work, written

ATTEMPTS = 100


def draw(block: Block, names: tuple[str, ...]) -> bytes:
    """Return the diagram of the process `p`, and of those that it calls, which have the variables `names`."""
    return document(*_Draughtsman(names).process("p", block))


class _Draughtsman:
    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._processes: list[str] = []

    def process(self, process_id: str, block: Block) -> list[str]:
        content: list[str] = []
        first, last = self._draw(block, content)
        begin, done = f"Begin_{process_id}", f"Done_{process_id}"
        content += [self._declared(), start(begin), end(done), flow(begin, first), flow(last, done)]
        self._processes.append(process(process_id, *content))
        return self._processes

    def _declared(self) -> str:
        """Say with which variables an instance begins: all that it has."""
        declared = f'<zeebe:property name="inputs" value="{" ".join(self._names)}" />'
        return f"<bpmn:extensionElements><zeebe:properties>{declared}</zeebe:properties></bpmn:extensionElements>"

    def _draw(self, block: Block, content: list[str]) -> tuple[str, str]:  # noqa: C901, PLR0911 - one case a kind
        """Add a block to a process; return the ids of its first and its last node."""
        match block:
            case Work():
                name, terms = f"Work{block.number}", (*block.reads, str(block.constant))
                content.append(_task(name, terms, block.writes, is_external=block.is_external))
                return name, name
            case Sequence(blocks):
                ends = [self._draw(each, content) for each in blocks]
                content += [flow(left[1], right[0]) for left, right in pairwise(ends)]
                return ends[0][0], ends[-1][1]
            case Choice():
                return self._draw_choice(block, content)
            case Parallel():
                fork, join = f"Fork{block.number}", f"Join{block.number}"
                content += [parallel(fork), parallel(join)]
                for first, last in [self._draw(each, content) for each in block.branches]:
                    content += [flow(fork, first), flow(last, join)]
                return fork, join
            case Loop():
                return self._draw_loop(block, content)
            case Each():
                return self._draw_each(block, content)
            case Call():
                return self._draw_call(block, content)
            case Nested():
                return self._draw_nested(block, content)
            case Some():
                return self._draw_some(block, content)

    def _draw_nested(self, block: Nested, content: list[str]) -> tuple[str, str]:
        name, begin, done = f"Nested{block.number}", f"In{block.number}", f"Out{block.number}"
        inside = [start(begin), end(done)]
        first, last = self._draw(block.body, inside)
        inside += [flow(begin, first), flow(last, done)]
        inputs = {block.local: f"={block.reads} + {block.constant}"}
        content.append(subprocess(name, *inside, inputs=inputs, outputs={block.writes: f"={block.local}"}))
        return name, name

    def _draw_some(self, block: Some, content: list[str]) -> tuple[str, str]:
        fork, join, default = f"Some{block.number}", f"All{block.number}", f"None{block.number}"
        content += [inclusive(fork, default), inclusive(join)]
        for reads, threshold, branch in block.branches:
            first, last = self._draw(branch, content)
            content += [flow(fork, first, f"={reads} > {threshold}", name=reads), flow(last, join)]
        first, last = self._draw(block.otherwise, content)
        content += [flow(fork, first, flow_id=default, name="none"), flow(last, join)]
        return fork, join

    def _draw_choice(self, block: Choice, content: list[str]) -> tuple[str, str]:
        split, merge, default = f"Split{block.number}", f"Merge{block.number}", f"Otherwise{block.number}"
        accepted, otherwise = self._draw(block.accepted, content), self._draw(block.otherwise, content)
        content += [
            gateway(split, default),
            gateway(merge),
            flow(split, accepted[0], f"={block.reads} > {block.threshold}", name="yes"),
            flow(split, otherwise[0], flow_id=default, name="no"),
            flow(accepted[1], merge),
            flow(otherwise[1], merge),
        ]
        return split, merge

    def _draw_loop(self, block: Loop, content: list[str]) -> tuple[str, str]:
        number, counter = block.number, f"c{block.number}"
        first, last = self._draw(block.body, content)
        reset, count, enter, again, leave = (
            f"{name}{number}" for name in ("Reset", "Count", "Enter", "Again", "Leave")
        )
        content += [
            _task(reset, ("0",), counter, is_external=False),
            gateway(enter),
            _task(count, (counter, "1"), counter, is_external=False),
            gateway(again, f"Enough{number}"),
            gateway(leave),
            path(reset, enter, first),
            path(last, count, again),
            flow(again, enter, f"={counter} < {block.times}", name="again"),
            flow(again, leave, flow_id=f"Enough{number}", name="enough"),
        ]
        return reset, leave

    def _draw_each(self, block: Each, content: list[str]) -> tuple[str, str]:
        name = f"Each{block.number}"
        items = for_each(
            f"={list(block.items)}", "item", collect=f"y{block.number}", each="=value", sequential=block.is_sequential
        )
        content.append(_task(name, ("item", *block.reads), None, is_external=block.is_external, each=items))
        return name, name

    def _draw_call(self, block: Call, content: list[str]) -> tuple[str, str]:
        name, process_id = f"Call{block.number}", f"p{block.number}"
        inputs = {variable: f"={variable}" for variable in self._names}
        outputs = {variable: f"={variable}" for variable in written(block)}
        content.append(call_activity(name, process_id, inputs, outputs, parent=False, child=False))
        self.process(process_id, block.body)
        return name, name


def _task(name: str, terms: tuple[str, ...], target: str | None, *, is_external: bool, each: str = "") -> str:
    return service_task(
        name,
        "outside" if is_external else "inside",
        {"value": f"={' + '.join(terms)}"},
        {} if target is None else {target: "=value"},
        retries=ATTEMPTS,
        multi_instance=each,
    )
