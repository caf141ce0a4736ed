"""What a compensation handler can read: the names of the variables that have to be kept until it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from engine.bpmn.model import BusinessRuleTask, CallActivity, ProcessModel

_NAME = re.compile(r"[^\W\d]\w*")


def names_read_by(model: ProcessModel, node_id: str) -> frozenset[str] | None:
    """Return every name that a node, what stands in it and the flows there mention; `None` where it can read all.

    Texts are looked through whole, so that no way of reading a variable is missed; some names are of nothing.
    """
    names, frontier = set[str](), [model.nodes[node_id]]
    while frontier:
        node = frontier.pop()
        if isinstance(node, BusinessRuleTask) or (isinstance(node, CallActivity) and node.propagates_parent_variables):
            return None
        for text in _texts(node):
            names.update(_NAME.findall(text))
        for flow in model.outgoing(node.id):
            names.update(_NAME.findall(flow.condition or ""))
        frontier += model.members(node.id)
    return frozenset(names)


def _texts(value: object) -> Iterator[str]:
    """Return all texts of a node, those of its parts included."""
    match value:
        case str():
            yield value
        case tuple():
            for each in value:
                yield from _texts(each)
        case _ if is_dataclass(value):
            yield from _texts(tuple(getattr(value, each.name) for each in fields(value)))
