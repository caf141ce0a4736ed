"""Which running instances may go over to another version of their diagram, where scopes and events are concerned."""

from __future__ import annotations

import pytest
from diagrams import (
    boundary,
    catch,
    diagram,
    duration,
    end,
    event_based,
    event_subprocess,
    inclusive,
    parallel,
    path,
    service_task,
    start,
    subprocess,
    throw,
    user_task,
)

from engine.bpmn import read_diagram
from engine.migration_rules import Change, LiveElement, obstacles

WORK, MORE = service_task("Work", "t"), service_task("More", "t")


def drawn(*content: str) -> bytes:
    return diagram("p", start(), *content, end())


def beside(timer: str = "PT1H", *, interrupting: bool = False, name: str = "On") -> str:
    event = start(name, timer=duration(timer), interrupting=interrupting)
    return event_subprocess("Events", event, path(name, "Handle"), service_task("Handle", "t"))


def within(*inside: str, further: str = "") -> bytes:
    """A subprocess that ends with a task, and another task behind it."""
    content = subprocess("Sub", start("In"), *inside, WORK, end("Out"))
    return drawn(path("Begin", "Sub", "After", "Done"), content, service_task("After", "t"), further)


SIMPLE = within(path("In", "Work", "Out"))
EVENTS = (event_based("Which"), catch("Late", timer=duration("PT1H")), catch("Full", condition="=a"))

AWAITED = drawn(path("Begin", "Which", "Late", "Done"), path("Which", "Full", "Done"), *EVENTS)


def reasons(old: bytes, new: bytes, *live: str, **renamed: str) -> tuple[str, ...]:
    (before,), (after,) = read_diagram(old), read_diagram(new)
    return obstacles(Change(before, after, renamed, "Begin"), [LiveElement(element_id) for element_id in live])


@pytest.mark.parametrize(
    ("old", "new", "live"),
    [
        pytest.param(SIMPLE, within(path("In", "Work", "More", "Out"), MORE), ("Sub", "Work"),
                     id="more is drawn behind the token within"),
        pytest.param(SIMPLE, within(path("In", "Work", "Out"), further=MORE + path("After", "More")), ("Sub", "Work"),
                     id="more is drawn behind the subprocess"),
        pytest.param(within(path("In", "Work", "Out"), beside()), within(path("In", "Work", "Out"), beside()),
                     ("Sub", "Work", "On"), id="the same events listen"),
        pytest.param(drawn(path("Begin", "Work", "Done"), WORK, beside()),
                     drawn(path("Begin", "Work", "After", "Done"), WORK, service_task("After", "t"), beside()),
                     ("Work", "On", "Events", "Handle"), id="an event subprocess runs"),
        pytest.param(AWAITED, drawn(path("Begin", "Which", "Late", "Work", "Done"), path("Which", "Full", "Done"), WORK,
                                    *EVENTS),
                     ("Which", "Late", "Full"), id="more is drawn behind one of several events"),
    ],
)  # fmt: skip
def test_what_changes_nothing_for_a_token_is_no_obstacle(old: bytes, new: bytes, live: tuple[str, ...]) -> None:
    assert reasons(old, new, *live) == ()


@pytest.mark.parametrize(
    ("old", "new", "live", "expected"),
    [
        pytest.param(SIMPLE, within(path("In", "More", "Work", "Out"), MORE), ("Sub", "Work"),
                     "Work: More would be skipped", id="work before the token within"),
        pytest.param(SIMPLE, within(path("In", "Told", "Work", "Out"), throw("Told", "s")).replace(
            b"</bpmn:definitions>", b'<bpmn:signal id="s" name="told" /></bpmn:definitions>'), ("Sub", "Work"),
            "Work: Told would be skipped", id="a signal before the token"),
        pytest.param(SIMPLE, drawn(path("Begin", "Work", "After", "Done"), WORK, service_task("After", "t")), ("Work",),
                     "Work: its scope is not the same", id="out of its subprocess"),
        pytest.param(SIMPLE, drawn(path("Begin", "Sub", "After", "Done"), service_task("Sub", "t"),
                                   service_task("After", "t")), ("Sub",),
                     "Sub: it is a SubProcess, and would be a ServiceTask", id="another kind"),
        pytest.param(SIMPLE, within(path("In", "Work", "Out"), beside()), ("Sub", "Work"),
                     "Sub: the events that can begin beside its tokens are not the same", id="a new event within"),
        pytest.param(within(path("In", "Work", "Out"), beside()), within(path("In", "Work", "Out"), beside("PT2H")),
                     ("Sub", "Work", "On"), "On: its trigger is not the same", id="another time"),
        pytest.param(drawn(path("Begin", "Work", "Done"), WORK), drawn(path("Begin", "Work", "Done"), WORK, beside()),
                     ("Work",), "the events that can begin beside its tokens are not the same",
                     id="a new event beside the process"),
        pytest.param(AWAITED, drawn(path("Begin", "Which", "Late", "Done"), *EVENTS[:2]), ("Which", "Late", "Full"),
                     "Which: the events behind it are not the same", id="one event less"),
        pytest.param(drawn(path("Begin", "A", "Done"), user_task("A", "g")),
                     drawn(path("Begin", "A", "Done"), user_task("A", "g"), boundary("B", "A", condition="=a"),
                           path("B", "Done")), ("A",), "A: the events on its boundary are not the same",
                     id="a new condition"),
        pytest.param(drawn(path("Begin", "F", "A", "J", "Done"), path("F", "B", "J"), parallel("F"), inclusive("J"),
                           user_task("A", "g"), user_task("B", "g")),
                     drawn(path("Begin", "F", "A", "J", "Done"), path("F", "B", "J"), path("F", "C", "J"),
                           parallel("F"), inclusive("J"), *(user_task(name, "g") for name in "ABC")), ("A", "B"),
                     "A: the fork F, which was passed, does not have as many branches", id="another branch"),
    ],
)  # fmt: skip
def test_what_changes_something_for_a_token_is_an_obstacle(
    old: bytes, new: bytes, live: tuple[str, ...], expected: str
) -> None:
    assert expected in reasons(old, new, *live)
