"""The ordinary processes under test: every kind of task, event and gateway that a fault may hit."""

from __future__ import annotations

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
from fault_suite.orders import Item, Line

ATTEMPTS = 60  # of every service task: what the faults use up must not end in an incident
FAILS_ONCE = "Balk"  # the element whose incidents somebody retries
ATTEMPT_OF = "attempt_"  # begins the names of the variables that say which attempt counts


def task(node_id: str, task_type: str, item: str = "order", result: str | None = None, each: str = "") -> str:
    """A service task of the suite's handlers, which give the item back that they get.

    What calls out leaves in a variable which of its attempts counts.
    """
    outputs = {} if result is None else {result: "=item"}
    if task_type in {"call", "stumble"} and not each:
        outputs |= {f"{ATTEMPT_OF}{node_id}": "=attempt"}
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
        service_task("Package", "package", {}, {"uri": "=uri", f"{ATTEMPT_OF}Package": "=attempt"}, retries=ATTEMPTS),
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
# Its task fails once and for all: a person asks for another attempt.
MENDED = Line(
    "mended",
    diagram(
        "mended",
        start(),
        path("Begin", FAILS_ONCE, "Thank", "Done"),
        service_task(FAILS_ONCE, "balk", retries=1),
        task("Thank", "record"),
        end(),
    ),
    effects=inserts("Thank"),
    calls=(FAILS_ONCE,),
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
LINES = (CHAIN, BRANCHES, BATCH, CALLED, ARTEFACT, STUMBLE, MENDED, REFUSAL, APPROVAL, PATIENCE, LETTER, HAIL)
