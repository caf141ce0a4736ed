"""The graph store: edges between records, and what can be reached along them.

Nodes are the records themselves; nothing but edges is kept here. Whoever may see a record is decided above.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from storage.json_documents import jsonb_text
from storage.sql import Queries
from storage.stores.edges import LINEAGE, Bounds, Direction, Edge, EdgeKind, Node, ReachedNode, Traversal
from storage.tenants import enter_tenant

_QUERIES = Queries(Path(__file__).with_name("graph.sql"))
_DEFAULT_BOUNDS = Bounds()
_KINDS = {kind.value: kind for kind in EdgeKind}
_EDGES_PER_NODE = 4
"""Where there are more, edges are asked for once the nodes are known."""


class GraphStore:
    """The edges of one tenant on one transaction."""

    def __init__(self, connection: Connection, tenant_id: str) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    def connect(self, *edges: Edge) -> int:
        """Write edges that are not there; return how many were written.

        Repeating it changes nothing: of a kind there is one open edge between two nodes.

        Raises:
            RecordTextError, RecordNumberError: Properties that the database cannot hold.
        """
        return self._execute("connect_edges", [_connect_row(edge) for edge in edges]) if edges else 0

    def disconnect(self, *edges: Edge, at: datetime | None = None) -> int:
        """Let open edges hold until `at`, now unless given; return how many were open."""
        return self._execute("disconnect_edges", [_key_row(edge) for edge in edges], {"at": at}) if edges else 0

    def part(self, node_id: UUID, kinds: Collection[EdgeKind]) -> int:
        """Let all open edges of these kinds from and to a node end now; return how many there were."""
        enter_tenant(self._connection, self._tenant_id)
        parameters = {"tenant_id": self._tenant_id, "node_id": node_id, "kinds": sorted(kinds)}
        return _QUERIES.execute(self._connection, "part_node", parameters)

    def traverse(
        self,
        start: Node,
        direction: Direction,
        *,
        kinds: Collection[EdgeKind] = LINEAGE,
        at: datetime | None = None,
        bounds: Bounds = _DEFAULT_BOUNDS,
    ) -> Traversal:
        """Return what can be reached from a node, the nearest first, whatever cycles there are.

        Args:
            start: Need not have edges.
            direction: Which way edges are followed.
            kinds: Of the edges that are followed.
            at: Only edges that hold at this moment; all that ever did, unless given.
            bounds: How far; whether there is more is in the answer.
        """
        wanted: dict[str, object] = {"tenant_id": self._tenant_id, "kinds": sorted(kinds), "at": at}
        walk = {
            **wanted,
            "start": start.id,
            "downstream": direction is not Direction.UPSTREAM,
            "upstream": direction is not Direction.DOWNSTREAM,
            "max_depth": bounds.depth,
            "max_nodes": bounds.nodes,
            "max_edges": _EDGES_PER_NODE * bounds.nodes,
            "edges_of_a_node": len(kinds) * (2 * bounds.nodes + 1),
        }
        enter_tenant(self._connection, self._tenant_id)
        rows = _QUERIES.rows(self._connection, "traverse", walk)
        depths = _depths(rows)
        within = [node for node, depth in depths.items() if depth <= bounds.depth]
        kept = dict.fromkeys(within[: bounds.nodes])
        if len(within) > bounds.nodes or len(rows) >= _EDGES_PER_NODE * bounds.nodes:
            name = "edges_out_of" if direction is Direction.UPSTREAM else "edges_into"
            rows = _QUERIES.rows(self._connection, name, {**wanted, "nodes": list(kept)})
        edges = _edges_among(kept, rows)
        return Traversal(
            start=start,
            nodes=_with_models(start, {node: depths[node] for node in kept}, edges),
            edges=edges,
            has_more_depth=len(depths) > len(within),
            has_more_nodes=len(within) > bounds.nodes,
        )

    def neighbours(self, start: Node, *, kinds: Collection[EdgeKind], at: datetime | None = None) -> Traversal:
        """Return the nodes next to one, whichever way the edges point."""
        return self.traverse(start, Direction.BOTH, kinds=kinds, at=at, bounds=Bounds(depth=1))

    def _execute(self, name: str, rows: list[dict[str, object]], more: dict[str, object] | None = None) -> int:
        enter_tenant(self._connection, self._tenant_id)
        parameters = {"tenant_id": self._tenant_id, "edges": jsonb_text(rows, model="GraphEdge"), **(more or {})}
        return _QUERIES.execute(self._connection, name, parameters)


def _depths(rows: Sequence[Row[Any]]) -> dict[UUID, int]:
    """Return the depth of each node that was reached, the nearest first."""
    return {node: row.depth for row in rows if row.frontier is not None for node in row.frontier}


def _edges_among(nodes: Collection[UUID], rows: Sequence[Row[Any]]) -> tuple[Edge, ...]:
    """Return the edges between nodes, each once, in the order in which they were written."""
    found = {row.edge_id: row for row in rows if row.edge_id and row.source_id in nodes and row.target_id in nodes}
    return tuple(_edge(found[edge_id]) for edge_id in sorted(found))


def _with_models(start: Node, depths: dict[UUID, int], edges: tuple[Edge, ...]) -> tuple[ReachedNode, ...]:
    models = {node.id: node.model for edge in edges for node in (edge.source, edge.target)}
    models[start.id] = start.model
    return tuple(ReachedNode(models[node], node, depth) for node, depth in depths.items())


def _connect_row(edge: Edge) -> dict[str, object]:
    return {
        **_key_row(edge),
        "source_model": edge.source.model,
        "target_model": edge.target.model,
        "valid_from": edge.valid_from,
        "properties": dict(edge.properties),
    }


def _key_row(edge: Edge) -> dict[str, object]:
    return {"kind": edge.kind, "source_id": edge.source.id, "target_id": edge.target.id}


def _edge(row: Row[Any]) -> Edge:
    source, target = Node(row.source_model, row.source_id), Node(row.target_model, row.target_id)
    return Edge(_KINDS[row.kind], source, target, row.valid_from, row.valid_to, row.recorded_at, row.properties)
