"""The processes under test, and what one order of each must have left when it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from diagrams import (
    boundary,
    call_activity,
    catch,
    choice,
    diagram,
    document,
    duration,
    end,
    error,
    flow,
    for_each,
    message,
    parallel,
    path,
    process,
    service_task,
    start,
    user_task,
)
from pydantic import JsonValue

from storage import SecurityContext
from storage.models import RoleType

CLERK = SecurityContext(
    user_id="olga", tenant_id="north", roles=frozenset({RoleType.ADMIN}), groups=frozenset({"clerks"})
)
ATTEMPTS = 60  # of every service task: what the faults use up must not end in an incident

Item = Callable[[int], JsonValue]


@dataclass(frozen=True)
class Line:
    """One process of the suite.

    Attributes:
        effects: Element and item of each row that a handler inserts; the item follows from the order's number.
        calls: The elements whose handler calls out, each as often as it does.
        people: The user tasks.
        others: Further activities that complete.
        makes_artefact: Whether an object and the record that names it are left.
        status: How its instance ends; one that still runs has an open incident.
        message: The name of the message that it is sent, with five times the order's number as `amount`.
    """

    process_id: str
    xml: bytes
    effects: tuple[tuple[str, Item], ...] = ()
    calls: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    makes_artefact: bool = False
    status: str = "completed"
    message: str | None = None
    is_started_by_client: bool = True

    @property
    def completed(self) -> tuple[str, ...]:
        """The activities that complete, each as often as it does."""
        return (*(element for element, _ in self.effects), *self.calls, *self.people, *self.others)


@dataclass(frozen=True)
class Order:
    """One instance."""

    number: int
    line: Line

    @property
    def key(self) -> str:
        return f"order-{self.number}"

    def rows(self) -> Iterator[tuple[str, str]]:
        """The rows that handlers insert: element, item as JSON."""
        for element, item in self.line.effects:
            yield element, json.dumps(item(self.number), sort_keys=True)


def task(node_id: str, task_type: str, item: str = "order", result: str | None = None, each: str = "") -> str:
    """A service task of the suite's handlers, which give the item back that they get."""
    outputs = {} if result is None else {result: "=item"}
    inputs = {"item": f"={item}", "order": "=order"}
    return service_task(node_id, task_type, inputs, outputs, retries=ATTEMPTS, multi_instance=each)


def inserts(*element_ids: str) -> tuple[tuple[str, Item], ...]:
    """Rows with the order's number."""
    return tuple((element_id, lambda number: number) for element_id in element_ids)


CHAIN = Line(
    "chain",
    diagram(
        "chain",
        start(),
        path("Begin", "Reserve", "Check", "Ship", "Bill", "Notify", "Done"),
        task("Reserve", "record"),
        task("Check", "record"),
        task("Ship", "call"),
        task("Bill", "record"),
        task("Notify", "call"),
        end(),
    ),
    effects=inserts("Reserve", "Check", "Bill"),
    calls=("Ship", "Notify"),
)
# Each branch writes a variable of its own, and the task behind the join sees them all.
BRANCHES = Line(
    "branches",
    diagram(
        "branches",
        start(),
        path("Begin", "Fork", "Left", "LeftCall", "Join", "Gather", "Done"),
        path("Fork", "Middle", "Join"),
        path("Fork", "RightCall", "Right", "Join"),
        parallel("Fork"),
        parallel("Join"),
        task("Left", "record", "order + 1", "left"),
        task("LeftCall", "call", "left", "left"),
        task("Middle", "record", "order + 2", "middle"),
        task("RightCall", "call", "order + 3", "right"),
        task("Right", "record", "right", "right"),
        task("Gather", "record", "left + middle + right"),
        end(),
    ),
    effects=(
        ("Left", lambda number: number + 1),
        ("Middle", lambda number: number + 2),
        ("Right", lambda number: number + 3),
        ("Gather", lambda number: 3 * number + 6),
    ),
    calls=("LeftCall", "RightCall"),
)
BATCH = Line(
    "batch",
    diagram(
        "batch",
        start(),
        path("Begin", "Each", "All", "Done"),
        task("Each", "call", "piece + order", each=for_each("=[10, 20, 30]", "piece", collect="pieces", each="=item")),
        task("All", "record", "sum(pieces)"),
        end(),
    ),
    effects=(("All", lambda number: 60 + 3 * number),),
    calls=("Each", "Each", "Each"),
)
CALLED = Line(
    "called",
    document(
        process(
            "called",
            start(),
            path("Begin", "Delegate", "Accept", "Done"),
            call_activity("Delegate", "supplier", {"order": "=order"}, {"offer": "=offer"}, parent=False, child=False),
            task("Accept", "record", "offer"),
            end(),
        ),
        process(
            "supplier",
            start("Asked"),
            path("Asked", "Estimate", "Sign", "Answered"),
            task("Estimate", "call", "order * 2", "offer"),
            task("Sign", "record", "offer"),
            end("Answered"),
        ),
    ),
    effects=(("Accept", lambda number: 2 * number), ("Sign", lambda number: 2 * number)),
    calls=("Estimate",),
    others=("Delegate",),
)
ARTEFACT = Line(
    "artefact",
    diagram(
        "artefact",
        start(),
        path("Begin", "Package", "Register", "Done"),
        task("Package", "package"),
        service_task("Register", "register", {"uri": "=uri"}, retries=ATTEMPTS),
        end(),
    ),
    calls=("Package",),
    others=("Register",),
    makes_artefact=True,
)
STUMBLE = Line(
    "stumble",
    diagram(
        "stumble",
        start(),
        path("Begin", "Stumble", "Rise", "Done"),
        task("Stumble", "stumble"),
        task("Rise", "record"),
        end(),
    ),
    effects=inserts("Rise"),
    calls=("Stumble",),
)
REFUSAL = Line(
    "refusal",
    document(
        error("Refused", "REFUSED"),
        process(
            "refusal",
            start(),
            path("Begin", "Prepare", "Ask", "Done"),
            task("Prepare", "record"),
            task("Ask", "refuse"),
            boundary("Refusal", "Ask", "Refused"),
            path("Refusal", "Apologise", "Sorry"),
            task("Apologise", "call"),
            end(),
            end("Sorry"),
        ),
    ),
    effects=inserts("Prepare"),
    calls=("Apologise",),
)
APPROVAL = Line(
    "approval",
    diagram(
        "approval",
        start(),
        path("Begin", "Prepare", "Review", "Decide"),
        task("Prepare", "record"),
        user_task("Review", "clerks", form="decision"),
        boundary("Overdue", "Review", timer=duration("PT1H")),
        path("Overdue", "Escalate", "Done"),
        task("Escalate", "record"),
        choice("Decide", "=approved", "Release", "Bin"),
        task("Release", "record"),
        task("Bin", "record"),
        flow("Release", "Done"),
        flow("Bin", "Done"),
        end(),
    ),
    effects=inserts("Prepare", "Release"),
    people=("Review",),
)
PATIENCE = Line(
    "patience",
    diagram(
        "patience",
        start(),
        path("Begin", "Rest", "Rise", "Done"),
        catch("Rest", timer=duration("PT1S")),
        task("Rise", "record"),
        end(),
    ),
    effects=inserts("Rise"),
)
# The message is sent twice under one id, before or after the instance waits for it.
LETTER = Line(
    "letter",
    document(
        message("Paid", "paid", "=order"),
        process(
            "letter",
            start(),
            path("Begin", "Bill", "Payment", "Book", "Done"),
            task("Bill", "call"),
            catch("Payment", message_ref="Paid", outputs={"amount": "=amount"}),
            task("Book", "record", "amount"),
            end(),
        ),
    ),
    effects=(("Book", lambda number: 5 * number),),
    calls=("Bill",),
    message="paid",
)
# Started by the message.
HAIL = Line(
    "hail",
    document(
        message("Hailed", "hailed"),
        process(
            "hail",
            start(message_ref="Hailed"),
            path("Begin", "Answer", "Done"),
            task("Answer", "record", "amount"),
            end(),
        ),
    ),
    effects=(("Answer", lambda number: 5 * number),),
    message="hailed",
    is_started_by_client=False,
)
LINES = (CHAIN, BRANCHES, BATCH, CALLED, ARTEFACT, STUMBLE, REFUSAL, APPROVAL, PATIENCE, LETTER, HAIL)


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
_BY_NAME = {line.process_id: line for line in (*LINES, TOIL, BROKEN, PUNCTUAL, *POISONS)}


def lines_named(names: Sequence[str]) -> tuple[Line, ...]:
    return tuple(_BY_NAME[name] for name in names)


def orders(count: int, lines: Sequence[Line] = LINES) -> list[Order]:
    """Return `count` orders, the lines in turn."""
    return [Order(number, lines[number % len(lines)]) for number in range(count)]
