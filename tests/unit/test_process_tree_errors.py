"""Business errors in memory: which boundary event catches one, and what is cancelled by it."""

from __future__ import annotations

import pytest
from diagrams import boundary, call_activity, document, end, error, flow, path, process, service_task, start
from stored_tree import ROOT, StoredTree, compile_document

from engine.spiff import CompiledProcess


def _nested(*boundaries: str, inner: str = "") -> CompiledProcess:
    """p calls middle, middle calls child; `boundaries` stand on the call in p, `inner` on the task in child."""
    return compile_document(
        document(
            process(
                "p",
                start(),
                path("Begin", "Call", "Normal", "Done"),
                call_activity("Call", "middle"),
                service_task("Normal", "t"),
                *boundaries,
                *(service_task(name, "t") + flow(name, "Done") for name in ("Specific", "Any")),
                end(),
            ),
            process("middle", start("In2"), path("In2", "Call2", "Out2"), call_activity("Call2", "child"), end("Out2")),
            process(
                "child",
                start("In"),
                path("In", "Inner", "Out"),
                service_task("Inner", "t"),
                inner,
                service_task("InnerRecovery", "t"),
                flow("InnerRecovery", "Out"),
                end("Out"),
            ),
            error("Broken", "BROKEN"),
            error("Other", "OTHER"),
        )
    )


SPECIFIC = boundary("CatchSpecific", "Call", "Broken") + flow("CatchSpecific", "Specific")
OTHER = boundary("CatchOther", "Call", "Other") + flow("CatchOther", "Any")
ANY = boundary("CatchAny", "Call") + flow("CatchAny", "Any")


@pytest.mark.parametrize(
    ("compiled", "continues_at"),
    [
        pytest.param(_nested(SPECIFIC), "Specific", id="two calls further out"),
        pytest.param(_nested(ANY), "Any", id="catch-all"),
        pytest.param(_nested(ANY, SPECIFIC), "Specific", id="a named code before catch-all"),
        pytest.param(_nested(OTHER, SPECIFIC), "Specific", id="not another code"),
        pytest.param(
            _nested(SPECIFIC, inner=boundary("Own", "Inner") + flow("Own", "InnerRecovery")),
            "InnerRecovery",
            id="the nearest first",
        ),
    ],
)
@pytest.mark.parametrize("reloads", [False, True])
def test_an_error_leaves_by_the_nearest_event_that_catches_it(
    *, compiled: CompiledProcess, continues_at: str, reloads: bool
) -> None:
    tree = StoredTree(compiled, {}, reloads=reloads)

    assert tree.raise_error("Inner", "BROKEN", {"reason": "dust"})

    assert tree.waiting == [continues_at]
    while not tree.is_completed:
        tree.complete()
    assert tree.variables == {"reason": "dust"}
    assert tree.is_clean()


@pytest.mark.parametrize("compiled", [_nested(), _nested(OTHER)])
def test_an_error_that_nothing_catches_changes_nothing(compiled: CompiledProcess) -> None:
    tree = StoredTree(compiled, {})
    before, happened = tree.rows.state(ROOT), list(tree.journal)

    assert not tree.raise_error("Inner", "BROKEN", {"reason": "dust"})

    assert (tree.rows.state(ROOT), tree.journal) == (before, happened)


def test_an_error_caught_outside_cancels_what_was_called_and_the_journal_tells() -> None:
    tree = StoredTree(_nested(SPECIFIC), {})

    tree.raise_error("Inner", "BROKEN", {})

    changes = [(each.change, each.element.id) for each in tree.journal]
    assert {
        ("cancelled", "Inner"),
        ("cancelled", "Call2"),
        ("cancelled", "Call"),
        ("completed", "CatchSpecific"),
    } <= set(changes)
    assert changes.index(("completed", "CatchSpecific")) < changes.index(("activated", "Specific"))
