"""Processes for one scenario each: that are started by a schedule, operated by people, damaged, or deadly."""

from __future__ import annotations

from collections.abc import Sequence

from diagrams import catch, diagram, document, end, message, path, process, service_task, start, user_task
from fault_suite.lines import LINES, inserts, task
from fault_suite.orders import Line

TOIL = Line(
    "toil",
    diagram(
        "toil",
        start(),
        path("Begin", "Dig", "Carry", "Done"),
        task("Dig", "toil"),
        task("Carry", "toil"),
        end(),
    ),
    calls=("Dig", "Carry"),
)


MARATHON = Line(
    "marathon",
    diagram("marathon", start(), path("Begin", "Run", "Done"), task("Run", "persevere"), end()),
    calls=("Run",),
)
# Started by a schedule.
PUNCTUAL = Line(
    "punctual",
    diagram(
        "punctual",
        start(),
        path("Begin", "Open", "Greet", "Done"),
        task("Open", "record"),
        task("Greet", "call"),
        end(),
    ),
    effects=inserts("Open"),
    calls=("Greet",),
    is_started_by_client=False,
)
# Everything that a person, an operator or another system can do to an instance.
DESK = Line(
    "desk",
    document(
        message("Stamped", "stamped", "=order"),
        process(
            "desk",
            start(),
            path("Begin", "Review", "Stamp", "Balk", "Close", "Done"),
            user_task("Review", "clerks", form="decision"),
            catch("Stamp", message_ref="Stamped"),
            service_task("Balk", "balk", {"item": "=order", "order": "=order"}, retries=1),
            task("Close", "record"),
            end(),
        ),
    ),
    effects=inserts("Close"),
    calls=("Balk",),
    people=("Review",),
)
DOOMED = Line(
    "doomed",
    document(
        message("Nothing", "nothing", "=order"),
        process(
            "doomed",
            start(),
            path("Begin", "Wait", "Never", "Done"),
            catch("Wait", message_ref="Nothing"),
            task("Never", "record"),
            end(),
        ),
    ),
    status="cancelled",
)
BROKEN = Line(
    "broken",
    diagram(
        "broken",
        start(),
        path("Begin", "First", "Second", "Done"),
        task("First", "record"),
        task("Second", "record"),
        end(),
    ),
    status="running",
)


def poison(task_type: str) -> Line:
    """A process whose one task never succeeds, whoever tries."""
    process_id = f"poison-{task_type}"
    xml = diagram(
        process_id,
        start(),
        path("Begin", "Swallow", "Never", "Done"),
        service_task("Swallow", task_type, retries=3),
        task("Never", "record"),
        end(),
    )
    return Line(process_id, xml, status="running")


POISONS = tuple(poison(task_type) for task_type in ("explode", "segfault", "devour", "perish"))
_BY_NAME = {line.process_id: line for line in (*LINES, TOIL, MARATHON, BROKEN, PUNCTUAL, *POISONS)}


def lines_named(names: Sequence[str]) -> tuple[Line, ...]:
    return tuple(_BY_NAME[name] for name in names)
