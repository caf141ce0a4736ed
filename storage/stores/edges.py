"""What a graph consists of: nodes, which are records of any model, and edges of fixed kinds between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

if TYPE_CHECKING:
    import networkx as nx


class EdgeKind(StrEnum):
    """What an edge says; it points from what was first to what came of it."""

    HAS_VERSION = "has_version"
    USED_BY = "used_by"
    RAN = "ran"
    PRODUCED = "produced"
    EVALUATED = "evaluated"
    SERVED_BY = "served_by"
    ANSWERED = "answered"
    APPROVED = "approved"
    DEFINED = "defined"
    GOVERNED = "governed"
    REPORTED_IN = "reported_in"
    ADJACENT_TO = "adjacent_to"
    ACTIVATES = "activates"


LINEAGE = frozenset(EdgeKind) - {EdgeKind.ADJACENT_TO, EdgeKind.ACTIVATES}
"""The kinds that tell what came of what."""


class Direction(StrEnum):
    """Which way edges are followed."""

    DOWNSTREAM = "downstream"
    UPSTREAM = "upstream"
    BOTH = "both"


class Node(NamedTuple):
    """A record: its model's name and its id. The id alone identifies it."""

    model: str
    id: UUID


class Edge(NamedTuple):
    """One edge; a tuple, because answers hold hundreds of them.

    Attributes:
        valid_from: Since when it holds; when it is written, unless given.
        valid_to: Until when it held; `None` while it does.
        recorded_at: When it was written.
    """

    kind: EdgeKind
    source: Node
    target: Node
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    recorded_at: datetime | None = None
    properties: Mapping[str, JsonValue] = MappingProxyType({})


class Bounds(BaseModel):
    """How far a traversal goes.

    Attributes:
        depth: Edges between the start and the farthest node.
        nodes: At most so many, the start included; the nearest are taken.
    """

    model_config = ConfigDict(frozen=True)

    depth: int = Field(default=32, ge=0, le=1_000)
    nodes: int = Field(default=10_000, ge=1, le=1_000_000)


class ReachedNode(NamedTuple):
    """A node and the smallest number of edges between it and the start."""

    model: str
    id: UUID
    depth: int


@dataclass(frozen=True)
class Traversal:
    """What was reached from a node.

    Attributes:
        nodes: The nearest first, beginning with the start itself.
        edges: All edges among the nodes, in the order in which they were written.
        has_more_depth: There are nodes beyond the depth that was asked for.
        has_more_nodes: There are nodes within that depth beyond the number that was asked for.
    """

    start: Node
    nodes: tuple[ReachedNode, ...]
    edges: tuple[Edge, ...]
    has_more_depth: bool = False
    has_more_nodes: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether nothing was left out."""
        return not (self.has_more_depth or self.has_more_nodes)

    def as_networkx(self) -> nx.MultiDiGraph:
        """Return the nodes and edges for the algorithms of networkx; node ids are the keys, an edge's kind its key."""
        return as_networkx(self.nodes, self.edges)


def as_networkx(nodes: Iterable[ReachedNode], edges: Iterable[Edge]) -> nx.MultiDiGraph:
    """Return a graph with `model` and `depth` on nodes and `edge` on edges."""
    import networkx as nx  # only those pay for it who look at a graph whole

    graph = nx.MultiDiGraph()
    for node in nodes:
        graph.add_node(node.id, model=node.model, depth=node.depth)
    for edge in edges:
        graph.add_edge(edge.source.id, edge.target.id, key=(edge.kind, edge.valid_from), edge=edge)
    return graph


def holds_at(edge: Edge, at: datetime) -> bool:
    """Return whether an edge that was read holds at a moment."""
    begun = edge.valid_from is not None and edge.valid_from <= at
    return begun and (edge.valid_to is None or edge.valid_to > at)
