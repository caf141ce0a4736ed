"""Evaluates hostile expressions wherever a diagram or a table holds one, and prints what that took.

A process of its own, so that its memory is what the expressions took and nothing else. Input and output are JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from uuid import UUID
from xml.sax.saxutils import escape

UNIT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(UNIT), str(UNIT / "dmn")]

from decision_documents import decision, document, literal, table  # noqa: E402
from test_bpmn_inert_text import CONTRACTS, _fill  # noqa: E402

from engine.bpmn import ServiceTask, UserTask, errors_among, read_diagram, verify  # noqa: E402
from engine.dmn import evaluate, read_decisions  # noqa: E402
from engine.errors import DiagramError, EngineError  # noqa: E402
from engine.spiff import ProcessTree, compile_process  # noqa: E402

ROOT = UUID(int=1)
CELLS: dict[str, Callable[[str], str]] = {
    "literal expression": literal,
    "table input": lambda source: table([source], ["- | 1"]),
    "table cell": lambda source: table(["x"], [f"{source} | 1"]),
    "table output": lambda source: table(["x"], [f"- | {source}"]),
}


def main() -> None:
    cases = json.load(sys.stdin)
    attempt("condition", "1 = 1")
    attempt("table cell", "1")
    memory = peak_bytes()
    results = []
    for place, source in cases:
        started_at = time.thread_time()
        outcome = attempt(place, source)
        results.append([place, source[:80], outcome, time.thread_time() - started_at])
    print(json.dumps({"results": results, "memory_bytes": peak_bytes() - memory}))  # noqa: T201 - its answer


def attempt(place: str, source: str) -> str:
    try:
        if place in CELLS:
            evaluate(read_decisions(document(decision("D1", CELLS[place](source)))), "D1", {"x": 1})
        else:
            run(_fill(place, escape(f"={source}", {'"': "&quot;"})))
    except EngineError as error:
        return error.code
    except RecursionError:
        return "recursion"
    return "value"


def run(content: bytes) -> None:
    """Do with a diagram what deploying it does, and what an instance does, up to the end."""
    first, child = read_diagram(content)
    findings = [found for model in (first, child) for found in verify(model, CONTRACTS)]
    if errors_among(findings):
        raise DiagramError(tuple(findings))
    compiled = compile_process(first, {"child": child}, "Begin")
    tree = ProcessTree.begin(compiled, ROOT, {"b": 1}, map(UUID, (f"{number:032x}" for number in count(2))).__next__)
    for _ in range(20):
        waiting = tree.waiting()
        if not waiting:
            return
        task = waiting[0]
        for expression in asked_outside(task.element, task.trigger):
            tree.evaluate(task.task_id, expression)
        tree.complete(task.task_id, {"b": 3, "c": 1}, tree.inputs(task.task_id))


def asked_outside(element: object, trigger: object) -> Iterator[str]:
    """Yield the expressions that are evaluated while a task begins to wait."""
    names = ("expression", "correlation_key")
    found = [getattr(trigger, name, None) for name in names]
    if isinstance(element, ServiceTask | UserTask):
        names = ("priority", "assignee", "due_date", "follow_up_date")
        found += [getattr(element, name, None) for name in names]
    yield from (each for each in found if each is not None)
    yield from element.candidate_expressions if isinstance(element, UserTask) else ()


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024


if __name__ == "__main__":
    main()
